"""Scheduled jobs: definitions, schedules and the Dagster integration."""
