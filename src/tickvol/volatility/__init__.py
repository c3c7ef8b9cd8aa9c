"""Volatility spikes: features, labels, detectors, evaluation, promotion, live scoring, drift."""
