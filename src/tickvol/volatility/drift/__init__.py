"""Drift between two sets of feature rows, and drift alarms."""
