"""Registrator's container and what it leaves: its rights, its token, its registrations; the containers that ask us."""

from __future__ import annotations

import http.server
import itertools
import json
import socketserver
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.host.conftest import COMMAND, SCRIPTS, FakeHost, needs_root
from tests.host.inplace import calls_of, run_in_place
from tests.support.speed import is_within

HOSTNAME = Path("/proc/sys/kernel/hostname").read_text(encoding="ascii").strip()
OURS = [f"{HOSTNAME}:web:80", f"{HOSTNAME}:a.b-c_d:53:udp"]
FOREIGN = ["web", "other:web:80", f"{HOSTNAME}:web", f"{HOSTNAME}:a:b:80", f"{HOSTNAME}2:web:80", "custom-id"]
# The first Docker with each option of `docker run`; what came after 20.10 would keep older hosts out.
OPTIONS = {
    "--cap-drop": (1, 2),
    "--env-file": (1, 2),
    "--log-driver": (1, 6),
    "--log-opt": (1, 7),
    "--memory": (1, 0),
    "--name": (1, 0),
    "--net": (1, 0),
    "--pids-limit": (1, 11),
    "--read-only": (1, 5),
    "--restart": (1, 2),
    "--rm": (1, 0),
    "--security-opt": (1, 3),
    "--userns": (1, 10),
    "--volume": (1, 0),
}


@dataclass
class Agent:
    """A Consul agent's API, as far as `forget` uses it."""

    services: list[str]
    port: int = 0
    tokens: set[str | None] = field(default_factory=set)
    paths: list[str] = field(default_factory=list)
    is_stuck: bool = False  # without a leader a deregistration is answered late
    is_denying: bool = False


def build_in(host: FakeHost, **values: object) -> None:
    """Change what the build has decided."""
    file = host.root / SCRIPTS / "defaults.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.fixture
def agent(host: FakeHost) -> Iterator[Agent]:
    """Give an agent where the host's scripts look for one."""
    state = Agent(services=[*OURS, *FOREIGN])

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            state.paths.append(self.path)
            services: dict[str, object] = {name: {} for name in state.services}
            answer = {"Member": {"Addr": "10.1.2.3"}} if self.path == "/v1/agent/self" else services
            self.answer(json.dumps(answer).encode())

        def do_PUT(self) -> None:
            state.paths.append(self.path)
            state.tokens.add(self.headers["X-Consul-Token"])
            if state.is_denying:
                self.send_error(403)
                return
            state.services.remove(unquote(self.path.removeprefix("/v1/agent/service/deregister/")))
            if state.is_stuck:
                time.sleep(7)
            self.answer(b"")

        def answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        state.port = server.server_address[1]
        build_in(host, address="127.0.0.1", http_port=state.port)
        yield state
        server.shutdown()


def run_line(host: FakeHost) -> list[str]:
    """Return the words of `docker run` as the script calls it."""
    host.fake("systemctl")
    calls = host.fake("docker")
    host.script("registrator", "run")
    return calls.read_text().splitlines()[-1].partition(" fayrus/registrator")[0].split()


def test_the_container_has_no_more_rights_than_it_needs(host: FakeHost) -> None:
    host.configure("HOST_IP=10.1.2.3\n")
    words = run_line(host)
    assert {"--read-only", "--cap-drop=ALL"} <= set(words)
    pairs = set(itertools.pairwise(words))
    assert {("--security-opt", "no-new-privileges"), ("--pids-limit", "256"), ("--memory", "128m")} <= pairs
    assert {("--restart", "no"), ("--log-opt", "max-size=1m"), ("--log-driver", "json-file")} <= pairs


def test_a_docker_of_2020_knows_every_option(host: FakeHost, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret")
    host.configure(f"HOST_IP=10.1.2.3\nREGISTRATOR_TOKEN_FILE={tmp_path}/token\n")
    (host.root / "run/consul-docker-host").mkdir(parents=True)
    options = {word.partition("=")[0] for word in run_line(host) if word.startswith("--")}
    assert options <= OPTIONS.keys()
    assert max(OPTIONS[name] for name in options) <= (20, 10)


def test_the_file_of_the_token_never_keeps_a_wider_mode(host: FakeHost) -> None:
    host.write("etc/token", "s3cret\n")
    host.configure("HOST_IP=10.1.2.3\nREGISTRATOR_TOKEN_FILE=/etc/token\n")
    file = host.write("run/consul-docker-host/registrator.env", "old")
    file.chmod(0o666)
    run_line(host)
    assert file.read_text() == "CONSUL_HTTP_TOKEN=s3cret\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_forget_takes_out_what_registrator_made_on_this_host(host: FakeHost, agent: Agent) -> None:
    done = host.call(COMMAND, "forget")
    assert (done.stdout, done.stderr) == ("", "")
    assert agent.services == FOREIGN
    assert agent.tokens == {None}


def test_forget_shows_its_token_to_consul_alone(host: FakeHost, agent: Agent) -> None:
    host.write("etc/token", "s3cret\n")
    host.configure("REGISTRATOR_TOKEN_FILE=/etc/token\n")
    host.call(COMMAND, "forget")
    assert agent.services == FOREIGN
    assert agent.tokens == {"s3cret"}
    assert not [path for path in agent.paths if "s3cret" in path]


def test_forget_says_what_consul_keeps(host: FakeHost, agent: Agent) -> None:
    agent.is_denying = True
    said = host.call(COMMAND, "forget", code=1).stderr
    assert said.startswith("consul-docker-host: Consul keeps 2 services of Registrator;")
    assert "REGISTRATOR_TOKEN_FILE" in said
    assert len(said.splitlines()) == 1


def test_forget_does_not_wait_for_a_leader(host: FakeHost, agent: Agent) -> None:
    agent.is_stuck = True
    agent.services += [f"{HOSTNAME}:many{number}:80" for number in range(30)]
    begin = time.monotonic()
    host.call(COMMAND, "forget")
    assert time.monotonic() - begin < 10
    assert agent.services == FOREIGN


def test_forget_is_silent_without_consul(host: FakeHost, agent: Agent) -> None:
    agent.services.clear()
    build_in(host, http_port=1)
    done = host.call(COMMAND, "forget")
    assert (done.stdout, done.stderr) == ("", "")


def test_forget_leaves_a_host_alone_that_runs_no_registrator_of_ours(host: FakeHost, agent: Agent) -> None:
    build_in(host, registrator=False)
    host.call(COMMAND, "forget")
    assert agent.services == [*OURS, *FOREIGN]


def test_registrator_publishes_the_agents_address(host: FakeHost, agent: Agent) -> None:
    host.fake("systemctl")
    calls = host.fake("docker")
    host.configure("REGISTRATOR_OPTIONS='-tags *'\n")

    host.script("registrator", "run")

    run = calls.read_text().splitlines()[-1]
    assert run.startswith("run --rm --restart no --name consul-docker-host-registrator --net=host ")
    assert (
        "--volume /var/run/docker.sock:/tmp/docker.sock fayrus/registrator:v9.2.0 -ip 10.1.2.3 -cleanup -resync 30"
        in run
    )
    assert run.endswith("-tags * consul://169.254.1.1:8500")
    assert agent.paths == ["/v1/agent/self"]


@pytest.mark.parametrize("answer", ["", "[]", "{}", '{"Member": 1}', '{"Member": {"Addr": ""}}'])
def test_an_answer_without_an_address_is_none(host: FakeHost, answer: str) -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), make_answer(answer)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        build_in(host, address="127.0.0.1", http_port=server.server_address[1])
        done = host.call(COMMAND, "advertise", code=1)
        server.shutdown()
    assert (done.stdout, done.stderr) == ("", "")


def make_answer(body: str) -> type[socketserver.StreamRequestHandler]:
    """Return a server's handler that gives one answer."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            self.wfile.write(f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

    return Handler


def container(name: str, *, dns: str = "", variable: str = "", resolv_conf: str = "") -> dict[str, object]:
    """Return what Docker tells of a container."""
    return {
        "Name": f"/{name}",
        "ResolvConfPath": resolv_conf,
        "HostConfig": {"Dns": [dns] if dns else None},
        "Config": {"Env": ["PATH=/bin", *([f"CONSUL_HTTP_ADDR={variable}"] if variable else [])]},
    }


def fake_containers(host: FakeHost, *containers: dict[str, object]) -> Path:
    """Let these containers run; return the record of what Docker is asked."""
    host.write("inspected", json.dumps(containers))
    return host.fake("docker", f"case $1 in ps) echo id ;; container) cat {host.root}/inspected ;; esac")


@pytest.mark.parametrize(
    ("step", "fate"),
    [("off", "keep using 169.254.1.1 until they are recreated"), ("remove", "nothing answers any more")],
)
def test_containers_that_ask_the_address_are_named(host: FakeHost, step: str, fate: str) -> None:
    host.fake("systemctl")
    for name, server in (("ours", "169.254.1.1"), ("near", "169.254.1.10")):
        host.write(f"docker/{name}", f"nameserver {server} # a note\n")
    fake_containers(
        host,
        container("by-flag", dns="169.254.1.1"),
        container("by-variable", variable="http://169.254.1.1:8500"),
        container("by-docker", resolv_conf="/docker/ours"),
        container("other", dns="169.254.1.10", variable="169.254.1.10:8500", resolv_conf="/docker/near"),
        container("consul-docker-host-registrator", resolv_conf="/docker/ours"),
    )
    done = host.call(COMMAND, "docker-dns", step)
    assert len(done.stderr.splitlines()) == 1
    assert fate in done.stderr
    assert done.stderr.endswith(": by-flag by-variable by-docker\n")


def test_nothing_is_said_where_no_container_asks(host: FakeHost) -> None:
    host.fake("systemctl")
    fake_containers(host, container("other"))
    assert host.call(COMMAND, "docker-dns", "remove").stderr == ""


@pytest.mark.parametrize("step", [(COMMAND, "docker-dns", "remove"), (f"{SCRIPTS}/registrator", "stop")])
def test_a_stopped_docker_is_not_asked(host: FakeHost, step: tuple[str, ...]) -> None:
    """Its socket would start it."""
    host.fake("systemctl", "echo LoadState=loaded; echo ActiveState=inactive")
    calls = fake_containers(host, container("by-flag", dns="169.254.1.1"))
    assert host.call(*step).stderr == ""
    assert not calls.exists()


@pytest.mark.parametrize("step", [(COMMAND, "docker-dns", "remove"), (f"{SCRIPTS}/registrator", "stop")])
def test_a_hung_docker_is_not_waited_for(host: FakeHost, step: tuple[str, ...]) -> None:
    host.fake("systemctl")
    host.fake("docker", "exec sleep 50")
    begin = time.monotonic()
    host.call(*step)
    assert time.monotonic() - begin < 15


@needs_root
def test_a_new_version_of_the_script_makes_a_new_container(host: FakeHost) -> None:
    record = host.fake("systemctl", "case $1 in is-active) echo active ;; esac")
    change = "cp -p /usr/lib/consul-docker-host/registrator /run/new; echo '#' >>/run/new"
    mount = "mount --bind /run/new /usr/lib/consul-docker-host/registrator"
    run_in_place(
        host, f"consul-docker-host apply; consul-docker-host apply; {change}; {mount}; consul-docker-host apply"
    )
    assert len([call for call in calls_of(record, "try-restart") if call.endswith("registrator.service")]) == 2


UPGRADE = """
consul-docker-host apply
cat >/run/start <<'END'
exec dnsmasq -C /dev/null --no-resolv --no-hosts --bind-dynamic --listen-address=169.254.1.1 --pid-file=/run/dnsmasq.pid
END
sh /run/start
trap 'kill $(cat /run/dnsmasq.pid)' EXIT
"""
# A restart that takes a while, and that begins after the request.
SLOW_RESTART = """case "$*" in
    is-active*) echo active ;;
    *try-restart*dnsmasq.service)
        : >/run/job
        (sleep 0.2; kill $(cat /run/dnsmasq.pid); sleep 0.8; sh /run/start; rm /run/job) & ;;
    *show*Job*) if [ -e /run/job ]; then echo Job=7; fi ;;
esac"""


@needs_root
def test_an_upgrade_that_restarts_nothing_says_so(host: FakeHost) -> None:
    host.fake("systemctl", "case $1 in is-active) echo active ;; esac")
    ours = "--ns $$ --nslist mnt -fxc '/bin/sh /usr/share/consul-docker-host/upgrade'"  # others may be at it elsewhere
    left = f"sleep 0.3; ls /run/consul-docker-host; pgrep {ours}"
    said = run_in_place(host, f"{UPGRADE} /usr/share/consul-docker-host/upgrade; {left} || :").stdout.splitlines()
    assert "consul-docker-host: DNS kept answering" in said
    assert said[-1] == "0", "the questions have ended"
    assert not [line for line in said if "dns-probes" in line]


@needs_root
def test_an_upgrade_says_how_long_dns_was_away(host: FakeHost) -> None:
    host.fake("systemctl", SLOW_RESTART)
    change = "echo UPSTREAMS=192.0.2.1 >>/etc/default/consul-docker-host"
    said = run_in_place(host, f"{UPGRADE} {change}; /usr/share/consul-docker-host/upgrade").stdout.splitlines()[-1]
    seconds = float(said.removeprefix("consul-docker-host: DNS was unavailable for ").removesuffix(" s"))
    assert seconds >= 0.7
    assert is_within(seconds, 3)


@needs_root
def test_an_upgrade_waits_five_seconds_at_most(host: FakeHost) -> None:
    host.fake(
        "systemctl",
        'case "$*" in is-active*) echo active ;; *try-restart*dnsmasq*) kill $(cat /run/dnsmasq.pid) ;; esac',
    )
    change = "echo UPSTREAMS=192.0.2.1 >>/etc/default/consul-docker-host"
    begin = time.monotonic()
    said = run_in_place(host, f"{UPGRADE} {change}; /usr/share/consul-docker-host/upgrade; trap - EXIT").stdout
    assert said.splitlines()[-1].startswith("consul-docker-host: DNS does not answer since the upgrade")
    assert is_within(time.monotonic() - begin, 20)


@needs_root
def test_an_upgrade_where_dns_is_off_says_nothing_of_it(host: FakeHost) -> None:
    host.fake("systemctl")
    assert run_in_place(host, "/usr/share/consul-docker-host/upgrade").stdout == ""
