"""From feature rows to predictions and outcomes on Kafka."""
