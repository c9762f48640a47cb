"""The journal of what sources of orders are told: wanted, intended before the call, answered after
it, looked up where the answer was lost.

What is told when, and what follows from an answer, belongs to `orders.telling`. Who writes here
has locked the source (`ledger.orders.orders_to_change`).
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import orjson
from sqlalchemy import Connection, Select, func, select

from marketsync_dagster.ledger.order_tables import order_command, orders
from marketsync_dagster.ledger.sql import is_one_of, put_off_is_over, upsert
from marketsync_dagster.values.order_states import CommandKind
from marketsync_dagster.values.times import from_iso

CommandState = Literal[
    "waiting",  # not to be sent yet, or again
    "intended",  # on its way; whose process has died, that is
    "unknown",  # may or may not be done: looked up before it goes again
    "done",
    "refused",  # the source will not have it; a person decides
    "unsupported",  # recorded here; the source has no such call
    "dropped",  # overtaken, or taken back by a person
]

UNSETTLED: tuple[CommandState, ...] = ("waiting", "intended", "unknown")
"""What the source has still to be told, or to be asked about."""
_ID = "command-%Y%m%d-%H%M%S-%f"
SURELY_NOT: tuple[CommandState, ...] = ("refused", "dropped")
"""Ended without effect, for certain: the same may be wanted anew."""


@dataclass(frozen=True, slots=True)
class CommandRow:
    """One command; the columns of `order_command`."""

    id: str
    """Sorts by time."""
    order_id: str
    key: str
    """What it is about: an order has one of a key."""
    kind: CommandKind
    payload: Mapping[str, Any]
    """As `orders.telling` writes it; nothing personal."""
    state: CommandState
    created_at: str
    created_by: str
    reason: str
    intended_at: str | None = None
    answered_at: str | None = None
    not_before: str = ""
    """Empty: now."""
    attempts: int = 0
    """Calls; looking it up is none."""
    message: str = ""
    reference: str = ""
    """The platform's id of what was made."""
    looked_up_at: str | None = None


def new_command_id(moment: datetime, before: Sequence[CommandRow] = ()) -> str:
    """`command-20261121-063000-123456-3f9a1c2b5d6e7f80`: sorts by time, and after those of the
    same order that are there `before`, which may be of the same moment."""
    last = max((one.id for one in before), default="")
    while (beginning := f"command-{moment:%Y%m%d-%H%M%S-%f}") <= last[: len(beginning)]:
        moment = datetime.strptime(last[: len(beginning)], _ID).replace(tzinfo=UTC)
        moment += timedelta(microseconds=1)
    return f"{beginning}-{secrets.token_hex(8)}"


def save_commands(conn: Connection, rows: Sequence[CommandRow]) -> None:
    """Write commands as they are given."""
    upsert(conn, order_command, [_row(one) for one in rows])


def commands_of(conn: Connection, order_ids: Collection[str]) -> dict[str, list[CommandRow]]:
    """Order -> its commands, oldest first; orders without any are not there."""
    found: dict[str, list[CommandRow]] = {}
    if order_ids:
        query = select(order_command).where(
            is_one_of(conn.dialect.name, order_command.c.order_id, sorted(order_ids))
        )
        for one in _read(conn, query):
            found.setdefault(one.order_id, []).append(one)
    return found


def command_of(conn: Connection, command_id: str) -> CommandRow | None:
    """One command by its id."""
    query = select(order_command).where(order_command.c.id == command_id)
    return next(iter(_read(conn, query)), None)


def unsettled(
    conn: Connection,
    source: str,
    states: Collection[CommandState] = UNSETTLED,
    *,
    due: str = "",
) -> list[CommandRow]:
    """The commands to one account or shop in these states, oldest first; with `due` (ISO), those
    that need not wait longer."""
    query = (
        select(order_command)
        .join(orders, orders.c.id == order_command.c.order_id)
        .where(orders.c.account == source, order_command.c.state.in_(sorted(states)))
    )
    if due:
        query = query.where(put_off_is_over(order_command.c, from_iso(due)))
    return _read(conn, query)


def next_due(conn: Connection, source: str) -> str | None:
    """When the next command to a source may go or be looked up (empty: now); None: nothing is to
    be told. One that waits for the source's readiness is due all the same."""
    query = (
        select(func.min(order_command.c.not_before))
        .join(orders, orders.c.id == order_command.c.order_id)
        .where(orders.c.account == source, order_command.c.state.in_(UNSETTLED))
    )
    return conn.execute(query).scalar_one_or_none()


def _read(conn: Connection, query: Select[Any]) -> list[CommandRow]:
    rows = conn.execute(query.order_by(order_command.c.id)).mappings()
    return [
        CommandRow(
            **{
                **row,
                "kind": CommandKind(row["kind"]),
                "payload": orjson.loads(row["payload"]),
            }
        )
        for row in rows
    ]


def _row(command: CommandRow) -> dict[str, Any]:
    row = asdict(command)
    row["kind"] = command.kind.value
    row["payload"] = orjson.dumps(command.payload, option=orjson.OPT_SORT_KEYS).decode()
    return row
