"""A real headless Chromium, driven by Selenium through Debian's chromedriver."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from consul_docker_host.core.errors import BuildError
from consul_docker_host.core.run import find_program

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

    driver: Chrome

    def open(self, url: str) -> None:
        """Open a page and wait until it is loaded."""
        self.driver.get(url)

    def run(self, script: str, *arguments: object) -> Any:
        """Run the body of a function in the page and return its value."""
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> WebElement:
        """Return the first element."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str = "body") -> str:
        """Return what a reader sees of the first element."""
        return self.find(selector).text

    def click(self, selector: str) -> None:
        """Click as a person does: an element that is not to be seen is an error."""
        self.find(selector).click()

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
        return self.driver.execute_cdp_cmd(command, parameters)

    def screenshot(self) -> bytes:
        """Return a PNG of the whole page."""
        answer = self.devtools("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])


@contextlib.contextmanager
def browser(folder: Path, *, javascript: bool = True) -> Iterator[Browser]:
    """Give a browser with a profile of its own in ``folder``."""
    chromium, program = find_program("chromium"), find_program("chromedriver")
    if not (chromium and program):
        raise BuildError("chromium or chromedriver is not installed", hint="apt-get install chromium chromium-driver")
    options = ChromeOptions()
    # Both are named: Selenium would look for them in the network otherwise.
    options.binary_location = str(chromium)
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    if not javascript:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    driver = Chrome(options=options, service=ChromeService(str(program)))
    try:
        driver.set_page_load_timeout(SECONDS)
        yield Browser(driver)
    finally:
        driver.quit()
