"""What Mirakl says of imports: that one was started, and how it stands (contract section 6.4).

Pure: documents in, results out. Which lines were refused is `reports`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

from marketsync_dagster.platforms.base import (
    Answer,
    ImportKind,
    ImportStatus,
)
from marketsync_dagster.platforms.mirakl.payloads import HEADER_LINES
from marketsync_dagster.values.outcomes import Outcome

Clean = Callable[[str], str]
State = Literal["waiting", "running", "complete", "failed"]
_STATES: dict[str, State] = {
    "WAITING_SYNCHRONIZATION_PRODUCT": "waiting",
    "WAITING": "waiting",
    "RUNNING": "running",
    "COMPLETE": "complete",
    "FAILED": "failed",
}
"""Another word may come at any time: such an import goes on."""
_LINE = re.compile(r"\bline (\d{1,9})\b", re.IGNORECASE)
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TOO_MANY = re.compile(
    r"size must be between|too many (offers|lines)|maximum.{0,40}(offers|lines)", re.IGNORECASE
)
_ONE_OFFER = re.compile(r'offers"?\]?(?:->[\w.$]+)?\[(\d{1,6})\]')
"""`offers[3].price: ...`, and `["offers"]->java.util.ArrayList[3]`."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NOT_THE_OFFERS = _REDIRECTS | {403, 404, 405, 410}
"""Answers about the address, the shop or the rights of the key."""
SWITCHES = {ImportKind.PRICES: "price_import", ImportKind.STOCK: "stock_import"}


def import_id_of(document: Any) -> str:
    """The id of the import that was started; empty: the answer has none that can be read."""
    if not isinstance(document, dict):
        return ""
    for name in ("import_id", "importId"):
        text = id_text(document.get(name))
        if text:
            return text
    return ""


def id_text(value: Any) -> str:
    """An import's id as text, of a number (OF24) or a text; empty for what is neither."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return str(value)
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def refusal(answer: Answer, kind: ImportKind, account: str, count: int) -> Answer:
    """What a call that started nothing means besides its status."""
    call, message = answer.call, answer.message
    if kind in SWITCHES and call.status in (403, 404):
        switch = SWITCHES[kind]
        return Answer(
            call,
            outcome=Outcome.UNSUPPORTED,
            message=f"{message}; if the operator takes no imports of {kind.value} alone, set "
            f"accounts.{account}.{switch}: false, else check shop_id and the rights of the key",
        )
    if answer.outcome is Outcome.REFUSED and call.status in _NOT_THE_OFFERS:
        if call.status not in _REDIRECTS:  # whose words name the address already
            message = f"{message}; check shop_id and base_url of accounts.{account}"
        return Answer(call, outcome=Outcome.REFUSED, message=message)
    if call.status != 400 or count < 2:
        return answer
    if _TOO_MANY.search(message):
        return Answer(call, split=True, message=message)
    # a document is refused as a whole for one offer: without it, the others get through
    named = {int(found[1]) for found in _ONE_OFFER.finditer(message)}
    if not named:
        return answer
    some = tuple(sorted(named)) if max(named) < count else ()
    return Answer(call, split=True, named=some, message=message)


def statuses(entries: Sequence[Any], wanted: Sequence[str], clean: Clean) -> list[ImportStatus]:
    """How those of the `wanted` imports stand that are among the entries of an answer."""
    found: dict[str, ImportStatus] = {}
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        import_id = id_text(entry.get("import_id"))
        if import_id in wanted:
            found[import_id] = status_of(entry, import_id, clean)
    return list(found.values())


def status_of(entry: dict[str, Any], import_id: str, clean: Clean) -> ImportStatus:
    """How one import stands."""
    raw, reason = entry.get("status"), entry.get("reason_status")
    state = _STATES.get(raw, "running") if isinstance(raw, str) else "running"
    words = clean(reason) if isinstance(reason, str) else ""
    line = _LINE.search(words)
    item = int(line[1]) - 1 - HEADER_LINES if line else -1
    return ImportStatus(
        import_id,
        state,
        raw=clean(raw if isinstance(raw, str) else str(raw)),
        lines_in_error=_count(entry.get("lines_in_error")) or 0,
        lines_in_success=_count(entry.get("lines_in_success")),
        has_report=entry.get("has_error_report") is True,
        reason=words,
        line=item if item >= 0 else None,
    )


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
