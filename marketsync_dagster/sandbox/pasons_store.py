"""What a seed can say of a Pasons store: everything that its contract leaves open.

How requests are checked against it is `pasons`; how it answers is `pasons_answers`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from marketsync_dagster.sandbox.accounts import RETRY_AFTER, Reader, SeedError

SCHEMES = ("bearer", "header", "basic", "none")
VARIANTS = ("default", "207", "204", "drop_silently")
RESULTS = ("rejected", "all")
PRICE_TYPES = ("number", "string", "minor_units")
STOCK_TYPES = ("int01", "bool", "enum")
PLACES = ("path", "header", "query", "body", "row")
METHODS = ("POST", "PUT", "PATCH")
FIELDS = ("sku", "selling_price", "stock_status")
MOUNT = "/pasons"
ENDPOINT = "/v1/inventory"
COUNTS = {"received": "received", "accepted": "accepted", "rejected": "rejected"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """How a store answers: the keys of `answer` in its seed."""

    status: int = 200
    partial_status: int | None = None
    """When some items were not taken."""
    empty: bool = False
    """No body at all."""
    under: str = ""
    """The object, names joined by dots, that holds everything."""
    items: str | None = "results"
    """The list of results; "": the answer is the list; null: there is none."""
    shape: str = "list"
    """list; map: an object by SKU; ids: the SKUs alone."""
    only: str = "rejected"
    key: str | None = "sku"
    index: str | None = "index"
    index_base: int = 0
    state: str | None = "status"
    applied: Any = "accepted"
    refused: Any = "rejected"
    retryable: Any = "rejected"
    error: str | None = "error"
    form: str = "object"
    """object: code and message; text: the message; flat: the code stands beside, as `code`."""
    code: str = "code"
    applied_items: str | None = None
    counts: dict[str, str] | None = None
    always: dict[str, Any] | None = None
    """Stands in every answer."""
    reversed: bool = False
    atomic: int | None = None
    """The status when one bad item refuses all."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What tells the request of a full push from others."""

    method: str
    path: str
    headers: dict[str, str]
    query: dict[str, str]
    constants: dict[str, Any]


@dataclass(slots=True)
class PasonsStore:
    """One store of Pasons."""

    store_id: str
    api_key: str
    scheme: str
    header: str
    prefix: str
    username: str
    api_secret: str
    secret_header: str
    method: str
    path: str
    """Below /pasons; `{store_id}` is filled in."""
    ping: str
    """Another path that answers GET and HEAD to who has the key; empty: none."""
    store_in: str
    store_name: str
    headers: dict[str, str]
    query: dict[str, str]
    constants: dict[str, Any]
    row_constants: dict[str, Any]
    strict: bool
    """Nothing may be sent but what the contract names; content type and decimals are checked."""
    skus: frozenset[str] | None
    """What the store lists; None takes any SKU."""
    busy: frozenset[str]
    """SKUs that are refused for now."""
    closed: int | None
    """The status by which everything is refused; None: the store is open."""
    fields: dict[str, str]
    nested: bool
    """A name has a dot: rows are nested objects."""
    price_type: str
    decimals: int
    currency: str
    stock_type: str
    stock_words: dict[str, int]
    enum_numbers: bool
    envelope: str | None
    variant: str
    results: str
    answer: Speech
    full_push: str
    full: Marks | None
    """With `replace`; None: every request replaces."""
    empty_status: int | None
    """What an empty array is answered with, else as any push."""
    readable: bool
    max_items: int
    max_bytes: int
    per_minute: int | None
    retry_after: str
    document: dict[str, Any]

    def paths(self) -> tuple[str, ...]:
        """Every path that is this store's."""
        full = (self.full.path,) if self.full is not None else ()
        return (self.path, *full, *((self.ping,) if self.ping else ()))


def store_from(document: Any, place: str) -> tuple[PasonsStore, dict[str, Any]]:
    """One `pasons.stores` entry, and the listings it is to show: SKU -> price."""
    reader = Reader(document, place)
    scheme = reader.choice("scheme", SCHEMES, "bearer")
    skus = reader.take("skus", (list, str), "any")
    if skus != "any" and (isinstance(skus, str) or not all(isinstance(s, str) for s in skus)):
        raise SeedError(f'{place}.skus: a list of texts or "any" was expected')
    renamed = reader.take("fields", dict, {})
    allowed = {*FIELDS, "currency"}
    if set(renamed) - allowed or not all(isinstance(n, str) and n for n in renamed.values()):
        raise SeedError(f"{place}.fields: renames {', '.join(FIELDS)} only")
    words = reader.take("enum", dict, {"IN_STOCK": 1, "OUT_OF_STOCK": 0})
    if not all(value in (0, 1, 2) for value in words.values()):
        raise SeedError(f"{place}.enum: maps each word to 2, 1 or 0")
    store_id = reader.text("store_id")
    variant = reader.choice("variant", VARIANTS, "default")
    results = reader.choice("results", RESULTS, "rejected")
    named = {name: name for name in FIELDS} | renamed
    row_constants = reader.take("row_constants", dict, {})
    path = _filled(reader.text("path", "/{store_id}" + ENDPOINT), store_id)
    method = reader.choice("method", METHODS, "POST")
    store_in = reader.choice("store_in", PLACES, "path")
    store_name = reader.text("store_name", "store_id")
    in_row = [store_name] if store_in == "row" else []
    store = PasonsStore(
        store_id=store_id,
        api_key=reader.text("api_key", "" if scheme == "none" else None),
        scheme=scheme,
        header=reader.text("header", "X-API-Key").lower(),
        prefix=reader.text("prefix", ""),
        username=reader.text("username", "marketsync"),
        api_secret=reader.text("api_secret", ""),
        secret_header=reader.text("secret_header", "X-API-Secret").lower(),
        method=method,
        path=path,
        ping=_filled(reader.text("ping", ""), store_id),
        store_in=store_in,
        store_name=store_name,
        headers=_lower(reader.take("headers", dict, {})),
        query=reader.take("query", dict, {}),
        constants=reader.take("constants", dict, {}),
        row_constants=row_constants,
        strict=reader.take("strict", bool, False),
        skus=None if skus == "any" else frozenset(skus),
        busy=frozenset(reader.take("busy", list, [])),
        closed=reader.number("closed", None),
        fields=named,
        nested=any("." in name for name in (*named.values(), *row_constants, *in_row)),
        price_type=reader.choice("price_type", PRICE_TYPES, "number"),
        decimals=reader.number("decimals", 2) or 0,
        currency=reader.text("currency", ""),
        stock_type=reader.choice("stock_type", STOCK_TYPES, "int01"),
        stock_words=words,
        enum_numbers=reader.take("enum_numbers", bool, False),
        envelope=reader.optional("envelope"),
        variant=variant,
        results=results,
        answer=_speech(reader.take("answer", dict, {}), variant, results, f"{place}.answer"),
        full_push=reader.choice("full_push", ("upsert", "replace"), "upsert"),
        full=_marks(reader.take("full", (dict, type(None)), None), method, path, store_id),
        empty_status=reader.number("empty_status", None),
        readable=reader.take("readable", bool, False),
        max_items=reader.number("max_items", 500) or 500,
        max_bytes=reader.number("max_bytes", 262_144) or 262_144,
        per_minute=reader.number("per_minute", None),
        retry_after=reader.choice("retry_after", RETRY_AFTER, "header"),
        document=dict(document),
    )
    shown = reader.take("shown", dict, {})
    reader.finish()
    return store, shown


def _filled(path: str, store_id: str) -> str:
    return path.replace("{store_id}", store_id)


def _lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _speech(document: dict[str, Any], variant: str, results: str, place: str) -> Speech:
    """The answer's form; `variant` and `results` are its two oldest switches."""
    given: dict[str, Any] = {"only": results, "counts": COUNTS, **document}
    if variant == "207":
        given.setdefault("partial_status", 207)
    if variant == "204":
        given |= {"status": 204, "empty": True}
    if variant == "drop_silently":
        given |= {"items": None, "counts": None}
    unknown = sorted(set(given) - {field.name for field in fields(Speech)})
    if unknown:
        raise SeedError(f"{place}: unknown key {unknown[0]!r}")
    return Speech(**given)


def _marks(document: dict[str, Any] | None, method: str, path: str, store_id: str) -> Marks | None:
    if document is None:
        return None
    return Marks(
        method=document.get("method", method),
        path=_filled(document.get("path", path), store_id),
        headers=_lower(document.get("headers", {})),
        query=document.get("query", {}),
        constants=document.get("constants", {}),
    )
