"""The Jinja2 environment of the payload's templates: strict, with filters that quote values for the target file."""

from __future__ import annotations

import json
import shlex
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from consul_docker_host.core.errors import BuildError
from consul_docker_host.settings.host_keys import read_host_keys
from consul_docker_host.settings.model import Settings


def as_json(value: object) -> str:
    """Return a value as JSON text; a filter of the templates."""
    return json.dumps(value, ensure_ascii=False, default=dict)


def template_environment(files: Path) -> jinja2.Environment:
    """Return the environment in which the files below ``files`` are rendered."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(files),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - no HTML here; each template quotes for the file it makes
    )
    environment.filters |= {"json": as_json, "sh": lambda value: shlex.quote(str(value))}
    return environment


def template_variables(settings: Settings) -> dict[str, Any]:
    """Return the names that templates may use: the settings' tables, and values that are derived from them."""
    tables = {name: getattr(settings, name) for name in type(settings).model_fields}
    derived = {"reverse_domains": settings.dns.reverse_domains, "settings": settings, "host_keys": read_host_keys()}
    return tables | derived


def render_template(environment: jinja2.Environment, name: str, variables: Mapping[str, Any]) -> str:
    """Render one template; a mistake in it raises BuildError with the template's name and line."""
    try:
        return environment.get_template(name).render(variables)
    except jinja2.TemplateSyntaxError as error:
        raise BuildError(f"files/{error.name or name}:{error.lineno}: {error.message}") from error
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(name)]
        hint = "settings.toml lists the names that templates may use"
        raise BuildError(f"files/{name}:{lines[-1] if lines else '?'}: {error}", hint=hint) from error
