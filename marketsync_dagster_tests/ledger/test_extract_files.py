"""Documents that have come, and what extracts were read from, on both engines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from marketsync_dagster.ledger import extract_files as files
from marketsync_dagster.ledger import extracts
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.extract_files import FileRecord, files_of, note_file, record_files
from marketsync_dagster.ledger.extracts import ExtractPart, ExtractRecord, record_extract

A, B, C = "a" * 64, "b" * 64, "c" * 64
ONE = FileRecord(
    source="chain", name="all.zip", mark="m1", member="001.csv", original=A, sha256=B, size=7,
    format="csv", seen_at="2026-11-21T09:00:00.000Z",
)  # fmt: skip


def record(sha256: str, hour: int, accepted: int = 1, coverage: str = "full") -> ExtractRecord:
    return ExtractRecord(
        id=extracts.extract_id("west", sha256),
        outlet="west",
        sha256=sha256,
        file=f"{hour}.csv",
        coverage=coverage,
        extract_time=f"2026-11-21T{hour:02}:00:00.000Z",
        time_source="name",
        read_at=f"2026-11-21T{hour:02}:05:00.000Z",
        state=extracts.ACCEPTED,
        records=accepted,
        accepted=accepted,
        rejected=0,
        duplicates=0,
    )


def test_documents_are_found_by_source_name_and_mark(ledger: Ledger) -> None:
    two = replace(ONE, member="002.csv", sha256=C)
    record_files(ledger, [ONE, two])
    record_files(ledger, [replace(ONE, source="other")])
    assert files_of(ledger, "chain") == {("all.zip", "m1"): [ONE, two]}
    assert files_of(ledger, "nowhere") == {}


def test_the_same_content_under_the_same_name_is_the_same_document(ledger: Ledger) -> None:
    record_files(ledger, [ONE])
    note_file(ledger, ONE.id, files.READ, records=3, unassigned=1, details='{"x": 1}')
    touched = replace(ONE, mark="m2")
    record_files(ledger, [touched])
    assert files_of(ledger, "chain") == {("all.zip", "m2"): [touched]}
    changed = replace(ONE, original=C)
    record_files(ledger, [changed])
    assert len(files_of(ledger, "chain")) == 2


def test_an_extract_knows_its_documents_and_one_of_before_is_its_original(ledger: Ledger) -> None:
    parts = [
        ExtractPart("feed/a.zip/1.csv", "1.csv", B, A, "2026-11-21T09:00:00.000Z"),
        ExtractPart("feed/b.csv", "", C, C, "2026-11-21T09:00:00.000Z"),
    ]
    new, old = record(B, 9), record(A, 8)
    record_extract(ledger, new, parts)
    record_extract(ledger, old)
    assert extracts.parts_of(ledger, new.id) == parts
    assert extracts.parts_of(ledger, old.id) == []
    with ledger.read() as connection:
        assert extracts.originals_of(connection) == {new.id: {A, C}, old.id: {A}}
    record_extract(ledger, new, parts[:1])
    assert extracts.parts_of(ledger, new.id) == parts[:1]


def test_an_accepted_extract_keeps_its_documents_when_it_is_refused_later(ledger: Ledger) -> None:
    part = ExtractPart("feed/a.csv", "", B, B, "2026-11-21T09:00:00.000Z")
    record_extract(ledger, record(B, 9), [part])
    worse = replace(record(B, 9), state=extracts.REFUSED, reason="truncated")
    record_extract(ledger, worse, [replace(part, file="feed/b.csv")])
    assert extracts.parts_of(ledger, record(B, 9).id) == [part]


@pytest.mark.parametrize(
    ("newest", "pushed", "expected"),
    [
        # full ones are compared, whatever changes came between or after
        (record(C, 12, 500), record(A, 9, 1000), ("full", 500, 1000)),
        (record(C, 12, 500), record(B, 10, 3, "delta"), ("full", 500, 1000)),
        (record("d" * 64, 13, 2, "delta"), record(B, 10, 3, "delta"), ("full", 500, 1000)),
        (record("d" * 64, 13, 2, "delta"), record(A, 9, 1000), ("full", 500, 1000)),
        # changes since the same full one
        (record("d" * 64, 13, 2, "delta"), record(C, 12, 500), ("delta", 2, 500)),
        (record(B, 10, 3, "delta"), record(A, 9, 1000), ("delta", 3, 1000)),
        (record(A, 9, 1000), None, ("full", 1000, None)),
    ],
)
def test_the_guard_compares_full_extracts(
    newest: ExtractRecord,
    pushed: ExtractRecord | None,
    expected: tuple[str, int, int | None],
    ledger: Ledger,
) -> None:
    for one in (
        record(A, 9, 1000), record(B, 10, 3, "delta"), record(C, 12, 500),
        record("d" * 64, 13, 2, "delta"),
    ):  # fmt: skip
        record_extract(ledger, one)
    found = extracts.compared(ledger, newest, pushed.id if pushed else None)
    assert (found.coverage, found.accepted, found.before) == expected


def test_changes_alone_are_never_compared(ledger: Ledger) -> None:
    one, two = record(A, 9, 40, "delta"), record(B, 10, 2, "delta")
    record_extract(ledger, one)
    record_extract(ledger, two)
    assert extracts.compared(ledger, two, one.id).coverage == "delta"
