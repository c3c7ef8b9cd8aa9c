"""Pages as their readers see them: opened in a real Chromium, on a desk and on a phone.

Nothing here skips: where there is no Chromium the tests fail and say what to install.
"""

import shutil
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

WIDTHS = (1280, 390)
ARGUMENTS = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync")
IMAGES = "[...document.images].map(image => [image.naturalWidth, image.getBoundingClientRect().right])"


def assert_readable(path: Path, *, figures: int, words: str) -> None:
    """The page shows its words and figures, is no wider than the screen, complains of nothing and loads nothing."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "no Chromium: install Debian's package chromium, or Google Chrome"
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS) as browser,
    ):
        for width in WIDTHS:
            page = browser.new_page(viewport={"width": width, "height": 900})
            complaints = _complaints(page)
            page.goto(path.as_uri())
            page.get_by_text(words).first.wait_for(state="visible")
            images = page.evaluate(IMAGES)
            assert len(images) >= figures
            assert all(drawn > 0 and right <= width for drawn, right in images), images
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert complaints == []


def _complaints(page: Page) -> list[str]:
    """A list that fills with errors, warnings and requests to elsewhere while the page is used."""
    said: list[str] = []
    page.on("console", lambda line: said.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda asked: said.append(asked.url) if asked.url.startswith("http") else None)
    return said
