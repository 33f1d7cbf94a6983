"""The sandbox of Consul and dnsmasq is lifted where a host's settings need more, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host.conftest import FakeHost

GENERATOR = "usr/lib/systemd/system-generators/consul-docker-host"
DROP_IN = "51-consul-docker-host-sandbox.conf"

NEEDS_MORE = {
    "data below /home": ("consul", "etc/consul.d/consul.hcl", 'data_dir = "/home/consul/data"'),
    "data below /tmp": ("consul", "etc/consul.d/consul.hcl", '  data_dir="/tmp/consul"'),
    "data below /usr": ("consul", "etc/consul.d/consul.hcl", 'data_dir = "/usr/local/consul"'),
    "data below /etc, in JSON": ("consul", "etc/consul.d/a.json", '{"server":true,"data_dir":"/etc/consul/data"}'),
    "a log below /usr": ("consul", "etc/consul.d/a.json", '{ "log_file" : "/usr/local/log/consul" }'),
    "a certificate below /home": ("consul", "etc/default/consul-docker-host", "CA_FILE=/home/me/ca.pem"),
    "scripts from files": ("consul", "etc/consul.d/z.hcl", "enable_local_script_checks = true"),
    "scripts, in JSON": ("consul", "etc/consul.d/z.json", '{"enable_local_script_checks": true}'),
    "a port below 1024": ("consul", "etc/consul.d/z.json", '{"ports": {"dns": 53}}'),
    "another port below 1024": ("consul", "etc/consul.d/z.hcl", "ports {\n  https = 443\n}"),
    "a unit by hand": (
        "consul",
        "etc/systemd/system/consul.service",
        "[Service]\nExecStart=/opt/consul agent",
    ),
    "a capability more": (
        "consul",
        "etc/systemd/system/consul.service.d/override.conf",
        "[Service]\nAmbientCapabilities=CAP_NET_BIND_SERVICE",
    ),
    "another user": ("dnsmasq", "etc/systemd/system/dnsmasq.service.d/override.conf", "[Service]\nUser=dns"),
    "a program for leases": ("dnsmasq", "etc/dnsmasq.d/dhcp.conf", "dhcp-script=/usr/local/bin/leased"),
    "a program for settings": ("dnsmasq", "etc/dnsmasq.conf", "conf-script=/usr/local/bin/settings"),
    "an option for a program": ("dnsmasq", "etc/default/dnsmasq", 'DNSMASQ_OPTS="--dhcp-luascript=/opt/a.lua"'),
    "leases below /etc": ("dnsmasq", "etc/dnsmasq.d/dhcp.conf", "dhcp-leasefile=/etc/dnsmasq.leases"),
    "hosts below /tmp": ("dnsmasq", "etc/dnsmasq.d/a.conf", "addn-hosts=/tmp/hosts"),
    "resolvconf and its hooks": ("dnsmasq", "sbin/resolvconf", "#!/bin/sh\nrun-parts /etc/resolvconf/update.d"),
    "SELinux": ("dnsmasq", "sys/fs/selinux/enforce", "1"),
}
NEEDS_NO_MORE = {
    "data elsewhere": ("etc/consul.d/consul.hcl", 'data_dir = "/var/lib/consul"'),
    "data on a disk of its own": ("etc/consul.d/consul.hcl", 'data_dir = "/srv/consul"'),
    "a comment": ("etc/consul.d/consul.hcl", '# data_dir = "/home/consul"\n  # enable_local_script_checks = true'),
    "scripts switched off": ("etc/consul.d/z.hcl", "enable_local_script_checks = false"),
    "keys below /etc": ("etc/consul.d/tls.json", '{"tls": {"defaults": {"ca_file": "/etc/consul.d/ca.pem"}}}'),
    "the usual ports": ("etc/consul.d/z.json", '{"ports": {"dns": 8600, "https": 8501, "grpc": -1}}'),
    "a check by grpc": ("etc/consul.d/z.json", '{"service": {"name": "a", "check": {"grpc": "127.0.0.1:9000"}}}'),
    "DHCP with its lease file": (
        "etc/dnsmasq.d/dhcp.conf",
        "dhcp-range=10.0.0.10,10.0.0.20\nenable-tftp\ntftp-root=/srv/tftp",
    ),
    "Debian's list of programs in a comment": ("etc/dnsmasq.conf", "#dhcp-script=/bin/echo"),
    "resolved's resolvconf, a program": ("sbin/resolvconf", "\x7fELF\x00run-parts\n"),
    "a drop-in that is no more than that": (
        "etc/systemd/system/consul.service.d/60-local.conf",
        "[Service]\nLimitNOFILE=100000",
    ),
    "SELinux that only warns": ("sys/fs/selinux/enforce", "0"),
}


def lifted(host: FakeHost, folder: Path) -> tuple[set[str], str]:
    """Run the generator as systemd does; return whose sandbox it lifted, and what it said."""
    for name in ("normal", "early", "late"):
        (folder / name).mkdir()
    done = host.call(GENERATOR, *(str(folder / name) for name in ("normal", "early", "late")))
    made = {path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()}
    services = {path.parent.name.removesuffix(".service.d") for path in made}
    assert made == {Path(f"early/{service}.service.d/{DROP_IN}") for service in services}
    assert all((folder / path).readlink() == Path("/dev/null") for path in made)
    return services, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "generator").mkdir()
    return tmp_path / "generator"


def test_what_the_package_ships_needs_no_more(host: FakeHost, folder: Path) -> None:
    assert lifted(host, folder) == (set(), "")


@pytest.mark.parametrize(("service", "path", "text"), NEEDS_MORE.values(), ids=NEEDS_MORE.keys())
def test_it_is_lifted_where_settings_need_more(
    host: FakeHost, folder: Path, service: str, path: str, text: str
) -> None:
    host.write(path, text + "\n")
    services, said = lifted(host, folder)
    assert services == {service}
    assert f"/{path}" in said


@pytest.mark.parametrize(("path", "text"), NEEDS_NO_MORE.values(), ids=NEEDS_NO_MORE.keys())
def test_it_stays_where_settings_need_no_more(host: FakeHost, folder: Path, path: str, text: str) -> None:
    host.write(path, text + "\n")
    assert lifted(host, folder) == (set(), "")


def test_our_own_files_in_the_administrator_s_folder_lift_nothing(host: FakeHost, folder: Path) -> None:
    """The cloud-init snippet puts them there."""
    for path in host.root.glob("usr/lib/systemd/system/*.d/*.conf"):
        host.write(f"etc/{path.relative_to(host.root / 'usr/lib')}", path.read_text())
    assert lifted(host, folder) == (set(), "")


def test_no_secret_is_told(host: FakeHost, folder: Path) -> None:
    host.write("etc/consul.d/all.json", '{"encrypt": "c2VjcmV0", "enable_local_script_checks": true}\n')
    services, said = lifted(host, folder)
    assert services == {"consul"}
    assert "c2VjcmV0" not in said
