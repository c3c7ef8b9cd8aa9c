"""The confirmation that flatters: target before stop on the extremes of the window, no fees, entry at the close."""

import numpy as np

from tests.signals.confirming.paths import COARSE, bars_from, ticks
from tests.signals.confirming.reference import decisions_of
from tickvol.signals.confirming.confirm import confirm
from tickvol.signals.confirming.outcomes import Costs

HOURS, LOOKAHEAD = 4000, 12


def flattering_return(bars, at, side, tp, sl):
    """Return of one decision: the target if any bar of the window reached it, otherwise the stop."""
    entry, window = bars.close[at - 1], slice(at, at + LOOKAHEAD)
    best = bars.high[window].max() / entry - 1 if side > 0 else 1 - bars.low[window].min() / entry
    return tp if best >= tp else -sl


def test_the_flattering_rule_shows_a_gain_where_path_order_and_costs_show_the_loss():
    rng = np.random.default_rng(0)
    bars = bars_from(ticks(rng, HOURS, step=0.0008), 4, COARSE)
    at = rng.integers(1, HOURS - LOOKAHEAD, size=3000)
    side = rng.choice([-1, 1], size=3000)
    tp, sl = 0.012, 0.010
    decisions = decisions_of(COARSE * at, side, tp, sl, LOOKAHEAD)
    flattering = np.mean([flattering_return(bars, a, s, tp, sl) for a, s in zip(at, side, strict=True)])
    result = confirm(decisions, bars, costs=Costs(fee_bps=10.0))
    assert result.closed.all()
    assert flattering > 0
    assert result.pnl_net_frac.mean() < -0.001
    assert flattering - result.pnl_net_frac.mean() > 0.0025
    assert abs(result.pnl_gross_frac.mean()) < 0.001
