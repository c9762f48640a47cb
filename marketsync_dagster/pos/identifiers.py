"""SKUs and barcodes: text for ever, never repaired, never guessed.

A SKU that a spreadsheet has damaged rejects its row. A barcode that is not a GTIN costs the row
nothing: it is kept as the till's internal code, with a note that says why.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos.kernels import as_int, is_digits, matches, pc
from marketsync_dagster.pos.quarantine import printable
from marketsync_dagster.pos.unpriced import is_nothing
from marketsync_dagster.values import gtin

MAX_SKU = 200
DAMAGED = "damaged by a spreadsheet"
CHECK_DIGIT = "not a GTIN: check digit"
ONLY_ZEROS = "not a GTIN: only zeros"
LETTERS = "not a GTIN: not only digits"
WEB_ADDRESS = "not a GTIN: a web address"

_SCIENTIFIC = r"[+-]?[0-9]+(?:[.,][0-9]+[eE][+-]?|[eE][+-])[0-9]+"
_DAMAGED = re.compile(rf"{_SCIENTIFIC}|[0-9]+[.,]0+|['’‘].*|#(?:N/A|REF!|VALUE!|NAME\?|DIV/0!|"
                      r"NULL!|NUM!|#+)", re.DOTALL)  # fmt: skip
_PROTECTED = r'^="([^"]*)"$'
_PLAIN = r"^[0-9A-Za-z](?:[0-9A-Za-z_/#-]| [0-9A-Za-z])*$"
_PLAIN_LETTERS = r"^[\p{L}\p{N}](?:[\p{L}\p{N}_/#-]| [\p{L}\p{N}])*$"
NOTHING = frozenset({"", "null", r"\n", "nan", "none", "n/a", "na", "-", "--"})
_URL = re.compile(r"[a-z][a-z0-9+.-]*://.*|www\..*|[\w.-]+\.(?:com|net|org|co|io|app|shop|info)(?:/.*)?",
                  re.IGNORECASE | re.DOTALL)  # fmt: skip
_INTERNAL = r"^[0-9]*[A-Za-z_][A-Za-z_]*[0-9][0-9A-Za-z_]*$"
_BETWEEN = re.compile(r"\s*[|,;\r\n]\s*")
_SURE = re.compile("[0-9]{12,14}")
MANY = 20
"""From how many SKUs on their digits may show that zeros were lost."""


def sku_fault(sku: str) -> str | None:
    """The reason for which a trimmed text is no SKU; None where it is one."""
    if sku.lower() in NOTHING:
        return "missing_sku"
    if _DAMAGED.fullmatch(sku):
        return "damaged_sku"
    if sku.startswith("="):
        return "formula"
    if any(unicodedata.category(sign) in ("Cc", "Cf", "Zl", "Zp") for sign in sku):
        return "control_character"
    if len(sku) > MAX_SKU:
        return "sku_too_long"
    return None


def _unprotected(texts: pa.Array) -> pa.Array:
    """The texts in `="00123"`, which exports write so that spreadsheets keep the zeros."""
    if not pc.any(pc.starts_with(texts, '="'), min_count=0).as_py():
        return texts
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(texts, _PROTECTED, r"\1"))


def read_skus(texts: pa.Array) -> tuple[pa.Array, dict[int, str]]:
    """Trimmed SKUs of a column, and row -> reason for those that are none."""
    texts = _unprotected(texts)
    plain = is_digits(texts)
    if not plain.all():
        others = texts.filter(pa.array(~plain))
        fine = matches(others, _PLAIN)
        if not fine.all():
            fine[~fine] = matches(others.filter(pa.array(~fine)), _PLAIN_LETTERS)
        fine &= ~matches(others, "[eE][+-]?[0-9]+$|(?i:null|nan|none|na)")
        plain[~plain] = fine
    plain &= as_int(pc.utf8_length(texts)) <= MAX_SKU
    if plain.all():
        return texts, {}
    rows = np.flatnonzero(~plain)
    faults: dict[int, str] = {}
    for row, sku in zip(rows.tolist(), texts.take(pa.array(rows)).to_pylist(), strict=True):
        fault = sku_fault(sku)
        if fault is not None:
            faults[row] = fault
    return texts, faults


@dataclass(frozen=True)
class Barcodes:
    """A column of barcodes, three `string` columns with nulls where there is nothing."""

    codes: pa.Array
    """Valid GTINs in one form."""
    internal: pa.Array
    """What is no GTIN, as it is written; invisible characters escaped."""
    notes: pa.Array
    """Why a text is no GTIN, or which other codes stood in its cell."""


def barcode_note(text: str) -> str | None:
    """Why a trimmed, filled text is no GTIN; None where it is one."""
    if not (text.isascii() and text.isdecimal()):
        if _DAMAGED.fullmatch(text):
            return DAMAGED
        return WEB_ADDRESS if _URL.fullmatch(text) else LETTERS
    if len(text) not in gtin.LENGTHS:
        return f"not a GTIN: {len(text)} digits"
    if not text.strip("0"):
        return ONLY_ZEROS
    return None if gtin.check_digit_fits(text) else CHECK_DIGIT


def read_barcodes(texts: pa.Array) -> Barcodes:
    """The barcodes of a trimmed column; the check digits of all rows are computed at once."""
    texts = _unprotected(texts)
    lengths = as_int(pc.binary_length(texts))
    digits = is_digits(texts)
    candidates = digits & np.isin(lengths, gtin.LENGTHS)
    fits = np.zeros(len(texts), bool)
    if candidates.any():
        codes = texts if candidates.all() else texts.filter(pa.array(candidates))
        fits[candidates] = gtin.check_digits_fit(codes)
    none = pa.scalar(None, pa.string())
    nothing = pa.nulls(len(texts), pa.string())
    if fits.all():
        return Barcodes(gtin.one_form(texts), nothing, nothing)
    found = pc.if_else(pa.array(fits), texts, none)
    wrong = ~fits & (lengths > 0)
    numbers = wrong & digits & (lengths <= MAX_SKU)
    codes = wrong & (lengths <= 64) & matches(texts, _INTERNAL)
    internal, notes = nothing, nothing
    if codes.any():
        internal = pc.if_else(pa.array(codes), texts, none)
        notes = pc.if_else(pa.array(codes), LETTERS, none)
    if numbers.any():
        said = _number_notes(texts.filter(pa.array(numbers)), lengths[numbers])
        internal = pc.if_else(pa.array(numbers), texts, internal)
        notes = pc.replace_with_mask(notes, pa.array(numbers), said)
        codes |= numbers
    rows = np.flatnonzero(wrong & ~codes)
    if not len(rows):
        return Barcodes(gtin.one_form(found), internal, notes)
    memory: dict[str, tuple[str | None, str | None, str | None]] = {}
    read = [
        memory[text] if text in memory else memory.setdefault(text, _odd_barcode(text))
        for text in texts.take(pa.array(rows)).to_pylist()
    ]
    mask = np.zeros(len(texts), bool)
    mask[rows] = True
    columns = [
        pc.replace_with_mask(column, pa.array(mask), pa.array(list(values), pa.string()))
        for column, values in zip((found, internal, notes), zip(*read, strict=True), strict=True)
    ]
    return Barcodes(gtin.one_form(columns[0]), columns[1], columns[2])


def _number_notes(texts: pa.Array, lengths: np.ndarray) -> pa.Array:
    """`barcode_note` of digits that are no GTIN, for many at once."""
    counted = pc.binary_join_element_wise(
        "not a GTIN:", pc.cast(pa.array(lengths), pa.string()), "digits", " "
    )
    zeros = pc.equal(pc.utf8_ltrim(texts, "0"), "")
    right = pa.array(np.isin(lengths, gtin.LENGTHS))
    return pc.if_else(right, pc.if_else(zeros, ONLY_ZEROS, CHECK_DIGIT), counted)


def _odd_barcode(text: str) -> tuple[str | None, str | None, str | None]:
    """GTIN, internal code and note of a text that is not a GTIN as it stands."""
    if text.isdecimal():
        return None, text[:MAX_SKU], barcode_note(text)
    if is_nothing(text):
        return None, None, None
    note = barcode_note(text)
    parts = [part for part in _BETWEEN.split(text) if part]
    if parts != [text] and note != WEB_ADDRESS:
        # eight digits fit by chance too often to be taken out of any text
        sure = all(len(part) == 8 and part.isdecimal() for part in parts)
        for at, part in enumerate(parts):
            if (sure or _SURE.fullmatch(part)) and barcode_note(part) is None:
                others = ", ".join(printable(other) for other in parts[:at] + parts[at + 1 :])
                said = f"the first GTIN of several codes; also {others}"[:MAX_SKU]
                return part, None, said if others else None
        note = "not a GTIN: several codes, none of them a GTIN"
    return None, printable(text), note


def zero_warnings(skus: pa.Array, lines: np.ndarray) -> list[str]:
    """What the leading zeros of a file's SKUs have to be said about; nothing is changed.

    `lines` are the physical lines of `skus`.
    """
    if pc.any(pc.starts_with(skus, "0")).as_py():
        return _alike(skus, lines)
    lost = _lost_zeros(skus)
    return [lost] if lost else []


def _alike(skus: pa.Array, lines: np.ndarray) -> list[str]:
    """SKUs that are one but for leading zeros."""
    bare = pc.utf8_ltrim(skus, "0")
    if pc.count_distinct(bare).as_py() == pc.count_distinct(skus).as_py():
        return []
    codes = pc.dictionary_encode(bare).indices.to_numpy(zero_copy_only=False)
    whole = pc.dictionary_encode(skus).indices.to_numpy(zero_copy_only=False)
    pairs = np.unique(codes.astype(np.int64) * len(skus) + whole) // len(skus)
    several = np.bincount(pairs) > 1
    rows = np.flatnonzero(several[codes])
    first = rows[codes[rows] == codes[rows[0]]]
    names: dict[str, int] = {}
    for row in first.tolist():
        names.setdefault(skus[row].as_py(), int(lines[row]))
    listed = " and ".join(f"{sku} (line {line})" for sku, line in list(names.items())[:4])
    more = int(several.sum()) - 1
    also = f", and {more} more such groups" if more else ""
    return [f"SKUs that differ only in leading zeros stay different products: {listed}{also}"]


def _lost_zeros(skus: pa.Array) -> str | None:
    """Words where the SKUs look as if something had taken the zeros off all of them."""
    distinct = pc.unique(skus)
    count = len(distinct)
    if count < MANY or not is_digits(distinct).all():
        return None
    lengths = as_int(pc.binary_length(distinct))
    short = np.isin(lengths, (7, 11))
    if short.sum() >= MANY:
        codes = distinct.filter(pa.array(short))
        fits = gtin.check_digits_fit(pc.binary_join_element_wise("0", codes, ""))
        # by chance it would be one in ten
        if fits.mean() > 0.9:
            return (
                f"{int(fits.sum())} SKUs are barcodes without their first 0: a spreadsheet may "
                "have taken leading zeros off"
            )
    longest = int(lengths.max())
    whole, shorter = (float((lengths == longest - less).mean()) for less in (0, 1))
    spread = longest >= 5 and count < 10 ** (longest - 2)
    # of codes of one length, one in ten begins with 0
    if count >= 10 * MANY and spread and 0.04 < shorter < 0.2 and whole > 0.75:
        return (
            f"no SKU begins with 0, and {shorter:.0%} of them have {longest - 1} digits instead "
            f"of {longest}: if the till pads its codes with zeros, they were lost on the way"
        )
    return None
