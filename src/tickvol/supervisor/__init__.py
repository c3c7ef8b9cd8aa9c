"""Processes that are started, monitored, restarted and stopped together."""
