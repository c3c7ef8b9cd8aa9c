"""Kafka: how to reach it, which topics there are, and how records travel."""
