"""The state machine of orders: what may follow what, which state is further, and what the states of
lines make of an order (contract section 10).

Our own moves go along these ways; what a source says is judged by them (`orders.merge`), never
refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from marketsync_dagster.ledger.orders import BookLine
from marketsync_dagster.values.errors import MarketSyncError
from marketsync_dagster.values.order_states import ENDED, OrderFlag, OrderState

S = OrderState

STEPS: dict[OrderState, frozenset[OrderState]] = {
    S.NEW: frozenset({S.AWAITING_PAYMENT, S.ACCEPTED, S.REFUSED, S.CANCELLED}),
    S.AWAITING_PAYMENT: frozenset({S.ACCEPTED, S.CANCELLED}),
    S.ACCEPTED: frozenset({S.IN_PREPARATION, S.CANCELLED}),
    S.IN_PREPARATION: frozenset({S.READY_TO_SHIP, S.CANCELLED}),
    S.READY_TO_SHIP: frozenset({S.SHIPPED, S.CANCELLED}),
    S.SHIPPED: frozenset({S.OUT_FOR_DELIVERY, S.DELIVERY_FAILED, S.LOST}),
    S.OUT_FOR_DELIVERY: frozenset({S.DELIVERED, S.DELIVERY_FAILED, S.LOST}),
    S.DELIVERY_FAILED: frozenset({S.OUT_FOR_DELIVERY, S.RETURNING, S.LOST}),
    S.DELIVERED: frozenset({S.CLOSED, S.RETURNING}),
    S.RETURNING: frozenset({S.RETURNED, S.LOST}),
    S.CLOSED: frozenset(),
    S.RETURNED: frozenset(),
    S.LOST: frozenset(),
    S.REFUSED: frozenset(),
    S.CANCELLED: frozenset(),
}
"""Each state -> what comes right after it."""

UNDECIDED = frozenset({S.NEW, S.AWAITING_PAYMENT})
"""States out of which nobody of ours jumps: what is not accepted is not shipped."""
DROPPED = frozenset({S.REFUSED, S.CANCELLED})
"""Ends without any goods; left by a newer word of the source alone."""

_RANKS = {
    state: place
    for place, state in enumerate(
        (
            S.NEW,
            S.AWAITING_PAYMENT,
            S.ACCEPTED,
            S.IN_PREPARATION,
            S.READY_TO_SHIP,
            S.SHIPPED,
            S.OUT_FOR_DELIVERY,
            S.DELIVERY_FAILED,
            S.DELIVERED,
            S.CLOSED,
            S.RETURNING,
            S.LOST,
            S.RETURNED,
            S.REFUSED,
            S.CANCELLED,
        )
    )
}
_LEFT = frozenset(state for state in S if _RANKS[S.SHIPPED] <= _RANKS[state] <= _RANKS[S.RETURNED])
_OVER = ENDED | {S.DELIVERED}
_ENDS = (S.CLOSED, S.RETURNED, S.LOST)
"""What an order that has ended is called by, best first; else it was refused or cancelled."""


class WrongState(MarketSyncError):
    """An order, or a line of it, is not in the state for what was wanted."""


def _reachable() -> dict[OrderState, frozenset[OrderState]]:
    """Each state -> all that can come after it, over any number of steps."""
    found = {}
    for state in OrderState:
        seen: set[OrderState] = set()
        waiting = [*STEPS[state]]
        while waiting:
            after = waiting.pop()
            if after not in seen:
                seen.add(after)
                waiting += STEPS[after]
        found[state] = frozenset(seen)
    return found


_AFTER = _reachable()


def is_forward(before: OrderState, after: OrderState) -> bool:
    """Whether `after` lies ahead of `before`, over any number of states; the same does not."""
    return before is not after and after in _AFTER[before]


def may_follow(before: OrderState, after: OrderState) -> bool:
    """Whether a line of ours may go from `before` to `after`; staying is allowed.

    A line that was accepted may pass several states at once, for what left was packed before;
    one that was not goes no further than to its decision.
    """
    if before is after:
        return True
    return after in (STEPS if before in UNDECIDED else _AFTER)[before]


def rank(state: OrderState) -> int:
    """How far a state is, from 0; of two states that are told of the same line the further one is
    what is known."""
    return _RANKS[state]


def further(a: OrderState, b: OrderState) -> OrderState:
    """The further one of two."""
    return a if _RANKS[a] >= _RANKS[b] else b


def has_left(state: OrderState) -> bool:
    """Whether the goods of a line in this state have left the house."""
    return state in _LEFT


def is_over(state: OrderState) -> bool:
    """Whether nothing is to be done for a line in this state, as far as is known."""
    return state in _OVER


def all_over(lines: Collection[BookLine]) -> bool:
    """Whether nothing is to be done for an order any more. A line that has vanished counts only
    where all of them have."""
    there = [line for line in lines if line.vanished_at is None] or lines
    return all(is_over(line.state) for line in there)


def header(states: Iterable[OrderState]) -> OrderState:
    """The state of an order by those of its lines: the least far of what has not ended; where all
    has, the best end, so that one is refused or cancelled only if all of its lines are."""
    there = list(states)
    going = [state for state in there if state not in ENDED]
    if going:
        return min(going, key=_RANKS.__getitem__)
    for end in _ENDS:
        if end in there:
            return end
    return S.REFUSED if there and S.CANCELLED not in there else S.CANCELLED


def _sold(line: BookLine) -> int:
    """The money of the pieces of a line that were not cancelled, in minor units."""
    kept = max(line.quantity - line.cancelled, 0)
    return line.total_minor * kept // line.quantity + line.shipping_minor if kept else 0


def aggregate(
    lines: Collection[BookLine], paid: int | None = None
) -> tuple[OrderState, frozenset[OrderFlag]]:
    """The state of an order and the flags that its lines say by themselves.

    A line that has vanished counts only where all of them have. `paid`: what the customer paid for
    all that was not cancelled, in minor units, where that may be less than the lines come to.
    """
    there = [line for line in lines if line.vanished_at is None] or list(lines)
    flags: set[OrderFlag] = set()
    some = any(line.shipped or has_left(line.state) for line in there)
    if some and any(line.open and not has_left(line.state) for line in there):
        flags.add(OrderFlag.PARTIALLY_SHIPPED)
    refunded = sum(line.refunded_minor for line in lines)
    if refunded > 0:
        whole = sum(_sold(line) for line in there)
        whole = whole if paid is None else min(whole, paid)
        flags.add(OrderFlag.REFUNDED if refunded >= whole else OrderFlag.PARTIALLY_REFUNDED)
    return header(line.state for line in there), frozenset(flags)
