"""Jobs that come round: what they are made of, when they are due, and a real scheduler (Dagster) that runs them."""
