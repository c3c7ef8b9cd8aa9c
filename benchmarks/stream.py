"""Frames to measure with, recorded or of the seeded market, and the way from frames to feature rows."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tickvol.config import Config
from tickvol.core.times import NS_PER_S
from tickvol.eventlog.archive_reader import bare_connection, control_row, open_frames, source_name
from tickvol.eventlog.frame_columns import FrameColumns, Kind
from tickvol.eventlog.frames import FrameDecoder, Layout
from tickvol.eventlog.tracker import FrameTracker
from tickvol.simulator.market import MarketSpec, market_products
from tickvol.simulator.session import market_frames
from tickvol.volatility.features.engine import FeatureEngine, FeatureRows

ROOT = Path(__file__).parents[1]

START_NS = 1_775_347_200 * NS_PER_S
SEED = 7


@dataclass(frozen=True, slots=True)
class Recording:
    """The lines of one bare file, in memory."""

    name: str
    lines: list[bytes]


@dataclass(frozen=True, slots=True)
class Input:
    """Recordings in order of time, and what they are."""

    recordings: list[Recording]
    about: str

    @property
    def lines(self) -> list[bytes]:
        """All lines."""
        return [line for recording in self.recordings for line in recording.lines]


def recordings(config: Config, at_most: int) -> Input:
    """Ticker recordings of `TICKVOL_DATA` or of `../shared/data` where present, else frames of the seeded market."""
    folder = Path(os.environ.get("TICKVOL_DATA") or ROOT.parent / "shared" / "data") / "coinbase_ticker"
    files = sorted(folder.glob("*.ndjson.gz"))
    found: list[Recording] = []
    for path in files:
        with closing(open_frames(path)) as stream:
            content = b"".join(iter(lambda stream=stream: stream.read1(1 << 20), b""))
        left = at_most - sum(len(recording.lines) for recording in found)
        found.append(Recording(source_name(path), content.splitlines()[:left]))
    found = [recording for recording in found if recording.lines]
    kind = f"recorded frames of {len(found)} sessions"
    if not found:
        spec = MarketSpec(market_products(config.products), SEED, START_NS)
        found = [Recording("market", list(islice(market_frames(spec), min(at_most, 100_000))))]
        kind = "frames of the seeded market (no recordings at hand)"
    count = sum(len(recording.lines) for recording in found)
    return Input(found, f"{count:,} {kind}")


class Pipeline:
    """Decoder, tracker and engine as every driver of the log wires them; rows are handed on."""

    def __init__(self, config: Config, products: Sequence[str]) -> None:
        spec = config.features.spec()
        self._batch_size = config.features.batch_size
        self._decoder = FrameDecoder(products, config.ingestion.max_line_bytes)
        self._tracker = FrameTracker(products, grace_ms=spec.grace_ms, max_ahead_s=config.ingestion.max_ahead_s)
        self.engine = FeatureEngine(spec, products)

    def lines(self, name: str, lines: list[bytes]) -> Iterator[FeatureRows]:
        """Push bare frames of a connection in micro-batches."""
        for begin in range(0, len(lines), self._batch_size):
            batch = lines[begin : begin + self._batch_size]
            yield self._push(self._decoder.decode(batch, Layout.BARE, bare_connection=bare_connection(name)))

    def recordings(self, found: Sequence[Recording]) -> Iterator[FeatureRows]:
        """Push whole files as a replay does: each opens and closes its own connection."""
        for recording in found:
            yield self._control(Kind.OPENED, recording.name)
            yield from self.lines(recording.name, recording.lines)
            yield self._control(Kind.CLOSED, recording.name)

    def _push(self, frames: FrameColumns) -> FeatureRows:
        return self.engine.push(self._tracker.push(frames, bare=True).records)

    def _control(self, kind: Kind, name: str) -> FeatureRows:
        return self._push(control_row(kind, 0, self._decoder.connection(bare_connection(name)), 0, 0, 0))


def exhaust(rows: Iterator[FeatureRows]) -> int:
    """Run to the end and keep nothing; returns the number of rows."""
    return sum(len(part.bar_end_ns) for part in rows)
