"""The code location as a whole: what it holds, that it loads, and that loading it is cheap."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.run_coordinator import QueuedRunCoordinator

from marketsync_dagster.automation.assembly import build_definitions
from marketsync_dagster_tests.assets.fakes import settings_of, write_config

ROOT = Path(__file__).parents[1]
HEAVY = (
    "pandas pandera pyarrow numpy alembic sqlalchemy sklearn rapidfuzz starlette uvicorn babel "
    "charset_normalizer apprise httpx cryptography polars"
).split()

LINEAGE = {
    "pos/extract": [],
    "pos/rejects": [],
    "pos/catalog": ["pos/extract"],
    "tracker_ke/products": ["pos/catalog"],
    "tracker_ke/platform_catalog": [],
    "tracker_ke/sku_mapping": [
        "pos/catalog", "tracker_ke/platform_catalog", "tracker_ke/products",
    ],
    "tracker_ke/price_feed": ["pos/catalog", "tracker_ke/sku_mapping"],
    "tracker_ke/listings": ["tracker_ke/price_feed"],
    "tracker_ke/reconciliation": ["tracker_ke/listings"],
    "pasons/sku_mapping": ["pos/catalog"],
    "pasons/price_feed": ["pasons/sku_mapping", "pos/catalog"],
    "pasons/listings": ["pasons/price_feed"],
}  # fmt: skip

CHECKS = {
    "pos/extract": {"conservation", "every_outlet", "outlet_ok", "runs"},
    "pos/catalog": {"schema"},
    "tracker_ke/sku_mapping": {"mapping_coverage"},
    "tracker_ke/price_feed": {"schema"},
    "tracker_ke/listings": {
        "conservation", "every_outlet", "freshness", "guard", "keys_fresh", "outlet_ok",
    },
    "tracker_ke/reconciliation": {"no_drift"},
    "pasons/sku_mapping": {"mapping_coverage"},
    "pasons/price_feed": {"schema"},
    "pasons/listings": {
        "conservation", "every_outlet", "freshness", "guard", "keys_fresh", "outlet_ok",
    },
}  # fmt: skip

POS_STEPS = {"pos_extract", "pos_extract_outlets", "pos_catalog", "pos_checks"}


@pytest.fixture(scope="module", autouse=True)
def _an_instance() -> Iterator[None]:
    """Dagster looks for the instance in force while it resolves definitions."""
    with dg.instance_for_test():
        yield


def steps(platform: str, *parts: str) -> set[str]:
    return {f"{platform}_{part}" for part in parts}


def push(platform: str) -> set[str]:
    return {f"{platform}__listings", *steps(platform, "listings_outlets", "checks")}


PARTIAL = POS_STEPS | {
    step
    for platform in ("tracker_ke", "pasons")
    for step in steps(platform, "sku_mapping", "price_feed") | push(platform)
}
JOBS = {
    "full_sync": PARTIAL | {"tracker_ke_products"},
    "partial_sync": PARTIAL,
    "stock_sync": PARTIAL,
    "push_tracker_ke": push("tracker_ke"),
    "push_pasons": push("pasons"),
    "product_sync": POS_STEPS | steps("tracker_ke", "products", "sku_mapping", "checks"),
    "refresh_mappings": steps("tracker_ke", "platform_catalog", "sku_mapping", "checks")
    | steps("pasons", "sku_mapping", "checks"),
    "reconcile": steps("tracker_ke", "reconciliation", "reconciliation_checks"),
    "plan": {"preview"},
    "test_connections": {"connections"},
    "retention": {"prune"},
}


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return build_definitions(settings_of(write_config(tmp_path_factory.mktemp("shop"))))


def test_the_lineage_is_the_one_that_was_designed(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    found = {
        key.to_user_string(): sorted(
            parent.to_user_string() for parent in graph.get(key).parent_keys
        )
        for key in graph.get_all_asset_keys()
    }
    assert found == LINEAGE


def test_the_checks_are_the_ones_that_were_designed(definitions: dg.Definitions) -> None:
    found: dict[str, set[str]] = {}
    for key in definitions.resolve_asset_graph().asset_check_keys:
        found.setdefault(key.asset_key.to_user_string(), set()).add(key.name)
    assert found == CHECKS


def test_the_jobs_hold_these_steps_and_run_in_one_process(definitions: dg.Definitions) -> None:
    found = {name: definitions.resolve_job_def(name) for name in JOBS}
    assert {name: {node.name for node in job.nodes} for name, job in found.items()} == JOBS
    assert {job.executor_def.name for job in found.values()} == {"in_process"}
    assert {getattr(job, "name", "") for job in definitions.jobs or []} == set(JOBS)
    assert all(job.description for job in found.values())
    definitions.get_repository_def()
    dg.Definitions.validate_loadable(definitions)


def test_every_asset_says_what_it_is(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        name = key.to_user_string()
        assert node.group_name == key.path[0], name
        assert len(node.description or "") > 40, name
        assert node.owners == ["team:retail-data"], name
        assert node.kinds, name
        schema = node.metadata["dagster/column_schema"]
        assert isinstance(schema, dg.TableSchema), name
        assert all(column.description for column in schema.columns), name
        if name != "tracker_ke/platform_catalog":
            assert node.backfill_policy == dg.BackfillPolicy.single_run(), name
            assert node.partitions_def is not None, name
    late = {
        key.to_user_string()
        for key in graph.get_all_asset_keys()
        if graph.get(key).freshness_policy is not None
    }
    assert late == {"pos/extract", "tracker_ke/listings", "pasons/listings"}


def test_the_columns_shown_are_those_that_are_validated(definitions: dg.Definitions) -> None:
    from marketsync_dagster.catalog import schemas

    graph = definitions.resolve_asset_graph()
    for name, schema in {
        "pos/extract": schemas.EXTRACT,
        "pos/catalog": schemas.CATALOG,
        "tracker_ke/sku_mapping": schemas.SKU_MAPPING,
        "pasons/price_feed": schemas.FEED,
        "tracker_ke/platform_catalog": schemas.PLATFORM_CATALOG,
    }.items():
        node = graph.get(dg.AssetKey(name.split("/")))
        shown = [column.name for column in node.metadata["dagster/column_schema"].columns]
        assert shown == list(schema.columns), name


def test_only_platforms_with_channels_have_assets(tmp_path: Path) -> None:
    file = write_config(tmp_path)
    text = file.read_text()
    file.write_text("\n".join(line for line in text.splitlines() if "pasons_" not in line) + "\n")
    keys = build_definitions(settings_of(file)).resolve_asset_graph().get_all_asset_keys()
    assert {key.path[0] for key in keys} == {"pos", "tracker_ke"}


def loaded(code: str, config: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MARKETSYNC_CONFIG": str(config)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_loading_the_definitions_imports_nothing_heavy(tmp_path: Path) -> None:
    """Every run pays for these imports: what Dagster itself does not need, loading does not."""
    code = f"""
import sys, time
import dagster
before = set(sys.modules)
start = time.perf_counter()
import marketsync_dagster.definitions
seconds = time.perf_counter() - start
after = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print("heavy:", sorted(after & set({HEAVY!r})))
print(f"{{seconds:.2f}} s")
"""
    orders = "shops:\n  web: {folder: shop, outlet: kisumu}\n"
    run = loaded(code, write_config(tmp_path, tail=orders))
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[0] == "heavy: []"
    print(run.stdout)


def test_a_mistake_in_the_configuration_is_shown_as_a_sentence_with_its_line(
    tmp_path: Path,
) -> None:
    file = write_config(tmp_path, tail="alerts: {no_success_hours: soon}\n")
    run = loaded("import marketsync_dagster.definitions", file)
    last = run.stderr.strip().splitlines()[-1]
    assert run.returncode == 1
    assert "alerts.no_success_hours" in run.stderr
    assert "marketsync.yaml:" in run.stderr
    assert "pydantic" not in last


def test_the_workspace_names_the_definitions_and_dagster_yaml_is_valid(tmp_path: Path) -> None:
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text())
    (entry,) = workspace["load_from"]
    assert entry["python_module"] == {
        "module_name": "marketsync_dagster.definitions",
        "attribute": "defs",
        "location_name": "marketsync",
    }
    (tmp_path / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert not instance.run_retries_retry_on_asset_or_op_failure
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        assert queue.max_concurrent_runs == 4
        coordinator = instance.run_coordinator
        assert isinstance(coordinator, QueuedRunCoordinator)
        assert coordinator.dequeue_interval_seconds == 1
        assert instance.run_monitoring_settings["free_slots_after_run_end_seconds"] == 60
