"""Pauses: which channels they keep still, until when, and who ended them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.pauses import (
    Pause,
    active_pauses,
    past_pauses,
    pause,
    pause_of,
    resume,
)

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def made(
    ledger: Ledger,
    outlet: str | None = None,
    platform: str | None = None,
    until: datetime | None = None,
) -> Pause:
    return pause(
        ledger,
        outlet=outlet,
        platform=platform,
        by="amina",
        reason="stocktaking",
        until=until,
        now=NOW,
    )


@pytest.mark.parametrize(
    ("outlet", "platform", "paused"),
    [
        ("westlands", "pasons", {"westlands/pasons"}),
        ("westlands", None, {"westlands/pasons", "westlands/tracker_ke"}),
        (None, "pasons", {"westlands/pasons", "kisumu/pasons"}),
        (
            None,
            None,
            {f"{o}/{p}" for o in ("westlands", "kisumu") for p in ("pasons", "tracker_ke")},
        ),
    ],
)
def test_a_pause_keeps_still_what_it_names(
    outlet: str | None, platform: str | None, paused: set[str], ledger: Ledger
) -> None:
    one = made(ledger, outlet, platform)
    found = active_pauses(ledger, NOW)
    assert found == [one]
    still = {
        f"{o}/{p}"
        for o in ("westlands", "kisumu")
        for p in ("pasons", "tracker_ke")
        if pause_of(found, o, p)
    }
    assert still == paused


def test_a_pause_is_over_when_its_time_is(ledger: Ledger) -> None:
    one = made(ledger, "westlands", until=NOW + HOUR)
    assert one.words == "paused until 2026-11-21T10:00:00Z by amina (stocktaking)"
    assert active_pauses(ledger, NOW + HOUR - timedelta(milliseconds=1)) == [one]
    assert active_pauses(ledger, NOW + HOUR) == []
    assert past_pauses(ledger, now=NOW + HOUR) == [one]
    assert past_pauses(ledger, now=NOW) == []


def test_resuming_ends_what_is_inside_and_says_who_and_why(ledger: Ledger) -> None:
    inner = made(ledger, "westlands", "pasons")
    wide = made(ledger, None, "pasons")
    other = made(ledger, "kisumu")

    ended = resume(
        ledger, outlet="westlands", platform=None, by="otieno", reason="done", now=NOW + HOUR
    )

    assert [one.id for one in ended] == [inner.id]
    assert (ended[0].ended_by, ended[0].ended_reason) == ("otieno", "done")
    assert past_pauses(ledger, now=NOW) == ended
    assert {one.id for one in active_pauses(ledger, NOW)} == {wide.id, other.id}
    assert resume(ledger, outlet="westlands", platform=None, by="otieno", now=NOW) == []
    both = resume(ledger, outlet=None, platform=None, by="otieno", now=NOW)
    assert {one.id for one in both} == {wide.id, other.id}
    assert active_pauses(ledger, NOW) == []


def test_a_pause_that_is_over_is_not_ended_again(ledger: Ledger) -> None:
    made(ledger, until=NOW + HOUR)
    assert resume(ledger, outlet=None, platform=None, by="otieno", now=NOW + 2 * HOUR) == []


def test_of_several_pauses_the_longest_counts(ledger: Ledger) -> None:
    made(ledger, "westlands", until=NOW + HOUR)
    longer = made(ledger, None, "pasons", until=NOW + 2 * HOUR)
    found = active_pauses(ledger, NOW)
    assert pause_of(found, "westlands", "pasons") == longer
    open_end = made(ledger, "westlands")
    assert pause_of(active_pauses(ledger, NOW), "westlands", "pasons") == open_end
    assert open_end.words == "paused until resumed by amina (stocktaking)"
    assert open_end.resume_command == "marketsync resume --outlet westlands"


@pytest.mark.parametrize(
    ("outlet", "platform", "touched"),
    [(None, None, True), ("westlands", None, True), ("kisumu", None, False), (None, "x", False)],
)
def test_a_pause_touches_what_it_shares_a_channel_with(
    outlet: str | None, platform: str | None, touched: bool, ledger: Ledger
) -> None:
    assert made(ledger, "westlands", "pasons").touches(outlet, platform) == touched
