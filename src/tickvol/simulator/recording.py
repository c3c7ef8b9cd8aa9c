"""Recorded files as a source of the simulated exchange: unchanged frames, which each connection renumbers."""

import gzip
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
import zstandard

from tickvol.core.errors import InputError
from tickvol.core.times import NS_PER_S
from tickvol.eventlog.archive_lines import ArchiveLine
from tickvol.eventlog.archive_reader import LineReader, archive_files, open_frames
from tickvol.eventlog.frames import Layout, detect_layout, frame_text
from tickvol.eventlog.text_kernels import parse_timestamps
from tickvol.exchange.coinbase import HEARTBEATS, SUBSCRIPTIONS, TICKER
from tickvol.simulator.frames import EventSource, ExchangeEvent, heartbeat_event
from tickvol.storage.files import replacement

BATCH = 4096
MAX_LINE_BYTES = 8 << 20
MAX_SILENCE_NS = 15 * NS_PER_S
"""A recording without heartbeats gets one per second, but none during a longer pause: the recorder was down there."""

_SEQUENCE_NUM = re.compile(r'"sequence_num":\s*(\d+)')


class _Named(msgspec.Struct, gc=False):
    product_id: str | None = None


class _Event(msgspec.Struct, gc=False):
    product_id: str | None = None
    tickers: list[_Named] = []
    trades: list[_Named] = []
    candles: list[_Named] = []


class _Frame(msgspec.Struct, gc=False):
    channel: str
    timestamp: str
    events: list[_Event] = []


class _RecorderLine(msgspec.Struct, gc=False):
    t: str
    data: str = ""


_decode_frame = msgspec.json.Decoder(_Frame).decode
_decode_wrapped = msgspec.json.Decoder(ArchiveLine).decode
_decode_recorder = msgspec.json.Decoder(_RecorderLine).decode


def recorded_source(paths: Sequence[Path]) -> EventSource:
    """All frames of the files, one file after the other; frames that cannot be read are sent unchanged.

    The files are read twice: first to find the products and to see if there are heartbeats.

    Raises
    ------
    InputError
        If none holds a frame with a time, or a file cannot be read.
    """
    paths = archive_files(paths)
    products: set[str] = set()
    start_ns: int | None = None
    beats = False
    for event in _recorded_events(paths):
        if event.tail is None:
            continue
        products.update(event.product_ids)
        start_ns = event.time_ns if start_ns is None else start_ns
        beats = beats or event.channel == HEARTBEATS
    if start_ns is None:
        raise InputError(f"--data-file: {', '.join(map(str, paths))}: no exchange frame in it")
    events = _recorded_events(paths)
    return EventSource(tuple(sorted(products)), start_ns, {}, events if beats else _with_heartbeats(events, start_ns))


def _with_heartbeats(events: Iterable[ExchangeEvent], start_ns: int) -> Iterator[ExchangeEvent]:
    previous_ns, due_ns = start_ns, start_ns + NS_PER_S
    for event in events:
        if event.time_ns - previous_ns > MAX_SILENCE_NS:
            due_ns += -(-(event.time_ns - due_ns) // NS_PER_S) * NS_PER_S
        while due_ns <= event.time_ns:
            yield heartbeat_event(due_ns, (due_ns - start_ns) // NS_PER_S, due_ns - start_ns, simulated=False)
            due_ns += NS_PER_S
        previous_ns = max(previous_ns, event.time_ns)
        yield event


def _recorded_events(paths: Sequence[Path]) -> Iterator[ExchangeEvent]:
    time_ns = 0
    for path in paths:
        for texts in frame_batches(path):
            decoded = [_try_decode(text) for text in texts]
            times = _times(decoded)
            for text, frame, own_ns in zip(texts, decoded, times, strict=True):
                if frame is not None and frame.channel == SUBSCRIPTIONS:
                    continue  # the server answers subscriptions itself
                time_ns = own_ns if own_ns >= 0 else time_ns
                yield _event(text, frame, time_ns)


def _event(text: str, frame: _Frame | None, time_ns: int) -> ExchangeEvent:
    number = _SEQUENCE_NUM.search(text) if frame is not None else None
    if frame is None or number is None:
        return ExchangeEvent(time_ns, TICKER, (), text, None)
    named = {event.product_id for event in frame.events}
    named.update(part.product_id for event in frame.events for part in (*event.tickers, *event.trades, *event.candles))
    products = tuple(sorted(name for name in named if name is not None))
    return ExchangeEvent(time_ns, frame.channel, products, text[: number.start(1)], text[number.end(1) :])


def _try_decode(text: str) -> _Frame | None:
    try:
        return _decode_frame(text)
    except (msgspec.DecodeError, RecursionError):
        return None


def _times(frames: list[_Frame | None]) -> list[int]:
    texts = ["" if frame is None or "\n" in frame.timestamp else frame.timestamp for frame in frames]
    times = np.full(len(texts), -1, np.int64)
    parse_timestamps(np.frombuffer("\n".join(texts).encode() or b"\n", np.uint8), times)
    return times.tolist()


def frame_batches(path: Path) -> Iterator[list[str]]:
    """Frames of one file in order, many at a time, without the wrapping of the file.

    Raises
    ------
    InputError
        If the file cannot be read to its end; the frames before have been yielded.
    """
    layout: Layout | None = None
    with closing(open_frames(path)) as stream:
        reader = LineReader(stream, MAX_LINE_BYTES)
        while lines := reader.read(BATCH):
            layout = layout or detect_layout(lines)
            yield [text for line in lines if (text := frame_text(line.rstrip(b"\r"), layout))]
    if reader.broken:
        raise InputError(f"--data-file: {path}: cannot be read to its end: {reader.broken}")


def write_lines(path: Path, frames: Iterable[bytes]) -> int:
    """Write one frame per line, all or none, packed by the name's suffix (`.gz`, `.zst`, plain); return the count."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with replacement(path, durable=False) as raw, _packing(raw, path.suffix) as write:
        for frame in frames:
            write(frame + b"\n")
            count += 1
    return count


@contextmanager
def _packing(raw: BinaryIO, suffix: str) -> Iterator[Callable[[bytes], int]]:
    if suffix == ".gz":
        with gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed:
            yield packed.write
    elif suffix == ".zst":
        with zstandard.ZstdCompressor().stream_writer(raw, closefd=False) as packed:
            yield packed.write
    else:
        yield raw.write
