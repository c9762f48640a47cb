"""`marketsync orders`: finding orders, the whole of one, decisions by name and for a reason; nobody
is named unless that is asked for."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.cli.order_words import by_number, changes
from marketsync_dagster.ledger.engine import Ledger, open_ledger
from marketsync_dagster.ledger.order_events import OrderEvent, record_events
from marketsync_dagster.ledger.order_tasks import Task, ask
from marketsync_dagster.ledger.orders import BookOrder, order_id_of
from marketsync_dagster.ledger.shipments import Shipment, record_shipments
from marketsync_dagster.orders import book
from marketsync_dagster.orders.wanting import payload_of, want
from marketsync_dagster.platforms.ordering import Person, Tracking
from marketsync_dagster.values.order_states import CommandKind, OrderState
from marketsync_dagster.values.times import to_iso, utcnow
from marketsync_dagster_tests.cli.conftest import Run
from marketsync_dagster_tests.orders.places import SOURCE, a_line, an_order, order_of, put

CONFIG = """\
version: 1
outlets:
  a: {name: A, extract: {path: extracts/a}, orders: {drop: tills/a}}
  b: {name: B, extract: {path: extracts/b}}
accounts:
  best_buy:
    platform: mirakl
    base_url: https://market.example
    api_key: {env: BB_KEY}
    orders: {}
shops:
  web: {folder: shop/in}
"""
WANJIRU = Person("Wanjiru", "Kamau", street_1="Moi Avenue 4", city="Nairobi", country="KE",
                 phone="+254700000001", email="w.kamau@customer.example")  # fmt: skip
PERSONAL = ("Wanjiru", "Kamau", "Moi Avenue", "700000001", "customer.example")
WHO = ("--by", "Ann", "--reason", "she called")
NEW = OrderState.NEW
HOUR = timedelta(hours=1)


@dataclass
class Shelf:
    """The project's ledger, and three orders: a new one, one to be shipped, one that has ended."""

    ledger: Ledger
    new: BookOrder
    open: BookOrder
    ended: BookOrder


@pytest.fixture
def shelf(empty: Path) -> Iterator[Shelf]:
    (empty / "marketsync.yaml").write_text(CONFIG)
    ledger = open_ledger(f"sqlite:///{empty}/.marketsync/ledger.db")
    now = utcnow()
    new = an_order(
        a_line(state=NEW, remote_state=NEW, outlet="b", sku="TEE-9"), external_id="N-1",
        number="N-1", decision="", accept_by=to_iso(now - HOUR), created_at=to_iso(now - HOUR),
        remote_state=NEW,
    )  # fmt: skip
    going = an_order(a_line("1"), a_line("2"), external_id="M-1", number="WEB-000007")
    ended = an_order(
        a_line(state=OrderState.DELIVERED, shipped=2), external_id="D-1", number="D-1",
        created_at="2026-01-02T00:00:00.000Z", ended_at="2026-01-09T00:00:00.000Z",
    )  # fmt: skip
    put(ledger, new, going, ended, person=WANJIRU)
    yield Shelf(ledger, new, going, ended)
    ledger.close()


def numbers(run: Run, *words: str) -> list[str]:
    found = run("orders", "list", *words, "--json")
    assert found.code == 0, found.err
    return [one["number"] for one in json.loads(found.out)]


def one(run: Run, *words: str) -> dict[str, Any]:
    found = run("orders", "show", *words, "--json")
    assert found.code == 0, found.err
    return json.loads(found.out)


def test_orders_are_found_by_what_they_are_and_what_they_are_called(shelf: Shelf, run: Run) -> None:
    with shelf.ledger.begin() as conn:
        book.hold_order(conn, shelf.new, "value", "it is dear", "", "rule", to_iso(utcnow()))
        asked = (
            "k",
            shelf.open.id,
            "x",
            "forward_unknown",
            "Is it there?",
            ("marketsync x {task}",),
        )
        ask(conn, [Task(*asked, at=to_iso(utcnow()))])
        parcel = ("s", shelf.ended.id, "k", "", "DHL", "JD0142", "", {"1": 2}, "", "", "x", "")
        record_shipments(conn, [Shipment(*parcel)])
    table: list[tuple[tuple[str, ...], set[str]]] = [
        ((), {"N-1", "WEB-000007", "D-1"}),
        (("--state", "new"), {"N-1"}),
        (("--state", "DELIVERED"), {"D-1"}),
        (("--account", SOURCE, "--platform", "mirakl"), {"N-1", "WEB-000007", "D-1"}),
        (("--account", "web"), set()),
        (("--outlet", "b"), {"N-1"}),
        (("--held",), {"N-1"}),
        (("--tasks",), {"WEB-000007"}),
        (("--overdue",), {"N-1"}),
        (("--since", "2h"), {"N-1"}),
        (("--search", "web-0000"), {"WEB-000007"}),
        (("--search", "m-1"), {"WEB-000007"}),
        (("--search", "tee"), {"N-1"}),
        (("--search", "jd01"), {"D-1"}),
        (("--search", "%"), set()),
        (("--search", "Wanjiru"), set()),
        (("--person", "wanjiru kamau"), {"N-1", "WEB-000007", "D-1"}),
        (("--person", "street_1"), set()),
    ]
    for words, expected in table:
        assert set(numbers(run, *words)) == expected, words
    assert numbers(run)[-1] == "D-1"  # the newest first
    assert len(numbers(run, "--limit", "1")) == 1
    shown = run("orders", "list")
    assert "value: it is dear" in shown.out
    assert "3 orders" in shown.out
    assert "an answer: forward_unknown" in shown.out
    asked_now = run("orders", "tasks")
    assert "Is it there?" in asked_now.out
    assert "marketsync x 1" in asked_now.out
    assert json.loads(run("orders", "tasks", "--json").out)[0]["number"] == "WEB-000007"


def test_what_a_route_is_to_send_on_does_not_wait_for_people(shelf: Shelf, run: Run) -> None:
    def waits() -> tuple[str, str]:
        rows = json.loads(run("orders", "list", "--state", "in_preparation", "--json").out)
        return rows[0]["waits_for"], rows[0]["next_step"]

    shown = f"marketsync orders show {shelf.open.id}"
    assert waits() == ("somebody to ship it", shown)
    file = Path("marketsync.yaml")
    file.write_text(file.read_text() + "routes: [{to: pos, outlet: a}]\n")
    assert waits() == ("to be sent on", "marketsync run fulfil_orders")
    assert one(run, shelf.open.id)["waits_for"] == "to be sent on"


MEANINGLESS: list[tuple[tuple[str, ...], str]] = [
    (("--state", "newer"), "did you mean new"),
    (("--account", "nobody"), "unknown account or shop"),
    (("--outlet", "c"), "unknown outlet"),
    (("--platform", "tracker_ke"), "unknown platform"),
    (("--search", " "), "--search is empty"),
    (("--since", "soon"), "is no time"),
    (("--state", "xyzzy"), "marketsync orders states"),
]


@pytest.mark.usefixtures("shelf")
def test_words_that_mean_nothing_are_wrong_usage(run: Run) -> None:
    for words, says in MEANINGLESS:
        found = run("orders", "list", *words)
        assert (found.code, says in found.err) == (64, True), (words, found.err)
    for word, says in (("foo", "marketsync orders states"), ("shippin", "did you mean shipping")):
        found = run("run", "pull_orders", "--state", word)
        assert (found.code, says in found.err) == (64, True), (word, found.err)


def test_an_order_is_shown_whole_and_its_persons_only_to_who_asks(shelf: Shelf, run: Run) -> None:
    run("orders", "hold", "WEB-000007", *WHO)
    for name in ("WEB-000007", "M-1", shelf.open.id, shelf.open.id[:6]):
        assert one(run, name)["id"] == shelf.open.id
    found = one(run, "M-1")
    assert found["persons"] == {"shipping": {"city": "Nairobi", "country": "KE"}}
    assert [line["line_id"] for line in found["lines"]] == ["1", "2"]
    assert found["holds"][0]["reason"] == "she called"
    assert {event["kind"] for event in found["events"]} == {"held"}
    screen = run("orders", "show", "M-1")
    assert "held since" in screen.out
    assert "next: marketsync orders release" in screen.out
    for text in (screen.out, screen.err, json.dumps(found), run("orders", "list").out):
        assert not [word for word in PERSONAL if word in text]
    personal = one(run, "M-1", "--personal")
    assert personal["persons"]["shipping"]["phone"] == WANJIRU.phone
    assert "Moi Avenue 4" in run("orders", "show", "M-1", "--personal").out


def test_an_order_that_is_none_or_more_than_one_is_wrong_usage(shelf: Shelf, run: Run) -> None:
    none = run("orders", "show", "WEB-000008")
    assert none.code == 64
    assert "did you mean WEB-000007" in none.err
    twin = an_order(external_id="T-1", number="D-1")
    put(shelf.ledger, twin)
    several = run("orders", "show", "D-1")
    # what is called so by its own source is as good as the other
    assert several.code == 64
    assert twin.id in several.err
    assert shelf.ended.id in several.err
    assert one(run, twin.id)["external_id"] == "T-1"


def test_lists_call_an_order_by_its_number_and_say_what_to_do_once(shelf: Shelf, run: Run) -> None:
    twin = an_order(external_id="M-2", number="WEB-000008")
    put(shelf.ledger, twin)
    with shelf.ledger.begin() as conn:
        for order in (shelf.open, twin):
            step = f"marketsync orders release {order.id} --by NAME --reason WHY"
            book.hold_order(conn, order, "person", "call her", step, "Ann", to_iso(utcnow()))
    listed = run("orders", "list").out
    assert re.search(r"^next for (WEB-00000[78](, )?){2}: .* release NUMBER ", listed, re.MULTILINE)
    assert "next for N-1: marketsync run fulfil_orders" in listed
    assert shelf.open.id not in listed
    assert re.search(r" \d{4}-\d\d-\d\d \d\d:\d\d ", listed)
    shown = run("orders", "show", "M-1").out
    assert "next: marketsync orders release WEB-000007 --by" in shown
    refused = run("orders", "ship", "N-1", *WHO)
    assert "next: marketsync orders accept N-1 --by" in refused.err
    with shelf.ledger.begin() as conn:
        command = (f"marketsync orders refund {shelf.open.id} --line 1=2.00",)
        late = ("k", shelf.open.id, "x", "came_back", "Is it?", command)
        ask(conn, [Task(*late, at=to_iso(utcnow()))])
    for said in (run("orders", "tasks").out, run("orders", "show", "M-1").out):
        assert "  marketsync orders refund WEB-000007 --line 1=2.00" in said
    named = by_number("marketsync orders show 0a1b", {"id": "0a1b", "number": "M 1; ls"})
    assert named == "marketsync orders show 'M 1; ls'"


def on_a_terminal(patch: pytest.MonkeyPatch, run: Run, *words: str) -> list[str]:
    """The lines that a terminal of 120 columns shows."""
    patch.setenv("COLUMNS", "120")
    patch.setenv("TERM", "xterm")
    with patch.context() as there:
        there.setattr(sys.stdout, "isatty", lambda: True)
        found = run("orders", *words)
    return re.sub(r"\x1b\[[0-9;]*m", "", found.out).splitlines()


def test_a_terminal_of_120_columns_shows_orders_without_folding_them(
    shelf: Shelf, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [
        an_order(
            a_line(title="Kikiriki u tijestu 60g", sku="90381876", outlet="westlands"),
            external_id=f"MK000000{n}-A", ship_by="2026-11-24T00:10:15.000Z", total_minor=123456,
        )
        for n in range(3)
    ]  # fmt: skip
    put(shelf.ledger, *orders)
    listed = on_a_terminal(monkeypatch, run, "list")
    assert max(map(len, listed)) <= 120, "\n".join(listed)
    row = next(line for line in listed if "MK0000001-A" in line)
    ends = {found.end() for line in listed if (found := re.search(r"KES [\d.]+", line))}
    assert len(ends) == 1, "figures end below each other"
    for cell in ("best_buy", "in_preparation", "KES 1234.56", "2026-11-24 00:10", "to ship it"):
        assert cell in row
    run_id = "0a1b2c3d-1111-2222-3333-444455556666"
    at = to_iso(utcnow())
    said: dict[str, Any] = {"by": f"run {run_id}", "reason": "it has a tracking number", "at": at}
    payload = payload_of(tracking=Tracking("", "Fargo Courier", "FC-mshqp7oyx76o", ""))
    with shelf.ledger.begin() as conn:
        tracking = (CommandKind.TRACKING, "tracking deed1f84376e", payload)
        want(conn, orders[0], *tracking, **said)
        record_events(conn, [
            OrderEvent(orders[0].id, at, "changed", "1", "350", "12000", SOURCE, "unit_minor"),
            OrderEvent(orders[0].id, at, "refund", "1", "0", "350", SOURCE),
            OrderEvent(orders[0].id, at, "changed", "", "", "2026-11-24T00:10:15.000Z", SOURCE,
                       "ship_by"),
        ])  # fmt: skip
    shown = on_a_terminal(monkeypatch, run, "show", "MK0000000-A")
    assert max(map(len, shown)) <= 120, "\n".join(shown)
    whole = "\n".join(shown)
    for words in (
        *("KES 3.50 -> KES 120.00", "price of a piece", "KES 0.00 -> KES 3.50"),
        *("2026-11-24", "run 0a1b2c3d ", "tracking FC-mshqp7oyx76o", "has to be shipped by"),
    ):
        assert words in whole, whole
    for words in ("unit_minor", run_id, "deed1f84376e", ".000Z", "refunded"):
        assert words not in whole, whole
    assert one(run, "MK0000000-A")["events"][1]["after"] == "12000"


def test_amounts_are_said_as_they_stand_where_their_currency_has_changed() -> None:
    event = {"kind": "changed", "before": "1", "after": "2", "reason": "total_minor"}
    order = {"currency": "KES", "commands": [], "events": [event]}
    assert list(changes(order)) == [("KES 0.01 -> KES 0.02", "total")]
    order["events"] = [event, {**event, "before": "UGX", "after": "KES", "reason": "currency"}]
    assert list(changes(order)) == [("1 -> 2", "total_minor"), ("UGX -> KES", "currency")]


@pytest.mark.usefixtures("shelf")
def test_who_asks_for_a_person_sees_what_is_what(run: Run) -> None:
    said = run("orders", "show", "M-1", "--personal").out
    shown = [line.strip() for line in said.splitlines() if line.startswith("  ")]
    assert shown[:3] == ["first name: Wanjiru", "last name: Kamau", "street 1: Moi Avenue 4"]


def test_a_line_is_called_by_its_id_or_by_a_sku_that_no_other_has(shelf: Shelf, run: Run) -> None:
    shipped = run("orders", "ship", "M-1", *WHO, "--line", "S1=1")
    assert "1 piece shipped, 3 pieces still to ship" in shipped.out, shipped.err
    assert order_of(shelf.ledger, shelf.open).lines[0].shipped == 1
    odd = an_order(
        a_line("1", sku="A", state=NEW), a_line("2", sku="A", state=NEW), a_line("3", state=NEW),
        external_id="O-1", number="O-1", decision="", remote_state=NEW,
    )  # fmt: skip
    put(shelf.ledger, odd)
    for words, says in (
        (("accept", "--line", "A"), "has A in 2 lines\nnext: name one by its id: 1 (A), 2 (A)"),
        (("accept", "--line", "9"), "has no line 9\nnext: its lines: 1 (A), 2 (A), 3 (S3)"),
        (("accept", "--line", " "), "--line is empty"),
        (("ship", "--line", "3=1", "--line", "S3=1"), "line 3 of order O-1 is named twice"),
        (("refuse", "--line", "S3"), "has to be accepted whole"),
    ):
        verb, *rest = words
        found = run("orders", verb, "O-1", *WHO, *rest)
        assert (found.code, says in found.err) == (64, True), (words, found.err)


def test_decisions_are_made_by_name_and_say_what_comes_next(shelf: Shelf, run: Run) -> None:
    held = run("orders", "hold", "M-1", *WHO)
    assert held.code == 0
    assert "is held" in held.out
    assert "next: marketsync orders release" in held.err
    released = run("orders", "release", "M-1", *WHO, "--json")
    assert json.loads(released.out) == {
        "order_id": shelf.open.id,
        "number": "WEB-000007",
        "state": "in_preparation",
        "done": "order WEB-000007 is released",
        "next_step": "marketsync run fulfil_orders",
    }
    part = run(
        *("orders", "ship", "M-1", *WHO, "--carrier", "DHL", "--tracking", "JD1"),
        *("--line", "1=1", "--line", "2=2"),
    )
    assert part.code == 0, part.err
    assert "3 pieces shipped, 1 piece still to ship" in part.out
    assert run("orders", "ship", "M-1", *WHO, "--line", "1=1").code == 0
    assert order_of(shelf.ledger, shelf.open).state is OrderState.SHIPPED
    refunded = run("orders", "refund", "M-1", *WHO, "--line", "1=12.50", "--code", "15")
    assert "12.50 will be given back" in refunded.out, refunded.err
    refused = run("orders", "refuse", "N-1", *WHO)
    assert "is refused" in refused.out, refused.err


IMPOSSIBLE: list[tuple[tuple[str, ...], str]] = [
    (("hold", "M-1", "--reason", " "), "--reason is empty"),
    (("hold", "M-1", "--reason", "x", "--by", ""), "--by is empty"),
    (("hold", "M-1"), "--reason"),
    (("accept", "M-1", *WHO), "only a new one"),
    (("release", "M-1", *WHO), "is not held"),
    (("ship", "M-1", *WHO, "--line", "1"), "expected LINE=2"),
    (("ship", "M-1", *WHO, "--line", "1=x"), "expected pieces"),
    (("ship", "M-1", *WHO, "--line", "1=9"), "2 pieces of line 1"),
    (("ship", "M-1", *WHO, "--line", "1=1", "--line", "1=1"), "twice"),
    (("refund", "M-1", *WHO, "--line", "1=-4"), "expected an amount"),
    (("refund", "M-1", *WHO, "--line", "1=NaN"), "expected an amount"),
    (("refund", "M-1", *WHO, "--line", "9=1", "--code", "x"), "no line 9"),
    (("resolve", "7", "--answer", "done", *WHO), "task 7"),
    (("resolve", "7", "--answer", "perhaps", *WHO), "unknown answer"),
    (("forget", "M-1", *WHO), "its address is still needed"),
    (("cancel", "Z-9", *WHO), "is no order"),
]


def test_what_cannot_be_done_says_why(shelf: Shelf, run: Run) -> None:
    before = order_of(shelf.ledger, shelf.open)
    for words, says in IMPOSSIBLE:
        found = run("orders", *words)
        assert (found.code, says in found.err) == (64, True), (words, found.err)
        assert order_of(shelf.ledger, shelf.open) == before, words


def test_an_order_is_forgotten_and_its_books_stay(shelf: Shelf, run: Run) -> None:
    done = run("orders", "forget", "D-1", *WHO)
    assert done.code == 0, done.err
    assert "are erased" in done.out
    assert "backups" in done.out
    found = one(run, "D-1", "--personal")
    assert found["persons"] == {}
    assert found["forgotten_at"]
    assert found["value"] == "20.00"
    assert found["events"][-1]["kind"] == "forgotten"
    assert found["events"][-1]["by"] == "Ann"
    forced = run("orders", "forget", "M-1", *WHO, "--force")
    assert forced.code == 0, forced.err
    assert numbers(run, "--person", "Wanjiru") == ["N-1"]


def test_the_states_are_a_table_of_ours_and_theirs(shelf: Shelf, run: Run) -> None:
    rows = {row["state"]: row for row in json.loads(run("orders", "states", "--json").out)}
    assert list(rows) == [state.value for state in OrderState]
    assert rows["in_preparation"]["mirakl"] == ["SHIPPING"]
    assert rows["new"]["then"] == ["awaiting_payment", "accepted", "refused", "cancelled"]
    assert "picked up" in rows["shipped"]["qikink"]
    assert "WAITING_ACCEPTANCE" in run("orders", "states").out
    assert order_id_of("mirakl", SOURCE, "N-1") == shelf.new.id
