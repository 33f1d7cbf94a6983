"""Load the settings of a build: a commented TOML file with every default, and the user's file that overrides keys.

Only this module reads these files. It reports every mistake in them with file, line, key, value and remedy.
"""

from __future__ import annotations

import copy
import itertools
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.settings.files import missing_files
from consul_docker_host.settings.mistakes import key_location, mistake_reason
from consul_docker_host.settings.model import WITHOUT_RULES, Fault, Settings, Table
from consul_docker_host.settings.names import Location, meant_keys
from consul_docker_host.settings.positions import find_lines

# Yields the faults of the files that settings name.
FileCheck = Callable[[Settings], Iterator[Fault]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A settings file as read: its name for messages, its text and its tables."""

    name: str
    text: str
    tables: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One mistake: its location, the reason, and the keys that the broken rule compares, its own first."""

    location: Location
    reason: str
    keys: tuple[Location, ...]


def read_toml(path: Path) -> Source:
    """Read one settings file; a file that cannot be read or is not TOML raises BuildError with file and line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        return Source(name=str(path), text=text, tables=tomllib.loads(text))
    except OSError as error:
        raise BuildError(f"{path}: {error.strerror}", hint="give a readable TOML file to --settings") from error
    except UnicodeDecodeError as error:
        raise BuildError(f"{path}: is not UTF-8 text (byte {error.start})", hint="save it as UTF-8") from error
    except (ValueError, RecursionError) as error:  # not only what TOML forbids: numbers and nesting have limits too
        raise BuildError(f"{path}: {error}", hint="write strings in quotes and lists in [ ]") from error


def merge(defaults: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults with the override's keys in place; tables merge, lists and values are replaced."""
    merged = dict(defaults)
    for key, value in override.items():
        default = merged.get(key)
        merged[key] = merge(default, value) if isinstance(default, Mapping) and isinstance(value, Mapping) else value
    return merged


def load_settings(defaults: Path, override: Path | None = None, *, check_files: FileCheck | None = None) -> Settings:
    """Return the settings of ``defaults`` with the keys of ``override`` in place.

    Every mistake is collected into one BuildError, one per line: ``file:line: key: reason``. ``check_files`` adds the
    faults of the files that the settings name.
    """
    base = read_toml(defaults)
    own = read_toml(override) if override else None
    merged = merge(base.tables, own.tables if own else {})
    settings, mistakes = _validate(merged, base.tables)
    if settings:
        wrong = [key for mistake in mistakes for key in mistake.keys]
        checks: list[Callable[[], Iterator[Mistake]]] = [partial(_broken_rules, settings)]
        if check_files:
            checks.append(lambda: (_mistake((), fault) for fault in check_files(settings)))
        broken = [mistake for check in checks for mistake in check()]
        mistakes += [mistake for mistake in broken if not _depends_on(mistake, wrong)]
    if settings is None or mistakes:
        lines = _lines(mistakes, base, own)
        raise BuildError("\n".join(lines), hint=f"{_count(len(lines))}; {defaults} explains every key")
    return settings


def project_settings(work: Workspace, override: Path | None = None) -> Settings:
    """Return the settings of a checkout, with the keys of ``override`` in place."""
    check = partial(missing_files, root=work.root)
    return load_settings(work.packaging / "settings.toml", override, check_files=check)


def _validate(merged: dict[str, Any], defaults: Mapping[str, Any]) -> tuple[Settings | None, list[Mistake]]:
    """Return the settings and the mistakes in single values; defaults replace them so that rules can still be checked.

    Return no settings if the defaults themselves are wrong.
    """
    try:
        return Settings.model_validate(merged, context=WITHOUT_RULES), []
    except ValidationError as error:
        details = error.errors()
    mistakes = []
    for detail in details:
        location, reason = key_location(detail["loc"]), mistake_reason(detail)
        meant = meant_keys(location, reason) if detail["type"] == "extra_forbidden" else ()
        mistakes.append(Mistake(location=location, reason=reason, keys=(location, *meant)))
    repaired = copy.deepcopy(merged)
    for mistake in mistakes:
        _replace(repaired, mistake.location, defaults)
    try:
        return Settings.model_validate(repaired, context=WITHOUT_RULES), mistakes
    except ValidationError:
        return None, mistakes


def _replace(tables: dict[str, Any], location: Location, defaults: Mapping[str, Any]) -> None:
    """Replace a wrong value by its default, and remove an unknown key."""
    if location[0] == "services":
        _replace_in_services(tables, location)
        return
    # An item of a list is replaced with its list.
    *parents, key = itertools.takewhile(lambda part: isinstance(part, str), location)
    node, default = tables, defaults
    for part in parents:
        node, default = node[str(part)], default.get(str(part), {})
    if key in default:
        node[str(key)] = copy.deepcopy(default[str(key)])
    else:
        node.pop(str(key), None)


def _replace_in_services(tables: dict[str, Any], location: Location) -> None:
    """Remove a wrong value of a service; its name, which has no default, becomes one that no rule refers to."""
    _, index, *keys = (*location, 0) if len(location) == 1 else location
    if len(location) == 1:
        tables["services"] = []
    elif not keys:
        tables["services"][index] = {"name": f"service-{index}"}
    elif keys[0] == "name":
        tables["services"][index]["name"] = f"service-{index}"
    elif keys[0] == "checks" and len(keys) > 2:
        checks = tables["services"][index].get("checks", {})
        if checks:
            checks[keys[1]].pop(keys[2], None)
    else:
        tables["services"][index].pop(keys[0], None)


def _broken_rules(table: Table, home: Location = ()) -> Iterator[Mistake]:
    """Yield the broken rules between keys of a table, and of the tables within it."""
    for fault in table.faults():
        yield _mistake(home, fault)
    for name, value in table:
        if isinstance(value, Table):
            yield from _broken_rules(value, (*home, name))
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                if isinstance(item, Table):
                    yield from _broken_rules(item, (*home, name, index))


def _mistake(home: Location, fault: Fault) -> Mistake:
    keys = tuple((*home, *_parts(key)) for key in (fault.key, *fault.others))
    return Mistake(location=keys[0], reason=fault.reason, keys=keys)


def _parts(key: str) -> Iterator[str | int]:
    yield from (int(part) if part.isdecimal() else part for part in key.split(".") if part)


def _depends_on(mistake: Mistake, wrong: Sequence[Location]) -> bool:
    """Return whether a rule compares a value that is wrong itself, so that its result means nothing yet."""
    pairs = itertools.product(mistake.keys, wrong)
    return any(key[: len(other)] == other or other[: len(key)] == key for key, other in pairs)


def _lines(mistakes: Sequence[Mistake], base: Source, own: Source | None) -> list[str]:
    """Return one line per mistake, in the order of the files."""
    placed = []
    lines = {source.name: find_lines(source.text) for source in (own, base) if source}
    for mistake in mistakes:
        name, line = _place(mistake, base.name, own.name if own else base.name, lines)
        position = f"{name}:{line}" if line else name
        placed.append((name == base.name, line, f"{position}: {_dotted(mistake.location)}: {mistake.reason}"))
    return list(dict.fromkeys(text for _, _, text in sorted(placed)))


def _place(mistake: Mistake, base: str, own: str, lines: Mapping[str, Mapping[Location, int]]) -> tuple[str, int]:
    """Return the file and the line to change: where the user's file sets one of the keys, else where the default is."""
    above = [mistake.location[:depth] for depth in range(len(mistake.location) - 1, 0, -1)]
    # The defaults have no services: what is missing in one is missing in the user's file.
    is_service = mistake.location[0] == "services"
    for name, keys in ((own, [*mistake.keys, *(above if is_service else [])]), (base, [*mistake.keys, *above])):
        for key in keys:
            if key in lines[name]:
                return name, lines[name][key]
    return base, 0


def _dotted(location: Location) -> str:
    # Lists count from 1, as a reader does.
    parts = (str(part + 1) if isinstance(part, int) else part for part in location)
    # A key's control characters must not reach the terminal.
    return ".".join(part if part.isprintable() else repr(part) for part in parts)


def _count(number: int) -> str:
    return "1 mistake" if number == 1 else f"{number} mistakes"
