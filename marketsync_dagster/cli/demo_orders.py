"""Orders in the demo: placed at the sandbox's marketplace and by the retailer's own shop, pulled,
accepted, forwarded, shipped and told back, and the proof that nothing was lost or doubled."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marketsync_dagster.cli.demo_mirakl import SHOP_ID
from marketsync_dagster.config.settings import MiraklAccount, OwnShop, QikinkAccount

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.stages.project import Project

ADDRESS = {
    "firstname": "Amina",
    "lastname": "Example",
    "street_1": "1 Example Road",
    "zip_code": "00100",
    "city": "Nairobi",
    "state": "Nairobi",
    "country": "Kenya",
    "country_iso_code": "KEN",
    "phone": "+254700000000",
}
"""Of nobody."""
NOT_OURS = "NOT-OURS-1"
"""An offer that no outlet has: its order is held and shown."""
TILL_CARRIER = "Fargo Courier"

Run = Callable[[str], Any]
"""Runs a job by its name."""
Control = Callable[[str, str, dict[str, Any] | None], Any]
"""Speaks to the sandbox: method, path, document."""


@dataclass
class OrderProof:
    """One thing that is true of the orders, or not."""

    what: str
    expected: int
    found: int

    @property
    def ok(self) -> bool:
        """Whether it is as it should be."""
        return self.expected == self.found


def clear_folders(settings: Settings) -> None:
    """Remove what earlier demos left in the folders of shops and tills, and make them anew."""
    for folder in _folders(settings):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)


def _folders(settings: Settings) -> list[Path]:
    named: list[Path | None] = []
    for shop in settings.shops.values():
        named += [shop.folder, shop.updates]
    for outlet in settings.outlets.values():
        if outlet.orders is not None:
            named += [outlet.orders.drop, outlet.orders.answers]
    return [settings.root / path for path in named if path is not None]


def show_orders(project: Project, run: Run, control: Control) -> list[OrderProof]:
    """Place orders, let them go their way, and prove it."""
    settings = project.settings
    placed = [
        *(_at_mirakl(project, name, account, control) for name, account in _mirakl(settings)),
        *(_at_shop(project, name, shop) for name, shop in settings.shops.items()),
    ]
    run("pull_orders")  # and accepts
    run("pull_orders")  # the marketplace wants them shipped now
    run("fulfil_orders")
    _tills_answer(settings)
    if _qikink(settings):
        control("POST", "/qikink/advance", {"steps": 3})
    run("fulfil_orders")
    return _proofs(project, sum(placed), control)


def _mirakl(settings: Settings) -> list[tuple[str, MiraklAccount]]:
    there = [(n, a) for n, a in settings.accounts.items() if isinstance(a, MiraklAccount)]
    return [(name, account) for name, account in there if account.orders is not None]


def _qikink(settings: Settings) -> bool:
    return any(isinstance(account, QikinkAccount) for account in settings.accounts.values())


def _goods(project: Project, outlet: str, platform: str) -> list[str]:
    """Names of offers of which there are at least ten, those of Qikink's first."""
    from marketsync_dagster.stages.feed import feed_key

    feed = project.frames.read(feed_key(platform), outlet)
    plenty = feed[(feed["quantity"].fillna(0) >= 10) & (feed["price_minor"] < 100_00)]
    made = plenty["sku"].str.startswith("9087")
    names = [*plenty["platform_sku"][made].head(2), *plenty["platform_sku"][~made].head(4)]
    return [str(name) for name in names]


def _at_mirakl(project: Project, name: str, account: MiraklAccount, control: Control) -> int:
    """Orders of one line, of several outlets and destinations, and one that nobody can map."""
    shop = account.shop_id or SHOP_ID
    outlets = [c.outlet for c in project.settings.channels if c.account == name]
    offers = {outlet: _goods(project, outlet, "mirakl") for outlet in outlets}
    first = offers[outlets[0]]
    wanted: list[Sequence[str]] = [
        *(names[-1:] for names in offers.values()),
        [first[0], first[-1]],
        [first[-2], NOT_OURS],
    ]
    documents = [
        {
            "shop_id": shop,
            "shipping_address": ADDRESS,
            "billing_address": ADDRESS,
            "email": "amina@example.com",
            "lines": [
                {
                    "offer_sku": offer,
                    "quantity": 1,
                    **({"price": "2.00"} if offer == NOT_OURS else {}),
                }
                for offer in lines
            ],
        }
        for lines in wanted
    ]
    control("POST", "/mirakl/orders", {"orders": documents})
    return len(documents)


def _at_shop(project: Project, name: str, shop: OwnShop) -> int:
    """One order, as the web shop writes it."""
    outlet = shop.outlet or next(iter(project.settings.outlets))
    catalog = project.frames.read(("pos", "catalog"), outlet)
    goods = catalog[(catalog["quantity"].fillna(0) >= 10) & catalog["active"]]["sku"].head(2)
    items = [{"sku": str(sku), "quantity": 1, "price": "3.50"} for sku in goods]
    order = {
        "order_id": "W-1001",
        "created_at": "2026-11-20T09:00:00Z",
        "customer_email": "amina@example.com",
        "shipping_address": {
            "first_name": "Amina",
            "last_name": "Example",
            "street_1": "1 Example Road",
            "zip": "00100",
            "city": "Nairobi",
            "province": "Nairobi",
            "country": "KE",
            "phone": "+254700000000",
        },
        "items": items,
    }
    folder = project.settings.root / shop.folder
    new = folder / f".{name}.tmp"
    new.write_text(json.dumps(order), encoding="utf-8")
    new.rename(folder / "W-1001.json")
    return 1


def _tills_answer(settings: Settings) -> None:
    """Every till takes its orders away, and says that they have left."""
    for outlet, said in settings.outlets.items():
        if said.orders is None or said.orders.answers is None:
            continue
        answers = []
        for file in sorted((settings.root / said.orders.drop).glob("[a-z0-9]*.*")):
            number = file.stem
            answers.append(
                {
                    "number": number,
                    "status": "shipped",
                    "carrier": TILL_CARRIER,
                    "tracking": f"FC-{number}",
                }
            )
            file.unlink()
        if answers:
            folder = settings.root / said.orders.answers
            new = folder / f".{outlet}.tmp"
            new.write_text(json.dumps(answers), encoding="utf-8")
            new.rename(folder / f"{outlet}.json")


def _proofs(project: Project, placed: int, control: Control) -> list[OrderProof]:
    from sqlalchemy import func, select

    from marketsync_dagster.ledger import order_tables as t

    with project.ledger.read() as conn:

        def count(query: Any) -> int:
            return int(conn.execute(query).scalar_one())

        in_book = count(select(func.count()).select_from(t.orders))
        held = count(select(func.count(t.order_hold.c.order_id.distinct())))
        handed = count(
            select(func.count()).select_from(t.forward).where(t.forward.c.state == "done")
        )
        forwards = count(select(func.count()).select_from(t.forward))
        open_ = t.order_line.c.quantity - t.order_line.c.cancelled - t.order_line.c.shipped
        waiting = count(select(func.count(t.order_line.c.order_id.distinct())).where(open_ > 0))
    there = control("GET", "/mirakl/orders", None)
    accepts = there["totals"]["calls"].get("accept", {"asked": 0, "effect": 0})
    orders = there["orders"].values()
    accepted = [one for one in orders if one["state"] != "WAITING_ACCEPTANCE"]
    tracked = [one for one in accepted if one["tracking"] or one["parcels"]]
    return [
        OrderProof("placed, and in the book", placed, in_book),
        OrderProof("held and shown, because nobody has what was ordered", 1, held),
        OrderProof("accepted at the marketplace, each once", len(accepted), accepts["effect"]),
        OrderProof("handed over to Qikink and the tills, and fulfilled there", forwards, handed),
        OrderProof("have left, but for the one that is held", placed - 1, in_book - waiting),
        OrderProof("the marketplace has carrier and tracking of", len(accepted), len(tracked)),
    ]
