"""What package.yaml runs on a host: cloud-init's own script of it, a real web server, and fake package managers."""

from __future__ import annotations

import hashlib
import http.server
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from consul_docker_host.core.run import Result, run
from consul_docker_host.core.workspace import ROOT
from consul_docker_host.package.description import Format
from consul_docker_host.package.plan import Plan
from consul_docker_host.snippets.cloudinit import NO_URL, Download, package_snippet
from tests.support.programs.cloud_init import CloudInit, read_yaml, unpacked
from tests.unit.kit import copy_checkout, fake_program, plan_of

SCRIPTS = ROOT / "packaging" / "cloud-init"
NAMES: dict[Format, str] = {
    "deb": "consul-docker-host_0.1.0+a_all.deb",
    "rpm": "consul-docker-host-0.1.0+a-1.noarch.rpm",
}
# What the script may call on any host; curl and the package managers are each test's own.
USUAL = ("sh", "env", "mktemp", "chmod", "cut", "sha256sum", "tail", "rm", "cat", "sleep")
APT = "apt-get -qy -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold install"
MANAGERS = {"apt-get": APT, "dnf": "dnf -qy install", "zypper": "zypper -n install --allow-unsigned-rpm"}
# Tells how it was called, whether somebody can be asked, and what the file holds that it is to install.
TOLD = """
echo "{name} $* [${{DEBIAN_FRONTEND:-}}]" >>"{log}"
for word; do case $word in /*) cat "$word" >>"{log}" ;; esac; done
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A directory that a web server shows at ``url``."""

    folder: Path
    url: str


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Give a web server that has both packages."""
    folder = tmp_path / "site" / "consul"
    folder.mkdir(parents=True)
    for package_format, name in NAMES.items():
        (folder / name).write_text(f"the {package_format}\n")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Site(folder=folder, url=f"http://127.0.0.1:{server.server_port}/consul")
        server.shutdown()


@pytest.fixture(scope="module")
def cloud_init() -> CloudInit:
    return unpacked()


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return plan_of(copy_checkout(tmp_path_factory.mktemp("plan") / "checkout"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fake:
    """A host that has some programs, and writes down how its package manager was called."""

    folder: Path
    cloud_init: CloudInit

    @property
    def log(self) -> str:
        """What was asked of the package manager and of us."""
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def has(self, *names: str) -> None:
        """Give the host a package manager, and a command of ours that is there once it has installed something."""
        for name in names:
            fake_program(self.folder / "bin", name, TOLD.format(name=name, log=self.folder / "log"))
        fake_program(self.folder / "bin", "consul-docker-host", f'echo "ours $*" >>"{self.folder}/log"')

    def boot(self, text: str, *, own: str = "true") -> Result:
        """Run the snippet's commands as cloud-init does, a user's own after them."""
        for name in USUAL:
            program = shutil.which(name)
            assert program, name
            (self.folder / "bin").mkdir(exist_ok=True)
            (self.folder / "bin" / name).unlink(missing_ok=True)
            (self.folder / "bin" / name).symlink_to(program)
        script = self.folder / "runcmd"
        script.write_text(self.cloud_init.shellify([*read_yaml(text)["runcmd"], own]))
        return run(["/bin/sh", str(script)], env={"PATH": str(self.folder / "bin")}, check=False)


@pytest.fixture
def host(tmp_path: Path, cloud_init: CloudInit) -> Fake:
    """Give a host with curl."""
    curl = shutil.which("curl")
    assert curl, "curl is needed to prove it"
    (tmp_path / "host" / "bin").mkdir(parents=True)
    (tmp_path / "host" / "bin" / "curl").symlink_to(curl)
    return Fake(folder=tmp_path / "host", cloud_init=cloud_init)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def downloads() -> dict[Format, Download]:
    return {kind: Download(name=name, sha256=digest(f"the {kind}\n")) for kind, name in NAMES.items()}


def snippet(plan: Plan, url: str, given: dict[Format, Download] | None = None) -> str:
    return package_snippet(replace(plan, package_url=url), SCRIPTS, downloads() if given is None else given)


@pytest.mark.parametrize("manager", MANAGERS)
def test_a_host_installs_the_package_that_it_can_take(plan: Plan, site: Site, host: Fake, manager: str) -> None:
    """Without a question, keeping a conffile that is there, waiting for another apt: cloud-init 2908 and 5608."""
    host.has(manager)
    done = host.boot(snippet(plan, site.url))
    assert (done.returncode, done.output) == (0, "")
    kind = "deb" if manager == "apt-get" else "rpm"
    first, content, ours = host.log.splitlines()
    assert first.startswith(f"{MANAGERS[manager]} /")
    assert first.endswith(f"/package.{kind} [noninteractive]")
    assert (content, ours) == (f"the {kind}", "ours apply")
    assert not Path(first.split(" /")[1].split(" ")[0]).exists(), "the download is removed"


def refused(host: Fake, text: str) -> str:
    """Return the one line of a first boot that installs nothing and that cloud-init reports as failed."""
    done = host.boot(text, own="echo the user goes on")
    assert done.returncode == 1, "although the user's own last command succeeds"
    assert host.log == ""
    assert done.stdout == "the user goes on\n"
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize("manager", ["apt-get", "dnf"])
def test_a_wrong_digest_installs_nothing_and_says_so_in_one_line(
    plan: Plan, site: Site, host: Fake, manager: str
) -> None:
    host.has(manager)
    kind: Format = "deb" if manager == "apt-get" else "rpm"
    (site.folder / NAMES[kind]).write_text("another\n")
    url = f"{site.url}/{NAMES[kind].replace('+', '%2B')}"
    expected = f"{url} has SHA-256 {digest('another' + chr(10))}, not {downloads()[kind].sha256}; nothing is installed"
    assert refused(host, snippet(plan, site.url)) == f"consul-docker-host: {expected}"


def test_a_placeholder_is_refused_in_one_line(plan: Plan, host: Fake) -> None:
    host.has("apt-get")
    line = refused(host, snippet(plan, ""))
    assert line == f'consul-docker-host: PACKAGE_URL is "{NO_URL}", not an http or https address that ends with /'


def test_a_package_that_is_not_there_is_named_with_curl_s_own_reason(plan: Plan, site: Site, host: Fake) -> None:
    host.has("apt-get")
    (site.folder / NAMES["deb"]).unlink()
    line = refused(host, snippet(plan, site.url))
    url = f"{site.url}/{NAMES['deb'].replace('+', '%2B')}"
    assert line == f"consul-docker-host: {url}: curl: (22) The requested URL returned error: 404"


def test_a_format_that_was_not_built_is_refused_in_one_line(plan: Plan, site: Site, host: Fake) -> None:
    host.has("dnf")
    line = refused(host, snippet(plan, site.url, {"deb": downloads()["deb"]}))
    assert line == "consul-docker-host: package.yaml names no rpm; rebuild it with both packages"


def test_a_host_without_curl_gets_it_first(plan: Plan, site: Site, host: Fake) -> None:
    """Minimal images have none; a host with curl-minimal has the command, and is not asked to replace it."""
    curl = (host.folder / "bin" / "curl").readlink()
    (host.folder / "bin" / "curl").unlink()
    host.has("apt-get")
    apt = host.folder / "bin" / "apt-get"
    apt.write_text(apt.read_text() + f'case "$*" in *" curl "*) ln -s {curl} "{host.folder}/bin/curl" ;; esac\n')
    (host.folder / "bin" / "ln").symlink_to(str(shutil.which("ln")))
    assert host.boot(snippet(plan, site.url)).returncode == 0
    assert host.log.splitlines()[0] == f"{APT} curl ca-certificates [noninteractive]"
    assert host.log.splitlines()[-1] == "ours apply"


@pytest.mark.parametrize("end", ["apt-get", "consul-docker-host"])
def test_a_failure_of_the_installation_or_of_a_setting_is_reported(
    plan: Plan, site: Site, host: Fake, end: str
) -> None:
    host.has("apt-get")
    fake_program(host.folder / "bin", end, "echo 'a reason' >&2; exit 4")
    done = host.boot(snippet(plan, site.url), own="true")
    assert (done.returncode, done.output) == (1, "a reason\n")
