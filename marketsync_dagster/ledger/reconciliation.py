"""What reading back has found: verdicts by listing, and listings that a drift makes go again.

What a verdict is made of belongs to `push.drift`, the reading to `stages.reconciliation`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, func, insert, literal, not_, select

from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.cursors import set_cursor
from marketsync_dagster.ledger.sql import ROWS_AT_ONCE, is_one_of, upsert, value_rows
from marketsync_dagster.values.outcomes import ACKNOWLEDGED, Outcome

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from marketsync_dagster.ledger.engine import Ledger

VERIFIED = "verified"
NOT_APPLIED = "not_applied"
OVERWRITTEN = "overwritten"
UNKNOWN_TO_US = "unknown_to_us"
DRIFT = (NOT_APPLIED, OVERWRITTEN)
"""Verdicts on a listing of ours that the platform shows otherwise."""

MOST_LOOKUPS = 5_000_000
"""So many pairs of SKU and push are looked at for what was shown before; then it is not known."""
_ACKNOWLEDGED = sorted(outcome.value for outcome in ACKNOWLEDGED)


@dataclass(frozen=True, slots=True)
class Said:
    """A value of a listing. `price_minor` None: no price, or none that our money can hold."""

    price_minor: int | None
    currency: str | None
    stock_status: str | None
    quantity: int | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A listing as it stood when the reading began."""

    sku: str
    platform_id: str
    outcome: str
    ack: Said
    ack_at: str | None
    version: int


@dataclass(frozen=True, slots=True)
class Drift:
    """A listing of which the platform shows something else."""

    sku: str
    version: int
    """The listing's when it was compared: a later one is another story."""
    shown: Said
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One row of `reconciliation`; `sku` is empty for what is unknown to us."""

    outlet: str
    platform: str
    sku: str
    platform_sku: str
    account: str
    verdict: str
    expected: str
    shown: str
    reason: str
    at: str


def told_listings(
    ledger: Ledger, outlet: str, platform: str, target: str, account: str, skus: Sequence[str] = ()
) -> dict[str, Told]:
    """SKU -> listing of what this account was told at `target`; only `skus` if there are any."""
    c = t.listing.c
    query = select(
        *(c.sku, c.platform_id, c.outcome, c.ack_price_minor, c.ack_currency, c.ack_stock_status),
        *(c.ack_quantity, c.ack_at, c.version),
    ).where(*(c.outlet == outlet, c.platform == platform, c.target == target, c.account == account))
    if skus:
        query = query.where(is_one_of(ledger.dialect, c.sku, skus))
    with ledger.read() as connection:
        rows = connection.execute(query).all()
    return {
        row[0]: Told(row[0], row[1], row[2], Said(*row[3:7]), ack_at=row[7], version=row[8])
        for row in rows
    }


def listed_skus(ledger: Ledger, outlet: str, platform: str) -> set[str]:
    """Every SKU of the channel that was ever told, wherever."""
    c = t.listing.c
    query = select(c.sku).where(c.outlet == outlet, c.platform == platform)
    with ledger.read() as connection:
        return set(connection.execute(query).scalars())


def said_before(
    ledger: Ledger,
    outlet: str,
    platform: str,
    listings: Sequence[Told],
    *,
    by_quantity: bool = False,
) -> dict[str, Said]:
    """SKU -> what was acknowledged last before the present value, and differs from it.

    Push by push, from the newest on, until all are found. SKUs that never had another value are
    absent. Without `by_quantity` another quantity is no other value.
    """
    c, p = t.listing_event.c, t.push.c
    left = {one.sku: one for one in listings}
    found: dict[str, tuple[int, Said]] = {}

    def look(connection: Connection, pushes: Sequence[str]) -> None:
        query = (
            select(
                *(c.id, c.sku, c.platform_id, c.price_minor, c.currency, c.stock_status),
                c.quantity,
            )
            .where(
                is_one_of(ledger.dialect, c.push_id, pushes),
                is_one_of(ledger.dialect, c.sku, list(left)),
                *(c.outlet == outlet, c.platform == platform),
                c.outcome.in_(_ACKNOWLEDGED),
            )
            .order_by(c.id.desc())
        )
        here: dict[str, tuple[int, Said]] = {}
        for row in connection.execute(query):
            told, said = left[row.sku], Said(*row[3:7])
            if row.platform_id == told.platform_id and _differ(said, told.ack, by_quantity):
                here.setdefault(row.sku, (row.id, said))
        for sku, (number, said) in here.items():
            if sku not in found or number > found[sku][0]:
                found[sku] = (number, said)
        if pushes != [""]:
            for sku in here:
                del left[sku]

    if left:
        newest_first = (
            select(p.id)
            .where(p.outlet == outlet, p.platform == platform)
            .order_by(p.started_at.desc(), p.id.desc())
        )
        with ledger.read() as connection:
            look(connection, [""])  # a ledger that was read back has events of no push
            pushes = list(connection.execute(newest_first).scalars())
            lookups = 0
            for some in _growing(pushes):
                if not left or lookups > MOST_LOOKUPS:
                    break
                lookups += len(left) * len(some)
                look(connection, some)
    return {sku: said for sku, (_, said) in found.items()}


def _growing(pushes: Sequence[str]) -> Iterator[list[str]]:
    """Few at first: what was told before is mostly in one of the newest."""
    at, size = 0, 8
    while at < len(pushes):
        yield list(pushes[at : at + size])
        at, size = at + size, min(size * 2, 512)


def _differ(one: Said, other: Said, by_quantity: bool) -> bool:
    same = (
        *(one.price_minor == other.price_minor, one.currency == other.currency),
        one.stock_status == other.stock_status,
    )
    return not all(same) or (by_quantity and one.quantity != other.quantity)


def present_versions(
    connection: Connection, outlet: str, platform: str, skus: Sequence[str]
) -> dict[str, int]:
    """SKU -> version of the listing now, in the caller's transaction."""
    c = t.listing.c
    query = select(c.sku, c.version).where(
        *(c.outlet == outlet, c.platform == platform),
        is_one_of(connection.dialect.name, c.sku, skus),
    )
    return {row[0]: row[1] for row in connection.execute(query)}


_GO_AGAIN = """
UPDATE listing SET outcome = ?, message = drift.column3,
    ack_price_minor = CAST(drift.column4 AS BIGINT), ack_currency = drift.column5,
    ack_stock_status = drift.column6, ack_quantity = CAST(drift.column7 AS BIGINT),
    ack_at = ?, version = listing.version + 1, updated_at = ?
FROM ({drifts}) AS drift
WHERE listing.outlet = ? AND listing.platform = ? AND listing.sku = drift.column1
    AND listing.version = drift.column2
RETURNING listing.sku
"""


def go_again(
    connection: Connection, outlet: str, platform: str, drifts: Sequence[Drift], at: str
) -> set[str]:
    """Make listings `unknown` whose platform shows something else, so that they are sent again;
    what it shows is what counts as acknowledged now. One event each, with the message.

    Returns the SKUs of which that is true: a listing that has moved since is left alone.
    """
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    done: set[str] = set()
    for first in range(0, len(drifts), ROWS_AT_ONCE):
        some = drifts[first : first + ROWS_AT_ONCE]
        rows = [
            (d.sku, d.version, d.message, d.shown.price_minor, d.shown.currency,
             d.shown.stock_status, d.shown.quantity)
            for d in some
        ]  # fmt: skip
        given = value_rows(connection, len(rows), len(rows[0]))
        statement = _GO_AGAIN.replace("?", mark).replace("{drifts}", given)
        # parameters in the order in which they stand: the rows come after the first three
        values = (Outcome.UNKNOWN.value, at, at, *chain.from_iterable(rows), outlet, platform)
        done.update(connection.exec_driver_sql(statement, values).scalars())
    if done:
        _write_events(connection, outlet, platform, sorted(done), at)
        set_cursor(connection, read_back_cursor(outlet, platform), at)
    return done


def read_back_cursor(outlet: str, platform: str) -> str:
    """The cursor of when reading back last made listings of a channel go again: what it had
    nothing left to say about before, it has."""
    return f"read_back:{outlet}/{platform}"


def _write_events(
    connection: Connection, outlet: str, platform: str, skus: Sequence[str], at: str
) -> None:
    """What the listings say now, as events of no push."""
    c = t.listing.c
    same = "outlet platform sku platform_id price_minor currency stock_status quantity".split()
    event = {
        "at": literal(at),
        **{name: c[name] for name in (*same, "outcome", "message", "extract_id", "line")},
        "push_id": literal(""),
        "batch": literal(0),
    }
    rows = select(*(value.label(name) for name, value in event.items())).where(
        *(c.outlet == outlet, c.platform == platform),
        is_one_of(connection.dialect.name, c.sku, skus),
    )
    connection.execute(insert(t.listing_event).from_select(list(event), rows))


def record_verdicts(connection: Connection, verdicts: Sequence[Verdict]) -> None:
    """Keep verdicts of one platform; `since` stays where the verdict is the one from before."""
    if not verdicts:
        return
    c = t.reconciliation.c
    outlets = sorted({one.outlet for one in verdicts})
    query = select(c.outlet, c.sku, c.platform_sku, c.verdict, c.since).where(
        c.platform == verdicts[0].platform, c.outlet.in_(outlets)
    )
    if len(verdicts) <= ROWS_AT_ONCE:
        dialect = connection.dialect.name
        query = query.where(is_one_of(dialect, c.sku, sorted({one.sku for one in verdicts})))
    before = {tuple(row[:3]): (row[3], row[4]) for row in connection.execute(query)}
    rows = []
    for one in verdicts:
        verdict, since = before.get((one.outlet, one.sku, one.platform_sku), ("", ""))
        rows.append({**asdict(one), "since": since if verdict == one.verdict else one.at})
    upsert(connection, t.reconciliation, rows)


def forget_listings(
    connection: Connection,
    outlet: str,
    platform: str,
    kept: Collection[str],
    names: Collection[str],
) -> None:
    """Delete the verdicts on listings of a channel that are none any more: whose SKU is not in
    `kept`, or whose name at the platform is not in `names`."""
    c, dialect = t.reconciliation.c, connection.dialect.name
    stays = and_(
        is_one_of(dialect, c.sku, sorted(kept)), is_one_of(dialect, c.platform_sku, sorted(names))
    )
    mine = (c.outlet == outlet, c.platform == platform, c.sku != "")
    connection.execute(delete(t.reconciliation).where(*mine, not_(stays)))


def forget_strangers(
    connection: Connection, platform: str, account: str, kept: Collection[str]
) -> None:
    """Delete what was unknown to us on an account, but for the offers in `kept`."""
    c = t.reconciliation.c
    connection.execute(
        delete(t.reconciliation).where(
            *(c.platform == platform, c.account == account, c.verdict == UNKNOWN_TO_US),
            not_(is_one_of(connection.dialect.name, c.platform_sku, sorted(kept))),
        )
    )


def strangers(ledger: Ledger, platform: str, account: str) -> set[str]:
    """The offers of an account that were unknown to us when it was read last."""
    c = t.reconciliation.c
    query = select(c.platform_sku).where(
        *(c.platform == platform, c.account == account, c.verdict == UNKNOWN_TO_US)
    )
    with ledger.read() as connection:
        return set(connection.execute(query).scalars())


def last_read(ledger: Ledger, outlet: str, platform: str) -> dict[str, str]:
    """SKU -> when its last verdict was found, of a channel."""
    c = t.reconciliation.c
    query = select(c.sku, c.at).where(c.outlet == outlet, c.platform == platform, c.sku != "")
    with ledger.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def verdict_of(ledger: Ledger, outlet: str, platform: str, sku: str) -> dict[str, Any] | None:
    """The last verdict on one listing: every column of the table; None: never read back."""
    c = t.reconciliation.c
    query = select(t.reconciliation).where(
        *(c.outlet == outlet, c.platform == platform, c.sku == sku)
    )
    with ledger.read() as connection:
        row = connection.execute(query).mappings().first()
    return None if row is None else dict(row)


def verdict_counts(ledger: Ledger, platform: str) -> dict[str, dict[str, int]]:
    """Outlet -> verdict -> how many stand."""
    c = t.reconciliation.c
    query = (
        select(c.outlet, c.verdict, func.count())
        .where(c.platform == platform)
        .group_by(c.outlet, c.verdict)
        .order_by(c.outlet)
    )
    counts: dict[str, dict[str, int]] = {}
    with ledger.read() as connection:
        for outlet, verdict, count in connection.execute(query):
            counts.setdefault(outlet, {})[verdict] = int(count)
    return counts


def found_wrong(
    ledger: Ledger, platform: str, outlets: Sequence[str], limit: int | None = None
) -> list[dict[str, Any]]:
    """Drift and offers unknown to us, what was found first before the rest.

    One dict each: the columns of `reconciliation`, and `sent_again`: when the listing was
    acknowledged after it was found (None: it was not).
    """
    c, listing = t.reconciliation.c, t.listing.c
    same = and_(
        *(listing.outlet == c.outlet, listing.platform == c.platform, listing.sku == c.sku),
        *(listing.ack_at > c.at, listing.outcome.in_(_ACKNOWLEDGED)),
    )
    query = (
        select(t.reconciliation, listing.ack_at.label("sent_again"))
        .join_from(t.reconciliation, t.listing, same, isouter=True)
        .where(
            c.platform == platform,
            c.verdict.in_([*DRIFT, UNKNOWN_TO_US]),
            is_one_of(ledger.dialect, c.outlet, list(outlets)),
        )
        .order_by(c.verdict == UNKNOWN_TO_US, c.since, c.outlet, c.sku, c.platform_sku)
    )
    if limit is not None:
        query = query.limit(limit)
    with ledger.read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]
