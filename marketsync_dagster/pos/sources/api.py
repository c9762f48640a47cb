"""A system's own interface, through an adapter that somebody writes for it.

An adapter gives pages of records; everything else is the same for all of them. It is registered by
its name, or by an installed package as an entry point of the group `marketsync.sources`:

    def my_till(options: Mapping[str, Any]) -> Adapter: ...
    register("my_till", my_till)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from marketsync_dagster.pos.files import keep
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.sources.base import Arrival, pulled, words_of
from marketsync_dagster.pos.sources.lines import line_of, sorted_lines
from marketsync_dagster.values.errors import ConfigError, ExtractError

GROUP = "marketsync.sources"
"""Entry points of packages: name of the adapter -> its factory."""

Record = Mapping[str, Any]
"""Column -> text, number, date or nothing."""


class Adapter(Protocol):
    """One system's interface."""

    def pages(self) -> Iterable[Iterable[Record]]:
        """Every record, page by page; all of them or an exception, whatever it is: what was read
        before it is thrown away."""
        ...


Factory = Callable[[Mapping[str, Any]], Adapter]
"""Makes an adapter of the source's `options`, its secrets as plain text; connects to nothing."""

_registered: dict[str, Factory] = {}


def register(name: str, factory: Factory) -> None:
    """Make an adapter known to this process, `adapter: <name>` in the configuration."""
    _registered[name] = factory


def adapter_of(name: str, options: Mapping[str, Any]) -> Adapter:
    """The adapter with this name. ConfigError where there is none, or where it cannot be made."""
    try:
        factory = _registered.get(name)
        if factory is None:
            found = list(entry_points(group=GROUP, name=name))
            if not found:
                raise _unknown(name)
            factory = found[0].load()
            assert factory is not None
        return factory(options)
    except ConfigError:
        raise
    except Exception as error:  # noqa: BLE001 - somebody else's code
        message = f"the adapter {name} cannot be made: {words_of(error)}"
        raise ConfigError(message, "see its options, and the package that it comes from") from None


def _unknown(name: str) -> ConfigError:
    known = sorted({*_registered, *(point.name for point in entry_points(group=GROUP))})
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known) or 'none'}"
    return ConfigError(
        f"there is no adapter {name}",
        f"{hint}; install the package that has it where MarketSync runs",
    )


class ApiSource:
    """All records of one interface, as JSON lines."""

    watched = False

    def __init__(self, adapter: Adapter, *, shown: str, timeout_s: float) -> None:
        self.adapter = adapter
        self.shown = shown
        self.timeout_s = timeout_s

    def look(self) -> list[Arrival]:
        """One arrival, always new: what it would give is not known before it is asked."""
        return [pulled()]

    def is_settled(self, arrival: Arrival, before: Arrival | None, now: float) -> bool:
        """Always: an answer is whole or an error."""
        return True

    def fetch(self, arrival: Arrival, archive: Path) -> str:
        """Ask for every record and keep them under their hash.

        Raises ExtractError: unavailable, nested_column, unreadable, undecodable, too_large.
        """
        return keep(sorted_lines(self._lines(), self.shown), archive)

    def _lines(self) -> Iterator[bytes]:
        deadline = time.monotonic() + self.timeout_s
        for record in self._records():
            if time.monotonic() > deadline:
                message = f"{self.shown} has not handed over its records in {self.timeout_s:g} s"
                raise refuse("unavailable", message)
            # one order of columns, whatever order the interface has today
            yield line_of({name: record[name] for name in sorted(record)}, self.shown)

    def _records(self) -> Iterator[Record]:
        try:
            for page in self.adapter.pages():
                for record in page:
                    if not isinstance(record, Mapping):
                        message = f"{self.shown}: its adapter gave no record"
                        raise refuse("unavailable", message)
                    yield record
        except ExtractError:
            raise
        except Exception as error:  # noqa: BLE001 - somebody else's code
            raise refuse("unavailable", f"{self.shown}: {words_of(error)}") from None
