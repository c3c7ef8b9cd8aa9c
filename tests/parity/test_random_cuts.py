"""Decoder, tracker and engine in one: lines of the log cut anywhere give the same rows, dead letters and counts."""

from collections.abc import Iterable
from functools import cache
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.eventlog.wire import BTC, ETH, SECOND, control, wrap
from tests.parity.test_replay_parity import market, stirred
from tests.support import ROOT
from tickvol.config import load_config
from tickvol.core.records import GapReason
from tickvol.eventlog.frames import Layout
from tickvol.eventlog.tracker import FrameCounts
from tickvol.storage.deadletters import DeadLetter
from tickvol.volatility.featurizer.frame_featurizer import Featurizer, RowCounts

CONFIG = load_config(ROOT / "config.yaml")
SEEDS = 4

Outcome = tuple[list[tuple[int, int, bytes]], list[DeadLetter], RowCounts, FrameCounts]


@cache
def archive(seed: int) -> list[bytes]:
    """Two captures with losses, duplicates, disorder, broken frames, a reconnect, a torn line and a bad clock."""
    frames = stirred(market(seed, seconds=240), seed, within_ms=800)
    lines = [control("capture_started", frames[0][0]), control("connection_opened", frames[0][0])]
    connection = "c1"
    down = frames[2 * len(frames) // 3][0]
    for number, (time, bare) in enumerate(frames):
        if number == len(frames) // 3:
            lines.append(control("connection_closed", time, connection, GapReason.SILENCE))
            connection = "c2"
            lines.append(control("connection_opened", time, connection))
        if number == 2 * len(frames) // 3:
            lines.append(b'{"receive_time_ns":17')
            connection = "c3"
            lines += [control("capture_started", time), control("connection_opened", time, connection)]
        if down < time < down + 5 * SECOND:
            continue
        if number % 151 == 75:
            bare = bare.replace(b'"timestamp": "2026', b'"timestamp": "2027')
        lines.append(wrap(bare[:40] if number % 113 == 60 else bare, time, connection))
    return lines


def outcome(lines: list[bytes], cuts: Iterable[int]) -> Outcome:
    featurizer = Featurizer(CONFIG.features.spec(), CONFIG.ingestion, (BTC, ETH), ["a.ndjson"])
    for begin, end in pairwise([0, *sorted(cuts), len(lines)]):
        frames = featurizer.decoder.decode(lines[begin:end], Layout.WRAPPED, source=0, first_line=begin + 1)
        featurizer.take(frames, bare=False)
    computed = featurizer.drain()
    rows = [
        (int(product), int(end), values.tobytes())
        for part in computed.rows
        for product, end, values in zip(part.product, part.bar_end_ns, part.values, strict=True)
    ]
    return rows, sorted(computed.letters), featurizer.counts, featurizer.tracker.counts


@cache
def whole(seed: int) -> Outcome:
    return outcome(archive(seed), [])


@settings(derandomize=True, deadline=None, max_examples=30, database=None)
@given(st.integers(0, SEEDS - 1), st.lists(st.floats(0, 1), max_size=20))
def test_any_cut_of_the_log_gives_the_same_rows_letters_and_counts(seed: int, cuts: list[float]) -> None:
    lines = archive(seed)
    assert outcome(lines, [int(cut * len(lines)) for cut in cuts]) == whole(seed)


def test_the_log_of_these_tests_holds_what_can_go_wrong() -> None:
    rows, letters, counts, _ = whole(0)
    assert rows[-1][1] - rows[0][1] > 200 * SECOND
    assert {letter.reason for letter in letters} >= {"late", "not_json", "unconfirmed_time"}
    assert counts.duplicates > 0
    assert {"jump", "silence", "capture_down"} <= set(counts.gaps)


def test_lines_taken_one_by_one_give_the_same_rows_letters_and_counts() -> None:
    for seed in range(SEEDS):
        lines = archive(seed)
        assert outcome(lines, range(len(lines))) == whole(seed)
