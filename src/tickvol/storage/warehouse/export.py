"""Write the result of a SQL query as a Parquet file, a batch at a time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from tickvol.storage.files import replacement

_BATCH = 50_000


def write_parquet(
    connection: sa.Connection, query: sa.Executable, types: Mapping[str, TypeEngine[Any]], path: Path
) -> int:
    """Replace a file by the rows of a query, in its order, and return their number.

    Parameters
    ----------
    types : SQL type of each selected column, in the order of the query.
    """
    schema = pa.schema([(name, _arrow_type(kind)) for name, kind in types.items()])
    rows = connection.execution_options(yield_per=_BATCH).execute(query)
    count = 0
    with replacement(path) as file, pq.ParquetWriter(file, schema) as writer:
        for batch in rows.partitions():
            columns = zip(*batch, strict=True)
            arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            count += len(batch)
    return count


def _arrow_type(kind: TypeEngine[Any]) -> pa.DataType:
    if isinstance(kind, sa.Float):
        return pa.float64()
    if isinstance(kind, sa.Integer):
        return (
            pa.int16()
            if isinstance(kind, sa.SmallInteger)
            else pa.int64()
            if isinstance(kind, sa.BigInteger)
            else pa.int32()
        )
    return pa.date32() if isinstance(kind, sa.Date) else pa.string()
