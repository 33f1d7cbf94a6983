"""Suggest the key that a user meant: our name for one of Consul's or dnsmasq's own, the right table, or the nearest.

People know the names in Consul's agent configuration and in dnsmasq's files. Each name here is one that such files
really use.
"""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from consul_docker_host.settings.model import Settings

Location = tuple[str | int, ...]

# A message lists at most this many names; its hint names the file that explains all of them.
FEW = 8
OWN_CONSUL_FILE = "is not supported; put it into a file of your own in /etc/consul.d on the host"
OWN_DNSMASQ_FILE = "is not supported; put it into a file of your own in /etc/dnsmasq.d on the host"
OWN_SERVICE_FILE = "is not supported; define such a service in a file of your own in /etc/consul.d on the host"
ROLE = 'use consul.role = "server" or "client"'
LISTEN = "use link.address; the agent listens there and on 127.0.0.1"
ADVERTISE = "use consul.bind_addr; the agent advertises the address that it binds to"
TLS = "use consul.ca_file, consul.cert_file and consul.key_file; all three turn on TLS with verification"
ACL = 'use consul.acl = "off", "allow" or "deny", the default policy'
GOSSIP = "use consul.gossip_key_file, the path of a file on the host that holds the key; never the key itself"
SCRIPTS = "use consul.local_script_checks"
BOOTSTRAP_ACLS = "is not supported; run `consul acl bootstrap` on a server and keep the token out of the settings"
TOKENS = "use consul.agent_token_file, the path of a file on the host that holds the token; never the token itself"
SERVICES = "write [[services]], in double brackets, for each service"
CHECKS = "write [[services.checks]], in double brackets, for each check"

# https://developer.hashicorp.com/consul/docs/reference/agent/configuration-file, with the options of the command line.
CONSUL = {
    "encrypt": GOSSIP,
    "encrypt_key": GOSSIP,
    "encrypt_verify_incoming": "is not supported; gossip is always verified once consul.gossip_key_file is set",
    "encrypt_verify_outgoing": "is not supported; gossip is always verified once consul.gossip_key_file is set",
    "server": ROLE,
    "bootstrap": "use consul.bootstrap_expect = 1",
    "node": "use consul.node_name",
    "dc": "use consul.datacenter",
    "client_addr": LISTEN,
    "client": LISTEN,
    "addresses": LISTEN,
    "bind": "use consul.bind_addr",
    "advertise_addr": ADVERTISE,
    "advertise": ADVERTISE,
    "start_join": "use consul.retry_join",
    "join": "use consul.retry_join",
    "recursors": "use dns.upstreams; dnsmasq asks these servers",
    "recursor": "use dns.upstreams; dnsmasq asks these servers",
    "dns_config": "use dns.ttl for node_ttl and service_ttl",
    "node_ttl": "use dns.ttl",
    "service_ttl": "use dns.ttl",
    "tls": TLS,
    "verify_incoming": TLS,
    "verify_incoming_rpc": TLS,
    "verify_outgoing": TLS,
    "verify_server_hostname": TLS,
    "ca_path": TLS,
    "acl_default_policy": ACL,
    "default_policy": ACL,
    "acl_token": TOKENS,
    "acl_agent_token": TOKENS,
    "tokens": TOKENS,
    "acl_master_token": BOOTSTRAP_ACLS,
    "initial_management": BOOTSTRAP_ACLS,
    "enable_script_checks": SCRIPTS,
    "enable_local_script_checks": SCRIPTS,
    "data_dir": "is not supported; Consul's own package sets it",
    "config_dir": "is not supported; the agent reads /etc/consul.d",
    "service": SERVICES,
    "check": CHECKS,
    "checks": CHECKS,
    **dict.fromkeys(
        (
            *("primary_datacenter", "acl_datacenter", "acl_down_policy", "acl_ttl", "advertise_addr_wan"),
            *("retry_join_wan", "start_join_wan", "translate_wan_addrs", "auto_config", "auto_encrypt", "autopilot"),
            *("connect", "disable_host_node_id", "disable_update_check", "enable_debug", "enable_syslog"),
            *("gossip_lan", "gossip_wan", "http_config", "leave_on_terminate", "limits", "log_file", "log_json"),
            *("log_rotate_bytes", "log_rotate_max_files", "node_id", "node_meta", "peering", "performance"),
            *("raft_protocol", "reconnect_timeout", "rejoin_after_leave", "retry_interval", "retry_max"),
            *("skip_leave_on_interrupt", "syslog_facility", "telemetry", "ui", "ui_config", "watches"),
            *("check_update_interval", "cloud", "config_entries", "default_query_time", "disable_remote_exec"),
            *("discard_check_output", "discovery_max_stale", "enable_agent_tls_for_checks", "experiments"),
            *("license_path", "max_query_time", "partition", "pid_file", "protocol", "raft_logstore"),
            *("read_replica", "reconnect_timeout_wan", "segment", "segments", "serf_lan_bind", "serf_wan_bind"),
            *("server_name", "session_ttl_min", "unix_sockets", "use_streaming_backend", "xds"),
        ),
        OWN_CONSUL_FILE,
    ),
}
# The options of dnsmasq(8), and the usual names for its servers.
DNSMASQ = {
    "server": "use dns.upstreams",
    "servers": "use dns.upstreams",
    "nameservers": "use dns.upstreams",
    "recursors": "use dns.upstreams",
    "forwarders": "use dns.upstreams",
    "listen_address": "use link.address",
    "interface": "use link.interface",
    "local_ttl": "use dns.ttl",
    "rev_server": "use dns.reverse_zones",
    "bind_interfaces": "is not supported; dnsmasq runs with bind-dynamic, which excludes it",
    **dict.fromkeys(
        (
            *("address", "addn_hosts", "all_servers", "conf_dir", "dnssec", "domain_needed", "filter_aaaa", "local"),
            *("log_queries", "max_cache_ttl", "neg_ttl", "no_hosts", "no_negcache", "no_resolv", "port"),
            *("resolv_file", "stop_dns_rebind", "strict_order"),
        ),
        OWN_DNSMASQ_FILE,
    ),
}
PORTS = dict.fromkeys(("grpc", "grpc_tls", "https", "sidecar_max_port", "sidecar_min_port"), OWN_CONSUL_FILE)
SERVICE = {
    "id": "is not supported; Consul takes the name as the ID",
    "check": CHECKS,
    **dict.fromkeys(
        ("connect", "enable_tag_override", "kind", "proxy", "socket_path", "tagged_addresses", "token", "weights"),
        OWN_SERVICE_FILE,
    ),
}
CHECK = {
    "script": 'use args, a list: args = ["/usr/local/bin/check", "--option"]',
    "id": "is not supported; Consul makes the ID of a check",
    **dict.fromkeys(
        (
            *("deregister_critical_service_after", "docker_container_id", "grpc", "h2ping", "header", "method"),
            *("notes", "os_service", "status", "tls_skip_verify", "udp"),
        ),
        OWN_SERVICE_FILE,
    ),
}
TRANSLATIONS: Mapping[tuple[str, ...], Mapping[str, str]] = {
    (): CONSUL,
    ("consul",): CONSUL,
    ("consul", "ports"): PORTS,
    ("dns",): DNSMASQ,
    ("services",): SERVICE,
    ("services", "checks"): CHECK,
}


def suggest_key(location: Location) -> str:
    """Return what to write instead of the unknown key at ``location``."""
    *parents, last = (part for part in location if isinstance(part, str))
    table, key = tuple(parents), last.lower().replace("-", "_")
    fields = list(fields_of(table))
    if key in fields:
        return f"unknown key; did you mean {key}?"
    if translated := TRANSLATIONS.get(table, {}).get(key):
        return f"unknown key; {translated}" if translated.startswith(("use ", "write ")) else translated
    homes = [home for home, names in all_tables() if key in names]
    if homes:
        return f"unknown key here; {_belongs(homes, key)}"
    dotted = {name: ".".join((*home, name)) for home, names in all_tables() for name in names}
    # A likely key of this table, else a likely one of another table, else whatever is nearest here.
    for choices, cutoff in ((fields, 0.8), (list(dotted), 0.8), (fields, 0.5)):
        if near := difflib.get_close_matches(key, choices, n=1, cutoff=cutoff):
            return f"unknown key; did you mean {near[0] if choices is fields else dotted[near[0]]}?"
    return f"unknown key; known here: {', '.join(fields)}" if len(fields) < FEW else "unknown key"


def meant_keys(location: Location, suggestion: str) -> tuple[Location, ...]:
    """Return the keys that a suggestion names: rules about them mean nothing until the unknown key is corrected."""
    table = tuple(part for part in location[:-1] if isinstance(part, str))
    words = set(re.findall(r"[a-z_]+(?:\.[a-z_]+)*", suggestion))
    dotted = {(*home, name) for home, names in all_tables() for name in names}
    absolute = [tuple(word.split(".")) for word in words]
    relative = [(*table, word) for word in words] if "did you mean" in suggestion else []
    moved = [(*home, location[-1]) for home, names in all_tables() if f"[{'.'.join(home)}]" in suggestion]
    return tuple(key for key in (*absolute, *relative, *moved) if len(key) > 1 and key in dotted)


def _belongs(homes: list[tuple[str, ...]], key: str) -> str:
    shown = [_brackets(home) for home in homes]
    if homes == [()]:
        return f"write {_brackets((key,))} at the top level"
    if len(homes) == 1 and (*homes[0], key) in dict(all_tables()):
        return f"write {_brackets((*homes[0], key))}"
    return f"it is a key of {' and '.join(word for word in shown if word)}"


def _brackets(table: tuple[str, ...]) -> str:
    if not table:
        return ""
    return f"[[{'.'.join(table)}]]" if table[0] == "services" else f"[{'.'.join(table)}]"


def fields_of(table: tuple[str, ...]) -> Iterator[str]:
    """Yield the names of the fields of a table, found through the models' annotations."""
    model: type[BaseModel] = Settings
    for part in table:
        model = table_of(model.model_fields[part].annotation) or model
    yield from model.model_fields


def all_tables() -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield each table of the settings with the names of its fields, the top level first."""
    waiting: list[tuple[tuple[str, ...], type[BaseModel]]] = [((), Settings)]
    while waiting:
        home, model = waiting.pop(0)
        yield home, tuple(model.model_fields)
        for name, field in model.model_fields.items():
            inner = table_of(field.annotation)
            if inner:
                waiting.append(((*home, name), inner))


def table_of(annotation: object) -> type[BaseModel] | None:
    """Return the model within an annotation such as ``tuple[Service, ...]``; None where it holds plain values."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    inner = (table_of(argument) for argument in typing.get_args(annotation))
    return next((model for model in inner if model), None)
