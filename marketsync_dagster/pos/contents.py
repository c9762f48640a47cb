"""Columns whose cells say something else than their header: `Quantity` with `0.30 kg` in it.

Only headers that were understood by themselves are looked at; a configured column is what the
configuration says. A column goes to the place that its cells fit, or is left unread; both are
said. That most of the filled cells agree is what counts as evidence, a single odd cell is a fault
of its row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos import stock
from marketsync_dagster.pos.columns import Columns
from marketsync_dagster.pos.headers.known import LANGUAGES, pieces, units, words
from marketsync_dagster.pos.headers.reading import WEAK_STOCK
from marketsync_dagster.pos.kernels import as_bool, is_digits, matches, pc

_NUMBER = r"^[+\-\x{2212}]?[0-9][0-9., '\x{A0}]*$"
_NOUGHT_OR_ONE = r"^[01](?:[.,]0+)?$"
_FRACTION = r"^-?(?:0?[.,][0-9]+|[0-9]+[.,](?:[0-9]{1,2}|[0-9]{4,}))$"
_FIGURE = r"^[0-9]{1,9}(?:[.,][0-9]{1,2})?$"
_NAUGHT = r"^0*(?:[.,]0+)?$"
_PART = r"^0?[.,]"
_WHOLE = r"[.,]0+$"
_BARE_PROMO = 2
"""The rank of words such as `Promo`, which do not say that they are a price."""


@dataclass(frozen=True)
class _Move:
    """What a column is instead; None: nothing that is read."""

    source: str
    target: str | None
    holds: str
    example: str


def by_content(
    chosen: Columns, texts: Mapping[str, pa.Array]
) -> tuple[Columns, dict[str, pa.Array], list[str]]:
    """The columns and their trimmed texts as their cells want them, and a warning for each move."""
    texts = dict(texts)
    warnings: list[str] = []
    for find in (_stock, _stock_status, _active, _promo):
        move = find(chosen, texts)
        if move is not None:
            chosen, texts = _moved(move, chosen, texts, warnings)
    return chosen, texts, warnings


def _moved(
    move: _Move, chosen: Columns, texts: dict[str, pa.Array], warnings: list[str]
) -> tuple[Columns, dict[str, pa.Array]]:
    target = move.target if move.target not in chosen.position else None
    header = chosen.header[move.source]
    said = f"column {header!r} holds {move.holds} such as {move.example[:40]!r}: "
    own = _SAID[move.source]
    warnings.append(
        said
        + (
            f"read as {_SAID[target]}, not as {own}"
            if target is not None
            else f"not read as {own}; if it is, say so with `columns`"
        )
    )
    position, headers = dict(chosen.position), dict(chosen.header)
    ranks, cells = dict(chosen.ranks), dict(texts)
    place, rank, column = position.pop(move.source), ranks.pop(move.source), cells.pop(move.source)
    del headers[move.source]
    ignored = chosen.ignored
    if target is None:
        ignored = [*ignored, header]
    else:
        position[target], headers[target], ranks[target] = place, header, rank
        cells[target] = column
    return replace(chosen, position=position, header=headers, ignored=ignored, ranks=ranks), cells


_SAID = {
    "stock": "the stock",
    "stock_status": "the stock status",
    "size": "the size",
    "unit": "the unit",
    "active": "whether the product is sold",
    "promo_price": "the promotional price",
}


def _stock(chosen: Columns, texts: Mapping[str, pa.Array]) -> _Move | None:
    """Words are a status; sizes, units and fractions are no stock where the header is weak."""
    filled = _filled("stock", chosen, texts)
    if filled is None or is_digits(filled).all():
        return None
    number = matches(filled, _NUMBER)
    if _most(~number):
        said = _words_in(filled, ~number, stock.STATUS)
        if _most(said):
            return _Move("stock", "stock_status", "words", _first(filled, said))
    if chosen.ranks["stock"] < WEAK_STOCK:
        return None
    sizes = matches(filled, _sizes())
    if _most(sizes):
        return _Move("stock", "size", "sizes", _first(filled, sizes))
    if _most(~number):
        measures = _words_in(filled, ~number, units() | pieces())
        if _most(measures):
            return _Move("stock", "unit", "units", _first(filled, measures))
    fractions = matches(filled, _FRACTION) & ~matches(filled, _WHOLE)
    parts = fractions & matches(filled, _PART)
    if _most(fractions) or int(parts.sum()) * 4 > len(filled):
        # sizes in litres, read as a stock, would be sold out
        return _Move("stock", None, "fractions", _first(filled, fractions))
    return None


def _stock_status(chosen: Columns, texts: Mapping[str, pa.Array]) -> _Move | None:
    """`In stock` with figures in it is a quantity."""
    filled = _filled("stock_status", chosen, texts)
    if filled is None:
        return None
    number = matches(filled, _NUMBER)
    counts = number & ~matches(filled, _NOUGHT_OR_ONE)
    if _most(number) and counts.sum() * 100 >= len(filled):
        return _Move("stock_status", "stock", "numbers", _first(filled, counts))
    return None


def _active(chosen: Columns, texts: Mapping[str, pa.Array]) -> _Move | None:
    """`Status` with `in stock` in it is a stock status."""
    filled = _filled("active", chosen, texts)
    if filled is None or chosen.ranks["active"] == 1:
        return None
    only_stock = stock.STATUS.keys() - stock.ACTIVE.keys()
    said = _words_in(filled, np.ones(len(filled), bool), only_stock)
    if _most(said):
        return _Move("active", "stock_status", "words", _first(filled, said))
    return None


def _promo(chosen: Columns, texts: Mapping[str, pa.Array]) -> _Move | None:
    """`Promo` may hold yes and no, 0 and 1, or percentages: only prices near the price are some."""
    if chosen.ranks.get("promo_price") != _BARE_PROMO:
        return None
    filled = _filled("promo_price", chosen, texts)
    if filled is None:
        return None
    flags = _words_in(filled, np.ones(len(filled), bool), stock.ACTIVE)
    yes = flags & ~as_bool(pc.is_in(filled, pa.array(["0"])))
    if flags.all() and yes.any():
        return _Move("promo_price", None, "words", _first(filled, yes))
    if "price" not in texts:
        return None
    promo, price = texts["promo_price"], texts["price"]
    rows = matches(promo, _FIGURE) & matches(price, _FIGURE)
    rows &= ~matches(promo, _NAUGHT) & ~matches(price, _NAUGHT)
    if not rows.any():
        return None
    # evidence only: no price is made of these
    share = _rough(promo, rows) / _rough(price, rows)
    near = (share > 0.2) & (share <= 1)
    if near.sum() * 2 < len(near):
        far = int(np.flatnonzero(rows)[np.flatnonzero(~near)[0]])
        return _Move("promo_price", None, "numbers far from the price", promo[far].as_py())
    return None


def _rough(texts: pa.Array, rows: np.ndarray) -> np.ndarray:
    figures = pc.replace_substring(texts.filter(pa.array(rows)), ",", ".")
    return pc.cast(figures, pa.float64()).to_numpy()


def _filled(name: str, chosen: Columns, texts: Mapping[str, pa.Array]) -> pa.Array | None:
    if name not in chosen.ranks or name not in texts:
        return None
    column = texts[name]
    filled = column.filter(pc.invert(pc.is_in(column, pa.array(["", "NULL", "null", r"\N"]))))
    return filled if len(filled) else None


def _words_in(
    filled: pa.Array, rows: np.ndarray, known: Mapping[str, object] | frozenset[str] | set[str]
) -> np.ndarray:
    """Which rows, of those asked for, hold a word of a table."""
    asked = filled.filter(pa.array(rows))
    distinct = [
        word
        for word in pc.unique(asked).to_pylist()
        if len(word) < 60 and stock.word_key(word) in known
    ]
    return as_bool(pc.is_in(filled, pa.array(distinct, pa.string()))) & rows


def _most(rows: np.ndarray) -> bool:
    return int(rows.sum()) * 2 > len(rows)


def _first(filled: pa.Array, rows: np.ndarray) -> str:
    return filled[int(np.flatnonzero(rows)[0])].as_py()


@cache
def _sizes() -> str:
    """`0.30 kg`, `6x330 ml`, `6 x 330`."""
    listed = {word for one in LANGUAGES.values() for word in words(one.units)}
    measures = "|".join(re.escape(word) for word in sorted(listed, key=len, reverse=True))
    figure = r"[0-9]*[.,]?[0-9]+"
    return rf"(?i)^(?:{figure} *(?:{measures})\.?|[0-9]+ *[x×*] *{figure} *(?:{measures})?\.?)$"
