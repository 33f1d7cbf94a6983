"""Story: without Consul and Docker the package installs in silence, does what it can, and says what is lacking."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from consul_docker_host.prove.distributions import Distribution
from tests.support.containers import upstream
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.containers.upstream import Upstream
from tests.support.packages import ADDRESS, DIG, NAME, Installer

# What apt-get prints is judged; test_rpm tells it of rpm.
pytestmark = [pytest.mark.family("deb"), pytest.mark.sequence]
APT_UTILS = "debconf: delaying package configuration, since apt-utils is not installed"


@pytest.fixture(scope="module")
def host(
    bed: Bed, ready_base: str, upstream: Upstream, distribution: Distribution, installer: Installer
) -> Iterator[Host]:
    """Give a host without Consul. The dependencies are there, so that what the install prints is the package's own."""
    with bed.host(ready_base, name=f"{distribution.name}-alone", resolv_conf=upstream.resolv_conf) as host:
        installer.bring(host)
        yield host


def test_the_install_is_silent(host: Host, installer: Installer) -> None:
    result = installer.install(host)
    # debhelper's own snippet says which links it made; apt itself says that it asks no questions.
    own = result.stdout.partition(f"Setting up {NAME}")[2].splitlines()[1:]
    words = ("Created symlink", "Processing triggers")
    assert "\n".join(line for line in own if not line.startswith(words)) == ""
    assert result.stderr.replace(APT_UTILS, "").strip() == ""


def test_the_target_is_active(host: Host) -> None:
    host.wait_until(lambda: host.service(f"{NAME}.target").is_active, 20)
    assert host.failed_units() == ""


def test_outside_names_resolve(host: Host) -> None:
    for asked in ("", "@127.0.0.1", f"@{ADDRESS}"):
        assert host.output(f"{DIG} {upstream.NAME} {asked}") == upstream.ADDRESS


def test_names_of_consul_fail_at_once(host: Host) -> None:
    """A name that cannot be answered must not hang a program."""
    result = host.run("dig +time=3 +tries=1 consul.service.consul", check=False)
    assert any(word in result.stdout for word in ("REFUSED", "SERVFAIL", "NXDOMAIN")), result.output


def test_the_check_says_what_is_missing(host: Host) -> None:
    result = host.run("consul-docker-host check --json", check=False)
    answer = json.loads(result.stdout)
    links = {link["name"]: link for link in answer["links"]}
    assert (result.returncode, answer["ok"]) == (2, False)
    assert links["consul"]["state"] == "broken"
    assert "install" in links["consul"]["remedy"]
    assert links["docker"]["state"] == "warn"
    assert "install" in links["docker"]["remedy"].lower()
    assert {links[name]["state"] for name in ("link", "address", "guard")} == {"ok"}
