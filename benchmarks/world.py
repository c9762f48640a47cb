"""A retailer to measure with: outlets, extracts and accounts in a folder, platforms in a process.

Everything is made up and the same each time. What is measured belongs to the benchmarks.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from marketsync_dagster.config.load import load_settings
from marketsync_dagster.config.settings import Settings
from marketsync_dagster_tests.sandbox_process import SandboxProcess

HEADER = "ProductId,Product,Barcode,Brand,Category,Size,Unit,Price,Qty\n"
LOOK_S = 2.0
"""Before an import on Mirakl is asked for first: all that were started have ended by then."""
CALLS = (
    "OF24", "OF02", "OF03", "OF04", "PRI01", "PRI02", "PRI03", "STO01", "STO02", "STO03", "A01",
    "OR11",
)  # fmt: skip
"""Mirakl's calls with a limit of their own."""
SHOP_ID = 2041
"""Of the shop on Mirakl."""
STEP = 5
"""By how many cents a price rises when it changes: nothing that a guard would stop."""


@dataclass
class World:
    """Files under `folder`, and a sandbox that knows the accounts in them."""

    folder: Path
    sandbox: SandboxProcess
    outlets: list[str]
    cents: list[int]
    """The price of every SKU, the same in all outlets."""
    platforms: Sequence[str]
    more: int = 0
    """So many units more of every SKU than at the start."""
    _next: int = 0
    _environment: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "marketsync.yaml"

    def stock(self, at: int) -> int:
        """Units of the SKU at a place, in every outlet."""
        return at % 50 + 1 + self.more

    def settings(self, home: str = "home") -> Settings:
        """The configuration, with a data folder of its own for each `home`."""
        os.environ["MARKETSYNC_HOME"] = str(self.folder / home)
        return load_settings(self.config)

    def change(self, count: int) -> None:
        """Raise the prices of the next `count` SKUs, in turn."""
        for at in range(self._next, self._next + count):
            self.cents[at % len(self.cents)] += STEP
        self._next = (self._next + count) % len(self.cents)

    def write_extracts(
        self, outlets: Sequence[str] | None = None, *, closed_s: float = 0.0
    ) -> None:
        """The tills export: each outlet's file is moved into its place at once, `closed_s` seconds
        after it was written."""
        text = HEADER + "".join(
            f"{_sku(at)},Product {at},,Brand {at % 97},Category {at % 13},500 g,pc,"
            f"{cents // 100}.{cents % 100:02d},{self.stock(at)}\n"
            for at, cents in enumerate(self.cents)
        )
        for outlet in outlets or self.outlets:
            place = self.folder / "extracts" / outlet / "extract.csv"
            place.parent.mkdir(parents=True, exist_ok=True)
            unfinished = place.with_suffix(".tmp")
            unfinished.write_text(text, "utf-8")
            time.sleep(closed_s)
            unfinished.replace(place)


@contextmanager
def world(
    *options: str,
    outlets: int = 1,
    skus: int = 2_000,
    platforms: Sequence[str] = ("tracker_ke", "pasons"),
    concurrency: int = 8,
    pasons: dict[str, Any] | None = None,
    mirakl: dict[str, Any] | None = None,
) -> Iterator[World]:
    """Make a world, its extracts written; `options` are the sandbox's. All of it goes away.

    `pasons` is what is different in its accounts of Pasons, such as another `base_url`; `mirakl`
    the same of the one on Mirakl.
    """
    names = [f"outlet_{number:03d}" for number in range(1, outlets + 1)]
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="marketsync-bench-") as folder:
        try:
            with SandboxProcess(*options) as sandbox:
                made = World(Path(folder), sandbox, names, [10_000 + 7 * n for n in range(skus)],
                             platforms)  # fmt: skip
                seed = _seed(made)
                sandbox.seed(seed)
                made.config.write_text(
                    yaml.safe_dump(_config(made, concurrency, pasons or {}, mirakl or {})), "utf-8"
                )
                (made.folder / "mapping.csv").write_text(
                    "sku,platform_id\n"
                    + "".join(f"{_sku(at)},prod_{at:06d}\n" for at in range(skus)),
                    "utf-8",
                )
                os.environ["MARKETSYNC_CONFIG"] = str(made.config)
                os.environ["MARKETSYNC_BENCH_SECRET"] = "sk_secret_example_bench"
                made.write_extracts()
                yield made
        finally:
            os.environ.clear()
            os.environ.update(before)


def _sku(at: int) -> str:
    return f"{at:06d}"


def offer_names(made: World) -> list[str]:
    """How the outlets' products are called in the shop on Mirakl."""
    return [f"{outlet}-{_sku(at)}" for outlet in made.outlets for at in range(len(made.cents))]


def _key(platform: str, outlet: str) -> tuple[str, str]:
    """Variable and value of an account's key; obviously fake."""
    short = {"tracker_ke": "pk_demo", "pasons": "pasons", "mirakl": "mirakl"}[platform]
    value = f"{short}_example_{outlet}"
    return f"MARKETSYNC_BENCH_{platform}_{outlet}".upper(), value


def _config(
    made: World, concurrency: int, pasons: dict[str, Any], mirakl: dict[str, Any]
) -> dict[str, Any]:
    accounts: dict[str, Any] = {}
    channels: list[dict[str, Any]] = []
    if "mirakl" in made.platforms:
        accounts["shop"] = {**_shop(made), **mirakl}
    for outlet in made.outlets:
        for platform in made.platforms:
            if platform == "mirakl":
                channels.append(
                    {
                        "outlet": outlet,
                        "account": "shop",
                        "push_enabled": True,
                        "auto_push": True,
                        "mapping": {"file": "mapping.csv"},
                        "guard": {"initial": "auto", "max_changed_share": 1.0},
                    }
                )
                continue
            variable, value = _key(platform, outlet)
            os.environ[variable] = value
            account: dict[str, Any] = {
                "platform": platform,
                "quota": {"per_minute": None, "concurrency": concurrency},
            }
            if platform == "tracker_ke":
                account |= {
                    "base_url": made.sandbox.tracker_url,
                    "api_key": {"env": variable},
                    "api_secret": {"env": "MARKETSYNC_BENCH_SECRET"},
                    "signing": "tracker_doc",
                    "catalog": "shared",
                }
            else:
                account |= {
                    "base_url": made.sandbox.pasons_url(outlet),
                    "auth": {"scheme": "bearer", "key": {"env": variable}},
                    **pasons,
                }
            accounts[f"{platform}_{outlet}"] = account
            channel = {"outlet": outlet, "account": f"{platform}_{outlet}", "push_enabled": True,
                       "auto_push": True,
                       "guard": {"initial": "auto", "max_changed_share": 1.0}}  # fmt: skip
            by_file = {"file": "mapping.csv"}
            channel["mapping"] = by_file if platform == "tracker_ke" else {"identity": "sku"}
            channels.append(channel)
    extract = {
        "columns": {
            "sku": "ProductId", "name": "Product", "barcode": "Barcode", "brand": "Brand",
            "category": "Category", "size": "Size", "unit": "Unit", "price": "Price",
            "stock": "Qty",
        }
    }  # fmt: skip
    return {
        "version": 1,
        "outlets": {
            name: {"name": name, "extract": {"path": f"extracts/{name}", **extract}}
            for name in made.outlets
        },
        "accounts": accounts,
        "channels": channels,
    }


def _shop(made: World) -> dict[str, Any]:
    """The account of all outlets on Mirakl, which may be asked as often as one likes."""
    variable, value = _key("mirakl", "shop")
    os.environ[variable] = value
    families = (f"{kind}{step}_s" for kind in ("offers", "prices", "stock")
                for step in ("", "_status", "_report"))  # fmt: skip
    return {
        "platform": "mirakl",
        "base_url": f"{made.sandbox.url}/mirakl/api",
        "api_key": {"env": variable},
        "offer_sku": "{outlet}-{sku}",
        "quota": {"per_minute": None},
        "calls": dict.fromkeys(families, 0),
        "imports": {"first_look_s": LOOK_S},
    }


def _seed(made: World) -> dict[str, Any]:
    accounts = [
        {
            "api_key": _key("tracker_ke", outlet)[1],
            "api_secret": "sk_secret_example_bench",
            "supermarket_id": outlet,
            "plan": "unlimited",
            "max_items": 100,
            "signing": "tracker_doc",
            "demo": True,
        }
        for outlet in made.outlets
    ]
    products = [
        {"id": f"prod_{at:06d}", "name": f"Product {at}", "demo": True}
        for at in range(len(made.cents))
    ]
    stores = [{"store_id": outlet, "api_key": _key("pasons", outlet)[1]} for outlet in made.outlets]
    seed: dict[str, Any] = {}
    if "tracker_ke" in made.platforms:
        seed["tracker_ke"] = {"accounts": accounts, "products": products}
    if "pasons" in made.platforms:
        seed["pasons"] = {"stores": stores}
    if "mirakl" in made.platforms:
        shop = {"api_key": _key("mirakl", "shop")[1], "shop_id": SHOP_ID, "name": "shop",
                "processing_s": 0.01,
                "intervals": dict.fromkeys(CALLS)}  # fmt: skip
        goods = [
            {"sku": f"prod_{at:06d}", "title": f"Product {at}", "category_code": "C",
             "references": []}
            for at in range(len(made.cents))
        ]  # fmt: skip
        seed["mirakl"] = {"shops": [shop], "products": goods}
    return seed
