"""How a Pasons store tells what it did with a push, in each of the forms that a seed can ask for.

What it did is decided in `pasons`; the forms are `pasons_store.Speech`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from marketsync_dagster.sandbox.pasons_store import PasonsStore, Speech
from marketsync_dagster.sandbox.wire import Answer, json_answer


class Refusal(NamedTuple):
    """Why one item was not taken."""

    error: Any
    passing: bool = False


def told(store: PasonsStore, skus: list[str], refused: dict[int, Refusal], applied: int) -> Answer:
    """The answer to a push of `skus`, of which those at `refused` were not taken."""
    speech, received = store.answer, len(skus)
    atomic = speech.atomic is not None and bool(refused)
    status = speech.status
    if refused:
        status = (speech.atomic if atomic else speech.partial_status) or status
    if speech.empty and not atomic:
        return Answer(status, applied=applied, items=received)
    rows = _rows(speech, skus, refused, everything=speech.only == "all" and not atomic)
    if speech.items == "":
        return json_answer(status, rows, applied, received)
    document: dict[str, Any] = {}
    for name, value in (speech.always or {}).items():
        put(document, name, value)
    if speech.counts is not None and not atomic:
        figures = {
            "received": received,
            "accepted": received - len(refused),
            "rejected": len(refused),
        }
        for name, place in speech.counts.items():
            put(document, place, figures[name])
    if speech.applied_items is not None and not atomic:
        good = [sku for index, sku in enumerate(skus) if index not in refused]
        put(document, speech.applied_items, good)
    if speech.items is not None:
        put(document, speech.items, rows)
    if speech.under:
        outer: dict[str, Any] = {}
        put(outer, speech.under, document)
        document = outer
    return json_answer(status, document, applied, received)


def put(document: dict[str, Any], place: str, value: Any) -> None:
    """Set what stands at `place`, names joined by dots."""
    *outer, last = place.split(".")
    for name in outer:
        document = document.setdefault(name, {})
    document[last] = value


def _rows(speech: Speech, skus: list[str], refused: dict[int, Refusal], *, everything: bool) -> Any:
    chosen = range(len(skus)) if everything else sorted(refused)
    order = reversed(list(chosen)) if speech.reversed else chosen
    if speech.shape == "ids":
        return [skus[index] for index in order]
    if speech.shape == "map":
        return {skus[index]: _map_value(speech, refused.get(index)) for index in order}
    return [_row(speech, index, skus[index], refused.get(index)) for index in order]


def _map_value(speech: Speech, refusal: Refusal | None) -> Any:
    row = _said(speech, refusal)
    return next(iter(row.values())) if len(row) == 1 else row


def _row(speech: Speech, index: int, sku: str, refusal: Refusal | None) -> dict[str, Any]:
    row: dict[str, Any] = {}
    if speech.index is not None:
        put(row, speech.index, index + speech.index_base)
    if speech.key is not None:
        put(row, speech.key, sku)
    for name, value in _said(speech, refusal).items():
        put(row, name, value)
    return row


def _said(speech: Speech, refusal: Refusal | None) -> dict[str, Any]:
    """What a result says of its item: the word, and the error."""
    said: dict[str, Any] = {}
    if speech.state is not None:
        word = speech.applied
        if refusal is not None:
            word = speech.retryable if refusal.passing else speech.refused
        said[speech.state] = word
    if refusal is None or speech.error is None:
        return said
    error = refusal.error
    if speech.form == "object" or not isinstance(error, dict):
        said[speech.error] = error
    else:
        said[speech.error] = error.get("message", "")
        if speech.form == "flat":
            said[speech.code] = error.get("code", "")
    return said
