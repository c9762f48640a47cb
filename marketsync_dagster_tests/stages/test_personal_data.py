"""Names, streets, mails and phones that were planted in orders: in no log, result, row or file but
those that are for them, whatever fails; and nowhere at all once the orders are forgotten."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import select

from marketsync_dagster.config.load import load_settings
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.order_tables import order_person, order_raw, orders
from marketsync_dagster.ledger.order_tasks import open_tasks
from marketsync_dagster.ledger.orders import BookOrder, load_orders
from marketsync_dagster.orders.forgetting import forget_old, forget_order
from marketsync_dagster.orders.shown import whole
from marketsync_dagster.stages.catalog import CATALOG_KEY
from marketsync_dagster.stages.order_book import keep_book
from marketsync_dagster.stages.order_fulfilment import fulfil
from marketsync_dagster.stages.order_pull import pull_orders
from marketsync_dagster.stages.order_updates import tell_sources
from marketsync_dagster.stages.project import Project, open_project
from marketsync_dagster.values.times import to_iso, utcnow
from marketsync_dagster_tests.sandbox import mirakl as market
from marketsync_dagster_tests.sandbox import qikink
from marketsync_dagster_tests.sandbox_process import SandboxProcess

CLIENT = "qikink_client"
PLANTED = (
    "Zuwena",
    "Okonkwo-Test",
    "17 Canary Crescent",
    "zuwena@canary.invalid",
    "254711998877",
)
FIRST, LAST, STREET, MAIL, PHONE = PLANTED
CONFIG = """\
version: 1
defaults: {{currency: KES, timezone: Africa/Nairobi}}
outlets:
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
    calls: {{orders_s: 0}}
    retry: {{attempts: 2, base_s: 0, cap_s: 0, budget_s: 2}}
    orders: {{accept: auto}}
  printer:
    platform: qikink
    base_url: {sandbox.url}/qikink
    client_id: {{env: FAKE_QIKINK_ID}}
    client_secret: {{env: FAKE_QIKINK_SECRET}}
    quota: {{per_minute: null}}
shops:
  web: {{folder: shop/in, updates: shop/out, outlet: westlands, settle_s: 0,
        orders: {{accept: auto, stock: false}}}}
routes:
  - {{to: printer, sku: "TEE-*"}}
  - {{to: pos}}
channels:
  - {{outlet: westlands, account: bestbuy}}
"""


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_sandbox: SandboxProcess
) -> Iterator[Project]:
    monkeypatch.setenv("MARKETSYNC_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MARKETSYNC_DATABASE_URL", raising=False)
    secrets = {
        "FAKE_MIRAKL": market.KEY,
        "FAKE_QIKINK_ID": CLIENT,
        "FAKE_QIKINK_SECRET": qikink.SECRET,
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    intervals = {**market.NO_LIMITS, "OR11": None}
    market.seed_market(
        fresh_sandbox, intervals=intervals, debit_delay_s=0, update_delta_s=0, address_from="always"
    )
    qikink.seed_real(fresh_sandbox, client_id=CLIENT)
    (tmp_path / "marketsync.yaml").write_text(CONFIG.format(sandbox=fresh_sandbox, market=market))
    (tmp_path / "shop" / "in").mkdir(parents=True)
    opened = open_project(settings=load_settings(tmp_path / "marketsync.yaml"), user="ada")
    frame = pd.DataFrame({"sku": ["S1", "TEE-1"], "quantity": [9, 9]})
    opened.frames.write(CATALOG_KEY, "westlands", frame, inputs="1", numbers={})
    yield opened
    opened.ledger.close()


def sell(sandbox: SandboxProcess, order_id: str, sku: str) -> None:
    """An order at the marketplace, of the planted person."""
    address = {
        "firstname": FIRST, "lastname": LAST, "street_1": STREET, "city": "Nairobi",
        "zip_code": "00100", "state": "Nairobi", "country": "Kenya",
        "country_iso_code": "KEN", "phone": f"+{PHONE}",
    }  # fmt: skip
    line = {"offer_sku": sku, "quantity": 1, "price": "12.50"}
    customer = {"customer_id": "c1", "firstname": FIRST, "lastname": LAST, "locale": "en"}
    sandbox.add_orders(
        {
            "shop_id": market.SHOP, "order_id": order_id, "lines": [line], "email": MAIL,
            "customer": customer, "shipping_address": address, "billing_address": address,
            "lower_stock": False,
        }
    )  # fmt: skip


def drop(project: Project, name: str, **said: Any) -> None:
    """An order of the retailer's own shop, of the same person."""
    address = {
        "first_name": FIRST, "last_name": LAST, "street_1": STREET, "city": "Nairobi",
        "zip": "00100", "country": "KE", "phone": f"+{PHONE}",
    }  # fmt: skip
    order = {
        "order_id": name, "customer_email": MAIL, "shipping_address": address,
        "items": [{"sku": "S1", "quantity": 2, "price": "20.00"}], **said,
    }  # fmt: skip
    (project.settings.root / "shop" / "in" / f"{name}.json").write_text(json.dumps(order))


def one_round(project: Project) -> list[str]:
    """What the jobs do; all that their results say."""
    results = pull_orders(project, "mirakl") + pull_orders(project, "own_shop")
    results += keep_book(project, ["westlands"])
    results += fulfil(project, "qikink", ["westlands"]) + fulfil(project, "pos", ["westlands"])
    for platform in ("mirakl", "own_shop"):
        results += tell_sources(project, platform, ["westlands"])
    return [repr(result) for result in results]


def planted_in(*texts: str) -> list[str]:
    return sorted({one for one in PLANTED for text in texts if one.lower() in text.lower()})


def rows(project: Project) -> dict[str, str]:
    """Table -> all its rows as a text, but of those that are for personal data."""
    mine = {order_person.name, order_raw.name}
    with project.ledger.read() as conn:
        return {
            table.name: repr([tuple(row) for row in conn.execute(select(table))])
            for table in t.metadata.sorted_tables
            if table.name not in mine
        }


def book(project: Project) -> list[BookOrder]:
    with project.ledger.read() as conn:
        return list(load_orders(conn, list(conn.execute(select(orders.c.id)).scalars())).values())


def test_planted_names_are_where_they_belong_and_nowhere_once_they_are_forgotten(
    project: Project, fresh_sandbox: SandboxProcess, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    words = f"{FIRST} {LAST}, {STREET}, {MAIL}, +{PHONE}"
    sell(fresh_sandbox, "GOOD-1", "S1")
    sell(fresh_sandbox, "PRINT-1", "TEE-1")
    sell(fresh_sandbox, "NOBODYS-1", "GONE")
    drop(project, "web-1")
    drop(project, "web-2", items=words)  # of which no order can be made
    drop(project, "web-3", shipping_address=words)
    for path, status, body in (
        (
            "/orders/GOOD-1/accept",
            400,
            {"status": 400, "message": f"blocked: {words}", "code": "X"},
        ),
        ("/api/order/create", 400, {"error": f"Invalid phone: {words}", "status_code": "400"}),
    ):
        fresh_sandbox.scenario("status", status=status, body=body, match={"path": path})
    said = one_round(project)
    said += one_round(project) + one_round(project)

    with project.ledger.read() as conn:
        persons = str(conn.execute(select(order_person.c.fields)).scalars().all())
    assert planted_in(persons) == sorted(PLANTED), "they are kept where they belong"
    kinds = {task.kind for task in open_tasks(project.ledger)}
    assert {"command_refused", "unreadable", "forward_refused"} <= kinds, kinds
    assert list((project.settings.root / "till" / "drop").glob("*.json"))
    found = {name: planted_in(text) for name, text in rows(project).items()}
    assert {name for name, words in found.items() if words} == set()
    assert planted_in(*said, caplog.text) == []
    masked = [json.dumps(whole(project.ledger, project.settings, order)) for order in book(project)]
    assert planted_in(*masked) == []

    for order in book(project):
        forget_order(
            project.ledger, project.settings, order.id, by="ada", reason="asked", force=True
        )
    forget_old(project.ledger, project.settings, to_iso(utcnow()), by="ada")  # the unreadable one
    assert planted_in(*rows(project).values(), caplog.text) == []
    left = {
        str(path.relative_to(project.settings.root))
        for path in project.settings.root.rglob("*")
        if path.is_file() and planted_in(path.read_bytes().decode("latin-1"))
    }
    assert left == {"shop/in/web-2.json"}, "what the shop has still to mend is the shop's"
