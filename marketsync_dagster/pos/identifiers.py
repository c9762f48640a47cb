"""SKUs and barcodes: text for ever, never repaired, never guessed.

A SKU that a spreadsheet has damaged rejects its row. A barcode that is not a GTIN costs the row
nothing: it becomes null, with a note that says why.
"""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos.kernels import as_bool, as_int, is_digits, matches, pc

MAX_SKU = 200
DAMAGED = "damaged by a spreadsheet"
CHECK_DIGIT = "not a GTIN: check digit"

_SCIENTIFIC = r"[+-]?[0-9]+(?:[.,][0-9]+[eE][+-]?|[eE][+-])[0-9]+"
_DAMAGED = re.compile(rf"{_SCIENTIFIC}|[0-9]+[.,]0+|['’‘].*|#(?:N/A|REF!|VALUE!|NAME\?|DIV/0!|"
                      r"NULL!|NUM!|#+)", re.DOTALL)  # fmt: skip
_PROTECTED = re.compile(r'="([^"]*)"')
_PLAIN = r"^[0-9A-Za-z](?:[0-9A-Za-z_/#-]| [0-9A-Za-z])*$"
_NOTHING = frozenset({"", "null", r"\n", "nan", "none", "n/a", "na", "-", "--"})
_TOTALS = frozenset({"total", "totals", "grand total", "subtotal", "sub total", "sum"})


def sku_fault(sku: str) -> str | None:
    """The reason for which a trimmed text is no SKU; None where it is one."""
    if sku.lower() in _NOTHING:
        return "missing_sku"
    if _DAMAGED.fullmatch(sku):
        return "damaged_sku"
    if sku.startswith("="):
        return "formula"
    if any(unicodedata.category(sign) in ("Cc", "Cf", "Zl", "Zp") for sign in sku):
        return "control_character"
    if len(sku) > MAX_SKU:
        return "sku_too_long"
    return "total_row" if sku.lower().rstrip(":") in _TOTALS else None


def unprotected(text: str) -> str:
    """The text in `="00123"`, which exports write so that spreadsheets keep the zeros."""
    match = _PROTECTED.fullmatch(text)
    return match.group(1).strip() if match else text


def read_skus(texts: pa.Array) -> tuple[pa.Array, dict[int, str]]:
    """Trimmed SKUs of a column, and row -> reason for those that are none."""
    plain = is_digits(texts)
    if not plain.all():
        others = texts.filter(pa.array(~plain))
        fine = matches(others, _PLAIN)
        fine &= ~matches(others, "[eE][+-]?[0-9]+$|(?i:null|nan|none|na|total)")
        fine &= ~matches(others, "(?i)^(?:sum|sub ?totals?)$")
        plain[~plain] = fine
    plain &= as_int(pc.utf8_length(texts)) <= MAX_SKU
    if plain.all():
        return texts, {}
    rows = np.flatnonzero(~plain)
    faults: dict[int, str] = {}
    repaired: list[str] = []
    for row, text in zip(rows.tolist(), texts.take(pa.array(rows)).to_pylist(), strict=True):
        sku = unprotected(text)
        repaired.append(sku)
        fault = sku_fault(sku)
        if fault is not None:
            faults[row] = fault
    replaced = pc.replace_with_mask(texts, pa.array(~plain), pa.array(repaired, texts.type))
    return replaced, faults


def barcode_note(text: str) -> str | None:
    """Why a trimmed, filled text is no GTIN; None where it is one."""
    if _DAMAGED.fullmatch(text):
        return DAMAGED
    if not re.fullmatch("[0-9]+", text):
        return "not a GTIN: not only digits"
    if len(text) not in (8, 12, 13, 14):
        return f"not a GTIN: {len(text)} digits"
    return None if check_digit_fits(text) else CHECK_DIGIT


def check_digit_fits(gtin: str) -> bool:
    """Whether the last digit is the check digit of the others (GS1: weights 3 and 1)."""
    from stdnum import ean

    return ean.calc_check_digit(gtin[:-1]) == gtin[-1]


def normalised(gtin: str) -> str:
    """One text per GTIN: 12 digits, and 14 that only lead with a zero, as 13."""
    if len(gtin) == 14 and gtin.startswith("0"):
        return gtin[1:]
    return gtin.zfill(13) if len(gtin) == 12 else gtin


def read_barcodes(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Normalised GTINs (null where there is none) and notes (null where there is nothing to say).

    `texts` is a trimmed column. The check digits of all rows are computed at once; the same rule
    as `check_digit_fits`, which tests compare.
    """
    lengths = as_int(pc.utf8_length(texts))
    digits = is_digits(texts)
    gtin = digits & np.isin(lengths, (8, 12, 13, 14))
    fits = np.zeros(len(texts), bool)
    if gtin.any():
        codes = texts if gtin.all() else texts.filter(pa.array(gtin))
        fits[gtin] = _fits(pc.utf8_lpad(codes, 14, "0"))
    padded13, short = texts, lengths == 12
    if short.any():
        padded13 = pc.if_else(pa.array(short), pc.utf8_lpad(texts, 13, "0"), texts)
    leading = as_bool(pc.starts_with(texts, "0")) & (lengths == 14)
    if leading.any():
        padded13 = pc.if_else(pa.array(leading), pc.utf8_slice_codeunits(texts, 1), padded13)
    if fits.all():
        return padded13, pa.nulls(len(texts), pa.string())
    barcodes = pc.if_else(pa.array(fits), padded13, pa.scalar(None, texts.type))
    notes: list[str | None] = [None] * len(texts)
    rows = np.flatnonzero(~fits & (lengths > 0))
    for row, text in zip(rows.tolist(), texts.take(pa.array(rows)).to_pylist(), strict=True):
        code = unprotected(text)
        if code != text and barcode_note(code) is None:
            # protected from spreadsheets: still the same digits
            fixed = pa.array([normalised(code)], texts.type)
            mask = np.zeros(len(texts), bool)
            mask[row] = True
            barcodes = pc.replace_with_mask(barcodes, pa.array(mask), fixed)
        else:
            notes[row] = barcode_note(code) if code else None
    return barcodes, pa.array(notes, pa.string())


def _fits(padded: pa.Array) -> np.ndarray:
    """Check digits of texts of 14 ASCII digits each."""
    data = np.frombuffer(padded.buffers()[2], np.uint8)
    first = np.frombuffer(padded.buffers()[1], np.int32)[padded.offset]
    table = data[first : first + 14 * len(padded)].reshape(-1, 14) - 48
    weights = np.array([3, 1] * 7, np.int64)
    return (table.astype(np.int64) @ weights) % 10 == 0
