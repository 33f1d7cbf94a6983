"""Docker's daemon.json keeps every foreign key, and comes back byte for byte."""

from __future__ import annotations

import json

import pytest

from tests.host.conftest import COMMAND, Host

FILE = "etc/docker/daemon.json"


@pytest.mark.parametrize("original", ['{"log-driver":"journald",  "mtu": 1400}', "{}\n", '{\n\t"a": [1,\n2]\n}\n\n'])
def test_on_and_off_restore_the_file_byte_for_byte(host: Host, original: str) -> None:
    host.write(FILE, original).chmod(0o600)

    host.run(COMMAND, "docker-dns", "on")
    merged = json.loads(host.read(FILE))
    assert merged == json.loads(original) | {"dns": ["169.254.1.1"]}
    assert (host.root / FILE).stat().st_mode & 0o777 == 0o600
    host.run(COMMAND, "docker-dns", "off")

    assert host.read(FILE) == original
    assert not (host.root / "var/lib/consul-docker-host").exists()


def test_a_file_that_was_not_there_goes_again(host: Host) -> None:
    host.run(COMMAND, "docker-dns", "on")
    assert json.loads(host.read(FILE)) == {"dns": ["169.254.1.1"]}
    host.run(COMMAND, "docker-dns", "off")
    assert not (host.root / "etc/docker").exists()
    assert not (host.root / "var/lib/consul-docker-host").exists()


def test_a_folder_that_was_there_or_is_used_since_stays(host: Host) -> None:
    (host.root / "etc/docker").mkdir()
    host.run(COMMAND, "docker-dns", "on")
    host.run(COMMAND, "docker-dns", "off")
    assert list((host.root / "etc/docker").iterdir()) == []

    (host.root / "etc/docker").rmdir()
    host.run(COMMAND, "docker-dns", "on")
    host.write("etc/docker/key.json", "{}")
    host.run(COMMAND, "docker-dns", "off")
    assert host.read("etc/docker/key.json") == "{}"
    assert not (host.root / "var/lib/consul-docker-host").exists()


def test_what_was_changed_since_stays(host: Host) -> None:
    host.write(FILE, "{}")
    host.run(COMMAND, "docker-dns", "on")
    host.write(FILE, '{"dns": ["169.254.1.1"], "mtu": 1400}')
    host.run(COMMAND, "docker-dns", "off")
    assert json.loads(host.read(FILE)) == {"mtu": 1400}


def test_the_administrators_servers_are_never_replaced(host: Host) -> None:
    host.write(FILE, '{"dns": ["10.0.0.1"]}')
    said = host.run(COMMAND, "docker-dns", "on", code=1).stderr
    assert '/etc/docker/daemon.json:dns: is set to ["10.0.0.1"]' in said
    assert host.read(FILE) == '{"dns": ["10.0.0.1"]}'


def test_servers_on_dockerds_command_line_are_seen(host: Host) -> None:
    host.write("etc/default/docker", 'DOCKER_OPTS="--dns 10.0.0.1"\n')
    assert "command line" in host.run(COMMAND, "docker-dns", "on", code=1).stderr
    assert not (host.root / FILE).exists()


def test_a_file_that_is_no_json_is_left_alone(host: Host) -> None:
    host.write(FILE, "{broken")
    assert "no JSON object" in host.run(COMMAND, "docker-dns", "on", code=1).stderr
    assert host.read(FILE) == "{broken"


def test_dockerd_judges_the_file_before_it_is_put_in_place(host: Host) -> None:
    host.write(FILE, '{"mtu": "x"}')
    host.fake("dockerd", 'case $1 in --help) echo " --validate" ;; *) echo "bad mtu"; exit 1 ;; esac')
    assert "dockerd refuses the file: bad mtu" in host.run(COMMAND, "docker-dns", "on", code=1).stderr
    assert host.read(FILE) == '{"mtu": "x"}'


def test_docker_is_told_of_and_never_restarted(host: Host) -> None:
    calls = host.fake("systemctl")
    assert "restart docker" in host.run(COMMAND, "docker-dns", "on").stdout
    assert not calls.exists()
    assert host.run(COMMAND, "docker-dns", "status").stdout == "docker-dns: on\n"
