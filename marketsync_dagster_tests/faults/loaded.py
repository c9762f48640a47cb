"""What a run loads or works out when it first needs it, and every child would anew.

For the server that children are forked from (`kills.context`), which imports this and nobody else:
no connection and no open file comes of it.
"""

from __future__ import annotations

from importlib import import_module

from marketsync_dagster.catalog import schemas
from marketsync_dagster.pos.headers.known import beginnings, meanings

FIRST_CALL = ("httpcore", "anyio._backends._asyncio", "anyio.streams.tls", "encodings.utf_8_sig")
"""What the first call to a platform loads, and the first file."""

for module in FIRST_CALL:
    import_module(module)
for schema in (schemas.EXTRACT, schemas.CATALOG, schemas.SKU_MAPPING, schemas.FEED):
    schemas.validate(schema, schemas.empty(schema), what=str(schema.name))
meanings()
beginnings()
