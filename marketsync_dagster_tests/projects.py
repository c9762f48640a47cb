"""Small projects for tests: configuration, extracts and mappings in a folder, a seeded sandbox.

`make_project` builds one; `TestBed.sync` runs the stages in order, as a job does. What the sandbox
shows is compared with the feed by `TestBed.differences`, exactly.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import select

from marketsync_dagster.catalog.frames import FrameStore
from marketsync_dagster.config.load import load_settings
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.engine import Ledger, open_ledger
from marketsync_dagster.ledger.leases import holder_of
from marketsync_dagster.ledger.quota import closures
from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster.push.sender import Observer, unobserved
from marketsync_dagster.stages import catalog, extract, feed, listings, mapping, offers
from marketsync_dagster.stages.channel_run import ChannelRun
from marketsync_dagster.stages.extract import Force
from marketsync_dagster.stages.feed import feed_key
from marketsync_dagster.stages.project import Project, StageResult
from marketsync_dagster.values.money import to_decimal
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.ledgers import Engine, ready_ledger_url
from marketsync_dagster_tests.sandbox_process import SandboxProcess

PLATFORMS = ("tracker_ke", "pasons")
MIRAKL, SHOP = "mirakl", 2001
"""One account for all outlets, and its shop."""
FIRST_EXTRACT = min(
    datetime(2026, 11, 20, 6, 0, tzinfo=UTC),
    # never of the future, whatever the clock of this machine is
    datetime.now(UTC).replace(hour=6, minute=0, second=0, microsecond=0) - timedelta(days=1),
)
FULL = PlanOptions(mode="full")
PARTIAL = PlanOptions(mode="partial")
EXTRACT_COLUMNS = {
    "sku": "ProductId",
    "name": "Product",
    "price": "Price",
    "cost": "Cost",
    "currency": "Currency",
    "stock": "Qty",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of an extract."""

    sku: str
    price: str
    stock: str = "9"
    cost: str = ""
    currency: str = "KES"

    def line(self) -> str:
        """As the till writes it."""
        return (
            f"{self.sku},Product {self.sku},{self.price},{self.cost},{self.currency},{self.stock}"
        )


def some_rows(count: int, first: int = 1) -> list[Row]:
    """Rows with distinct prices, all in stock; the cost is a third less than the price."""
    numbers = range(first, first + count)
    return [
        Row(f"{n:05}", f"{100 + n}.50", cost=f"{(100 + n) * 2 // 3}.00", stock=str(10 + n % 5))
        for n in numbers
    ]


def repriced(rows: Sequence[Row], change: Callable[[Decimal], Decimal]) -> list[Row]:
    """The rows with other prices, rounded to cents."""
    return [
        replace(row, price=str(change(Decimal(row.price)).quantize(Decimal("0.01"))))
        for row in rows
    ]


@dataclass(slots=True)
class Synced:
    """What a run came to: stage -> outlet -> result."""

    stages: dict[str, dict[str, StageResult]]
    platform: str
    planned: list[ChannelRun] = field(default_factory=list)

    def listing(self, outlet: str) -> StageResult:
        """The result of `<platform>_listings`."""
        return self.stages[f"{self.platform}_listings"][outlet]

    @property
    def one(self) -> StageResult:
        """The listings' result of the only outlet."""
        (result,) = self.stages[f"{self.platform}_listings"].values()
        return result


@dataclass(frozen=True, slots=True)
class Place:
    """Where a project is: what another process needs to open it too (it can be pickled)."""

    root: Path
    ledger_url: str
    variables: Mapping[str, str]

    def open(self, run_id: str | None = None) -> Project:
        """The project, for one run."""
        os.environ.update(self.variables)
        settings = load_settings(self.root / "marketsync.yaml")
        settings._home = self.root / ".marketsync"  # whatever MARKETSYNC_HOME says
        number = run_id or f"run-{os.urandom(4).hex()}"
        frames = FrameStore(settings.home)
        return Project(settings, open_ledger(self.ledger_url), frames, number, "tester")


@dataclass(slots=True)
class TestBed:
    """A project with its sandbox. `place` opens it in another process."""

    __test__ = False

    place: Place
    sandbox: SandboxProcess
    outlets: list[str]
    document: dict[str, Any]
    moments: dict[str, datetime] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.place.root

    @property
    def outlet(self) -> str:
        """The first outlet."""
        return self.outlets[0]

    # --- the till and the configuration

    def folder(self, outlet: str | None = None) -> Path:
        """Where the till of an outlet puts its extracts."""
        return self.root / "extracts" / (outlet or self.outlet)

    def write_extract(
        self,
        rows: Sequence[Row],
        outlet: str | None = None,
        *,
        minutes: int = 30,
        text: str | None = None,
    ) -> Path:
        """A new extract, `minutes` after the last one by its name (negative: an older one)."""
        outlet = outlet or self.outlet
        moment = self.moments.get(outlet, FIRST_EXTRACT) + timedelta(minutes=minutes)
        if minutes > 0:
            self.moments[outlet] = moment
        path = self.folder(outlet) / f"{outlet}_{moment:%Y-%m-%d_%H%M}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        header = ",".join(EXTRACT_COLUMNS.values())
        content = "\n".join([header, *(row.line() for row in rows)]) + "\n"
        path.write_text(content if text is None else text, encoding="utf-8")
        return path

    def forget_extracts(self, outlet: str | None = None) -> None:
        """Remove the files that an outlet's till has written."""
        for path in self.folder(outlet).glob("*.csv"):
            path.unlink()

    def write_mapping(self, skus: Sequence[str], names: Mapping[str, str] | None = None) -> None:
        """The maintained mapping files: SKU -> `prod_<SKU>`, or as `names` says."""
        lines = [f"{sku},{(names or {}).get(sku, f'prod_{sku}')},," for sku in skus]
        for name in ("tracker_ke", MIRAKL):
            path = self.root / "mappings" / f"{name}.csv"
            path.parent.mkdir(exist_ok=True)
            path.write_text("\n".join(["sku,platform_id,platform_sku,name", *lines]) + "\n")

    def configure(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change marketsync.yaml; the next run reads it."""
        change(self.document)
        (self.root / "marketsync.yaml").write_text(yaml.safe_dump(self.document, sort_keys=False))

    def channel(self, platform: str, outlet: str | None = None) -> dict[str, Any]:
        """The channel's section of the configuration, to be changed in `configure`."""
        wanted = (outlet or self.outlet, account_name(platform, outlet or self.outlet))
        return next(c for c in self.document["channels"] if (c["outlet"], c["account"]) == wanted)

    # --- runs

    @contextmanager
    def run(self, run_id: str | None = None) -> Iterator[Project]:
        """The project, for one run."""
        project = self.place.open(run_id)
        try:
            yield project
        finally:
            project.ledger.close()

    def sync(
        self,
        platform: str,
        options: PlanOptions = PARTIAL,
        outlets: Sequence[str] | None = None,
        *,
        force: Force | None = None,
        run_id: str | None = None,
        observe: Observer = unobserved,
    ) -> Synced:
        """Run every stage for one platform, as a job does."""
        with self.run(run_id) as project:
            return run_sync(
                project, platform, outlets or self.outlets, options, force=force, observe=observe
            )

    # --- what there is to see

    def wanted(self, platform: str, outlet: str | None = None) -> dict[str, tuple[Decimal, bool]]:
        """Platform id -> (price, whether it can be bought): what the feed says."""
        frames = FrameStore(self.root / ".marketsync")
        rows = frames.read(feed_key(platform), outlet or self.outlet)
        return {
            row["platform_id"]: (
                to_decimal(row["price_minor"], row["currency"]),
                row["stock_status"] != "out_of_stock",
            )
            for row in rows.to_dict(orient="records")
        }

    def shown(self, platform: str, outlet: str | None = None) -> dict[str, tuple[Decimal, bool]]:
        """Platform id -> (price, whether it can be bought): what the sandbox shows."""
        outlet = outlet or self.outlet
        items = self.sandbox.state(platform, store_of(platform, outlet))
        if platform == MIRAKL:  # one shop has the offers of all outlets
            items = {
                f"prod_{name.removeprefix(f'{outlet}-')}": shown
                for name, shown in items.items()
                if name.startswith(f"{outlet}-")
            }
        return {
            item: (Decimal(shown["price"]), shown["stock_status"] not in (0, "out_of_stock"))
            for item, shown in items.items()
        }

    def differences(self, platform: str, outlet: str | None = None) -> dict[str, Any]:
        """Platform id -> (feed, platform) wherever they differ."""
        wanted, shown = self.wanted(platform, outlet), self.shown(platform, outlet)
        return {
            item: (wanted.get(item), shown.get(item))
            for item in wanted.keys() | shown.keys()
            if wanted.get(item) != shown.get(item)
        }

    def writes(self, since: int, platform: str | None = None) -> list[dict[str, Any]]:
        """Requests after number `since` that would change what a platform shows."""
        filters = {} if platform is None else {"channel": platform}
        found = self.sandbox.requests(since, bodies=True, **filters)
        return [request for request in found if request["method"] != "GET"]

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The ledger alone, which is much quicker to open than the project."""
        ledger = open_ledger(self.place.ledger_url)
        try:
            yield ledger
        finally:
            ledger.close()

    def end_closures(self) -> int:
        """As if the time were over for which platforms asked to be left alone; how many did."""
        with self.ledger() as ledger:
            found = len(closures(ledger))
            with ledger.begin() as connection:
                connection.execute(t.rate_closed.delete())
        return found

    def table(self, name: str, order: str) -> list[dict[str, Any]]:
        """All rows of one table of the ledger."""
        table = t.metadata.tables[name]
        with self.ledger() as ledger, ledger.read() as connection:
            rows = connection.execute(select(table).order_by(table.c[order])).mappings()
            return [dict(row) for row in rows]

    def pushes(self) -> list[dict[str, Any]]:
        """All pushes, oldest first."""
        return self.table("push", "started_at")

    def unaccounted(self) -> list[str]:
        """What is wrong with the journal: pushes that never ended, or whose sums do not agree."""
        wrong: list[str] = []
        batches = self.table("push_batch", "push_id")
        for push in self.pushes():
            total = sum(push[outcome.value] for outcome in Outcome)
            if push["state"] == "open":
                wrong.append(f"{push['id']} is open")
            elif total != push["item_count"]:
                wrong.append(f"{push['id']}: {total} outcomes of {push['item_count']} items")
            wrong += [
                f"{push['id']} batch {batch['number']} is {batch['state']}"
                for batch in batches
                if batch["push_id"] == push["id"] and batch["state"] == "intended"
            ]
        with self.ledger() as ledger:
            names = [lease["name"] for lease in self.table("lease", "name")]
            return wrong + [f"{n} is held" for n in names if holder_of(ledger, n)]


def run_sync(
    project: Project,
    platform: str,
    outlets: Sequence[str],
    options: PlanOptions = PARTIAL,
    *,
    force: Force | None = None,
    observe: Observer = unobserved,
    after: Callable[[str], None] = lambda _: None,
) -> Synced:
    """The stages of one run in order; `after` is told the name of each step that has ended."""
    outlets = list(outlets)
    stages: dict[str, list[StageResult]] = {}
    stages["pos_extract"] = extract.extract_outlets(project, outlets, force=force)
    after("extracted")
    stages["pos_catalog"] = catalog.build_catalogs(project, outlets)
    if offered := offers.offer_products(project, platform, outlets):
        stages[f"{platform}_products"] = offered
    stages[f"{platform}_sku_mapping"] = mapping.map_outlets(project, platform, outlets)
    stages[f"{platform}_price_feed"] = feed.build_feeds(project, platform, outlets)
    after("feed_made")
    planned = listings.plan_outlets(project, platform, outlets, options)
    after("plan_saved")
    pushed = listings.push_plans(project, platform, planned, options, observe=observe)
    after("pushed")
    stages[f"{platform}_listings"] = listings.record_outlets(project, platform, pushed)
    after("recorded")
    return Synced(
        {stage: {r.outlet: r for r in results} for stage, results in stages.items()},
        platform,
        planned,
    )


def account_name(platform: str, outlet: str) -> str:
    """The account of an outlet on a platform."""
    return MIRAKL if platform == MIRAKL else f"{platform}_{outlet}"


def store_of(platform: str, outlet: str) -> str:
    """Under which name the sandbox shows an outlet."""
    if platform == MIRAKL:
        return str(SHOP)
    return account_name(platform, outlet) if platform == "tracker_ke" else f"store-{outlet}"


def key_of(platform: str, outlet: str) -> str:
    """An obviously made-up key."""
    if platform == MIRAKL:
        return "mirakl_example"
    return f"pk_demo_example_{outlet}" if platform == "tracker_ke" else f"pasons_example_{outlet}"


def key_variable(platform: str, outlet: str) -> str:
    """The environment variable that holds it."""
    return f"TEST_{platform}_{outlet}_KEY".upper()


def make_project(
    tmp_path: Path,
    sandbox: SandboxProcess,
    *,
    outlets: Sequence[str] = ("westlands",),
    rows: Sequence[Row] | None = None,
    platforms: Sequence[str] = PLATFORMS,
    engine: Engine = "sqlite",
    batch: int = 10,
    extract: Mapping[str, Any] | None = None,
    guard: Mapping[str, Any] | None = None,
    account: Mapping[str, Any] | None = None,
    lease_wait_s: float = 0.0,
    shop: Mapping[str, Any] | None = None,
) -> TestBed:
    """A project of its own with a first extract per outlet, and a sandbox that knows its products.

    `extract`, `guard` and `account` are merged into each such section, `shop` into Mirakl's in the
    seed. Waits are short: no quota, retries after milliseconds.
    """
    rows = some_rows(40) if rows is None else rows
    variables: dict[str, str] = {}
    accounts: dict[str, Any] = {}
    channels: list[dict[str, Any]] = []
    seed: dict[str, Any] = {
        "tracker_ke": {"accounts": [], "products": []},
        "pasons": {"stores": []},
    }
    for outlet in outlets:
        for platform in platforms:
            name, variable = account_name(platform, outlet), key_variable(platform, outlet)
            variables[variable] = key_of(platform, outlet)
            common = {
                "platform": platform,
                "quota": {"per_minute": None, "concurrency": 2},
                "timeouts": {"connect_s": 1, "read_s": 1},
                "retry": {"attempts": 3, "base_s": 0.005, "cap_s": 0.02, "budget_s": 3},
            }
            channel: dict[str, Any] = {
                "outlet": outlet,
                "account": name,
                "push_enabled": True,
                "auto_push": True,
                "guard": {"initial": "auto", **(guard or {})},
            }
            if platform == "tracker_ke":
                common |= {
                    "base_url": f"{sandbox.url}/tracker_ke/api/v1",
                    "api_key": {"env": variable},
                    "catalog": "tracker_ke",
                    "batch": batch,
                }
                channel["mapping"] = {"file": "mappings/tracker_ke.csv"}
                seed["tracker_ke"]["accounts"].append(
                    {
                        "api_key": key_of(platform, outlet),
                        "supermarket_id": store_of(platform, outlet),
                        "plan": "unlimited",
                        "demo": True,
                    }
                )
            elif platform == MIRAKL:
                common |= _mirakl_account(sandbox, variable, batch)
                channel["mapping"] = {"file": "mappings/mirakl.csv"}
                seed[MIRAKL] = _mirakl_seed(rows, shop or {})
            else:
                common |= {
                    "base_url": sandbox.pasons_url(store_of(platform, outlet)),
                    "auth": {"scheme": "bearer", "key": {"env": variable}},
                    "request": {"batch": batch},
                }
                channel["mapping"] = {"identity": "sku"}
                seed["pasons"]["stores"].append(
                    {"store_id": store_of(platform, outlet), "api_key": key_of(platform, outlet)}
                )
            accounts[name] = common | dict(account or {})
            channels.append(channel)
    seed["tracker_ke"]["products"] = [
        {"id": f"prod_{row.sku}", "name": f"Product {row.sku}", "demo": True} for row in rows
    ]
    document = {
        "version": 1,
        "defaults": {"currency": "KES", "timezone": "UTC"},
        "lease_wait_s": lease_wait_s,
        "outlets": {
            outlet: {
                "name": f"{outlet} branch".title(),
                "extract": {
                    "path": f"extracts/{outlet}",
                    "columns": dict(EXTRACT_COLUMNS),
                    "settle_s": 0,
                    **(extract or {}),
                },
            }
            for outlet in outlets
        },
        "accounts": accounts,
        "channels": channels,
    }
    sandbox.seed(seed)
    os.environ.update(variables)
    place = Place(tmp_path, ready_ledger_url(engine, tmp_path), variables)
    bed = TestBed(place, sandbox, list(outlets), document)
    bed.configure(lambda _: None)
    bed.write_mapping([row.sku for row in rows])
    for outlet in outlets:
        bed.write_extract(rows, outlet)
    return bed


def _mirakl_account(sandbox: SandboxProcess, variable: str, batch: int) -> dict[str, Any]:
    """Imports that are asked for at once, and calls that need not wait for each other."""
    kinds, families = ("offers", "prices", "stock"), ("", "_status", "_report")
    return {
        "base_url": sandbox.mirakl_url,
        "api_key": {"env": variable},
        "shop_id": SHOP,
        "offer_sku": "{outlet}-{sku}",
        "batch": batch,
        "file_lines": batch,
        "calls": {f"{kind}{family}_s": 0 for kind in kinds for family in families},
        "imports": {"wait_s": 20, "deadline_s": 3600},
    }


def _mirakl_seed(rows: Sequence[Row], shop: Mapping[str, Any]) -> dict[str, Any]:
    codes = "OF24 OF02 OF03 OF04 PRI01 PRI02 PRI03 STO01 STO02 STO03 OF61 SH21 A01".split()
    return {
        "shops": [
            {
                "api_key": key_of(MIRAKL, ""),
                "shop_id": SHOP,
                "processing_s": 0.05,
                "intervals": dict.fromkeys(codes),
                **shop,
            }
        ],
        "products": [{"sku": f"prod_{row.sku}", "title": f"Product {row.sku}"} for row in rows],
    }
