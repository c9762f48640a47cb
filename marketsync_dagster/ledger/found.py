"""What a law of the ledger that does not hold is told as.

The laws are `ledger.laws` and, of orders, `ledger.order_laws`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select

NAMED = 3
"""How many rows a finding names."""
RESTORE = "marketsync ledger restore FILE --replace, with the newest good backup"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the ledger, or the files beside it, that people should know."""

    subject: str
    """A table, a file, a folder."""
    message: str
    next_step: str
    broken: bool = True
    """False: nothing is wrong with what is kept, but somebody may want to act."""


def found(
    connection: Connection,
    query: Select[*tuple[Any, ...]],
    subject: str,
    words: Callable[[int, str], str],
    next_step: str,
    *,
    broken: bool = True,
) -> Iterator[Finding]:
    """A finding if `query`, whose first column names a row, has any rows."""
    inner = query.subquery()
    count = connection.execute(select(func.count()).select_from(inner)).scalar_one()
    if count:
        some = connection.execute(query.limit(NAMED)).all()
        names = ", ".join(" ".join(str(part) for part in row) for row in some)
        message = words(count, names + (", ..." if count > NAMED else ""))
        yield Finding(subject, message, next_step, broken)
