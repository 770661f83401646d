"""A real browser for the tests of the page: Chromium from the system's package, driven by Playwright's client.

Here lives how it is found and watched; what the page must do is said by the tests. It may import playwright.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MISSING = "no Chromium: install the system's package `chromium`"
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}

_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser; nothing is downloaded."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to be sandboxed as root
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watched:
    """A page, and all that it asked of the network and said on the console."""

    page: Page
    file: Path
    requested: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.requested.append(request.url.partition("#")[0]))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))

    def go(self, fragment: str = "") -> Page:
        """Open the file anew at a fragment."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.file.as_uri()}{fragment}")
        return self.page

    @property
    def fragment(self) -> str:
        """The URL's part from `#` on, as the page itself has it: the driver's `page.url` follows it late."""
        fragment: str = self.page.evaluate("location.hash")
        return fragment

    @property
    def foreign(self) -> list[str]:
        """What was requested besides the file itself."""
        return [url for url in self.requested if url not in (self.file.as_uri(), "about:blank", "data:,")]

    def violations(self, within: str = "html") -> list[str]:
        """Return where the page, as it stands, breaks a rule of WCAG 2.2 AA that can be checked by program."""
        found: list[dict[str, Any]] = Axe().run(self.page, within, options=_RULES).response["violations"]
        return [f"{rule['id']}: {node['target']} {node['failureSummary']}" for rule in found for node in rule["nodes"]]


@contextmanager
def watched(browser: Browser, file: Path, width: str = "desktop", scheme: Any = "light") -> Iterator[Watched]:
    """Open a page of that width and colour scheme."""
    across, down = WIDTHS[width]
    # Clipboard access is what the Copy button asks for.
    context = browser.new_context(viewport={"width": across, "height": down}, color_scheme=scheme)
    try:
        yield Watched(context.new_page(), file)
    finally:
        context.close()
