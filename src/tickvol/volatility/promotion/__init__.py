"""Promotion: evidence of challenger and champion on the same rows, gates on it, and the decision to retrain."""
