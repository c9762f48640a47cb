"""Every request that the adapter makes, against Mirakl's official document where it is at hand."""

from __future__ import annotations

from marketsync_dagster.config.accounts import MiraklAccount
from marketsync_dagster.platforms.base import Adapter
from marketsync_dagster_tests.platforms.mirakl.shop import (
    KINDS,
    OFFERS,
    PRICES,
    STARTED,
    STOCK,
    begin,
    item,
    sent,
    settings,
)
from marketsync_dagster_tests.platforms.support import run
from marketsync_dagster_tests.sandbox import openapi
from marketsync_dagster_tests.sandbox.mirakl import later, seed_market
from marketsync_dagster_tests.sandbox_process import SandboxProcess

pytestmark = openapi.needs_document
CALLS = "V01 A01 P31 OF21 OF24 OF02 OF03 OF04 PRI01 PRI02 PRI03 STO01 STO02 STO03"
FIELDS = {
    "description": "fresh; from the mill",
    "leadtime_to_ship": 2,
    "logistic_class": "M",
    "min_quantity_alert": 1,
    "product_tax_code": "A",
    "additional_fields": {"origin": "KE", "shelf": "ünï"},
}


def test_every_request_conforms(fresh_sandbox: SandboxProcess) -> None:
    seed_market(fresh_sandbox, warehouses=["NBO"])
    fresh_sandbox.settings(keep_bodies=True)
    configured = settings(fresh_sandbox, warehouse="NBO", offer=FIELDS)
    account = configured.accounts["m"]
    assert isinstance(account, MiraklAccount)
    # with what the account says, with what the product's category says, and with neither
    items = [
        item(details=""),
        item("S2", product="P2", quantity=None, details='{"state_code":"11"}'),
        item("gone", product="P9"),
    ]

    async def everything(adapter: Adapter) -> None:
        await adapter.test_connection()
        for kind in KINDS:
            first = await begin(adapter, kind, *items)
            second = await begin(adapter, kind, *items[:2])
            later(fresh_sandbox)
            for ids in ([first, second], [first]):
                said = await adapter.import_status(kind, ids, STARTED)
                assert said.found, said
            report = await adapter.import_report(kind, first, [i.platform_sku for i in items])
            assert report.errors.keys() == {2}
        barcodes = ["6160000000001", "060000000003"]
        assert [page async for page in adapter.read_catalog(barcodes=barcodes)]
        assert [page async for page in adapter.read_catalog("S1")]
        assert [page async for page in adapter.list_shown()]
        assert await adapter.read_prices(["S1", "a/b c"])

    run(configured, "m", everything)
    headers = {"authorization": "key"}  # the log has none in clear; test_imports looks at it
    codes = [
        openapi.check_logged({**call, "headers": {**call["headers"], **headers}})
        for call in sent(fresh_sandbox)
    ]
    assert set(codes) == set(CALLS.split())
    states = {i["status"] for i in fresh_sandbox.mirakl("imports")}
    assert states == {"COMPLETE"}
    assert [kind.value for kind in (OFFERS, PRICES, STOCK)] == ["offers", "prices", "stock"]
