"""Everything made up that the demo needs: fake secrets, and what the sandbox knows at the start.

Made from a configuration, for those of its accounts that point at this machine, so that a project
that `marketsync init` has just written works with the sandbox as well as the example does.
"""

from __future__ import annotations

import functools
import os
import re
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from marketsync_dagster.cli.demo_mirakl import mirakl_products, mirakl_shop
from marketsync_dagster.cli.demo_stores import pasons_stores
from marketsync_dagster.config.secrets import references
from marketsync_dagster.config.settings import (
    MiraklAccount,
    QikinkAccount,
    SecretRef,
    Settings,
    TrackerAccount,
)
from marketsync_dagster.values.errors import ExtractError

NEW_SHARE = 10
"""One in so many products is unknown to the sandbox: to its Tracker KE until MarketSync offers it,
to its Mirakl for good."""


def is_local(base_url: str) -> bool:
    """Whether an account points at this machine, as the sandbox's do."""
    host = urlsplit(base_url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def demo_secrets(settings: Settings) -> dict[str, str]:
    """Variable -> obviously fake value, for each secret of the accounts on this machine."""
    fakes = _fakes(settings)
    return {ref.env: fakes[str(ref)] for ref in _local_refs(settings) if ref.env is not None}


def demo_stored(settings: Settings) -> dict[str, str]:
    """The same for the secrets that are to be stored: name -> obviously fake value."""
    fakes = _fakes(settings)
    return {ref.secret: fakes[str(ref)] for ref in _local_refs(settings) if ref.secret is not None}


def _local_refs(settings: Settings) -> list[SecretRef]:
    known = _fakes(settings)
    return [one.ref for one in references(settings) if one.account and str(one.ref) in known]


def _fakes(settings: Settings) -> dict[str, str]:
    """Reference -> value."""
    found: dict[str, str] = {}
    for name, account in settings.accounts.items():
        if not is_local(account.base_url):
            continue
        short = re.sub(r"^(tracker|pasons)(_ke)?_", "", name)
        if isinstance(account, TrackerAccount):
            kind = "live" if account.environment == "live" else "demo"
            found[str(account.api_key)] = f"pk_{kind}_example_{short}"
            if account.api_secret is not None:
                found[str(account.api_secret)] = f"sk_secret_example_{short}"
        elif isinstance(account, MiraklAccount):
            found[str(account.api_key)] = f"mirakl_example_{short}"
        elif isinstance(account, QikinkAccount):
            found[str(account.client_id)] = f"qikink_example_{short}"
            found[str(account.client_secret)] = f"qikink_secret_example_{short}"
        elif account.auth.key is not None:
            found[str(account.auth.key)] = f"pasons_example_{short}"
            if account.auth.secret is not None:
                found[str(account.auth.secret)] = f"pasons_secret_example_{short}"
    return found


def set_demo_secrets(settings: Settings) -> list[str]:
    """Set the variables that the accounts on this machine need and nobody has set; their names."""
    missing = [name for name in demo_secrets(settings) if not os.environ.get(name)]
    os.environ.update({name: demo_secrets(settings)[name] for name in missing})
    return missing


def sandbox_seed(settings: Settings) -> dict[str, Any]:
    """What the sandbox is to know: `{"tracker_ke": {accounts, products}, "pasons": {stores},
    "mirakl": {shops, products}, "qikink": {accounts}}`.

    The products are those of the outlets' newest extracts that have a barcode, but for one in
    ten, and those of the mapping files. An extract that cannot be read gives none.
    """
    fakes = _fakes(settings)
    for ref in _local_refs(settings):
        if ref.env is not None:
            fakes[str(ref)] = os.environ.get(ref.env) or fakes[str(ref)]
    tracker: list[dict[str, Any]] = []
    stores: list[dict[str, Any]] = []
    shops: list[dict[str, Any]] = []
    clients: list[dict[str, Any]] = []
    rows = functools.cache(lambda outlet: _rows(settings, outlet))
    for name, account in settings.accounts.items():
        if not is_local(account.base_url):
            continue
        if isinstance(account, TrackerAccount):
            tracker.append(_tracker_account(name, account, fakes))
        elif isinstance(account, MiraklAccount):
            shops.append(mirakl_shop(name, account, settings, fakes))
        elif isinstance(account, QikinkAccount):
            clients.append(_qikink_client(account, fakes))
        else:
            stores += pasons_stores(name, account, settings, fakes)
    products = _products(settings, rows) if tracker else []
    demo = all(account["demo"] for account in tracker)
    return {
        "tracker_ke": {
            "accounts": tracker,
            "products": [{**product, "demo": demo} for product in products],
        },
        "pasons": {"stores": stores},
        "mirakl": {
            "shops": shops,
            "products": mirakl_products(settings, rows, _is_new) if shops else [],
        },
        "qikink": {"accounts": clients},
    }


def _tracker_account(name: str, account: TrackerAccount, fakes: dict[str, str]) -> dict[str, Any]:
    seed: dict[str, Any] = {
        "api_key": fakes[str(account.api_key)],
        "supermarket_id": name,
        "plan": "unlimited",
        "max_items": account.batch,
        "per_minute": account.quota.per_minute,
        "signing": account.signing,
        "demo": account.environment != "live",
    }
    if account.api_secret is not None:
        seed["api_secret"] = fakes[str(account.api_secret)]
    return seed


def _qikink_client(account: QikinkAccount, fakes: dict[str, str]) -> dict[str, Any]:
    return {
        "client_id": fakes[str(account.client_id)],
        "client_secret": fakes[str(account.client_secret)],
        "profile": account.profile,
        "per_minute": account.quota.per_minute,
        **({"signing": account.signing} if account.profile == "spec" else {}),
    }


def _is_new(barcode: str) -> bool:
    return zlib.crc32(barcode.encode()) % NEW_SHARE == 0


def _products(
    settings: Settings, rows: Callable[[str], list[tuple[Any, ...]]]
) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    barcodes: set[str] = set()
    for outlet in settings.channels_of("tracker_ke"):
        for sku, name, barcode, brand, category, size in rows(outlet):
            if barcode in barcodes or _is_new(barcode):
                continue
            barcodes.add(barcode)
            found[f"prod_{sku}"] = {
                "id": f"prod_{sku}",
                "name": name or sku,
                "barcode": barcode,
                "brand": brand,
                "category": category,
                "unit_size": size,
            }
    for platform_id, name in _mapped_by_hand(settings):
        found.setdefault(platform_id, {"id": platform_id, "name": name})
    return list(found.values())


def _rows(settings: Settings, outlet: str) -> list[tuple[Any, ...]]:
    """(sku, name, barcode, brand, category, size) of the newest extract's rows with a barcode."""
    from marketsync_dagster.pos.read import read_extract
    from marketsync_dagster.pos.sources.directory import DirectorySource
    from marketsync_dagster.stages.reading import spec_of

    extract = settings.outlets[outlet].extract
    try:
        folder = settings.root / (extract.path or "")
        there = DirectorySource(folder, extract.patterns[:1]).look() if extract.path else []
        if not there:
            return []
        newest = there[-1].name
        frame = read_extract(folder / newest, spec_of(settings, outlet), file=newest).frame
    except ExtractError:
        return []  # the run that reads it says what is wrong with it
    columns = ["sku", "name", "barcode", "brand", "category", "size"]
    rows = frame.loc[frame["barcode"].notna(), columns].astype(object)
    return list(rows.where(rows.notna(), None).itertuples(index=False, name=None))


def _mapped_by_hand(settings: Settings) -> list[tuple[str, str]]:
    """(platform id, name) of every row of the Tracker KE channels' mapping files."""
    from marketsync_dagster.catalog.mapping_file import read_mapping_file

    files = {c.mapping.file for c in settings.channels_of("tracker_ke").values() if c.mapping.file}
    return [
        (row.platform_id, row.name or row.sku)
        for file in sorted(files)
        if (settings.root / file).exists()
        for row in read_mapping_file(settings.root / file)
    ]
