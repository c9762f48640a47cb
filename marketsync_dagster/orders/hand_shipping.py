"""Parcels that people tell of: what has left; and who carries what, where that was told wrong or
not at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from marketsync_dagster.config.orders import POS
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import HERE, Forward, live_lines
from marketsync_dagster.ledger.order_events import OrderEvent, record_events
from marketsync_dagster.ledger.order_holds import holds_of
from marketsync_dagster.ledger.order_tasks import answer as answer_task
from marketsync_dagster.ledger.order_tasks import answer_of_order
from marketsync_dagster.ledger.shipments import (
    Shipment,
    record_shipments,
    shipment_id,
    shipments_of,
)
from marketsync_dagster.orders import book
from marketsync_dagster.orders.by_hand import FULFIL, Changing, Done, changing, short
from marketsync_dagster.orders.gates import CANCELLING
from marketsync_dagster.orders.tracking import (
    carrier_task,
    correction,
    lacks_carrier,
    may_be_told,
    name_of_parcel,
    travels,
)
from marketsync_dagster.values.order_states import UNFINISHED, OrderState
from marketsync_dagster.values.words import counted

S = OrderState


def ship(
    ledger: Ledger,
    settings: Settings,
    order_id: str,
    *,
    by: str,
    reason: str,
    carrier: str = "",
    tracking: str = "",
    url: str = "",
    lines: Mapping[str, int] | None = None,
    parcel: str = "",
    now: datetime | None = None,
) -> Done:
    """A parcel has left: with all that is open, or with these pieces (line -> pieces).

    One that is known, named by `parcel` or by its tracking number and another carrier, travels
    otherwise than was said: it is corrected as long as its source was not told of it.
    """
    with changing(ledger, settings, order_id, by, reason, now) as one:
        order = one.order
        if known := _known(one, parcel, carrier, tracking, lines or {}):
            return _corrected(one, known, carrier, tracking, url)
        _with_carrier(one, bool(tracking or url) and not carrier)
        held = {hold.kind for hold in holds_of(one.conn, [order.id])}
        refused = any(row.state == "refused" and row.kind in CANCELLING for row in one.commands)
        one.refuse_unless(
            order.decision != "cancel" and "cancelling" not in held,
            f"was to be cancelled: {order.account} refused, and nobody has decided what now"
            if refused
            else f"is being cancelled: {order.account} has still to answer",
            "marketsync orders tasks" if refused else FULFIL,
        )
        waiting = {
            line.line_id: line
            for line in order.lines
            if line.state in UNFINISHED - {S.NEW, S.AWAITING_PAYMENT} and line.open
        }
        early = any(line.state in (S.NEW, S.AWAITING_PAYMENT) for line in order.lines)
        one.refuse_unless(
            waiting,
            "was not accepted yet" if early else f"is {order.state.value}: nothing is left to ship",
            f"marketsync orders accept {order.id} --by NAME --reason WHY" if early else "",
        )
        pieces = dict(lines) if lines else {line: each.open for line, each in waiting.items()}
        for line_id, number in pieces.items():
            open_ = waiting[line_id].open if order.line(line_id) and line_id in waiting else 0
            one.refuse_unless(
                0 < number <= open_,
                f"has {counted(open_, 'piece')} of line {line_id} to ship, not {number}",
            )
        so_far = {line: waiting[line].shipped for line in pieces}
        live = live_lines(one.conn, [order.id]).get(order.id, {})
        has = {live[line].id: live[line] for line in pieces if line in live}
        there = [each for each in has.values() if each.state not in HERE]
        key = f"hand {short(tracking, carrier, sorted(pieces.items()), sorted(so_far.items()))}"
        new = Shipment(
            id=shipment_id(order.id, key),
            order_id=order.id,
            key=key,
            forward_id=_till_that_has(one, there),
            carrier=carrier,
            tracking_number=tracking,
            tracking_url=url,
            lines=pieces,
            estimated_delivery="",
            created_at=one.at,
            created_by=by,
            changed_at=one.at,
        )
        record_shipments(one.conn, [new])
        answer_of_order(one.conn, order.id, "same_parcel", "it was another one", by, one.at)
        total = sum(pieces.values())
        words = f"{counted(total, 'piece')} shipped"
        record_events(
            one.conn, [OrderEvent(order.id, one.at, "shipment", after=words, by=by, reason=reason)]
        )
        order = book.move(
            one.conn,
            order,
            {line: S.SHIPPED for line, number in pieces.items() if number == waiting[line].open},
            by=by,
            reason=reason,
            at=one.at,
            shipped={line: so_far[line] + number for line, number in pieces.items()},
        )
        left = sum(line.open for line in order.lines if line.state in UNFINISHED)
        rest = f", {counted(left, 'piece')} still to ship" if left else ""
        asked = "".join(
            f"; {each.there} (number {each.number}) is asked to take back what it has of it"
            for each in there
            if each.destination != POS
        )
        unpaid = [one_ for one_ in pieces if waiting[one_].state is S.ACCEPTED]
        early_words = f"; {order.account} has not said that it is paid" if unpaid else ""
        words = f"{words}{rest}{asked}{early_words}"
        return Done(order.id, f"order {order.number}: {words}", FULFIL)


def _known(
    one: Changing, parcel: str, carrier: str, tracking: str, lines: Mapping[str, int]
) -> list[Shipment]:
    """The parcels that are meant, of those that have left; none: another one leaves."""
    order = one.order
    there = shipments_of(one.conn, [order.id]).get(order.id, [])
    if parcel:
        found = [each for each in there if parcel in (each.tracking_number, each.key, each.id)]
        one.refuse_unless(found, f"has no parcel {parcel}", f"marketsync orders show {order.id}")
        one.refuse_unless(
            not lines, f"has parcel {parcel} with its pieces: they stay", "leave out --line"
        )
        return found
    if not (tracking and carrier) or lines:
        return []
    return [
        each
        for each in there
        if each.tracking_number == tracking and each.carrier.casefold() != carrier.casefold()
    ]


def _corrected(
    one: Changing, parcels: Sequence[Shipment], carrier: str, tracking: str, url: str
) -> Done:
    """Let parcels travel as is said now; their pieces stay."""
    order = one.order
    named = name_of_parcel(parcels[0])
    one.refuse_unless(
        not any(may_be_told(each, one.commands) for each in parcels),
        f"has parcel {named} told: {order.account} knows how it travels, or is just being told",
        "--line LINE=PIECES, if another parcel has left",
    )
    after = [
        replace(
            each,
            carrier=carrier or each.carrier,
            tracking_number=tracking or each.tracking_number,
            tracking_url=url or each.tracking_url,
            changed_at=one.at,
        )
        for each in parcels
    ]
    _with_carrier(one, any(map(lacks_carrier, after)))
    changed = {each.id: each for each in record_shipments(one.conn, after)}
    one.refuse_unless(changed, f"has parcel {named} as it is said")
    before = {each.id: travels(each) for each in parcels}
    record_events(one.conn, [
        OrderEvent(order.id, one.at, "shipment", "", before[each.id], travels(each), one.by,
                   correction(each.key) + one.reason)
        for each in changed.values()
    ])  # fmt: skip
    for each in changed:
        answer_task(one.conn, carrier_task(each), "its carrier is known", one.by, one.at)
    words = travels(after[0])
    return Done(order.id, f"order {order.number}: parcel {named} travels with {words}", FULFIL)


def _with_carrier(one: Changing, lacking: bool) -> None:
    one.refuse_unless(
        not (lacking and one.can.needs_carrier),
        f"needs a carrier: {one.order.account} takes no tracking number without",
        "--carrier NAME",
    )


def _till_that_has(one: Changing, forwards: Collection[Forward]) -> str:
    """The forward whose pieces a person ships: of a till, for people there tell so by hand. Empty:
    they come from elsewhere, and what another destination has of them is not wanted any more."""
    tills = [each for each in forwards if each.destination == POS]
    one.refuse_unless(
        len(tills) < 2,
        f"is at {counted(len(tills), 'till')}: each ships its own parcel",
        "--line LINE=PIECES, for each till by itself",
    )
    return tills[0].id if tills else ""
