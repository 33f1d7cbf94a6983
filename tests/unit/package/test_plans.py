"""The plans of all packages: made from settings as a value, each with its own tree."""

from __future__ import annotations

from datetime import date

from consul_docker_host.core.workspace import Workspace
from consul_docker_host.package.changelog import Release
from consul_docker_host.package.plan import Plan
from consul_docker_host.package.plans import make_consul_plan, make_keyring_plan, make_plan
from consul_docker_host.settings.load import project_settings
from tests.unit.kit import ARCHIVE_KEY

RELEASE = Release(version="1.22.7", day=date(2026, 3, 4), notes=("Consul.",))


def text_of_tree(plan: Plan) -> str:
    return "".join((plan.tree / entry.path).read_text() for entry in plan.entries if not entry.path.endswith(".gz"))


def test_settings_are_a_value_and_the_file_is_not_read_again(work: Workspace) -> None:
    settings = project_settings(work)
    (work.packaging / "settings.toml").unlink()
    changed = settings.model_copy(update={"dns": settings.dns.model_copy(update={"cache_size": 4321})})
    plan = make_plan(changed, work)
    assert "CACHE_SIZE=4321\n" in text_of_tree(plan)


def test_without_a_key_no_keyring_package_is_planned(work: Workspace) -> None:
    assert make_keyring_plan(project_settings(work), work) is None


def test_each_package_has_a_tree_of_its_own(work: Workspace) -> None:
    (work.root / "archive.asc").write_text(ARCHIVE_KEY)
    (work.root / "my.toml").write_text('[repository]\nkey_file = "archive.asc"\n')
    settings = project_settings(work, work.root / "my.toml")
    plans = [
        make_plan(settings, work),
        make_keyring_plan(settings, work),
        make_consul_plan(settings, work, program=b"ELF", licence=b"", release=RELEASE, architecture="arm64"),
    ]
    names = ["consul-docker-host", "consul-docker-host-archive-keyring", "consul"]
    assert [plan.name for plan in plans if plan] == names
    assert [plan.tree for plan in plans if plan] == [work.build / name / "tree" for name in names]
    assert all(plan.tree.is_dir() for plan in plans if plan)


def test_consul_s_plan_is_of_consul_s_version_and_architecture(work: Workspace) -> None:
    settings = project_settings(work)
    plan = make_consul_plan(settings, work, program=b"ELF", licence=b"BUSL", release=RELEASE, architecture="arm64")
    assert (plan.version, plan.revision, plan.architecture) == ("1.22.7", "1", "arm64")
    assert plan.compression == "gzip"
    assert (plan.tree / "usr/bin/consul").read_bytes() == b"ELF"
    assert (plan.tree / "usr/bin/consul").stat().st_mode & 0o777 == 0o755
    assert (plan.tree / "usr/share/doc/consul/LICENSE.txt").read_text() == "BUSL"
    assert settings.package.version != "1.22.7", "the value that was given is unchanged"
