"""Conditions on indicator series as versioned rows, and their states at closed bars."""
