"""What Mirakl tells of imports: their state, their reports, and the lists of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from marketsync_dagster.sandbox import mirakl_files, mirakl_reads
from marketsync_dagster.sandbox.mirakl_pages import (
    DEFAULT,
    MOST,
    BadParameter,
    Query,
    from_token,
    token_of,
)
from marketsync_dagster.sandbox.mirakl_prices import BadLine, moment
from marketsync_dagster.sandbox.mirakl_requests import Call, Refused
from marketsync_dagster.sandbox.mirakl_state import Import
from marketsync_dagster.sandbox.wire import Answer, json_answer

STATES = ("WAITING_SYNCHRONIZATION_PRODUCT", "WAITING", "RUNNING", "COMPLETE", "FAILED")


def _import_of(call: Call, kind: str) -> Import:
    found = call.world.mirakl.by_id.get((call.shop.shop_id, call.named["import"]))
    if found is None or found.kind != kind:
        words = f"Import with identifier {call.named['import'][:60]} not found"
        raise Refused(404, "NOT_FOUND", words)
    return found


def _offer_import(found: Import, listed: bool) -> dict[str, Any]:
    pending = 0 if found.ended is not None else found.lines
    document: dict[str, Any] = {
        "date_created": mirakl_reads.iso(found.created),
        "has_error_report": found.has_report,
        "import_id": int(found.import_id),
        "lines_in_error": found.lines_in_error,
        "lines_in_pending": pending,
        "lines_in_success": found.lines_in_success,
        "lines_read": found.lines,
        "mode": "NORMAL",
        "offer_deleted": found.deleted,
        "offer_inserted": found.inserted,
        "offer_updated": found.updated,
        "status": found.status,
    }
    if listed:
        document |= {"origin": "API", "shop_id": found.shop_id}
        if found.reason:
            document["reason_status"] = found.reason
        return document
    return {**document, "reason_status": found.reason, "type": "MIRAKL"}


def _price_import(found: Import) -> dict[str, Any]:
    return {
        "date_created": mirakl_reads.iso(found.created),
        "has_error_report": found.has_report,
        "import_id": found.import_id,
        "lines_in_error": found.lines_in_error,
        "lines_in_success": found.lines_in_success,
        "offers_in_error": found.offers_in_error,
        "offers_updated": found.updated,
        "origin": "API",
        "reason_status": found.reason,
        "shop_id": found.shop_id,
        "status": found.status,
    }


def offer_import(call: Call) -> Answer:
    """OF02."""
    return json_answer(200, _offer_import(_import_of(call, "OF24"), listed=False))


def stock_import(call: Call) -> Answer:
    """STO02: the counts come with the end."""
    found = _import_of(call, "STO01")
    document = {
        "date_created": mirakl_reads.iso(found.created),
        "has_error_report": found.has_report,
        "import_id": found.import_id,
        "shop_id": found.shop_id,
        "status": found.status,
    }
    if found.ended is not None:
        document["lines_in_error"] = found.lines_in_error
        document["lines_in_success"] = found.lines_in_success
    return json_answer(200, document)


def report_of(kind: str) -> Callable[[Call], Answer]:
    """OF03, PRI03, STO03: what was wrong with which line; 404 where there is no report, or not
    yet."""

    def answer(call: Call) -> Answer:
        found = _import_of(call, kind)
        late = found.report_from is not None and call.world.now() < found.report_from
        if not found.has_report or late:
            raise Refused(404, "NOT_FOUND", "The error report does not exist")
        content_type = b"application/octet-stream" if kind == "OF24" else b"text/csv"
        body = mirakl_files.report(found, call.shop.report_style)
        name = f'attachment; filename="errors-{found.import_id}.csv"'.encode()
        headers = [(b"content-type", content_type), (b"content-disposition", name)]
        return Answer(200, body=body, headers=headers)

    return answer


def offer_imports(call: Call) -> Answer:
    """OF04."""
    return _imports(call, "OF24", lambda found: _offer_import(found, listed=True))


def price_imports(call: Call) -> Answer:
    """PRI02."""
    return _imports(call, "PRI01", _price_import)


def _imports(call: Call, kind: str, document: Callable[[Import], dict[str, Any]]) -> Answer:
    """A page by token, the newest import first unless `order=asc`."""
    query, beyond, forward, token = call.query, None, True, call.query.one("page_token")
    if token is not None:
        # everything else that is asked for with a token is ignored
        query, beyond, forward = from_token(token)
    limit = query.whole("limit", DEFAULT, MOST, 1)
    query.choice("sort", ("dateCreated",), None)
    oldest_first = query.choice("order", ("asc", "desc"), "desc") == "asc"
    wanted = _wanted(call, kind, query)
    if not oldest_first:
        wanted.reverse()
    numbers = [found.number for found in wanted]
    if beyond is None:
        first = 0
    else:
        passed = sum((n < beyond) if oldest_first else (n > beyond) for n in numbers)
        first = passed + (beyond in numbers) if forward else max(0, passed - limit)
    if call.tampering.repeat_page:
        first = max(0, first - limit)
    page = wanted[first : first + limit]
    answer: dict[str, Any] = {"data": [document(found) for found in page]}
    if page and first + limit < len(wanted):
        answer["next_page_token"] = token_of(query, page[-1].number, forward=True)
    if page and first > 0:
        answer["previous_page_token"] = token_of(query, page[0].number, forward=False)
    return json_answer(200, answer, 0, len(page))


def _wanted(call: Call, kind: str, query: Query) -> list[Import]:
    """The imports that are asked for, the oldest first."""
    ids = query.all("import_id") if kind == "PRI01" else []
    status = query.choice("status", STATES if kind == "OF24" else STATES[1:], None)
    normal = query.choice("mode", ("NORMAL", "REPLACE"), "NORMAL") == "NORMAL"
    origins = query.all("origins")
    first, last = _moment(query, "start_date"), _moment(query, "end_date")
    if not normal or (origins and "API" not in origins):
        return []
    return [
        found
        for found in call.world.mirakl.imports
        if (found.shop_id, found.kind) == (call.shop.shop_id, kind)
        and (not ids or found.import_id in ids)
        and status in (None, found.status)
        and (first is None or first <= found.created)
        and (last is None or int(found.created) <= last)
    ]


def _moment(query: Query, name: str) -> float | None:
    text = query.one(name)
    try:
        return None if text is None else moment(text)
    except BadLine as fault:
        raise BadParameter(f"{name}: a date and time were expected") from fault
