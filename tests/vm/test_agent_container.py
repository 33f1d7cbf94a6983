"""Story: two hosts without HashiCorp's package, Consul's agent in a container on both, and ACLs that deny by default.

The tests follow each other, as the hosts' life does: no image yet, a cluster, Docker stopped and started, a boot, the
removal.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.machines.guest import Guest
from tests.support.machines.hosts import (
    DIG,
    Pair,
    answers_from,
    configure,
    ifupdown,
    install,
    load_images,
    networkd,
    start_web,
    wait_for_registrator,
)
from tests.support.machines.lan import OUTSIDE_ADDRESS, OUTSIDE_NAME
from tests.support.packages import ADDRESS, NAME
from tests.support.speed import scaled
from tests.unit.kit import copy_checkout, inv
from tests.vm.conftest import Bed

pytestmark = [pytest.mark.timeout(1500), pytest.mark.long, pytest.mark.sequence]
SETTINGS = '[consul]\nrun = "container"\nacl = "deny"\n'
AGENT = f"{NAME}-agent"
API = f"http://{ADDRESS}:8500/v1"
CONSUL = "consul.service.consul"
SECRETS = "/etc/consul-secrets"
POLICIES = f"/usr/share/{NAME}/policies"
KINDS = ("agent", "dns", "registrator")
# The release's image cannot be pulled here: the same program alone, as the image has it.
IMPORT = (
    "dpkg-deb --extract /var/tmp/consul.deb /var/tmp/c && tar -C /var/tmp/c -c usr/bin/consul"
    " | docker import --change 'ENV PATH=/usr/bin' - hashicorp/consul:1.22.7 && rm -r /var/tmp/c"
)
STARTED = f"docker inspect --format '{{{{.State.StartedAt}}}}' {AGENT}"


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the package as it is built for such hosts."""
    work = copy_checkout(tmp_path_factory.mktemp("container") / "checkout")
    (work.root / "container.toml").write_text(SETTINGS, encoding="utf-8")
    done = inv(work, "build.deb", "--backend", "nfpm", "--settings", "container.toml")
    assert done.returncode == 0, done.output
    (path,) = work.dist.glob("*.deb")
    return path


@pytest.fixture(scope="module")
def pair(bed: Bed) -> Pair:
    """Give two hosts with the package, Docker, and no Consul in any form."""
    a = bed.guest(bed.plan("host-a", 2, distribution="debian-12", uplink=ifupdown(2)))
    b = bed.guest(bed.plan("host-b", 3, distribution="debian-13", uplink=networkd(3)))

    def prepare(guest: Guest) -> None:
        assert guest.wait_for_boot() == "running", guest.report()
        load_images(guest)
        install(guest)
        server = {"ROLE": "server", "BOOTSTRAP_EXPECT": "1"}
        configure(guest, **(server if guest is a else {"RETRY_JOIN": a.address}))

    both = Pair(a=a, b=b)
    both.prepare(prepare)
    return both


@pytest.fixture
def a(pair: Pair) -> Guest:
    return pair.a


@pytest.fixture
def b(pair: Pair) -> Guest:
    return pair.b


def call(guest: Guest, path: str, body: str) -> str:
    """Put to the API with all rights; no list of processes shows the token."""
    header = "{ printf 'X-Consul-Token: '; cat /run/management; }"
    guest.put("/run/body", body)
    return guest.output(f"{header} | curl --silent --fail --max-time 10 -H @- -T /run/body {API}/{path}")


def give_token(pair: Pair, kind: str) -> None:
    """Make a token with the policy and hand it to both hosts."""
    secret = json.loads(call(pair.a, "acl/token", json.dumps({"Policies": [{"Name": kind}]})))["SecretID"]
    for guest in (pair.a, pair.b):
        guest.put(f"{SECRETS}/{kind}.token", f"{secret}\n")
        guest.run(f"chgrp consul {SECRETS}/{kind}.token && chmod 0640 {SECRETS}/{kind}.token")


def test_a_host_without_the_image_resolves_and_says_what_is_missing(a: Guest) -> None:
    assert a.run("command -v consul", check=False).returncode != 0
    assert OUTSIDE_ADDRESS in a.output(f"{DIG} {OUTSIDE_NAME}")
    assert a.output(f"systemctl is-active {AGENT}") == "active"
    links = json.loads(a.run(f"{NAME} check --json", check=False, seconds=90).stdout)["links"]
    (consul,) = [link for link in links if link["name"] == "consul"]
    assert (consul["state"], AGENT in consul["remedy"]) == ("broken", True)


def test_the_agent_starts_when_its_image_is_there(pair: Pair) -> None:
    pair.prepare(lambda guest: guest.run(IMPORT, seconds=240))
    pair.a.wait_until(f"curl --silent --fail --max-time 3 {API}/status/leader | grep -q :8300", 240, what="a leader")
    pair.b.wait_until(f"curl --silent --fail --max-time 3 {API}/status/leader | grep -q :8300", 240, what="it joined")


def test_tokens_open_a_cluster_that_denies(pair: Pair) -> None:
    a = pair.a
    line = f"curl --silent --fail -X PUT {API}/acl/bootstrap >/run/bootstrap && jq -r .SecretID /run/bootstrap"
    a.wait_until(f"(umask 077; {line} | tr -d '\\n' >/run/management)", 60, what="ACLs are ready")
    for guest in (pair.a, pair.b):
        guest.run(f"mkdir {SECRETS}")
    for kind in KINDS:
        call(a, "acl/policy", json.dumps({"Name": kind, "Rules": a.output(f"cat {POLICIES}/{kind}.hcl")}))
        give_token(pair, kind)
    before = a.output(STARTED)
    for guest in (pair.a, pair.b):
        configure(guest, **{f"{kind.upper()}_TOKEN_FILE": f"{SECRETS}/{kind}.token" for kind in KINDS})
        answers_from(guest, CONSUL, a.address, seconds=60)
    # Tokens are read anew without a restart.
    assert a.output(STARTED) == before


def test_both_are_members_and_the_check_says_so(pair: Pair) -> None:
    header = f"{{ printf 'X-Consul-Token: '; cat {SECRETS}/agent.token; }}"
    listed = pair.a.output(f"{header} | curl --silent -H @- {API}/agent/members")
    assert {(one["Name"], one["Status"]) for one in json.loads(listed)} == {("host-a", 1), ("host-b", 1)}
    for guest in (pair.a, pair.b):
        links = json.loads(guest.run(f"{NAME} check --json", check=False, seconds=90).stdout)["links"]
        states = {link["name"]: link["state"] for link in links}
        assert {states[name] for name in ("consul", "api", "joined", "dns", "dnsmasq", "settings")} == {"ok"}, links


def test_the_container_has_no_right_that_it_does_not_need(a: Guest) -> None:
    (found,) = json.loads(a.output(f"docker inspect {AGENT}"))
    assert found["HostConfig"]["ReadonlyRootfs"] is True
    assert found["HostConfig"]["CapDrop"] == ["ALL"]
    assert found["HostConfig"]["SecurityOpt"][0] == "no-new-privileges"
    assert a.output("ps -o user= -C consul | sort -u") == "consul"
    assert a.output(f"stat -c '%a %U' /var/lib/{NAME}/consul") == "750 consul"
    token = a.output(f"cat {SECRETS}/agent.token")
    assert token not in json.dumps(found) + a.output("journalctl --no-pager --all") + a.output("ps -eo args")


def test_registrator_comes_and_goes_with_its_token(a: Guest, b: Guest) -> None:
    wait_for_registrator(b)
    start_web(b, "web", options="--env SERVICE_NAME=webservice --expose 80 --publish-all")
    answers_from(a, "webservice.service.consul", b.address, seconds=60)
    b.run("docker rm --force web")
    answers_from(a, "webservice.service.consul", "", seconds=20)
    assert a.run(f"curl --silent --fail -X PUT --data x {API}/kv/story", check=False).returncode == 22


def test_outside_names_resolve_while_docker_is_down(a: Guest) -> None:
    a.run("systemctl stop docker.socket docker.service", seconds=90)
    assert OUTSIDE_ADDRESS in a.output(f"{DIG} {OUTSIDE_NAME}")
    a.run(f"{NAME} apply; sleep {scaled(10):g}")
    assert a.failed_units() == ""
    # An administrator's stopped Docker is not started.
    assert a.run("systemctl is-active docker.service", check=False).stdout.strip() == "inactive"
    a.run("systemctl start docker.socket docker.service", seconds=120)
    answers_from(a, CONSUL, a.address, seconds=120)


def test_the_agent_comes_back_with_its_data_after_a_boot(a: Guest) -> None:
    assert a.reboot() == "running", a.report()
    answers_from(a, CONSUL, a.address, seconds=150)
    assert a.failed_units() == ""


def test_a_purge_leaves_nothing(b: Guest) -> None:
    b.run(f"DEBIAN_FRONTEND=noninteractive apt-get purge --yes {NAME}", seconds=180)
    assert b.output(f"docker ps --all --quiet --filter name={NAME}") == ""
    assert b.run(f"ls -d /var/lib/{NAME} /run/{NAME}; getent passwd consul; pgrep -x consul", check=False).stdout == ""
    assert b.failed_units() == ""
    assert OUTSIDE_ADDRESS in b.output(f"{DIG} {OUTSIDE_NAME}")
