"""The texts of deb and rpm packages beside their files: names, control data, descriptions."""

from __future__ import annotations

import textwrap

from consul_docker_host.package.description import Format
from consul_docker_host.package.plan import Plan

DEB_RELATIONS = {"depends": "Depends", "recommends": "Recommends", "suggests": "Suggests", "conflicts": "Conflicts"}
RPM_RELATIONS = {"recommends": "Recommends", "suggests": "Suggests", "conflicts": "Conflicts"}
RPM_ARCHITECTURES = {"all": "noarch", "amd64": "x86_64", "arm64": "aarch64"}
DESCRIPTION_WIDTH = 76


def artefact_name(plan: Plan, package_format: Format) -> str:
    """Return the file name that each format's tools expect."""
    if package_format == "deb":
        return f"{plan.name}_{plan.version}_{plan.architecture}.deb"
    return f"{plan.name}-{plan.version}-{plan.revision}.{RPM_ARCHITECTURES[plan.architecture]}.rpm"


def paragraphs(text: str) -> list[str]:
    """Return the text as lines of at most 76 characters, paragraphs kept, an empty line between them."""
    wrapped = [textwrap.fill(" ".join(part.split()), DESCRIPTION_WIDTH) for part in text.split("\n\n")]
    return "\n\n".join(wrapped).splitlines()


def long_description(plan: Plan) -> str:
    """Return summary and description as one text, the first line being the summary."""
    return "\n".join([plan.summary, *paragraphs(plan.description)])


def rpm_description(plan: Plan) -> str:
    """Return the description without empty lines, which fpm would turn into lines of one dot."""
    return "\n".join(line for line in paragraphs(plan.description) if line)


def control_text(plan: Plan) -> str:
    """Return the deb's control file (deb-control(5))."""
    fields = {
        "Package": plan.name,
        "Version": plan.version,
        "Section": plan.section,
        "Priority": plan.priority,
        "Architecture": plan.architecture,
        "Maintainer": plan.maintainer,
        "Installed-Size": str(plan.installed_size("deb")),
    }
    for relation, field in DEB_RELATIONS.items():
        if relations := plan.relations.named(relation, "deb"):
            fields[field] = ", ".join(relations)
    fields["Homepage"] = plan.homepage
    body = "\n".join(f" {line}" if line else " ." for line in paragraphs(plan.description))
    fields["Description"] = f"{plan.summary}\n{body}"
    return "".join(f"{name}: {value}\n" for name, value in fields.items())
