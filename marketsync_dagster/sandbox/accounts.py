"""What a seed can say: Tracker KE accounts and products; Pasons stores are `pasons_store`.

Each `*_from` reads one JSON object, strictly: an unknown key or a wrong type is a SeedError that
names it, because a test with a misspelt seed tests nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from marketsync_dagster.sandbox.wire import write_json

PLANS: dict[str, tuple[int, int | None, int | None]] = {
    # contract 2.4: items per batch, requests per minute, requests per hour
    "demo": (10, 10, 100),
    "standard": (100, 60, 1_000),
    "premium": (500, 300, 10_000),
    "unlimited": (500, None, None),
}
SCOPES = frozenset({"products:read", "products:write", "prices:write"})
SIGNING = ("none", "tracker_doc", "canonical_v1")
RETRY_AFTER = ("body", "header", "both", "none")


class SeedError(ValueError):
    """A seed that cannot be meant; the message names the place."""


@dataclass(slots=True)
class TrackerAccount:
    """One API key of Tracker KE."""

    api_key: str
    supermarket_id: str
    secrets: tuple[str, ...]
    plan: str
    signing: str
    scopes: frozenset[str]
    demo: bool
    max_items: int
    per_minute: int | None
    per_hour: int | None
    retry_after: str
    rate_headers: bool
    document: dict[str, Any]
    """The seed it was made from, merged: what a state file keeps."""


@dataclass(slots=True)
class Product:
    """One product of Tracker KE's shared catalogue."""

    id: str
    name: str
    category: str | None = None
    brand: str | None = None
    barcode: str | None = None
    unit_size: str | None = None
    image: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    demo: bool = False


class Reader:
    """Takes typed values out of one seed object and notices what nobody asked for."""

    def __init__(self, document: Any, place: str) -> None:
        if not isinstance(document, dict):
            raise SeedError(f"{place}: an object was expected")
        self._document: dict[str, Any] = document
        self._place = place
        self._known: set[str] = set()

    def take(self, name: str, kinds: type | tuple[type, ...], default: Any) -> Any:
        self._known.add(name)
        value = self._document.get(name, default)
        if value is default:
            return value
        kinds_tuple = kinds if isinstance(kinds, tuple) else (kinds,)
        if not isinstance(value, kinds_tuple) or (
            isinstance(value, bool) and bool not in kinds_tuple
        ):
            raise SeedError(f"{self._place}.{name}: {write_json(value)[:60]!r} does not fit")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        value = self.take(name, str, default)
        if not value and default is None:
            raise SeedError(f"{self._place}.{name}: is missing")
        return value

    def optional(self, name: str) -> str | None:
        return self.take(name, (str, type(None)), None)

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        value = str(self.take(name, (str, int), default))
        if value not in choices:
            raise SeedError(f"{self._place}.{name}: {value!r} is none of {', '.join(choices)}")
        return value

    def number(self, name: str, default: int | None) -> int | None:
        value = self.take(name, (int, type(None)), default)
        if value is not None and value < 0:
            raise SeedError(f"{self._place}.{name}: must not be negative")
        return value

    def finish(self) -> None:
        unknown = sorted(set(self._document) - self._known)
        if unknown:
            raise SeedError(f"{self._place}: unknown key {unknown[0]!r}")


def account_from(document: Any, place: str) -> TrackerAccount:
    """One `tracker_ke.accounts` entry."""
    reader = Reader(document, place)
    plan = reader.choice("plan", tuple(PLANS), "standard")
    max_items, per_minute, per_hour = PLANS[plan]
    secrets = (reader.optional("api_secret"), reader.optional("previous_secret"))
    signing = reader.choice("signing", SIGNING, "none")
    if signing != "none" and not any(secrets):
        raise SeedError(f"{place}.api_secret: is missing, and {signing} needs it")
    scopes = reader.take("scopes", list, sorted(SCOPES))
    if not all(isinstance(scope, str) for scope in scopes):
        raise SeedError(f"{place}.scopes: texts were expected")
    account = TrackerAccount(
        api_key=reader.text("api_key"),
        supermarket_id=reader.text("supermarket_id"),
        secrets=tuple(secret for secret in secrets if secret),
        plan=plan,
        signing=signing,
        scopes=frozenset(scopes),
        demo=reader.take("demo", bool, False),
        max_items=reader.number("max_items", max_items) or max_items,
        per_minute=reader.number("per_minute", per_minute),
        per_hour=reader.number("per_hour", per_hour),
        retry_after=reader.choice("retry_after", RETRY_AFTER, "body"),
        rate_headers=reader.take("rate_headers", bool, False),
        document=dict(document),
    )
    reader.finish()
    return account


def product_from(document: Any, place: str) -> tuple[Product, dict[str, Any]]:
    """One `tracker_ke.products` entry, and the prices it is to show: supermarket -> price."""
    reader = Reader(document, place)
    product = Product(
        id=reader.text("id"),
        name=reader.text("name"),
        category=reader.optional("category"),
        brand=reader.optional("brand"),
        barcode=reader.optional("barcode"),
        unit_size=reader.optional("unit_size"),
        image=reader.optional("image"),
        attributes=reader.take("attributes", dict, {}),
        demo=reader.take("demo", bool, False),
    )
    prices = reader.take("prices", dict, {})
    reader.finish()
    return product, prices
