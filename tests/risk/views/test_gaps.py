"""Spans of unknown days with their reason and their next retry, and the way back from a figure to its answer."""

import json

import polars as pl
import pytest

from tests.risk.pages.stored import frame
from tests.risk.pipeline.conftest import NewDesk, new_desk
from tests.risk.pipeline.exchange import noon_s
from tests.risk.views.stored import CRASH_DAY, DAYS, FIRST_DAY, LAST_DAY
from tickvol.core.errors import UsageError
from tickvol.risk.figures.calendar import day_number
from tickvol.risk.tables import BRONZE, COVERAGE, RISK, SILVER
from tickvol.risk.views.explain import explain, payload_of
from tickvol.risk.views.gaps import gaps
from tickvol.storage.delta.lake import Lake

__all__ = ["new_desk"]
RETRY_US = 1_767_229_200_000_000  # 2026-01-01 01:00


def ledger(lake: Lake, source: str, **days: tuple[str, str, int | None]) -> Lake:
    """A ledger of December 2025; the day number, such as d07, has a state, a reason and a retry time."""
    rows = [
        {
            "source": source,
            "product_id": "BTC-USD",
            "granularity_s": 86_400,
            "day": f"2025-12-{name[1:]}",
            "state": state,
            "reason": reason,
            "attempts": int(name[1:]),
            "retry_after_us": retry_us,
        }
        for name, (state, reason, retry_us) in days.items()
    ]
    lake.table(COVERAGE.name).merge(frame(COVERAGE, rows), run_id="x")
    return lake


KNOWN = ("known", "", None)


def test_neighbouring_days_of_one_state_and_reason_are_one_span(empty: Lake) -> None:
    failed = ("failed", "timeout", RETRY_US)
    ledger(
        empty,
        "advanced_trade",
        d01=KNOWN,
        d02=failed,
        d03=("failed", "timeout", RETRY_US + 3_600_000_000),
        d04=("failed", "rejected: on_the_grid", RETRY_US),
        d05=KNOWN,
        d06=failed,
        d07=("absent", "not in 2 answers at least a day apart", None),
        d08=("unasked", "not asked for yet", None),
        d09=("unfinished", "the day was not over, or not settled", None),
    )
    view = gaps(empty)
    (found,) = view.data  # type: ignore[misc]
    spans = [(span["state"], span["first_day"][-2:], span["last_day"][-2:], span["days"]) for span in found["spans"]]
    assert spans == [
        ("failed", "02", "03", 2),
        ("failed", "04", "04", 1),
        ("failed", "06", "06", 1),
        ("absent", "07", "07", 1),
        ("unasked", "08", "08", 1),
        ("unfinished", "09", "09", 1),
    ]
    assert (found["known_through"], found["days"]["failed"]) == ("2025-12-01", 4)
    assert [span["retry_after"] for span in found["spans"][:4]] == ["2026-01-01T01:00:00Z"] * 3 + [None]
    assert found["spans"][0]["attempts"] == 3
    text = [line.split("  ") for line in view.lines]
    assert [
        next(c.strip() for c in line if c.strip().startswith(("from 2026", "next", "none"))) for line in text[4:]
    ] == [
        *["from 2026-01-01 01:00:00"] * 3,
        "none",
        *["next run"] * 2,
    ]


def test_a_day_that_a_file_lacks_needs_another_file(empty: Lake) -> None:
    ledger(empty, "file", d01=KNOWN, d02=("unasked", "not in 1 answer; to be confirmed", RETRY_US))
    view = gaps(empty)
    assert view.data[0]["spans"][0]["retry_after"] is None  # type: ignore[index]
    assert "load a file" in view.lines[-1]


def test_a_ledger_without_gaps_says_so_and_an_unknown_product_is_refused(lake: Lake, empty: Lake) -> None:
    view = gaps(lake, ["BTC-USD"])
    assert [(row["known_through"], row["days"]["known"]) for row in view.data] == [(LAST_DAY, DAYS)]  # type: ignore[attr-defined]
    assert view.lines[-1] == "no gap: every day that was asked for is known"
    with pytest.raises(UsageError, match="--product: 'ADA-USD': must be one of BTC-USD, ETH-USD, SOL-USD"):
        gaps(lake, ["ADA-USD"])
    assert gaps(empty, ["ADA-USD"]).lines == ("no day was asked for yet; `tickvol risk run` fetches candles",)


def test_a_figure_leads_back_to_the_letters_of_the_answer(lake: Lake) -> None:
    view = explain(lake, "SOL-USD", day_number(CRASH_DAY))
    found = view.data
    (payload,) = found["answer"]["payload_of_the_candle"]  # type: ignore[index]
    stored = lake.table(BRONZE.name).read(where=pl.col("product_id") == "SOL-USD")["raw_payload"].item()
    assert payload in stored
    assert json.loads(payload)["close"] == repr(found["figures"]["close"])  # type: ignore[index]
    assert found["answer"]["ingestion_batch_id"] == found["candle"]["ingestion_batch_id"]  # type: ignore[index]
    assert found["run"]["run_id"] == found["figures"]["run_id"]  # type: ignore[index]
    assert found["run"]["config_hash"] == found["figures"]["config_hash"]  # type: ignore[index]
    assert found["run"]["table_version_after"] == lake.table(RISK.name).version()  # type: ignore[index]
    assert found["figures"]["var_95_garch"] is None  # type: ignore[index]
    text = "\n".join(view.lines)
    assert f"payload_of_the_candle  {payload}" in text
    assert f"({CRASH_DAY} 00:00:00 UTC)" in text
    assert not any(name in text for name in ("None", "nan"))


def test_a_first_day_has_unknown_figures_and_an_answer(lake: Lake) -> None:
    found = explain(lake, "BTC-USD", day_number(FIRST_DAY)).data
    assert found["figures"]["simple_return"] is None  # type: ignore[index]
    assert found["anomaly"]["z_trailing"] is None  # type: ignore[index]
    assert len(found["answer"]["payload_of_the_candle"]) == 1  # type: ignore[index]


def test_of_two_origins_the_candle_of_the_figures_is_shown(empty: Lake) -> None:
    own = {"product_id": "BTC-USD", "day": "2025-12-01", "source": "file", "close": 9.0}
    empty.table(RISK.name).append(frame(RISK, [own]), run_id="x")
    at = {"product_id": "BTC-USD", "granularity_s": 86_400, "open_time_s": day_number("2025-12-01") * 86_400}
    rows = [at | {"source": source, "close": close} for source, close in (("exchange", 8.0), ("file", 9.0))]
    empty.table(SILVER.name).append(frame(SILVER, rows), run_id="x")
    assert explain(empty, "BTC-USD", day_number("2025-12-01")).data["candle"]["close"] == 9.0  # type: ignore[index]


@pytest.mark.parametrize("source", ["advanced_trade", "exchange"])
def test_the_answer_of_the_exchange_is_quoted_in_either_form(source: str, new_desk: NewDesk) -> None:
    desk = new_desk(source=source)
    assert desk.run(noon_s()).succeeded
    today = explain(desk.lake, "BTC-USD", day_number("2026-03-10")).data
    assert today["figures"] is None  # type: ignore[index]
    assert today["run"] is None  # type: ignore[index]
    assert today["ledger"][0]["state"] == "unfinished"  # type: ignore[index]
    found = explain(desk.lake, "BTC-USD", day_number("2026-03-08")).data
    (payload,) = found["answer"]["payload_of_the_candle"]  # type: ignore[index]
    assert found["answer"]["http_status"] == 200  # type: ignore[index]
    start = json.loads(payload)["start"] if source == "advanced_trade" else json.loads(payload)[0]
    assert int(start) == found["candle"]["open_time_s"]  # type: ignore[index]


def test_a_day_that_only_failed_is_explained_by_the_ledger(empty: Lake) -> None:
    ledger(empty, "advanced_trade", d02=("failed", "timeout", RETRY_US))
    view = explain(empty, "BTC-USD", day_number("2025-12-02"))
    assert [view.data[name] for name in ("figures", "candle", "answer")] == [None] * 3  # type: ignore[index]
    assert any("timeout" in line for line in view.lines)


@pytest.mark.parametrize(
    ("product", "day", "reason"),
    [
        ("BTC-USD", "2030-01-01", f"nothing is stored; it has days from {FIRST_DAY} to {LAST_DAY}"),
        ("ADA-USD", "2025-01-01", "nothing is stored; the product must be one of BTC-USD, ETH-USD, SOL-USD"),
    ],
)
def test_a_day_of_which_nothing_is_stored_is_refused(product: str, day: str, reason: str, lake: Lake) -> None:
    with pytest.raises(UsageError) as caught:
        explain(lake, product, day_number(day))
    assert str(caught.value) == f"PRODUCT DAY: {product} {day}: {reason}"


def test_a_candle_that_an_answer_has_twice_is_quoted_twice() -> None:
    body = b'{"candles":[{"start":"86400","open":"1.0"},{"start":"0"},{"start":86400,"open": "1"}]}'
    assert payload_of("file", body, 86_400) == ['{"start":"86400","open":"1.0"}', '{"start":86400,"open": "1"}']
    assert payload_of("file", b"<html>", 86_400) == []
