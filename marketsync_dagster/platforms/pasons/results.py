"""What Pasons' answers say about each item that was sent, in every dialect that is configured.

Pure. Contract sections 1.2 (step 4), 3.2 and 3.3. An item counts as applied only with proof: a
result of its own, or counts that add up. What the platform merely took is `if_absent`; where an
answer contradicts itself, or names what nobody sent, nothing of it is proof: unknown. What single
words mean is `dialect`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from marketsync_dagster.config.pasons import PasonsResponse
from marketsync_dagster.platforms.base import ItemResult, PriceItem
from marketsync_dagster.platforms.bodies import error_words, lookup
from marketsync_dagster.platforms.pasons.dialect import NOT_TAKEN, Clean, Dialect
from marketsync_dagster.values.outcomes import ACKNOWLEDGED, Outcome

_ID = "\0id"
"""Where the id stands in results that were given as an object by id."""

_APPLIED = ItemResult(Outcome.APPLIED)
LATER = "taken for later; the platform does not say more"
_LATER = ItemResult(Outcome.ACCEPTED_UNVERIFIED, LATER)
_COUNTS = ItemResult(Outcome.UNKNOWN, "the counts in the answer do not add up", code="COUNTS")
_NOTHING = ItemResult(Outcome.REFUSED, "the counts in the answer say that nothing was taken")
_MISSING = ItemResult(Outcome.UNKNOWN, "the answer has no result for this item")
_STRAY = ItemResult(
    Outcome.UNKNOWN,
    "the answer has results that belong to nothing that was sent; check response.key and "
    "response.index",
)
_TWICE = ItemResult(Outcome.UNKNOWN, "the answer contradicts itself about this item")
_FAILED = ItemResult(Outcome.UNKNOWN, "the answer says that it failed, and not for which items")
_UNSAID = ItemResult(
    Outcome.UNKNOWN, "the answer does not say whether it succeeded, where response.success says"
)
_BOTH = ItemResult(Outcome.UNKNOWN, "the answer says success, and an error beside it")
_OTHERS = ItemResult(Outcome.RETRYABLE, "not taken, because of other items in the same request")


@dataclass(frozen=True, slots=True)
class _Listed:
    """The results of an answer, in the order they stand."""

    entries: list[Any]
    applied: list[Any] | None
    """What `applied_items` lists; None: the answer has no such list."""
    by_id: bool = False
    """The entries were given as an object by id."""

    @property
    def anything(self) -> bool:
        return bool(self.entries or self.applied)


def item_results(
    document: Any, items: Sequence[PriceItem], dialect: Dialect, clean: Clean
) -> list[ItemResult]:
    """One result per item of an answer with HTTP 2xx and a JSON document."""
    listed = _listed(document, dialect.response)
    told, stray = _told(listed, items, dialect, clean)
    if len(told) == len(items):
        return [told[position] for position in range(len(items))]
    rest = _rest(document, listed, told, stray, len(items), dialect)
    if not told:
        return [rest] * len(items)
    return [told.get(position, rest) for position in range(len(items))]


def later(results: Sequence[ItemResult]) -> list[ItemResult]:
    """The results of a 202: what was taken is still to be done."""
    taken = (Outcome.APPLIED, Outcome.ACCEPTED_UNVERIFIED)
    return [_LATER if result.outcome in taken else result for result in results]


def whole_outcome(document: Any, dialect: Dialect) -> Outcome | None:
    """What a 2xx means that took nothing: an error, and no results. None: it is to be read."""
    if not isinstance(document, dict) or _listed(document, dialect.response).anything:
        return None
    success = dialect.success(document)
    has_counts = any(dialect.count(document, name) is not None for name in ("accepted", "rejected"))
    if success is False or (document.get("error") and not has_counts and not success):
        code, _ = error_words(document)
        word = lookup(document, dialect.response.success or "") if dialect.success_words else ""
        passing = any(text and dialect.passing(text) for text in (code, str(word or "")))
        return Outcome.RETRYABLE if passing else Outcome.REFUSED
    return None


def atomic_results(
    document: Any, items: Sequence[PriceItem], dialect: Dialect, clean: Clean
) -> list[ItemResult] | None:
    """The results of a request that was refused because of some of its items.

    None where the answer does not name them: then all are refused.
    """
    told, stray = _told(_listed(document, dialect.response), items, dialect, clean)
    bad = {
        place: ItemResult(Outcome.REFUSED, result.message, result.code)
        if result.outcome is Outcome.UNKNOWN
        else result
        for place, result in told.items()
        if result.outcome not in ACKNOWLEDGED
    }
    if stray or not any(result.outcome is Outcome.REFUSED for result in bad.values()):
        return None
    return [bad.get(place, _OTHERS) for place in range(len(items))]


def absent_result(response: PasonsResponse) -> ItemResult:
    """What an answer means that says nothing about an item (`response.if_absent`)."""
    if response.if_absent == "unknown":
        return _MISSING
    return ItemResult(Outcome.ACCEPTED_UNVERIFIED, "taken; the answer proves nothing per item")


def _listed(document: Any, response: PasonsResponse) -> _Listed:
    if isinstance(document, list):
        return _Listed(document, None)
    applied = lookup(document, response.applied_items) if response.applied_items else None
    if not isinstance(applied, list):
        applied = None
    found = lookup(document, response.items) if response.items else None
    if isinstance(found, dict):
        entries = [_by_id(key, value, response) for key, value in found.items()]
        return _Listed(entries, applied, by_id=True)
    return _Listed(found if isinstance(found, list) else [], applied)


def _by_id(key: str, value: Any, response: PasonsResponse) -> dict[str, Any]:
    """One result of an object by id: a result as in a list, or its word or error alone."""
    names = [name for name in (response.status, response.error, response.code) if name is not None]
    if isinstance(value, dict) and any(name.partition(".")[0] in value for name in names):
        return {**value, _ID: key}
    name = response.status if response.results == "all" else response.error
    return {_ID: key, name or response.status or response.error or "": value}


def _told(
    listed: _Listed, items: Sequence[PriceItem], dialect: Dialect, clean: Clean
) -> tuple[dict[int, ItemResult], bool]:
    """Results by position, and whether any entry could not be placed."""
    told: dict[int, ItemResult] = {}
    stray = False
    numbered: set[int] = set()
    """Items that were found by their number or their order alone."""
    if not listed.anything:
        return told, stray
    response, good, count = dialect.response, dialect.good, len(items)
    quick = dialect.quick and not listed.by_id
    key, status, error = response.key, response.status, response.error
    index, base = response.index, response.index_base
    places = _Places(listed, items, response)
    for order, entry in enumerate(listed.entries):
        # the usual entry, told apart at once: in its place, with its id, good, without an error
        if (
            quick
            and type(entry) is dict
            and order < count
            and entry.get(key) == items[order].platform_id
            and type(word := entry.get(status)) is str
            and word in good
            and not entry.get(error)
            and entry.get(index, order + base) == order + base
            and order not in told
        ):
            told[order] = _APPLIED
            continue
        place, contradicted = places.of(entry, order)
        if place is None:
            stray = True
            told.update(dict.fromkeys(contradicted, _TWICE))
            continue
        result = (
            dialect.result(entry, clean)
            if isinstance(entry, dict)
            else ItemResult(Outcome.REFUSED, NOT_TAKEN)
        )
        if told.get(place, result).outcome is not result.outcome:
            result = _TWICE
        told[place] = result
        if not places.has_key(entry):
            numbered.add(place)
    for entry in listed.applied or ():
        place = places.of_applied(entry)
        if place is None:
            stray = True
        else:
            told[place] = _APPLIED if told.get(place, _APPLIED) is _APPLIED else _TWICE
    if stray:  # the numbers may all be off by one
        told.update(dict.fromkeys(numbered, _STRAY))
    return told, stray


class _Places:
    """Which item an entry is about."""

    def __init__(
        self, listed: _Listed, items: Sequence[PriceItem], response: PasonsResponse
    ) -> None:
        self._key = _ID if listed.by_id else response.key
        self._index = None if listed.by_id else response.index
        self._base = response.index_base
        self._count = len(items)
        self._ordered = len(listed.entries) == len(items)
        self._positions = {item.platform_id: place for place, item in enumerate(items)}

    def of(self, entry: Any, order: int) -> tuple[int | None, list[int]]:
        """The item's place; or None and the items that the entry contradicts itself about."""
        if not isinstance(entry, dict):
            # where results carry no id, a text in their place is one
            return (self._positions.get(_id_text(entry)) if self._key is None else None), []
        key = lookup(entry, self._key) if self._key is not None else None
        index = lookup(entry, self._index) if self._index is not None else None
        if key is None and index is None:
            return (order if self._ordered and self._in_order(entry, order) else None), []
        by_key = None if key is None else self._positions.get(_id_text(key))
        by_index = None if index is None else _position(index, self._base, self._count)
        named = [place for place in (by_key, by_index) if place is not None]
        whole = (key is None or by_key is not None) and (index is None or by_index is not None)
        if whole and len(set(named)) == 1:
            return named[0], []
        return None, named

    def has_key(self, entry: Any) -> bool:
        """Whether an entry names its item by id."""
        if not isinstance(entry, dict):
            return True
        return self._key is not None and lookup(entry, self._key) is not None

    def of_applied(self, entry: Any) -> int | None:
        """The same for an entry of the list of what was applied."""
        if isinstance(entry, dict):
            return self.of(entry, -1)[0]
        return self._positions.get(_id_text(entry))

    def _in_order(self, entry: dict[str, Any], order: int) -> bool:
        """Whether nothing in an entry without key and index speaks of another item."""
        named = {
            self._positions[value]
            for value in entry.values()
            if isinstance(value, str) and value in self._positions
        }
        return not named or order in named


def _id_text(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def _position(value: Any, base: int, count: int) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value - base if 0 <= value - base < count else None


def _rest(
    document: Any,
    listed: _Listed,
    told: dict[int, ItemResult],
    stray: bool,
    sent: int,
    dialect: Dialect,
) -> ItemResult:
    """What became of the items that have no result of their own."""
    if stray:
        return _STRAY
    everything = dialect.response.results == "all" and listed.entries
    if everything or listed.applied is not None:
        return _MISSING  # a list of all that leaves some out
    success = dialect.success(document)
    if dialect.success_words and success is None:
        return _UNSAID
    if success and isinstance(document, dict) and document.get("error"):
        return _BOTH
    rest = _counted(document, told, sent, dialect)
    if success is False and rest is not _APPLIED:
        return _FAILED
    return absent_result(dialect.response) if rest is None else rest


def _counted(
    document: Any, told: dict[int, ItemResult], sent: int, dialect: Dialect
) -> ItemResult | None:
    """What the counts prove of all items without a result; None: there are no counts."""
    received, accepted, rejected = (
        dialect.count(document, name) for name in ("received", "accepted", "rejected")
    )
    if accepted is None and rejected is None:
        return None if received in (None, sent) else _COUNTS
    if any(result.outcome is Outcome.UNKNOWN for result in told.values()):
        return _COUNTS
    if not told and rejected == sent and accepted in (None, 0) and received in (None, sent):
        return _NOTHING
    bad = sum(result.outcome not in ACKNOWLEDGED for result in told.values())
    # "received" with "rejected" says as much as "accepted" does; "rejected" alone does not
    if accepted is None and received is None:
        return None if rejected == bad else _COUNTS
    right = received in (None, sent) and accepted in (None, sent - bad) and rejected in (None, bad)
    return _APPLIED if right else _COUNTS
