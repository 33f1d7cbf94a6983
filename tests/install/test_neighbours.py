"""Story: the package comes to a host that somebody set up by hand from the article, and loses nothing of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from consul_docker_host.core.run import Result
from consul_docker_host.prove.distributions import Distribution
from tests.support import tree
from tests.support.containers import upstream
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.containers.upstream import Upstream
from tests.support.packages import ADDRESS, DIG, NAME, Installer, wait_for_consul

pytestmark = [pytest.mark.family("deb"), pytest.mark.short_form_on("debian-12")]
DNSMASQ = f"""server=/consul/{ADDRESS}#8600
server=/corp.example/192.0.2.53
listen-address=127.0.0.1,{ADDRESS}
bind-dynamic
"""
INTERFACES = f'{{"client_addr": "{ADDRESS}", "bind_addr": "{{{{ GetPrivateIP }}}}"}}\n'
FILES = {
    "/etc/consul.d/interfaces.json": INTERFACES,
    "/etc/dnsmasq.d/consul.conf": DNSMASQ,
    "/etc/profile.d/consul-docker-host.sh": "export CONSUL_HTTP_ADDR=169.254.1.1:8500\n",
    "/etc/systemd/network/dummy0.netdev": "[NetDev]\nName=dummy0\nKind=bridge\n",
}
ENVIRONMENT = "CONSUL_HTTP_ADDR=169.254.1.1:8500\nCONSUL_RPC_ADDR=169.254.1.1:8400\n"


@pytest.fixture(scope="module")
def host(bed: Bed, ready: str, upstream: Upstream, distribution: Distribution, installer: Installer) -> Iterator[Host]:
    """Give a host with the article's files, written by hand, and dnsmasq at work on them."""
    with bed.host(ready, name=f"{distribution.name}-by-hand", resolv_conf=upstream.resolv_conf) as host:
        installer.bring(host)
        host.run(f"ip link add dummy0 type bridge && ip address add {ADDRESS}/32 dev dummy0 && ip link set dummy0 up")
        host.run("mkdir -p /etc/consul.d /etc/systemd/network")
        for path, text in FILES.items():
            host.put(path, text)
        host.put("/etc/environment", ENVIRONMENT)
        host.run("systemctl restart dnsmasq")
        yield host


@pytest.fixture(scope="module")
def before(host: Host) -> tree.Tree:
    """Give the host's tree before the package."""
    return host.tree()


@pytest.fixture(scope="module")
def said(host: Host, before: tree.Tree, installer: Installer) -> Result:
    """Give what the install says; it has no terminal to ask at."""
    return installer.install(host)


def test_what_was_made_by_hand_stays_and_each_difference_is_told(host: Host, said: Result) -> None:
    for path in ("/etc/consul.d/interfaces.json", "/etc/dnsmasq.d/consul.conf"):
        assert host.file(path).text == FILES[path]
        assert f"keeping your {path}; the packaged version is {path}.dpkg-dist" in said.output
        assert host.file(f"{path}.dpkg-dist").exists
    assert "< server=/corp.example/192.0.2.53" in said.output


def test_the_host_works_on_what_was_made_by_hand(host: Host, said: Result, installer: Installer) -> None:
    installer.become_server(host)
    wait_for_consul(host)
    assert host.output(f"{DIG} {upstream.NAME}") == upstream.ADDRESS
    assert f" {ADDRESS}/32 " in host.output("ip -4 -o address show dev dummy0")
    assert host.failed_units() == ""


def test_a_reinstall_asks_and_says_nothing_more(host: Host, said: Result, installer: Installer) -> None:
    again = host.run(
        ["apt-get", "--yes", "--reinstall", "install", installer.target],
        seconds=120,
        environment={"DEBIAN_FRONTEND": "noninteractive"},
    )
    assert "by hand" not in again.output
    assert host.file("/etc/dnsmasq.d/consul.conf").text == DNSMASQ


def test_a_purge_gives_it_all_back(host: Host, before: tree.Tree, said: Result, installer: Installer) -> None:
    installer.purge(host)
    assert tree.compare(before, host.tree()) == tree.Difference(left=(), changed=(), missing=())
    assert f" {ADDRESS}/32 " in host.output("ip -4 -o address show dev dummy0"), f"{NAME} did not make the link"


def test_an_install_that_fails_half_way_gives_it_back_as_well(
    host: Host, before: tree.Tree, installer: Installer
) -> None:
    # No file can be put there: dpkg gives the step up after preinst.
    host.run(
        "mkdir -p /usr/lib/consul-docker-host && mount -t tmpfs -o size=4k,nr_inodes=2 none /usr/lib/consul-docker-host"
    )
    failed = host.run(["dpkg", "--install", installer.target], check=False)
    host.run("umount /usr/lib/consul-docker-host; rmdir /usr/lib/consul-docker-host")
    assert failed.returncode != 0
    assert {path: host.file(path).text for path in FILES} == FILES
    host.run(["dpkg", "--purge", NAME], check=False)
    assert tree.compare(before, host.tree()) == tree.Difference(left=(), changed=(), missing=())
