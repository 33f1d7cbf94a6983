"""The settings' model: closed and frozen, with one class for each table of settings.toml.

It has no defaults of its own for keys of settings.toml, so a key that is missing there, or one that the model does not
have, fails the first test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from consul_docker_host.settings import values as v

# Validation context: the caller checks the rules between keys itself, once it knows which values are wrong.
WITHOUT_RULES = {"with_rules": False}


class Fault(NamedTuple):
    """A broken rule between keys of a table: the key to show it at, the reason, the other keys that it compares.

    Keys are relative to the table and may be dotted; an empty key means the table itself.
    """

    key: str
    reason: str
    others: tuple[str, ...] = ()


class Table(BaseModel):
    """A table of the settings: closed (an unknown key is a mistake) and frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def faults(self) -> Iterator[Fault]:
        """Yield each broken rule between several keys of this table."""
        yield from ()

    @model_validator(mode="after")
    def _rules(self, info: ValidationInfo) -> Self:
        if info.context == WITHOUT_RULES:
            return self
        errors = [
            InitErrorDetails(
                type=PydanticCustomError("rule", "{reason}", {"reason": fault.reason}),
                loc=(fault.key,) if fault.key else (),
                input=None,
            )
            for fault in self.faults()
        ]
        if errors:
            raise ValidationError.from_exception_data(type(self).__name__, errors)
        return self


class Package(Table):
    """The metadata of deb and rpm."""

    version: v.Version
    revision: Annotated[str, v.matching(r"[0-9]+([.][A-Za-z0-9]+)*", "a revision such as 1")]
    maintainer: v.Maintainer
    homepage: v.Url


class Link(Table):
    """The interface and the address that every host has."""

    interface: v.LinkName
    address: v.LinkAddress

    @property
    def mac(self) -> str:
        """The MAC address by which systemd-networkd recognises our link: a local one, derived from the IP address."""
        return "02:00:" + ":".join(f"{int(part):02x}" for part in str(self.address).split("."))


class Ports(Table):
    """Consul's own ports."""

    http: v.Port
    dns: v.Port
    serf_lan: v.Port
    serf_wan: v.Port
    server: v.Port

    def faults(self) -> Iterator[Fault]:
        """Yield ports that are used twice."""
        users = {53: "dnsmasq"}
        for name, port in self:
            if port in users:
                user = users[port]
                yield Fault(name, f"port {port} is already used by {user}", (user,) if port != 53 else ())
            users[port] = name


class Consul(Table):
    """The agent's configuration."""

    run: Literal["package", "container"]
    image: v.FixedImage
    datacenter: Annotated[
        str,
        v.matching(r"[a-z0-9_-]{1,64}", "a datacenter name; it may contain only lower-case letters, digits, - and _"),
    ]
    node_name: Annotated[str, v.matching(r"([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)?", "a host name without dots")]
    role: Literal["client", "server"]
    bootstrap_expect: Literal[0, 1, 3, 5, 7]
    retry_join: tuple[v.JoinAddress, ...]
    bind_addr: v.OptionalAddress
    domain: v.Domain
    alt_domain: v.OptionalDomain
    log_level: Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]
    write_access: Literal["containers", "host"]
    local_script_checks: StrictBool
    gossip_key_file: v.HostFile
    ca_file: v.HostFile
    cert_file: v.HostFile
    key_file: v.HostFile
    acl: Literal["off", "allow", "deny"]
    agent_token_file: v.HostFile
    dns_token_file: v.HostFile
    services_token_file: v.HostFile
    ports: Ports

    @property
    def unit(self) -> str:
        """The systemd unit of the agent."""
        return "consul.service" if self.run == "package" else "consul-docker-host-agent.service"

    def faults(self) -> Iterator[Fault]:
        """Yield keys that contradict each other."""
        tls = {"ca_file": self.ca_file, "cert_file": self.cert_file, "key_file": self.key_file}
        missing = [name for name, value in tls.items() if not value]
        if 0 < len(missing) < len(tls):
            reason = "is empty; set all of ca_file, cert_file and key_file for TLS, or none of them"
            yield Fault(missing[0], reason, tuple(tls))
        if self.role == "server" and self.bootstrap_expect == 0:
            reason = 'is 0; with role = "server" set it to the number of servers in the cluster: 1, 3, 5 or 7'
            yield Fault("bootstrap_expect", reason, ("role",))
        if self.role == "client" and self.bootstrap_expect:
            reason = f'is {self.bootstrap_expect} with role = "client"; set it to 0, or role to "server"'
            yield Fault("bootstrap_expect", reason, ("role",))
        if self.alt_domain and self.alt_domain == self.domain:
            yield Fault("alt_domain", f"{self.alt_domain!r} is the same as domain; leave it empty", ("domain",))
        for name in ("agent_token_file", "dns_token_file", "services_token_file"):
            if getattr(self, name) and self.acl == "off":
                yield Fault(name, 'is set with acl = "off"; set acl to "allow" or "deny", or remove it', ("acl",))


class Dns(Table):
    """The resolver in front of Consul."""

    ttl: Annotated[StrictInt, Field(ge=0, le=2)]  # an answer may be at most 2 s old
    cache_size: Annotated[StrictInt, Field(ge=0, le=1_000_000)]
    upstreams: tuple[v.Upstream, ...]
    reverse_zones: tuple[v.Network, ...]

    @property
    def reverse_domains(self) -> tuple[str, ...]:
        """The zones below in-addr.arpa for ``reverse_zones``, each split at the next octet, without repeats."""
        domains: dict[str, None] = {}
        for zone in map(IPv4Network, self.reverse_zones):
            octets = -(-zone.prefixlen // 8)
            for part in zone.subnets(new_prefix=octets * 8):
                labels = str(part.network_address).split(".")[:octets]
                domains[".".join(reversed(labels)) + ".in-addr.arpa"] = None
        return tuple(domains)


class Docker(Table):
    """How containers find the resolver."""

    dns: Literal["per-container", "daemon"]


class Registrator(Table):
    """The container that registers other containers in Consul."""

    enabled: StrictBool
    image: v.Image
    resync: Annotated[StrictInt, Field(ge=1, le=86_400)]
    ttl: Annotated[StrictInt, Field(ge=0, le=86_400)]
    ttl_refresh: Annotated[StrictInt, Field(ge=0, le=86_400)]
    deregister: Literal["always", "on-success"]
    internal: StrictBool
    tags: tuple[v.Tag, ...]
    options: tuple[v.RegistratorOption, ...]
    token_file: v.HostFile

    @property
    def flags(self) -> tuple[str, ...]:
        """The options of the command that these settings stand for."""
        refresh = ("-ttl", str(self.ttl), "-ttl-refresh", str(self.ttl_refresh)) if self.ttl else ()
        internal = ("-internal",) if self.internal else ()
        tags = ("-tags", ",".join(self.tags)) if self.tags else ()
        fixed = ("-cleanup", "-resync", str(self.resync), "-retry-attempts", "-1", "-deregister", self.deregister)
        return (*fixed, *refresh, *internal, *tags)

    def faults(self) -> Iterator[Fault]:
        """Yield keys that contradict each other."""
        if bool(self.ttl) != bool(self.ttl_refresh):
            reason = f"is {self.ttl_refresh} with ttl = {self.ttl}; set both or neither"
            yield Fault("ttl_refresh", reason, ("ttl",))
        elif self.ttl and self.ttl_refresh >= self.ttl:
            reason = f"{self.ttl_refresh} must be less than ttl ({self.ttl}), or services expire before each refresh"
            yield Fault("ttl_refresh", reason, ("ttl",))


class Environment(Table):
    """The variables for shells and services."""

    enabled: StrictBool


class Guard(Table):
    """The firewall rules that protect the address."""

    enabled: StrictBool
    bridges: tuple[v.BridgePattern, ...]


class Repository(Table):
    """The repository that serves the packages."""

    url: v.Url
    key_file: v.Text
    channel: Literal["stable", "testing"]
    valid_days: Annotated[StrictInt, Field(ge=0, le=3650)]


class CloudInit(Table):
    """The addresses that the cloud-init snippets use."""

    package_url: v.OptionalUrl


class Check(Table):
    """One health check of a host service; exactly one of http, tcp, ttl and args."""

    name: v.Text = ""
    # Printable ASCII without quotes and backslash.
    http: Annotated[str, v.matching(r"(https?://[!#-&(-\[\]-~]+)?", "an http or https address")] = ""
    tcp: Annotated[str, v.matching(r"([A-Za-z0-9.-]+:[0-9]{1,5})?", "host:port")] = ""
    ttl: Annotated[str, v.matching(r"([1-9][0-9]*(ms|s|m|h))?", "a duration such as 10s")] = ""
    args: tuple[v.Text, ...] = ()
    interval: v.Duration = "10s"
    timeout: v.Duration = "5s"

    def faults(self) -> Iterator[Fault]:
        """Yield a fault unless the check has exactly one kind."""
        kinds = [name for name in ("http", "tcp", "ttl", "args") if getattr(self, name)]
        if len(kinds) != 1:
            reason = f"must have exactly one of http, tcp, ttl and args, not {' and '.join(kinds) or 'none'}"
            yield Fault("", reason, ("http", "tcp", "ttl", "args"))


class Service(Table):
    """A service of the host itself, published from /etc/consul.d/NAME.json."""

    name: Annotated[
        str,
        v.matching(
            r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", "a service name; it may contain only letters, digits and -"
        ),
    ]
    port: Annotated[StrictInt, Field(ge=0, le=65535)] = 0
    address: v.OptionalAddress = ""
    tags: tuple[v.Text, ...] = ()
    meta: Mapping[
        Annotated[str, v.matching(r"[A-Za-z0-9_-]{1,128}", "a key; it may contain only letters, digits, - and _")],
        v.Text,
    ] = {}
    checks: tuple[Check, ...] = ()

    @field_validator("name")
    @classmethod
    def _not_ours(cls, value: str) -> str:
        if value in {"interfaces", "agent", "consul"}:
            raise ValueError(f"{value!r} is reserved: /etc/consul.d/{value}.json belongs to the agent")
        return value


class Settings(Table):
    """All settings of one build."""

    package: Package
    link: Link
    consul: Consul
    dns: Dns
    docker: Docker
    registrator: Registrator
    environment: Environment
    guard: Guard
    repository: Repository
    cloud_init: CloudInit
    services: tuple[Service, ...] = ()

    def faults(self) -> Iterator[Fault]:
        """Yield broken rules between tables, and between services."""
        first: dict[str, int] = {}
        for index, service in enumerate(self.services):
            if service.name in first:
                earlier = first[service.name]
                reason = f"{service.name!r} is already the name of service {earlier + 1}"
                yield Fault(f"services.{index}.name", reason, (f"services.{earlier}.name",))
            first.setdefault(service.name, index)
            for number, check in enumerate(service.checks):
                if check.args and not self.consul.local_script_checks:
                    reason = f"{service.name!r} has a check with args; set consul.local_script_checks = true"
                    yield Fault(f"services.{index}.checks.{number}.args", reason, ("consul.local_script_checks",))
