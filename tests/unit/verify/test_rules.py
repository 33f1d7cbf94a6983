"""The checks in process: each kind of fault is found, with its file and line, and a sound tree has none."""

# ruff: noqa: E501 - a table of cases reads best with one case a line
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.package.plan import Entry, Plan
from consul_docker_host.verify import validate_tree
from consul_docker_host.verify.rules import Finding, check_path, check_tree
from tests.unit.kit import plan_of, replace_in


def faults(work: Workspace, path: str, content: str | bytes) -> list[str]:
    """Return what is found when one file of the payload has another content."""
    data = content.encode() if isinstance(content, str) else content
    for name in (path, f"{path}.j2"):
        (work.files / name).unlink(missing_ok=True)
    (work.files / path).parent.mkdir(parents=True, exist_ok=True)
    (work.files / path).write_bytes(data)
    return [str(finding) for finding in check_tree(plan_of(work))]


def test_a_sound_tree_has_no_fault(plan: Plan) -> None:
    assert check_tree(plan) == []


UNIT = "usr/lib/systemd/system/consul-docker-host-watch.service"
SERVICE = "[Unit]\nDescription=x\n\n[Service]\nExecStart=/bin/true\n"


@pytest.mark.parametrize(
    ("path", "content", "told"),
    [
        ("etc/consul.d/agent.json", '{\n  "a": 1,\n}\n', "/etc/consul.d/agent.json:3: "),
        ("etc/consul.d/agent.json", "", "/etc/consul.d/agent.json:1: "),
        (UNIT, "Description=x\n[Unit]\n", f"/{UNIT}:1: is before the first section"),
        (UNIT, "[Unit]\nDescription=x\nExec Start=/bin/true\n", f"/{UNIT}:3: is neither a section nor Name=value"),
        (UNIT, "[Unit\nDescription=x\n", f"/{UNIT}:1: is neither a section nor Name=value"),
        (UNIT, "[Unit]\nDescription x\n", f"/{UNIT}:2: is neither a section nor Name=value"),
        (UNIT, "[Unit]\n Description=x\n", f"/{UNIT}:2: is neither a section nor Name=value"),
        (UNIT, SERVICE.replace("/bin/true", "/usr/lib/consul-docker-host/wach"), f"/{UNIT}:5: /usr/lib/consul-docker-host/wach is not an executable"),
        (UNIT, SERVICE.replace("/bin/true", "-+/usr/bin/consul-docker-hosts x"), f"/{UNIT}:5: /usr/bin/consul-docker-hosts is not an exec"),
        (UNIT, SERVICE.replace("/bin/true", "/usr/lib/consul-docker-host/defaults"), f"/{UNIT}:5: /usr/lib/consul-docker-host/defaults is not"),
        (UNIT, SERVICE.replace("=x", "=x\nAfter=consul-docker-host-lnk.service"), f"/{UNIT}:3: consul-docker-host-lnk.service is not a unit"),
        ("usr/lib/systemd/network/95-consul-docker-host.netdev", "[NetDev]\nName\n", "/usr/lib/systemd/network/95-consul-docker-host.netdev:2: "),
        ("usr/lib/systemd/resolved.conf.d/consul-docker-host.conf", "x\n", "/usr/lib/systemd/resolved.conf.d/consul-docker-host.conf:1: "),
        ("etc/consul-docker-host/container.env", "# x\nA=1\nB C=2\n", "/etc/consul-docker-host/container.env:3: is not NAME=value"),
        ("etc/default/consul-docker-host", "export A=1\n", "/etc/default/consul-docker-host:1: is not NAME=value"),
        ("etc/dnsmasq.d/consul.conf", "a\r\nb\r\n", "/etc/dnsmasq.d/consul.conf: contains a carriage return"),
        ("etc/dnsmasq.d/consul.conf", "a\0\n", "/etc/dnsmasq.d/consul.conf: contains a carriage return or a NUL"),
        ("etc/dnsmasq.d/consul.conf", "a\nb", "/etc/dnsmasq.d/consul.conf:2: does not end with a line feed"),
        ("etc/dnsmasq.d/consul.conf", b"a\n\xff\n", "/etc/dnsmasq.d/consul.conf:2: is not UTF-8"),
        ("usr/lib/consul-docker-host/guard", "echo\n", "/usr/lib/consul-docker-host/guard: mode 0755: is executable but not a script"),
        ("usr/lib/consul-docker-host/base.sh", "#!/bin/sh\n", "/usr/lib/consul-docker-host/base.sh: mode 0644: is a script without the executable bit"),
        ("opt/x", "x\n", "/opt/x: lies outside etc/, "),
    ],
)  # fmt: skip
def test_a_fault_is_found_with_its_path_and_line(work: Workspace, path: str, content: str | bytes, told: str) -> None:
    found = faults(work, path, content)
    assert [line for line in found if line.startswith(told)], found


@pytest.mark.parametrize(
    "content",
    [
        SERVICE,
        "# a comment\n; another\n\n" + SERVICE,
        SERVICE + "ExecStartPre=/bin/sh -c 'a \\\n  b \\\n  c'\nRestart=no\n",
        SERVICE + "[X-Own]\nAnything=1\n",
    ],
)
def test_a_sound_unit_is_not_complained_of(work: Workspace, content: str) -> None:
    assert faults(work, UNIT, content) == []


@pytest.mark.parametrize("mode", ["0664", "0646", "0777"])
def test_a_file_that_others_may_write_is_a_fault(work: Workspace, mode: str) -> None:
    rule = f'path = "usr/bin/consul-docker-host"\nmode = "{mode}"'
    path = 'path = "usr/bin/consul-docker-host"\nmode = "0755"'
    replace_in(work.packaging / "packages/consul-docker-host.toml", path, rule)
    told = [str(finding) for finding in check_tree(plan_of(work))]
    assert f"/usr/bin/consul-docker-host: mode {mode} lets users other than root write" in told


@pytest.mark.parametrize("path", ["etc/../root/x", "../etc/x", "/etc/x", "var/x", "usr/local/x"])
def test_a_path_outside_the_package_s_places_is_a_fault(path: str) -> None:
    entry = Entry(path=path, mode=0o644, is_conffile=False, formats=("deb",), size=0, sha256="")
    assert [finding.reason for finding in check_path(entry, b"")] == [
        "lies outside etc/, usr/bin/, usr/lib/, usr/share/"
    ]


def test_a_unit_that_the_settings_switch_off_may_still_be_named(work: Workspace) -> None:
    off = "[guard]\nenabled = false\n[registrator]\nenabled = false\n[environment]\nenabled = false\n"
    assert check_tree(plan_of(work, off)) == []


def test_all_faults_are_told_at_once_and_nothing_is_packed(work: Workspace) -> None:
    breaks: list[Callable[[Path], object]] = [
        lambda files: (files / "etc/consul.d/agent.json.j2").write_text("{"),
        lambda files: (files / UNIT).write_text("x\n"),
        lambda files: (files / "usr/lib/consul-docker-host/guard").write_text("echo"),
    ]
    for break_one in breaks:
        break_one(work.files)
    with pytest.raises(BuildError, match="no package was written") as caught:
        validate_tree(plan_of(work))
    for part in (
        "/etc/consul.d/agent.json:1: ",
        f"/{UNIT}:1: ",
        "/usr/lib/consul-docker-host/guard: mode",
        "guard:1: does not end with",
    ):
        assert part in str(caught.value)


def test_a_finding_without_a_line_speaks_of_the_whole_file() -> None:
    assert str(Finding(path="a/b", line=0, reason="x")) == "/a/b: x"
    assert str(Finding(path="a/b", line=3, reason="x")) == "/a/b:3: x"
