"""Hosts of the stories: a guest with an uplink, what lies ready on it, and what an administrator does there."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.machines.guest import Guest
from tests.support.machines.lan import NETWORK, ROUTER, address_of
from tests.support.packages import ADDRESS, NAME
from tests.support.programs.registrator import standin_program

SETTINGS_PATH = f"/etc/default/{NAME}"
PACKAGE_PATH = f"/var/tmp/{NAME}.deb"
REGISTRATOR_TAR, TOOLS_TAR = "/var/tmp/registrator.tar", "/var/tmp/tools.tar"
REGISTRATOR_IMAGE = "fayrus/registrator:v9.2.0"  # the name that the settings have
STATIC_RESOLVER = f"# by hand\nnameserver {ROUTER}\n"
INSTALL_SECONDS = 240.0
DIG = "dig +short +time=2 +tries=2"

# The programs of containers are the guest's own, mounted: an image of them would be as big as the guest.
RUN = f"docker run --volume /usr:/usr:ro --dns {ADDRESS} --env-file /etc/{NAME}/container.env"
TOOLS = "tools:latest"
TINY = "tiny:latest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplink:
    """How a guest comes to its address: files and enablement links by absolute path."""

    files: Mapping[str, str]
    links: Mapping[str, str] = field(default_factory=dict)


def ifupdown(number: int, *, is_dhcp: bool = False) -> Uplink:
    """Return Debian's classic: /etc/network/interfaces."""
    fixed = f"static\n    address {address_of(number)}/24\n    gateway {ROUTER}\n"
    text = "auto lo eth0\niface lo inet loopback\niface eth0 inet " + ("dhcp\n" if is_dhcp else fixed)
    resolver = {} if is_dhcp else {"/etc/resolv.conf": STATIC_RESOLVER}
    return Uplink(files={"/etc/network/interfaces": text, **resolver})


def networkd(number: int, *, is_dhcp: bool = False) -> Uplink:
    """Return systemd-networkd in charge of the uplink; who owns resolv.conf is another matter."""
    fixed = f"Address={address_of(number)}/24\nGateway={ROUTER}\nDNS={ROUTER}\n"
    text = "[Match]\nName=eth0\n\n[Network]\n" + ("DHCP=ipv4\n" if is_dhcp else fixed)
    wants = "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service"
    online = "/etc/systemd/system/network-online.target.wants/systemd-networkd-wait-online.service"
    files = {
        "/etc/network/interfaces": "auto lo\niface lo inet loopback\n",
        "/etc/systemd/network/50-uplink.network": text,
        "/etc/resolv.conf": STATIC_RESOLVER,
    }
    vendor = "/usr/lib/systemd/system"
    return Uplink(
        files=files,
        links={wants: f"{vendor}/systemd-networkd.service", online: f"{vendor}/systemd-networkd-wait-online.service"},
    )


def registrator_tar(program: Path | None = None) -> bytes:
    """Return the root of Registrator's image: a static program's, or the stand-in's, built on the first call."""
    return image_tar({"registrator": (program or standin_program()).read_bytes()})


def tools_tar() -> bytes:
    """Return the root of an image in which the guest's own programs run, and a page for its web server."""
    links = {name: f"usr/{name}" for name in ("bin", "sbin", "lib", "lib64")}
    return image_tar(
        {"www/index.html": b"the page\n", "www/health": b"well\n"}, links=links, folders=("usr", "tmp", "etc")
    )


def image_tar(
    files: Mapping[str, bytes], *, links: Mapping[str, str] | None = None, folders: tuple[str, ...] = ()
) -> bytes:
    """Return the root of an image: programs, symlinks and empty folders by their relative path."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in folders:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.mode, entry.size = 0o755, len(data)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def stock(package: Path | None, registrator: Path | None = None) -> dict[str, str | bytes | Path]:
    """Return what lies ready on a guest: the package under test, if any, and the images that cannot be pulled."""
    images: dict[str, str | bytes | Path] = {REGISTRATOR_TAR: registrator_tar(registrator), TOOLS_TAR: tools_tar()}
    return images | ({PACKAGE_PATH: package} if package else {})


def load_images(guest: Guest) -> None:
    """Put the two images into the guest's Docker."""
    guest.wait_until("docker version", 60, what="Docker answers")
    entry = 'ENTRYPOINT [\\"/registrator\\"]'
    guest.run(f'docker import --change "{entry}" {REGISTRATOR_TAR} {REGISTRATOR_IMAGE}')
    guest.run(f'docker import --change "ENV PATH=/usr/sbin:/usr/bin" {TOOLS_TAR} {TOOLS}')


def install(guest: Guest, package: str = PACKAGE_PATH) -> str:
    """Install the package as an administrator would and return what that printed."""
    line = f"apt-get install --yes --no-install-recommends {package} 2>&1"
    return guest.output(line, seconds=INSTALL_SECONDS)


def install_consul(guest: Guest) -> None:
    """Install Consul, which neither enables nor starts itself."""
    guest.run("dpkg --install /var/tmp/consul.deb", seconds=INSTALL_SECONDS)


def settings_text(settings: Mapping[str, str]) -> str:
    """Return lines for the host's own file."""
    return "".join(f'{key}="{value}"\n' for key, value in settings.items())


def configure(guest: Guest, **settings: str) -> None:
    """Set keys of the host's own file and put them into effect."""
    guest.put("/var/tmp/settings", settings_text(settings))
    guest.run(f"cat /var/tmp/settings >>{SETTINGS_PATH} && {NAME} apply")


def load_tiny_image(guest: Guest) -> None:
    """Put a web server into the guest's Docker that is small enough for a hundred containers."""
    entry = '["/bin/busybox", "httpd", "-f", "-h", "/", "-p"]'
    change = f"--change 'ENTRYPOINT {entry}' --change 'CMD [\"80\"]'"
    guest.run(f"tar -C /usr -c bin/busybox | docker import {change} - {TINY}")


def start_web(guest: Guest, name: str, *, options: str) -> None:
    """Start a container with a web server on port 80."""
    guest.run(f"{RUN} --detach --name {name} {options} {TOOLS} busybox httpd -f -p 80 -h /www")


def wait_for_leader(guest: Guest, seconds: float = 90) -> None:
    """Wait until the guest's agent knows a leader."""
    question = f"curl --silent --fail --max-time 3 http://{ADDRESS}:8500/v1/status/leader | grep -q {NETWORK}"
    guest.wait_until(question, seconds, what="a leader is known")


def wait_for_registrator(guest: Guest, seconds: float = 90) -> None:
    """Wait until Registrator's container runs."""
    asked = f"docker ps --format '{{{{.Names}}}}' | grep -q {NAME}-registrator"
    guest.wait_until(asked, seconds, what="Registrator")


def answers_from(guest: Guest, name: str, address: str, *, seconds: float = 20) -> None:
    """Wait until a name has exactly this address at the guest's own DNS."""
    guest.wait_until(f'[ "$({DIG} {name} @{ADDRESS})" = "{address}" ]', seconds, what=f"{name} is {address or 'gone'}")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two hosts of one cluster: A its server, B a client."""

    a: Guest
    b: Guest

    def prepare(self, step: Callable[[Guest], object]) -> None:
        """Do the same on both, at the same time."""
        with ThreadPoolExecutor(max_workers=2) as pool:
            list(pool.map(step, (self.a, self.b)))


def client(guest: Guest) -> None:
    """Start a container that only waits for commands: starting one for each would take seconds."""
    guest.run(f"{RUN} --detach --name client {TOOLS} sleep infinity")


def exec_in_client(guest: Guest, line: str, *, check: bool = True, seconds: float = 60) -> str:
    """Return what a line of shell prints in the waiting container."""
    quoted = line.replace("'", "'\\''")
    return guest.run(f"docker exec client sh -c '{quoted}'", check=check, seconds=seconds).stdout.strip()
