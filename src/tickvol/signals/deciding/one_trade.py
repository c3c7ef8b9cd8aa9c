"""One open trade per product: decisions in order of time, each asked if an earlier one is unresolved."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tickvol.signals.deciding.decide import DecisionColumns
from tickvol.signals.deciding.guards import Reason
from tickvol.signals.deciding.scoring import Action

Times = NDArray[np.int64]


def hold_one_trade(decisions: DecisionColumns, predicting_at_ms: Times, resolved_at_ms: Times) -> DecisionColumns:
    """Decisions where those made while an earlier trade is open become SIDEWAY with the reason OPEN_TRADE.

    It is the last guard, so this equals asking it bar by bar. A trade is open before `resolved_at_ms` and closed at it;
    only resolutions that a bar could have known change its decision.

    Parameters
    ----------
    predicting_at_ms : (n,) int64, strictly rising
    resolved_at_ms : (n,) int64, time at which a trade that begins here is resolved; the largest int64 while it is
        pending, ignored where the action is SIDEWAY
    """
    action, reason = decisions.action.copy(), decisions.reason.copy()
    open_until = np.iinfo(np.int64).min
    for i in np.flatnonzero(action != Action.SIDEWAY).tolist():
        if predicting_at_ms[i] < open_until:
            action[i], reason[i] = Action.SIDEWAY, Reason.OPEN_TRADE
        else:
            open_until = resolved_at_ms[i]
    return replace(decisions, action=action, reason=reason)
