"""Detectors, their calibration, their evaluation and the bundles that contain them."""
