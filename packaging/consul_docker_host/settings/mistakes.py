"""Translate pydantic's errors: each becomes a sentence with the wrong value and its remedy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from consul_docker_host.settings.model import Settings
from consul_docker_host.settings.names import ACL, Location, suggest_key, table_of

# A value is shown so that it can be recognised, and is cut to this length.
LONGEST = 60


def mistake_reason(detail: ErrorDetails) -> str:
    """Return the reason and the remedy for one of pydantic's errors."""
    error_type, value, location = detail["type"], detail["input"], key_location(detail["loc"])
    context = detail.get("ctx", {})
    if error_type == "value_error":
        return str(context["error"])
    if error_type == "literal_error":
        return _choice_reason(value, str(context["expected"]), location)
    if error_type in REASONS:
        return REASONS[error_type](value, location)
    return f"{shown(value)}: {detail['msg']}"


def key_location(location: Sequence[int | str]) -> Location:
    """Return the location of the key, without pydantic's own mark for a mapping's key."""
    return tuple(part for part in location if part != "[key]")


def shown(value: object) -> str:
    """Return a value in TOML's notation, shortened and without control characters."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return "a list"
    text = repr(value) if isinstance(value, str | int | float) else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _text_reason(value: object, location: Location) -> str:
    del location
    return f"must be a string in quotes, not {shown(value)}"


def _flag_reason(value: object, location: Location) -> str:
    del location
    if isinstance(value, str):
        return f"{shown(value)} is a string; write true or false without quotes"
    return f"{shown(value)} is not true or false"


def _number_reason(value: object, location: Location) -> str:
    del location
    if isinstance(value, str) and value.removeprefix("-").isdecimal():
        return f"{shown(value)} is a string; write {value} without quotes"
    return f"{shown(value)} is not a whole number"


def _list_reason(value: object, location: Location) -> str:
    name = ".".join(str(part) for part in location if isinstance(part, str))
    if table_of(_field(location).annotation):
        return f"must be a list of tables, not {shown(value)}; write [[{name}]], in double brackets, for each entry"
    if isinstance(value, str):
        return f"{shown(value)} is a string; write a list: [{shown(value)}]"
    return f"must be a list in [ ], not {shown(value)}"


def _table_reason(value: object, location: Location) -> str:
    name = ".".join(str(part) for part in location if isinstance(part, str))
    if isinstance(location[-1], str) and table_of(_field(location).annotation):
        return f"must be a table, not {shown(value)}; write [{name}] in a line of its own, and its keys below it"
    return f"must be a table in {{ }}, not {shown(value)}"


def _choice_reason(value: object, expected: str, location: Location) -> str:
    if location == ("consul", "acl") and isinstance(value, Mapping):
        return f"is a table, as in Consul's own files; {ACL}, and consul.agent_token_file for the agent's token"
    if isinstance(value, str) and value.isdecimal() and "'" not in expected:
        return f"{shown(value)} is a string; write {value} without quotes"
    return f"{shown(value)} is not valid; use {expected}"


def _field(location: Location) -> FieldInfo:
    """Return the field at the location, which the models have."""
    model: type[BaseModel] = Settings
    names = [part for part in location if isinstance(part, str)]
    for name in names[:-1]:
        model = table_of(model.model_fields[name].annotation) or model
    return model.model_fields[names[-1]]


def _range_reason(value: object, location: Location) -> str:
    # pydantic reports the bound that is broken; a reader wants to know both.
    marks = _field(location).metadata
    low = next(mark.ge for mark in marks if hasattr(mark, "ge"))
    high = next(mark.le for mark in marks if hasattr(mark, "le"))
    return f"{shown(value)} is out of range; it must be between {low} and {high}"


def _missing_reason(value: object, location: Location) -> str:
    del value, location
    return "is missing"


def _unknown_reason(value: object, location: Location) -> str:
    # The value is not shown: it may be a key or a token.
    del value
    return suggest_key(location)


# By pydantic's name of the error.
REASONS: Mapping[str, Callable[[object, Location], str]] = {
    "missing": _missing_reason,
    "extra_forbidden": _unknown_reason,
    "string_type": _text_reason,
    "int_type": _number_reason,
    "bool_type": _flag_reason,
    "tuple_type": _list_reason,
    "list_type": _list_reason,
    "model_type": _table_reason,
    "model_attributes_type": _table_reason,
    "dict_type": _table_reason,
    "greater_than_equal": _range_reason,
    "less_than_equal": _range_reason,
}
