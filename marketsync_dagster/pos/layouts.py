"""Which columns of a document are read for one outlet: by its layout, the configuration, or words.

`columns` chooses by words; here the headers of a preset's layout and headers with `{outlet}` in
them, which are columns of one outlet each, are found first.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

from marketsync_dagster.pos import columns as words
from marketsync_dagster.pos.columns import Columns
from marketsync_dagster.pos.headers.folding import fold
from marketsync_dagster.pos.headers.known import MONEY
from marketsync_dagster.pos.headers.reading import (
    bracketed_currency,
    is_surely_an_outlet,
    of_one_outlet,
    read_header,
)
from marketsync_dagster.pos.model import CARRIED, ExtractSpec
from marketsync_dagster.pos.presets.base import OUTLET, Layout
from marketsync_dagster.pos.reasons import refuse


def outlet_key(text: str) -> str:
    """How names of outlets are compared: `Main_Outlet` is `main outlet`, `028` is not `28`."""
    return " ".join(text.replace("_", " ").casefold().split())


@cache
def _pattern(template: str) -> re.Pattern[str]:
    before, _, after = (" ".join(part.split()) for part in template.partition(OUTLET))
    blank_before = r"\s*" if template.split(OUTLET)[0].endswith(" ") else ""
    blank_after = r"\s*" if template.split(OUTLET)[1].startswith(" ") else ""
    expression = rf"{re.escape(before)}{blank_before}(?P<outlet>.+?){blank_after}{re.escape(after)}"
    return re.compile(expression, re.IGNORECASE | re.DOTALL)


def _outlet_in(header: str, template: str) -> str | None:
    """What stands for the outlet in a header; None: it does not fit."""
    match = _pattern(template).fullmatch(" ".join(header.split()))
    return match.group("outlet").strip() if match else None


def fits(layout: Layout, headers: Sequence[str]) -> bool:
    """Whether a document with these headers is of this layout."""
    return not missing(layout, headers)


def missing(layout: Layout, headers: Sequence[str]) -> list[str]:
    """The headers that the layout is known by and that are not there."""
    there = {_plain(header) for header in headers}
    return [
        known
        for known in layout.known_by
        if not (
            any(_outlet_in(header, known) for header in headers)
            if OUTLET in known
            else _plain(known) in there
        )
    ]


def _plain(header: str) -> str:
    return " ".join(header.casefold().split())


def outlets_of(headers: Sequence[str], layout: Layout, spec: ExtractSpec) -> list[str]:
    """The outlets that headers with `{outlet}` name, in the order of the file.

    Only those that have a price of their own, where the layout's prices are by outlet. Columns that
    are there for `shape` alone, such as the prices of markets, make no outlets.
    """
    found: dict[str, dict[str, str]] = {}
    offered = _templates(layout, spec)
    if all(canonical.startswith("_") for canonical in offered):
        offered = {}
    for canonical, templates in offered.items():
        for header in headers:
            for template in templates:
                outlet = _outlet_in(header, template)
                if outlet and not _is_plain(header, layout):
                    found.setdefault(canonical, {}).setdefault(outlet_key(outlet), outlet)
    if not found and _by_words(layout, spec):
        named = [(header, pair) for header in headers if (pair := of_one_outlet(header))]
        names = {outlet_key(outlet): outlet for _, (_, outlet) in reversed(named)}
        asked = {outlet_key(key) for key in spec.keys}
        if len(names) == 1 and not (asked & names.keys()):
            # one alone may be anything, such as `Price (old)`
            names = names if any(is_surely_an_outlet(header) for header, _ in named) else {}
        return list(names.values())[::-1]
    if not found:
        return []
    best = found.get("price") or {key: name for one in found.values() for key, name in one.items()}
    return list(best.values())


def _is_plain(header: str, layout: Layout) -> bool:
    """Whether a header is one of a column that belongs to no outlet: `Price`, `Price Level`."""
    return _plain(header) in _plain_headers(layout)


def _plain_headers(layout: Layout) -> set[str]:
    return {
        _plain(name) for names in layout.columns.values() for name in names if OUTLET not in name
    }


def _templates(layout: Layout, spec: ExtractSpec) -> dict[str, list[str]]:
    found = {
        canonical: [name for name in names if OUTLET in name]
        for canonical, names in layout.columns.items()
    }
    for canonical, header in spec.columns.items():
        found[canonical] = [header] if OUTLET in header else []
    return {canonical: names for canonical, names in found.items() if names}


def wanted(headers: Sequence[str], layout: Layout, spec: ExtractSpec) -> set[str]:
    """Every header that may be read for some outlet."""
    plain = {_plain(header): header for header in reversed(headers)}
    found: set[str] = set()
    for names in _templates(layout, spec).values():
        found |= {header for header in headers for name in names if _outlet_in(header, name)}
    asked = [header for header in spec.columns.values() if OUTLET not in header]
    asked += [name for names in layout.columns.values() for name in names if OUTLET not in name]
    found |= {plain[_plain(name)] for name in asked if _plain(name) in plain}
    if _by_words(layout, spec):
        meant = words.READ | {"outlet"}
        found |= {
            header
            for header in headers
            if of_one_outlet(header)
            or any(one.canonical in meant for one in read_header(header.strip()).meanings)
        }
    return found


def choose(
    headers: Sequence[str], layout: Layout, spec: ExtractSpec, keys: Sequence[str], file: str,
    line: int,
) -> Columns:  # fmt: skip
    """The columns of the outlet that is called one of `keys`.

    Raises ExtractError: what `columns.choose` raises, and column_missing where the outlet has no
    column of a header with `{outlet}`.
    """
    names = [header.strip() for header in headers]
    configured = {
        canonical: header if OUTLET not in header else _of_outlet(names, header, keys, file, line)
        for canonical, header in spec.columns.items()
    }
    if _by_words(layout, spec):
        return _by_own_words(names, keys, spec, file, line)
    if not layout.columns:
        return words.choose(headers, configured, file, line, spec.currency)
    where = f"{file}, line {line}" if line else file
    position = words.positions_of(names, configured, where) if configured else {}
    for canonical, offered in layout.columns.items():
        if canonical in position:
            continue
        if canonical in CARRIED:  # there twice, it is not read
            offered = _single(names, offered)
        index = _first(names, offered, keys, layout, where)
        if index is not None:
            position[canonical] = index
    listed = ", ".join(repr(name) for name in names[:40] if name)
    if "sku" not in position:
        raise refuse("no_sku_column", f"{where}: no column holds the SKU; there are {listed}")
    if not layout.adds and not {"price", "promo_price"} & position.keys():
        raise refuse("no_price_column", f"{where}: no column holds the price; there are {listed}")
    used = set(position.values())
    header = {canonical: names[index] for canonical, index in position.items()}
    return Columns(
        position=dict(sorted(position.items(), key=lambda item: item[1])),
        header=header,
        ignored=[name for index, name in enumerate(names) if name and index not in used],
        currencies=_currencies(header),
    )


def stock_layout(headers: Sequence[str], spec: ExtractSpec) -> Layout | None:
    """The layout of a table of SKUs and their stock without prices; None: it is another one."""
    names = [header.strip() for header in headers]
    found: dict[str, str] = {}
    if spec.columns.keys() - {"outlet"}:
        found = {canonical: name for canonical, name in spec.columns.items() if name in names}
    else:
        ranks: dict[str, int] = {}
        for name in names:
            for one in read_header(name).meanings:
                if one.rank < ranks.get(one.canonical, 99):
                    found[one.canonical], ranks[one.canonical] = name, one.rank
    stock = {"stock", "stock_status"} & found.keys()
    if not stock or "sku" not in found or {"price", "promo_price"} & found.keys():
        return None
    read = {"sku", "outlet", *stock} & found.keys()
    return Layout("stock", {name: (found[name],) for name in sorted(read)}, adds=True)


def _by_words(layout: Layout, spec: ExtractSpec) -> bool:
    """Whether columns are found by their words: who only says which one names the outlet has not
    said what the others are."""
    return not layout.columns and not spec.columns.keys() - {"outlet"}


def names_all(layout: Layout, spec: ExtractSpec) -> bool:
    """Whether the configuration's columns are all that is read."""
    return not layout.columns and not _by_words(layout, spec)


def _by_own_words(
    names: list[str], keys: Sequence[str], spec: ExtractSpec, file: str, line: int
) -> Columns:
    """Columns by their words, `Price [Shop A]` being the price of Shop A and of no other."""
    asked = {outlet_key(key) for key in keys}
    shown = [
        name
        if (found := of_one_outlet(name)) is None
        else (found[0] if outlet_key(found[1]) in asked else "" if asked else name)
        for name in names
    ]
    own = {fold(shown[at]) for at, name in enumerate(names) if shown[at] and shown[at] != name}
    said = words.positions_of(names, spec.columns, f"{file}, line {line}" if line else file)
    # what is said of the outlet goes before what is said of all
    read = [
        "" if at in said.values() or (shown[at] == name and fold(name) in own) else shown[at]
        for at, name in enumerate(names)
    ]
    chosen = words.choose(read, {}, file, line, spec.currency)
    position = {**chosen.position, **said}
    used = set(position.values())
    return replace(
        chosen,
        position=position,
        header={canonical: names[at] for canonical, at in position.items()},
        ignored=[name for at, name in enumerate(names) if name and at not in used],
    )


def _currencies(header: Mapping[str, str]) -> dict[str, str]:
    return {
        canonical: named
        for canonical, name in header.items()
        if canonical in MONEY and (named := read_header(name).currency or bracketed_currency(name))
    }


def _of_outlet(names: list[str], template: str, keys: Sequence[str], file: str, line: int) -> str:
    wanted_keys = {outlet_key(key) for key in keys}
    found = {name: outlet for name in names if (outlet := _outlet_in(name, template)) is not None}
    own = [name for name, outlet in found.items() if outlet_key(outlet) in wanted_keys]
    if len(own) == 1:
        return own[0]
    where = f"{file}, line {line}" if line else file
    if own:
        raise refuse(
            "duplicate_header", f"{where}: {own[0]!r} and {own[1]!r} are both the outlet's"
        )
    there = ", ".join(repr(name) for name in found) or "none"
    asked = " or ".join(repr(key) for key in keys) or "an outlet without `keys`"
    raise refuse(
        "column_missing",
        f"{where}: no column {template!r} of {asked}; of outlets there are {there}",
    )


def _single(names: list[str], offered: Sequence[str]) -> list[str]:
    counts = Counter(map(_plain, names))
    return [header for header in offered if counts[_plain(header)] == 1]


def _first(
    names: list[str], offered: Sequence[str], keys: Sequence[str], layout: Layout, where: str
) -> int | None:
    """The column that is read: the outlet's own before one for all."""
    wanted_keys = {outlet_key(key) for key in keys}
    for template in (name for name in offered if OUTLET in name):
        own = [
            index
            for index, name in enumerate(names)
            if (outlet := _outlet_in(name, template)) is not None
            and outlet_key(outlet) in wanted_keys
            and not _is_plain(name, layout)
        ]
        if len(own) > 1:
            message = f"{where}: {names[own[0]]!r} and {names[own[1]]!r} are both the outlet's"
            raise refuse("duplicate_header", message)
        if own:
            return own[0]
    counts = Counter(map(_plain, names))
    for name in (name for name in offered if OUTLET not in name):
        key = _plain(name)
        if counts[key] > 1:
            at = [str(i + 1) for i, one in enumerate(names) if _plain(one) == key]
            message = f"{where}: the header {name!r} occurs in columns {' and '.join(at)}"
            raise refuse("duplicate_header", message)
        if counts[key]:
            return next(i for i, one in enumerate(names) if _plain(one) == key)
    return None
