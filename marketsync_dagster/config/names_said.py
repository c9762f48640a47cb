"""Names that lead nowhere in a marketsync.yaml of which a section cannot be read: the rules between
sections wait for all of them, and people are told of everything at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from marketsync_dagster.config.order_rules import no_destination
from marketsync_dagster.config.orders import POS
from marketsync_dagster.config.problems import At
from marketsync_dagster.config.rules import no_such_name


def names_that_lead_nowhere(data: Any) -> Iterator[tuple[At, str]]:
    """Of channels and routes, as they stand in the file, those that name what is not there; of a
    section that is not there, or is none, nothing is said."""
    sections = {name: data.get(name) for name in ("outlets", "accounts")}
    known = {
        section: [name for name in there if isinstance(name, str)]
        for section, there in sections.items()
        if isinstance(there, dict)
    }
    for index, channel in _entries(data, "channels"):
        for section, key in (("outlets", "outlet"), ("accounts", "account")):
            name = channel.get(key)
            if isinstance(name, str) and section in known and name not in known[section]:
                yield ("channels", index, key), no_such_name(section, name, known[section])
    if "accounts" not in known:
        return
    fulfil = [
        name
        for name, account in data["accounts"].items()
        if name in known["accounts"]
        and isinstance(account, dict)
        and account.get("platform") == "qikink"
    ]
    for index, route in _entries(data, "routes"):
        to = route.get("to")
        if isinstance(to, str) and to != POS and to not in known["accounts"]:
            yield ("routes", index, "to"), no_destination(to, fulfil)


def _entries(data: dict[str, Any], section: str) -> Iterator[tuple[int, dict[str, Any]]]:
    there = data.get(section)
    for index, entry in enumerate(there if isinstance(there, list) else ()):
        if isinstance(entry, dict):
            yield index, entry
