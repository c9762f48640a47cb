"""Faults of the answer as a whole: status, encoding, Retry-After, credentials. See `faults`."""

from __future__ import annotations

import gzip
from email.utils import formatdate
from typing import Any

from marketsync_dagster.sandbox.actions import Number, action
from marketsync_dagster.sandbox.exchange import Exchange
from marketsync_dagster.sandbox.tampering import UNTOUCHED
from marketsync_dagster.sandbox.wire import JSON_TYPE, Answer, html_answer, write_json

CHALLENGE = "Checking your browser before accessing the site."


def _maybe_work(exchange: Exchange, given: dict[str, Any], default: bool) -> Answer | None:
    return exchange.work(UNTOUCHED) if given.get("applied", default) else None


@action(status=int, body=object, headers=dict, applied=bool)
async def status(exchange: Exchange, given: dict[str, Any]) -> None:
    """Not applied unless `applied`; the given status, body (text or JSON) and headers."""
    _maybe_work(exchange, given, default=False)
    number = given.get("status", 500)
    body = given.get("body")
    if body is None:
        answer = exchange.refusal(number, "SERVER_ERROR", "Something went wrong")
    elif isinstance(body, str):
        answer = Answer(number, body=body.encode(), headers=[(b"content-type", b"text/plain")])
    else:
        answer = Answer(number, body=write_json(body), headers=[JSON_TYPE])
    for name, value in dict(given.get("headers") or {}).items():
        lower = name.lower().encode()
        answer.headers = [pair for pair in answer.headers if pair[0] != lower]
        answer.headers.append((lower, value.encode()))
    await exchange.reply(answer)


@action(applied=bool)
async def html_200(exchange: Exchange, given: dict[str, Any]) -> None:
    """Not applied unless `applied`; 200 with a web page, as a challenge or maintenance sends."""
    _maybe_work(exchange, given, default=False)
    await exchange.reply(html_answer(200, "Just a moment...", CHALLENGE))


@action(applied=bool)
async def truncated_json(exchange: Exchange, given: dict[str, Any]) -> None:
    """Applied unless `applied: false`; 200 and half of a JSON document, complete as HTTP."""
    answer = _maybe_work(exchange, given, default=True)
    whole = answer.payload() if answer is not None else b'{"success":true,"data":{"results":[]}}'
    await exchange.reply(Answer(200, body=whole[: len(whole) // 2], headers=[JSON_TYPE]))


@action(applied=bool)
async def gzip_error(exchange: Exchange, given: dict[str, Any]) -> None:
    """Applied unless `applied: false`; a gzip body that cannot be unpacked."""
    answer = _maybe_work(exchange, given, default=True)
    packed = bytearray(gzip.compress(answer.payload() if answer is not None else b"{}"))
    middle = len(packed) // 2
    packed[middle:] = bytes(255 - byte for byte in packed[middle:])
    headers = [JSON_TYPE, (b"content-encoding", b"gzip")]
    await exchange.reply(Answer(200, body=bytes(packed), headers=headers))


@action(applied=bool)
async def bom_json(exchange: Exchange, given: dict[str, Any]) -> None:
    """Applied unless `applied: false`; the usual answer after a byte order mark."""
    answer = _maybe_work(exchange, given, default=True)
    if answer is None:
        answer = Answer(200, body=b"{}", headers=[JSON_TYPE])
    body = b"\xef\xbb\xbf" + answer.payload()
    await exchange.reply(Answer(answer.status, body=body, headers=answer.headers))


@action(applied=bool)
async def empty_204(exchange: Exchange, given: dict[str, Any]) -> None:
    """Applied unless `applied: false`; 204 without a body."""
    _maybe_work(exchange, given, default=True)
    await exchange.reply(Answer(204))


@action(location=str, code=int, applied=bool)
async def redirect(exchange: Exchange, given: dict[str, Any]) -> None:
    """Not applied; a redirect, to https on another host if no `location` is given."""
    _maybe_work(exchange, given, default=False)
    location = given.get("location", "https://elsewhere.invalid/").encode()
    answer = Answer(given.get("code", 301), headers=[(b"location", location)])
    await exchange.reply(answer)


@action(mb=Number, status=int, applied=bool)
async def big_error_body(exchange: Exchange, given: dict[str, Any]) -> None:
    """Not applied; an error page of `mb` megabytes, 10 if not given."""
    _maybe_work(exchange, given, default=False)
    left = int(given.get("mb", 10) * 1_000_000)
    answer = html_answer(given.get("status", 500), "Error", "")
    await exchange.start(answer, left)
    block = (b"x" * 1023 + b"\n") * 64
    while left > 0:
        await exchange.part(block[:left])
        left -= len(block)
    await exchange.send({"type": "http.response.body", "body": b""})


@action(status=int)
async def echo_secret(exchange: Exchange, given: dict[str, Any]) -> None:
    """Not applied; an error that repeats the request's credentials, signature and body."""
    request = exchange.request
    answer = exchange.refusal(
        given.get("status", 500),
        "SERVER_ERROR",
        f"Unhandled: {request.method} {request.path} Authorization: "
        f"{request.header('authorization')} X-Signature: {request.header('x-signature')}",
    )
    headers = {n.decode("latin-1"): v.decode("latin-1") for n, v in request.headers.items()}
    body = request.body.decode("utf-8", "replace")
    answer.data = {**answer.data, "debug": {"headers": headers, "body": body}}
    await exchange.reply(answer)


# --- 429 in every form


@action(form=str, value=Number, date_skew_s=Number)
async def retry_after(exchange: Exchange, given: dict[str, Any]) -> None:
    """Not applied; 429, with Retry-After in one of its forms. `value` is in seconds (default 1);
    with `date_skew_s` the server's own clock, Date header included, is off."""
    form, value = given.get("form", "seconds"), given.get("value", 1)
    exchange.date_skew_s = float(given.get("date_skew_s", 0))
    answer = exchange.refusal(429, "RATE_LIMIT_EXCEEDED", "Too many requests. Please retry later.")
    if form == "body":
        # beside the words of the error, wherever the platform puts them
        words = answer.data.get("error")
        (words if isinstance(words, dict) else answer.data)["retry_after"] = value
    elif form != "none":
        moment = exchange.world.now() + exchange.date_skew_s + max(-1e8, min(value, 1e8))
        text = {
            "seconds": str(round(value)),
            "http_date": formatdate(moment, usegmt=True),
            "float": f"{float(value)}",
            "huge": "86400",
            "zero": "0",
            "negative": "-5",
        }[form]
        answer.headers.append((b"retry-after", text.encode()))
    await exchange.reply(answer)


# --- credentials


async def _unauthorized(exchange: Exchange) -> None:
    await exchange.reply(exchange.refusal(401, "UNAUTHORIZED", "API key has been revoked"))


def _victim(exchange: Exchange) -> tuple[str, str] | None:
    return None if exchange.owner is None else (exchange.entry.channel, exchange.owner)


@action()
async def revoke_key(exchange: Exchange, given: dict[str, Any]) -> None:
    """Not applied; 401, and for every later request of the account until it is restored."""
    victim = _victim(exchange)
    if victim is not None:
        exchange.world.revoked[victim] = exchange.entry.scenario or 0
    await _unauthorized(exchange)


@action(requests=int)
async def token_dies(exchange: Exchange, given: dict[str, Any]) -> None:
    """Not applied; 401 for this and the account's next requests, `requests` in all."""
    victim = _victim(exchange)
    if victim is not None:
        exchange.world.dying[victim] = given.get("requests", 1) - 1
    await _unauthorized(exchange)
