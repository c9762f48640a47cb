"""What orders have sold is not offered once more elsewhere, and a marketplace that shows fewer
because it has sold them has not drifted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.catalog.frames import FrameStore
from marketsync_dagster.config.orders import PosDrop
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.engine import Ledger, open_ledger
from marketsync_dagster.ledger.extracts import ExtractRecord
from marketsync_dagster.ledger.forwards import Forward, ForwardState, add_forwards
from marketsync_dagster.ledger.listings import Source, acknowledge
from marketsync_dagster.ledger.open_orders import sold_at, sold_since_told
from marketsync_dagster.ledger.orders import BookLine, save_orders
from marketsync_dagster.ledger.pushes import PushRecord, open_push
from marketsync_dagster.ledger.shipments import Shipment, record_shipments, shipment_id
from marketsync_dagster.orders import book
from marketsync_dagster.stages.feed import feed_key
from marketsync_dagster.stages.order_book import Counted
from marketsync_dagster.stages.order_pull import pull_orders
from marketsync_dagster.stages.project import Project, StageResult
from marketsync_dagster.stages.reconciliation import reconcile_outlets
from marketsync_dagster.stages.reserved import reserved_of
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster.values.times import to_iso
from marketsync_dagster_tests.ledgers import ENGINES, ready_ledger_url
from marketsync_dagster_tests.orders.places import (
    NOW,
    SOURCE,
    a_line,
    an_order,
    put,
    settings_of,
)
from marketsync_dagster_tests.projects import MIRAKL, PARTIAL, SHOP, Row, TestBed, make_project
from marketsync_dagster_tests.sandbox_process import SandboxProcess

TRACKER = "tracker_ke"
ROWS = [Row("00001", "100.00", stock="2"), Row("00002", "50.00", stock="9"),
        Row("TEE-1", "30.00", stock="4"), Row("00003", "20.00", stock="7")]  # fmt: skip
ALL = [f"prod_{row.sku}" for row in ROWS]
PRINTER = {"platform": "qikink", "base_url": "https://prints.example",
           "client_id": {"env": "QK_ID"}, "client_secret": {"env": "QK_SECRET"}}  # fmt: skip


@pytest.fixture(params=ENGINES)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(ready_ledger_url(request.param, tmp_path))
    yield opened
    opened.close()


def selling(tmp_path: Path, sandbox: SandboxProcess) -> TestBed:
    """One outlet at a marketplace that sells and at a price site, everything pushed."""
    codes = "OF24 OF02 OF03 OF04 PRI01 PRI02 PRI03 STO01 STO02 STO03 OF61 SH21 A01 OR11".split()
    shop = {"intervals": dict.fromkeys(codes), "update_delta_s": 0, "acceptance_s": 10**9}
    bed = make_project(tmp_path, sandbox, rows=ROWS, platforms=[MIRAKL, TRACKER], shop=shop)

    def sells(said: dict[str, Any]) -> None:
        said["accounts"][MIRAKL]["orders"] = {"overlap_s": 0}
        said["accounts"][MIRAKL]["calls"]["orders_s"] = 0
        said["accounts"][MIRAKL]["reconcile"] = {"grace_s": 0}
        said["accounts"]["printer"] = PRINTER
        said["routes"] = [{"to": "printer", "sku": "TEE-*"}]

    bed.configure(sells)
    for platform in (MIRAKL, TRACKER):
        assert bed.sync(platform, PARTIAL).one.ok
    return bed


def sell(bed: TestBed, *lines: tuple[str, int]) -> str:
    """A customer buys at the marketplace, which is pulled; the order's id there."""
    (order_id,) = bed.sandbox.add_orders(
        {
            "shop_id": SHOP,
            "lines": [
                {"offer_sku": f"{bed.outlet}-{sku}", "quantity": pieces} for sku, pieces in lines
            ],
        }
    )
    pull(bed)
    return order_id


def pull(bed: TestBed) -> None:
    with bed.run() as project:
        (pulled,) = pull_orders(project, MIRAKL)
        assert pulled.ok, pulled.reason


def reserved(bed: TestBed) -> dict[str, int]:
    with bed.run() as project:
        return reserved_of(project, bed.outlet)


def offered(bed: TestBed, platform: str = TRACKER) -> dict[str, int]:
    """SKU -> pieces in the feed."""
    frame = FrameStore(bed.root / ".marketsync").read(feed_key(platform), bed.outlet)
    return {str(sku): int(n) for sku, n in zip(frame["sku"], frame["quantity"], strict=True)}


def to_be_bought(bed: TestBed) -> dict[str, bool]:
    """Product -> whether the price site offers it."""
    return {one: there for one, (_, there) in bed.shown(TRACKER).items()}


def pieces_shown(bed: TestBed) -> dict[str, int]:
    """SKU -> pieces that the marketplace shows."""
    shows = bed.sandbox.state(MIRAKL, str(SHOP))
    return {name.removeprefix(f"{bed.outlet}-"): one["stock_status"] for name, one in shows.items()}


def reconciled(bed: TestBed) -> StageResult:
    with bed.run() as project:
        (result,) = reconcile_outlets(project, MIRAKL, [bed.outlet])
        return result


def counted_at(ledger: Ledger, moment: datetime) -> None:
    """The till of `a` has counted then."""
    at = to_iso(moment)
    record = ExtractRecord(
        f"a-{at}", "a", at, "a.csv", "full", at, "name", at, "accepted", 1, 1, 0, 0
    )
    with ledger.begin() as conn:
        conn.execute(t.extract.insert(), asdict(record))


LINE = a_line(sku="S1", offer_sku="S1")  # two pieces, to be sent
ROUTES = "[{to: prints, sku: 'TEE-*'}, {to: pos}]"
LINES: list[tuple[str, BookLine, int]] = [
    ("to be sent", LINE, 2),
    ("new", replace(LINE, state=OrderState.NEW, remote_state=OrderState.NEW), 2),
    ("one of two has left", replace(LINE, shipped=1), 1),
    ("one of two is cancelled", replace(LINE, cancelled=1), 1),
    ("ready", replace(LINE, state=OrderState.READY_TO_SHIP), 2),
    ("shipped", replace(LINE, state=OrderState.SHIPPED, shipped=2), 0),
    ("cancelled", replace(LINE, state=OrderState.CANCELLED, cancelled=2), 0),
    ("not told of any more", replace(LINE, vanished_at=to_iso(NOW)), 0),
    ("of another outlet", replace(LINE, outlet="b"), 0),
    ("not mapped", replace(LINE, sku="", outlet=""), 0),
    ("printed elsewhere", replace(LINE, sku="TEE-1"), 0),
]
FORWARDS: list[tuple[str, str, ForwardState, timedelta | None, int]] = [
    ("a printer has it", "prints", "sent", None, 0),
    ("the printer refused it", "prints", "refused", None, 2),
    ("the till is being given it", "pos", "sent", None, 2),
    ("the till had it before it counted", "pos", "acknowledged", -timedelta(hours=1), 0),
    ("the till has it since it counted", "pos", "acknowledged", timedelta(hours=1), 2),
]


HOUR = timedelta(hours=1)
GONE: list[tuple[str, dict[str, Any], int]] = [
    # how it left (hours from the count; who sent it, and when that said it has it), pieces
    ("by hand before the count", {"left": -1}, 0),
    ("by hand since the count", {"left": 1}, 2),
    ("one by hand before, and one since", {"left": -1, "more": 1}, 1),
    ("one by hand since", {"left": 1, "pieces": 1}, 2),  # the other is still to be sent
    ("from the till, which had it before the count", {"left": 1, "to": "pos", "had": -1}, 0),
    ("from the till, all since", {"left": 1, "to": "pos", "had": 1}, 2),
    ("from the till, before the count", {"left": -1, "to": "pos", "had": -2}, 0),
    ("from a printer", {"left": 1, "to": "prints", "had": 1}, 0),
    ("cancelled after it had left", {"left": 1, "then": OrderState.CANCELLED}, 2),
    ("delivered since, left before", {"left": -1, "then": OrderState.DELIVERED, "told": False}, 0),
    ("made and sent since, by who told its source", {"made": 1}, 2),
    ("told as sent when it came", {"made": -1}, 0),
]


def gone(ledger: Ledger, number: int, words: str, said: dict[str, Any]) -> None:
    """An order of two pieces of `G-<number>` of which some have left."""
    if "made" in said:
        at = to_iso(NOW + HOUR * said["made"])
        line = replace(LINE, sku=f"G-{number}", state=OrderState.SHIPPED, shipped=2)
        put(ledger, an_order(line, external_id=words, created_at=at))
        return
    order = an_order(replace(LINE, sku=f"G-{number}"), external_id=words,
                     created_at=to_iso(NOW - 4 * HOUR))  # fmt: skip
    put(ledger, order)
    forward_id = f"g-{number}" if "to" in said else ""
    leaves = [(said["left"], 1 if "more" in said else said.get("pieces", 2))]
    leaves += [(said["more"], 1)] if "more" in said else []
    with ledger.begin() as conn:
        if forward_id:
            had = to_iso(NOW + HOUR * said["had"])
            add_forwards(conn, [
                Forward(forward_id, order.id, said["to"], "a", 1, f"gn{number}", "done", "", "",
                        acknowledged_at=had, lines={"1": 2})
            ])  # fmt: skip
        total = 0
        for hours, pieces in leaves:
            at, total = to_iso(NOW + HOUR * hours), total + pieces
            key = f"parcel {hours}"
            parcel = Shipment(
                shipment_id(order.id, key), order.id, key, forward_id, "", "", "",
                {"1": pieces}, "", at, "ann", at,
            )  # fmt: skip
            record_shipments(conn, [parcel] if said.get("told", True) else [])
            state = OrderState.SHIPPED if total == 2 else OrderState.IN_PREPARATION
            order = book.move(
                conn, order, {"1": state}, by="ann", reason="", at=at, shipped={"1": total}
            )
        if then := said.get("then"):
            at = to_iso(NOW + 2 * HOUR)
            if then is OrderState.DELIVERED:
                book.move(conn, order, {"1": then}, by="ann", reason="", at=at)
            else:  # as a source may call it
                save_orders(conn, [replace(order, lines=(replace(order.lines[0], state=then),))])


def test_what_is_reserved_is_what_has_still_to_leave_the_outlets_own_stock(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted_at(ledger, NOW)
    project = Project(settings_of(ROUTES), ledger, FrameStore(tmp_path), "run-1", "ann")
    put(ledger, an_order(replace(LINE, sku="C-1"), external_id="to be cancelled",
                         decision="cancel"))  # fmt: skip
    wanted: dict[str, int] = {"C-1": 2}
    for number, (words, line, pieces) in enumerate(LINES):
        sku = line.sku and f"{line.sku}-{number}"
        put(ledger, an_order(replace(line, sku=sku), external_id=words))
        wanted |= {sku: pieces} if pieces else {}
    for number, (words, destination, state, ago, pieces) in enumerate(FORWARDS):
        order = an_order(replace(LINE, sku=f"F-{number}"), external_id=words)
        put(ledger, order)
        there = Forward(
            f"f-{number}", order.id, destination, "a", 1, f"n{number}", state, "", "",
            acknowledged_at=None if ago is None else to_iso(NOW + ago), lines={"1": 2},
        )  # fmt: skip
        with ledger.begin() as conn:
            add_forwards(conn, [there])
        wanted |= {f"F-{number}": pieces} if pieces else {}
    for number, (words, said, pieces) in enumerate(GONE):
        gone(ledger, number, words, said)
        wanted |= {f"G-{number}": pieces} if pieces else {}
    refused = an_order(replace(LINE, sku="S-refused"), external_id="refused", decision="refuse")
    put(ledger, refused)
    assert reserved_of(project, "a") == wanted
    assert reserved_of(project, "b") == {"S1-8": 2}
    # who decides on new orders, and routes them, knows it too
    with ledger.read() as conn:
        taken = Counted(project).taken(conn, "a", ["G-1", "G-7"])
    assert [(one.sku, one.pieces) for one in taken] == [("G-1", 2)]
    counted_at(ledger, NOW + 3 * HOUR)  # and the next count knows all of it
    assert not [sku for sku in reserved_of(project, "a") if sku.startswith("G-") and sku != "G-3"]
    said = project.settings.order_sources()[SOURCE].model_copy(update={"reserve": False})
    monkeypatch.setattr(type(project.settings), "order_sources", lambda _: {SOURCE: said})
    assert reserved_of(project, "a") == {}


@pytest.mark.parametrize(("takes_away", "reserved"), [(True, {}), (False, {"S1": 2})])
def test_a_till_that_shows_nothing_of_what_it_reads_has_counted_nothing_out(
    ledger: Ledger, tmp_path: Path, takes_away: bool, reserved: dict[str, int]
) -> None:
    counted_at(ledger, NOW)
    settings = settings_of(ROUTES)
    till = PosDrop(drop=Path("tills/a"), takes_away=takes_away)
    outlets = settings.outlets | {"a": settings.outlets["a"].model_copy(update={"orders": till})}
    settings = settings.model_copy(update={"outlets": outlets})
    order = an_order(LINE)
    put(ledger, order)
    had = to_iso(NOW - HOUR)
    there = Forward(
        "f", order.id, "pos", "a", 1, "n", "acknowledged", "", "", acknowledged_at=had,
        lines={"1": 2},
    )  # fmt: skip
    with ledger.begin() as conn:
        add_forwards(conn, [there])
    project = Project(settings, ledger, FrameStore(tmp_path), "run-1", "ann")
    assert reserved_of(project, "a") == reserved


def test_a_source_may_have_taken_off_what_was_ordered_since_it_was_told(ledger: Ledger) -> None:
    def bought(name: str, minutes: int, **said: Any) -> None:
        at = to_iso(NOW + timedelta(minutes=minutes))
        put(ledger, an_order(replace(LINE, **said), external_id=name, created_at=at))

    told = (to_iso(NOW - timedelta(minutes=30)), to_iso(NOW))
    ask = (SOURCE, "a", "S1", told)
    with ledger.read() as conn:
        assert sold_at(conn, *ask) == set()
    bought("long before", -60, quantity=100)
    bought("while it was told", -10, quantity=10)
    bought("since", 5, quantity=2)
    bought("since, and cancelled", 6, quantity=3, cancelled=3, state=OrderState.CANCELLED)
    bought("another product", 6, sku="S2")
    with ledger.read() as conn:
        # with or without what was cancelled, and with or without what came meanwhile
        assert sold_at(conn, *ask) == {5, 2, 15, 12}


@pytest.mark.parametrize(
    ("made", "seen", "anew"),
    [
        (-120, -90, False),  # the value that was told knows of it
        (1, 2, True),
        (1, -1, True),  # its clock is ahead of ours
        (-10, 2, True),  # its clock may be behind ours
        (-61, 2, False),
    ],
)
def test_what_was_ordered_at_a_marketplace_since_it_was_told_is_told_anew(
    ledger: Ledger, made: int, seen: int, *, anew: bool
) -> None:
    told_at = to_iso(NOW)
    record = PushRecord(
        id="push-1", plan_id="plan", outlet="a", platform="mirakl", account=SOURCE, run_id="run",
        push_type="partial", created_by="ada", started_at=told_at, item_count=2,
    )  # fmt: skip
    of = Source("a", "mirakl", SOURCE, "here", "x1", told_at, "push-1")
    items = [(sku, f"p-{sku}", 100, "KES", "in_stock", 5, "applied", "", 2) for sku in ("S1", "S2")]
    with ledger.begin() as conn:
        open_push(conn, record)
        acknowledge(conn, of, 1, items, told_at)
    at = {name: to_iso(NOW + timedelta(minutes=n)) for name, n in (("m", made), ("s", seen))}
    put(ledger, an_order(LINE, created_at=at["m"], first_seen_at=at["s"]))
    long_ago = to_iso(NOW - timedelta(days=14))
    with ledger.read() as conn:
        there = (conn, SOURCE, "a", "mirakl")
        assert sold_since_told(*there, long_ago) == ({"S1"} if anew else set())
        assert sold_since_told(*there, to_iso(NOW + HOUR)) == set()
        assert sold_since_told(conn, "another", "a", "mirakl", long_ago) == set()


def test_what_is_sold_at_one_place_is_not_offered_at_the_others(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = selling(tmp_path, fresh_sandbox)
    assert to_be_bought(bed) == dict.fromkeys(ALL, True)

    order = sell(bed, ("00001", 2), ("00002", 3), ("TEE-1", 1))
    assert reserved(bed) == {"00001": 2, "00002": 3}  # the printer has goods of its own
    told = bed.sync(TRACKER, PARTIAL)
    assert told.one.numbers["sent"] == 1
    assert told.stages[f"{TRACKER}_price_feed"][bed.outlet].numbers["reserved"] == 5
    assert offered(bed) == {"00001": 0, "00002": 6, "TEE-1": 4, "00003": 7}
    assert to_be_bought(bed) == dict.fromkeys(ALL, True) | {"prod_00001": False}
    # the marketplace has taken them off itself: that is no drift, and says so
    done = reconciled(bed)
    assert (done.state, done.numbers["verified"]) == ("done", 4)
    verdicts = {one["sku"]: one for one in bed.table("reconciliation", "sku")}
    assert verdicts["00002"]["verdict"] == "verified"
    assert "3 fewer than it was told" in verdicts["00002"]["reason"]
    # and it is told the same number that it shows
    assert bed.sync(MIRAKL, PARTIAL).one.ok
    assert bed.differences(MIRAKL) == {}
    # of the tee, too, of which it has taken one off and the outlet's stock has not
    assert pieces_shown(bed) == {"00001": 0, "00002": 6, "TEE-1": 4, "00003": 7}
    sell(bed, ("TEE-1", 1))  # and so it is where nothing else has changed
    assert pieces_shown(bed)["TEE-1"] == 3
    assert bed.sync(MIRAKL, PARTIAL).one.ok
    assert pieces_shown(bed)["TEE-1"] == 4

    bed.sandbox.change_order(order, cancel=True)
    pull(bed)
    assert reserved(bed) == {}
    assert bed.sync(TRACKER, PARTIAL).one.numbers["sent"] == 1
    assert all(to_be_bought(bed).values())
    assert offered(bed) == {"00001": 2, "00002": 9, "TEE-1": 4, "00003": 7}
