"""A real headless Chromium, driven through Debian's chromedriver by the W3C's WebDriver protocol: JSON over HTTP."""

from __future__ import annotations

import base64
import contextlib
import json
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consul_docker_host.errors import BuildError
from consul_docker_host.run import find_program, start

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of a reference (WebDriver, 12.2)
# Nothing of it may ask the network for anything; a container has no user of its own for the sandbox.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Browser:
    """One window."""

    session: str

    def ask(self, method: str, path: str, **body: object) -> Any:
        """Send one command and return its value."""
        return request(method, f"{self.session}/{path}", body if method == "POST" else None)

    def open(self, url: str) -> None:
        """Open a page and wait until it is loaded."""
        self.ask("POST", "url", url=url)

    def run(self, script: str, *arguments: object) -> Any:
        """Run the body of a function in the page and return its value."""
        return self.ask("POST", "execute/sync", script=script, args=list(arguments))

    def text(self, selector: str = "body") -> str:
        """Return what a reader sees of the first element."""
        return str(self.ask("GET", f"element/{self.find(selector)}/text"))

    def find(self, selector: str) -> str:
        """Return the reference of the first element."""
        return str(self.ask("POST", "element", using="css selector", value=selector)[ELEMENT])

    def click(self, selector: str) -> None:
        """Click as a person does: an element that is not to be seen is an error."""
        self.ask("POST", f"element/{self.find(selector)}/click")

    def resize(self, width: int, height: int) -> None:
        """Give the page this many CSS pixels, as the screen of a phone or of a desk has."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", **metrics)

    def prefer(self, scheme: str) -> None:
        """Prefer "light" or "dark"."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.devtools("Emulation.setEmulatedMedia", features=features)

    def devtools(self, command: str, **parameters: object) -> Any:
        """Run a command of Chromium's own protocol."""
        return self.ask("POST", "goog/cdp/execute", cmd=command, params=parameters)

    def screenshot(self) -> bytes:
        """Return a PNG of the whole page."""
        answer = self.devtools("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])


def request(method: str, url: str, body: object = None) -> Any:
    """Ask the driver and return its value."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(asked, timeout=SECONDS) as answer:  # noqa: S310 - our own driver
            return json.loads(answer.read())["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{method} {url}: {error.read().decode(errors='replace')[:500]}") from error


@contextlib.contextmanager
def browser(folder: Path, *, javascript: bool = True) -> Iterator[Browser]:
    """Give a browser with a profile of its own in ``folder``."""
    if not find_program("chromedriver"):
        raise BuildError("chromedriver is not installed", hint="apt-get install chromium chromium-driver")
    log = folder / "chromedriver.log"
    process = start(["chromedriver", "--port=0"], log=log)
    try:
        driver = f"http://127.0.0.1:{port_of(log)}"
        options: dict[str, object] = {"args": [*FLAGS, f"--user-data-dir={folder / 'profile'}"]}
        if not javascript:
            options["prefs"] = {"profile.managed_default_content_settings.javascript": 2}
        capabilities = {"alwaysMatch": {"goog:chromeOptions": options}}
        session = request("POST", f"{driver}/session", {"capabilities": capabilities})["sessionId"]
        try:
            yield Browser(f"{driver}/session/{session}")
        finally:
            request("DELETE", f"{driver}/session/{session}")
    finally:
        process.terminate()
        process.wait(timeout=SECONDS)


def port_of(log: Path) -> int:
    """Return the port that the driver says it listens on."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        words = log.read_text(errors="replace").split()
        if "successfully" in words and "port" in words:
            return int(words[len(words) - 1 - words[::-1].index("port") + 1].rstrip("."))
        time.sleep(0.05)
    raise BuildError(f"chromedriver does not start\n{log.read_text(errors='replace')[-500:]}")
