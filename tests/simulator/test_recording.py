"""Recorded files as a source: layouts, new numbers, heartbeats where the recording has none."""

import gzip
import json
import os
from pathlib import Path

import pytest

from tests.support import ROOT
from tickvol.core.errors import InputError
from tickvol.core.records import GapReason
from tickvol.eventlog.archive_lines import Control, control_line, frame_line
from tickvol.exchange.coinbase import subscribe_message
from tickvol.simulator.market import MarketSpec, market_products
from tickvol.simulator.recording import recorded_source, write_lines
from tickvol.simulator.session import ExchangeSession, market_frames

RECORDINGS = Path(os.environ.get("TICKVOL_DATA", ROOT.parent / "shared" / "data"))
START_NS = 1_767_571_200_000_000_000
needs_recordings = pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"no recorded data at {RECORDINGS}")


def market(seconds=20):
    return MarketSpec(market_products(["BTC-USD", "ETH-USD"]), 7, START_NS, seconds)


def served(paths):
    """What a client gets who subscribes to heartbeats and all tickers."""
    source = recorded_source(paths)
    session = ExchangeSession(source.products)
    for channel in ("heartbeats", "ticker"):
        session.answer(subscribe_message(channel, source.products), source.start_ns, source.opening)
    return [session.number(event) for event in source.events if session.wants(event)]


def without_numbers(frames):
    return [(frame["channel"], frame["timestamp"], frame["events"]) for frame in map(json.loads, frames)]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_bare_frames_come_back_with_new_numbers(tmp_path, suffix):
    path = tmp_path / f"market.ndjson{suffix}"
    frames = list(market_frames(market()))
    assert write_lines(path, frames) == len(frames)
    wanted = [frame for frame in frames if b'"subscriptions"' not in frame]
    again = served([path])
    assert without_numbers(again) == without_numbers(wanted)
    numbers = [json.loads(frame)["sequence_num"] for frame in again]
    assert numbers == list(range(numbers[0], numbers[0] + len(again)))


def test_archive_lines_are_unwrapped_and_torn_ones_left_out(tmp_path):
    frames = [frame for frame in market_frames(market()) if b'"subscriptions"' not in frame]
    path = tmp_path / "20260105T000000Z_20260105T00Z.ndjson.gz"
    lines = [control_line(1, Control.CONNECTION_OPENED, connection_id="c-1", products=["BTC-USD"], url="ws://x")]
    lines += [frame_line(1, "c-1", frame) for frame in frames]
    lines += [control_line(1, Control.CONNECTION_CLOSED, connection_id="c-1", reason=GapReason.RECONNECT), b'{"rece']
    path.write_bytes(gzip.compress(b"".join(lines)))
    assert without_numbers(served([path])) == without_numbers(frames)


def test_frames_that_are_no_json_are_sent_as_they_are(tmp_path):
    path = tmp_path / "bare.ndjson"
    good = [frame for frame in market_frames(market(5)) if b'"ticker"' in frame]
    path.write_bytes(good[0] + b"\n{half\n" + good[1] + b"\n")
    assert "{half" in served([path])


def test_recording_without_heartbeats_gets_one_a_second_but_none_in_a_pause(tmp_path):
    def ticker(second):
        head = f'{{"channel":"ticker","timestamp":"2026-01-05T00:{second // 60:02d}:{second % 60:02d}.5Z",'
        return (head + '"sequence_num":5,"events":[{"type":"update","tickers":[{"product_id":"BTC-USD"}]}]}').encode()

    path = tmp_path / "bare.ndjson"
    write_lines(path, [ticker(second) for second in (0, 3, 120, 122)])
    frames = [json.loads(frame) for frame in served([path])]
    beats = [frame["timestamp"][14:-1] for frame in frames if frame["channel"] == "heartbeats"]
    assert beats == ["00:01.5", "00:02.5", "00:03.5", "02:00.5", "02:01.5", "02:02.5"]
    assert all("simulated" not in frame["events"][0] for frame in frames if frame["channel"] == "heartbeats")


def test_files_without_a_frame_are_refused(tmp_path):
    path = tmp_path / "empty.ndjson"
    path.write_bytes(b"")
    with pytest.raises(InputError, match="no exchange frame"):
        recorded_source([path])


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_file_that_is_no_archive_is_refused(tmp_path, suffix):
    path = tmp_path / f"broken.ndjson{suffix}"
    path.write_bytes(b"this is not compressed")
    with pytest.raises(InputError, match="cannot be read"):
        recorded_source([path])


def test_a_failed_write_leaves_nothing(tmp_path):
    def frames():
        yield b"1"
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        write_lines(tmp_path / "market.ndjson", frames())
    assert not list(tmp_path.iterdir())


@needs_recordings
def test_recorded_wire_frames_are_served_unchanged_but_for_their_number():
    path = RECORDINGS / "coinbase_ticker" / "20260405T223513Z_BTC-USD_wire.ndjson.gz"
    recorded = [line for line in gzip.decompress(path.read_bytes()).splitlines() if b'"subscriptions"' not in line]
    tickers = [frame for frame in served([path]) if '"channel":"ticker"' in frame]
    assert without_numbers(tickers) == without_numbers(recorded)


@needs_recordings
def test_market_writes_its_ticker_with_the_fields_of_the_real_wire():
    path = RECORDINGS / "coinbase_ticker" / "20260405T223513Z_BTC-USD_wire.ndjson.gz"
    real = json.loads(gzip.decompress(path.read_bytes()).splitlines()[5])
    ours = [frame for frame in map(json.loads, market_frames(market())) if frame["channel"] == "ticker"][-1]
    assert list(ours) == list(real)
    assert list(ours["events"][0]) == list(real["events"][0])
    assert list(ours["events"][0]["tickers"][0]) == list(real["events"][0]["tickers"][0])


@needs_recordings
def test_all_channels_of_a_recorder_are_there():
    source = recorded_source([RECORDINGS / "coinbase_full" / "20260809_BTC-USD_ETH-USD_all_channels.jsonl.zst"])
    channels = {event.channel for event in source.events}
    assert channels == {"l2_data", "ticker", "market_trades", "candles", "heartbeats"}
    assert source.products == ("BTC-USD", "ETH-USD")
