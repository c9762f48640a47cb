"""Which lines of an order go where: `routes` of the configuration, read from the first on. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from marketsync_dagster.config.orders import POS
from marketsync_dagster.config.settings import Route, Settings
from marketsync_dagster.ledger.orders import BookLine, BookOrder


@dataclass(frozen=True, slots=True)
class Goods:
    """One SKU at one outlet."""

    stock: int | None = None
    """Pieces, net of what other open orders have reserved; None: not known."""
    tags: frozenset[str] = frozenset()


GoodsOf = Callable[[BookOrder, BookLine], Goods]
"""What is known of the product of a line, as that order sees it."""


def tag_key(tag: str) -> str:
    """What tags are compared by: without regard to case and blanks."""
    return " ".join(tag.casefold().split())


def destination_of(
    settings: Settings,
    order: BookOrder,
    line: BookLine,
    *,
    tags: Collection[str] = (),
    stock: int | None = None,
) -> str | None:
    """Where a line goes: the `to` of the first route that fits; None: no route does.

    `tags` are the product's; `stock` is what the outlet has for this line. Where it is not known,
    neither `enough` nor `short` fits.
    """
    return next(
        (route.to for route in settings.routes if _fits(route, order, line, tags, stock)), None
    )


def _fits(
    route: Route, order: BookOrder, line: BookLine, tags: Collection[str], stock: int | None
) -> bool:
    return (
        (not route.account or order.account in route.account)
        and (not route.outlet or line.outlet in route.outlet)
        and (not route.sku or any(fnmatchcase(line.sku, pattern) for pattern in route.sku))
        and (not route.tag or _has_tag(route, [*tags, *order.tags]))
        and _stock_fits(route, line, stock)
    )


def _has_tag(route: Route, tags: Sequence[str]) -> bool:
    return not {tag_key(tag) for tag in route.tag}.isdisjoint(map(tag_key, tags))


def _stock_fits(route: Route, line: BookLine, stock: int | None) -> bool:
    if route.stock == "any":
        return True
    return stock is not None and (stock >= line.open) == (route.stock == "enough")


def routes_of(
    settings: Settings, order: BookOrder, lines: Sequence[BookLine], goods: GoodsOf
) -> dict[str, str | None]:
    """Line -> where it goes, of mapped lines of one order.

    Lines of one SKU share what the outlet has of it, the first ones first.
    """
    left: dict[tuple[str, str], int] = {}
    found: dict[str, str | None] = {}
    for line in lines:
        there = goods(order, line)
        stock = None
        if there.stock is not None:
            stock = left.setdefault((line.outlet, line.sku), there.stock)
        to = destination_of(settings, order, line, tags=there.tags, stock=stock)
        if stock is not None and to in (POS, None):  # others have goods of their own
            left[line.outlet, line.sku] = stock - line.open
        found[line.line_id] = to
    return found


def by_place(
    routed: Mapping[str, str | None], lines: Sequence[BookLine]
) -> dict[tuple[str, str], list[BookLine]]:
    """(destination, outlet) -> the lines that go there together."""
    places: dict[tuple[str, str], list[BookLine]] = {}
    for line in lines:
        to = routed.get(line.line_id)
        if to is not None:
            places.setdefault((to, line.outlet), []).append(line)
    return places
