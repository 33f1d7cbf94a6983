"""The repository's page in a real browser: what a reader sees, copies, and follows, at a desk and on a phone."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from consul_docker_host.core.workspace import file_digest
from tests.repository.client import command_of
from tests.repository.site import NEW_VERSION, OLD_VERSION, URL, Site
from tests.repository.webdriver import Browser, browser
from tests.support.packages import NAME

SIZES = {"desk": (1280, 900), "phone": (390, 844)}
READ_CLIPBOARD = "return navigator.clipboard.readText()"


class Handler(SimpleHTTPRequestHandler):
    """Serves files, says nothing, and remembers what was asked for."""

    asked: ClassVar[list[str]] = []

    def log_message(self, *_: object) -> None:
        """Note the path instead of writing to the terminal."""
        self.asked.append(self.path)


@pytest.fixture(scope="module")
def address(site: Site) -> Iterator[str]:
    """Give the address of a web server for the newest tree, on this machine's loopback."""
    handler = functools.partial(Handler, directory=str(site.trees["rotated"]))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory, address: str) -> Iterator[Browser]:
    """Give a browser that shows the page."""
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        origin = address.rstrip("/")
        permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"]
        opened.devtools("Browser.grantPermissions", origin=origin, permissions=permissions)
        opened.open(address)
        yield opened


def test_a_reader_sees_what_is_in_it_with_versions_and_checksums(window: Browser, site: Site) -> None:
    tree = site.trees["rotated"]
    seen = window.text("main")
    newest = [f"{NAME}_{NEW_VERSION}_all.deb", f"{NAME}-{NEW_VERSION}-1.noarch.rpm"]
    for name in newest:
        (path,) = tree.rglob(name)
        assert name in seen
        assert file_digest(path) in seen
    assert f"{NAME}_{OLD_VERSION}_all.deb" not in seen, "earlier versions wait to be asked for"
    window.click("summary")
    seen = window.text("main")
    (path,) = tree.rglob(f"{NAME}_{OLD_VERSION}_all.deb")
    assert file_digest(path) in seen


def test_every_fingerprint_of_the_archive_is_told(window: Browser, site: Site) -> None:
    seen = window.text("#key ~ dl")
    assert [site.keys.fingerprints[name] in seen for name in ("old", "new")] == [True, True]
    assert site.keys.fingerprints["wrong"] not in seen


@pytest.mark.parametrize("name", ["apt-add", "dnf-add", "consul-apt", "consul-dnf", "key-check"])
def test_a_button_copies_its_command(window: Browser, site: Site, name: str) -> None:
    wanted = command_of(site.trees["rotated"] / "index.html", name)
    window.run("return navigator.clipboard.writeText('before')")
    window.click(f"button[data-copies={name}]")
    window.run("return new Promise(done => setTimeout(done, 200))")
    assert window.run(READ_CLIPBOARD) == wanted
    assert window.text(f"button[data-copies={name}]") == "Copied"


def test_without_a_secure_context_a_button_copies_as_well(window: Browser, site: Site, address: str) -> None:
    """On plain http a browser has no navigator.clipboard."""
    window.run("navigator.clipboard.writeText = () => Promise.reject(new Error('no'))")
    window.click("button[data-copies=apt-add]")
    window.run("return new Promise(done => setTimeout(done, 200))")
    assert window.run(READ_CLIPBOARD) == command_of(site.trees["rotated"] / "index.html", "apt-add")
    window.open(address)


def test_the_commands_name_this_repository_and_nothing_else(site: Site) -> None:
    for name in ("apt-add", "dnf-add"):
        command = command_of(site.trees["rotated"] / "index.html", name)
        assert set(re.findall(r"https?://[^/\s]+", command)) == {URL}
    consul = command_of(site.trees["rotated"] / "index.html", "consul-apt")
    assert "https://apt.releases.hashicorp.com" in consul


def test_every_link_leads_to_a_file_of_the_repository(window: Browser, site: Site) -> None:
    links = window.run("return [...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
    assert len(links) > 5
    assert [link for link in links if not (site.trees["rotated"] / link).is_file()] == []


def test_nothing_comes_from_elsewhere(window: Browser, address: str) -> None:
    loaded = window.run("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in loaded if not name.startswith((address, "data:"))] == []
    assert [path for path in Handler.asked if path != "/"] == [], "the page is one file"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_can_be_read(window: Browser, tmp_path: Path, size: str, scheme: str) -> None:
    window.resize(*SIZES[size])
    window.prefer(scheme)
    assert window.run("return document.documentElement.scrollWidth") <= SIZES[size][0], "no scrolling sideways"
    paper = window.run("return getComputedStyle(document.body).backgroundColor")
    ink = window.run("return getComputedStyle(document.body).color")
    assert contrast(paper, ink) > 7
    soft = window.run("return getComputedStyle(document.querySelector('.sum')).color")
    assert contrast(paper, soft) > 4.5
    (tmp_path / f"{size}-{scheme}.png").write_bytes(window.screenshot())
    assert (tmp_path / f"{size}-{scheme}.png").read_bytes().startswith(b"\x89PNG")


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2.2 has it."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_without_javascript_all_but_the_buttons_is_there(
    tmp_path: Path, address: str, window: Browser, site: Site
) -> None:
    with browser(tmp_path, javascript=False) as plain:
        plain.open(address)
        seen = plain.text("main")
    assert command_of(site.trees["rotated"] / "index.html", "apt-add").splitlines()[0] in seen
    assert f"{NAME}_{NEW_VERSION}_all.deb" in seen
    assert "Copy" not in seen.split()
