"""The command and the scripts behind it: what they print, how they end, what they start."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from consul_docker_host.package.scripts import with_lifecycle
from tests.host.conftest import COMMAND, REPOSITORY, SCRIPTS, FakeHost, needs_root, render
from tests.host.inplace import calls_of, run_in_place

SOURCES = REPOSITORY / "packaging" / "scripts"
NAMES = ("status", "check", "apply", "env", "docker-dns")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["frobnicate"],
        ["apply", "--now"],
        ["apply", "--late"],
        ["apply", "--render", "x"],
        ["check", "--yaml"],
        ["docker-dns"],
        ["docker-dns", "maybe"],
        ["docker-dns", "on", "off"],
        ["env", "x"],
        ["env", "--docker", "--compose"],
        ["status", "--json"],
    ],
)
def test_an_unknown_argument_is_one_line_and_exit_3(host: FakeHost, arguments: list[str]) -> None:
    done = host.call(COMMAND, *arguments, code=3)
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_help_names_every_command(host: FakeHost) -> None:
    said = host.call(COMMAND, "--help").stdout
    assert all(f"\n  {name} " in said for name in NAMES)
    assert "Show this host, its units, its cluster and its services\n" in said
    assert max(map(len, said.splitlines())) <= 110


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_each_command_has_a_help_of_its_own(host: FakeHost, name: str, option: str) -> None:
    said = host.call(COMMAND, name, option).stdout
    assert said.startswith(f"Usage: consul-docker-host {name}")


@pytest.mark.parametrize(
    ("typed", "meant"), [("stats", "status"), ("chek", "check"), ("aply", "apply"), ("docker_dns", "docker-dns")]
)
def test_a_typo_names_the_nearest_command(host: FakeHost, typed: str, meant: str) -> None:
    said = host.call(COMMAND, typed, code=3).stderr
    assert said == f'consul-docker-host: unknown command "{typed}"; did you mean "{meant}"?\n'


def test_what_nobody_reads_any_more_is_no_fault(host: FakeHost) -> None:
    environment = {"PATH": "/usr/bin:/bin", "CONSUL_DOCKER_HOST_ROOT": str(host.root)}
    argv = ["sh", "-c", f"{{ sleep 0.5; {host.root / COMMAND} --help; }} | :"]
    assert subprocess.run(argv, env=environment, check=False, capture_output=True, text=True).stderr == ""


@pytest.mark.parametrize("name", ["defaults", "defaults.json", "python.sh", "host_program/output.py"])
def test_an_incomplete_installation_is_one_line(host: FakeHost, name: str) -> None:
    (host.root / SCRIPTS / name).unlink()
    said = host.call(COMMAND, "docker-dns", "status", code=3).stderr
    assert len(said.splitlines()) == 1
    assert "installation is incomplete" in said


def test_wrong_settings_are_printed_for_scripts(host: FakeHost) -> None:
    assert host.call(COMMAND, "problems").stderr == ""
    host.configure("ROLE=sever\nX\n")
    said = host.call(COMMAND, "problems", code=1).stderr.splitlines()
    assert [line.rpartition("consul-docker-host:")[2].partition(":")[0] for line in said] == ["ROLE", "2"]


def test_env_can_be_evaluated(host: FakeHost) -> None:
    said = host.call(COMMAND, "env").stdout
    done = subprocess.run(
        ["sh", "-c", f'{said} echo "$CONSUL_HTTP_ADDR"'.replace("\n", ";")], check=True, capture_output=True
    )
    assert done.stdout == b"169.254.1.1:8500\n"


def test_env_gives_the_options_of_docker_run(host: FakeHost) -> None:
    said = host.call(COMMAND, "env", "--docker").stdout
    assert said == "--dns 169.254.1.1 --env-file /etc/consul-docker-host/container.env\n"
    assert (host.root / said.split()[-1].lstrip("/")).is_file()


def test_env_gives_the_lines_of_a_compose_file(host: FakeHost) -> None:
    said = YAML(typ="safe").load(host.call(COMMAND, "env", "--compose").stdout)
    assert said == {"dns": ["169.254.1.1"], "env_file": ["/etc/consul-docker-host/container.env"]}


def test_apply_render_writes_below_run_alone(host: FakeHost) -> None:
    before = {path for path in host.root.rglob("*") if host.root / "run" not in path.parents}
    host.call(COMMAND, "apply", "--render")
    assert {path for path in host.root.rglob("*") if host.root / "run" not in path.parents} - {
        host.root / "run"
    } == before
    assert (host.root / "run/consul-docker-host/consul.d/host.json").exists()


def test_apply_does_what_it_can_and_ends_as_a_failure_where_a_setting_is_wrong(host: FakeHost) -> None:
    """Else cloud-init, a deploy or a script would go on as if the host were what it was told to be."""
    host.write("etc/default/consul-docker-host", "ROLE=sever\nDATACENTER=here\n")
    said = host.call(COMMAND, "apply", code=1).stderr
    assert said.startswith("/etc/default/consul-docker-host:ROLE: ")
    assert len(said.splitlines()) == 1
    assert '"datacenter":"here"' in host.read("run/consul-docker-host/consul.d/host.json").replace(" ", "")


def test_check_says_for_each_broken_link_what_mends_it(host: FakeHost, tmp_path: Path) -> None:
    for name in ("curl", "pidof", "docker", "getent", "bash"):
        host.replace(name, "exit 1")
    host.write("run/consul-docker-host/running", "")
    textfile = tmp_path / "consul.prom"

    report = json.loads(host.call(COMMAND, "check", "--json", "--prometheus", str(textfile), code=2).stdout)

    assert report["ok"] is False
    states = {link["name"]: link["state"] for link in report["links"]}
    assert states["settings"] == "ok"
    assert states["link"] == states["dnsmasq"] == "broken"
    assert all(link["remedy"] for link in report["links"] if link["state"] != "ok")
    assert 'consul_docker_host_link{link="dnsmasq"} 0\n' in textfile.read_text()


def test_check_names_two_keys_that_exclude_each_other(host: FakeHost) -> None:
    host.write("etc/dnsmasq.d/lan.conf", "bind-interfaces\n")
    host.write("etc/dnsmasq.d/old.conf.rpmsave", "bind-dynamic\n")
    assert "bind-interfaces" not in host.call(COMMAND, "check", code=2).stdout

    host.write("etc/dnsmasq.d/old.conf", "  bind-dynamic # as it was\n")
    said = host.call(COMMAND, "check", code=2).stdout
    assert "bind-interfaces in /etc/dnsmasq.d/lan.conf and bind-dynamic in /etc/dnsmasq.d/old.conf" in said


def test_registrator_waits_for_its_image_instead_of_failing_again_and_again(host: FakeHost) -> None:
    host.fake("systemctl")
    host.fake("sleep")
    calls = host.fake(
        "docker",
        'count=$(grep -c "^pull" "$0.calls")\n'
        'case $1 in image) [ "$count" -ge 2 ] ;; pull) [ "$count" -ge 2 ] ;; *) exit 0 ;; esac',
    )
    host.configure("HOST_IP=10.1.2.3\n")

    host.script("registrator", "run")

    asked = [line.split()[0] for line in calls.read_text().splitlines()]
    assert [word for word in asked if word in {"pull", "run"}] == ["pull", "pull", "run"]


def test_a_cache_size_of_the_administrator_is_not_given_twice(host: FakeHost) -> None:
    host.write("usr/lib/systemd/system/dnsmasq.service", "[Service]\nExecStart=/usr/sbin/dnsmasq -k -c 500\n")
    host.script("dnsmasq")
    assert "--cache-size" not in host.read("run/consul-docker-host/dnsmasq.env")


@pytest.mark.parametrize(
    ("file", "text", "is_given"),
    [
        ("etc/dnsmasq.conf", "interface=lo\n", True),
        ("etc/dnsmasq.conf", "#bind-interfaces\n", True),
        ("etc/dnsmasq.conf", "interface=lo\nbind-interfaces\n", False),
        ("etc/dnsmasq.d/lan.conf", " bind-interfaces # own\n", False),
        ("etc/dnsmasq.d/lan.conf.rpmsave", "bind-interfaces\n", True),
    ],
)
def test_bind_dynamic_gives_way_to_bind_interfaces(host: FakeHost, file: str, text: str, is_given: bool) -> None:
    """Enterprise Linux 9 ships the other key, and dnsmasq ends at its start where both are given."""
    host.write(file, text)
    host.script("dnsmasq")
    assert ("--bind-dynamic" in host.read("run/consul-docker-host/dnsmasq.env")) is is_given


def test_dnsmasq_takes_our_fragment_beside_one_that_sets_the_same_keys(tmp_path: Path) -> None:
    tree = render(tmp_path / "tree", '[dns]\nreverse_zones = ["10.1.0.0/16"]\n[consul]\nalt_domain = "site"\n')
    (tree / "etc/dnsmasq.d/own.conf").write_text("cache-size=5\nedns-packet-max=4096\n")
    argv = [
        "dnsmasq",
        "--test",
        "-C",
        "/dev/null",
        "-7",
        str(tree / "etc/dnsmasq.d"),
        "--cache-size=10",
        "--edns-packet-max=1232",
    ]
    subprocess.run(argv, check=True, capture_output=True)


def restarts(record: Path, unit: str) -> int:
    return len([call for call in calls_of(record, "try-restart") if call.endswith(f" {unit}")])


@needs_root
def test_an_apply_right_behind_another_restarts_nothing_again(host: FakeHost) -> None:
    """A restart that is only asked for has not rendered anew yet; a server needs 10 s to come back from it."""
    # Programs as they are just after the first apply's request: still the old ones.
    record = host.fake("systemctl", "case $1 in is-active) echo active ;; esac")
    run_in_place(host, "consul-docker-host apply & consul-docker-host apply; wait; consul-docker-host apply")
    assert [restarts(record, f"{name}.service") for name in ("consul", "dnsmasq", "registrator")] == [1, 1, 1]


@needs_root
def test_a_change_between_two_applies_is_taken_up(host: FakeHost) -> None:
    record = host.fake("systemctl", "case $1 in is-active) echo active ;; esac")
    change = "echo NODE_NAME=other >>/etc/default/consul-docker-host"
    run_in_place(host, f"consul-docker-host apply; {change}; consul-docker-host apply")
    assert [restarts(record, f"{name}.service") for name in ("consul", "dnsmasq", "registrator")] == [2, 1, 1]


@needs_root
def test_a_restart_that_could_not_be_asked_for_is_asked_for_again(host: FakeHost) -> None:
    record = host.fake("systemctl", 'case "$*" in is-active*) echo active ;; *try-restart*consul*) exit 1 ;; esac')
    run_in_place(host, "consul-docker-host apply; consul-docker-host apply")
    assert restarts(record, "consul.service") == 2


@needs_root
def test_an_ordinary_user_is_told_that_only_root_sees_the_guard(host: FakeHost) -> None:
    host.root.parent.chmod(0o755)
    host.fakes.chmod(0o755)
    script = "setpriv --reuid 65534 --regid 65534 --clear-groups consul-docker-host check"
    said = run_in_place(host, f"/usr/lib/consul-docker-host/guard up; {script} || :").stdout.splitlines()
    (line,) = [number for number, text in enumerate(said) if " guard " in text]
    assert said[line].split(maxsplit=2) == ["warn", "guard", "only root can check this"]
    assert said[line + 1].split() == ["->", "sudo", "consul-docker-host", "check"]


def test_the_watch_tells_once_what_it_could_not_mend(host: FakeHost) -> None:
    host.fake(
        "ip", 'case "$*" in monitor*) exec sleep 9 ;; "link add"*bridge) echo "ip: not permitted" >&2 ;; esac; exit 1'
    )
    host.fake("nft", 'case $1 in monitor) exec sleep 9 ;; esac; echo "nft: not permitted" >&2; exit 1')
    program = host.root / SCRIPTS / "watch"
    environment = {"PATH": f"{host.fakes}:/usr/sbin:/usr/bin", "CONSUL_DOCKER_HOST_ROOT": str(host.root)}
    argv = ["timeout", "8", str(program)]  # it looks after 5 s
    done = subprocess.run(argv, env=environment, check=False, capture_output=True, text=True)
    assert done.stdout == ""
    assert done.stderr.count("ip: not permitted") == done.stderr.count("nft: not permitted") == 1


def test_a_login_shell_finds_consul_only_while_the_package_is_there(host: FakeHost) -> None:
    path = host.root / "etc/profile.d/consul-docker-host.sh"
    # The script has no prefix of its own.
    path.write_text(path.read_text().replace("/usr/lib/", f"{host.root}/usr/lib/"))
    argv = ["env", "-i", "sh", "-euc", f'. {path}; echo "${{CONSUL_HTTP_ADDR-}} ${{CONSUL_RPC_ADDR-}}"']
    said = [subprocess.run(argv, check=True, capture_output=True, text=True).stdout]
    shutil.rmtree(host.root / SCRIPTS)
    said.append(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
    assert said == ["169.254.1.1:8500 169.254.1.1:8400\n", " \n"]


@needs_root
@pytest.mark.parametrize("is_running", [True, False])
@pytest.mark.parametrize("step", ["deb/postrm remove", "rpm/postun 0"])
def test_networkmanager_learns_of_the_removal_where_it_runs(
    host: FakeHost, tmp_path: Path, step: str, *, is_running: bool
) -> None:
    answer = 0 if is_running else 3
    record = host.fake("systemctl", f'case "$*" in *is-active*) exit {answer} ;; esac')
    host.fake("deb-systemd-helper")
    name, argument = step.split()
    complete = with_lifecycle({"script": SOURCES / name}, tmp_path, source=SOURCES)["script"]
    run_in_place(host, f"sh {complete} {argument}")
    reloads = calls_of(record, "reload")
    assert reloads == ["--no-block reload NetworkManager.service"] * is_running


def is_shell(path: Path) -> bool:
    text = path.read_text(encoding="utf-8")
    return text.startswith("#!/bin/sh\n") or "# shellcheck shell=sh" in text


def test_every_script_is_clean_shell(rendered: Path) -> None:
    scripts = [path for path in sorted((rendered / SCRIPTS).iterdir()) if path.is_file() and is_shell(path)]
    scripts += [rendered / COMMAND, rendered / "etc/profile.d/consul-docker-host.sh"]
    scripts += [path for path in sorted((REPOSITORY / "packaging/scripts").rglob("p*")) if path.is_file()]
    shellcheck = [
        str(REPOSITORY / ".venv/bin/shellcheck"),
        "-x",
        "--source-path=.",
        f"--source-path={SCRIPTS}",
        f"--source-path={SOURCES}",
    ]
    subprocess.run([*shellcheck, *map(str, scripts)], cwd=rendered, check=True)
