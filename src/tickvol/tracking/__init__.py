"""Experiments and registered models in MLflow."""
