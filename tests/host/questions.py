"""What the host's scripts and its program may ask of the programs that the tests replace by fakes.

A fake that answered whatever it is asked would let a misspelt option or a new question pass, of which no test says what
a real host answers. So each fake knows its questions: the command line as one text, where `*` stands for any text.
Another question makes the fake exit with 97 and fails the test that asked it.
"""

from __future__ import annotations

from pathlib import Path

UNKNOWN_CODE = 97
UNKNOWN = "unknown-questions"

STATES = "--property=Id --property=LoadState --property=ActiveState --property=SubState"
JOURNAL = "-q -o cat -n 30 _SYSTEMD_UNIT={unit} + UNIT={unit} + SYSLOG_IDENTIFIER={name}"
UNITS = ("agent", "consul", "consul-docker-host-agent", "consul-docker-host-guard", "dnsmasq", "docker", "registrator")
LISTENERS = "( sport = :53 or sport = :8500 or sport = :8600 )"

QUESTIONS: dict[str, tuple[str, ...]] = {
    "chown": ("consul:consul */var/lib/consul-docker-host/consul",),
    "consul": ("validate */etc/consul.d", "validate */etc/consul.d */run/consul-docker-host/consul.d"),
    "deb-systemd-helper": (
        "mask consul-docker-host.target",
        "purge consul-docker-host.target",
        "unmask consul-docker-host.target",
    ),
    "dnsmasq": ("--test -7 /etc/dnsmasq.d",),
    "docker": (
        "container inspect *",
        "image inspect *",
        "inspect id",
        "kill --signal HUP consul-docker-host-agent",
        "network ls --filter driver=bridge --format {{.Name}} {{.Internal}}",
        r"ps --format {{.Names}}\t{{.Networks}}\t{{.Ports}}",
        "ps -q",
        "pull --quiet *",
        "rm -f consul-docker-host-agent",
        "rm -f consul-docker-host-registrator",
        "run --rm --name consul-docker-host-agent *",
        "run --rm --restart no --name consul-docker-host-registrator *",
        "version",
    ),
    "dockerd": ("--help", "--validate --config-file *"),
    "getent": ("hosts consul.service.consul",),
    "id": ("-g consul", "-u", "-u consul", "consul"),
    "ip": (
        "-4 -o address show dev dummy0",
        "-4 -o address show dev dummy0 up",
        "-4 -o address show to 169.254.1.1/32",
        "-4 -o route get 192.0.2.1",
        "-o -4 route show default",
        "-o -6 route show default",
        "-o link show",
        "-o link show dev dummy0",
        "-o link show type bridge",
        "-o link show type veth",
        "address add 169.254.1.1/32 dev dummy0",
        "link add dev dummy0 type bridge",
        "link add dev dummy0 type dummy",
        "link set dev dummy0 up",
        "link set lo up",
        "link show dev dummy0",
        "monitor link address route",
    ),
    "iptables": ("-S",),
    "journalctl": tuple(JOURNAL.format(unit=f"{name}.service", name=name) for name in UNITS),
    "nft": ("-f -", "list chain inet fw in", "list chains", "list table ip consul_docker_host", "monitor"),
    "pidof": ("consul",),
    "ps": ("-o unit= -p *",),
    "resolvectl": (
        "default-route dummy0 no",
        "dns",
        "dns dummy0 169.254.1.1",
        "domain dummy0",
        "domain dummy0 ~consul",
    ),
    "sleep": tuple(str(2**power) for power in range(7)),
    "ss": (f"-Hlntup {LISTENERS}", "-Hlun"),
    "systemctl": (
        "--no-block reload NetworkManager.service",
        "--no-block reload consul.service",
        "--no-block start consul-docker-host.target",
        "--no-block try-restart *.service",
        "--quiet is-active *.service",
        "--quiet is-enabled consul-docker-host.target",
        "--quiet is-enabled consul.service",
        "cat *.service",
        "daemon-reload",
        "is-active *.service",
        "list-units --all --plain --no-legend consul-docker-host[*]",
        "list-units --type=service --state=active --no-legend --plain",
        "reset-failed consul-docker-host[*] registrator.service",
        "set-environment CONSUL_HTTP_ADDR=169.254.1.1:8500 CONSUL_RPC_ADDR=169.254.1.1:8400",
        "reset-failed consul.service",
        "show -p Job dnsmasq.service",
        "show -p LoadState -p ActiveState docker.service",
        "show -p MainPID --value dnsmasq.service",
        f"show {STATES} --property=ActiveEnterTimestampMonotonic *.service",
        "try-restart dnsmasq.service",
        "try-restart systemd-resolved.service",
    ),
    "useradd": ("--system --user-group --home-dir * --no-create-home --shell /usr/sbin/nologin consul",),
    "userdel": ("consul",),
}


def quoted(question: str) -> str:
    """Return a question as a pattern of the shell's `case`; ``[*]`` is the character itself."""
    texts = (f"'{text}'" if text else "" for text in question.replace("[*]", "\0").split("*"))
    return "*".join(texts).replace("\0", "*")


def fake_program(name: str, body: str) -> str:
    """Return the text of a fake that writes down its arguments, one call a line, and refuses unknown questions."""
    known = "|".join(quoted(question) for question in QUESTIONS[name])
    refusal = f"""echo "{name} $*" >>"${{0%/*}}/{UNKNOWN}"; exit {UNKNOWN_CODE}"""
    return f'#!/bin/sh\necho "$@" >>"$0.calls"\ncase "$*" in {known}) ;; *) {refusal} ;; esac\n{body}\n'


def unknown_questions(fakes: Path) -> list[str]:
    """Return what the fakes of a directory were asked and did not know, each with the fake's name."""
    record = fakes / UNKNOWN
    return record.read_text(encoding="utf-8").splitlines() if record.exists() else []
