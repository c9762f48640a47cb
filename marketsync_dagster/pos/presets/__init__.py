"""Presets: what each system's exports look like. One module each, listed in PRESETS."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module

from marketsync_dagster.pos.presets.base import Layout, Naming, Preset
from marketsync_dagster.pos.reasons import refuse

AUTO = "auto"
"""The name that stands for: as the document's name and headers say."""
GENERIC = Preset(
    "generic",
    "any table",
    (Layout("table"),),
    naming=(
        Naming(
            r"(?:^|[\W_0-9])(?:delta|changes?|updates?|incremental|diff)(?:[\W_0-9]|$)",
            coverage="delta",
        ),
    ),
    notes=(
        "With `coverage: auto` a name with delta, change, update or diff in it means changes.",
        "A table of SKUs and stock without prices adds its stock to another file's products.",
    ),
)
NAMES = (
    "generic", "feed", "loyverse", "square", "lightspeed", "shopify", "woocommerce", "odoo",
    "magento", "il_prices", "hr_prices", "bg_prices",
)  # fmt: skip


class _Presets(Mapping[str, Preset]):
    """Name -> preset, each imported when it is asked for."""

    def __getitem__(self, name: str) -> Preset:
        if name not in NAMES:
            raise KeyError(name)
        return _load(name)

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


@cache
def _load(name: str) -> Preset:
    if name == GENERIC.name:
        return GENERIC
    return import_module(f"{__name__}.{name}").PRESET


PRESETS: Mapping[str, Preset] = _Presets()


def find(name: str) -> Preset:
    """The preset of a name. Raises ExtractError unknown_preset, which names the closest one."""
    if name in PRESETS:
        return PRESETS[name]
    close = difflib.get_close_matches(name, [*NAMES, AUTO], 1)
    meant = f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(NAMES)}"
    raise refuse("unknown_preset", f"there is no preset {name!r}{meant}")


def recognise(name: str, headers: Sequence[str]) -> Preset:
    """The preset that a document's own name and headers fit, of several the one that knows most of
    the headers; GENERIC where none fits, or two equally well.

    Without headers, only presets are found that know their documents by name.
    """
    best: dict[str, int] = {}
    for preset in PRESETS.values():
        sure = max(_how_sure(layout, name, headers) for layout in preset.layouts)
        if sure:
            best[preset.name] = sure
    most = max(best.values(), default=0)
    found = [preset for preset, sure in best.items() if sure == most]
    return PRESETS[found[0]] if len(found) == 1 else GENERIC


BY_NAME = 10_000
"""More than any number of headers."""


def _how_sure(layout: Layout, name: str, headers: Sequence[str]) -> int:
    """How many signs there are that a document is of a layout; 0: it is not known to be."""
    # both stand on this package
    from marketsync_dagster.pos.layouts import fits, wanted
    from marketsync_dagster.pos.model import ExtractSpec

    by_name = bool(layout.file) and bool(re.search(layout.file, name, re.IGNORECASE))
    if layout.file and not by_name:
        return 0
    if not headers or not layout.known_by:
        return BY_NAME * by_name
    if not fits(layout, headers):
        return 0
    return BY_NAME * by_name + len(wanted(headers, layout, ExtractSpec()))
