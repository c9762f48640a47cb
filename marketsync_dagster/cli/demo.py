"""`marketsync demo`: the real jobs against the sandbox, and the proof that it shows the feed."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsync_dagster.cli.output import (
    DONE,
    ERROR,
    counted,
    figures,
    note,
    print_json,
    say,
    table,
)
from marketsync_dagster.values.errors import ConfigError
from marketsync_dagster.values.outcomes import Disposition, Outcome

if TYPE_CHECKING:
    from marketsync_dagster.cli.demo_orders import OrderProof
    from marketsync_dagster.config.settings import Channel, Settings
    from marketsync_dagster.stages.project import Project

_LEDGER = ("ledger.db", "ledger.db-wal", "ledger.db-shm")
_OWN = ("sandbox.json", "frames", "archive")


def register(app: typer.Typer) -> None:
    app.command("demo", help="Run the example against the sandbox and prove the result.")(demo)


@dataclass
class Shown:
    """What one channel of the sandbox shows, against what it should."""

    outlet: str
    platform: str
    expected: int
    equal: int
    first_difference: str = ""

    @property
    def right(self) -> bool:
        """Whether it shows the whole feed, and there is one."""
        return self.equal == self.expected > 0


def demo(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
) -> int:
    """Exit code 1 if the sandbox shows anything but the feed."""
    from marketsync_dagster.cli import children
    from marketsync_dagster.cli.demo_values import sandbox_seed
    from marketsync_dagster.cli.session import opened

    started = time.monotonic()
    settings = _begin()
    with contextlib.ExitStack() as stack:
        stack.enter_context(children.ending_with_us())
        url = stack.enter_context(children.sandbox(settings.home, sandbox_seed(settings)))
        note(f"sandbox: {url}")
        os.environ["MARKETSYNC_SANDBOX_URL"] = url
        project = stack.enter_context(opened("demo"))
        _plant_faults(url, project.settings)
        reports = [_run(project, "full_sync", {}, as_json)]
        if "mirakl" in project.settings.platforms():
            # whose barcodes they are can be asked once there is a catalog
            reports += [
                _run(project, "refresh_mappings", {}, as_json),
                _run(project, "partial_sync", {}, as_json),
            ]
        refused = _refused(project)
        for platform, skus in refused.items():
            note(f"{platform} refused {len(skus)} on the way: sent again by name")
            job = f"push_{platform}"
            reports.append(_run(project, job, {"mode": "partial", "skus": skus}, as_json))
        reports.append(_run(project, "partial_sync", {}, as_json))
        orders = _orders(project, url, reports, as_json)
        if orders:  # what they have sold is taken off everywhere
            reports.append(_run(project, "partial_sync", {}, as_json))
        state = children.control(url, "GET", "/state")
        faults = children.control(url, "GET", "/scenarios")["scenarios"]
        shown = [
            _compare(project, platform, channel, state)
            for platform in project.settings.platforms()
            for channel in project.settings.channels_of(platform).values()
        ]
    seconds = round(time.monotonic() - started, 1)
    right = all(one.right for one in shown)
    right = right and all(one.ok for one in orders)
    if as_json:
        print_json(
            {
                "ok": right,
                "seconds": seconds,
                "channels": [vars(one) for one in shown],
                "orders": [vars(one) | {"ok": one.ok} for one in orders],
                "runs": [report.results for report in reports],
                "faults": faults,
            }
        )
        return DONE if right else ERROR
    _print(reports, shown, faults)
    for one in orders:
        say(f"orders: {one.what}: {one.found} of {one.expected}" + ("" if one.ok else ": FAILED"))
    if not right:
        wrong = [f"{one.outlet} on {one.platform}" for one in shown if not one.right]
        wrong += [f"orders: {one.what}" for one in orders if not one.ok]
        say(f"FAILED: {'; '.join(wrong)}")
    note(f"{seconds} s; next: marketsync plan, marketsync history, make dev")
    return DONE if right else ERROR


def _orders(project: Project, url: str, reports: list[Any], silent: bool) -> list[OrderProof]:
    """Orders go their way, where anybody brings some."""
    from marketsync_dagster.cli import children
    from marketsync_dagster.cli.demo_orders import show_orders

    if not project.settings.order_sources():
        return []

    def run(job: str) -> None:
        reports.append(_run(project, job, {}, silent))

    return show_orders(project, run, functools.partial(children.control, url))


def _begin() -> Settings:
    """The configuration, everything that earlier demos kept for it removed."""
    from marketsync_dagster.automation.dagster_home import prepare_dagster_home
    from marketsync_dagster.cli.children import running_sandbox
    from marketsync_dagster.cli.demo_orders import clear_folders
    from marketsync_dagster.cli.demo_values import is_local, set_demo_secrets
    from marketsync_dagster.cli.session import settings as load
    from marketsync_dagster.ledger.urls import VARIABLE, is_postgres

    settings = load()
    if not settings.accounts or not all(is_local(a.base_url) for a in settings.accounts.values()):
        raise ConfigError(
            f"{settings.file} has accounts beyond this machine: the demo is for the sandbox",
            "unset MARKETSYNC_CONFIG, or run the demo in a checkout of MarketSync",
        )
    if os.environ.get(VARIABLE) and not is_postgres():
        raise ConfigError(
            f"{VARIABLE} is set: the demo begins with an empty ledger, and would not touch yours",
            f"env -u {VARIABLE} marketsync demo",
        )
    if (url := running_sandbox(settings.home)) is not None:
        raise ConfigError(f"a sandbox runs for this project, at {url}", "end it first")
    if is_postgres():
        from marketsync_dagster.cli.demo_ledger import begin_in_postgres

        begin_in_postgres(settings)
    for name in _OWN if is_postgres() else (*_LEDGER, *_OWN):
        path = settings.home / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    prepare_dagster_home(settings)
    set_demo_secrets(settings)
    clear_folders(settings)
    return settings


def _plant_faults(url: str, settings: Settings) -> None:
    """One 429 and one refused item per platform, so that the demo shows how they are dealt with."""
    from marketsync_dagster.cli.children import control

    busy = {"kind": "retry_after", "form": "seconds", "value": 1}
    item = {"kind": "item_error", "position": 3, "error": "Product not found"}
    lines = {"kind": "import_errors", "lines": 2, "message": "The product is being checked"}
    for platform, path, faults in (
        ("tracker_ke", "/prices/batch", ((2, busy), (3, item))),
        ("pasons", "/inventory", ((2, busy), (3, item))),
        ("mirakl", "/api/offers", ((2, busy), (3, lines))),
    ):
        if platform not in settings.platforms():
            continue
        match = {"method": "POST", "path": path}
        for nth, action in faults:
            document = {
                "channel": platform,
                "match": match | {"nth": nth},
                "action": action,
                "times": 1,
            }
            control(url, "POST", "/scenarios", document)


def _run(project: Project, job: str, options: dict[str, Any], silent: bool) -> Any:
    from marketsync_dagster.cli.run import launched, say_faults

    started = time.monotonic()
    outlets = list(project.settings.outlets)
    report = launched(project, job, outlets, options | {"created_by": "demo"}, silent=silent)
    if not silent:
        say_faults(report)
    note(f"{job}: {time.monotonic() - started:.1f} s")
    return report


def _refused(project: Project) -> dict[str, list[str]]:
    """Platform -> SKUs whose last word from the platform was no."""
    from sqlalchemy import select

    from marketsync_dagster.ledger.tables import listing

    query = select(listing.c.platform, listing.c.sku).where(
        listing.c.outcome == Outcome.REFUSED.value
    )
    found: dict[str, list[str]] = {}
    with project.ledger.read() as connection:
        for platform, sku in connection.execute(query):
            found.setdefault(platform, []).append(sku)
    return {platform: list(dict.fromkeys(skus)) for platform, skus in found.items()}


def _compare(project: Project, platform: str, channel: Channel, state: dict[str, Any]) -> Shown:
    """Every row of the feed against what the sandbox shows for its id."""
    import pandas as pd

    from marketsync_dagster.cli.demo_mirakl import SHOP_ID
    from marketsync_dagster.config.settings import MiraklAccount
    from marketsync_dagster.stages.feed import feed_key
    from marketsync_dagster.values.money import to_decimal

    owner, name = channel.account, "platform_id"
    if platform == "pasons":
        owner = channel.store_id or channel.account
    account = project.settings.accounts[channel.account]
    if isinstance(account, MiraklAccount):
        owner, name = str(account.shop_id or SHOP_ID), "platform_sku"
    shows = state.get(platform, {}).get(owner, {})
    feed = project.frames.read(feed_key(platform), channel.outlet)
    result = Shown(channel.outlet, platform, len(feed), 0)
    columns = [name, "price_minor", "currency", "stock_status", "quantity"]
    for item, price, currency, status, count in feed[columns].itertuples(index=False, name=None):
        there = shows.get(item)
        wanted = to_decimal(price, currency)
        stock = int(count) if name == "platform_sku" and not pd.isna(count) else status
        if there and Decimal(there["price"]) == wanted and _same_stock(there, stock):
            result.equal += 1
        elif not result.first_difference:
            seen = f"{there['price']} {there['stock_status']}" if there else "nothing"
            result.first_difference = f"{item}: feed {wanted} {stock}, platform {seen}"
    return result


def _same_stock(there: dict[str, Any], stock: str | int) -> bool:
    """Pasons only knows whether there is stock; Tracker KE knows limited stock too, and Mirakl how
    many there are."""
    shown = there["stock_status"]
    if isinstance(shown, str) or isinstance(stock, int):
        return shown == stock
    return bool(shown) == (stock != "out_of_stock")


def _print(reports: list[Any], shown: list[Shown], faults: list[dict[str, Any]]) -> None:
    say("extract law: records = accepted + rejected + duplicates")
    for result in reports[0].results:
        if result["stage"] == "pos_extract":
            law = result["numbers"]
            terms = [law.get(k, 0) for k in ("records", "accepted", "rejected", "duplicates")]
            say("  {}: {} = {} + {} + {}".format(result["outlet"], *terms))
    say("channel law, of every run: catalog rows = " + " + ".join(Disposition))
    rows: list[tuple[Any, ...]] = []
    for number, report in enumerate(reports, start=1):
        for result in report.results:
            law = result["numbers"]
            if not str(result["stage"]).endswith("_listings") or "catalog_rows" not in law:
                continue
            terms = [law.get(name, 0) for name in Disposition]
            outcomes = figures(law, [outcome.value for outcome in Outcome])
            rows.append(
                (
                    number,
                    result["stage"].removesuffix("_listings"),
                    result["outlet"],
                    law["catalog_rows"],
                    *terms,
                    outcomes,
                    law["calls"],
                    law["seconds"],
                )
            )
    columns = ("run", "platform", "outlet", "rows", *Disposition, "outcomes", "calls", "seconds")
    table(
        columns, rows, right=("run", "rows", *Disposition, "calls", "seconds"), free=("outcomes",)
    )
    for fault in faults:
        met = counted(fault["fired"], "time")
        say(f"planted: {fault['action']['kind']} on {fault['channel']}, met {met}")
    for one in shown:
        proof = f"platform shows = feed: {one.equal:,} of {one.expected:,}"
        say(f"{one.outlet} on {one.platform}: {proof}" + ("" if one.right else ": FAILED"))
        if one.first_difference:
            say(f"  {one.first_difference}")
