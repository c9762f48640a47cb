"""What Pasons' answers say about each item that was sent, in every dialect that is configured.

Pure. Contract sections 1.2 (step 4), 3.2 and 3.3. An item counts as applied only with proof: a
result of its own, or counts that add up. What the platform merely took is `if_absent`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from marketsync_dagster.config.accounts import PasonsResponse
from marketsync_dagster.platforms.base import ItemResult, PriceItem
from marketsync_dagster.platforms.bodies import error_words, lookup
from marketsync_dagster.values.outcomes import Outcome

Clean = Callable[[str], str]

_GOOD = frozenset(
    "accepted applied completed created done imported ok success succeeded unchanged updated "
    "true".split()
)
_BAD = frozenset(
    "bad_request conflict denied error failed failure forbidden ignored invalid not_found "
    "rejected refused skipped unknown_sku unprocessable false".split()
)
_PASSING = frozenset(
    "busy internal_error internal_server_error locked rate_limited retry service_unavailable "
    "temporarily_unavailable temporary_error timeout too_many_requests try_again".split()
)
"""Words for what may go away by itself, as a status or as the code of an error."""

_APPLIED = ItemResult(Outcome.APPLIED)
_CONTRADICTION = ItemResult(
    Outcome.UNKNOWN, "the counts in the answer do not add up", code="COUNTS"
)
_MISSING = ItemResult(Outcome.UNKNOWN, "the answer has no result for this item")


def item_results(
    document: Any, items: Sequence[PriceItem], response: PasonsResponse, clean: Clean
) -> list[ItemResult]:
    """One result per item of an answer with HTTP 2xx and a JSON document."""
    listed = _listed(document, response)
    told, stray = _told(listed or [], items, response, clean)
    if len(told) == len(items):
        return [told[position] for position in range(len(items))]
    rest = _rest(document, listed, told, stray, len(items), response)
    if not told:
        return [rest] * len(items)
    return [told.get(position, rest) for position in range(len(items))]


def refused_whole(document: Any, response: PasonsResponse) -> bool:
    """Whether a 2xx says that it took nothing: an error, and no results."""
    if not isinstance(document, dict) or _listed(document, response):
        return False
    if document.get("success") is False:
        return True
    has_counts = any(_count(document, name) is not None for name in ("accepted", "rejected"))
    return bool(document.get("error")) and not has_counts


def absent_result(response: PasonsResponse) -> ItemResult:
    """What an answer means that says nothing about an item (`response.if_absent`)."""
    if response.if_absent == "unknown":
        return _MISSING
    return ItemResult(Outcome.ACCEPTED_UNVERIFIED, "taken; the answer proves nothing per item")


def _listed(document: Any, response: PasonsResponse) -> list[Any] | None:
    if isinstance(document, list):
        return document
    found = lookup(document, response.items) if response.items else None
    return found if isinstance(found, list) else None


def _told(
    listed: list[Any], items: Sequence[PriceItem], response: PasonsResponse, clean: Clean
) -> tuple[dict[int, ItemResult], bool]:
    """Results by position, and whether any entry could not be placed."""
    told: dict[int, ItemResult] = {}
    stray = False
    if not listed:
        return told, stray
    positions = {item.platform_id: position for position, item in enumerate(items)}
    for order, entry in enumerate(listed):
        if not isinstance(entry, dict):
            stray = True
            continue
        if order < len(items) and order not in told and _plain(entry, order, items, response):
            told[order] = _APPLIED
            continue
        by_key = positions.get(_id_text(entry.get(response.key)))
        by_index = _position(entry.get("index"), len(items))
        if response.key not in entry and "index" not in entry and len(listed) == len(items):
            by_index = order  # nothing but the order tells
        named = [place for place in (by_key, by_index) if place is not None]
        contradicts = (
            len(set(named)) > 1
            or (response.key in entry and by_key is None)
            or ("index" in entry and by_index is None)
        )
        if not named or contradicts:
            stray = True
            for place in named:
                told[place] = ItemResult(
                    Outcome.UNKNOWN, "the answer contradicts itself about this item"
                )
            continue
        place = named[0]
        result = _result(entry, response, clean)
        if told.get(place, result).outcome is not result.outcome:
            result = ItemResult(Outcome.UNKNOWN, "the answer contradicts itself about this item")
        told[place] = result
    return told, stray


def _plain(
    entry: dict[str, Any], order: int, items: Sequence[PriceItem], response: PasonsResponse
) -> bool:
    """The usual entry, told apart at once: in its place, with its id, good, without an error."""
    status = entry.get(response.status)
    return (
        entry.get(response.key) == items[order].platform_id
        and entry.get("index", order) == order
        and isinstance(status, str)
        and status in _GOOD
        and not entry.get(response.error)
    )


def _id_text(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def _position(value: Any, count: int) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < count else None


def _result(entry: dict[str, Any], response: PasonsResponse, clean: Clean) -> ItemResult:
    status = entry.get(response.status)
    fault = entry.get(response.error)
    code, message = error_words({"error": fault}) if fault else ("", "")
    code, message = clean(code), clean(message)
    outcome = _outcome(status, bool(fault))
    if outcome is Outcome.REFUSED and _word(code) in _PASSING:
        outcome = Outcome.RETRYABLE
    if outcome is Outcome.UNKNOWN:
        message = clean(f"the platform answered {status!r}{': ' + message if message else ''}")
    elif outcome is not Outcome.APPLIED and not message:
        message = code or clean(str(status))
    return ItemResult(outcome, message, code)


def _outcome(status: Any, faulty: bool) -> Outcome:
    if isinstance(status, int) and not isinstance(status, bool):
        return _outcome_of_number(status)
    word = _word(str(status))
    if word in _PASSING:
        return Outcome.RETRYABLE
    if word in _BAD or (status is None and faulty):
        return Outcome.REFUSED
    # "accepted", and yet an error beside it: neither is to be believed
    return Outcome.APPLIED if word in _GOOD and not faulty else Outcome.UNKNOWN


def _word(text: str) -> str:
    return text.strip().lower().replace(" ", "_").replace("-", "_")


def _outcome_of_number(status: int) -> Outcome:
    """A status per item as 207 has it."""
    if 200 <= status < 300:
        return Outcome.APPLIED
    if status in (408, 425, 429) or 500 <= status < 600:
        return Outcome.RETRYABLE
    return Outcome.REFUSED if 400 <= status < 500 else Outcome.UNKNOWN


def _rest(
    document: Any,
    listed: list[Any] | None,
    told: dict[int, ItemResult],
    stray: bool,
    sent: int,
    response: PasonsResponse,
) -> ItemResult:
    """What became of the items that have no result of their own."""
    if stray:
        return _MISSING
    if response.results == "all" and listed:
        return _MISSING  # a list of all that leaves some out
    adds_up = _adds_up(document, told, sent)
    if adds_up is None:
        return absent_result(response)
    return _APPLIED if adds_up else _CONTRADICTION


def _adds_up(document: Any, told: dict[int, ItemResult], sent: int) -> bool | None:
    """Whether the counts prove that all items without a result were applied; None: no counts."""
    received, accepted, rejected = (
        _count(document, name) for name in ("received", "accepted", "rejected")
    )
    if accepted is None and rejected is None:
        return None if received in (None, sent) else False
    if any(result.outcome is Outcome.UNKNOWN for result in told.values()):
        return False
    bad = sum(result.outcome is not Outcome.APPLIED for result in told.values())
    # "received" with "rejected" says as much as "accepted" does; "rejected" alone does not
    if accepted is None and received is None:
        return None if rejected == bad else False
    return received in (None, sent) and accepted in (None, sent - bad) and rejected in (None, bad)


def _count(document: Any, name: str) -> int | None:
    value = lookup(document, name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
