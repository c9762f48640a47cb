"""Pasons stores for the sandbox, as the accounts of the configuration expect them.

The wire contract is configuration, so the sandbox is told to speak just that one: what is set up
for the real endpoint can be tried out on this machine first.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from marketsync_dagster.config.settings import PasonsAccount, Settings
from marketsync_dagster.values.money import exponent

MOUNT = "/pasons"


def pasons_stores(
    name: str, account: PasonsAccount, settings: Settings, fakes: dict[str, str]
) -> list[dict[str, Any]]:
    """The seeds of an account's stores: one, or one per channel where requests tell the store."""
    channels = [channel for channel in settings.channels if channel.account == name]
    carried = [c for c in channels if c.store_id] if account.carries_the_store() else []
    if carried:
        return [
            _store(account, c.store_id or name, settings.currency_of(c.outlet), fakes)
            for c in carried
        ]
    path = re.search(rf"{MOUNT}/([^/{{}}]+)", account.base_url)
    store_id = path[1] if path else (channels[0].store_id if channels else None) or name
    outlet = channels[0].outlet if channels else next(iter(settings.outlets))
    return [_store(account, store_id, settings.currency_of(outlet), fakes)]


def _store(
    account: PasonsAccount, store_id: str, currency: str, fakes: dict[str, str]
) -> dict[str, Any]:
    auth, request = account.auth, account.request
    below = urlsplit(account.base_url).path.removeprefix(MOUNT)
    ping = account.test_connection.path
    place = "row" if request.store_in_rows() else request.store.in_
    seed: dict[str, Any] = {
        "store_id": store_id,
        "api_key": fakes[str(auth.key)] if auth.key else "",
        "scheme": auth.scheme,
        "header": auth.header,
        "prefix": auth.prefix,
        "username": auth.user,
        "api_secret": fakes[str(auth.secret)] if auth.secret else "",
        "secret_header": auth.secret_header,
        "method": request.method,
        "path": below + request.path,
        "ping": below + ping if ping is not None and ping != request.path else "",
        "store_in": "path" if place == "none" else place,
        "store_name": request.store.name,
        "headers": dict(request.headers),
        "query": dict(request.query),
        "constants": dict(request.constants),
        "row_constants": dict(request.row_constants),
        "fields": dict(request.fields),
        "price_type": request.types.get("selling_price", "number"),
        "decimals": exponent(currency),
        "currency": currency if "currency" in request.fields else "",
        "stock_type": request.types.get("stock_status", "int01"),
        "envelope": request.envelope,
        "answer": _answer(account),
        "full_push": account.full_push,
        "max_items": request.batch,
        "max_bytes": max(request.max_bytes, 262_144),
        "per_minute": account.quota.per_minute,
    }
    if request.enum:
        seed["enum"] = {str(w): int(kind != "out_of_stock") for kind, w in request.enum.items()}
        seed["enum_numbers"] = all(type(word) is int for word in request.enum.values())
    if request.full is not None:
        said = request.full.model_dump(exclude_none=True)
        seed["full"] = said | ({"path": below + said["path"]} if "path" in said else {})
    return seed


def _answer(account: PasonsAccount) -> dict[str, Any]:
    """The form of the answers that the account is configured to read."""
    response = account.response
    words: dict[str, Any] = {
        {"applied": "applied", "refused": "refused", "retryable": "retryable"}[name]: said[0]
        for name, said in response.words.items()
        if said and name != "accepted_async"
    }
    counts = {name: name for name in ("received", "accepted", "rejected")}
    answer: dict[str, Any] = {
        "items": response.items,
        "only": "all" if response.results == "all" else "rejected",
        "key": response.key,
        "index": response.index,
        "index_base": response.index_base,
        "state": response.status,
        "error": response.error,
        "applied_items": response.applied_items,
        "counts": None if response.counts is None else counts | dict(response.counts),
        "atomic": response.atomic[0] if response.atomic else None,
        **words,
    }
    if response.key is None and response.index is None and response.results != "all":
        answer["shape"] = "ids"
    if response.code is not None and response.error is not None:
        answer |= {"form": "flat", "code": response.code}
    if response.success is not None and response.success_words:
        answer["always"] = {response.success: response.success_words[0]}
    return answer
