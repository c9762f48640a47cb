"""Imports: what was handed to a platform in one piece, to be asked for until it ends.

An import belongs to an account and is made of batches of one or several pushes. Its rows are in the
events of those batches; here is only where it stands. Who asks, and what an end means for the rows,
is `push.imports`.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, exists, func, insert, or_, select, update

from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.listings import ItemRow, Source
from marketsync_dagster.ledger.sql import append, is_one_of, lock_key
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.redact import scrub
from marketsync_dagster.values.times import utcnow
from marketsync_dagster.values.words import counted

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from marketsync_dagster.ledger.engine import Ledger

INTENDED, STARTED = "intended", "started"
OPEN = (STARTED,)
"""States of an import whose end its rows wait for."""
COMPLETE, FAILED, LOST, REFUSED, UNKNOWN = "complete", "failed", "lost", "refused", "unknown"
ENDED = (COMPLETE, FAILED, LOST, REFUSED, UNKNOWN)
_LISTING = "sku platform_id price_minor currency stock_status quantity outcome message line".split()
"""The columns of an `ItemRow`."""


@dataclass(frozen=True, slots=True)
class ImportPart:
    """The batch of one push in an import."""

    push_id: str
    batch: int
    first_line: int
    """Of its items among those of the import, from 0."""


@dataclass(frozen=True, slots=True)
class OpenImport:
    """An import that has started and whose end is not known."""

    key: str
    """Ours."""
    account: str
    platform: str
    kind: str
    import_id: str
    """The platform's."""
    items: int
    started_at: str
    looks: int
    parts: tuple[ImportPart, ...]
    """In the order of their lines."""
    looked_at: str | None = None


@dataclass(frozen=True, slots=True)
class Overtaken:
    """An item of an import whose listing says something newer."""

    sku: str
    said: tuple[int, str, str, int | None]
    """By the import: price in minor units, currency, stock status, quantity."""
    newest: tuple[int, str, str, int | None]
    """By the listing, likewise."""
    outcome: str
    """What became of that."""
    version: int
    """Of the listing."""
    same_offer: bool
    """Whether both were said of one id of the platform."""


@dataclass(frozen=True, slots=True)
class ImportRows:
    """What one part of an import said. `lines` and `rows` are beside each other, in the order of
    the lines: what is still the newest thing that was said of its SKUs."""

    source: Source
    batch: int
    lines: Sequence[int]
    """The item's place in the import, from 0."""
    rows: Sequence[ItemRow]
    overtaken: dict[int, Overtaken]
    """Line -> the item that was sent again since, or that a restored ledger does not know of any
    more: its listing says something newer."""


def new_import_key() -> str:
    """`import-20261121-063000-3f9a1c2b`: sorts by time."""
    return f"import-{utcnow():%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"


def lock_imports(connection: Connection, account: str) -> None:
    """Until this transaction ends nobody else changes listings of the account by its imports:
    writers that take rows in another order would wait for each other."""
    lock_key(connection, f"imports {account}")


def intend_import(
    connection: Connection,
    key: str,
    account: str,
    platform: str,
    kind: str,
    items: int,
    parts: Sequence[ImportPart],
    at: str,
) -> None:
    """Journal that an import is about to be started; beside `pushes.intend`."""
    values: dict[str, Any] = {
        "id": key,
        "account": account,
        "platform": platform,
        "kind": str(kind),
        "import_id": "",
        "state": INTENDED,
        "items": items,
        "created_at": at,
    }
    connection.execute(insert(t.push_import).values(values))
    rows = [(part.push_id, part.batch, key, part.first_line) for part in parts]
    append(connection, t.push_import_part.name, "push_id batch import_key first_line".split(), rows)


def start_import(connection: Connection, key: str, import_id: str, at: str) -> bool:
    """Journal the platform's id, beside the acknowledgement of its rows as `accepted_async`; call
    it before that, in the same transaction.

    False: a successor has given the import up meanwhile, and sends its rows again.
    """
    i = t.push_import.c
    account = connection.execute(select(i.account).where(i.id == key)).scalar_one()
    lock_imports(connection, account)
    changed = connection.execute(
        update(t.push_import)
        .where(i.id == key, i.state == INTENDED)
        .values(state=STARTED, import_id=import_id, started_at=at)
    )
    return bool(changed.rowcount)


def look_at_imports(connection: Connection, keys: Collection[str], at: str) -> None:
    """Journal that these imports were asked for, and go on."""
    i = t.push_import.c
    connection.execute(
        update(t.push_import)
        .where(is_one_of(connection.dialect.name, i.id, sorted(keys)), i.state.in_((*OPEN, LOST)))
        .values(looks=i.looks + 1, looked_at=at)
    )


def end_import(
    connection: Connection,
    key: str,
    state: str,
    lines_in_error: int | None,
    message: str,
    at: str,
    *,
    looked: bool = False,
    late: bool = False,
) -> bool:
    """Journal that nothing more is to be asked: complete, failed, lost, refused, unknown.

    `looked`: it was asked for once more. `late`: it is one that was lost. False: it had ended
    before; somebody else has done it.
    The import is locked until the caller's transaction ends.
    """
    i = t.push_import.c
    values: dict[str, Any] = {
        "state": state,
        "ended_at": at,
        "lines_in_error": lines_in_error,
        "message": scrub(message),
    }
    if looked:
        values |= {"looks": i.looks + 1, "looked_at": at}
    changed = connection.execute(
        update(t.push_import)
        .where(i.id == key, i.state.in_((LOST,) if late else (INTENDED, *OPEN)))
        .values(values)
    )
    return bool(changed.rowcount)


def abandon_imports(connection: Connection, push_id: str, message: str, at: str) -> int:
    """End as `unknown` the imports with rows of a dead push whose start was never answered: they
    may or may not have begun. Returns how many."""
    i, p = t.push_import.c, t.push_import_part.c
    of_it = exists().where(p.import_key == i.id, p.push_id == push_id)
    changed = connection.execute(
        update(t.push_import)
        .where(i.state == INTENDED, of_it)
        .values(state=UNKNOWN, ended_at=at, message=scrub(message))
    )
    return changed.rowcount


def open_imports(ledger: Ledger, account: str) -> list[OpenImport]:
    """The imports of an account that have started and not ended, oldest first."""
    i = t.push_import.c
    return _imports(ledger, and_(i.account == account, i.state.in_(OPEN)))


def orphaned_imports(ledger: Ledger, accounts: Collection[str], before: str) -> list[OpenImport]:
    """The open imports of all but these accounts that started before a moment, oldest first."""
    i = t.push_import.c
    of_others = i.account.not_in(sorted(accounts))
    return _imports(ledger, and_(of_others, i.state.in_(OPEN), i.started_at < before))


def late_imports(ledger: Ledger, account: str, since: str) -> list[OpenImport]:
    """The imports of an account that were lost and that started after `since`, oldest first: each
    may still end, and overwrite what was sent after it. Not those that another import goes by the
    name of: that one is asked for."""
    i, other = t.push_import.c, t.push_import.alias()
    namesake = select(other.c.id).where(
        *(other.c.account == i.account, other.c.kind == i.kind, other.c.import_id == i.import_id),
        *(other.c.id != i.id, or_(other.c.state != LOST, other.c.started_at > i.started_at)),
    )
    lost = and_(i.account == account, i.state == LOST, i.started_at > since)
    return _imports(ledger, and_(lost, ~namesake.exists()))


def _imports(ledger: Ledger, which: ColumnElement[bool]) -> list[OpenImport]:
    i, p = t.push_import.c, t.push_import_part.c
    query = (
        select(
            *(i.id, i.account, i.platform, i.kind, i.import_id, i.started_at, i.looked_at),
            *(i["items"], i.looks, p.push_id, p.batch, p.first_line),
        )
        .join_from(t.push_import, t.push_import_part, p.import_key == i.id, isouter=True)
        .where(which)
        .order_by(i.started_at, i.id, p.first_line, p.push_id, p.batch)
    )
    heads: dict[str, Any] = {}
    parts: dict[str, list[ImportPart]] = {}
    with ledger.read() as connection:
        for row in connection.execute(query):
            heads.setdefault(row.id, row)
            some = parts.setdefault(row.id, [])
            if row.push_id is not None:
                some.append(ImportPart(row.push_id, row.batch, row.first_line))
    return [
        OpenImport(
            *(key, row.account, row.platform, row.kind, row.import_id, row[7]),
            *(row.started_at, row.looks, tuple(parts[key]), row.looked_at),
        )
        for key, row in heads.items()
    ]


def rows_of_import(connection: Connection, found: OpenImport) -> list[ImportRows]:
    """The rows of an import, part by part, locked until the caller's transaction ends."""
    lock_imports(connection, found.account)
    p, e, c = t.push_import_part.c, t.listing_event.c, t.listing.c
    with_platform = Outcome.ACCEPTED_ASYNC.value
    same = and_(c.outlet == e.outlet, c.platform == e.platform, c.sku == e.sku)
    newest = and_(c.push_id == p.push_id, c.batch == p.batch, c.outcome == with_platform)
    query = (
        select(
            *(c[name] for name in _LISTING),
            *(p.push_id, p.batch, c.target, newest.label("new")),
            *(e.price_minor, e.currency, e.stock_status, e.quantity),
            *(c.version, (e.platform_id == c.platform_id).label("same")),
        )
        .join_from(t.push_import_part, t.listing_event, e.push_id == p.push_id)
        .join(t.listing, same)
        .where(p.import_key == found.key, e.batch == p.batch, e.outcome == with_platform)
        # what was sent is in the order of its events
        .order_by(p.first_line, p.push_id, p.batch, e.id)
        .with_for_update(of=t.listing)
    )
    lines: dict[tuple[str, int], list[int]] = {}
    rows: dict[tuple[str, int], list[ItemRow]] = {}
    overtaken: dict[tuple[str, int], dict[int, Overtaken]] = {}
    targets: dict[tuple[str, int], str] = {}
    line = {(part.push_id, part.batch): part.first_line for part in found.parts}
    width = len(_LISTING)
    for row in connection.execute(query):
        part = (row[width], row[width + 1])
        at = line[part]
        line[part] = at + 1
        targets.setdefault(part, row[width + 2])
        if row[width + 3]:
            lines.setdefault(part, []).append(at)
            rows.setdefault(part, []).append(tuple(row[:width]))
        else:
            price, currency, stock, quantity, version, same = row[width + 4 :]
            sku, _, *newest = tuple(row)[:7]
            overtaken.setdefault(part, {})[at] = Overtaken(
                *(sku, (price, currency, stock, quantity), (*newest[:4],), newest[4]),
                *(version, bool(same)),
            )
    sources = _sources(connection, {part.push_id for part in found.parts})
    parts = []
    for each in found.parts:
        part = (each.push_id, each.batch)
        if each.push_id in sources:
            outlet, extract_id, extract_time = sources[each.push_id]
            target = targets.get(part, "")
            source = Source(
                *(outlet, found.platform, found.account, target),
                *(extract_id, extract_time, each.push_id),
            )
            some = (lines.get(part, []), rows.get(part, []), overtaken.get(part, {}))
            parts.append(ImportRows(source, each.batch, *some))
    return parts


def _sources(connection: Connection, pushes: Collection[str]) -> dict[str, tuple[str, str, str]]:
    """Push -> its outlet, and the extract that it is of."""
    p, plan = t.push.c, t.plan.c
    query = (
        select(p.id, p.outlet, plan.extract_id, plan.extract_time)
        .join_from(t.push, t.plan, plan.id == p.plan_id)
        .where(is_one_of(connection.dialect.name, p.id, sorted(pushes)))
    )
    return {
        row.id: (row.outlet, row.extract_id, row.extract_time) for row in connection.execute(query)
    }


def import_of(ledger: Ledger, push_id: str, batch: int) -> dict[str, Any] | None:
    """The import that a batch went out in: every column of the table `push_import`."""
    p = t.push_import_part.c
    query = (
        select(t.push_import)
        .join(t.push_import_part, p.import_key == t.push_import.c.id)
        .where(p.push_id == push_id, p.batch == batch)
    )
    with ledger.read() as connection:
        row = connection.execute(query).mappings().first()
    return None if row is None else dict(row)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Imports of a channel whose ends are not known."""

    account: str
    imports: int
    since: str
    """When the oldest of them was started."""
    looked_at: str | None
    """When one of them was asked for last."""


def waiting_channels(ledger: Ledger) -> dict[tuple[str, str], Waiting]:
    """(outlet, platform) -> its open imports, where there are any."""
    i, p, u = t.push_import.c, t.push_import_part.c, t.push.c
    query = (
        select(
            *(u.outlet, u.platform, i.account),
            *(func.count(i.id.distinct()), func.min(i.started_at), func.max(i.looked_at)),
        )
        .join_from(t.push_import, t.push_import_part, p.import_key == i.id)
        .join(t.push, u.id == p.push_id)
        .where(i.state.in_(OPEN))
        .group_by(u.outlet, u.platform, i.account)
        .order_by(u.outlet, u.platform, i.account)
    )
    found: dict[tuple[str, str], Waiting] = {}
    with ledger.read() as connection:
        for row in connection.execute(query):
            found.setdefault((row[0], row[1]), Waiting(*row[2:]))
    return found


def move_acknowledged(
    connection: Connection, outlet: str, platform: str, rows: Sequence[Overtaken], at: str
) -> None:
    """Journal that a platform shows what these items said, and not what was acknowledged before.
    Their listings go on saying what is newest."""
    _acknowledged(connection, outlet, platform, [(row.sku, row.said, at) for row in rows])


def forget_acknowledged(
    connection: Connection, outlet: str, platform: str, rows: Sequence[Overtaken]
) -> None:
    """Journal that nobody knows what a platform shows of these items."""
    nothing = (None, None, None, None)
    _acknowledged(connection, outlet, platform, [(row.sku, nothing, None) for row in rows])


def _acknowledged(
    connection: Connection,
    outlet: str,
    platform: str,
    rows: Sequence[tuple[str, tuple[Any, ...], str | None]],
) -> None:
    c = t.listing.c
    names = ("ack_price_minor", "ack_currency", "ack_stock_status", "ack_quantity")
    change = (
        update(t.listing)
        .where(c.outlet == outlet, c.platform == platform, c.sku == bindparam("of_sku"))
        .values({name: bindparam(name) for name in (*names, "ack_at")})
        .values(version=c.version + 1)
    )
    values = [
        {"of_sku": sku, "ack_at": at, **dict(zip(names, said, strict=True))}
        for sku, said, at in rows
    ]
    if values:
        connection.execute(change, values)


def lost_imports(ledger: Ledger) -> list[dict[str, Any]]:
    """Imports that were lost and that no later import of their account has made good by ending
    well, newest first: every column, and the `outlets` whose rows were in it."""
    i, newer = t.push_import.c, t.push_import.alias()
    since = select(newer.c.id).where(
        *(newer.c.account == i.account, newer.c.state == COMPLETE, newer.c.ended_at > i.ended_at)
    )
    query = select(t.push_import).where(i.state == LOST, ~since.exists())
    p, u = t.push_import_part.c, t.push.c
    with ledger.read() as connection:
        ordered = query.order_by(i.ended_at.desc(), i.id.desc())
        found = [dict(row) for row in connection.execute(ordered).mappings()]
        for each in found:
            of = select(u.outlet).join(t.push_import_part, p.push_id == u.id)
            outlets = of.where(p.import_key == each["id"]).distinct().order_by(u.outlet)
            each["outlets"] = list(connection.execute(outlets).scalars())
    return found


def open_imports_of(connection: Connection, push_ids: Collection[str]) -> dict[str, list[str]]:
    """Push -> its imports that have not ended, in words, oldest first."""
    i, p = t.push_import.c, t.push_import_part.c
    query = (
        select(p.push_id, i.import_id, i.kind, i.started_at, i.looks)
        .join_from(t.push_import, t.push_import_part, p.import_key == i.id)
        .where(is_one_of(connection.dialect.name, p.push_id, sorted(push_ids)), i.state.in_(OPEN))
        .order_by(i.started_at, i.id)
    )
    found: dict[str, list[str]] = {}
    for push_id, *rest in connection.execute(query):
        found.setdefault(push_id, []).append(standing_words(*rest))
    return found


def standing_words(import_id: str, kind: str, started_at: str, looks: int) -> str:
    """`import 2044 (offers) since 2026-11-21T10:00:00.000Z, asked for 3 times`."""
    times = "not asked for yet" if not looks else f"asked for {counted(looks, 'time')}"
    return f"import {import_id} ({kind}) since {started_at}, {times}"
