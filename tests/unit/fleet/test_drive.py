"""What the deploy reads and says before it touches a host: inventory, limit, mistakes; in a process, as it runs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from consul_docker_host.core.run import Result, run
from consul_docker_host.core.workspace import ROOT

# pyinfra's own stand-ins for hosts; these say that dpkg is theirs, and nothing else.
INVENTORY = """
data = {"cdh_packages": PACKAGES, "fake_delay": 0, "fake_delay_jitter": 0, "fake_responses": {"installed.sh": "deb"}}
servers = (["@fake/s1", "@fake/s2"], data | {"cdh_role": "server"})
clients = ([("@fake/c1", {"cdh_datacenter": "eu-1"}), "@fake/c2"], data)
"""


def drive(folder: Path, *, text: str = INVENTORY, limit: str = "", action: str = "deploy", waves: str = "1") -> Result:
    path = folder / "fleet.py"
    path.write_text(text.replace("PACKAGES", repr(str(folder))))
    (folder / "consul-docker-host_0.1.0_all.deb").touch()
    asked = {"action": action, "inventory": str(path), "limit": limit, "waves": waves, "dry": True, "json": True}
    environment = {"PYTHONPATH": f"{ROOT / 'packaging'}:{ROOT}", "PATH": os.environ["PATH"]}
    argv = [sys.executable, "-m", "consul_docker_host.fleet", json.dumps(asked)]
    return run(argv, cwd=folder, env=environment, check=False)


@pytest.mark.parametrize(
    ("limit", "names"),
    [
        ("", ["s1", "s2", "c1", "c2"]),
        ("servers", ["s1", "s2"]),
        ("@fake/c2", ["c2"]),
        ("@fake/c1, servers", ["s1", "s2", "c1"]),
    ],
)
def test_a_limit_takes_hosts_and_groups_in_the_inventory_s_order(tmp_path: Path, limit: str, names: list[str]) -> None:
    done = drive(tmp_path, limit=limit)
    assert done.returncode == 0, done.output
    assert [one["host"] for one in json.loads(done.stdout)["hosts"]] == [f"@fake/{name}" for name in names]


@pytest.mark.parametrize(
    ("text", "limit", "said"),
    [
        ("hosts = [\n", "", "fleet.py: SyntaxError"),
        ("hosts = []\n", "", "fleet.py: contains no host"),
        (INVENTORY, "@fake/s1,nobody", "fleet.py has no host or group nobody"),
    ],
)
def test_an_inventory_that_cannot_be_used_is_named(tmp_path: Path, text: str, limit: str, said: str) -> None:
    done = drive(tmp_path, text=text, limit=limit)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.output


def test_every_mistake_is_told_at_once_and_none_of_them_matters_to_a_removal(tmp_path: Path) -> None:
    wrong = INVENTORY.replace('"cdh_role": "server"', '"cdh_acl": "some"').replace("PACKAGES", '"/nowhere"', 1)
    done = drive(tmp_path, text=wrong)
    assert done.returncode == 1
    for line in (
        "@fake/s1: cdh_acl: 'some' is not valid; use off, allow, deny",
        "@fake/s2: cdh_acl: 'some' is not valid; use off, allow, deny",
        "@fake/c1: cdh_packages: /nowhere contains no package; ./inv build makes them",
        "6 mistakes; pyinfra_deploy/data.py lists every key with its default",
    ):
        assert line in done.stderr
    assert drive(tmp_path, text=wrong, action="remove").returncode == 0


def test_wrong_options_are_told_with_the_mistakes_of_the_inventory(tmp_path: Path) -> None:
    wrong = INVENTORY.replace('"cdh_role": "server"', '"cdh_acl": "some"')
    done = drive(tmp_path, text=wrong, limit="srevers", waves="5x")
    assert done.returncode == 1
    for line in (
        "--waves 5x: 5x is not a wave size",
        "fleet.py has no host or group srevers",
        "did you mean servers?",
        "@fake/s1: cdh_acl: 'some' is not valid; use off, allow, deny",
    ):
        assert line in done.stderr
    assert drive(tmp_path, waves="5x", action="remove").returncode == 1


def test_a_limit_leaves_the_mistakes_of_other_hosts_aside(tmp_path: Path) -> None:
    wrong = INVENTORY.replace('"cdh_role": "server"', '"cdh_acl": "some"')
    assert drive(tmp_path, text=wrong, limit="clients").returncode == 0
