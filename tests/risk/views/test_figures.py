"""The figures of the last day against the closes they come from, and the order of the products."""

import msgspec
import numpy as np
import polars as pl
import pytest

from tests.risk.views.stored import CRASH_DAY, CRASHES, DAYS, FIRST_DAY, LAST_DAY, SIGMAS, log_returns
from tickvol.core.errors import NotEnoughData, UsageError
from tickvol.risk.pipeline.star import risk_hierarchy, risk_ranks
from tickvol.risk.tables import RISK
from tickvol.risk.views.figures import show
from tickvol.storage.delta.lake import Lake


def as_json(data: object) -> dict[str, object]:
    return msgspec.json.decode(msgspec.json.encode(data))  # type: ignore[no-any-return]


def test_every_figure_is_that_of_the_closes(lake: Lake) -> None:
    (found,) = show(lake, ["SOL-USD"]).data["products"]  # type: ignore[index]
    returns = log_returns("SOL-USD")[:DAYS]
    close = 100.0 * np.exp(np.cumsum(returns))
    assert (found["first_day"], found["day"], found["known_through"]) == (FIRST_DAY, LAST_DAY, LAST_DAY)
    assert found["close"] == pytest.approx(close[-1], rel=1e-12)
    assert found["vol_30_annual"] == pytest.approx(returns[-20:].std(ddof=1) * 365**0.5, rel=1e-9)
    assert found["drawdown"] == pytest.approx(close[-1] / close.max() - 1, rel=1e-9)
    assert found["max_drawdown"]["depth"] == pytest.approx((close / np.maximum.accumulate(close) - 1).min(), rel=1e-9)
    assert found["worst_daily_loss"] == {
        "day": CRASH_DAY,
        "simple_return": pytest.approx(np.expm1(CRASHES["SOL-USD"]), rel=1e-9),
    }
    assert (found["risk_rank"], found["source"]) == (3, "file")


def test_all_days_and_prices_of_the_text_are_those_of_the_data(lake: Lake) -> None:
    view = show(lake)
    text = "\n".join(view.lines)
    for found in view.data["products"]:  # type: ignore[index]
        assert f"{found['product_id']}  {LAST_DAY} (UTC)" in text
        assert f"{100 * found['value_at_risk']['fhs']['var_95']:.2f}%" in text
    assert f"worst daily loss     -50.34% on {CRASH_DAY}" in text
    assert f"{found['value_at_risk']['fhs']['exceptions']} of {found['value_at_risk']['fhs']['n']}" in text


def test_a_method_without_a_figure_is_null_in_json_and_left_out_of_the_text(lake: Lake) -> None:
    view = show(lake, ["BTC-USD"])
    (found,) = as_json(view.data)["products"]  # type: ignore[misc]
    assert set(found["value_at_risk"]["garch"].values()) == {None}
    assert set(found["value_at_risk"]) == {"fhs", "roll", "ewma", "garch"}
    assert not any(line.strip().startswith("garch") for line in view.lines)


def test_the_order_tells_apart_what_differs_and_no_more(lake: Lake) -> None:
    found = show(lake).data["hierarchy"]  # type: ignore[index]
    assert [ranked["product_id"] for ranked in found["ranking"]][-1] == "SOL-USD"
    assert [ranked["rank"] for ranked in found["ranking"]] == [1, 2, 3]
    pairs = {frozenset((pair["lower"], pair["higher"])): pair for pair in found["differences"]}
    assert pairs[frozenset(("BTC-USD", "SOL-USD"))]["distinguishable"] is True
    alike = pairs[frozenset(("BTC-USD", "ETH-USD"))]
    assert alike["distinguishable"] is False
    assert alike["low"] < alike["difference"] < alike["high"]


def test_the_order_is_printed_for_several_products_and_stays_equal(lake: Lake) -> None:
    lines = show(lake, ["BTC-USD", "SOL-USD"]).lines
    (head,) = [line for line in lines if line.startswith("Risk from the calmest: ")]
    assert " < SOL-USD; mean volatility " in head
    assert any("BTC-USD and SOL-USD: distinguishable; " in line for line in lines)
    assert not any("calmest:" in line for line in show(lake, ["BTC-USD"]).lines)
    assert show(lake).data == show(lake).data


def test_the_star_ranks_as_the_order_says(lake: Lake) -> None:
    expected = {ranked.name: ranked.rank for ranked in risk_hierarchy(lake).ranking}
    assert risk_ranks(lake) == expected
    assert set(expected) == set(SIGMAS)


def test_a_product_with_few_days_has_a_rank_and_no_interval(lake: Lake, empty: Lake) -> None:
    rows = lake.table(RISK.name).read()
    newest = rows.filter((pl.col("product_id") != "ETH-USD") | (pl.col("day") > "2025-09-01"))
    empty.table(RISK.name).append(newest, run_id="x")
    view = show(empty)
    pairs = as_json(view.data)["hierarchy"]["differences"]  # type: ignore[index]
    short = [pair for pair in pairs if "ETH-USD" in (pair["lower"], pair["higher"])]
    assert [(pair["low"], pair["high"], pair["distinguishable"]) for pair in short] == [(None, None, False)] * 2
    assert any("not distinguishable, as 90 common days are too few" in line for line in view.lines)


def test_an_unknown_product_is_refused_by_name_and_no_figures_say_what_to_run(lake: Lake, empty: Lake) -> None:
    with pytest.raises(UsageError, match="--product: 'ADA-USD': must be one of BTC-USD, ETH-USD, SOL-USD"):
        show(lake, ["BTC-USD", "ADA-USD"])
    with pytest.raises(NotEnoughData, match="`tickvol risk run` computes them"):
        show(empty)
