"""Spike labels, computed from future bars."""
