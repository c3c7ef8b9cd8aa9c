"""Who may serve: evidence of challenger and champion on the same rows, gates on it, and when to train again."""
