"""Runs without news, and runs that are continued: nothing is written twice, and little is asked for."""

from pathlib import Path

import pytest

from tests.risk.pipeline.conftest import NewDesk
from tests.risk.pipeline.exchange import GOLD, PRODUCTS, Desk, market, noon_s
from tickvol.core.errors import WorkError
from tickvol.risk.tables import REVISIONS, SILVER
from tickvol.simulator.rest.edits import Missing, Revised
from tickvol.storage.delta.table import LakeTable

QUIET = (SILVER, REVISIONS, *GOLD)


def requests_for(desk: Desk, product: str, since: int) -> int:
    return sum(request.product_id == product for request in desk.server.log.requests[since:])


@pytest.mark.parametrize("gone", [(), ("2026-02-03", "2026-02-17", "2026-03-02")], ids=["whole", "three days missing"])
def test_a_run_without_news_writes_no_version_and_asks_little(new_desk: NewDesk, gone: tuple[str, ...]) -> None:
    desk = new_desk(market(*(Missing(product, day) for product in PRODUCTS for day in gone)), window_days=250)
    assert desk.run(noon_s()).succeeded
    versions, asked = desk.versions(), len(desk.server.log.requests)
    for _ in range(2):
        assert desk.run(noon_s()).succeeded
    assert {spec.name: desk.versions()[spec.name] for spec in QUIET} == {
        spec.name: versions[spec.name] for spec in QUIET
    }
    for product in PRODUCTS:
        assert requests_for(desk, product, asked) == 2


def test_a_run_a_little_later_changes_only_the_current_day(new_desk: NewDesk) -> None:
    desk = new_desk()
    assert desk.run(noon_s()).succeeded
    versions = desk.versions()
    ended = desk.run(noon_s(hours=0.1))
    assert ended.step("silver").message == "0 new, 2 changed, 0 final days revised"
    assert {spec.name: desk.versions()[spec.name] for spec in GOLD} == {spec.name: versions[spec.name] for spec in GOLD}


def test_three_missing_days_in_two_years_cost_at_most_three_requests(new_desk: NewDesk) -> None:
    gone = ("2024-03-15", "2024-11-20", "2025-07-28")
    desk = new_desk(
        market(*(Missing("BTC-USD", day) for day in gone), products=["BTC-USD"]),
        products=["BTC-USD"],
        history_days=730,
        window_days=250,
    )
    assert desk.fetch(noon_s()).succeeded
    assert len(desk.server.log.requests) == 3
    assert desk.fetch(noon_s()).succeeded
    assert len(desk.server.log.requests) <= 6
    for hours in (25, 26):
        asked = len(desk.server.log.requests)
        assert desk.fetch(noon_s(hours=hours)).succeeded
    assert len(desk.server.log.requests) - asked == 1


def test_a_run_that_stopped_between_two_tables_is_continued_with_the_same_result(
    new_desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits = [Revised("BTC-USD", "2026-03-09", noon_s(hours=h), (9.0, 9.9, 8.0, 8.0 + h, 1.0)) for h in (0.5, 1.5)]
    cut, calm = (new_desk(market(*edits), price_ranges={}, recheck_days=5) for _ in range(2))
    for desk in (cut, calm):
        assert desk.fetch(noon_s()).succeeded
    merge = LakeTable.merge

    def broken(table: LakeTable, *rows: object, **options: object) -> object:
        if table.spec == SILVER:
            raise WorkError("no space")
        return merge(table, *rows, **options)  # type: ignore[arg-type]

    assert calm.fetch(noon_s(hours=1)).succeeded
    with monkeypatch.context() as patched:
        patched.setattr(LakeTable, "merge", broken)
        assert not cut.fetch(noon_s(hours=1)).succeeded
    for desk in (cut, calm):
        assert desk.fetch(noon_s(hours=2)).succeeded
    assert calm.table(REVISIONS.name)["close_after"].to_list() == [8.5, 9.5]
    assert cut.digests() == calm.digests()
    assert cut.candle("2026-03-09")["revision"] == 2


def test_days_that_wait_for_their_retry_keep_the_run_failed(new_desk: NewDesk) -> None:
    desk = new_desk(faults=["404"], window_days=60)
    assert not desk.run(noon_s()).succeeded
    soon = desk.run(noon_s(hours=0.2))
    assert not soon.succeeded
    assert "BTC-USD: 41 days from 2026-01-29 failed before and wait for their retry" in soon.step("ingest").message
    assert soon.statuses["gold"] == "success"
    assert desk.run(noon_s(hours=0.3)).succeeded


def test_the_directory_of_open_runs_is_empty_in_the_end(new_desk: NewDesk, tmp_path: Path) -> None:
    desk = new_desk(faults=["500", "500"])
    for hours in (0, 1):
        desk.run(noon_s(hours=hours))
    assert list((desk.config.lake.dir / "runs").glob("*.json")) == []
