"""Docker's daemon.json keeps every foreign key, and comes back byte for byte."""

from __future__ import annotations

import json

import pytest

from tests.host.conftest import COMMAND, FakeHost

FILE = "etc/docker/daemon.json"


@pytest.mark.parametrize("original", ['{"log-driver":"journald",  "mtu": 1400}', "{}\n", '{\n\t"a": [1,\n2]\n}\n\n'])
def test_on_and_off_restore_the_file_byte_for_byte(host: FakeHost, original: str) -> None:
    host.write(FILE, original).chmod(0o600)

    host.call(COMMAND, "docker-dns", "on")
    merged = json.loads(host.read(FILE))
    assert merged == json.loads(original) | {"dns": ["169.254.1.1"]}
    assert (host.root / FILE).stat().st_mode & 0o777 == 0o600
    host.call(COMMAND, "docker-dns", "off")

    assert host.read(FILE) == original
    assert not (host.root / "var/lib/consul-docker-host").exists()


def test_a_file_that_was_not_there_goes_again(host: FakeHost) -> None:
    host.call(COMMAND, "docker-dns", "on")
    assert json.loads(host.read(FILE)) == {"dns": ["169.254.1.1"]}
    host.call(COMMAND, "docker-dns", "off")
    assert not (host.root / "etc/docker").exists()
    assert not (host.root / "var/lib/consul-docker-host").exists()


def test_a_folder_that_was_there_or_is_used_since_stays(host: FakeHost) -> None:
    (host.root / "etc/docker").mkdir()
    host.call(COMMAND, "docker-dns", "on")
    host.call(COMMAND, "docker-dns", "off")
    assert list((host.root / "etc/docker").iterdir()) == []

    (host.root / "etc/docker").rmdir()
    host.call(COMMAND, "docker-dns", "on")
    host.write("etc/docker/key.json", "{}")
    host.call(COMMAND, "docker-dns", "off")
    assert host.read("etc/docker/key.json") == "{}"
    assert not (host.root / "var/lib/consul-docker-host").exists()


def test_what_was_changed_since_stays(host: FakeHost) -> None:
    host.write(FILE, "{}")
    host.call(COMMAND, "docker-dns", "on")
    host.write(FILE, '{"dns": ["169.254.1.1"], "mtu": 1400}')
    host.call(COMMAND, "docker-dns", "off")
    assert json.loads(host.read(FILE)) == {"mtu": 1400}


def test_the_administrators_servers_are_never_replaced(host: FakeHost) -> None:
    host.write(FILE, '{"dns": ["10.0.0.1"]}')
    said = host.call(COMMAND, "docker-dns", "on", code=1).stderr
    assert '/etc/docker/daemon.json:dns: the administrator has set it to ["10.0.0.1"]' in said
    assert host.read(FILE) == '{"dns": ["10.0.0.1"]}'


def test_servers_on_dockerds_command_line_are_seen(host: FakeHost) -> None:
    host.write("etc/default/docker", 'DOCKER_OPTS="--dns 10.0.0.1"\n')
    assert "command line" in host.call(COMMAND, "docker-dns", "on", code=1).stderr
    assert not (host.root / FILE).exists()


def test_a_file_that_is_not_json_is_left_alone(host: FakeHost) -> None:
    host.write(FILE, "{broken")
    assert "is not a JSON object" in host.call(COMMAND, "docker-dns", "on", code=1).stderr
    assert host.read(FILE) == "{broken"


def test_dockerd_judges_the_file_before_it_is_put_in_place(host: FakeHost) -> None:
    host.write(FILE, '{"mtu": "x"}')
    host.fake("dockerd", 'case $1 in --help) echo " --validate" ;; *) echo "bad mtu"; exit 1 ;; esac')
    assert "dockerd refuses the file: bad mtu" in host.call(COMMAND, "docker-dns", "on", code=1).stderr
    assert host.read(FILE) == '{"mtu": "x"}'


@pytest.mark.parametrize("content", ["", "[]", "null", '{"mtu": NaN}', "{} {}", "[" * 100_000])
def test_whatever_is_not_one_json_object_is_left_alone(host: FakeHost, content: str) -> None:
    host.write(FILE, content)
    assert "is not a JSON object; fix it first" in host.call(COMMAND, "docker-dns", "on", code=1).stderr
    assert host.read(FILE) == content
    assert not (host.root / "var/lib/consul-docker-host").exists()


def test_the_order_of_keys_and_every_character_is_kept(host: FakeHost) -> None:
    """As jq wrote the file before: two blanks for each level, nothing escaped that need not be."""
    host.write(FILE, '{"z": ["a"], "labels": {"b": "ü\\u0001", "a": {}}, "n": 9007199254740993, "x": [], "y": false}')
    host.call(COMMAND, "docker-dns", "on")
    assert host.read(FILE) == (
        '{\n  "z": [\n    "a"\n  ],\n  "labels": {\n    "b": "ü\\u0001",\n    "a": {}\n  },\n  "n": 9007199254740993,\n'
        '  "x": [],\n  "y": false,\n  "dns": [\n    "169.254.1.1"\n  ]\n}\n'
    )


def test_a_second_time_changes_nothing(host: FakeHost) -> None:
    assert host.call(COMMAND, "docker-dns", "off").stdout == "docker-dns: already off\n"
    host.call(COMMAND, "docker-dns", "on")
    before = host.read(FILE)
    assert host.call(COMMAND, "docker-dns", "on").stdout == "docker-dns: already on\n"
    assert host.read(FILE) == before


def test_a_copy_of_an_earlier_file_is_never_restored(host: FakeHost) -> None:
    host.write(FILE, '{"mtu": 1}')
    host.call(COMMAND, "docker-dns", "on")
    (host.root / FILE).unlink()
    host.call(COMMAND, "docker-dns", "on")
    host.call(COMMAND, "docker-dns", "off")
    assert not (host.root / FILE).exists()


def test_a_link_is_followed_and_a_dangling_one_is_reported(host: FakeHost) -> None:
    host.write("srv/daemon.json", "{}")
    (host.root / "etc/docker").mkdir()
    (host.root / FILE).symlink_to(host.root / "srv/daemon.json")
    host.call(COMMAND, "docker-dns", "on")
    assert (host.root / FILE).is_symlink()
    assert json.loads(host.read("srv/daemon.json")) == {"dns": ["169.254.1.1"]}
    host.call(COMMAND, "docker-dns", "off")
    assert host.read("srv/daemon.json") == "{}"


def test_docker_is_told_of_and_never_restarted(host: FakeHost) -> None:
    calls = host.fake("systemctl")
    assert "restart docker" in host.call(COMMAND, "docker-dns", "on").stdout
    assert not calls.exists()
    assert host.call(COMMAND, "docker-dns", "status").stdout == "docker-dns: on\n"
