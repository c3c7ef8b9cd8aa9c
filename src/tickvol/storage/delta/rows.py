"""Checks of rows before they are written, and their comparison with the stored rows of the same key."""

from dataclasses import dataclass

import polars as pl

from tickvol.core.errors import InputError, shown
from tickvol.storage.delta.schema import check_rows_schema
from tickvol.storage.delta.spec import TableSpec

_STORED = "stored: "


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows against the stored rows of the same key; equal in all content columns is unchanged.

    Attributes
    ----------
    new : rows whose key is not stored.
    changed : rows whose key is stored with other content.
    """

    new: pl.DataFrame
    changed: pl.DataFrame
    unchanged: int


def checked_rows(spec: TableSpec, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with their columns in the declared order, sorted by key.

    Raises
    ------
    SchemaMismatch
        If columns or types are not those declared.
    InputError
        For a null in a required column, a NaN or infinity anywhere, or two rows with the same key.
    """
    check_rows_schema(spec, rows)
    rows = rows.select(spec.names).sort(spec.key)
    for name, rule, broken in _value_rules(spec):
        if rows.select(broken.any()).item():
            raise InputError(
                f"{spec.name}: column {name}: {rule}; first in the row {key_text(spec, rows.filter(broken))}"
            )
    repeated = pl.struct(spec.key).is_duplicated()
    if rows.select(repeated.any()).item():
        raise InputError(
            f"{spec.name}: column {', '.join(spec.key)}: two rows have the same key; "
            f"first {key_text(spec, rows.filter(repeated))}"
        )
    return rows


def _value_rules(spec: TableSpec) -> list[tuple[str, str, pl.Expr]]:
    rules = []
    for column in spec.columns:
        value = pl.col(column.name)
        if not column.optional:
            what = "a key must not be null" if column.name in spec.key else "must not be null"
            rules.append((column.name, what, value.is_null()))
        if column.type == "float64":
            what = "must not be NaN or infinite" + ("; null means unknown" if column.optional else "")
            rules.append((column.name, what, value.is_finite().not_().fill_null(False)))
    return rules


def key_text(spec: TableSpec, rows: pl.DataFrame) -> str:
    """The key of the first row, as messages show it."""
    key = rows.select(spec.key).row(0)
    return ", ".join(f"{name}={shown(value)!r}" for name, value in zip(spec.key, key, strict=True))


def difference(spec: TableSpec, rows: pl.DataFrame, stored: pl.DataFrame) -> Difference:
    """Compare rows with stored rows by key; null equals null; columns that the table does not compare are ignored.

    Parameters
    ----------
    rows : checked rows.
    stored : compared columns of the table's rows, those with other keys included or not.
    """
    content = [name for name in spec.compared_names if name not in spec.key]
    known = stored.select(*spec.key, pl.col(content).name.prefix(_STORED), pl.lit(True).alias(_STORED))
    joined = rows.join(known, on=spec.key, how="left", maintain_order="left")
    is_new = joined[_STORED].is_null()
    differs = joined.select(
        pl.any_horizontal(pl.lit(False), *(pl.col(name).ne_missing(pl.col(_STORED + name)) for name in content))
    ).to_series()
    changed = rows.filter(~is_new & differs)
    return Difference(rows.filter(is_new), changed, len(rows) - int(is_new.sum()) - len(changed))
