"""The settings file as shell reads it and as Python does: every value and every message is the same."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from host_program.output import clean
from host_program.settings import load_host, read_built_in
from tests.host.conftest import SCRIPTS, FakeHost
from tests.support.speed import scaled

LINES = (
    b"HOST_IP=10.0.0.1",
    b"  HOST_IP = 10.0.0.1",
    b"\tHOST_IP=10.0.0.1 \t",
    b"HOST_IP=10.0.0.256\r",
    b"HOST_IP=01.0.0.1",
    b"HOST_IP=1.2.3",
    b"HOST_IP=1.2.3.4.",
    b"HOST_IP=.1.2.3",
    b"HOST_IP=",
    b"HOST_IP",
    b'HOST_IP="10.0.0.1"',
    b"HOST_IP='10.0.0.1'",
    b"HOST_IP=\"10.0.0.1'",
    b'HOST_IP="',
    b"HOST_IP=''",
    b'HOST_IP=""',
    b"HOST_IP='\"'",
    b"# HOST_IP=x",
    b";",
    b"\v# no comment",
    b"\v",
    b"\r",
    b"\r\r",
    b" \f ",
    b"=",
    b"=x",
    b'"',
    b"'x",
    b'"x"',
    b'X="y',
    b"GOSSIP_KEY_FILE CA_FILE=/x",
    b"CA_FILE CERT_FILE",
    b"CA_FILE=\\",
    b"CA_FILE=/a b",
    b"CA_FILE=a",
    b"CA_FILE",
    b'CA_FILE="/a',
    b"CA_FILE=/\xc3\xa9",
    b"CA_FILE=/a\x7f",
    b"*=x",
    b"HOST_I?=10.0.0.1",
    b"host_ip=10.0.0.1",
    b"NL=x",
    b"KEYS=x",
    b"PATH=x",
    b"export ROLE=server",
    b"ROLE=server # by hand",
    b"ROLE=",
    b"ROLE=client server",
    b"ROLE=master",
    b"ACL=off allow",
    b"ACL= off",
    b"ACL=*",
    b"ACL=",
    b"DATACENTER=DC1",
    b"DATACENTER=-",
    b"DATACENTER=",
    b"NODE_NAME=-a",
    b"NODE_NAME=a.b",
    b"NODE_NAME=$(touch /OWNED)",
    b"NODE_NAME=`touch /OWNED`",
    b"BOOTSTRAP_EXPECT=3",
    b"BOOTSTRAP_EXPECT=03",
    b"BOOTSTRAP_EXPECT=100",
    b"BOOTSTRAP_EXPECT=-1",
    b"UPSTREAMS=1.1.1.1#53 1.1.1.2",
    b"UPSTREAMS='1.1.1.1  8.8.8.8#65535'",
    b"UPSTREAMS=1.1.1.1#65536",
    b"UPSTREAMS=1.1.1.1#0",
    b"UPSTREAMS=1.1.1.1#",
    b"UPSTREAMS=1.1.1.1#5#5",
    b"UPSTREAMS=#53",
    b"UPSTREAMS=*",
    b'UPSTREAMS=" "',
    b"UPSTREAMS=1.1.1.1\t8.8.8.8",
    b"BRIDGES=br-* docker0 *",
    b"BRIDGES=br-*",
    b"BRIDGES=a-name-of-15ch*",
    b"BRIDGES=a-name-of-sixteen",
    b"BRIDGES=br**",
    b"CONSUL_IMAGE=--privileged",
    b"CONSUL_IMAGE=",
    b"CONSUL_IMAGE=a b",
    b"REGISTRATOR_IMAGE=r.example:5000/a/b:1@sha256:0",
    b"REGISTRATOR_OPTIONS=-tags *",
    b"RETRY_JOIN=provider=aws tag_key=a; 10.0.0.1",
    b'RETRY_JOIN="a\\"b"',
    b'RETRY_JOIN=a\\"b',
    b'RETRY_JOIN="a\\"',
    b"RETRY_JOIN=a\\b\\\\",
    b"RETRY_JOIN=-n",
    b"RETRY_JOIN=-e \\t",
    b"RETRY_JOIN=%s%n",
    b"RETRY_JOIN=\xff\xfe",
    b"RETRY_JOIN=a\x00b",
    b"R\x00OLE=server",
    b"a\x1b[2Jb=c",
    b"\x1b[2J",
)
KEYS = ("HOST_IP", "RETRY_JOIN", "ROLE", "ACL", "CA_FILE", "UPSTREAMS", "BRIDGES", "CONSUL_IMAGE", "BOOTSTRAP_EXPECT")
# Pieces that mean something to a shell, to the parser or to one of the kinds.
PIECES = st.sampled_from(
    [
        *"\"' =#;*?[]\\$`|&<>(){}~!-./:@,%\t\r\v\f\x1b\x7f01234567890az",
        "10.0.0.1",
        "allow",
        "server",
        "/etc/a",
        "é",
        "$(",
        *KEYS,
    ]
)
VALUE = st.lists(PIECES, max_size=6).map("".join)
LINE = st.one_of(
    st.sampled_from(LINES),
    st.builds(
        lambda key, middle, value: f"{key}{middle}{value}".encode(),
        st.sampled_from(KEYS),
        st.sampled_from(["=", "", " = ", '="', "='"]),
        VALUE,
    ),
    VALUE.map(str.encode),
    st.binary(max_size=12).map(lambda content: content.replace(b"\n", b"")),
)
# Values end with a byte that no value can hold.
SCRIPT = """
LIB=$CONSUL_DOCKER_HOST_ROOT/usr/lib/consul-docker-host
. "$LIB/base.sh"
. "$LIB/settings.sh"
load_config 2>/dev/null
for name; do eval "printf '%s\\\\0' \\"\\$$name\\""; done
printf %s "$PROBLEMS"
"""


@functools.cache
def names(root: Path) -> tuple[str, ...]:
    return tuple(read_built_in(str(root)).keys)


def by_shell(root: Path, shell: str) -> tuple[dict[str, str], list[str]]:
    """Return the values and the messages as the scripts have them."""
    done = subprocess.run(
        [shell, "-euc", SCRIPT, shell, *names(root)],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "CONSUL_DOCKER_HOST_ROOT": str(root)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=scaled(60),
    )
    *values, problems = done.stdout.decode(errors="surrogateescape").split("\0")
    return dict(zip(names(root), values, strict=True)), [clean(line) for line in problems.split("\n") if line]


def by_python(root: Path) -> tuple[dict[str, str], list[str]]:
    host = load_host(str(root))
    return host.values, [clean(str(problem)) for problem in host.problems]


def assert_alike(root: Path, content: bytes, shell: str = "sh") -> None:
    (root / "etc/default/consul-docker-host").write_bytes(content)
    assert by_shell(root, shell) == by_python(root)


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_the_two_agree_on_each_line(host: FakeHost, shell: str) -> None:
    for line in LINES:
        # bash as /bin/sh is what Enterprise Linux has; it reports zero bytes, and drops them as well.
        assert_alike(host.root, line, shell)
        assert_alike(host.root, b"ROLE=server\nCA_FILE=/before\nACL=deny\n" + line + b"\n", shell)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(LINE, max_size=12))
@example(lines=list(LINES))
def test_the_two_agree_on_every_file(host: FakeHost, lines: list[bytes]) -> None:
    assert_alike(host.root, b"\n".join(lines))
    assert not (host.root / "OWNED").exists()


def test_without_the_file_the_built_in_values_are_left(host: FakeHost) -> None:
    (host.root / "etc/default/consul-docker-host").unlink()
    values, problems = by_python(host.root)
    assert by_shell(host.root, "sh") == (values, problems)
    assert problems == []
    assert values["DATACENTER"] == "dc1"


def test_the_program_and_the_scripts_are_the_shipped_ones(host: FakeHost) -> None:
    """Else the two above would agree on nothing."""
    assert_alike(host.root, b"ROLE=server\nX\n")
    values, problems = by_python(host.root)
    assert values["ROLE"] == "server"
    assert problems == ["/etc/default/consul-docker-host:2: has no ="]
    assert (host.root / SCRIPTS / "host_program/settings.py").exists()
