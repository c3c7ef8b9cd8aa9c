"""Dimensions, facts and records of the signals in a SQL database."""
