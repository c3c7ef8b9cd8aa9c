"""Alerts: when they are raised, where they go, and what became of each."""
