"""The registry of scenario actions: their names, and the parameters that each takes.

What they do is in `faults_transport`, `faults_answers`, `faults_items`, `faults_imports` and
`faults_orders`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from marketsync_dagster.sandbox.exchange import Exchange
from marketsync_dagster.sandbox.scenarios import ScenarioError

Perform = Callable[[Exchange, dict[str, Any]], Awaitable[None]]
Number = (int, float)
LONGEST_S = 3_600
FORMS = ("seconds", "http_date", "float", "body", "none", "huge", "zero", "negative")
"""The forms of Retry-After."""

DAMAGES = ("x100", "round", "float")
"""The ways in which a stored price is damaged."""

REPORTS = ("cut", "empty", "header", "lines")
"""The ways in which an error report is damaged."""


@dataclass(frozen=True, slots=True)
class Action:
    """A coroutine, and the types of the parameters that it takes."""

    perform: Perform
    parameters: dict[str, Any]


ACTIONS: dict[str, Action] = {}


def action(**parameters: Any) -> Callable[[Perform], Perform]:
    def register(perform: Perform) -> Perform:
        ACTIONS[perform.__name__] = Action(perform, parameters)
        return perform

    return register


def check_action(action: dict[str, Any]) -> None:
    """Refuse, with a ScenarioError, what no action could do."""
    known = ACTIONS.get(str(action.get("kind")))
    if known is None:
        raise ScenarioError(f"action.kind: one of {', '.join(sorted(ACTIONS))} was expected")
    for name, value in action.items():
        if name == "kind":
            continue
        if name not in known.parameters:
            raise ScenarioError(f"action: {action['kind']} takes no {name[:40]!r}")
        kinds = known.parameters[name]
        is_number = isinstance(value, Number) and not isinstance(value, bool)
        if (kinds in (int, Number) and not is_number) or not isinstance(value, kinds):
            raise ScenarioError(f"action.{name}: does not fit")
        if is_number and name != "value" and not -LONGEST_S * 24 <= value <= LONGEST_S * 24:
            raise ScenarioError(f"action.{name}: is out of range")
    _check_more(action)


def _check_more(action: dict[str, Any]) -> None:
    for name in ("status", "code"):
        value = action.get(name)
        if isinstance(value, int) and not 200 <= value <= 599:
            raise ScenarioError(f"action.{name}: a status from 200 to 599 was expected")
    modes = REPORTS if action["kind"] == "report_malformed" else DAMAGES
    for name, choices in (("form", FORMS), ("mode", modes)):
        if name in action and action[name] not in choices:
            raise ScenarioError(f"action.{name}: one of {', '.join(choices)} was expected")
    if "mb" in action and not 0 <= action["mb"] <= 64:
        raise ScenarioError("action.mb: at most 64 was expected")
    for name in ("seconds", "bytes_per_s", "drop", "requests", "insert", "remove", "lines", "rows"):
        if name in action and action[name] < 0:
            raise ScenarioError(f"action.{name}: must not be negative")
    texts = [action.get("location", ""), *dict(action.get("headers") or {}).items()]
    for text in texts:
        parts = text if isinstance(text, tuple) else (text,)
        if not all(isinstance(p, str) and p.isascii() and p.isprintable() for p in parts):
            raise ScenarioError("action: headers are printable ASCII")
    if action["kind"] == "item_error" and not {"product_id", "sku", "position"} & set(action):
        raise ScenarioError("action: item_error needs a product_id, a sku or a position")
