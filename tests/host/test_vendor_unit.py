"""What the vendors' own units of dnsmasq would pass to it: each shape of unit, as the distributions ship it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.host.conftest import FakeHost

UNIT = "usr/lib/systemd/system/dnsmasq.service"
DEBIAN_PID = "PIDFile=/run/dnsmasq/dnsmasq.pid\n"
# Debian's helpers set these before they end in an exec: the user, the options, and the file of the real resolvconf.
HELPER = """#!/bin/sh
DAEMON=/usr/sbin/dnsmasq
NAME=dnsmasq
INSTANCE="${{2}}"
{defaults}
if [ ! "${{DNSMASQ_USER}}" ]; then DNSMASQ_USER="dnsmasq"; fi
DNSMASQ_OPTS="${{DNSMASQ_OPTS}} --local-service"
case "$1" in
    {verb})
        exec ${{DAEMON}} -x /run/dnsmasq/${{NAME}}${{INSTANCE:+.${{INSTANCE}}}}.pid \\
            ${{MAILHOSTNAME:+ -m ${{MAILHOSTNAME}}}} \\
            ${{DNSMASQ_USER:+ -u ${{DNSMASQ_USER}}}} \\
            ${{RESOLV_CONF:+ -r ${{RESOLV_CONF}}}} \\
            ${{CACHESIZE:+ -c ${{CACHESIZE}}}} \\
            ${{CONFIG_DIR:+ -7 ${{CONFIG_DIR}}}} \\
            ${{DNSMASQ_OPTS:+ ${{DNSMASQ_OPTS}}}}
        ;;
esac
"""
# etc/default/dnsmasq as Debian ships it, and the file that its resolvconf writes.
CONFIG_DIR = "CONFIG_DIR=/etc/dnsmasq.d,.dpkg-dist,.dpkg-old,.dpkg-new"
RESOLV_CONF = "RESOLV_CONF=/run/dnsmasq/resolv.conf"
DEBIAN = "-x /run/dnsmasq/dnsmasq.pid -u dnsmasq -7 /etc/dnsmasq.d,.dpkg-dist,.dpkg-old,.dpkg-new --local-service"


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """The lines of a unit that matter, the files beside it, and the arguments that dnsmasq gets."""

    unit: str
    arguments: str
    files: dict[str, str] = field(default_factory=dict)
    path: str = UNIT


VENDORS = {
    # The init script ends in the exec.
    "Debian 11, Ubuntu 22.04 and 24.04": Vendor(
        unit=DEBIAN_PID + "ExecStart=/etc/init.d/dnsmasq systemd-exec\n",
        files={"etc/init.d/dnsmasq": HELPER.format(verb="systemd-exec", defaults=CONFIG_DIR)},
        arguments=DEBIAN,
        path="lib/systemd/system/dnsmasq.service",
    ),
    "Debian 12, Debian 13": Vendor(
        unit=DEBIAN_PID
        + "ExecStartPre=/usr/share/dnsmasq/systemd-helper checkconfig\n"
        + "ExecStart=/usr/share/dnsmasq/systemd-helper exec\n"
        + "ExecStartPost=/usr/share/dnsmasq/systemd-helper start-resolvconf\n"
        + "ExecStop=/usr/share/dnsmasq/systemd-helper stop-resolvconf\n"
        + "ExecReload=/bin/kill -HUP $MAINPID\n",
        files={"usr/share/dnsmasq/systemd-helper": HELPER.format(verb="exec", defaults=CONFIG_DIR)},
        arguments=DEBIAN,
    ),
    # Their helper takes resolved's program of that name for it as well.
    "Debian with resolvconf": Vendor(
        unit=DEBIAN_PID + "ExecStart=/usr/share/dnsmasq/systemd-helper exec\n",
        files={
            "usr/share/dnsmasq/systemd-helper": HELPER.format(verb="exec", defaults=f"{CONFIG_DIR}\n{RESOLV_CONF}"),
        },
        arguments=DEBIAN.replace(" -7", " -r /run/dnsmasq/resolv.conf -7"),
    ),
    "Fedora, Enterprise Linux 9 and 10": Vendor(
        unit="ExecStart=/usr/sbin/dnsmasq\nType=forking\nPIDFile=/run/dnsmasq.pid\n", arguments=""
    ),
    "Enterprise Linux 8": Vendor(unit="ExecStart=/usr/sbin/dnsmasq -k\n", arguments="-k"),
    "openSUSE": Vendor(
        unit="Type=dbus\nBusName=uk.org.thekelleys.dnsmasq\nExecStartPre=/usr/sbin/dnsmasq --test\n"
        "ExecStart=/usr/sbin/dnsmasq --log-async --enable-dbus --keep-in-foreground\n",
        arguments="--log-async --enable-dbus --keep-in-foreground",
    ),
    "Arch": Vendor(
        unit="Type=dbus\nBusName=uk.org.thekelleys.dnsmasq\nExecStartPre=/usr/bin/dnsmasq --test\n"
        "ExecStart=/usr/bin/dnsmasq -k --enable-dbus --user=dnsmasq --pid-file\n"
        "ExecReload=/bin/kill -HUP $MAINPID\n",
        arguments="-k --enable-dbus --user=dnsmasq --pid-file",
    ),
    "an administrator's unit with a file of options": Vendor(
        unit="EnvironmentFile=-/etc/sysconfig/dnsmasq\nExecStart=-/usr/sbin/dnsmasq $OPTIONS\n",
        files={"etc/sysconfig/dnsmasq": "# OPTIONS=-d\nOPTIONS='--log-queries -q'\n"},
        arguments="--log-queries -q",
    ),
    "an administrator's unit with a variable": Vendor(
        unit="Environment=OPTIONS=-q\nExecStart=/usr/sbin/dnsmasq -k ${OPTIONS} $OTHER\n", arguments="-k -q"
    ),
    "an administrator's script": Vendor(
        unit="PIDFile=/run/d.pid\nExecStart=/opt/start dnsmasq\n",
        files={"opt/start": "#!/bin/sh\nexec /usr/sbin/dnsmasq\n"},
        arguments="-x /run/d.pid",
    ),
    "a script that is missing": Vendor(unit="PIDFile=/run/d.pid\nExecStart=/opt/missing\n", arguments="-x /run/d.pid"),
    "no unit": Vendor(unit="", arguments=""),
}


def given(host: FakeHost) -> list[str]:
    """Return the words of dnsmasq's command line."""
    line = host.read("run/consul-docker-host/dnsmasq.env")
    name, _, value = line.partition("=")
    assert name == "CONSUL_DOCKER_HOST_DNSMASQ"
    assert value.endswith('"\n')
    return value.strip('"\n').split()


@pytest.mark.parametrize("vendor", VENDORS.values(), ids=VENDORS.keys())
def test_dnsmasq_gets_the_arguments_of_its_own_unit(host: FakeHost, vendor: Vendor) -> None:
    if vendor.unit:
        host.write(vendor.path, f"[Service]\n{vendor.unit}")
    for path, text in vendor.files.items():
        host.write(path, text)

    said = host.script("dnsmasq", "--now", "none").stderr

    assert said == ""
    words = given(host)
    added = ["--cache-size=10000", "--edns-packet-max=1232", "--bind-dynamic"]
    assert words == [*vendor.arguments.split(), *added]


def test_the_unit_of_the_administrator_comes_before_the_vendor_s(host: FakeHost) -> None:
    host.write(UNIT, "[Service]\nExecStart=/usr/sbin/dnsmasq -k\n")
    host.write("etc/systemd/system/dnsmasq.service", "[Service]\nExecStart=/usr/sbin/dnsmasq -d\n")
    host.script("dnsmasq", "--now", "none")
    assert given(host)[0] == "-d"


def test_resolvconf_s_file_gives_way_to_the_servers_that_were_found(host: FakeHost) -> None:
    vendor = VENDORS["Debian with resolvconf"]
    host.write(UNIT, f"[Service]\n{vendor.unit}")
    for path, text in vendor.files.items():
        host.write(path, text)

    host.script("dnsmasq", "--now", "/run/systemd/resolve/resolv.conf")

    words = given(host)
    assert "-r" not in words
    assert "--resolv-file=/run/systemd/resolve/resolv.conf" in words


def test_nothing_of_the_caller_s_environment_reaches_the_helper(host: FakeHost) -> None:
    host.write(UNIT, "[Service]\nExecStart=/opt/helper exec\n")
    host.write("opt/helper", "#!/bin/sh\nX=me\nexec ${DAEMON} ${X:+ -u ${X}} ${LANG:+ -r ${LANG}}\n")
    host.script("dnsmasq", "--now", "none")
    assert given(host)[:2] == ["-u", "me"]
    assert "-r" not in given(host)


def test_a_star_in_an_argument_is_not_expanded(host: FakeHost) -> None:
    host.write(UNIT, "[Service]\nExecStart=/usr/sbin/dnsmasq -7 /etc/*\n")
    host.script("dnsmasq", "--now", "none")
    assert given(host)[:2] == ["-7", "/etc/*"]
