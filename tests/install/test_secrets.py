"""Story: a cluster with gossip key, TLS and ACLs that deny by default, and nothing secret where others can read it.

The hosts go from nothing to a closed cluster as the manual page tells, then every secret is replaced. The tests follow
each other on the same two hosts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from consul_docker_host.prove.distributions import Distribution
from tests.support.cluster import (
    API,
    FOLDER,
    GOSSIP,
    TLS,
    TOKENS,
    Cluster,
    all_lines,
    base_lines,
    both,
    certificates,
    configure,
    give,
    gossip_key,
    links,
    members,
    pid,
)
from tests.support.containers.bed import Bed
from tests.support.containers.upstream import Upstream
from tests.support.packages import ADDRESS, DIG, NAME

pytestmark = [pytest.mark.short_form_on("debian-13"), pytest.mark.sequence]

SERVICE = '{"service": {"name": "from-file", "port": 7}}'
# Reads the arguments of every process as fast as it can, for as long as the story lasts.
SAMPLER = (
    "while :; do cat /proc/[0-9]*/cmdline; done 2>/dev/null | tr '\\0' '\\n' | awk '!seen[$0]++ { print; fflush() }'"
)
POLICIES = f"/usr/share/{NAME}/policies"


@pytest.fixture(scope="module")
def cluster(bed: Bed, settled: str, upstream: Upstream, distribution: Distribution) -> Iterator[Cluster]:
    """Give a server and a client to be; Consul is stopped, has no data, and gets its settings by the tests."""
    names = (f"{distribution.name}-s", f"{distribution.name}-c")
    with (
        bed.host(settled, name=names[0], resolv_conf=upstream.resolv_conf) as server,
        bed.host(settled, name=names[1], resolv_conf=upstream.resolv_conf) as client,
    ):
        made = Cluster(server=server, client=client)
        for host in made.hosts:
            host.run(
                f"mkdir -m 0750 {FOLDER} && chgrp consul {FOLDER} && systemctl stop consul && rm -rf /opt/consul/*"
            )
            host.put("/root/sampler", SAMPLER)
            host.run("systemd-run --unit=sampler --property=StandardOutput=file:/run/arguments sh /root/sampler")
        yield made


def test_a_cluster_that_denies_by_default_begins(cluster: Cluster) -> None:
    server = cluster.server
    certificates(cluster)
    key = gossip_key(cluster)
    give(server, "gossip.key", f"{key}\r\n")
    configure(server, base_lines(cluster, server) + GOSSIP + TLS)
    server.wait_until(f"curl -sf {API}/status/leader | grep -q :8300", 30, what="a leader")
    server.wait_until("consul acl bootstrap -format=json >/run/bootstrap", 30, what="ACLs are ready")
    cluster.secrets.insert(0, json.loads(server.file("/run/bootstrap").text)["SecretID"])
    server.run("rm /run/bootstrap")


def test_the_check_says_what_a_host_without_tokens_needs(cluster: Cluster) -> None:
    found = links(cluster.server)
    assert found["api"]["state"] == "broken"
    assert "AGENT_TOKEN_FILE=" in found["api"]["remedy"]
    assert "DNS_TOKEN_FILE=" in found["dns"]["remedy"]
    assert cluster.server.output(f"{DIG} consul.service.consul") == ""


def test_the_documented_policies_make_the_tokens(cluster: Cluster) -> None:
    for name in ("agent", "dns", "services", "registrator"):
        cluster.manage(f"consul acl policy create -name {name} -rules @{POLICIES}/{name}.hcl")
        token = cluster.new_token(name)
        for host in cluster.hosts:
            give(host, f"{name}.token", f"{token}\n")


def test_tokens_reach_a_running_agent(cluster: Cluster) -> None:
    server = cluster.server
    before = pid(server)
    assert "reloads its tokens" in configure(server, all_lines(cluster, server))
    server.wait_until(f'[ "$({DIG} consul.service.consul)" = {server.address()} ]', 20, what="names are answered")
    server.wait_until(lambda: links(server)["api"]["state"] == "ok", 10)
    assert pid(server) == before


def test_an_agent_without_the_key_is_not_let_in(cluster: Cluster) -> None:
    client = cluster.client
    configure(client, base_lines(cluster, client) + TLS + TOKENS)
    client.wait_until("journalctl -u consul | grep -q 'Failed to join\\|failed to join'", 30, what="it tried to join")
    assert members(cluster) == {(cluster.server.name, "alive")}


def test_an_agent_with_the_key_joins(cluster: Cluster) -> None:
    client = cluster.client
    give(client, "gossip.key", cluster.server.file(f"{FOLDER}/gossip.key").text)
    configure(client, all_lines(cluster, client))
    client.wait_until(lambda: members(cluster) == both(cluster), 60, what="both are members")
    client.wait_until(f'[ "$({DIG} consul.service.consul)" = {cluster.server.address()} ]', 30)
    for host in cluster.hosts:
        host.wait_until(lambda host=host: links(host)["joined"]["state"] == "ok", 20)  # type: ignore[misc]
        assert links(host)["settings"]["state"] == "ok"
        assert host.output("curl -s --max-time 5 http://127.0.0.1:8500/v1/agent/self") != ""


def test_gossip_and_calls_are_encrypted(cluster: Cluster) -> None:
    for host in cluster.hosts:
        serf = json.loads(
            host.output(f"printf 'X-Consul-Token: %s' $(cat {FOLDER}/agent.token) | curl -s -H @- {API}/agent/self")
        )
        assert serf["Stats"]["serf_lan"]["encrypted"] == "true"
        assert serf["DebugConfig"]["TLS"]["InternalRPC"]["VerifyOutgoing"] is True


@pytest.mark.parametrize("path", ["kv/story", "agent/service/register", "agent/maintenance?enable=true", "agent/leave"])
def test_nobody_writes_without_a_token(cluster: Cluster, path: str) -> None:
    """The agent's own token is not lent to whoever sends none."""
    asked = f"curl -s -o /dev/null -w '%{{http_code}}' -X PUT --data '{{\"Name\": \"x\"}}' '{API}/{path}'"
    for host in cluster.hosts:
        assert host.output(asked) == "403"


def test_a_service_comes_and_goes_with_registrators_token(cluster: Cluster) -> None:
    client = cluster.client
    asked = f"printf 'X-Consul-Token: %s' $(cat {FOLDER}/registrator.token) | curl -sf --max-time 5 -H @- -X PUT"
    client.run(
        f"""{asked} --data '{{"Name": "web", "Address": "192.0.2.7", "Port": 80}}' {API}/agent/service/register"""
    )
    cluster.server.wait_until(f'[ "$({DIG} web.service.consul)" = 192.0.2.7 ]', 15)
    client.run(f"{asked} {API}/agent/service/deregister/web")
    cluster.server.wait_until(f'[ -z "$({DIG} web.service.consul)" ]', 15)
    assert client.run(f"{asked} {API}/kv/story", check=False).returncode == 22


def test_a_service_from_a_file_is_registered(cluster: Cluster) -> None:
    client = cluster.client
    client.put("/etc/consul.d/from-file.json", SERVICE)
    client.run([NAME, "apply"])
    cluster.server.wait_until(f'[ "$({DIG} from-file.service.consul)" = {client.address()} ]', 40)


def test_others_than_root_are_told_to_become_root(cluster: Cluster) -> None:
    api = links(cluster.client, user="nobody")["api"]
    assert (api["state"], api["remedy"]) == ("warn", f"sudo {NAME} check")


def test_a_new_token_needs_no_restart(cluster: Cluster) -> None:
    client, before = cluster.client, pid(cluster.client)
    cluster.manage("""echo 'key "none" { policy = "read" }' | consul acl policy create -name none -rules -""")
    for policy, answer in (("none", ""), ("dns", cluster.server.address())):
        give(client, "dns.token", cluster.new_token(policy))
        client.run([NAME, "apply"])
        client.wait_until(f'[ "$({DIG} @{ADDRESS} -p 8600 consul.service.consul)" = "{answer}" ]', 30)
    assert pid(client) == before


def test_a_new_certificate_needs_no_restart(cluster: Cluster) -> None:
    client = cluster.client
    client.put("/etc/consul.d/https.json", '{"ports": {"https": 8501}}')
    client.run([NAME, "apply"])
    shown = "openssl s_client -connect 127.0.0.1:8501 </dev/null 2>/dev/null | openssl x509 -noout -serial"
    client.wait_until(shown, 30, what="a certificate is shown")
    serial, before = client.output(shown), pid(client)
    certificates(cluster)
    for host in cluster.hosts:
        host.run([NAME, "apply"])
    expected = client.output(f"openssl x509 -noout -serial -in {FOLDER}/cert.pem")
    assert expected != serial
    client.wait_until(f'[ "$({shown})" = "{expected}" ]', 15, what="the new certificate is shown")
    assert pid(client) == before


def test_a_new_gossip_key_is_taken_after_a_restart(cluster: Cluster) -> None:
    key = gossip_key(cluster)
    for host in cluster.hosts:
        give(host, "gossip.key", key)
        assert "consul is being restarted" in host.output([NAME, "apply"])
    cluster.client.wait_until(lambda: members(cluster) == both(cluster), 60, what="both are members again")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("printf 'sesame\\n' >gossip.key", f"GOSSIP_KEY_FILE: {FOLDER}/gossip.key is not the base64"),
        ("rm cert.pem", f"CERT_FILE: {FOLDER}/cert.pem does not exist"),
        (": >agent.token", f"AGENT_TOKEN_FILE: {FOLDER}/agent.token is empty"),
        ("chmod 0644 key.pem", f"KEY_FILE: users other than root and Consul can read {FOLDER}/key.pem"),
    ],
)
def test_what_is_wrong_is_told_and_consul_runs_on(cluster: Cluster, change: str, said: str) -> None:
    client, before = cluster.client, pid(cluster.client)
    client.run(f"cp -a {FOLDER} /root/kept && cd {FOLDER} && {change}")
    done = client.run([NAME, "apply"], check=False)
    assert f"/etc/default/{NAME}:{said}" in done.output
    assert said in client.run([NAME, "check"], check=False).stdout
    assert pid(client) == before
    client.run("systemctl restart consul")
    client.wait_until(lambda: members(cluster) == both(cluster), 60, what="it comes back with what it had")
    client.run(f"journalctl -u consul --no-pager | grep -qF '{said}'")
    client.run(f"rm -r {FOLDER} && mv /root/kept {FOLDER} && {NAME} apply")


def test_nothing_secret_is_told_or_left_open(cluster: Cluster) -> None:
    patterns = "\n".join(sorted(set(cluster.secrets))) + "\n"
    for host in cluster.hosts:
        host.put("/root/patterns", patterns, mode=0o600)
        told = (
            f"{{ journalctl --no-pager --all --output=cat; {NAME} check --json; {NAME} status; systemctl show '*'; }}"
        )
        assert host.run(f"{told} 2>&1 | grep -cF -f /root/patterns", check=False).stdout.strip() == "0"
        assert host.output("grep -c consul.d /run/arguments") != "0"
        assert host.run("grep -cF -f /root/patterns /run/arguments", check=False).stdout.strip() == "0"
        found = host.run(
            "grep -rlF -f /root/patterns /etc /run /var /usr /opt /root /tmp --exclude=patterns --exclude-dir=pki"
            " | xargs stat -c '%n %a %U:%G'; rm /root/patterns",
            check=False,
        ).stdout.splitlines()
        assert any(line.startswith(f"{FOLDER}/gossip.key ") for line in found)
        allowed = ("0 root:root", "0 root:consul", "0 consul:consul")
        assert [line for line in found if not line.endswith(allowed)] == []
