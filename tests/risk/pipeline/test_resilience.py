"""An exchange that fails in all ways, until nothing is left to fetch: the tables are those of a calm exchange."""

from collections.abc import Sequence

import polars as pl
import pytest

from tests.risk.pipeline.conftest import NewDesk
from tests.risk.pipeline.exchange import HISTORY_DAYS, NOON, PRODUCTS, Desk, days_to, market, noon_s
from tickvol.risk.figures.calendar import day_number, day_text
from tickvol.risk.star.store import star_digest
from tickvol.risk.tables import BRONZE
from tickvol.simulator.rest.edits import Missing
from tickvol.simulator.rest.faults import Fault, FaultRates

FIRST = day_text(day_number(NOON) - HISTORY_DAYS)
GONE = ("2026-02-03", "2026-02-17", "2026-02-18")

KINDS = (
    "429",
    Fault("429-retry-after", retry_after_s=0),
    "500",
    "502",
    "503",
    "504",
    Fault("no-answer", for_s=5),
    Fault("trickle", for_s=0.5),
    "hang-up",
    "reset",
    "truncated",
    "html",
    "half-json",
    "error-object",
    "bad-utf8",
    "null-candles",
    "empty",
    "missing",
    "oldest-first",
    "shuffled",
    "duplicates",
    "duplicates-differ",
    "outside-window",
    "nan",
    "negative",
    "high-below-low",
    "ms-times",
    "misaligned",
    "future",
    "missing-field",
    "renamed-field",
    "retyped-field",
    "swapped-types",
)
"""Faults that must not change a table in the end; a further field would be kept."""


def holed_market() -> object:
    return market(*(Missing(product, day) for product in PRODUCTS for day in GONE))


def assert_every_window_is_stored(desk: Desk, lines: Sequence[str]) -> None:
    bronze = desk.table(BRONZE.name)
    assert bronze["attempts"].sum() == len(desk.server.log.requests)
    failed = bronze.filter(pl.col("outcome").is_in(["failed", "refused"]))
    assert len(failed) == sum("failed: " in line or "refused: " in line for line in lines)
    assert failed["error"].null_count() == 0
    assert set(bronze["attempts"]) <= set(range(1, desk.config.risk.request.max_attempts + 1))


SHORT, LONG = (0.0, 0.3, 25.0), (0.0, 0.3, 0.6, 20.0, 25.0, 25.3, 50.0)


@pytest.mark.parametrize(
    ("source", "seed", "hours"),
    [
        ("advanced_trade", 1, SHORT),
        ("exchange", 2, SHORT),
        *(
            pytest.param(source, seed, LONG, marks=pytest.mark.slow)
            for source in ("advanced_trade", "exchange")
            for seed in range(10, 18)
        ),
    ],
)
def test_the_tables_are_those_of_an_exchange_that_never_fails(
    new_desk: NewDesk, source: str, seed: int, hours: Sequence[float]
) -> None:
    settings = {"source": source, "window_days": 8, "request": {"timeout_s": 0.3}}
    desk = new_desk(holed_market(), faults=FaultRates(seed, 0.3, KINDS), **settings)
    calm = new_desk(holed_market(), **settings)
    lines = [line for past in hours for line in desk.run(noon_s(hours=past)).lines]
    assert sum(bool(request.faults) for request in desk.server.log.requests) >= 3
    assert_every_window_is_stored(desk, lines)
    assert calm.run(noon_s()).succeeded
    desk.script()
    for past in (80.0, 110.0):
        for each in (desk, calm):
            assert each.run(noon_s(hours=past)).succeeded
    expected = dict.fromkeys(days_to(FIRST, "2026-03-14"), "known") | dict.fromkeys(GONE, "absent")
    for product in PRODUCTS:
        assert desk.states(product) == calm.states(product) == expected | {"2026-03-15": "unfinished"}
    assert desk.digests() == calm.digests()
    assert star_digest(desk.config.risk.database_url) == star_digest(calm.config.risk.database_url)


def test_every_window_that_fails_is_stored_with_its_reason(new_desk: NewDesk) -> None:
    faults = [
        Fault("500", nth=1, times=2),
        Fault("html", nth=3),
        Fault("error-object", nth=4),
        Fault("reset", nth=5, times=2),
        Fault("hang-up", nth=7, times=2),
        Fault("400", nth=9),
        Fault("503", nth=10),
    ]
    desk = new_desk(faults=faults, window_days=8)
    ended = desk.run(noon_s())
    assert not ended.succeeded
    assert_every_window_is_stored(desk, ended.lines)
    bronze = desk.table(BRONZE.name).sort("ingestion_batch_id")
    seen = list(bronze.select("outcome", "http_status", "attempts").iter_rows())
    assert seen == [
        ("failed", 500, 2),
        ("failed", 200, 1),
        ("failed", 200, 1),
        ("failed", 0, 2),
        ("failed", 0, 2),
        ("refused", 400, 1),
        ("ok", 200, 2),
        *[("ok", 200, 1)] * 5,
    ]
    assert bronze["records_count"].to_list()[:6] == [0] * 6
    assert bronze["raw_payload"][1].startswith("<!DOCTYPE html>")
    assert bronze["raw_payload"][2] == '{"message":"Internal server error"}'
    assert len(ended.lines) == 6
    assert ended.lines[0].startswith("BTC-USD 2026-01-29 to 2026-02-05: failed: ")
