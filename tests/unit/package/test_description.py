"""The package's description and its files: closed tables, one rule a path, mistakes told with file and key."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.package.description import Dependency, Relations, collect_payload, load_package
from tests.unit.kit import DEFAULTS

FILE = DEFAULTS.parent / "packages" / "consul-docker-host.toml"
TEXT = FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('section = "net"', "", "x.toml:section: Field required"),
        ('section = "net"', 'section = "net"\nsecton = "x"', "x.toml:secton: Extra inputs are not permitted"),
        ('architecture = "all"', 'architecture = "m68k"', "x.toml:architecture: "),
        ('name = "consul-docker-host"', 'name = "Consul Docker"', "x.toml:name: "),
        (
            'path = "usr/bin/consul-docker-host"\nmode = "0755"',
            'path = "usr/bin/x"\nmode = "755"',
            "x.toml:files.0.mode: ",
        ),
        ('/consul-docker-host/link"', '/consul-docker-host/guard"', "more than one rule for usr/lib/consul-docker-"),
        ('for_each = "services"', 'for_each = "tables"', "x.toml:files."),
        ("[relations]", "[relations", "line "),
    ],
)  # fmt: skip
def test_a_mistake_in_the_description_is_told_with_file_and_key(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert TEXT.count(old) == 1
    path = tmp_path / "x.toml"
    path.write_text(TEXT.replace(old, new), encoding="utf-8")
    with pytest.raises(BuildError) as caught:
        load_package(path)
    assert told in str(caught.value)
    assert str(caught.value).startswith(f"{path}:")


def test_a_description_that_is_not_there_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"/none\.toml: .*No such file"):
        load_package(tmp_path / "none.toml")


def test_a_relation_speaks_each_format_s_words_and_none_where_it_has_none() -> None:
    relations = Relations(
        depends=(Dependency(deb="iproute2", rpm="iproute"), Dependency(deb="procps"), Dependency(rpm="x"))
    )
    assert relations.named("depends", "deb") == ("iproute2", "procps")
    assert relations.named("depends", "rpm") == ("iproute", "x")
    assert relations.named("suggests", "deb") == ()


def test_bytecode_is_never_part_of_the_payload(tmp_path: Path) -> None:
    """Whoever runs the host's program without -B leaves it there."""
    files = tmp_path / "files"
    shutil.copytree(DEFAULTS.parents[1] / "files", files)
    program = files / "usr/lib/consul-docker-host/host_program"
    (program / "__pycache__").mkdir()
    (program / "__pycache__/check.cpython-311.pyc").write_bytes(b"x")
    package = load_package(FILE)
    listed = [source.path for source in collect_payload(package, files)]
    assert listed == [source.path for source in collect_payload(package, DEFAULTS.parents[1] / "files")]


def test_the_payload_is_sorted_and_every_template_loses_its_suffix() -> None:
    payload = collect_payload(load_package(FILE), DEFAULTS.parents[1] / "files")
    listed = [source.path for source in payload]
    assert listed == sorted(listed)
    assert not [path for path in listed if path.endswith((".j2", "README.md"))]
    assert {source.rule.mode for source in payload if source.path.startswith("usr/lib/consul-docker-host/")} >= {"0755"}
    assert all(source.is_template == source.source.name.endswith(".j2") for source in payload)


def test_every_mistake_between_a_description_and_the_files_is_in_one_error(tmp_path: Path) -> None:
    files = tmp_path / "files"
    shutil.copytree(DEFAULTS.parents[1] / "files", files)
    (files / "usr/lib/consul-docker-host/guard").unlink()
    (files / "usr/lib/consul-docker-host/link").unlink()
    (files / "etc/dnsmasq.d/consul.conf").touch()
    (files / "etc/consul.d/x.json").symlink_to("agent.json.j2")
    with pytest.raises(BuildError) as caught:
        collect_payload(load_package(FILE), files)
    said = [line for line in str(caught.value).splitlines() if not line.startswith("  ")]
    assert len(said) == 4, said
    for word in ("link: no such file", "guard: no such file", "consul.conf", "x.json"):
        assert any(word in line for line in said)
