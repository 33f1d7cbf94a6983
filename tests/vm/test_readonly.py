"""Story: hosts whose /usr or /etc is no place for packages: a confext and Ignition's files, merged by real systemd."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
import urllib.parse
from pathlib import Path

import pytest

from consul_docker_host.package.plan import Plan
from consul_docker_host.package.plans import make_plan
from consul_docker_host.settings.load import project_settings
from consul_docker_host.snippets.confext import write_confext
from consul_docker_host.snippets.ignition import ignition
from tests.support.machines.guest import Guest
from tests.support.machines.hosts import configure, install_consul, networkd, wait_for_leader
from tests.support.packages import ADDRESS, NAME
from tests.unit.kit import copy_checkout
from tests.vm.conftest import Bed

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200), pytest.mark.sequence]

CONFEXT = f"/var/lib/confexts/{NAME}.raw"


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Give the plan of the packages."""
    work = copy_checkout(tmp_path_factory.mktemp("plan") / "checkout")
    return make_plan(project_settings(work), work)


@pytest.fixture(scope="module")
def host(bed: Bed) -> Guest:
    """Give a machine with Consul, Docker and dnsmasq from its image and without the package."""
    guest = bed.guest(bed.plan("readonly", 1, distribution="debian-13", uplink=networkd(1)))
    assert guest.wait_for_boot() == "running", guest.report()
    install_consul(guest)
    return guest


def content(url: str, compression: str) -> bytes:
    """Return what a data URL holds."""
    head, _, body = url.partition(",")
    data = base64.b64decode(body) if head.endswith(";base64") else urllib.parse.unquote_to_bytes(body)
    return gzip.decompress(data) if compression == "gzip" else data


def written_by_ignition(text: str) -> bytes:
    """Return a tar of what Ignition writes at the first boot: files, drop-ins, enablement."""
    config = json.loads(text)
    files = [
        (one["path"], one["mode"], content(one["contents"]["source"], one["contents"].get("compression", "")))
        for one in config["storage"]["files"]
    ]
    for unit in config["systemd"]["units"]:
        folder = f"/etc/systemd/system/{unit['name']}.d"
        files += [(f"{folder}/{one['name']}", 0o644, one["contents"].encode()) for one in unit.get("dropins", [])]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, mode, data in files:
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.mode, entry.size = mode, len(data)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def test_a_confext_is_merged_over_etc_and_goes_again(host: Guest, plan: Plan, tmp_path: Path) -> None:
    host.put(CONFEXT, write_confext(plan, tmp_path).read_bytes())
    host.run("systemd-confext merge")
    for path in ("etc/consul.d/interfaces.json", "etc/dnsmasq.d/consul.conf", f"etc/default/{NAME}"):
        assert host.output(f"cat /{path}") == (plan.tree / path).read_text().strip()
    assert NAME in host.output("systemd-confext status --no-legend")
    host.run("systemd-confext unmerge")
    assert host.run("ls /etc/consul.d/interfaces.json", check=False).returncode != 0
    host.run(f"rm {CONFEXT}")


def test_ignition_s_files_make_a_host_whose_usr_is_merged(host: Guest, plan: Plan) -> None:
    host.put("/var/tmp/ignition.tgz", written_by_ignition(ignition(plan)))
    units = [one["name"] for one in json.loads(ignition(plan))["systemd"]["units"] if one.get("enabled")]
    host.run("tar -C / --no-overwrite-dir -xzf /var/tmp/ignition.tgz")
    # What Ignition's "enabled" comes to, and then the next steps of that boot.
    host.run("systemctl enable systemd-sysext.service && systemctl start systemd-sysext.service")
    assert f"{NAME}.target" in units
    host.run(f"systemctl daemon-reload && systemctl enable {NAME}.target && systemctl start --no-block {NAME}.target")
    host.wait_until(f"ip -4 -o address show dev dummy0 | grep -qF {ADDRESS}/32", 60)
    configure(host, ROLE="server", BOOTSTRAP_EXPECT="1")
    wait_for_leader(host)
    answer = json.loads(host.run(f"{NAME} check --json", check=False, seconds=90).stdout)
    broken = [link for link in answer["links"] if link["state"] == "broken" and link["name"] != "registrator"]
    assert broken == []


def test_it_is_the_same_host_after_a_boot(host: Guest) -> None:
    assert host.reboot() == "running", host.report()
    wait_for_leader(host)
    assert host.failed_units() == ""
