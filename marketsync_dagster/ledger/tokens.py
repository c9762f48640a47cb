"""The one live access token of each client, shared by all processes: table `access_token`.

Where a new token kills the one before, two processes that mint at once take turns in locking each
other out. So one mints, under a lease, and the others wait for what it keeps. A process that dies
between minting and keeping leaves a token here that the platform refuses; whoever is refused says
so (`not_this`), and one mints again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection, select

from marketsync_dagster.ledger import leases
from marketsync_dagster.ledger.credentials import seal, unseal
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.leases import Lease
from marketsync_dagster.ledger.order_tables import access_token
from marketsync_dagster.ledger.sql import clock_ms, upsert
from marketsync_dagster.values.errors import Busy, ConfigError, LedgerError
from marketsync_dagster.values.times import from_iso, is_fresh, to_iso

log = logging.getLogger(__name__)

LEASE_S = 60.0
"""Renewed while a mint goes on; the lease of a host that has died ends by itself."""
PATIENCE_S = 90.0
"""Longer than a dead host's lease: then it is this process's turn."""
POLL_S = 0.1


class Minted(Protocol):
    """A token as it was minted (`platforms.tokens.AccessToken`)."""

    @property
    def text(self) -> str: ...

    @property
    def expires_in_s(self) -> float: ...


class LedgerTokens:
    """`platforms.tokens.Tokens` over a ledger.

    `observe` is told `token_minted`, after the platform has made a token that nobody else knows
    yet, and `token_kept`.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        observe: Callable[[str], None] = lambda _: None,
        holder: str = "a call that needs a token",
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._ledger = ledger
        self._observe = observe
        self._holder = holder
        self._patience_s = patience_s

    async def current(
        self,
        name: str,
        mint: Callable[[], Awaitable[Minted]],
        *,
        early_s: float,
        not_this: str = "",
    ) -> str:
        """The live token of a client: see `platforms.tokens.Tokens.current`.

        Busy where another process has been minting for longer than may be waited here.
        """
        waited = 0.0
        while True:
            kept = await asyncio.to_thread(self._live, name, early_s, not_this)
            if kept:
                return kept
            try:
                async with self._turn(name):
                    # another process may have minted since
                    kept = await asyncio.to_thread(self._live, name, early_s, not_this)
                    return kept or await self._minted(name, mint)
            except Busy:
                if waited >= self._patience_s:
                    raise
            await asyncio.sleep(POLL_S)
            waited += POLL_S

    async def _minted(self, name: str, mint: Callable[[], Awaitable[Minted]]) -> str:
        minted = await mint()
        self._observe("token_minted")
        await asyncio.to_thread(self._keep, name, minted)
        self._observe("token_kept")
        return minted.text

    @contextlib.asynccontextmanager
    async def _turn(self, name: str) -> AsyncIterator[None]:
        """Be the one who mints; Busy where another process does."""
        lease = await asyncio.to_thread(
            leases.take_lease, self._ledger, f"token {name}", self._holder, LEASE_S
        )
        renewing = asyncio.create_task(self._renew(lease))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.to_thread(leases.release, self._ledger, lease)

    async def _renew(self, lease: Lease) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 3)
            try:
                await asyncio.to_thread(leases.renew, self._ledger, lease, LEASE_S)
            except (Busy, LedgerError) as error:  # at worst two mint, and one of them once more
                log.warning("the lease of a token was not renewed: %s", error.message)

    def _live(self, name: str, early_s: float, not_this: str) -> str:
        """The token that is kept, if it is still good and not the one that was refused."""
        with self._ledger.read() as conn:
            query = select(access_token).where(access_token.c.name == name)
            row = conn.execute(query).mappings().first()
            if row is None:
                return ""
            now = _now(conn)
        minted_at, expires_at = from_iso(row["minted_at"]), from_iso(row["expires_at"])
        life_s = (expires_at - minted_at).total_seconds()
        if not is_fresh((expires_at - now).total_seconds(), life_s, early_s):
            return ""
        try:
            text = unseal(_sealed_name(name), bytes(row["token"]), row["key_id"])
        except ConfigError as error:  # its master key was replaced, or is another host's
            log.warning("a kept access token cannot be read, another one is minted: %s", error)
            return ""
        return "" if text == not_this else text

    def _keep(self, name: str, minted: Minted) -> None:
        with self._ledger.begin() as conn:
            sealed, key_id = seal(conn, _sealed_name(name), minted.text)
            now = _now(conn)
            row = {
                "name": name,
                "token": sealed,
                "key_id": key_id,
                "minted_at": to_iso(now),
                "expires_at": to_iso(now + timedelta(seconds=max(0.0, minted.expires_in_s))),
            }
            upsert(conn, access_token, [row])


def _sealed_name(name: str) -> str:
    """What the encrypted text says of itself, so that a row copied over another is noticed."""
    return f"token {name}"


def _now(conn: Connection) -> datetime:
    return datetime.fromtimestamp(clock_ms(conn) / 1000, tz=UTC)
