"""Files on disk: atomic replacement, locks, ledgers, dead letters and Parquet."""
