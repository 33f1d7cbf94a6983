"""The plan: all that both backends are told, the same to both."""

from __future__ import annotations

import dataclasses

import pytest

from consul_docker_host.package.plan import Entry, Plan


def entry(path: str, *formats: str, size: int = 0) -> Entry:
    return Entry(path=path, mode=0o644, is_conffile=False, formats=formats, size=size, sha256="")  # type: ignore[arg-type]


def test_each_format_gets_the_files_meant_for_it(plan: Plan) -> None:
    mixed = dataclasses.replace(plan, entries=(entry("a", "deb"), entry("b", "rpm"), entry("c", "deb", "rpm")))
    assert [one.path for one in mixed.entries_for("deb")] == ["a", "c"]
    assert [one.path for one in mixed.entries_for("rpm")] == ["b", "c"]


def test_the_installed_size_is_in_whole_kib(plan: Plan) -> None:
    sized = dataclasses.replace(plan, entries=(entry("a", "deb", size=1500), entry("b", "deb", size=1500)))
    assert sized.installed_size("deb") == 2
    assert plan.installed_size("deb") > 10


def test_the_rpm_owns_what_it_makes_and_nothing_of_others(plan: Plan) -> None:
    paths = ("etc/consul.d/a.json", "usr/lib/own/sub/b", "usr/share/doc/own/c")
    made = dataclasses.replace(plan, entries=tuple(entry(path, "rpm") for path in paths), folders=(("var/own", 0o700),))
    assert made.folders_for("deb") == (("var/own", 0o700),)
    ours = ("usr/lib/own", "usr/lib/own/sub", "usr/share/doc/own")
    assert made.folders_for("rpm") == (("var/own", 0o700), *((path, 0o755) for path in ours))


def test_triggers_are_pairs_and_comments_are_none(plan: Plan) -> None:
    triggers = plan.triggers()
    assert ("interest-noawait", "/usr/bin/consul") in triggers
    assert all(kind.startswith("interest") and name.startswith("/") for kind, name in triggers)
    assert dataclasses.replace(plan, scripts={"deb": {}, "rpm": {}}).triggers() == ()


def test_the_plan_cannot_be_changed(plan: Plan) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.version = "2"  # type: ignore[misc]
