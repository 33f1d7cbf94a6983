"""The settings of a build: one commented TOML with every default, overridden by key from a file of the user's.

The only place that reads either file, and that says what is wrong with them.
"""

from __future__ import annotations

import difflib
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.settings.model import Settings

# More names than these are not listed again and again: the hint names the file that explains all.
FEW = 8
TYPE_REASONS = {
    "missing": "is missing",
    "string_type": "is not a text in quotes",
    "int_type": "is not a whole number",
    "bool_type": "is not true or false",
    "tuple_type": "is not a list in [ ]",
    "list_type": "is not a list in [ ]",
    "model_type": "is not a table",
    "model_attributes_type": "is not a table",
    "dict_type": "is not a table",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A settings file as read: its name for messages, and its tables."""

    name: str
    tables: Mapping[str, Any]


def read_toml(path: Path) -> Source:
    """Read one settings file; a file that cannot be read or is not TOML raises BuildError with file and line."""
    try:
        return Source(name=str(path), tables=tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise BuildError(f"{path}: {error.strerror}", hint="give a readable TOML file to --settings") from error
    except UnicodeDecodeError as error:
        raise BuildError(f"{path}: is not UTF-8 text (byte {error.start})", hint="save it as UTF-8") from error
    except (ValueError, RecursionError) as error:  # not only what TOML forbids: numbers and nesting have limits too
        raise BuildError(f"{path}: {error}", hint="texts stand in quotes, lists in [ ]") from error


def merge(defaults: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults with the override's keys in place; tables merge, lists and values are replaced."""
    merged = dict(defaults)
    for key, value in override.items():
        known = merged.get(key)
        merged[key] = merge(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return merged


def load_settings(defaults: Path, override: Path | None = None) -> Settings:
    """Return the settings of ``defaults`` with the keys of ``override`` in place.

    Every mistake is collected into one BuildError, a line each: ``file:key: reason``.
    """
    base = read_toml(defaults)
    own = read_toml(override) if override else None
    try:
        return Settings.model_validate(merge(base.tables, own.tables if own else {}))
    except ValidationError as error:
        lines = sorted(dict.fromkeys(_mistake_line(detail, base, own) for detail in error.errors()))
        count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
        raise BuildError("\n".join(lines), hint=f"{count}; {defaults} explains every key") from None


def project_settings(work: Workspace, override: Path | None = None) -> Settings:
    """Return the settings of a checkout, with the keys of ``override`` in place."""
    return load_settings(work.packaging / "settings.toml", override)


def _mistake_line(detail: ErrorDetails, base: Source, own: Source | None) -> str:
    location = list(detail["loc"])
    # Lists count from 1, as a reader does.
    parts = (str(part + 1) if isinstance(part, int) else part for part in location if part != "[key]")
    # A terminal is not to be told anything by a key's control characters.
    shown = ".".join(part if part.isprintable() else repr(part) for part in parts)
    source = own if own and _has_key(own.tables, location) else base
    return f"{source.name}:{shown}: {_reason(detail)}"


def _has_key(tables: Mapping[str, Any], location: list[Any]) -> bool:
    """Tell whether the file sets the key, or the nearest list or table above it that a rule speaks of."""
    node: Any = tables
    for depth, part in enumerate(location):
        if isinstance(node, Mapping) and part in node:
            node = node[part]
        else:
            return depth > 0 and (not isinstance(node, Mapping) or depth == len(location) - 1)
    return True


def _reason(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(detail["loc"])
    if kind in TYPE_REASONS:
        return TYPE_REASONS[kind]
    if kind == "value_error":
        return str(context["error"])
    if kind in {"greater_than_equal", "less_than_equal"}:
        word, bound = ("at least", context.get("ge")) if "ge" in context else ("at most", context.get("le"))
        return f"{detail['input']} is out of range: {word} {bound}"
    if kind == "literal_error":
        return f"{detail['input']!r} is none of {context['expected']}"
    return detail["msg"]


def _unknown_key(location: tuple[int | str, ...]) -> str:
    *parents, key = location
    known = list(_fields_at(parents))
    near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
    if near:
        return f"unknown key; {near[0]} is the nearest"
    return f"unknown key; known here: {', '.join(known)}" if len(known) < FEW else "unknown key"


def _fields_at(parents: list[int | str]) -> Iterator[str]:
    """Yield the names of the fields of the table at ``parents``, found through the models' annotations."""
    model: type[BaseModel] = Settings
    for part in parents:
        if isinstance(part, str):
            model = _table_of(model.model_fields[part].annotation)
    yield from model.model_fields


def _table_of(annotation: object) -> type[BaseModel]:
    if (
        isinstance(annotation, type)
        and not isinstance(annotation, types.GenericAlias)
        and issubclass(annotation, BaseModel)
    ):
        return annotation
    return next(_table_of(argument) for argument in typing.get_args(annotation) if argument is not Ellipsis)
