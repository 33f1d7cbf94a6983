"""Reads the inventory, says what is wrong with it, runs the rollout, and shows it to a person or a program."""

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
# Steps that end a host's way; the others are shown only where a person sees them pass.
LAST = ("ok", "planned", "unreachable", "failed", "unhealthy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user typed."""

    action: str
    inventory: str
    limit: str
    waves: str
    dry: bool
    json: bool


def drive(asked: Asked) -> int:
    """Run what was asked and return the exit code: 0 where every host is as the inventory wants it."""
    is_deploy = asked.action == "deploy"
    hosts, sizes = read_request(asked)
    with shown(list(hosts), quiet=asked.json) as (tell, note), guarded(hosts, asked, note) as fault:
        rollout = Rollout(
            hosts=hosts,
            steps=ACTIONS[asked.action],
            sizes=sizes,
            dry=asked.dry,
            tell=tell,
            say=note,
            is_removal=asked.action == "remove",
            prepare=partial(change_keys, hosts, dry=asked.dry, tell=tell, say=note) if is_deploy else str,
            fault=fault,
        )
        rollout.run()
    outcomes = rollout.outcomes()
    if asked.json:
        say(as_json(outcomes, rollout.stopped))
    else:
        for line in ("", *summary(outcomes), *([rollout.stopped] if rollout.stopped else [])):
            say(line)
    return 0 if not rollout.stopped and all(one.is_good for one in outcomes) else 1


@contextmanager
def guarded(hosts: Hosts, asked: Asked, note: Callable[[str], None]) -> Iterator[Callable[[], str]]:
    """Hold the clusters' lock while hosts are changed, and give what tells whether it still holds."""
    if asked.dry:
        yield str
        return
    with lock_clusters(hosts, asked.action, tell=lambda _host, _step: None, say=note) as lock:
        yield lock.fault


def read_request(asked: Asked) -> tuple[Hosts, tuple[str, ...]]:
    """Return the hosts and the sizes of waves; mistakes in the inventory and in the options are in one BuildError."""
    mistakes = Mistakes()
    with mistakes.collected():
        sizes = parse_sizes(asked.waves)
    with mistakes.collected():
        inventory = read_inventory(Path(asked.inventory))
        # A limit that names nobody leaves open which hosts are meant: then the whole inventory is looked at.
        hosts = {host.name: dict(host.data.dict()) for host in inventory}
        with mistakes.collected():
            hosts = limit_hosts(hosts, {host.name: set(host.groups) for host in inventory}, asked)
        if asked.action == "deploy":  # none of the mistakes in the data matters to a removal
            complain(hosts, asked)
    mistakes.refuse()
    return hosts, sizes


def read_inventory(path: Path) -> Inventory:
    """Return the inventory; BuildError where pyinfra cannot read it, or where it has no host."""
    try:
        folder = str(path.resolve().parent)
        # pyinfra notes in its state which file it is reading.
        with ctx_state.use(PyinfraState()):
            inventory: Inventory = make_inventory_from_files(str(path), cwd=folder)
    except Exception as error:
        raise BuildError(
            f"{path}: {type(error).__name__}: {error}", hint="an inventory is a Python file, as pyinfra reads it"
        ) from None
    if not len(inventory):
        raise BuildError(f"{path}: contains no host", hint="pyinfra_deploy/inventory.py is an example")
    return inventory


def limit_hosts(hosts: Hosts, groups: Mapping[str, set[str]], asked: Asked) -> Hosts:
    """Return the hosts that --limit names by themselves or by a group; all where it is not given."""
    if not asked.limit:
        return hosts
    wanted = [word.strip() for word in asked.limit.split(",") if word.strip()]
    known = {*hosts, *(name for names in groups.values() for name in names)}
    unknown = [word for word in wanted if word not in known]
    if unknown:
        near = [name for word in unknown for name in difflib.get_close_matches(word, sorted(known), n=1)]
        hint = f"did you mean {', '.join(near)}?" if near else "name hosts or groups of the inventory"
        reason = f"{asked.inventory} has no host or group {', '.join(unknown)}"
        raise BuildError(f"--limit {asked.limit}: {reason}", hint=hint)
    return {name: data for name, data in hosts.items() if name in wanted or groups[name] & set(wanted)}


def complain(hosts: Mapping[str, Mapping[str, Any]], asked: Asked) -> None:
    """Raise one BuildError with everything that is wrong with the hosts' data."""
    found = [line for name, data in hosts.items() for line in mistakes(name, data)]
    for name, data in hosts.items():
        folder = Path(str(data.get("cdh_packages", DEFAULTS["cdh_packages"])))
        if not data.get("cdh_repository_url") and not any(list(folder.glob(pattern)) for pattern in PACKAGES):
            found.append(f"{name}: cdh_packages: {folder} contains no package; ./inv build makes them")
    found += key_mistakes(hosts)
    if found:
        count = "1 mistake" if len(found) == 1 else f"{len(found)} mistakes"
        lines = "\n".join(f"{asked.inventory}: {line}" for line in found)
        raise BuildError(lines, hint=f"{count}; pyinfra_deploy/data.py lists every key with its default")


@contextmanager
def shown(names: list[str], *, quiet: bool) -> Iterator[tuple[Callable[[str, str], None], Callable[[str], None]]]:
    """Give what shows a host's step, and what shows a line: a moving table on a terminal, else a line for each end."""
    if quiet:
        yield (lambda _host, _step: None), (lambda _line: None)
        return
    if not is_terminal():
        yield (lambda host, step: say(f"{host}: {step}") if step.startswith(LAST) else None), say
        return
    steps = dict.fromkeys(names, "")
    console = Console(file=sys.stdout)

    def picture() -> Table:
        grid = Table("host", "step", box=None)
        # A large fleet does not fit a screen: those at work are what there is to see.
        busy = [name for name in names if steps[name] and not steps[name].startswith(LAST)]
        for name in busy[: max(console.height - 4, 1)]:
            grid.add_row(name, steps[name])
        return grid

    with Live(get_renderable=picture, console=console, refresh_per_second=4, transient=True):

        def tell(host: str, step: str) -> None:
            steps[host] = step
            if step.startswith(LAST):
                console.print(f"{host}: {step}", markup=False, highlight=False)

        yield tell, lambda line: console.print(line, markup=False, highlight=False)
