"""What Alembic runs: every migration inside the transaction that `ledger.upgrade` has opened."""

from __future__ import annotations

from alembic import context

from marketsync_dagster.ledger.engine import VERSION_TABLE
from marketsync_dagster.ledger.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
