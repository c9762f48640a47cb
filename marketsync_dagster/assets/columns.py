"""Column schemas as Dagster shows them.

Which columns a frame has is said once, in `catalog.columns`; here are only those that no schema
validates: the rejects, and the assets that live in the ledger instead of a frame.
"""

from __future__ import annotations

import dagster as dg

from marketsync_dagster.catalog.columns import Column, FrameColumns

REJECTS = FrameColumns(
    "rejects",
    (
        Column("file", "str", "The extract"),
        Column("line", "int64", "Physical line in the extract"),
        Column("column", "str", "The file's own header"),
        Column("value", "str", "What stands there"),
        Column("reason", "str", "Why the row was not taken"),
        Column("next_step", "str", "What to do about it"),
        Column("sku", "str", "The row's SKU, where it could be read", nullable=True),
    ),
)

PRODUCTS = FrameColumns(
    "products",
    (
        Column("sku", "str", "The till's own code of the product, always text", unique=True),
        Column("fingerprint", "str", "What was offered; a change is offered again"),
        Column("outcome", "str", "What became of the product when it was last offered"),
        Column("message", "str", "The platform's own words"),
        Column("at", "str", "When it was offered, UTC"),
    ),
)

LISTINGS = FrameColumns(
    "listings",
    (
        Column("sku", "str", "The till's own code of the product, always text", unique=True),
        Column("platform_id", "str", "The platform's id of the product"),
        Column("ack_price_minor", "Int64", "Price that was acknowledged, minor units", True),
        Column("ack_currency", "str", "ISO 4217 currency of that price", True),
        Column("ack_stock_status", "str", "Stock status that was acknowledged", True),
        Column("ack_at", "str", "When it was acknowledged, UTC", True),
        Column("outcome", "str", "What became of the row when it was last sent"),
        Column("message", "str", "The platform's own words"),
        Column("extract_id", "str", "The extract that the value came from"),
        Column("line", "int64", "Physical line in that extract"),
        Column("push_id", "str", "The push that sent it"),
    ),
)

RECONCILIATION = FrameColumns(
    "reconciliation",
    (
        Column("sku", "str", "The till's own code of the product; empty: unknown to us"),
        Column("platform_sku", "str", "The platform's name of the listing, where it has one"),
        Column("verdict", "str", "verified, not_applied, overwritten or unknown_to_us"),
        Column("expected", "str", "What was acknowledged"),
        Column("shown", "str", "What the platform shows; empty: nothing"),
        Column("reason", "str", "What differs"),
        Column("at", "str", "When it was read, UTC"),
        Column("since", "str", "When the verdict was first found so, UTC"),
    ),
)

ORDERS = FrameColumns(
    "orders",
    (
        Column("number", "str", "What people call the order"),
        Column("external_id", "str", "The source's own id"),
        Column("source", "str", "The account or shop that brought it"),
        Column("state", "str", "What the source says, in our words"),
        Column("raw_state", "str", "The source's own word"),
        Column("created_at", "str", "When it was ordered, UTC"),
        Column("updated_at", "str", "When the source changed it last, UTC"),
    ),
)

ORDER_BOOK = FrameColumns(
    "order_book",
    (
        Column("order_id", "str", "Our id of the order"),
        Column("line_id", "str", "The source's id of the line"),
        Column("outlet", "str", "The outlet that sold it; empty: not known"),
        Column("sku", "str", "The till's own code; empty: not mapped, the order is held"),
        Column("quantity", "int64", "Pieces that were ordered"),
        Column("shipped", "int64", "Pieces that have left"),
        Column("cancelled", "int64", "Pieces that are not to be sent"),
        Column("total_minor", "int64", "What the line costs, in minor units"),
        Column("state", "str", "Where the line stands"),
        Column("remote_state", "str", "Where its source says that it stands"),
    ),
)

FORWARDS = FrameColumns(
    "forwards",
    (
        Column("number", "str", "Our number of the order at its destination", unique=True),
        Column("order_id", "str", "Our id of the order"),
        Column("outlet", "str", "The outlet whose lines they are"),
        Column("state", "str", "pending, sent, acknowledged, done, refused, ..."),
        Column("raw_status", "str", "The destination's own word"),
        Column("external_id", "str", "The destination's own id"),
        Column("attempt", "int64", "1, or more after one that failed"),
        Column("message", "str", "The destination's words"),
    ),
)

UPDATES = FrameColumns(
    "updates",
    (
        Column("order_id", "str", "Our id of the order"),
        Column("kind", "str", "accept, tracking, ship, parcel, cancel, refund"),
        Column("state", "str", "waiting, intended, done, refused, unknown, ..."),
        Column("attempts", "int64", "How often it was sent"),
        Column("message", "str", "The source's words"),
        Column("answered_at", "str", "When it was answered, UTC", nullable=True),
    ),
)


def table_schema(frame: FrameColumns) -> dg.TableSchema:
    """The columns with type, meaning and rules."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=column.type,
                description=column.description,
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable,
                    unique=column.unique,
                    other=[
                        rule for rule in column.constraints if rule not in ("not null", "unique")
                    ],
                ),
            )
            for column in frame.columns
        ]
    )
