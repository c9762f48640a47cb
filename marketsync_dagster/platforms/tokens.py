"""Access tokens that all processes of an account share: what an adapter needs of those who keep
them (`ledger.tokens`)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from marketsync_dagster.values.times import is_fresh


@dataclass(frozen=True, slots=True, repr=False)
class AccessToken:
    """A token as it was minted."""

    text: str
    expires_in_s: float


class Tokens(Protocol):
    """Keeps the one live token of each client, encrypted, for all processes."""

    async def current(
        self,
        name: str,
        mint: Callable[[], Awaitable[AccessToken]],
        *,
        early_s: float,
        not_this: str = "",
    ) -> str:
        """The live token of a client; where there is none, or it ends within `early_s`, or it is
        `not_this` (the platform refused it), one process alone mints another and all have it.

        What `mint` raises is raised; nobody else mints meanwhile.
        """
        ...


class Alone:
    """Tokens of this process alone: for where there is no ledger."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._kept: dict[str, tuple[str, float, float]] = {}
        """Name -> token, its life in seconds, its end on the monotonic clock."""

    async def current(
        self,
        name: str,
        mint: Callable[[], Awaitable[AccessToken]],
        *,
        early_s: float,
        not_this: str = "",
    ) -> str:
        """See `Tokens.current`."""
        async with self._lock:
            text, life_s, until = self._kept.get(name, ("", 0.0, 0.0))
            if text and text != not_this and is_fresh(until - time.monotonic(), life_s, early_s):
                return text
            minted = await mint()
            ends = time.monotonic() + minted.expires_in_s
            self._kept[name] = (minted.text, minted.expires_in_s, ends)
            return minted.text
