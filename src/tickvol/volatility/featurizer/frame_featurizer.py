"""Log to dataset, shared by `tickvol replay` and `tickvol featurize`: decode, track, compute, store, count."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tickvol.capture.settings import IngestionConfig
from tickvol.core.record_columns import RecordKind
from tickvol.core.records import Gap, Record
from tickvol.eventlog.frame_columns import FrameColumns, Reject
from tickvol.eventlog.frames import FrameDecoder
from tickvol.eventlog.record_text import records_of
from tickvol.eventlog.tracker import FrameCounts, FrameTracker
from tickvol.storage.deadletters import DeadLetter, DeadLetterWriter
from tickvol.volatility.dataset import DatasetWriter
from tickvol.volatility.features.engine import FeatureEngine, FeatureRows
from tickvol.volatility.schema.feature_row import feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec


@dataclass(slots=True)
class RowCounts:
    """Counts of ticks and rows by category."""

    ticks: int = 0
    duplicates: int = 0
    late: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    known_bars: Counter[str] = field(default_factory=Counter)
    gaps: Counter[str] = field(default_factory=Counter)


def deadletter_dir(dataset_dir: Path) -> Path:
    """Path of a dataset's dead-letter records, next to it."""
    return dataset_dir.with_name(f"{dataset_dir.name.removesuffix('.parquet')}.deadletters")


def progress_path(dataset_dir: Path) -> Path:
    """Path of a running featurizer's progress note, next to the dataset."""
    return dataset_dir.with_name(f".{dataset_dir.name}.progress.json")


@dataclass(frozen=True, slots=True)
class Computed:
    """Results of a stretch of the log, to be stored."""

    rows: list[FeatureRows]
    letters: list[DeadLetter]
    simulated: bool


class Featurizer:
    """Turns frames into rows and dead-letter records, with counts.

    Parameters
    ----------
    ingestion : limits of lines and times, and whether jumps in bare recordings count as loss.
    sources : names of the files that `FrameColumns.source` indexes; may grow.
    """

    def __init__(
        self, spec: FeatureSpec, ingestion: IngestionConfig, products: Sequence[str], sources: list[str]
    ) -> None:
        self.sources = sources
        self.decoder = FrameDecoder(products, ingestion.max_line_bytes)
        self.tracker = FrameTracker(
            products,
            grace_ms=spec.grace_ms,
            max_ahead_s=ingestion.max_ahead_s,
            trust_bare=ingestion.sequence == "trust",
        )
        self.engine = FeatureEngine(spec, products)
        self.counts = RowCounts()
        self.on_records: Callable[[Iterator[Record]], None] | None = None
        self._rows: list[FeatureRows] = []
        self._letters: list[DeadLetter] = []

    def take(self, frames: FrameColumns, *, bare: bool, silent: bool = False) -> None:
        """Process the next rows of the log; if `silent`, only update the engine's state, without output or counts."""
        tracked = self.tracker.push(frames, bare=bare)
        if self.on_records is not None and not silent:
            self.on_records(records_of(tracked, self.engine.products, self.decoder.connection_id))
        rows = self.engine.push(tracked.records)
        if silent:
            self.tracker.counts = FrameCounts()
            return
        self._letters += [
            self._letter(tracked.frames, item.row, item.reason)
            for item in tracked.rejected
            if item.reason is not Reject.UNKNOWN_PRODUCT  # not configured; counted, without a dead-letter record
        ]
        self._letters += [self._letter(tracked.frames, int(tracked.records.origin[i]), Reject.LATE) for i in rows.late]
        if len(rows.bar_end_ns):
            self._rows.append(rows)
        self._count(tracked.records.kind, rows, tracked.gaps)

    def drain(self) -> Computed:
        """Return and clear the results to be stored."""
        computed = Computed(self._rows, self._letters, self.tracker.simulated)
        self._rows, self._letters = [], []
        return computed

    def _letter(self, frames: FrameColumns, row: int, reason: Reject) -> DeadLetter:
        source = self.sources[int(frames.source[row])]
        return DeadLetter(source, int(frames.line_number[row]), reason.label, frames.lines[row])

    def _count(self, kinds: NDArray[np.int16], rows: FeatureRows, gaps: list[Gap]) -> None:
        counts = self.counts
        counts.ticks += int(np.count_nonzero(kinds == RecordKind.TICK)) - rows.duplicates - len(rows.late)
        counts.duplicates += rows.duplicates
        counts.late += len(rows.late)
        for gap in gaps:
            counts.gaps[gap.reason] += 1
        known = ~np.isnan(rows.values[:, feature_names(self.engine.spec).index("mid")])
        for number, name in enumerate(self.engine.products):
            own = rows.product == number
            counts.rows[name] += int(np.count_nonzero(own))
            counts.known_bars[name] += int(np.count_nonzero(own & known))

    def summary(self) -> list[str]:
        """Counts that add up, one line each."""
        frames, counts = self.tracker.counts, self.counts
        rejected = _by_name(frames.rejected)
        about_frames = (
            f"frames      {frames.frames} = {frames.tickers} ticker + {frames.heartbeats} heartbeats"
            f" + {frames.other_channels} other channels + {sum(frames.rejected.values())} rejected{rejected}"
            f" + {frames.waiting} waiting"
        )
        about_ticks = (
            f"ticks       {counts.ticks + counts.duplicates + counts.late} = {counts.ticks} used"
            f" + {counts.duplicates} duplicates + {counts.late} late"
            f"; plus {sum(frames.rejected_tickers.values())} rejected inside valid frames"
            f"{_by_name(frames.rejected_tickers)}"
        )
        lines = [about_frames, about_ticks]
        for name in self.engine.products:
            rows, known = counts.rows[name], counts.known_bars[name]
            share = f"{known / rows:.3f}" if rows else "none"
            lines.append(f"rows        {name}: {rows}, of them with a known bar {known}, coverage {share}")
        lines.append(
            f"gaps        {sum(counts.gaps.values())}{_by_name(counts.gaps)}; sequence jumps seen {frames.jumps}"
            f" ({frames.missing} numbers missing)"
        )
        if self.tracker.simulated:
            lines.append("origin      simulated market: these figures say nothing about real markets")
        return lines


class Store:
    """Writes computed rows and dead-letter records."""

    def __init__(self, dataset_dir: Path, spec: FeatureSpec, products: Sequence[str]) -> None:
        self.writer = DatasetWriter(dataset_dir, spec, products)
        self.letters = DeadLetterWriter(deadletter_dir(dataset_dir))
        self._simulated = False

    def write(self, computed: Computed, *, only_complete: bool = False) -> None:
        """Store results on disk; with `only_complete`, unfinished hours stay in memory."""
        self._simulated = self._simulated or computed.simulated
        self.letters.root.mkdir(parents=True, exist_ok=True)
        for rows in computed.rows:
            self.writer.append(rows.product, rows.bar_end_ns, rows.values)
        self.letters.add(computed.letters)
        self.writer.flush(simulated=self._simulated, only_complete=only_complete)
        if not only_complete:
            self.letters.flush()


def _by_name(counter: Counter[str]) -> str:
    if not counter:
        return ""
    return " (" + ", ".join(f"{name} {count}" for name, count in sorted(counter.items())) + ")"
