"""The maintained file of an account's categories: CSV `category,code` and fields of the offer.

One row per category of the till: the platform's code for it and, in columns that may be left out,
what offers of that category say otherwise than the account's others. UTF-8, kept in Git; lines that
begin with `#` are comments, empty lines are skipped, further columns are ignored. How the words
of the till find their row belongs here too: case, forms of letters and blanks make no difference.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from marketsync_dagster.catalog.mapping_file import (
    KEPT,
    MappingText,
    Record,
    fail_with,
    field_count_problem,
    parse,
)
from marketsync_dagster.values.errors import MappingError

REQUIRED = ("category", "code")
TEXTS = ("logistic_class", "product_tax_code", "state_code", "description")
WHOLES = ("leadtime_to_ship", "min_quantity_alert")
COLUMNS = (*REQUIRED, "logistic_class", "leadtime_to_ship", "product_tax_code", "state_code",
           "min_quantity_alert", "description")  # fmt: skip

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_WHOLE = re.compile(r"[0-9]{1,9}")
_DAMAGED = re.compile(r"\d+(?:[.,]\d+)?[Ee]\+\d+|'.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CategoryRow:
    """One row as it stands in the file; `line` is the physical line that it begins on."""

    category: str
    code: str
    line: int
    fields: Mapping[str, str | int] = field(default_factory=dict)
    """What offers of the category say; only what is written there."""


@dataclass(frozen=True)
class Categories:
    """The rows of one file, by what the till calls the category."""

    path: Path
    rows: Mapping[str, CategoryRow]
    """`folded` category -> its row."""

    def of(self, category: str | None) -> CategoryRow | None:
        """The row of a category as the till writes it; None: there is none."""
        return self.rows.get(folded(category)) if category else None


def folded(category: str) -> str:
    """The words of a category without case, without blanks and in one form of letters."""
    return "".join(unicodedata.normalize("NFKC", category).casefold().split())


def read_categories(path: Path) -> Categories:
    """The categories in the file `path`.

    MappingError lists all that is wrong, each with file and line: a missing column, an empty or
    damaged code, a number that is none, a category that is there twice.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise MappingError(
            f"{path}: the file of categories does not exist",
            f"create it with the line {','.join(REQUIRED)} and a line for each category, or take "
            "`categories` out of the account",
        ) from None
    except OSError as error:
        raise MappingError(f"{path}: cannot be read: {error.strerror or error}") from error
    return _categories(path, data)


@lru_cache(maxsize=KEPT)
def _categories(path: Path, data: bytes) -> Categories:
    text = parse(path, data, COLUMNS, REQUIRED)
    rows: dict[str, CategoryRow] = {}
    problems: list[str] = []
    for record in text.records:
        cells = _cells(text, record)
        line = record.first + 1
        wrong = field_count_problem(text, record) or _problem(cells)
        if wrong is None and (earlier := rows.get(folded(cells["category"]))) is not None:
            wrong = f"category {cells['category']!r} is there already, in line {earlier.line}"
        if wrong:
            problems.append(f"{path}:{line}: {wrong}")
            continue
        said: dict[str, str | int] = {name: cells[name] for name in TEXTS if cells.get(name)}
        said |= {name: int(cells[name]) for name in WHOLES if cells.get(name)}
        rows[folded(cells["category"])] = CategoryRow(cells["category"], cells["code"], line, said)
    fail_with(problems, "correct these lines; each category of the till has one")
    return Categories(path, rows)


def _cells(text: MappingText, record: Record) -> dict[str, str]:
    names = zip(text.columns, record.fields, strict=False)
    return {name: cell.strip() for name, cell in names if name in COLUMNS}


def _problem(cells: Mapping[str, str]) -> str | None:
    for name in REQUIRED:
        if not cells.get(name):
            return f"{name} is empty"
    for name, cell in cells.items():
        if _CONTROL.search(cell):
            return f"{name} {cell!r} contains control characters"
        if name in WHOLES and cell and not _WHOLE.fullmatch(cell):
            return f"{name} {cell!r} is no whole number from 0"
        if name != "description" and _DAMAGED.fullmatch(cell):
            return f"{name} {cell!r} was damaged by a spreadsheet: enter it as text"
    return None
