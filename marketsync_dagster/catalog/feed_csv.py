"""The price feed as the CSV that is uploaded by hand: `sku,selling_price,stock_status`, and where
listings say more than that, `details`.

Only the form of that file belongs here, and that no cell of it runs as a formula.
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from marketsync_dagster.catalog.files import write_atomically
from marketsync_dagster.values.errors import MarketSyncError
from marketsync_dagster.values.money import to_decimal

HEADER = ("sku", "selling_price", "stock_status")

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_SPECIAL = re.compile(r'[",\r\n]')
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")


def write_feed_csv(feed: pd.DataFrame, path: Path) -> int:
    """Write `feed` (FEED) to `path`, replaced at once, UTF-8; returns the rows written.

    The SKU is the platform's where it has one, else the till's; the price has the decimals of
    its currency. MarketSyncError if the file cannot be written.
    """
    skus = feed["platform_sku"].fillna(feed["sku"])
    header, more = HEADER, [""] * len(feed)
    if "details" in feed:
        header = (*HEADER, "details")
        more = [f",{_quoted(safe_cell(details))}" for details in feed["details"].tolist()]
    lines = [
        f"{_quoted(safe_cell(sku))},{to_decimal(price, currency)},{status}{rest}\n"
        for sku, price, currency, status, rest in zip(
            skus.tolist(),
            feed["price_minor"].tolist(),
            feed["currency"].tolist(),
            feed["stock_status"].tolist(),
            more,
            strict=True,
        )
    ]
    try:
        write_atomically(path, "".join([",".join(header) + "\n", *lines]).encode())
    except OSError as error:
        raise MarketSyncError(f"cannot write {path}: {error.strerror or error}") from error
    return len(feed)


def safe_cell(text: str) -> str:
    """`text` as a spreadsheet may open it: a leading apostrophe where it would be a formula.

    Numbers are left as they are, with their sign.
    """
    if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text):
        return "'" + text
    return text


def _quoted(cell: str) -> str:
    # csv.writer leaves a lone CR without quotes where lines end with LF (Python before 3.13)
    if _SPECIAL.search(cell):
        return '"' + cell.replace('"', '""') + '"'
    return cell
