"""Read and validate the inventory, run the rollout, and report it to a person or a program."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State as PyinfraState
from pyinfra.context import ctx_state
from pyinfra_cli.inventory import make_inventory_from_files
from rich.console import Console
from rich.live import Live
from rich.table import Table

from consul_docker_host.core.errors import BuildError, Mistakes
from consul_docker_host.core.report import is_terminal, say
from consul_docker_host.fleet.gossip import change_keys, key_mistakes
from consul_docker_host.fleet.lock import lock_clusters
from consul_docker_host.fleet.outcome import as_json, summary
from consul_docker_host.fleet.rollout import Rollout
from consul_docker_host.fleet.waves import parse_sizes
from pyinfra_deploy.data import DEFAULTS, mistakes
from pyinfra_deploy.host import consul_docker_host, consul_docker_host_removed

ACTIONS: dict[str, Callable[[], object]] = {"deploy": consul_docker_host, "remove": consul_docker_host_removed}
PACKAGES = ("consul-docker-host_*_all.deb", "consul-docker-host-*.noarch.rpm")
Hosts = dict[str, dict[str, Any]]
# A host's last steps; the others are shown only on a terminal.
LAST = ("ok", "planned", "unreachable", "failed", "unhealthy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The user's options."""

    action: str
    inventory: str
    limit: str
    waves: str
    dry: bool
    json: bool


def drive(asked: Asked) -> int:
    """Run the action and return the exit code: 0 if every host is as the inventory describes it."""
    is_deploy = asked.action == "deploy"
    hosts, sizes = read_request(asked)
    with shown(list(hosts), quiet=asked.json) as (show_step, show_line), guarded(hosts, asked, show_line) as fault:
        rollout = Rollout(
            hosts=hosts,
            steps=ACTIONS[asked.action],
            sizes=sizes,
            dry=asked.dry,
            tell=show_step,
            say=show_line,
            is_removal=asked.action == "remove",
            prepare=partial(change_keys, hosts, dry=asked.dry, tell=show_step, say=show_line) if is_deploy else str,
            fault=fault,
        )
        rollout.run()
    outcomes = rollout.outcomes()
    if asked.json:
        say(as_json(outcomes, rollout.stopped))
    else:
        for line in ("", *summary(outcomes), *([rollout.stopped] if rollout.stopped else [])):
            say(line)
    return 0 if not rollout.stopped and all(outcome.is_good for outcome in outcomes) else 1


@contextmanager
def guarded(hosts: Hosts, asked: Asked, show_line: Callable[[str], None]) -> Iterator[Callable[[], str]]:
    """Hold the clusters' lock while hosts are changed; yield a function that returns why it was lost, or nothing."""
    if asked.dry:
        yield str
        return
    with lock_clusters(hosts, asked.action, tell=lambda _host, _step: None, say=show_line) as lock:
        yield lock.fault


def read_request(asked: Asked) -> tuple[Hosts, tuple[str, ...]]:
    """Return the hosts and the sizes of the waves; one BuildError lists the mistakes in the inventory and options."""
    mistakes = Mistakes()
    with mistakes.collected():
        sizes = parse_sizes(asked.waves)
    with mistakes.collected():
        inventory = read_inventory(Path(asked.inventory))
        # After a mistake in --limit it is unknown which hosts are meant, so the data of all of them is checked.
        hosts = {host.name: dict(host.data.dict()) for host in inventory}
        with mistakes.collected():
            hosts = limit_hosts(hosts, {host.name: set(host.groups) for host in inventory}, asked)
        if asked.action == "deploy":  # a removal uses none of the data that may be wrong
            refuse_mistakes(hosts, asked)
    mistakes.refuse()
    return hosts, sizes


def read_inventory(path: Path) -> Inventory:
    """Return the inventory; raise BuildError if pyinfra cannot read it, or if it contains no host."""
    try:
        folder = str(path.resolve().parent)
        # pyinfra needs a state in which to record the file that it is reading.
        with ctx_state.use(PyinfraState()):
            inventory: Inventory = make_inventory_from_files(str(path), cwd=folder)
    except Exception as error:
        raise BuildError(
            f"{path}: {type(error).__name__}: {error}", hint="an inventory is a Python file in pyinfra's format"
        ) from None
    if not len(inventory):
        raise BuildError(f"{path}: contains no host", hint="pyinfra_deploy/inventory.py is an example")
    return inventory


def limit_hosts(hosts: Hosts, groups: Mapping[str, set[str]], asked: Asked) -> Hosts:
    """Return the hosts that --limit names by host or group; all hosts if it is not given."""
    if not asked.limit:
        return hosts
    wanted = [word.strip() for word in asked.limit.split(",") if word.strip()]
    names = set(hosts).union(*groups.values())
    unknown = [word for word in wanted if word not in names]
    if unknown:
        near = [name for word in unknown for name in difflib.get_close_matches(word, sorted(names), n=1)]
        hint = f"did you mean {', '.join(near)}?" if near else "name hosts or groups of the inventory"
        reason = f"{asked.inventory} has no host or group {', '.join(unknown)}"
        raise BuildError(f"--limit {asked.limit}: {reason}", hint=hint)
    return {name: data for name, data in hosts.items() if name in wanted or groups[name] & set(wanted)}


def refuse_mistakes(hosts: Mapping[str, Mapping[str, Any]], asked: Asked) -> None:
    """Raise one BuildError with every mistake in the hosts' data."""
    lines = [line for name, data in hosts.items() for line in mistakes(name, data)]
    for name, data in hosts.items():
        folder = Path(str(data.get("cdh_packages", DEFAULTS["cdh_packages"])))
        if not data.get("cdh_repository_url") and not any(list(folder.glob(pattern)) for pattern in PACKAGES):
            lines.append(f"{name}: cdh_packages: {folder} contains no package; ./inv build makes them")
    lines += key_mistakes(hosts)
    if lines:
        count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
        text = "\n".join(f"{asked.inventory}: {line}" for line in lines)
        raise BuildError(text, hint=f"{count}; pyinfra_deploy/data.py lists every key with its default")


@contextmanager
def shown(names: list[str], *, quiet: bool) -> Iterator[tuple[Callable[[str, str], None], Callable[[str], None]]]:
    """Yield functions that show a host's step and a line: a moving table on a terminal, else one line per result."""
    if quiet:
        yield (lambda _host, _step: None), (lambda _line: None)
        return
    if not is_terminal():
        yield (lambda host, step: say(f"{host}: {step}") if step.startswith(LAST) else None), say
        return
    steps = dict.fromkeys(names, "")
    console = Console(file=sys.stdout)

    def step_table() -> Table:
        grid = Table("host", "step", box=None)
        # A large fleet does not fit on a screen, so only the hosts with a running step are shown.
        busy = [name for name in names if steps[name] and not steps[name].startswith(LAST)]
        for name in busy[: max(console.height - 4, 1)]:
            grid.add_row(name, steps[name])
        return grid

    with Live(get_renderable=step_table, console=console, refresh_per_second=4, transient=True):

        def show_step(host: str, step: str) -> None:
            steps[host] = step
            if step.startswith(LAST):
                console.print(f"{host}: {step}", markup=False, highlight=False)

        yield show_step, lambda line: console.print(line, markup=False, highlight=False)
