"""The stage `qikink/products`: what a Qikink account is told of the products that it makes.

Only profile `spec` has a call for it. Of the catalog of the outlet that `accounts.x.products`
names, the SKUs that fit its patterns are told, each with price, stock, manufacturer and origin;
what has not changed since is not told again.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import pandas as pd

from marketsync_dagster.config.accounts import QikinkAccount, QikinkProducts
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.pauses import active_pauses, pause_of
from marketsync_dagster.platforms.base import ProductItem
from marketsync_dagster.platforms.registry import capabilities_of, target_of
from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster.stages.catalog import CATALOG_KEY
from marketsync_dagster.stages.products import (
    EVERYTHING,
    Offer,
    send_offers,
    stage_name,
    to_offer,
)
from marketsync_dagster.stages.project import (
    Numbers,
    Project,
    StageResult,
    each_outlet,
    fingerprint,
)
from marketsync_dagster.values.money import to_decimal

PLATFORM = "qikink"
STAGE = stage_name(PLATFORM)
NO_ACCOUNT = "no account"
_COLUMNS = ["sku", "name", "category", "brand", "price_minor", "currency", "quantity"]
_LATER = ["manufacturer", "origin"]
"""Columns that catalogs stored by older versions do not have."""


def product_accounts(settings: Settings) -> dict[str, str]:
    """Outlet -> the Qikink account that is told of its products."""
    return {
        account.products.outlet: name
        for name, account in settings.accounts.items()
        if isinstance(account, QikinkAccount) and account.products is not None
    }


def push_products(
    project: Project, outlets: Sequence[str], options: PlanOptions = EVERYTHING
) -> list[StageResult]:
    """Tell each outlet's account of its products, one result per outlet; no more of them than
    `options` ask for."""
    accounts = product_accounts(project.settings)

    def work(outlet: str) -> StageResult:
        if outlet not in accounts:
            return StageResult(outlet, True, *_without_account(project.settings))
        return _push(project, outlet, accounts[outlet], options)

    return each_outlet(project, STAGE, outlets, work)


def _without_account(settings: Settings) -> tuple[str, str]:
    """State and reason of an outlet whose products nobody is told of."""
    profiles = [one.profile for one in settings.accounts.values() if isinstance(one, QikinkAccount)]
    if profiles and "spec" not in profiles:
        return "unsupported", "Qikink's own interface (profile real) takes no products"
    return NO_ACCOUNT, "no Qikink account has products of this outlet"


def _push(project: Project, outlet: str, name: str, options: PlanOptions) -> StageResult:
    account = project.settings.accounts[name]
    assert isinstance(account, QikinkAccount)
    assert account.products is not None
    if not capabilities_of(account).push_products:
        words = f"accounts.{name} has profile {account.profile}, which takes no products"
        return StageResult(outlet, True, "unsupported", words)
    catalog = project.frames.read(CATALOG_KEY, outlet)
    offers = _offers(catalog, account.products, target_of(account))
    todo = to_offer(project, PLATFORM, outlet, offers)
    asked = [one for one in todo if not options.skus or one.item.sku in options.skus]
    asked = asked[: options.limit]
    numbers: Numbers = {
        "rows": len(catalog),
        "selected": len(offers),
        "unchanged": len(offers) - len(todo),
        "left_out": len(todo) - len(asked),
        "offered": len(asked),
        "applied": 0,
        "refused": 0,
        "calls": 0,
    }
    if not asked:
        return StageResult(outlet, True, "unchanged", numbers=numbers)
    if pause := pause_of(active_pauses(project.ledger), outlet, PLATFORM):
        return StageResult(outlet, True, "paused", pause.words, pause.resume_command, numbers)
    return send_offers(project, PLATFORM, outlet, name, None, asked, numbers)


def _offers(catalog: pd.DataFrame, wanted: QikinkProducts, target: str) -> list[Offer]:
    """The products of a CATALOG frame that are told of; the same at another address is told
    again."""
    columns = [*_COLUMNS, *_LATER]
    table = catalog[catalog["active"]].reindex(columns=columns).astype("object")
    rows = table.where(table.notna(), None).itertuples(index=False, name=None)
    offers = []
    for sku, name, category, brand, minor, currency, quantity, maker, origin in rows:
        if not any(fnmatchcase(sku, pattern) for pattern in wanted.sku):
            continue
        item = ProductItem(
            sku,
            name or sku,
            category or "Uncategorised",
            "",
            brand,
            price=None if minor is None else to_decimal(int(minor), currency),
            currency=currency,
            quantity=None if quantity is None else int(quantity),
            description=name or "",
            manufacturer=maker or brand or wanted.manufacturer,
            origin=origin or wanted.origin,
        )
        said = (item.name, item.category, item.manufacturer, item.origin, minor, currency, quantity)
        offers.append(Offer(item, fingerprint(PLATFORM, target, sku, *said)))
    return offers
