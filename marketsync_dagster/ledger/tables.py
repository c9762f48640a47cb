"""The tables of the ledger. Migrations in `ledger/migrations` create exactly these.

Times are text as `values.times.to_iso` writes it (UTC, sorts as time); money is minor units.
A channel is `(outlet, platform)`; `account` is kept beside it because credentials may move.
The tables of orders are `ledger.order_tables`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)

from marketsync_dagster.ledger import order_tables
from marketsync_dagster.ledger.metadata import metadata

__all__ = ["metadata", "order_tables"]

# What a platform has acknowledged for one SKU, and what was last sent to it.
listing = Table(
    "listing",
    metadata,
    Column("outlet", Text, primary_key=True),
    Column("platform", Text, primary_key=True),
    Column("sku", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("target", Text, nullable=False),  # platform, host and environment it was told
    Column("platform_id", Text, nullable=False),
    # last sent
    Column("price_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("stock_status", Text, nullable=False),
    Column("quantity", BigInteger),
    Column("outcome", Text, nullable=False),
    Column("message", Text, nullable=False),
    # last acknowledged; null: never
    Column("ack_price_minor", BigInteger),
    Column("ack_currency", Text),
    Column("ack_stock_status", Text),
    Column("ack_quantity", BigInteger),
    Column("ack_at", Text),
    Column("extract_id", Text, nullable=False),
    Column("extract_time", Text, nullable=False),
    Column("line", Integer, nullable=False),
    Column("push_id", Text, nullable=False),
    Column("batch", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),  # counts the changes of this row
    Column("updated_at", Text, nullable=False),
    sqlite_with_rowid=False,
    # a push changes every row of a page: room for it there spares the index
    postgresql_with={"fillfactor": 50},
)

# Append only: every change of a listing.
listing_event = Table(
    "listing_event",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", Text, nullable=False),
    Column("outlet", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("sku", Text, nullable=False),
    Column("platform_id", Text, nullable=False),
    Column("price_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("stock_status", Text, nullable=False),
    Column("quantity", BigInteger),
    Column("outcome", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("extract_id", Text, nullable=False),
    Column("line", Integer, nullable=False),
    Column("push_id", Text, nullable=False),
    Column("batch", Integer, nullable=False),
    # not by channel and SKU: a push would touch a page of the whole history for each of its rows;
    # pushes sort by time, so that this one grows at its end
    Index(None, "push_id", "sku"),
)

# An accepted or refused extract of one outlet.
extract = Table(
    "extract",
    metadata,
    Column("id", Text, primary_key=True),  # <outlet>-<first 16 of sha256>
    Column("outlet", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("file", Text, nullable=False),
    Column("coverage", Text, nullable=False),
    Column("extract_time", Text, nullable=False),
    Column("time_source", Text, nullable=False),  # declared, name, mtime, read, forced
    Column("read_at", Text, nullable=False),
    Column("state", Text, nullable=False),  # accepted, refused, late
    Column("reason", Text, nullable=False),
    Column("records", Integer, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("duplicates", Integer, nullable=False),
    Column("details", Text, nullable=False),  # JSON: encoding, delimiter, columns, warnings
    Column("forced_by", Text),
    Column("forced_reason", Text),
    UniqueConstraint("outlet", "sha256"),
    Index(None, "outlet", "state", "extract_time"),
)

# What an extract was read from: one or several documents. None: recorded by an older version, its
# original is that of `extract.sha256`.
extract_part = Table(
    "extract_part",
    metadata,
    Column("extract_id", Text, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("file", Text, nullable=False),  # as people see it: source, name and member
    Column("member", Text, nullable=False),  # of an archive; empty: the original itself
    Column("sha256", Text, nullable=False),  # of the document
    Column("original", Text, nullable=False),  # SHA-256 under which the original is archived
    Column("moment", Text, nullable=False),
    Index(None, "original"),
)

# A document that has come: what it is, and what became of it as a whole.
extract_file = Table(
    "extract_file",
    metadata,
    Column("id", Text, primary_key=True),  # of source, name, original and member
    Column("source", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("mark", Text, nullable=False),  # by which the source tells that it is still the same
    Column("member", Text, nullable=False),
    Column("original", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("format", Text, nullable=False),
    Column("seen_at", Text, nullable=False),
    Column("state", Text, nullable=False),  # found, read, refused, repeated
    Column("reason", Text, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("unassigned", BigInteger, nullable=False),  # of no outlet of the configuration
    Column("details", Text, nullable=False),  # JSON: encoding, outlets, facts, unassigned by name
    Index(None, "source", "name"),
    Index(None, "original"),
)

# How many full extracts in a row a known SKU has been absent from.
absence = Table(
    "absence",
    metadata,
    Column("outlet", Text, primary_key=True),
    Column("sku", Text, primary_key=True),
    Column("since_extract", Text, nullable=False),
    Column("last_extract", Text, nullable=False),
    Column("times", Integer, nullable=False),
)

plan = Table(
    "plan",
    metadata,
    Column("id", Text, primary_key=True),
    Column("outlet", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("mode", Text, nullable=False),  # full, partial
    Column("kind", Text, nullable=False),  # initial, ordinary
    # planned, held, approved, rejected, superseded, stale, pushing, pushed, dry
    Column("state", Text, nullable=False),
    Column("extract_id", Text, nullable=False),
    Column("extract_time", Text, nullable=False),
    Column("base", Text, nullable=False),  # hash over extract and versions of its SKUs
    Column("content", Text, nullable=False),  # hash over what it would send
    Column("catalog_rows", Integer, nullable=False),
    Column("unmapped", Integer, nullable=False),
    Column("held", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    Column("deselected", Integer, nullable=False),
    Column("to_send", Integer, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("verdict", Text, nullable=False),  # JSON list of guard findings
    Column("rows", LargeBinary, nullable=False),  # parquet of the rows to send and held
    Column("decided_by", Text),
    Column("decided_reason", Text),
    Column("decided_at", Text),
    Index(None, "outlet", "platform", "created_at"),
    Index(None, "state"),
)

push = Table(
    "push",
    metadata,
    Column("id", Text, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("outlet", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("push_type", Text, nullable=False),  # full, partial
    Column("created_by", Text, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("ended_at", Text),
    Column("state", Text, nullable=False),  # open, done, interrupted
    Column("status", Text),  # success, failed, partial (contract section 10.2)
    Column("item_count", Integer, nullable=False),
    Column("applied", Integer, nullable=False, default=0),
    Column("accepted_async", Integer, nullable=False, default=0),
    Column("accepted_unverified", Integer, nullable=False, default=0),
    Column("refused", Integer, nullable=False, default=0),
    Column("retryable", Integer, nullable=False, default=0),
    Column("unknown", Integer, nullable=False, default=0),
    Column("auth_failed", Integer, nullable=False, default=0),
    Column("unsupported", Integer, nullable=False, default=0),
    Column("calls", Integer, nullable=False, default=0),
    Column("seconds", Float, nullable=False, default=0.0),
    Column("response_code", Integer),
    Column("response_message", Text, nullable=False, default=""),
    Column("error_details", Text, nullable=False, default=""),
    Index(None, "outlet", "platform", "started_at"),
    Index(None, "run_id"),
)

# One range of a plan's rows to send, journalled before the call and after it.
push_batch = Table(
    "push_batch",
    metadata,
    Column("push_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("first", Integer, nullable=False),  # range of the plan's rows, half open
    Column("last", Integer, nullable=False),
    Column("state", Text, nullable=False),  # intended, answered, split, abandoned
    Column("intended_at", Text, nullable=False),
    Column("answered_at", Text),
    Column("attempts", Integer, nullable=False, default=0),
    Column("outcomes", Text, nullable=False, default="{}"),  # JSON outcome -> count
    Column("message", Text, nullable=False, default=""),
)

# An asynchronous import of one account: rows of one or several pushes, asked for until it ends.
push_import = Table(
    "push_import",
    metadata,
    Column("id", Text, primary_key=True),  # ours: sorts by time
    Column("account", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("kind", Text, nullable=False),  # offers, prices, stock
    Column("import_id", Text, nullable=False),  # the platform's; empty: not known (yet)
    # intended, started, complete, failed, lost (past its deadline), refused, unknown
    Column("state", Text, nullable=False),
    Column("items", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("started_at", Text),  # when its id was known
    Column("looked_at", Text),  # when it was last asked for
    Column("looks", Integer, nullable=False, default=0),
    Column("ended_at", Text),
    Column("lines_in_error", Integer),
    Column("message", Text, nullable=False, default=""),
    Index(None, "account", "state"),
)
# Which batches of which pushes an import is made of, in the order of its lines.
push_import_part = Table(
    "push_import_part",
    metadata,
    Column("push_id", Text, primary_key=True),
    Column("batch", Integer, primary_key=True),
    Column("import_key", Text, nullable=False),  # push_import.id
    Column("first_line", Integer, nullable=False),  # of its items in the import, from 0
    Index(None, "import_key"),
)

# What a read-back found for one listing, or for one offer that we do not know.
reconciliation = Table(
    "reconciliation",
    metadata,
    Column("outlet", Text, primary_key=True),
    Column("platform", Text, primary_key=True),
    Column("sku", Text, primary_key=True),
    Column("platform_sku", Text, primary_key=True),  # where `sku` is empty: unknown to us
    Column("account", Text, nullable=False),
    Column("verdict", Text, nullable=False),  # verified, not_applied, overwritten, unknown_to_us
    Column("expected", Text, nullable=False),  # KES 107.50, in_stock, 12
    Column("shown", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("since", Text, nullable=False),  # first found so
    Index(None, "platform", "verdict"),
)

api_call = Table(
    "api_call",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("status", Integer),
    Column("milliseconds", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("push_id", Text),
    Column("batch", Integer),
    Column("error", Text, nullable=False),
    Index(None, "account", "at"),
    Index(None, "push_id"),
)

# Ids that a platform gave to our products (products/sync).
sku_mapping = Table(
    "sku_mapping",
    metadata,
    Column("scope", Text, primary_key=True),  # the account's catalog scope
    Column("sku", Text, primary_key=True),
    Column("platform_id", Text, nullable=False),
    Column("barcode", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("action", Text, nullable=False),  # created, updated, ...
    Column("at", Text, nullable=False),
    UniqueConstraint("scope", "platform_id"),
)

# What product pushes have offered to a platform, so that only changes are offered again.
product = Table(
    "product",
    metadata,
    Column("outlet", Text, primary_key=True),
    Column("platform", Text, primary_key=True),
    Column("sku", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("at", Text, nullable=False),
)

lease = Table(
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),  # who, for people: run, user
    Column("token", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_start", Text, nullable=False),
    Column("acquired_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
)

# One outlet that failed at one stage of one run.
outlet_failure = Table(
    "outlet_failure",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("stage", Text, primary_key=True),  # pos_extract, tracker_ke_listings, ...
    Column("outlet", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("next_step", Text, nullable=False),
    Column("at", Text, nullable=False),
    Index(None, "outlet", "at"),
)

# The present state of one outlet at one stage: what the every_outlet checks read.
outlet_state = Table(
    "outlet_state",
    metadata,
    Column("stage", Text, primary_key=True),
    Column("outlet", Text, primary_key=True),
    Column("ok", Boolean, nullable=False),
    Column("state", Text, nullable=False),  # done, unchanged, held, failed, busy, disabled, ...
    Column("reason", Text, nullable=False),
    Column("next_step", Text, nullable=False),
    Column("numbers", Text, nullable=False),  # JSON of integers and floats
    Column("run_id", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("last_ok_at", Text),
)

connection_test = Table(
    "connection_test",
    metadata,
    Column("account", Text, primary_key=True),
    Column("at", Text, nullable=False),
    Column("ok", Boolean, nullable=False),
    Column("message", Text, nullable=False),
    Column("next_step", Text, nullable=False),
    Column("key", Text, nullable=False),  # masked
    Column("environment", Text, nullable=False),
    Column("milliseconds", Integer, nullable=False),
)

cursor = Table(
    "cursor",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("at", Text, nullable=False),
)

# Quota slots taken by one account, and until when a platform has asked us to stay away.
rate_slot = Table(
    "rate_slot",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("account", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Index(None, "account", "at_ms"),
)
rate_closed = Table(
    "rate_closed",
    metadata,
    Column("account", Text, primary_key=True),
    Column("until_ms", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at_ms", BigInteger),  # when it was said, by the same clock
)

# A secret, encrypted; the newest version of a name is the one in use.
credential = Table(
    "credential",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("token", LargeBinary, nullable=False),  # Fernet, under the master key `key_id`
    Column("key_id", Text, nullable=False),
    Column("created_at", Text, nullable=False),  # when the secret itself was made or set
    Column("created_by", Text, nullable=False),
    Column("encrypted_at", Text, nullable=False),
    Column("usable_until", Text),  # an older version that still overlaps with its successor
)

# Channels that are not pushed for a while, by somebody's decision.
pause = Table(
    "pause",
    metadata,
    Column("id", Text, primary_key=True),
    Column("outlet", Text),  # null: every outlet
    Column("platform", Text),  # null: every platform
    Column("at", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("until", Text),  # null: until somebody resumes
    Column("ended_at", Text),
    Column("ended_by", Text),
    Column("ended_reason", Text),
    Index(None, "ended_at"),
)

# What people were told of, or should have been.
alert = Table(
    "alert",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("key", Text, nullable=False),  # the same trouble is told once
    Column("at", Text, nullable=False),
    Column("kind", Text, nullable=False),  # run_failed, outlet_failed, plan_held, no_success, test
    Column("outlet", Text),
    Column("platform", Text),
    Column("run_id", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("next_step", Text, nullable=False),
    Column("state", Text, nullable=False),  # open, over
    Column("delivery", Text, nullable=False),  # pending, delivered, failed, no target
    Column("delivered_at", Text),
    Column("error", Text, nullable=False),
    Column("over_at", Text),
    Column("attempts", Integer, nullable=False, default=0),  # calls made with this message
    Column("tried_at", Text),
    Column("missing", Text),  # JSON list of the targets that do not have it yet; null: all
    UniqueConstraint("key"),
    Index(None, "at"),
    Index(None, "state"),
)

# What was done to the ledger itself: backups, restores, retention, checks.
upkeep = Table(
    "upkeep",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", Text, nullable=False),
    Column("kind", Text, nullable=False),  # backup, restore, retention, check
    Column("by", Text, nullable=False),
    Column("ok", Boolean, nullable=False),
    Column("details", Text, nullable=False),  # JSON
    Index(None, "kind", "at"),
)
