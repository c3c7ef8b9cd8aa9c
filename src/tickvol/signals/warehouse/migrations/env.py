"""Alembic's entry: run revisions on the connection that `upgrading.py` gives."""

from alembic import context

from tickvol.signals.warehouse.declaring import METADATA
from tickvol.signals.warehouse.upgrading import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
