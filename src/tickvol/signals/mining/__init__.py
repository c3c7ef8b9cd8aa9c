"""Patterns among closed trades: exact counts, p-values that know how many were tried, and a test out of sample."""
