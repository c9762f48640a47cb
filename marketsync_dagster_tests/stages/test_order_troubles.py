"""What people are told of orders: one by one while there are few, together where there are many,
and one source's failure once, however many outlets it is bad at. And what doctor says."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketsync_dagster.ledger.order_tasks import Task
from marketsync_dagster.ledger.states import OutletState
from marketsync_dagster.stages import doctor_orders
from marketsync_dagster.stages.order_troubles import (
    FEW,
    of_failures,
    of_sights,
    of_tasks,
    of_words,
)
from marketsync_dagster.stages.order_waiting import Sight

AT = "2026-11-21T06:30:00.000Z"


def sight(number: int, source: str = "bestbuy", what: str = "unmapped: SOAP") -> Sight:
    step = f"marketsync orders show id{number}"
    return Sight(f"id{number}", f"A-{number}", source, "kisumu", what, AT, step)


def title(whom: str, orders: int) -> str:
    return f"{whom} {orders}"


def test_few_orders_are_told_of_one_by_one_and_many_of_a_source_together() -> None:
    few = [sight(n, "webshop") for n in range(FEW)]
    many = [sight(n) for n in range(FEW + 1)]
    found = of_sights("order_held", [*few, *many], title)
    assert [one.key for one in found] == [f"order_held id{n}" for n in range(FEW)] + [
        "order_held bestbuy"
    ]
    assert found[0].title == "order A-0 of webshop 1"
    assert (found[-1].title, found[-1].outlet) == (f"bestbuy {FEW + 1}", None)
    assert found[-1].message.endswith("and 3 more")
    assert found[-1].next_step == "marketsync orders list --held --account bestbuy"


def test_an_order_with_several_reasons_is_one_trouble() -> None:
    (one,) = of_sights("order_held", [sight(1), sight(1, what="stock: 2 too few")], title)
    assert one.message == "unmapped: SOAP"


def test_an_unknown_word_is_told_once_for_all_orders_that_are_called_so() -> None:
    found = of_words([sight(1, what="MOON"), sight(2, what="MOON"), sight(3, what="MARS")])
    assert [one.key for one in found] == [
        "order_state_unknown bestbuy MOON",
        "order_state_unknown bestbuy MARS",
    ]
    assert "2 orders, such as A-1" in found[0].message


def test_questions_are_told_of_one_by_one_and_what_is_asked_anew_is_news() -> None:
    def task(number: int, at: str = AT) -> Task:
        words = "is it there?"
        return Task(f"k{number}", "id", "s", "forward_unknown", words, ("resolve",), at, id=number)

    assert len(of_tasks([task(n) for n in range(FEW)])) == FEW
    (one,) = of_tasks([task(n) for n in range(FEW + 1)])
    assert one.title == f"{FEW + 1} questions about orders (forward unknown)"
    before, after = of_tasks([task(1)]), of_tasks([task(1, "2026-11-22T06:30:00.000Z")])
    assert before[0].key != after[0].key


def test_one_source_that_fails_is_one_trouble_for_all_outlets() -> None:
    states = [
        OutletState("orders_order_book", f"outlet{n}", False, "failed", "bestbuy: key refused")
        for n in range(40)
    ]
    states.append(OutletState("orders_mirakl_orders", "bestbuy", False, "failed", "key refused"))
    book, pulled = of_failures(states)
    assert book.key == "outlet_failed orders_order_book"
    assert book.title == "outlet outlet0, outlet1, outlet2 and 37 more failed at orders_order_book"
    assert book.message == "bestbuy: key refused"
    assert pulled.title == "source bestbuy failed at orders_mirakl_orders"


@pytest.mark.parametrize(
    ("state", "mode", "words"),
    [
        (None, "missing", "its orders were never pulled"),
        (OutletState("s", "bestbuy", False, "failed", "key refused"), "missing", "key refused"),
        (OutletState("s", "bestbuy", True, "done", at=AT), "ok", AT),
    ],
)
def test_doctor_says_whether_the_orders_of_a_source_come_in(
    state: OutletState | None, mode: str, words: str
) -> None:
    line = doctor_orders.pulled("bestbuy", state)
    assert line.state == mode
    assert words in line.message


def test_doctor_says_whether_a_folder_can_be_written_to(tmp_path: Path) -> None:
    def look(path: Path) -> str:
        at = "outlets.kisumu.orders.drop"
        return doctor_orders.folder("till", "kisumu", tmp_path, path, at).state

    (tmp_path / "file").write_text("")
    assert look(Path()) == look(tmp_path) == "ok"
    assert look(Path("not/there")) == "warning", "the first run makes it"
    assert look(tmp_path / "not" / "there") == "missing", "nobody does"
    assert look(Path("file")) == look(tmp_path / "file") == "missing"


def test_doctor_says_which_destinations_no_route_leads_to() -> None:
    assert doctor_orders.routes(["pos", "printer"], ["printer", "pos"]).state == "ok"
    line = doctor_orders.routes(["pos", "printer"], ["pos"])
    assert (line.state, line.message) == ("warning", "no route leads to printer")
    assert "people ship" in doctor_orders.routes(["pos"], []).message
    assert doctor_orders.routes([], []).state == "ok"
    assert doctor_orders.tasks(1).message == "1 question about orders waits for people"
