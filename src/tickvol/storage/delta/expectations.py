"""Rules that rows must meet: SQL expressions that count, quarantine or stop, with a count for every rule and product.

Polars orders NaN above all numbers, so `close > 0` would accept it: a null, NaN or infinity in a column that a rule
names breaks the rule, whatever the expression says, unless the rule lets missing values pass. A NaN that the expression
itself computes, as 0/0 does, is not seen: `volume > 0 AND ...` first keeps it away.
"""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from tickvol.core.errors import ConfigError, InputError
from tickvol.storage.delta.schema import polars_schema
from tickvol.storage.delta.shared_tables import QUARANTINE, RULE_COUNTS

Action = Literal["warn", "quarantine", "fail"]

_PRODUCT = "product_id"
_BATCH = "ingestion_batch_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A rule for the rows of a table.

    Attributes
    ----------
    rule : SQL expression over the columns of one row, true for a good row.
    action : warn counts, quarantine rejects the row, fail rejects it and stops the step.
    missing : whether a null, NaN or infinity in a column of the rule violates it or passes.
    product_id : product that the rule is for; None: all.
    """

    name: str
    rule: str
    action: Action
    missing: Literal["violates", "passes"] = "violates"
    product_id: str | None = None


@dataclass(frozen=True, slots=True)
class RuleCount:
    """Rows of one product that a rule checked, and those that broke it; product "": rows of no known product."""

    rule: str
    product_id: str
    action: Action
    checked: int
    violated: int


@dataclass(frozen=True, slots=True)
class Checked:
    """Rows that were checked, in their order.

    Attributes
    ----------
    good : rows that broke no quarantine or fail rule.
    rejected : the others, with the column `rules`: names of the quarantine and fail rules broken, comma-separated.
    counts : of every rule, for each product; for rows of no known product only if there are such rows.
    failed : names of the fail rules that a row broke.
    """

    good: pl.DataFrame
    rejected: pl.DataFrame
    counts: tuple[RuleCount, ...]
    failed: tuple[str, ...]


def check(rows: pl.DataFrame, expectations: Sequence[Expectation], *, products: Sequence[str]) -> Checked:
    """Apply rules to rows.

    Parameters
    ----------
    rows : with the column `product_id`, which may be null.
    products : those that get a count, with rows or without.

    Raises
    ------
    ConfigError
        If a rule cannot be parsed, names an unknown column, gives no truth value per row, or appears twice.
    InputError
        If the rows have no column `product_id`.
    """
    if _PRODUCT not in rows.columns:
        raise InputError(f"rows to check: column {_PRODUCT}: is missing; add it")
    product = rows.select(
        pl.when(pl.col(_PRODUCT).is_in(list(products))).then(pl.col(_PRODUCT)).otherwise(pl.lit("")).alias(_PRODUCT)
    ).to_series()
    broken = [_broken(rows, expectation) for expectation in expectations]
    counts = [
        count
        for expectation, series in zip(expectations, broken, strict=True)
        for count in _count(expectation, product, series, products)
    ]
    _refuse_repeated(counts)
    rejecting = [
        (expectation.name, series)
        for expectation, series in zip(expectations, broken, strict=True)
        if expectation.action != "warn"
    ]
    rules = _rules_broken(rows, rejecting)
    failed = [count.rule for count in counts if count.action == "fail" and count.violated]
    return Checked(
        good=rows.filter(rules == ""),
        rejected=rows.with_columns(rules).filter(rules != ""),
        counts=tuple(counts),
        failed=tuple(dict.fromkeys(failed)),
    )


def _broken(rows: pl.DataFrame, expectation: Expectation) -> pl.Series:
    """Whether each row breaks the rule."""
    condition = parsed(expectation, rows.schema)
    missing = pl.any_horizontal(
        pl.lit(False), *(_is_missing(name, rows.schema) for name in condition.meta.root_names())
    )
    result = pl.when(missing).then(expectation.missing == "violates").otherwise(~condition.fill_null(False))
    if expectation.product_id is not None:
        result = result & (pl.col(_PRODUCT) == expectation.product_id).fill_null(False)
    try:
        return rows.select(result.alias("broken")).to_series()
    except pl.exceptions.PolarsError as error:
        raise _refusal(expectation, error) from error


def _is_missing(name: str, schema: pl.Schema) -> pl.Expr:
    column = pl.col(name)
    return column.is_null() | ~column.is_finite() if schema[name].is_float() else column.is_null()


def parsed(expectation: Expectation, schema: Mapping[str, pl.DataType]) -> pl.Expr:
    """The rule as an expression, proved on no rows of these columns.

    Raises
    ------
    ConfigError
        Names the rule and the reason.
    """
    try:
        condition = pl.sql_expr(expectation.rule)
        result = pl.DataFrame(schema=schema).select(condition.alias("result"))
    except pl.exceptions.PolarsError as error:
        raise _refusal(expectation, error) from error
    if result.schema["result"] != pl.Boolean():
        raise _refusal(expectation, f"gives {result.schema['result']}, must give a truth value")
    if len(result):
        raise _refusal(expectation, "must name a column and judge each row alone, without aggregates")
    return condition


def _refusal(expectation: Expectation, reason: object) -> ConfigError:
    first = (str(reason).splitlines() or ["is refused"])[0]
    return ConfigError(f"rule {expectation.name}: {expectation.rule!r}: {first}")


def _count(expectation: Expectation, product: pl.Series, broken: pl.Series, products: Sequence[str]) -> list[RuleCount]:
    checked = Counter(product.to_list())
    violated = Counter(product.filter(broken).to_list())
    named = products if expectation.product_id is None else [expectation.product_id]
    if expectation.product_id is None and checked[""]:
        named = [*named, ""]
    return [RuleCount(expectation.name, name, expectation.action, checked[name], violated[name]) for name in named]


def _refuse_repeated(counts: Sequence[RuleCount]) -> None:
    for (rule, product_id), times in Counter((count.rule, count.product_id) for count in counts).items():
        if times > 1:
            raise ConfigError(f"rule {rule}: appears twice for the product {product_id!r}; give each rule its own name")


def _rules_broken(rows: pl.DataFrame, rejecting: Sequence[tuple[str, pl.Series]]) -> pl.Series:
    names = [pl.when(series).then(pl.lit(name)).alias(str(number)) for number, (name, series) in enumerate(rejecting)]
    if not names:
        return pl.Series("rules", [""] * len(rows), dtype=pl.String)
    return rows.select(pl.concat_str(names, separator=",", ignore_nulls=True).alias("rules")).to_series()


def count_rows(counts: Sequence[RuleCount], run_id: str, table: str, *, attempt: int = 1) -> pl.DataFrame:
    """Counts as rows of the table `rule_counts`."""
    rows = [
        (run_id, attempt, table, count.rule, count.product_id, count.action, count.checked, count.violated)
        for count in counts
    ]
    return pl.DataFrame(rows, schema=polars_schema(RULE_COUNTS), orient="row")


def quarantine_rows(
    rejected: pl.DataFrame, run_id: str, table: str, *, leave_out: Collection[str] = ()
) -> pl.DataFrame:
    """Rejected rows as rows of the table `quarantine`; rows with the same content and rules become one.

    Parameters
    ----------
    rejected : rows with the column `rules`; `ingestion_batch_id`, if there, becomes a column of its own.
    leave_out : columns that differ from run to run, such as times, so that a row rejected again is the same row.
    """
    out = {_BATCH, "rules", *leave_out}
    rows = []
    for row in rejected.iter_rows(named=True):
        text = row_json({name: value for name, value in row.items() if name not in out})
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        rows.append((run_id, table, sha256, row.get(_PRODUCT) or "", row["rules"], text, row.get(_BATCH)))
    frame = pl.DataFrame(rows, schema=polars_schema(QUARANTINE), orient="row")
    return frame.unique(QUARANTINE.key, keep="first", maintain_order=True)


def row_json(row: Mapping[str, object]) -> str:
    """A row as canonical JSON: sorted names, no spaces, floats in full; NaN and infinities as text.

    >>> row_json({"close": math.nan, "average": 0.1})
    '{"average":0.1,"close":"NaN"}'
    """
    shown = {name: _finite(value) for name, value in row.items()}
    return json.dumps(shown, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _finite(value: object) -> object:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
