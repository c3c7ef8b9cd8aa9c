"""Tests mirror the source; `tests.support.synthetic` makes feature tables from seeded random walks."""
