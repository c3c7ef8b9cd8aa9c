"""Registered bundles, runs, trials, champions and retrainings."""
