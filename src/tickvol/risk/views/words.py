"""Words of the figures: names of methods and verdicts, and notes that explain the columns."""

METHODS = ("fhs", "roll", "ewma", "garch")
"""Methods of VaR, the default first."""

Z_NOTE = "z: robust standard deviations (1.4826 MAD) from the median of the 365 days before."

NOTES = (
    "VaR 95%: the log return that a day falls below with a probability of 5%; ES 95%: the mean return of such days.",
    "Methods: fhs filtered historical simulation, roll quantile of the last 365 days, ewma and garch normal.",
    "p rate tests the number of exceptions (Kupiec), p indep. their clustering (Christoffersen); rejected below 0.050.",
    "Light: exceptions among the last 250 judged days.",
)

_VERDICTS = {
    "ok": "as expected",
    "too_few": "too few: VaR too careful",
    "too_many": "too many: VaR too low",
    "clustered": "clustered: VaR reacts too late",
    "not_enough_days": "not enough days",
}


def plain(word: str | None) -> str:
    """A verdict or a light in words; - where there is none.

    >>> plain("too_many"), plain("green"), plain(None)
    ('too many: VaR too low', 'green', '-')
    """
    return "-" if not word else _VERDICTS.get(word, word)
