"""Several documents of one outlet as one: products side by side, stock and promotions by SKU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos.content import Content
from marketsync_dagster.pos.kernels import as_bool, pc
from marketsync_dagster.pos.model import CARRIED
from marketsync_dagster.pos.parts import OutletPart
from marketsync_dagster.pos.texts import Fault, Texts
from marketsync_dagster.pos.totals import is_total_line
from marketsync_dagster.values.words import counted

WINDOW = ("promo_from", "promo_to")
"""When a promotion holds: one thing with its price."""


def together(parts: Sequence[OutletPart]) -> Texts:
    """The records of several documents, one behind the other, and those that do not fit them."""
    wholes = [(part, part.whole()) for part in parts]
    found = [replace(texts, faults=(*texts.faults, *odd_records(part))) for part, texts in wholes]
    first = found[0]
    if len(found) == 1:
        return first
    names = list(dict.fromkeys(name for texts in found for name in texts.columns))
    faults = [
        replace(fault, document=place) for place, one in enumerate(found) for fault in one.faults
    ]
    return Texts(
        columns={name: pa.concat_arrays([one.column(name) for one in found]) for name in names},
        lines=np.concatenate([one.lines for one in found]),
        headers={name: header for one in reversed(found) for name, header in one.headers.items()},
        faults=tuple(faults),
        continued=sum(one.continued for one in found),
        warnings=tuple(word for one in found for word in one.warnings),
        facts=first.facts,
        records=_one_array([one.records for one in found]),
        documents=np.repeat(np.arange(len(found)), [len(one) for one in found]),
        numbers={
            name: np.concatenate([one.numbers.get(name, np.zeros(len(one), bool)) for one in found])
            for name in {name for one in found for name in one.numbers}
        },
    )


def by_document(texts: Texts) -> Iterator[Texts]:
    """The records of each document for themselves: how it writes numbers proves nothing of the
    others."""
    if texts.documents is None:
        yield texts
        return
    places = {*texts.documents.tolist(), *(fault.document for fault in texts.faults)}
    for place in sorted(places):
        own = texts.take(np.flatnonzero(texts.documents == place))
        faults = tuple(fault for fault in texts.faults if fault.document == place)
        yield replace(own, faults=faults)
        texts = replace(texts, continued=0, warnings=())


def _one_array(arrays: Sequence[np.ndarray | None]) -> np.ndarray | None:
    there = [array for array in arrays if array is not None]
    return np.concatenate(there) if len(there) == len(arrays) else None


def odd_records(part: OutletPart) -> tuple[Fault, ...]:
    """The records that do not fit the table, as rejected ones."""
    return tuple(
        Fault(
            record.line,
            None,
            (part.content.delimiter or " | ").join(record.cells),
            "total_row" if is_total_line(record.cells) else record.reason,
        )
        for record in part.odd()
    )


def add_to(texts: Texts, more: Texts, content: Content) -> Texts:
    """The records with what another document says of their SKUs, which goes before their own.

    A SKU of which the other document says two things is rejected for the column concerned.
    """
    file = content.document.name
    skus = texts.column("sku")
    place_of: dict[str, int] = {}
    doubtful: dict[str, int] = {}
    said = [name for name in more.columns if name != "sku" and not name.startswith("_")]
    cells = {name: more.columns[name].to_pylist() for name in said if name not in CARRIED}
    for row, sku in enumerate(more.column("sku").to_pylist()):
        known = place_of.setdefault(sku, row)
        if known != row and any(one[row] != one[known] for one in cells.values()):
            doubtful.setdefault(sku, row)
    places = pc.index_in(skus, pa.array(list(place_of), pa.string()))
    found = as_bool(pc.is_valid(places))
    rows = np.array(list(place_of.values()), np.int64)
    at = rows[places.fill_null(0).to_numpy(zero_copy_only=False)] if len(rows) else None
    if at is not None:
        texts, found, at = _without_two_promotions(texts, more, found, at, file)
        promoted = found & more.filled("promo_price")[at]
        if promoted.any():
            said = list(dict.fromkeys([*said, *(n for n in WINDOW if n in texts.columns)]))
        for name in said:
            theirs = more.column(name).take(pa.array(at))
            # a promotion and its window are one
            use = promoted if name in WINDOW else found & as_bool(pc.not_equal(theirs, ""))
            merged = pc.if_else(pa.array(use), theirs, texts.column(name))
            texts = texts.put(name, merged, more.headers.get(name, name))
    if doubtful:
        which = as_bool(pc.is_in(texts.column("sku"), pa.array(list(doubtful), pa.string())))
        note = f"{file} says two things of it."
        texts = texts.reject(which, "sku", "contradicting_duplicate", note)
    unknown = len(set(place_of) - set(skus.to_pylist()))
    words = list(more.warnings)
    if unknown:
        are = "is" if unknown == 1 else "are"
        words.append(f"{file}: {counted(unknown, 'SKU')} that no product has {are} left out")
    if more.faults:
        first = more.faults[0]
        words.append(
            f"{file}: {counted(len(more.faults), 'record')} cannot be used, the first on line "
            f"{first.line} ({first.reason})"
        )
        named = [fault.sku for fault in more.faults if fault.sku]
        which = as_bool(pc.is_in(texts.column("sku"), pa.array(named, pa.string())))
        if which.any():
            texts = texts.reject(which, "sku", "bad_addition", f"See {file}.")
    return texts.warn(*words)


def _without_two_promotions(
    texts: Texts, more: Texts, found: np.ndarray, at: np.ndarray, file: str
) -> tuple[Texts, np.ndarray, np.ndarray]:
    """Without records that have another promotion than `more` has for them: which one is paid at
    the till, nobody says."""
    both = found & texts.filled("promo_price") & more.filled("promo_price")[at]
    if not both.any():
        return texts, found, at
    differ = np.zeros(len(texts), bool)
    for name in ("promo_price", *WINDOW):
        theirs = more.column(name).take(pa.array(at))
        differ |= as_bool(pc.not_equal(texts.column(name), theirs))
    which = both & differ
    texts = texts.reject(which, "promo_price", "two_promotions", f"See {file}.")
    return texts, found[~which], at[~which]
