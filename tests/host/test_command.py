"""The command and the scripts behind it: what they print, how they end, what they start."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.host.conftest import REPOSITORY, SCRIPTS, Host, render

COMMAND = "usr/bin/consul-docker-host"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["frobnicate"],
        ["apply", "--now"],
        ["check", "--yaml"],
        ["docker-dns"],
        ["docker-dns", "maybe"],
        ["env", "x"],
    ],
)
def test_an_unknown_argument_is_one_line_and_exit_2(host: Host, arguments: list[str]) -> None:
    done = host.run(COMMAND, *arguments, code=2)
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_help_names_every_command(host: Host) -> None:
    said = host.run(COMMAND, "--help").stdout
    assert all(f"  {name}" in said for name in ("status", "check", "apply", "env", "docker-dns"))


def test_env_can_be_evaluated(host: Host) -> None:
    said = host.run(COMMAND, "env").stdout
    done = subprocess.run(
        ["sh", "-c", f'{said} echo "$CONSUL_HTTP_ADDR"'.replace("\n", ";")], check=True, capture_output=True
    )
    assert done.stdout == b"169.254.1.1:8500\n"


def test_apply_render_writes_below_run_alone(host: Host) -> None:
    before = {path for path in host.root.rglob("*") if host.root / "run" not in path.parents}
    host.run(COMMAND, "apply", "--render")
    assert {path for path in host.root.rglob("*") if host.root / "run" not in path.parents} - {
        host.root / "run"
    } == before
    assert (host.root / "run/consul-docker-host/consul.d/host.json").exists()


def test_check_says_for_each_broken_link_what_mends_it(host: Host, tmp_path: Path) -> None:
    for name in ("curl", "pidof", "docker", "getent", "bash"):
        host.fake(name, "exit 1")
    host.write("run/consul-docker-host/running", "")
    textfile = tmp_path / "consul.prom"

    report = json.loads(host.run(COMMAND, "check", "--json", "--prometheus", str(textfile), code=1).stdout)

    assert report["ok"] is False
    states = {link["name"]: link["state"] for link in report["links"]}
    assert states["settings"] == "ok"
    assert states["link"] == states["dnsmasq"] == "fail"
    assert all(link["remedy"] for link in report["links"] if link["state"] != "ok")
    assert 'consul_docker_host_link{link="dnsmasq"} 0\n' in textfile.read_text()


def test_check_names_a_foreign_bind_interfaces(host: Host) -> None:
    host.write("etc/dnsmasq.d/lan.conf", "bind-interfaces\n")
    said = host.run(COMMAND, "check", code=1).stdout
    assert "bind-interfaces in /etc/dnsmasq.d/lan.conf" in said


def test_registrator_publishes_the_agents_address(host: Host) -> None:
    host.fake("curl", 'echo \'{"Member": {"Addr": "10.1.2.3"}}\'')
    host.fake("systemctl")
    calls = host.fake("docker")
    host.configure("REGISTRATOR_OPTIONS='-tags *'\n")

    host.script("registrator", "run")

    run = calls.read_text().splitlines()[-1]
    assert run.startswith("run --rm --name consul-docker-host-registrator --net=host --security-opt label=disable")
    assert (
        "--volume /var/run/docker.sock:/tmp/docker.sock fayrus/registrator:v9.2.0 -ip 10.1.2.3 -cleanup -resync 30"
        in run
    )
    assert run.endswith("-tags * consul://169.254.1.1:8500")


def test_registrators_token_is_no_argument(host: Host, tmp_path: Path) -> None:
    host.fake("systemctl")
    calls = host.fake("docker")
    (tmp_path / "token").write_text("s3cret\n")
    host.configure(f"HOST_IP=10.1.2.3\nREGISTRATOR_TOKEN_FILE={tmp_path}/token\n")
    (host.root / "run/consul-docker-host").mkdir(parents=True)

    host.script("registrator", "run")

    assert "s3cret" not in calls.read_text()
    file = host.root / "run/consul-docker-host/registrator.env"
    assert file.read_text() == "CONSUL_HTTP_TOKEN=s3cret\n"
    assert file.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("unit", "helper", "arguments"),
    [
        ("ExecStart=/usr/sbin/dnsmasq\n", "", ""),
        ("ExecStart=/usr/sbin/dnsmasq -k --log-async\n", "", "-k --log-async "),
        (
            "PIDFile=/run/d.pid\nExecStart=/opt/helper exec\n",
            "exec ${DAEMON} -x /run/p ${X:+ -u ${X}}\n",
            "-x /run/p -u me ",
        ),
        ("PIDFile=/run/d.pid\nExecStart=/opt/helper exec\n", "exec other\n", "-x /run/d.pid "),
    ],
)
def test_dnsmasq_keeps_the_distributions_own_arguments(host: Host, unit: str, helper: str, arguments: str) -> None:
    host.write("usr/lib/systemd/system/dnsmasq.service", f"[Service]\n{unit}")
    host.write("opt/helper", f"#!/bin/sh\nX=me\n{helper}")
    host.script("render", "dnsmasq")
    line = host.read("run/consul-docker-host/dnsmasq.env")
    assert line.startswith(f'CONSUL_DOCKER_HOST_DNSMASQ="{arguments}--cache-size=10000 --edns-packet-max=1232')


def test_a_cache_size_of_the_administrator_is_not_given_twice(host: Host) -> None:
    host.write("usr/lib/systemd/system/dnsmasq.service", "[Service]\nExecStart=/usr/sbin/dnsmasq -k -c 500\n")
    host.script("render", "dnsmasq")
    assert "--cache-size" not in host.read("run/consul-docker-host/dnsmasq.env")


@pytest.mark.skipif(not shutil.which("dnsmasq"), reason="dnsmasq is not here")
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


def test_every_script_is_clean_shell(rendered: Path) -> None:
    scripts = [
        *sorted((rendered / SCRIPTS).iterdir()),
        rendered / COMMAND,
        rendered / "etc/profile.d/consul-docker-host.sh",
    ]
    scripts += [path for path in sorted((REPOSITORY / "packaging/scripts").rglob("p*")) if path.is_file()]
    subprocess.run([str(REPOSITORY / ".venv/bin/shellcheck"), "-x", *map(str, scripts)], cwd=rendered, check=True)
