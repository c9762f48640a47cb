"""Scenarios: which requests shall go wrong, how often, and in which way.

What each action does to a request belongs to `faults`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from marketsync_dagster.sandbox.wire import Request


class ScenarioError(ValueError):
    """A scenario that cannot be meant; the message names the place."""


@dataclass(slots=True)
class Scenario:
    """One rule. `seen` counts the requests that matched, `fired` those that went wrong."""

    id: int
    channel: str | None
    account: str | None
    match: dict[str, Any]
    action: dict[str, Any]
    times: int | None = 1
    seen: int = 0
    fired: int = 0

    def document(self) -> dict[str, Any]:
        """The scenario as the control API shows it."""
        return {
            "id": self.id,
            "channel": self.channel,
            "account": self.account,
            "match": self.match,
            "action": self.action,
            "times": self.times,
            "seen": self.seen,
            "fired": self.fired,
        }

    def fits(self, request: Request, channel: str, accounts: tuple[str, ...]) -> bool:
        """Whether a request is one that this scenario is about."""
        if self.channel not in (None, channel):
            return False
        if self.account is not None and self.account not in accounts:
            return False
        method = self.match.get("method")
        if method is not None and method.upper() != request.method:
            return False
        path = self.match.get("path")
        if path is not None and not path_fits(path, request.path):
            return False
        wanted = self.match.get("header") or {}
        return all(fnmatchcase(request.header(n.lower()), p) for n, p in wanted.items())

    def decides(self, rng: random.Random) -> bool:
        """Whether the request that was just counted as seen goes wrong."""
        if self.times is not None and self.fired >= self.times:
            return False
        if self.seen < self.match.get("nth", 1):
            return False
        every = self.match.get("every")
        if every is not None and self.seen % every:
            return False
        probability = self.match.get("probability")
        return probability is None or rng.random() < probability


def path_fits(pattern: str, path: str) -> bool:
    """A glob where the pattern has wildcards, else a suffix."""
    if any(sign in pattern for sign in "*?["):
        return fnmatchcase(path, pattern)
    return path.endswith(pattern)


@dataclass(slots=True)
class Scenarios:
    """All scenarios, in the order in which they were given."""

    rules: list[Scenario] = field(default_factory=list)
    last_id: int = 0

    def clear(self) -> None:
        """Forget all of them; ids are not used again."""
        self.rules.clear()

    def remove(self, scenario_id: int) -> bool:
        """Forget one; False if there is none with this id."""
        before = len(self.rules)
        self.rules = [rule for rule in self.rules if rule.id != scenario_id]
        return len(self.rules) < before

    def pick(
        self, request: Request, channel: str, accounts: tuple[str, ...], rng: random.Random
    ) -> Scenario | None:
        """The first scenario that fires for a request. All that fit count it as seen."""
        chosen: Scenario | None = None
        for rule in self.rules:
            if not rule.fits(request, channel, accounts):
                continue
            rule.seen += 1
            if chosen is None and rule.decides(rng):
                rule.fired += 1
                chosen = rule
        return chosen

    def add(
        self,
        document: Any,
        channels: tuple[str, ...],
        check_action: Callable[[dict[str, Any]], None],
    ) -> Scenario:
        """Read and add one scenario; ScenarioError says what does not fit."""
        if not isinstance(document, dict):
            raise ScenarioError("a scenario is an object")
        _only(document, ("channel", "account", "match", "action", "times"), "the scenario")
        channel, account = document.get("channel"), document.get("account")
        if channel is not None and channel not in channels:
            raise ScenarioError(f"channel: {str(channel)[:40]!r} is none of {', '.join(channels)}")
        if account is not None and not isinstance(account, str):
            raise ScenarioError("account: a key or a store id was expected")
        times = document.get("times", 1)
        if times is not None and not _is_count(times):
            raise ScenarioError("times: a number from 1, or null for ever, was expected")
        action = document.get("action")
        if not isinstance(action, dict):
            raise ScenarioError("action: an object with a kind was expected")
        check_action(action)
        self.last_id += 1
        rule = Scenario(
            self.last_id, channel, account, _read_match(document.get("match")), action, times
        )
        self.rules.append(rule)
        return rule


def _read_match(match: Any) -> dict[str, Any]:
    if match is None:
        return {}
    if not isinstance(match, dict):
        raise ScenarioError("match: an object was expected")
    _only(match, ("method", "path", "nth", "every", "probability", "header"), "match")
    for name in ("method", "path"):
        if name in match and not isinstance(match[name], str):
            raise ScenarioError(f"match.{name}: a text was expected")
    for name in ("nth", "every"):
        if name in match and not _is_count(match[name]):
            raise ScenarioError(f"match.{name}: a number from 1 was expected")
    probability = match.get("probability", 0)
    if isinstance(probability, bool) or not isinstance(probability, (int, float)):
        raise ScenarioError("match.probability: a number from 0 to 1 was expected")
    if not 0 <= probability <= 1:
        raise ScenarioError("match.probability: a number from 0 to 1 was expected")
    header = match.get("header", {})
    if not isinstance(header, dict) or not all(isinstance(v, str) for v in header.values()):
        raise ScenarioError("match.header: names with patterns were expected")
    return match


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _only(document: dict[str, Any], names: tuple[str, ...], place: str) -> None:
    unknown = sorted(str(name) for name in set(document) - set(names))
    if unknown:
        raise ScenarioError(f"{place}: unknown key {unknown[0]!r}")
