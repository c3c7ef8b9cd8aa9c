"""Digest of a table's content, whatever its files, the order of its rows and the runs that wrote them."""

import hashlib
from collections.abc import Mapping

import numpy as np
import polars as pl

from tickvol.storage.delta.spec import Column, TableSpec

_BYTES = {"bool": "<u1", "int16": "<i2", "int32": "<i4", "int64": "<i8", "float64": "<f8"}


def content_digest(spec: TableSpec, rows: pl.DataFrame) -> str:
    """SHA-256 of the content columns in their declared order.

    A column is its name, its type and the number of rows, one byte per row (0: null), then the values: little-endian,
    a null as zero, -0.0 as 0.0, a NaN in its canonical form; text as the lengths in bytes, then the UTF-8.

    Parameters
    ----------
    rows : sorted by key; must hold the content columns.
    """
    digest = hashlib.sha256()
    for name in spec.content_names:
        column = spec.column(name)
        digest.update(f"{name}\0{column.type}\0{len(rows)}\0".encode())
        for part in _parts(column, rows[name]):
            digest.update(part)
    return digest.hexdigest()


def _parts(column: Column, values: pl.Series) -> list[bytes]:
    present = values.is_not_null().to_numpy().astype(np.uint8).tobytes()
    if column.type == "text":
        text = values.fill_null("")
        lengths = text.str.len_bytes().to_numpy().astype("<i8").tobytes()
        return [present, lengths, "".join(text.to_list()).encode()]
    numbers = values.fill_null(False if column.type == "bool" else 0).to_numpy().astype(_BYTES[column.type])
    if column.type == "float64":
        numbers = np.where(np.isnan(numbers), np.nan, numbers + 0.0).astype("<f8")
    return [present, numbers.tobytes()]


def joint_digest(digests: Mapping[str, str]) -> str:
    """SHA-256 of the names and digests of a table's partitions, in the order of their names."""
    text = "".join(f"{name}\0{digest}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(text.encode()).hexdigest()
