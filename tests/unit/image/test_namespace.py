"""A root in a mount namespace of its own: what is mounted there is seen through it alone, and goes with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import run
from consul_docker_host.image.namespace import held

MOUNT = 'mount -t tmpfs "$1" root && echo inside >root/file\n'


def script(folder: Path, text: str = MOUNT) -> Path:
    path = folder / "mount.sh"
    path.write_text(text)
    return path


def refused(reason: str) -> BuildError:
    return BuildError(f"refused: {reason}")


def test_what_is_mounted_is_seen_in_the_root_and_by_nobody_else(tmp_path: Path) -> None:
    with held(script(tmp_path), "none", folder=tmp_path, refused=refused) as root:
        assert (root.tree / "file").read_text() == "inside\n"
        assert not (tmp_path / "root/file").exists()
        shown = run([*root.isolated, "cat", str(root.inside / "file")]).stdout
        assert shown == "inside\n"
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def test_a_mount_that_fails_is_an_error_with_what_it_printed(tmp_path: Path) -> None:
    with (
        pytest.raises(BuildError, match="refused: cannot be opened: no such luck"),
        held(script(tmp_path, "echo no such luck >&2; false\n"), folder=tmp_path, refused=refused),
    ):
        pass


def test_the_holder_ends_when_the_block_fails(tmp_path: Path) -> None:
    holders: list[Path] = []

    def fails() -> None:
        with held(script(tmp_path), "none", folder=tmp_path, refused=refused) as root:
            holders.append(Path(*root.tree.parts[:3]))
            assert holders[0].is_dir()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert not holders[0].exists()


def test_a_program_runs_in_the_root_with_its_own_processes(tmp_path: Path) -> None:
    mount = script(tmp_path, "mkdir -p root/bin root/proc && mount -o bind,ro / root\n")
    with held(mount, folder=tmp_path, refused=refused) as root:
        assert run(root.command("/bin/sh", "-c", 'echo "$1 $$"', "name", "a b")).stdout == "a b 1\n"
