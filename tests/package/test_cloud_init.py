"""The cloud-init snippets by cloud-init's own word: its schema, its way of merging."""

from __future__ import annotations

import contextlib
import gzip
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import run
from consul_docker_host.core.workspace import Workspace, cache_folder
from tests.unit.kit import copy_checkout, inv

LIBRARY = "usr/lib/python3/dist-packages"
SCHEMA = f"{LIBRARY}/cloudinit/config/schemas/schema-cloud-config-v1.json"
# What the handler of cloud-config parts does with two of them, by cloud-init's own code.
MERGE = """
import importlib.util, json, sys
sys.path.insert(0, sys.argv[1])
from cloudinit import mergers
base, *parts = json.load(sys.stdin)
for part in parts:
    how = mergers.dict_extract_mergers(part) or mergers.string_extract_mergers(mergers.DEF_MERGE_TYPE)
    base = mergers.construct(how).merge(base, part)
print(json.dumps(base))
"""
USER: dict[str, Any] = {
    "hostname": "my-host",
    "packages": ["vim"],
    "write_files": [{"path": "/etc/mine", "content": "x", "permissions": "0600"}],
    "runcmd": ["echo mine"],
    "users": ["default", {"name": "me"}],
    "package_update": False,
}


@pytest.fixture(scope="session")
def cloud_init() -> Path:
    """Return cloud-init's files, unpacked and not installed, kept in the user's cache."""
    folder = cache_folder("cloud-init") / "unpacked"
    if not (folder / SCHEMA).is_file():
        download = ["apt-get", "download", "cloud-init"]
        with tempfile.TemporaryDirectory(dir=folder.parent) as beside:
            try:
                run(download, cwd=Path(beside))
            except BuildError:
                # A machine that has never asked for the list of packages does not know any.
                run(["apt-get", "update", "-qq"])
                run(download, cwd=Path(beside))
            (deb,) = Path(beside).glob("cloud-init_*.deb")
            run(["dpkg-deb", "--extract", str(deb), f"{beside}/unpacked"])
            with contextlib.suppress(OSError):  # another worker was quicker
                Path(beside, "unpacked").rename(folder)
    return folder


def snippet(builds: dict[str, Workspace], name: str) -> str:
    return (builds["nfpm"].dist / "cloud-init" / name).read_text(encoding="utf-8")


def loaded(text: str) -> dict[str, Any]:
    config: dict[str, Any] = YAML(typ="safe").load(text)
    return config


@pytest.mark.parametrize("name", ["inline.yaml", "inline-full.yaml", "repository.yaml"])
def test_a_snippet_is_valid_by_cloud_init_s_own_schema(
    rich_builds: dict[str, Workspace], cloud_init: Path, name: str
) -> None:
    schema = json.loads((cloud_init / SCHEMA).read_text(encoding="utf-8"))
    validator = jsonschema.Draft4Validator(schema)
    config = loaded(snippet(rich_builds, name))
    assert [error.message for error in validator.iter_errors(config)] == []
    # The judge is awake: an unquoted mode is refused.
    config["write_files"][0]["permissions"] = 420
    assert list(validator.iter_errors(config))


def test_the_default_build_has_no_repository_snippet(default_builds: dict[str, Workspace]) -> None:
    assert sorted(path.name for path in (default_builds["fpm"].dist / "cloud-init").iterdir()) == [
        "inline-full.yaml",
        "inline.yaml",
    ]


@pytest.mark.parametrize("name", ["inline.yaml", "inline-full.yaml", "repository.yaml"])
@pytest.mark.parametrize("is_first", [False, True], ids=["after the user's", "before the user's"])
def test_a_user_s_own_lists_stay(
    rich_builds: dict[str, Workspace], cloud_init: Path, name: str, is_first: bool
) -> None:
    ours = loaded(snippet(rich_builds, name))
    # A user's later part merges as the user says, and without a word replaces: it takes the documented way.
    user = USER | {"merge_how": ours["merge_how"]} if is_first else USER
    parts = [ours, user] if is_first else [user, ours]
    done = run([sys.executable, "-c", MERGE, str(cloud_init / LIBRARY)], stdin=json.dumps([{}, *parts]))
    merged = json.loads(done.stdout)
    assert merged["hostname"] == "my-host"
    assert merged["users"] == USER["users"]
    for key in ("packages", "write_files", "runcmd"):
        mine = {json.dumps(item, sort_keys=True) for item in USER[key]}
        own = {json.dumps(item, sort_keys=True) for item in ours.get(key, [])}
        both = [json.dumps(item, sort_keys=True) for item in merged[key]]
        assert mine <= set(both), key
        assert own <= set(both), key
        assert len(both) == len(mine | own), key
    if not is_first:
        assert merged["package_update"] is False, "what the user has said stays"


@pytest.mark.parametrize("name", ["inline.yaml", "inline-full.yaml", "repository.yaml"])
def test_every_file_of_a_snippet_belongs_to_root_with_a_mode_in_quotes(
    rich_builds: dict[str, Workspace], name: str
) -> None:
    text = snippet(rich_builds, name)
    files = loaded(text)["write_files"]
    assert {file["owner"] for file in files} == {"root:root"}
    assert {file["permissions"] for file in files} == ({"0644", "0755"} if name.startswith("inline") else {"0644"})
    assert text.count('permissions: "0') == len(files)
    assert not [file["path"] for file in files if file.get("defer") or file.get("append")]


@pytest.mark.parametrize("name", ["inline.yaml", "inline-full.yaml", "repository.yaml"])
def test_a_snippet_fits_into_what_clouds_take(rich_builds: dict[str, Workspace], name: str) -> None:
    limit = 48 if name == "inline-full.yaml" else 16
    assert len(gzip.compress(snippet(rich_builds, name).encode(), mtime=0)) < limit * 1024


def test_a_snippet_that_does_not_fit_ends_the_build_with_its_size(tmp_path: Path) -> None:
    work = copy_checkout(tmp_path / "checkout")
    noise = "".join(f"{number * 2654435761 % 2**32:x}" for number in range(6000))
    (work.root / "big.toml").write_text(f'[[services]]\nname = "big"\ntags = ["{noise}"]\n')
    done = inv(work, "build.cloud-init", "--settings", "big.toml")
    assert done.returncode == 1
    assert done.stderr.startswith("cloud-init/inline.yaml: ")
    assert "bytes gzipped, above the 16384 that EC2 takes" in done.stderr
    assert list(work.dist.rglob("*.yaml")) == []
