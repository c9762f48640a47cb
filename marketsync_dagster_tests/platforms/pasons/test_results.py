"""Pasons' answers in every dialect: applied only with proof, refused in the platform's words."""

from __future__ import annotations

from typing import Any

import pytest

from marketsync_dagster.config.accounts import PasonsResponse
from marketsync_dagster.platforms.pasons.results import item_results, refused_whole
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.platforms.support import price

ITEMS = [price("a"), price("b"), price("c")]
A, R, T, U, V = (
    Outcome.APPLIED,
    Outcome.REFUSED,
    Outcome.RETRYABLE,
    Outcome.UNKNOWN,
    Outcome.ACCEPTED_UNVERIFIED,
)
BAD = {"code": "UNKNOWN_SKU", "message": "not listed"}


def bad(index: int | None = None, sku: str | None = None, **more: Any) -> dict[str, Any]:
    entry = {"status": "rejected", "error": BAD, **more}
    if index is not None:
        entry["index"] = index
    return entry if sku is None else {**entry, "sku": sku}


def good(index: int, sku: str) -> dict[str, Any]:
    return {"index": index, "sku": sku, "status": "accepted"}


def counts(received: int | None, accepted: int | None, rejected: int | None) -> dict[str, int]:
    given = {"received": received, "accepted": accepted, "rejected": rejected}
    return {name: value for name, value in given.items() if value is not None}


ALL = [good(0, "a"), good(1, "b"), good(2, "c")]


@pytest.mark.parametrize("mode", ["all", "failures_only"])
@pytest.mark.parametrize(
    ("document", "expected"),
    [
        # counts alone
        (counts(3, 3, 0), [A, A, A]),
        (counts(None, 3, 0), [A, A, A]),
        (counts(None, 3, None), [A, A, A]),
        (counts(3, None, 0), [A, A, A]),
        (counts(3, 2, 1), [U, U, U]),
        (counts(2, 2, 0), [U, U, U]),
        (counts(3, 3, 1), [U, U, U]),
        (counts(None, None, 1), [U, U, U]),
        (counts(None, None, 0), [V, V, V]),
        (counts(3, None, None), [V, V, V]),
        (counts(2, None, None), [U, U, U]),
        ({"accepted": "3", "rejected": True}, [V, V, V]),
        # nothing said
        ({}, [V, V, V]),
        ({"status": "ok"}, [V, V, V]),
        ([], [V, V, V]),
        (None, [V, V, V]),
        ({"results": [], **counts(3, 3, 0)}, [A, A, A]),
        # a result each
        ({"results": ALL}, [A, A, A]),
        (ALL, [A, A, A]),
        ({"results": [good(0, "a"), bad(1, "b"), good(2, "c")]}, [A, R, A]),
        ({"results": [good(2, "c"), bad(1, "b"), good(0, "a")]}, [A, R, A]),
        ({"results": [{"status": "ok"}, {"status": "error"}, {"status": "ok"}]}, [A, R, A]),
        ({"results": [{"status": 200}, {"status": 422}, {"status": 503}]}, [A, R, T]),
        ({"results": [{"status": True}, {"status": False}, {"status": "?"}]}, [A, R, U]),
        # contradictions
        ({"results": [good(0, "a"), good(1, "c"), good(2, "c")]}, [A, U, U]),
        ({"results": [good(0, "x"), good(1, "y"), good(2, "z")]}, [U, U, U]),
        ({"results": [good(0, "a"), bad(0, "a"), good(1, "b")], **counts(3, 3, 0)}, [U, A, U]),
    ],
)
def test_every_dialect_gives_every_item_an_outcome(
    document: Any, expected: list[Outcome], mode: str
) -> None:
    response = PasonsResponse.model_validate({"results": mode})
    found = item_results(document, ITEMS, response, str)
    assert [result.outcome for result in found] == expected
    assert all(result.message for result in found if result.outcome is not A)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"results": [bad(1, "b")], **counts(3, 2, 1)}, [A, R, A]),
        ({"results": [bad(None, "b")], **counts(3, 2, 1)}, [A, R, A]),
        ({"results": [bad(1)], **counts(3, 2, 1)}, [A, R, A]),
        ({"results": [bad(1, "b")], **counts(None, None, 1)}, [V, R, V]),
        ({"results": [bad(1, "b")]}, [V, R, V]),
        ({"results": [bad(1, "b")], **counts(3, 1, 2)}, [U, R, U]),
        ({"results": [bad(1, "b")], **counts(3, 3, 0)}, [U, R, U]),
        ({"results": [bad(1, "x")], **counts(3, 2, 1)}, [U, U, U]),
        ({"results": [bad(9)], **counts(3, 2, 1)}, [U, U, U]),
        ({"results": ["b"], **counts(3, 2, 1)}, [U, U, U]),
    ],
)
def test_failures_alone_leave_the_others_applied_only_if_the_counts_add_up(
    document: Any, expected: list[Outcome]
) -> None:
    found = item_results(document, ITEMS, PasonsResponse(), str)
    assert [result.outcome for result in found] == expected


def test_a_list_of_all_that_leaves_one_out_leaves_it_unknown() -> None:
    response = PasonsResponse(results="all")
    document = {"results": ALL[:2], **counts(3, 3, 0)}
    assert [r.outcome for r in item_results(document, ITEMS, response, str)] == [A, A, U]


def test_what_is_not_said_can_be_configured_to_be_unknown() -> None:
    response = PasonsResponse(if_absent="unknown")
    assert [r.outcome for r in item_results({}, ITEMS, response, str)] == [U, U, U]


def test_names_and_places_of_results_are_configured() -> None:
    response = PasonsResponse(
        items="data.lines", key="product_id", status="state", error="why", results="all"
    )
    lines = [
        {"product_id": "c", "state": "failed", "why": "too dear"},
        {"product_id": "a", "state": "ok"},
        {"product_id": "b", "state": "ok", "why": None},
    ]
    found = item_results({"data": {"lines": lines}}, ITEMS, response, str)
    assert [r.outcome for r in found] == [A, A, R]
    assert found[2].message == "too dear"


def test_numeric_ids_in_an_answer_are_found() -> None:
    document = {"results": [{"sku": 5449, "status": "rejected", "error": BAD}]}
    (result,) = item_results(document, [price("5449")], PasonsResponse(), str)
    assert (result.outcome, result.code, result.message) == (R, "UNKNOWN_SKU", "not listed")


@pytest.mark.parametrize(
    ("entry", "outcome"),
    [
        ({"error": BAD}, R),
        ({"status": "accepted", "error": BAD}, U),
        ({"status": "rejected"}, R),
        ({"status": "rejected", "error": {"code": "TEMPORARILY_UNAVAILABLE"}}, T),
        ({"status": "internal error"}, T),
        ({"status": "Skipped"}, R),
        ({"status": None}, U),
        ({"status": "pending"}, U),
        ({"status": ["accepted"]}, U),
    ],
)
def test_one_entry_is_read_with_care(entry: dict[str, Any], outcome: Outcome) -> None:
    (result,) = item_results({"results": [entry]}, ITEMS[:1], PasonsResponse(), str)
    assert result.outcome is outcome
    assert result.message


@pytest.mark.parametrize(
    ("document", "refused"),
    [
        ({"success": False, "error": BAD}, True),
        ({"error": "store closed"}, True),
        ({"error": "store closed", "accepted": 3, "rejected": 0}, False),
        ({"error": "two failed", "results": [bad(0)]}, False),
        ({"error": None}, False),
        ({"success": True}, False),
        ({}, False),
        ([], False),
    ],
)
def test_a_success_that_is_an_error_is_refused_as_a_whole(document: Any, refused: bool) -> None:
    assert refused_whole(document, PasonsResponse()) is refused
