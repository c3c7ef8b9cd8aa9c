"""Explainable signals: indicators, conditions as data, decisions that explain themselves, outcomes in price order."""
