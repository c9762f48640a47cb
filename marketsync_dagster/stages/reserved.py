"""What orders have sold of an outlet's goods, and its till has not counted out yet: taken off the
stock that is shown."""

from __future__ import annotations

from collections import Counter

from marketsync_dagster.ledger.open_orders import OpenLine
from marketsync_dagster.ledger.orders import load_orders
from marketsync_dagster.stages.project import Project


def reserved_of(project: Project, outlet: str) -> dict[str, int]:
    """SKU -> pieces, of lines that are to be sent out of the outlet's stock, or have left it since
    it was counted. Not: lines of sources with `reserve: false`, lines that go to a place with goods
    of its own, and lines that the till took before it counted."""
    reserving = {name for name, said in project.settings.order_sources().items() if said.reserve}
    if not reserving:
        return {}
    # heavy, and only of use where there are orders
    from marketsync_dagster.stages.order_book import Counted

    counted = Counted(project)
    with project.ledger.read() as conn:
        taken = counted.taken(conn, outlet)
        lines = [one for one in taken if one.source in reserving and one.sku]
        book = load_orders(conn, sorted({one.order_id for one in lines if not one.destination}))

    def stays(one: OpenLine) -> bool:
        if one.destination:  # it is on its way out of this stock
            return True
        order = book[one.order_id]
        return counted.needs_stock(order, order.line(one.line_id))

    pieces: Counter[str] = Counter()
    for one in lines:
        if stays(one):
            pieces[one.sku] += one.pieces
    return dict(pieces)
