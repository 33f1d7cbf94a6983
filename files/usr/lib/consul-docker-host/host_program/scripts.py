"""Commands for this package's shell scripts."""

from __future__ import annotations

from host_program.output import report, say
from host_program.settings import Host


def print_advertised_address(host: Host, arguments: list[str]) -> int:
    """Print the address that the local agent advertises to other hosts; exit with 1 without an answer."""
    del arguments
    from host_program.agent_api import ask  # noqa: PLC0415 - importing it takes most of the time of a start

    answer = ask(host, "agent/self").value
    member = answer.get("Member") if isinstance(answer, dict) else None
    address = member.get("Addr") if isinstance(member, dict) else None
    if not isinstance(address, str) or not address:
        return 1
    say(address)
    return 0


def report_problems(host: Host, arguments: list[str]) -> int:
    """Report each wrong line of the settings file; exit with 1 if there is one."""
    del arguments
    for problem in host.problems:
        report(str(problem))
    return 1 if host.problems else 0


def hand_over_registrator_token(host: Host, arguments: list[str]) -> int:
    """Write Registrator's token for its container; if its file is wrong, report it and keep the former token."""
    del arguments
    from host_program.consul_config import put_registrator_token  # noqa: PLC0415

    put_registrator_token(host, "the former token is kept")
    return 0
