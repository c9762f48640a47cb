"""The sections `defaults` and `outlets`: who the branches are and where their extracts come from.

How extracts are read is `config.reading`, shared places are `config.sources`.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from marketsync_dagster.config.orders import PosDrop
from marketsync_dagster.config.problems import Problem
from marketsync_dagster.config.reading import COLUMNS, Reading, Texts, one_or_more
from marketsync_dagster.config.scalars import Currency, FilePath, Name, Section, Zone

__all__ = ["COLUMNS", "OWN", "Defaults", "ExtractSettings", "Outlet"]

OWN = "directory"
"""What `extract.source` says where an outlet has a directory of its own."""


class Defaults(Section):
    """What holds for every outlet that does not say otherwise."""

    currency: Currency = "KES"
    timezone: Zone = "UTC"


class ExtractSettings(Reading):
    """Where an outlet's extracts come from and how they are read.

    Once the configuration is loaded, what the outlet's shared source says is filled in where the
    outlet says nothing itself.
    """

    source: Name = OWN
    """directory, or the name of a shared source."""
    path: FilePath | None = None
    """The outlet's own directory; None where its source is shared and is no directory."""
    keys: Annotated[Texts, one_or_more("what the outlet is called in the files")] = Field(
        default_factory=list
    )
    """What the outlet is called in files of several outlets, compared as text: `"028"`, `"28"`."""

    @property
    def shared(self) -> str | None:
        """The name of the shared source, or None."""
        return None if self.source == OWN else self.source

    @field_validator("keys")
    @classmethod
    def _keys_are_trimmed(cls, keys: list[str]) -> list[str]:
        for index, key in enumerate(keys):
            if key != key.strip() or not key.isprintable():
                words = "expected a name without white space around it or control characters"
                raise Problem(words, (index,))
        return list(dict.fromkeys(keys))

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if self.shared is not None:
            if self.path is not None:
                message = "expected no path beside a shared source, which has its own"
                raise Problem(message, ("path",))
            return self
        if self.path is None:
            message = "expected the outlet's directory, got nothing (the key is missing)"
            raise Problem(message, ("path",))
        for index, pattern in enumerate(self.patterns):
            if "/" in pattern:
                at = ("pattern",) if isinstance(self.pattern, str) else ("pattern", index)
                message = 'expected a file name pattern without folders such as "*.csv"'
                raise Problem(message, at)
        return self


class Outlet(Section):
    """One branch of the retailer."""

    name: str = Field(min_length=1)
    extract: ExtractSettings
    currency: Currency | None = None
    timezone: Zone | None = None
    orders: PosDrop | None = None
    """How the till gets orders; null: none are sent to it."""
