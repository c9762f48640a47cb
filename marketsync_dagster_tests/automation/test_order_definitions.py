"""What the code location holds where there are orders: lineage, checks, jobs, schedules, sensor."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from marketsync_dagster.automation.assembly import build_definitions
from marketsync_dagster.automation.launch import order_stages
from marketsync_dagster.automation.partitions import RANGE_END, RANGE_START
from marketsync_dagster.cli.run import job_names
from marketsync_dagster.config.load import read_settings
from marketsync_dagster.config.settings import Settings

OUTLETS = """\
version: 1
outlets:
  kisumu: {name: Kisumu, extract: {path: extracts/kisumu}}
  westlands: {name: Westlands, extract: {path: extracts/westlands}, orders: {drop: till}}
shops:
  webshop: {folder: shop, outlet: westlands}
"""
WHOLE = (
    OUTLETS
    + """\
accounts:
  bestbuy: {platform: mirakl, base_url: "https://market.example", api_key: {env: A}, orders: {}}
  printer: {platform: qikink, base_url: "https://prints.example/api/v1", client_id: {env: B},
            client_secret: {env: C}, profile: spec, products: {outlet: kisumu}}
routes: [{to: printer, sku: "TEE-*"}, {to: pos}]
schedules: {orders: "*/5 * * * *"}
"""
)
LINEAGE = {
    "orders/mirakl_orders": [],
    "orders/own_shop_orders": [],
    "orders/order_book": ["orders/mirakl_orders", "orders/own_shop_orders", "pos/catalog"],
    "orders/qikink_fulfilments": ["orders/order_book"],
    "orders/pos_drops": ["orders/order_book"],
    "orders/mirakl_updates": ["orders/pos_drops", "orders/qikink_fulfilments"],
    "orders/own_shop_updates": ["orders/pos_drops", "orders/qikink_fulfilments"],
    "qikink/products": ["pos/catalog"],
}
CHECKS = {
    "orders/mirakl_orders": {"every_source"},
    "orders/own_shop_orders": {"every_source"},
    "orders/order_book": {
        "outlet_ok", "every_outlet", "held_too_long", "past_deadline", "not_forwarded",
        "conservation", "no_open_tasks", "states_known",
    },
    "orders/qikink_fulfilments": {"every_outlet"},
    "orders/pos_drops": {"every_outlet"},
    "orders/mirakl_updates": {"every_outlet"},
    "orders/own_shop_updates": {"every_outlet"},
    "qikink/products": {"every_outlet"},
}  # fmt: skip
BOOK = {"orders_order_book", "orders_order_book_outlets", "orders_order_book_checks"}


def with_checks(*steps: str) -> set[str]:
    return {name for step in steps for name in (step, f"{step}_checks")}


def settings_of(text: str) -> Settings:
    return read_settings(text.encode(), Path("/nowhere/marketsync.yaml"))


@pytest.fixture(scope="module", autouse=True)
def instance() -> Iterator[dg.DagsterInstance]:
    """Dagster looks for the instance in force while it resolves definitions."""
    with dg.instance_for_test() as made:
        yield made


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions(settings_of(WHOLE))


def parents(definitions: dg.Definitions) -> dict[str, list[str]]:
    graph = definitions.resolve_asset_graph()
    return {
        key.to_user_string(): sorted(one.to_user_string() for one in graph.get(key).parent_keys)
        for key in graph.get_all_asset_keys()
        if key.path[0] != "pos"
    }


def test_orders_have_the_lineage_that_was_designed(definitions: dg.Definitions) -> None:
    assert parents(definitions) == LINEAGE
    checks: dict[str, set[str]] = {}
    for key in definitions.resolve_asset_graph().asset_check_keys:
        if key.asset_key.path[0] != "pos":
            checks.setdefault(key.asset_key.to_user_string(), set()).add(key.name)
    assert checks == CHECKS


def test_every_asset_of_orders_says_what_it_is(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for name in LINEAGE:
        node = graph.get(dg.AssetKey(name.split("/")))
        assert node.group_name == name.partition("/")[0]
        assert len(node.description or "") > 40, name
        assert node.owners == ["team:retail-data"]
        assert node.kinds
        assert all(one.description for one in node.metadata["dagster/column_schema"].columns)
        pulled = name.endswith("_orders")
        assert (node.partitions_def is None) is pulled, name
        assert (node.backfill_policy == dg.BackfillPolicy.single_run()) is not pulled, name


def test_jobs_of_orders_hold_these_steps(definitions: dg.Definitions) -> None:
    steps = {
        name: {node.name for node in definitions.resolve_job_def(name).nodes}
        for name in ("pull_orders", "fulfil_orders", "product_sync")
    }
    assert steps["pull_orders"] == BOOK | with_checks(
        "orders_mirakl_orders", "orders_own_shop_orders"
    )
    assert steps["fulfil_orders"] == BOOK | with_checks(
        "orders_qikink_fulfilments",
        "orders_pos_drops",
        "orders_mirakl_updates",
        "orders_own_shop_updates",
    )
    assert with_checks("qikink_products") <= steps["product_sync"]
    ops = {node.name for name in steps for node in definitions.resolve_job_def(name).nodes}
    assert set(order_stages(settings_of(WHOLE))) <= ops, "stages are named as their steps"


def test_launchpads_of_orders_show_what_their_runs_read(definitions: dg.Definitions) -> None:
    def shown(name: str) -> dict[str, dict[str, Any]]:
        job = definitions.resolve_job_def(name)
        found = {}
        for resource in sorted(
            job.get_required_resource_defs().keys() - {"project", "frames", "io_manager"}
        ):
            asked_for: Any = job.resource_defs[resource].config_schema.config_type
            fields = asked_for.fields
            found[resource] = {one: field.default_value for one, field in fields.items()}
            assert all(field.description for field in fields.values())
        return found

    asked = {"limit": 0}
    which = {"since": "", "order_states": []}
    fulfil, pull = shown("fulfil_orders"), shown("pull_orders")
    assert fulfil == {"order_options": asked}
    assert pull == {"order_options": asked, "pull_options": which}


def test_orders_have_schedules_and_a_sensor_that_are_off(
    definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    crons = {}
    for name in ("pull_orders", "fulfil_orders"):
        schedule = definitions.resolve_schedule_def(f"{name}_schedule")
        assert isinstance(schedule, dg.ScheduleDefinition)
        assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
        crons[name] = schedule.cron_schedule
        context = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=datetime(2026, 11, 21, 6, tzinfo=UTC)
        )
        (asked,) = schedule.evaluate_tick(context).run_requests or []
        assert (asked.tags[RANGE_START], asked.tags[RANGE_END]) == ("kisumu", "westlands")
        run = instance.create_run_for_job(
            definitions.resolve_job_def(name), status=dg.DagsterRunStatus.STARTED
        )
        busy: Any = schedule.evaluate_tick(context)
        assert f"{name} is still at work: run {run.run_id[:8]} is started" in busy.skip_message
    assert crons == {"pull_orders": "*/5 * * * *", "fulfil_orders": "5-59/15 * * * *"}
    sensor = definitions.resolve_sensor_def("pending_orders")
    assert isinstance(sensor, dg.SensorDefinition)
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED


@pytest.mark.parametrize(
    ("text", "assets"),
    [
        (OUTLETS, {"own_shop_orders", "order_book", "pos_drops", "own_shop_updates"}),
        (
            OUTLETS.replace(", orders: {drop: till}", ""),
            {"own_shop_orders", "order_book", "own_shop_updates"},
        ),
        (OUTLETS.partition("shops:")[0], set()),
    ],
)
def test_shops_alone_are_enough_and_nothing_is_there_for_nobody(
    text: str, assets: set[str]
) -> None:
    settings = settings_of(text)
    definitions = build_definitions(settings)
    found = {key.partition("/")[2] for key in parents(definitions)}
    assert found == assets
    jobs = {getattr(job, "name", "") for job in definitions.jobs or []}
    assert {"pull_orders", "fulfil_orders"} <= jobs or not assets
    assert jobs & {"pull_orders", "fulfil_orders"} == set(job_names(settings)) & {
        "pull_orders", "fulfil_orders",
    }  # fmt: skip
    dg.Definitions.validate_loadable(definitions)
