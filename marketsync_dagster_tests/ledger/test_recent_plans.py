"""What the guard's window reads of earlier plans, on both engines."""

from __future__ import annotations

from typing import Any

import pytest

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.extracts import ExtractRecord, record_extract
from marketsync_dagster.ledger.plans import (
    PlanRecord,
    last_with_held_rows,
    recent_plans,
    rows_of,
    save_plan,
    undecided,
)

CHANNEL = ("westlands", "pasons", "main")
DAY = "2026-11-21T"


def keep(ledger: Ledger, name: str, hour: int, state: str, **said: Any) -> None:
    """A plan of the channel, made at that hour."""
    fields: dict[str, Any] = {
        "outlet": "westlands", "platform": "pasons", "account": "main", "created_by": "ada",
        "run_id": "run", "mode": "partial", "kind": "ordinary", "extract_id": "x-full",
        "extract_time": "t", "base": "b", "content": "c", "catalog_rows": 9, "unmapped": 0,
        "held": 0, "unchanged": 0, "deselected": 0, "to_send": 9, "calls": 1, "verdict": "[]",
        "rows": name.encode(),
    }  # fmt: skip
    at = f"{DAY}{hour:02}:00:00.000Z"
    save_plan(ledger, PlanRecord(id=name, created_at=at, state=state, **fields | said))


@pytest.fixture
def kept(ledger: Ledger) -> Ledger:
    for coverage in ("full", "delta"):
        one = (f"x-{coverage}", "westlands", coverage, "x.csv", coverage, "t", "name", "r")
        record_extract(ledger, ExtractRecord(*one, "accepted", 9, 7, 2, 0))
    keep(ledger, "early", 1, "pushed")
    keep(ledger, "sent", 2, "pushed", extract_id="x-delta")
    keep(ledger, "held", 3, "held", held=4)
    keep(ledger, "planned", 4, "planned")
    keep(ledger, "other", 4, "pushed", account="another")
    keep(ledger, "going", 5, "pushing", held=1, rows=b"")
    return ledger


def test_the_plans_of_the_channel_that_were_sent_or_held_come_oldest_first(kept: Ledger) -> None:
    found = recent_plans(kept, *CHANNEL, f"{DAY}02:00:00.000Z")
    assert [(one.id, one.state, one.held, one.accepted_rows) for one in found] == [
        ("sent", "pushed", 0, None),
        ("held", "superseded", 4, 7),
        ("going", "pushing", 1, 7),
    ]


def test_rows_that_are_not_kept_any_more_are_left_out(kept: Ledger) -> None:
    assert rows_of(kept, ["early", "going", "nobody"]) == {"early": b"early"}


def test_the_newest_plan_counts_only_if_it_holds_rows(kept: Ledger) -> None:
    newest = last_with_held_rows(kept, *CHANNEL)
    assert newest is not None
    assert newest.id == "going"
    keep(kept, "whole", 6, "pushed")
    assert last_with_held_rows(kept, *CHANNEL) is None


def test_a_held_plan_is_undecided_until_a_plan_of_the_whole_feed_is_sent(kept: Ledger) -> None:
    start = f"{DAY}00:00:00.000Z"
    keep(kept, "part", 6, "pushed", deselected=3)
    keep(kept, "held later", 7, "held", held=4, verdict="[1]")
    # what was going when it was held settles it
    assert undecided(kept, *CHANNEL, start) == [(f"{DAY}07:00:00.000Z", "[1]")]
    assert undecided(kept, *CHANNEL, f"{DAY}08:00:00.000Z") == []
    keep(kept, "whole", 8, "pushed")
    assert undecided(kept, *CHANNEL, start) == []
