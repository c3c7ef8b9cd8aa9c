"""Digest of the rows of a SQL query, the same in all databases."""

import hashlib
import struct
from collections.abc import Sequence
from datetime import date

import sqlalchemy as sa

from tickvol.storage.warehouse.columns import Value, canonical

_BATCH = 20_000


def query_digest(connection: sa.Connection, query: sa.Select[tuple[object, ...]], key: Sequence[str]) -> str:
    """SHA-256 of the result of a query: names of the columns, and the rows ordered by their key.

    Floats count with all their bits, except that -0.0 is 0.0. To compare databases that number the same things
    differently, select names and days instead of surrogate keys. The database orders the rows, and text in keys is
    compared by its bytes (`name_type`), so that no more than a batch of them is in memory.

    Parameters
    ----------
    key : names of selected columns that identify a row; none is null.
    """
    columns = list(query.selected_columns)
    names = [column.key or "" for column in columns]
    ordered = query.order_by(*(columns[names.index(name)] for name in key))
    digest = hashlib.sha256("\0".join(names).encode())
    for row in connection.execution_options(yield_per=_BATCH).execute(ordered):
        for column, value in zip(columns, row, strict=True):
            digest.update(_encoded(canonical(column, value)))
    return digest.hexdigest()


def _encoded(value: Value) -> bytes:
    if value is None:
        return b"n"
    if isinstance(value, float):
        return b"f" + struct.pack("<d", value)
    if isinstance(value, int):
        return b"i" + struct.pack("<q", value)
    content = (value.isoformat() if isinstance(value, date) else value).encode()
    return b"t" + struct.pack("<q", len(content)) + content
