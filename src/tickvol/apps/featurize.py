"""`tickvol featurize`: the raw archive to features, as it grows; stopped anywhere it goes on where it was."""

import argparse
import json
import logging
import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tickvol.apps.command import command_parser, run_command

if TYPE_CHECKING:
    from tickvol.apps.featurizing import Computed, Featurizer, Store
    from tickvol.config import Config
    from tickvol.ingest.archive_follow import FollowedArchive, Place

DESCRIPTION = """Turn the raw archive into features, all of it from its oldest file on.

With --follow it goes on as the archive grows, until SIGINT or SIGTERM. Stopped or killed anywhere and started again it
rewinds the log by the look-back, computes in silence up to where it was, and ends with the same bytes as
`tickvol replay` on the same files."""

POLL_S = 0.1

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol featurize`."""
    parser = command_parser("featurize", DESCRIPTION)
    parser.add_argument("--raw-dir", type=Path, metavar="DIR", help="the archive; None: ingestion.raw_dir")
    parser.add_argument("--out", type=Path, metavar="DIR", help="dataset directory; None: features.dataset_dir")
    parser.add_argument("--follow", action="store_true", help="go on as the archive grows, until SIGINT or SIGTERM")
    parser.add_argument("--batch-size", type=int, metavar="N", help="frames a micro-batch; None: features.batch_size")
    parser.add_argument("--products", nargs="+", metavar="P", help="products to compute; None: products")
    return run_command(parser, _featurize, argv)


def _featurize(options: argparse.Namespace) -> int:
    from tickvol.apps.featurizing import Featurizer, Store, collect_garbage_rarely, deadletter_dir
    from tickvol.config import check_products, load_config
    from tickvol.core.errors import InputError, UsageError
    from tickvol.ingest.archive_follow import FollowedArchive
    from tickvol.storage.dataset import looks_like_dataset

    config = load_config(options.config)
    batch_size = config.features.batch_size if options.batch_size is None else options.batch_size
    if batch_size < 1:
        raise UsageError(f"--batch-size: {batch_size}: must be at least 1 frame")
    raw_dir: Path = options.raw_dir or config.ingestion.raw_dir
    target = Path(os.path.abspath(options.out or config.features.dataset_dir))
    if target.exists() and not (target.is_dir() and looks_like_dataset(target)):
        raise UsageError(f"--out: {target}: exists and is no feature dataset; name another directory")
    if not raw_dir.is_dir():
        raise InputError(f"--raw-dir: {raw_dir}: no such directory; capture something by `tickvol ws-ingest` first")
    products = check_products(options.products) if options.products else config.products
    collect_garbage_rarely()
    featurizer = Featurizer(config, products, [], trust_bare=False)
    store = Store(target, featurizer.engine.spec, products)
    archive = FollowedArchive(raw_dir, featurizer.decoder, featurizer.sources, batch_size=batch_size)
    run = _Run(config, featurizer, store, archive, _Progress(target, featurizer.engine.spec.fingerprint()))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, run.stop)
    run.work(follow=options.follow)
    print("\n".join(featurizer.summary()))
    print(f"dataset     {target}\nrejected    {deadletter_dir(target)}")
    return 0


class _Progress:
    """The committed place in the archive, beside the dataset; all else is computed again from the log."""

    def __init__(self, dataset_dir: Path, fingerprint: str) -> None:
        from tickvol.apps.featurizing import progress_path

        self._path = progress_path(dataset_dir)
        self._dataset_dir = dataset_dir
        self._fingerprint = fingerprint

    def read(self) -> dict[str, Any] | None:
        """The last commit; None where there is none, or its dataset is gone."""
        from tickvol.core.errors import SchemaMismatch

        if not self._path.exists() or not self._dataset_dir.exists():
            return None
        try:
            commit: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        except ValueError:
            logger.warning("unreadable progress, the whole archive is computed again file=%s", self._path)
            return None
        if commit["features"] != self._fingerprint:
            raise SchemaMismatch(
                f"--out: {self._dataset_dir}: was begun with other feature settings; name another or delete it"
            )
        return commit

    def commit(self, place: "Place", open_since_ns: int | None) -> None:
        """Record that everything up to `place` is on disk."""
        commit = {
            "source": place.source,
            "line": place.line,
            "open_since_ns": open_since_ns,
            "features": self._fingerprint,
        }
        temporary = self._path.with_name(f"{self._path.name}.tmp")
        temporary.write_text(json.dumps(commit), encoding="utf-8")
        temporary.replace(self._path)


class _Run:
    """One run over the archive; the disk is written by a thread of its own."""

    def __init__(
        self,
        config: "Config",
        featurizer: "Featurizer",
        store: "Store",
        archive: "FollowedArchive",
        progress: _Progress,
    ) -> None:
        self._flush_interval_s = config.features.flush_interval_s
        self._featurizer = featurizer
        self._store = store
        self._archive = archive
        self._progress = progress
        self._stopped = False
        self._writing: Future[None] | None = None

    def stop(self, *_: object) -> None:
        """End after the batch at hand."""
        self._stopped = True

    def work(self, *, follow: bool) -> None:
        """Process the archive from the committed place on, storing at least every `flush_interval_s`."""
        commit = self._progress.read()
        first = None
        if commit is not None and commit["open_since_ns"] is not None:
            lookback_ns = self._featurizer.engine.spec.lookback_s * 1_000_000_000
            first = self._archive.start_for(commit["open_since_ns"] - lookback_ns)
        place: Place | None = None
        flushed = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            for item in self._archive.batches(first, follow=lambda: follow, stopped=lambda: self._stopped):
                if item is None:
                    time.sleep(POLL_S)
                else:
                    place = self._take(*item, commit) or place
                if place is not None and time.monotonic() - flushed > self._flush_interval_s:
                    self._submit(pool, place)
                    flushed = time.monotonic()
            if place is not None:
                self._submit(pool, place)
            if self._writing is not None:
                self._writing.result()

    def _take(self, place: "Place", batch: Any, commit: dict[str, Any] | None) -> "Place | None":
        """Compute a batch, silently as far as it was committed; the place when there was something new."""
        frames = batch.frames
        done = 0
        if commit is not None and place.source <= commit["source"]:
            before = place.source < commit["source"]
            done = len(frames) if before else max(0, min(len(frames), commit["line"] - place.line + len(frames)))
        if done:
            self._featurizer.take(frames.rows(0, done), bare=False, silent=True)
        if done == len(frames):
            return None
        self._featurizer.take(frames.rows(done, len(frames)), bare=False)
        return place

    def _submit(self, pool: ThreadPoolExecutor, place: "Place") -> None:
        if self._writing is not None:
            self._writing.result()
        computed, since = self._featurizer.drain(), self._featurizer.engine.open_since_ns()
        self._writing = pool.submit(self._write, computed, place, since)

    def _write(self, computed: "Computed", place: "Place", open_since_ns: int | None) -> None:
        self._store.write(computed)
        self._progress.commit(place, open_since_ns)
