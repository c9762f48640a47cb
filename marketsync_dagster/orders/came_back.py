"""The question whether the money of what came back, or was lost on its way, is given back: once for
each line and for what became of it."""

from __future__ import annotations

from sqlalchemy import Connection

from marketsync_dagster.ledger.order_events import OrderEvent, record_events
from marketsync_dagster.ledger.order_tasks import CAME_BACK, Task, answer, ask, was_asked
from marketsync_dagster.ledger.orders import BookOrder
from marketsync_dagster.values.money import to_decimal

IN_PART = "in_part"
BECAME = ("returned", "lost", IN_PART)
"""What a question is about, the last part of its key."""
_WORDS = {"returned": "came back", "lost": "was lost on its way", IN_PART: "came back in part"}


def ask_for_refund(
    conn: Connection, order: BookOrder, line_id: str, became: str, left: int, at: str
) -> int:
    """Ask about a line, of which `left` (minor units) can be given back; 1 if it is new."""
    key = _key(order.id, line_id, became)
    if not left or was_asked(conn, key):
        return 0
    question = (
        f"Line {line_id} of order {order.number} {_WORDS[became]}, and {order.account} does not "
        "know of it: is the money given back?"
    )
    amount = "AMOUNT" if became == IN_PART else str(to_decimal(left, order.currency))
    commands = (
        f"marketsync orders refund {order.id} --line {line_id}={amount} --by NAME --reason WHY",
        "marketsync orders resolve {task} --answer drop --by NAME --reason WHY",
    )
    new = ask(conn, [Task(key, order.id, line_id, CAME_BACK, question, commands, at)])
    record_events(
        conn, [OrderEvent(order.id, at, "task", after=CAME_BACK, reason=question) for _ in new]
    )
    return len(new)


def answer_refunded(conn: Connection, order_id: str, line_id: str, by: str, at: str) -> None:
    """A person gives money back: that answers it."""
    for became in BECAME:
        answer(conn, _key(order_id, line_id, became), "refunded", by, at)


def _key(order_id: str, line_id: str, became: str) -> str:
    return f"{CAME_BACK} {order_id} {line_id} {became}"
