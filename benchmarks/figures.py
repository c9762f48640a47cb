"""One figure: its samples, its goal, and how it is shown. How it is measured is not known here."""

from __future__ import annotations

import inspect
import statistics
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from platform import platform, python_version
from typing import Any

PACKAGES = (
    "marketsync-dagster dagster pandas pyarrow pandera httpx httpcore sqlalchemy orjson uvicorn "
    "uvloop starlette"
).split()


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured. `samples` has one value per run; the figure is their median."""

    name: str
    what: str
    samples: list[float]
    goal: float
    exact: bool = False
    """The goal is to be met to the digit by every run; otherwise the median may lie below it."""
    unit: str = ""
    """Empty: a ratio."""
    raw: dict[str, Any] = field(default_factory=dict)
    """Everything the samples were made from, for --json."""
    notes: list[str] = field(default_factory=list)
    ours: Callable[..., Any] | None = None
    bare: Callable[..., Any] | None = None

    @property
    def value(self) -> float:
        return statistics.median(self.samples)

    @property
    def met(self) -> bool:
        if self.exact:
            return all(sample == self.goal for sample in self.samples)
        return self.value <= self.goal

    def line(self) -> str:
        """One line of the table: figure, spread, goal, verdict."""
        unit = f" {self.unit}" if self.unit else ""
        sign = "=" if self.exact else "<="
        spread = f"({min(self.samples):.2f} - {max(self.samples):.2f}, {len(self.samples)} runs)"
        return (
            f"{self.name:18} {self.value:8.2f}{unit}  {spread:28} goal {sign} {self.goal:.2f}{unit}"
            f"  {'met' if self.met else 'MISSED'}"
        )

    def document(self) -> dict[str, Any]:
        """Everything, JSON-able."""
        return {
            "name": self.name,
            "what": self.what,
            "unit": self.unit or "ratio",
            "median": self.value,
            "min": min(self.samples),
            "max": max(self.samples),
            "samples": self.samples,
            "goal": self.goal,
            "met": self.met,
            "notes": self.notes,
            "raw": self.raw,
        }


def shown(figure: Figure) -> str:
    """A figure for people, with the code of both sides where there are two."""
    lines = [figure.line(), *textwrap.wrap(figure.what, 98, initial_indent="  ",
                                           subsequent_indent="  ")]  # fmt: skip
    lines += [f"  {note}" for note in figure.notes]
    for title, code in (("baseline", figure.bare), ("ours", figure.ours)):
        if code is not None:
            lines += [f"  -- {title}:", textwrap.indent(inspect.getsource(code).rstrip(), "  | ")]
    return "\n".join(lines)


def versions() -> dict[str, str]:
    """What everything was measured with."""
    found = {"python": python_version(), "system": platform()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
