"""Outcomes of decisions: the order in which a price path touches target and stop, with costs and doubt kept."""
