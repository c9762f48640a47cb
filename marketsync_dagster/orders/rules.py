"""The rules of acceptance: what they make of one order. Pure: what is known is given.

A line that is not mapped holds the order, wherever it stands; of everything else the account says
whether a failure holds or refuses (`config.orders.OrderSettings`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from marketsync_dagster.config.orders import OrderSettings, Served
from marketsync_dagster.ledger.order_holds import HoldKind
from marketsync_dagster.ledger.orders import BookLine, BookOrder
from marketsync_dagster.values.money import format_minor, to_minor
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster.values.words import counted

JUDGED: frozenset[HoldKind] = frozenset({"manual", "stock", "address", "value"})
"""Holds that a judgement makes, and that end when another one does not make them."""
OPEN_TO_DECISION = frozenset({OrderState.NEW, OrderState.AWAITING_PAYMENT})
"""Lines in these states are taken or refused."""


ADDRESS, UNPARSED = "shipping_address", "unparsed"
"""What `details` of an order say whose address is one text."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """One reason not to take an order, or some of its lines."""

    kind: HoldKind
    words: str
    next_step: str
    lines: frozenset[str] = frozenset()
    """Empty: all."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules make of an order."""

    decision: Literal["accept", "refuse", "hold"]
    accepted: Mapping[str, bool]
    """Every line that its source still tells of -> taken. Of a held order: what would be."""
    doubts: tuple[Doubt, ...]
    reason: str

    @property
    def partial(self) -> bool:
        """Some lines are taken and others refused."""
        return len(set(self.accepted.values())) > 1


def judge(
    order: BookOrder,
    settings: OrderSettings,
    *,
    country: str = "",
    zip_code: str = "",
    free: Mapping[str, int | None] | None = None,
    partial: bool = False,
) -> Verdict:
    """Whether to take an order.

    `country` and `zip_code` of the shipping address, empty if not told yet. `free`: line that needs
    stock -> pieces that are free for it, net of other orders; None: not known. `partial`: its
    source allows that some lines are refused.
    """
    lines = [line for line in order.lines if line.vanished_at is None]
    to_decide = [line for line in lines if line.state in OPEN_TO_DECISION]
    whole = [
        *_strange(order, to_decide),
        *_unmapped(to_decide),
        *_address(order, country, zip_code, settings),
        *_value(order, settings),
    ]
    doubts = (*whole, *(_stock(to_decide, free or {}) if settings.stock else ()))
    refused = {*settings.refuse}
    if order.details.get(ADDRESS) == UNPARSED:
        refused -= {"address"}  # nothing is known to be wrong with it
    refusable = all(doubt.kind in refused for doubt in doubts)
    taken = {line.line_id: line in to_decide for line in lines}
    if settings.accept == "manual":
        asked = Doubt("manual", "a person decides", _accept(order.id))
        return Verdict("hold", taken, (asked, *doubts), asked.words)
    if not doubts:
        return Verdict("accept", taken, (), "every rule is met")
    reason = "; ".join(doubt.words for doubt in doubts)
    if not refusable:
        return Verdict("hold", taken, doubts, reason)
    bad = frozenset().union(*(doubt.lines for doubt in doubts))
    some = any(taken[line.line_id] and line.line_id not in bad for line in to_decide)
    if partial and settings.partial and some and all(doubt.lines for doubt in doubts):
        kept = {line: yes and line not in bad for line, yes in taken.items()}
        return Verdict("accept", kept, doubts, f"without {counted(len(bad), 'line')}: {reason}")
    return Verdict("refuse", dict.fromkeys(taken, False), doubts, reason)


def address_problem(country: str, zip_code: str, served: Served) -> str:
    """Why an address is not served; empty: it is, or too little of it is told."""
    if served.countries and country and country.upper() not in served.countries:
        return "the country is not served"
    given = _plain(zip_code)
    if served.zips and given and not any(fnmatchcase(given, _plain(one)) for one in served.zips):
        return "the postal code is not served"
    return ""


def _plain(zip_code: str) -> str:
    return "".join(zip_code.split()).upper()


def _accept(order_id: str) -> str:
    return f"marketsync orders accept {order_id} --by NAME --reason WHY (or refuse)"


def _unmapped(lines: list[BookLine]) -> list[Doubt]:
    found = [line for line in lines if not line.sku]
    if not found:
        return []
    named = ", ".join(line.offer_sku for line in found[:3])
    words = f"{counted(len(found), 'line')} not mapped: {named}"
    ids = frozenset(line.line_id for line in found)
    return [Doubt("unmapped", words, "put the product into the outlet's extract", ids)]


def _strange(order: BookOrder, lines: list[BookLine]) -> list[Doubt]:
    """A line whose source has only ever used unknown words of it: that it is new is a guess."""
    found = [line.line_id for line in lines if line.remote_state is None]
    if not found:
        return []
    words = f"its source says something unknown of line {', '.join(found[:3])}"
    return [Doubt("manual", words, _accept(order.id))]


def _address(order: BookOrder, country: str, zip_code: str, settings: OrderSettings) -> list[Doubt]:
    if order.details.get(ADDRESS) == UNPARSED:
        words = "the shipping address is one text that was not taken apart"
        return [Doubt("address", words, _accept(order.id))]
    problem = address_problem(country, zip_code, settings.served)
    step = f"{_accept(order.id)}; orders.served of {order.account} says where orders go to"
    return [Doubt("address", problem, step)] if problem else []


def _value(order: BookOrder, settings: OrderSettings) -> list[Doubt]:
    if settings.below is None:
        return []
    limit = to_minor(settings.below, order.currency)
    if order.total_minor < limit:
        return []
    words = f"its value is {format_minor(limit, order.currency)} or more"
    return [Doubt("value", words, _accept(order.id))]


def _stock(lines: list[BookLine], free: Mapping[str, int | None]) -> list[Doubt]:
    doubts = []
    for line in lines:
        if line.line_id not in free or not line.sku or not line.open:
            continue
        left = free[line.line_id]
        if left is not None and left >= line.open:
            continue
        there = "unknown" if left is None else str(max(left, 0))
        words = (
            f"line {line.line_id}: {line.open} of {line.sku} ordered, free at the outlet: {there}"
        )
        doubts.append(Doubt("stock", words, _accept(line.order_id), frozenset({line.line_id})))
    return doubts
