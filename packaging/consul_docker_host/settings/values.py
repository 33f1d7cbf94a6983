"""The types of single settings, each with the reason that it reports for an invalid value."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, Field, StrictInt, StrictStr

LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
METADATA_ADDRESS = "169.254.169.254"
# The reference grammar of the distribution specification: [host[:port]/]path[:tag][@digest].
IMAGE = (
    r"([A-Za-z0-9.-]+(:[0-9]{1,5})?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?"
)
JOIN = r"[A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?|[0-9A-Fa-f:]+:[0-9A-Fa-f:.]+"
SECRET_WORDS = ("secret", "password", "passwd", "token", "api_key", "access_key", "auth_token", "credentials")


def matched(value: str, pattern: str, reason: str) -> str:
    """Return the value if it matches ``pattern`` completely; else raise ValueError with the reason."""
    if not re.fullmatch(pattern, value):
        raise ValueError(f"{value!r} is not {reason}")
    return value


def matching(pattern: str, reason: str) -> AfterValidator:
    """Return a validator that requires the complete value to match ``pattern``."""
    return AfterValidator(lambda value: matched(value, pattern, reason))


def optional(check: Callable[[str], str]) -> Callable[[str], str]:
    """Return the validator with the empty string allowed, which means "not set" in the settings."""

    def checked(value: str) -> str:
        try:
            return value and check(value)
        except ValueError as error:
            raise ValueError(f'{error}; leave it empty ("") for the default') from None

    return checked


def ipv4_address(value: str) -> str:
    """Accept one IPv4 address."""
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        raise ValueError(f"{value!r} is not an IPv4 address such as 192.0.2.10") from None
    return value


def unicast_address(value: str) -> str:
    """Accept an IPv4 address that an interface can carry."""
    address = ipaddress.IPv4Address(ipv4_address(value))
    if address.is_multicast or address.is_loopback or address.is_unspecified or address.is_reserved:
        raise ValueError(f"{value!r} is not a usable unicast IPv4 address")
    return value


def link_address(value: str) -> str:
    """Accept the host link's address: unicast, and not the cloud's metadata service."""
    if value == METADATA_ADDRESS:
        raise ValueError(f"{value!r} is the cloud's metadata service; use another one, such as 169.254.1.1")
    return unicast_address(value)


def upstream_server(value: str) -> str:
    """Accept a DNS server's IPv4 address, with ``#port`` where it is not 53 (dnsmasq's notation)."""
    if re.fullmatch(r"[0-9.]+:[0-9]+", value):
        raise ValueError(f"{value!r} has a colon; write the port behind a #: {value.replace(':', '#')}")
    if value.startswith("/"):
        raise ValueError(f"{value!r} is for one domain; put it into a file of your own in /etc/dnsmasq.d on the host")
    address, mark, port = value.partition("#")
    # A loopback address is allowed: it means a name server on the host itself.
    checked = address if ipv4_address(address).startswith("127.") else unicast_address(address)
    if mark and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{value!r} must have a port between 1 and 65535 after the #")
    return f"{checked}{mark}{port}"


def link_name(value: str) -> str:
    """Accept the name of an interface that no other program uses."""
    if value == "lo" or value.startswith(("docker", "br-", "podman")):
        raise ValueError(f"{value!r} is reserved for Docker, Podman or loopback; use another name, such as dummy0")
    return matched(
        value,
        r"[A-Za-z][A-Za-z0-9_.-]{0,14}",
        "an interface name; it must start with a letter and have at most 15 characters",
    )


def network(value: str) -> str:
    """Accept an IPv4 network in CIDR notation, /8 to /32."""
    try:
        parsed = ipaddress.IPv4Network(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is not an IPv4 network such as 10.1.0.0/16 ({error})") from None
    if parsed.prefixlen < 8 or "/" not in value:
        raise ValueError(f"{value!r} must have a prefix between /8 and /32, such as 10.1.0.0/16")
    return value


def printable(value: str) -> str:
    """Accept one line of printable characters; every template quotes it for the file it goes into."""
    if not value.isprintable():
        raise ValueError(f"{value!r} contains a line break or a control character")
    return value


def join_address(value: str) -> str:
    """Accept what ``retry_join`` takes: an address, a name, either with a port, or cloud auto-join without secrets."""
    if not value.startswith("provider="):
        return matched(value, JOIN, "an address, a name or cloud auto-join (provider=...)")
    for key in re.findall(r"([A-Za-z_]+) *=", printable(value)):
        if key != "tag_key" and any(word in key.lower() for word in SECRET_WORDS):
            raise ValueError(f"{key} is a secret; give the host a role (instance profile) instead")
    return matched(value, r"[A-Za-z0-9_=., /:@%+*\[\]-]+", "cloud auto-join without quotes")


def fixed_image(value: str) -> str:
    """Accept an image reference with a fixed version: a digest, or a tag that contains a number."""
    matched(value, IMAGE, "an image reference such as name/consul:1.22.7")
    name, _, digest = value.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if not digest and not re.search(r"[0-9]", tag):
        raise ValueError(f"{value!r} has no fixed version; add a tag such as :1.22.7, or a digest")
    return value


def registrator_option(value: str) -> str:
    """Accept one option of Registrator's command line; refuse those that our own settings set."""
    own = {"ip", "cleanup", "resync", "retry-attempts", "ttl", "ttl-refresh", "deregister", "internal", "tags"}
    name = value.lstrip("-").partition("=")[0]
    if not re.fullmatch(r"--?[A-Za-z][A-Za-z-]*(=[A-Za-z0-9._:/@,+-]*)?", value):
        raise ValueError(f"{value!r} is not an option such as -useIpFromLabel=name")
    if name in own:
        raise ValueError(f"-{name} is set by another key of [registrator]; remove it here")
    return value


def maintainer(value: str) -> str:
    """Accept ``Name <mail@host>``, which deb and rpm require."""
    pattern = r"(?! )[^<>@\n,\"'%$`\\#]+ <[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+>"
    return matched(printable(value), pattern, "of the form Name <mail@host>")


Text = Annotated[StrictStr, AfterValidator(printable)]
Port = Annotated[StrictInt, Field(ge=1, le=65535)]
LinkName = Annotated[StrictStr, AfterValidator(link_name)]
BridgePattern = Annotated[
    StrictStr,
    matching(
        r"[A-Za-z][A-Za-z0-9_.-]{0,14}\*?", "an interface name of at most 15 characters, with an optional * at its end"
    ),
]
Domain = Annotated[
    StrictStr, matching(rf"{LABEL}(\.{LABEL})*", "a DNS domain; write it in lower case and without a dot at its end")
]
OptionalDomain = Annotated[
    StrictStr, matching(rf"({LABEL}(\.{LABEL})*)?", "a DNS domain; write it in lower case and without a dot at its end")
]
HostFile = Annotated[StrictStr, matching(r"(/[A-Za-z0-9._@+-]+)*", "the absolute path of a file on the host")]
OptionalAddress = Annotated[StrictStr, AfterValidator(optional(unicast_address))]
LinkAddress = Annotated[StrictStr, AfterValidator(link_address)]
Upstream = Annotated[StrictStr, AfterValidator(upstream_server)]
Network = Annotated[StrictStr, AfterValidator(network)]
JoinAddress = Annotated[StrictStr, AfterValidator(join_address)]
Image = Annotated[StrictStr, matching(IMAGE, "an image reference such as name/registrator:v9.2.0")]
FixedImage = Annotated[StrictStr, AfterValidator(fixed_image)]
Tag = Annotated[
    StrictStr, matching(r"[A-Za-z0-9][A-Za-z0-9._:/=+-]{0,127}", "a tag; it may not contain spaces, commas or quotes")
]
RegistratorOption = Annotated[StrictStr, AfterValidator(registrator_option)]
Maintainer = Annotated[StrictStr, AfterValidator(maintainer)]
Version = Annotated[
    StrictStr,
    matching(r"[0-9]+(\.[0-9]+)*([+~][A-Za-z0-9]+(\.[A-Za-z0-9]+)*)*", "a version such as 1.4.0 or 1.4.0+site1"),
]
URL = r"https?://[A-Za-z0-9._:-]+(/[A-Za-z0-9._~/-]*)?"
Url = Annotated[StrictStr, matching(URL, "an http or https address")]
OptionalUrl = Annotated[StrictStr, matching(f"({URL})?", "an http or https address")]
Duration = Annotated[StrictStr, matching(r"[1-9][0-9]*(ms|s|m|h)", "a duration such as 10s")]
