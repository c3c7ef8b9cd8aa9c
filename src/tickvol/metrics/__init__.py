"""Prometheus metrics of a process, served over HTTP."""
