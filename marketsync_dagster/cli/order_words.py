"""How orders are written on the screen: numbers for ids, short times, amounts, and commands by what
they are about. `--json` has everything as the ledger does."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from marketsync_dagster.values.errors import MarketSyncError
from marketsync_dagster.values.money import format_minor

_RUN = re.compile(r"\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_TIME = re.compile(r"\b(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d(?:\.\d+)?Z")
_MONEY = {
    "total_minor": "total",
    "shipping_minor": "shipping",
    "unit_minor": "price of a piece",
    "tax_minor": "tax",
}
"""What events call amounts, and what people do."""
_KEY = re.compile(r"^(\w+) [0-9a-f]{12}(?=: )")
"""A command as events name it, which is about something else by now."""
_NOTHING = ("", 0, "0", "0.00", "0.000")


def by_number(text: str, order: Mapping[str, Any]) -> str:
    """A command with the order's number, which people know, in the place of our id."""
    return text.replace(order["id"], shlex.quote(order["number"] or order["id"]))


@contextmanager
def naming(order: Mapping[str, Any] | None) -> Iterator[None]:
    """Whatever cannot be done names the order by its number."""
    try:
        yield
    except MarketSyncError as error:
        if order is not None:
            error.message = by_number(error.message, order)
            error.next_step = by_number(error.next_step, order)
        raise


def short_runs(text: str) -> str:
    """Ids of runs as Dagster's pages show them: their first eight figures."""
    return _RUN.sub(r"\1", text)


def short_times(text: str) -> str:
    """Times to the minute: sooner, never later. In UTC, as the ledger has them."""
    return _TIME.sub(r"\1 \2", text)


def short(cell: object) -> object:
    """A cell of a table with short times and ids of runs."""
    return short_runs(short_times(cell)) if isinstance(cell, str) else cell


def filled(
    columns: Sequence[str], rows: Sequence[Sequence[object]], always: Sequence[str] = ()
) -> tuple[list[str], list[list[object]]]:
    """Columns and rows without the columns in which nothing is said of any row."""
    kept = [
        index
        for index, name in enumerate(columns)
        if name in always or any(row[index] not in _NOTHING for row in rows)
    ]
    return [columns[index] for index in kept], [[row[index] for index in kept] for row in rows]


def said_of(command: Mapping[str, Any]) -> str:
    """What a command of a source is about: `tracking FC-7`, `refund 1`, `ship`."""
    payload = command["payload"]
    about = payload.get("tracking", {}).get("number") or ", ".join(
        dict.fromkeys(
            line
            for part in ("lines", "amounts", "shipping_amounts")
            for line in payload.get(part, {})
        )
    )
    return f"{command['kind']} {about}".rstrip()


def changes(order: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Of each event of an order (`orders.shown.whole`): what it was and is, and the words for it;
    amounts in the order's currency, commands by what they are about."""
    names = {
        one["key"] if one["key"].startswith(one["kind"]) else f"{one['kind']} {one['key']}": one
        for one in order["commands"]
    }
    # amounts of another currency would be wrong by its decimals
    plain = any(event["reason"] == "currency" for event in order["events"])
    for event in order["events"]:
        before: str = event["before"]
        after: str = event["after"]
        words: str = event["reason"]
        is_money = event["kind"] == "refund" or words in _MONEY
        if is_money and not plain:
            before, after = (_amount(one, order["currency"]) for one in (before, after))
            words = _MONEY.get(words, words)
        name, colon, rest = after.partition(": ")
        if colon and name in names:
            after = f"{said_of(names[name])}: {rest}"
        after = _KEY.sub(r"\1", after)
        if event["kind"] == "changed":
            before, after = before or "nothing", after or "nothing"
        yield " -> ".join(filter(None, (before, after))), words


def _amount(minor: str, currency: str) -> str:
    return format_minor(int(minor), currency) if minor.lstrip("-").isdecimal() else minor
