"""Revisions of the warehouse's schema, run by Alembic from `upgrading.py`."""
