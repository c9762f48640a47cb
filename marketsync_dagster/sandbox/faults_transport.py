"""Faults of connections and time: timeouts, resets, dripping bodies. See `faults`."""

from __future__ import annotations

from typing import Any

from marketsync_dagster.sandbox.actions import Number, action
from marketsync_dagster.sandbox.exchange import BODILESS, Exchange
from marketsync_dagster.sandbox.tampering import UNTOUCHED


@action(seconds=Number)
async def apply_then_hang(exchange: Exchange, given: dict[str, Any]) -> None:
    """Applied; the answer comes after `seconds`, when the client has mostly given up."""
    answer = exchange.work(UNTOUCHED)
    if not await exchange.gone_after(given.get("seconds", 60)):
        await exchange.reply(answer)


@action(reset=bool)
async def apply_then_reset(exchange: Exchange, given: dict[str, Any]) -> None:
    """Applied; the connection is closed in mid-body, or reset before a byte with `reset`."""
    answer = exchange.work(UNTOUCHED)
    # an answer without a body has no middle
    at_once = given.get("reset", False) or answer.status in BODILESS
    if not at_once:
        body = answer.payload() or b"{}"
        await exchange.start(answer, len(body) + 1)
        await exchange.part(body[: len(body) // 2])
    await exchange.cut(reset=at_once)


@action(seconds=Number)
async def hang(exchange: Exchange, given: dict[str, Any]) -> None:
    """Not applied if the client gives up within `seconds`; after them, served as usual."""
    if not await exchange.gone_after(given.get("seconds", 60)):
        await exchange.reply(exchange.work(UNTOUCHED))


@action()
async def reset(exchange: Exchange, given: dict[str, Any]) -> None:
    """Not applied; a TCP reset instead of an answer."""
    await exchange.cut(reset=True)


@action()
async def close_on_reuse(exchange: Exchange, given: dict[str, Any]) -> None:
    """Applied and answered; the next request on the same connection is cut off unread."""
    exchange.connection.doomed = True
    await exchange.reply(exchange.work(UNTOUCHED))


@action(bytes_per_s=Number)
async def slow_drip(exchange: Exchange, given: dict[str, Any]) -> None:
    """Applied; the body comes at `bytes_per_s`, 20 if not given."""
    answer = exchange.work(UNTOUCHED)
    body = answer.payload()
    rate = max(1.0, float(given.get("bytes_per_s", 20)))
    step = max(1, round(rate / 20))
    await exchange.start(answer, len(body))
    for first in range(0, len(body), step):
        await exchange.part(body[first : first + step])
        if await exchange.gone_after(step / rate):
            return
    await exchange.send({"type": "http.response.body", "body": b""})
