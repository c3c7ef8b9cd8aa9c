"""Figures of closed trades, each with its interval, its comparison with chance, and its discount for search."""
