"""The scorer: from feature rows to predictions and outcomes on Kafka."""
