"""What goes into reading an extract and what comes out: plain data, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
import pandas as pd

from marketsync_dagster.pos.documents import Document
from marketsync_dagster.pos.profile import Profile
from marketsync_dagster.values.errors import ExtractError

EXTRACT_COLUMNS = (
    "sku",
    "name",
    "barcode",
    "barcode_note",
    "internal_code",
    "brand",
    "category",
    "size",
    "unit",
    "tags",
    "manufacturer",
    "origin",
    "price_minor",
    "promo_price_minor",
    "promo_from",
    "promo_to",
    "currency",
    "quantity",
    "stock_status",
    "active",
    "line",
)
"""Columns of `Extract.frame`, in order."""

CARRIED = ("tags", "manufacturer", "origin")
"""Columns that are taken along where a file has them: no file and no row is refused for them."""

REJECT_COLUMNS = ("file", "line", "column", "value", "reason", "next_step", "sku")
"""Columns of `Extract.rejects`, in order."""


@dataclass(frozen=True)
class ExtractSpec:
    """How to read one outlet's extract. What is None is found out from the file."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Canonical name -> header in the file; empty: recognised by `pos.headers`."""
    currency: str = "KES"
    timezone: str = "UTC"
    """The outlet's: of dates and times in the file that do not say theirs."""
    coverage: Literal["full", "delta"] = "full"
    delimiter: str | None = None
    encoding: str | None = None
    decimal: Literal[".", ","] | None = None
    duplicates: Literal["reject", "first", "last"] = "reject"
    preset: str = "generic"
    """A name of `presets.PRESETS`, or auto."""
    records: tuple[str, ...] = ()
    """Where the records are in XML or JSON; (): as the preset says, or found."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """XML: column -> path inside the record."""
    sheet: str | None = None
    """Of a workbook; None: the only one that has a table."""
    keys: tuple[str, ...] = ()
    """What the outlet is called in documents with several outlets, each compared as text."""
    numeric_identifiers: Literal["reject", "accept"] = "reject"
    """Whether a SKU may be a number cell of a spreadsheet: its leading zeros are gone, if any."""
    weighed: Literal["reject", "accept"] = "reject"
    """Whether goods with a price per kilogram are taken, at that price."""


class Accepted(Protocol):
    """Accepted rows, wherever they are kept."""

    @property
    def origins(self) -> np.ndarray | None:
        """As `Extract.origins`."""
        ...

    def frame(self) -> pd.DataFrame:
        """As `Extract.frame`; made anew each time."""
        ...


@dataclass(frozen=True)
class Extract:
    """An extract that was read. `records == accepted + rejected + duplicates`, always."""

    rows: Accepted
    """The accepted rows; most want them as `frame`."""
    rejects: pd.DataFrame
    """REJECT_COLUMNS, one row per rejected record."""
    records: int
    accepted: int
    rejected: int
    duplicates: int
    continued: int
    """Records that belong to another one, and are none of their own: not among `records`."""
    file: str
    documents: Sequence[Document]
    """What it was read from: products first, then what adds to them."""
    encoding: str
    delimiter: str
    header_line: int
    columns: dict[str, str]
    """Canonical name -> header that was used."""
    ignored: list[str]
    """Headers that nothing was read from."""
    coverage: Literal["full", "delta"]
    warnings: list[str]
    profile: Profile | None = None
    """What the file looks like, for the next one to be compared with."""

    @cached_property
    def frame(self) -> pd.DataFrame:
        """EXTRACT_COLUMNS; text is `str`, money and quantity nullable `Int64` (minor units, whole
        units), `promo_from` and `promo_to` text of `values.times.to_iso`, `active` bool, `line`
        int64 (physical line in the file, from 1)."""
        return self.rows.frame()

    @property
    def origins(self) -> np.ndarray | None:
        """Which of `documents` each row of `frame` is of; None: the first."""
        return self.rows.origins

    @property
    def sha256(self) -> str:
        """Of the first document."""
        return self.documents[0].sha256

    @property
    def size(self) -> int:
        """Bytes of the first document, unpacked."""
        return self.documents[0].size


class NothingAccepted(ExtractError):
    """Every record was rejected: never to be taken for an outlet that sells nothing.

    `extract` holds the rejects, so that they can be shown.
    """

    def __init__(self, message: str, next_step: str, extract: Extract) -> None:
        super().__init__("nothing_accepted", message, next_step)
        self.extract = extract
