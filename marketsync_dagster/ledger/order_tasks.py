"""Questions about orders that no machine can answer: asked once, with the commands that answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from sqlalchemy import Connection, RowMapping, select, update

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_tables import order_task

TaskKind = Literal[
    "forward_unknown",  # may or may not be at its destination, and it cannot be looked up
    "command_unknown",  # the same of what the source was told
    "command_refused",
    "forward_refused",
    "cancel_at_destination",  # a person there has to take it back
    "destination_gone",  # its destination is not configured any more
    "cancelled_after_shipping",
    "changed_after_forwarding",
    "unreadable",  # a document that no order can be made of
    "came_back",  # or was lost, and its source does not know: is the money given back?
    "carrier_needed",  # a parcel's, without which its source takes no tracking number
    "same_parcel",  # or another one: a till tells of an equal one in another file
    "unknown_number",  # a till answers for an order that it was not given
]

CAME_BACK: TaskKind = "came_back"
"""Keys of such questions: the kind, order, line and what became of it (its state)."""


@dataclass(frozen=True, slots=True)
class Task:
    """One question; `key` tells it from others, and an open one is never asked twice."""

    key: str
    order_id: str
    """Empty: of a document that is no order."""
    subject: str
    kind: TaskKind
    question: str
    commands: tuple[str, ...]
    """Written with `{task}` where its number belongs; read with the number."""
    at: str
    state: Literal["open", "done"] = "open"
    answer: str = ""
    answered_by: str = ""
    answered_at: str | None = None
    id: int = 0
    """Filled when it was read."""


def was_asked(conn: Connection, key: str) -> bool:
    """Whether a question was ever asked, answered or not."""
    return conn.execute(select(order_task.c.id).where(order_task.c.key == key)).first() is not None


def ask(conn: Connection, tasks: Sequence[Task]) -> list[Task]:
    """Ask; what is open already stays as it is, and what was answered before is asked anew. Those
    that are new."""
    new = []
    for task in tasks:
        row = conn.execute(select(order_task).where(order_task.c.key == task.key)).first()
        if row is not None and row.state == "open":
            continue
        values = _row(task)
        if row is None:
            conn.execute(order_task.insert(), values)
        else:
            conn.execute(update(order_task).where(order_task.c.id == row.id).values(values))
        new.append(task)
    return new


def answer(conn: Connection, key: str, words: str, by: str, at: str) -> bool:
    """Close a question; False if it was not open."""
    closed = conn.execute(
        update(order_task)
        .where(order_task.c.key == key, order_task.c.state == "open")
        .values(state="done", answer=words, answered_by=by, answered_at=at)
    )
    return closed.rowcount > 0


def answer_of_order(
    conn: Connection, order_id: str, kind: TaskKind, words: str, by: str, at: str
) -> int:
    """Close all questions of a kind about an order; how many were open."""
    c = order_task.c
    closed = conn.execute(
        update(order_task)
        .where(c.order_id == order_id, c.kind == kind, c.state == "open")
        .values(state="done", answer=words, answered_by=by, answered_at=at)
    )
    return closed.rowcount


def open_about(conn: Connection, subject: str, kind: TaskKind, but: str = "") -> list[str]:
    """The keys of open questions of a kind about a forward, command or document, but for one."""
    c = order_task.c
    query = select(c.key).where(c.subject == subject, c.kind == kind, c.state == "open")
    return list(conn.execute(query.where(c.key != but).order_by(c.id)).scalars())


def last_answer(conn: Connection, key: str) -> str:
    """What a question was answered with; empty: it is open, or was never asked."""
    query = select(order_task.c.answer).where(order_task.c.key == key)
    return conn.execute(query).scalar() or ""


def open_tasks(ledger: Ledger, order_id: str | None = None) -> list[Task]:
    """What is asked now, of one order or of all, oldest first."""
    query = select(order_task).where(order_task.c.state == "open")
    return _read(
        ledger, query if order_id is None else query.where(order_task.c.order_id == order_id)
    )


def tasks_of(ledger: Ledger, order_id: str) -> list[Task]:
    """All that was ever asked of one order."""
    return _read(ledger, select(order_task).where(order_task.c.order_id == order_id))


def asked_since(conn: Connection, at: str) -> list[str]:
    """The subjects of questions that were asked at a time (ISO) or later."""
    return list(conn.execute(select(order_task.c.subject).where(order_task.c.at >= at)).scalars())


def get_task(ledger: Ledger, number: int) -> Task | None:
    """One question by the number that people see."""
    return next(iter(_read(ledger, select(order_task).where(order_task.c.id == number))), None)


def _read(ledger: Ledger, query: Any) -> list[Task]:
    with ledger.read() as conn:
        rows = conn.execute(query.order_by(order_task.c.at, order_task.c.id)).mappings().all()
    return [_task(row) for row in rows]


def _task(row: RowMapping) -> Task:
    number = str(row["id"])
    commands = (command.replace("{task}", number) for command in orjson.loads(row["commands"]))
    return Task(**{**row, "commands": tuple(commands)})


def _row(task: Task) -> dict[str, Any]:
    return {
        "key": task.key,
        "order_id": task.order_id,
        "subject": task.subject,
        "kind": task.kind,
        "question": task.question,
        "commands": orjson.dumps(list(task.commands)).decode(),
        "at": task.at,
        "state": task.state,
        "answer": task.answer,
        "answered_by": task.answered_by,
        "answered_at": task.answered_at,
    }
