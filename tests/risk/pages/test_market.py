"""The page of market risk by its texts, from seeded tables."""

import dataclasses

import pytest

from tests.risk.pages.stored import DAYS, NEWEST_DAY, NOW_US, PRODUCTS, WARM_UP, add_product, fill, frame, lake_at
from tests.risk.pages.words import tiles, words
from tickvol.risk.pages.market import MarketPage
from tickvol.risk.pages.market_data import MarketRisk
from tickvol.risk.pages.readings import Clock, Readings
from tickvol.risk.tables import BACKTEST, RISK

CLOCK = Clock(lambda: NOW_US, 36.0)


def page(directory, clock=CLOCK):
    return MarketPage(Readings(directory), tuple(PRODUCTS), 3.5, clock)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    directory = tmp_path_factory.mktemp("lake")
    fill(directory)
    return directory


@pytest.fixture(scope="module")
def shown(filled):
    return page(filled).layout({"product": "SOL-USD"})


def test_the_first_product_is_shown_where_the_address_names_none(filled):
    assert "BTC-USD (shown below)" in words(page(filled).layout({}))


def test_tiles_give_the_figures_of_the_newest_day(shown, filled):
    row = Readings(filled).read(RISK.name).of(product_id="SOL-USD").rows.row(-1, named=True)
    texts = tiles(shown)
    assert f"{row['close']:,.2f} USD" in texts["Latest close"]
    assert f"−{-100 * row['max_drawdown']:.2f} %" in texts["Maximum drawdown"]
    assert f"−{-100 * row['var_95_fhs']:.2f} %" in texts["Value at risk, 1 day at 95%"]
    assert f"−{-100 * row['es_95_fhs']:.2f} %" in texts["Expected shortfall, 1 day at 95%"]
    assert f"−{-100 * row['worst_daily_loss']:.2f} %" in texts["Worst daily loss"]
    assert all(f"{NEWEST_DAY} (UTC) · 9 h old" in text for text in texts.values())


def test_the_volatility_is_the_mean_of_the_known_days(shown, filled):
    known = Readings(filled).read(RISK.name).of(product_id="SOL-USD").rows["vol_30_annual"].drop_nulls()
    text = tiles(shown)["Mean volatility, 30 days annualised"]
    assert f"{100 * known.mean():.1f} % per year" in text
    assert f"Mean of {DAYS - 30} days; newest {100 * known[-1]:.1f}%" in text


def test_the_value_at_risk_comes_with_its_coverage_and_light(shown):
    text = tiles(shown)["Value at risk, 1 day at 95%"]
    assert f"● green 8 exceptions in {DAYS - WARM_UP} days, 6.7 expected: as expected" in text


def test_the_backtest_of_the_newest_day_alone_is_shown(tmp_path):
    lake = lake_at(tmp_path)
    add_product(lake, "BTC-USD")
    old = {"product_id": "BTC-USD", "method": "fhs", "level": 0.05, "as_of_day": "2025-01-01", "n": 7}
    lake.table(BACKTEST.name).merge(frame(BACKTEST, [old]), run_id="seed")
    rows = MarketRisk.read(Readings(tmp_path)).backtest.rows
    assert set(rows["as_of_day"]) == {NEWEST_DAY}
    assert len(rows) == 4


def test_products_are_ranked_by_their_volatility(shown):
    text = words(shown)
    assert text.index("BTC-USD 1 ") < text.index("ETH-USD 2 ") < text.index("SOL-USD 3 ")


def test_a_product_that_is_not_configured_can_be_chosen_when_it_has_figures(filled):
    only_btc = MarketPage(Readings(filled), ["BTC-USD"], 3.5, CLOCK)
    assert "SOL-USD 3 " in words(only_btc.layout({"product": "SOL-USD"}))


def test_the_page_says_where_the_candles_come_from(shown):
    assert "Candles: simulated market; these figures say nothing about real markets." in words(shown)


def test_anomalies_are_listed_newest_first_with_direction_in_words(shown, filled):
    marked = MarketRisk.read(Readings(filled)).of("SOL-USD").anomalies.rows.filter(is_anomaly=True)
    days = marked["day"].to_list()
    text = words(shown)
    last = text[text.index("Last anomalies") :]
    assert last.index(days[-1]) < last.index(days[0])
    assert "▼ down" in last


def test_charts_have_a_summary_as_text(shown):
    labels = [node.children.id for node in shown._traverse() if getattr(node, "role", "") == "img"]
    assert labels == ["chart-price", "chart-drawdown", "chart-returns", "chart-z"]
    assert "falls below a peak is −" in words(shown)


def test_a_null_figure_is_unknown_with_the_reason_of_its_row(tmp_path):
    add_product(lake_at(tmp_path), "BTC-USD", days=200)
    texts = tiles(page(tmp_path).layout({}))
    assert "? unknown 198 known returns in the 365 days before, 329 are needed" in texts["Value at risk, 1 day at 95%"]
    assert "%" in texts["Mean volatility, 30 days annualised"]


def test_the_state_is_the_worst_of_all_products(filled, tmp_path):
    assert page(filled).state().kind == "current"
    lake = lake_at(tmp_path)
    for product, newest in (("BTC-USD", NEWEST_DAY), ("ETH-USD", "2026-02-01"), ("SOL-USD", NEWEST_DAY)):
        add_product(lake, product, newest_day=newest, days=50)
    assert page(tmp_path).state().kind == "stale"
    assert page(tmp_path).state().text.startswith("ETH-USD: The newest day ended 27 d")
    later = dataclasses.replace(CLOCK, now_us=lambda: NOW_US + 2 * 86_400 * 1_000_000)
    assert page(filled, later).state().kind == "stale"
    assert page(tmp_path / "none").state().kind == "empty"


def test_a_table_that_cannot_be_read_is_named(filled, tmp_path):
    fill(tmp_path)
    for log in (tmp_path / RISK.name / "_delta_log").iterdir():
        log.write_bytes(b"{")
    state = page(tmp_path).state()
    assert state.kind == "error"
    assert state.text.startswith(f"The table {RISK.name} cannot be read: ")
    text = words(page(tmp_path).layout({}))
    assert "Correlation of log returns Pearson, up to" in text
