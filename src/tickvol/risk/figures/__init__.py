"""Figures of market risk as pure functions of daily closes: no I/O, no clock, no settings.

An array of closes has one entry per UTC day, from the first complete day to the last; NaN marks a day without a close.
Results have one entry per day too, and NaN where a figure is unknown. Returns, volatilities, drawdowns, VaR and ES are
fractions: -0.04 is a loss of 4%.
"""
