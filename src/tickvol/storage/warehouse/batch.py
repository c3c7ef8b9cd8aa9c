"""Columns of values that are about to be written, checked once so that every database stores the same."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from tickvol.core.errors import WorkError
from tickvol.storage.warehouse.columns import Value, canonical, integer_limit

Values = np.ndarray[Any, Any] | Sequence[Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of a table, as columns in the order of the table.

    Attributes
    ----------
    columns : lists of Python values of equal length; floats are finite and never -0.0.
    """

    table: sa.Table
    columns: tuple[list[Value], ...]

    def __len__(self) -> int:
        return len(self.columns[0])

    def rows(self) -> Iterator[tuple[Value, ...]]:
        """One tuple a row."""
        return zip(*self.columns, strict=True)


def check_columns(table: sa.Table, columns: Mapping[str, Values]) -> int:
    """Check that the columns are those of the table, of one length and with distinct keys; return the length.

    Raises
    ------
    WorkError
        If they are not.
    """
    if columns.keys() != set(table.columns.keys()):
        strange = ", ".join(sorted(columns.keys() ^ set(table.columns.keys())))
        raise WorkError(f"{table.name}: {strange}: the columns must be exactly those declared")
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise WorkError(f"{table.name}: lengths {lengths}: all columns must have one length")
    keys = [column.name for column in table.primary_key.columns]
    length = next(iter(lengths.values()))
    if length > 1:
        _check_distinct(table, keys, [columns[name] for name in keys])
    return length


def _check_distinct(table: sa.Table, names: Sequence[str], keys: Sequence[Values]) -> None:
    try:
        ranks = [np.unique(np.asarray(values), return_inverse=True)[1] for values in keys]
    except TypeError:
        return  # a null among them, which `read_batch` refuses with its column
    order = np.lexsort(ranks[::-1])
    equal = np.ones(len(order) - 1, dtype=bool)
    for rank in ranks:
        equal &= rank[order][1:] == rank[order][:-1]
    if equal.any():
        row = int(order[int(np.argmax(equal))])
        key = ", ".join(f"{name}={values[row]}" for name, values in zip(names, keys, strict=True))
        raise WorkError(f"{table.name}: {key}: two rows have this key; it must be unique")


def read_batch(table: sa.Table, columns: Mapping[str, Values], start: int, stop: int) -> Batch:
    """Rows `start` to `stop`, without the latter.

    Raises
    ------
    WorkError
        If a value is of another type or too large for its column, null in a column that must not be, NaN or infinite,
        or a text of a unique key that ends with a blank: MariaDB takes it for the text without.
    """
    unique = _unique_columns(table)
    read = []
    for column in table.columns:
        values = _values(column, columns[column.name][start:stop])
        if column.name in unique and isinstance(column.type, sa.String):
            _check_blanks(column, values)
        read.append(values)
    return Batch(table, tuple(read))


def _unique_columns(table: sa.Table) -> set[str]:
    kinds = (sa.PrimaryKeyConstraint, sa.UniqueConstraint)
    return {column.name for one in table.constraints if isinstance(one, kinds) for column in one.columns}


def _values(column: sa.Column[Any], values: Values) -> list[Value]:
    kind = column.type
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiu":
        if isinstance(kind, sa.Float):
            floats = values.astype(np.float64) + 0.0  # -0.0 + 0.0 is 0.0
            if not np.isfinite(floats).all():
                canonical(column, float(floats[~np.isfinite(floats)][0]))
            return floats.tolist()  # type: ignore[no-any-return]
        if isinstance(kind, sa.Integer) and values.dtype.kind in "iu" and _fits(kind, values):
            return values.tolist()  # type: ignore[no-any-return]
    plain: Sequence[Any] = values.tolist() if isinstance(values, np.ndarray) else values
    read = [canonical(column, value.item() if isinstance(value, np.generic) else value) for value in plain]
    if isinstance(kind, sa.String):
        _check_encodable(column, read)
    return read


def _fits(kind: sa.Integer, values: np.ndarray[Any, Any]) -> bool:
    limit = integer_limit(kind)
    return not len(values) or (int(values.min()) >= -limit and int(values.max()) < limit)


def _check_encodable(column: sa.Column[Any], values: Sequence[Value]) -> None:
    for value in values:
        try:
            str(value).encode()
        except UnicodeEncodeError:
            raise WorkError(f"{column.table}.{column.name}: {value!r}: must be text that UTF-8 can encode") from None


def _check_blanks(column: sa.Column[Any], values: Sequence[Value]) -> None:
    for value in values:
        if isinstance(value, str) and value.endswith(" "):
            raise WorkError(f"{column.table}.{column.name}: {value!r}: text of a unique key must not end with a blank")
