"""What a command is as a request, what an answer to it means, and what proves that it was done."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from marketsync_dagster.platforms.answers import Readable
from marketsync_dagster.platforms.base import Answer, Call
from marketsync_dagster.platforms.http import Cleaner
from marketsync_dagster.platforms.mirakl.order_commands import (
    Request,
    read_answer,
    request_of,
    settled,
)
from marketsync_dagster.platforms.mirakl.order_proofs import proved
from marketsync_dagster.platforms.mirakl.order_reading import load
from marketsync_dagster.platforms.ordering import (
    Command,
    CommandAnswer,
    OrderCapabilities,
    Tracking,
)
from marketsync_dagster.values.order_states import CommandKind
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.platforms.mirakl.orders import command, order, pulled, refund

CAN = OrderCapabilities(frozenset(CommandKind), partial_accept=True)
A, R, T, U, X = (
    Outcome.APPLIED,
    Outcome.REFUSED,
    Outcome.RETRYABLE,
    Outcome.UNKNOWN,
    Outcome.UNSUPPORTED,
)
CALL = Call("GET", "/orders", 200, 1)


def sent(kind: str, can: OrderCapabilities = CAN, **said: Any) -> Request:
    found = request_of(command(kind, **said), can)
    assert isinstance(found, Request), found
    return found


def body(kind: str, **said: Any) -> Any:
    return load(sent(kind, **said).body or b"null")


def readable(document: Any, status: int = 200) -> Readable:
    return Readable(load(orjson.dumps(document)), Cleaner(()), CALL, status)


# --- requests


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("accept", "PUT /orders/A%2F1%20-A/accept"),
        ("tracking", "PUT /orders/A%2F1%20-A/tracking"),
        ("ship", "PUT /orders/A%2F1%20-A/ship"),
        ("cancel", "PUT /orders/A%2F1%20-A/cancel"),
        ("parcel", "POST /shipments"),
        ("refund", "PUT /orders/refund"),
        ("cancel_lines", "PUT /orders/cancel"),
    ],
)
def test_every_command_has_its_call(kind: str, path: str) -> None:
    found = sent(kind, external_id="A/1 -A", tracking=Tracking("DHL", "", "1"))
    assert f"{found.method} {found.path}" == path


def test_a_decision_names_every_line_in_one_call() -> None:
    accepted = {"A-1-1": True, "A-1-2": False}
    lines = [{"id": "A-1-1", "accepted": True}, {"id": "A-1-2", "accepted": False}]
    assert body("accept", accepted=accepted) == {"order_lines": lines}
    assert [sent(kind).body for kind in ("ship", "cancel")] == [None, None]


def test_a_registered_carrier_goes_by_its_code_and_another_by_name_and_address() -> None:
    url = "https://track.example/9"
    known = Tracking("DHL", "DHL Express", "9", url)
    other = Tracking("", "Bodaboda", "9", url)
    assert body("tracking", tracking=known) == {"carrier_code": "DHL", "tracking_number": "9"}
    assert body("tracking", tracking=other) == {
        "carrier_name": "Bodaboda",
        "carrier_url": url,
        "tracking_number": "9",
    }
    (shipment,) = body("parcel", tracking=other)["shipments"]
    assert shipment["tracking"]["tracking_url"] == url


def test_a_parcel_carries_our_reference_and_leaves_at_once() -> None:
    (shipment,) = body("parcel", lines={"A-1-1": 1, "A-1-2": 3})["shipments"]
    assert (shipment["order_id"], shipment["invoice_reference"], shipment["shipped"]) == (
        "A-1",
        "P-1",
        True,
    )
    assert shipment["shipment_lines"] == [
        {"order_line_id": "A-1-1", "quantity": 1, "package_reference": "P-1"},
        {"order_line_id": "A-1-2", "quantity": 3, "package_reference": "P-1"},
    ]


def test_a_refund_takes_its_share_of_the_taxes_and_the_last_one_all_that_is_left() -> None:
    def taxes(amount: str, shipping: str = "0", **line: Any) -> tuple[Any, ...]:
        details = pulled({"price": 10, "taxes": [{"code": "V", "amount": 1}], **line}).details
        (part,) = body(
            "refund",
            amounts={"A-1-1": Decimal(amount)},
            shipping_amounts={"A-1-1": Decimal(shipping)},
            details=details,
        )["refunds"]
        found = [str(tax["amount"]) for name in _TAXES for tax in part[name]]
        return (str(part["amount"]), str(part["shipping_amount"]), *found)

    assert taxes("3.33") == ("3.33", "0.00", "0.33", "0.00")
    assert taxes("10.00", "1.25") == ("10.00", "1.25", "1.00", "0.20")
    assert taxes("0.00", "0.50") == ("0.00", "0.50", "0.00", "0.08")
    gone = refund(amount=6.67, taxes=[{"code": "V", "amount": 0.67}])
    assert taxes("3.33", refunds=[gone]) == ("3.33", "0.00", "0.33", "0.00")
    assert taxes("3.33", cancelations=[gone]) == ("3.33", "0.00", "0.33", "0.00")
    body_of = body("refund", details={"order_tax_mode": "TAX_EXCLUDED"})
    assert body_of["order_tax_mode"] == "TAX_EXCLUDED"
    (bare,) = body_of["refunds"]
    assert not set(_TAXES) & set(bare)
    assert (bare["quantity"], bare["reason_code"], bare["currency_iso_code"]) == (1, "15", "KES")


_TAXES = ("taxes", "shipping_taxes")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (command("accept", accepted={}), "no line is decided"),
        (command("tracking"), "a carrier is needed"),
        (command("tracking", tracking=Tracking("", "", "9")), "a carrier is needed"),
        (command("parcel", lines={}), "a parcel needs lines"),
        (command("parcel", reference=""), "a parcel needs lines and a reference"),
        (command("refund", amounts={}), "no line has an amount"),
        (command("refund", reason_code=""), "one of its reason codes"),
        (command("refund", amounts={"A-1-1": Decimal("0.005")}), "more decimals than KES has"),
        (command("cancel_lines", lines={}), "line A-1-1: a cancellation needs the number"),
    ],
)
def test_a_command_that_lacks_something_is_refused_without_a_call(
    said: Command, words: str
) -> None:
    found = request_of(said, CAN)
    assert isinstance(found, CommandAnswer)
    assert (found.outcome, found.call.status) == (R, None)
    assert words in found.message


def test_what_the_shop_does_not_take_is_unsupported_and_makes_no_call() -> None:
    no_parcels = OrderCapabilities(frozenset(CommandKind) - {CommandKind.PARCEL})
    part = command("accept", accepted={"A-1-1": True, "A-1-2": False})
    for said in (command("parcel"), part):
        found = request_of(said, no_parcels)
        assert isinstance(found, CommandAnswer)
        assert (found.outcome, found.call.status, bool(found.message)) == (X, None, True)
    whole = command("accept", accepted={"A-1-1": False, "A-1-2": False})
    assert isinstance(request_of(whole, no_parcels), Request)


# --- answers

SHIPPED = "The order status must be 'SHIPPING' but it is 'SHIPPED'."
OURS = {"order_id": "A-1", "id": "s1", "invoice_reference": "P-1", "shipment_lines": []}


@pytest.mark.parametrize(
    ("success", "errors", "end", "wrong"),
    [
        ([OURS], [], A, False),
        ([{**OURS, "invoice_reference": None,
           "shipment_lines": [{"package_reference": "P-1"}]}], [], A, False),
        ([], [{"order_id": "A-1", "message": SHIPPED}], R, True),
        ([], [{"order_id": "A-1", "message": "Shipment quantity is invalid."}], R, False),
        ([], [], U, False),
        ([], [{"order_id": "B-1", "message": "no"}], U, False),
        ([{**OURS, "order_id": "B-1"}], [], U, False),
        ([{**OURS, "invoice_reference": "P-2"}], [], U, False),
        ([OURS], [{"order_id": "A-1", "message": "no"}], U, False),
        ([OURS, OURS], [], U, False),
    ],
)  # fmt: skip
def test_lists_of_successes_and_errors_prove_what_they_say_of_our_parcel(
    success: list[Any], errors: list[Any], end: Outcome, wrong: bool
) -> None:
    said = readable({"shipment_success": success, "shipment_errors": errors}, 201)
    found = read_answer(command("parcel"), sent("parcel"), said)
    assert (found.outcome, found.wrong_state) == (end, wrong)
    assert (found.reference, bool(found.message)) == (("s1", False) if end is A else ("", True))


@pytest.mark.parametrize(
    ("kind", "name", "key"),
    [("refund", "refunds", "refund_id"), ("cancel_lines", "cancelations", "cancelation_id")],
)
def test_money_is_back_if_every_line_has_an_id_for_it(kind: str, name: str, key: str) -> None:
    amounts = {"A-1-1": Decimal(1), "A-1-2": Decimal(2)}
    pieces = {"A-1-1": 1, "A-1-2": 1}
    said = command(kind, amounts=amounts, lines=pieces)
    both = [{"order_line_id": "A-1-2", key: 8}, {"order_line_id": "A-1-1", key: "7"}]

    def end(listed: Any) -> CommandAnswer:
        return read_answer(said, sent(kind), readable({name: listed}))

    assert (end(both).outcome, end(both).reference) == (A, "7,8")
    others = [*both, {"order_line_id": "A-1-3", key: "9"}]
    for listed in ([], both[:1], others, [{**both[0], key: None}, both[1]], None, {}):
        assert end(listed).outcome is U


@pytest.mark.parametrize("kind", ["accept", "ship", "tracking", "cancel"])
def test_a_document_where_none_was_expected_proves_nothing(kind: str) -> None:
    request = sent(kind, tracking=Tracking("DHL", "", "1"))
    assert read_answer(command(kind), request, readable({})).outcome is U


@pytest.mark.parametrize(
    ("status", "said", "end"),
    [
        (429, T, T), (425, T, T), (None, T, T), (408, T, U), (500, T, U), (502, T, U),
        (503, T, U), (504, T, U), (400, R, R), (404, R, R), (None, U, U), (204, A, A),
    ],
)  # fmt: skip
def test_an_error_that_a_gateway_may_have_made_does_not_say_that_nothing_was_done(
    status: int | None, said: Outcome, end: Outcome
) -> None:
    answer = Answer(Call("PUT", "/x", status, 1), outcome=said, message="m", retry_after_s=3.0)
    found = settled(answer, "")
    assert (found.outcome, found.message, found.retry_after_s) == (end, "m", 3.0)


@pytest.mark.parametrize(
    ("code", "words", "wrong"),
    [
        ("ORDER_INVALID_STATE", "no", True),
        ("", "Order A-1 cannot be shipped. Current status is SHIPPED", True),
        ("", SHIPPED, True),
        ("ORDER_LINE_NOT_FOUND", "no", False),
    ],
)
def test_an_order_in_another_state_is_told_from_other_refusals(
    code: str, words: str, wrong: bool
) -> None:
    answer = Answer(Call("PUT", "/x", 400, 1), outcome=R, message=words)
    found = settled(answer, code)
    assert (found.wrong_state, found.code) == (wrong, code)
    assert not settled(Answer(answer.call, outcome=U, message=words), code).wrong_state


# --- proofs


def state(name: str, line: str | None = None, **said: Any) -> dict[str, Any]:
    return order({"order_line_state": line or name}, order_state=name, **said)


NOBODY: dict[str, Any] = {"acceptance_decision_date": None}
REFUSES = command("accept", accepted={"A-1-1": False})
DHL = command("tracking", tracking=Tracking("DHL", "DHL Express", "9"))
BODA = command("tracking", tracking=Tracking("", "Bodaboda", "9"))
AGAIN = {"refunds": [refund(), refund(id="R2")]}


@pytest.mark.parametrize(
    ("said", "document", "end"),
    [
        (command("accept"), state("WAITING_ACCEPTANCE", **NOBODY), T),
        (command("accept"), state("STAGING", **NOBODY), "early"),
        (command("accept"), state("WAITING_DEBIT"), A),
        (command("accept"), state("SHIPPING"), A),
        (command("accept"), state("CLOSED"), A),
        (command("accept"), state("CANCELED"), A),
        (command("accept"), state("CANCELED", **NOBODY), R),
        (command("accept"), state("REFUSED", **NOBODY), R),
        (command("accept"), state("SHIPPING", "REFUSED"), R),
        (command("accept", accepted={"A-1-9": True}), state("SHIPPING"), U),
        (REFUSES, state("REFUSED"), A),
        (REFUSES, state("SHIPPING"), R),
        (REFUSES, state("SHIPPING", "REFUSED"), A),
        (REFUSES, state("REFUSED", **NOBODY), R),
        (command("ship"), state("SHIPPED"), A),
        (command("ship"), state("TO_COLLECT"), A),
        (command("ship"), state("RECEIVED"), A),
        (command("ship"), state("CLOSED"), A),
        (command("ship"), state("SHIPPING"), T),
        (command("ship"), state("ON_THE_MOON"), T),
        (command("ship"), state("WAITING_DEBIT"), "early"),
        (command("ship"), state("CANCELED"), R),
        (command("cancel"), state("CANCELED"), A),
        (command("cancel"), state("SHIPPING"), T),
        (command("cancel"), state("SHIPPED"), R),
        (command("cancel"), state("REFUSED"), R),
        (DHL, order(shipping_carrier_code="DHL", shipping_tracking="9"), A),
        (DHL, order(shipping_carrier_code="DHL", shipping_tracking="8"), T),
        (DHL, order(shipping_carrier_code="UPS", shipping_tracking="9"), T),
        (DHL, order(), T),
        (DHL, state("WAITING_DEBIT"), "early"),
        (DHL, state("CANCELED"), R),
        (BODA, order(shipping_company="Bodaboda", shipping_tracking="9"), A),
        (BODA, order(shipping_carrier_code="DHL", shipping_tracking="9"), T),
        (command("refund"), order(), T),
        (command("refund"), order({"refunds": [refund()]}), A),
        (command("refund", known=("R1",)), order({"refunds": [refund()]}), T),
        (command("refund", known=("R1",)), order(AGAIN), A),
        (command("refund"), order(AGAIN), A),
        (command("refund"), order({"refunds": [refund(amount=12)]}), U),
        (command("refund"), order({"refunds": [refund(shipping_amount=1)]}), U),
        (command("refund"), order({"refunds": [refund(reason_code="16")]}), U),
        (command("refund"), order({"cancelations": [refund()]}), T),
        (command("refund", amounts={"A-1-9": Decimal(1)}), order(), U),
        (command("cancel_lines"), order({"cancelations": [refund(reason_code="34")]}), A),
        (command("cancel_lines"), order({"refunds": [refund(reason_code="34")]}), T),
    ],
)
def test_what_an_order_proves_of_a_command(
    said: Command, document: dict[str, Any], end: Outcome | str
) -> None:
    found = proved(said, readable({"orders": [document]}))
    wanted = (T, True) if end == "early" else (end, False)
    assert (found.outcome, found.wrong_state) == wanted, found.message
    assert bool(found.message) == (found.outcome is not A)
    # of another order, or of none, nothing is proved
    for orders in ([], [{**document, "order_id": "B-1"}], None):
        assert proved(said, readable({"orders": orders})).outcome is U


def test_half_of_a_refund_is_for_a_person() -> None:
    document = order({"refunds": [refund()]})
    document["order_lines"].append({**order()["order_lines"][0], "order_line_id": "A-1-2"})
    both = dict.fromkeys(("A-1-1", "A-1-2"), Decimal("12.50"))
    found = proved(command("refund", amounts=both), readable({"orders": [document]}))
    assert found.outcome is U


PARCEL = {**OURS, "status": "SHIPPED"}
NAMELESS = {**PARCEL, "invoice_reference": None, "id": "s9"}


@pytest.mark.parametrize(
    ("document", "end"),
    [
        ({"data": []}, T),
        ({"data": [PARCEL]}, A),
        ({"data": [{**PARCEL, "status": "SHIPPING"}]}, A),
        ({"data": [{**PARCEL, "status": "CANCELED"}]}, U),
        ({"data": [{**PARCEL, "invoice_reference": "P-2"}]}, T),
        ({"data": [{**PARCEL, "invoice_reference": "P-2"}], "next_page_token": "x"}, U),
        ({"data": [{**PARCEL, "order_id": "B-1"}]}, U),
        ({"data": [NAMELESS]}, U),
        ({"data": [{**NAMELESS, "id": "known"}]}, T),
        ({"data": None}, U),
        ([], U),
    ],
)
def test_what_the_list_of_parcels_proves(document: Any, end: Outcome) -> None:
    found = proved(command("parcel", known=("known",)), readable(document))
    assert (found.outcome, found.reference) == (end, "s1" if end is A else "")
