"""One request of a shop on Mirakl, and what it gets where it is not served."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from marketsync_dagster.sandbox.mirakl_pages import Query
from marketsync_dagster.sandbox.mirakl_shops import Shop
from marketsync_dagster.sandbox.tampering import Tampering
from marketsync_dagster.sandbox.wire import Answer, Request, json_answer
from marketsync_dagster.sandbox.world import World

MOUNT = "/mirakl/api"


class Refused(ValueError):
    """A request that is not served: status, code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(slots=True)
class Call:
    """One request of a shop on its way through the server."""

    world: World
    request: Request
    shop: Shop
    code: str
    query: Query
    tampering: Tampering
    named: dict[str, str]
    """Parts of the path."""


def error(status: int, code: str, message: str, **more: Any) -> Answer:
    """An error as the API words it (contract 6.7)."""
    return json_answer(status, {"status": status, "message": message, "code": code, **more})
