"""Profile `spec`: orders, how they stand and products, as the integration document has them
(contract 5.3).

An order that is sent twice is made twice, unless the account says that the platform honours an
`Idempotency-Key`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from marketsync_dagster.platforms.amounts import exact_text
from marketsync_dagster.platforms.answers import Readable
from marketsync_dagster.platforms.base import Answer, ItemResult, Pace, ProductItem
from marketsync_dagster.platforms.fulfilling import (
    Found,
    FulfilCapabilities,
    Handed,
    OutgoingOrder,
    Parcel,
    Standing,
)
from marketsync_dagster.platforms.http import Cleaner
from marketsync_dagster.platforms.ordering import Tracking
from marketsync_dagster.platforms.qikink.addresses import (
    one_text,
    one_text_problem,
    private_texts,
    receiver,
)
from marketsync_dagster.platforms.qikink.client import Client, handed
from marketsync_dagster.platforms.qikink.reads import Reading, day_of, moment_of
from marketsync_dagster.platforms.qikink.session import Session
from marketsync_dagster.platforms.qikink.statuses import is_back_in_part, state_of
from marketsync_dagster.platforms.qikink.words import (
    CARRIER,
    not_sent,
    plain_problem,
    text_of,
    whole,
)
from marketsync_dagster.platforms.urls import segment
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster.values.outcomes import Outcome

ORDERS, PRODUCTS = "/orders", "/products/sync"
PARCEL = "1"
"""The key of an order's only parcel."""
NOT_THERE = "ORDER_NOT_FOUND"
"""The code by which an order's absence is told; any other 404 says nothing of the order."""
_FAILED = frozenset({"failed", "rejected", "refused", "error"})


class SpecFulfiller(Client):
    """One client of the documented interface, open for use."""

    def __init__(
        self,
        session: Session,
        capabilities: FulfilCapabilities,
        *,
        country: str,
        idempotency_key: bool,
    ) -> None:
        super().__init__(session, capabilities, country=country)
        self._idempotency_key = idempotency_key

    def problem(self, order: OutgoingOrder) -> str:
        """Why it would be refused; names fields, never values."""
        return plain_problem(order) or one_text_problem(receiver(order.persons, self._country))

    async def create(self, order: OutgoingOrder) -> Handed:
        """POST /orders, once; once more with another token where one was refused."""
        if problem := self.problem(order):
            return not_sent(problem)
        to = receiver(order.persons, self._country)
        document = {
            "order_id": order.number,
            "customer_email": to.email,
            "shipping_address": one_text(to),
            "items": [
                {
                    "sku": line.sku,
                    "quantity": line.quantity,
                    "price": orjson.Fragment(exact_text(line.unit_price, order.currency)),
                }
                for line in order.lines
            ],
            "total_amount": orjson.Fragment(exact_text(order.total, order.currency)),
        }
        said = await self._session.exchange(
            "POST",
            ORDERS,
            body=orjson.dumps(document),
            headers={"Idempotency-Key": order.number} if self._idempotency_key else {},
            private=(*private_texts(order.persons.values()), one_text(to)),
        )
        return handed(said, "qikink_shipment_id")

    async def find(self, numbers: Sequence[str], since: str, *, pace: Pace | None = None) -> Found:
        """Whether there are orders under these numbers: one call each."""
        return await self.standings([(number, "") for number in numbers], pace=pace)

    async def standings(
        self, known: Sequence[tuple[str, str]], *, pace: Pace | None = None
    ) -> Found:
        """How orders stand: one call each."""

        async def work(reading: Reading) -> None:
            for number, _ in known:
                standing = await reading.get(
                    f"{ORDERS}/{segment(number)}/fulfillment",
                    None,
                    _reader(number),
                    what=f"order {number} cannot be read",
                )
                if standing is not _ABSENT:
                    reading.standings.append(standing)

        return await Reading(self._session, pace).found(work)


_ABSENT = Standing("")


def is_not_there(said: Answer | Readable) -> bool:
    """Whether the platform says of an order that there is none."""
    return isinstance(said, Answer) and said.call.status == 404 and NOT_THERE in said.message


def _reader(number: str) -> Callable[[Answer | Readable], Standing | None]:
    def read(said: Answer | Readable) -> Standing | None:
        if is_not_there(said):
            return _ABSENT
        document = said.document if isinstance(said, Readable) else None
        if not isinstance(document, dict) or text_of(document.get("order_id")) != number:
            return None
        return _standing(document, number, said.clean if isinstance(said, Readable) else None)

    return read


def _standing(document: dict[str, Any], number: str, clean: Cleaner | None) -> Standing:
    raw, awb = text_of(document.get("status")), text_of(document.get("tracking_number"))
    state = state_of(raw, has_awb=bool(awb))
    expected = day_of(text_of(document.get("estimated_delivery")))
    events = document.get("events")
    told = [one for one in events if isinstance(one, dict)] if isinstance(events, list) else []
    # where it happened may be where the customer lives: it is left out
    dated = [(moment_of(text_of(one.get("timestamp"))), text_of(one.get("event"))) for one in told]
    dated.sort(key=lambda event: event[0])  # those of one moment stay as they were told
    parcels: tuple[Parcel, ...] = ()
    if awb:
        parcels = (
            Parcel(PARCEL, Tracking(carrier=CARRIER, number=awb), estimated_delivery=expected),
        )
    return Standing(
        number,
        text_of(document.get("qikink_shipment_id")),
        raw,
        state,
        failed=state is OrderState.CANCELLED or raw.casefold() in _FAILED,
        parcels=parcels,
        events=tuple((at, clean(word) if clean else word) for at, word in dated if word),
        estimated_delivery=expected,
        back_in_part=is_back_in_part(raw),
    )


# --- products


def product_row(item: ProductItem) -> dict[str, Any]:
    """One product as it is told, without what we do not know."""
    row: dict[str, Any] = {"sku": item.sku, "name": item.name, "category": item.category}
    if item.description:
        row["description"] = item.description
    if item.price is not None:
        row["price"] = orjson.Fragment(exact_text(item.price, item.currency))
    if item.quantity is not None:
        row["stock_quantity"] = max(0, item.quantity)
    if item.manufacturer:
        row["manufacturer"] = item.manufacturer
    if item.origin:
        row["origin"] = item.origin
    return row


def product_results(
    document: Any, items: Sequence[ProductItem], clean: Cleaner
) -> list[ItemResult]:
    """One result per product. Those that are not among the failed ones were taken, where the
    counts say so; where they do not, nobody knows."""
    said = document if isinstance(document, dict) else {}
    failed = said.get("failed")
    reasons: dict[str, str] = {}
    for entry in failed if isinstance(failed, list) else ():
        told = entry if isinstance(entry, dict) else {"sku": entry}
        words = text_of(told.get("error")) or text_of(told.get("message"))
        reasons[text_of(told.get("sku"))] = clean(words or "the platform names no reason")
    refused = [item.sku in reasons for item in items]
    sure = whole(said.get("products_synced")) == len(items) - sum(refused)
    taken = (
        ItemResult(Outcome.APPLIED)
        if sure and isinstance(failed, list)
        else ItemResult(Outcome.UNKNOWN, "the answer does not account for this product")
    )
    return [
        ItemResult(Outcome.REFUSED, reasons[item.sku]) if no else taken
        for item, no in zip(items, refused, strict=True)
    ]
