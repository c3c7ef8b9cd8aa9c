"""The dashboard on the loopback, and its reader: a real Chromium."""

import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, sync_playwright

from tests.risk.pages.stored import NOW_US
from tests.support import ROOT
from tests.support.pages import ARGUMENTS
from tickvol.config import Config, load_config
from tickvol.dashboard.app import build_app
from tickvol.dashboard.server import listen, server_of, url_of
from tickvol.risk.pages.registration import risk_pages

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
STALE_AFTER_H = 36.0


@dataclass
class Now:
    us: int = NOW_US

    def __call__(self) -> int:
        return self.us


def config_at(lake: Path, *, refresh_s: int = 3600) -> Config:
    config = load_config(ROOT / "config.yaml", env_file=None)
    dashboard = config.dashboard.model_copy(update={"refresh_s": refresh_s, "stale_after_h": STALE_AFTER_H})
    lake_section = config.lake.model_copy(update={"dir": lake})
    return config.model_copy(update={"lake": lake_section, "dashboard": dashboard})


@contextmanager
def served(lake: Path, *, now: Now | None = None, refresh_s: int = 3600) -> Iterator[str]:
    """The address of a dashboard with the pages of the risk system."""
    clock = now or Now()
    config = config_at(lake, refresh_s=refresh_s)
    app = build_app(config.dashboard, risk_pages(config, STALE_AFTER_H, clock), now_us=clock)
    with listen("127.0.0.1", 0) as listener:
        server = server_of(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield url_of(listener)
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def chromium() -> Iterator[BrowserContext]:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    assert path, "no Chromium: install Debian's package chromium, or Google Chrome"
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=path, args=ARGUMENTS) as browser,
    ):
        yield browser.new_context()  # of one context, so that pages share what they loaded


@dataclass
class Visit:
    """An open page, and what it said and asked for."""

    page: Page
    home: str
    messages: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, context: BrowserContext, address: str, *, viewport=DESK, scheme="light") -> "Visit":
        visit = cls(context.new_page(), address)
        visit.page.set_viewport_size(viewport)
        visit.page.emulate_media(color_scheme=scheme)
        visit.page.on("console", lambda line: visit.messages.append(line.text))
        visit.page.on("pageerror", lambda error: visit.messages.append(str(error)))
        visit.page.on("request", lambda asked: visit._note(asked.url))
        return visit

    def _note(self, url: str) -> None:
        if not url.startswith((self.home, "data:", "blob:")):
            self.elsewhere.append(url)

    def open(self, path: str) -> Page:
        """Go there and wait until the content, with its charts, is drawn."""
        self.page.goto(self.home + path)
        self.page.locator("main h1").wait_for()
        self.settle()
        return self.page

    def settle(self) -> None:
        drawn = "() => [...document.querySelectorAll('.chart')].every(chart => chart.querySelector('.main-svg'))"
        self.page.wait_for_function(drawn)

    def assert_calm(self, expected: Sequence[str] = ()) -> None:
        """The page said nothing unexpected on the console, and asked nobody else."""
        assert [line for line in self.messages if not any(part in line for part in expected)] == []
        assert self.elsewhere == []
