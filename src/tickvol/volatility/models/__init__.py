"""Detectors, their calibration, their evaluation and the bundle they travel in."""
