"""Define the commands: their arguments, their help, and the modules behind them, which are imported on demand.

argparse is not used, because importing it takes longer than most commands.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

from host_program.output import PROGRAM, Failure, say, warn
from host_program.programs import widen_path
from host_program.settings import FILE, Host, load_host

# Monitoring plugins exit with 3 if they could not check, and so does every usage error.
USAGE = 3
HELP_OPTIONS = {"-h", "--help"}


class Command(NamedTuple):
    """A command: its module and function, one line for the list, its arguments, and the rest of its help.

    ``choices`` are the values of its single argument. None: the module parses its arguments itself.
    """

    target: str
    summary: str = ""
    usage: str = ""
    details: str = ""
    choices: tuple[str, ...] | None = ()
    is_argument_needed: bool = False
    needs: str = ""


COMMANDS = {
    "status": Command(
        target="status:main",
        summary="Show this host, its units, its cluster and its services",
        choices=None,
    ),
    "check": Command(
        target="check:main",
        summary="Check every link of the chain: ok, warn or broken, and how to fix it",
        usage="[OPTIONS]",
        details="""
Options:
  --json             Print the report as JSON
  --prometheus FILE  Also write the report to FILE for node_exporter's textfile collector

Exit codes:
  0  all links are ok
  1  a link has a warning
  2  a link is broken
  3  usage error, or no check could run""",
        choices=None,
    ),
    "apply": Command(
        target="",
        summary=f"Apply {FILE}; restart only what changed, never Docker",
        usage="[--render]",
        details="""
Options:
  --render  Only write the files below /run""",
    ),
    "env": Command(
        target="environment:main",
        summary="Print the variables by which programs find Consul, for eval",
        usage="[--docker | --compose]",
        details="""
Options:
  --docker   Print the same as options of `docker run`
  --compose  Print the same as lines of a service in a compose file""",
        choices=("--docker", "--compose"),
        needs="one option, --docker or --compose",
    ),
    "docker-dns": Command(
        target="docker_dns:main",
        summary="Make all containers use this host's DNS, through Docker's daemon.json",
        usage="on|off|status",
        details="""
Actions:
  on      Add this host's address to daemon.json, for containers without --dns
  off     Restore daemon.json
  status  Print on or off""",
        choices=("on", "off", "status", "remove"),
        is_argument_needed=True,
        needs="on, off or status",
    ),
}
# Commands for this package's scripts have no help, and they may change in any version.
INTERNAL = {
    "advertise": Command("scripts:print_advertised_address"),
    "forget": Command("forget:main"),
    "problems": Command("scripts:report_problems"),
    "registrator-token": Command("scripts:hand_over_registrator_token"),
    "render-consul": Command("consul_config:main", choices=("--now", "--render"), needs="--now or --render"),
}


def main(argv: list[str]) -> int:
    """Run one command and return its exit code; report errors without a traceback."""
    os.umask(0o022)
    try:
        return dispatch(argv)
    except Failure as failure:
        warn(str(failure))
        return failure.code
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        warn(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return 1


def dispatch(argv: list[str]) -> int:
    """Run the command that the arguments name; raise Failure with 3 if there is no such command."""
    root = os.environ.get("CONSUL_DOCKER_HOST_ROOT", "")
    if not root:
        widen_path()
    if not argv:
        raise Failure(f"a command is missing; see {PROGRAM} --help", USAGE)
    name, *arguments = argv
    if name in {*HELP_OPTIONS, "help"}:
        print_help(load_host(root))
        return 0
    if name == "--version":
        say(f"{PROGRAM} {load_host(root).built_in.version}")
        return 0
    command = COMMANDS.get(name) or INTERNAL.get(name)
    if command is None:
        raise Failure(unknown_command(name), USAGE)
    if name in COMMANDS and HELP_OPTIONS.intersection(arguments):
        print_command_help(name, command)
        return 0
    refuse_wrong_arguments(name, command, arguments)
    return resolve(command.target)(load_host(root), arguments)


def resolve(target: str) -> Callable[[Host, list[str]], int]:
    """Import MODULE:FUNCTION and return the function."""
    module, _, function = target.partition(":")
    imported: Callable[[Host, list[str]], int] = getattr(import_module(f"host_program.{module}"), function)
    return imported


def refuse_wrong_arguments(name: str, command: Command, arguments: list[str]) -> None:
    """Raise Failure with 3 unless the arguments are valid for the command."""
    if command.choices is None:
        return
    wrong = [each for each in arguments if each not in command.choices]
    if wrong or len(arguments) > 1 or (command.is_argument_needed and not arguments):
        takes = f"takes {command.needs}" if command.choices else "takes no argument"
        given = f', not "{wrong[0]}"' if wrong else ""
        raise Failure(f"{name} {takes}{given}; see {PROGRAM} {name} --help", USAGE)


def unknown_command(name: str) -> str:
    """Return the message for an unknown command, with the nearest known one."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    near = get_close_matches(name, COMMANDS, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"see {PROGRAM} --help"
    return f'unknown command "{name}"; {hint}'


def print_help(host: Host) -> None:
    """Print the list of commands."""
    say(
        f"Usage: {PROGRAM} COMMAND",
        "",
        f"Consul and DNS at {host.built_in.address} for this host and its containers",
        "",
        "Commands:",
        *(f"  {name:10}  {command.summary}" for name, command in COMMANDS.items()),
        "",
        "Options:",
        "  -h, --help  Print this help",
        "  --version   Print the version",
        "",
        f"Run '{PROGRAM} COMMAND --help' for more information on a command; see also: man {PROGRAM}",
    )


def print_command_help(name: str, command: Command) -> None:
    """Print the help of one command."""
    say(f"Usage: {PROGRAM} {name} {command.usage}", "", command.summary, *command.details.splitlines())
