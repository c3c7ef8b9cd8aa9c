"""Log to dataset, as `tickvol replay` and `tickvol featurize` share it: decode, track, compute, store, count."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tickvol.config import Config
from tickvol.core.feature_row import feature_names
from tickvol.core.records import Gap
from tickvol.features.engine import FeatureEngine
from tickvol.ingest.frames import FrameColumns, FrameDecoder, Reject
from tickvol.ingest.tracker import FrameTracker
from tickvol.storage.dataset import DatasetWriter
from tickvol.storage.deadletters import DeadLetter, DeadLetterWriter


@dataclass(slots=True)
class RowCounts:
    """What became of ticks and rows."""

    ticks: int = 0
    duplicates: int = 0
    late: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    known_bars: Counter[str] = field(default_factory=Counter)
    gaps: Counter[str] = field(default_factory=Counter)
    gap_seconds: Counter[str] = field(default_factory=Counter)


def deadletter_dir(dataset_dir: Path) -> Path:
    """Where a dataset's dead letters lie: beside it."""
    return dataset_dir.with_name(f"{dataset_dir.name.removesuffix('.parquet')}.deadletters")


class Featurizer:
    """Frames in, rows and dead letters on disk.

    Parameters
    ----------
    dataset_dir, letters_dir : where rows and dead letters go.
    sources : names of the files that `FrameColumns.source` counts; may grow.
    """

    def __init__(
        self,
        config: Config,
        products: Sequence[str],
        dataset_dir: Path,
        letters_dir: Path,
        sources: list[str],
        *,
        trust_bare: bool,
    ) -> None:
        spec = config.features.spec()
        self.sources = sources
        self.decoder = FrameDecoder(products, config.ingestion.max_line_bytes)
        self.tracker = FrameTracker(
            products, grace_ms=spec.grace_ms, max_ahead_s=config.ingestion.max_ahead_s, trust_bare=trust_bare
        )
        self.engine = FeatureEngine(spec, products)
        self.writer = DatasetWriter(dataset_dir, spec, products)
        self.letters = DeadLetterWriter(letters_dir)
        self.counts = RowCounts()
        self.silent = False
        """While set, nothing is stored or counted: the engine only remembers."""
        self._coverage = feature_names(spec).index(f"coverage_{spec.windows_s[0]}")
        self._bar_known = feature_names(spec).index("mid")

    def take(self, frames: FrameColumns, *, bare: bool) -> None:
        """Process the next rows of the log."""
        tracked = self.tracker.push(frames, bare=bare)
        rows = self.engine.push(tracked.records)
        if self.silent:
            return
        letters = [self._letter(tracked.frames, item.row, item.reason) for item in tracked.rejected]
        letters += [self._letter(tracked.frames, int(tracked.records.origin[i]), Reject.LATE) for i in rows.late]
        self.letters.add(letters)
        if len(rows.bar_end_ns):
            self.writer.append(rows.product, rows.bar_end_ns, rows.values)
        self._count(tracked.records.kind, rows.duplicates, len(rows.late), tracked.gaps)
        for number in np.unique(rows.product):
            own = rows.product == number
            name = self.engine.products[number]
            self.counts.rows[name] += int(np.count_nonzero(own))
            self.counts.known_bars[name] += int(np.count_nonzero(~np.isnan(rows.values[own, self._bar_known])))

    def flush(self, *, only_complete: bool = False) -> None:
        """Bring rows and dead letters to disk."""
        self.writer.flush(simulated=self.tracker.simulated, only_complete=only_complete)
        if not only_complete:
            self.letters.flush()

    def _letter(self, frames: FrameColumns, row: int, reason: Reject) -> DeadLetter:
        source = self.sources[int(frames.source[row])]
        return DeadLetter(source, int(frames.line_number[row]), reason.label, frames.lines[row])

    def _count(self, kinds: np.ndarray, duplicates: int, late: int, gaps: list[Gap]) -> None:
        counts = self.counts
        counts.ticks += int(np.count_nonzero(kinds == 0)) - duplicates - late
        counts.duplicates += duplicates
        counts.late += late
        for gap in gaps:
            counts.gaps[gap.reason] += 1
            counts.gap_seconds[gap.product_id] += round((gap.to_time_ns - gap.from_time_ns) / 1e9)

    def summary(self) -> list[str]:
        """Counts that add up, a line each."""
        frames, counts = self.tracker.counts, self.counts
        rejected = _by_name(frames.rejected)
        lines = [
            f"frames      {frames.frames} = {frames.tickers} ticker + {frames.heartbeats} heartbeats"
            f" + {frames.other_channels} other channels + {sum(frames.rejected.values())} rejected{rejected}"
            f" + {frames.waiting} waiting",
            f"ticks       {counts.ticks + counts.duplicates + counts.late} = {counts.ticks} used"
            f" + {counts.duplicates} duplicates + {counts.late} late"
            f"; besides {sum(frames.rejected_tickers.values())} rejected inside good frames"
            f"{_by_name(frames.rejected_tickers)}",
        ]
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


def _by_name(counter: Counter[str]) -> str:
    if not counter:
        return ""
    return " (" + ", ".join(f"{name} {count}" for name, count in sorted(counter.items())) + ")"
