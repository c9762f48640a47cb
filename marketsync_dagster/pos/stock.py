"""Quantities, stock words and active flags, by whole columns of trimmed text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos.headers.folding import fold
from marketsync_dagster.pos.headers.known import LANGUAGES, words
from marketsync_dagster.pos.kernels import as_bool, as_int, is_digits, matches, pc
from marketsync_dagster.pos.money import Fault, Separator, read_number
from marketsync_dagster.values.outcomes import StockStatus

MAX_QUANTITY = 10**12
MAX_DIGITS = 12


def word_key(text: str) -> str:
    """How words are compared: folded, but for those with digits, where `-1` is not `1`."""
    plain = " ".join(text.lower().split())
    if any(sign.isdigit() for sign in plain):
        return plain
    return fold(plain) or plain


def _table(lists: Mapping[Any, list[str]]) -> dict[str, Any]:
    return {
        word_key(word): meant
        for meant, listed in lists.items()
        for text in listed
        for word in words(text)
    }


STATUS: dict[str, str] = _table(
    {
        str(StockStatus.IN_STOCK): [one.in_stock for one in LANGUAGES.values()],
        str(StockStatus.LIMITED_STOCK): [one.limited_stock for one in LANGUAGES.values()],
        str(StockStatus.OUT_OF_STOCK): [one.out_of_stock for one in LANGUAGES.values()],
    }
)
"""`word_key` of a word -> stock status."""

ACTIVE: dict[str, bool] = _table(
    {
        True: [one.yes for one in LANGUAGES.values()],
        False: [one.no for one in LANGUAGES.values()],
    }
)
"""`word_key` of a word -> whether the product is sold."""


def read_quantities(
    texts: pa.Array, separator: Separator | None
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Whole units (int64), which rows have one, and the rows that cannot be read.

    Fractions are floored, negatives kept. `separator` is what is known of the file's decimals:
    `1,234` is not read where nothing is known.
    """
    plain = is_digits(texts) & (as_int(pc.binary_length(texts)) <= MAX_DIGITS)
    if not plain.all():
        plain[~plain] = matches(texts.filter(pa.array(~plain)), rf"^-?[0-9]{{1,{MAX_DIGITS}}}$")
    blank = as_bool(pc.equal(texts, ""))
    units = np.zeros(len(texts), np.int64)
    if plain.any():
        figures = texts if plain.all() else texts.filter(pa.array(plain))
        units[plain] = pc.cast(figures, pa.int64()).to_numpy()
    known = plain.copy()
    bad: list[int] = []
    rows = np.flatnonzero(~plain & ~blank)
    memory: dict[str, int | None] = {}
    for row, text in zip(rows.tolist(), texts.take(pa.array(rows)).to_pylist(), strict=True):
        if text not in memory:
            memory[text] = read_quantity(text, separator)
        value = memory[text]
        if value is None:
            bad.append(row)
        else:
            units[row], known[row] = value, True
    return units, known, bad


def read_quantity(text: str, separator: Separator | None) -> int | None:
    """Whole units of a written number, floored; None where it cannot be read for certain."""
    text = text.replace("\u2212", "-").replace("\u00a0", " ").replace("\u202f", " ")
    negative = text.startswith("-")
    number = text[1:].strip() if negative else text.removeprefix("+")
    if not re.fullmatch(r"[0-9.,' ]*[0-9]", number) or len(number) > 40:
        return None
    amount = read_number(number, None)
    if isinstance(amount, Fault) and amount.reason == "ambiguous_price" and separator is not None:
        amount = read_number(number, separator)
    if isinstance(amount, Fault) or amount > MAX_QUANTITY:
        return None
    whole = int(amount)
    return -whole - (whole != amount) if negative else whole


def read_words(texts: pa.Array, words: Mapping[str, Any]) -> tuple[list[Any], list[int]]:
    """The meaning of each row (None where blank), and the rows whose word is unknown.

    `words` is STATUS or ACTIVE.
    """
    encoded = pc.dictionary_encode(texts)
    distinct = [word_key(word) for word in encoded.dictionary.to_pylist()]
    meanings = [words.get(word) for word in distinct]
    unknown = np.array([bool(word) and word not in words for word in distinct])
    indices = encoded.indices.to_numpy(zero_copy_only=False)
    bad = np.flatnonzero(unknown[indices]).tolist() if len(indices) else []
    return [meanings[index] for index in indices.tolist()], bad
