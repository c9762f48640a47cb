"""Cells of formats that know kinds: what is a number, a date or a formula where text is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos.detect import Format
from marketsync_dagster.pos.identifiers import NOTHING
from marketsync_dagster.pos.kernels import as_bool, matches, pc
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.readers.building import JOIN
from marketsync_dagster.pos.tables import Kind
from marketsync_dagster.pos.texts import MODEL_SKU, Texts

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
    texts, found = _models_as_skus(texts, dict(kinds), spec, form)
    if "sku" in found:
        texts, found = _without_wrong_codes(texts, found, "sku", lambda _: True, spec, form)
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


def _without_wrong_codes(
    texts: Texts,
    found: dict[str, np.ndarray],
    name: str,
    asked: Callable[[Texts], np.ndarray | bool],
    spec: ExtractSpec,
    form: Format,
) -> tuple[Texts, dict[str, np.ndarray]]:
    """Without the records whose SKU, which stands in the column `name` where `asked` says so, is
    of a wrong kind."""
    kind = found[name]
    formulas = (kind == Kind.FORMULA) | (kind == Kind.ERROR)
    texts, found = _rejected(texts, found, formulas & asked(texts), name, "formula")
    if form in _SHEETS and spec.numeric_identifiers == "reject":
        numbers = (found[name] == Kind.NUMBER) & asked(texts)
        texts, found = _rejected(texts, found, numbers, name, "numeric_identifier")
    kind = found[name]
    fraction = (kind == Kind.NUMBER) & ~matches(texts.column(name), r"^[0-9]{1,15}$")
    wrong = fraction | (kind == Kind.DATE) | (kind == Kind.BOOLEAN)
    return _rejected(texts, found, wrong & asked(texts), name, "damaged_sku")


def _models_as_skus(
    texts: Texts, found: dict[str, np.ndarray], spec: ExtractSpec, form: Format
) -> tuple[Texts, dict[str, np.ndarray]]:
    """A record without a SKU has its model for one; MODEL_SKU says which."""
    if "model" not in texts.columns or "sku" not in texts.columns or not _by_model(texts).any():
        return texts, found
    if "model" in found:
        texts, found = _without_wrong_codes(texts, found, "model", _by_model, spec, form)
    taken = pa.array(_by_model(texts))
    models = texts.column("model")
    for name in ("sku", MODEL_SKU):
        texts = texts.put(name, pc.if_else(taken, models, texts.column(name)))
    if "sku" in found and "model" in found:
        found["sku"] = np.where(taken, found["model"], found["sku"])
    return texts, found


def _by_model(texts: Texts) -> np.ndarray:
    """Which records have no SKU, and a model."""
    sku, model = (
        as_bool(pc.is_in(pc.utf8_lower(texts.column(name)), pa.array(sorted(NOTHING))))
        for name in ("sku", "model")
    )
    return sku & ~model


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
