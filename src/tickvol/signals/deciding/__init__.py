"""Deterministic decisions: weighted metrics become scores, guards and barriers that explain themselves."""
