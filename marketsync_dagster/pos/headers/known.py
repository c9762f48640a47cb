"""All languages in one table: what each folded word means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from marketsync_dagster.pos.headers.arabic import ARABIC
from marketsync_dagster.pos.headers.english import ENGLISH
from marketsync_dagster.pos.headers.folding import fold
from marketsync_dagster.pos.headers.french import FRENCH
from marketsync_dagster.pos.headers.german import GERMAN
from marketsync_dagster.pos.headers.hebrew import HEBREW
from marketsync_dagster.pos.headers.language import Language
from marketsync_dagster.pos.headers.south_slavic import BULGARIAN, CROATIAN_SERBIAN
from marketsync_dagster.pos.headers.spanish import SPANISH
from marketsync_dagster.pos.headers.turkish import TURKISH

LANGUAGES: dict[str, Language] = {
    "English": ENGLISH,
    "Spanish": SPANISH,
    "French": FRENCH,
    "German": GERMAN,
    "Turkish": TURKISH,
    "Arabic": ARABIC,
    "Hebrew": HEBREW,
    "Croatian and Serbian": CROATIAN_SERBIAN,
    "Bulgarian": BULGARIAN,
}

NOT_PRICES = {
    "unit_price": "a price per unit of measure",
    "lowest_price": "the lowest price of the last weeks",
    "anchor_price": "a reference price",
    "net_price": "a price without tax",
    "wholesale_price": "a wholesale price",
    "cost": "what the shop pays",
    "msrp": "a recommended price",
}
"""Canonical columns of money that nobody is asked to pay at the till -> what they are."""

MONEY = frozenset({"price", "promo_price", *NOT_PRICES})
"""Canonical columns whose header may name a currency."""


@dataclass(frozen=True)
class Meaning:
    """What a word may mean, and how sure that is: rank 1 is the surest."""

    canonical: str
    rank: int


@cache
def meanings() -> dict[str, tuple[Meaning, ...]]:
    """Folded word -> what it may mean; more than one is for `columns` to decide by the others."""
    found: dict[str, dict[str, int]] = {}
    for canonical, rank, word in _written():
        if not word.endswith("*"):
            ranks = found.setdefault(fold(word), {})
            ranks[canonical] = min(rank, ranks.get(canonical, rank))
    for canonical in ENGLISH.headers:
        found.setdefault(fold(canonical), {}).setdefault(canonical, 1)
    return {
        word: tuple(Meaning(canonical, rank) for canonical, rank in ranks.items())
        for word, ranks in found.items()
    }


@cache
def beginnings() -> tuple[tuple[str, Meaning], ...]:
    """Folded beginnings of headers such as `cijena za jedinicu mjere (EUR/kg)`."""
    return tuple(
        (fold(word), Meaning(canonical, rank))
        for canonical, rank, word in _written()
        if word.endswith("*")
    )


@cache
def units() -> frozenset[str]:
    """Folded measures that a size is written in."""
    return frozenset(_folded(language.units for language in LANGUAGES.values()))


@cache
def pieces() -> frozenset[str]:
    """Folded words for pieces."""
    return frozenset(_folded(language.pieces for language in LANGUAGES.values()))


def words(text: str) -> list[str]:
    """The words of a comma separated list."""
    return [word for part in text.split(",") if (word := part.strip())]


def _written() -> Iterator[tuple[str, int, str]]:
    for language in LANGUAGES.values():
        for canonical, ranked in language.headers.items():
            for rank, listed in enumerate(ranked.split("|"), 1):
                for word in words(listed):
                    yield canonical, rank, word


def _folded(lists: Iterable[str]) -> Iterator[str]:
    return (fold(word) for listed in lists for word in words(listed))
