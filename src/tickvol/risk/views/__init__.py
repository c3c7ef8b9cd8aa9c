"""Answers to questions about the stored figures, as data for JSON and as lines for people."""
