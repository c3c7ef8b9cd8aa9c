"""Parquet files of numbers: page checksums, atomic replacement, no pandas.

`pa.array` and `to_numpy` import pandas: 0.24 s with the GIL held, and 40 MB. Buffers and DLPack do not.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tickvol.storage.files import replacement


def write_table(
    path: Path, schema: pa.Schema, columns: Sequence[NDArray[Any]], *, temporary: Path | None = None
) -> None:
    """Replace a file atomically, on disk when this returns; equal numbers give equal bytes.

    Parameters
    ----------
    path : its directory is created when the content is written.
    columns : (n,) each, of the type that `schema` states for it; they become one row group.
    temporary : see `tickvol.storage.files.replacement`.
    """
    arrays = [_array(field.type, column) for field, column in zip(schema, columns, strict=True)]
    with replacement(path, temporary=temporary) as sink:
        pq.write_table(
            pa.Table.from_arrays(arrays, schema=schema),
            sink,
            compression="zstd",
            compression_level=1,
            use_dictionary=False,
            write_page_checksum=True,
            row_group_size=max(len(columns[0]), 1),
        )
        path.parent.mkdir(parents=True, exist_ok=True)


def _array(kind: pa.DataType, numbers: NDArray[Any]) -> pa.Array:
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(np.ascontiguousarray(numbers))])


def read_table(path: Path) -> pa.Table:
    """Read a file and verify the checksums of its pages; they do not cover the footer.

    Raises
    ------
    OSError, ValueError, pyarrow.ArrowException
        If bytes do not match their checksum or are not Parquet at all.
    """
    return pq.ParquetFile(path, page_checksum_verification=True).read()


def column_numbers(column: pa.ChunkedArray) -> NDArray[Any]:
    """Numbers of a column, (n,).

    Parameters
    ----------
    column : int64 or float64 without nulls.

    Raises
    ------
    TypeError, BufferError, pyarrow.ArrowException
        If the column holds nulls or values that are not numbers.
    """
    return np.concatenate([np.from_dlpack(chunk) for chunk in column.chunks] or [np.empty(0)])
