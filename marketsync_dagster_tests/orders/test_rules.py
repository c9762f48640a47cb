"""The rules of acceptance, as a table."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from marketsync_dagster.config.orders import OrderSettings, Served
from marketsync_dagster.orders.rules import address_problem, judge
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster_tests.orders.telling import a_line, an_order, known

ENOUGH: dict[str, int | None] = {"1": 9, "2": 9, "3": 9}


def an_open_order(*offers: str, **said: Any):
    lines = [a_line(str(n), offer_sku=offer) for n, offer in enumerate(offers or ("S1",), 1)]
    return known(an_order(*lines, **said)).order


def settings(**said: Any) -> OrderSettings:
    return OrderSettings.model_validate({"accept": "auto"} | said)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_line_that_is_not_mapped_holds_the_order_wherever_it_stands(place: int) -> None:
    offers = ["S1", "S2", "S3"]
    offers[place] = "X9"
    strict = settings(refuse=["stock", "address", "value"], partial=True)
    verdict = judge(an_open_order(*offers), strict, free=ENOUGH, partial=True)
    assert verdict.decision == "hold"
    assert [doubt.kind for doubt in verdict.doubts] == ["unmapped"]
    assert verdict.doubts[0].lines == {str(place + 1)}


def test_the_only_line_holds_the_order_too() -> None:
    assert judge(an_open_order("X1"), settings()).decision == "hold"


CASES: list[tuple[str, dict[str, Any], dict[str, Any], str, list[str]]] = [
    # name, settings, what is known, decision, doubts
    ("all is well", {}, {"free": ENOUGH}, "accept", []),
    ("no stock rule", {"stock": False}, {"free": {"1": 0}}, "accept", []),
    ("just enough", {}, {"free": {"1": 2}}, "accept", []),
    ("one too few", {}, {"free": {"1": 1}}, "hold", ["stock"]),
    ("the till does not count", {}, {"free": {"1": None}}, "hold", ["stock"]),
    ("its goods are elsewhere", {}, {"free": {}}, "accept", []),
    ("too few, refused", {"refuse": ["stock"]}, {"free": {"1": 1}}, "refuse", ["stock"]),
    ("the value is under", {"below": "20.01"}, {"free": ENOUGH}, "accept", []),
    ("the value is at", {"below": "20.00"}, {"free": ENOUGH}, "hold", ["value"]),
    ("too dear, refused", {"below": "1", "refuse": ["value"]}, {"free": ENOUGH}, "refuse",
     ["value"]),
    ("served", {"served": {"countries": ["KE"]}}, {"free": ENOUGH, "country": "ke"}, "accept", []),
    ("not served", {"served": {"countries": ["KE"]}}, {"free": ENOUGH, "country": "UG"}, "hold",
     ["address"]),
    ("no address yet", {"served": {"countries": ["KE"]}}, {"free": ENOUGH}, "accept", []),
    ("postal code", {"served": {"zips": ["M5*"]}}, {"free": ENOUGH, "zip_code": "m5v 3l9"},
     "accept", []),
    ("other postal code", {"served": {"zips": ["M5*"]}, "refuse": ["address"]},
     {"free": ENOUGH, "zip_code": "K1A"}, "refuse", ["address"]),
    ("one reason holds, one refuses", {"below": "1", "refuse": ["stock"]}, {"free": {"1": 0}},
     "hold", ["value", "stock"]),
    ("a person decides", {"accept": "manual"}, {"free": ENOUGH}, "hold", ["manual"]),
    ("a person decides, and sees why", {"accept": "manual", "refuse": ["stock"]},
     {"free": {"1": 0}}, "hold", ["manual", "stock"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "there", "decision", "doubts"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_an_order_is_judged(
    said: dict[str, Any], there: dict[str, Any], decision: str, doubts: list[str]
) -> None:
    verdict = judge(an_open_order(), settings(**said), **there)
    assert (verdict.decision, [doubt.kind for doubt in verdict.doubts]) == (decision, doubts)


@pytest.mark.parametrize(
    ("allowed", "wanted", "free", "decision", "taken"),
    [
        (True, True, {"1": 9, "2": 0}, "accept", {"1": True, "2": False}),
        (False, True, {"1": 9, "2": 0}, "refuse", {"1": False, "2": False}),
        (True, False, {"1": 9, "2": 0}, "refuse", {"1": False, "2": False}),
        (True, True, {"1": 0, "2": 0}, "refuse", {"1": False, "2": False}),
    ],
)
def test_only_where_the_operator_allows_it_some_lines_are_taken(
    allowed: bool, wanted: bool, free: dict[str, int | None], decision: str, taken: dict[str, bool]
) -> None:
    said = settings(refuse=["stock"], partial=wanted)
    verdict = judge(an_open_order("S1", "S2"), said, free=free, partial=allowed)
    assert (verdict.decision, verdict.accepted) == (decision, taken)
    assert verdict.partial == (decision == "accept")


def test_what_is_wrong_with_the_whole_order_refuses_all_of_it() -> None:
    said = settings(refuse=["stock", "address"], partial=True, served={"countries": ["KE"]})
    verdict = judge(
        an_open_order("S1", "S2"), said, free={"1": 9, "2": 0}, country="UG", partial=True
    )
    assert verdict.accepted == {"1": False, "2": False}


def test_every_line_that_is_there_is_listed_and_no_other() -> None:
    order = an_open_order("S1", "S2", "S3")
    first, second, third = order.lines
    gone = replace(first, vanished_at="2026-11-21T00:00:00.000Z")
    cancelled = replace(second, state=OrderState.CANCELLED)
    verdict = judge(replace(order, lines=(gone, cancelled, third)), settings(), free=ENOUGH)
    assert verdict.accepted == {"2": False, "3": True}


def test_a_line_of_which_nothing_known_was_said_is_not_taken_by_rule() -> None:
    order = an_open_order()
    line = replace(order.lines[0], remote_state=None)
    verdict = judge(replace(order, lines=(line,)), settings(), free=ENOUGH)
    assert (verdict.decision, verdict.doubts[0].kind) == ("hold", "manual")


def test_an_address_in_one_piece_is_looked_at_by_people() -> None:
    order = an_open_order(details={"shipping_address": "unparsed"})
    said = settings(refuse=["address"])
    verdict = judge(order, said, free=ENOUGH)
    assert (verdict.decision, verdict.doubts[0].kind) == ("hold", "address")


def test_no_word_of_an_address_is_in_a_reason() -> None:
    served = Served(countries=["KE"], zips=["001*"])
    assert "UG" not in address_problem("UG", "", served)
    assert "99999" not in address_problem("KE", "99999", served)


def test_an_exact_limit_is_compared_in_the_orders_currency() -> None:
    order = an_open_order(currency="JPY", total=Decimal(500))
    assert judge(order, settings(below="501"), free=ENOUGH).decision == "accept"
    assert judge(order, settings(below="500"), free=ENOUGH).decision == "hold"
