"""Parquet files of numbers: equal bytes for equal numbers, damage is noticed, replaced whole."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tickvol.storage import parquet
from tickvol.storage.parquet import column_numbers, read_table, write_table

SCHEMA = pa.schema(
    [pa.field("n", pa.int64(), nullable=False), pa.field("x", pa.float64(), nullable=False)], {b"a": b"b"}
)


def columns(rows: int) -> list[np.ndarray]:
    return [np.arange(rows), np.random.default_rng(1).normal(size=rows)]


@pytest.mark.parametrize("rows", [0, 1, 1000])
def test_numbers_and_metadata_are_read_bit_for_bit(tmp_path: Path, rows: int) -> None:
    write_table(tmp_path / "made" / "file", SCHEMA, columns(rows), temporary=tmp_path / "growing")
    table = read_table(tmp_path / "made" / "file")
    assert table.schema.equals(SCHEMA, check_metadata=True)
    for read, written in zip(map(column_numbers, table.columns), columns(rows), strict=True):
        np.testing.assert_array_equal(read, written)


def test_equal_numbers_give_equal_bytes_whatever_their_layout_in_memory(tmp_path: Path) -> None:
    write_table(tmp_path / "a", SCHEMA, columns(100))
    write_table(tmp_path / "b", SCHEMA, [np.repeat(column, 2)[::2] for column in columns(100)])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_flipped_bit_in_a_page_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_table(path, SCHEMA, columns(50))
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(1)
    end = chunk.data_page_offset + chunk.total_compressed_size
    whole = path.read_bytes()
    for place in range(end - 300, end):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises((OSError, ValueError, pa.ArrowException)):
            read_table(path)


def test_a_column_with_nulls_is_refused() -> None:
    with pytest.raises((TypeError, BufferError, pa.ArrowException)):
        column_numbers(pa.chunked_array([[1.0, None]]))


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object, sink: object, **__: object) -> None:
        sink.write(b"half")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    write_table(tmp_path / "file", SCHEMA, columns(10))
    before = (tmp_path / "file").read_bytes()
    monkeypatch.setattr(parquet.pq, "write_table", full)
    with pytest.raises(OSError, match="No space left"):
        write_table(tmp_path / "file", SCHEMA, columns(20))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": before}
