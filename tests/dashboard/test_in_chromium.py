"""The pages as their readers see them, in a real Chromium."""

from contextlib import nullcontext
from itertools import pairwise

import pytest

from tests.dashboard import screenshots
from tests.dashboard.hosting import DESK, PHONE, Now, Visit, served
from tests.risk.pages.stored import NEWEST_DAY, add_product, fill, lake_at
from tickvol.storage.delta.shared_tables import PIPELINE_LOGS

DAY_US = 86_400 * 1_000_000

WIDTHS = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
DRAWN_TO_FIT = """() => [...document.querySelectorAll('.chart')].every(chart =>
    chart.querySelector('.main-svg').getBoundingClientRect().width <= chart.clientWidth)"""
CUT = """[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1
    && !e.closest('.scroll-box, .unseen, .chart')).map(e => e.outerHTML.slice(0, 80))"""
HEADINGS = "[...document.querySelectorAll('h1,h2,h3,h4')].map(h => Number(h.tagName[1]))"
UNNAMED = """[...document.querySelectorAll('[role=img],[role=region],nav')]
    .filter(e => !e.getAttribute('aria-label')).length"""
FAINT = """() => {
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92
    : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = e => { for (; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] === 1) return c; } return [255, 255, 255]; };
  const faint = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || e.closest('script,noscript,.unseen,.hoverlayer') || !e.getClientRects().length) continue;
    const style = getComputedStyle(e);
    const ink = parse(e.namespaceURI.endsWith('svg') ? style.fill : style.color);
    const [a, b] = [light(ink), light(ground(e.closest('svg') ? e.closest('.panel') : e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faint.push([e.textContent.slice(0, 30), ratio.toFixed(2)]);
  }
  return faint; }"""


def tile(page, label):
    return page.locator(".tile", has=page.locator(".tile-label", has_text=label))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["", "risk?product=SOL-USD", "pipeline"])
def test_a_page_fits_desk_and_phone_in_legible_order_and_contrast(visit, filled_address, path, scheme):
    page = visit(filled_address, scheme=scheme).open(path)
    for viewport in (DESK, PHONE):
        page.set_viewport_size(viewport)
        page.wait_for_function(DRAWN_TO_FIT)
        scrolled, shown = page.evaluate(WIDTHS)
        assert scrolled <= shown
        assert page.evaluate(CUT) == []
    assert page.evaluate(FAINT) == []
    levels = page.evaluate(HEADINGS)
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(deeper <= level + 1 for level, deeper in pairwise(levels))
    assert page.locator(".panel > h2:first-child").count() == page.locator(".panel").count()
    assert page.evaluate(UNNAMED) == 0


def test_market_risk_shows_figures_with_unit_day_and_age(visit, filled_address):
    page = visit(filled_address).open("risk?product=ETH-USD")
    assert page.title() == "Market risk · tickvol"
    close = tile(page, "Latest close")
    assert "USD" in close.inner_text()
    assert f"{NEWEST_DAY} (UTC) · 9 h old" in close.inner_text()
    assert "● green" in tile(page, "Value at risk").inner_text()
    assert page.locator(".chart .main-svg").count() >= 4
    label = page.get_by_role("img", name="Drawdown and recovery").get_attribute("aria-label")
    assert "falls below a peak" in label


def test_the_pipeline_shows_its_last_run_and_its_log(visit, filled_address):
    page = visit(filled_address).open("pipeline")
    assert "✓ success" in tile(page, "Status").inner_text()
    assert "9,000 rows read" in tile(page, "Records processed").inner_text()
    rows = page.get_by_role("region", name="Log of runs and steps").locator("tbody tr")
    assert "whole run" in rows.first.inner_text()
    assert "HTTP 503" in page.get_by_role("region", name="Unknown days").inner_text()


def test_the_keyboard_reaches_everything_with_visible_focus(visit, filled_address):
    opened = visit(filled_address)
    page = opened.open("risk")
    page.keyboard.press("Tab")
    assert page.locator(".skip").bounding_box()["y"] >= 0
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        focus = page.evaluate(
            """() => { const e = document.activeElement; return e === document.body ? null :
            [e.getAttribute('aria-label') || e.textContent, getComputedStyle(e).outlineStyle]; }"""
        )
        if focus is None:
            break
        reached.append(focus)
    names = [name for name, _ in reached]
    assert names[:3] == ["tickvol", "Market risk (this page)", "Pipeline health"]
    assert [name for name in names if name.startswith(("BTC-USD", "ETH-USD"))] == ["BTC-USD (shown below)", "ETH-USD"]
    assert names.count("Figures as a table") == page.locator("summary").count() == 4
    assert {"Products by risk", "Backtest of value at risk"} <= set(names)
    assert {outline for _, outline in reached} <= {"solid", "auto"}


def test_a_product_is_chosen_by_keyboard_and_kept_in_the_address(visit, filled_address):
    opened = visit(filled_address)
    page = opened.open("risk")
    page.get_by_role("link", name="SOL-USD").focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="SOL-USD (shown below)").wait_for()
    assert page.url.endswith("/risk?product=SOL-USD")
    assert page.evaluate("document.activeElement.textContent").startswith("SOL-USD")
    page.go_back()
    page.get_by_role("link", name="BTC-USD (shown below)").wait_for()


def test_the_skip_link_leads_to_the_content(visit, filled_address):
    page = visit(filled_address).open("pipeline")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.id === 'content'")


def test_a_refresh_shows_new_rows_and_moves_nothing(visit, tmp_path):
    lake = fill(tmp_path)
    now = Now()
    with served(tmp_path, now=now, refresh_s=1) as address:
        page = visit(address).open("risk?product=ETH-USD")
        page.get_by_text("Figures as a table").first.click()
        page.get_by_role("link", name="ETH-USD").focus()
        page.wait_for_function("document.querySelectorAll('.js-plotly-plot .cartesianlayer').length === 4")
        page.evaluate("window.scrollTo(0, 640)")
        page.wait_for_function("scrollY === 640")
        top = "document.querySelector('#chart-drawdown').getBoundingClientRect().top"
        before = page.evaluate(top)
        add_product(lake, "ETH-USD", newest_day="2026-03-01")
        now.us += DAY_US
        page.get_by_text("2026-03-01 (UTC)").first.wait_for(state="attached")
        # The browser keeps what is seen in place, also when a text above it becomes a line shorter.
        assert page.evaluate(top) == pytest.approx(before, abs=2)
        assert page.locator("details[open]").count() == 1
        assert page.evaluate("document.activeElement.textContent").startswith("ETH-USD")
        assert page.url.endswith("product=ETH-USD")


def test_empty_tables_name_the_command_that_fills_them(visit, tmp_path):
    with served(tmp_path / "none") as address:
        opened = visit(address)
        for path, states in (("risk", 6), ("pipeline", 5), ("", 2)):
            page = opened.open(path)
            assert page.get_by_text("tickvol risk run").count() >= states
            assert page.locator(".badge-empty").count() >= states
            assert page.locator(".chart").count() == 0


def test_old_figures_are_marked_as_stale_with_their_age(visit, filled):
    with served(filled, now=Now(Now().us + 3 * DAY_US)) as address:
        opened = visit(address)
        page = opened.open("risk")
        assert "3 d 9 h old" in tile(page, "Latest close").inner_text()
        assert page.locator(".tile .badge-stale").count() == 6
        assert page.locator("h2 .badge-stale").count() >= 4
        assert opened.open("pipeline").locator(".tile .badge-stale").count() == 5
        home = opened.open("")
        assert home.get_by_text("BTC-USD: The newest day ended 3 d 9 h ago; the limit is 36 h.").is_visible()


def test_a_figure_without_enough_days_is_unknown_with_its_reason(visit, tmp_path):
    add_product(lake_at(tmp_path), "BTC-USD", days=100)
    with served(tmp_path) as address:
        page = visit(address).open("risk")
        risk = tile(page, "Value at risk").inner_text()
        assert "? unknown" in risk
        assert "329 are needed" in risk
        assert "%" in tile(page, "Maximum drawdown").inner_text()
        assert page.get_by_text("No day has enough known returns before it.").is_visible()
        page.get_by_role("link", name="SOL-USD").click()
        page.get_by_role("link", name="SOL-USD (shown below)").wait_for()
        assert page.locator(".tile .badge-empty").count() == 6


def test_an_unreadable_table_is_an_error_and_the_page_stays_up(visit, tmp_path):
    fill(tmp_path)
    for log in (tmp_path / PIPELINE_LOGS.name / "_delta_log").iterdir():
        log.write_bytes(b"not json")
    with served(tmp_path) as address:
        opened = visit(address)
        page = opened.open("pipeline")
        assert "The table pipeline_logs cannot be read" in tile(page, "Status").inner_text()
        assert "2 days" in tile(page, "Unknown days").inner_text()
        assert "HTTP 503" in page.get_by_role("region", name="Unknown days").inner_text()
        assert opened.open("risk").locator(".tile .badge-error").count() == 0
        assert opened.open("").locator(".card-state .badge-error").count() == 1


def test_an_unknown_product_is_named_with_those_that_exist(visit, filled_address):
    page = visit(filled_address).open("risk?product=XYZ-USD")
    assert page.get_by_text("XYZ-USD is not a configured product. Choose one of BTC-USD").is_visible()


def test_an_unknown_address_lists_the_pages(browser, filled_address):
    opened = Visit.of(browser, filled_address)
    response = opened.page.goto(filled_address + "nothing")
    opened.page.get_by_text("No such page").wait_for()
    assert response.status == 404
    assert opened.page.get_by_role("main").get_by_role("link").all_inner_texts() == ["Market risk", "Pipeline health"]
    opened.assert_calm(expected=["404"])
    opened.page.close()


def test_a_page_says_when_the_dashboard_no_longer_answers(browser, filled):
    with served(filled, refresh_s=1) as address:
        opened = Visit.of(browser, address)
        page = opened.open("")
        assert page.locator("#contact").is_hidden()
    page.get_by_text("No answer from the dashboard").wait_for()
    page.close()


def test_pictures_for_the_documentation_are_small(monkeypatch, tmp_path, browser):
    monkeypatch.setattr(screenshots, "chromium", lambda: nullcontext(browser))
    paths = screenshots.take(tmp_path / "images")
    assert [path.name for path in paths] == ["risk.png", "pipeline.png"]
    assert all(20_000 < path.stat().st_size < 200_000 for path in paths)
