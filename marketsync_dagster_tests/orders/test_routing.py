"""Which lines go where, and what becomes of orders that no route takes."""

from __future__ import annotations

from typing import Any

import pytest

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.orders import BookLine, BookOrder
from marketsync_dagster.orders.routing import Goods, destination_of, routes_of
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster_tests.orders import places as p

FIRST = "[{to: prints, %s}, {to: pos}]"
ONLY = "[{to: prints, %s}]"
TABLE = {
    "by account": (FIRST % "account: best_buy", {}, "prints"),
    "by another account": (FIRST % "account: web", {}, "pos"),
    "by one of several accounts": (FIRST % "account: [web, best_buy]", {}, "prints"),
    "by outlet": (FIRST % "outlet: a", {}, "prints"),
    "by another outlet": (FIRST % "outlet: b", {}, "pos"),
    "by SKU": (FIRST % "sku: S1", {}, "prints"),
    "by a pattern": (FIRST % 'sku: ["POD-*", "S?"]', {}, "prints"),
    "by a pattern of another case": (FIRST % 'sku: "s*"', {}, "pos"),
    "by the order's tag": (FIRST % "tag: gift", {"order_tags": ("gift",)}, "prints"),
    "by the product's tag": (FIRST % "tag: [gift, pod]", {"tags": {"pod", "x"}}, "prints"),
    "by a tag in another case": (FIRST % "tag: Summer Sale", {"tags": {"summer  SALE"}}, "prints"),
    "by the order's tag in another case": (
        FIRST % "tag: GIFT",
        {"order_tags": (" Gift",)},
        "prints",
    ),
    "by a part of a tag": (FIRST % "tag: sale", {"tags": {"summer sale"}}, "pos"),
    "by a tag that nobody has": (FIRST % "tag: gift", {"tags": {"pod"}}, "pos"),
    "enough": (FIRST % "stock: enough", {"stock": 2}, "prints"),
    "not enough": (FIRST % "stock: enough", {"stock": 1}, "pos"),
    "short": (FIRST % "stock: short", {"stock": 1}, "prints"),
    "not short": (FIRST % "stock: short", {"stock": 2}, "pos"),
    "less than nothing is short": (FIRST % "stock: short", {"stock": -3}, "prints"),
    "unknown is not short": (FIRST % "stock: short", {"stock": None}, "pos"),
    "unknown is not enough": (FIRST % "stock: enough", {"stock": None}, "pos"),
    "every condition must hold": (FIRST % "sku: S1, outlet: b", {}, "pos"),
    "the first that fits": ("[{to: backup, sku: S1}, {to: prints}]", {}, "backup"),
    "none": (ONLY % "sku: POD-*", {}, None),
    "no routes": ("[]", {}, None),
}


@pytest.mark.parametrize(("routes", "said", "to"), TABLE.values(), ids=TABLE)
def test_the_first_route_that_fits_takes_a_line(
    routes: str, said: dict[str, Any], to: str | None
) -> None:
    tags, stock = said.get("tags", ()), said.get("stock", 5)
    order = p.an_order(p.a_line(), tags=said.get("order_tags", ()))
    settings = p.settings_of(routes)
    assert destination_of(settings, order, order.lines[0], tags=tags, stock=stock) == to


def test_only_open_pieces_need_stock() -> None:
    settings = p.settings_of(FIRST % "stock: short")
    order = p.an_order(p.a_line(quantity=5, cancelled=2, shipped=2))
    assert destination_of(settings, order, order.lines[0], stock=1) == "pos"


def test_lines_of_one_product_share_its_stock() -> None:
    settings = p.settings_of("[{to: pos, stock: enough}, {to: prints}]")
    order = p.an_order(p.a_line("1"), p.a_line("2", sku="S1"), p.a_line("3"))

    def three(_order: BookOrder, _line: BookLine) -> Goods:
        return Goods(3)

    routed = routes_of(settings, order, order.lines, three)
    assert routed == {"1": "pos", "2": "prints", "3": "pos"}


def test_one_order_goes_to_several_places_some_lines_each(ledger: Ledger) -> None:
    settings = p.settings_of("[{to: prints, sku: POD-*}, {to: pos}]")
    order = p.an_order(
        p.a_line("1", sku="POD-1"), p.a_line("2", outlet="b"), p.a_line("3"),
        p.a_line("4", sku="POD-2", quantity=3),
    )  # fmt: skip
    p.put(ledger, order)
    routed = p.route(ledger, settings)
    assert (routed.forwards, routed.held) == (3, 0)
    there = {(one.destination, one.outlet): dict(one.lines) for one in p.forwards(ledger, order)}
    assert there == {
        ("prints", "a"): {"1": 2, "4": 3},
        ("pos", "b"): {"2": 2},
        ("pos", "a"): {"3": 2},
    }
    assert len(p.events(ledger, order, "routed")) == 4
    # and never again
    assert p.route(ledger, settings).forwards == 0
    assert len(p.forwards(ledger, order)) == 3


NOT_YET = {
    "accepted only": {"state": OrderState.ACCEPTED},
    "new": {"state": OrderState.NEW},
    "shipped": {"state": OrderState.SHIPPED, "shipped": 2},
    "cancelled": {"state": OrderState.CANCELLED, "cancelled": 2},
    "all pieces cancelled": {"cancelled": 2},
    "not mapped": {"sku": "", "unmapped": "who knows"},
    "vanished": {"vanished_at": "2026-11-21T06:00:00.000Z"},
}


def test_only_what_is_to_be_sent_is_forwarded(ledger: Ledger) -> None:
    settings = p.settings_of()
    for name, said in NOT_YET.items():
        order = p.an_order(p.a_line(**said), external_id=name)
        p.put(ledger, order)
    held = p.an_order(external_id="held")
    p.put(ledger, held)
    with ledger.begin() as conn:
        p.book.hold_order(conn, held, "person", "wait", "", by="Ann", at="")
    assert p.route(ledger, settings).forwards == 0


def test_a_line_that_no_route_takes_holds_its_order_until_one_does(ledger: Ledger) -> None:
    order = p.an_order(p.a_line("1", sku="POD-1"), p.a_line("2"))
    p.put(ledger, order)
    settings = p.settings_of("[{to: prints, sku: POD-*}]")
    assert p.route(ledger, settings).held == 1
    assert p.route(ledger, settings).held == 0  # it waits already
    assert p.holds(ledger, order) == {"route": "no route takes S2 of a"}
    assert p.forwards(ledger, order) == []
    more = p.settings_of("[{to: prints, sku: POD-*}, {to: pos}]")
    routed = p.route(ledger, more)
    assert (routed.released, routed.forwards) == (1, 2)
    assert p.holds(ledger, order) == {}


def test_without_any_routes_people_ship(ledger: Ledger) -> None:
    order = p.an_order()
    p.put(ledger, order)
    assert p.route(ledger, p.settings_of("[]")).held == 0
    assert p.forwards(ledger, order) == []
    assert p.holds(ledger, order) == {}


def test_a_step_routes_what_concerns_its_own_places_and_no_more_than_its_limit(
    ledger: Ledger,
) -> None:
    settings = p.settings_of("[{to: prints, sku: POD-*}, {to: pos}]")
    for number in range(3):
        p.put(ledger, p.an_order(p.a_line(), external_id=f"till {number}"))
        p.put(ledger, p.an_order(p.a_line(sku="POD-1"), external_id=f"print {number}"))
    routed = p.route(ledger, settings, destinations={"prints"}, limit=2)
    assert (routed.forwards, routed.left_out) == (2, 1)
    with ledger.read() as conn:
        from marketsync_dagster.ledger.forwards import LIVE, forwards_at

        assert len(forwards_at(conn, "prints", LIVE)) == 2
        assert forwards_at(conn, "pos", LIVE) == []
    assert p.route(ledger, settings).forwards == 4


def test_numbers_are_short_plain_and_each_its_own(ledger: Ledger) -> None:
    settings = p.settings_of("[{to: prints, sku: S1}, {to: backup, sku: S2}, {to: pos}]")
    orders = [
        p.an_order(p.a_line("1"), p.a_line("2"), p.a_line("3"), external_id=f"A-{n}")
        for n in range(120)
    ]
    p.put(ledger, *orders)
    assert p.route(ledger, settings).forwards == 360
    numbers = [one.number for order in orders for one in p.forwards(ledger, order)]
    assert len(set(numbers)) == 360
    assert all(number == "".join(c for c in number if c in "abcdefghijklmnopqrstuvwxyz0123456789_")
               and len(number) <= 15 for number in numbers)  # fmt: skip
    assert {number[:-10] for number in numbers} == {"bhrt_", "ms"}
    # the same order has the same number whoever makes it
    from marketsync_dagster.orders.forward_steps import number_of

    (one,) = (one for one in p.forwards(ledger, orders[0]) if one.destination == "prints")
    assert one.number == "bhrt_" + number_of(orders[0].id, "prints", "a", 1)


def test_a_number_that_is_taken_is_not_used_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    from marketsync_dagster.orders import forward_steps

    def narrow(order_id: str, destination: str, outlet: str, attempt: int, salt: int) -> str:
        return f"{salt:010}"

    monkeypatch.setattr(forward_steps, "number_of", narrow)
    settings = p.settings_of()
    orders = [p.an_order(external_id=name) for name in ("A-1", "A-2", "A-3")]
    p.put(ledger, *orders)
    p.route(ledger, settings)
    numbers = {one.number for order in orders for one in p.forwards(ledger, order)}
    assert numbers == {"bhrt_0000000000", "bhrt_0000000001", "bhrt_0000000002"}
