"""What Qikink's words for where an order stands mean, of both interfaces (contract 5.4 and 10).

Pure. Words are compared without case, hyphens and the like. The raw word is always kept beside.
"""

from __future__ import annotations

import re

from marketsync_dagster.values.order_states import OrderState

STATES: dict[OrderState, str] = {
    OrderState.NEW: "created; order created",
    OrderState.ACCEPTED: "synced; sent",
    OrderState.IN_PREPARATION: "on hold; to be printed; processing",
    OrderState.READY_TO_SHIP: "ready to ship",
    OrderState.SHIPPED: (
        "shipped; picked up; in transit; delivery rescheduled; misrouted; oda; self collect; "
        "exception"
    ),
    OrderState.OUT_FOR_DELIVERY: "out for delivery",
    OrderState.DELIVERY_FAILED: (
        "not attempted; consignee unavailable; residence office closed; otp not shared; "
        "otp verification cancelled; incorrect incomplete address; maximum attempts reached; "
        "refused to accept; open delivery refused; undelivered"
    ),
    OrderState.DELIVERED: "delivered; partially returned",  # the rest stays with the customer
    OrderState.RETURNING: "rto initiated; reverse pickup initiated",
    OrderState.RETURNED: "returned; rto delivered",
    OrderState.LOST: "lost",
    OrderState.CANCELLED: "cancelled; canceled",
    OrderState.CLOSED: "archived",
}
_BY_WORD = {word: state for state, words in STATES.items() for word in words.split("; ")}


def state_of(raw: str, *, has_awb: bool) -> OrderState | None:
    """The state that a status says; None for a word that is not known, while there is no AWB.

    With an AWB an order whose status is not known is ready to be shipped, at least.
    """
    word = _word(raw)
    state = _BY_WORD.get(word)
    if state is None and word.startswith("rto "):
        return OrderState.RETURNING
    if state is None and has_awb:
        return OrderState.READY_TO_SHIP
    return state


def is_back_in_part(raw: str) -> bool:
    """Whether some of an order came back."""
    return _word(raw) == "partially returned"


def _word(raw: str) -> str:
    return re.sub(r"[\W_]+", " ", raw.casefold()).strip()
