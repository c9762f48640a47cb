"""How often Mirakl may be called: so many seconds between two calls of a kind, so many in an hour.

Contract 6.3 and 12.3. Refused calls do not count for the interval; they do for the hour, so that
one more call makes the ban longer.
"""

from __future__ import annotations

from collections import Counter, deque

from marketsync_dagster.sandbox.mirakl_pages import Query
from marketsync_dagster.sandbox.mirakl_shops import Shop
from marketsync_dagster.sandbox.mirakl_state import MiraklState

HOUR = 3_600.0


def family_of(code: str, query: Query) -> str | None:
    """As which call one counts for its interval; None: as none. One pull of orders is one call,
    however many pages it has, and orders may be asked for by name at any time (our choice)."""
    if code == "OR11" and (query.one("order_ids") or query.one("offset") not in (None, "0")):
        return None
    return code


def wait_of(state: MiraklState, shop: Shop, code: str | None, now: float) -> float | None:
    """Count one call, or say how many seconds until one would be served."""
    waits = [_beyond_the_hour(state, shop, now), _too_soon(state, shop, code, now)]
    longest = max(waits)
    if longest > 0:
        return longest
    if code is not None:
        state.served[(shop.shop_id, code)] = now
    return None


def count(state: MiraklState, shop_id: int, code: str, status: int) -> None:
    """Count an answer by call and, unless it was served, by status."""
    calls = state.calls.setdefault(shop_id, Counter())
    calls[code if status < 400 else f"{code} {status}"] += 1


def _beyond_the_hour(state: MiraklState, shop: Shop, now: float) -> float:
    if shop.hour_limit is None:
        return 0.0
    calls = state.hours.setdefault(shop.shop_id, deque())
    while calls and calls[0] <= now - HOUR:
        calls.popleft()
    calls.append(now)
    if len(calls) <= shop.hour_limit:
        return 0.0
    # a place is free again once only one call less than may be is within the hour
    return calls[len(calls) - max(1, shop.hour_limit)] + HOUR - now


def _too_soon(state: MiraklState, shop: Shop, code: str | None, now: float) -> float:
    if code is None:
        return 0.0
    interval = shop.intervals.get(code)
    last = state.served.get((shop.shop_id, code))
    return 0.0 if interval is None or last is None else last + interval - now
