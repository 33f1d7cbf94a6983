"""The locks: one resolution, a file for each group, all or none of them written, and what uv is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.prove.lock_files import write_locks
from tests.unit.kit import fake_program

PROJECT = """
[project]
dependencies = ["invoke==1.0"]
[dependency-groups]
extra = ["tiny==1.0"]
lock = ["uv==3"]
"""
FLUID = f"fluid==4 ; os_name == 'nt' \\\n    --hash=sha256:{'1' * 64}\n"
OLD = {"build": f"invoke==1.0 \\\n    --hash=sha256:{'0' * 64}\n{FLUID}", "extra": FLUID}
# Logs its arguments and what its output held before, and writes the arguments' last word but one as the lock.
UV = """
for argument; do
    case $argument in --output-file=*) output=${argument#*=} ;; esac
done
{ printf '%s ' "$@"; echo; cat "$output" 2>/dev/null; } >>"$0.log"
[ ! -e "$0.fails" ] || case $output in *lock.txt) echo 'no solution' >&2; exit 1 ;; esac
printf 'tiny==1.0 \\\\\\n    --hash=sha256:%064d\\n' 0 >"$output"
"""


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    root = tmp_path / "checkout"
    (root / "locks").mkdir(parents=True)
    (root / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    for group, text in OLD.items():
        (root / "locks" / f"{group}.txt").write_text(text, encoding="utf-8")
    return Workspace(root=root)


@pytest.fixture
def uv(tmp_path: Path) -> Path:
    return fake_program(tmp_path, "uv", UV)


def calls(uv: Path) -> list[str]:
    """Return what uv was told: its arguments, and below them what its output file held."""
    return uv.with_name("uv.log").read_text(encoding="utf-8").splitlines()


def test_every_group_gets_a_lock_from_one_resolution(
    work: Workspace, uv: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (work.root / "locks" / "former.txt").touch()
    write_locks(work, uv=str(uv))
    assert sorted(path.name for path in (work.root / "locks").iterdir()) == ["build.txt", "extra.txt", "lock.txt"]
    assert capsys.readouterr().out.splitlines()[-4:] == [
        "locks/build.txt: 1 packages",
        "locks/extra.txt: 1 packages",
        "locks/lock.txt: 1 packages",
        "locks/former.txt: removed, pyproject.toml has no such group",
    ]
    union, *pins = calls(uv)[:3]
    assert " pyproject.toml --group=extra --group=lock --output-file=" in union
    assert "--generate-hashes" not in union
    assert pins == ["fluid==4", "invoke==1.0"], "what is locked keeps its version"
    output = union.split("--output-file=")[1].strip()
    sources = [("pyproject.toml", "build"), ("--group=extra", "extra"), ("--group=lock", "lock")]
    for line, (source, group) in zip(calls(uv)[3:], sources, strict=True):
        assert f" {source} --constraints={output} --generate-hashes --output-file=" in line
        assert line.strip().endswith(f"/{group}.txt")
    for line in (union, *calls(uv)[3:]):
        assert "--universal --python-version=3.11 --no-header --no-annotate" in line


def test_an_upgrade_forgets_what_is_locked(work: Workspace, uv: Path) -> None:
    write_locks(work, uv=str(uv), upgrade=True)
    assert len(calls(uv)) == 4
    assert "fluid==4" not in calls(uv)


def test_locks_stay_where_one_of_them_cannot_be_made(work: Workspace, uv: Path) -> None:
    uv.with_name("uv.fails").touch()
    with pytest.raises(BuildError, match="no solution"):
        write_locks(work, uv=str(uv))
    texts = {path.stem: path.read_text(encoding="utf-8") for path in (work.root / "locks").iterdir()}
    assert texts == OLD


def test_settings_that_lead_to_an_index_reach_uv(work: Workspace, uv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_program(uv.parent, "uv", 'env >"$0.env"\n' + UV)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://index.example/simple")
    monkeypatch.setenv("UV_PRERELEASE", "allow")
    write_locks(work, uv=str(uv))
    variables = uv.with_name("uv.env").read_text(encoding="utf-8").splitlines()
    assert "UV_DEFAULT_INDEX=https://index.example/simple" in variables
    assert not [line for line in variables if line.startswith("UV_PRERELEASE")], "it would decide what is locked"
