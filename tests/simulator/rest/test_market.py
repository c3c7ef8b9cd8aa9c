"""Markets, the bars that follow from them, and days that change."""

from itertools import pairwise

import numpy as np
import pytest

from tests.simulator.rest.markets import DAY_S, FIRST, MARKET, bar, day_s
from tickvol.core.errors import UsageError
from tickvol.simulator.rest import intraday
from tickvol.simulator.rest.edits import EditedMarket, Late, Missing, Revised
from tickvol.simulator.rest.market import LISTED, Bar, DailyMarket, SeededMarket, day_number

COINS = ("BTC-USD", "ETH-USD", "SOL-USD", "DOGE-USD", "ADA-USD", "BNB-USD")
LATER_S = float(day_s(10_000))


def closes(market: SeededMarket, product_id: str) -> list[float]:
    days = range(day_number("2015-01-01"), day_number("2027-01-01"))
    return [found.close for day in days if (found := market.day_bar(product_id, day, 0.0)) is not None]


def test_a_product_depends_on_the_seed_and_its_name_alone() -> None:
    one, many = SeededMarket(["ETH-USD"], 3), SeededMarket(COINS, 3)
    assert closes(one, "ETH-USD") == closes(many, "ETH-USD") != closes(SeededMarket(COINS, 4), "ETH-USD")


@pytest.mark.parametrize("product_id", LISTED)
def test_a_product_begins_with_its_listing(product_id: str) -> None:
    first, market = day_number(LISTED[product_id]), SeededMarket(COINS)
    assert market.day_bar(product_id, first - 1, 0.0) is None
    assert market.day_bar(product_id, first, 0.0) is not None


def test_a_later_first_day_hides_the_days_before_and_changes_none() -> None:
    first = day_number("2025-06-01")
    short, long = SeededMarket(COINS, first_day=first), SeededMarket(COINS)
    assert short.day_bar("BTC-USD", first - 1, 0.0) is None
    assert short.day_bar("BTC-USD", first, 0.0) == long.day_bar("BTC-USD", first, 0.0)


@pytest.mark.parametrize("seed", range(5))
def test_bars_are_valid_and_prices_stay_in_a_plausible_range(seed: int) -> None:
    market = SeededMarket(COINS, seed)
    for day in range(day_number("2015-07-20"), day_number("2027-01-01")):
        for product_id in COINS:
            found = market.day_bar(product_id, day, 0.0)
            if found is not None:
                assert 0 < found.low <= min(found.open, found.close) <= max(found.open, found.close) <= found.high
                assert found.volume > 0
    assert 1_000 < closes(market, "BTC-USD")[-1] < 1_000_000
    assert min(closes(market, "BTC-USD")) > 100


def test_volatilities_rank_as_those_of_the_coins_do_and_returns_are_correlated() -> None:
    market = SeededMarket(COINS)
    returns = {product: np.diff(np.log(closes(market, product)))[-1500:] for product in COINS[:3]}
    vols = [float(returns[product].std() * 365**0.5) for product in COINS[:3]]
    assert 0.3 < vols[0] < vols[1] < vols[2] < 1.3
    assert np.corrcoef(list(returns.values())).min() > 0.4


@pytest.mark.parametrize(("products", "seed"), [([], 1), (["BTC-USD"], -1)])
def test_a_market_needs_a_product_and_a_seed(products: list[str], seed: int) -> None:
    with pytest.raises(UsageError):
        SeededMarket(products, seed)


@pytest.mark.parametrize("granularity_s", [60, 300, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 86_400])
def test_shorter_candles_of_a_day_add_up_to_its_bar(granularity_s: int) -> None:
    found = intraday.bars(MARKET, "BTC-USD", granularity_s, (day_s(5), day_s(6) - 1), LATER_S)
    assert [open_s for open_s, _ in found] == list(range(day_s(5), day_s(6), granularity_s))
    parts = [part for _, part in found]
    whole = Bar(*bar(5))
    assert (parts[0].open, parts[-1].close) == (whole.open, whole.close)
    assert (max(part.high for part in parts), min(part.low for part in parts)) == (whole.high, whole.low)
    assert sum(part.volume for part in parts) == pytest.approx(whole.volume)
    assert all(later.open == earlier.close for earlier, later in pairwise(parts))


def test_prices_with_more_digits_than_the_path_has_are_still_met() -> None:
    exact = (1.123456789, 9.987654321, 0.111111111, 2.222222222, 1.0)
    market = DailyMarket({"X-USD": {"2025-01-01": exact}})
    parts = [part for _, part in intraday.bars(market, "X-USD", 60, (day_s(0), day_s(1) - 1), LATER_S)]
    found = parts[0].open, max(part.high for part in parts), min(part.low for part in parts), parts[-1].close
    assert found == exact[:4]


def test_the_current_candle_ends_at_the_clock_and_none_opens_after_it() -> None:
    now_s = day_s(5) + 5_000.5
    found = intraday.bars(MARKET, "BTC-USD", 3_600, (day_s(5), day_s(6)), now_s)
    assert [open_s for open_s, _ in found] == [day_s(5), day_s(5) + 3_600]
    assert found[1][1].close == intraday.price(MARKET, "BTC-USD", now_s)
    ((_, day),) = intraday.bars(MARKET, "BTC-USD", DAY_S, (day_s(5), day_s(9)), now_s)
    assert day.close == found[1][1].close
    assert day.high == max(part.high for _, part in found)
    assert day.volume == pytest.approx(sum(part.volume for _, part in found))


def test_the_price_on_a_day_without_a_bar_is_the_last_close() -> None:
    assert intraday.price(MARKET, "BTC-USD", float(day_s(405))) == bar(399)[3]
    assert intraday.price(MARKET, "ETH-USD", float(day_s(50))) is None


def test_a_market_of_odd_bars_is_served_as_given() -> None:
    odd = (float("nan"), -1.0, 5.0, 0.0, -3.0)
    market = DailyMarket({"X-USD": {"2025-01-01": odd}})
    ((_, found),) = intraday.bars(market, "X-USD", DAY_S, (day_s(0), day_s(0)), LATER_S)
    assert repr(found) == repr(Bar(*odd))


def test_a_missing_a_late_and_a_revised_day() -> None:
    new = (1.0, 2.0, 0.5, 1.5, 9.0)
    edits = [
        Missing("BTC-USD", FIRST),
        Late("BTC-USD", FIRST + 1, at_s=1_000.0),
        Revised("BTC-USD", "2025-01-03", at_s=2_000.0, bar=new),
        Revised("BTC-USD", "2025-01-03", at_s=3_000.0, bar=bar(0)),
    ]
    market = EditedMarket(MARKET, edits)
    assert market.products == MARKET.products
    seen = {
        now_s: [market.day_bar("BTC-USD", FIRST + number, now_s) for number in range(3)]
        for now_s in (999.0, 1e3, 2e3, 3e3)
    }
    assert seen == {
        999.0: [None, None, bar(2)],
        1e3: [None, bar(1), bar(2)],
        2e3: [None, bar(1), new],
        3e3: [None, bar(1), bar(0)],
    }
    assert market.day_bar("ETH-USD", FIRST + 100, 0.0) == bar(100, 50.0)
