"""Orders in Dagster, over real HTTP and real folders: a marketplace and a shop bring them, Qikink
and a till fulfil them, and their sources are told.

One project and one instance serve the whole day that the test tells of.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from marketsync_dagster.automation.assembly import build_definitions
from marketsync_dagster.automation.launch import RunReport, launch, opened_instance
from marketsync_dagster.automation.partitions import RANGE_END, RANGE_START
from marketsync_dagster.cli.output import figures
from marketsync_dagster.cli.run import numbers_of
from marketsync_dagster.config.load import load_settings
from marketsync_dagster.resources.project import ProjectResource
from marketsync_dagster.stages.doctor_orders import of_orders
from marketsync_dagster.stages.order_fulfilment import HANDLED
from marketsync_dagster.stages.order_troubles import order_troubles
from marketsync_dagster.stages.order_waiting import waiting_orders
from marketsync_dagster.stages.project import Project, open_project
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster.values.times import utcnow
from marketsync_dagster_tests.sandbox import mirakl as market
from marketsync_dagster_tests.sandbox import qikink
from marketsync_dagster_tests.sandbox.mirakl_orders import order
from marketsync_dagster_tests.sandbox_process import SandboxProcess

OUTLETS = ("kisumu", "westlands")
CLIENT = "qikink_client"
DAGSTER_YAML = Path(__file__).parents[2] / "dagster.yaml"
CONFIG = """\
version: 1
defaults: {{currency: KES, timezone: Africa/Nairobi}}
outlets:
  kisumu: {{name: Kisumu, extract: {{path: extracts/kisumu}}}}
  westlands:
    name: Westlands
    extract: {{path: extracts/westlands}}
    orders: {{drop: till/drop, answers: till/answers, settle_s: 0}}
accounts:
  bestbuy:
    platform: mirakl
    base_url: {sandbox.mirakl_url}
    api_key: {{env: FAKE_MIRAKL}}
    shop_id: {market.SHOP}
    offer_sku: "{{outlet}}-{{sku}}"
    calls: {{orders_s: 0}}
    orders: {{accept: auto, held_hours: 1}}
  printer:
    platform: qikink
    base_url: {sandbox.url}/qikink
    client_id: {{env: FAKE_QIKINK_ID}}
    client_secret: {{env: FAKE_QIKINK_SECRET}}
    quota: {{per_minute: null}}
    ask_s: 0
shops:
  webshop: {{folder: shop/in, updates: shop/out, outlet: westlands, settle_s: 0,
             orders: {{accept: auto, stock: false, held_hours: 1}}}}
routes:
  - {{to: printer, sku: "TEE-*"}}
  - {{to: pos, outlet: westlands}}
channels:
  - {{outlet: kisumu, account: bestbuy}}
  - {{outlet: westlands, account: bestbuy}}
"""
PERSON = {"first_name": "Zawadi", "phone": "+254711000111"}
TOLD = ("Zawadi", "zawadi@mail.invalid", "711000111", "Moi Avenue", "Asha", "Rao")
"""What is said of persons here: nothing of it may be in Dagster's storage."""


@dataclass
class Day:
    """The project, its platforms and its folders."""

    project: Project
    sandbox: SandboxProcess
    root: Path

    def run(self, job: str, *outlets: str, **options: Any) -> RunReport:
        return launch(self.project, job, list(outlets) or None, options)

    def sell(self, order_id: str, *skus: str, **more: Any) -> None:
        """An order at the marketplace; its customer's address comes with the debit."""
        lines = [{"offer_sku": sku, "price": "12.50"} for sku in skus]
        self.sandbox.add_orders(order(order_id, *lines, **more))

    def drop(self, name: str, sku: str) -> None:
        """An order of the retailer's own shop."""
        document = {
            "order_id": name,
            "customer_email": "zawadi@mail.invalid",
            "shipping_address": {
                **PERSON, "last_name": "Mwangi", "street_1": "4 Moi Avenue", "city": "Nairobi",
                "zip": "00100", "country": "KE",
            },
            "items": [{"sku": sku, "quantity": 2, "price": "20.00"}],
        }  # fmt: skip
        folder = self.root / "shop" / "in"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(document))

    def metadata(self, key: str, outlet: str | None = None) -> dict[str, Any]:
        """Of an asset's last materialization."""
        with self.instance() as instance:
            (record,) = instance.fetch_materializations(
                dg.AssetRecordsFilter(
                    asset_key=dg.AssetKey(key.split("/")),
                    asset_partitions=[outlet] if outlet else None,
                ),
                limit=1,
            ).records
        assert record.asset_materialization is not None
        return {name: value.value for name, value in record.asset_materialization.metadata.items()}

    def check(self, name: str, key: str = "orders/order_book") -> dg.AssetCheckEvaluation:
        """The last result of a check."""
        with self.instance() as instance:
            (record,) = instance.event_log_storage.get_asset_check_execution_history(
                dg.AssetCheckKey(dg.AssetKey(key.split("/")), name), limit=1
            )
        assert record.event is not None
        assert record.event.asset_check_evaluation is not None
        return record.event.asset_check_evaluation

    def instance(self) -> AbstractContextManager[dg.DagsterInstance]:
        return opened_instance(self.project)


class Pending:
    """The sensor `pending_orders`, evaluated again and again with its cursor."""

    def __init__(self, day: Day) -> None:
        self.day = day
        self.definitions = build_definitions(day.project.settings)
        self.cursor: str | None = None

    def tick(self) -> Any:
        sensor: Any = self.definitions.resolve_sensor_def("pending_orders")
        file = str(self.day.project.settings.file)
        with (
            self.day.instance() as instance,
            dg.build_sensor_context(
                instance=instance,
                cursor=self.cursor,
                definitions=self.definitions,
                resources={"project": ProjectResource(config=file)},
            ) as context,
        ):
            data = sensor.evaluate_tick(context)
        self.cursor = data.cursor
        return data


@pytest.fixture
def day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_sandbox: SandboxProcess
) -> Iterator[Day]:
    monkeypatch.setenv("MARKETSYNC_HOME", str(tmp_path / ".marketsync"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / ".dagster"))
    monkeypatch.delenv("MARKETSYNC_DATABASE_URL", raising=False)
    for name, value in {
        "FAKE_MIRAKL": market.KEY, "FAKE_QIKINK_ID": CLIENT,
        "FAKE_QIKINK_SECRET": qikink.SECRET,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    intervals = {**market.NO_LIMITS, "OR11": None}
    market.seed_market(
        fresh_sandbox,
        intervals=intervals,
        debit_delay_s=0,
        update_delta_s=0,
        orders_lower_stock=False,
    )
    qikink.seed_real(fresh_sandbox, client_id=CLIENT)
    (tmp_path / "marketsync.yaml").write_text(CONFIG.format(sandbox=fresh_sandbox, market=market))
    (tmp_path / "dagster.yaml").write_bytes(DAGSTER_YAML.read_bytes())
    (tmp_path / "shop" / "in").mkdir(parents=True)
    project = open_project(settings=load_settings(tmp_path / "marketsync.yaml"), user="ada")
    for outlet in OUTLETS:
        frame = pd.DataFrame({"sku": ["SOAP", "TEE-M"], "quantity": [9, 9]})
        project.frames.write(("pos", "catalog"), outlet, frame, inputs="1", numbers={})
    yield Day(project, fresh_sandbox, tmp_path)
    project.ledger.close()


STATES = tuple(state.value for state in OrderState)
PARTS = {
    "orders_mirakl_orders": ("created", "updated", "unchanged", "failed", "left_out"),
    "orders_own_shop_orders": ("created", "updated", "unchanged", "failed", "left_out"),
    "orders_order_book": STATES,
    "orders_qikink_fulfilments": HANDLED,
    "orders_pos_drops": HANDLED,
    "orders_mirakl_updates": ("updated", "unchanged", "failed"),
    "orders_own_shop_updates": ("updated", "unchanged", "failed"),
}
"""Stage -> figures of which each order, forward or command counts in one."""


def adds_up(day: Day, report: RunReport) -> set[str]:
    """The stages of a run, whose figures make their total: in the report, in the metadata, and as
    the command line shows them."""
    sums: dict[str, Counter[str]] = {}
    for result in report.results:
        stage, outlet, numbers = result["stage"], result["outlet"], result["numbers"]
        parts = PARTS[stage]
        assert numbers["total"] == sum(numbers[name] for name in parts), (stage, outlet, numbers)
        sums.setdefault(stage, Counter()).update(numbers)
        shown = figures(numbers, numbers_of(stage)).split(", ")
        for name in (*parts, "total"):
            assert not numbers[name] or f"{numbers[name]} {name}" in shown, (stage, shown)
        if result["ok"] and not stage.endswith("_orders"):
            told = day.metadata(stage.replace("_", "/", 1), outlet)
            assert {name: told[name] for name in numbers} == numbers
    for stage in (one for one in sums if one.endswith("_orders")):
        told = day.metadata(stage.replace("_", "/", 1))
        assert {name: told[name] for name in PARTS[stage]} == {
            name: sums[stage][name] for name in PARTS[stage]
        }
    return set(sums)


def by_stage(report: RunReport) -> dict[tuple[str, str], dict[str, Any]]:
    return {(result["stage"], result["outlet"]): result for result in report.results}


def test_orders_come_in_go_where_they_are_fulfilled_and_their_sources_are_told(day: Day) -> None:
    day.sell("A-1", "westlands-SOAP", "westlands-TEE-M")
    day.sell("B-1", "kisumu-TEE-M")
    day.sell("C-1", "kisumu-NOBODY-KNOWS-IT")
    day.drop("web-1", "SOAP")
    pending = Pending(day)
    (asked,) = pending.tick().run_requests
    assert (asked.job_name, asked.tags[RANGE_START], asked.tags[RANGE_END]) == (
        "pull_orders", "westlands", "westlands",
    )  # fmt: skip
    assert asked.tags["marketsync/why"] == "1 file of webshop"
    again = pending.tick()
    assert not again.run_requests
    assert "files webshop: tried 1 times; again in" in (again.skip_message or "")

    pulled = day.run("pull_orders")
    assert pulled.errors == []
    assert pulled.success
    assert pulled.exit_code == 3, "one order is held"
    told = by_stage(pulled)
    seen = adds_up(day, pulled)
    assert told["orders_mirakl_orders", "bestbuy"]["numbers"]["created"] == 3
    assert told["orders_own_shop_orders", "webshop"]["numbers"]["created"] == 1
    assert day.metadata("orders/mirakl_orders")["created"] == 3
    book = day.metadata("orders/order_book", "kisumu")
    assert (book["total"], book["held"], book["tasks"]) == (2, 1, 0)
    (waiting,) = waiting_orders(day.project, "kisumu", 5)
    assert (waiting["number"], waiting["source"], waiting["state"]) == ("C-1", "bestbuy", "new")
    assert waiting["waits_for"].startswith("unmapped: ")
    assert day.check("held_too_long").passed, "it waits for a moment only"
    assert day.check("conservation").passed

    day.run("pull_orders")  # the debit: now they are to be shipped, and addresses are there
    sent = day.run("fulfil_orders")
    assert sent.errors == []
    seen |= adds_up(day, sent)
    drops = by_stage(sent)["orders_pos_drops", "westlands"]["numbers"]
    assert (drops["created"], drops["total"]) == (2, 2), "each counts once, though asked about"
    assert [one["asked"] for one in day.sandbox.qikink("orders")] == [1, 1]
    assert day.metadata("orders/qikink_fulfilments", "kisumu")["created"] == 1
    assert day.metadata("orders/pos_drops", "westlands")["created"] == 2
    drops = sorted((day.root / "till" / "drop").glob("*.json"))
    assert len(drops) == 2
    assert day.check("not_forwarded").passed

    day.sandbox.control("POST", "/qikink/advance", {"client_id": CLIENT, "steps": 4})
    for drop in drops:
        number = json.loads(drop.read_text())["number"]
        answer = {"number": number, "status": "shipped", "carrier": "DHL", "tracking": f"T{number}"}
        (day.root / "till" / "answers" / f"{number}.json").write_text(json.dumps(answer))
    (asked,) = pending.tick().run_requests
    assert (asked.job_name, asked.tags[RANGE_START], asked.tags[RANGE_END]) == (
        "fulfil_orders", "westlands", "westlands",
    )  # fmt: skip # the till's answers; Qikink was asked a moment ago
    assert asked.tags["marketsync/why"] == "2 answers of the till of westlands"
    done = day.run("fulfil_orders")
    assert done.errors == []
    assert seen | adds_up(day, done) == PARTS.keys()
    assert by_stage(done)["orders_pos_drops", "westlands"]["numbers"]["updated"] == 2
    assert day.sandbox.mirakl_orders()["B-1"]["state"] == "SHIPPED"
    assert day.sandbox.mirakl_orders()["A-1"]["state"] == "SHIPPED"
    assert list((day.root / "shop" / "out").glob("*.json")), "the shop was told"
    totals = day.sandbox.mirakl_order_totals()["calls"]
    assert {name: call["most"] for name, call in totals.items() if call["most"] > 1} == {}
    assert day.check("conservation").passed
    assert day.check("conservation").metadata["orders"].value == 4

    backfill(day, pending.definitions, "kisumu")

    # a destination that cannot be used keeps nobody from being told what others have done
    day.drop("web-2", "TEE-M")
    day.run("pull_orders")
    day.sandbox.scenario("status", channel="qikink", status=401, times=None)
    refused = day.run("fulfil_orders", "westlands")
    adds_up(day, refused)
    bad = by_stage(refused)
    assert not bad["orders_qikink_fulfilments", "westlands"]["ok"]
    assert bad["orders_own_shop_updates", "westlands"]["ok"]
    assert not day.check("every_outlet", "orders/qikink_fulfilments").passed

    # a source that cannot be reached makes the run red, and the others go on
    day.sandbox.scenario("status", channel="mirakl", status=401, times=None)
    day.drop("web-3", "SOAP")
    red = day.run("pull_orders")
    assert (red.success, red.exit_code, red.errors) == (False, 4, [])
    told = by_stage(red)
    assert not told["orders_mirakl_orders", "bestbuy"]["ok"]
    assert told["orders_own_shop_orders", "webshop"]["numbers"]["created"] == 1
    assert told["orders_order_book", "westlands"]["numbers"]["decided_accepted"] == 1
    finding = day.check("every_source", "orders/mirakl_orders")
    assert not finding.passed
    assert "bestbuy" in (finding.description or "")
    assert day.check("every_source", "orders/own_shop_orders").passed

    # what people are told, and what doctor says
    later = utcnow() + timedelta(hours=3)
    troubles = order_troubles(day.project, later)
    assert {(one.kind, one.outlet) for one in troubles} >= {
        ("order_held", "kisumu"), ("order_not_forwarded", "westlands"), ("outlet_failed", None),
    }  # fmt: skip
    lines = {(line.name, line.subject): line for line in of_orders(day.project)}
    assert lines["orders", "bestbuy"].state == "missing"
    assert lines["orders", "webshop"].state == "ok"
    assert lines["till", "westlands"].state == "ok"
    assert lines["routes", ""].state == "ok"

    stored = b"".join(
        path.read_bytes() for path in (day.root / ".dagster").rglob("*") if path.is_file()
    )
    assert b"order_book" in stored
    assert [word for word in TOLD if word.encode() in stored] == []


def backfill(day: Day, definitions: dg.Definitions, outlet: str) -> None:
    """Materialize one partition of the book by itself, as the asset page does."""
    asset = dg.AssetKey(["orders", "order_book"])
    with day.instance() as instance:
        run = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            asset_selection=[asset],
            partition_key=outlet,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        assert run.success
        assert outlet in instance.get_materialized_partitions(asset)
