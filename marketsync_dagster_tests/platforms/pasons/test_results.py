"""Pasons' answers in every dialect: applied only with proof, refused in the platform's words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsync_dagster.config.accounts import PasonsResponse
from marketsync_dagster.platforms.base import ItemResult, PriceItem
from marketsync_dagster.platforms.pasons.dialect import Dialect
from marketsync_dagster.platforms.pasons.results import atomic_results, later, whole_outcome
from marketsync_dagster.platforms.pasons.results import item_results as results_of
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


def item_results(
    document: Any, items: list[PriceItem], response: PasonsResponse, clean: Any
) -> list[ItemResult]:
    return results_of(document, items, Dialect.of(response), clean)


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
        ({"success": True, "error": "store closed"}, False),
        ({"error": None}, False),
        ({"success": True}, False),
        ({}, False),
        ([], False),
    ],
)
def test_a_success_that_is_an_error_is_refused_as_a_whole(document: Any, refused: bool) -> None:
    found = whole_outcome(document, Dialect.of(PasonsResponse()))
    assert found is (R if refused else None)


@pytest.mark.parametrize(
    ("document", "outcome"),
    [
        ({"success": False, "error": {"code": "RATE_LIMITED", "message": "slowly"}}, T),
        ({"error": {"code": "temporarily unavailable"}}, T),
        ({"success": False, "error": {"code": "CLOSED"}}, R),
    ],
)
def test_a_batch_that_was_refused_for_now_goes_again(document: Any, outcome: Outcome) -> None:
    assert whole_outcome(document, Dialect.of(PasonsResponse())) is outcome


SUCCESS = {"success": "result.state", "success_words": ["OK", 0]}


@pytest.mark.parametrize(
    ("response", "document", "expected"),
    [
        # a word for the whole answer
        (SUCCESS, {"result": {"state": "ok"}}, [V, V, V]),
        (SUCCESS, {"result": {"state": 0}, **counts(3, 3, 0)}, [A, A, A]),
        (SUCCESS, {"result": {}}, [U, U, U]),
        (SUCCESS, counts(3, 3, 0), [U, U, U]),
        # it failed, and says for which items: the others are proved by counts or by nothing
        ({}, {"success": False, "results": [bad(1, "b")]}, [U, R, U]),
        ({}, {"success": False, "results": [bad(1, "b")], **counts(3, 2, 1)}, [A, R, A]),
        ({}, {"success": True, "error": "deprecated"}, [U, U, U]),
        # counts
        ({}, counts(3, 0, 3), [R, R, R]),
        ({}, counts(None, None, 3), [R, R, R]),
        ({}, counts(4, 0, 3), [U, U, U]),
        ({}, counts(3, -1, 4), [U, U, U]),
        ({"counts": {"accepted": "n.ok"}}, {"n": {"ok": 3}}, [A, A, A]),
        ({"counts": {"accepted": "n.ok"}}, {"accepted": 3}, [V, V, V]),
        ({"counts": None}, counts(3, 3, 0), [V, V, V]),
        ({"counts": None}, {"results": [bad(1, "b")], **counts(3, 2, 1)}, [V, R, V]),
        # results by id
        ({"results": "all"}, {"results": {"a": "ok", "b": "busy", "c": "denied"}}, [A, T, R]),
        ({"results": "all"}, {"results": {"a": "ok", "b": "ok"}}, [A, A, U]),
        ({"results": "all"}, {"results": {"a": "ok", "x": "ok", "c": "ok"}}, [A, U, A]),
        ({}, {"results": {"b": "too dear"}, **counts(3, 2, 1)}, [A, R, A]),
        ({}, {"results": {"b": BAD}}, [V, R, V]),
        ({}, {"results": {"b": {"status": "rejected"}}}, [V, R, V]),
        # ids alone
        ({"key": None}, {"results": ["b"], **counts(3, 2, 1)}, [A, R, A]),
        ({"key": None}, {"results": ["x"], **counts(3, 2, 1)}, [U, U, U]),
        # what was applied, in a list of its own
        ({"applied_items": "ok"}, {"ok": ["a", "c"], "results": [bad(1, "b")]}, [A, R, A]),
        ({"applied_items": "ok"}, {"ok": ["a"], "results": [bad(1, "b")]}, [A, R, U]),
        ({"applied_items": "ok"}, {"ok": ["a", "b", "c"], "results": [bad(1, "b")]}, [A, U, A]),
        ({"applied_items": "ok"}, {"ok": ["a", "b", "x"]}, [A, A, U]),
        ({"applied_items": "ok"}, {"ok": [{"sku": "a"}, {"sku": "b"}, {"index": 2}]}, [A, A, A]),
        ({"applied_items": "ok"}, {"ok": []}, [U, U, U]),
        ({"applied_items": "ok"}, {}, [V, V, V]),
        # numbers that begin at 1, and what is off by one
        ({"index_base": 1}, {"results": [bad(1), bad(3)], **counts(3, 1, 2)}, [R, A, R]),
        ({"index_base": 1}, {"results": [bad(0), bad(2)], **counts(3, 1, 2)}, [U, U, U]),
        ({"key": None}, {"results": [bad(1), bad(2), bad(3)]}, [U, U, U]),
        # by order alone: not where the entries name other items
        ({}, {"results": [{"id": "a", "status": "ok"}] * 3}, [U, U, U]),
        ({}, {"results": [{"id": i, "status": "ok"} for i in "abc"]}, [A, A, A]),
        ({}, {"results": [{"id": i, "status": "ok"} for i in "cba"]}, [U, U, U]),
        ({}, {"results": [{"status": "ok"}, {"status": "ok"}]}, [U, U, U]),
        ({}, {"results": [{"status": "ok"}] * 4}, [U, U, U]),
        # nothing but an error says that an item failed
        ({"status": None, "results": "all"}, {"results": [{}, {"error": "no"}, {}]}, [A, R, A]),
        ({"status": None}, {"results": [{"sku": "b"}], **counts(3, 2, 1)}, [A, R, A]),
    ],
)
def test_what_is_configured_is_read(
    response: dict[str, Any], document: Any, expected: list[Outcome]
) -> None:
    configured = PasonsResponse.model_validate(response)
    found = item_results(document, ITEMS, configured, str)
    assert [result.outcome for result in found] == expected
    assert all(result.message for result in found if result.outcome is not A)


@pytest.mark.parametrize(
    ("words", "entry", "outcome"),
    [
        ({"applied": ["skipped"]}, {"status": "SKIPPED"}, A),
        ({"applied": ["not changed"]}, {"status": "Not-Changed"}, A),
        ({"applied": [0], "refused": [1]}, {"status": 0}, A),
        ({"applied": [0], "refused": [1]}, {"status": "1"}, R),
        ({"applied": [0]}, {"status": 404}, R),
        ({"refused": [True]}, {"status": True}, R),
        ({"refused": ["ok"]}, {"status": "ok"}, R),
        ({"retryable": ["E42"]}, {"status": "rejected", "error": {"code": "e42"}}, T),
        ({"retryable": ["E42"]}, {"status": "rejected", "error": {"code": "e43"}}, R),
        ({"applied": ["E42"]}, {"status": "rejected", "error": {"code": "e42"}}, R),
        ({"accepted_async": ["queued"]}, {"status": "queued"}, Outcome.ACCEPTED_UNVERIFIED),
        ({"accepted_async": ["queued"]}, {"status": "queued", "error": "x"}, U),
        ({}, {"status": "rejected", "error": ["too dear"]}, R),
        ({}, {"status": "rejected", "error": []}, R),
        ({}, {"status": "", "error": ""}, U),
        ({}, {"status": {"ok": True}}, U),
    ],
)
def test_words_mean_what_is_configured(
    words: dict[str, Any], entry: dict[str, Any], outcome: Outcome
) -> None:
    response = PasonsResponse.model_validate({"words": words})
    (result,) = item_results({"results": [entry]}, ITEMS[:1], response, str)
    assert result.outcome is outcome
    assert (result.message == "") == (outcome is A)


def test_a_word_that_nobody_configured_says_where_to() -> None:
    (result,) = item_results({"results": [{"status": "pending"}]}, ITEMS[:1], PasonsResponse(), str)
    assert result.message == (
        "the platform answered 'pending'; if that is an answer, say so in response.words"
    )


def test_a_code_beside_the_error_is_read() -> None:
    response = PasonsResponse(error="why", code="number")
    entry = {"status": "rejected", "why": "locked", "number": "BUSY"}
    (result,) = item_results({"results": [entry]}, ITEMS[:1], response, str)
    assert (result.outcome, result.code, result.message) == (T, "BUSY", "locked")


def test_what_is_taken_for_later_is_not_called_applied() -> None:
    found = item_results(
        {"results": [bad(1, "b")], **counts(3, 2, 1)}, ITEMS, PasonsResponse(), str
    )
    assert [r.outcome for r in later(found)] == [
        Outcome.ACCEPTED_UNVERIFIED,
        R,
        Outcome.ACCEPTED_UNVERIFIED,
    ]
    unknown = item_results({}, ITEMS, PasonsResponse(if_absent="unknown"), str)
    assert [r.outcome for r in later(unknown)] == [U, U, U]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"results": [bad(1, "b")]}, [T, R, T]),
        ({"results": [good(0, "a"), bad(1, "b"), good(2, "c")]}, [T, R, T]),
        ({"results": [bad(1, "b"), bad(2, "c", error={"code": "BUSY"})]}, [T, R, T]),
        ({"results": [{"sku": "b", "status": "odd"}]}, [T, R, T]),
        ({"results": [bad(1, "x")]}, None),
        ({"results": [good(0, "a")]}, None),
        ({"results": []}, None),
        ({"error": BAD}, None),
        ([], None),
    ],
)
def test_where_bad_items_stop_a_batch_the_others_go_again(
    document: Any, expected: list[Outcome] | None
) -> None:
    found = atomic_results(document, ITEMS, Dialect.of(PasonsResponse()), str)
    assert (None if found is None else [result.outcome for result in found]) == expected
    assert all(result.message for result in found or [])


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 600)
    | st.sampled_from(["a", "b", "c", "ok", "rejected", "busy", "", "x", "sku", "OK"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                "a b c sku index status error results accepted rejected received success "
                "code".split()
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
CONFIGURED = st.fixed_dictionaries(
    {},
    optional={
        "key": st.sampled_from([None, "sku", "a.sku"]),
        "index": st.sampled_from([None, "index"]),
        "index_base": st.sampled_from([0, 1]),
        "applied_items": st.sampled_from([None, "accepted"]),
        "status": st.sampled_from([None, "status", "error.code"]),
        "counts": st.sampled_from([None, {}, {"accepted": "index"}]),
        "success": st.sampled_from([None, "success"]),
        "results": st.sampled_from(["all", "failures_only"]),
        "if_absent": st.sampled_from(["accepted_unverified", "unknown"]),
        "words": st.just({"applied": ["x"]}),
    },
)


@settings(max_examples=400, deadline=None)
@given(document=JSON, response=CONFIGURED)
def test_whatever_is_answered_every_item_has_one_outcome_with_words(
    document: Any, response: dict[str, Any]
) -> None:
    dialect = Dialect.of(PasonsResponse.model_validate(response))
    found = results_of(document, ITEMS, dialect, str)
    assert len(found) == len(ITEMS)
    assert all(result.message for result in found if result.outcome is not A)
    if not any(isinstance(document, kind) for kind in (dict, list)):
        assert A not in [result.outcome for result in found]
    whole_outcome(document, dialect)
    atomic = atomic_results(document, ITEMS, dialect, str)
    assert atomic is None or not {A, V} & {result.outcome for result in atomic}
