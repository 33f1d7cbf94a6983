"""Operations as pure text: the host's file, the commands of both families, what counts as healthy."""

from __future__ import annotations

from pathlib import Path

from pyinfra_deploy.facts import Installed
from pyinfra_deploy.operations import (
    BEGIN,
    END,
    is_fine,
    is_version,
    local_package,
    package_version,
    with_block,
)


def test_foreign_lines_stay_and_ours_come_last() -> None:
    text = "# mine\nROLE=server\n"
    once = with_block(text, ["ROLE=client"])
    assert once == f"{text}{BEGIN}\nROLE=client\n{END}\n"
    assert with_block(once, ["ROLE=client"]) == once
    assert with_block(once + "# later\n", ["A=1"]) == f"{text}# later\n{BEGIN}\nA=1\n{END}\n"
    assert with_block(once, []) == text


def test_the_newest_local_package_of_the_family_is_taken(tmp_path: Path) -> None:
    (tmp_path / "consul-docker-host-0.1.0-1.noarch.rpm").touch()
    (tmp_path / "consul-docker-host_0.1.0_all.deb").touch()
    assert package_version(local_package(str(tmp_path), "rpm"), "rpm") == "0.1.0-1"
    assert package_version(local_package(str(tmp_path), "deb"), "deb") == "0.1.0"


def test_broken_is_unhealthy_and_a_warning_only_where_it_must_be_ok() -> None:
    check = {"links": [{"name": "docker", "state": "broken"}, {"name": "joined", "state": "warn"}]}
    assert not is_fine(check, (), ())
    assert is_fine(check, ("docker",), ())
    assert not is_fine(check, ("docker",), ("joined",))
    assert not is_fine(None, (), ())


def test_an_rpm_of_the_version_is_the_version_whatever_its_revision_unless_that_is_named() -> None:
    have = Installed(family="rpm", version="0.1.0-1")
    assert is_version(have, "0.1.0")
    assert is_version(have, "0.1.0-1")
    assert not is_version(have, "0.1.0-2")
    assert not is_version(Installed(family="deb", version="0.1.0-1"), "0.1.0")
