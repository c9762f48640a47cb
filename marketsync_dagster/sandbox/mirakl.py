"""Mirakl's seller API: who may call which shop, how often, and what is where.

Contract section 6; `mirakl_calls` answers, `mirakl_imports` carries out; orders are
`mirakl_orders_calls`. A further part of the API is one more table of routes.
"""

from __future__ import annotations

import math
import re
from typing import Any
from urllib.parse import unquote

from marketsync_dagster.sandbox import (
    mirakl_calls,
    mirakl_clock,
    mirakl_limits,
    mirakl_orders_calls,
)
from marketsync_dagster.sandbox.mirakl_pages import INT64, BadParameter, Query, query_of
from marketsync_dagster.sandbox.mirakl_requests import MOUNT, Call, Refused, error
from marketsync_dagster.sandbox.mirakl_shops import Shop
from marketsync_dagster.sandbox.shown import MIRAKL
from marketsync_dagster.sandbox.tampering import Tampering
from marketsync_dagster.sandbox.wire import Answer, Caller, Request
from marketsync_dagster.sandbox.world import World

__all__ = ["CHANNEL", "MOUNT", "caller_of", "error", "handle", "key_of"]

CHANNEL = MIRAKL

ROUTES = tuple(
    (method, re.compile(pattern), code, answer)
    for method, pattern, code, answer in (*mirakl_calls.ROUTES, *mirakl_orders_calls.ROUTES)
)


def key_of(world: World, request: Request) -> str | None:
    """The key that a request carries, if it is one of a shop: raw, without any word before it."""
    key = request.header("authorization")
    return key if key in world.mirakl.by_key else None


def caller_of(world: World, request: Request) -> Caller:
    """The key that a request carries and the shop that it is for, if they can be told."""
    key = key_of(world, request)
    try:
        shop = _shop(world, request, query_of(request))
    except (Refused, BadParameter):
        return Caller(owner=key)
    return Caller(shop, key, str(shop.shop_id))


def _shop(world: World, request: Request, query: Query) -> Shop:
    key = key_of(world, request)
    if key is None:
        raise Refused(401, "UNAUTHORIZED", "Unauthorized")
    own = world.mirakl.by_key[key]
    shop_id = query.whole("shop_id", own[0], INT64, -INT64)
    if shop_id not in world.mirakl.shops:
        raise Refused(404, "SHOP_NOT_FOUND", f"Shop with identifier {shop_id} not found")
    if shop_id not in own:
        raise Refused(403, "FORBIDDEN", f"Access to shop {shop_id} is denied")
    return world.mirakl.shops[shop_id]


def handle(world: World, request: Request, caller: Caller, tampering: Tampering) -> Answer:
    """Answer one request under `/mirakl/api`."""
    mirakl_clock.advance(world)
    try:
        query = query_of(request)
        shop = _shop(world, request, query)
        if world.is_refused(MIRAKL, caller.owner or ""):
            raise Refused(401, "UNAUTHORIZED", "Unauthorized")
    except Refused as fault:
        return error(fault.status, fault.code, str(fault))
    except BadParameter as fault:
        return error(400, "BAD_REQUEST", str(fault))
    # as it was sent: a slash that is escaped belongs to an id
    path, allowed = request.raw_path.removeprefix(MOUNT), []
    for method, pattern, code, answer in ROUTES:
        match = pattern.fullmatch(path)
        if match is None:
            continue
        if method == request.method:
            named = {name: unquote(value) for name, value in match.groupdict().items()}
            call = Call(world, request, shop, code, query, tampering, named)
            answered = _over_quota(call) or _answered(call, answer)
            mirakl_limits.count(world.mirakl, shop.shop_id, code, answered.status)
            return answered
        allowed.append(method)
    if not allowed:
        return error(404, "NOT_FOUND", "No such resource")
    answered = error(405, "METHOD_NOT_ALLOWED", f"{request.method[:20]} is not supported here")
    answered.headers.append((b"allow", ", ".join(allowed).encode()))
    return answered


def _answered(call: Call, answer: Any) -> Answer:
    try:
        return answer(call)
    except Refused as fault:
        return error(fault.status, fault.code, str(fault))
    except BadParameter as fault:
        return error(400, "BAD_REQUEST", str(fault))


def _over_quota(call: Call) -> Answer | None:
    world = call.world
    if not world.settings.quota:
        return None
    family = mirakl_limits.family_of(call.code, call.query)
    wait = mirakl_limits.wait_of(world.mirakl, call.shop, family, world.now())
    if wait is None:
        return None
    return too_many(math.ceil(wait), world.settings.retry_after or "header")


def too_many(seconds: int, where: str) -> Answer:
    """A 429 that says when to come back, in the header if nobody wants it otherwise."""
    more = {"retry_after": seconds} if where in ("body", "both") else {}
    answer = error(429, "TOO_MANY_REQUESTS", "Too many requests in the last hour", **more)
    if where in ("header", "both"):
        answer.headers.append((b"retry-after", str(seconds).encode()))
    return answer
