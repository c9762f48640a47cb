"""Reading back by pages: what the pages leave out, repeat or move is asked for by name first."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from marketsync_dagster.catalog.frames import FrameStore
from marketsync_dagster.config.load import load_settings
from marketsync_dagster.ledger import reconciliation as kept
from marketsync_dagster.ledger.calls import call_counts
from marketsync_dagster.ledger.engine import open_ledger
from marketsync_dagster.ledger.laws import broken_laws
from marketsync_dagster.ledger.listings import Source, acknowledge
from marketsync_dagster.platforms.base import ShownPage, ShownPrice
from marketsync_dagster.platforms.registry import target_of_channel
from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster.stages.project import Project, StageResult
from marketsync_dagster.stages.reconciliation import reconcile_outlets
from marketsync_dagster.stages.shown import Reader
from marketsync_dagster.stages.verify import verify_prices
from marketsync_dagster.values.times import to_iso, utcnow
from marketsync_dagster_tests.ledgers import ENGINES, Engine, ready_ledger_url
from marketsync_dagster_tests.projects import FULL, PARTIAL, run_sync
from marketsync_dagster_tests.sandbox.mirakl import KEY, NO_LIMITS, SHOP
from marketsync_dagster_tests.sandbox_process import SandboxProcess

OUTLETS = ["kisumu", "westlands"]
EACH = 120
MIRAKL = "mirakl"


class Market:
    """A shop whose offers, of two outlets, are all as the ledger says."""

    def __init__(self, folder: Path, sandbox: SandboxProcess, engine: Engine = "sqlite") -> None:
        self.sandbox, self.folder = sandbox, folder
        self.url = ready_ledger_url(engine, folder)
        os.environ["TEST_MIRAKL_KEY"] = KEY
        self.write()
        skus = [f"{n:04}" for n in range(1, EACH + 1)]
        products = [{"sku": f"P{sku}", "title": f"Thing {sku}", "references": []} for sku in skus]
        offers = [self.offer(outlet, sku) for outlet in OUTLETS for sku in skus]
        shop = {"api_key": KEY, "shop_id": SHOP, "intervals": NO_LIMITS}
        sandbox.seed({MIRAKL: {"shops": [shop], "products": products, "offers": offers}})
        for outlet in OUTLETS:
            self.tell(outlet, *skus)

    def write(self, outlets: list[str] = OUTLETS, **account: Any) -> None:
        said = {
            "platform": MIRAKL, "base_url": self.sandbox.mirakl_url, "shop_id": SHOP,
            "api_key": {"env": "TEST_MIRAKL_KEY"}, "offer_sku": "{outlet}-{sku}",
            "quota": {"per_minute": None}, "reconcile": {"grace_s": 0},
            "retry": {"attempts": 2, "base_s": 0.001, "cap_s": 0.01, "budget_s": 2},
        }  # fmt: skip
        document = {
            "version": 1,
            "defaults": {"currency": "KES", "timezone": "UTC"},
            "outlets": {o: {"name": o, "extract": {"path": o}} for o in outlets},
            "accounts": {"shop": said | account},
            "channels": [{"outlet": o, "account": "shop"} for o in outlets],
        }
        (self.folder / "marketsync.yaml").write_text(yaml.safe_dump(document))

    @staticmethod
    def offer(outlet: str, sku: str, **other: Any) -> dict[str, Any]:
        return {
            "shop_id": SHOP, "shop_sku": f"{outlet}-{sku}", "product_sku": f"P{sku}",
            "price": f"{int(sku)}.50", "quantity": 5,
        } | other  # fmt: skip

    def project(self) -> Project:
        settings = load_settings(self.folder / "marketsync.yaml")
        settings._home = self.folder / ".marketsync"
        run = f"run-{os.urandom(4).hex()}"
        return Project(settings, open_ledger(self.url), FrameStore(settings.home), run, "ada")

    def tell(
        self, outlet: str, *skus: str, price: int | None = None, outcome: str = "applied",
        stock: tuple[str, int | None] = ("in_stock", 5),
    ) -> None:  # fmt: skip
        """What the ledger knows of a push of these."""
        project = self.project()
        channel = project.settings.channels_of(MIRAKL)[outlet]
        target = target_of_channel(project.settings, channel)
        source = Source(outlet, MIRAKL, "shop", target, "", "2026-11-21T06:00:00.000Z", "")
        rows = [
            (sku, f"P{sku}", int(sku) * 100 + 50 if price is None else price, "KES", *stock,
             outcome, "", 2)
            for sku in skus
        ]  # fmt: skip
        with project.ledger.begin() as connection:
            acknowledge(connection, source, 1, rows, to_iso(utcnow()))
        project.ledger.close()

    def edit(self, outlet: str, sku: str, **change: Any) -> None:
        """What somebody else does to an offer."""
        self.sandbox.change_offers({"shop_id": SHOP, "shop_sku": f"{outlet}-{sku}", **change})

    def read(self, *outlets: str, **options: Any) -> dict[str, StageResult]:
        project = self.project()
        try:
            found = reconcile_outlets(project, MIRAKL, outlets or OUTLETS, **options)
        finally:
            project.ledger.close()
        return {result.outlet: result for result in found}

    def wrong(self) -> dict[tuple[str, str], str]:
        """(outlet, name of the offer) -> verdict, of all that is not verified."""
        project = self.project()
        found = kept.found_wrong(project.ledger, MIRAKL, OUTLETS)
        project.ledger.close()
        return {(row["outlet"], row["platform_sku"]): row["verdict"] for row in found}

    def paths(self, since: int) -> tuple[int, int]:
        """How many pages, and how many offers by name, were asked for since."""
        asked = self.sandbox.requests(since, channel=MIRAKL)
        assert {request["method"] for request in asked} <= {"GET"}
        named = sum("sku=" in str(request) for request in asked)
        return len(asked) - named, named


@pytest.fixture
def market(tmp_path: Path, fresh_sandbox: SandboxProcess) -> Market:
    return Market(tmp_path, fresh_sandbox)


def numbers(result: StageResult) -> dict[str, int | float]:
    """What is not 0, but for the sum."""
    said = {name: n for name, n in result.numbers.items() if n and name != "calls"}
    assert said.pop("listings") == sum(n for name, n in said.items() if name != "unknown_to_us")
    return said


@pytest.mark.parametrize("engine", ENGINES)
def test_one_reading_of_the_pages_is_enough_for_all_outlets_and_each_drift_is_found(
    engine: Engine, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    market = Market(tmp_path, fresh_sandbox, engine)
    before = fresh_sandbox.last_request()
    clean = market.read()
    assert {o: numbers(result) for o, result in clean.items()} == {
        o: {"verified": EACH} for o in OUTLETS
    }
    pages, named = market.paths(before)
    assert (pages, named) == (3, 0)
    assert sum(result.numbers["calls"] for result in clean.values()) == 3
    market.tell("kisumu", "0007", price=9_00)
    market.tell("kisumu", "0008", stock=("out_of_stock", 5))
    market.edit("kisumu", "0003", price="1.23")
    market.edit("kisumu", "0004", quantity=4)
    market.edit("westlands", "0005", delete=True)
    fresh_sandbox.seed({MIRAKL: {"offers": [
        market.offer("kisumu", "0001", shop_sku="kisumu-9999"),
        market.offer("kisumu", "0001", shop_sku="somebody"),
    ]}})  # fmt: skip
    before = fresh_sandbox.last_request()

    found = market.read()

    assert numbers(found["kisumu"]) == {
        "verified": EACH - 4, "not_applied": 2, "overwritten": 2, "unknown_to_us": 2,
    }  # fmt: skip
    assert numbers(found["westlands"]) == {"verified": EACH - 1, "not_applied": 1}
    assert market.wrong() == {
        ("kisumu", "kisumu-0003"): "overwritten",
        ("kisumu", "kisumu-0004"): "overwritten",
        ("kisumu", "kisumu-0007"): "not_applied",
        ("kisumu", "kisumu-0008"): "not_applied",
        ("westlands", "westlands-0005"): "not_applied",
        ("kisumu", "kisumu-9999"): "unknown_to_us",
        ("kisumu", "somebody"): "unknown_to_us",
    }
    assert market.paths(before) == (3, 5)
    project = market.project()
    assert call_counts(project.ledger).calls == 3 + 3 + 5
    project.ledger.close()
    # a stranger that goes is asked for by name before it is forgotten
    market.sandbox.change_offers({"shop_id": SHOP, "shop_sku": "somebody", "delete": True})
    before = fresh_sandbox.last_request()
    again = market.read()
    assert numbers(again["kisumu"]) == {"verified": EACH - 4, "pending": 4, "unknown_to_us": 1}
    assert market.paths(before) == (3, 1)


def between_pages(
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[int], None] = lambda _: None,
    rows: Callable[[list[ShownPrice]], list[ShownPrice]] = list,
) -> None:
    """`change` is called after each page with its number, from 1; `rows` says what is on it."""
    pages = Reader.pages

    async def moved(self: Reader) -> Any:
        number = 0
        async for page in pages(self):
            number += 1
            change(number)
            yield ShownPage(rows(page.rows), page.total, page.calls)

    monkeypatch.setattr(Reader, "pages", moved)


def test_offers_that_move_while_the_pages_are_read_are_not_called_wrong(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    market.sandbox.seed({MIRAKL: {"offers": [
        market.offer("kisumu", f"{n:04}", shop_sku=f"kisumu-x{n}") for n in range(1, 9)
    ]}})  # fmt: skip
    assert market.read()["kisumu"].numbers["unknown_to_us"] == 8

    def moves(page: int) -> None:
        # offers before the next page go: what follows moves up, and is on no page
        for number in (page, page + 4):
            market.sandbox.change_offers(
                {"shop_id": SHOP, "shop_sku": f"kisumu-x{number}", "delete": True}
            )
        # our own pushes, of what was read and of what comes; one is known, one is on its way
        for sku in (f"{page:04}", f"{EACH - page:04}"):
            market.tell("westlands", sku, price=700 + page)
            market.edit("westlands", sku, price=f"7.0{page}")
        market.tell("kisumu", f"{60 + page:04}", price=1, outcome="accepted_async")
        market.edit("kisumu", f"{60 + page:04}", price="55.00")

    between_pages(monkeypatch, moves)
    before = market.sandbox.last_request()
    found = market.read()
    assert set(numbers(found["kisumu"])) == {"verified", "in_flight", "unknown_to_us"}
    assert numbers(found["westlands"])["in_flight"] == 6
    assert set(market.wrong().values()) <= {"unknown_to_us"}
    assert market.paths(before)[1] > 0
    monkeypatch.undo()
    after = market.read()
    assert numbers(after["kisumu"]) == {"verified": EACH - 3, "in_flight": 3, "unknown_to_us": 2}
    assert numbers(after["westlands"]) == {"verified": EACH}


@pytest.mark.parametrize(
    "rows",
    [
        lambda rows: rows[:-5],
        lambda rows: [row._replace(price=Decimal(1)) for row in rows[:5]] + rows[5:],
        lambda rows: rows + [row._replace(quantity=1) for row in rows[:5]],
    ],
    ids=["left out", "older", "twice"],
)
def test_what_pages_leave_out_or_repeat_is_asked_for_by_name(
    market: Market, monkeypatch: pytest.MonkeyPatch, rows: Any
) -> None:
    between_pages(monkeypatch, rows=rows)
    before = market.sandbox.last_request()
    assert {o: numbers(r) for o, r in market.read().items()} == {
        o: {"verified": EACH} for o in OUTLETS
    }
    assert market.paths(before) == (3, 15)
    # no more than may be asked for by name; of the others nothing is said
    found = market.read(limit=3)
    assert sum(result.numbers["not_read"] for result in found.values()) == 9
    assert market.wrong() == {}


def test_what_is_told_or_would_be_is_no_stranger_and_strangers_are_not_forgotten_unasked(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["kisumu-8888", "kisumu-9999", "kisumu-0001x", "westlands-0001x"]
    offers = [market.offer("kisumu", "0001", shop_sku=name) for name in names]
    market.sandbox.seed({MIRAKL: {"offers": offers}})
    project = market.project()
    feed = pd.DataFrame({"sku": ["0001", "8888"]})
    project.frames.write((MIRAKL, "price_feed"), "kisumu", feed, inputs="", numbers={})
    project.ledger.close()
    market.tell("kisumu", "0001", price=1, outcome="refused")
    for hidden in (False, True):  # the second time they are on no page
        if hidden:
            between_pages(
                monkeypatch, rows=lambda r: [one for one in r if one.platform_sku not in names]
            )
        found = market.read()
        assert numbers(found["kisumu"]) == {
            "verified": EACH - 1, "not_acknowledged": 1, "unknown_to_us": 2,
        }  # fmt: skip
        assert found["westlands"].numbers["unknown_to_us"] == 1
        assert set(market.wrong()) == {
            ("kisumu", "kisumu-9999"), ("kisumu", "kisumu-0001x"), ("westlands", "westlands-0001x"),
        }  # fmt: skip
    market.sandbox.change_offers({"shop_id": SHOP, "shop_sku": "kisumu-9999", "delete": True})
    market.read()
    assert ("kisumu", "kisumu-9999") not in market.wrong()
    assert len(market.wrong()) == 2


def test_an_inactive_offer_is_wrong_only_while_it_should_be_on_sale(market: Market) -> None:
    market.tell("kisumu", "0001", stock=("out_of_stock", 7))
    market.edit("kisumu", "0001", quantity=0)
    market.tell("kisumu", "0002", stock=("limited_stock", None))
    market.edit("kisumu", "0002", quantity=1)
    assert numbers(market.read("kisumu")["kisumu"]) == {"verified": EACH}


def test_pages_that_cannot_be_read_leave_every_outlet_as_it_was(market: Market) -> None:
    market.edit("kisumu", "0003", price="1.23")
    market.read()
    stood = market.wrong()
    market.sandbox.scenario(
        "status", channel=MIRAKL, status=401, times=None, match={"path": "/offers"}
    )
    before = market.sandbox.last_request()
    found = market.read()
    assert [result.ok for result in found.values()] == [False, False]
    assert {result.next_step for result in found.values()} == {
        "marketsync connections test --account shop"
    }
    assert market.wrong() == stood
    assert len(market.sandbox.requests(before)) == 1
    market.sandbox.clear_scenarios()
    market.sandbox.scenario("retry_after", channel=MIRAKL, form="seconds", value=1_800)
    for words in ("HTTP 429", "asked us to stay away until"):  # whoever comes later makes no call
        found = market.read()
        assert all(words in result.reason for result in found.values())
    assert market.wrong() == stood
    assert len(market.sandbox.requests(before)) == 2


def test_an_outlet_alone_is_judged_alone_and_strangers_stay_told(market: Market) -> None:
    market.sandbox.seed({MIRAKL: {"offers": [
        market.offer("westlands", "0001", shop_sku="westlands-9999"),
    ]}})  # fmt: skip
    market.edit("westlands", "0003", price="1.23")
    assert numbers(market.read("kisumu")["kisumu"]) == {"verified": EACH}
    assert market.wrong() == {("westlands", "westlands-9999"): "unknown_to_us"}


def test_single_prices_are_verified_under_the_names_of_their_offers(market: Market) -> None:
    market.edit("kisumu", "0120", quantity=4)
    project = market.project()
    found = {one.sku: one for one in verify_prices(project, MIRAKL, "kisumu", EACH)}
    project.ledger.close()
    assert [sku for sku, one in found.items() if not one.ok] == ["0120"]
    assert found["0120"].expected == "KES 120.50, in_stock, 5"
    assert found["0120"].reason == "the platform shows another quantity"


@pytest.fixture
def shop(tmp_path: Path, fresh_sandbox: SandboxProcess) -> Iterator[Project]:
    """Two outlets of forty offers each that were pushed by imports."""
    market = Market(tmp_path, fresh_sandbox)
    document = yaml.safe_load((tmp_path / "marketsync.yaml").read_text())
    calls = [f"{kind}{call}_s" for kind in ("offers", "prices", "stock")
             for call in ("", "_status", "_report")]  # fmt: skip
    document["accounts"]["shop"] |= {
        "calls": dict.fromkeys(calls, 0),
        "imports": {"wait_s": 5},
        "offer_sku": "new-{outlet}-{sku}",
    }
    columns = {"sku": "sku", "name": "name", "price": "price", "stock": "stock"}
    for outlet in OUTLETS:
        document["outlets"][outlet]["extract"] |= {"settle_s": 0, "columns": columns}
        lines = [f"{n:04},Thing {n},{n + 50}.50,{n % 3}" for n in range(1, 41)]
        (tmp_path / outlet).mkdir()
        text = "\n".join(["sku,name,price,stock", *lines]) + "\n"
        (tmp_path / outlet / "2026-11-20.csv").write_text(text)
    ids = [f"{n:04},P{n:04},," for n in range(1, 41)]
    (tmp_path / "ids.csv").write_text("\n".join(["sku,platform_id,platform_sku,name", *ids]))
    for channel in document["channels"]:
        channel |= {"push_enabled": True, "auto_push": True, "mapping": {"file": "ids.csv"}}
        channel |= {"guard": {"initial": "auto"}}
    (tmp_path / "marketsync.yaml").write_text(yaml.safe_dump(document))
    fresh_sandbox.seed({MIRAKL: {"shops": [
        {"api_key": KEY, "shop_id": SHOP, "intervals": NO_LIMITS, "processing_s": 0.02}
    ]}})  # fmt: skip
    market.sandbox.change_offers(
        *({"shop_id": SHOP, "shop_sku": f"{outlet}-{n:04}", "delete": True}
          for outlet in OUTLETS for n in range(1, EACH + 1))
    )  # fmt: skip
    project = market.project()
    yield project
    project.ledger.close()


def test_what_has_drifted_goes_again_in_one_import_of_all_outlets_and_nothing_else_does(
    shop: Project, fresh_sandbox: SandboxProcess
) -> None:
    def pushed(options: PlanOptions = PARTIAL) -> dict[str, dict[str, int | float]]:
        run = dataclasses.replace(shop, run_id=f"run-{os.urandom(4).hex()}")
        found = run_sync(run, MIRAKL, OUTLETS, options).stages["mirakl_listings"]
        return {outlet: dict(result.numbers) for outlet, result in found.items()}

    def read() -> dict[str, dict[str, int | float]]:
        return {r.outlet: numbers(r) for r in reconcile_outlets(shop, MIRAKL, OUTLETS)}

    def offers() -> dict[str, Any]:
        held = fresh_sandbox.mirakl("offers", shop_id=SHOP)[str(SHOP)]
        return {name: (offer["price"], offer["quantity"]) for name, offer in held.items()}

    assert [n["applied"] for n in pushed(FULL).values()] == [40, 40]
    assert read() == {outlet: {"verified": 40} for outlet in OUTLETS}
    told = offers()
    assert [n["sent"] for n in pushed().values()] == [0, 0]
    fresh_sandbox.change_offers(
        {"shop_id": SHOP, "shop_sku": "new-kisumu-0001", "price": "1.00"},
        {"shop_id": SHOP, "shop_sku": "new-kisumu-0002", "quantity": 9},
        {"shop_id": SHOP, "shop_sku": "new-kisumu-0003", "quantity": 9, "price": "2.00"},
        {"shop_id": SHOP, "shop_sku": "new-westlands-0004", "delete": True},
    )
    assert read() == {
        "kisumu": {"verified": 37, "overwritten": 3},
        "westlands": {"verified": 39, "not_applied": 1},
    }

    before = fresh_sandbox.last_request()
    again = pushed()

    assert {o: (n["sent"], n["applied"]) for o, n in again.items()} == {
        "kisumu": (3, 3), "westlands": (1, 1),
    }  # fmt: skip
    writes = [r for r in fresh_sandbox.requests(before, channel=MIRAKL) if r["method"] == "POST"]
    assert [write["path"] for write in writes] == ["/mirakl/api/offers"]
    assert offers() == told
    before = fresh_sandbox.last_request()
    assert [n["sent"] for n in pushed().values()] == [0, 0]
    assert fresh_sandbox.requests(before) == []
    assert read() == {outlet: {"verified": 40} for outlet in OUTLETS}
    with shop.ledger.read() as connection:
        assert list(broken_laws(connection)) == []
