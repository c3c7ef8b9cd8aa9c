"""The feature dataset: any reader opens it, bytes are a function of rows, damage is noticed, nothing is lost."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.synthetic import synthetic_table
from tickvol.core.errors import CorruptFile, InputError, SchemaMismatch
from tickvol.storage.files import replace_directory
from tickvol.volatility.dataset import DatasetWriter, read_features, read_hour, write_hour
from tickvol.volatility.schema.feature_row import SCHEMA_VERSION, feature_columns
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable, table_fingerprint

SMALL = FeatureSpec(windows_s=(2, 10), reference_window_s=2)


def store(table: FeatureTable, root: Path, *, pieces: int = 1) -> Path:
    writer = DatasetWriter(root, table.spec, table.products)
    for rows in np.array_split(np.arange(len(table)), pieces):
        part = table.take(rows)
        writer.append(part.product, part.bar_end_ns, part.values)
        writer.flush(simulated=table.simulated, only_complete=pieces % 2 == 0)
    writer.flush(simulated=table.simulated)
    return root


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def table() -> FeatureTable:
    return synthetic_table(3, hours=2.2, products=("BTC-USD", "ETH-USD"))


def test_what_was_written_is_read_bit_for_bit(table: FeatureTable, tmp_path: Path) -> None:
    assert table_fingerprint(read_features(store(table, tmp_path / "d"))) == table_fingerprint(table)


def test_bounds_and_products_select_rows(table: FeatureTable, tmp_path: Path) -> None:
    root = store(table, tmp_path / "d")
    middle = int(table.bar_end_ns[len(table) // 4])
    part = read_features(root, products=["ETH-USD"], from_ns=middle, to_ns=middle + 60 * 10**9)
    assert part.products == ("ETH-USD",)
    assert part.bar_end_ns[0] >= middle
    assert part.bar_end_ns[-1] < middle + 60 * 10**9
    with pytest.raises(InputError, match="holds no rows"):
        read_features(root, to_ns=1)


@pytest.mark.parametrize("pieces", [2, 7, 50])
def test_bytes_do_not_depend_on_how_rows_arrived(table: FeatureTable, pieces: int, tmp_path: Path) -> None:
    assert tree(store(table, tmp_path / "a")) == tree(store(table, tmp_path / "b", pieces=pieces))


def test_pandas_polars_and_duckdb_read_the_directory_as_it_is(table: FeatureTable, tmp_path: Path) -> None:
    root = store(table, tmp_path / "features.parquet")
    btc = table.take(table.product == 0)
    frame = pd.read_parquet(root)
    assert set(frame.columns) == {"bar_end_ns", *table.names, "product_id", "date"}
    assert frame["product_id"].value_counts().to_dict() == dict(
        zip(table.products, np.bincount(table.product).tolist(), strict=True)
    )
    by_pandas = frame[frame["product_id"] == "BTC-USD"].sort_values("bar_end_ns")["realized_vol_60"].to_numpy()
    by_polars = (
        pl.scan_parquet(root / "**/*.parquet", hive_partitioning=True)
        .filter(pl.col("product_id") == "BTC-USD")
        .sort("bar_end_ns")
        .select("realized_vol_60")
        .collect()
        .to_series()
        .to_numpy()
    )
    query = (
        f"SELECT realized_vol_60 FROM read_parquet('{root}/**/*.parquet', hive_partitioning=true) "
        "WHERE product_id = 'BTC-USD' ORDER BY bar_end_ns"
    )
    for values in (by_pandas, by_polars, by_duckdb(query)):
        np.testing.assert_array_equal(values, btc.column("realized_vol_60"))


def by_duckdb(query: str) -> np.ndarray:
    """The one column of a query, computed in a process of its own: DuckDB litters the end of its process."""
    code = "import duckdb, json, sys; print(json.dumps([row[0] for row in duckdb.sql(sys.argv[1]).fetchall()]))"
    answer = subprocess.run([sys.executable, "-c", code, query], check=True, capture_output=True, text=True)
    return np.array(json.loads(answer.stdout), np.float64)


def test_units_and_schema_version_are_in_the_files(table: FeatureTable, tmp_path: Path) -> None:
    root = store(table, tmp_path / "d")
    schema = pq.read_schema(next(root.rglob("*.parquet")))
    assert json.loads(schema.metadata[b"tickvol"])["schema_version"] == SCHEMA_VERSION
    assert json.loads(schema.metadata[b"tickvol"])["spec"]["bar_ms"] == table.spec.bar_ms
    units = {field.name: field.metadata[b"unit"].decode() for field in schema}
    assert units == {"bar_end_ns": "ns since 1970-01-01 UTC"} | {c.name: c.unit for c in feature_columns(table.spec)}


def test_the_mark_of_a_simulated_market_survives(tmp_path: Path) -> None:
    table = synthetic_table(hours=0.1, simulated=True)
    assert read_features(store(table, tmp_path / "d")).simulated


def one_hour(path: Path, rows: int = 60) -> bytes:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(rows, len(feature_columns(SMALL))))
    values[rng.random(values.shape) < 0.1] = np.nan
    write_hour(path, SMALL, np.arange(1, rows + 1) * 10**9, values, simulated=True)
    return path.read_bytes()


def noticed_or_harmless(whole: bytes, damaged: bytes, path: Path) -> bool:
    """Whether reading fails as it should, or gives all that was written."""
    path.write_bytes(whole)
    spec, ends, values, simulated = read_hour(path)
    path.write_bytes(damaged)
    try:
        found = read_hour(path)
    except (CorruptFile, SchemaMismatch):
        return True
    return (found[0], found[1].tobytes(), found[2].tobytes(), found[3]) == (
        spec,
        ends.tobytes(),
        values.tobytes(),
        simulated,
    )


def flipped(whole: bytes, place: int, bit: int) -> bytes:
    damaged = bytearray(whole)
    damaged[place] ^= 1 << bit
    return bytes(damaged)


def test_a_flipped_bit_anywhere_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    whole = one_hour(tmp_path / "hour=00.parquet")
    rng = random.Random(1)
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    places = rng.sample(range(footer), 300) + rng.sample(range(footer, len(whole)), 900)
    wrong = [
        p for p in places if not noticed_or_harmless(whole, flipped(whole, p, p % 8), tmp_path / "hour=01.parquet")
    ]
    assert wrong == []


@pytest.mark.slow
def test_a_flipped_bit_in_every_byte_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    whole = one_hour(tmp_path / "hour=00.parquet", rows=8)
    for place in range(len(whole)):
        damaged = flipped(whole, place, place * 5 % 8)
        assert noticed_or_harmless(whole, damaged, tmp_path / "hour=01.parquet"), place


@pytest.mark.parametrize("digit", [b'"min_coverage": 0.8', b'"grace_ms": 250'])
def test_a_changed_number_of_the_spec_inside_a_file_is_noticed(digit: bytes, tmp_path: Path) -> None:
    whole = one_hour(tmp_path / "hour=00.parquet")
    assert digit in whole
    (tmp_path / "hour=00.parquet").write_bytes(whole.replace(digit, digit[:-3] + b"9" + digit[-2:]))
    with pytest.raises(CorruptFile, match=r"hour=00\.parquet.*replay"):
        read_hour(tmp_path / "hour=00.parquet")


def test_a_file_cut_short_is_noticed_at_any_length(tmp_path: Path) -> None:
    path = tmp_path / "hour=00.parquet"
    whole = one_hour(path)
    for length in range(0, len(whole), 997):
        path.write_bytes(whole[:length])
        with pytest.raises(CorruptFile):
            read_hour(path)


def test_parquet_of_another_origin_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"bar_end_ns": [1]}).to_parquet(tmp_path / "hour=00.parquet")
    with pytest.raises(SchemaMismatch, match="feature schema None"):
        read_hour(tmp_path / "hour=00.parquet")


def test_files_of_two_specs_are_not_mixed(tmp_path: Path) -> None:
    store(synthetic_table(hours=0.2, products=("BTC-USD",)), tmp_path)
    other = FeatureSpec(grace_ms=500)
    store(synthetic_table(hours=0.2, products=("ETH-USD",), spec=other), tmp_path)
    with pytest.raises(SchemaMismatch, match="another spec"):
        read_features(tmp_path)


def test_a_writer_of_another_spec_refuses_to_touch_the_file(tmp_path: Path) -> None:
    store(synthetic_table(hours=0.2), tmp_path)
    before = tree(tmp_path)
    with pytest.raises(SchemaMismatch, match="another spec"):
        store(synthetic_table(hours=0.2, spec=FeatureSpec(grace_ms=500)), tmp_path)
    assert tree(tmp_path) == before


def test_a_restarted_run_never_leaves_fewer_rows(table: FeatureTable, tmp_path: Path) -> None:
    whole = tree(store(table, tmp_path / "whole"))
    root = store(table, tmp_path / "d")
    for begin in (0.3, 0.5, 0.9):
        again = table.take(np.arange(int(begin * len(table)), int((begin + 0.05) * len(table))))
        store(again, root)
        assert tree(root) == whole


def test_rows_written_half_and_half_are_the_whole(table: FeatureTable, tmp_path: Path) -> None:
    whole = tree(store(table, tmp_path / "whole"))
    middle = len(table) // 3
    store(table.take(np.arange(middle + 50)), tmp_path / "d")
    store(table.take(np.arange(middle, len(table))), tmp_path / "d")
    assert tree(tmp_path / "d") == whole


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "hour=00.parquet"
    whole = one_hour(path)

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device; nothing was replaced"):
        one_hour(path, rows=10)
    assert tree(tmp_path) == {path.name: whole}


def test_swapping_in_replaces_the_whole_dataset(table: FeatureTable, tmp_path: Path) -> None:
    old = store(table, tmp_path / "features.parquet")
    new = store(synthetic_table(9, hours=0.1), tmp_path / "new")
    expected = tree(new)
    replace_directory(new, old)
    assert tree(tmp_path) == {f"features.parquet/{name}": content for name, content in expected.items()}


def test_a_missing_directory_and_a_foreign_name_are_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such dataset directory"):
        read_features(tmp_path / "nowhere")
    wrong = tmp_path / "product_id=A" / "date=yesterday" / "hour=1.parquet"
    wrong.parent.mkdir(parents=True)
    wrong.touch()
    with pytest.raises(InputError, match="not of the form"):
        read_features(tmp_path)


def test_a_former_owner_can_neither_finish_nor_begin_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (np.zeros(1, np.int32), np.array([1_000_000_000], np.int64), np.zeros((1, len(feature_columns(SMALL)))))
    sleeper, waker = (DatasetWriter(tmp_path, SMALL, ("BTC-USD",)) for _ in range(2))
    sleeper.take_over(["BTC-USD"])
    sleeper.append(*rows)
    replace = Path.replace

    def asleep_before_the_rename(path: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "replace", replace)
        waker.take_over(["BTC-USD"])
        waker.append(rows[0], rows[1], rows[2] + 1)
        waker.flush(simulated=False)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", asleep_before_the_rename)
    for _ in range(2):
        with pytest.raises(InputError, match="cannot be written: No such file"):
            sleeper.flush(simulated=False)
    sleeper.release()
    waker.release()
    assert read_features(tmp_path).values[0, 0] == 1
    assert [path.name for path in (tmp_path / "product_id=BTC-USD").iterdir()] == ["date=1970-01-01"]


def test_an_owner_that_wrote_nothing_leaves_nothing(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path / "new", SMALL, ("BTC-USD",))
    writer.take_over(["BTC-USD"])
    writer.release()
    assert not (tmp_path / "new").exists()


def test_neither_writing_nor_reading_imports_pandas(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
import numpy as np
from tickvol.volatility.schema.feature_row import feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.dataset import read_hour, write_hour

path, spec = Path({str(tmp_path / "hour=00.parquet")!r}), FeatureSpec()
write_hour(path, spec, np.arange(3), np.full((3, len(feature_names(spec))), np.nan), simulated=False)
read_hour(path)
print("pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_column_with_nulls_or_of_another_type_is_refused(table: FeatureTable, tmp_path: Path) -> None:
    (path, *_) = sorted(store(table, tmp_path).rglob("*.parquet"))
    whole = pq.read_table(path, partitioning=None)
    position = whole.schema.names.index("mid")
    for column, kind, error in (
        (pa.array([None] * len(whole), pa.float64()), pa.float64(), CorruptFile),
        (pa.array([1.0] * len(whole), pa.float32()), pa.float32(), SchemaMismatch),
    ):
        field = whole.schema.field("mid").with_type(kind).with_nullable(True)
        pq.write_table(whole.set_column(position, field, column), path)
        with pytest.raises((error, SchemaMismatch)):
            read_hour(path)
