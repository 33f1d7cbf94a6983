"""What every rendered file must say for given settings, and readers that find out what it does say.

Written from the settings' meaning, not from the templates: the two must not share a mistake.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from debian.deb822 import Deb822

from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import ROOT
from consul_docker_host.package.plan import Plan
from consul_docker_host.settings.model import Registrator, Service, Settings
from tests.unit.kit import Directive, read_unit

HOST_KEYS = ROOT / "packaging" / "host-keys.toml"
DEFAULT_BIND = '{{ GetDefaultInterfaces | include "type" "IPv4" | limit 1 | attr "address" }}'
# What a shell sets by itself.
SHELL_OWN = {"IFS", "OPTIND", "PATH", "PPID", "PS1", "PS2", "PS4", "PWD", "_", "LC_ALL", "LANG", "TZ", "HOME", "TMPDIR"}
SHELL_OWN |= {"XDG_CACHE_HOME"}


def host_variables(settings: Settings) -> dict[str, str]:
    """Return the keys of /etc/default/consul-docker-host with the values that were built in."""
    found = {}
    for key in tomllib.loads(HOST_KEYS.read_text(encoding="utf-8"))["keys"]:
        value: Any = settings.model_dump(mode="json")
        for part in key["setting"].split("."):
            value = value[part]
        found[key["name"]] = key["separator"].join(value) if isinstance(value, list) else str(value)
    return found


def host_rules() -> dict[str, str]:
    """Return what the host's scripts know of each key."""
    keys = tomllib.loads(HOST_KEYS.read_text(encoding="utf-8"))["keys"]
    rules = []
    for key in keys:
        need = "required" if key.get("required") else "optional"
        rules.append(" ".join([key["name"], key["kind"], need, *key.get("choices", [])]))
    return {"KEYS": "\n" + "\n".join(rules) + "\n"}


def built_in_variables(settings: Settings) -> dict[str, str]:
    """Return all that usr/lib/consul-docker-host/defaults must set."""
    return host_variables(settings) | scalars(settings) | host_rules()


def scalars(settings: Settings) -> dict[str, str]:
    """Return the built-in values that no host can change."""
    return {
        "VERSION": settings.package.version,
        "CONSUL_UNIT": settings.consul.unit,
        "INTERFACE": settings.link.interface,
        "ADDRESS": settings.link.address,
        "HTTP_PORT": str(settings.consul.ports.http),
        "DNS_PORT": str(settings.consul.ports.dns),
        "DOMAIN": settings.consul.domain,
        "CACHE_SIZE": str(settings.dns.cache_size),
        "DOCKER_DNS": settings.docker.dns,
        "ENVIRONMENT": "yes" if settings.environment.enabled else "no",
        "GUARD": "yes" if settings.guard.enabled else "no",
        "REGISTRATOR": "yes" if settings.registrator.enabled else "no",
        "REGISTRATOR_FLAGS": registrator_flags(settings.registrator),
    }


def built_in_json(settings: Settings) -> dict[str, Any]:
    """Return what usr/lib/consul-docker-host/defaults.json must hold: the same values, by their natural types."""
    numbers = ("HTTP_PORT", "DNS_PORT", "CACHE_SIZE")
    truths = ("ENVIRONMENT", "GUARD", "REGISTRATOR")
    found: dict[str, Any] = {}
    for name, value in scalars(settings).items():
        typed: object = value == "yes" if name in truths else int(value) if name in numbers else value
        found[name.lower()] = typed
    values = host_variables(settings)
    keys = tomllib.loads(HOST_KEYS.read_text(encoding="utf-8"))["keys"]
    found["keys"] = {
        key["name"]: {
            "kind": key["kind"],
            "required": key.get("required", False),
            "choices": key.get("choices", []),
            "value": values[key["name"]],
        }
        for key in keys
    }
    return found


def registrator_flags(registrator: Registrator) -> str:
    """Return the options of Registrator that the settings stand for."""
    words = [
        "-cleanup",
        "-resync",
        str(registrator.resync),
        "-retry-attempts",
        "-1",
        "-deregister",
        registrator.deregister,
    ]
    if registrator.ttl:
        words += ["-ttl", str(registrator.ttl), "-ttl-refresh", str(registrator.ttl_refresh)]
    if registrator.internal:
        words.append("-internal")
    if registrator.tags:
        words += ["-tags", ",".join(registrator.tags)]
    return " ".join(words)


def agent_configuration(settings: Settings) -> dict[str, Any]:
    """Return what etc/consul.d/agent.json must hold."""
    consul, ttl = settings.consul, f"{settings.dns.ttl}s"
    expected: dict[str, Any] = {
        "datacenter": consul.datacenter,
        "domain": consul.domain,
        "log_level": consul.log_level,
        "ports": consul.ports.model_dump(),
        "enable_local_script_checks": consul.local_script_checks,
        "disable_remote_exec": True,
        "dns_config": {"node_ttl": ttl, "service_ttl": {"*": ttl}},
    }
    if consul.alt_domain:
        expected["alt_domain"] = consul.alt_domain
    if consul.acl != "off":
        expected["acl"] = {"enabled": True, "default_policy": consul.acl}
    if consul.write_access == "host":
        expected["http_config"] = {"allow_write_http_from": ["127.0.0.0/8", f"{settings.link.address}/32"]}
    return expected


def client_address(settings: Settings) -> str:
    """Return where the agent listens: at the link's address while an interface has it, and at the loopback always."""
    pattern = settings.link.address.replace(".", "[.]")
    found = f'GetAllInterfaces | include "address" "^{pattern}$" | unique "address" | join "address" " "'
    return f"{{{{ {found} }}}} 127.0.0.1"


def service_definition(service: Service) -> dict[str, Any]:
    """Return what a service's file must hold: what is empty is left out."""
    expected: dict[str, Any] = {"name": service.name, "port": service.port}
    if service.address:
        expected["address"] = service.address
    if service.tags:
        expected["tags"] = list(service.tags)
    if service.meta:
        expected["meta"] = dict(service.meta)
    if service.checks:
        checks = [check.model_dump(mode="json") for check in service.checks]
        # Consul refuses both in one check: who sends word in time is not asked.
        checks = [check | ({"interval": "", "timeout": ""} if check["ttl"] else {}) for check in checks]
        expected["checks"] = [
            {key: value for key, value in check.items() if value or key == "name"} for check in checks
        ]
    return {"service": expected}


def json_files(settings: Settings) -> dict[str, Any]:
    """Return the content of every JSON file, by path."""
    bind = settings.consul.bind_addr or DEFAULT_BIND
    files: dict[str, Any] = {
        "etc/consul.d/agent.json": agent_configuration(settings),
        "usr/lib/consul-docker-host/defaults.json": built_in_json(settings),
        "etc/consul.d/interfaces.json": {"client_addr": client_address(settings), "bind_addr": bind},
    }
    return files | {f"etc/consul.d/{service.name}.json": service_definition(service) for service in settings.services}


def pairs(settings: Settings) -> list[str]:
    """Return the two variables as NAME=value."""
    address = settings.link.address
    return [f"CONSUL_HTTP_ADDR={address}:{settings.consul.ports.http}", f"CONSUL_RPC_ADDR={address}:8400"]


def domains(settings: Settings) -> list[str]:
    """Return every domain that Consul answers for."""
    alternative = [settings.consul.alt_domain] if settings.consul.alt_domain else []
    return [settings.consul.domain, *alternative, *settings.dns.reverse_domains]


def dnsmasq_lines(settings: Settings) -> list[str]:
    """Return every directive of dnsmasq's file."""
    address = settings.link.address
    servers = [f"server=/{domain}/{address}#{settings.consul.ports.dns}" for domain in domains(settings)]
    fixed = ["listen-address=127.0.0.1", "dns-loop-detect"]
    return sorted([*servers, *fixed, f"listen-address={address}", f"bogus-nxdomain={address}"])


def unit_directives(settings: Settings) -> dict[str, list[str]]:
    """Return those directives of units and the like that hold settings, as ``Section.Name=value``, by path."""
    interface, address = settings.link.interface, settings.link.address
    system, network = "usr/lib/systemd/system", "usr/lib/systemd/network"
    mac = "02:00:" + ":".join(f"{int(part):02x}" for part in str(address).split("."))
    found = {
        f"{network}/95-consul-docker-host.netdev": [f"NetDev.MACAddress={mac}", f"NetDev.Name={interface}"],
        f"{network}/05-consul-docker-host.network": [
            f"Match.MACAddress={mac}",
            f"Match.Name={interface}",
            f"Address.Address={address}/32",
        ],
        f"{system}/consul-docker-host-link.service": [
            f"Unit.Description=Address {address} of Consul and DNS on {interface}"
        ],
        "usr/lib/systemd/resolved.conf.d/consul-docker-host.conf": [
            f"Resolve.DNS={address}",
            "Resolve.Domains=" + " ".join(f"~{domain}" for domain in domains(settings)),
        ],
        "usr/lib/NetworkManager/conf.d/consul-docker-host.conf": [
            f"device-consul-docker-host.match-device=interface-name:{interface}"
        ],
    }
    if settings.guard.enabled:
        guard = f"Unit.Description=Guard that blocks access to {address} from the network"
        found[f"{system}/consul-docker-host-guard.service"] = [guard]
    if settings.environment.enabled:
        variables = f"Manager.DefaultEnvironment={' '.join(pairs(settings))}"
        found["usr/lib/systemd/system.conf.d/consul-docker-host.conf"] = [variables]
    return found


def as_line(directive: Directive) -> str:
    """Return a directive as ``unit_directives`` has it."""
    return f"{directive.section}.{directive.name}={directive.value}"


def effective_lines(text: str) -> list[str]:
    """Return the lines of a file that are neither empty nor comments, sorted."""
    return sorted(line for line in text.splitlines() if line.strip() and not line.startswith("#"))


def sourced(path: Path, names: list[str], folder: Path) -> tuple[dict[str, str], set[str]]:
    """Source a file by a real sh; return the variables asked for, and the names of all that it has set.

    Fails when sourcing prints or starts anything: PATH is empty and errors end the shell.
    """
    each = r"""eval "printf '%s\\0' \"\$$name\"" """
    script = f'set -eu; PATH=; . "$1"; shift; for name; do {each}; done; set'
    result = run(["sh", "-c", script, "sh", str(path), *names], cwd=folder)
    assert result.stderr == ""
    *values, listing = result.stdout.split("\0", len(names))
    return dict(zip(names, values, strict=True)), _names(listing)


def _names(listing: str) -> set[str]:
    names = {line.partition("=")[0] for line in listing.splitlines() if "=" in line}
    return {name for name in names if name.isidentifier() and name.isupper()} - SHELL_OWN


def host_answers(tree: Path, keys: list[str]) -> dict[str, str]:
    """Uncomment every key of etc/default and return what the host's own library reads there.

    The built-in values are blanked first, so that each must come from the file.
    """
    defaults = tree / "usr/lib/consul-docker-host/defaults"
    path = tree / "etc/default/consul-docker-host"
    text = path.read_text(encoding="utf-8")
    for key in keys:
        assert text.count(f"\n#{key}=") == 1, f"{key} stands not exactly once in {path}"
        text = text.replace(f"\n#{key}=", f"\n{key}=")
    path.write_text(text, encoding="utf-8")
    library = tree / "usr/lib/consul-docker-host"
    script = f'. "{library}/base.sh"; . "{library}/settings.sh"; ' + "; ".join(f"{key}=unset" for key in keys)
    script += "; load_config; " + "; ".join(f'printf "%s\\0" "${key}"' for key in keys)
    assert defaults.is_file()
    result = run(["sh", "-c", f"set -eu; {script}"], env={"CONSUL_DOCKER_HOST_ROOT": str(tree)})
    assert result.stderr == "", "the host complains of a value that was built in"
    return dict(zip(keys, result.stdout.split("\0"), strict=False))


def text_of(plan: Plan, path: str) -> str:
    """Return a file of the tree as text."""
    return (plan.tree / path).read_text(encoding="utf-8")


def assert_tree_says(plan: Plan, settings: Settings, scratch: Path) -> None:
    """Read every rendered file with its own kind of parser and demand the very values of the settings, and no more."""
    paths = {entry.path for entry in plan.entries}
    expected_json = json_files(settings)
    assert {path for path in paths if path.endswith(".json")} == set(expected_json)
    for path, content in expected_json.items():
        assert json.loads(text_of(plan, path)) == content, path
    assert effective_lines(text_of(plan, "etc/dnsmasq.d/consul.conf")) == dnsmasq_lines(settings)
    assert effective_lines(text_of(plan, "etc/consul-docker-host/container.env")) == pairs(settings)
    # Every key of etc/default is a comment: the file changes nothing until an administrator does.
    assert effective_lines(text_of(plan, "etc/default/consul-docker-host")) == []
    for path, lines in unit_directives(settings).items():
        directives = [as_line(directive) for directive in read_unit(text_of(plan, path))]
        assert [line for line in lines if directives.count(line) != 1] == [], path
    variables = built_in_variables(settings)
    defaults = plan.tree / "usr/lib/consul-docker-host/defaults"
    values, names = sourced(defaults, list(variables), scratch)
    assert values == variables
    assert names == set(variables)
    if settings.environment.enabled:
        profile = plan.tree / "etc/profile.d/consul-docker-host.sh"
        named: Mapping[str, str] = dict(pair.split("=") for pair in pairs(settings))
        # It does nothing on a machine without the package.
        text = profile.read_text(encoding="utf-8")
        assert sourced(profile, [], scratch) == ({}, set())
        inside = scratch / "profile.sh"
        inside.write_text(text.replace("/usr/lib/", f"{plan.tree}/usr/lib/"), encoding="utf-8")
        values, names = sourced(inside, list(named), scratch)
        assert (values, names) == (named, set(named))
    assert_copyright_says(text_of(plan, f"usr/share/doc/{plan.name}/copyright"), settings)


def assert_copyright_says(text: str, settings: Settings) -> None:
    """Demand the three paragraphs of the copyright file (DEP-5), with the settings' values in their places."""
    header, files, licence = Deb822.iter_paragraphs(text.splitlines(keepends=True))
    assert list(header) == ["Format", "Upstream-Name", "Source"]
    assert header["Source"] == settings.package.homepage
    assert list(files) == ["Files", "Copyright", "License"]
    assert files["Copyright"].partition(" ")[2] == settings.package.maintainer
    assert list(licence) == ["License"]
