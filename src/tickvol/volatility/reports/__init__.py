"""Figures and HTML pages of evaluations and studies."""
