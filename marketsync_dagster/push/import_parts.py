"""Which rows of which pushes go out in one import, and what the journal is told of them.

A group is the pushes of one account that go out together. Each keeps its own journal: an import
is one batch in each of them, under the same number. What is sent when belongs to `push.importing`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import repeat
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select

from marketsync_dagster.ledger import imports, pushes
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.listings import Source, acknowledge_batches
from marketsync_dagster.ledger.products import OfferedProduct, write_offered
from marketsync_dagster.ledger.pushes import BatchAnswer, answer_batches, intend, is_open
from marketsync_dagster.platforms.base import ImportKind, ItemResult
from marketsync_dagster.push.columns import Columns, Same, count_outcomes, joined
from marketsync_dagster.push.kinds import fingerprint_of
from marketsync_dagster.push.pacing import Stop
from marketsync_dagster.push.result import PushResult
from marketsync_dagster.push.sender import TAKEN_OVER, in_doubt
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import to_iso, utcnow

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from marketsync_dagster.ledger.engine import Ledger
    from marketsync_dagster.platforms.items import PriceItems


@dataclass(slots=True, eq=False)
class Member:
    """One push of a group: one channel's plan on its way."""

    source: Source
    columns: Columns
    stop: Stop
    """Why nothing more of this channel goes out; the others go on."""
    holds: Callable[[], bool] = lambda: True
    """Whether the channel's lease is still held, as far as this process can tell by itself."""
    progress: Callable[[int], None] = lambda _: None
    result: PushResult = field(default_factory=PushResult)
    taken_over: bool = False
    """A successor has ended this push: nothing more is written of it."""

    @property
    def goes_on(self) -> bool:
        """Whether more of it may go out."""
        return not (self.taken_over or self.stop.event.is_set())


@dataclass(frozen=True, slots=True)
class Clip:
    """Rows of one push in an import: half open."""

    member: Member
    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first


Load = tuple[Clip, ...]
"""What goes out in one import, in the order of its lines."""


def size_of(load: Load) -> int:
    """How many items it has."""
    return sum(map(len, load))


def items_of(load: Load) -> PriceItems:
    """Its items."""
    return joined([clip.member.columns.items(range(clip.first, clip.last)) for clip in load])


def cut(load: Load, first: int, last: int) -> Load:
    """The items from `first` to before `last`."""
    clips, at = [], 0
    for clip in load:
        begins, ends = max(first - at, 0), min(last - at, len(clip))
        if begins < ends:
            clips.append(Clip(clip.member, clip.first + begins, clip.first + ends))
        at += len(clip)
    return tuple(clips)


def loads_of(members: Sequence[Member], kind: ImportKind, most: int) -> Iterator[Load]:
    """All rows of a kind, of all pushes, in as few imports of at most so many items as can be."""
    every = tuple(
        Clip(member, first, last)
        for member in members
        for of, first, last in member.columns.stretches()
        if of is kind
    )
    for at in range(0, size_of(every), most):
        yield cut(every, at, at + most)


def parts_of(load: Load, number: int) -> list[imports.ImportPart]:
    """Its batches as the import's parts."""
    parts, line = [], 0
    for clip in load:
        parts.append(imports.ImportPart(clip.member.source.push_id, number, line))
        line += len(clip)
    return parts


@dataclass(frozen=True, slots=True)
class Sending:
    """An import on its way: its number in every push of it, and its key in the ledger."""

    number: int
    key: str
    kind: ImportKind
    load: Load


def intend_load(connection: Connection, sending: Sending, at: str) -> list[Member]:
    """Journal the intent; returns the members that a successor has taken over. If there are any
    nothing is written."""
    _lock(connection, sending.load)
    lost = [clip.member for clip in sending.load if not _ours(connection, clip.member)]
    if lost:
        return lost
    for clip in sending.load:
        span = (sending.number, clip.first, clip.last)
        intend(connection, clip.member.source.push_id, [span], at)
    source = sending.load[0].member.source
    imports.intend_import(
        connection,
        sending.key,
        source.account,
        source.platform,
        sending.kind.value,
        size_of(sending.load),
        parts_of(sending.load, sending.number),
        at,
    )
    return []


def _lock(connection: Connection, load: Load) -> None:
    imports.lock_imports(connection, load[0].member.source.account)


def _ours(connection: Connection, member: Member) -> bool:
    return is_open(connection, member.source.push_id)


def split_load(
    connection: Connection, sending: Sending, attempts: int, message: str, state: str, at: str
) -> None:
    """Journal that the rows of an import go out otherwise; `state` is how the import ended."""
    _lock(connection, sending.load)
    imports.end_import(connection, sending.key, state, None, message, at)
    for clip in sending.load:
        if _ours(connection, clip.member):
            answer = BatchAnswer(sending.number, "split", attempts, {}, message)
            answer_batches(connection, clip.member.source.push_id, [answer], at)


def answer_load(
    connection: Connection, sending: Sending, attempts: int, result: ItemResult, import_id: str
) -> ItemResult:
    """Journal what became of an import; returns what that means for its rows.

    One transaction: the import's id, and its rows with the platform.
    """
    at = to_iso(utcnow())
    _lock(connection, sending.load)
    if result.outcome is Outcome.ACCEPTED_ASYNC:
        if not imports.start_import(connection, sending.key, import_id, at):
            # it counts as unknown already, and nobody asks for it
            result = ItemResult(Outcome.UNKNOWN, TAKEN_OVER)
    else:
        ended = imports.UNKNOWN if result.outcome is Outcome.UNKNOWN else imports.REFUSED
        imports.end_import(connection, sending.key, ended, None, result.message, at)
    for clip in sending.load:
        _answer_clip(connection, sending, clip, attempts, result, at)
    return result


def other_import(ledger: Ledger, sending: Sending, import_id: str) -> str:
    """Why an import's id is none of ours, in words; empty: it is a new one, or what was handed over
    before under this id said the same and is still the newest word on all of its rows.

    A platform answers an equal request with the import that it started then. That is success, as
    long as nothing else has been said since.
    """
    i, p, c = t.push_import.c, t.push_import_part.c, t.listing.c
    source = sending.load[0].member.source
    now = {row for clip in sending.load for row in _said(clip)}
    newest = (
        select(i.id, i["items"].label("size"), i.created_at)
        .where(i.account == source.account, i.kind == sending.kind.value)
        .where(i.import_id == import_id, i.id != sending.key)
        .order_by(i.created_at.desc(), i.id.desc())
        .limit(1)
    )
    said = [c[name] for name in ("outlet", "sku", *_SAID)]
    with ledger.read() as connection:
        known = connection.execute(newest).fetchone()
        if known is None:
            return _never_learnt(connection, sending, import_id, now)
        outlets = sorted({clip.member.source.outlet for clip in sending.load})
        then = (
            select(*said)
            .join_from(t.listing, t.push_import_part, p.push_id == c.push_id)
            .where(p.batch == c.batch, p.import_key == known.id)
            .where(c.platform == source.platform, c.outlet.in_(outlets))
        )
        before = {tuple(row) for row in connection.execute(then)}
    if now == before and len(now) == known.size:
        return ""
    return (
        f"the platform answered with import {import_id}, which it was given at {known.created_at} "
        "and which said something else: it has taken nothing new"
    )


def _never_learnt(
    connection: Connection, sending: Sending, import_id: str, now: AbstractSet[tuple[Any, ...]]
) -> str:
    """Why an id that the ledger does not know may be that of an equal request whose answer was
    never learnt (a crash, a time-out), in words; empty: it is new, or nothing else was said since.

    Where ids count up, one beyond those of later imports is new.
    """
    i, p, e = t.push_import.c, t.push_import_part.c, t.listing_event.c
    later = t.listing_event.alias()
    of_account = (i.account == sending.load[0].member.source.account,)
    of_kind = (*of_account, i.kind == sending.kind.value)
    unanswered = (
        select(i.id, i.created_at)
        .where(*of_kind, i.import_id == "", i.state == imports.UNKNOWN)
        .where(i["items"] == len(now), i.created_at > to_iso(utcnow() - REMEMBERED))
        .order_by(i.created_at, i.id)
    )
    of_it = (p.import_key == bindparam("key"), e.push_id == p.push_id, e.batch == p.batch)
    then = select(*(e[name] for name in ("outlet", "sku", *_SAID))).where(*of_it)
    same = (later.c[name] == e[name] for name in ("outlet", "platform", "sku"))
    # history is by push: what was sent before that request is not looked through
    sent = select(p.push_id).join(t.push_import, p.import_key == i.id).where(*of_account)
    since = (
        select(*(later.c[name] for name in ("outlet", "sku", *_SAID)))
        .where(*of_it, *same, later.c.id >= e.id)
        .where(later.c.push_id.in_(sent.where(i.created_at >= bindparam("at"))))
        .distinct()
    )
    for one in connection.execute(unanswered).fetchall():
        key = {"key": one.id}
        if {tuple(row) for row in connection.execute(then, key)} != now:
            continue
        if {tuple(row) for row in connection.execute(since, {**key, "at": one.created_at})} == now:
            continue
        started = select(i.import_id).where(*of_kind, i.created_at > one.created_at)
        ids = [text for text in connection.execute(started).scalars() if text]
        texts = (import_id, *ids)
        if all(map(str.isdecimal, texts)) and int(import_id) > max(map(int, ids), default=0):
            continue
        return (
            f"the platform answered with import {import_id}, which may be the one that was sent at "
            f"{one.created_at} and never answered; something else has been said since"
        )
    return ""


REMEMBERED = timedelta(days=1)
"""So long a platform may take an equal request for the one before."""
_SAID = ("price_minor", "currency", "stock_status", "quantity")


def _said(clip: Clip) -> Iterator[tuple[Any, ...]]:
    columns, rows = clip.member.columns, slice(clip.first, clip.last)
    said = (getattr(columns, name)[rows] for name in ("sku", *_SAID))
    return zip(repeat(clip.member.source.outlet), *said, strict=False)


def _answer_clip(
    connection: Connection,
    sending: Sending,
    clip: Clip,
    attempts: int,
    result: ItemResult,
    at: str,
) -> None:
    source, columns = clip.member.source, clip.member.columns
    indices = range(clip.first, clip.last)
    rows = columns.rows(Same(indices, result))
    ours = _ours(connection, clip.member)
    if not ours:
        rows = in_doubt(rows)
    acknowledge_batches(connection, source, [(sending.number, rows)], at)
    if not ours:
        return
    outcomes = dict(count_outcomes(Same(indices, result)))
    answer = BatchAnswer(sending.number, "answered", attempts, outcomes, result.message)
    answer_batches(connection, source.push_id, [answer], at)
    # also of what was refused: it goes again when it says something else, not in every push
    told = result.outcome in (Outcome.ACCEPTED_ASYNC, Outcome.REFUSED)
    if told and sending.kind is ImportKind.OFFERS:
        assert columns.details is not None
        offered = [
            OfferedProduct(columns.sku[i], fingerprint_of(columns.details[i]), result.outcome)
            for i in indices
        ]
        write_offered(connection, source.outlet, source.platform, offered, at)


def unsent_clip(
    connection: Connection, clip: Clip, number: int, result: ItemResult, at: str
) -> bool:
    """Journal rows that were never in an import; False: a successor has done so."""
    _lock(connection, (clip,))
    if not _ours(connection, clip.member):
        return False
    source, columns = clip.member.source, clip.member.columns
    results = Same(range(clip.first, clip.last), result)
    intend(connection, source.push_id, [(number, clip.first, clip.last)], at)
    acknowledge_batches(connection, source, [(number, columns.rows(results))], at)
    pushes.answer_batch(
        connection,
        source.push_id,
        number,
        state="abandoned",
        attempts=0,
        outcomes=dict(count_outcomes(results)),
        message=result.message,
        at=at,
    )
    return True


def count(clip: Clip, result: ItemResult) -> None:
    """Count what became of some rows of a push."""
    results = Same(range(clip.first, clip.last), result)
    counted: Counter[str] = count_outcomes(results)
    clip.member.result.count(clip.member.columns, results, counted)
    clip.member.progress(clip.member.result.told)
