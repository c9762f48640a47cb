"""The stage that pulls orders, over real HTTP: a shop of Mirakl in the sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from sqlalchemy import select

from marketsync_dagster.catalog.frames import FrameStore
from marketsync_dagster.config.load import load_settings
from marketsync_dagster.ledger import leases
from marketsync_dagster.ledger.calls import call_counts
from marketsync_dagster.ledger.engine import open_ledger
from marketsync_dagster.ledger.order_events import events_of
from marketsync_dagster.ledger.order_tables import order_line, order_raw, orders
from marketsync_dagster.ledger.order_tasks import open_tasks
from marketsync_dagster.ledger.orders import BookOrder, load_orders
from marketsync_dagster.orders.persons import persons_of
from marketsync_dagster.orders.progress import progress_of
from marketsync_dagster.stages.catalog import CATALOG_KEY
from marketsync_dagster.stages.order_pull import lease_of, pull_orders, stage_of
from marketsync_dagster.stages.project import Project, StageResult
from marketsync_dagster.values.order_states import OrderFlag, OrderState
from marketsync_dagster_tests.ledgers import ENGINES, Engine, ready_ledger_url
from marketsync_dagster_tests.sandbox.mirakl import KEY, SHOP, seed_market
from marketsync_dagster_tests.sandbox_process import SandboxProcess

SOURCE = "best_buy"
S = OrderState


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    return request.param


@pytest.fixture
def project(
    engine: Engine, tmp_path: Path, fresh_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    """One account with two outlets, S1 to S3 in the catalog of the first; the shop is empty."""
    monkeypatch.setenv("BEST_BUY_KEY", KEY)
    seed_market(fresh_sandbox, debit_delay_s=0, update_delta_s=0, acceptance_s=10**9)
    retry = {"attempts": 3, "base_s": 0, "cap_s": 0, "budget_s": 5, "retry_after_cap_s": 5}
    account = {
        "platform": "mirakl",
        "base_url": fresh_sandbox.mirakl_url,
        "api_key": {"env": "BEST_BUY_KEY"},
        "shop_id": SHOP,
        "retry": retry,
        "calls": {"orders_s": 0},
        "orders": {"overlap_s": 0},
    }
    document = {
        "version": 1,
        "lease_wait_s": 0,
        "outlets": {"westlands": {"name": "Westlands", "extract": {"path": "westlands"}}},
        "accounts": {SOURCE: account},
        "channels": [{"outlet": "westlands", "account": SOURCE}],
    }
    file = tmp_path / "marketsync.yaml"
    file.write_text(yaml.safe_dump(document))
    settings = load_settings(file)
    ledger = open_ledger(ready_ledger_url(engine, tmp_path))
    frames = FrameStore(tmp_path / "home")
    frames.write(CATALOG_KEY, "westlands", pd.DataFrame({"sku": ["S1", "S2", "S3"]}), inputs="")
    yield Project(settings, ledger, frames, "run-1", "ann")
    ledger.close()


def an_order(name: str, *skus: str, **more: Any) -> dict[str, Any]:
    """An order of one piece of each."""
    lines = [{"offer_sku": sku, "quantity": 1, "price": "3.50"} for sku in skus or ("S1",)]
    return {"shop_id": SHOP, "order_id": name, "lines": lines, "lower_stock": False, **more}


def pull(project: Project, **more: Any) -> StageResult:
    (result,) = pull_orders(project, "mirakl", **more)
    assert result.outlet == SOURCE
    return result


def book(project: Project) -> dict[str, BookOrder]:
    """External id -> order."""
    with project.ledger.read() as conn:
        ids: Sequence[str] = list(conn.execute(select(orders.c.id)).scalars())
        return {order.external_id: order for order in load_orders(conn, ids).values()}


def test_orders_come_with_their_lines_their_money_and_who_they_are_for(
    project: Project, sandbox: SandboxProcess
) -> None:
    sandbox.add_orders(
        an_order("A-1", "S1", "S2"), an_order("A-2", "S1", "gone"), an_order("A-3", state="CLOSED")
    )
    result = pull(project)
    assert (result.ok, result.state) == (True, "done")
    assert result.numbers["created"] == result.numbers["total"] == 3
    there = book(project)
    first = there["A-1"]
    assert (first.platform, first.account, first.outlet) == ("mirakl", SOURCE, "westlands")
    assert (first.state, first.raw_state) == (S.NEW, "WAITING_ACCEPTANCE")
    assert [(line.sku, line.unit_minor, line.remote_state) for line in first.lines] == [
        ("S1", 350, S.NEW),
        ("S2", 350, S.NEW),
    ]
    assert first.total_minor == sum(line.total_minor + line.shipping_minor for line in first.lines)
    assert there["A-2"].flags == {OrderFlag.ON_HOLD}
    assert there["A-2"].line("A-2-2").unmapped == "westlands has no product 'gone'"
    assert there["A-3"].ended_at is not None
    with project.ledger.read() as conn:
        persons = persons_of(conn, [first.id])
    assert set(persons[first.id]) == {"customer"}  # the address comes with the debit
    assert call_counts(project.ledger, account=SOURCE).calls == result.numbers["calls"] == 1


def test_what_a_customer_and_an_operator_do_comes_with_the_next_pull(
    project: Project, sandbox: SandboxProcess
) -> None:
    sandbox.add_orders(
        an_order("A-1", state="SHIPPING"), an_order("A-2", "S1", "S2"), an_order("A-3")
    )
    pull(project)
    assert pull(project).state == "unchanged"
    sandbox.change_order("A-1", state="ON_THE_MOON")
    sandbox.change_order("A-2", remove_lines=["A-2-2"])
    sandbox.change_order("A-3", cancel=True)
    result = pull(project)
    assert (result.numbers["updated"], result.numbers["created"]) == (3, 0)
    there = book(project)
    assert there["A-1"].state is S.IN_PREPARATION
    assert there["A-1"].raw_state == "ON_THE_MOON"
    assert there["A-2"].line("A-2-2").vanished_at is not None
    assert (there["A-3"].state, there["A-3"].lines[0].cancelled) == (S.CANCELLED, 1)
    said = {event.kind for event in events_of(project.ledger, there["A-1"].id)}
    assert "unknown_state" in said


def test_pages_that_drift_and_repeat_lose_and_double_nothing(
    project: Project, sandbox: SandboxProcess
) -> None:
    sandbox.generate_orders(SHOP, 250, lines=2, seed=1, age_s=600, step_s=1)
    sandbox.scenario("repeat_rows", match={"path": "/orders"}, rows=3)
    sandbox.scenario(
        "orders_move",
        channel="mirakl",
        match={"method": "GET", "path": "/orders", "nth": 2},
        insert=3,
        early=2,
        change=1,
        cancel=1,
    )
    first = pull(project)
    assert first.ok, first.reason
    sandbox.clear_scenarios()
    pull(project)
    truth = sandbox.mirakl_orders(brief=1)
    there = book(project)
    assert set(there) == set(truth)
    assert {one.raw_state for one in there.values()} == {one["state"] for one in truth.values()}
    with project.ledger.read() as conn:
        lines = conn.execute(select(order_line.c.order_id, order_line.c.line_id)).all()
        waiting = conn.execute(select(order_raw.c.id).where(order_raw.c.state == "received")).all()
    assert len(lines) == len(set(lines)) == sum(len(one.lines) for one in there.values())
    assert not waiting
    assert not open_tasks(project.ledger)


def test_a_source_that_cannot_be_read_is_red_and_goes_on_where_it_stood(
    project: Project, sandbox: SandboxProcess
) -> None:
    sandbox.generate_orders(SHOP, 450, lines=1, seed=1, age_s=600, step_s=1)
    told: list[tuple[str, int, int]] = []

    def breaks(*said: Any) -> None:
        if not told:
            sandbox.scenario("status", match={"path": "/orders"}, status=500, times=99)
        told.append(said)

    result = pull(project, tell=breaks)
    sandbox.clear_scenarios()
    assert (result.ok, result.state) == (False, "failed")
    kept = int(result.numbers["created"])
    assert kept in (200, 300)  # the second page had come, the third may have been on its way
    assert told[-1] == (SOURCE, kept, 450)
    assert progress_of(project.ledger, SOURCE).started
    again = pull(project)
    assert again.ok
    assert set(book(project)) == set(sandbox.mirakl_orders(brief=1))
    assert (again.numbers["created"], again.numbers["unchanged"]) == (450 - kept, 100)
    assert progress_of(project.ledger, SOURCE).started == ""


def test_who_finds_another_pull_under_way_leaves_it_alone(project: Project) -> None:
    held = leases.take_lease(project.ledger, lease_of(SOURCE), "run other", 60)
    result = pull(project)
    assert (result.ok, result.state) == (True, "busy")
    assert "run other" in result.reason
    leases.release(project.ledger, held)
    assert pull(project).state == "unchanged"


def test_test_mode_keeps_five_and_the_rest_comes_later(
    project: Project, sandbox: SandboxProcess
) -> None:
    sandbox.generate_orders(SHOP, 12, lines=1, seed=1, age_s=600, step_s=1)
    result = pull(project, limit=5)
    assert (result.numbers["created"], result.numbers["left_out"]) == (5, 7)
    assert len(book(project)) == 5
    assert pull(project).numbers["created"] == 7
    assert stage_of("mirakl") == "orders_mirakl_orders"


def test_nothing_personal_leaves_its_table(project: Project, sandbox: SandboxProcess) -> None:
    name = "Zawadi"
    address = {
        "firstname": name, "lastname": name, "street_1": name, "city": name, "country": name,
        "country_iso_code": "KEN", "phone": name,
    }  # fmt: skip
    customer = {"customer_id": "7", "firstname": name, "lastname": name}
    more = {"customer": customer, "shipping_address": address, "email": f"{name}@x.example"}
    sandbox.add_orders(an_order("A-1", state="SHIPPING", **more))
    pull(project)
    sandbox.change_order("A-1", shipping_address={**address, "city": f"{name}2"})
    result = pull(project)
    with project.ledger.read() as conn:
        found = [
            table
            for table in ("orders", "order_line", "order_event", "order_task", "order_hold",
                          "api_call", "outlet_state", "cursor")
            if name in json.dumps(
                [list(map(str, row)) for row in conn.exec_driver_sql(f"SELECT * FROM {table}")]
            )
        ]  # fmt: skip
        kept = persons_of(conn, [book(project)["A-1"].id])
    assert not found
    assert name in str(kept.popitem()[1]["shipping"].city)
    assert name not in repr(result)
