"""Checks that block what builds on a step: unique candles, a ledger that agrees with them, rules, a star that joins."""

from collections.abc import Callable, Mapping, Sequence

import polars as pl

from tickvol.risk.figures.calendar import day_text
from tickvol.risk.pipeline.coverage_table import read_ledgers
from tickvol.risk.settings import RiskConfig
from tickvol.risk.star.check import check_star
from tickvol.risk.tables import ANOMALIES, COVERAGE, RISK, SILVER
from tickvol.storage.delta.lake import Lake
from tickvol.storage.delta.shared_tables import RULE_COUNTS
from tickvol.system import CheckResult

SILVER_UNIQUE, COVERAGE_OK, RULES_OK, STAR_JOINS = "silver_unique", "coverage_ok", "rules_ok", "star_joins"

VERDICTS: Mapping[str, tuple[str, ...]] = {"silver": (SILVER_UNIQUE, COVERAGE_OK, RULES_OK), "star": (STAR_JOINS,)}
CHECKED_STEPS = tuple(VERDICTS)
"""Steps whose result is judged before the next may start."""


def judge_step(lake: Lake, config: RiskConfig, step: str) -> tuple[CheckResult, ...]:
    """All verdicts about the result of a step."""
    return tuple(judge(lake, config) for judge in _JUDGES[step])


def silver_unique(lake: Lake, _: RiskConfig) -> CheckResult:
    """One candle for each product and time."""
    keys = lake.table(SILVER.name).read(columns=list(SILVER.key))
    twice = len(keys) - keys.n_unique()
    return CheckResult(
        SILVER_UNIQUE, twice == 0, f"{len(keys):,} candles, {twice} twice", {"candles": len(keys), "twice": twice}
    )


def coverage_ok(lake: Lake, _: RiskConfig) -> CheckResult:
    """Every day that the ledger calls known has a final candle, and every final candle a known day."""
    silver = lake.table(SILVER.name).read(where=pl.col("is_final"), columns=[*SILVER.key, "is_final"])
    stored = {
        (source, product, time_s // step_s) for source, product, step_s, time_s in silver.select(SILVER.key).iter_rows()
    }
    sources = lake.table(COVERAGE.name).read(columns=["source", "product_id", "granularity_s", "day"])["source"]
    known = {
        (source, product, day)
        for source in sources.unique().to_list()
        for product, entries in read_ledgers(lake, source).items()
        for day, entry in entries.items()
        if entry.state == "known"
    }
    wrong = sorted(known ^ stored)
    reason = f"{len(known):,} known days, each with its candle"
    if wrong:
        source, product, day = wrong[0]
        which = "known, but without a candle" if wrong[0] in known else "with a candle, but not known"
        reason = f"{len(wrong)} days differ from the ledger, the first: {source} {product} {day_text(day)}: {which}"
    return CheckResult(COVERAGE_OK, not wrong, reason, {"known": len(known), "wrong": len(wrong)})


def rules_ok(lake: Lake, _: RiskConfig) -> CheckResult:
    """No rule whose action is fail was violated in the last run that applied the rules."""
    counts = lake.table(RULE_COUNTS.name).read(where=pl.col("table") == SILVER.name)
    last = counts.filter(pl.col("run_id") == counts["run_id"].max()).filter(
        pl.col("attempt") == pl.col("attempt").max()
    )
    broken = last.filter((pl.col("action") == "fail") & (pl.col("violated") > 0))
    names = sorted(set(broken["rule"].to_list()))
    rejected = int(last.filter(pl.col("action") == "quarantine")["violated"].sum())
    reason = f"{', '.join(names)}: violated" if names else f"{last['rule'].n_unique()} rules, {rejected} rejections"
    return CheckResult(RULES_OK, not names, reason, {"rules": last["rule"].n_unique(), "rejections": rejected})


def star_joins(lake: Lake, config: RiskConfig) -> CheckResult:
    """Every fact joins its dimensions, keys are unique, and the facts equal the gold table."""
    risk, anomalies = lake.table(RISK.name).read(), lake.table(ANOMALIES.name).read()
    problems = check_star(config.database_url, risk, anomalies)
    reason = "; ".join(problems) or "every fact joins its asset and its day"
    return CheckResult(STAR_JOINS, not problems, reason, {"problems": len(problems)})


_JUDGES: Mapping[str, Sequence[Callable[[Lake, RiskConfig], CheckResult]]] = {
    "silver": (silver_unique, coverage_ok, rules_ok),
    "star": (star_joins,),
}
