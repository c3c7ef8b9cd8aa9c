"""Mutated frames through decoder, tracker and engine, and through replay: no crash, sums that hold, no infinity."""

import numpy as np
import pytest

from tests.eventlog import wire
from tests.eventlog.tracking import counts_add_up
from tests.eventlog.wire import BTC, ETH, MS, START_NS
from tickvol.apps import replay
from tickvol.eventlog.frames import FrameDecoder, Layout
from tickvol.eventlog.tracker import FrameTracker
from tickvol.volatility.features.engine import FeatureEngine
from tickvol.volatility.schema.feature_row import feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec

SPEC = FeatureSpec(windows_s=(10, 60), reference_window_s=10, duplicate_memory_s=30)
TEXTS = [b'"0"', b'"-1"', b'"NaN"', b'"1e308"', b'""', b'"' + b"9" * 400 + b'"', b"1", b"null", b"[]", b"{}", b"true",
         b'"0.00000000000000000001"', b'"999999999999"', b'"1970-01-01T00:00:00Z"', b'"2261-12-31T23:59:59Z"',
         b'"2026-04-05T00:00:30.5Z"', b"-1", b"9223372036854775807", b'"\\u0000"', b'"\\ud800"', b'"\\n"']  # fmt: skip


def seed_lines(rng):
    """A minute of two products with heartbeats and other channels on two connections, wrapped or bare."""
    lines, bare = [wire.control("connection_opened")], []
    price = {BTC: 67_000.0, ETH: 3_000.0}
    for number in range(240):
        time = START_NS + number * 250 * MS + int(rng.integers(0, 100)) * MS
        if number % 10 == 0:
            frame = wire.heartbeat(number, time)
        elif number % 25 == 0:
            frame = wire.frame("candles", number, time, [])
        else:
            product = BTC if rng.random() < 0.6 else ETH
            price[product] *= float(np.exp(rng.normal(0, 1e-4)))
            mid = price[product]
            frame = wire.ticker(number, time, product, bid=f"{mid - 0.01:.2f}", ask=f"{mid + 0.01:.2f}")
        bare.append(frame)
        lines.append(wire.wrap(frame, time + 5 * MS))
        if number == 120:
            lines += [wire.control("connection_closed"), wire.control("connection_opened")]
    return lines, bare


def mutated(lines, rng):
    """The lines after a handful of byte flips, cuts, splices, swaps, repetitions and fields of other values."""
    lines = list(lines)
    for _ in range(int(rng.integers(1, 40))):
        i, j = (int(place) for place in rng.integers(0, len(lines), 2))
        line, other = lines[i], lines[j]
        at, where = int(rng.integers(0, len(line) + 1)), int(rng.integers(0, len(other) + 1))
        match int(rng.integers(0, 9)):
            case 0 if line:
                place = at % len(line)
                lines[i] = line[:place] + bytes([line[place] ^ (1 << int(rng.integers(0, 8)))]) + line[place + 1 :]
            case 1:
                lines[i] = line[:at]
            case 2:
                lines[i] = line[:at] + other[where:]
            case 3:
                lines[i], lines[j] = other, line
            case 4:
                lines.insert(i, other)
            case 5:
                del lines[i]
                lines = lines or [b""]
            case 6 | 7:
                lines[i] = other_value(line, rng)
            case 8:
                lines[i] = bytes(rng.integers(0, 256, int(rng.integers(0, 60)), np.uint8)).replace(b"\n", b" ")
    return lines


def other_value(line, rng):
    """The line with the value of one of its fields replaced; inside a wrapped line quotes are escaped."""
    escaped = b'\\"' in line
    text = line.replace(b'\\"', b'"') if escaped else line
    places = [place for place in range(len(text) - 1) if text[place : place + 2] == b'":']
    if not places:
        return line
    begin = int(rng.choice(places)) + 2
    end = begin
    while end < len(text) and text[end : end + 1] not in (b",", b"}"):
        end += 1
    return text[:begin] + (b" " if rng.random() < 0.5 else b"") + TEXTS[int(rng.integers(0, len(TEXTS)))] + text[end:]


def run(lines, layout, rng):
    """Track and compute in batches of any size; gives the number of rows."""
    decoder = FrameDecoder((BTC, ETH), 1 << 16)
    tracker = FrameTracker((BTC, ETH), grace_ms=SPEC.grace_ms, max_ahead_s=5.0, trust_bare=bool(rng.integers(0, 2)))
    engine = FeatureEngine(SPEC, (BTC, ETH))
    begin = rows = 0
    while begin < len(lines):
        size = int(rng.integers(1, 100))
        frames = decoder.decode(lines[begin : begin + size], layout, first_line=begin + 1, bare_connection="bare")
        tracked = tracker.push(frames, bare=layout is not Layout.WRAPPED)
        given = engine.push(tracked.records)
        assert not np.isinf(given.values).any(), [
            feature_names(SPEC)[column] for column in np.flatnonzero(np.isinf(given.values).any(axis=0))
        ]
        assert counts_add_up(tracker.counts)
        assert all(0 <= item.row < len(tracked.frames) for item in tracked.rejected)
        assert all(gap.from_time_ns <= gap.to_time_ns for gap in tracked.gaps)
        begin, rows = begin + size, rows + len(given.bar_end_ns)
    return rows


def fuzz(seeds):
    rows = 0
    for seed in seeds:
        rng = np.random.default_rng(seed)
        wrapped, bare = seed_lines(rng)
        for lines, layout in ((wrapped, Layout.WRAPPED), (bare, Layout.BARE)):
            try:
                rows += run(mutated(lines, rng), layout, rng)
            except Exception as error:
                raise AssertionError(f"seed {seed}, {layout.value}: {type(error).__name__}: {error}") from error
    assert rows > 20 * len(seeds)


def test_mutated_frames_crash_nothing():
    fuzz(range(40))


@pytest.mark.slow
def test_mutated_frames_crash_nothing_for_long():
    fuzz(range(1000, 4000))


def test_frames_that_were_not_mutated_give_rows_at_any_cut():
    rng = np.random.default_rng(5)
    _, bare = seed_lines(rng)
    assert run(bare, Layout.BARE, rng) == run(bare, Layout.BARE, rng) > 100


def replay_mutated(seeds, tmp_path, monkeypatch, capsys):
    config = replay.Path("config.yaml").absolute()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TICKVOL_FEATURES__WINDOWS_S", "[10, 60]")
    for seed in seeds:
        rng = np.random.default_rng(seed)
        wrapped, bare = seed_lines(rng)
        for name, lines in (("a.ndjson", wrapped), ("b.ndjson", bare)):
            content = bytearray(wire.file_of(mutated(lines, rng)))
            for place in rng.integers(0, len(content), int(rng.integers(0, 3))):
                content[place] = int(rng.integers(0, 256))
            (tmp_path / name).write_bytes(content)
        arguments = [
            "--config",
            str(config),
            "--data-file",
            "a.ndjson",
            "b.ndjson",
            "--out",
            "out",
            "--batch-size",
            "64",
        ]
        code = replay.main(arguments)
        out, err = capsys.readouterr()
        assert code == 0, f"seed {seed}: {err}"
        numbers = next(line for line in out.splitlines() if line.startswith("frames "))
        assert " -" not in numbers


def test_mutated_files_are_replayed_to_their_end(tmp_path, monkeypatch, capsys):
    replay_mutated(range(6), tmp_path, monkeypatch, capsys)


@pytest.mark.slow
def test_mutated_files_are_replayed_to_their_end_for_long(tmp_path, monkeypatch, capsys):
    replay_mutated(range(100, 400), tmp_path, monkeypatch, capsys)


def test_the_seed_alone_decides_what_is_tried():
    first, second = (mutated(seed_lines(np.random.default_rng(1))[0], np.random.default_rng(2)) for _ in range(2))
    assert first == second
