"""How long each channel has been without a success: what the check and the alerts go by.

A success is a run in which the channel's listings ended well; one with nothing to send counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.cursors import set_cursor
from marketsync_dagster.ledger.states import states_at
from marketsync_dagster.values.times import to_iso

if TYPE_CHECKING:
    from marketsync_dagster.stages.project import Project

_SEEN = "channel since "
_EVERY = ""
_FIRST, _AGAIN, _OFF = "first", "again", "off"
_AHEAD = timedelta(hours=1)
"""A success further ahead than this was written by a clock that was wrong."""


@dataclass(frozen=True, slots=True)
class ChannelSight:
    """One channel that is switched on and not paused. Times as `values.times` writes them."""

    outlet: str
    platform: str
    last_ok: str | None
    since: str
    """From when on a success is expected: when it was first seen, if it never succeeded, when it
    was switched on again, or the end of its last pause; empty: its last success says it."""
    reason: str = ""
    """Why the last run was no success."""
    next_step: str = ""


def is_stale(sight: ChannelSight, hours: float, now: datetime) -> bool:
    """Whether a channel had no success for longer than `hours`."""
    return baseline(sight, now) < to_iso(now - timedelta(hours=hours))


def baseline(sight: ChannelSight, now: datetime) -> str:
    """From when the hours are counted: the last success, or when a first one was expected."""
    told = [sight.since, sight.last_ok or ""]
    return max([moment for moment in told if moment <= to_iso(now + _AHEAD)], default="")


def channel_sights(project: Project, platform: str, now: datetime) -> list[ChannelSight]:
    """Every channel of a platform that is switched on and not paused.

    Notes since when each is so: a channel that never succeeded counts from there.
    """
    channels = project.settings.channels_of(platform)
    on = [outlet for outlet, channel in channels.items() if channel.push_enabled]
    since = _switched_on(project, platform, on, to_iso(now))
    paused, ends = _pauses(project, platform, to_iso(now))
    states = states_at(project.ledger, f"{platform}_listings")
    sights = []
    for outlet in on:
        if paused & {outlet, _EVERY}:
            continue
        state = states.get(outlet)
        last_ok = state.last_ok_at if state else None
        word, _, seen = since[outlet].partition(" ")
        began = seen if last_ok is None or word == _AGAIN else ""
        sights.append(
            ChannelSight(
                outlet,
                platform,
                last_ok,
                max(began, ends.get(outlet, ""), ends.get(_EVERY, "")),
                "has not run yet" if state is None else "" if state.ok else state.reason,
                state.next_step if state and not state.ok else "",
            )
        )
    return sights


def _switched_on(project: Project, platform: str, on: list[str], now: str) -> dict[str, str]:
    """Outlet -> `first TIME` or `again TIME`: when its channel was seen switched on, for the first
    time or after it was off. The cursor says `off` while it is."""
    c = t.cursor.c
    prefix = f"{_SEEN}{platform}/"
    with project.ledger.read() as connection:
        known = {
            row.name.removeprefix(prefix): row.value
            for row in connection.execute(
                select(c.name, c.value).where(c.name.startswith(prefix, autoescape=True))
            )
        }
    new = {outlet: f"{_FIRST} {now}" for outlet in on if outlet not in known}
    new |= {outlet: f"{_AGAIN} {now}" for outlet in on if known.get(outlet) == _OFF}
    new |= {outlet: _OFF for outlet in known if outlet not in on and known[outlet] != _OFF}
    if new:
        with project.ledger.begin() as connection:
            for outlet, value in new.items():
                set_cursor(connection, prefix + outlet, value)
    return {outlet: (known | new)[outlet] for outlet in on}


def _pauses(project: Project, platform: str, now: str) -> tuple[set[str], dict[str, str]]:
    """The outlets that are paused on this platform, and outlet -> when its last pause ended."""
    p = t.pause.c
    query = select(p.outlet, p.until, p.ended_at).where(
        p.platform.is_(None) | (p.platform == platform)
    )
    paused: set[str] = set()
    ends: dict[str, str] = {}
    with project.ledger.read() as connection:
        for row in connection.execute(query):
            outlet = row.outlet or _EVERY
            end = min(filter(None, (row.until, row.ended_at)), default="")
            if not end or end > now:
                paused.add(outlet)
            else:
                ends[outlet] = max(end, ends.get(outlet, ""))
    return paused, ends
