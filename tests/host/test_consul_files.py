"""The real Consul takes every file that is shipped for it, with every setting away from its default."""

from __future__ import annotations

import shutil
from pathlib import Path

from consul_docker_host.core.run import find_program, run
from consul_docker_host.core.workspace import cache_folder
from tests.host.conftest import REPOSITORY, render

RICH = REPOSITORY / "tests/golden/rich.toml"


def test_consul_accepts_the_rich_settings(tmp_path: Path) -> None:
    program = find_program("consul", first=[cache_folder("bin")])
    assert program, "consul is not here: ./inv setup.system"
    tree = render(tmp_path / "tree", RICH.read_text(encoding="utf-8"))
    folder = shutil.copytree(tree / "etc/consul.d", tmp_path / "consul.d")
    (folder / "consul.json").write_text(f'{{"data_dir": "{tmp_path}/data"}}')
    said = run([str(program), "validate", str(folder)], check=False)
    assert said.returncode == 0, said.output
