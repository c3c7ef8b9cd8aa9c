"""Alerts: decisions, ledger, dispatch and sinks."""
