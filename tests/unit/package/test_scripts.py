"""A renamed configuration file: what the maintainer scripts do for it, and what of its declaration is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.package.description import FORMATS, Format
from consul_docker_host.package.plan import Plan
from consul_docker_host.package.plans import make_plan
from consul_docker_host.settings.load import project_settings

RENAMED = """
[[renamed]]
from = "etc/consul-docker-host/former.env"
to = "etc/consul-docker-host/container.env"
since = "0.2.0"
"""
HELPER = (
    "dpkg-maintscript-helper mv_conffile /etc/consul-docker-host/former.env /etc/consul-docker-host/container.env"
    ' 0.2.0~ -- "$@"\n'
)


@pytest.fixture
def plan_with(work: Workspace) -> Callable[[str], Plan]:
    """Return the plan of a package whose description has more lines."""

    def plan(more: str) -> Plan:
        path = work.packaging / "packages" / "consul-docker-host.toml"
        path.write_text(path.read_text() + more)
        return make_plan(project_settings(work), work)

    return plan


def texts(plan: Plan, package_format: Format) -> dict[str, str]:
    return {name: path.read_text() for name, path in plan.scripts[package_format].items()}


def test_without_a_rename_the_scripts_are_those_of_the_project(work: Workspace) -> None:
    plan = make_plan(project_settings(work), work)
    folder = work.packaging / "scripts"
    assert all(path.is_relative_to(folder) for one in FORMATS for path in plan.scripts[one].values())


def test_the_deb_s_scripts_call_the_helper_behind_their_headers(plan_with: Callable[[str], Plan]) -> None:
    plain, made = texts(plan_with(""), "deb"), texts(plan_with(RENAMED), "deb")
    for name in ("preinst", "postinst", "prerm", "postrm"):
        header, _, body = made[name].partition("set -e\n")
        assert all(line.startswith("#") for line in header.splitlines())
        assert body.splitlines(keepends=True)[2] == HELPER
        assert made[name].startswith(header)
        assert made[name].endswith(plain[name].partition("set -e\n")[2])
    assert made["triggers"] == plain["triggers"]


def test_the_rpm_takes_what_was_laid_aside_when_all_is_done(plan_with: Callable[[str], Plan]) -> None:
    plain, made = texts(plan_with(""), "rpm"), texts(plan_with(RENAMED), "rpm")
    assert {name for name in made if made[name] != plain[name]} == {"pre", "posttrans"}
    assert "mv -f /etc/consul-docker-host/former.env.rpmsave /etc/consul-docker-host/container.env" in made["posttrans"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "former.env",
            "container.env",
            r"toml:renamed\.0\.from: /etc/consul-docker-host/container\.env is still a file",
        ),
        ("/container.env", "/contaner.env", r"toml:renamed\.0\.to: /etc/consul-docker-host/contaner\.env is no file"),
        ("etc/consul-docker-host/former.env", "/etc/x", r"toml:renamed\.0\.from: String should match"),
        ('since = "0.2.0"', "", r"toml:renamed\.0\.since: Field required"),
    ],
)
def test_a_rename_from_or_to_nowhere_is_refused(
    plan_with: Callable[[str], Plan], old: str, new: str, told: str
) -> None:
    with pytest.raises(BuildError, match=told):
        plan_with(RENAMED.replace(old, new))


def test_a_rename_needs_the_scripts_that_act_on_it(work: Workspace, plan_with: Callable[[str], Plan]) -> None:
    path: Path = work.packaging / "packages" / "consul-docker-host.toml"
    path.write_text(path.read_text().replace('prerm = "prerm"\n', ""))
    with pytest.raises(BuildError, match=r"^scripts\.deb\.prerm: is needed by renamed"):
        plan_with(RENAMED)
