"""Extracts and absences."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from marketsync_dagster.ledger import tables
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.extracts import (
    ACCEPTED,
    REFUSED,
    ExtractRecord,
    absences,
    extract_id,
    find_extract,
    get_extract,
    latest_accepted,
    note_absences,
    record_extract,
)
from marketsync_dagster.values.redact import register_secret


def record(sha256: str, hour: int, **changes: object) -> ExtractRecord:
    made = ExtractRecord(
        id=extract_id("west", sha256),
        outlet="west",
        sha256=sha256,
        file="extracts/west/a.csv",
        coverage="full",
        extract_time=f"2026-11-21T{hour:02}:00:00.000Z",
        time_source="name",
        read_at=f"2026-11-21T{hour:02}:05:00.000Z",
        state=ACCEPTED,
        records=3,
        accepted=1,
        rejected=1,
        duplicates=1,
    )
    return replace(made, **changes)  # pyright: ignore[reportArgumentType]


A, B = "a" * 64, "b" * 64


def test_an_extract_is_found_as_it_was_recorded(ledger: Ledger) -> None:
    one = record(A, 9, details='{"encoding": "cp1252"}', forced_by="anna", forced_reason="why")
    record_extract(ledger, one)
    assert one.id == f"west-{'a' * 16}"
    assert find_extract(ledger, "west", A) == get_extract(ledger, one.id) == one
    assert find_extract(ledger, "east", A) is None
    assert get_extract(ledger, "west-0") is None


def test_the_latest_accepted_extract_is_that_of_the_latest_time_not_of_the_last_reading(
    ledger: Ledger,
) -> None:
    assert latest_accepted(ledger, "west") is None
    newer = record(B, 12)
    record_extract(ledger, newer)
    record_extract(ledger, record(A, 9, read_at="2026-11-21T23:00:00.000Z"))
    record_extract(ledger, record("c" * 64, 15, state=REFUSED, reason="truncated"))
    assert latest_accepted(ledger, "west") == newer


def test_an_accepted_extract_is_not_refused_afterwards_but_a_refused_one_may_be_accepted(
    ledger: Ledger,
) -> None:
    record_extract(ledger, record(A, 9, state=REFUSED, reason="older"))
    record_extract(ledger, record(A, 9, forced_by="anna"))
    record_extract(ledger, record(A, 9, state=REFUSED, reason="older again"))
    found = find_extract(ledger, "west", A)
    assert found is not None
    assert (found.state, found.reason, found.forced_by) == (ACCEPTED, "", "anna")


def test_the_same_content_at_a_later_time_is_the_latest_extract_again(ledger: Ledger) -> None:
    record_extract(ledger, record(A, 9))
    record_extract(ledger, record(B, 10))
    record_extract(ledger, record(A, 11))
    latest = latest_accepted(ledger, "west")
    assert latest is not None
    assert (latest.sha256, latest.extract_time) == (A, "2026-11-21T11:00:00.000Z")


def test_one_content_of_one_outlet_cannot_be_two_extracts(ledger: Ledger) -> None:
    record_extract(ledger, record(A, 9))
    second = {name: getattr(record(A, 9), name) for name in ExtractRecord.__dataclass_fields__} | {
        "id": "another"
    }
    with pytest.raises(IntegrityError), ledger.begin() as conn:
        conn.execute(insert(tables.extract), second)


def test_a_reason_is_kept_without_secrets(ledger: Ledger) -> None:
    register_secret("canary-extract-1")
    record_extract(ledger, record(A, 9, state=REFUSED, reason="at canary-extract-1"))
    found = find_extract(ledger, "west", A)
    assert found is not None
    assert found.reason == "at ***"


def test_absences_are_counted_once_per_extract_and_forgotten_when_a_sku_is_back(
    ledger: Ledger,
) -> None:
    note_absences(ledger, "west", "e1", ["1", "2", "2"], [])
    note_absences(ledger, "west", "e1", ["1", "2"], [])
    assert absences(ledger, "west") == {"1": 1, "2": 1}
    note_absences(ledger, "west", "e2", ["1", "3"], ["2"])
    assert absences(ledger, "west") == {"1": 2, "3": 1}
    assert absences(ledger, "east") == {}
    note_absences(ledger, "west", "e3", [], [])
    note_absences(ledger, "west", "e3", [], ["1", "3", "4"])
    assert absences(ledger, "west") == {}


def test_absences_of_a_large_outlet_fit(ledger: Ledger) -> None:
    skus = [str(number) for number in range(3000)]
    note_absences(ledger, "west", "e1", skus, [])
    assert len(absences(ledger, "west")) == 3000
    note_absences(ledger, "west", "e2", [], skus)
    assert absences(ledger, "west") == {}
