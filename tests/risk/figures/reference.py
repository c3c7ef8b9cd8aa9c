"""The figures from their definitions: slow, in plain Python, with exact sums and exact positions of quantiles.

A close or a return is a float, or None where it is unknown. Nothing here is shared with the code under test.
"""

import math
from fractions import Fraction
from itertools import pairwise
from statistics import NormalDist, correlation, median, stdev

Values = list[float | None]

YEAR, VOL, WINDOW, MIN_VOL, MIN_WINDOW, START = 365, 30, 365, 27, 329, 30
LAMBDA, LEVEL, Z = 0.94, Fraction(1, 20), 3.5


def log_returns(closes: Values) -> Values:
    pairs = zip([None, *closes[:-1]], closes, strict=True) if closes else ()
    return [None if a is None or b is None else math.log(b / a) for a, b in pairs]


def simple_returns(closes: Values) -> Values:
    pairs = zip([None, *closes[:-1]], closes, strict=True) if closes else ()
    return [None if a is None or b is None else float(Fraction(b) / Fraction(a) - 1) for a, b in pairs]


def known(values: Values) -> list[float]:
    return [value for value in values if value is not None]


def before(values: Values, t: int) -> list[float] | None:
    """The known values of the 365 days before t, or None where they do not suffice."""
    if t < WINDOW + 1:
        return None
    window = known(values[t - WINDOW : t])
    return window if len(window) >= MIN_WINDOW else None


def volatility(returns: Values) -> Values:
    result: Values = []
    for t in range(len(returns)):
        window = known(returns[max(0, t - VOL + 1) : t + 1])
        result.append(stdev(window) if t >= VOL and len(window) >= MIN_VOL else None)
    return result


def mean(values: list[float]) -> float | None:
    return float(sum(map(Fraction, values)) / len(values)) if values else None


def peaks(closes: Values) -> Values:
    return [max(known(closes[: t + 1]), default=None) for t in range(len(closes))]


def drawdowns(closes: Values) -> Values:
    return [
        None if close is None or peak is None else float((Fraction(close) - Fraction(peak)) / Fraction(peak))
        for close, peak in zip(closes, peaks(closes), strict=True)
    ]


def lowest_so_far(values: Values) -> Values:
    return [min(known(values[: t + 1]), default=None) for t in range(len(values))]


def quantile(values: list[float], level: Fraction) -> float:
    ordered = sorted(values)
    position = (len(ordered) - 1) * level
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    low, high = Fraction(ordered[below]), Fraction(ordered[above])
    return float(low + (high - low) * (position - below))


def lower_quantile(values: list[float], level: Fraction) -> float:
    return next(value for i, value in enumerate(sorted(values), start=1) if Fraction(i, len(values)) >= level)


def tail_mean(values: list[float], limit: float) -> float | None:
    return mean([value for value in values if value <= limit])


def historical(returns: Values, level: Fraction = LEVEL) -> tuple[Values, Values]:
    var: Values = []
    es: Values = []
    for t in range(len(returns)):
        window = before(returns, t)
        var.append(None if window is None else quantile(window, level))
        es.append(None if window is None else tail_mean(window, quantile(window, level)))
    return var, es


def ewma_sigma(returns: Values) -> Values:
    """Each variance from the whole past: powers of lambda instead of a recursion."""
    days = [t for t, value in enumerate(returns) if value is not None]
    squares = [value * value for value in known(returns)]
    result: Values = []
    for t in range(len(returns)):
        seen = sum(1 for day in days if day < t)
        if seen < START:
            result.append(None)
            continue
        later = squares[START:seen]
        terms = [LAMBDA ** len(later) * math.fsum(squares[:START]) / START]
        terms += [(1 - LAMBDA) * LAMBDA ** (len(later) - 1 - i) * square for i, square in enumerate(later)]
        result.append(math.sqrt(math.fsum(terms)))
    return result


def normal(sigma: Values) -> tuple[Values, Values]:
    level = float(LEVEL)
    z = -1.6448536269514722
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    assert abs(NormalDist().cdf(z) - level) < 1e-15
    return (
        [None if s is None else z * s for s in sigma],
        [None if s is None else -s * density / level for s in sigma],
    )


def filtered_historical(returns: Values, sigma: Values) -> tuple[Values, Values]:
    ratios: Values = [None if r is None or not s else r / s for r, s in zip(returns, sigma, strict=True)]
    var, es = historical(ratios)
    return (
        [None if q is None or s is None else q * s for q, s in zip(var, sigma, strict=True)],
        [None if q is None or s is None else q * s for q, s in zip(es, sigma, strict=True)],
    )


def robust_z(returns: Values) -> tuple[Values, Values, Values]:
    scores: Values = []
    medians: Values = []
    mads: Values = []
    for t, value in enumerate(returns):
        window = before(returns, t)
        centre = None if window is None else median(window)
        mad = None if window is None else median(abs(x - centre) for x in window)
        medians.append(centre)
        mads.append(mad)
        scores.append(None if value is None or not mad else (value - centre) / (1.4826 * mad))
    return scores, medians, mads


def robust_z_full(returns: Values) -> Values:
    values = known(returns)
    if not values:
        return [None] * len(returns)
    centre = median(values)
    mad = median(abs(x - centre) for x in values)
    return [None if r is None else (r - centre) / (1.4826 * mad) if mad else 0.0 for r in returns]


def exceptions(returns: Values, var: Values) -> Values:
    return [None if r is None or v is None else float(r < v) for r, v in zip(returns, var, strict=True)]


def kupiec(hits: list[bool], level: float) -> float:
    """Twice the difference of the log-likelihoods, day by day."""
    rate = sum(hits) / len(hits)
    own = math.fsum(math.log(rate if hit else 1 - rate) for hit in hits)
    given = math.fsum(math.log(level if hit else 1 - level) for hit in hits)
    return 2 * (own - given)


def christoffersen(hits: list[bool]) -> float:
    pairs = list(pairwise(hits))
    rate = sum(after for _, after in pairs) / len(pairs)
    total = []
    for first in (False, True):
        following = [after for start, after in pairs if start == first]
        for after in following:
            own = sum(following) / len(following)
            total.append(math.log(own if after else 1 - own) - math.log(rate if after else 1 - rate))
    return 2 * math.fsum(total)


def pearson(a: Values, b: Values) -> float | None:
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    if len(pairs) < 2 or len({x for x, _ in pairs}) == 1 or len({y for _, y in pairs}) == 1:
        return None
    return correlation([x for x, _ in pairs], [y for _, y in pairs])


def garch_log_likelihood(returns: list[float], omega: float, alpha: float, beta: float) -> float:
    """Of returns in percent; the variance starts at a weighted mean of the first 75 squares. Without bounds."""
    weights = [0.94**i for i in range(min(75, len(returns)))]
    start = math.fsum(w * r * r for w, r in zip(weights, returns, strict=False)) / math.fsum(weights)
    variance, square, terms = start, start, []
    for value in returns:
        variance = omega + alpha * square + beta * variance
        square = value * value
        terms.append(-(math.log(2 * math.pi) + math.log(variance) + square / variance) / 2)
    return math.fsum(terms)
