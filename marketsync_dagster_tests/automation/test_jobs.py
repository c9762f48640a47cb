"""Jobs where offers carry price and stock: products go out with their listings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from marketsync_dagster.assets.specs import title
from marketsync_dagster.automation.assembly import build_definitions
from marketsync_dagster.config.load import load_settings
from marketsync_dagster.ledger.urls import ledger_url
from marketsync_dagster_tests.sandbox_process import SandboxProcess
from marketsync_dagster_tests.stages.test_offers import LINES, MIRAKL, Shop

LINEAGE = {
    "mirakl/products": ["pos/catalog"],
    "mirakl/platform_catalog": ["mirakl/products"],
    "mirakl/sku_mapping": ["mirakl/platform_catalog", "mirakl/products", "pos/catalog"],
    "mirakl/price_feed": ["mirakl/products", "mirakl/sku_mapping", "pos/catalog"],
    "mirakl/listings": ["mirakl/price_feed"],
    "mirakl/reconciliation": ["mirakl/listings"],
}
POS = {"pos_extract", "pos_catalog"}
TO_LISTINGS = {"mirakl_products", "mirakl_sku_mapping", "mirakl_price_feed", "mirakl__listings"}
JOBS = {
    "full_sync": POS | TO_LISTINGS,
    "partial_sync": POS | TO_LISTINGS,
    "stock_sync": POS | TO_LISTINGS,
    "product_sync": POS | TO_LISTINGS | {"mirakl_platform_catalog"},
    "push_mirakl": {"mirakl__listings"},
    "refresh_mappings": {"mirakl_products", "mirakl_platform_catalog", "mirakl_sku_mapping"},
}
OWN = {"partial": "*/20 * * * *", "products": "15 * * * *"}


@pytest.fixture
def shop(tmp_path: Path, fresh_sandbox: SandboxProcess) -> Shop:
    return Shop(tmp_path, fresh_sandbox)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


def definitions(shop: Shop) -> dg.Definitions:
    settings = load_settings(shop.folder / "marketsync.yaml")
    settings._home = shop.folder / ".marketsync"
    return build_definitions(settings)


def test_the_lineage_and_the_jobs_of_a_platform_with_offers(
    shop: Shop, instance: dg.DagsterInstance
) -> None:
    shop.configure(schedules=OWN)
    found = definitions(shop)
    graph = found.resolve_asset_graph()
    parents = {
        key.to_user_string(): sorted(one.to_user_string() for one in graph.get(key).parent_keys)
        for key in graph.get_all_asset_keys()
        if key.path[0] == MIRAKL
    }
    assert parents == LINEAGE
    for key in graph.get_all_asset_keys():
        if key.path[0] == MIRAKL:
            description = graph.get(key).description or ""
            assert title(MIRAKL) in description, key
            assert "Mirakl" not in description.replace(title(MIRAKL), ""), key
    for job, steps in JOBS.items():
        nodes = {node.name for node in found.resolve_job_def(job).nodes}
        assert {name for name in nodes if "outlets" not in name and "checks" not in name} == steps
    dg.Definitions.validate_loadable(found)
    names = {one.name for one in found.schedules or [] if isinstance(one, dg.ScheduleDefinition)}
    assert {"product_sync_schedule", "product_sync_shop_schedule"} <= names
    common = found.resolve_schedule_def("product_sync_schedule")
    assert common.cron_schedule == "0 * * * *"
    assert found.resolve_schedule_def("stock_sync_schedule").cron_schedule == "*/30 * * * *"


def test_product_sync_asks_for_new_barcodes_and_sends_new_offers_alone(
    shop: Shop, instance: dg.DagsterInstance
) -> None:
    settings = load_settings(shop.folder / "marketsync.yaml")
    shop.url = ledger_url(settings)  # where the job's resources look
    shop.known()
    shop.sync()
    shop.till([line.replace(",1.50,", ",1.60,") for line in LINES.values()], ["kisumu"])
    shop.categories("category,code\nTea,TEA\nSCREENS,TVS\nJam,JAM\nOddments,OIL\n")
    found = definitions(shop)
    schedule = found.resolve_schedule_def("product_sync_schedule")
    context = dg.build_schedule_context(instance, datetime(2026, 11, 20, 6, tzinfo=UTC))
    requests = schedule.evaluate_tick(context).run_requests
    assert requests
    (asked,) = requests
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    run = found.resolve_job_def("product_sync").execute_in_process(
        instance=instance,
        raise_on_error=False,
        tags=dict(asked.tags),
        run_config=quiet | dict(asked.run_config),
    )
    assert run.success
    offers = shop.offers()
    # the new product, and the one whose category says no lead time any more; a price waits
    assert float(offers["kisumu-D4"]["price"]) == 4.0
    assert offers["kisumu-TV-55"]["leadtime_to_ship"] == 2
    assert float(offers["kisumu-A1"]["price"]) == 1.5
    assert shop.imports() == ["OF24", "OF24"]
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(
            asset_key=dg.AssetKey([MIRAKL, "products"]), asset_partitions=["kisumu"]
        ),
        limit=1,
    ).records
    materialization = records[0].asset_materialization
    assert materialization is not None
    metadata = {name: value.value for name, value in materialization.metadata.items()}
    assert (metadata["offered"], metadata["inactive"], metadata["dagster/row_count"]) == (3, 1, 4)
    table = materialization.metadata["not_offered"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data["sku"] for record in table.records] == ["C3", "", "F6"]
