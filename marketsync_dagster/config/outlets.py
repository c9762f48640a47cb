"""The sections `defaults` and `outlets`: who the branches are and how their extracts are read."""

from __future__ import annotations

import codecs
import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from marketsync_dagster.config.problems import Problem, Problems, closest
from marketsync_dagster.config.scalars import Currency, FilePath, Number, Section, Whole, Zone

COLUMNS = (
    "sku parent_sku name brand category size unit barcode price promo_price cost currency stock "
    "stock_status tax_rate description image_url option1_name option1_value option2_name "
    "option2_value option3_name option3_value active model msrp tags manufacturer origin "
    "warehouse updated_at outlet"
).split()
"""Column names that `extract.columns` can name (DESIGN section 9)."""


class Defaults(Section):
    """What holds for every outlet that does not say otherwise."""

    currency: Currency = "KES"
    timezone: Zone = "UTC"


class ExtractSettings(Section):
    """Where an outlet's extracts come from and how they are read."""

    source: Literal["directory"] = "directory"
    path: FilePath
    pattern: str = Field(default="*.csv", min_length=1)
    preset: Literal["generic"] = "generic"
    coverage: Literal["full", "delta"] = "full"
    columns: dict[str, str] = Field(default_factory=dict)
    """Our name of a column -> the header in the file; {}: recognised by their names."""
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    encoding: str | None = None
    decimal: Literal[".", ","] | None = None
    duplicates: Literal["reject", "first", "last"] = "reject"
    time_pattern: str | None = None
    """When a file was made, from its name: `*_%Y-%m-%d.csv`; null: a date is looked for in it."""
    settle_s: Number = Field(default=5.0, ge=0)
    """How long a file that may still be written must have been quiet."""
    gone_after: Whole | None = Field(default=None, ge=1)
    """After how many full extracts without it a SKU is sent as out of stock; null: never."""

    @field_validator("pattern")
    @classmethod
    def _stays_in_its_folder(cls, pattern: str) -> str:
        if "/" in pattern or "\\" in pattern or "\0" in pattern:
            raise ValueError('expected a file name pattern without folders such as "*.csv"')
        return pattern

    @field_validator("encoding")
    @classmethod
    def _encoding_exists(cls, encoding: str | None) -> str | None:
        if encoding is not None:
            try:
                codecs.lookup(encoding)
            except (LookupError, ValueError) as error:
                raise ValueError("expected an encoding such as utf-8 or windows-1252") from error
        return encoding

    @field_validator("time_pattern")
    @classmethod
    def _pattern_tells_a_day(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        found = set(re.findall(r"%(.)", pattern))
        day = found & {"Y", "y"} and ({"m", "d"} <= found or "j" in found)
        if not day or not found <= set("YymdHIMSfjpbBz%"):
            raise ValueError('expected a pattern for file names such as "*_%Y-%m-%d.csv"')
        return pattern

    @model_validator(mode="after")
    def _columns_are_known(self) -> Self:
        found = [
            Problem(
                f"expected one of {', '.join(COLUMNS)}{closest(column, COLUMNS)}, "
                "got an unknown column",
                ("columns", column),
            )
            for column in self.columns
            if column not in COLUMNS
        ]
        found += [
            Problem("expected the column's header in the file, got nothing", ("columns", column))
            for column, header in self.columns.items()
            if not header.strip()
        ]
        if found:
            raise Problems(found)
        return self


class Outlet(Section):
    """One branch of the retailer."""

    name: str = Field(min_length=1)
    extract: ExtractSettings
    currency: Currency | None = None
    timezone: Zone | None = None
