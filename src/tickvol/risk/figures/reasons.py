"""Why figures of a day are unknown, in words."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tickvol.risk.figures.daily import DailyRisk


def reasons(risk: "DailyRisk") -> list[str]:
    """One text per day, its parts joined by semicolons; empty where no figure is unknown."""
    parts: list[list[str]] = [[] for _ in range(len(risk))]
    _returns(risk, parts)
    _volatility(risk, parts)
    _ewma(risk, parts)
    _value_at_risk(risk, parts)
    _garch(risk, parts)
    return ["; ".join(texts) for texts in parts]


def _returns(risk: "DailyRisk", parts: list[list[str]]) -> None:
    for t in np.flatnonzero(np.isnan(risk.log_return)).tolist():
        if np.isnan(risk.close[t]):
            parts[t].append("no close")
        else:
            parts[t].append("no return: no close on the day before" if t else "no return: first day")


def _volatility(risk: "DailyRisk", parts: list[list[str]]) -> None:
    days = risk.spec.vol_window_days
    needed = risk.spec.min_known(days)
    for t in np.flatnonzero(np.isnan(risk.vol_30)).tolist():
        if t < days:
            parts[t].append(f"volatility needs {days} days of history")
        else:
            parts[t].append(f"volatility: {risk.known_returns_30[t]} of {days} returns known, {needed} needed")


def _ewma(risk: "DailyRisk", parts: list[list[str]]) -> None:
    for t in np.flatnonzero(np.isnan(risk.var_95_ewma)).tolist():
        parts[t].append(f"EWMA needs {risk.spec.ewma_start_days} known returns before")


def _value_at_risk(risk: "DailyRisk", parts: list[list[str]]) -> None:
    days = risk.spec.var_window_days
    needed = risk.spec.min_known(days)
    for t in np.flatnonzero(np.isnan(risk.var_95_roll) | np.isnan(risk.var_95_fhs)).tolist():
        if t <= days:
            parts[t].append(f"VaR needs {days + 1} days of history")
        elif risk.known_returns_365[t] < needed:
            parts[t].append(f"VaR: {risk.known_returns_365[t]} of {days} returns known, {needed} needed")
        else:
            parts[t].append(f"filtered VaR: fewer than {needed} of {days} returns have a volatility before them")


def _garch(risk: "DailyRisk", parts: list[list[str]]) -> None:
    if not risk.spec.garch_refit_days:
        for texts in parts:
            texts.append("GARCH is switched off")
        return
    for t in np.flatnonzero(np.isnan(risk.var_95_garch)).tolist():
        if t > risk.spec.var_window_days:
            parts[t].append("GARCH: no fit, because too few returns were known or none varied")
