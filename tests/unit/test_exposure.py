"""No unit is more exposed than its figure in tests/support/exposure.toml: ours, and those that our drop-ins change."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import Result, run
from consul_docker_host.core.workspace import ROOT
from consul_docker_host.package.plan import Plan
from tests.support.exposure import Limit, read_limits

UNITS = "usr/lib/systemd/system"
CONSUL = ROOT / "tests/support/programs/consul-source/package" / UNITS / "consul.service"
# Debian's own unit, as far as it matters here: it has no sandbox. The install tests judge the real one.
DNSMASQ = "[Service]\nType=forking\nExecStart=/usr/share/dnsmasq/systemd-helper exec\n"
# Docker's unit is Docker's business: our drop-in only lets Registrator start with it.
NOT_OURS = {"docker.service"}
LIMITS = {limit.name: limit for limit in read_limits()}


@pytest.fixture
def units(plan: Plan, tmp_path: Path) -> Path:
    """Give the units of the tree with those of Consul and dnsmasq beside them, as a root of systemd's."""
    folder = tmp_path / "root" / UNITS
    shutil.copytree(plan.tree / UNITS, folder)
    shutil.copy(CONSUL, folder)
    (folder / "dnsmasq.service").write_text(DNSMASQ)
    return folder


def judged(limit: Limit, units: Path) -> Result:
    root = units.parents[len(Path(UNITS).parts) - 1]
    return run(limit.command("--offline=yes", f"--root={root}"), timeout=60, check=False)


def test_every_service_has_its_figure(units: Path) -> None:
    services = {path.name for path in units.glob("*.service")}
    services |= {path.name.removesuffix(".d") for path in units.glob("*[!-].service.d")}
    assert set(LIMITS) == services - NOT_OURS


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS.keys())
def test_no_service_is_more_exposed_than_its_figure(limit: Limit, units: Path) -> None:
    result = judged(limit, units)
    assert result.returncode == 0, result.output
    assert f"exposure level for {limit.name}: " in result.output


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS.keys())
def test_a_figure_leaves_no_room(limit: Limit, units: Path) -> None:
    """A unit that has become better keeps it. The versions of systemd differ by a tenth or two."""
    tighter = Limit(name=limit.name, at_most=limit.at_most - 0.3, reason=limit.reason)
    assert judged(tighter, units).returncode != 0


def test_a_figure_above_two_has_its_reason(tmp_path: Path) -> None:
    table = tmp_path / "exposure.toml"
    table.write_text('[[unit]]\nname = "a.service"\nat_most = 2.1\n')
    with pytest.raises(BuildError, match=r"a\.service: 2\.1 without a reason"):
        read_limits(table)
