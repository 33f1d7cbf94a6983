"""Story: three servers and a client over sudo, from an open cluster to one that denies by default, in this order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from consul_docker_host.core.run import Result, run
from consul_docker_host.prove.consul_binary import consul_binary
from pyinfra_deploy.lock import KEY, SECONDS
from tests.deploy.kit import USER, Fleet, fleet_of, of, pids, ready_ssh_image
from tests.support.cluster import API
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.packages import ADDRESS, NAME

pytestmark = pytest.mark.sequence

NAMES = ("server-a", "server-b", "server-c", "client")
SUDO = {"ssh_user": USER, "_sudo": True}
POLICIES = f"/usr/share/{NAME}/policies"
TOKENS = ("agent", "dns", "services")


@pytest.fixture(scope="module")
def fleet(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Give three servers and a client, with nothing of ours on them but what it depends on."""
    image = ready_ssh_image(bed, "debian-12")
    with fleet_of(bed, tmp_path_factory.mktemp("servers"), *((name, image) for name in NAMES)) as running:
        yield running


@pytest.fixture(scope="module")
def secrets(fleet: Fleet) -> dict[str, str]:
    """Give the values that no output may show, by name; they come as the story goes on."""
    return {}


def keep(fleet: Fleet, name: str, text: str) -> str:
    """Keep a secret beside the inventory and return its path."""
    path = fleet.folder / name
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def closed(fleet: Fleet) -> dict[str, Any]:
    """Return the data of a cluster with gossip key and TLS, over sudo."""
    return {
        **SUDO,
        "cdh_gossip_key": str(fleet.folder / "gossip.key"),
        "cdh_ca": str(fleet.folder / "ca.pem"),
    }


def own(fleet: Fleet) -> dict[str, dict[str, str]]:
    """Return each host's certificate and key as its data."""
    return {
        host.name.replace("-", "_"): {
            "cdh_cert": str(fleet.folder / f"{host.name}.pem"),
            "cdh_key": str(fleet.folder / f"{host.name}-key.pem"),
        }
        for host in fleet.hosts
    }


def leader(fleet: Fleet) -> Host:
    """Return the server that leads."""
    fleet.server.wait_until(f"curl -sf {API}/status/leader | grep -q :", 60, what="an election under way has ended")
    address = json.loads(fleet.server.output(f"curl -sf {API}/status/leader")).rpartition(":")[0]
    return next(host for host in fleet.servers if fleet.addresses[host.name] == address)


def elections(fleet: Fleet) -> int:
    """Return how often a server of the cluster has become its leader."""
    said = (
        host.output("journalctl -u consul --no-pager | grep -c 'cluster leadership acquired' || :")
        for host in fleet.servers
    )
    return sum(map(int, said))


def waves(result: Result) -> list[str]:
    """Return the hosts of each wave, as it was told."""
    return re.findall(r"^== [^:]*: (.*)$", result.stdout, re.MULTILINE)


def test_a_user_without_the_rights_of_root_is_told_at_once(fleet: Fleet) -> None:
    fleet.write({"ssh_user": USER})
    report = fleet.report("deploy")
    for host in fleet.servers:
        found = of(report, host)
        assert (found["state"], found["step"]) == ("failed", "connect"), found
        assert re.fullmatch(r"no root access: commands run as user \d+", found["reason"])
        assert "_sudo = True" in found["remedy"]
    assert of(report, fleet.clients[0])["state"] == "not tried"


def test_servers_without_a_cluster_form_it_together_and_the_client_joins(fleet: Fleet, secrets: dict[str, str]) -> None:
    make_secrets(fleet, secrets)
    fleet.write(closed(fleet), **own(fleet))
    result = fleet.inv("deploy")
    assert result.returncode == 0, result.output
    assert waves(result) == ["server-a, server-b, server-c", "client"]
    assert_says_nothing(result, secrets)
    said = fleet.clients[0].output("consul members")
    assert sum(" alive " in line for line in said.splitlines()) == len(fleet.hosts), said
    keyring = fleet.clients[0].output("consul keyring -list")
    assert secrets["gossip"] in keyring


def test_a_living_cluster_is_rolled_one_by_one_and_elects_once(fleet: Fleet) -> None:
    last, before = leader(fleet), elections(fleet)
    fleet.write({**closed(fleet), "cdh_acl": "allow"}, **own(fleet))
    result = fleet.inv("deploy")
    assert result.returncode == 0, result.output
    told = waves(result)
    assert sorted(told[:3]) == sorted(host.name for host in fleet.servers)
    assert told[2:] == [last.name, "client"]
    assert elections(fleet) == before + 1


def make_secrets(fleet: Fleet, secrets: dict[str, str]) -> None:
    """Make a gossip key and a certificate for each host, with Consul's own program."""
    consul, pki = str(consul_binary()), fleet.folder / "pki"
    pki.mkdir()
    for name in ("gossip", "another gossip", "a third gossip"):
        secrets[name] = run([consul, "keygen"]).stdout.strip()
    keep(fleet, "gossip.key", secrets["gossip"])
    run([consul, "tls", "ca", "create"], cwd=pki)
    keep(fleet, "ca.pem", (pki / "consul-agent-ca.pem").read_text())
    for host in fleet.hosts:
        kind = "server" if host in fleet.servers else "client"
        run([consul, "tls", "cert", "create", f"-{kind}", "-dc", "dc1"], cwd=pki)
        for suffix in ("", "-key"):
            made = pki / f"dc1-{kind}-consul-0{suffix}.pem"
            keep(fleet, f"{host.name}{suffix}.pem", made.read_text())
            made.unlink()
        secrets[f"key of {host.name}"] = (fleet.folder / f"{host.name}-key.pem").read_text().splitlines()[1]


def test_two_operators_do_not_deploy_at_once(fleet: Fleet) -> None:
    fleet.write({**closed(fleet), "cdh_acl": "allow"}, **own(fleet))
    with ThreadPoolExecutor(max_workers=2) as pool:
        results = list(pool.map(lambda _: fleet.inv("deploy"), range(2)))
    assert sorted(result.returncode == 0 for result in results) == [False, True], [one.output for one in results]
    second = next(one for one in results if one.returncode)
    assert re.search(r"another deploy is running: \S+@\S+ since [\d-]+ [\d:]+ UTC \(deploy\)", second.output)
    assert f"consul kv delete {KEY}" in second.output
    assert not fleet.server.run(["consul", "kv", "get", KEY], check=False).stdout, "the lock was given back"
    assert json.loads(fleet.server.output(f"curl -sf {API}/session/list")) == []


def test_a_deploy_whose_lock_was_taken_away_stops_before_the_next_wave(fleet: Fleet) -> None:
    fleet.write({**closed(fleet), "cdh_acl": "allow", "cdh_upstreams": ["192.0.2.53"]}, **own(fleet))
    with ThreadPoolExecutor(max_workers=1) as pool:
        running = pool.submit(fleet.inv, "deploy")
        fleet.server.wait_until(f"consul kv get {KEY} >/run/holder", 60, what="the lock is taken")
        session = json.loads(fleet.server.output(f"curl -sf {API}/session/list"))[0]
        assert session["TTL"] == f"{SECONDS}s"
        fleet.server.run(f"curl -sf -X PUT {API}/session/destroy/{session['ID']}")
        result = running.result()
    assert result.returncode != 0
    assert f"the lock {KEY} was lost" in result.stdout, result.output
    assert "not tried" in result.stdout


def test_a_server_that_is_away_is_seen_to_first_and_no_other_is_touched(fleet: Fleet) -> None:
    away = next(host for host in fleet.servers if host != leader(fleet))
    others = [host for host in fleet.servers if host != away]
    fleet.write({**closed(fleet), "cdh_acl": "allow", "cdh_patience": 5, "cdh_node_name": ""}, **own(fleet))
    away.run("systemctl stop consul")
    before = [pids(host) for host in others]
    result = fleet.inv("deploy")
    assert result.returncode != 0
    assert f"stopped at server {away.name}; 3 hosts were not tried" in result.stdout, result.output
    assert [pids(host) for host in others] == before
    away.run("systemctl start --no-block consul")
    fleet.server.wait_until(f"[ $(curl -sf {API}/status/peers | jq length) = 3 ]", 60, what="three vote")


def test_a_server_that_a_deploy_left_outside_comes_first_at_the_rerun(fleet: Fleet) -> None:
    data = {**closed(fleet), "cdh_acl": "allow", "cdh_patience": 20, "cdh_host_ip": ""}
    ill = next(host for host in reversed(fleet.servers) if host != leader(fleet))
    named = own(fleet)
    for host in fleet.hosts:
        named[host.name.replace("-", "_")]["cdh_host_ip"] = fleet.addresses[host.name]
    ill.put("/etc/consul.d/wrong.hcl", "no_such_key = 1\n")
    fleet.write(data, **named)
    first = fleet.inv("deploy")
    assert first.returncode != 0
    assert f"stopped at server {ill.name}; " in first.stdout, first.output
    assert "wrong.hcl" in first.stdout
    again = fleet.inv("deploy")
    assert waves(again) == [ill.name], again.output
    ill.run("rm /etc/consul.d/wrong.hcl")
    last = fleet.inv("deploy")
    assert last.returncode == 0, last.output


def test_another_gossip_key_reaches_every_member(fleet: Fleet, secrets: dict[str, str]) -> None:
    keep(fleet, "gossip.key", secrets["another gossip"])
    fleet.write({**closed(fleet), "cdh_acl": "allow"}, **own(fleet))
    planned = fleet.inv("deploy", "--dry", check=True)
    assert "the cluster's gossip key would be changed first" in planned.stdout
    assert secrets["another gossip"] not in fleet.server.output("consul keyring -list")
    result = fleet.inv("deploy")
    assert_says_nothing(result, secrets)
    assert result.returncode == 0, result.output
    assert "the cluster uses the new gossip key, on all members\n" in result.stdout
    assert len(waves(result)) == len(fleet.hosts)
    for host in fleet.hosts:
        assert host.output("consul members | grep -c ' alive '") == str(len(fleet.hosts))
    listed = fleet.server.output("consul keyring -list")
    assert (secrets["another gossip"] in listed, secrets["gossip"] in listed) == (True, False)


def test_a_key_that_is_taken_from_the_inventory_divides_no_cluster(fleet: Fleet) -> None:
    before = [pids(host) for host in fleet.hosts]
    fleet.write({**closed(fleet), "cdh_acl": "allow", "cdh_gossip_key": ""}, **own(fleet))
    result = fleet.inv("deploy")
    assert result.returncode != 0
    assert "stopped before the first host: gossip is encrypted there" in result.stdout, result.output
    assert [pids(host) for host in fleet.hosts] == before


def test_tokens_close_a_cluster_that_denies_by_default(fleet: Fleet, secrets: dict[str, str]) -> None:
    environment = {"CONSUL_HTTP_ADDR": f"{ADDRESS}:8500"}
    server = fleet.server
    made = server.run("consul acl bootstrap -format=json", environment=environment).stdout
    secrets["bootstrap"] = json.loads(made)["SecretID"]
    environment["CONSUL_HTTP_TOKEN"] = secrets["bootstrap"]
    data = {**closed(fleet), "cdh_acl": "deny"}
    for name in TOKENS:
        server.run(f"consul acl policy create -name {name} -rules @{POLICIES}/{name}.hcl", environment=environment)
        token = server.run(f"consul acl token create -format=json -policy-name {name}", environment=environment).stdout
        secrets[name] = json.loads(token)["SecretID"]
        data[f"cdh_{name}_token"] = keep(fleet, f"{name}.token", secrets[name])
    fleet.write(data, **own(fleet))
    # In the middle of it the agents lose the right to give the lock back; the operator's own token keeps it.
    result = fleet.inv("deploy", environment={"CONSUL_HTTP_TOKEN": secrets["bootstrap"]})
    assert result.returncode == 0, result.output
    assert "could not be given back" not in result.stdout
    assert_says_nothing(result, secrets)
    refused = server.run(f"curl -s -o /dev/null -w '%{{http_code}}' -X PUT {API}/kv/x", check=False).stdout
    assert refused == "403"


def test_without_the_right_to_lock_it_is_told_and_an_operators_token_gives_it(
    fleet: Fleet, secrets: dict[str, str]
) -> None:
    without = fleet.inv("deploy", check=True)
    assert "running without the lock that prevents concurrent deploys: " in without.stdout
    assert "Permission denied" in without.stdout
    keep(fleet, "gossip.key", secrets["a third gossip"])
    refused = fleet.inv("deploy")
    assert refused.returncode != 0
    said = "stopped before the first host: the cluster did not accept the new gossip key: Permission denied"
    assert said in refused.stdout, refused.output
    with_token = fleet.inv("deploy", check=True, environment={"CONSUL_HTTP_TOKEN": secrets["bootstrap"]})
    assert "not guarded" not in with_token.stdout
    assert "the cluster uses the new gossip key, on all members\n" in with_token.stdout
    assert_says_nothing(with_token, secrets)
    for host in fleet.hosts:
        host.put("/root/patterns", "\n".join(secrets.values()) + "\n", mode=0o600)
        assert host.output("journalctl --no-pager --all | grep -cF -f /root/patterns || :") == "0"
        host.run("rm /root/patterns")


def assert_says_nothing(result: Result, secrets: dict[str, str]) -> None:
    """See to it that no secret is in what a task printed."""
    assert not [name for name, value in secrets.items() if value in result.output]
