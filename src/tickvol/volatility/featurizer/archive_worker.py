"""The featurizer on the raw archive: needs no broker, and resumes from its committed position after any stop."""

import json
import logging
import signal
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tickvol.core.errors import InputError, SchemaMismatch
from tickvol.eventlog.archive_follow import FollowedArchive, LinePosition
from tickvol.storage.files import write_atomically
from tickvol.volatility.featurizer.frame_featurizer import Computed, Featurizer, Store, progress_path
from tickvol.volatility.settings.profile import VolatilityConfig

POLL_S = 0.1

logger = logging.getLogger(__name__)


def featurize_archive(
    config: VolatilityConfig, products: Sequence[str], raw_dir: Path, target: Path, *, batch_size: int, follow: bool
) -> list[str]:
    """Turn the archive into a dataset; returns the summary.

    Raises
    ------
    InputError
        When there is no archive.
    SchemaMismatch
        When the dataset was begun with other feature settings.
    """
    if not raw_dir.is_dir():
        raise InputError(f"--raw-dir: {raw_dir}: no such directory; capture something by `tickvol ws-ingest` first")
    featurizer = Featurizer(
        config.features.spec(), config.ingestion.model_copy(update={"sequence": "report"}), products, []
    )
    store = Store(target, featurizer.engine.spec, products)
    archive = FollowedArchive(raw_dir, featurizer.decoder, featurizer.sources, batch_size=batch_size)
    run = _Run(config, featurizer, store, archive, _Progress(target, featurizer.engine.spec.fingerprint()))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, run.stop)
    run.work(follow=follow)
    return featurizer.summary()


class _Progress:
    """The committed position in the archive, stored next to the dataset; everything else is recomputed from the log."""

    def __init__(self, dataset_dir: Path, fingerprint: str) -> None:
        self._path = progress_path(dataset_dir)
        self._dataset_dir = dataset_dir
        self._fingerprint = fingerprint

    def read(self) -> dict[str, Any] | None:
        """The last commit; None without one, or if its dataset is gone."""
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

    def commit(self, place: LinePosition, open_since_ns: int | None) -> None:
        """Record that everything up to `place` is on disk."""
        commit = {
            "source": place.source,
            "line": place.line,
            "open_since_ns": open_since_ns,
            "features": self._fingerprint,
        }
        write_atomically(self._path, json.dumps(commit), durable=False)


class _Run:
    """One run over the archive; a separate thread writes to disk."""

    def __init__(
        self,
        config: VolatilityConfig,
        featurizer: Featurizer,
        store: Store,
        archive: FollowedArchive,
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
        """Stop after the current batch."""
        self._stopped = True

    def work(self, *, follow: bool) -> None:
        """Process the archive from the committed position on, storing at least every `flush_interval_s`."""
        commit = self._progress.read()
        first = None
        if commit is not None and commit["open_since_ns"] is not None:
            lookback_ns = self._featurizer.engine.spec.lookback_s * 1_000_000_000
            first = self._archive.start_for(commit["open_since_ns"] - lookback_ns)
        place: LinePosition | None = None
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

    def _take(self, place: LinePosition, batch: Any, commit: dict[str, Any] | None) -> LinePosition | None:
        """Process a batch, without output up to the committed position; returns the position if anything is new."""
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

    def _submit(self, pool: ThreadPoolExecutor, place: LinePosition) -> None:
        if self._writing is not None:
            self._writing.result()
        computed, since = self._featurizer.drain(), self._featurizer.engine.open_since_ns()
        self._writing = pool.submit(self._write, computed, place, since)

    def _write(self, computed: Computed, place: LinePosition, open_since_ns: int | None) -> None:
        self._store.write(computed)
        self._progress.commit(place, open_since_ns)
