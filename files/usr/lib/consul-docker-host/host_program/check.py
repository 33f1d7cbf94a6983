"""Check the chain from the settings to a container: report for each link whether it works, why not, and how to fix it.

The exit codes are those of monitoring plugins: 0 ok, 1 warn, 2 broken, 3 could not check.
"""

from __future__ import annotations

from typing import NamedTuple

from host_program import output, shared_directory
from host_program.facts import gather
from host_program.finding import BROKEN, OK, WARN
from host_program.links import LINKS, Line, walk, worst
from host_program.output import Failure
from host_program.programs import have
from host_program.settings import Host

CODES = {OK: 0, WARN: 1, BROKEN: 2}
UNKNOWN = 3
VALUES = {OK: "1", WARN: "0.5", BROKEN: "0"}


class Options(NamedTuple):
    """The options of the command."""

    is_json: bool
    prometheus: str


def main(host: Host, arguments: list[str]) -> int:
    """Check the host and print or write the report; return the exit code."""
    try:
        options = parse(arguments)
        if not have("ip"):
            raise Failure("cannot check: ip is not installed", UNKNOWN)
        lines = walk(gather(host))
        report(lines, options)
    except Failure as failure:
        output.warn(str(failure))
        return UNKNOWN
    except Exception as error:  # a monitor must not take a bug of this program for a warning
        output.warn(f"could not check: {type(error).__name__}: {error}")
        return UNKNOWN
    return CODES[worst(lines)]


def parse(arguments: list[str]) -> Options:
    """Return the options; a mistake raises Failure."""
    is_json, prometheus = False, ""
    rest = iter(arguments)
    for argument in rest:
        if argument == "--json":
            is_json = True
        elif argument == "--prometheus":
            prometheus = next(rest, "")
            if not prometheus:
                raise Failure("--prometheus needs a file", UNKNOWN)
        else:
            raise Failure(f'check: unknown option "{argument}"; see consul-docker-host check --help', UNKNOWN)
    return Options(is_json, prometheus)


def report(lines: tuple[Line, ...], options: Options) -> None:
    """Print the lines in the requested form, and write the file of metrics."""
    if options.is_json:
        output.say_json(as_json(lines))
    elif not options.prometheus:
        output.say(*as_text(lines))
    if options.prometheus:
        shared_directory.replace(options.prometheus, as_prometheus(lines).encode("ascii"))


def as_text(lines: tuple[Line, ...]) -> list[str]:
    """Return the report for people."""
    text = []
    for name, finding in lines:
        text.append(f"{finding.state:6}  {name:12} {output.clean(finding.text)}")
        if finding.remedy:
            text.append(f"{'':20}  -> {output.clean(finding.remedy)}")
    return text


def as_json(lines: tuple[Line, ...]) -> dict[str, object]:
    """Return the report as tests/host/check.schema.json describes it."""
    state = worst(lines)
    links = [{"name": name, **finding._asdict()} for name, finding in lines]
    return {"version": 1, "ok": state != BROKEN, "state": state, "links": links}


def as_prometheus(lines: tuple[Line, ...]) -> str:
    """Return the report for node_exporter's textfile collector; labels are only our own names."""
    text = [
        "# HELP consul_docker_host_link 1: the link of the chain works, 0.5: with a warning, 0: it is broken.",
        "# TYPE consul_docker_host_link gauge",
    ]
    for name in sorted(LINKS):
        states = {finding.state for link, finding in lines if link == name}
        low = next((state for state in (BROKEN, WARN, OK) if state in states), None)
        if low:
            text.append(f'consul_docker_host_link{{link="{name}"}} {VALUES[low]}')
    text += [
        "# HELP consul_docker_host_state The exit code of the check: 0: ok, 1: a warning, 2: a link is broken.",
        "# TYPE consul_docker_host_state gauge",
        f"consul_docker_host_state {CODES[worst(lines)]}",
    ]
    return "\n".join([*text, ""])
