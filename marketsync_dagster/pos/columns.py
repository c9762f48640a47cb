"""The choice of columns for one file: which header is the SKU, which one the price.

What headers mean is `headers`' subject: to teach MarketSync another word, add it to the language's
module there. A weak word (`id`, `quantity`) yields to a sure one (`sku`, `stock`); two columns that
may be the same with equal right are refused by name, never chosen between.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from marketsync_dagster.pos.headers.english import ENGLISH
from marketsync_dagster.pos.headers.known import MONEY, NOT_PRICES
from marketsync_dagster.pos.headers.reading import Reading, bracketed_currency, read_header
from marketsync_dagster.pos.model import CARRIED
from marketsync_dagster.pos.money import is_currency
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.values.errors import ExtractError

CANONICAL = tuple(
    name
    for name in ENGLISH.headers
    if name not in {"unit_price", "lowest_price", "anchor_price", "net_price", "wholesale_price"}
)
"""Names of columns that a mapping in marketsync.yaml can use."""

DECISIVE = frozenset(
    "sku name brand category size unit barcode price promo_price promo_from promo_to currency "
    "stock stock_status active".split()
)
"""What the frame is made of. Two columns that may be one of these with equal right refuse the
file; of the others, such as `image_url`, none is read then."""

DESCRIPTIVE = frozenset({"brand", "category", "size"})
"""Of these none is read then either: nothing depends on them."""

READ = DECISIVE | {
    *CARRIED, "cost", "model", "weighed", "price_type", "tax_included", "promo_window", "inactive"
}  # fmt: skip
"""What is read: `cost` only to be compared with the price of the next extract, `model` for rows
without a SKU, CARRIED to be known of products, the others for `selling`."""

SURE = frozenset({"manufacturer"})
"""Of these only the surest words are read: who supplies a product need not be its maker."""


@dataclass(frozen=True)
class Columns:
    """The columns that are read: canonical name -> position and header."""

    position: dict[str, int]
    header: dict[str, str]
    ignored: list[str]
    currencies: dict[str, str] = field(default_factory=dict)
    """Canonical name -> the currency that its header names, for prices: a code, or a sign that
    several currencies share; `money.is_currency` compares both with the outlet's."""
    ranks: dict[str, int] = field(default_factory=dict)
    """How sure the word of a header is, 1 being the surest; nothing for configured columns."""


def meaning(header: str) -> str | None:
    """The canonical name that a header most likely has."""
    found = read_header(header).meanings
    return min(found, key=lambda one: one.rank).canonical if found else None


def recognised(cells: Sequence[str], configured: Mapping[str, str]) -> int:
    """How many cells of a line look like headers that are asked for."""
    wanted = {header.strip().casefold() for header in configured.values()}
    if wanted:
        return len(wanted & {cell.strip().casefold() for cell in cells})
    return len({found for cell in cells if (found := meaning(cell))})


def choose(
    headers: Sequence[str],
    configured: Mapping[str, str],
    file: str,
    line: int,
    currency: str | None = None,
) -> Columns:
    """The column of each canonical name; of prices in several currencies, the one in `currency`.

    Raises ExtractError: unknown_column, column_missing, duplicate_header, ambiguous_columns,
    no_sku_column, no_price_column.
    """
    names = [header.strip() for header in headers]
    where = f"{file}, line {line}" if line else file
    ranks: dict[str, int] = {}
    if configured:
        position = positions_of(names, configured, where)
    else:
        position, ranks = _by_words(names, where, currency)
    listed = ", ".join(repr(name) for name in names[:40] if name)
    if "sku" not in position:
        said = _not_said(configured) or _no_skus(names)
        raise refuse("no_sku_column", f"{where}: no column holds the SKU; there are {listed}{said}")
    if "price" not in position and "promo_price" not in position:
        said = _not_said(configured) or _no_prices(names)
        message = f"{where}: no column holds the price; there are {listed}{said}"
        raise refuse("no_price_column", message)
    used = set(position.values())
    header = {canonical: names[index] for canonical, index in position.items()}
    return Columns(
        position=position,
        header=header,
        ignored=[name for index, name in enumerate(names) if name and index not in used],
        currencies={
            canonical: named
            for canonical, name in header.items()
            if canonical in MONEY
            and (named := read_header(name).currency or bracketed_currency(name))
        },
        ranks=ranks,
    )


def outlet_header(names: Sequence[str]) -> str | None:
    """The header that surely says which outlet a record is of: `Branch`, not `Location`."""
    sure = [
        name
        for name in names
        if any(one.canonical == "outlet" and one.rank == 1 for one in read_header(name).meanings)
    ]
    return sure[0] if len(sure) == 1 else None


def _no_prices(names: list[str]) -> str:
    """What is said of columns of money that are no price."""
    said = [
        f"{name!r} is {NOT_PRICES[found]}"
        for name in names
        if (found := meaning(name)) in NOT_PRICES
    ]
    return f" ({'; '.join(said[:5])})" if said else ""


def _no_skus(names: list[str]) -> str:
    """What is said where products have a barcode, or a model, and nothing else."""
    codes = [name for name in names if meaning(name) in ("barcode", "model")]
    if not codes:
        return ""
    return f" (if every product has a {codes[0]!r} of its own, that may be its SKU)"


def _not_said(configured: Mapping[str, str]) -> str:
    """What is said where the configuration names columns and not this one."""
    if not configured:
        return ""
    return f" (`columns` names {', '.join(configured)} alone: then it must name all that are read)"


def positions_of(names: list[str], configured: Mapping[str, str], where: str) -> dict[str, int]:
    """The position of each column that the configuration names. Raises ExtractError."""
    position: dict[str, int] = {}
    counts = Counter(names)
    for canonical, asked in configured.items():
        if canonical not in CANONICAL:
            close = difflib.get_close_matches(canonical, CANONICAL, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise refuse("unknown_column", f"{canonical!r} is no column name of MarketSync{hint}")
        header = _find(names, asked.strip())
        if header is None:
            listed = ", ".join(repr(name) for name in names[:40] if name)
            close = difflib.get_close_matches(asked, names, 1, 0.5)
            hint = f"; the closest is {close[0]!r}" if close else ""
            raise refuse(
                "column_missing",
                f"{where}: no column {asked!r} for {canonical}; there are {listed}{hint}",
            )
        if counts[header] > 1:
            positions = [str(i + 1) for i, name in enumerate(names) if name == header]
            raise refuse(
                "duplicate_header",
                f"{where}: the header {header!r} occurs in columns {' and '.join(positions)}",
            )
        position[canonical] = names.index(header)
    return position


TELLING = ("promo_price", "promo_from", "promo_to", "currency", "weighed", "unit", "active")
"""What changes prices, or what is sold, without a word where its column is left out."""


def left_out(headers: Sequence[str], chosen: Columns, currency: str | None) -> dict[str, str]:
    """Of the columns TELLING those that nothing is read for, and the header that looks like each.

    For columns that the configuration names: by their words these would have been read.
    """
    names = [header.strip() for header in headers]
    taken = set(chosen.position.values())
    readings = {at: read_header(name) for at, name in enumerate(names) if name and at not in taken}
    foreign = _foreign({at: read_header(name) for at, name in enumerate(names) if name}, currency)
    offers = sorted(
        (one.rank, one.canonical, at)
        for at, reading in readings.items()
        for one in reading.meanings
        if one.canonical not in chosen.position and (at, one.canonical) not in foreign
    )
    found: dict[str, int] = {}
    for _, canonical, at in offers:
        # a header that is rather something else is not taken for this
        if canonical not in found and at not in found.values():
            found[canonical] = at
    if "promo_price" not in (chosen.position.keys() | found.keys()):
        # when a promotion holds says nothing without its price
        found = {name: at for name, at in found.items() if name not in ("promo_from", "promo_to")}
    return {name: names[found[name]] for name in TELLING if name in found}


def left_out_words(canonical: str, header: str) -> str:
    """What is said of one of `left_out`."""
    return (
        f"{header!r} looks like {canonical} and is not read: name it in `columns` too, for only "
        "what is named there is read"
    )


def _find(names: list[str], asked: str) -> str | None:
    """The header as asked for; without regard to case where only one fits."""
    if asked in names:
        return asked
    alike = {name for name in names if name.casefold() == asked.casefold()}
    return alike.pop() if asked and len(alike) == 1 else None


def _by_words(
    names: list[str], where: str, currency: str | None
) -> tuple[dict[str, int], dict[str, int]]:
    """Position and rank of each canonical name, the surest words first."""
    readings = {index: read_header(name) for index, name in enumerate(names) if name}
    foreign = _foreign(readings, currency)
    position: dict[str, int] = {}
    ranks: dict[str, int] = {}
    for decisive in (True, False):
        offers = sorted(
            (meaning.rank, meaning.canonical, index)
            for index, reading in readings.items()
            for meaning in reading.meanings
            if (meaning.canonical in DECISIVE) is decisive
            and (meaning.rank == 1 or meaning.canonical not in SURE)
            and (index, meaning.canonical) not in foreign
        )
        for (rank, canonical), group in groupby(offers, key=lambda offer: offer[:2]):
            taken = set(position.values())
            free = [index for _, _, index in group if index not in taken]
            if canonical in position or not free:
                continue
            if len(free) > 1:
                # one that names the outlet's currency is sure
                free = _in_currency(free, readings, currency) or free
            if len(free) == 1:
                position[canonical], ranks[canonical] = free[0], rank
            elif decisive and canonical not in DESCRIPTIVE:
                raise _undecided(canonical, free, names, where)
    # in the order of the file
    return dict(sorted(position.items(), key=lambda item: item[1])), ranks


def _foreign(readings: Mapping[int, Reading], currency: str | None) -> set[tuple[int, str]]:
    """Price columns in another currency, beside which there is one that may be in the outlet's."""
    found: set[tuple[int, str]] = set()
    for canonical in MONEY:
        columns = {
            index: currency is not None
            and reading.currency is not None
            and not is_currency(reading.currency, currency)
            for index, reading in readings.items()
            if any(meaning.canonical == canonical for meaning in reading.meanings)
        }
        if not all(columns.values()):
            found |= {(index, canonical) for index, other in columns.items() if other}
    return found


def _in_currency(
    columns: Iterable[int], readings: Mapping[int, Reading], currency: str | None
) -> list[int]:
    return [
        index
        for index in columns
        if currency is not None
        and (named := readings[index].currency) is not None
        and is_currency(named, currency)
    ]


def _undecided(canonical: str, columns: list[int], names: list[str], where: str) -> ExtractError:
    first, second = columns[:2]
    if names[first] == names[second]:
        places = f"columns {first + 1} and {second + 1}"
        return refuse(
            "duplicate_header", f"{where}: the header {names[first]!r} occurs in {places}"
        )
    return refuse(
        "ambiguous_columns",
        f"{where}: {names[first]!r} and {names[second]!r} may both be {canonical}",
    )
