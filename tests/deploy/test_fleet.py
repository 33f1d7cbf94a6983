"""Story: a fleet of one server and two clients, from nothing through changes and versions to removal, in this order."""

from __future__ import annotations

import json
import re
import shutil
import sys
import uuid
from pathlib import Path

import pytest

from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import ROOT
from tests.deploy.kit import DEPLOY_SECONDS, Fleet, of, pids, trouble
from tests.support.containers.namespace import CONTAINER, GONE, IN_IT
from tests.support.packages import DIG, NAME
from tests.support.variants import earlier_version

pytestmark = pytest.mark.sequence

SETTINGS = f"/etc/default/{NAME}"
# What Registrator does for a published port, asked from within a container.
REGISTER = f"""
printf '%s' "$SERVICE" | {IN_IT} sh -c 'curl -sf -X PUT -d @- http://$CONSUL_HTTP_ADDR/v1/agent/service/register'
"""
OWN_LINE = "# the administrator's own line"


def pyinfra(fleet: Fleet, *options: str) -> str:
    """Run the steps with pyinfra's own command and return all that it prints."""
    argv = [sys.executable, "-m", "pyinfra", "-y", *options, str(fleet.folder / "fleet.py"), "pyinfra_deploy/deploy.py"]
    return run(argv, cwd=ROOT, timeout=DEPLOY_SECONDS).output


def test_a_first_deploy_makes_healthy_hosts_of_three_distributions(fleet: Fleet) -> None:
    fleet.write()
    report = fleet.report("deploy")
    assert report["ok"], trouble(report)
    for host in fleet.hosts:
        assert of(report, host)["before"] == ""
        assert of(report, host)["after"].startswith("0.1.0")
        checked = json.loads(host.run([NAME, "check", "--json"], check=False).stdout)
        assert {link["name"]: link["state"] for link in checked["links"]}["joined"] == "ok"


def test_a_second_run_and_a_dry_run_change_nothing(fleet: Fleet) -> None:
    before = [pids(host) for host in fleet.hosts]
    for words in (("deploy", "--dry"), ("deploy",)):
        report = fleet.report(*words)
        assert report["ok"], trouble(report)
        assert [one["changed"] for one in report["hosts"]] == [[], [], []]
    said = pyinfra(fleet, "--dry", "--json")
    found = re.findall(r'"hosts_with_change": (\[[^]]*\])', said)
    assert found, said
    assert {one.replace(" ", "") for one in found} == {"[]"}, said
    assert [pids(host) for host in fleet.hosts] == before


def test_a_service_of_one_host_is_found_by_name_in_a_container_of_every_other(fleet: Fleet) -> None:
    owner = fleet.clients[-1]
    for host in fleet.hosts:
        host.run(f"set -e\n{CONTAINER}")
    owner.run(REGISTER, environment={"SERVICE": json.dumps({"Name": "webservice", "Port": 80})})
    for host in fleet.hosts:
        question = f"{IN_IT} {DIG} webservice.service.consul | grep -qFx {owner.address()}"
        host.wait_until(question, 30, what="the name answers")
        host.run(GONE)


def test_a_setting_restarts_the_program_that_reads_it_and_no_other(fleet: Fleet) -> None:
    host = fleet.clients[0]
    host.run(["sed", "-i", f"1i {OWN_LINE}", SETTINGS])
    first, others = pids(host), [pids(one) for one in (fleet.server, fleet.clients[1])]
    for data, restarted, kept in (
        ({"cdh_upstreams": ["192.0.2.53"]}, "dnsmasq", "consul"),
        ({"cdh_upstreams": ["192.0.2.53"], "cdh_host_ip": host.address()}, "consul", "dnsmasq"),
    ):
        before = pids(host)
        fleet.write(client_deb=data)
        report = fleet.report("deploy")
        assert report["ok"], trouble(report)
        after = pids(host)
        assert before[restarted] != after[restarted]
        assert before[kept] == after[kept]
        assert [one["host"] for one in report["hosts"] if one["changed"]] == [host.name]
    assert first.keys() == pids(host).keys()
    assert [pids(one) for one in (fleet.server, fleet.clients[1])] == others
    assert host.file(SETTINGS).text.startswith(OWN_LINE)


def test_a_run_that_was_cut_short_before_apply_is_made_up_for(fleet: Fleet) -> None:
    host = fleet.clients[0]
    fleet.write(client_deb={"cdh_upstreams": ["192.0.2.54"], "cdh_host_ip": host.address()})
    text = host.file(SETTINGS).text.replace("192.0.2.53", "192.0.2.54")
    host.put(SETTINGS, text)
    host.run(["touch", SETTINGS])  # a copy into a container has no time of its own
    report = fleet.report("deploy")
    assert "Apply the settings" in of(report, host)["changed"], report
    assert "192.0.2.54" in host.output("cat /run/consul-docker-host/dnsmasq.env")


def test_a_secret_reaches_consul_alone_and_no_output(fleet: Fleet) -> None:
    token = str(uuid.uuid4())
    path = fleet.folder / "dns.token"
    path.write_text(token)
    path.chmod(0o644)
    fleet.write({"cdh_dns_token": str(path)})
    refused = fleet.inv("deploy")
    assert refused.returncode != 0
    assert refused.output.count("cdh_dns_token: ") == len(fleet.hosts)
    path.chmod(0o600)
    said = pyinfra(fleet, "--debug", "--diff", "-vvv")
    said += fleet.inv("deploy", check=True).output
    assert token not in said
    for host in fleet.hosts:
        placed = host.file("/etc/consul-docker-host/secrets/dns_token")
        assert (placed.mode, placed.owner, placed.text.strip()) == ("0640", "root:consul", token)
        assert host.run(f"journalctl --no-pager | grep -q {token}", check=False).returncode == 1
    fleet.write()
    assert fleet.report("deploy")["ok"]
    assert not fleet.server.file("/etc/consul-docker-host/secrets/dns_token").exists


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with an earlier version, as deb and rpm."""
    folder = tmp_path_factory.mktemp("earlier")
    for package_format in ("deb", "rpm"):
        made = earlier_version(folder / f"checkout-{package_format}", package_format)
        shutil.copy(made, folder)
    return folder


def test_another_version_is_put_exactly_whether_older_or_newer(fleet: Fleet, earlier: Path) -> None:
    for folder, version in ((earlier, "0.0.9"), (ROOT / "dist", "0.1.0")):
        fleet.write({"cdh_packages": str(folder)})
        report = fleet.report("deploy")
        assert report["ok"], trouble(report)
        for host in fleet.hosts:
            assert of(report, host)["after"].startswith(version)
            assert of(report, host)["before"] != of(report, host)["after"]


def test_what_is_wrong_with_the_inventory_is_told_at_once_and_nothing_is_touched(fleet: Fleet) -> None:
    fleet.write({"cdh_datacentre": "x"}, server={"cdh_acl": "some"}, client_deb={"cdh_gossip_key": "/nowhere"})
    result = fleet.inv("deploy")
    assert result.returncode != 0
    for line in (
        "server: cdh_acl: 'some' is not valid; use off, allow, deny",
        "client-deb: cdh_gossip_key: /nowhere: no such file",
        "client-rpm: cdh_datacentre: unknown key; did you mean cdh_datacenter?",
        "5 mistakes",
    ):
        assert line in result.output


def test_a_gossip_key_does_not_divide_a_cluster_that_has_none(fleet: Fleet) -> None:
    path = fleet.folder / "gossip.key"
    path.write_text(fleet.server.output("consul keygen"))
    path.chmod(0o600)
    before = [pids(host) for host in fleet.hosts]
    fleet.write({"cdh_gossip_key": str(path)})
    report = fleet.report("deploy")
    assert report["stopped"].startswith("stopped before the first host: gossip is not encrypted there"), trouble(report)
    assert "encrypt_verify_incoming = false" in report["stopped"]
    assert [pids(host) for host in fleet.hosts] == before


def test_a_removal_leaves_consul_and_nothing_of_ours(fleet: Fleet) -> None:
    fleet.write({"cdh_purge": True})
    report = fleet.report("deploy.remove")
    assert report["ok"], trouble(report)
    for host in fleet.hosts:
        assert of(report, host)["after"] == ""
        assert not host.file(f"/usr/bin/{NAME}").exists
        assert not host.file("/etc/consul-docker-host/secrets/dns_token").exists
        assert host.file("/usr/bin/consul").exists
    again = fleet.report("deploy.remove")
    assert [one["changed"] for one in again["hosts"]] == [[], [], []]
