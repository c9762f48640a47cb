"""What Mirakl shows of an order (OR11), of parcels, refunds and cancelations.

Every field that the official document requires is there; what it calls null before shipping is
null until then. Quantity and price of a line stay as ordered: what was canceled or refunded stands
beside them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from marketsync_dagster.sandbox.mirakl_orders_state import (
    CAN_REFUND,
    CANCELABLE,
    CENT,
    DEBITED,
    ENDED,
    SHIPPING,
    WAITING_REFUND,
    Order,
    OrderLine,
    Shipment,
    Taken,
)
from marketsync_dagster.sandbox.mirakl_reads import CARRIERS, REASONS, iso
from marketsync_dagster.sandbox.mirakl_state import MiraklState
from marketsync_dagster.sandbox.wire import write_json

COMMISSION = Decimal("0.08")
NO_TAX = [{"amount": 0, "code": "TAXZERO", "rate": 0}]
LABELS = {code: label for code, label, _, _ in REASONS}


def order_json(state: MiraklState, order: Order) -> bytes:
    """One order as OR11 shows it."""
    return write_json(_order(state, order))


def _when(moment: float | None) -> str | None:
    return None if moment is None else iso(moment)


def _without_none(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}


def _fee(amount: Decimal) -> Decimal:
    return (amount * COMMISSION).quantize(CENT)


def _order(state: MiraklState, order: Order) -> dict[str, Any]:
    open_address = order.show_address or order.debited is not None or order.ship_until is not None
    address = order.shipping_address if open_address else None
    billing = order.billing_address if open_address else None
    canceling = order.state in CANCELABLE and order.shipped is None
    if canceling:
        canceling = not any(p.status != SHIPPING for p in state.orders.parcels_of(order))
    price = sum((line.price for line in order.lines), Decimal(0))
    shipping = sum((line.shipping for line in order.lines), Decimal(0))
    commission = sum((_fee(line.price + line.shipping) for line in order.lines), Decimal(0))
    lines = [_line(state, order, line) for line in order.lines]
    active = [line for line in order.lines if line.state not in ("REFUSED", "CANCELED")]
    refunded = any(line.refunds for line in active)
    tracking = order.tracking or {}
    return {
        "acceptance_decision_date": _when(order.decided),
        "can_cancel": canceling,
        "can_shop_ship": order.state == SHIPPING,
        "commercial_id": order.commercial_id,
        "created_date": iso(order.created),
        "currency_iso_code": order.currency,
        "customer": {**order.customer, "billing_address": billing, "shipping_address": address},
        "customer_debited_date": _when(order.debited),
        "customer_directly_pays_seller": False,
        "customer_notification_email": order.email,
        "fulfillment": {"center": {"code": "DEFAULT"}},
        "fully_refunded": refunded and all(line.left("amount") <= 0 for line in active),
        "has_customer_message": False,
        "has_incident": any(line.state == "INCIDENT_OPEN" for line in order.lines),
        "has_invoice": False,
        "last_updated_date": iso(order.updated),
        "leadtime_to_ship": order.leadtime,
        "order_additional_fields": [],
        "order_id": order.order_id,
        "order_lines": lines,
        "order_state": order.state,
        "order_state_reason_code": order.reason,
        "order_state_reason_label": LABELS.get(order.reason or ""),
        "order_tax_mode": order.tax_mode,
        "paymentType": "CARD",
        "payment_type": "CARD",
        "payment_workflow": order.workflow,
        "price": float(price),
        "promotions": {"applied_promotions": [], "total_deduced_amount": 0},
        "shipping_carrier_code": tracking.get("carrier_code"),
        "shipping_company": tracking.get("carrier_name"),
        "shipping_deadline": _when(order.ship_until),
        "shipping_price": float(shipping),
        "shipping_tracking": tracking.get("tracking_number"),
        "shipping_tracking_url": tracking.get("tracking_url"),
        "shipping_type_code": "STD",
        "shipping_type_label": "Standard",
        "shipping_zone_code": "LOCAL",
        "shipping_zone_label": "Local",
        "total_commission": float(commission),
        "total_price": float(price + shipping),
        "transaction_date": _when(order.debited),
    }


def _line(state: MiraklState, order: Order, line: OrderLine) -> dict[str, Any]:
    fee, price, shipping = _fee(line.price + line.shipping), float(line.price), float(line.shipping)
    unit = float(line.unit_price)
    return {
        "can_refund": order.state in CAN_REFUND
        and line.state not in ENDED
        and line.left("amount") > 0,
        "cancelations": [_canceled(taken) for taken in line.cancelations],
        "category_code": line.category[0],
        "category_label": line.category[1],
        "commission_fee": float(fee),
        "commission_rate_vat": 0,
        "commission_taxes": NO_TAX,
        "commission_vat": 0,
        "created_date": iso(line.created),
        "debited_date": _when(line.debited),
        "description": "",
        "last_updated_date": iso(line.updated),
        "offer_id": line.offer_id,
        "offer_sku": line.offer_sku,
        "offer_state_code": "11",
        "order_line_additional_fields": [],
        "order_line_id": line.line_id,
        "order_line_index": line.index,
        "order_line_state": line.state,
        "order_line_state_reason_code": line.reason,
        "order_line_state_reason_label": LABELS.get(line.reason or ""),
        "origin_unit_price": unit,
        "price": price,
        "price_unit": unit,
        "product_medias": [],
        "product_sku": line.product_sku,
        "product_title": line.title,
        "promotions": [],
        "quantity": line.quantity,
        "received_date": _when(line.received),
        "refunds": [_refunded(taken) for taken in line.refunds],
        "shipped_date": _when(line.shipped),
        "shipping_price": shipping,
        "shipping_price_unit": None,
        "shipping_taxes": line.shipping_taxes,
        "taxes": line.taxes,
        "total_commission": float(fee),
        "total_price": float(line.price + line.shipping),
    }


def _parts(taken: Taken) -> dict[str, Any]:
    fee = float(_fee(taken.amount + taken.shipping))
    return {
        "amount": float(taken.amount),
        "commission_amount": fee,
        "commission_taxes": [{"amount": 0, "code": "TAXZERO"}],
        "commission_total_amount": fee,
        "created_date": iso(taken.created),
        "id": taken.taken_id,
        "quantity": taken.quantity,
        "reason_code": taken.reason,
        "shipping_amount": float(taken.shipping),
        "shipping_taxes": taken.shipping_taxes,
        "taxes": taken.taxes,
    }


def _canceled(taken: Taken) -> dict[str, Any]:
    return _parts(taken)


def _refunded(taken: Taken) -> dict[str, Any]:
    return {
        **_parts(taken),
        "commission_tax_amount": 0,
        "order_refund_id": taken.group_id,
        "refund_state": taken.state,
        "state": taken.state
        if taken.state != "WAITING_REFUND_TAX_CONFIRMATION"
        else WAITING_REFUND,
    }


def taken_document(line: OrderLine, taken: Taken, currency: str, *, refund: bool) -> dict[str, Any]:
    """A refund as OR28 answers it, or a cancelation as OR30 does."""
    document: dict[str, Any] = {
        "amount": float(taken.amount),
        "currency_iso_code": currency,
        "order_line_id": line.line_id,
        "quantity": taken.quantity,
        "reason_code": taken.reason,
        "shipping_amount": float(taken.shipping),
        "shipping_taxes": taken.shipping_taxes,
        "taxes": taken.taxes,
    }
    if not refund:
        return {**document, "cancelation_id": taken.taken_id}
    return {
        **document,
        "excluded_from_shipment": taken.excluded,
        "order_refund_id": taken.group_id,
        "refund_id": taken.taken_id,
    }


def shipment_document(order: Order, parcel: Shipment) -> dict[str, Any]:
    """One parcel as ST01 and ST11 show it."""
    debit = "DEBIT_OK" if order.workflow in DEBITED else "NO_DEBIT"
    return _without_none(
        {
            "created_date": iso(parcel.created),
            "id": parcel.shipment_id,
            "invoice_reference": parcel.invoice,
            "last_updated_date": iso(parcel.updated),
            "order_id": parcel.order_id,
            "shipment_lines": parcel.lines,
            "shipped_date": _when(parcel.shipped),
            "status": parcel.status,
            "status_customer_debit": debit,
            "tracking": parcel.tracking,
        }
    )


class BadTracking(ValueError):
    """A carrier or a number that the API does not take; the message says why."""


_URLS = {code: (label, url) for code, label, url in CARRIERS}


def tracking_of(said: Any, url_name: str) -> dict[str, Any]:
    """What is kept of a tracking: a registered carrier's name and URL are its own."""
    if not isinstance(said, dict):
        raise BadTracking("tracking: an object was expected")
    given: dict[str, str | None] = {}
    for name in (
        "carrier_code",
        "carrier_name",
        "carrier_standard_code",
        "tracking_number",
        url_name,
    ):
        value = said.get(name)
        if value is not None and not isinstance(value, str):
            raise BadTracking(f"{name}: a text was expected")
        given[name] = value or None
    code, number = given["carrier_code"], given["tracking_number"]
    if code is None:
        if given["carrier_name"] is None:
            raise BadTracking("carrier_name: must not be null for an unregistered carrier")
        name, url = given["carrier_name"], given[url_name]
    else:
        if code not in _URLS:
            raise BadTracking(f"carrier_code: there is no carrier with code '{code[:60]}'")
        if number is None:
            raise BadTracking("tracking_number: must not be null for a registered carrier")
        name, url = _URLS[code]
        url = url.replace("{trackingId}", number)
    return _without_none(
        {
            "carrier_code": code,
            "carrier_name": name,
            "carrier_standard_code": given["carrier_standard_code"],
            "tracking_number": number,
            "tracking_url": url,
        }
    )
