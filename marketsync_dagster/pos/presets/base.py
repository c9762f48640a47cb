"""What a preset is: the habits of one system's exports, as data and at most a small function.

A preset knows headers, paths and rules; it reads nothing itself. `presets.PRESETS` lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.texts import Texts

OUTLET = "{outlet}"
"""In a header: whatever the outlet is called there, `Price [{outlet}]`."""


@dataclass(frozen=True)
class Layout:
    """One kind of document that a system writes: its products, its stock, its promotions."""

    name: str
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Our name -> headers that the column may have: the first that is there is read, compared
    without regard to case and blanks around. A header with `{outlet}` is a column of one outlet and
    goes before one without. Names that are not ours begin with `_`: they are for `shape` and go no
    further. Nothing: columns are found by the words of their headers."""
    known_by: tuple[str, ...] = ()
    """Headers (or `{outlet}` ones) that all must be there for a document to be of this layout."""
    file: str = ""
    """A regular expression that is searched in the document's name, case ignored; ``: any name."""
    records: tuple[str, ...] = ()
    """Where the records are in XML or JSON (`readers.xml`, `readers.json`); (): found."""
    fields: Mapping[str, str] | None = None
    """XML: column -> path inside the record; None: every leaf is a column of its path."""
    sheet: str | None = None
    shape: Callable[[Texts, ExtractSpec], Texts] | None = None
    """Undoes the system's habits: drops continuations, fills inherited cells, decides which price
    is meant. It sees the records of one outlet."""
    finish: Callable[[Texts, ExtractSpec], Texts] | None = None
    """What `shape` can only do when everything that other documents add is there."""
    adds: bool = False
    """Its rows say more of products of another document (stock, promotions), joined by the SKU;
    they are no products themselves."""


@dataclass(frozen=True)
class Naming:
    """What a document's name says, as a regular expression with named groups, case ignored."""

    pattern: str
    """Groups that are used: `outlet`, and `Y m d H M S` for its time (`y`: two digits)."""
    coverage: Literal["full", "delta"] | None = None
    """Of documents whose name fits."""


@dataclass(frozen=True)
class Preset:
    """One system."""

    name: str
    title: str
    """As its makers write it."""
    layouts: tuple[Layout, ...]
    """Tried in this order; the first that fits is taken."""
    naming: tuple[Naming, ...] = ()
    """Tried in this order on the document's name."""
    outlet_fact: tuple[str, ...] = ()
    """`Texts.facts` that say which outlet a document is of; the first that is there."""
    time_fact: tuple[str, ...] = ()
    """`Texts.facts` that say when it was made."""
    encoding: str | None = None
    decimal: Literal[".", ","] | None = None
    """What this system always writes; None: found out."""
    notes: tuple[str, ...] = ()
    """What a user should know, for the docs."""
