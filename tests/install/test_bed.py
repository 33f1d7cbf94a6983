"""Story: a host of the bed is a host, not a container: nothing of Docker's own shows on it."""

from __future__ import annotations

import contextlib
import http.client
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from consul_docker_host.prove.distributions import Distribution
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.containers.images import KEPT, current_tags, use_file
from tests.support.containers.upstream import Upstream
from tests.support.packages import ADDRESS, wait_for_consul

pytestmark = pytest.mark.short_form_on("debian-13")
MOUNTS = ("etc-resolv.conf.mount", "etc-hosts.mount", "etc-hostname.mount")


IDENTITY = {
    "machine ID": "cat /etc/machine-id",
    "node ID of Consul": "cat /opt/consul/node-id",
    "certificate authority of Consul": f"curl -sf http://{ADDRESS}:8500/v1/connect/ca/roots",
    "address": "hostname --all-ip-addresses",
    "name": "cat /etc/hostname",
}


@pytest.fixture(scope="module")
def host(bed: Bed, base: str, upstream: Upstream, distribution: Distribution) -> Iterator[Host]:
    """Give a plain host."""
    with bed.host(base, name=f"{distribution.name}-bed", resolv_conf=upstream.resolv_conf) as host:
        yield host


def test_a_file_that_is_copied_in_does_not_bring_docker_s_own_with_it(host: Host) -> None:
    """A script that reads resolv.conf in that moment would take the engine's file for the administrator's."""
    for number in range(5):
        host.put(f"/var/tmp/{number}", "x\n")
    host.run("systemctl daemon-reload")
    seen = host.output("journalctl --sync; journalctl --no-pager --output=cat")
    assert "systemd" in seen
    assert not [mount for mount in MOUNTS if mount in seen]


def test_two_hosts_of_one_image_share_no_identity(
    bed: Bed, settled: str, upstream: Upstream, distribution: Distribution
) -> None:
    names = [f"{distribution.name}-twin-{number}" for number in (1, 2)]
    with contextlib.ExitStack() as stack:
        hosts = [stack.enter_context(bed.host(settled, name=name, resolv_conf=upstream.resolv_conf)) for name in names]
        for host in hosts:
            wait_for_consul(host)
        found = {what: [host.output(command) for host in hosts] for what, command in IDENTITY.items()}
        assert [what for what, (one, other) in found.items() if not one or one == other] == []
        for host, name in zip(hosts, names, strict=True):
            members = host.output("consul members").splitlines()[1:]
            assert [line.split()[:3] for line in members] == [[name, f"{host.address()}:8301", "alive"]]
            journals = host.output("ls /var/log/journal 2>/dev/null || true")
            assert journals in {"", host.output("cat /etc/machine-id")}, "the image has a journal of its own"
            assert host.file("/etc/resolv.conf").text.endswith(upstream.resolv_conf)
            assert host.failed_units() == ""


def test_the_images_of_a_name_that_were_asked_for_last_are_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    tags = [f"test:debian-12-ready-{number:012x}" for number in range(KEPT + 2)]
    for number, tag in enumerate(tags):
        os.utime(_touched(tag), (number, number))
    others = ["test:debian-12-settled-0123456789ab", "test:debian-12-0123456789ab-consul-0123456789ab"]
    assert current_tags([*tags, *others]) == {*tags[-KEPT:], *others}


def _touched(tag: str) -> Path:
    use_file(tag).touch()
    return use_file(tag)


def test_nothing_that_a_short_program_says_is_lost_where_this_process_is_slow(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = http.client.HTTPResponse.begin

    def late(answer: http.client.HTTPResponse) -> None:
        time.sleep(0.3)
        begin(answer)

    monkeypatch.setattr(http.client.HTTPResponse, "begin", late)
    result = host.run("echo said; echo complained >&2; exit 3", check=False)
    assert (result.returncode, result.stdout, result.stderr) == (3, "said\n", "complained\n")
