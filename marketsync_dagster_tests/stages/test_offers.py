"""A shop on Mirakl through all stages: what is offered, as which import, and what becomes of it
when the till, the configuration or the file of categories changes."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from marketsync_dagster.catalog.frames import FrameStore
from marketsync_dagster.config.load import load_settings
from marketsync_dagster.ledger import plans
from marketsync_dagster.ledger.engine import open_ledger
from marketsync_dagster.push import decisions
from marketsync_dagster.push.plan import PlanOptions, rows_from_parquet, rows_to_parquet
from marketsync_dagster.stages.catalog import build_catalogs
from marketsync_dagster.stages.extract import extract_outlets
from marketsync_dagster.stages.feed import build_feeds, feed_key
from marketsync_dagster.stages.mapping import map_outlets, mapping_key
from marketsync_dagster.stages.offers import offer_products, offers_key, rejected_rows
from marketsync_dagster.stages.platform_catalog import (
    refresh_platform_catalog,
)
from marketsync_dagster.stages.preview import preview
from marketsync_dagster.stages.project import Project, StageResult
from marketsync_dagster.stages.standing import has_changed
from marketsync_dagster_tests.ledgers import ready_ledger_url
from marketsync_dagster_tests.projects import PARTIAL, Synced, run_sync
from marketsync_dagster_tests.sandbox.mirakl import KEY, NO_LIMITS, SHOP
from marketsync_dagster_tests.sandbox_process import SandboxProcess

MIRAKL = "mirakl"
OUTLETS = ["kisumu", "westlands"]
HEADER = "SKU,Model,Name,Barcode,Category,Price,Promo Price,Promo To,Qty,Active"
TEA, TV, JAM, OIL = "4006381333931", "5901234123457", "4012345678901", "9780201379624"
LINES = {
    "tea": f"A1,,Tea,{TEA},Tea,1.50,,,9,yes",
    "tv": f",TV-55,Television,{TV},screens,900.00,,,3,yes",
    "jam": f"C3,,Jam,{JAM},Jam,3.00,,,5,no",
    "oil": f"D4,,Oil,{OIL},Oddments,4.00,,,5,yes",
    "nobody": ",,Nobody,,Tea,5.00,,,1,yes",
    "unpriced": "F6,,Free,,Tea,,,,1,yes",
}
CATEGORIES = "category,code,leadtime_to_ship\nTea,TEA,\nSCREENS,TVS,9\nJam,JAM,\nShoes,SHOES,\n"


class Shop:
    """Two outlets in one shop; every run makes all stages, as a job does."""

    def __init__(self, folder: Path, sandbox: SandboxProcess) -> None:
        self.folder, self.sandbox = folder, sandbox
        self.url = ready_ledger_url("sqlite", folder)
        self.minute = 0
        os.environ["TEST_MIRAKL_KEY"] = KEY
        products = [
            {"sku": f"P-{code}", "title": name, "category_code": category,
             "references": [{"type": "EAN", "value": code}]}
            for code, name, category in (
                (TEA, "Tea", "TEA"), (TV, "TV", "SCREENS"), (JAM, "Jam", "JAM"),
                (OIL, "Oil", "OIL"))
        ]  # fmt: skip
        shop = {"api_key": KEY, "shop_id": SHOP, "intervals": NO_LIMITS, "processing_s": 0.0}
        sandbox.seed({MIRAKL: {"shops": [shop], "products": products, "offers": []}})
        self.account: dict[str, Any] = {
            "platform": MIRAKL, "base_url": sandbox.mirakl_url, "shop_id": SHOP,
            "api_key": {"env": "TEST_MIRAKL_KEY"}, "offer_sku": "{outlet}-{sku}",
            "categories": "categories.csv", "offer": {"leadtime_to_ship": 2},
            "quota": {"per_minute": None},
            "calls": dict.fromkeys(
                [f"{kind}{call}_s" for kind in ("offers", "prices", "stock")
                 for call in ("", "_status", "_report")], 0),
            "imports": {"wait_s": 10, "deadline_s": 60},
            "retry": {"attempts": 2, "base_s": 0.001, "cap_s": 0.01, "budget_s": 2},
        }  # fmt: skip
        self.categories(CATEGORIES)
        self.configure()
        self.till(list(LINES.values()))

    def configure(self, **account: Any) -> None:
        self.account |= account
        document = {
            "version": 1,
            "defaults": {"currency": "KES", "timezone": "UTC"},
            "outlets": {
                o: {"name": o, "extract": {"path": o, "settle_s": 0}} for o in OUTLETS
            },
            "accounts": {"shop": self.account},
            "channels": [
                {"outlet": o, "account": "shop", "push_enabled": True, "auto_push": True,
                 "guard": {"initial": "auto"}}
                for o in OUTLETS
            ],
        }  # fmt: skip
        (self.folder / "marketsync.yaml").write_text(yaml.safe_dump(document))

    def categories(self, text: str) -> None:
        (self.folder / "categories.csv").write_text(text)

    def till(self, lines: Sequence[str], outlets: Sequence[str] = OUTLETS) -> None:
        """A new extract of each outlet."""
        self.minute += 1
        for outlet in outlets:
            folder = self.folder / outlet
            folder.mkdir(exist_ok=True)
            file = folder / f"till_2026-11-20_06{self.minute:02}.csv"
            file.write_text("\n".join([HEADER, *lines]) + "\n")

    @contextmanager
    def open(self) -> Iterator[Project]:
        settings = load_settings(self.folder / "marketsync.yaml")
        settings._home = self.folder / ".marketsync"
        run = f"run-{os.urandom(4).hex()}"
        project = Project(settings, open_ledger(self.url), FrameStore(settings.home), run, "ada")
        try:
            yield project
        finally:
            project.ledger.close()

    def sync(self, options: PlanOptions = PARTIAL) -> Synced:
        with self.open() as project:
            return run_sync(project, MIRAKL, OUTLETS, options)

    def up_to_offers(self) -> dict[str, StageResult]:
        with self.open() as project:
            extract_outlets(project, OUTLETS)
            build_catalogs(project, OUTLETS)
            found = offer_products(project, MIRAKL, OUTLETS)
        return {result.outlet: result for result in found}

    def refresh(self, **how: bool) -> StageResult:
        with self.open() as project:
            return refresh_platform_catalog(project, MIRAKL, **how)

    def known(self) -> None:
        """What the marketplace has of the products is known; nothing was sent."""
        self.up_to_offers()
        assert self.refresh().ok

    def rejected(self) -> list[dict[str, Any]]:
        with self.open() as project:
            return rejected_rows(project, MIRAKL, "kisumu")

    def mapping(self, outlet: str = "kisumu") -> dict[str, dict[str, Any]]:
        with self.open() as project:
            map_outlets(project, MIRAKL, OUTLETS)
            frame = project.frames.read(mapping_key(MIRAKL), outlet).astype(object)
        frame = frame.where(frame.notna(), None)
        return {row["sku"]: row for row in frame.to_dict(orient="records")}  # pyright: ignore

    def imports(self) -> list[str]:
        """The calls that brought an import so far."""
        return [one["kind"] for one in self.sandbox.mirakl("imports", shop_id=SHOP)]

    def offers(self) -> dict[str, dict[str, Any]]:
        return self.sandbox.mirakl("offers")[str(SHOP)]

    def planned(self, options: PlanOptions = PARTIAL, outlet: str = "kisumu") -> dict[str, Any]:
        """SKU -> (change, kind) of the plan that a run would make now."""
        with self.open() as project:
            plan = preview(project, outlet, MIRAKL, options)
        rows = plan.to_send
        return dict(zip(rows["sku"], zip(rows["change"], rows["import_kind"], strict=True),
                        strict=True))  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path, fresh_sandbox: SandboxProcess) -> Shop:
    return Shop(tmp_path, fresh_sandbox)


def test_what_is_not_offered_is_counted_and_listed_with_its_reason(shop: Shop) -> None:
    result = shop.up_to_offers()["kisumu"]
    assert (result.ok, result.state) == (True, "done")
    assert result.numbers == {
        "rows": 4, "offered": 2, "rejected": 2, "inactive": 1, "without_price": 0,
        "without_category": 1, "kept": 0, "unused_categories": 1,
        "records_without_price": 1, "records_without_sku": 1,
    }  # fmt: skip
    rows = shop.rejected()
    assert [(row["sku"], row["line"]) for row in rows] == [
        ("C3", 4), ("D4", 5), (None, 6), ("F6", 7),
    ]  # fmt: skip
    assert [row["reason"] for row in rows][1:] == [
        "its category 'Oddments' is not in categories.csv", "no_sku", "missing_price",
    ]  # fmt: skip
    assert "Neither SKU nor model" in rows[2]["next_step"]
    assert {r.state for r in shop.up_to_offers().values()} == {"unchanged"}


def test_a_file_of_categories_that_cannot_be_used_stops_its_outlets(shop: Shop) -> None:
    shop.categories("category,code\nTea,\n")
    result = shop.up_to_offers()["kisumu"]
    assert (result.ok, "categories.csv:2: code is empty" in result.reason) == (False, True)
    shop.categories(CATEGORIES)
    assert shop.up_to_offers()["kisumu"].state == "done"


def test_barcodes_of_all_outlets_are_asked_for_once(shop: Shop) -> None:
    more = f"Z9,,Jam,{JAM},Jam,3.00,,,5,yes"
    shop.till([*LINES.values(), more.replace("Z9", "Z8")], ["westlands"])
    shop.up_to_offers()
    asked = "mirakl was not asked yet whether it has this product"
    assert shop.mapping()["A1"]["reason"] == asked
    result = shop.refresh()
    assert shop.mapping()["A1"]["platform_id"]
    assert (result.numbers["barcodes"], result.numbers["rows"]) == (3, 3)
    calls = shop.sandbox.mirakl("calls", shop_id=SHOP)
    assert shop.refresh(only_new=True).state == "unchanged"
    assert shop.sandbox.mirakl("calls", shop_id=SHOP) == calls
    # a product that is new, or can be offered now, is asked for alone
    shop.categories(CATEGORIES + "Oddments,OIL,\n")
    shop.up_to_offers()
    result = shop.refresh(only_new=True)
    assert (result.numbers["barcodes"], result.numbers["rows"]) == (1, 4)
    assert shop.mapping()["D4"]["platform_id"] == f"P-{OIL}"
    assert shop.refresh(only_new=True).state == "unchanged"


def test_products_are_mapped_by_barcode_and_named_by_outlet(shop: Shop) -> None:
    shop.known()
    for outlet in OUTLETS:
        rows = shop.mapping(outlet)
        assert {sku: row["platform_id"] for sku, row in rows.items()} == {
            "A1": f"P-{TEA}", "TV-55": f"P-{TV}", "C3": None, "D4": None,
        }  # fmt: skip
        assert rows["A1"]["platform_sku"] == f"{outlet}-A1"
    rows = shop.mapping()
    assert rows["C3"]["reason"] == "inactive in the till, and never offered"
    assert rows["D4"]["reason"] == "its category 'Oddments' is not in categories.csv"


def test_a_category_of_theirs_that_differs_from_the_file_is_told(shop: Shop) -> None:
    shop.known()
    with shop.open() as project:
        (result, _) = map_outlets(project, MIRAKL, OUTLETS)
    assert (result.ok, result.numbers["other_category"]) == (True, 1)
    assert "'TVS'" in result.reason
    assert "'SCREENS'" in result.reason


def test_the_whole_offer_goes_first_and_then_only_what_changed(shop: Shop) -> None:
    shop.known()
    assert shop.planned() == {"A1": ("new", "offers"), "TV-55": ("new", "offers")}
    first = shop.sync()
    assert first.listing("kisumu").numbers["applied"] == 2
    assert shop.imports() == ["OF24"]
    offers = shop.offers()
    assert sorted(offers) == ["kisumu-A1", "kisumu-TV-55", "westlands-A1", "westlands-TV-55"]
    assert {n: o["leadtime_to_ship"] for n, o in offers.items() if n.startswith("kisumu")} == {
        "kisumu-A1": 2, "kisumu-TV-55": 9,
    }  # fmt: skip
    assert shop.planned() == {}

    dearer = LINES | {"tea": LINES["tea"].replace("1.50", "1.60")}
    shop.till(list(dearer.values()))
    assert shop.planned() == {"A1": ("price", "prices")}
    shop.sync()
    fewer = dearer | {"tv": LINES["tv"].replace(",3,yes", ",2,yes")}
    shop.till(list(fewer.values()))
    assert shop.planned() == {"TV-55": ("stock", "stock")}
    shop.sync()
    assert shop.imports() == ["OF24", "PRI01", "STO01"]
    offer = shop.offers()["westlands-TV-55"]
    assert (offer["quantity"], offer["leadtime_to_ship"], float(offer["price"])) == (2, 9, 900.0)
    assert float(shop.offers()["kisumu-A1"]["price"]) == 1.6


@pytest.mark.parametrize("what", ["configuration", "categories"])
def test_changed_details_go_out_with_the_next_partial_run_of_a_settled_channel(
    shop: Shop, what: str
) -> None:
    shop.known()
    shop.sync()
    assert shop.sync().listing("kisumu").state == "unchanged"
    if what == "configuration":
        shop.configure(offer={"leadtime_to_ship": 4})
        expected = {"A1": ("offer", "offers")}
    else:
        shop.categories(CATEGORIES.replace("SCREENS,TVS,9", "SCREENS,TVS,7"))
        expected = {"TV-55": ("offer", "offers")}
    assert shop.planned() == expected
    assert shop.planned(PlanOptions(mode="partial", fields=("offer",))) == expected
    assert shop.planned(PlanOptions(mode="partial", fields=("stock",))) == {}
    result = shop.sync().listing("kisumu")
    assert (result.numbers["sent"], result.numbers["applied"]) == (1, 1)
    changed = {name: offer["leadtime_to_ship"] for name, offer in shop.offers().items()}
    assert changed["kisumu-A1"] == (4 if what == "configuration" else 2)
    assert changed["kisumu-TV-55"] == (9 if what == "configuration" else 7)
    assert shop.sync().listing("kisumu").state == "unchanged"


def test_what_is_shown_and_sold_no_more_stays_with_quantity_0(shop: Shop) -> None:
    shop.known()
    shop.sync()
    shop.till([LINES["tea"].replace("9,yes", "9,no"), LINES["tv"], LINES["jam"]])
    # its category is gone from the file too: no reason to leave a price standing
    shop.categories(CATEGORIES.replace("Tea,TEA,\n", ""))
    assert shop.planned() == {"A1": ("stock", "stock")}
    assert shop.sync().stages["mirakl_products"]["kisumu"].numbers["kept"] == 1
    assert shop.offers()["kisumu-A1"]["quantity"] == 0
    assert shop.mapping()["C3"]["platform_id"] is None


def test_an_offer_that_only_the_shop_knows_is_ours_by_its_name(shop: Shop) -> None:
    """The ledger may be new: what is shown is taken off sale all the same."""
    shop.till([LINES["jam"]])
    shop.up_to_offers()
    offer = {"shop_id": SHOP, "shop_sku": "kisumu-C3", "product_sku": f"P-{JAM}", "price": "3.00"}
    shop.sandbox.seed({MIRAKL: {"offers": [offer | {"quantity": 5}]}})
    shop.refresh()
    assert shop.planned() == {"C3": ("new", "offers")}
    assert shop.planned(outlet="westlands") == {}


def test_an_approved_plan_whose_imports_or_details_have_changed_is_stale(shop: Shop) -> None:
    shop.known()
    shop.sync()
    shop.till([LINES["tea"].replace("1.50", "150.00"), *list(LINES.values())[1:]])
    shop.sync()
    with shop.open() as project:
        held = plans.latest_plan(project.ledger, "kisumu", MIRAKL, ("held",))
        assert held is not None
        assert decisions.details(held)["rows"][0]["import_kind"] == "prices"
        assert has_changed(project, held) == ""
    shop.configure(price_import=False)
    with shop.open() as project:
        assert "go by prices alone, which is switched off" in has_changed(project, held)
    shop.configure(price_import=True, offer={"leadtime_to_ship": 8})
    with shop.open() as project:
        offer_products(project, MIRAKL, OUTLETS)
        map_outlets(project, MIRAKL, OUTLETS)
        build_feeds(project, MIRAKL, OUTLETS)
        # what goes out is the price alone
        assert has_changed(project, held) == ""
        rows = rows_from_parquet(held.rows).assign(import_kind="offers")
        whole = dataclasses.replace(held, rows=rows_to_parquet(rows))
        assert has_changed(project, whole).startswith("1 row of it differ")


def test_one_product_by_name_is_sent_alone(shop: Shop) -> None:
    shop.known()
    only = PlanOptions(mode="partial", skus=("A1",))
    assert shop.sync(only).listing("kisumu").numbers["applied"] == 1
    assert sorted(shop.offers()) == ["kisumu-A1", "westlands-A1"]
    # it goes again when it is named: as it is, which Mirakl takes for the same import
    assert shop.planned(only) == {"A1": ("unchanged", "offers")}
    assert shop.sync(only).listing("westlands").numbers["applied"] == 1
    (found,) = shop.sandbox.mirakl("imports", shop_id=SHOP)
    assert (found["received"], found["in_effect"]) == (2, 1)


def test_the_feed_says_what_offers_say(shop: Shop) -> None:
    shop.known()
    shop.mapping()
    shop.sync(PlanOptions(mode="partial", limit=1))
    with shop.open() as project:
        feed = project.frames.read(feed_key(MIRAKL), "westlands")
        offers = project.frames.read(offers_key(MIRAKL), "westlands")
    assert feed["platform_sku"].tolist() == ["westlands-A1", "westlands-TV-55"]
    assert [json.loads(one)["leadtime_to_ship"] for one in feed["details"]] == [2, 9]
    assert feed["details"].tolist() == offers["details"].dropna().tolist()


def test_a_product_with_two_barcodes_is_found_by_either(shop: Shop) -> None:
    """The outlets may have different ones of them."""
    one, other = "4000000000006", "4000000000013"
    both = [{"type": "EAN", "value": code} for code in (one, other)]
    shop.sandbox.seed({MIRAKL: {"products": [{"sku": "P-BOTH", "references": both}]}})
    shop.till([LINES["tea"].replace(TEA, one)], ["kisumu"])
    shop.till([LINES["tea"].replace(TEA, other)], ["westlands"])
    shop.known()
    assert shop.mapping("kisumu")["A1"]["platform_id"] == "P-BOTH"
    assert shop.mapping("westlands")["A1"]["platform_id"] == "P-BOTH"
