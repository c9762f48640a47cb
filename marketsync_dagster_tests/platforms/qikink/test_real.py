"""Orders by Qikink's own interface: what is sent, what comes back, what is found again."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from marketsync_dagster.platforms.fulfilling import Found, Fulfiller, Handed, OutgoingLine
from marketsync_dagster.platforms.ordering import Person
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import to_iso, utcnow
from marketsync_dagster_tests.platforms.qikink.desk import (
    ASHA,
    REAL,
    calls,
    order,
    seed,
    settings,
    work,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

LONG = (
    "Flat 1203 Tower Seven Prestige Lakeside Habitat Whitefield Varthur Road near Gunjur Palya East"
)
YESTERDAY = "2026-11-20T00:00:00.000Z"


def create(url: str, number: str = "ms0001", **more: Any) -> Handed:
    return work(settings(url), lambda qikink: qikink.create(order(number, **more)))


def find(url: str, *numbers: str, since: str = "") -> Found:
    return work(settings(url), lambda qikink: qikink.find(numbers, since))


def test_an_order_arrives_as_the_interface_wants_it(qikink: SandboxProcess) -> None:
    cod = order(
        "ms0001",
        total=Decimal("1948.50"),
        lines=(
            OutgoingLine("l1", "TEE-M", 2, Decimal("649.5")),
            OutgoingLine("l2", "MUG", 1, Decimal("649.50")),
        ),
        persons={
            "customer": ASHA,
            "shipping": replace(ASHA, street_1=LONG, street_2="Block C", phone="", email=" "),
        },
        cash_on_delivery=True,
    )
    handed = work(settings(qikink.url), lambda one: one.create(cod))
    assert handed.outcome is Outcome.APPLIED
    (held,) = qikink.qikink("orders", client_id=REAL)
    assert str(held["order_id"]) == handed.external_id
    assert (held["order_number"], held["gateway"], held["total"]) == ("ms0001", "COD", "1948.50")
    assert [(one["sku"], one["quantity"], one["price"]) for one in held["items"]] == [
        ("TEE-M", "2", "649.50"),
        ("MUG", "1", "649.50"),
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"phone": ""}, "the shipping address has no phone"),
        ({"phone": "", "zip": " "}, "the shipping address has no phone, no zip"),
        ({"street_1": ""}, "the shipping address has no street"),
        ({"country": "India"}, "the country of the shipping address is no two-letter code"),
        ({"country": ""}, ""),
        ({"first_name": ""}, ""),
        ({"first_name": "", "last_name": ""}, "the shipping address has no name"),
    ],
)
def test_what_it_would_refuse_is_not_sent_and_names_fields_alone(
    qikink: SandboxProcess, change: dict[str, str], words: str
) -> None:
    given = order(persons={"shipping": replace(ASHA, **change)})

    async def both(one: Fulfiller) -> tuple[str, Handed]:
        return one.problem(given), await one.create(given)

    problem, handed = work(settings(qikink.url), both)
    assert problem == words
    assert handed.outcome is (Outcome.REFUSED if words else Outcome.APPLIED), handed
    assert len(qikink.qikink("orders", client_id=REAL)) == (0 if words else 1)


def test_an_order_without_any_address_or_with_a_foreign_number_is_not_sent(
    qikink: SandboxProcess,
) -> None:
    for given, words in (
        (order(persons={}), "the shipping address has no name, no street"),
        (order("BHRT-1733304000"), "the order number is not of at most 15"),
        (order(lines=()), "the order has no lines"),
        (order(lines=(OutgoingLine("l1", "x", 0, Decimal(1)),)), "line l1 has no pieces"),
    ):
        handed = work(settings(qikink.url), lambda one, given=given: one.create(given))
        assert handed.outcome is Outcome.REFUSED
        assert handed.message.startswith(words)
    assert calls(qikink) == []


REFUSALS = ("http", "error", "success", "status_code")


@pytest.mark.parametrize("errors", REFUSALS)
@pytest.mark.parametrize("numbers", ["string", "number"])
def test_a_refusal_is_one_whatever_its_form_and_a_second_order_of_a_number_is_a_duplicate(
    qikink: SandboxProcess, errors: str, numbers: str
) -> None:
    seed(qikink, errors=errors, numbers=numbers, skus=["TEE-M"])
    strange = create(qikink.url, "ms0009", lines=(OutgoingLine("l1", "NO", 1, Decimal(1)),))
    assert (strange.outcome, strange.duplicate) == (Outcome.REFUSED, False)
    assert "SKU not found" in strange.message
    first, second = create(qikink.url), create(qikink.url)
    assert (first.outcome, second.outcome) == (Outcome.APPLIED, Outcome.REFUSED)
    assert second.duplicate
    (held,) = qikink.qikink("orders", client_id=REAL)
    assert str(held["order_id"]) == first.external_id
    found = find(qikink.url, "ms0001", "ms0002")
    assert [(one.number, one.external_id) for one in found.standings] == [
        ("ms0001", first.external_id)
    ]
    assert found.outcome is None


@pytest.mark.parametrize(
    ("scenario", "outcome"),
    [
        ({"kind": "apply_then_hang", "seconds": 5}, Outcome.UNKNOWN),
        ({"kind": "apply_then_reset", "reset": True}, Outcome.UNKNOWN),
        ({"kind": "html_200"}, Outcome.UNKNOWN),
        ({"kind": "status", "status": 500}, Outcome.UNKNOWN),
        ({"kind": "status", "status": 502}, Outcome.UNKNOWN),
        ({"kind": "status", "status": 503}, Outcome.RETRYABLE),
        ({"kind": "status", "status": 429}, Outcome.RETRYABLE),
        ({"kind": "status", "status": 404}, Outcome.AUTH_FAILED),
        ({"kind": "status", "status": 200, "body": {"message": "thank you"}}, Outcome.UNKNOWN),
        (
            {"kind": "status", "status": 200, "body": {"error": "busy", "status_code": "503"}},
            Outcome.RETRYABLE,
        ),
    ],
)
def test_only_what_says_that_it_has_no_order_may_be_sent_again_without_a_look(
    qikink: SandboxProcess, scenario: dict[str, Any], outcome: Outcome
) -> None:
    kind = scenario.pop("kind")
    qikink.scenario(kind, match={"path": "/api/order/create"}, **scenario)
    handed = create(qikink.url)
    assert handed.outcome is outcome, handed
    held = qikink.qikink("orders", client_id=REAL)
    found = find(qikink.url, "ms0001", since=YESTERDAY)
    assert found.outcome is None
    assert [str(one["order_id"]) for one in held] == [s.external_id for s in found.standings]


def test_names_and_addresses_that_an_answer_repeats_are_masked(qikink: SandboxProcess) -> None:
    words = "ASHA of 12 Lake View, +91 9840012345 (Asha@Mail.Invalid) is not served"
    body = {"error": words, "status_code": "400"}
    person = replace(ASHA, phone="+91 98400-12345")
    for status in (200, 400):
        match = {"path": "/api/order/create"}
        qikink.scenario("status", status=status, body=body, match=match)
        handed = create(qikink.url, persons={"shipping": person})
        assert handed.outcome is Outcome.REFUSED
        assert "is not served" in handed.message
        for text in (handed.message, handed.call.error, repr(handed)):
            for private in ("asha", "lake view", "9840012345", "mail.invalid"):
                assert private not in text.casefold(), text


# --- finding and standing ------------------------------------------------------------------------


def fill(sandbox: SandboxProcess, count: int) -> list[int]:
    return sandbox.control("POST", "/qikink/orders", {"client_id": REAL, "count": count})["created"]


def test_an_order_is_found_on_the_last_page_and_its_absence_is_proved_by_all(
    qikink: SandboxProcess,
) -> None:
    mine = create(qikink.url)
    fill(qikink, 25)
    found = find(qikink.url, "ms0001", since=YESTERDAY)
    assert [one.external_id for one in found.standings] == [mine.external_id]
    assert len([one for one in found.calls if one.method == "GET"]) == 3
    absent = find(qikink.url, "ms0002", since=YESTERDAY)
    assert (absent.outcome, absent.standings) == (None, ())
    assert len([one for one in absent.calls if one.method == "GET"]) == 4


@pytest.mark.parametrize(
    ("scenario", "match"),
    [
        ({"kind": "duplicate_page"}, {"nth": 2}),
        ({"kind": "page_drift", "insert": 12}, {"nth": 2}),
        ({"kind": "status", "status": 503}, {"nth": 2}),
    ],
)
def test_an_order_is_not_missed_because_the_list_moves_or_a_page_fails(
    qikink: SandboxProcess, scenario: dict[str, Any], match: dict[str, Any]
) -> None:
    mine = create(qikink.url)
    fill(qikink, 14)
    kind = scenario.pop("kind")
    qikink.scenario(kind, match={"path": "/api/order", **match}, **scenario)
    found = find(qikink.url, "ms0001", since=YESTERDAY)
    assert [one.external_id for one in found.standings] == [mine.external_id]


def test_a_list_that_repeats_itself_proves_nothing(qikink: SandboxProcess) -> None:
    fill(qikink, 12)
    rows = [{"order_id": n, "number": f"654367_x{n}", "status": "Delivered"} for n in range(10)]
    qikink.scenario("status", status=200, body=rows, match={"path": "/api/order"}, times=None)
    found = find(qikink.url, "ms0001")
    assert (found.outcome, found.standings) == (Outcome.UNKNOWN, ())


def test_a_list_that_cannot_be_read_proves_nothing(qikink: SandboxProcess) -> None:
    qikink.scenario("status", status=503, match={"path": "/api/order"}, times=None)
    found = find(qikink.url, "ms0001")
    assert found.outcome is Outcome.RETRYABLE
    assert [one.status for one in found.calls] == [200, 503, 503]
    qikink.clear_scenarios()
    qikink.scenario("status", status=200, body={"success": False}, match={"path": "/api/order"})
    assert find(qikink.url, "ms0001").outcome is not None


@pytest.mark.parametrize("single", ["array", "object"])
@pytest.mark.parametrize("missing", ["empty", "error"])
@pytest.mark.parametrize("no_awb", ["empty", "null", "absent"])
def test_orders_stand_as_they_are_told_and_one_that_is_gone_is_not_there(
    qikink: SandboxProcess, single: str, missing: str, no_awb: str
) -> None:
    seed(qikink, single=single, missing=missing, no_awb=no_awb, numbers="string")
    first, second = create(qikink.url, "ms0001"), create(qikink.url, "ms_002")
    qikink.change_qikink(
        int(second.external_id), status="IN-transit", awb="77", courier="Delhivery",
        tracking_link="https://track.example/77",
    )  # fmt: skip
    known = [("ms0001", first.external_id), ("ms_002", second.external_id), ("ms03", "99999999")]
    found = work(settings(qikink.url), lambda one: one.standings(known))
    assert found.outcome is None
    printing, moving = found.standings
    assert (printing.raw_status, printing.state) == ("To be Printed", OrderState.IN_PREPARATION)
    assert printing.parcels == ()
    assert (moving.number, moving.raw_status, moving.state) == (
        "ms_002",
        "IN-transit",
        OrderState.SHIPPED,
    )
    (parcel,) = moving.parcels
    assert (parcel.tracking.carrier, parcel.tracking.number) == ("Delhivery", "77")
    assert parcel.tracking.url == "https://track.example/77"


def test_many_orders_are_asked_for_ten_with_one_call(qikink: SandboxProcess) -> None:
    old = create(qikink.url, "msold")
    fill(qikink, 20)

    async def many(one: Fulfiller) -> list[Handed]:
        return [await one.create(order(f"ms{n:04}")) for n in range(12)]

    made = work(settings(qikink.url), many)
    since = qikink.last_request()
    known = [("msold", old.external_id)]
    known += [(f"ms{n:04}", handed.external_id) for n, handed in enumerate(made)]
    found = work(settings(qikink.url), lambda one: one.standings(known))
    assert {one.number for one in found.standings} == {number for number, _ in known}
    # two pages of ours, one of strangers, and the old one by itself; one call for a token
    assert len(calls(qikink, since)) <= 5


@pytest.mark.parametrize(
    ("code", "outcome"), [("503", Outcome.RETRYABLE), ("400", Outcome.REFUSED)]
)
def test_a_page_that_tells_of_a_failure_under_http_200_is_no_empty_page(
    qikink: SandboxProcess, code: str, outcome: Outcome
) -> None:
    body = {"error": "come back later", "status_code": code}
    match = {"path": "/api/order"}
    qikink.scenario("status", status=200, body=body, match=match, times=None)
    found = find(qikink.url, "ms0001")
    assert (found.outcome, found.standings) == (outcome, ())
    assert "come back later" in found.message
    known = [("ms0001", "13254")]
    standings = work(settings(qikink.url), lambda one: one.standings(known))
    assert standings.outcome is outcome


def test_an_order_of_this_moment_is_found_whatever_day_it_is_there(
    qikink: SandboxProcess,
) -> None:
    for offset in (-1_440, 330, 1_440):
        seed(qikink, utc_offset_min=offset)
        number = f"ms{abs(offset)}_{offset > 0}".lower()[:15]
        now = to_iso(utcnow())
        create(qikink.url, number)
        assert len(find(qikink.url, number, since=now).standings) == 1


def test_each_call_waits_for_its_turn_and_is_told_those_for_tokens_too(
    qikink: SandboxProcess,
) -> None:
    turns: list[int] = []

    async def turn() -> None:
        turns.append(qikink.last_request())

    create(qikink.url)
    fill(qikink, 12)

    async def look(one: Fulfiller) -> tuple[Found, Found]:
        found = await one.find(["ms0001"], "", pace=turn)
        qikink.control("POST", "/qikink/tokens", {"client_id": REAL})
        return found, await one.standings([("ms0001", "1")], pace=turn)

    since = qikink.last_request()
    looked, stood = work(settings(qikink.url), look)
    assert len(turns) == len(calls(qikink, since)) == len(looked.calls) + len(stood.calls) == 6


def test_a_busy_platform_closes_the_account_for_everybody(qikink: SandboxProcess) -> None:
    class Turns:
        closed: ClassVar[list[float]] = []

        async def __call__(self) -> None: ...

        async def close_for(self, seconds: float, reason: str) -> None:
            self.closed.append(seconds)

    qikink.scenario("status", status=429, match={"path": "/api/order"}, times=None)
    pace = Turns()
    found = work(settings(qikink.url), lambda one: one.find(["ms0001"], "", pace=pace))
    assert found.outcome is Outcome.RETRYABLE
    assert (Turns.closed, found.retry_after_s) == ([60.0], 60.0)


def test_there_is_no_call_that_cancels(qikink: SandboxProcess) -> None:
    handed = work(settings(qikink.url), lambda one: one.cancel("ms0001", "1"))
    assert handed.outcome is Outcome.UNSUPPORTED
    assert calls(qikink) == []


def test_nothing_personal_is_in_what_can_be_printed() -> None:
    given = order(persons={"shipping": Person("Asha", "Rao", city="Chennai")})
    assert "Asha" not in repr(given)
