"""The journal of pushes: intent before each call, outcome after it, and what a crash left open."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import TYPE_CHECKING

import orjson
from sqlalchemy import func, insert, select, update

from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.sql import append, is_one_of, value_rows
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import to_iso, utcnow
from marketsync_dagster.values.words import counted

WAITING = "with the platform"
SAMPLE = 20
"""How many items that did not go through a push names."""

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from marketsync_dagster.ledger.engine import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRecord:
    """The columns of `push` that are known when it is opened."""

    id: str
    plan_id: str
    outlet: str
    platform: str
    account: str
    run_id: str
    push_type: str
    created_by: str
    started_at: str
    item_count: int


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """A batch whose intent was journalled and whose outcome was not."""

    push_id: str
    number: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """How a batch stands after an answer; `state` is `answered`, `intended` if some of it goes
    again, `split` or `abandoned`."""

    number: int
    state: str
    attempts: int
    outcomes: dict[str, int]
    message: str


def new_push_id() -> str:
    """`push-20261121-063000-3f9a1c2b`: sorts by time."""
    return f"push-{utcnow():%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"


def open_push(connection: Connection, record: PushRecord) -> None:
    """Journal the start of a push."""
    connection.execute(insert(t.push).values(**asdict(record), state="open"))


def intend(
    connection: Connection, push_id: str, ranges: Sequence[tuple[int, int, int]], at: str
) -> None:
    """Journal that batches (number, first, last) are about to be sent."""
    names = "push_id number first last state intended_at attempts outcomes message".split()
    rows = [
        (push_id, number, first, last, "intended", at, 0, "{}", "")
        for number, first, last in ranges
    ]
    append(connection, t.push_batch.name, names, rows)


def answer_batch(
    connection: Connection,
    push_id: str,
    number: int,
    *,
    state: str,
    attempts: int,
    outcomes: dict[str, int],
    message: str,
    at: str,
) -> None:
    """Journal how a batch ended: `answered`, `split` or `abandoned`."""
    answer = BatchAnswer(number, state, attempts, outcomes, message)
    answer_batches(connection, push_id, [answer], at)


_ANSWER = """
UPDATE push_batch SET state = answer.column2, attempts = answer.column3,
    outcomes = answer.column4, message = answer.column5, answered_at = ?
FROM ({answers}) AS answer
WHERE push_batch.push_id = ? AND push_batch.number = answer.column1
"""


def answer_batches(
    connection: Connection, push_id: str, answers: Sequence[BatchAnswer], at: str
) -> None:
    """Journal how batches of one push stand after their answers; the last of a batch counts."""
    last = {answer.number: answer for answer in answers}
    if not last:
        return
    rows = [
        (a.number, a.state, a.attempts, orjson.dumps(a.outcomes).decode(), a.message)
        for a in last.values()
    ]
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    given = value_rows(connection, len(rows), len(rows[0]))
    statement = _ANSWER.replace("?", mark).replace("{answers}", given)
    connection.exec_driver_sql(statement, (at, *chain.from_iterable(rows), push_id))


def lock_pushes(connection: Connection, push_ids: Collection[str]) -> None:
    """Nobody else answers, revises or ends these pushes until the caller's transaction ends."""
    p = t.push.c
    some = is_one_of(connection.dialect.name, p.id, sorted(push_ids))
    connection.execute(select(p.id).where(some).order_by(p.id).with_for_update())


def revise_batches(
    connection: Connection,
    push_id: str,
    ended: Mapping[int, Mapping[str, int]],
    message: str,
    at: str,
) -> None:
    """Journal what the items of batches came to that were with the platform (`accepted_async`):
    batch -> outcome -> count. A batch that its recovery has settled stays as it is."""
    b = t.push_batch.c
    query = select(b.number, b.state, b.attempts, b.outcomes).where(
        b.push_id == push_id, b.number.in_(list(ended))
    )
    answers = []
    for number, state, attempts, text in connection.execute(query):
        outcomes, came_to = Counter(orjson.loads(text)), Counter(ended[number])
        if outcomes.pop(Outcome.ACCEPTED_ASYNC.value, 0) != came_to.total():
            continue
        revised = dict(outcomes + came_to)
        answers.append(BatchAnswer(number, state, attempts, revised, message))
    answer_batches(connection, push_id, answers, at)


def revise(connection: Connection, push_id: str, problems: Sequence[dict[str, str]]) -> bool:
    """Journal what a push comes to after an import with rows of it has ended, if it has been closed
    before that: its counts, its status and its words. `problems`: the rows of that import that did
    not go through. False: it is open, and whoever closes it goes by its batches.
    """
    p = t.push.c
    query = select(p.state, p.item_count, p.error_details, p.response_message)
    row = connection.execute(query.where(p.id == push_id).with_for_update()).one()
    if row.state == "open":
        return False
    outcomes = outcomes_of(connection, push_id)
    known = orjson.loads(row.error_details) if row.error_details else []
    known = [one for one in known if one["outcome"] != Outcome.ACCEPTED_ASYNC.value]
    known = (known + list(problems))[:SAMPLE]
    words = row.response_message
    if row.state == "done" and not words.startswith("stopped"):
        words = words_of(known, row.item_count, outcomes)
    connection.execute(
        update(t.push)
        .where(p.id == push_id)
        .values(
            status=status_of(outcomes, row.item_count),
            response_message=words,
            error_details=orjson.dumps(known).decode() if known else "",
            **{outcome.value: outcomes.get(outcome.value, 0) for outcome in Outcome},
        )
    )
    return True


def words_of(problems: Sequence[dict[str, str]], items: int, outcomes: Mapping[str, int]) -> str:
    """What a push came to, shortly: what went wrong with it, what the platform still works on."""
    if waiting := outcomes.get(Outcome.ACCEPTED_ASYNC.value, 0):
        return f"{counted(waiting, 'row')} {WAITING}"
    if not problems:
        return f"{counted(items, 'row')} acknowledged"
    words = Counter(f"{one['outcome']}: {one['message']}" for one in problems)
    return "; ".join(f"{text} ({count})" for text, count in words.most_common(3))


@dataclass(frozen=True, slots=True)
class PushStand:
    """How a push stands: its state, and what its rows have come to so far."""

    id: str
    state: str
    outcomes: dict[str, int]
    problems: list[dict[str, str]]
    """The first rows that did not go through: sku, outcome, message."""
    run_id: str


def stand_of(ledger: Ledger, *, push_id: str = "", plan_id: str = "") -> PushStand | None:
    """How a push stands, or the newest one that sends a plan; None without one."""
    p = t.push.c
    query = select(p.id, p.state, p.error_details, p.run_id).order_by(p.started_at.desc(), p.id)
    with ledger.read() as connection:
        of = p.id == push_id if push_id else p.plan_id == plan_id
        row = connection.execute(query.where(of).limit(1)).fetchone()
        if row is None:
            return None
        outcomes = outcomes_of(connection, row.id)
    problems = orjson.loads(row.error_details) if row.error_details else []
    return PushStand(row.id, row.state, outcomes, problems, row.run_id)


def outlets_of(ledger: Ledger, push_ids: Collection[str]) -> dict[str, str]:
    """Push -> its outlet."""
    p = t.push.c
    some = is_one_of(ledger.dialect, p.id, sorted(push_ids))
    with ledger.read() as connection:
        return {
            row.id: row.outlet for row in connection.execute(select(p.id, p.outlet).where(some))
        }


def status_of(outcomes: dict[str, int], item_count: int) -> str:
    """PushHistory's three words (contract section 10.2): success, failed, partial."""
    good = sum(
        outcomes.get(o.value, 0)
        for o in (Outcome.APPLIED, Outcome.ACCEPTED_ASYNC, Outcome.ACCEPTED_UNVERIFIED)
    )
    if good == item_count:
        return "success"
    return "partial" if good else "failed"


def close_push(
    connection: Connection,
    push_id: str,
    *,
    state: str,
    outcomes: dict[str, int],
    item_count: int,
    calls: int,
    seconds: float,
    response_code: int | None,
    response_message: str,
    error_details: str,
) -> None:
    """Journal the end of a push, `done` or `interrupted`, with what became of its items."""
    connection.execute(
        update(t.push)
        .where(t.push.c.id == push_id)
        .values(
            state=state,
            status=status_of(outcomes, item_count),
            ended_at=to_iso(utcnow()),
            calls=calls,
            seconds=seconds,
            response_code=response_code,
            response_message=response_message,
            error_details=error_details,
            **{outcome.value: outcomes.get(outcome.value, 0) for outcome in Outcome},
        )
    )


def open_pushes(ledger: Ledger, outlet: str, platform: str) -> list[str]:
    """Pushes of a channel that never ended: their process died. Call it under the lease."""
    query = select(t.push.c.id).where(
        t.push.c.outlet == outlet, t.push.c.platform == platform, t.push.c.state == "open"
    )
    with ledger.read() as connection:
        return list(connection.execute(query).scalars())


def is_open(connection: Connection, push_id: str) -> bool:
    """Whether a push has not ended. It stays so until the caller's transaction ends.

    A process that lost its lease finds here that its successor has ended its push.
    """
    query = select(t.push.c.state).where(t.push.c.id == push_id).with_for_update()
    return connection.execute(query).scalar() == "open"


def plan_of(ledger: Ledger, push_id: str) -> str:
    """The id of the plan that a push sends."""
    with ledger.read() as connection:
        query = select(t.push.c.plan_id).where(t.push.c.id == push_id)
        return str(connection.execute(query).scalar_one())


def last_batch(ledger: Ledger, push_id: str) -> int:
    """The highest batch number of a push; 0 without one."""
    query = select(func.max(t.push_batch.c.number)).where(t.push_batch.c.push_id == push_id)
    with ledger.read() as connection:
        return int(connection.execute(query).scalar() or 0)


def never_intended(ledger: Ledger, push_id: str) -> list[tuple[int, int]]:
    """Half-open ranges of a push's rows that no batch was ever made of: nothing of them was sent.

    A batch that was split does not count, its parts do.
    """
    b = t.push_batch.c
    query = (
        select(b.first, b.last)
        .where(b.push_id == push_id, b.state != "split")
        .order_by(b.first, b.last)
    )
    with ledger.read() as connection:
        count = connection.execute(select(t.push.c.item_count).where(t.push.c.id == push_id))
        items = int(count.scalar_one())
        taken = [(int(first), int(last)) for first, last in connection.execute(query)]
    gaps, at = [], 0
    for first, last in [*taken, (items, items)]:
        if first > at:
            gaps.append((at, first))
        at = max(at, last)
    return gaps


def open_batches(ledger: Ledger, push_id: str) -> list[OpenBatch]:
    """Batches of a push that may or may not have reached the platform."""
    b = t.push_batch.c
    query = (
        select(b.push_id, b.number, b.first, b.last)
        .where(b.push_id == push_id, b.state == "intended")
        .order_by(b.number)
    )
    with ledger.read() as connection:
        return [OpenBatch(*row) for row in connection.execute(query)]


def outcomes_of(connection: Connection, push_id: str) -> dict[str, int]:
    """Outcome -> count over the batches of a push, from the journal."""
    total: dict[str, int] = {}
    query = select(t.push_batch.c.outcomes).where(t.push_batch.c.push_id == push_id)
    for text in connection.execute(query).scalars():
        for outcome, count in orjson.loads(text).items():
            total[outcome] = total.get(outcome, 0) + count
    return total


def items_acknowledged(ledger: Ledger, push_id: str, batch: int) -> set[str]:
    """SKUs of a batch whose outcome was journalled before the batch ended."""
    query = select(t.listing_event.c.sku).where(
        t.listing_event.c.push_id == push_id, t.listing_event.c.batch == batch
    )
    with ledger.read() as connection:
        return set(connection.execute(query).scalars())


def last_push(ledger: Ledger, outlet: str, platform: str) -> str:
    """The newest push of a channel and its state, empty without one: has anything moved since?"""
    query = (
        select(t.push.c.id, t.push.c.state)
        .where(t.push.c.outlet == outlet, t.push.c.platform == platform)
        .order_by(t.push.c.started_at.desc(), t.push.c.id.desc())
        .limit(1)
    )
    with ledger.read() as connection:
        row = connection.execute(query).fetchone()
    return "" if row is None else f"{row.id} {row.state}"


def spans_of(
    ledger: Ledger, batches: Collection[tuple[str, int]]
) -> dict[tuple[str, int], tuple[str, int, int]]:
    """(push, batch) -> the plan, and the half-open range of its rows to send, that it is of."""
    p, b = t.push.c, t.push_batch.c
    ids = sorted({push_id for push_id, _ in batches})
    query = (
        select(b.push_id, b.number, p.plan_id, b.first, b.last)
        .join_from(t.push_batch, t.push, p.id == b.push_id)
        .where(is_one_of(ledger.dialect, b.push_id, ids))
    )
    with ledger.read() as connection:
        rows = connection.execute(query).fetchall()
    wanted = set(batches)
    return {
        (row[0], row[1]): (row[2], row[3], row[4]) for row in rows if (row[0], row[1]) in wanted
    }


def batch_outcomes(connection: Connection, push_id: str, number: int) -> dict[str, int]:
    """Outcome -> count of one batch so far."""
    query = select(t.push_batch.c.outcomes).where(
        t.push_batch.c.push_id == push_id, t.push_batch.c.number == number
    )
    return orjson.loads(connection.execute(query).scalar_one())


def end_interrupted(connection: Connection, push_id: str, message: str) -> None:
    """Journal the end of a push whose process died: what its batches say is what it came to."""
    outcomes = outcomes_of(connection, push_id)
    count = connection.execute(select(t.push.c.item_count).where(t.push.c.id == push_id))
    calls = connection.execute(
        select(func.count()).select_from(t.api_call).where(t.api_call.c.push_id == push_id)
    )
    close_push(
        connection,
        push_id,
        state="interrupted",
        outcomes=outcomes,
        item_count=count.scalar_one(),
        calls=calls.scalar_one(),
        seconds=0.0,
        response_code=None,
        response_message=message,
        error_details="",
    )
