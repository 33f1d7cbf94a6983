"""fpm and nfpm make the same package: entry by entry, script by script, field by field."""

from __future__ import annotations

import hashlib
import re
import stat
from pathlib import Path

import pytest

from consul_docker_host.core.workspace import Workspace
from consul_docker_host.package import archive_sources
from consul_docker_host.package.plan import FOLDERS_OF_OTHERS, Plan
from tests.package.conftest import BACKENDS, artefact, built
from tests.package.readers import Deb, Rpm, read_deb, read_rpm
from tests.unit.kit import ARCHIVE_KEY, RICH, copy_checkout, plan_of

LIMIT = 200 * 1000
Builds = dict[str, Workspace]
CONFIG, DOC, NOREPLACE = 1, 2, 16
RPM_TAGS = {"pre": "PREIN", "post": "POSTIN", "preun": "PREUN", "postun": "POSTUN", "posttrans": "POSTTRANS"}


def debs(builds: Builds) -> tuple[Deb, Deb]:
    fpm, nfpm = (read_deb(artefact(builds[name], ".deb")) for name in BACKENDS)
    return fpm, nfpm


def rpms(builds: Builds) -> tuple[Rpm, Rpm]:
    fpm, nfpm = (read_rpm(artefact(builds[name], ".rpm")) for name in BACKENDS)
    return fpm, nfpm


@pytest.fixture(scope="session")
def rich_plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Return the plan of the rich settings, rendered in a checkout of its own: the builds are shared."""
    work = copy_checkout(tmp_path_factory.mktemp("plan") / "checkout")
    (work.root / "archive.asc").write_text(ARCHIVE_KEY)
    return plan_of(work, RICH.read_text(encoding="utf-8"))


def test_the_debs_hold_the_same_files(builds: Builds) -> None:
    fpm, nfpm = debs(builds)
    assert fpm.data == nfpm.data


def test_the_debs_have_the_same_control_files(builds: Builds) -> None:
    fpm, nfpm = debs(builds)
    assert set(fpm.texts) == set(nfpm.texts) == {
        *("control", "conffiles", "md5sums", "postinst", "preinst", "prerm", "postrm", "triggers"),
    }  # fmt: skip
    assert fpm.fields == nfpm.fields
    for name in ("postinst", "preinst", "prerm", "postrm"):
        assert fpm.texts[name] == nfpm.texts[name], name
        assert (fpm.control[name].mode, nfpm.control[name].mode) == (0o755, 0o755), name
    # The order of lines means nothing in these.
    for name in ("conffiles", "md5sums", "triggers"):
        assert sorted(fpm.texts[name].split("\n")) == sorted(nfpm.texts[name].split("\n")), name


def test_both_make_the_same_keyring_package(rich_builds: Builds) -> None:
    fpm, nfpm = (read_deb(artefact(rich_builds[name], ".deb", archive_sources.PACKAGE)) for name in BACKENDS)
    assert (fpm.data, fpm.fields) == (nfpm.data, nfpm.fields)
    assert fpm.texts["conffiles"] == nfpm.texts["conffiles"]
    first, second = (read_rpm(artefact(rich_builds[name], ".rpm", archive_sources.PACKAGE)) for name in BACKENDS)
    assert first.files == second.files
    assert "/etc/pki" not in {str(path) for path in first.files}


def test_the_rpms_hold_the_same_files(builds: Builds) -> None:
    fpm, nfpm = rpms(builds)
    assert fpm.files == nfpm.files


def test_the_rpms_have_the_same_header(builds: Builds) -> None:
    fpm, nfpm = rpms(builds)
    assert fpm.header == nfpm.header
    assert fpm.changelog == nfpm.changelog


def test_the_rpms_run_the_same_scripts(builds: Builds) -> None:
    fpm, nfpm = rpms(builds)
    assert fpm.scripts == nfpm.scripts
    assert {tag for tag, (text, _) in fpm.scripts.items() if text != "(none)"} == set(RPM_TAGS.values())
    assert {program for text, program in fpm.scripts.values() if text != "(none)"} == {"/bin/sh"}


def test_the_rpms_have_the_same_relations(builds: Builds) -> None:
    fpm, nfpm = rpms(builds)
    assert fpm.relations == nfpm.relations


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_deb_is_what_the_plan_says(rich_builds: Builds, rich_plan: Plan, backend: str) -> None:
    deb = read_deb(artefact(rich_builds[backend], ".deb"))
    files = {name: member for name, member in deb.data.items() if member.kind == "0"}
    assert set(files) == {entry.path for entry in rich_plan.entries_for("deb")}
    for entry in rich_plan.entries_for("deb"):
        member = files[entry.path]
        assert (member.mode, member.owner, member.mtime) == (entry.mode, (0, 0), rich_plan.epoch), entry.path
        assert member.sha256 == entry.sha256, entry.path
    folders = [member for member in deb.data.values() if member.kind == "5"]
    assert {(member.mode, member.owner, member.mtime) for member in folders} == {(0o755, (0, 0), rich_plan.epoch)}
    assert len(files) + len(folders) == len(deb.data), "files and folders alone"
    conffiles = [f"/{entry.path}" for entry in rich_plan.entries if entry.is_conffile]
    assert sorted(deb.texts["conffiles"].split()) == sorted(conffiles)
    for name, path in rich_plan.scripts["deb"].items():
        if name != "triggers":
            assert deb.texts[name] == path.read_text(), name
    assert {tuple(line.split()) for line in deb.texts["triggers"].splitlines()} == set(rich_plan.triggers())
    assert deb.fields["Version"] == rich_plan.version
    assert deb.fields["Maintainer"] == rich_plan.maintainer
    assert int(deb.fields["Installed-Size"]) > 10


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_deb_s_sums_are_those_of_its_files(default_builds: Builds, backend: str) -> None:
    deb = read_deb(artefact(default_builds[backend], ".deb"))
    lines = [line.split("  ", 1) for line in deb.texts["md5sums"].splitlines()]
    sums = {name: digest for digest, name in lines}
    assert set(sums) == {name for name, member in deb.data.items() if member.kind == "0"}
    tree = default_builds[backend].build / "consul-docker-host" / "tree"
    for name, digest in sums.items():
        assert hashlib.md5((tree / name).read_bytes(), usedforsecurity=False).hexdigest() == digest, name


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_rpm_is_what_the_plan_says(rich_builds: Builds, rich_plan: Plan, backend: str) -> None:
    rpm = read_rpm(artefact(rich_builds[backend], ".rpm"))
    folders = {f"/{path}": stat.S_IFDIR | mode for path, mode in rich_plan.folders_for("rpm")}
    assert set(rpm.files) == {f"/{entry.path}" for entry in rich_plan.entries_for("rpm")} | set(folders)
    for path, mode in folders.items():
        row = rpm.files[path]
        assert (int(row["FILEMODES"]), row["FILEUSERNAME"], row["FILEGROUPNAME"]) == (mode, "root", "root"), path
    for entry in rich_plan.entries_for("rpm"):
        row = rpm.files[f"/{entry.path}"]
        assert int(row["FILEMODES"]) == stat.S_IFREG | entry.mode, entry.path
        assert (row["FILEUSERNAME"], row["FILEGROUPNAME"]) == ("root", "root")
        assert (row["FILEMTIMES"], row["FILESIZES"]) == (str(rich_plan.epoch), str(entry.size))
        assert row["FILEDIGESTS"] == entry.sha256
        is_doc = entry.path.startswith(("usr/share/doc/", "usr/share/man/"))
        assert int(row["FILEFLAGS"]) == (CONFIG | NOREPLACE if entry.is_conffile else DOC if is_doc else 0), entry.path
    header = rpm.header
    assert (header["BUILDTIME"], header["BUILDHOST"]) == (str(rich_plan.epoch), "reproducible")
    assert (header["VERSION"], header["RELEASE"]) == (rich_plan.version, rich_plan.revision)
    assert (header["SUMMARY"], header["PACKAGER"]) == (rich_plan.summary, rich_plan.maintainer)
    assert (header["ARCH"], header["LICENSE"], header["URL"]) == ("noarch", rich_plan.license, rich_plan.homepage)
    assert header["FILEDIGESTALGO"] == "8", "SHA-256: md5 breaks hosts in FIPS mode"
    wanted = {*rich_plan.relations.named("depends", "rpm"), "/bin/sh"}
    own = {"config(consul-docker-host) = " + f"{rich_plan.version}-{rich_plan.revision}"}
    assert rpm.relations["REQUIRE"] - own == wanted
    assert rpm.relations["RECOMMEND"] == set(rich_plan.relations.named("recommends", "rpm"))
    for name, tag in RPM_TAGS.items():
        assert rpm.scripts[tag][0].rstrip("\n") == rich_plan.scripts["rpm"][name].read_text().rstrip("\n")


@pytest.mark.parametrize("suffix", [".deb", ".rpm"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_package_is_small(builds: Builds, backend: str, suffix: str) -> None:
    assert artefact(builds[backend], suffix).stat().st_size <= LIMIT


def test_the_rpm_owns_the_folders_that_it_makes(builds: Builds) -> None:
    """What no package owns stays behind; HashiCorp's owns /etc/consul.d, and two owners would fight for its mode."""
    for rpm in rpms(builds):
        folders = {path for path, row in rpm.files.items() if stat.S_ISDIR(int(row["FILEMODES"]))}
        parents = {str(parent) for path in rpm.files for parent in Path(path).parents} - {"/"}
        assert {path.lstrip("/") for path in parents - folders} <= FOLDERS_OF_OTHERS
        assert not {path.lstrip("/") for path in folders} & FOLDERS_OF_OTHERS


def test_both_backends_leave_the_same_snippets(builds: Builds) -> None:
    """But for the digests of the packages, whose bytes are each backend's own."""
    fpm, nfpm = (
        {
            path.name: re.sub(rb"(SHA256=)[0-9a-f]{64}", rb"\1", path.read_bytes())
            for path in (builds[name].dist / "cloud-init").iterdir()
        }
        for name in BACKENDS
    )
    assert fpm == nfpm


def test_a_percent_sign_is_no_macro_in_any_text(tmp_path: Path, cache: Path) -> None:
    """Rpmbuild expands macros in all that it is given; nfpm knows none."""
    made = []
    for backend in BACKENDS:
        work = copy_checkout(tmp_path / backend)
        with (work.packaging / "scripts/rpm/preun").open("a") as script:
            script.write("printf '%s %%d %{name} %(id)' x\n")
        history = work.root / "CHANGELOG.md"
        text = history.read_text(encoding="utf-8")
        history.write_text(text.replace("\n- ", "\n- 100 % of %{name} and %(id) and %%.\n- ", 1), encoding="utf-8")
        made.append(read_rpm(artefact(built(work, backend, cache=cache, rich=False), ".rpm")))
    fpm, nfpm = made
    assert fpm.scripts == nfpm.scripts
    assert fpm.scripts["PREUN"][0].endswith("printf '%s %%d %{name} %(id)' x")
    assert fpm.changelog == nfpm.changelog
    assert "100 % of %{name} and %(id) and %%." in fpm.changelog[0]
