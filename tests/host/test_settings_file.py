"""/etc/default/consul-docker-host is data: nothing in it runs, and a wrong line costs that one key."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

from tests.host.conftest import COMMAND, FakeHost, needs_root
from tests.host.inplace import run_in_place
from tests.support.speed import scaled

RENDERED = "run/consul-docker-host/consul.d"
TLS = "run/consul-docker-host/tls"


def rendered(host: FakeHost) -> dict[str, Any]:
    """Return what Consul reads, all files merged, after one rendering."""
    merged: dict[str, Any] = {}
    for path in sorted((host.root / RENDERED).iterdir()):
        merged |= json.loads(path.read_text())
    return merged


def test_an_unconfigured_host_gets_no_file_but_its_role(host: FakeHost) -> None:
    host.script("render", "consul")
    assert rendered(host) == {"datacenter": "dc1", "server": False}


def test_every_form_of_a_line_is_read(host: FakeHost) -> None:
    host.configure("  HOST_IP = \n# c\n\n;c\nDATACENTER=\"dc-2\"\nNODE_NAME='n-1'  \nROLE=server\r\nBOOTSTRAP_EXPECT=3")

    said = host.script("render", "consul").stderr

    assert rendered(host) == {"datacenter": "dc-2", "node_name": "n-1", "server": True, "bootstrap_expect": 3}
    assert "HOST_IP " in said


def test_of_a_start_and_an_apply_at_once_the_newer_settings_stay(host: FakeHost, tmp_path: Path) -> None:
    """A start that had read the file before an edit wrote the former role over the new one, unseen."""
    hold, held, go = (tmp_path / name for name in ("hold", "held", "go"))
    slow = f"if mv {hold} {held} 2>/dev/null; then until [ -e {go} ]; do sleep 0.05; done; fi"
    host.replace("python3", f'{slow}\nexec /usr/bin/python3 "$@"')
    hold.touch()
    with ThreadPoolExecutor(max_workers=2) as pool:
        start = pool.submit(host.script, "render", "consul")
        deadline = time.monotonic() + scaled(20)
        while not held.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        host.configure("ROLE=server\n")
        apply = pool.submit(host.script, "render", "consul", "--now")
        wait((apply,), timeout=2)
        go.touch()
        wait((start, apply), timeout=scaled(40))
    assert (start.result().returncode, apply.result().returncode) == (0, 0)
    assert rendered(host)["server"] is True


def test_comments_and_plain_lines_cost_no_program(host: FakeHost) -> None:
    """Each script reads the file; a program a line took 5 s of each on a small machine."""
    record = host.replace("sed", 'exec /bin/sed "$@"')
    host.configure("# a comment\n\n" * 50 + "DATACENTER=dc1\n")
    host.script("guard", "rules")
    assert len(record.read_text().splitlines()) < 10


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("HOST_IP=10.0.0.256", 'HOST_IP: "10.0.0.256" is not an IPv4 address'),
        ("HOST_IP=1.2.3", 'HOST_IP: "1.2.3" is not an IPv4 address'),
        ("NODE_NAME=$(touch OWNED)", 'NODE_NAME: "$(touch OWNED)" may contain only letters, digits and -'),
        ("NODE_NAME=`touch OWNED`", "NODE_NAME:"),
        ('DATACENTER="dc1"; touch OWNED', "DATACENTER:"),
        ("ROLE=master", 'ROLE: "master" must be client or server'),
        ("ROLE=", "ROLE: is empty"),
        ("BOOTSTRAP_EXPECT=three", 'BOOTSTRAP_EXPECT: "three" must be a number from 0 to 99'),
        ('BRIDGES=x" accept; #', "BRIDGES:"),
        ("BRIDGES=a-name-of-sixteen", "BRIDGES:"),
        ("REGISTRATOR_IMAGE=--privileged", "REGISTRATOR_IMAGE:"),
        ("UPSTREAMS=--conf-script=/x", "UPSTREAMS:"),
        ("UPSTREAMS='192.0.2.1 192.0.2.2#0'", 'UPSTREAMS: "192.0.2.2#0" is not an IPv4 address'),
        ("UPSTREAMS=192.0.2.2#65536", "UPSTREAMS:"),
        ("UPSTREAMS=192.0.2.2#5#5", "UPSTREAMS:"),
        ("GOSSIP_KEY_FILE=key", "GOSSIP_KEY_FILE: must be an absolute path"),
        ("RETRY_JOIN='10.0.0.1", "RETRY_JOIN: has an open quote"),
        ("DATACENTER=FRA1", 'DATACENTER: "FRA1" may contain only lower-case letters, digits, - and _'),
        ("DATACENTER=", "DATACENTER: is empty"),
        ("REGISTRATOR_IMAGE=", "REGISTRATOR_IMAGE: is empty"),
        ("ACL=none", 'ACL: "none" must be off, allow or deny'),
        ("HOST_IP address=touch OWNED", '1: "HOST_IP address" is not a known key'),
        ("HOST_IP address", "1: has no ="),
        ("PATH=/tmp", '1: "PATH" is not a known key'),
        ("touch OWNED", "1: has no ="),
        ("HOST_IP", "HOST_IP: has no ="),
        ("NODE_NAME=a\x1b[2Jb", "NODE_NAME: contains a character that cannot be printed"),
    ],
)
def test_a_bad_value_is_told_with_its_key_and_the_rest_of_the_host_goes_on(
    host: FakeHost, line: str, said: str
) -> None:
    host.configure(f"{line}\nRETRY_JOIN=10.0.0.7\n")

    done = host.script("render", "consul", code=None)

    assert f"/etc/default/consul-docker-host:{said}" in done.stderr
    assert rendered(host)["retry_join"] == ["10.0.0.7"]
    assert not list(host.root.rglob("OWNED"))


@pytest.mark.parametrize(
    "line",
    ["GOSSIP_KEY_FILE=key", "GOSSIP_KEY_FILE", "GOSSIP_KEY_FILE='/etc/gossip", "GOSSIP_KEY_FILE=/etc/gos\x1bsip"],
)
def test_a_line_with_a_mistake_does_not_end_the_encryption(host: FakeHost, line: str) -> None:
    host.write("etc/gossip", "A" * 43 + "=").chmod(0o640)
    host.configure("GOSSIP_KEY_FILE=/etc/gossip\n")
    host.script("render", "consul")
    host.configure(f"{line}\nRETRY_JOIN=10.0.0.7\n")

    said = host.call(COMMAND, "apply", "--render", code=1).stderr

    assert (
        "/etc/default/consul-docker-host:GOSSIP_KEY_FILE: the line has a mistake; the running configuration is kept"
        in said
    )
    assert rendered(host)["encrypt"] == "A" * 43 + "="
    assert rendered(host)["retry_join"] == ["10.0.0.7"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("10.0.0.1 10.0.0.2", ["10.0.0.1", "10.0.0.2"]),
        ("10.0.0.1,10.0.0.2", ["10.0.0.1", "10.0.0.2"]),
        ("provider=aws tag_key=a tag_value=b", ["provider=aws tag_key=a tag_value=b"]),
        ("provider=aws tag_key=a; 10.0.0.1", ["provider=aws tag_key=a", "10.0.0.1"]),
        (r"a\"b", ['a"b']),
        ("a\\b", ["a\\b"]),
    ],
)
def test_join_addresses_become_json_whatever_they_hold(host: FakeHost, value: str, expected: list[str]) -> None:
    host.configure(f'RETRY_JOIN="{value}"\n')
    host.script("render", "consul")
    assert rendered(host)["retry_join"] == expected


def test_a_value_that_is_taken_back_takes_its_file_along(host: FakeHost) -> None:
    host.configure("RETRY_JOIN=10.0.0.1\n")
    assert host.script("render", "consul").stdout == "host.json\njoin.json\n"
    host.configure("")
    assert host.script("render", "consul").stdout == "join.json\n"
    assert not (host.root / RENDERED / "join.json").exists()
    assert host.script("render", "consul").stdout == ""


def test_tls_takes_all_three_files_or_none(host: FakeHost) -> None:
    host.configure("CA_FILE=/a\nCERT_FILE=/b\n")
    assert "go together" in host.call(COMMAND, "apply", "--render", code=1).stderr
    assert "tls" not in rendered(host)


@needs_root
def test_a_file_rendered_before_consul_came_is_handed_to_its_group_later(host: FakeHost) -> None:
    groups = Path("/etc/group").read_text()
    assert "\nconsul:" not in groups
    host.write("etc/group", groups)
    render = "/usr/lib/consul-docker-host/render consul --now"
    places = " ".join(f"/{RENDERED}{name} /{TLS}" for name in ("", "/host.json"))
    look = f"stat --format '%g %a' {places}"
    said = run_in_place(host, f"{render}; {look}; echo consul:x:990: >>/etc/group; echo; {render}; {look}").stdout
    before, after = said.split("\n\n")
    assert before.splitlines() == ["host.json", "0 750", "0 750", "0 640", "0 750"]
    assert after.splitlines() == ["990 750", "990 750", "990 640", "990 750"]


def test_an_upstream_server_may_have_a_port(host: FakeHost) -> None:
    host.configure('UPSTREAMS="192.0.2.1 127.0.0.1#5353"')

    said = host.script("dnsmasq").stderr

    line = (host.root / "run/consul-docker-host/dnsmasq.env").read_text()
    assert "--no-resolv --server=192.0.2.1 --server=127.0.0.1#5353" in line
    assert "UPSTREAMS" not in said
