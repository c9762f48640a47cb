"""What both interfaces of Qikink have in common as places that fulfil orders: an open session, and
no call that cancels."""

from __future__ import annotations

from typing import Self

from marketsync_dagster.platforms.fulfilling import FulfilCapabilities, Handed
from marketsync_dagster.platforms.qikink.session import Session
from marketsync_dagster.platforms.qikink.words import not_cancelled


class Client:
    """One client, open for use; the interfaces say how an order is made, found and followed."""

    def __init__(self, session: Session, capabilities: FulfilCapabilities, *, country: str) -> None:
        self._session = session
        self._capabilities = capabilities
        self._country = country

    @property
    def fulfil_capabilities(self) -> FulfilCapabilities:
        """What the account can do."""
        return self._capabilities

    async def __aenter__(self) -> Self:
        await self._session.__aenter__()
        return self

    async def __aexit__(self, *args: object) -> None:
        await self._session.__aexit__(*args)

    async def cancel(self, number: str, external_id: str) -> Handed:
        """There is no such call."""
        return not_cancelled("Qikink has no call that cancels an order: it is done by hand there")
