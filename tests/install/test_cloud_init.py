"""Story: cloud-init makes a Docker host at the first boot, from each snippet; a wrong value or digest is reported.

The user data comes as NoCloud has it, from a directory of the image. What the packages depend on comes from a
repository within it; `package.yaml` fetches the deb from a web server on its loopback.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator

import docker
import pytest
from docker.models.containers import Container

from consul_docker_host.core.workspace import ROOT
from consul_docker_host.prove.distributions import Distribution
from consul_docker_host.snippets.cloudinit import APPEND, NO_URL
from tests.support.containers.bed import Bed
from tests.support.containers.host import Host
from tests.support.containers.images import base_image, prepare, put_file, system_recipe, temporary_image
from tests.support.containers.upstream import ADDRESS as OUTSIDE_ADDRESS
from tests.support.containers.upstream import NAME as OUTSIDE
from tests.support.containers.upstream import Upstream
from tests.support.packages import ADDRESS, DIG, NAME, SERVER_SETTINGS, Installer, wait_for_consul
from tests.support.programs.consul import consul_image
from tests.support.user_data import SETTINGS, archive, settings

pytestmark = [pytest.mark.family("deb"), pytest.mark.short_form_on("debian-13")]
SEED = "/var/lib/cloud/seed/nocloud"
FIRST_BOOT_SECONDS = 180
# What lies in apt's cache becomes a repository that `apt-get update` reaches without a network.
REPOSITORY = """
mkdir /srv/repository && cd /srv/repository && mv /var/cache/apt/archives/*.deb .
for file in *.deb; do
    dpkg-deb --field "$file"
    printf 'Filename: ./%s\\nSize: %s\\n' "$file" "$(stat -c %s "$file")"
    printf 'SHA256: %s\\n\\n' "$(sha256sum <"$file" | cut -c 1-64)"
done >Packages
rm -rf /etc/apt/sources.list.d/* /var/lib/apt/lists/*
echo 'deb [trusted=yes] file:/srv/repository ./' >/etc/apt/sources.list
cat >/etc/cloud/cloud.cfg.d/99-test.cfg <<END
datasource_list: [NoCloud]
network: {config: disabled}
ssh_genkeytypes: []
locale: false
END
cat >/etc/systemd/system/site.service <<END
[Unit]
Before=cloud-config.service cloud-final.service
[Service]
ExecStart=/usr/bin/python3 -m http.server 8080 --bind 127.0.0.1 --directory /srv/repository
[Install]
WantedBy=multi-user.target
END
systemctl enable site.service
"""
SITE = "http://127.0.0.1:8080/"


@pytest.fixture(scope="module")
def image(engine: docker.DockerClient, distribution: Distribution, installer: Installer) -> Iterator[str]:
    """Give the image of a machine that cloud-init sets up, with Consul and a repository."""
    base = consul_image(engine, base_image(engine, system_recipe(distribution, "cloud-init")), distribution)

    def set_up(container: Container) -> None:
        put_file(container, f"/var/cache/apt/archives/{installer.package.name}", installer.package)
        prepare(container, REPOSITORY)

    with temporary_image(engine, base, "cloud", set_up) as tag:
        yield tag


@contextlib.contextmanager
def first_boot(bed: Bed, image: str, upstream: Upstream, user_data: bytes, name: str) -> Iterator[Host]:
    """Give a host whose first boot has ended."""
    seed = {
        f"{SEED}/user-data": user_data,
        f"{SEED}/meta-data": f"instance-id: {name}\nlocal-hostname: {name}\n".encode(),
    }
    begin = time.monotonic()
    with bed.host(image, name=name, resolv_conf=upstream.resolv_conf, files=seed) as host:
        host.run("cloud-init status --wait", check=False, seconds=FIRST_BOOT_SECONDS)
        print(f"{name}: from power on to cloud-init's end {time.monotonic() - begin:.1f} s")
        yield host


def assert_ready(host: Host) -> None:
    """Fail unless the first boot made a whole host: cloud-init is content, Consul leads, all names are found."""
    said = host.run("cloud-init status --long", check=False).output
    assert "status: done" in said, host.output("cat /var/log/cloud-init-output.log")
    assert "degraded" not in said, said
    wait_for_consul(host)
    assert host.output(f"{DIG} {OUTSIDE} @{ADDRESS}") == OUTSIDE_ADDRESS
    assert host.service(f"{NAME}.target").is_enabled
    assert host.failed_units() == ""


def snippet(name: str) -> str:
    """Return a snippet of this build; somebody has put the address of his web server into `package.yaml`."""
    text = (ROOT / "dist" / "cloud-init" / name).read_text(encoding="utf-8")
    assert text.count(NO_URL) == (name == "package.yaml")
    return text.replace(NO_URL, SITE)


def is_installed(host: Host) -> bool:
    return host.run("dpkg-query --show consul-docker-host", check=False).returncode == 0


def test_the_files_in_inline_make_the_host(bed: Bed, image: str, upstream: Upstream) -> None:
    user_data = archive(snippet("inline.yaml"), settings(SERVER_SETTINGS))
    with first_boot(bed, image, upstream, user_data, "inline") as host:
        assert_ready(host)
        assert not is_installed(host)
        assert host.file(SETTINGS).text == SERVER_SETTINGS, "the user's own is kept"


def test_the_deb_of_a_web_server_makes_the_host(bed: Bed, image: str, upstream: Upstream) -> None:
    """The user's settings are there before the package, whose own version of them gives way."""
    user_data = archive(snippet("package.yaml"), settings(SERVER_SETTINGS))
    with first_boot(bed, image, upstream, user_data, "fetched") as host:
        assert_ready(host)
        assert is_installed(host)
        assert host.file(SETTINGS).text == SERVER_SETTINGS


def test_a_deb_with_another_digest_is_not_installed(bed: Bed, image: str, upstream: Upstream) -> None:
    text = re.sub(r"(DEB_SHA256=)[0-9a-f]{64}", rf"\g<1>{'0' * 64}", snippet("package.yaml"))
    own = {"runcmd": ["touch /run/own"]}
    with first_boot(bed, image, upstream, archive(own, text), "digest") as host:
        assert not is_installed(host)
        assert host.file("/run/own").exists
        assert "status: error" in host.run("cloud-init status --long", check=False).output
        log = host.file("/var/log/cloud-init-output.log").text.splitlines()
        (line,) = [line for line in log if line.startswith("consul-docker-host: ")]
        assert re.fullmatch(rf".*{SITE}.*\.deb has SHA-256 [0-9a-f]{{64}}, not 0{{64}}; nothing is installed", line)


def test_the_package_of_a_repository_makes_the_host(bed: Bed, image: str, upstream: Upstream) -> None:
    """The settings are there before the package, and are its conffile's name: nobody is asked."""
    wanted = {"package_update": True, "packages": [NAME]}
    with first_boot(bed, image, upstream, archive(wanted, settings(SERVER_SETTINGS)), "package") as host:
        assert_ready(host)
        assert "ROLE=server" in host.file(SETTINGS).text


def test_a_wrong_value_is_told_by_cloud_init_and_by_the_check(bed: Bed, image: str, upstream: Upstream) -> None:
    text = snippet("inline.yaml")
    own = {"merge_how": APPEND, "runcmd": ["touch /run/own"]}
    with first_boot(bed, image, upstream, archive(text, settings("ROLE=sever\n"), own), "wrong") as host:
        assert host.file("/run/own").exists, "what the user asked for after ours is done all the same"
        assert "status: error" in host.run("cloud-init status --long", check=False).output
        said = host.run([NAME, "check"], check=False).output
        assert "ROLE" in said
        assert "sever" in said
        host.put(SETTINGS, host.file(SETTINGS).text.replace("ROLE=sever\n", SERVER_SETTINGS))
        host.run([NAME, "apply"])
        wait_for_consul(host)
