"""/etc/environment belongs to the administrator: our block comes and goes, every other byte stays."""

from __future__ import annotations

import pytest

from tests.host.conftest import FakeHost

FILE = "etc/environment"
ORIGINALS = {
    "plain": b"PATH=/bin\nA=1\n",
    "no end of the last line": b"PATH=/bin\nA=1",
    "empty": b"",
    "windows lines": b"A=1\r\nB=2\r\n",
    "windows lines without end": b"A=1\r\nB=2",
    "empty lines at the end": b"A=1\n\n\n",
    "bytes that are no text": b"A=\xff\xfe\n",
    "quotes and hashes": b"# PATH\nA=\"a b\" # c\nB='x\\ny'\n",
}


@pytest.mark.parametrize("original", ORIGINALS.values(), ids=ORIGINALS.keys())
def test_apply_and_remove_give_the_same_bytes(host: FakeHost, original: bytes) -> None:
    path = host.write(FILE, original)
    path.chmod(0o640)

    host.script("environment", "apply")
    assert "CONSUL_HTTP_ADDR=169.254.1.1:8500\nCONSUL_RPC_ADDR=169.254.1.1:8400\n" in path.read_bytes().decode(
        "latin-1"
    )
    host.script("environment", "remove")

    assert path.read_bytes() == original
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("original", ORIGINALS.values(), ids=ORIGINALS.keys())
def test_a_second_apply_changes_nothing(host: FakeHost, original: bytes) -> None:
    path = host.write(FILE, original)
    host.script("environment", "apply")
    once, inode = path.read_bytes(), path.stat().st_ino

    host.script("environment", "apply")

    assert path.read_bytes() == once
    assert path.stat().st_ino == inode


def test_a_file_that_was_not_there_goes_with_the_package(host: FakeHost) -> None:
    host.script("environment", "apply")
    assert host.read(FILE).startswith("# consul-docker-host: begin")

    host.script("environment", "remove")

    assert not (host.root / FILE).exists()
    assert not (host.root / "var/lib/consul-docker-host").exists()


def test_a_block_that_stands_twice_becomes_one(host: FakeHost) -> None:
    host.write(FILE, "A=1\n")
    host.script("environment", "apply")
    twice = host.read(FILE) + host.read(FILE).partition("A=1\n")[2]
    host.write(FILE, twice)

    host.script("environment", "apply")
    assert host.read(FILE).count("begin") == 1

    host.script("environment", "remove")
    assert host.read(FILE) == "A=1\n"


def test_lines_after_the_block_stay_and_get_no_other_end(host: FakeHost) -> None:
    host.write(FILE, "A=1")
    host.script("environment", "apply")
    host.write(FILE, host.read(FILE) + "B=2\n")

    host.script("environment", "remove")

    assert host.read(FILE) == "A=1\nB=2\n"


def test_a_foreign_line_within_the_block_stays(host: FakeHost) -> None:
    host.write(FILE, "A=1\n")
    host.script("environment", "apply")
    host.write(FILE, host.read(FILE).replace("CONSUL_RPC", "MINE=3\nCONSUL_RPC"))

    host.script("environment", "remove")

    assert host.read(FILE) == "A=1\nMINE=3\n"


def test_a_lost_end_of_the_block_costs_no_foreign_line(host: FakeHost) -> None:
    host.write(FILE, "A=1\n")
    host.script("environment", "apply")
    host.write(FILE, host.read(FILE).replace("# consul-docker-host: end\n", "") + "B=2\n")

    host.script("environment", "remove")

    assert host.read(FILE) == "A=1\nB=2\n"


def test_the_administrators_own_value_wins_and_is_told(host: FakeHost) -> None:
    host.write(FILE, "CONSUL_HTTP_ADDR=https://consul.example:8501\n")

    said = host.script("environment", "apply").stderr

    assert said.startswith("/etc/environment: CONSUL_HTTP_ADDR=https://consul.example:8501 is kept")
    assert host.read(FILE).count("CONSUL_HTTP_ADDR=") == 1
    host.script("environment", "remove")
    assert host.read(FILE) == "CONSUL_HTTP_ADDR=https://consul.example:8501\n"


def test_unmarked_lines_of_a_host_made_by_hand_stay_and_are_not_repeated(host: FakeHost) -> None:
    by_hand = "CONSUL_HTTP_ADDR=169.254.1.1:8500\nCONSUL_RPC_ADDR=169.254.1.1:8400\n"
    host.write(FILE, by_hand)

    done = host.script("environment", "apply")

    assert host.read(FILE) == by_hand
    assert done.stderr == ""


def test_a_symlink_stays_a_symlink(host: FakeHost) -> None:
    target = host.write("etc/environment.real", "A=1\n")
    (host.root / FILE).symlink_to("environment.real")

    host.script("environment", "apply")

    assert (host.root / FILE).is_symlink()
    assert "CONSUL_HTTP_ADDR" in target.read_text()
