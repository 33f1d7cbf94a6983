"""Story: a repository is copied to another machine by the README's commands, and is whole at every moment."""

from __future__ import annotations

from pathlib import Path

from tests.repository.site import Site, copied_halfway, copy_by, copy_commands

SIGNED = ("InRelease", "Release", "Release.gpg", "repomd.xml", "repomd.xml.asc")


def files(tree: Path) -> dict[str, bytes]:
    return {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file()}


def test_after_the_first_command_all_that_is_signed_is_the_old_version_s(site: Site, tmp_path: Path) -> None:
    old, half = files(site.trees["old"]), files(copied_halfway(site, tmp_path))
    assert set(old) <= set(half)
    signed = [path for path in half if path.endswith(SIGNED)]
    assert signed
    assert {path: half[path] for path in signed} == {path: old[path] for path in signed}
    # What the new version brings is there before anything names it.
    assert [path for path in files(site.trees["new"]) if path not in half and not path.endswith(SIGNED)] == []


def test_after_the_second_it_is_the_new_version(site: Site, tmp_path: Path) -> None:
    target = copied_halfway(site, tmp_path)
    copy_by(copy_commands()[1], site.trees["new"], target)
    assert files(target) == files(site.trees["new"])
