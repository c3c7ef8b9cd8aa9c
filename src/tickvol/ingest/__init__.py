"""Capture: feed, raw archive, frame tracker, simulated exchange."""
