"""`marketsync orders`: finding orders, the whole of one, decisions by name and for a reason; nobody
is named unless that is asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.cli.order_shown import short_runs
from marketsync_dagster.cli.orders import by_number
from marketsync_dagster.ledger.engine import Ledger, open_ledger
from marketsync_dagster.ledger.order_tasks import Task, ask
from marketsync_dagster.ledger.orders import BookOrder, order_id_of
from marketsync_dagster.ledger.shipments import Shipment, record_shipments
from marketsync_dagster.orders import book
from marketsync_dagster.platforms.ordering import Person
from marketsync_dagster.values.order_states import OrderState
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


@pytest.mark.usefixtures("shelf")
def test_lists_call_an_order_by_its_number_and_say_its_deadline_to_the_minute(run: Run) -> None:
    listed = run("orders", "list").out
    assert "marketsync orders show WEB-000007" in listed
    assert re.search(r"accepted by \d{4}-\d\d-\d\d \d\d:\d\dZ ", listed)
    assert "next: marketsync orders show WEB-000007" in run("orders", "show", "M-1").out
    named = by_number("marketsync orders show 0a1b", {"id": "0a1b", "number": "M 1; ls"})
    assert named == "marketsync orders show 'M 1; ls'"
    assert short_runs("pull 0a1b2c3d-1111-2222-3333-444455556666 x") == "pull 0a1b2c3d x"


@pytest.mark.usefixtures("shelf")
def test_who_asks_for_a_person_sees_what_is_what(run: Run) -> None:
    said = run("orders", "show", "M-1", "--personal").out
    shown = [line.strip() for line in said.splitlines() if line.startswith("  ")]
    assert shown[:3] == ["first name: Wanjiru", "last name: Kamau", "street 1: Moi Avenue 4"]


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
