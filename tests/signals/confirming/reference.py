"""Confirmation in plain Python, one decision at a time: the slow reference of the compiled walk."""

from dataclasses import dataclass

import numpy as np

from tickvol.signals.confirming.outcomes import Decisions
from tickvol.signals.indicators.bars import Bars

L = 3_600_000


def bars_of(rows, start=0, length_ms=L):
    """Bars from (open, high, low, close) rows; None is a missing bar."""
    kept = [(start + (i + 1) * length_ms, *row) for i, row in enumerate(rows) if row is not None]
    columns = np.array([row[1:] for row in kept], dtype=float).reshape(-1, 4).T
    times = np.array([row[0] for row in kept], dtype=np.int64)
    return Bars(times, *(np.ascontiguousarray(c) for c in columns), np.ones(len(kept)), length_ms)


def decisions_of(at, side, tp, sl, lookahead):
    at = np.atleast_1d(np.asarray(at, dtype=np.int64))
    return Decisions(
        at,
        np.broadcast_to(np.asarray(side, dtype=np.int8), at.shape).copy(),
        np.broadcast_to(np.asarray(tp, dtype=float), at.shape).copy(),
        np.broadcast_to(np.asarray(sl, dtype=float), at.shape).copy(),
        np.broadcast_to(np.asarray(lookahead, dtype=np.int64), at.shape).copy(),
    )


@dataclass(frozen=True)
class Plain:
    status: str
    reason: str = "NONE"
    exit: float = float("nan")
    net: float = float("nan")
    optimistic: float = float("nan")
    best: float = float("nan")
    worst: float = float("nan")
    held: int = 0
    resolution: int = 0
    ambiguous: bool = False
    confirmed: int = 0


def table_of(bars):
    return {
        int(t) - bars.length_ms: (float(o), float(h), float(lo), float(c))
        for t, o, h, lo, c in zip(bars.close_time_ms, bars.open, bars.high, bars.low, bars.close, strict=True)
    }


def plain_confirm(at, side, tp, sl, lookahead, bars, finer=(), fee=0.001, slip=0.0, dead=(), delay=0):
    """The result of one decision; `dead` holds the close times of bars that never come."""
    table, length = table_of(bars), bars.length_ms
    window = range(at + delay * length, at + lookahead * length, length)
    if window[0] not in table:
        gone = window[0] + length in dead
        return (
            Plain("UNKNOWN", "NO_ENTRY", confirmed=window[0] + length, resolution=length) if gone else Plain("PENDING")
        )
    e = table[window[0]][0] * (1 + side * slip)
    target, stop = e * (1 + side * tp), e * (1 - side * sl)
    seen = []

    def net(x):
        return side * (x - e) / e - fee * (1 + x / e)

    def done(reason, x, confirmed, resolution=length, ambiguous=False):
        returns = [side * (p - e) / e for p in seen]
        win = reason == "TP" and net(x) > 0
        status = "TIMEOUT" if reason == "TIMEOUT" else "WIN" if win else "LOSS"
        optimistic = net(target) if ambiguous else net(x)
        held = 1 + (confirmed - 1 - window[0]) // length
        return Plain(
            status, reason, x, net(x), optimistic, max(returns), min(returns), held, resolution, ambiguous, confirmed
        )

    def first(rows, is_entry, step):
        for n, (t, (o, h, lo, _)) in enumerate(rows):
            if n or not is_entry:
                if side * o <= side * stop:
                    return "SL", n, False, t + step
                if side * o >= side * target:
                    return "TP", n, False, t + step
            up, down = (h >= target, lo <= stop) if side > 0 else (lo <= target, h >= stop)
            if up or down:
                return ("SL" if down else "TP"), n, up and down, t + step
        return None

    for t in window:
        if t not in table:
            n = (t - window[0]) // length
            gone = t + length in dead
            return (
                Plain("UNKNOWN", "DATA_GAP", held=n, confirmed=t + length, resolution=length)
                if gone
                else Plain("PENDING")
            )
        o, h, lo, c = table[t]
        hit = first([(t, table[t])], t == window[0], length)
        if hit and hit[2]:
            for shorter in sorted(finer, key=lambda b: b.length_ms):
                step = shorter.length_ms
                fine = table_of(shorter)
                rows = [(u, fine.get(u)) for u in range(t, t + length, step)]
                if all(row for _, row in rows):
                    touched = first(rows, t == window[0], step)
                    if touched:
                        for _, row in rows[: touched[1] + 1]:
                            seen += row[1:3]
                        x = target if touched[0] == "TP" else stop * (1 - side * slip)
                        return done(touched[0], x, touched[3], step, touched[2])
                    break
        seen += [h, lo]
        if t > window[0] and side * o < side * stop:
            return done("SL_GAP", o * (1 - side * slip), t + length)
        if hit:
            return done(hit[0], target if hit[0] == "TP" else stop * (1 - side * slip), t + length, length, hit[2])
        if t == window[-1]:
            return done("TIMEOUT", c, t + length)
    raise AssertionError("the window is never empty")
