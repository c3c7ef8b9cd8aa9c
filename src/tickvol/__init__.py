"""tickvol: from exchange ticks to an honest probability of a volatility spike."""

__version__ = "0.1.0"
