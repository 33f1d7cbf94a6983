"""Single values: what is accepted, what is refused, and that the reason names the value."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from consul_docker_host.settings import values as v

ACCEPTED: dict[str, tuple[object, list[object]]] = {
    "Text": (v.Text, ["", "a b", "quotes \" and '", "$x `y` %h # ; = \\", "ü 漢"]),
    "Port": (v.Port, [1, 53, 65535]),
    "LinkName": (v.LinkName, ["dummy0", "consul0", "a", "eth0.100", "a23456789012345"]),
    "BridgePattern": (v.BridgePattern, ["br-lan", "virbr*", "a", "a23456789012345"]),
    "Domain": (v.Domain, ["consul", "a.b-c.example", "1x"]),
    "OptionalDomain": (v.OptionalDomain, ["", "consul"]),
    "HostFile": (v.HostFile, ["", "/etc/consul-secrets/key", "/a@b/c+d.pem"]),
    "OptionalAddress": (v.OptionalAddress, ["", "192.0.2.1", "169.254.1.1"]),
    "LinkAddress": (v.LinkAddress, ["169.254.1.1", "10.0.0.1", "192.0.2.1"]),
    "Upstream": (v.Upstream, ["192.0.2.1", "192.0.2.1#5353", "127.0.0.53"]),
    "Network": (v.Network, ["10.0.0.0/8", "192.0.2.7/32", "10.1.0.0/16"]),
    "Image": (
        v.Image,
        [
            "registrator",
            "fayrus/registrator:v9.2.0",
            "r.example:5000/a/b/c:latest",
            "a/b@sha256:" + "0" * 64,
            "a/b:tag@sha256:" + "f" * 64,
        ],
    ),
    "FixedImage": (v.FixedImage, ["hashicorp/consul:1.22.7", "r:5000/consul:v2", "a/b@sha256:" + "0" * 64]),
    "Tag": (v.Tag, ["a", "rack=7", "urlprefix-/x:y"]),
    "RegistratorOption": (v.RegistratorOption, ["-useIpFromLabel=a.b", "--explicit", "-tcp-check=a,b"]),
    "Maintainer": (v.Maintainer, ["Zoë O. <zoe+x@site.example>", "A & B (team) <a@b>"]),
    "Version": (v.Version, ["1", "0.1.0", "1.4.0+site2", "1.0~rc1", "1.0~rc1+a.b"]),
    "Url": (v.Url, ["https://a.example", "http://a:8080/x/~y/", "https://a/b-c_d.e"]),
    "OptionalUrl": (v.OptionalUrl, ["", "https://bucket.example/a/", "http://192.0.2.1:8080/x~1"]),
    "Duration": (v.Duration, ["10s", "500ms", "1m", "2h"]),
}
REFUSED: dict[str, tuple[object, list[object]]] = {
    "Text": (v.Text, ["a\nb", "a\tb", "\x00", "\x1b[0m", "a\u2028b", "a\u202eb", "\ud800", 5]),
    "Port": (v.Port, [0, -1, 65536, "80", True, 1.0]),
    "LinkName": (
        v.LinkName,
        ["", "0a", "a b", "a/b", "a2345678901234567", "a\n", "-a", "a$", "a*", "lo", "docker0", "br-a", "podman"],
    ),
    "BridgePattern": (v.BridgePattern, ["", "*", "a**", "a*b", "a b", "a2345678901234567", "a\n", "-a", "a;b", "a$"]),
    "Domain": (v.Domain, ["", "Consul", "a..b", ".a", "a.", "-a", "a-", "a/b", "a b", "a\n", "ü", "x" * 64]),
    "OptionalDomain": (v.OptionalDomain, [" ", "A"]),
    "HostFile": (v.HostFile, ["key", "/a b", "/a/", "/", "/a;b", "/$x", "/a\n", '/"', "//"]),
    "OptionalAddress": (v.OptionalAddress, [" ", "x", "127.0.0.1", "224.0.0.1", "1.2.3", "1.2.3.04", "::1"]),
    "LinkAddress": (v.LinkAddress, ["", "169.254.169.254", "127.0.0.1", "255.255.255.255",
                    "169.254.1.1/32", "\u0661.1.1.1"]),
    "Upstream": (v.Upstream, ["", "192.0.2.1#", "192.0.2.1#0", "192.0.2.1#65536", "192.0.2.1#x", "127.0.0.1x", "127.",
                 "127.\nx", "127.0.0.1;x"]),
    "Network": (v.Network, ["10.0.0.0", "10.0.0.1/8", "0.0.0.0/0", "10.0.0.0/33", "x"]),
    "Image": (v.Image, ["", "a/B", "a b", "a:", "-v", "a/b:x y", "a@sha256:0", "a;b", "a\n"]),
    "FixedImage": (v.FixedImage, ["", "hashicorp/consul", "r:5000/consul", "a/b:latest", "a b:1", "a:1\n"]),
    "Tag": (v.Tag, ["", "a b", "a,b", 'a"', "a'", "-a", "a\n", "$a", "a`b"]),
    "RegistratorOption": (v.RegistratorOption, ["", "x", "-", "-a b", "-ip=192.0.2.1", "--cleanup",
                          "-ttl=5", "-a=$x", "-a=;b"]),
    "Maintainer": (v.Maintainer, ["", "A", "<a@b>", " <a@b>", " A <a@b>", "A<a@b>", "A <a>",
                   "A\n <a@b>", "A, B <a@b>", "A % <a@b>", "A <a@b> "]),
    "Version": (v.Version, ["", "v1", "1-1", "1:1", "1.", "1 ", "1\n", "1+", "1..2", "1_2", "\u0661"]),
    "Url": (v.Url, ["", "ftp://a", "https://", "https://a b", "https://a?x=1", "https://a/#x", "https://a/%20", "https://a\n"]),
    "OptionalUrl": (v.OptionalUrl, ["ftp://a", "https://", "https://a?x=1", "a/b", "https://a b"]),
    "Duration": (v.Duration, ["", "0s", "10", "1d", "s", "10s ", "1.5s"]),
}  # fmt: skip


def cases(table: dict[str, tuple[object, list[object]]]) -> list[tuple[str, object]]:
    return [(name, value) for name, (_, values) in table.items() for value in values]


@pytest.mark.parametrize(("name", "value"), cases(ACCEPTED), ids=str)
def test_a_right_value_is_taken_as_it_is(name: str, value: object) -> None:
    assert TypeAdapter[object](ACCEPTED[name][0]).validate_python(value) == value  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "value"), cases(REFUSED), ids=ascii)
def test_a_wrong_value_is_refused_and_named(name: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter[object](REFUSED[name][0]).validate_python(value)  # type: ignore[arg-type]
    (detail,) = caught.value.errors()
    if detail["type"] == "value_error":
        # The reason is shown in a terminal: what the value holds must not act there.
        reason = str(detail["ctx"]["error"])
        assert reason.isprintable()
        assert repr(value) in reason or reason.startswith("-"), "a reason names its value, or the option"


def test_both_tables_speak_of_every_kind_of_value() -> None:
    kinds = {name for name in vars(v) if name[0].isupper() and not name.isupper() and name != "Callable"}
    kinds -= {"Annotated", "AfterValidator", "Field", "StrictInt", "StrictStr"}
    kinds.discard("JoinAddress")  # test_settings: it matters what the user is told
    assert kinds == set(ACCEPTED) == set(REFUSED)
