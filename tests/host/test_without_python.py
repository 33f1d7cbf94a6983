"""A host whose Python is missing, broken or hangs: what a boot depends on works, and Consul starts on what it had."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from consul_docker_host.package.scripts import with_lifecycle
from tests.host.conftest import COMMAND, REPOSITORY, SCRIPTS, FakeHost, needs_root
from tests.host.inplace import run_in_place
from tests.support.speed import scaled

KINDS = ("missing", "exits", "killed", "hangs")
RUN = "run/consul-docker-host"
COPY = "var/lib/consul-docker-host/rendered"
KEY = base64.b64encode(bytes(range(32))).decode()
# A time limit that a test can wait for.
SHORT_TIMEOUT = """while [ "${1#-}" != "$1" ]; do shift 2; done
shift
exec /usr/bin/timeout -k 1 0.5 "$@\""""
BROKEN = {"exits": "exit 1", "killed": "kill -9 $$", "hangs": "exec sleep 300"}
Take = Callable[[str], str]


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory with every program of this machine but Python."""
    folder = tmp_path_factory.mktemp("programs")
    for source in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"):
        for path in Path(source).iterdir():
            target = folder / path.name
            if not path.name.startswith("python") and not target.is_symlink():
                target.symlink_to(path)
    return folder


@pytest.fixture
def take_python(host: FakeHost, programs: Path) -> Take:
    """Give what takes Python from the host, in one of four ways, and returns the PATH that is left."""

    def take(kind: str) -> str:
        if kind == "missing":
            return f"{host.fakes}:{programs}"
        host.replace("python3", BROKEN[kind])
        if kind == "hangs":
            host.replace("timeout", SHORT_TIMEOUT)
        return f"{host.fakes}:/usr/sbin:/usr/bin:/sbin:/bin"

    return take


def run(host: FakeHost, path: str, *argv: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a script of the tree with the PATH that is left."""
    done = subprocess.run(
        [str(host.root / argv[0]), *argv[1:]],
        env={"PATH": path, "LANG": "C.UTF-8", "CONSUL_DOCKER_HOST_ROOT": str(host.root)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=scaled(60),
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def start_consul(host: FakeHost, path: str, *, code: int = 0) -> str:
    """Do what precedes each start of Consul and return what it prints to standard error."""
    return run(host, path, f"{SCRIPTS}/render", "consul", code=code).stderr


def boot(host: FakeHost) -> None:
    """Empty /run."""
    subprocess.run(["rm", "-rf", str(host.root / "run")], check=True)


def files_below(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode & 0o777)
        for name in ("consul.d", "tls")
        for path in sorted((folder / name).iterdir())
    }


@needs_root
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_boot_depends_on_never_asks_for_python(host: FakeHost, take_python: Take, kind: str) -> None:
    path = take_python(kind)
    library = f"/{SCRIPTS}"
    steps = f"""
export PATH={path}
{library}/link up
{library}/link check
{library}/guard up
{library}/guard check
{library}/environment apply
{library}/resolver apply
grep -c CONSUL_ /etc/environment
cat /run/consul-docker-host/dnsmasq.env
"""
    host.write("etc/resolv.conf", "nameserver 192.0.2.1\n")
    host.fake("systemctl", "exit 3")
    said = run_in_place(host, f"set -e\n{steps}").stdout.splitlines()
    assert said[-2] == "2"
    assert said[-1].startswith('CONSUL_DOCKER_HOST_DNSMASQ="')
    assert not (host.fakes / "python3.calls").exists()


@needs_root
@pytest.mark.parametrize("kind", KINDS)
def test_apply_does_the_rest_and_names_python_in_one_line(host: FakeHost, take_python: Take, kind: str) -> None:
    path = take_python(kind)
    host.write("etc/resolv.conf", "nameserver 192.0.2.1\n")
    record = host.fake("systemctl", "case $1 in is-active) echo inactive; exit 3 ;; esac")
    library = f"/{SCRIPTS}"
    done = run_in_place(
        host,
        f"export PATH={path}; /{COMMAND} apply; echo $?; {library}/link check; {library}/guard check; "
        "cat /etc/environment /etc/resolv.conf; ls /run/consul-docker-host",
    )
    (line,) = done.stderr.splitlines()
    assert line.startswith("consul-docker-host: python3 ")
    assert line.endswith("; until then Consul, Registrator and daemon.json keep their settings")
    assert "1\n" in done.stdout
    assert "CONSUL_HTTP_ADDR=169.254.1.1:8500\n" in done.stdout
    assert "nameserver 169.254.1.1 # consul-docker-host\n" in done.stdout
    assert "dnsmasq.env\n" in done.stdout
    assert "--no-block start consul-docker-host.target" in record.read_text()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("arguments", ["check --json", "status", "env", "docker-dns on", "--help", ""])
def test_every_other_command_names_what_is_missing(
    host: FakeHost, take_python: Take, kind: str, arguments: str
) -> None:
    path = take_python(kind)
    done = run(host, path, COMMAND, *arguments.split(), code=3)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    if kind == "missing":
        assert line == "consul-docker-host: python3 is missing: apt-get install python3"
    else:
        assert line.startswith("consul-docker-host: python3 does not work (exit code ")
        assert line.endswith("): apt-get install --reinstall python3")


def test_a_python_that_is_too_old_is_named(host: FakeHost) -> None:
    old = "import sys; sys.version_info = (3, 8, 17); exec(sys.argv[-1])"
    host.replace("python3", f'exec /usr/bin/python3 -c "{old}" "$@"')
    said = host.call(COMMAND, "env", code=3).stderr
    assert said == "consul-docker-host: python3 is older than 3.9: upgrade it\n"


OLD = """import runpy, sys
sys.version_info = (3, 8, 17)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')"""


def test_the_program_itself_refuses_an_old_python(host: FakeHost) -> None:
    """As scripts start it, which do not ask for Python's version first."""
    host.write("old.py", OLD)
    program = host.root / SCRIPTS
    for name in ("host_program", "defaults.json"):
        (program / name).rename(host.root / name)
    argv = ["/usr/bin/python3", "-B", str(host.root / "old.py"), str(program), "render-consul"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "consul-docker-host: python3 is older than 3.9: upgrade it\n"


INCOMPLETE = """import runpy, sys
sys.modules['json'] = None
sys.path.insert(0, sys.argv[1])
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')"""


def test_an_incomplete_library_of_python_is_named(host: FakeHost) -> None:
    host.write("incomplete.py", INCOMPLETE)
    body = f'case $1 in -IB) shift; exec /usr/bin/python3 -B {host.root}/incomplete.py "$@" ;; esac'
    host.replace("python3", f'{body}\nexec /usr/bin/python3 "$@"')
    done = host.call(COMMAND, "docker-dns", "status", code=3)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("consul-docker-host: python3 or this installation is incomplete: ")
    assert "json" in line


@pytest.mark.parametrize("kind", KINDS)
def test_consul_starts_after_a_boot_on_what_was_rendered_last(host: FakeHost, take_python: Take, kind: str) -> None:
    host.write("etc/gossip", KEY).chmod(0o600)
    host.configure("GOSSIP_KEY_FILE=/etc/gossip\nRETRY_JOIN=10.0.0.1\n")
    host.script("render", "consul")
    before = files_below(host.root / RUN)
    boot(host)
    # The new address cannot be rendered, and is not worth a host without Consul.
    host.configure("GOSSIP_KEY_FILE=/etc/gossip\nRETRY_JOIN=10.0.0.2\n")

    said = start_consul(host, take_python(kind))

    assert files_below(host.root / RUN) == before
    assert {mode for _, mode in before.values()} == {0o640}
    for name in ("consul.d", "tls"):
        assert (host.root / RUN / name).stat().st_mode & 0o777 == 0o750
    (line,) = [line for line in said.splitlines() if line.startswith("consul-docker-host: ")]
    assert "python3 " in line
    assert "/etc/default/consul-docker-host is not applied to Consul" in line


def test_within_one_boot_what_was_rendered_is_kept(host: FakeHost, take_python: Take) -> None:
    host.configure("NODE_NAME=one\n")
    host.script("render", "consul")
    host.configure("NODE_NAME=two\n")
    # An apply that only renders keeps no copy: this one is older than what Consul runs on.
    host.script("render", "consul", "--render")
    before = files_below(host.root / RUN)
    start_consul(host, take_python("exits"))
    assert files_below(host.root / RUN) == before
    assert b"two" in before["consul.d/host.json"][0]


@pytest.mark.parametrize(
    "lines", ["GOSSIP_KEY_FILE=/etc/gossip\n", "GOSSIP_KEY_FILE=key\n", "CA_FILE=/a\nCERT_FILE=/b\nKEY_FILE=/c\n"]
)
@pytest.mark.parametrize("is_booted", [True, False])
def test_a_key_that_was_never_rendered_keeps_consul_from_starting(
    host: FakeHost, take_python: Take, lines: str, *, is_booted: bool
) -> None:
    host.script("render", "consul")
    if is_booted:
        boot(host)
    host.write("etc/gossip", KEY)
    host.configure(lines)
    said = start_consul(host, take_python("missing"), code=1)
    assert "Consul is not started: its gossip key or certificates have never been rendered" in said


def test_a_host_that_never_rendered_does_not_start_consul(host: FakeHost, take_python: Take) -> None:
    said = start_consul(host, take_python("missing"), code=1)
    assert len(said.splitlines()) == 1
    assert not (host.root / RUN / "consul.d").exists()


def test_half_a_copy_is_none(host: FakeHost, take_python: Take) -> None:
    host.script("render", "consul")
    (host.root / COPY / "whole").unlink()
    boot(host)
    start_consul(host, take_python("missing"), code=1)


def test_the_copy_follows_the_settings_and_is_private(host: FakeHost) -> None:
    host.write("etc/gossip", KEY).chmod(0o600)
    host.configure("GOSSIP_KEY_FILE=/etc/gossip\nRETRY_JOIN=10.0.0.1\n")
    host.script("render", "consul")
    copy = host.root / COPY
    assert files_below(copy) == files_below(host.root / RUN)
    assert copy.stat().st_mode & 0o777 == 0o750
    host.configure("")

    host.script("render", "consul", "--now")

    assert list(files_below(copy)) == ["consul.d/host.json"]
    assert files_below(copy) == files_below(host.root / RUN)


def test_a_rendering_that_is_not_complete_is_no_copy(host: FakeHost) -> None:
    host.write("etc/gossip", KEY).chmod(0o600)
    host.configure("GOSSIP_KEY_FILE=/etc/gossip\n")
    host.script("render", "consul")
    before = files_below(host.root / COPY)
    host.configure("GOSSIP_KEY_FILE=/etc/none\nNODE_NAME=two\n")
    host.script("render", "consul")
    assert files_below(host.root / COPY) == before


def test_a_start_that_changes_nothing_writes_nothing_to_the_disk(host: FakeHost) -> None:
    host.configure("RETRY_JOIN=10.0.0.1\n")
    host.script("render", "consul")
    copy = host.root / COPY
    paths = [copy, *copy.rglob("*")]
    for path in paths:
        os.utime(path, (1, 1))
    host.script("render", "consul")
    assert {path.stat().st_mtime for path in paths} == {1}


@needs_root
def test_a_full_disk_costs_the_copy_and_no_start(host: FakeHost) -> None:
    state = host.root / "var/lib/consul-docker-host"
    state.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=2", "tests", str(state)], check=True)
    try:
        said = host.script("render", "consul").stderr
    finally:
        subprocess.run(["umount", "--lazy", str(state)], check=True)
    assert len(said.splitlines()) == 1
    assert "/var/lib/consul-docker-host/rendered cannot be written: No space left on device" in said


def test_registrator_keeps_its_token_without_python(host: FakeHost, take_python: Take) -> None:
    host.write("etc/token", "s3cret")
    host.configure("HOST_IP=10.1.2.3\nREGISTRATOR_TOKEN_FILE=/etc/token\n")
    host.fake("systemctl")
    calls = host.fake("docker")
    host.script("registrator", "run")
    run(host, take_python("missing"), f"{SCRIPTS}/registrator", "run")
    last = calls.read_text().splitlines()[-1]
    assert f"--env-file {host.root}/{RUN}/registrator.env " in last


@needs_root
@pytest.mark.parametrize("step", ["deb/postrm remove", "deb/postrm purge", "rpm/postun 0"])
@pytest.mark.parametrize("has_data", [False, True])
def test_a_removal_takes_the_copy_along(host: FakeHost, tmp_path: Path, step: str, *, has_data: bool) -> None:
    """It holds secrets; the data of an agent in a container stays where the package manager has no purge."""
    for name in ("systemctl", "deb-systemd-helper", "userdel"):
        host.fake(name, "exit 3" if name == "systemctl" else "")
    state = "/var/lib/consul-docker-host"
    data = f"mkdir -p {state}/consul;" if has_data else ""
    sources = REPOSITORY / "packaging" / "scripts"
    name, argument = step.split()
    complete = with_lifecycle({"script": sources / name}, tmp_path, source=sources)["script"]
    script = (
        f"mount -t tmpfs var /var/lib; {data} /{SCRIPTS}/render consul --now >/dev/null; ls {state}/rendered/consul.d; "
        f"sh {complete} {argument} >/dev/null; ls -d {state} {state}/rendered 2>/dev/null || :"
    )
    rendered, *left = run_in_place(host, script).stdout.splitlines()
    assert rendered == "host.json"
    assert left == ([state] if has_data and "purge" not in step else [])
