"""What holds for every path: parity with the plain walk, mirrors, finer bars, ticks, shifts in time, no future."""

from dataclasses import replace

import numpy as np
import pytest

from tests.signals.confirming.paths import COARSE, FINE, MIDDLE, bars_from, ticks, without
from tests.signals.confirming.reference import decisions_of, plain_confirm
from tickvol.signals.confirming.confirm import confirm
from tickvol.signals.confirming.gaps import NoData
from tickvol.signals.confirming.outcomes import Costs, Decisions, ExitReason, Results, Status

HOURS, PER_FINE = 120, 4
COSTS = Costs(slippage_bps=3.0)
FIELDS = tuple(Results.__dataclass_fields__)


def draw(seed, n=200, hours=HOURS):
    """A path, decisions on it and their barriers."""
    rng = np.random.default_rng(seed)
    prices = ticks(rng, hours, step=rng.choice([0.001, 0.004]), per_fine=PER_FINE)
    at = COARSE * rng.integers(0, hours, size=n)
    side = rng.choice([-1, 1], size=n)
    return (
        rng,
        prices,
        decisions_of(at, side, rng.uniform(0.003, 0.05, n), rng.uniform(0.003, 0.05, n), rng.integers(1, 24, n)),
    )


def confirmed(prices, decisions, *lengths, costs=COSTS):
    coarse, *finer = (bars_from(prices, PER_FINE, length) for length in (COARSE, *lengths))
    return confirm(decisions, coarse, costs=costs, finer=finer)


@pytest.mark.parametrize("seed", range(12))
def test_the_compiled_walk_equals_the_plain_one_with_holes_and_finer_bars(seed):
    rng, prices, decisions = draw(seed)
    missing = rng.choice(HOURS, size=6, replace=False)
    coarse = without(bars_from(prices, PER_FINE, COARSE), missing)
    fine = without(bars_from(prices, PER_FINE, FINE), rng.choice(HOURS * 12, size=60, replace=False))
    middle = bars_from(prices, PER_FINE, MIDDLE)
    dead = np.sort(missing[:3]) * COARSE + COARSE
    delay = int(decisions.lookahead_bars.min() > 1)
    costs = Costs(fee_bps=10.0, slippage_bps=float(rng.choice([0.0, 5.0])))
    got = confirm(
        decisions, coarse, costs=costs, finer=[middle, fine], no_data=NoData(dead, dead + 1), entry_delay_bars=delay
    )
    for k in range(len(decisions)):
        want = plain_confirm(
            int(decisions.predicting_at_ms[k]),
            int(decisions.side[k]),
            float(decisions.tp_frac[k]),
            float(decisions.sl_frac[k]),
            int(decisions.lookahead_bars[k]),
            coarse,
            [middle, fine],
            costs.fee_frac,
            costs.slippage_frac,
            set(dead.tolist()),
            delay,
        )
        names = (Status(got.status[k]).name, ExitReason(got.exit_reason[k]).name)
        assert names == (want.status, want.reason)
        whole = (got.bars_held[k], got.resolution_ms[k], bool(got.ambiguous[k]), got.confirmed_at_ms[k])
        assert whole == (want.held, want.resolution, want.ambiguous, want.confirmed)
        fractions = (
            got.exit_price,
            got.pnl_net_frac,
            got.pnl_net_optimistic_frac,
            got.max_return_frac,
            got.min_return_frac,
        )
        expected = (want.exit, want.net, want.optimistic, want.best, want.worst)
        np.testing.assert_allclose([column[k] for column in fractions], expected, rtol=1e-12, atol=1e-15)


def test_the_drawn_paths_reach_every_outcome():
    reasons, doubts = set(), 0
    for seed in range(12):
        _, prices, decisions = draw(seed)
        for lengths in ((), (FINE,)):
            result = confirmed(prices, decisions, *lengths)
            reasons |= set(result.exit_reason.tolist())
            doubts += int(result.ambiguous.sum())
    assert reasons >= {ExitReason.NONE, ExitReason.TP, ExitReason.SL, ExitReason.SL_GAP, ExitReason.TIMEOUT}
    assert doubts > 20


@pytest.mark.parametrize("seed", range(6))
def test_a_mirrored_path_gives_the_mirrored_result(seed):
    _, prices, decisions = draw(seed)
    mirrored = Decisions(
        decisions.predicting_at_ms,
        -decisions.side,
        np.where(decisions.side > 0, 1 - 1 / (1 + decisions.tp_frac), 1 / (1 - decisions.tp_frac) - 1),
        np.where(decisions.side > 0, 1 / (1 - decisions.sl_frac) - 1, 1 - 1 / (1 + decisions.sl_frac)),
        decisions.lookahead_bars,
    )
    ours = confirmed(prices, decisions, FINE, costs=Costs(fee_bps=0.0))
    theirs = confirmed(1e4 / prices, mirrored, FINE, costs=Costs(fee_bps=0.0))
    for name in ("status", "exit_reason", "bars_held", "ambiguous", "resolution_ms", "confirmed_at_ms"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name
    np.testing.assert_allclose((ours.exit_price * theirs.exit_price)[ours.closed], 1e4, rtol=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_finer_bars_are_never_worse_than_the_pessimistic_end_and_stay_in_the_interval(seed):
    _, prices, decisions = draw(seed)
    coarse, fine = confirmed(prices, decisions), confirmed(prices, decisions, FINE, MIDDLE)
    known = coarse.closed
    assert np.array_equal(known, fine.closed)
    assert np.all(fine.pnl_net_frac[known] >= coarse.pnl_net_frac[known])
    assert np.all(fine.pnl_net_optimistic_frac[known] <= coarse.pnl_net_optimistic_frac[known])
    assert np.array_equal(fine.pnl_net_frac[known & ~coarse.ambiguous], coarse.pnl_net_frac[known & ~coarse.ambiguous])


@pytest.mark.parametrize("seed", range(6))
def test_the_interval_of_a_bar_path_contains_the_result_of_the_tick_path(seed):
    """A tick path is one whose bars hold one price; gaps between ticks inside a bar fill at the level."""
    _, prices, decisions = draw(seed)
    result = confirmed(prices, decisions, costs=Costs(slippage_bps=0.0))
    per_hour = 12 * PER_FINE
    for k in np.flatnonzero(result.closed):
        start = decisions.predicting_at_ms[k] // COARSE * per_hour
        path = prices[start : start + decisions.lookahead_bars[k] * per_hour]
        s, e = int(decisions.side[k]), path[0]
        target, stop = e * (1 + s * decisions.tp_frac[k]), e * (1 - s * decisions.sl_frac[k])
        won, lost = s * path >= s * target, s * path <= s * stop
        if not (won | lost).any():
            leave = path[-1]
        else:
            first = int(np.argmax(won | lost))
            opens_a_bar = first % per_hour == 0
            leave = target if won[first] else path[first] if opens_a_bar else stop
        net = s * (leave - e) / e - 0.001 * (1 + leave / e)
        assert result.pnl_net_frac[k] - 1e-12 <= net <= result.pnl_net_optimistic_frac[k] + 1e-12


def test_a_shift_of_all_bars_in_time_shifts_the_confirmation_only():
    _, prices, decisions = draw(1)
    shift = 1000 * COARSE
    moved = [
        replace(b, close_time_ms=b.close_time_ms + shift)
        for b in (bars_from(prices, PER_FINE, COARSE), bars_from(prices, PER_FINE, FINE))
    ]
    later = Decisions(
        decisions.predicting_at_ms + shift,
        *(getattr(decisions, name) for name in ("side", "tp_frac", "sl_frac", "lookahead_bars")),
    )
    before = confirmed(prices, decisions, FINE)
    after = confirm(later, moved[0], costs=COSTS, finer=moved[1:])
    for name in FIELDS:
        expected = getattr(before, name)
        if name == "confirmed_at_ms":
            expected = np.where(before.status == Status.PENDING, 0, expected + shift)
        np.testing.assert_array_equal(getattr(after, name), expected, err_msg=name)


@pytest.mark.parametrize("seed", range(4))
def test_bars_after_the_confirmation_never_matter(seed):
    rng, prices, decisions = draw(seed, n=40)
    before = confirmed(prices, decisions, FINE)
    coarse, fine = bars_from(prices, PER_FINE, COARSE), bars_from(prices, PER_FINE, FINE)
    for k in np.flatnonzero(before.closed):
        known_at = before.confirmed_at_ms[k]
        changed = []
        for bars in (coarse, fine):
            factor = np.where(bars.close_time_ms - bars.length_ms >= known_at, rng.uniform(0.5, 2.0, len(bars)), 1.0)
            prices_of = {name: factor * getattr(bars, name) for name in ("open", "high", "low", "close")}
            changed.append(replace(bars, **prices_of))
        one = Decisions(*(getattr(decisions, name)[k : k + 1] for name in Decisions.__dataclass_fields__))
        after = confirm(one, changed[0], costs=COSTS, finer=changed[1:])
        for name in FIELDS:
            assert getattr(after, name)[0] == getattr(before, name)[k], name


@pytest.mark.parametrize("seed", range(3))
def test_a_longer_history_never_changes_a_closed_result(seed):
    _, prices, decisions = draw(seed)
    whole = confirmed(prices, decisions)
    for hours in (30, 60, 90):
        part = confirmed(prices[: hours * 12 * PER_FINE], decisions)
        done = part.closed
        for name in FIELDS:
            assert np.array_equal(getattr(part, name)[done], getattr(whole, name)[done]), name
        assert np.array_equal(done, whole.closed & (whole.confirmed_at_ms <= hours * COARSE))
