"""What the price lists that grocery chains must publish have in common, country by country.

Each chain spells the prescribed columns in its own way, and flags are 0 and 1 at best.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos.kernels import as_bool, matches, pc
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.texts import Texts

_CURRENCIES = ("", " (EUR)", "(EUR)", "_(EUR)", " EUR", "_EUR", " (€)", "(€)", " €", " u EUR")
_NO = r"(?i)^(?:0+(?:[.,]0+)?|false|no|none|n|לא|)$"
_LETTERS = str.maketrans("đĐ", "dD")


def ways(*names: str, money: bool = False) -> tuple[str, ...]:
    """Every way in which chains write these headers: `Neto količina` is also `NETO_KOLICINA`.

    With underscores for blanks or nothing at all, without diacritics, and `money` with the
    currency behind it. Headers are compared without regard to case anyway.
    """
    return tuple(dict.fromkeys(_ways(names, _CURRENCIES if money else ("",))))


def _ways(names: tuple[str, ...], endings: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        for spelled in (name, _plain(name)):
            for joint in (" ", "_", ""):
                for ending in endings:
                    yield spelled.replace(" ", joint) + ending


def _plain(text: str) -> str:
    marks = unicodedata.normalize("NFD", text.translate(_LETTERS))
    kept = "".join(sign for sign in marks if not unicodedata.combining(sign))
    # only Latin letters are written without their marks: й is no и
    return kept if kept.isascii() else text


def ticked(texts: Texts, *names: str) -> np.ndarray:
    """Which rows say anything but 0 or no in one of these columns; a blank says no."""
    found = np.zeros(len(texts), bool)
    for name in names:
        if name in texts.columns:
            found |= is_yes(texts.columns[name])
    return found


def is_yes(values: pa.Array) -> np.ndarray:
    """Which texts say anything but 0 or no; a blank says no."""
    return ~matches(values, _NO)


def without_placeholders(texts: Texts, *names: str, words: Collection[str]) -> Texts:
    """Cells that hold one of these words for `nothing` are blank."""
    nothing = pa.array(list(words), pa.string())
    for name in names:
        if name in texts.columns:
            column = texts.columns[name]
            absent = pc.is_in(column, nothing)
            if pc.any(absent).as_py():
                texts = texts.put(name, pc.if_else(absent, "", column))
    return texts


def fact(texts: Texts, *names: str) -> str:
    """What the document says outside its records under one of these names, case ignored."""
    said = {name.casefold(): value.strip() for name, value in texts.facts.items()}
    return next((said[name] for name in names if said.get(name)), "")


def same_outlet(texts: Texts, spec: ExtractSpec, outlet: str, above: str = "") -> Texts:
    """The records, if the document does not call itself one of another outlet.

    `outlet` and `above` are facts: the outlet's number, and that of the sub-chain, which a key may
    have before it (`001-255`). Numbers are compared without leading zeros here: what a file's name
    says decides which outlet it is of, and this only catches a file under a wrong name. Raises
    ExtractError: other_outlet.
    """
    there = [fact(texts, above), fact(texts, outlet)]
    keys = [key.strip().split("-") for key in spec.keys]
    numbers = all(part.isdecimal() for key in keys for part in key)
    if not keys or not numbers or not there[1].isdecimal():
        return texts
    if not any(_alike(key, there) for key in keys):
        asked = " or ".join(map(repr, spec.keys))
        named = "-".join(filter(None, there))
        raise refuse("other_outlet", f"the file is of the outlet {named!r}, not of {asked}")
    return texts


def _alike(key: list[str], there: list[str]) -> bool:
    """Whether the last numbers are the same, as far as both sides have them."""
    pairs = zip(reversed(key), reversed(there), strict=False)
    return all(int(own) == int(one) for own, one in pairs if one.isdecimal())


def distinct(texts: Texts, name: str) -> list[str]:
    """What stands in a column, each once, blanks left out."""
    return [word for word in pc.unique(texts.column(name)).to_pylist() if word]


def is_one_of(texts: Texts, name: str, words: Collection[str]) -> np.ndarray:
    """Which rows hold one of these words, case ignored."""
    lowered = pc.utf8_lower(texts.column(name))
    return as_bool(pc.is_in(lowered, pa.array(list(words), pa.string())))


def without_hidden(texts: Texts) -> Texts:
    """Without the columns that are only for the preset."""
    return texts.without(*(name for name in texts.columns if name.startswith("_")))
