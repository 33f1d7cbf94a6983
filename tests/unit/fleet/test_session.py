"""Plans against pyinfra's fake hosts: what a deploy would run, and that one host's fault is its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from consul_docker_host.fleet.outcome import Outcome, State
from consul_docker_host.fleet.session import run_steps
from pyinfra_deploy import operations
from pyinfra_deploy.host import consul_docker_host, consul_docker_host_removed

FINE = json.dumps({"version": 1, "ok": True, "state": "ok", "links": [{"name": "joined", "state": "ok"}]})
BLOCK = '# BEGIN deploy: set from the inventory, changed at the next deploy\nROLE="client"\n# END deploy\n'


def fake(tmp_path: Path, responses: dict[str, Any], **data: Any) -> dict[str, Any]:
    (tmp_path / "consul-docker-host_0.1.0_all.deb").write_bytes(b"deb")
    base = {"fake_delay": 0, "fake_delay_jitter": 0, "cdh_packages": str(tmp_path), "cdh_patience": 1}
    return {**base, "fake_responses": responses, **data}


def as_it_should_be() -> dict[str, Any]:
    return {
        "installed.sh": ["deb", "0.1.0"],
        "settings-read.sh": BLOCK.splitlines(),
        "applied.sh": "asked",
        "check.sh": FINE,
    }


def steps_of(outcome: Outcome) -> list[str]:
    return list(outcome.changed)


def plan(hosts: dict[str, dict[str, Any]], *, dry: bool = True) -> dict[str, Outcome]:
    done = run_steps(hosts, consul_docker_host, dry=dry, tell=lambda _host, _step: None)
    return {one.host: one for one in done}


def test_a_host_that_is_right_has_nothing_to_change(tmp_path: Path) -> None:
    one = plan({"@fake/a": fake(tmp_path, as_it_should_be())})["@fake/a"]
    assert (one.state, one.before, one.changed) == (State.PLANNED, "0.1.0", ())


def test_an_older_host_is_installed_and_a_setting_is_only_applied(tmp_path: Path) -> None:
    older = as_it_should_be() | {"installed.sh": ["deb", "0.0.9"]}
    done = plan(
        {
            "@fake/older": fake(tmp_path, older),
            "@fake/set": fake(tmp_path, as_it_should_be(), cdh_datacenter="eu-1"),
        }
    )
    assert "Install the package" in steps_of(done["@fake/older"])
    assert steps_of(done["@fake/set"]) == ["Set what differs between hosts", "Apply the settings"]


def test_what_was_written_is_applied_also_where_the_host_seems_to_have_applied_it(tmp_path: Path) -> None:
    # A start of Consul that read the former lines may end, and leave its mark, after ours were written.
    host = fake(tmp_path, as_it_should_be(), cdh_datacenter="eu-1")
    assert "Apply the settings" in steps_of(plan({"@fake/a": host}, dry=False)["@fake/a"])


def test_a_fault_of_one_host_is_its_own(tmp_path: Path) -> None:
    broken = as_it_should_be() | {"check.sh": json.dumps({"links": [{"name": "dns", "state": "broken"}]})}
    broken = {"healthy.py": {"success": False, "stderr": "dns: no answer -> restart it"}} | broken
    done = plan({"@fake/ill": fake(tmp_path, broken), "@fake/well": fake(tmp_path, as_it_should_be())}, dry=False)
    assert (done["@fake/ill"].state, done["@fake/ill"].reason) == (State.UNHEALTHY, "dns: no answer -> restart it")
    assert done["@fake/well"].state is State.OK


def renamed_steps() -> None:
    """Deploy a step whose title speaks of health, and the judge of health under another title."""
    operations.settings_block(lines=("A=1",), name="Make it healthy")
    judge = operations.healthy(patience=1, may_break=(), must_be_ok=(), name="Wait for the links")
    operations.mark_as_health_check(judge)


@pytest.mark.parametrize(("failing", "state"), [("settings-write.sh", State.FAILED), ("healthy.py", State.UNHEALTHY)])
def test_a_host_is_unhealthy_by_the_mark_of_the_operation_and_not_by_a_title(
    tmp_path: Path, failing: str, state: State
) -> None:
    answers = {failing: {"success": False, "stderr": "no"}, "installed.sh": ["deb", "0.1.0"]}
    hosts = {"@fake/a": fake(tmp_path, answers)}
    (one,) = run_steps(hosts, renamed_steps, dry=False, tell=lambda _host, _step: None)
    assert (one.state, one.reason) == (state, "no")


def test_a_removal_takes_back_what_is_there_and_no_more(tmp_path: Path) -> None:
    hosts = {"@fake/a": fake(tmp_path, as_it_should_be()), "@fake/b": fake(tmp_path, {"installed.sh": "deb"})}
    done = run_steps(hosts, consul_docker_host_removed, dry=True, tell=lambda _host, _step: None)
    assert [steps_of(one) for one in done] == [["Remove the settings", "Remove the package"], []]
