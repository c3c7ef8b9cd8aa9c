"""Tests mirror the source; `tests.synthetic` makes feature tables from seeded random walks."""
