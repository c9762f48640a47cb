"""How the words of one language are written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Language:
    """Words, comma separated; they are compared as `folding.fold` makes them."""

    headers: Mapping[str, str]
    """Canonical column -> its words, in ranks that `|` separates: the surest first, which an
    empty rank may be. A word of a lower rank is used only where the file has none above it, two
    words of one rank are ambiguous. One that ends with `*` stands for all that begin with it."""
    in_stock: str = ""
    limited_stock: str = ""
    out_of_stock: str = ""
    yes: str = ""
    no: str = ""
    units: str = ""
    """Measures that a size is written in: `kg`, `ml`."""
    pieces: str = ""
    """Words for pieces: `pcs`."""
