"""What people bring from Consul's and dnsmasq's own files gets its translation.

Each configuration in CONFIGURATIONS is one that somebody really used, as TOML; the link says where it stands.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.settings.load import load_settings
from consul_docker_host.settings.names import TRANSLATIONS, all_tables, fields_of, meant_keys, suggest_key
from tests.unit.kit import DEFAULTS

CONFIGURATIONS = {
    # https://github.com/hashicorp/consul/issues/15536
    "upgrade": (
        """
        start_join = ["10.0.0.9", "10.0.1.6", "10.0.0.5"]
        disable_remote_exec = true
        domain = "consul."
        data_dir = "/opt/consul/data"
        log_file = "/var/log/consul"
        server = false
        client_addr = "10.0.1.58"
        advertise_addr = "10.0.1.58"
        datacenter = "ec2"
        encrypt = "XXXXXXXXXX"
        [dns_config]
        node_ttl = "30m"
        [ports]
        https = -1
        """,
        {
            "start_join": "unknown key; use consul.retry_join",
            "disable_remote_exec": "is not supported; put it into a file of your own in /etc/consul.d on the host",
            "domain": "unknown key here; it is a key of [consul]",
            "data_dir": "is not supported; Consul's own package sets it",
            "log_file": "is not supported; put it into a file of your own in /etc/consul.d on the host",
            "server": 'unknown key; use consul.role = "server" or "client"',
            "client_addr": "unknown key; use link.address; the agent listens there and on 127.0.0.1",
            "advertise_addr": "unknown key; use consul.bind_addr; the agent advertises the address that it binds to",
            "datacenter": "unknown key here; it is a key of [consul]",
            "encrypt": "unknown key; use consul.gossip_key_file, the path of a file on the host that holds the key",
            "dns_config": "unknown key; use dns.ttl for node_ttl and service_ttl",
            "ports": "unknown key here; write [consul.ports]",
        },
    ),
    # https://github.com/hashicorp/consul/issues/4090
    "acl": (
        """
        [consul]
        bootstrap_expect = 2
        server = true
        bind_addr = "0.0.0.0"
        log_level = "info"
        retry_join = "192.168.1.11"
        rejoin_after_leave = true
        acl_datacenter = "dc1"
        acl_master_token = "d30f6835-535c-40ab-bce9-e14e8f4a8098"
        acl_default_policy = "deny"
        acl_agent_token = "42b5137b-c22f-d7a3-f94c-ef59524e6670"
        """,
        {
            "consul.bootstrap_expect": "2 is not valid; use 0, 1, 3, 5 or 7",
            "consul.server": 'unknown key; use consul.role = "server" or "client"',
            "consul.bind_addr": "'0.0.0.0' is not a usable unicast IPv4 address; leave it empty (\"\") for the default",
            "consul.log_level": "'info' is not valid; use 'TRACE', 'DEBUG', 'INFO', 'WARN' or 'ERROR'",
            "consul.retry_join": "'192.168.1.11' is a string; write a list: ['192.168.1.11']",
            "consul.rejoin_after_leave": "is not supported; put it into a file of your own in /etc/consul.d",
            "consul.acl_datacenter": "is not supported; put it into a file of your own in /etc/consul.d on the host",
            "consul.acl_master_token": "is not supported; run `consul acl bootstrap` on a server",
            "consul.acl_default_policy": 'unknown key; use consul.acl = "off", "allow" or "deny"',
            "consul.acl_agent_token": "unknown key; use consul.agent_token_file, the path of a file on the host",
        },
    ),
    # https://github.com/hashicorp/consul/issues/20991
    "service": (
        """
        bootstrap = true
        [ui_config]
        enabled = true
        [addresses]
        http = "0.0.0.0"
        [[service]]
        name = "haproxy"
        [[service]]
        name = "redis"
        """,
        {
            "bootstrap": "unknown key; use consul.bootstrap_expect = 1",
            "ui_config": "is not supported; put it into a file of your own in /etc/consul.d on the host",
            "addresses": "unknown key; use link.address; the agent listens there and on 127.0.0.1",
            "service": "unknown key; write [[services]], in double brackets, for each service",
        },
    ),
    # https://github.com/salrashid123/consul_jwt_auth, config/server.hcl; tristanmorgan/vault-ina-dock, consul.hcl
    "tls": (
        """
        [consul]
        primary_datacenter = "system-internal"
        bind_addr = "{{GetPrivateIP}}"
        recursors = ["8.8.8.8"]
        verify_incoming = true
        [consul.acl]
        default_policy = "deny"
        [consul.tls.defaults]
        ca_file = "consul-agent-ca.pem"
        [consul.ports]
        grpc = 8502
        """,
        {
            "consul.primary_datacenter": "is not supported; put it into a file of your own in /etc/consul.d on",
            "consul.bind_addr": "'{{GetPrivateIP}}' is not an IPv4 address such as 192.0.2.10; leave it empty",
            "consul.recursors": "unknown key; use dns.upstreams; dnsmasq asks these servers",
            "consul.verify_incoming": "unknown key; use consul.ca_file, consul.cert_file and consul.key_file",
            "consul.acl": "is a table, as in Consul's own files; use consul.acl",
            "consul.tls": "unknown key; use consul.ca_file, consul.cert_file and consul.key_file",
            "consul.ports.grpc": "is not supported; put it into a file of your own in /etc/consul.d on the host",
        },
    ),
    # https://github.com/voxpupuli/puppet-consul/pull/382, and the service of hashicorp/consul#7560
    "check": (
        """
        [consul]
        enable_local_script_checks = true
        [[services]]
        id = "php-1"
        name = "php-fpm"
        enable_tag_override = false
        [services.check]
        tcp = "localhost:22"
        [[services]]
        name = "web"
        checks = [{ script = "/bin/check" }]
        """,
        {
            "consul.enable_local_script_checks": "unknown key; use consul.local_script_checks",
            "services.1.id": "is not supported; Consul takes the name as the ID",
            "services.1.enable_tag_override": "is not supported; define such a service in a file of your own",
            "services.1.check": "unknown key; write [[services.checks]], in double brackets, for each check",
            "services.2.checks.1.script": "unknown key; use args, a list",
        },
    ),
    # dnsmasq(8), and the forwarding that HashiCorp's own guides show.
    "dnsmasq": (
        """
        [dns]
        server = "/consul/127.0.0.1#8600"
        cache-size = 500
        listen-address = "127.0.0.1"
        no-resolv = true
        bind-interfaces = true
        domain = "site.example"
        upstreams = ["8.8.8.8:53", "/site.example/192.0.2.1", "2001:4860:4860::8888"]
        """,
        {
            "dns.server": "unknown key; use dns.upstreams",
            "dns.cache-size": "unknown key; did you mean cache_size?",
            "dns.listen-address": "unknown key; use link.address",
            "dns.no-resolv": "is not supported; put it into a file of your own in /etc/dnsmasq.d on the host",
            "dns.bind-interfaces": "is not supported; dnsmasq runs with bind-dynamic, which excludes it",
            "dns.domain": "unknown key here; it is a key of [consul]",
            "dns.upstreams.1": "'8.8.8.8:53' has a colon; write the port behind a #: 8.8.8.8#53",
            "dns.upstreams.2": "'/site.example/192.0.2.1' is for one domain; put it into a file of your own in",
            "dns.upstreams.3": "'2001:4860:4860::8888' is not an IPv4 address",
        },
    ),
    "wrong level": (
        """
        retry-join = ["192.0.2.1"]
        retry_jion = ["192.0.2.1"]
        image = "hashicorp/consul:1.22.7"
        checks = []
        [consul]
        upstreams = []
        [consul.services]
        [guard]
        Enabled = true
        """,
        {
            "retry-join": "unknown key here; it is a key of [consul]",
            "retry_jion": "unknown key; did you mean consul.retry_join?",
            "image": "unknown key here; it is a key of [consul] and [registrator]",
            "checks": "unknown key; write [[services.checks]], in double brackets, for each check",
            "consul.upstreams": "unknown key here; it is a key of [dns]",
            "consul.services": "unknown key here; write [[services]] at the top level",
            "guard.Enabled": "unknown key; did you mean enabled?",
        },
    ),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_configuration_of_consul_s_or_dnsmasq_s_own_is_translated_key_by_key(name: str, tmp_path: Path) -> None:
    text, expected = CONFIGURATIONS[name]
    path = tmp_path / "my.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BuildError) as caught:
        load_settings(DEFAULTS, path)
    *lines, hint = str(caught.value).splitlines()
    told = {}
    for line in lines:
        number, key, reason = line.removeprefix(f"{path}:").split(": ", 2)
        told[key] = reason
        # A list's item and a table are found by their key's line as well.
        last = next(part for part in reversed(key.split(".")) if not part.isdecimal())
        assert last in text.splitlines()[int(number) - 1]
    assert set(told) == set(expected)
    assert not [f"{key}: {told[key]}" for key, reason in expected.items() if not told[key].startswith(reason)]
    assert "mistake" in hint
    # Keys and tokens that were put into the file do not reach a log.
    assert "d30f6835" not in str(caught.value)
    assert "42b5137b" not in str(caught.value)
    assert "XXXXXXXXXX" not in str(caught.value)


def test_every_translation_is_of_a_name_that_is_unknown_and_leads_to_a_key_that_is_known() -> None:
    dotted = {".".join((*home, name)) for home, names in all_tables() for name in names}
    for table, names in TRANSLATIONS.items():
        assert not set(names) & set(fields_of(table)), "our own keys need no translation"
        for name, remedy in names.items():
            assert name == name.lower().replace("-", "_"), f"{name} would never be looked up"
            mentioned = re.findall(r"\b(?:consul|dns|link|docker|registrator)\.[a-z_]+", remedy)
            assert not [key for key in mentioned if key not in dotted | {"consul.d"}], f"{name}: {remedy}"
            if remedy.startswith("use ") and not remedy.startswith("use args"):
                assert meant_keys((*table, name), remedy), f"{name}: {remedy}"


def test_a_name_that_is_like_nothing_gets_no_guess() -> None:
    assert suggest_key(("registrator", "zzzzzz")) == "unknown key"
    assert suggest_key(("docker", "zzzzzz")) == "unknown key; known here: dns"
