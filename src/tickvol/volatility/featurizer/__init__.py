"""Featurizers, from the log to feature rows: live from Kafka, from the archive, from recordings and candles."""
