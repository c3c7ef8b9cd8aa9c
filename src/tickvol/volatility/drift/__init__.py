"""Drift between two sets of feature rows, and its alarms."""
