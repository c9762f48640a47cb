"""What both interfaces of Qikink have in common as places that fulfil orders: an open session, what
the answer to a new order says, and no call that cancels."""

from __future__ import annotations

from typing import Self

from marketsync_dagster.platforms.base import Answer
from marketsync_dagster.platforms.fulfilling import FulfilCapabilities, Handed
from marketsync_dagster.platforms.qikink.session import Said, Session
from marketsync_dagster.platforms.qikink.words import (
    fault_of,
    is_duplicate,
    not_cancelled,
    refused_whole,
    text_of,
)
from marketsync_dagster.values.outcomes import Outcome


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


def handed(said: Said, id_key: str) -> Handed:
    """What an answer says of the order that was sent; `id_key`: where it has the id given to it."""
    answer = said.answer
    if isinstance(answer, Answer):
        return refused_whole(answer, said.before)
    fault = fault_of(answer.document)
    if fault is not None:
        words = answer.clean(fault.words)
        return Handed(
            answer.call,
            fault.outcome,
            message=words,
            duplicate=fault.outcome is Outcome.REFUSED and is_duplicate(words),
            before=said.before,
        )
    document = answer.document if isinstance(answer.document, dict) else {}
    external_id = text_of(document.get(id_key))
    if not external_id:
        message = f"the answer has no {id_key}"
        return Handed(answer.call, Outcome.UNKNOWN, message=message, before=said.before)
    return Handed(answer.call, Outcome.APPLIED, external_id, before=said.before)
