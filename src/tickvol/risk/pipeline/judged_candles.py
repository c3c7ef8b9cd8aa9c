"""Candles judged by the rules: built-in ones about the answer, and those of `risk.rules`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from tickvol.risk.pipeline.candles import CANDLE_SCHEMA, latest_candles
from tickvol.risk.pipeline.context import FILE, RunContext
from tickvol.risk.settings import RiskConfig
from tickvol.risk.tables import SILVER
from tickvol.storage.delta.expectations import Expectation, RuleCount, check, count_rows, quarantine_rows
from tickvol.storage.delta.shared_tables import QUARANTINE, RULE_COUNTS

_RETURN = "log_return"
_OF_THE_ANSWER = ("received_at_us", "payload_sha256", "run_id", "is_asked", "is_placed", "is_final", "is_unique")

ANSWER_RULES = (
    Expectation(name="inside_the_window", rule="is_asked", action="quarantine"),
    Expectation(name="one_value_per_time", rule="is_unique", action="quarantine"),
    Expectation(name="time_readable", rule="open_time_s IS NOT NULL", action="quarantine"),
)
"""Rules about the answer rather than the candle; they hold for every source and cannot be changed."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Good and rejected candles, by batch what follows for the days.

    Attributes
    ----------
    good, rejected : rows as in `CANDLE_SCHEMA`; `rejected` has the column `rules` in addition.
    good_days, rejected_days : by batch, as days since the epoch; rejected ones with the rules that they broke.
    unplaced : batches of the exchange with a candle of no known day: no evidence that a day has none.
    failed : rules with the action fail, broken by a candle of the newest run that no good one replaces.
    """

    good: pl.DataFrame
    rejected: pl.DataFrame
    counts: tuple[RuleCount, ...]
    good_days: Mapping[str, frozenset[int]]
    rejected_days: Mapping[str, Mapping[int, str]]
    unplaced: frozenset[str]
    failed: tuple[str, ...]


def expectations(config: RiskConfig) -> tuple[Expectation, ...]:
    """The configured rules, and one rule for each price range."""
    rules = [Expectation(name=r.name, rule=r.rule, action=r.action, missing=r.missing) for r in config.rules]
    ranges = [
        Expectation(
            name="price_in_range", rule=f"close >= {low!r} AND close <= {high!r}", action="warn", product_id=product
        )
        for product, (low, high) in sorted(config.price_ranges.items())
    ]
    return (*rules, *ranges)


def judge_candles(run: RunContext, rows: pl.DataFrame) -> Judged:
    """Apply the rules about one candle to all, and those about its return to the candles that would be stored."""
    products = sorted({*run.config.products, *rows["product_id"].to_list()})
    rules = expectations(run.config)
    of_return = tuple(rule for rule in rules if _RETURN in rule.rule)
    first = check(rows, (*ANSWER_RULES, *(r for r in rules if r not in of_return)), products=products)
    second = check(_with_returns(run, latest_candles(first.good)), of_return, products=products)
    bad_keys = second.rejected.select("ingestion_batch_id", "product_id", "open_time_s")
    good = first.good.join(bad_keys, on=bad_keys.columns, how="anti", nulls_equal=True)
    rejected = pl.concat([first.rejected, second.rejected.select(first.rejected.columns)])
    asked = rejected.filter(pl.col("is_asked") & pl.col("open_time_s").is_not_null())
    newest = asked.filter(
        pl.col("run_id") == pl.lit(rows["run_id"].max(), pl.String)
    )  # older ones were refused once already
    return Judged(
        good=good,
        rejected=rejected,
        counts=(*first.counts, *second.counts),
        good_days=_days_by_batch(good),
        rejected_days=_rules_by_batch(asked),
        unplaced=frozenset(
            rejected.filter(~pl.col("is_placed") & (pl.col("source") != FILE))["ingestion_batch_id"].to_list()
        ),
        failed=_failed(rules, newest.join(good, on=["source", "product_id", "open_time_s"], how="anti")),
    )


def store_judgement(run: RunContext, judged: Judged) -> None:
    """Store the counts of every rule, zeros included, and the rejected rows."""
    table = run.lake.table(RULE_COUNTS.name)
    is_earlier = (pl.col("run_id") == run.log.run_id) & (pl.col("table") == SILVER.name)
    earlier = table.read(where=is_earlier, columns=["attempt"])["attempt"].max()
    attempt = 1 + (earlier if isinstance(earlier, int) else 0)
    table.append(count_rows(judged.counts, run.log.run_id, SILVER.name, attempt=attempt), run_id=run.log.run_id)
    if not judged.rejected.is_empty():
        rows = quarantine_rows(judged.rejected, run.log.run_id, SILVER.name, leave_out=_OF_THE_ANSWER)
        run.lake.table(QUARANTINE.name).append(rows, run_id=run.log.run_id)


def _with_returns(run: RunContext, latest: pl.DataFrame) -> pl.DataFrame:
    """The candles with their log return against the day before, stored or new; null where that is unknown."""
    key = ["source", "product_id", "granularity_s"]
    stored = run.lake.table(SILVER.name).read(columns=[*key, "open_time_s", "close"])
    known = pl.concat([stored, latest.select(stored.columns)]).unique([*key, "open_time_s"], keep="last")
    earlier = known.with_columns(open_time_s=pl.col("open_time_s") + pl.col("granularity_s")).rename(
        {"close": "close_earlier"}
    )
    joined = latest.join(earlier, on=[*key, "open_time_s"], how="left")
    return joined.with_columns((pl.col("close") / pl.col("close_earlier")).log().alias(_RETURN)).select(
        *CANDLE_SCHEMA.names(), _RETURN
    )


def _failed(rules: Sequence[Expectation], bad: pl.DataFrame) -> tuple[str, ...]:
    broken = {name for names in bad["rules"].to_list() for name in names.split(",")}
    return tuple(dict.fromkeys(rule.name for rule in rules if rule.action == "fail" and rule.name in broken))


def _days_by_batch(rows: pl.DataFrame) -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    for batch, time_s, step_s in rows.select("ingestion_batch_id", "open_time_s", "granularity_s").iter_rows():
        found.setdefault(batch, set()).add(time_s // step_s)
    return {batch: frozenset(days) for batch, days in found.items()}


def _rules_by_batch(rows: pl.DataFrame) -> dict[str, dict[int, str]]:
    found: dict[str, dict[int, str]] = {}
    wanted = rows.select("ingestion_batch_id", "open_time_s", "granularity_s", "rules")
    for batch, time_s, step_s, rules in wanted.iter_rows():
        found.setdefault(batch, {})[time_s // step_s] = rules
    return found
