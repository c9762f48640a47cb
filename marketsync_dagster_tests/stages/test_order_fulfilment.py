"""Orders routed to Qikink and to tills, over HTTP against the sandbox and over files, and back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml

from marketsync_dagster.config.orders import Route
from marketsync_dagster.ledger.backup import backup
from marketsync_dagster.ledger.engine import Ledger, open_ledger
from marketsync_dagster.ledger.forwards import change
from marketsync_dagster.ledger.leases import release, take_lease
from marketsync_dagster.ledger.restore import restore
from marketsync_dagster.platforms.ordering import Person
from marketsync_dagster.stages.catalog import CATALOG_KEY, build_catalogs
from marketsync_dagster.stages.extract import extract_outlets
from marketsync_dagster.stages.order_fulfilment import Kind, fulfil
from marketsync_dagster.stages.project import Project, StageResult, open_project
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster_tests.ledgers import copy_tables
from marketsync_dagster_tests.orders import places as p
from marketsync_dagster_tests.sandbox_process import SandboxProcess

LISA = Person(
    "Lisa", "Wanjiru", street_1="4 Anna Salai", city="Chennai", zip="600001",
    province="Tamil Nadu", country="IN", phone="9840012345", email="lisa@example.com",
)  # fmt: skip
OUTLETS = ("a", "b")
REAL, SPEC = "qk_client_real", "qk_client_spec"


@pytest.fixture
def bed(
    fresh_sandbox: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    """Two printers of both kinds, two tills; every line of PRINT goes to the first."""
    copy_tables(monkeypatch)
    monkeypatch.setenv("QK_SECRET", "qk_secret_fake")
    monkeypatch.setenv("QK_REAL", REAL)
    monkeypatch.setenv("QK_SPEC", SPEC)
    accounts = [
        {"client_id": REAL, "client_secret": "qk_secret_fake"},
        {"client_id": SPEC, "client_secret": "qk_secret_fake", "profile": "spec"},
    ]
    fresh_sandbox.seed({"qikink": {"accounts": accounts}})
    said = yaml.safe_load(p.YAML.format(routes="[]"))
    said["accounts"]["prints"]["base_url"] = f"{fresh_sandbox.url}/qikink"
    said["accounts"]["prints"]["client_id"] = {"env": "QK_REAL"}
    said["accounts"]["backup"]["base_url"] = f"{fresh_sandbox.url}/qikink_spec/api/v1"
    said["accounts"]["backup"] |= {"profile": "spec", "client_id": {"env": "QK_SPEC"}}
    for name in ("prints", "backup"):
        said["accounts"][name] |= {
            "ask_s": 0, "timeouts": {"connect_s": 2, "read_s": 0.5},
            "retry": {"attempts": 1, "budget_s": 1},
        }  # fmt: skip
    said["accounts"]["best_buy"]["orders"] = {}
    for name in OUTLETS:
        drop = str(tmp_path / "tills" / name)
        said["outlets"][name]["orders"] = {
            "drop": drop, "answers": f"{drop}/answers", "settle_s": 0,
        }  # fmt: skip
        (Path(drop) / "answers").mkdir(parents=True)
    said["routes"] = [
        {"to": "prints", "sku": "PRINT*"}, {"to": "backup", "sku": "SPEC*"}, {"to": "pos"},
    ]  # fmt: skip
    said["lease_wait_s"] = 0
    file = tmp_path / "marketsync.yaml"
    file.write_text(yaml.safe_dump(said))
    monkeypatch.setenv("MARKETSYNC_HOME", str(tmp_path / "home"))
    project = open_project(file, run_id="r1")
    yield project
    project.ledger.close()


def run(project: Project, kind: Kind, *, limit: int | None = None) -> dict[str, StageResult]:
    """One run of a stage over both outlets."""
    return {one.outlet: one for one in fulfil(project, kind, OUTLETS, limit=limit)}


def put(ledger: Ledger, *lines: p.BookLine, name: str = "A-1") -> p.BookOrder:
    """An order to be sent to India."""
    order = p.an_order(*lines, external_id=name)
    p.put(ledger, order, person=LISA)
    return order


def test_one_order_is_fulfilled_at_three_places_and_comes_back(
    bed: Project, fresh_sandbox: SandboxProcess, tmp_path: Path
) -> None:
    order = put(
        bed.ledger, p.a_line("1", sku="PRINT-1"), p.a_line("2", sku="SPEC-1"),
        p.a_line("3", outlet="b"),
    )  # fmt: skip
    printed = run(bed, "qikink")
    assert (printed["a"].state, printed["a"].numbers["created"]) == ("done", 2)
    assert printed["b"].numbers["created"] == 0
    dropped = run(bed, "pos")
    assert (dropped["b"].numbers["created"], dropped["a"].state) == (1, "unchanged")
    there = {one.destination: one for one in p.forwards(bed.ledger, order)}
    assert {name: one.state for name, one in there.items()} == {
        "prints": "acknowledged", "backup": "acknowledged", "pos": "sent",
    }  # fmt: skip
    for client in (REAL, SPEC):
        (made,) = fresh_sandbox.qikink("orders", client_id=client)
        assert made["order_number"] in {one.number for one in there.values()}
        assert made["created"] == 1
    number = there["pos"].number
    assert (tmp_path / "tills" / "b" / f"{number}.json").exists()

    fresh_sandbox.change_qikink(
        there["prints"].number, status="In-Transit", awb="77", courier="Delhivery"
    )
    fresh_sandbox.change_qikink(there["backup"].number, status="delivered")
    answer = {"number": number, "status": "shipped", "carrier": "G4S", "tracking": "88"}
    (tmp_path / "tills" / "b" / "answers" / "1.json").write_text(json.dumps(answer))
    assert run(bed, "qikink")["a"].numbers["shipped"] == 2
    assert run(bed, "pos")["b"].numbers["shipped"] == 1
    now = p.order_of(bed.ledger, order)
    assert [line.state for line in now.lines] == [
        OrderState.SHIPPED, OrderState.DELIVERED, OrderState.SHIPPED,
    ]  # fmt: skip
    assert p.states(bed.ledger, order) == ["done"] * 3
    again = run(bed, "qikink")["a"]
    assert (again.state, again.numbers["updated"], again.numbers["created"]) == ("unchanged", 0, 0)


def test_an_order_that_qikink_made_and_did_not_answer_is_there_once(
    bed: Project, fresh_sandbox: SandboxProcess
) -> None:
    orders = [put(bed.ledger, p.a_line("1", sku=sku), name=sku) for sku in ("PRINT-1", "SPEC-1")]
    fresh_sandbox.scenario("apply_then_hang", seconds=3, match={"path": "/api/order/create"})
    fresh_sandbox.scenario("apply_then_reset", reset=True, match={"path": "/api/v1/orders"})
    for _ in range(3):
        if [p.states(bed.ledger, order) for order in orders] == [["acknowledged"]] * 2:
            break
        run(bed, "qikink")
    assert [p.states(bed.ledger, order) for order in orders] == [["acknowledged"]] * 2
    for client in (REAL, SPEC):
        (made,) = fresh_sandbox.qikink("orders", client_id=client)
        assert made["created"] == 1


def test_what_was_printed_after_the_backup_that_a_ledger_comes_from_is_printed_once(
    bed: Project, fresh_sandbox: SandboxProcess, tmp_path: Path
) -> None:
    order = put(bed.ledger, p.a_line("1", sku="SPEC-1"))
    saved = backup(bed.ledger, tmp_path / "b.zip", by="ann")
    run(bed, "qikink")
    url = f"sqlite:///{tmp_path}/restored.db"
    restore(url, Path(saved.path), by="ann", backups=tmp_path)
    again = replace(bed, ledger=open_ledger(url))
    run(again, "qikink")
    (made,) = fresh_sandbox.qikink("orders", client_id=SPEC)
    assert (made["created"], p.states(again.ledger, order)) == (1, ["acknowledged"])
    again.ledger.close()


def test_while_one_destination_is_down_its_orders_wait_and_others_go(
    bed: Project, fresh_sandbox: SandboxProcess
) -> None:
    waiting = put(bed.ledger, p.a_line("1", sku="PRINT-1"), name="A-1")
    going = put(bed.ledger, p.a_line("1", sku="SPEC-1"), name="A-2")
    fresh_sandbox.seed({"qikink": {"accounts": [{"client_id": REAL, "down": True}]}})
    result = run(bed, "qikink")["a"]
    assert (p.states(bed.ledger, waiting), p.states(bed.ledger, going)) == (
        ["sync_pending"], ["acknowledged"],
    )  # fmt: skip
    assert (result.ok, result.numbers["waiting"], result.numbers["created"]) == (True, 1, 1)
    assert (one := p.forwards(bed.ledger, waiting)[0]).not_before > one.changed_at
    for turn in (result, run(bed, "qikink")["a"]):  # and while it is left alone
        assert (turn.state, turn.numbers["sync_pending"]) == ("waiting", 1)
        assert f"1 order waits for prints and goes again at {one.not_before}" in turn.reason


def test_what_a_till_refused_and_what_nobody_understands_is_named(
    bed: Project, tmp_path: Path
) -> None:
    order = put(bed.ledger, p.a_line("1"))
    run(bed, "pos")
    (one,) = p.forwards(bed.ledger, order)
    answers = tmp_path / "tills" / "a" / "answers"
    (answers / "1.json").write_text(json.dumps({"number": one.number, "status": "refused"}))
    (answers / "2.json").write_text("{")
    (answers / "3.json").write_text(json.dumps({"number": "ms000", "status": "ready"}))
    result = run(bed, "pos")["a"]
    assert {name: result.numbers[name] for name in ("failed", "unreadable", "tasks")} == {
        "failed": 1, "unreadable": 2, "tasks": 3,
    }  # fmt: skip
    assert result.reason == (
        "1 order refused or failed, 2 answers of the till not understood, 3 new questions"
    )
    assert result.next_step == "marketsync orders tasks"
    assert run(bed, "pos")["a"].numbers["tasks"] == 0  # they are asked already


def test_a_wrong_secret_is_red_and_says_where(
    bed: Project, fresh_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = put(bed.ledger, p.a_line("1", sku="PRINT-1"))
    monkeypatch.setenv("QK_SECRET", "qk_secret_wrong")
    result = run(bed, "qikink")["a"]
    assert (result.ok, result.state) == (False, "failed")
    assert "prints: " in result.reason
    assert "Lisa" not in result.reason
    assert p.states(bed.ledger, order) == ["sync_pending"]
    assert fresh_sandbox.qikink("orders", client_id=REAL) == []


def test_a_destination_that_another_run_works_on_is_left_to_it(bed: Project) -> None:
    order = put(bed.ledger, p.a_line("1", sku="PRINT-1"))
    held = take_lease(bed.ledger, "forward prints", "another run", 60)
    result = run(bed, "qikink")["a"]
    assert (result.ok, result.state, p.states(bed.ledger, order)) == (True, "busy", ["pending"])
    release(bed.ledger, held)
    assert run(bed, "qikink")["a"].numbers["created"] == 1


def test_a_till_whose_folder_is_gone_stops_only_itself(bed: Project, tmp_path: Path) -> None:
    lost = put(bed.ledger, p.a_line("1"), name="A-1")
    good = put(bed.ledger, p.a_line("1", outlet="b"), name="A-2")
    drop, away = tmp_path / "tills" / "a", tmp_path / "away"
    drop.rename(away)
    results = run(bed, "pos")
    assert (results["a"].ok, results["b"].ok) == (False, True)
    assert str(drop) in results["a"].reason
    assert (p.states(bed.ledger, lost), p.states(bed.ledger, good)) == (["pending"], ["sent"])
    away.rename(drop)
    assert run(bed, "pos")["a"].numbers["created"] == 1


def test_a_test_run_routes_and_sends_a_few_orders(bed: Project) -> None:
    for number in range(4):
        put(bed.ledger, p.a_line("1"), name=f"till {number}")
        put(bed.ledger, p.a_line("1", sku="SPEC-1"), name=f"print {number}")
    result = run(bed, "qikink", limit=3)["a"]
    assert (result.numbers["created"], result.numbers["left_out"]) == (3, 1)
    assert run(bed, "pos", limit=2)["a"].numbers["created"] == 2


def test_one_piece_that_two_orders_want_goes_to_the_older_one(bed: Project) -> None:
    from marketsync_dagster.stages.order_fulfilment import Shelf, _comes_first

    first = put(bed.ledger, p.a_line("1"), name="A-1")
    second = p.an_order(p.a_line("1"), external_id="A-2", created_at="2026-11-21T10:00:00.000Z")
    p.put(bed.ledger, second, person=LISA)
    others = Shelf(bed)._others("a", "S1")
    taken = {
        order.number: [
            o.order_id for o in others if o.order_id != order.id and _comes_first(o, order)
        ]
        for order in (first, second)
    }
    assert taken == {"A-1": [], "A-2": [first.id]}
    till = replace(others[0], order_id="x", destination="pos")
    printer = replace(others[0], order_id="x", destination="prints")
    assert (_comes_first(till, first), _comes_first(printer, second)) == (True, False)


def test_what_has_a_tag_in_the_tills_file_goes_to_the_printer(bed: Project, tmp_path: Path) -> None:
    bed.settings.routes[0] = Route(to="prints", tag=["print on demand"])
    bed.settings.routes[1] = Route(to="backup", tag=["Engraved", "gift"])
    file = tmp_path / "extracts" / "a" / "a.csv"
    file.parent.mkdir(parents=True)
    rows = 'S1,10.00,9,"New, Print on Demand"\nS2,10.00,9,engraved\nS3,10.00,9,\n'
    file.write_text("sku,price,stock,tags\n" + rows)
    os.utime(file, (946_684_800, 946_684_800))  # it is not being written any more
    for stage in (extract_outlets, build_catalogs):
        (result,) = stage(bed, ["a"])
        assert result.ok, result
    tagged = put(bed.ledger, *(p.a_line(number) for number in "123"))
    assert (run(bed, "qikink")["a"].numbers["created"]) == 2
    run(bed, "pos")
    there = {one.destination: dict(one.lines) for one in p.forwards(bed.ledger, tagged)}
    assert there == {"prints": {"1": 2}, "backup": {"2": 2}, "pos": {"3": 2}}

    catalog = bed.frames.read(CATALOG_KEY, "a").drop(columns=["tags", "manufacturer", "origin"])
    bed.frames.write(CATALOG_KEY, "a", catalog, inputs="as an older version stored it")
    later = put(bed.ledger, p.a_line(), name="A-2")
    assert run(bed, "pos")["a"].ok
    assert [one.destination for one in p.forwards(bed.ledger, later)] == ["pos"]


def test_a_catalog_that_cannot_be_read_stops_routing_and_nothing_else(bed: Project) -> None:
    waiting = put(bed.ledger, p.a_line("1"), name="A-1")
    run(bed, "pos", limit=0)
    p.route(bed.ledger, bed.settings)
    routes = [p.Route(to="pos", stock="enough"), p.Route(to="pos")]
    project = replace(bed, settings=bed.settings.model_copy(update={"routes": routes}))
    later = put(bed.ledger, p.a_line("1"), name="A-2")
    bed.frames.write(("pos", "catalog"), "a", pd.DataFrame({"other": [1]}), inputs="")
    result = run(project, "pos")["a"]
    assert (result.ok, result.numbers["created"]) == (False, 1)
    assert result.reason.startswith("nothing was routed: ")
    assert (p.states(bed.ledger, waiting), p.states(bed.ledger, later)) == (["sent"], [])


def test_an_order_for_a_printer_that_was_removed_goes_to_the_till(bed: Project) -> None:
    order = put(bed.ledger, p.a_line("1", sku="PRINT-1"))
    p.route(bed.ledger, bed.settings, order)
    accounts = {name: one for name, one in bed.settings.accounts.items() if name != "prints"}
    routes = [Route(to="pos")]
    settings = bed.settings.model_copy(update={"accounts": accounts, "routes": routes})
    assert run(replace(bed, settings=settings), "pos")["a"].numbers["created"] == 1
    goes = {one.destination: one.state for one in p.forwards(bed.ledger, order)}
    assert goes == {"prints": "cancelled", "pos": "sent"}


def test_what_a_printer_refused_goes_to_the_till_once_the_printer_was_asked(
    bed: Project, fresh_sandbox: SandboxProcess
) -> None:
    order = put(bed.ledger, p.a_line("1", sku="PRINT-1"))
    says = {"error": "Pincode not serviceable", "status_code": "400"}
    fresh_sandbox.scenario("status", status=400, body=says, match={"path": "/api/order/create"})
    run(bed, "qikink")
    (one,) = p.forwards(bed.ledger, order)
    assert one.state == "refused"
    with bed.ledger.begin() as conn:  # long ago
        change(conn, one, one.changed_at, intended_at="2020-01-01T00:00:00.000Z")
    settings = bed.settings.model_copy(update={"routes": [Route(to="pos")]})
    bed = replace(bed, settings=settings)
    assert run(bed, "pos")["a"].numbers["waiting"] == 1
    run(bed, "qikink")  # it has nothing else there
    assert run(bed, "pos")["a"].numbers["created"] == 1
    goes = {one.destination: one.state for one in p.forwards(bed.ledger, order)}
    assert goes == {"prints": "refused", "pos": "sent"}
