"""The feature dataset: `product_id=.../date=.../hour=HH.parquet`, each file a pure function of its hour's rows.

Bars of a minute or longer are few: each of their files holds a month, `product_id=.../month=YYYY-MM.parquet`.

Any Parquet reader opens the directory as it is. Files are replaced atomically (write, fsync, rename) and contain no
timestamp, path or run id. Without a check a flipped bit in Parquet reads back as a wrong number: pages carry checksums,
and as those do not cover the footer, a digest of all content is verified too.
"""

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tickvol.core.errors import CorruptFile, InputError, SchemaMismatch, UsageError
from tickvol.core.times import NS_PER_S
from tickvol.storage.parquet import column_numbers, read_table, write_table
from tickvol.volatility.schema.feature_row import SCHEMA_VERSION, feature_columns
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable

HOUR_NS = 3600 * NS_PER_S
MS_PER_MINUTE = 60_000
_METADATA_KEY = b"tickvol"
_STAGING = ".writer-"


def file_path(root: Path, product_id: str, spec: FeatureSpec, hour: int) -> Path:
    """Path of the file that begins at an hour since the epoch; a row belongs to the file spanning its `bar_end_ns`."""
    start = datetime.fromtimestamp(hour * 3600, UTC)
    product_dir = root / f"product_id={product_id}"
    if _by_month(spec):
        return product_dir / f"month={start:%Y-%m}.parquet"
    return product_dir / f"date={start:%Y-%m-%d}" / f"hour={start:%H}.parquet"


def _by_month(spec: FeatureSpec) -> bool:
    return spec.bar_ms >= MS_PER_MINUTE


def _file_hours(spec: FeatureSpec, bar_end_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """First hour (since the epoch) of the file that each row belongs to."""
    if not _by_month(spec):
        return bar_end_ns // HOUR_NS
    months = bar_end_ns.astype("datetime64[ns]").astype("datetime64[M]")
    return months.astype("datetime64[h]").astype(np.int64)


def dataset_schema(spec: FeatureSpec, *, simulated: bool, content_sha256: str = "") -> pa.Schema:
    """Arrow schema with each field's unit and, under the key `tickvol`, schema version, spec, origin and digest."""
    fields = [pa.field("bar_end_ns", pa.int64(), nullable=False, metadata={"unit": "ns since 1970-01-01 UTC"})]
    fields += [
        pa.field(column.name, pa.float64(), nullable=False, metadata={"unit": column.unit})
        for column in feature_columns(spec)
    ]
    about = {
        "content_sha256": content_sha256,
        "schema_version": SCHEMA_VERSION,
        "simulated": simulated,
        "spec": msgspec.to_builtins(spec),
    }
    return pa.schema(fields, metadata={_METADATA_KEY: json.dumps(about, sort_keys=True).encode()})


def _content_sha256(
    spec: FeatureSpec, bar_end_ns: NDArray[np.int64], values: NDArray[np.float64], *, simulated: bool
) -> str:
    digest = hashlib.sha256(f"{SCHEMA_VERSION} {simulated} {spec.fingerprint()}".encode())
    digest.update(bar_end_ns.tobytes())
    digest.update(values.tobytes())
    return digest.hexdigest()


def write_hour(
    path: Path,
    spec: FeatureSpec,
    bar_end_ns: NDArray[np.int64],
    values: NDArray[np.float64],
    *,
    simulated: bool,
    staging: Path | None = None,
) -> None:
    """Replace one file atomically; rows ascend in `bar_end_ns`, values are (n, k).

    The temporary file is written to `staging`, or to the target's own folder.
    """
    content = _content_sha256(spec, bar_end_ns, values, simulated=simulated)
    schema = dataset_schema(spec, simulated=simulated, content_sha256=content)
    if staging is None:
        path.parent.mkdir(parents=True, exist_ok=True)
    temporary = (staging or path.parent) / f".{path.parent.name}.{path.name}.tmp"
    try:
        write_table(path, schema, [bar_end_ns, *np.ascontiguousarray(values.T)], temporary=temporary)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}; nothing was replaced") from error


def read_hour(path: Path) -> tuple[FeatureSpec, NDArray[np.int64], NDArray[np.float64], bool]:
    """Read one file and verify its page checksums: spec, bar ends (n,), values (n, k), simulated.

    Raises
    ------
    CorruptFile
        When bytes do not match their checksum or the file is not Parquet at all.
    SchemaMismatch
        When the file has another schema version or is not a feature file.
    """
    try:
        table = read_table(path)
        about = json.loads((table.schema.metadata or {}).get(_METADATA_KEY, b"{}"))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _corrupt(path, _first_line(error)) from error
    if about.get("schema_version") != SCHEMA_VERSION:
        raise SchemaMismatch(
            f"{path}: feature schema {about.get('schema_version')!r}, this program reads {SCHEMA_VERSION}; replay again"
        )
    try:
        spec, simulated = msgspec.convert(about["spec"], FeatureSpec), bool(about["simulated"])
        content = about["content_sha256"]
    except (KeyError, ValueError, UsageError) as error:
        raise _corrupt(path, f"{type(error).__name__}: {_first_line(error)}") from error
    if not table.schema.equals(dataset_schema(spec, simulated=False)):
        raise SchemaMismatch(f"{path}: columns differ from those of its own spec; replay again")
    try:
        bar_end_ns, *columns = map(column_numbers, table.columns)
    except (TypeError, BufferError, pa.ArrowException) as error:
        raise _corrupt(path, _first_line(error)) from error
    values = np.column_stack(columns)
    if content != _content_sha256(spec, bar_end_ns, values, simulated=simulated):
        raise _corrupt(path, "its content differs from its digest")
    return spec, bar_end_ns, values, simulated


def _corrupt(path: Path, what: str) -> CorruptFile:
    return CorruptFile(f"{path}: cannot be read ({what}); write it again by replay")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def dataset_files(root: Path, products: Sequence[str] | None = None) -> list[tuple[str, int, Path]]:
    """All files as (product, first hour since the epoch, path), sorted; `file_end_ns` gives the end of a file.

    Raises
    ------
    InputError
        When the directory is absent or cannot be listed.
    """
    if not root.is_dir():
        raise InputError(f"--features: {root}: no such dataset directory; make one by `tickvol replay`")
    found = []
    try:
        for product_dir in sorted(root.glob("product_id=*")):
            product_id = product_dir.name.partition("=")[2]
            if products is None or product_id in products:
                paths = [*product_dir.glob("date=*/hour=*.parquet"), *product_dir.glob("month=*.parquet")]
                found += [(product_id, _hour_of(path), path) for path in paths]
    except PermissionError as error:
        raise InputError(f"{error.filename}: no permission to list it") from None
    return sorted(found)


def _hour_of(path: Path) -> int:
    monthly = path.name.startswith("month=")
    folder = "" if monthly else path.parent.name.partition("=")[2]
    text = f"{folder} {path.stem.partition('=')[2]}".strip()
    try:
        start = datetime.strptime(text, "%Y-%m" if monthly else "%Y-%m-%d %H").replace(tzinfo=UTC)
        return int(start.timestamp()) // 3600
    except ValueError:
        raise InputError(f"{path}: not of the form date=YYYY-MM-DD/hour=HH.parquet or month=YYYY-MM.parquet") from None


def file_end_ns(hour: int, path: Path) -> int:
    """End of a file of `dataset_files` in ns, exclusive."""
    if not path.name.startswith("month="):
        return (hour + 1) * HOUR_NS
    following = np.datetime64(hour, "h").astype("datetime64[M]") + 1
    return int(following.astype("datetime64[h]").astype(np.int64)) * HOUR_NS


def newest_file_ns(root: Path, products: Sequence[str] | None = None) -> int:
    """Start of the newest file of a dataset in ns, at or before its newest row.

    Raises
    ------
    InputError
        As `dataset_files`; also when there is no file.
    """
    hours = [hour for _, hour, _ in dataset_files(root, products)]
    if not hours:
        raise InputError(f"--features: {root}: holds no rows of what was asked")
    return max(hours) * HOUR_NS


def read_features(
    root: Path, *, products: Sequence[str] | None = None, from_ns: int | None = None, to_ns: int | None = None
) -> FeatureTable:
    """Rows with `from_ns <= bar_end_ns < to_ns`, sorted by (product, bar_end_ns).

    Raises
    ------
    InputError
        When there is no row to read.
    CorruptFile, SchemaMismatch
        As `read_hour`; also when files of the directory have different specs.
    """
    parts = []
    for product_id, hour, path in dataset_files(root, products):
        if (from_ns is None or file_end_ns(hour, path) > from_ns) and (to_ns is None or hour * HOUR_NS < to_ns):
            parts.append((product_id, path, *read_hour(path)))
    if not parts:
        raise InputError(f"--features: {root}: holds no rows for what was asked (products, from, to)")
    spec = parts[0][2]
    for _, path, other, *_ in parts:
        if other != spec:
            raise SchemaMismatch(f"{path}: made by another spec than {parts[0][1]}; replay the whole dataset again")
    names = tuple(sorted({part[0] for part in parts}))
    table = FeatureTable(
        spec=spec,
        products=names,
        product=np.concatenate([np.full(len(part[3]), names.index(part[0]), np.int32) for part in parts]),
        bar_end_ns=np.concatenate([part[3] for part in parts]),
        values=np.concatenate([part[4] for part in parts]),
        simulated=any(part[5] for part in parts),
    )
    inside = np.ones(len(table), np.bool_)
    if from_ns is not None:
        inside &= table.bar_end_ns >= from_ns
    if to_ns is not None:
        inside &= table.bar_end_ns < to_ns
    return table if inside.all() else table.take(inside)


class DatasetWriter:
    """Collects rows and replaces the files of the hours (for long bars: months) that they belong to.

    Rows that are in a file on disk but not in this run are kept, so a restarted run completes the hour it was in.

    Where several processes take over products from one another, each calls `take_over`: from then on a former owner can
    neither finish the file that it was replacing nor begin another one, even if it was suspended in between.
    neither finish the file that it was replacing nor begin another one, even when it slept in between.
    """

    def __init__(self, root: Path, spec: FeatureSpec, products: Sequence[str]) -> None:
        self.root = root
        self.spec = spec
        self.products = tuple(products)
        self._parts: dict[tuple[int, int], list[tuple[NDArray[np.int64], NDArray[np.float64]]]] = {}
        self._dirty: set[tuple[int, int]] = set()
        self._staging: dict[str, Path] = {}

    def take_over(self, products: Sequence[str]) -> None:
        """Become the sole writer of these products: files are written to a folder that the next owner removes."""
        self.release()
        for product_id in products:
            directory = self.root / f"product_id={product_id}"
            directory.mkdir(parents=True, exist_ok=True)
            for former in directory.glob(f"{_STAGING}*"):
                gone = former.rename(directory / f".gone-{uuid.uuid4().hex}")  # in one step: its owner may be writing
                remove_tree(gone)
            staging = directory / f"{_STAGING}{uuid.uuid4().hex}"
            staging.mkdir()
            self._staging[product_id] = staging

    def release(self) -> None:
        """Give up the products taken over; remove folders left empty."""
        for staging in self._staging.values():
            remove_tree(staging)
            with contextlib.suppress(OSError):
                staging.parent.rmdir()
        with contextlib.suppress(OSError):
            self.root.rmdir()
        self._staging.clear()

    def append(self, product: NDArray[np.int32], bar_end_ns: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Add rows, each product's in time order; (n,), (n,), (n, k)."""
        for index in np.unique(product):
            rows = np.flatnonzero(product == index)
            hours = _file_hours(self.spec, bar_end_ns[rows])
            for hour in np.unique(hours):
                chosen = rows[hours == hour]
                key = (int(index), int(hour))
                self._parts.setdefault(key, []).append((bar_end_ns[chosen], values[chosen]))
                self._dirty.add(key)

    def flush(self, *, simulated: bool, only_complete: bool = False) -> int:
        """Write what changed; with `only_complete` only hours followed by a later hour of the same product.

        Complete hours are dropped from memory. Returns the number of files written.
        """
        latest: dict[int, int] = {}
        for product, hour in self._parts:
            latest[product] = max(latest.get(product, hour), hour)
        written = 0
        for key in sorted(self._parts):
            complete = key[1] < latest[key[0]]
            if only_complete and not complete:
                continue
            if key in self._dirty:
                self._write(key, simulated=simulated)
                written += 1
            if complete:
                del self._parts[key]
        return written

    def _write(self, key: tuple[int, int], *, simulated: bool) -> None:
        path = file_path(self.root, self.products[key[0]], self.spec, key[1])
        parts = self._parts[key]
        bar_end_ns = np.concatenate([part[0] for part in parts])
        values = np.concatenate([part[1] for part in parts])
        if path.exists():
            spec, known_ns, known, was_simulated = read_hour(path)
            if spec != self.spec:
                raise SchemaMismatch(f"{path}: made by another spec; choose another --out or replay the whole dataset")
            other = ~np.isin(known_ns, bar_end_ns)
            bar_end_ns = np.concatenate([known_ns[other], bar_end_ns])
            values = np.concatenate([known[other], values])
            order = np.argsort(bar_end_ns, kind="stable")
            bar_end_ns, values = bar_end_ns[order], values[order]
            simulated = simulated or was_simulated
        self._parts[key] = [(bar_end_ns, values)]
        staging = self._staging.get(self.products[key[0]])
        write_hour(path, self.spec, bar_end_ns, values, simulated=simulated, staging=staging)
        self._dirty.discard(key)


def remove_tree(root: Path) -> None:
    """Delete a dataset directory and the dataset files in it, nothing else."""
    if not root.exists():
        return
    for directory, _, files in os.walk(root, topdown=False):
        for name in files:
            (Path(directory) / name).unlink()
        Path(directory).rmdir()


def looks_like_dataset(root: Path) -> bool:
    """True if a directory is empty or holds only `product_id=` folders, so that replacing it destroys nothing else."""
    return all(entry.name.startswith("product_id=") for entry in root.iterdir())
