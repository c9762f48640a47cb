"""The list of the last pushes."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert

from marketsync_dagster.ledger import imports, tables
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.history import KEYS, derive_status, last_pushes
from marketsync_dagster_tests.ledger.started import Start, push_of, start


def add_push(ledger: Ledger, number: int, **changes: Any) -> None:
    row = {
        "id": f"p{number}",
        "plan_id": f"plan{number}",
        "outlet": "west",
        "platform": "tracker_ke",
        "account": "tracker",
        "run_id": "r1",
        "push_type": "partial",
        "created_by": "anna",
        "started_at": f"2026-11-21T10:{number:02}:00.000Z",
        "state": "done",
        "status": "success",
        "item_count": 10,
        "response_code": 200,
        "response_message": "10 applied",
    }
    with ledger.begin() as conn:
        conn.execute(insert(tables.push).values(**(row | changes)))


def add_batch(ledger: Ledger, push_id: str, number: int, outcomes: str) -> None:
    with ledger.begin() as conn:
        conn.execute(
            insert(tables.push_batch).values(
                push_id=push_id,
                number=number,
                first=0,
                last=5,
                state="answered",
                intended_at="",
                outcomes=outcomes,
            )
        )


def test_a_push_is_listed_with_exactly_the_promised_keys(ledger: Ledger) -> None:
    add_push(ledger, 1)
    assert last_pushes(ledger) == [
        {
            "push_id": "p1",
            "platform": "tracker_ke",
            "outlet": "west",
            "push_type": "partial",
            "push_timestamp": "2026-11-21T10:01:00.000Z",
            "item_count": 10,
            "status": "success",
            "response_code": 200,
            "response_message": "10 applied",
            "error_details": "",
            "created_by": "anna",
        }
    ]
    assert list(last_pushes(ledger)[0]) == KEYS


def test_the_newest_pushes_come_first_and_no_more_than_asked(ledger: Ledger) -> None:
    for number in range(12):
        add_push(ledger, number)
    assert [entry["push_id"] for entry in last_pushes(ledger)] == [
        f"p{number}" for number in range(11, 1, -1)
    ]
    assert len(last_pushes(ledger, 3)) == 3
    assert last_pushes(ledger, 0) == []


def test_pushes_are_narrowed_by_outlet_and_platform_before_they_are_counted(
    ledger: Ledger,
) -> None:
    add_push(ledger, 1)
    add_push(ledger, 2, outlet="east")
    add_push(ledger, 3, platform="pasons")
    found = last_pushes(ledger, 1, outlet="west", platform="tracker_ke")
    assert [entry["push_id"] for entry in found] == ["p1"]


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ([], "failed"),
        (['{"applied": 5}'], "partial"),
        (['{"applied": 5}', '{"accepted_unverified": 4, "accepted_async": 1}'], "success"),
        (['{"refused": 5}', '{"unknown": 5}'], "failed"),
    ],
)
def test_a_push_that_did_not_end_is_judged_by_its_answers_so_far(
    ledger: Ledger, outcomes: list[str], status: str
) -> None:
    add_push(ledger, 1, state="interrupted", status=None, error_details="killed")
    for number, text in enumerate(outcomes):
        add_batch(ledger, "p1", number, text)
    add_batch(ledger, "p2", 1, '{"applied": 10}')
    entry = last_pushes(ledger)[0]
    assert entry["status"] == status
    assert entry["error_details"] == "interrupted before its end; killed"


def test_a_push_under_way_says_so(ledger: Ledger) -> None:
    add_push(ledger, 1, state="open", status=None)
    assert last_pushes(ledger)[0]["error_details"] == "still running"


def test_a_push_with_rows_at_the_platform_names_the_imports_that_are_asked_for(
    ledger: Ledger,
) -> None:
    key = start(ledger, Start({"west": ["a", "b"], "east": ["a"]}))
    with ledger.begin() as conn:
        imports.look_at_imports(conn, [key], "2026-11-21T10:01:00.000Z")
    words = "with the platform: import 2044 (offers) since 2026-11-21T10:00:00.000Z, asked for 1"
    west, east = last_pushes(ledger)
    assert west["response_message"] == east["response_message"] == f"{words} time"
    assert west["status"] == "success"
    start(ledger, Start({"west": ["c"]}, import_id="2045", closed=False))
    said = {entry["push_id"]: entry["response_message"] for entry in last_pushes(ledger)}
    assert said[push_of("import-2045", "west")].endswith(
        "2045 (offers) since 2026-11-21T10:00:00.000Z, not asked for yet"
    )
    with ledger.begin() as conn:
        imports.end_import(conn, key, imports.COMPLETE, 0, "", "2026-11-21T10:02:00.000Z")
    said = {entry["push_id"]: entry["response_message"] for entry in last_pushes(ledger)}
    assert said[push_of(key, "west")] == "with the platform"


def test_the_status_of_a_push_follows_from_what_was_acknowledged() -> None:
    assert [derive_status(n, 10) for n in (10, 9, 1, 0)] == [
        "success",
        "partial",
        "partial",
        "failed",
    ]
