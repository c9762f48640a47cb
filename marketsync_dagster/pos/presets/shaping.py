"""What several presets' shape functions are made of: small functions from Texts to Texts.

Masks are as long as the Texts they are made of: make them anew after rows have gone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos import prices, stock
from marketsync_dagster.pos.kernels import as_bool, pc
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.prices import Prices
from marketsync_dagster.pos.texts import Texts

_BLANK, _UNKNOWN = -1, -2


def _meant(texts: Texts, name: str, words: Mapping[str, object]) -> np.ndarray:
    """int8: 1 yes, 0 no, or _BLANK, or _UNKNOWN."""
    encoded = pc.dictionary_encode(texts.column(name))
    if not len(texts):
        return np.zeros(0, np.int8)
    keys = [stock.word_key(word) for word in encoded.dictionary.to_pylist()]
    values = [
        (_BLANK if not key else _UNKNOWN if key not in words else int(bool(words[key])))
        for key in keys
    ]
    return np.array(values, np.int8)[encoded.indices.to_numpy(zero_copy_only=False)]


def yes(texts: Texts, name: str, words: Mapping[str, object] = stock.ACTIVE) -> np.ndarray:
    """Which rows say yes in a column; a blank says nothing."""
    return _meant(texts, name, words) == 1


def no(texts: Texts, name: str, words: Mapping[str, object] = stock.ACTIVE) -> np.ndarray:
    """Which rows say no in a column; a blank says nothing."""
    return _meant(texts, name, words) == 0


def only_flags(texts: Texts, *names: str, words: Mapping[str, object] = stock.ACTIVE) -> Texts:
    """Without the rows that say neither yes nor no in one of these columns, which are rejected."""
    for name in names:
        if name in texts.columns:
            texts = texts.reject(_meant(texts, name, words) == _UNKNOWN, name, "bad_flag")
    return texts


def groups(texts: Texts, group: str) -> np.ndarray:
    """Rows with the same text in the column `group` have the same number; -1 where it is blank."""
    if not len(texts):
        return np.zeros(0, np.int64)
    encoded = pc.dictionary_encode(texts.column(group))
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return np.where(texts.filled(group), codes, -1)


def also_in(texts: Texts, group: str, which: np.ndarray) -> np.ndarray:
    """The rows whose group has at least one of the rows of a mask."""
    codes = groups(texts, group)
    return (codes >= 0) & np.isin(codes, codes[which & (codes >= 0)])


def inherit(texts: Texts, group: str, *names: str) -> Texts:
    """Blank cells say what the first row of their group says that is not blank there."""
    codes = groups(texts, group)
    rows = np.arange(len(texts))
    for name in names:
        if name not in texts.columns or not len(texts):
            continue
        filled = texts.filled(name)
        source = np.flatnonzero(filled & (codes >= 0))
        # one more place at the end, where the blank group -1 looks
        first = np.full(int(codes.max(initial=-1)) + 2, -1)
        first[codes[source][::-1]] = source[::-1]
        said = first[codes]
        taken = np.where(filled | (said < 0), rows, said)
        texts = texts.put(name, texts.column(name).take(pa.array(taken)))
    return texts


def otherwise(texts: Texts, name: str, other: str) -> Texts:
    """Blank cells of `name` say what `other` says."""
    if other not in texts.columns:
        return texts
    column = pc.if_else(pa.array(texts.filled(name)), texts.column(name), texts.column(other))
    return texts.put(name, column, texts.headers.get(name) or texts.headers.get(other))


def write(texts: Texts, name: str, which: np.ndarray, text: str, header: str = "") -> Texts:
    """The rows of a mask say `text` in a column; `header` is used where it has none yet."""
    if not which.any():
        return texts
    column = pc.if_else(pa.array(which), pa.scalar(text, pa.string()), texts.column(name))
    return texts.put(name, column, texts.headers.get(name) or header or name)


def switch_off(texts: Texts, which: np.ndarray, header: str) -> Texts:
    """The rows of a mask are not sold; `header` is the column that says so."""
    return write(texts, "active", which, "no", header)


def without_quote(texts: Texts, *names: str) -> Texts:
    """Without the `'` at the beginning of a cell that tells a spreadsheet to leave it alone."""
    for name in names:
        column = texts.column(name)
        if name in texts.columns and pc.any(pc.starts_with(column, "'")).as_py():
            bare = pc.replace_substring_regex(column, r"^'\s*(.+)$", r"\1")
            texts = texts.put(name, bare)
    return texts


def with_options(texts: Texts, *names: str, nothing: Collection[str] = ()) -> Texts:
    """The name of a variant: `Shirt - Small / Red`.

    `names` are the columns of its options; `nothing` are texts in lower case that are no option,
    such as `default title`.
    """
    found = [texts.column(name) for name in names if name in texts.columns]
    if not found:
        return texts
    empty = pa.array(["", *nothing], pa.string())
    options = texts.column("")
    for part in found:
        option = pc.if_else(pc.is_in(pc.utf8_lower(part), empty), "", part)
        options = _joined(options, option, " / ")
    name = texts.column("name")
    named = pc.if_else(pc.equal(name, ""), "", _joined(name, options, " - "))
    return texts.put("name", named, texts.headers.get("name") or names[0])


def _joined(first: pa.Array, second: pa.Array, between: str) -> pa.Array:
    """Both texts with `between` between them; where one is blank, the other."""
    both = pc.binary_join_element_wise(first, second, between)
    both = pc.if_else(pc.equal(second, ""), first, both)
    return pc.if_else(pc.equal(first, ""), second, both)


def without_parts(texts: Texts, part: str) -> Texts:
    """Without the rows that name a part of a set in the column `part`, which are counted.

    Such a row has no price, and no SKU or the one of its set again. A row that has a SKU of its
    own stays, and is judged as any other.
    """
    if part not in texts.columns:
        return texts
    bare = texts.filled(part) & ~texts.filled("price")
    has_sku = texts.filled("sku")
    known = pa.array(texts.column("sku").filter(pa.array(~bare & has_sku)))
    again = as_bool(pc.is_in(texts.column("sku"), pc.unique(known)))
    return texts.continuing(bare & (~has_sku | again))


def weighed(texts: Texts, which: np.ndarray, spec: ExtractSpec, column: str) -> Texts:
    """Goods with a price per measure: rejected, or taken with their unit if `spec` says so.

    `column` is the one that tells, for the reject; where no unit is said it is kg.
    """
    if spec.weighed == "reject":
        return texts.reject(which, column, "sold_by_weight")
    return write(texts, "unit", which & ~texts.filled("unit"), "kg")


def amounts(texts: Texts, names: Collection[str], spec: ExtractSpec) -> dict[str, Prices]:
    """Columns of money as minor units, to be compared with each other; all that are in `names`.

    The columns are read as `rows` reads prices, with what they prove together.
    """
    written = {name: prices.sort_written(texts.column(name), spec.currency) for name in names}
    found = prices.evidence(list(written.values()), spec.currency)
    return {
        name: prices.convert(column, spec.currency, spec.decimal, found)
        for name, column in written.items()
    }


def reject_faults(
    texts: Texts, name: str, faults: Mapping[int, str], but: Collection[str] = ()
) -> Texts:
    """Without the rows whose cell in `name` is faulty, rejected; `but` are reasons that are
    passed over."""
    reasons = np.full(len(texts), "", object)
    for row, reason in faults.items():
        if reason not in but:
            reasons[row] = reason
    for reason in sorted(set(faults.values()) - set(but)):
        which = reasons == reason
        texts, reasons = texts.reject(which, name, reason), reasons[~which]
    return texts
