"""The tables of orders, a part of `ledger.tables`.

Names, addresses, mails and phones are in `order_person` and `order_raw` alone; `orders forget`
empties these two.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)

from marketsync_dagster.ledger.metadata import metadata

# One order of one account or shop.
orders = Table(
    "orders",
    metadata,
    Column("id", Text, primary_key=True),  # ours, made of the three below
    Column("platform", Text, nullable=False),
    Column("account", Text, nullable=False),  # or shop
    Column("external_id", Text, nullable=False),
    Column("number", Text, nullable=False),  # what people call it
    Column("outlet", Text, nullable=False),  # of all its lines; empty: none, or several
    Column("state", Text, nullable=False),
    Column("raw_state", Text, nullable=False),
    Column("remote_state", Text, nullable=False),  # what its source says, in our words
    Column("flags", Text, nullable=False),  # JSON list, sorted
    Column("currency", Text, nullable=False),
    Column("total_minor", BigInteger, nullable=False),
    Column("shipping_minor", BigInteger, nullable=False),
    Column("created_at", Text, nullable=False),  # at its source
    Column("updated_at", Text, nullable=False),  # at its source
    Column("accept_by", Text, nullable=False),  # empty: no deadline
    Column("ship_by", Text, nullable=False),
    Column("can_cancel", Boolean),
    # what we decided: "", accept, refuse, cancel
    Column("decision", Text, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("decided_at", Text, nullable=False),
    Column("decided_reason", Text, nullable=False),
    Column("estimated_delivery", Text, nullable=False),
    Column("tags", Text, nullable=False),  # JSON list
    Column("details", Text, nullable=False),  # JSON object: what commands need later
    Column("raw_sha256", Text, nullable=False),  # the document that it was last made of
    Column("first_seen_at", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    Column("version", BigInteger, nullable=False),  # counts the changes
    Column("ended_at", Text),  # nothing more is to be done
    Column("forgotten_at", Text),  # its personal data was erased
    UniqueConstraint("platform", "account", "external_id"),
    Index(None, "account", "state"),
    Index(None, "number"),
    Index(None, "created_at"),
)

order_line = Table(
    "order_line",
    metadata,
    Column("order_id", Text, primary_key=True),
    Column("line_id", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("offer_sku", Text, nullable=False),  # as its source names it
    Column("outlet", Text, nullable=False),  # empty: not known
    Column("sku", Text, nullable=False),  # ours; empty: not mapped
    Column("unmapped", Text, nullable=False),  # why not
    Column("title", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("unit_minor", BigInteger, nullable=False),
    Column("total_minor", BigInteger, nullable=False),
    Column("shipping_minor", BigInteger, nullable=False),
    Column("tax_minor", BigInteger, nullable=False),
    Column("refunded_minor", BigInteger, nullable=False),
    Column("cancelled", Integer, nullable=False),  # pieces that are not to be sent
    Column("shipped", Integer, nullable=False),  # pieces that have left, by our book
    Column("state", Text, nullable=False),
    Column("raw_state", Text, nullable=False),
    Column("remote_state", Text, nullable=False),
    Column("vanished_at", Text),  # its source does not tell of it any more
    Index(None, "outlet", "sku"),
)

# Append only: everything that happened to an order, without personal data.
order_event = Table(
    "order_event",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("order_id", Text, nullable=False),
    Column("line_id", Text, nullable=False),  # empty: the order
    Column("at", Text, nullable=False),
    Column("kind", Text, nullable=False),  # see ledger.order_events.KINDS
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("by", Text, nullable=False),  # a run, a person, the source's name
    Column("reason", Text, nullable=False),
    Column("remote_at", Text, nullable=False),
    Index(None, "order_id", "id"),
    Index(None, "kind", "at"),
)

# Orders as they came, kept before anything is made of them.
order_raw = Table(
    "order_raw",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("platform", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("received_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    Column("state", Text, nullable=False),  # received, applied, unreadable, superseded
    Column("reason", Text, nullable=False),
    Column("document", LargeBinary),  # deflated; null: forgotten
    UniqueConstraint("platform", "account", "external_id", "sha256"),
    Index(None, "account", "state"),
)

# Personal data, and nothing else.
order_person = Table(
    "order_person",
    metadata,
    Column("order_id", Text, primary_key=True),
    Column("role", Text, primary_key=True),  # customer, shipping, billing
    Column("fields", Text, nullable=False),  # JSON object
    Column("at", Text, nullable=False),
)

# Why an order waits.
order_hold = Table(
    "order_hold",
    metadata,
    Column("order_id", Text, primary_key=True),
    Column("kind", Text, primary_key=True),  # see ledger.order_holds.KINDS
    Column("since", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("next_step", Text, nullable=False),
)

# What the source of an order is told: intended before the call, answered after it.
order_command = Table(
    "order_command",
    metadata,
    Column("id", Text, primary_key=True),  # sorts by time
    Column("order_id", Text, nullable=False),
    Column("key", Text, nullable=False),  # what it is about: the same is never made twice
    Column("kind", Text, nullable=False),
    Column("payload", Text, nullable=False),  # JSON; nothing personal
    # waiting (not to be sent yet, or again), intended, done, refused, unknown, unsupported,
    # dropped (overtaken, or taken back by a person)
    Column("state", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("intended_at", Text),
    Column("answered_at", Text),
    Column("not_before", Text, nullable=False),  # empty: now
    Column("attempts", Integer, nullable=False),
    Column("message", Text, nullable=False),
    Column("reference", Text, nullable=False),  # the platform's id of what was made
    Column("looked_up_at", Text),
    UniqueConstraint("order_id", "key"),
    Index(None, "state"),
)

# A parcel that left, whoever sent it.
shipment = Table(
    "shipment",
    metadata,
    Column("id", Text, primary_key=True),
    Column("order_id", Text, nullable=False),
    Column("key", Text, nullable=False),  # tells it from the order's other parcels
    Column("forward_id", Text, nullable=False),  # empty: a person told of it
    Column("carrier", Text, nullable=False),
    Column("tracking_number", Text, nullable=False),
    Column("tracking_url", Text, nullable=False),
    Column("lines", Text, nullable=False),  # JSON: line -> pieces
    Column("estimated_delivery", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    UniqueConstraint("order_id", "key"),
)

# One order, or some of its lines, on its way to one destination.
forward = Table(
    "forward",
    metadata,
    Column("id", Text, primary_key=True),  # sorts by time
    Column("order_id", Text, nullable=False),
    Column("destination", Text, nullable=False),  # an account, or pos
    Column("outlet", Text, nullable=False),
    Column("attempt", Integer, nullable=False),  # 1, or more after one that failed
    Column("number", Text, nullable=False),  # ours at the destination
    # pending, intended, sync_pending (down: goes later), unknown, sent (it has it), acknowledged,
    # done (all has left), refused, cancelling, cancelled, failed
    Column("state", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("raw_status", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("intended_at", Text),
    Column("sent_at", Text),
    Column("acknowledged_at", Text),
    Column("asked_at", Text),  # when its status was last asked for
    Column("again_at", Text),  # it ended, and a person lets its lines go once more
    Column("not_before", Text, nullable=False),  # empty: now
    Column("attempts", Integer, nullable=False),
    Column("estimated_delivery", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    UniqueConstraint("destination", "number"),
    UniqueConstraint("order_id", "destination", "outlet", "attempt"),
    Index(None, "destination", "state"),
)
forward_line = Table(
    "forward_line",
    metadata,
    Column("forward_id", Text, primary_key=True),
    Column("line_id", Text, primary_key=True),
    Column("sku", Text, nullable=False),  # what the line was when it was routed
    Column("quantity", Integer, nullable=False),
)

# What no machine can decide.
order_task = Table(
    "order_task",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("key", Text, nullable=False),  # the same question is open once
    Column("order_id", Text, nullable=False),  # empty: a document that is no order
    Column("subject", Text, nullable=False),  # id of the forward, command or document
    Column("kind", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("commands", Text, nullable=False),  # JSON list: each answers it
    Column("at", Text, nullable=False),
    Column("state", Text, nullable=False),  # open, done
    Column("answer", Text, nullable=False),
    Column("answered_by", Text, nullable=False),
    Column("answered_at", Text),
    UniqueConstraint("key"),
    Index(None, "state"),
    Index(None, "order_id"),
)

# The one live token of a client, encrypted; all processes share it.
access_token = Table(
    "access_token",
    metadata,
    Column("name", Text, primary_key=True),
    Column("token", LargeBinary, nullable=False),  # Fernet, under the master key `key_id`
    Column("key_id", Text, nullable=False),
    Column("minted_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
)
