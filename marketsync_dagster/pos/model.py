"""What goes into reading an extract and what comes out: plain data, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from marketsync_dagster.values.errors import ExtractError

EXTRACT_COLUMNS = (
    "sku",
    "name",
    "barcode",
    "barcode_note",
    "brand",
    "category",
    "size",
    "unit",
    "price_minor",
    "promo_price_minor",
    "currency",
    "quantity",
    "stock_status",
    "active",
    "line",
)
"""Columns of `Extract.frame`, in order."""

REJECT_COLUMNS = ("file", "line", "column", "value", "reason", "next_step", "sku")
"""Columns of `Extract.rejects`, in order."""


@dataclass(frozen=True)
class ExtractSpec:
    """How to read one outlet's extract. What is None is found out from the file."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Canonical name -> header in the file; empty: recognised by `columns.SYNONYMS`."""
    currency: str = "KES"
    coverage: Literal["full", "delta"] = "full"
    delimiter: str | None = None
    encoding: str | None = None
    decimal: Literal[".", ","] | None = None
    duplicates: Literal["reject", "first", "last"] = "reject"


@dataclass(frozen=True)
class Extract:
    """An extract that was read. `records == accepted + rejected + duplicates`, always."""

    frame: pd.DataFrame
    """EXTRACT_COLUMNS; text is `str`, money and quantity nullable `Int64` (minor units, whole
    units), `active` bool, `line` int64 (physical line in the file, from 1)."""
    rejects: pd.DataFrame
    """REJECT_COLUMNS, one row per rejected record."""
    records: int
    accepted: int
    rejected: int
    duplicates: int
    file: str
    sha256: str
    size: int
    encoding: str
    delimiter: str
    header_line: int
    columns: dict[str, str]
    """Canonical name -> header that was used."""
    ignored: list[str]
    """Headers that nothing was read from."""
    coverage: Literal["full", "delta"]
    warnings: list[str]


class NothingAccepted(ExtractError):
    """Every record was rejected: never to be taken for an outlet that sells nothing.

    `extract` holds the rejects, so that they can be shown.
    """

    def __init__(self, message: str, next_step: str, extract: Extract) -> None:
        super().__init__("nothing_accepted", message, next_step)
        self.extract = extract
