"""Indicators of closed bars with finite memory: one kernel for each, for batch and live alike."""
