"""One shop with one key: how a call reaches it, and what is the same of every answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from marketsync_dagster.platforms import answers
from marketsync_dagster.platforms.answers import Readable, Rules
from marketsync_dagster.platforms.base import Answer, Call
from marketsync_dagster.platforms.connected import Open
from marketsync_dagster.platforms.http import Response, Transport, TransportFailure
from marketsync_dagster.platforms.mirakl.payloads import Filling
from marketsync_dagster.platforms.reading import RetryRules
from marketsync_dagster.platforms.urls import encode_query

BUSY_WAIT_S = 60.0
"""What a 429 without any figure means: most calls may be made once a minute (contract 6.3)."""

Pairs = Sequence[tuple[str, str]]
"""Parameters of a query; a name may come several times."""


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """Everything an open account needs, its secret resolved: never shown, never logged."""

    name: str
    base_url: str
    api_key: str
    key_hint: str
    """Where the key comes from, `accounts.x.api_key (environment variable Y)`."""
    shop_id: int | None = None
    currencies: tuple[str, ...] = ()
    """Of the outlets that are listed in the shop."""
    references: tuple[str, ...] = ("EAN", "UPC")
    filling: Filling = field(default_factory=Filling)
    retry: RetryRules = field(default_factory=RetryRules)


class Shop(Open):
    """A shop that can be called."""

    def __init__(self, access: Access, transport: Transport) -> None:
        super().__init__(transport)
        self._access = access
        self._shop = () if access.shop_id is None else (("shop_id", str(access.shop_id)),)
        self._rules = Rules(
            host=urlsplit(access.base_url).hostname or "",
            auth_hint=f"set a valid key: {access.key_hint}",
            retry_cap_s=access.retry.retry_after_cap_s,
            busy_wait_s=BUSY_WAIT_S,
            exact=True,
        )

    async def _fetch(self, path: str, pairs: Pairs) -> Answer | Readable:
        return await self._exchange("GET", path, pairs)

    async def _exchange(
        self,
        method: str,
        path: str,
        pairs: Pairs,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        count: int = 1,
    ) -> Answer | Readable:
        result, call = await self._call(method, path, pairs, body, headers)
        return answers.settle(result, call, self._rules, count=count)

    async def _call(
        self,
        method: str,
        path: str,
        pairs: Pairs,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[Response | TransportFailure, Call]:
        key = self._access.api_key
        query = encode_query((*pairs, *self._shop))
        return await self._transport.request(
            method,
            f"{path}?{query}" if query else path,
            content=body,
            headers={"Authorization": key, **(headers or {})},
            private=(key,),
        )
