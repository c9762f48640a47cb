"""Everything made up that the demo needs: fake secrets, and what the sandbox knows at the start.

Made from a configuration, for those of its accounts that point at this machine, so that a project
that `marketsync init` has just written works with the sandbox as well as the example does.
"""

from __future__ import annotations

import os
import re
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from marketsync_dagster.config.settings import PasonsAccount, Settings, TrackerAccount
from marketsync_dagster.values.errors import ExtractError

NEW_SHARE = 10
"""One in so many products is unknown to the sandbox's Tracker KE until MarketSync offers it."""


def is_local(base_url: str) -> bool:
    """Whether an account points at this machine, as the sandbox's do."""
    host = urlsplit(base_url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def demo_secrets(settings: Settings) -> dict[str, str]:
    """Variable -> obviously fake value, for each secret of the accounts on this machine."""
    found: dict[str, str] = {}
    for name, account in settings.accounts.items():
        if not is_local(account.base_url):
            continue
        short = re.sub(r"^(tracker|pasons)(_ke)?_", "", name)
        if isinstance(account, TrackerAccount):
            kind = "live" if account.environment == "live" else "demo"
            found[account.api_key.env] = f"pk_{kind}_example_{short}"
            if account.api_secret is not None:
                found[account.api_secret.env] = f"sk_secret_example_{short}"
        elif account.auth.key is not None:
            found[account.auth.key.env] = f"pasons_example_{short}"
    return found


def set_demo_secrets(settings: Settings) -> list[str]:
    """Set the variables that the accounts on this machine need and nobody has set; their names."""
    missing = [name for name in demo_secrets(settings) if not os.environ.get(name)]
    os.environ.update({name: demo_secrets(settings)[name] for name in missing})
    return missing


def sandbox_seed(settings: Settings) -> dict[str, Any]:
    """What the sandbox is to know: `{"tracker_ke": {accounts, products}, "pasons": {stores}}`.

    The products are those of the outlets' newest extracts that have a barcode, but for one in
    ten, and those of the mapping files. An extract that cannot be read gives none.
    """
    secrets = demo_secrets(settings)
    fakes = {name: os.environ.get(name) or value for name, value in secrets.items()}
    tracker: list[dict[str, Any]] = []
    stores: list[dict[str, Any]] = []
    for name, account in settings.accounts.items():
        if not is_local(account.base_url):
            continue
        if isinstance(account, TrackerAccount):
            tracker.append(_tracker_account(name, account, fakes))
        else:
            stores.append(_pasons_store(name, account, settings, fakes))
    products = _products(settings) if tracker else []
    demo = all(account["demo"] for account in tracker)
    return {
        "tracker_ke": {
            "accounts": tracker,
            "products": [{**product, "demo": demo} for product in products],
        },
        "pasons": {"stores": stores},
    }


def _tracker_account(name: str, account: TrackerAccount, fakes: dict[str, str]) -> dict[str, Any]:
    seed: dict[str, Any] = {
        "api_key": fakes[account.api_key.env],
        "supermarket_id": name,
        "plan": "unlimited",
        "max_items": account.batch,
        "per_minute": account.quota.per_minute,
        "signing": account.signing,
        "demo": account.environment != "live",
    }
    if account.api_secret is not None:
        seed["api_secret"] = fakes[account.api_secret.env]
    return seed


def _pasons_store(
    name: str, account: PasonsAccount, settings: Settings, fakes: dict[str, str]
) -> dict[str, Any]:
    request = account.request
    path = re.search(r"/pasons/([^/{}]+)", account.base_url)
    channel = next((c for c in settings.channels if c.account == name), None)
    store_id = path[1] if path else (channel.store_id if channel else None) or name
    seed: dict[str, Any] = {
        "store_id": store_id,
        "api_key": fakes[account.auth.key.env] if account.auth.key else "",
        "scheme": account.auth.scheme,
        "header": account.auth.header,
        "username": account.auth.user or "marketsync",
        "fields": dict(request.fields),
        "price_type": request.types.get("selling_price", "number"),
        "stock_type": request.types.get("stock_status", "int01"),
        "envelope": request.envelope,
        "results": "all" if account.response.results == "all" else "rejected",
        "max_items": min(request.batch, 500),
        "per_minute": account.quota.per_minute,
    }
    if request.enum:
        seed["enum"] = {word: int(kind != "out_of_stock") for kind, word in request.enum.items()}
    return seed


def _products(settings: Settings) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    barcodes: set[str] = set()
    for outlet in settings.channels_of("tracker_ke"):
        for sku, name, barcode, brand, category, size in _rows(settings, outlet):
            if barcode in barcodes or zlib.crc32(barcode.encode()) % NEW_SHARE == 0:
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
    from marketsync_dagster.pos.extract import read_csv_extract
    from marketsync_dagster.pos.files import find_extracts
    from marketsync_dagster.pos.model import ExtractSpec

    extract = settings.outlets[outlet].extract
    spec = ExtractSpec(
        columns=extract.columns,
        currency=settings.currency_of(outlet),
        delimiter=extract.delimiter,
        encoding=extract.encoding,
        decimal=extract.decimal,
        duplicates=extract.duplicates,
    )
    try:
        files = find_extracts(settings.root / extract.path, extract.pattern)
        if not files:
            return []
        newest: Path = files[-1].path
        frame = read_csv_extract(newest, spec, file=newest.name).frame
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
