"""How extracts are read: the keys that an outlet's `extract` and a shared source both take.

What each of them does is `pos`'s matter; here is what may be said.
"""

from __future__ import annotations

import codecs
import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from marketsync_dagster.config.problems import Problem, Problems, closest
from marketsync_dagster.config.scalars import Number, Section, Whole

COLUMNS = (
    "sku parent_sku name brand category size unit barcode price promo_price promo_from promo_to "
    "cost currency stock stock_status tax_rate description image_url option1_name option1_value "
    "option2_name option2_value option3_name option3_value active model msrp tags manufacturer "
    "origin warehouse updated_at outlet weighed price_type tax_included promo_window inactive"
).split()
"""Column names that `extract.columns` can name (DESIGN section 9)."""

Preset = Literal[
    "auto", "generic", "feed", "loyverse", "square", "lightspeed", "shopify", "woocommerce",
    "odoo", "magento", "il_prices", "hr_prices", "bg_prices",
]  # fmt: skip
"""The systems whose habits are known (`pos.presets.PRESETS`); auto: found by names and headers."""


def one_or_more(what: str) -> BeforeValidator:
    """One text, or a list of texts, none blank; a number, which YAML may have changed, is refused
    with a word about quotes."""

    def check(value: Any) -> Any:
        texts = value if isinstance(value, list | tuple) else [value]
        for index, text in enumerate(texts):
            at = (index,) if texts is value else ()
            if isinstance(text, int | float):
                # of 1e5 it is not known any more how it was written
                said = "" if isinstance(text, float) else f' ("{str(text).lower()}")'
                got = "a word of YAML" if isinstance(text, bool) else "a number"
                raise Problem(f"expected text in quotes{said}, got {got}: it is {what}", at)
            if not isinstance(text, str):
                raise Problem(f"expected {what}, or a list of them", at)
            if not text.strip():
                raise Problem(f"expected {what}, got nothing", at)
        return value

    return BeforeValidator(check)


def as_list(value: Any) -> Any:
    """One text as a list of it."""
    return [value] if isinstance(value, str) else value


Texts = Annotated[list[str], BeforeValidator(as_list)]


class Reading(Section):
    """How extracts are read. What an outlet of a shared source says goes before the source's."""

    pattern: Annotated[str | list[str], one_or_more("a file name pattern")] = "*.csv"
    """Which files; several patterns: the newest file of each is a part of one extract."""
    preset: Preset = "generic"
    coverage: Literal["full", "delta", "auto"] = "full"
    """auto: by what the preset knows of names and documents, else full."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Our name of a column -> the header in the file; {}: recognised by their names."""
    delimiter: str | None = Field(default=None, min_length=1, max_length=8)
    encoding: str | None = None
    decimal: Literal[".", ","] | None = None
    duplicates: Literal["reject", "first", "last"] = "reject"
    records: Annotated[Texts, one_or_more("a path such as `data.items`")] = Field(
        default_factory=list
    )
    """Where the records are in XML or JSON; []: as the preset says, or found."""
    fields: dict[str, str] = Field(default_factory=dict)
    """XML: name of a column -> path inside the record."""
    sheet: str | None = Field(default=None, min_length=1)
    """Of a workbook; null: the only one that has a table."""
    numeric_identifiers: Literal["reject", "accept"] = "reject"
    """Whether a SKU may be a number cell, whose leading zeros would be gone."""
    weighed: Literal["reject", "accept"] = "reject"
    """Whether goods with a price per kilogram are taken, at that price."""
    time_pattern: str | None = None
    """When a file was made, from its name: `*_%Y-%m-%d.csv`; null: a date is looked for in it."""
    settle_s: Number = Field(default=5.0, ge=0)
    """How long a file that may still be written must have been quiet."""
    gone_after: Whole | None = Field(default=None, ge=1)
    """After how many full extracts without it a SKU is sent as out of stock; null: never."""
    brands: list[str] = Field(default_factory=list)
    """Brands that names begin with, for rows without one; []: a name is never taken for one."""

    @property
    def patterns(self) -> tuple[str, ...]:
        """`pattern` as one or several."""
        return (self.pattern,) if isinstance(self.pattern, str) else tuple(self.pattern)

    @field_validator("pattern")
    @classmethod
    def _stays_in_its_place(cls, pattern: str | list[str]) -> str | list[str]:
        for one in [pattern] if isinstance(pattern, str) else pattern:
            parts = one.split("/")
            if "\\" in one or "\0" in one or any(part in ("", ".", "..") for part in parts):
                words = 'expected a file name pattern without folders above, such as "*.csv"'
                raise ValueError(words)
        if isinstance(pattern, list) and not pattern:
            raise ValueError("expected at least one pattern")
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
        found += [
            Problem("expected a path inside the record, got nothing", ("fields", column))
            for column, path in self.fields.items()
            if not path.strip()
        ]
        if found:
            raise Problems(found)
        return self
