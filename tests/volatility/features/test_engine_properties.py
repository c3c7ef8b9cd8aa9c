"""What must hold for every log: chunks, order, other products and the future change no bit; state is bounded."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.volatility.features.logs import START_NS, Record, S, columns, disorder, gap, merged, random_log, tick
from tickvol.core.record_columns import RecordKind
from tickvol.volatility.features.engine import FeatureEngine
from tickvol.volatility.schema.feature_spec import FeatureSpec

SPEC = FeatureSpec(
    windows_s=(2, 3, 10),
    reference_window_s=3,
    max_carry_s=5,
    max_silence_s=4,
    duplicate_memory_s=6,
    min_coverage=0.5,
)
SEEDS = st.integers(0, 2**32 - 1)
repeatable = settings(derandomize=True, deadline=None, max_examples=40, database=None)


@dataclass(frozen=True)
class Outcome:
    """All that an engine says about a log, bit for bit."""

    rows: tuple[tuple[int, int, bytes], ...]
    late: tuple[int, ...]
    duplicates: int

    def of(self, product: int) -> list[tuple[int, bytes]]:
        return [(end, values) for number, end, values in self.rows if number == product]


def outcome(
    records: Sequence[Record],
    cuts: Iterable[int] = (),
    *,
    spec: FeatureSpec = SPEC,
    engine: FeatureEngine | None = None,
) -> Outcome:
    engine = engine or FeatureEngine(spec, ("A", "B", "C"))
    edges = [0, *sorted(cuts), len(records)]
    rows: list[tuple[int, int, bytes]] = []
    late: list[int] = []
    duplicates = 0
    for begin, end in pairwise(edges):
        got = engine.push(columns(records[begin:end]))
        lines = [line.tobytes() for line in got.values]
        rows += zip(got.product.tolist(), got.bar_end_ns.tolist(), lines, strict=True)
        late += [begin + int(i) for i in got.late]
        duplicates += got.duplicates
    return Outcome(tuple(rows), tuple(late), duplicates)


def three_products(seed: int, *, seconds: float = 60.0) -> list[Record]:
    return merged(*(random_log(seed + number, product=number, seconds=seconds) for number in range(3)))


@repeatable
@given(SEEDS, st.lists(st.floats(0, 1), max_size=12))
def test_any_cut_into_pushes_gives_the_same_bits_and_the_same_late_ticks(seed: int, cuts: list[float]) -> None:
    log = disorder(three_products(seed), seed, within_s=1.5)
    whole = outcome(log)
    assert whole.rows
    assert outcome(log, [int(cut * len(log)) for cut in cuts]) == whole


def test_records_pushed_one_by_one_give_the_same_bits() -> None:
    for seed in range(5):
        log = disorder(three_products(seed), seed, within_s=1.5)
        whole = outcome(log)
        assert whole.late
        assert whole.duplicates
        assert outcome(log, range(len(log))) == whole


@repeatable
@given(SEEDS)
def test_duplicates_and_disorder_within_the_grace_change_no_bit(seed: int) -> None:
    log = three_products(seed)
    # A gap counts for bars that close after it, so those stand in front, where no disorder moves them.
    log.sort(key=lambda record: record.kind != RecordKind.GAP)
    stirred = disorder(log, seed, within_s=0.19)  # the log itself rounds times by up to 0.05 s
    assert stirred != log
    one, other = outcome(log), outcome(stirred)
    assert not one.late
    assert {product: one.of(product) for product in range(3)} == {product: other.of(product) for product in range(3)}
    assert other.duplicates == len(stirred) - len(log)


def test_disorder_beyond_the_grace_is_seen_by_that_check() -> None:
    log = [record for record in three_products(1) if record.kind != RecordKind.GAP]
    assert outcome(disorder(log, 1, within_s=2.0)).late


@repeatable
@given(SEEDS, st.floats(0.1, 0.9))
def test_other_prices_in_the_future_change_no_row_of_the_past(seed: int, share: float) -> None:
    log = disorder(three_products(seed), seed, within_s=0.4)
    now = START_NS + int(share * 60) * S
    rng = np.random.default_rng(seed)
    other = [
        replace(record, bid=record.bid * rng.uniform(0.5, 1.0), bid_quantity=rng.random())
        if record.kind == RecordKind.TICK and record.time_ns >= now
        else record
        for record in log
    ]
    one, two = outcome(log), outcome(other)
    assert [row for row in one.rows if row[1] <= now] == [row for row in two.rows if row[1] <= now]
    assert one.late == two.late


@repeatable
@given(SEEDS, SEEDS, st.floats(0, 1))
def test_another_tail_of_the_log_changes_no_row_that_was_out(seed: int, other: int, share: float) -> None:
    log = disorder(three_products(seed), seed, within_s=1.5)
    cut = int(share * len(log))
    out = outcome(log[:cut])
    tail = [replace(record, connection=1) for record in three_products(other)[cut:]]
    assert outcome(log[:cut] + tail).rows[: len(out.rows)] == out.rows
    assert outcome(log).rows[: len(out.rows)] == out.rows


@repeatable
@given(SEEDS)
def test_products_do_not_see_each_other(seed: int) -> None:
    logs = [disorder(random_log(seed + number, product=number), seed + number, within_s=1.0) for number in range(3)]
    together = outcome(merged(*logs))
    for number, log in enumerate(logs):
        alone = outcome(log)
        assert together.of(number) == alone.of(number)
    assert together.duplicates == sum(outcome(log).duplicates for log in logs)
    assert len(together.late) == sum(len(outcome(log).late) for log in logs)


def test_a_reset_engine_is_a_new_one() -> None:
    engine = FeatureEngine(SPEC, ("A", "B", "C"))
    one, other = three_products(1), three_products(2)
    outcome(one, engine=engine)
    engine.reset()
    assert outcome(other, engine=engine) == outcome(other)


def test_a_long_outage_leaves_no_trace_but_the_time() -> None:
    hour = 3600 * S
    log = [replace(record, time_ns=record.time_ns + hour) for record in random_log(3, pauses=False)]
    before = [replace(record, connection=1) for record in random_log(4, pauses=False)]
    rows = outcome(before + log).rows
    assert rows[-len(outcome(log).rows) :] == outcome(log).rows


def state_bytes(engine: FeatureEngine) -> int:
    arrays = [part for value in vars(engine).values() for part in (value if isinstance(value, tuple) else [value])]
    return sum(part.nbytes for part in arrays if isinstance(part, np.ndarray))


def test_state_does_not_grow_with_the_length_of_the_log() -> None:
    engine = FeatureEngine(replace_spec(duplicate_memory_s=60), ("A",))
    sizes = []
    for hour in range(8):
        ticks = [tick(hour * 3600 + i / 10, hour * 36000 + i, 100 + i % 7) for i in range(36000)]
        # One gap a minute: what was passed must be forgotten.
        gaps = [gap(hour * 3600 + minute * 60, hour * 3600 + minute * 60 + 2) for minute in range(60)]
        engine.push(columns(merged(ticks, gaps)))
        sizes.append(state_bytes(engine))
    assert sizes[0] > 10_000
    assert set(sizes[1:]) == {sizes[1]}


def replace_spec(**changes: int) -> FeatureSpec:
    values = {name: getattr(SPEC, name) for name in SPEC.__struct_fields__} | changes
    return FeatureSpec(**values)


@repeatable
@given(SEEDS, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_run_of_the_log_that_comes_twice_changes_no_row(seed: int, begin: float, length: float, later: float) -> None:
    log = three_products(seed)
    first = int(begin * len(log))
    last = first + int(length * (len(log) - first))
    highest = max(record.time_ns for record in log[first:last] or log[:1])
    oldest = min((record.time_ns for record in log[first:last] if record.kind == RecordKind.TICK), default=highest)
    memory = oldest + SPEC.duplicate_memory_s * S
    latest = next((i for i in range(last, len(log)) if log[i].time_ns > memory), len(log))
    at = last + int(later * (max(latest, last) - last))
    if any(record.time_ns > memory for record in log[first:last]):
        return  # longer than the memory: no run that a publisher sends again
    whole = outcome(log)
    repeated = outcome(log[:at] + log[first:last] + log[at:])
    assert [(p, end, values) for p, end, values in repeated.rows] == list(whole.rows)
    ticks = sum(record.kind == RecordKind.TICK for record in log[first:last])
    assert repeated.duplicates == ticks
    assert not repeated.late


@repeatable
@given(SEEDS, st.lists(st.floats(0, 1), max_size=6))
def test_a_row_names_the_record_that_closed_its_bar(seed: int, cuts: list[float]) -> None:
    log = disorder(three_products(seed), seed, within_s=1.5)
    closed: list[tuple[int, int, int]] = []
    engine = FeatureEngine(SPEC, ("A", "B", "C"))
    edges = [0, *sorted(int(cut * len(log)) for cut in cuts), len(log)]
    for begin, end in pairwise(edges):
        rows = engine.push(columns(log[begin:end]))
        closed += zip(rows.product.tolist(), rows.bar_end_ns.tolist(), (begin + rows.closed_by).tolist(), strict=True)
    engine.reset()
    alone = []
    for place in range(len(log)):
        rows = engine.push(columns(log[place : place + 1]))
        alone += [(p, end, place) for p, end in zip(rows.product.tolist(), rows.bar_end_ns.tolist(), strict=True)]
    assert closed == alone
    assert all(log[place].product == product and log[place].time_ns >= end for product, end, place in closed)
