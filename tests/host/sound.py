"""A host on which every link of the chain is well, made of fake programs; a fault is one changed file."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.host.conftest import COMMAND, SCRIPTS, Host

ADDRESS = "169.254.1.1"
EVERYWHERE = "0.0.0.0"  # noqa: S104 (nothing is bound: fakes say it)
# What the scripts may find beside the fakes: a Consul or Docker of the machine itself must not be seen.
TOOLS = """
awk basename cat chmod cksum cmp cp cut date df dirname env expr flock grep head id install jq ls mkdir mv od
printf ps readlink rm rmdir sed sh sleep sort tail tee timeout tr true uname uniq wc xargs
"""
ANSWER = r"printf '\022\064\201\200\000\001\000\001\000\000\000\000'"
UNKNOWN = r"printf '\022\064\201\203\000\001\000\000\000\000\000\000'"
EMPTY = r"printf '\022\064\201\200\000\001\000\000\000\000\000\000'"

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
    "curl": """for url; do :; done
        path=$(echo "${url#*/v1/}" | tr / .)
        case "$*" in *http_code*) cat "$D/http_code" ;; *) [ -s "$D/$path" ] || exit 22; cat "$D/$path" ;; esac""",
    # bash -c PROGRAM - ADDRESS PORT QUESTION
    "bash": """case $6 in *cachesize*) question=own ;; *) question=name ;; esac
        . "$D/dns-${INSIDE:+inside-}$5-$question" """,
    "nsenter": '[ "$1 $2 $3" = "-t 4711 -n" ] || exit 1; shift 3; INSIDE=1 exec "$@"',
    "dnsmasq": 'cat "$D/dnsmasq" >&2; [ ! -s "$D/dnsmasq" ]',
    "consul": 'cat "$D/consul" >&2; [ ! -s "$D/consul" ]',
    "pidof": "exit 0",
    "getent": '[ -s "$D/getent" ]',
    "iptables": 'cat "$D/iptables"',
    "journalctl": 'cat "$D/journal"',
    "docker": """case "$1 $2" in
        ps*) [ ! -s "$D/docker" ] || { cat "$D/docker" >&2; exit 1; }; cat "$D/ps" ;;
        "network ls") cat "$D/networks" ;;
        inspect*) cat "$D/inspect" ;;
        "image inspect") [ -s "$D/image" ] ;;
    esac""",
}
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
    "dns-8600-own": "exit 1",
    "dns-53-name": ANSWER,
    "dns-53-own": f"{ANSWER}; printf '\\00297'",
    "dns-inside-53-name": ANSWER,
    "dns-inside-53-own": ANSWER,
    "dnsmasq": "",
    "consul": "",
    "getent": "10.0.0.5 consul.service.consul\n",
    "iptables": "-P INPUT ACCEPT\n",
    "journal": "",
    "docker": "",
    "ps": "web\tbridge\t0.0.0.0:32768->80/tcp\nconsul-docker-host-registrator\thost\t\n",
    "networks": "bridge false\nshut true\n",
    "inspect": f"/web 4711 [{ADDRESS}]\n",
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
class Sound:
    """The host and its folder of answers."""

    host: Host

    @property
    def data(self) -> Path:
        """Where the fakes find what they say."""
        return self.host.fakes / "data"

    def say(self, name: str, text: str) -> None:
        """Let a fake program say something else."""
        (self.data / name).write_text(text, encoding="utf-8")

    def start(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program with the fakes and the plainest tools alone."""
        return subprocess.run(
            argv,
            env={
                "PATH": f"{self.host.fakes}:{self.host.fakes}/tools",
                "CONSUL_DOCKER_HOST_ROOT": str(self.host.root),
                "D": str(self.data),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def run(self, *arguments: str, code: int) -> subprocess.CompletedProcess[str]:
        """Run the command; it ends with ``code``."""
        done = self.start(str(self.host.root / COMMAND), *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done


def fake(host: Host, name: str, body: str) -> None:
    """Put a program first on PATH that writes down its arguments beside itself, one call a line."""
    program = host.fakes / name
    program.write_text(f'#!/bin/sh\necho "$@" >>"$0.calls"\n{body}\n', encoding="utf-8")
    program.chmod(0o755)


def make_sound(host: Host) -> Sound:
    """Put the fakes and their answers in place."""
    sound = Sound(host=host)
    (host.fakes / "tools").mkdir(parents=True)
    sound.data.mkdir()
    for name, text in (DATA | {"units": units()}).items():
        sound.say(name, text)
    for name, body in FAKES.items():
        fake(host, name, body)
    for name in TOOLS.split():
        if found := shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            (host.fakes / "tools" / name).symlink_to(found)
    rules = sound.start(str(host.root / SCRIPTS / "guard"), "rules").stdout
    sound.say("guard", "".join(line for line in rules.splitlines(True) if not line.startswith(("add ", "delete "))))
    for record in host.fakes.glob("*.calls"):
        record.unlink()
    host.write("etc/environment", f"CONSUL_HTTP_ADDR={ADDRESS}:8500\n")
    host.write("etc/resolv.conf", f"nameserver {ADDRESS} # consul-docker-host\n")
    host.write("run/consul-docker-host/running", "")
    host.write("proc/4711/root/etc/resolv.conf", f"nameserver {ADDRESS}\n")
    host.write("etc/docker/daemon.json", "{}\n")
    host.write("run/consul-docker-host/dnsmasq.env", 'CONSUL_DOCKER_HOST_DNSMASQ="-7 /etc/dnsmasq.d"\n')
    return sound
