"""The tree: the same bytes, modes and times whatever surrounds the build; exactly the files that the settings want."""

from __future__ import annotations

import difflib
import gzip
import os
import time
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.package.description import Format
from consul_docker_host.package.plan import Plan
from tests.unit.kit import ARCHIVE_KEY, GOLDEN, RICH, copy_checkout, plan_of, replace_in, snapshot, walk

EPOCH = 1_700_000_000


def paths(plan: Plan) -> set[str]:
    return {entry.path for entry in plan.entries}


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_tree_is_the_same_under_another_umask_clock_folder_and_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: int
) -> None:
    one = plan_of(copy_checkout(tmp_path / "one"))
    before = os.umask(umask)
    try:
        monkeypatch.setenv("TZ", "Pacific/Kiritimati")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.chdir(tmp_path)
        time.tzset()
        other = plan_of(copy_checkout(tmp_path / "a long path with blanks" / ("x" * 100), reverse=True))
    finally:
        os.umask(before)
        monkeypatch.undo()
        time.tzset()
    assert snapshot(one.tree) == snapshot(other.tree)
    assert one.entries == other.entries
    folders = {path.stat().st_mode & 0o7777 for path in [other.tree, *other.tree.rglob("*")] if path.is_dir()}
    assert folders == {0o755}


def test_every_file_has_the_mode_of_its_rule_and_one_time_stamp(plan: Plan) -> None:
    for entry in plan.entries:
        status = (plan.tree / entry.path).stat()
        assert (status.st_mode & 0o7777, status.st_mtime, status.st_size) == (entry.mode, plan.epoch, entry.size)
    executable = {entry.path for entry in plan.entries if entry.mode == 0o755}
    assert "usr/bin/consul-docker-host" in executable
    assert {entry.mode for entry in plan.entries} == {0o644, 0o755}


def test_the_conffiles_are_exactly_what_lies_below_etc(plan: Plan) -> None:
    conffiles = {entry.path for entry in plan.entries if entry.is_conffile}
    assert conffiles == {path for path in paths(plan) if path.startswith("etc/")}
    assert "etc/consul.d/agent.json" in conffiles


def test_readme_and_templates_are_never_shipped(work: Workspace) -> None:
    (work.files / "etc" / "consul.d" / "README.md").write_text("not for hosts\n")
    assert list(work.files.rglob("_*.j2")), "a part that templates include"
    shipped = paths(plan_of(work))
    assert not [path for path in shipped if "README" in path or path.endswith(".j2") or "_sandbox" in path]
    tree = work.build / "consul-docker-host" / "tree"
    assert shipped == {str(path.relative_to(tree)) for path in walk(tree)}


def test_a_file_of_an_earlier_rendering_does_not_stay(work: Workspace) -> None:
    plan = plan_of(work)
    (plan.tree / "etc" / "old").write_text("x")
    assert not (plan_of(work).tree / "etc" / "old").exists()


def test_what_the_settings_switch_off_is_left_out(work: Workspace) -> None:
    everything = paths(plan_of(work))
    off = plan_of(work, "".join(f"[{name}]\nenabled = false\n" for name in ("registrator", "environment", "guard")))
    gone = everything - paths(off)
    assert gone == {
        "usr/lib/consul-docker-host/registrator",
        "usr/lib/systemd/system/registrator.service",
        "usr/lib/systemd/system/docker.service.d/50-consul-docker-host.conf",
        "usr/lib/systemd/system/consul-docker-host-guard.service",
        "usr/lib/systemd/system.conf.d/consul-docker-host.conf",
        "etc/profile.d/consul-docker-host.sh",
    }
    assert gone <= set(off.left_out)
    assert not [path for path in set(off.left_out) - gone if "agent" not in path]


def test_an_agent_in_a_container_has_a_unit_of_ours_and_needs_no_package(work: Workspace) -> None:
    package = plan_of(work)
    container = plan_of(work, '[consul]\nrun = "container"\n')
    system = "usr/lib/systemd/system"
    drop_ins = ("50-consul-docker-host", "51-consul-docker-host-sandbox")
    assert paths(package) - paths(container) == {f"{system}/consul.service.d/{name}.conf" for name in drop_ins}
    assert paths(container) - paths(package) == {
        "usr/lib/consul-docker-host/agent",
        f"{system}/consul-docker-host-agent.service",
        f"{system}/docker.service.d/51-consul-docker-host-agent.conf",
    }
    makers: dict[Format, str] = {"deb": "passwd", "rpm": "(shadow-utils or shadow)"}
    for package_format, maker in makers.items():
        recommended = [set(plan.relations.named("recommends", package_format)) for plan in (package, container)]
        assert recommended[0] - recommended[1] == {"consul"}
        depended = [set(plan.relations.named("depends", package_format)) for plan in (package, container)]
        assert depended[1] - depended[0] == {maker}


def test_each_service_becomes_one_file_and_none_makes_none(work: Workspace) -> None:
    none = paths(plan_of(work))
    assert not [path for path in none if "{name}" in path or path.endswith("service.json")]
    two = plan_of(work, '[[services]]\nname = "a"\n[[services]]\nname = "b"\n')
    made = {"etc/consul.d/a.json", "etc/consul.d/b.json"}
    assert paths(two) - none == made
    assert all(entry.is_conffile for entry in two.entries if entry.path in made)


def test_a_mistake_in_a_template_names_template_line_and_key(work: Workspace) -> None:
    path = work.files / "etc" / "dnsmasq.d" / "consul.conf.j2"
    path.write_text("# one\n# two\nserver={{ link.adress }}\n")
    with pytest.raises(BuildError, match=r"^files/etc/dnsmasq\.d/consul\.conf\.j2:3: .*adress"):
        plan_of(work)


def test_a_rule_without_a_file_is_an_error(work: Workspace) -> None:
    (work.files / "usr/lib/consul-docker-host/guard").unlink()
    with pytest.raises(BuildError, match=r"^packages/consul-docker-host\.toml: no file below .* for .*/guard"):
        plan_of(work)


def test_a_condition_on_an_unknown_setting_is_an_error(work: Workspace) -> None:
    replace_in(work.packaging / "packages/consul-docker-host.toml", 'when = "guard.enabled"', 'when = "guard.enabld"')
    with pytest.raises(BuildError, match=r"'guard\.enabld': no setting guard\.enabld"):
        plan_of(work)


def test_two_sources_of_one_path_are_an_error(work: Workspace) -> None:
    (work.files / "etc/dnsmasq.d/consul.conf").write_text("# a second source of the same path\n")
    with pytest.raises(BuildError, match=r"consul\.conf"):
        plan_of(work)


@pytest.mark.parametrize("target", ["agent.json.j2", "/nowhere"])
def test_a_symlink_in_the_payload_is_refused(work: Workspace, target: str) -> None:
    (work.files / "etc/consul.d/link.json").symlink_to(target)
    with pytest.raises(BuildError, match=r"etc/consul\.d/link\.json: the payload may contain only plain files"):
        plan_of(work)


def test_a_missing_maintainer_script_is_told_by_name(work: Workspace) -> None:
    (work.packaging / "scripts/deb/prerm").unlink()
    with pytest.raises(BuildError, match="scripts/deb/prerm: no such maintainer script"):
        plan_of(work)


def test_source_date_epoch_is_the_time_stamp_of_everything(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(EPOCH))
    plan = plan_of(work)
    assert plan.epoch == EPOCH
    assert {path.stat().st_mtime for path in [plan.tree, *plan.tree.rglob("*")]} == {EPOCH}


@pytest.mark.parametrize("wrong", ["yesterday", "-1", "1.5", "\u0661", " "])
def test_a_source_date_epoch_that_is_no_number_is_refused(
    work: Workspace, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", wrong)
    with pytest.raises(BuildError, match=r"^SOURCE_DATE_EPOCH: "):
        plan_of(work)


@pytest.mark.parametrize("huge", [str(2**40), "9" * 30])
def test_a_source_date_epoch_beyond_what_packages_can_hold_is_refused(
    work: Workspace, monkeypatch: pytest.MonkeyPatch, huge: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", huge)
    with pytest.raises(BuildError, match=r"^SOURCE_DATE_EPOCH: "):
        plan_of(work)


def test_the_manual_page_and_the_changelog_are_compressed_without_name_and_clock(plan: Plan) -> None:
    packed = [plan.tree / path for path in paths(plan) if path.endswith(".gz")]
    assert {path.name for path in packed} == {"consul-docker-host.8.gz", "changelog.gz"}
    for path in packed:
        header = path.read_bytes()[:10]
        assert header[3] == 0, "no file name"
        assert int.from_bytes(header[4:8], "little") == plan.epoch
        assert gzip.decompress(path.read_bytes()).endswith(b"\n")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "archive.asc: No such file"),
        ("no key\n", "archive.asc is not an ASCII-armoured public key; export it: gpg"),
        ("-----BEGIN \xe9", "archive.asc is not ASCII; export the public key: gpg"),
    ],
)
def test_an_archive_key_that_is_none_is_refused(work: Workspace, content: str | None, told: str) -> None:
    if content is not None:
        (work.root / "archive.asc").write_text(content, encoding="utf-8")
    with pytest.raises(BuildError, match=rf"/my\.toml:2: repository\.key_file: .*{told}"):
        plan_of(work, '[repository]\nkey_file = "archive.asc"\n')


# The golden trees hold what the templates make, byte for byte: a static file of files/ is itself the expectation.


def templated(work: Workspace, settings: str) -> dict[str, str]:
    """Return the text of every rendered file that comes from a template."""
    plan = plan_of(work, settings)
    static = {str(path.relative_to(work.files)) for path in walk(work.files) if path.suffix != ".j2"}
    return {
        path: (plan.tree / path).read_text(encoding="utf-8")
        for path in sorted(paths(plan))
        if not path.endswith(".gz") and path not in static
    }


def rewrite(folder: Path, made: dict[str, str]) -> None:
    for former in walk(folder):
        former.unlink()
    for path, text in made.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", ["default", "rich"])
def test_the_rendered_files_are_those_of_the_golden_tree(
    request: pytest.FixtureRequest, work: Workspace, name: str
) -> None:
    (work.root / "archive.asc").write_text(ARCHIVE_KEY)
    made = templated(work, RICH.read_text(encoding="utf-8") if name == "rich" else "")
    folder = GOLDEN / name
    if request.config.getoption("--rewrite-golden"):
        rewrite(folder, made)
    kept = {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in walk(folder)}
    difference = [
        line
        for path in sorted({*kept, *made})
        for line in difflib.unified_diff(
            kept.get(path, "").splitlines(keepends=True),
            made.get(path, "").splitlines(keepends=True),
            f"golden/{name}/{path}",
            f"rendered/{path}",
        )
    ]
    hint = "if the change is meant: ./inv test.unit --args=--rewrite-golden"
    assert not difference, f"{hint}\n{''.join(difference)}"
    assert set(kept) == set(made)
