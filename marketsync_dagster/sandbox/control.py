"""The control API under `/__sandbox__`: seeds, scenarios, and what the platforms show.

For tests, the demo and people; no platform has anything like it. Every error is a 400 with
`{"error": {"message": ...}}`.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from marketsync_dagster.sandbox import (
    mirakl_clock,
    mirakl_control,
    mirakl_orders_control,
    qikink_control,
)
from marketsync_dagster.sandbox.accounts import RETRY_AFTER, SeedError
from marketsync_dagster.sandbox.faults import check_action
from marketsync_dagster.sandbox.parts import CHANNELS
from marketsync_dagster.sandbox.scenarios import ScenarioError, path_fits
from marketsync_dagster.sandbox.wire import Malformed, read_json, write_json
from marketsync_dagster.sandbox.world import World

PREFIX = "/__sandbox__"
MAX_CONTROL_BODY = 256 * 1024 * 1024

Handler = Callable[[World, Request], Awaitable[Any]]


class BadControl(ValueError):
    """A control request that cannot be meant."""


def _reply(data: Any, status: int = 200) -> Response:
    return Response(write_json(data), status, media_type="application/json")


def _route(world: World, path: str, **handlers: Handler) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            mirakl_clock.advance(world)  # what is due by the clock is in effect for whoever looks
            return _reply(await handlers[request.method.lower()](world, request))
        except (BadControl, SeedError, ScenarioError, Malformed) as fault:
            return _reply({"error": {"message": str(fault)}}, 400)

    return Route(PREFIX + path, endpoint, methods=[name.upper() for name in handlers])


def control_application(world: World) -> Starlette:
    """The control API of one world."""

    async def unknown(request: Request, _: Exception) -> Response:
        return _reply({"error": {"message": f"no {request.method} {request.url.path}"}}, 404)

    return Starlette(
        routes=[
            _route(world, "/health", get=_health),
            _route(world, "/seed", post=_seed),
            _route(world, "/scenarios", get=_list, post=_add, delete=_clear),
            _route(world, "/scenarios/{id:int}", delete=_remove),
            _route(world, "/restore", post=_restore),
            _route(world, "/requests", get=_requests),
            _route(world, "/state", get=_state),
            _route(world, "/history", get=_history),
            _route(world, "/catalog", get=_catalog),
            _route(world, "/mirakl/shops", get=mirakl_control.shops),
            _route(world, "/mirakl/offers", get=mirakl_control.offers, post=_change_offers),
            _route(world, "/mirakl/imports", get=mirakl_control.imports),
            _route(world, "/mirakl/calls", get=mirakl_control.calls),
            _route(world, "/mirakl/orders", get=mirakl_orders_control.orders, post=_add_orders),
            _route(world, "/mirakl/orders/generate", post=_generate_orders),
            _route(world, "/mirakl/orders/{id:path}", post=_change_order),
            _route(
                world,
                "/qikink/orders",
                get=qikink_control.orders,
                post=_given(qikink_control.add_orders),
            ),
            _route(world, "/qikink/orders/{id}", post=_change_qikink_order),
            _route(world, "/qikink/advance", post=_given(qikink_control.advance)),
            _route(world, "/qikink/tokens", post=_given(qikink_control.kill_tokens)),
            _route(world, "/qikink/products", get=qikink_control.products),
            _route(world, "/clock", get=_clock, post=_set_clock),
            _route(world, "/settings", get=_settings, post=_set_settings),
            _route(world, "/reset", post=_reset),
        ],
        exception_handlers={404: unknown, 405: unknown},
    )


async def _body(request: Request, exact: bool = False) -> Any:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > MAX_CONTROL_BODY:
            raise BadControl("the body is too large")
    body = b"".join(parts)
    if exact:
        return read_json(body)
    try:
        return orjson.loads(body) if body else {}
    except orjson.JSONDecodeError as fault:
        raise BadControl(f"not valid JSON: {fault}") from fault


async def _object(request: Request, *names: str) -> dict[str, Any]:
    document = await _body(request)
    if not isinstance(document, dict):
        raise BadControl("an object was expected")
    unknown = sorted(set(document) - set(names))
    if unknown:
        raise BadControl(f"unknown key {unknown[0]!r}; known: {', '.join(names)}")
    return document


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.lstrip("-").isdecimal() or len(text) > 15:
        raise BadControl(f"{name}: a number was expected")
    return int(text)


async def _health(world: World, request: Request) -> Any:
    return {"status": "healthy", "last_request": world.last_request, "writes": world.writes}


async def _seed(world: World, request: Request) -> Any:
    return {"seeded": world.seed(await _body(request, exact=True))}


async def _list(world: World, request: Request) -> Any:
    return {"scenarios": [rule.document() for rule in world.scenarios.rules]}


async def _add(world: World, request: Request) -> Any:
    rule = world.scenarios.add(await _body(request), CHANNELS, check_action)
    return rule.document()


async def _clear(world: World, request: Request) -> Any:
    world.scenarios.clear()
    world.restore()
    return {"scenarios": []}


async def _remove(world: World, request: Request) -> Any:
    scenario_id: int = request.path_params["id"]
    removed = world.scenarios.remove(scenario_id)
    for pair in [pair for pair, cause in world.revoked.items() if cause == scenario_id]:
        del world.revoked[pair]
    return {"removed": removed}


async def _restore(world: World, request: Request) -> Any:
    document = await _object(request, "channel", "account")
    world.restore(document.get("channel"), document.get("account"))
    return {"revoked": len(world.revoked)}


async def _requests(world: World, request: Request) -> Any:
    asked = request.query_params
    with_bodies = asked.get("bodies") in ("1", "true")
    channel, account = asked.get("channel"), asked.get("account")
    method, path = asked.get("method"), asked.get("path")
    found = [
        entry
        for entry in world.journal.since(_number(request, "since", 0))
        if channel in (None, entry.channel)
        and account in (None, entry.account)
        and method in (None, entry.method)
        and (path is None or path_fits(path, entry.path))
    ]
    limit = _number(request, "limit", 0)
    if limit > 0:
        found = found[:limit]
    return {
        "requests": [entry.document(with_bodies) for entry in found],
        "last": world.last_request,
    }


async def _state(world: World, request: Request) -> Any:
    asked = request.query_params
    return world.state(asked.get("channel"), asked.get("account"))


async def _history(world: World, request: Request) -> Any:
    asked = request.query_params
    writes = world.written(
        asked.get("channel"), asked.get("account"), asked.get("item"), _number(request, "since", -1)
    )
    return {"writes": list(writes), "kept": world.kept, "all": world.writes}


async def _catalog(world: World, request: Request) -> Any:
    return {"products": world.product_documents()[0]}


async def _change_offers(world: World, request: Request) -> Any:
    document = await _body(request, exact=True)
    changes = document.get("changes") if isinstance(document, dict) else None
    if not isinstance(changes, list):
        raise BadControl("changes: a list was expected")
    return {"changed": mirakl_control.change_offers(world, changes)}


def _given(change: Callable[[World, Any], Any]) -> Handler:
    """A handler of what takes the body's document."""

    async def handler(world: World, request: Request) -> Any:
        return change(world, await _body(request, exact=True))

    return handler


async def _change_qikink_order(world: World, request: Request) -> Any:
    document = await _body(request, exact=True)
    return qikink_control.change_order(world, request.path_params["id"], document)


async def _add_orders(world: World, request: Request) -> Any:
    return mirakl_orders_control.add(world, await _body(request, exact=True))


async def _generate_orders(world: World, request: Request) -> Any:
    return mirakl_orders_control.generate(world, await _body(request, exact=True))


async def _change_order(world: World, request: Request) -> Any:
    document = await _body(request, exact=True)
    return mirakl_orders_control.change(world, request.path_params["id"], document)


def _clock_document(world: World) -> dict[str, float]:
    return {"now": world.now(), "offset_s": world.clock_offset}


async def _clock(world: World, request: Request) -> Any:
    return _clock_document(world)


async def _set_clock(world: World, request: Request) -> Any:
    offset = (await _object(request, "offset_s")).get("offset_s")
    if isinstance(offset, bool) or not isinstance(offset, (int, float)):
        raise BadControl("offset_s: seconds were expected")
    if not math.isfinite(offset) or abs(offset) > 1e9:
        raise BadControl("offset_s: is out of range")
    world.set_clock(float(offset))
    return _clock_document(world)


def _settings_document(world: World) -> dict[str, Any]:
    settings = world.settings
    return {
        "delay_ms": settings.delay_ms,
        "quota": settings.quota,
        "keep_bodies": settings.keep_bodies,
        "retry_after": settings.retry_after,
        "seed": settings.seed,
    }


async def _settings(world: World, request: Request) -> Any:
    return _settings_document(world)


async def _set_settings(world: World, request: Request) -> Any:
    names = tuple(_settings_document(world))
    document = await _object(request, *names)
    for name in ("quota", "keep_bodies"):
        if not isinstance(document.get(name, True), bool):
            raise BadControl(f"{name}: true or false was expected")
    for name in ("delay_ms", "seed"):
        value = document.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 600_000:
            raise BadControl(f"{name}: a number from 0 to 600000 was expected")
    if document.get("retry_after") not in (None, *RETRY_AFTER):
        raise BadControl(f"retry_after: one of {', '.join(RETRY_AFTER)} or null was expected")
    for name, value in document.items():
        setattr(world.settings, name, value)
    if "seed" in document:
        world.rng.seed(document["seed"])
    return _settings_document(world)


async def _reset(world: World, request: Request) -> Any:
    keep = (await _object(request, "keep_seed")).get("keep_seed", False)
    if not isinstance(keep, bool):
        raise BadControl("keep_seed: true or false was expected")
    world.reset(keep)
    return {"reset": True}
