"""Each way in which a platform or a middleman can misbehave: contract section 12, numbers 1, 2, 3,
5, 6, 8, 9 and 10.

Every action is a coroutine that answers one request, or does not; its docstring says whether the
request is applied. They are kept by subject: `faults_transport` (connections and time),
`faults_answers` (the answer as a whole), `faults_items` (what is said and stored per item),
`faults_imports` (what becomes of an import after the answer), `faults_orders` (lists that move, or
are late).
"""

from __future__ import annotations

from typing import Any

from marketsync_dagster.sandbox import (
    faults_answers,
    faults_imports,
    faults_items,
    faults_orders,
    faults_transport,
)
from marketsync_dagster.sandbox.actions import ACTIONS, check_action
from marketsync_dagster.sandbox.exchange import Exchange

SUBJECTS = (faults_transport, faults_answers, faults_items, faults_imports, faults_orders)
__all__ = ["SUBJECTS", "check_action", "perform"]


async def perform(exchange: Exchange, action: dict[str, Any]) -> None:
    """Answer one request in the way that an action says."""
    await ACTIONS[action["kind"]].perform(exchange, action)
