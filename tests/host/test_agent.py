"""The agent as a container: how it is started, what it waits for, and that the other scripts speak of its unit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.conftest import SCRIPTS, FakeHost, needs_root, render
from tests.host.inplace import calls_of, run_in_place

UNIT = "consul-docker-host-agent.service"
IMAGE = "hashicorp/consul:1.22.7"
NAME = "consul-docker-host-agent"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FakeHost]:
    (tmp_path / "fakes").mkdir()
    made = FakeHost(root=render(tmp_path / "root", '[consul]\nrun = "container"\n'), fakes=tmp_path / "fakes")
    state = made.root / "var/lib/consul-docker-host"
    numbers = '"-u consul") echo 990 ;; "-g consul") echo 991 ;; *) echo 0 ;; esac'
    made.fake("id", f'case "$*" in consul) [ -e {state}/user-made ] ;; {numbers}')
    for name in ("useradd", "chown", "sleep"):
        made.fake(name)
    made.fake("systemctl", "exit 3")
    made.fake("ip", "echo '192.0.2.1 via 10.0.0.1 dev eth0 src 10.1.2.3 uid 0'")
    yield made
    made.fail_on_unknown_questions()


def docker_runs(calls: Path) -> list[str]:
    return [line for line in calls.read_text().splitlines() if line.startswith("run ")]


def test_the_agent_has_no_right_that_it_does_not_need(host: FakeHost) -> None:
    calls = host.fake("docker")

    host.script("agent", "run")

    (line,) = docker_runs(calls)
    words = line.split()
    assert words[words.index("--name") + 1] == NAME
    for words_needed in (
        "--net=host",
        "--user 990:991",
        "--read-only",
        "--cap-drop ALL",
        "--security-opt no-new-privileges",
        "--log-driver none",
    ):
        assert f" {words_needed} " in line
    mounted = {words[at + 1] for at, word in enumerate(words) if word == "--volume"}
    root, run = host.root, host.root / "run/consul-docker-host"
    data = root / "var/lib/consul-docker-host/consul"
    folders = {f"{run}/consul.d:{run}/consul.d:ro", f"{run}/tls:{run}/tls:ro", f"{data}:{data}"}
    assert mounted == {f"{root}/etc/consul.d:/etc/consul.d:ro", *folders}
    assert line.endswith(
        f"{IMAGE} agent -bind=10.1.2.3 -data-dir={data} -config-dir=/etc/consul.d -config-dir={run}/consul.d"
    )
    assert data.stat().st_mode & 0o777 == 0o750
    assert (run / "consul.d/host.json").exists()


def test_the_host_s_own_address_comes_first(host: FakeHost) -> None:
    calls = host.fake("docker")
    host.configure("HOST_IP=10.9.9.9\n")
    host.script("agent", "run")
    assert " -bind=10.9.9.9 " in docker_runs(calls)[0]


def test_the_agents_user_is_made_once(host: FakeHost) -> None:
    host.fake("docker")
    record = host.fake("useradd")
    host.script("agent", "run")
    host.script("agent", "run")
    (made,) = record.read_text().splitlines()
    assert made.startswith("--system --user-group")
    assert made.endswith(" consul")


def test_the_agent_waits_for_its_image_with_growing_patience(host: FakeHost) -> None:
    pauses = host.fake("sleep")
    calls = host.fake(
        "docker",
        'count=$(grep -c "^pull" "$0.calls")\n'
        'case $1 in image) [ "$count" -ge 3 ] ;; pull) [ "$count" -ge 3 ] ;; *) exit 0 ;; esac',
    )
    host.configure("CONSUL_IMAGE=own/consul:1.21.0\n")
    host.script("agent", "run")
    assert pauses.read_text().split() == ["2", "4"]
    assert "pull --quiet own/consul:1.21.0" in calls.read_text()
    assert " own/consul:1.21.0 agent " in docker_runs(calls)[0]


def test_a_stopped_docker_is_waited_for_and_not_asked(host: FakeHost) -> None:
    host.fake("systemctl", "case $1 in show) echo LoadState=loaded ;; esac; exit 3")
    host.fake("sleep", '[ "$(grep -c "" "$0.calls")" -lt 3 ] || kill $PPID')
    calls = host.fake("docker")
    host.script("agent", "run", code=None)
    # A stopped Docker would be started by the question.
    assert not calls.exists()


def test_settings_that_are_not_whole_start_nothing(host: FakeHost) -> None:
    calls = host.fake("docker")
    host.configure("GOSSIP_KEY_FILE=/etc/none\n")
    said = host.script("agent", "run", code=1).stderr
    assert "GOSSIP_KEY_FILE: /etc/none does not exist" in said
    assert docker_runs(calls) == []


def test_a_reload_reaches_the_container(host: FakeHost) -> None:
    calls = host.fake("docker")
    host.script("agent", "reload")
    assert calls.read_text() == f"kill --signal HUP {NAME}\n"


@needs_root
def test_an_agent_of_another_package_is_not_fought(host: FakeHost) -> None:
    host.fake("systemctl", 'case "$*" in "--quiet is-active consul.service") exit 0 ;; esac; exit 3')
    host.fake("sleep", "kill $PPID")
    calls = host.fake("docker")
    said = run_in_place(host, "/usr/lib/consul-docker-host/agent run 2>&1 || :").stdout
    assert "systemctl disable --now consul" in said
    assert not calls.exists()


@needs_root
def test_an_apply_restarts_the_container_and_no_other_agent(host: FakeHost) -> None:
    record = host.fake("systemctl", "case $1 in is-active) echo active ;; esac")
    host.fake("docker")
    change = "echo CONSUL_IMAGE=own/consul:1.21.0 >>/etc/default/consul-docker-host"
    run_in_place(host, f"consul-docker-host apply; {change}; consul-docker-host apply; consul-docker-host apply")
    restarts = calls_of(record, "try-restart")
    assert len([line for line in restarts if line.endswith(f" {UNIT}")]) == 2
    assert [line for line in restarts if line.endswith(" consul.service")] == []


def test_the_check_does_not_ask_for_a_package(host: FakeHost) -> None:
    for name in ("curl", "pidof", "docker", "getent", "bash"):
        host.replace(name, "exit 1")
    said = host.call("usr/bin/consul-docker-host", "check", code=2).stdout
    assert f"systemctl restart {UNIT}" in said
    assert "install consul" not in said


def test_the_tree_has_no_word_for_the_other_way(host: FakeHost) -> None:
    system = host.root / "usr/lib/systemd/system"
    assert UNIT in (system / "consul-docker-host.target").read_text()
    assert not (system / "consul.service.d").exists()
    assert UNIT in (system / "docker.service.d/51-consul-docker-host-agent.conf").read_text()
    assert (host.root / SCRIPTS / "agent").exists()
