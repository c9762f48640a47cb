"""What Mirakl shows: offers, products, the shop, and the operator's small lists.

Every field that the official document requires is there. Where it requires a number and nothing was
said, an offer shows 1 (least order, package) or 0 (alert, most that can be ordered: no limit).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from marketsync_dagster.sandbox.mirakl_fields import Offer
from marketsync_dagster.sandbox.mirakl_prices import Prices, moment, prices_of
from marketsync_dagster.sandbox.mirakl_shops import MarketProduct, Shop
from marketsync_dagster.sandbox.mirakl_state import MiraklState

LABELS = {"S": "Small", "M": "Medium", "L": "Large"}
REASONS = (
    ("1", "Item not received", "INCIDENT_OPEN", False),
    ("10", "Replacement item received", "INCIDENT_CLOSE", False),
    ("15", "Out of stock", "REFUND", True),
    ("26", "Other question", "ORDER_MESSAGING", True),
    ("34", "Cancelled by the client prior to shipping", "CANCELATION", True),
)
CARRIERS = (
    ("DHL", "DHL", "http://www.dhl.example/tracking?AWB={trackingId}"),
    ("FARGO", "Fargo Courier", "https://fargo.example/track/{trackingId}"),
    ("G4S", "G4S", "https://g4s.example/track/{trackingId}"),
)


def iso(at: float) -> str:
    """`2026-11-21T06:30:00Z`."""
    return datetime.fromtimestamp(int(at), UTC).isoformat()[:-6] + "Z"


def _without_none(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}


def _priced(prices: Prices, channel: str | None) -> dict[str, Any]:
    lower = prices.discount if prices.discount is not None else prices.origin
    first = {"quantity_threshold": 1, "price": prices.now, "unit_origin_price": prices.origin}
    first["unit_discount_price"] = lower
    return _without_none(
        {
            "channel_code": channel,
            "discount_start_date": iso(prices.start) if prices.start is not None else None,
            "discount_end_date": iso(prices.end) if prices.end is not None else None,
            "price": prices.now,
            "unit_discount_price": prices.discount,
            "unit_origin_price": prices.origin,
            "volume_prices": [
                first,
                *(
                    {
                        "quantity_threshold": number,
                        "price": price,
                        "unit_origin_price": price,
                        "unit_discount_price": price,
                    }
                    for number, price in prices.ranges
                ),
            ],
        }
    )


def _discount(offer: Offer, prices: Prices) -> dict[str, Any] | None:
    given = offer.value("discount")
    if not given:
        return None
    return _without_none(
        {
            "discount_price": given.get("price"),
            "origin_price": prices.origin,
            "start_date": iso(prices.start) if prices.start is not None else None,
            "end_date": iso(prices.end) if prices.end is not None else None,
            "ranges": given.get("ranges") or [],
        }
    )


def _channel_prices(offer: Offer, now: float) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for entry in offer.value("all_prices") or []:
        if entry["channel_code"] is not None and entry["unit_origin_price"] is not None:
            alone = {**entry, "channel_code": None}
            prices = prices_of(Offer("", "", offer.price, {"all_prices": [alone]}), now)
            found.append(_priced(prices, entry["channel_code"]))
    return found


def _inactive(offer: Offer, now: float) -> list[str]:
    """Why an offer cannot be bought; empty if it can."""
    found = [] if offer.quantity > 0 else ["ZERO_QUANTITY"]
    began, ended = offer.value("available_started"), offer.value("available_ended")
    if (began and moment(began) > now) or (ended and moment(ended) <= now):
        found.append("NOT_IN_AVAILABILITY_PERIOD")
    return found


def _lead_time(offer: Offer, shop: Shop) -> int:
    given = offer.value("leadtime_to_ship")
    if given is None:
        return shop.leadtime_to_ship
    return given if given or not shop.leadtime_to_ship else 1


def references_of(product: MarketProduct | None) -> list[dict[str, str]]:
    """By which references a product is known."""
    known = product.references if product is not None else ()
    return [{"reference_type": kind, "reference": value} for kind, value in known]


def offer_document(state: MiraklState, shop: Shop, offer: Offer, now: float) -> dict[str, Any]:
    """One offer as OF21 shows it."""
    product, prices = state.products.get(offer.product_sku), prices_of(offer, now)
    reasons, days = _inactive(offer, now), _lead_time(offer, shop)
    logistic = offer.value("logistic_class") or shop.logistic_class
    priced = _priced(prices, None)
    return _without_none(
        {
            "active": not reasons,
            "all_prices": [priced, *_channel_prices(offer, now)],
            "allow_quote_requests": offer.value("allow_quote_requests"),
            "applicable_pricing": priced,
            "available_start_date": _date(offer.value("available_started")),
            "available_end_date": _date(offer.value("available_ended")),
            "category_code": product.category_code if product is not None else "",
            "category_label": product.category_label if product is not None else "",
            "channels": [],
            "currency_iso_code": shop.currency,
            "description": offer.value("description") or "",
            "discount": _discount(offer, prices),
            "fulfillment": {"center": {"code": "DEFAULT"}},
            "inactivity_reasons": reasons or None,
            "internal_description": offer.value("internal_description"),
            "leadtime_to_ship": days,
            "logistic_class": {"code": logistic, "label": LABELS.get(logistic, logistic)},
            "max_order_quantity": offer.value("max_order_quantity") or 0,
            "min_order_quantity": offer.value("min_order_quantity") or 1,
            "min_quantity_alert": offer.value("min_quantity_alert") or 0,
            "min_shipping_price": shop.min_shipping_price,
            "min_shipping_price_additional": 0,
            "min_shipping_type": "STD",
            "min_shipping_zone": "LOCAL",
            "msrp": offer.value("msrp"),
            "offer_additional_fields": [
                {"code": str(entry.get("code")), "type": "STRING", "value": str(entry.get("value"))}
                for entry in offer.value("offer_additional_fields") or []
            ],
            "offer_id": offer.offer_id,
            "package_quantity": offer.value("package_quantity") or 1,
            "price": prices.now,
            "price_additional_info": offer.value("price_additional_info"),
            "product_brand": product.brand if product is not None else None,
            "product_references": references_of(product),
            "product_sku": offer.product_sku,
            "product_tax_code": offer.value("product_tax_code"),
            "product_title": product.title if product is not None else "",
            "quantity": offer.quantity,
            "shipping_deadline": iso(now + 86_400 * days),
            "shop_sku": offer.shop_sku,
            "state_code": offer.value("state_code"),
            "total_price": prices.now + shop.min_shipping_price,
            "warehouses": [
                {"code": code, "quantity": quantity} for code, quantity in offer.warehouses.items()
            ]
            or None,
        }
    )


def _date(text: str | None) -> str | None:
    return None if text is None else iso(moment(text))


def account_document(state: MiraklState, shop: Shop, now: float) -> dict[str, Any]:
    """The shop as A01 shows it."""
    created, city = iso(1_700_000_000), "Nairobi"
    return {
        "billing_info": {},
        "channels": [],
        "contact_informations": {
            "city": city,
            "country": "KEN",
            "email": f"shop{shop.shop_id}@example.com",
            "lastname": "Example",
            "street1": "1 Example Road",
        },
        "currency_iso_code": shop.currency,
        "date_created": created,
        "default_billing_information": {
            "default_language": "en",
            "id": "00000000-0000-4000-8000-000000000001",
            "registration_address": {
                "city": city,
                "country_iso_code": "KEN",
                "street_1": "1 Example Road",
            },
        },
        "domains": ["PRODUCT"],
        "evaluations_count": 0,
        "free_shipping": False,
        "is_professional": True,
        "last_updated_date": created,
        "model": "MARKETPLACE",
        "offers_count": sum(
            not _inactive(offer, now) for offer in state.offers[shop.shop_id].values()
        ),
        "orders_count": len(state.orders.by_shop.get(shop.shop_id, ())),
        "payment_details": {"paid_balance": 0, "payable_balance": 0, "pending_balance": 0},
        "payment_method_mandatory": False,
        "premium": False,
        "pro_details": {},
        "shipping": {"lead_time_to_ship": shop.leadtime_to_ship},
        "shipping_types": ["STD"],
        "shipping_zones": ["LOCAL"],
        "shop_additional_fields": [],
        "shop_id": shop.shop_id,
        "shop_name": shop.name,
        "shop_state": "OPEN",
    }


def reasons_document() -> dict[str, Any]:
    """RE01."""
    names = ("code", "label", "type", "is_shop_right")
    reasons = [dict(zip(names, reason, strict=True)) for reason in REASONS]
    return {"reasons": reasons, "total_count": len(reasons)}


def carriers_document() -> dict[str, Any]:
    """SH21."""
    names = ("code", "label", "tracking_url")
    return {"carriers": [dict(zip(names, carrier, strict=True)) for carrier in CARRIERS]}


def states_document(shop: Shop) -> dict[str, Any]:
    """OF61."""
    states = [{"code": code, "label": label} for code, label in shop.states.items()]
    return {"offer_states": states, "total_count": len(states)}
