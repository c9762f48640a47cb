"""What everything that has connections of its own is: open while they are, able as declared."""

from __future__ import annotations

from typing import Self

from marketsync_dagster.platforms.base import Capabilities
from marketsync_dagster.platforms.http import Transport


class Open:
    """Connections, used as `async with`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(self, *args: object) -> None:
        await self._transport.__aexit__(*args)


class Connected(Open):
    """An adapter's connections and capabilities."""

    def __init__(self, transport: Transport, capabilities: Capabilities) -> None:
        super().__init__(transport)
        self._capabilities = capabilities

    @property
    def capabilities(self) -> Capabilities:
        """What the account can do."""
        return self._capabilities
