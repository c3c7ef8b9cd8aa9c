"""Whatever fails, no day is passed over in silence, and every day is known in the end."""

from random import Random

import polars as pl
import pytest

from tests.risk.pipeline.conftest import NewDesk
from tests.risk.pipeline.exchange import HISTORY_DAYS, NOON, PRODUCTS, Desk, market, noon_s
from tests.risk.pipeline.test_resilience import KINDS
from tickvol.core.times import DAY_S
from tickvol.risk.figures.calendar import day_number
from tickvol.risk.pipeline.coverage_table import read_ledgers
from tickvol.risk.pipeline.ledger import known_through
from tickvol.risk.tables import SILVER
from tickvol.simulator.rest.edits import Late, Missing
from tickvol.simulator.rest.faults import Fault, FaultRates

FIRST_DAY = day_number(NOON) - HISTORY_DAYS


def assert_nothing_is_passed_over(desk: Desk) -> None:
    silver = desk.lake.table(SILVER.name).read(where=pl.col("is_final"))
    stored = {(product, time_s // DAY_S) for product, time_s in silver.select("product_id", "open_time_s").iter_rows()}
    for product, entries in read_ledgers(desk.lake, desk.config.risk.source).items():
        through = known_through(entries)
        for day in range(min(entries), -1 if through is None else through + 1):
            assert (product, day) in stored or entries[day].state == "absent", (product, day, entries.get(day))
        assert {day for day, entry in entries.items() if entry.state == "known"} == {
            day for name, day in stored if name == product
        }


def some_market(random: Random) -> object:
    edits: list[Missing | Late] = []
    for product in PRODUCTS:
        gone, late = random.sample(range(FIRST_DAY, FIRST_DAY + HISTORY_DAYS - 1), 2)
        edits.append(Missing(product, gone))
        edits.append(Late(product, late, noon_s(hours=random.choice([2, 20]))))
    return market(*edits)


def some_faults(random: Random, seed: int) -> FaultRates:
    quick = [kind for kind in KINDS if not isinstance(kind, Fault) and kind not in ("empty", "missing")]
    return FaultRates(seed, random.choice([0.2, 0.5, 0.9]), tuple(random.sample(quick, 6)))


@pytest.mark.parametrize("seed", [*range(2), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 100))])
def test_no_day_is_passed_over_and_every_day_is_known_in_the_end(new_desk: NewDesk, seed: int) -> None:
    random = Random(seed)
    desk = new_desk(some_market(random), faults=some_faults(random, seed), window_days=random.choice([4, 15, 60]))
    hours = 0.0
    for _ in range(random.choice([2, 3, 4])):
        desk.fetch(noon_s(hours=hours))
        assert_nothing_is_passed_over(desk)
        hours += random.choice([0.1, 1.0, 9.0, 30.0])
    desk.script()
    for later in (1, 30, 60):
        desk.fetch(noon_s(hours=hours + later))
        assert_nothing_is_passed_over(desk)
    now_s = noon_s(hours=hours + 60)
    today, last = int(now_s // DAY_S), int((now_s - 600) // DAY_S) - 1
    for product in PRODUCTS:
        entries = read_ledgers(desk.lake, desk.config.risk.source)[product]
        assert set(entries) == set(range(FIRST_DAY, today + 1))
        assert known_through(entries) == last
        assert sum(entry.state == "absent" for entry in entries.values()) == 1


def test_a_window_that_failed_is_not_passed_over_by_a_later_one_that_succeeded(new_desk: NewDesk) -> None:
    second = (FIRST_DAY + 15) * DAY_S
    desk = new_desk(faults=[Fault("500", at_s=second, times=0)], products=["BTC-USD"])
    for hours in (0, 1, 24):
        assert not desk.fetch(noon_s(hours=hours)).succeeded
        entries = read_ledgers(desk.lake, desk.config.risk.source)["BTC-USD"]
        assert known_through(entries) == FIRST_DAY + 14
        assert entries[FIRST_DAY + 30].state == "known"
    desk.script()
    assert desk.fetch(noon_s(hours=25)).succeeded
    assert known_through(read_ledgers(desk.lake, desk.config.risk.source)["BTC-USD"]) == day_number(NOON)


@pytest.mark.parametrize("kind", ["ms-times", "renamed-field", "retyped-field", "missing-field", "duplicates-differ"])
def test_answers_that_cannot_be_read_are_no_evidence_that_days_are_absent(new_desk: NewDesk, kind: str) -> None:
    desk = new_desk(faults=[Fault(kind, times=0)], products=["BTC-USD"], history_days=10)
    for hours in (0, 25, 75):
        assert not desk.fetch(noon_s(hours=hours)).succeeded
        assert "absent" not in desk.states().values()
        assert "known" not in desk.states().values()
    desk.script()
    assert desk.fetch(noon_s(hours=76)).succeeded
    assert list(desk.states().values()) == ["known"] * 13 + ["unfinished"]
