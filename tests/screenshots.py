"""The pictures in docs/images: the report of the last run, and a failed case, in both themes.

Here lives what is photographed, run by `make screenshots`; the failed case is one with a planted fault, from the tests.
It may import everything.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from resources.report import write_report
from tests.browser import CHROMIUM, MISSING, chromium, watched
from tests.report_evidence import CHANGED, results, store_of

FOLDER = Path(__file__).parents[1] / "docs" / "images"


def main(page: Path) -> None:
    """Write every picture. Raises SystemExit where there is no browser or no report."""
    if CHROMIUM is None:
        raise SystemExit(MISSING)
    if not page.exists():
        raise SystemExit(f"no report at {page}: `make run` writes one")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with chromium() as browser, tempfile.TemporaryDirectory() as folder:
        planted = Path(write_report(store_of(folder, results())).page)
        for scheme in ("light", "dark"):
            _shoot(browser, page, "", "desktop", scheme, f"report-{scheme}")
            _shoot(browser, page, "", "phone", scheme, f"report-phone-{scheme}")
            _shoot(browser, planted, f"#case={CHANGED}", "desktop", scheme, f"report-case-{scheme}")


def _shoot(browser: Browser, page: Path, fragment: str, width: str, scheme: str, name: str) -> None:
    with watched(browser, page, width, scheme) as seen:
        shown = seen.go(fragment)
        if "case" in fragment:
            shown.locator("dialog[open] .diff").first.wait_for()
        shown.screenshot(path=FOLDER / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "artifacts/report.html").resolve())
