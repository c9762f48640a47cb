"""Is the key good, and is it the shop that is meant? (contract section 6.2)

V01 says whether the platform is up; A01 proves the key and tells of the shop, and may be asked for
once a day. What it told is remembered (`base.Memory`); on the same day one page of offers proves
the key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from marketsync_dagster.platforms.answers import Readable
from marketsync_dagster.platforms.base import Answer, Call, ConnectionResult, Memory
from marketsync_dagster.platforms.bodies import lookup
from marketsync_dagster.platforms.mirakl.offers import OFFERS, Pairs
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.redact import mask
from marketsync_dagster.values.times import from_iso, to_iso

VERSION, ACCOUNT = "/version", "/account"
ONCE_A = timedelta(days=1)
"""How often A01 may be called."""

Fetch = Callable[[str, Pairs], Awaitable[Answer | Readable]]
Reach = Callable[[str], Awaitable[Answer | Call]]
"""A call of which only the status counts: the call, or what went wrong with it."""


@dataclass(frozen=True, slots=True, repr=False)
class Wanted:
    """What an account is configured to be."""

    name: str
    key: str
    key_hint: str
    place: str
    """Of the API, to tell what was remembered of another one."""
    shop_id: int | None
    currencies: tuple[str, ...]
    """Of the outlets that are listed in the shop."""


@dataclass(frozen=True, slots=True)
class Shop:
    """What A01 told."""

    shop_id: int | None
    name: str
    currency: str
    state: str


async def test_connection(
    wanted: Wanted, reach: Reach, fetch: Fetch, memory: Memory | None, now: datetime
) -> ConnectionResult:
    """Prove the key by as few calls as the platform allows."""
    reached = await reach(VERSION)
    if isinstance(reached, Answer):
        return _failed(wanted, reached, [reached.call])
    calls = [reached]
    shop = _remembered(wanted, memory, now)
    if shop is None:
        said = await fetch(ACCOUNT, ())
        calls.append(said.call)
        if isinstance(said, Readable):
            shop = _shop_of(said)
            if shop is None:
                message = "the answer is not a shop; is base_url right?"
                return _failed(wanted, Answer(said.call, message=message), calls)
            _remember(wanted, memory, shop, now)
            return _judged(wanted, shop, calls)
        if said.call.status != 429:
            return _failed(wanted, said, calls)
    said = await fetch(OFFERS, (("max", "1"),))
    calls.append(said.call)
    if not isinstance(said, Readable):
        return _failed(wanted, said, calls)
    if not isinstance(lookup(said.document, "offers"), list):
        message = "the answer is not a page of offers; is base_url right?"
        return _failed(wanted, Answer(said.call, message=message), calls)
    if shop is None:
        message = "the key works; the platform tells of the shop once a day, and has today"
        return ConnectionResult(True, message, key=mask(wanted.key), calls=calls)
    return _judged(wanted, shop, calls)


def _shop_of(said: Readable) -> Shop | None:
    document, clean = said.document, said.clean
    name, currency = lookup(document, "shop_name"), lookup(document, "currency_iso_code")
    shop_id, state = lookup(document, "shop_id"), lookup(document, "shop_state")
    if not isinstance(name, str) or not isinstance(currency, str):
        return None
    number = isinstance(shop_id, int) and not isinstance(shop_id, bool)
    state = state if isinstance(state, str) else ""
    return Shop(shop_id if number else None, clean(name, 100), clean(currency, 10), clean(state))


def _judged(wanted: Wanted, shop: Shop, calls: list[Call]) -> ConnectionResult:
    """Whether the shop is the one that is meant."""
    state = shop.state.lower() or "state unknown"
    words = f"shop {shop.shop_id} {shop.name}, {shop.currency}, {state}"
    problem = step = ""
    at = f"accounts.{wanted.name}"
    if wanted.shop_id is not None and shop.shop_id not in (None, wanted.shop_id):
        problem = f"the key speaks for another shop than {wanted.shop_id}"
        step = f"check shop_id of {at}"
    elif any(currency != shop.currency for currency in wanted.currencies):
        problem = f"the outlets' prices are in {', '.join(wanted.currencies)}"
        step = f"check currency of the outlets that are listed on {wanted.name}, and {at}.shop_id"
    elif shop.state in ("SUSPENDED", "TERMINATED"):
        problem = "the operator has closed the shop"
        step = "ask the operator of the marketplace"
    message = f"{problem}: {words}" if problem else f"the key works; {words}"
    return ConnectionResult(not problem, message, step, key=mask(wanted.key), calls=calls)


def _failed(wanted: Wanted, said: Answer, calls: list[Call]) -> ConnectionResult:
    if said.outcome is Outcome.AUTH_FAILED:
        step = f"set a valid key: {wanted.key_hint}"
    elif said.call.status is None:
        step = "start the sandbox (marketsync sandbox), or check base_url and the network"
    elif said.call.status in (403, 404):
        step = f"check base_url (it ends in /api) and shop_id of accounts.{wanted.name}"
    else:
        step = f"check base_url of accounts.{wanted.name} and the rights of the key"
    return ConnectionResult(False, said.message, step, key=mask(wanted.key), calls=calls)


# --- what A01 told is remembered for a day


def _slot(wanted: Wanted) -> str:
    return f"mirakl_account/{wanted.name}"


def _fingerprint(wanted: Wanted) -> str:
    """Tells one key, shop and place from others; too short to find the key by."""
    text = f"{wanted.place}|{wanted.shop_id}|{wanted.key}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _remember(wanted: Wanted, memory: Memory | None, shop: Shop, now: datetime) -> None:
    if memory is not None:
        said = {"of": _fingerprint(wanted), "at": to_iso(now), "shop": shop}
        memory.keep(_slot(wanted), orjson.dumps(said).decode())


def _remembered(wanted: Wanted, memory: Memory | None, now: datetime) -> Shop | None:
    text = memory.recall(_slot(wanted)) if memory is not None else None
    if text is None:
        return None
    said: dict[str, Any] = orjson.loads(text)
    # what a clock has put into the future holds no longer than a day either
    if said["of"] != _fingerprint(wanted) or abs(now - from_iso(said["at"])) >= ONCE_A:
        return None
    return replace(Shop(None, "", "", ""), **said["shop"])
