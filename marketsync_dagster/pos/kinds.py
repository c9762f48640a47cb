"""Cells of formats that know kinds: what is a number, a date or a formula where text is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos.detect import Format
from marketsync_dagster.pos.kernels import as_bool, matches, pc
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.readers.building import JOIN
from marketsync_dagster.pos.tables import Kind
from marketsync_dagster.pos.texts import Texts

_SHEETS = frozenset({Format.XLSX, Format.XLS})
_REPEATING = frozenset({Format.XML, Format.JSON, Format.JSONL})
"""Formats in which a record may have a name several times."""
_MONEY = ("price", "promo_price")
_FIGURES = ("price", "promo_price", "stock")


def without_wrong_kinds(
    texts: Texts, kinds: Mapping[str, np.ndarray], spec: ExtractSpec, form: Format
) -> Texts:
    """Without the records of which a cell is of a kind that cannot be believed there.

    A number in a spreadsheet has lost its leading zeros, if it had any: it is a SKU only where the
    configuration says so. In JSON and Parquet a whole number was one where it comes from. A barcode
    is proven by its check digit, whatever kind of cell it stands in.
    """
    found = dict(kinds)
    if "sku" in found:
        kind = found["sku"]
        formulas = (kind == Kind.FORMULA) | (kind == Kind.ERROR)
        texts, found = _rejected(texts, found, formulas, "sku", "formula")
        if form in _SHEETS and spec.numeric_identifiers == "reject":
            numbers = found["sku"] == Kind.NUMBER
            texts, found = _rejected(texts, found, numbers, "sku", "numeric_identifier")
        kind = found["sku"]
        fraction = (kind == Kind.NUMBER) & ~matches(texts.column("sku"), r"^[0-9]{1,15}$")
        wrong = fraction | (kind == Kind.DATE) | (kind == Kind.BOOLEAN)
        texts, found = _rejected(texts, found, wrong, "sku", "damaged_sku")
    for name in _MONEY:
        if name in found and name in texts.columns:
            kind = found[name]
            dates = (kind == Kind.DATE) & texts.filled(name)
            texts, found = _rejected(texts, found, dates, name, "date_as_price")
    numbers = {
        name: _numbers(texts.columns[name], found[name])
        for name in _FIGURES
        if name in found and name in texts.columns
    }
    return replace(texts, numbers=numbers)


def without_repeated_skus(texts: Texts, form: Format) -> Texts:
    """Without the records that have several SKUs: whose price is it?"""
    if form not in _REPEATING:
        return texts
    several = as_bool(pc.match_substring(texts.column("sku"), JOIN))
    return texts.reject(several, "sku", "repeated_name")


def _numbers(column: pa.Array, kind: np.ndarray) -> np.ndarray:
    """Which cells are numbers: those of the format, and what formulas came to."""
    formulas = kind == Kind.FORMULA
    if formulas.any():
        formulas &= matches(column, r"^-?[0-9]+(?:\.[0-9]+)?$")
    return (kind == Kind.NUMBER) | formulas


def _rejected(
    texts: Texts, kinds: dict[str, np.ndarray], which: np.ndarray, column: str, reason: str
) -> tuple[Texts, dict[str, np.ndarray]]:
    if not which.any():
        return texts, kinds
    left = {name: kind[~which] for name, kind in kinds.items()}
    return texts.reject(which, column, reason), left
