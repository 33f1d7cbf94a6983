"""Small answers for this package's shell scripts."""

from __future__ import annotations

from host_program.output import report, say
from host_program.settings import Host


def print_advertised_address(host: Host, arguments: list[str]) -> int:
    """Print the address by which other hosts know this one, as the local agent advertises it; 1 without an answer."""
    del arguments
    from host_program.agent_api import ask  # noqa: PLC0415 - HTTP is most of a start's time

    answer = ask(host, "agent/self").value
    member = answer.get("Member") if isinstance(answer, dict) else None
    address = member.get("Addr") if isinstance(member, dict) else None
    if not isinstance(address, str) or not address:
        return 1
    say(address)
    return 0


def report_problems(host: Host, arguments: list[str]) -> int:
    """Report each line of the settings file that is wrong; 1 where there is one."""
    del arguments
    for problem in host.problems:
        report(str(problem))
    return 1 if host.problems else 0


def hand_over_registrator_token(host: Host, arguments: list[str]) -> int:
    """Write Registrator's token for its container; report what is wrong with its file, and keep the former."""
    del arguments
    from host_program.consul_config import put_registrator_token  # noqa: PLC0415

    put_registrator_token(host, "the token that it had is kept")
    return 0
