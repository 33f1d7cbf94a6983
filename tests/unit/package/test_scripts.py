"""A renamed configuration file: what the maintainer scripts do for it, and what of its declaration is refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.package.description import FORMATS, Format
from consul_docker_host.package.plan import Plan
from consul_docker_host.package.plans import make_plan
from consul_docker_host.settings.load import project_settings
from tests.unit.kit import fake_program, path_with

RENAMED = """
[[renamed]]
from = "etc/consul-docker-host/former.env"
to = "etc/consul-docker-host/container.env"
since = "0.2.0"
"""
FORMER, NEW = "/etc/consul-docker-host/former.env", "/etc/consul-docker-host/container.env"


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


def test_a_package_gets_complete_scripts_and_no_others_than_those_of_the_project(work: Workspace) -> None:
    plan = make_plan(project_settings(work), work)
    folder = work.packaging / "scripts"
    for package_format in FORMATS:
        for name, path in plan.scripts[package_format].items():
            source = (folder / package_format / name).read_text(encoding="utf-8")
            made = path.read_text(encoding="utf-8")
            assert path.is_relative_to(folder) == (". lifecycle/" not in source)
            assert ". lifecycle/" not in made
            assert made.count("#!") == (0 if name == "triggers" else 1)
            # What is not shared stands in the order of the source, and sh understands the whole.
            rest = iter(made.splitlines())
            assert all(line in rest for line in source.splitlines() if not line.startswith(". lifecycle/"))
            if name != "triggers":
                run(["sh", "-n", str(path)])


def test_deb_and_rpm_share_each_text_of_the_lifecycle(work: Workspace) -> None:
    folder = work.packaging / "scripts"
    for shared in sorted((folder / "lifecycle").iterdir()):
        line = f"\n. lifecycle/{shared.name}\n"
        users = {
            package_format: [path.name for path in (folder / package_format).iterdir() if line in path.read_text()]
            for package_format in FORMATS
        }
        assert [len(names) for names in users.values()] == [1, 1], (shared.name, users)


def test_a_shared_text_that_is_missing_is_refused(work: Workspace) -> None:
    (work.packaging / "scripts/lifecycle/after-removal.sh").unlink()
    with pytest.raises(BuildError, match=r"scripts/deb/postrm: lifecycle/after-removal\.sh: no such file"):
        make_plan(project_settings(work), work)


def added(made: str, plain: str) -> str:
    """Return what a script has got behind its header."""
    header = plain.partition("set -e\n")[0] if "set -e\n" in plain else ""
    start = header + "set -e\n" if header else "".join(f"{line}\n" for line in comments(plain))
    assert made.startswith(start)
    assert all(line.startswith("#") for line in start.removesuffix("set -e\n").splitlines())
    rest = plain.removeprefix(start)
    assert made.endswith(rest)
    return made.removeprefix(start).removesuffix(rest)


def comments(text: str) -> list[str]:
    return list(itertools.takewhile(lambda line: line.startswith("#"), text.splitlines()))


def test_the_deb_s_scripts_call_the_helper_behind_their_headers(
    plan_with: Callable[[str], Plan], tmp_path: Path
) -> None:
    plain, made = texts(plan_with(""), "deb"), texts(plan_with(RENAMED), "deb")
    fake_program(tmp_path / "bin", "dpkg-maintscript-helper", f'echo "$*" >>{tmp_path}/log')
    fake_program(tmp_path / "bin", "dpkg", "exit 1")
    for name in ("preinst", "postinst", "prerm", "postrm"):
        lines = added(made[name], plain[name])
        run(["sh", "-euc", lines, name, "upgrade", "0.1.0"], env={"PATH": path_with(tmp_path / "bin")})
    call = f"mv_conffile {FORMER} {NEW} 0.2.0~ -- upgrade 0.1.0"
    assert (tmp_path / "log").read_text().splitlines() == [call] * 4
    assert made["triggers"] == plain["triggers"]


def test_a_downgrade_of_the_deb_takes_the_file_back_to_its_former_name(
    plan_with: Callable[[str], Plan], tmp_path: Path
) -> None:
    plain, made = texts(plan_with(""), "deb"), texts(plan_with(RENAMED), "deb")
    (tmp_path / "new").write_text("edited")
    lines = added(made["prerm"], plain["prerm"]).replace(FORMER, f"{tmp_path}/former").replace(NEW, f"{tmp_path}/new")
    fake_program(tmp_path / "bin", "dpkg-maintscript-helper", "")
    environment = {"PATH": path_with(tmp_path / "bin")}
    run(["sh", "-euc", lines, "prerm", "upgrade", "0.3.0"], env=environment)
    assert not (tmp_path / "former").exists()
    run(["sh", "-euc", lines, "prerm", "upgrade", "0.1.0"], env=environment)
    assert (tmp_path / "former").read_text() == "edited"


@pytest.mark.parametrize("was_there", [True, False])
def test_the_rpm_takes_what_was_laid_aside_when_all_is_done(
    plan_with: Callable[[str], Plan], tmp_path: Path, was_there: bool
) -> None:
    plain, made = texts(plan_with(""), "rpm"), texts(plan_with(RENAMED), "rpm")
    assert {name for name in made if made[name] != plain[name]} == {"pre", "posttrans"}

    def step(name: str) -> None:
        lines = added(made[name], plain[name]).replace(FORMER, f"{tmp_path}/former").replace(NEW, f"{tmp_path}/new")
        run(["sh", "-eu", "-c", lines.replace("/run/", f"{tmp_path}/"), name, "2"])

    if was_there:
        (tmp_path / "former").write_text("edited")
    step("pre")
    # What rpm does between the two.
    (tmp_path / "former").unlink(missing_ok=True)
    (tmp_path / "former.rpmsave").write_text("edited")
    (tmp_path / "new").write_text("fresh")
    step("posttrans")
    assert (tmp_path / "new").read_text() == ("edited" if was_there else "fresh")
    assert (tmp_path / "new.rpmnew").exists() is was_there
    assert not list(tmp_path.glob("consul-docker-host-renamed-*"))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "former.env",
            "container.env",
            r"toml:renamed\.0\.from: /etc/consul-docker-host/container\.env is still a file",
        ),
        (
            "/container.env",
            "/contaner.env",
            r"toml:renamed\.0\.to: /etc/consul-docker-host/contaner\.env is not a file of the package",
        ),
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
