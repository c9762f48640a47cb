"""Profile `real`: orders in Qikink's own interface, and how they stand (contract 5.2).

An order's number is there once: a second one with it is refused. There is no call that cancels.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

import orjson

from marketsync_dagster.platforms.amounts import exact_text
from marketsync_dagster.platforms.answers import Readable
from marketsync_dagster.platforms.base import Answer, Pace, PlatformError
from marketsync_dagster.platforms.fulfilling import (
    Found,
    FulfilCapabilities,
    Handed,
    OutgoingOrder,
    Parcel,
    Standing,
)
from marketsync_dagster.platforms.ordering import Tracking
from marketsync_dagster.platforms.qikink.addresses import (
    private_texts,
    receiver,
    structured,
    structured_problem,
)
from marketsync_dagster.platforms.qikink.client import Client, handed
from marketsync_dagster.platforms.qikink.reads import Reading, listed, numbered
from marketsync_dagster.platforms.qikink.session import Session
from marketsync_dagster.platforms.qikink.statuses import is_back_in_part, state_of
from marketsync_dagster.platforms.qikink.words import (
    CARRIER,
    fault_of,
    not_sent,
    plain_problem,
    text_of,
)
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import from_iso, utcnow

CREATE, ORDERS = "/api/order/create", "/api/order"
PAGE = 10
"""Orders in a page of the list."""
PARCEL = "1"
"""The key of an order's only parcel: its number may be given anew."""
_STANDING_STILL = 3
"""So many pages in a row without a new order: the list does not go on."""


class RealFulfiller(Client):
    """One client of the real interface, open for use."""

    def __init__(
        self,
        session: Session,
        capabilities: FulfilCapabilities,
        *,
        gateway: Literal["Prepaid", "COD"],
        shipping: Literal["0", "1"],
        country: str,
    ) -> None:
        super().__init__(session, capabilities, country=country)
        self._gateway = gateway
        self._shipping = shipping

    def problem(self, order: OutgoingOrder) -> str:
        """Why it would be refused; names fields, never values."""
        return plain_problem(order) or structured_problem(receiver(order.persons, self._country))

    async def create(self, order: OutgoingOrder) -> Handed:
        """POST /api/order/create, once; once more with another token where one was refused."""
        if problem := self.problem(order):
            return not_sent(problem)
        body = orjson.dumps(self._document(order))
        private = private_texts(order.persons.values())
        said = await self._session.exchange("POST", CREATE, body=body, private=private)
        return handed(said, "order_id")

    async def find(self, numbers: Sequence[str], since: str, *, pace: Pace | None = None) -> Found:
        """Whether there are orders under these numbers, by the list, which has no filter for them:
        page by page, newest first, to its end, of the days since a day before `since`."""
        wanted = set(numbers)

        async def work(reading: Reading) -> None:
            await _look_through(reading, wanted, since)

        return await Reading(self._session, pace).found(work)

    async def standings(
        self, known: Sequence[tuple[str, str]], *, pace: Pace | None = None
    ) -> Found:
        """How orders stand, each by its id; many of them by the list first, ten with one call."""
        by_id = numbered(known)
        nameless = {number for number, external_id in known if not external_id}

        async def work(reading: Reading) -> None:
            left = dict(by_id)
            if len(left) > PAGE:
                await _listed_together(reading, left)
            for external_id, number in left.items():
                rows = await reading.get(
                    ORDERS,
                    {"id": external_id},
                    _single,
                    what=f"order {number} cannot be read",
                )
                found = [row for row in rows if text_of(row.get("order_id")) == external_id]
                reading.standings += [_standing(row, number) for row in found[:1]]
            if nameless:
                await _look_through(reading, nameless, "")

        return await Reading(self._session, pace).found(work)

    def _document(self, order: OutgoingOrder) -> dict[str, Any]:
        currency = order.currency
        return {
            "order_number": order.number,
            "qikink_shipping": self._shipping,
            "gateway": "COD" if order.cash_on_delivery else self._gateway,
            "total_order_value": exact_text(order.total, currency),
            "line_items": [
                {
                    "search_from_my_products": 1,
                    "sku": line.sku,
                    "quantity": str(line.quantity),
                    "price": exact_text(Decimal(line.unit_price), currency),
                }
                for line in order.lines
            ],
            "shipping_address": structured(receiver(order.persons, self._country)),
        }


def number_of(row: dict[str, Any]) -> str:
    """Our number in a row: what comes after the account's prefix."""
    said = text_of(row.get("number"))
    before, _, after = said.partition("_")
    return after if before.isdigit() and after else said


def _standing(row: dict[str, Any], number: str) -> Standing:
    """A row as it is told."""
    shipping = row.get("shipping")
    shipping = shipping if isinstance(shipping, dict) else {}
    awb, raw = text_of(shipping.get("awb")), text_of(row.get("status"))
    state = state_of(raw, has_awb=bool(awb))
    parcels: tuple[Parcel, ...] = ()
    if awb:
        link = text_of(shipping.get("tracking_link"))
        carrier = text_of(shipping.get("courier_provider_name")) or CARRIER
        url = link if link.startswith(("https://", "http://")) else ""
        parcels = (Parcel(PARCEL, Tracking(carrier=carrier, number=awb, url=url)),)
    return Standing(
        number,
        text_of(row.get("order_id")),
        raw,
        state,
        failed=state is OrderState.CANCELLED,
        parcels=parcels,
        back_in_part=is_back_in_part(raw),
    )


# --- the list


def _rows(said: Answer | Readable) -> list[dict[str, Any]] | None:
    """The rows of a page; None for anything that is none."""
    if isinstance(said, Readable) and isinstance(said.document, list):
        return listed(said.document)
    return None


def _single(said: Answer | Readable) -> list[dict[str, Any]] | None:
    """The order that was asked for by its id, as a list of one, or of none."""
    if isinstance(said, Answer):
        there = said.call.status == 404 and "not found" in said.message.casefold()
        return [] if there and "order" in said.message.casefold() else None
    fault = fault_of(said.document)
    if fault is not None:
        gone = fault.status == 404 or "order not found" in fault.words.casefold()
        return [] if gone and not fault.of_token else None
    return listed(said.document)


async def _page(reading: Reading, page: int, days: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The orders of one page by their ids."""
    rows = await reading.get(
        ORDERS,
        {"page_no": str(page), **days},
        _rows,
        what=f"page {page} of the orders cannot be read",
    )
    return {text_of(row.get("order_id")): row for row in rows}


async def _look_through(reading: Reading, wanted: set[str], since: str) -> None:
    """Add the standings of `wanted` to `reading`; what is not added then is not there.

    New orders come first while pages are read: rows come twice, and none is left out. A page of
    nothing new is read once more, because it may be the page before it in its place.
    """
    days = _days(since)
    seen: set[str] = set()
    left = set(wanted)
    page, still = 1, 0
    while left:
        rows = await _page(reading, page, days)
        if rows and not rows.keys() - seen:
            rows = await _page(reading, page, days)
        if not rows:
            return
        still = 0 if rows.keys() - seen else still + 1
        if still == _STANDING_STILL:
            raise PlatformError(
                "the list of orders repeats itself: what is not in it may be there all the same",
                outcome=Outcome.UNKNOWN,
            )
        seen |= rows.keys()
        for row in rows.values():
            number = _match(row, left)
            if number is not None:
                left.discard(number)
                reading.standings.append(_standing(row, number))
        page += 1


def _match(row: dict[str, Any], wanted: set[str]) -> str | None:
    """Which of our numbers a row is about, with the account's prefix or without one."""
    said = text_of(row.get("number"))
    return next((name for name in (number_of(row), said) if name in wanted), None)


async def _listed_together(reading: Reading, left: dict[str, str]) -> None:
    """Take from `left` (id -> number) what the newest pages show, as long as a page has at least
    two of them."""
    page = 1
    while left:
        rows = await _page(reading, page, {})
        ours = [external_id for external_id in rows if external_id in left]
        reading.standings += [_standing(rows[one], left.pop(one)) for one in ours]
        if len(ours) < 2:
            return
        page += 1


def _days(since: str) -> dict[str, str]:
    """The days to be listed, with one more at each end: whose days they are is not known."""
    if not since:
        return {}
    day = timedelta(days=1)
    first, last = from_iso(since) - day, utcnow() + day
    return {"from_date": first.date().isoformat(), "to_date": last.date().isoformat()}
