"""What a fault is, and what the faults have in common."""

from __future__ import annotations

from dataclasses import dataclass

from tests.host.healthy import ADDRESS, HealthyHost, units

SILENT = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is not as it should be, and the one line that has to name it.

    ``answers`` are the fakes' changed answers, ``files`` changed files of the host, ``lacks`` a program that is not
    there; ``also_not_ok`` are the links that cannot be well either.
    """

    link: str
    state: str
    text: str
    remedy: str
    answers: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    lacks: str = ""
    also_not_ok: str = ""

    def inject(self, healthy: HealthyHost) -> None:
        """Bring the fault about."""
        for name, text in self.answers:
            healthy.set_answer(name, text)
        for path, text in self.files:
            healthy.host.write(path, text)
        if self.lacks:
            (healthy.host.fakes / self.lacks).unlink()


def settings(text: str) -> tuple[tuple[str, str], ...]:
    return (("etc/default/consul-docker-host", text),)


def held(port: int, program: str, at: str = ADDRESS) -> str:
    return f'tcp LISTEN 0 5 {at}:{port} 0.0.0.0:* users:(("{program}",pid=77,fd=4))\n'


# Consul neither runs nor answers; its unit starts it again and again.
LOOPING = (
    ("agent.self", ""),
    ("dns-8600-name", SILENT),
    ("units", units(consul="loaded activating auto-restart")),
)
NO_DNSMASQ = (
    ("dns-53-name", SILENT),
    ("dns-53-own", SILENT),
    ("units", units(dnsmasq="loaded activating auto-restart")),
)
AFTER_CONSUL = "dns resolver"
AFTER_DNSMASQ = "container"
NO_REGISTRATOR = ("ps", "web\tbridge\t0.0.0.0:32768->80/tcp\n")
