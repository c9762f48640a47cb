"""One line of an order after its source has told of it: its state, its pieces, its money."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum

from marketsync_dagster.ledger.orders import BookLine
from marketsync_dagster.orders.exact import clean, minor
from marketsync_dagster.orders.notes import Notes
from marketsync_dagster.orders.resolve import Resolve
from marketsync_dagster.orders.states import DROPPED, further, has_left, is_forward, rank
from marketsync_dagster.platforms.ordering import PulledLine, PulledOrder
from marketsync_dagster.values.order_states import UNFINISHED, OrderState

S = OrderState


class Age(Enum):
    """How old a document is beside the last one that counted."""

    OLDER = "older"
    SAME = "same"
    """The source gives both the same time: its content counts, a step back does not."""
    NEWER = "newer"


@dataclass(frozen=True, slots=True)
class Told:
    """One pulled order as its lines see it."""

    pulled: PulledOrder
    source: str
    resolve: Resolve
    age: Age = Age.NEWER
    accepted: bool = False
    """We have accepted it."""
    forwarded: Collection[str] = ()
    cancelling: Mapping[str, int] = field(default_factory=dict)
    """Line -> pieces cancelled in all, once it has done what we may have told it."""


def _said(line: PulledLine, order: PulledOrder) -> tuple[OrderState | None, str]:
    """State and word of a line; one that has none of its own has the order's."""
    if line.state is None and not line.raw_state:
        return order.state, clean(order.raw_state)
    return line.state, clean(line.raw_state)


def refunded(pulled: PulledOrder, line_id: str) -> Decimal:
    """All that was refunded of a line, as its source tells; the money of pieces that were cancelled
    is theirs, and goes with them."""
    amounts = (
        one.amount for one in pulled.refunds if one.line_id == line_id and one.kind == "refund"
    )
    return sum(amounts, Decimal(0))


def new_line(told: Told, index: int, notes: Notes) -> BookLine:
    """A line that the book does not have yet."""
    pulled, line = told.pulled, told.pulled.lines[index]
    remote, raw = _said(line, pulled)
    if remote is None:
        notes.event("unknown_state", line.line_id, "", raw)
    found = told.resolve(told.source, clean(line.offer_sku), pulled.outlet)
    currency, place = pulled.currency, f"lines[{index}]"
    made = BookLine(
        order_id=notes.order_id,
        line_id=clean(line.line_id),
        position=index,
        offer_sku=clean(line.offer_sku),
        outlet=found.outlet,
        sku=found.sku,
        unmapped=found.problem,
        title=clean(line.title),
        quantity=line.quantity,
        unit_minor=minor(line.unit_price, currency, f"{place}.unit_price"),
        total_minor=minor(line.total, currency, f"{place}.total"),
        shipping_minor=minor(line.shipping, currency, f"{place}.shipping"),
        tax_minor=minor(line.tax, currency, f"{place}.tax"),
        refunded_minor=minor(refunded(pulled, line.line_id), currency, f"{place}.refunds")
        if pulled.refunds
        else 0,
        cancelled=min(line.cancelled, line.quantity),
        shipped=line.shipped or 0,
        state=remote or S.NEW,
        raw_state=raw,
        remote_state=remote,
    )
    return with_pieces(made)


def with_pieces(line: BookLine) -> BookLine:
    """The line with the pieces that its state implies: all of it has left, or is dropped."""
    if line.state in DROPPED:
        return replace(line, cancelled=max(line.quantity - line.shipped, 0))
    if has_left(line.state):
        return replace(line, shipped=max(line.quantity - line.cancelled, line.shipped))
    return line


def merged_line(line: BookLine, told: Told, index: int, notes: Notes) -> BookLine:
    """A line that the book has, as its source tells of it now.

    Of an older document the state alone counts, and only forward.
    """
    state, remote, raw = _state(line, *_said(told.pulled.lines[index], told.pulled), told, notes)
    if state is not line.state:
        # every other way of changing it has said so by itself
        notes.event("state", line.line_id, line.state.value, state.value, raw)
    now = replace(line, state=state, remote_state=remote, raw_state=raw)
    if told.age is not Age.OLDER:
        now = _told(line, now, told, index, notes)
    return with_pieces(now)


def _told(before: BookLine, now: BookLine, told: Told, index: int, notes: Notes) -> BookLine:
    """What is told of a line beside its state."""
    pulled, line = told.pulled, told.pulled.lines[index]
    name, currency, place = before.line_id, pulled.currency, f"lines[{index}]"
    cancelled = line.cancelled
    if before.state not in DROPPED:
        cancelled = max(cancelled, before.cancelled)
    back = minor(refunded(pulled, name), currency, f"{place}.refunds") if pulled.refunds else 0
    changes = {
        "quantity": line.quantity,
        "unit_minor": minor(line.unit_price, currency, f"{place}.unit_price"),
        "total_minor": minor(line.total, currency, f"{place}.total"),
        "shipping_minor": minor(line.shipping, currency, f"{place}.shipping"),
        "tax_minor": minor(line.tax, currency, f"{place}.tax"),
        "offer_sku": clean(line.offer_sku),
        "cancelled": min(cancelled, line.quantity),
    }
    other = {
        what: value
        for what, value in changes.items()
        if notes.differs(what, name, getattr(before, what), value)
    }
    if back > before.refunded_minor:
        notes.event("refund", name, str(before.refunded_minor), str(back))
        other["refunded_minor"] = back
    shipped = max(before.shipped, line.shipped or 0)
    if shipped != before.shipped:
        notes.event("changed", name, str(before.shipped), str(shipped), "shipped")
    if before.vanished_at is not None:
        notes.event("line_back", name)
    now = replace(
        now,
        **other,
        shipped=shipped,
        position=index,
        title=clean(line.title),
        vanished_at=None,
    )
    if "offer_sku" in other or not now.sku:
        now = mapped(now, told.source, told.resolve, pulled.outlet, notes)
    now = _more_wanted(now, notes)
    ours = now.cancelled <= told.cancelling.get(name, -1)
    what = [
        one
        for one in ("quantity", "offer_sku", "cancelled")
        if one in other and not (ours and one == "cancelled")
    ]
    _went_on(now, what, told, notes, had_left=has_left(before.state))
    return now


def _more_wanted(now: BookLine, notes: Notes) -> BookLine:
    """A line that had left, and of which more pieces are wanted now: those are still to be sent,
    unless its source says itself that it has left."""
    said = now.remote_state
    if not has_left(now.state) or not now.open or (said is not None and has_left(said)):
        return now
    notes.event("state", now.line_id, now.state.value, S.IN_PREPARATION.value, "more are wanted")
    return replace(now, state=S.IN_PREPARATION)


def _went_on(now: BookLine, what: list[str], told: Told, notes: Notes, *, had_left: bool) -> None:
    """A change that people have to see, because the line has gone on meanwhile."""
    forwarded = now.line_id in told.forwarded
    if what and now.state in UNFINISHED and (forwarded or told.accepted or had_left):
        words = " and ".join(what)
        notes.changed(
            f"its source changed {words} of line {now.line_id}",
            forwarded=forwarded,
            line_id=now.line_id,
        )


def mapped(
    line: BookLine, source: str, resolve: Resolve, outlet_said: str, notes: Notes
) -> BookLine:
    """The line with what its name leads to now; an event `mapped` where that is a product."""
    found = resolve(source, line.offer_sku, outlet_said)
    if (found.outlet, found.sku, found.problem) == (line.outlet, line.sku, line.unmapped):
        return line
    if found.sku != line.sku:
        notes.event("mapped", line.line_id, line.sku, found.sku, found.problem)
    return replace(line, outlet=found.outlet, sku=found.sku, unmapped=found.problem)


def _state(
    line: BookLine, remote: OrderState | None, raw: str, told: Told, notes: Notes
) -> tuple[OrderState, OrderState | None, str]:
    """Our state, the source's, and its word, after it said `raw`, which is `remote`."""
    ours, before = line.state, line.remote_state
    kept = ours, before, line.raw_state
    if remote is None:
        if raw == line.raw_state or told.age is Age.OLDER:
            return kept
        notes.event("unknown_state", line.line_id, line.raw_state, raw)
        return ours, before, raw
    if remote is before:
        return kept if told.age is Age.OLDER else (ours, before, raw)
    ahead = before is None or is_forward(before, remote)
    dropped = remote in DROPPED and told.age is not Age.OLDER
    if not ahead and not dropped:
        if told.age is not Age.NEWER:
            when = "the same time as" if told.age is Age.SAME else "an earlier time than"
            words = f"its source went back at {when} what it had said: not applied"
            _anomaly(line, before, remote, words, notes)
            return kept
        _anomaly(line, before, remote, "its source went back", notes)
        stood_on_it = before is None or ours in DROPPED or rank(ours) <= rank(before)
        return (_back(line, remote, told, notes) if stood_on_it else ours), remote, raw
    if dropped and has_left(ours):
        _anomaly(line, before, remote, f"it was {ours.value} already", notes)
        notes.cancelled_after_shipping(line.line_id, ours, remote)
        return remote, remote, raw
    if remote in DROPPED:
        return remote, remote, raw
    if ours in DROPPED:
        newer = told.age is Age.NEWER
        words = f"it was {ours.value} by us" + ("" if newer else ": not applied")
        _anomaly(line, before, remote, words, notes)
        return (_back(line, remote, told, notes) if newer else ours), remote, raw
    # delivery that failed is tried again, which is no step back
    return (remote if is_forward(ours, remote) else further(ours, remote)), remote, raw


def _back(line: BookLine, remote: OrderState, told: Told, notes: Notes) -> OrderState:
    """Our state after the source took back what it had said."""
    if remote in UNFINISHED and (line.state in DROPPED or has_left(line.state)):
        notes.changed(
            f"its source calls line {line.line_id} {remote.value} after it was {line.state.value}",
            forwarded=line.line_id in told.forwarded,
            line_id=line.line_id,
        )
    return further(remote, S.ACCEPTED) if told.accepted and remote not in DROPPED else remote


def _anomaly(
    line: BookLine, before: OrderState | None, remote: OrderState, words: str, notes: Notes
) -> None:
    said = before.value if before else ""
    notes.event("anomaly", line.line_id, said, remote.value, words)
