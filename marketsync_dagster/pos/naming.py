"""What the name of a document says, by the rules of a preset: its outlet, whether it is full."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from marketsync_dagster.pos.presets.base import Naming


def match_of(rules: Sequence[Naming], name: str, group: str) -> re.Match[str] | None:
    """The first rule that fits a name and tells `group`."""
    for rule in rules:
        match = re.search(rule.pattern, name, re.IGNORECASE)
        if match is not None and match.groupdict().get(group):
            return match
    return None


def outlet_by_name(rules: Sequence[Naming], name: str) -> str | None:
    """The outlet that a document's own name tells."""
    match = match_of(rules, name, "outlet")
    return match.group("outlet") if match else None


def coverage_by_name(rules: Sequence[Naming], *names: str) -> Literal["full", "delta"] | None:
    """Whether a document with these names has everything, its own name before its archive's."""
    for name in names:
        for rule in rules:
            if rule.coverage and re.search(rule.pattern, name, re.IGNORECASE):
                return rule.coverage
    return None
