"""A host on which every link of the chain works, made of fake programs and servers; a fault is one changed file."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from host_program import agent_api, cli, dns
from host_program.facts import namespace
from tests.host import network as servers
from tests.host.conftest import COMMAND, SCRIPTS, FakeHost
from tests.host.network import Network
from tests.support.speed import scaled

T = TypeVar("T")
ADDRESS = servers.ADDRESS

EVERYWHERE = "0.0.0.0"  # noqa: S104 (nothing is bound: fakes say it)
# What the scripts may find beside the fakes: a Consul or Docker of the machine itself must not be seen.
TOOLS = """
awk basename cat chmod cksum cmp cp cut date df dirname env expr flock grep head id install ls mkdir mv od
printf ps python3 readlink rm rmdir sed sh sleep sort tail tee timeout tr true uname uniq wc xargs
"""
# What a DNS server answers: its response code and the number of answers.
ANSWER = "0 1"
UNKNOWN = "3 0"
EMPTY = "0 0"

# Each shows a file of the folder $D, named after what is asked.
FAKES = {
    "systemctl": 'case $1 in show) cat "$D/units" ;; cat) cat "$D/unit" ;; esac',
    "ip": """case "$*" in
        "-o link show dev dummy0"*) cat "$D/link" ;;
        "-4 -o address show to"*) cat "$D/address" ;;
        "-4 -o address show dev dummy0"*) grep dummy0 "$D/address" ;;
        "-o link show type bridge") cat "$D/bridges" ;;
        "-o link show type veth") ;;
        "-o link show") cat "$D/ports" ;;
    esac""",
    "nft": """case "$*" in
        "list table ip consul_docker_host") cat "$D/guard" ;;
        "list chains") cat "$D/chains" ;;
        "list chain "*) cat "$D/chain" ;;
    esac""",
    "ss": 'cat "$D/listen"',
    "ps": 'cat "$D/owner"',
    "dnsmasq": 'cat "$D/dnsmasq" >&2; [ ! -s "$D/dnsmasq" ]',
    "consul": 'cat "$D/consul" >&2; [ ! -s "$D/consul" ]',
    "pidof": "exit 0",
    "getent": '[ -s "$D/getent" ]',
    "iptables": 'cat "$D/iptables"',
    "journalctl": 'cat "$D/journal"',
    "docker": """case "$1 $2" in
        ps*) [ ! -s "$D/docker" ] || { cat "$D/docker" >&2; exit 1; }; cat "$D/ps" ;;
        "network ls") [ ! -s "$D/no-networks" ] || { cat "$D/no-networks" >&2; exit 1; }; cat "$D/networks" ;;
        "container inspect") cat "$D/inspect"; [ ! -s "$D/no-inspect" ] || { cat "$D/no-inspect" >&2; exit 1; } ;;
        "image inspect") [ -s "$D/image" ] ;;
    esac""",
}
RESOLV_CONF = "/var/lib/docker/containers/web/resolv.conf"
PROCESS = 4711


def inspected(*servers: str) -> str:
    """Return what `docker container inspect` prints of the container, which was started with these servers."""
    state = {"Name": "/web", "State": {"Pid": PROCESS}, "HostConfig": {"Dns": servers}, "ResolvConfPath": RESOLV_CONF}
    return json.dumps([state])


UNITS = ("consul.service", "dnsmasq.service", "docker.service", "registrator.service")
SERVICE = '{"ID": "h:web:80", "Service": "web", "Address": "10.0.0.5", "Port": 32768}'
DATA = {
    "link": "3: dummy0: <BROADCAST,NOARP,UP,LOWER_UP> mtu 1500 state UNKNOWN\n",
    "address": f"3: dummy0    inet {ADDRESS}/32 scope link dummy0\n",
    "bridges": "4: docker0: <BROADCAST,UP> mtu 1500\n",
    "ports": "",
    "chains": "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority 0; policy accept;\n\t}\n}\n",
    "chain": "",
    "listen": 'tcp LISTEN 0 128 169.254.1.1:8500 0.0.0.0:* users:(("consul",pid=7,fd=3))\n'
    'udp UNCONN 0 0 169.254.1.1:53 0.0.0.0:* users:(("dnsmasq",pid=8,fd=3))\n'
    'udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:* users:(("systemd-resolve",pid=9,fd=3))\n',
    "owner": "",
    "unit": "[Unit]\nConditionFileNotEmpty=/etc/consul.d/agent.json\n",
    "agent.self": '{"Config": {"Server": true, "NodeName": "host-a", "Datacenter": "dc1", "Version": "1.22.7"},'
    ' "Member": {"Addr": "10.0.0.5"}}',
    "status.leader": '"10.0.0.5:8300"',
    "agent.members": '[{"Name": "host-a", "Addr": "10.0.0.5", "Status": 1, "Tags": {"role": "consul"}},'
    ' {"Name": "host-b", "Addr": "10.0.0.6", "Status": 4, "Tags": {"role": "node"}}]',
    "agent.services": f'{{"h:web:80": {SERVICE}}}',
    "http_code": "000",
    "dns-8600-name": ANSWER,
    "dns-8600-own": "",
    "dns-53-name": ANSWER,
    "dns-53-own": "5000 0 97",
    "dns-inside-53-name": ANSWER,
    "dns-inside-53-own": "5000 0 97",
    "dnsmasq": "",
    "consul": "",
    "getent": "10.0.0.5 consul.service.consul\n",
    "iptables": "-P INPUT ACCEPT\n",
    "journal": "",
    "docker": "",
    "ps": "web\tbridge\t0.0.0.0:32768->80/tcp\nconsul-docker-host-registrator\thost\t\n",
    "networks": "bridge false\nshut true\n",
    "inspect": inspected(ADDRESS),
    "image": "here\n",
}


def units(**states: str) -> str:
    """Return what `systemctl show` prints; a state is given as ``docker="loaded inactive dead"``."""
    text = ""
    for name in (*UNITS, "consul-docker-host-guard.service"):
        short = name.removesuffix(".service").replace("-", "_")
        usual = "loaded active exited" if short.endswith("guard") else "loaded active running"
        load, active, sub = states.get(short, usual).split()
        since = "ActiveEnterTimestampMonotonic=1000000"
        text += f"Id={name}\nLoadState={load}\nActiveState={active}\nSubState={sub}\n{since}\n\n"
    return text.rstrip("\n") + "\n"


@dataclass(frozen=True, slots=True)
class HealthyHost:
    """The host and its folder of answers."""

    host: FakeHost
    network: Network | None = None

    @property
    def data(self) -> Path:
        """Where the fakes find what they say."""
        return self.host.fakes / "data"

    def set_answer(self, name: str, text: str) -> None:
        """Let a fake program say something else."""
        (self.data / name).write_text(text, encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which programs find the fakes and the plainest tools alone."""
        return {
            "PATH": f"{self.host.fakes}:{self.host.fakes}/tools",
            "CONSUL_DOCKER_HOST_ROOT": str(self.host.root),
            "D": str(self.data),
        }

    def start(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program, in the host's network where there is one."""
        enter = self.network.enter if self.network else []
        return subprocess.run(
            [*enter, *argv],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=scaled(60),
        )

    def run(self, *arguments: str, code: int) -> subprocess.CompletedProcess[str]:
        """Run the command, with servers that answer; it exits with ``code``."""
        assert self.network, "the command is run by tests that need root"
        with self.network.serve(self.data):
            done = self.start(str(self.host.root / COMMAND), *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done


def in_process(
    healthy: HealthyHost, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Return what runs a command of the host's program in this process, without a network.

    What the agent and DNS answer is read from the folder of data; other programs are the fakes.
    """
    for name, value in (healthy.environment | {"LANG": "C.UTF-8"}).items():
        patch.setenv(name, value)
    place = ["host"]

    def answer_name(address: tuple[str, int], question: bytes, seconds: float) -> bytes:
        where = "inside-" if place[-1] == "container" else ""
        return servers.answer_name(healthy.data, f"{where}{address[1]}", question)

    def answer_request(address: tuple[str, int], request: bytes, seconds: float) -> bytes:
        return servers.answer_request(healthy.data, request)

    def inside(path: str, function: Callable[[], T]) -> T:
        assert path == str(healthy.host.root / f"proc/{PROCESS}/ns/net")
        place.append("container")
        try:
            return function()
        finally:
            place.pop()

    def run(*arguments: str, code: int = 0) -> str:
        assert cli.main(list(arguments)) == code
        return capsys.readouterr().out

    patch.setattr(dns, "exchange", answer_name)
    patch.setattr(agent_api, "exchange", answer_request)
    patch.setattr(namespace, "inside", inside)
    return run


def build(host: FakeHost, **values: object) -> None:
    """Let the host be one that was built with other values."""
    file = host.root / SCRIPTS / "defaults.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def make_healthy(host: FakeHost) -> HealthyHost:
    """Put the fakes and their answers in place."""
    healthy = HealthyHost(host=host)
    (host.fakes / "tools").mkdir(parents=True)
    healthy.data.mkdir()
    for name, text in (DATA | {"units": units()}).items():
        healthy.set_answer(name, text)
    for name, body in FAKES.items():
        host.fake(name, body)
    for name in TOOLS.split():
        if found := shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            (host.fakes / "tools" / name).symlink_to(found)
    rules = healthy.start(str(host.root / SCRIPTS / "guard"), "rules").stdout
    healthy.set_answer(
        "guard", "".join(line for line in rules.splitlines(True) if not line.startswith(("add ", "delete ")))
    )
    host.fail_on_unknown_questions()
    for record in host.fakes.glob("*.calls"):
        record.unlink()
    host.write("etc/environment", f"CONSUL_HTTP_ADDR={ADDRESS}:8500\n")
    host.write("etc/resolv.conf", f"nameserver {ADDRESS} # consul-docker-host\n")
    host.write("run/consul-docker-host/running", "")
    host.write(RESOLV_CONF[1:], f"nameserver {ADDRESS}\n")
    host.write("etc/docker/daemon.json", "{}\n")
    host.write("run/consul-docker-host/dnsmasq.env", 'CONSUL_DOCKER_HOST_DNSMASQ="-7 /etc/dnsmasq.d"\n')
    return healthy
