"""Erasing the personal data of orders: persons, documents as they came, files of shops and tills.

The books stay: lines, amounts, numbers, events. What comes of a forgotten order later is applied
without its persons, and its document is not kept (`orders.applying`). Backups of the ledger that
were made before hold what they held; they go by `retention.backups`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from marketsync_dagster.config.orders import POS
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger import erasing
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import LIVE, Forward, forwards_at, forwards_of
from marketsync_dagster.ledger.order_events import OrderEvent, record_events
from marketsync_dagster.ledger.order_persons import forget_persons
from marketsync_dagster.ledger.order_raw import forget_raw, forgotten_since
from marketsync_dagster.ledger.orders import (
    BookOrder,
    get_order,
    orders_to_change,
    save_orders,
    touched,
)
from marketsync_dagster.orders import pos_answers, pos_drop
from marketsync_dagster.orders.by_hand import Done
from marketsync_dagster.platforms.own_shop import done
from marketsync_dagster.values.errors import Busy, UsageError
from marketsync_dagster.values.times import from_iso, to_iso, utcnow
from marketsync_dagster.values.words import counted

AT_ONCE = 200
"""Orders that one transaction forgets."""
AGE = "retention.personal_days"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was erased, or would be."""

    orders: int = 0
    documents: int = 0
    """As they came, of orders and of what no order was made of."""
    files: int = 0


def forget_order(
    ledger: Ledger,
    settings: Settings,
    order_id: str,
    *,
    by: str,
    reason: str,
    force: bool = False,
    now: datetime | None = None,
) -> Done:
    """Erase what is personal of an order that has ended, or with `force` of any; once more where
    that was done before. UsageError where it has not ended."""
    if not by.strip() or not reason.strip():
        raise UsageError("an erasure has a name and a reason", "--by NAME --reason WHY")
    order = get_order(ledger, order_id)
    if order is None:
        raise UsageError(f"there is no order {order_id}", "marketsync orders list")
    if order.ended_at is None and not force:
        raise UsageError(
            f"order {order.number} is {order.state.value}: its address is still needed",
            "wait until it has ended (then it goes by itself, see retention.personal_days), or "
            "--force",
        )
    at = to_iso(now or utcnow())
    found = _forget(ledger, settings, order.account, [order.id], by=by, reason=reason, at=at)
    words = [
        f"order {order.number}: names, addresses, mails and phones are erased",
        f"{counted(found.documents, 'document')} and {counted(found.files, 'file')} with them",
    ]
    try:
        erasing.settle(ledger)
        step = ""
    except Busy as busy:
        words.append(f"the ledger's log still has them: {busy.message}")
        step = "marketsync ledger prune, when nothing runs"
    words.append("backups of the ledger that were made before have them until they are removed")
    return Done(order.id, "; ".join(words), step)


def forget_old(
    ledger: Ledger,
    settings: Settings,
    before: str,
    *,
    by: str,
    now: datetime | None = None,
    dry_run: bool = False,
) -> Forgotten:
    """Forget orders that ended before a time (ISO), documents as old that belong to no order, and
    the files of shops and tills that were put away before."""
    old, loose = erasing.old_orders(ledger, before), erasing.loose_documents(ledger, before)
    if dry_run:
        return Forgotten(sum(map(len, old.values())), loose)
    at, orders, documents, files = to_iso(now or utcnow()), 0, 0, 0
    for source, ids in old.items():
        for first in range(0, len(ids), AT_ONCE):
            part = ids[first : first + AT_ONCE]
            found = _forget(ledger, settings, source, part, by=by, reason=AGE, at=at)
            orders, documents = orders + found.orders, documents + found.documents
            files += found.files
    documents += erasing.erase_loose(ledger, before)
    files += _tidy(ledger, settings, before)
    if orders or documents:
        with contextlib.suppress(Busy):  # somebody reads; a later checkpoint empties the log
            erasing.settle(ledger)
    return Forgotten(orders, documents, files)


def forget_again(ledger: Ledger, settings: Settings, shop: str, since: str) -> int:
    """Erase from the files of a shop what came since a time of orders that were forgotten before;
    how many files."""
    with ledger.read() as conn:
        came = forgotten_since(conn, settings.order_platform(shop), shop, since)
    return done.forget(settings, shop, came) if came else 0


def _forget(
    ledger: Ledger,
    settings: Settings,
    source: str,
    order_ids: Sequence[str],
    *,
    by: str,
    reason: str,
    at: str,
) -> Forgotten:
    """In the ledger first: what comes again meanwhile is not kept any more."""
    with ledger.begin() as conn:
        there = orders_to_change(conn, source, order_ids)
        book = list(there.values())
        with erasing.thorough(conn):
            forget_persons(conn, [order.id for order in book])
            documents = sum(
                forget_raw(conn, order.platform, order.account, order.external_id) for order in book
            )
            numbers = _at_tills(forwards_of(conn, list(there)))
            for outlet, some in numbers.items():
                documents += erasing.erase_answers(conn, outlet, some)
        save_orders(conn, [touched(order, at, forgotten_at=at) for order in book])
        record_events(
            conn, [OrderEvent(order.id, at, "forgotten", by=by, reason=reason) for order in book]
        )
    return Forgotten(len(book), documents, _files(settings, source, book, numbers))


def _at_tills(forwards: Mapping[str, Sequence[Forward]]) -> dict[str, list[str]]:
    """Outlet -> the numbers that its till was given."""
    found: dict[str, list[str]] = {}
    for some in forwards.values():
        for one in some:
            if one.destination == POS:
                found.setdefault(one.outlet, []).append(one.number)
    return found


def _files(
    settings: Settings,
    source: str,
    book: Sequence[BookOrder],
    numbers: Mapping[str, Collection[str]],
) -> int:
    """Erase what is of orders in the files of their shop and of tills; how many files, but those
    that tills have not taken yet."""
    count = 0
    if source in settings.shops:
        count += done.forget(settings, source, [order.external_id for order in book])
    for outlet, some in numbers.items():
        if outlet in settings.outlets and settings.outlets[outlet].orders is not None:
            pos_drop.forget(settings, outlet, some)
            count += pos_answers.forget(settings, outlet, some)
    return count


def _tidy(ledger: Ledger, settings: Settings, before: str) -> int:
    """Empty files that were put away before a time, and marks of drops that nobody waits for."""
    before_s, count = from_iso(before).timestamp(), 0
    for shop in settings.shops:
        count += done.tidy(settings, shop, before_s)
    for outlet, said in settings.outlets.items():
        if said.orders is None:
            continue
        count += pos_answers.tidy(settings, outlet, before_s)
        with ledger.read() as conn:
            live = forwards_at(conn, POS, LIVE, outlets=[outlet])
        # a mark keeps an order from being dropped twice
        if not any(one.created_at < before for one in live):
            count += pos_drop.tidy(settings, outlet, before_s)
    return count
