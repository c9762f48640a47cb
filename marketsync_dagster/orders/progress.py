"""How far the orders of a source were pulled: kept in the transaction of the orders it stands for.

`until` is a time of the platform's clock up to which everything is in the ledger; the next pull
begins there, less an overlap. A pull that is under way keeps where it stands, so that one that was
killed goes on at its page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from sqlalchemy import Connection, select

from marketsync_dagster.config.orders import OrderSettings
from marketsync_dagster.ledger.cursors import get_cursor, set_cursor
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.tables import cursor
from marketsync_dagster.values.times import from_iso, to_iso


@dataclass(frozen=True, slots=True)
class Progress:
    """The cursor of one source. Times are ISO texts; empty: none."""

    until: str = ""
    since: str = ""
    """Where the pull that is under way began."""
    started: str = ""
    """The platform's clock when it began; empty: none is under way."""
    position: str = ""
    """Of the page that was kept last: where a pull that was killed goes on."""
    began: str = ""
    """When the first pull began that came to its end and left nothing out."""


FIELDS = ("until", "since", "started", "position", "began")


def cursor_name(source: str) -> str:
    """Under which name the ledger keeps it."""
    return f"orders {source}"


def progress_of(ledger: Ledger, source: str) -> Progress:
    """How far a source was pulled."""
    return _read(get_cursor(ledger, cursor_name(source)))


def _read(text: str | None) -> Progress:
    return Progress(**orjson.loads(text)) if text else Progress()


def under_way(conn: Connection, source: str, since: str, started: str, position: str) -> None:
    """A page of a pull is kept; `until` stays. Under the lock of the source's orders."""
    present = _present(conn, source)
    _write(conn, source, Progress(present.until, since, started, position, live_since(present)))


def finished(conn: Connection, source: str, started: str) -> None:
    """A pull that began at `started` has come to its end. Never goes back."""
    present = _present(conn, source)
    until, began = max(present.until, started), live_since(present) or started
    _write(conn, source, Progress(until, began=began))


def live_since(progress: Progress) -> str:
    """Since when the orders of a source have come in as they are made; empty: not yet. Cursors of
    earlier versions do not say it: since their last pull at the latest."""
    return progress.began or progress.until


def _present(conn: Connection, source: str) -> Progress:
    query = select(cursor.c.value).where(cursor.c.name == cursor_name(source))
    return _read(conn.execute(query).scalar())


def _write(conn: Connection, source: str, progress: Progress) -> None:
    said = {name: getattr(progress, name) for name in FIELDS}
    set_cursor(conn, cursor_name(source), orjson.dumps(said).decode())


@dataclass(frozen=True, slots=True)
class Start:
    """Where one pull begins."""

    since: str
    moves: bool
    """Whether the cursor moves when it has come to its end: nothing before it is left out."""
    position: str = ""
    started: str = ""
    """Of the pull that is gone on with; empty: a new one."""


def start_of(
    before: Progress, settings: OrderSettings, now: datetime, *, since: str, partly: bool
) -> Start:
    """Where a pull begins: `since` if somebody says so, else where the last one ended.

    `partly`: not everything that comes is kept, by state or number. The cursor never moves over
    what nobody has seen: over times before a `since` that lies behind it, or over what was left
    out.
    """
    if before.until:
        # a platform's clock that ran ahead once must not leave out what ours has not reached
        begun = min(from_iso(before.until), now) - timedelta(seconds=settings.overlap_s)
    else:
        begun = now - timedelta(days=settings.first_days)
    if since:
        asked = from_iso(since)
        seen = min(from_iso(before.until), now) if before.until else begun
        return Start(to_iso(asked), moves=asked <= seen and not partly)
    if before.started and not partly:
        return Start(before.since, True, before.position, before.started)
    if before.started:
        return Start(min(before.since, to_iso(begun)), moves=False)
    return Start(to_iso(begun), moves=not partly)
