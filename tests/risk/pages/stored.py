"""Tables filled with seeded figures for pages: plausible and consistent, though not those of a real run."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from tickvol.pages.numbers import day_end_us
from tickvol.risk.tables import ANOMALIES, BACKTEST, CORRELATION, COVERAGE, EPISODES, RISK, RISK_TABLES
from tickvol.storage.delta.lake import Lake
from tickvol.storage.delta.schema import polars_schema
from tickvol.storage.delta.shared_tables import PIPELINE_LOGS, QUARANTINE, RULE_COUNTS, SHARED_TABLES
from tickvol.storage.delta.spec import TableSpec

PRODUCTS = {"BTC-USD": (64_000.0, 0.45), "ETH-USD": (3_200.0, 0.62), "SOL-USD": (145.0, 0.85)}
"""First close, and volatility per year."""

DAYS, WARM_UP = 500, 366
NEWEST_DAY = "2026-02-28"
NOW_US = int(datetime(2026, 3, 1, 9, 30, tzinfo=UTC).timestamp() * 1e6)
STEPS = {"ingest": 6.0, "silver": 0.9, "gold": 3.2, "anomalies": 0.4, "audit": 0.7, "star": 1.1}
"""Steps of a run with their typical duration in s."""

SHOCKS = {120: -0.31, 96: 0.24, 71: -0.22, 40: 0.27, 17: -0.26}
"""Log returns so many days ago, per volatility of a year."""

US = 1_000_000
RUNS = 24


def lake_at(directory: Path) -> Lake:
    return Lake(directory, (*RISK_TABLES, *SHARED_TABLES))


def fill(directory: Path, *, newest_day: str = NEWEST_DAY, days: int = DAYS) -> Lake:
    """Write all tables that the pages read."""
    lake = lake_at(directory)
    for product in PRODUCTS:
        add_product(lake, product, newest_day=newest_day, days=days)
    lake.table(PIPELINE_LOGS.name).append(log_rows(newest_day), run_id="seed")
    newest = run_id(0)
    lake.table(RULE_COUNTS.name).append(rule_rows(newest), run_id="seed")
    lake.table(QUARANTINE.name).append(quarantine_rows(newest), run_id="seed")
    lake.table(COVERAGE.name).replace(coverage_rows(newest_day), run_id="seed")
    lake.table(CORRELATION.name).replace(correlation_rows(newest_day), run_id="seed")
    return lake


def frame(spec: TableSpec, rows: Sequence[dict[str, object]]) -> pl.DataFrame:
    """Rows of a table; columns that are not given are null, empty or zero."""
    blanks = {"text": "", "bool": False, "float64": 0.0}
    blank = {c.name: None if c.optional else blanks.get(c.type, 0) for c in spec.columns}
    return pl.DataFrame([blank | row for row in rows], schema=polars_schema(spec), orient="row")


def add_product(lake: Lake, product: str, *, newest_day: str = NEWEST_DAY, days: int = DAYS) -> None:
    """Write the figures of one product."""
    risk, anomalies = daily_rows(product, newest_day, days)
    where = {"product_id": product}
    lake.table(RISK.name).replace(frame(RISK, risk), run_id="seed", where=where)
    lake.table(ANOMALIES.name).replace(frame(ANOMALIES, anomalies), run_id="seed", where=where)
    lake.table(BACKTEST.name).replace(frame(BACKTEST, backtest_rows(product, newest_day)), run_id="seed", where=where)
    lake.table(EPISODES.name).replace(frame(EPISODES, episode_rows(product, risk)), run_id="seed", where=where)


def log_returns(product: str, days: int) -> np.ndarray:
    """Log returns in clusters of volatility, with heavy tails."""
    rng = np.random.default_rng(sum(map(ord, product)))
    level = np.exp(0.35 * np.sin(np.arange(days) / 40 + len(product)) + 0.15 * rng.standard_normal(days))
    returns = PRODUCTS[product][1] / np.sqrt(365) * level * rng.standard_t(4, days) / np.sqrt(2)
    returns = returns - returns.mean() + 0.0004
    for days_ago, shock in SHOCKS.items():
        if days_ago < days:
            returns[-days_ago] = shock * PRODUCTS[product][1]
    return returns


def daily_rows(product: str, newest_day: str, days: int) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    r = log_returns(product, days)
    r[0] = np.nan
    close = PRODUCTS[product][0] * np.exp(np.nancumsum(r))
    peak = np.maximum.accumulate(close)
    drawdown = close / peak - 1
    simple = np.expm1(r)
    names = [(date.fromisoformat(newest_day) - timedelta(days=days - 1 - i)).isoformat() for i in range(days)]
    variance = np.nanvar(r[:30])
    risk, anomalies = [], []
    for i, day in enumerate(names):
        before = r[max(1, i - 365) : i]
        is_known = i >= WARM_UP
        vol = float(np.std(r[i - 29 : i + 1], ddof=1)) if i >= 30 else None
        sigma = float(np.sqrt(variance))
        variance = 0.94 * variance + 0.06 * (0.0 if i == 0 else float(r[i]) ** 2)
        z = float((r[i] - np.median(before)) / _mad(before)) if is_known else None
        row: dict[str, object] = {
            "product_id": product,
            "day": day,
            "source": "simulated",
            "close": float(close[i]),
            "simple_return": float(simple[i]) if i else None,
            "log_return": float(r[i]) if i else None,
            "vol_30": vol,
            "vol_30_annual": None if vol is None else vol * 365**0.5,
            "peak": float(peak[i]),
            "drawdown": float(drawdown[i]),
            "max_drawdown": float(drawdown[: i + 1].min()),
            "worst_daily_loss": float(np.nanmin(simple[1 : i + 1])) if i else None,
            "var_95_fhs": -1.61 * sigma if is_known else None,
            "es_95_fhs": -2.38 * sigma if is_known else None,
            "known_returns_30": min(i, 30),
            "known_returns_365": min(max(i - 1, 0), 365),
            "reason": "" if is_known else f"{len(before)} known returns in the 365 days before, 329 are needed",
            "run_id": run_id(0),
        }
        risk.append(row)
        is_anomaly = abs(z) > 3.5 if z is not None else None
        anomalies.append(
            {
                "product_id": product,
                "day": day,
                "log_return": row["log_return"],
                "z_trailing": z,
                "is_anomaly": is_anomaly,
                "direction": ("up" if r[i] > 0 else "down") if is_anomaly else None,
                "severity": _severity(abs(z)) if is_anomaly and z is not None else None,
            }
        )
    return risk, anomalies


def _mad(values: np.ndarray) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _severity(z: float) -> str:
    return "moderate" if z <= 5 else "strong" if z <= 8 else "extreme"


def episode_rows(product: str, risk: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """Falls below a peak, by walking over the closes."""
    found: list[dict[str, object]] = []
    peak, trough, opened = 0, 0, False
    closes = [float(str(row["close"])) for row in risk]
    for i, close in enumerate([*closes, None]):
        if close is not None and close < closes[peak]:
            trough = i if not opened or close < closes[trough] else trough
            opened = True
            continue
        if opened:
            found.append(_episode(product, risk, closes, peak, trough, None if close is None else i))
        if close is not None:
            peak, opened = i, False
    return found


def _episode(product, risk, closes, peak, trough, recovery):
    return {
        "product_id": product,
        "peak_day": risk[peak]["day"],
        "trough_day": risk[trough]["day"],
        "recovery_day": None if recovery is None else risk[recovery]["day"],
        "depth": closes[trough] / closes[peak] - 1,
        "days_down": trough - peak,
        "days_up": None if recovery is None else recovery - trough,
    }


def backtest_rows(product: str, newest_day: str) -> list[dict[str, object]]:
    judged = {
        "fhs": (8, 0.612, 0.548, "green", "ok", -0.02),
        "roll": (13, 0.031, 0.0144, "yellow", "clustered", -0.08),
        "ewma": (9, 0.401, 0.377, "green", "ok", -0.14),
        "garch": (2, 0.021, 0.811, "unknown", "not_enough_days", None),
    }
    return [
        {
            "product_id": product,
            "method": method,
            "level": 0.05,
            "as_of_day": newest_day,
            "n": DAYS - WARM_UP,
            "exceptions": exceptions,
            "expected": 0.05 * (DAYS - WARM_UP),
            "rate": exceptions / (DAYS - WARM_UP),
            "p_pof": p_pof,
            "p_ind": p_ind,
            "p_cc": min(p_pof, p_ind) * 1.2,
            "es_z1": z1,
            "last_250_exceptions": exceptions,
            "light": light,
            "verdict": verdict,
        }
        for method, (exceptions, p_pof, p_ind, light, verdict, z1) in judged.items()
    ]


def correlation_rows(newest_day: str) -> pl.DataFrame:
    pairs = {("BTC-USD", "ETH-USD"): 0.84, ("BTC-USD", "SOL-USD"): 0.76, ("ETH-USD", "SOL-USD"): 0.79}
    rows = [
        {"product_a": a, "product_b": b, "day": newest_day, "corr_30": r + 0.04, "corr_full": r, "pairs": DAYS - 1}
        for (a, b), r in pairs.items()
    ]
    return frame(CORRELATION, rows)


def run_id(runs_ago: int) -> str:
    return f"019c0000-0000-7000-8000-{RUNS - runs_ago:012x}"


def log_rows(newest_day: str) -> pl.DataFrame:
    """A run a day, the newest one after the end of the newest day; the ninth newest failed."""
    rng = np.random.default_rng(7)
    rows: list[dict[str, object]] = []
    for ago in range(RUNS - 1, -1, -1):
        start = day_end_us(newest_day) + 15 * 60 * US - ago * 86_400 * US
        at, failed = start, ago == 8
        for number, (step, typical_s) in enumerate(STEPS.items()):
            length = typical_s * float(rng.uniform(0.8, 1.3))
            status = "success" if not failed or number < 1 else "failed" if number == 1 else "skipped"
            rows.append(_log_row(ago, step, at, length, status))
            at += int(length * US)
        rows.append(_log_row(ago, "run", start, (at - start) / US, "failed" if failed else "success"))
    return frame(PIPELINE_LOGS, rows)


def _log_row(runs_ago: int, step: str, start: int, length_s: float, status: str) -> dict[str, object]:
    message = {
        "failed": "silver: 41 of 640 candles were rejected, more than 5%; the table is left as it was",
        "skipped": "silver failed",
    }
    is_work = status == "success" and step != "run"
    return {
        "run_id": run_id(runs_ago),
        "system": "risk",
        "step": step,
        "attempt": 1,
        "started_us": start,
        "ended_us": start + int(length_s * US),
        "duration_s": length_s,
        "status": status,
        "rows_read": 1500 if is_work else 0,
        "rows_written": 12 if is_work else 0,
        "rows_rejected": 2 if step == "silver" and is_work else 0,
        "message": message.get(status, "" if step == "run" else f"{step}: 3 products"),
        "error_type": "RuleBroken" if status == "failed" else None,
    }


def rule_rows(run: str) -> pl.DataFrame:
    rules = {
        "prices_positive": ("quarantine", 2),
        "low_is_lowest": ("quarantine", 0),
        "high_is_highest": ("quarantine", 0),
        "volume_not_zero": ("warn", 1),
        "return_below_half": ("warn", 0),
    }
    rows = [
        {
            "run_id": run,
            "attempt": 1,
            "table": "silver_coinbase_candles",
            "rule": rule,
            "product_id": product,
            "action": action,
            "checked": 4,
            "violated": violated if product == "SOL-USD" else 0,
        }
        for product in PRODUCTS
        for rule, (action, violated) in rules.items()
    ]
    return frame(RULE_COUNTS, rows)


def quarantine_rows(run: str) -> pl.DataFrame:
    rows = [
        {
            "run_id": run,
            "table": "silver_coinbase_candles",
            "row_sha256": f"{number:064x}",
            "product_id": "SOL-USD",
            "rules": "prices_positive",
            "row": "{}",
        }
        for number in range(2)
    ]
    return frame(QUARANTINE, rows)


def coverage_rows(newest_day: str) -> pl.DataFrame:
    """Thirty known days of each product, of which two of SOL-USD failed."""
    newest = date.fromisoformat(newest_day)
    rows = [
        {
            "source": "advanced_trade",
            "product_id": product,
            "granularity_s": 86_400,
            "day": (newest - timedelta(days=ago)).isoformat(),
            "state": "failed" if product == "SOL-USD" and ago in (4, 5) else "known",
            "reason": "HTTP 503 at each of 5 attempts" if product == "SOL-USD" and ago in (4, 5) else "",
        }
        for product in PRODUCTS
        for ago in range(30)
    ]
    return frame(COVERAGE, rows)
