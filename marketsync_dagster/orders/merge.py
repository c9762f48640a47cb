"""What the book says of an order after its source has told of it: pure, one order at a time.

What a source says now is judged by what it said before: forward, over any number of states, is
the way of things; backward is an anomaly, and counts only in a newer document. Our own knowledge
(Qikink has delivered, a till has shipped) is kept where it is further than the source's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from marketsync_dagster.ledger.order_events import OrderEvent
from marketsync_dagster.ledger.order_holds import Hold, HoldKind
from marketsync_dagster.ledger.order_tasks import Task
from marketsync_dagster.ledger.orders import BookLine, BookOrder, order_id_of, touched
from marketsync_dagster.orders.amounts import paid
from marketsync_dagster.orders.exact import check, clean, minor
from marketsync_dagster.orders.lines import Age, Told, merged_line, new_line
from marketsync_dagster.orders.notes import BY, Notes
from marketsync_dagster.orders.persons import fields_of
from marketsync_dagster.orders.resolve import Resolve, cure_of
from marketsync_dagster.orders.states import aggregate, all_over, header
from marketsync_dagster.platforms.ordering import Person, PulledOrder, Role
from marketsync_dagster.values.order_states import UNFINISHED, OrderFlag, OrderState

REFUNDS = frozenset({OrderFlag.PARTIALLY_REFUNDED, OrderFlag.REFUNDED})
SAID_OUTLET = "outlet"
"""Under which name the book keeps the outlet that an order's source said, among its details."""
_NOBODY = Person()
OF_SENDING: frozenset[HoldKind] = frozenset({
    "unmapped", "manual", "stock", "address", "value", "route", "destination",
})  # fmt: skip
"""Holds that keep pieces from being sent, and that end with the last of them."""
NOTHING_LEFT = "nothing more is to be done for it"
MAPPED = "every line that is to be sent is mapped"


@dataclass(frozen=True, slots=True, repr=False)
class Known:
    """All that the ledger knows of an order before it is told of again."""

    order: BookOrder
    persons: Mapping[Role, Person] = field(default_factory=dict)
    held: frozenset[HoldKind] = frozenset()
    forwarded: Collection[str] = ()
    """Lines that a destination has, or may have."""
    cancelling: Mapping[str, int] = field(default_factory=dict)
    """As `lines.Told` has it."""


@dataclass(frozen=True, slots=True, repr=False)
class Merged:
    """An order as it is to be written, and what goes with it."""

    order: BookOrder
    changed: bool
    """False: the document says nothing new."""
    events: tuple[OrderEvent, ...] = ()
    persons: Mapping[Role, Person] = field(default_factory=dict)
    """Those that came, or are others now."""
    holds: tuple[Hold, ...] = ()
    released: tuple[HoldKind, ...] = ()
    tasks: tuple[Task, ...] = ()
    stale: bool = False
    """The document is older than what the book has."""


def merge(
    known: Known | None,
    pulled: PulledOrder,
    resolve: Resolve,
    *,
    source: str,
    platform: str,
    at: str,
    by: str,
    sha256: str = "",
    number: str = "",
    sent_before: str = "",
    taken_since: str = "",
) -> Merged:
    """The order after its source said `pulled`, which is the document `sha256`. `number`: what a
    new order is called that has none; else its id. `sent_before`: the source under whose name it
    was sent on already. `taken_since`: that the platform took orders itself which were made since
    then is as it should be; empty: of none.

    UnreadableOrder where the document contradicts itself, or has amounts that its currency cannot
    have.
    """
    check(pulled, len(known.order.lines) if known else 0)
    order_id = order_id_of(platform, source, pulled.external_id)
    number = clean(pulled.number) or (known.order.number if known else number)
    number = number or pulled.external_id
    notes = Notes(order_id, number, at, by, pulled.updated_at)
    if known is None:
        told = Told(pulled, source, resolve)
        lines = tuple(new_line(told, index, notes) for index in range(len(pulled.lines)))
        order = _new_order(notes, pulled, lines, source, platform, sha256)
        notes.events.insert(0, _created(order, notes))
        _hold_taken(order, notes, sent_before, taken_since)
        persons: dict[Role, Person] = {
            role: one for role, one in pulled.persons.items() if one != _NOBODY
        }
        return _settled(None, order, notes, persons, frozenset(), stale=False)
    order = known.order
    accepted = order.decision == "accept"
    told = Told(
        pulled, source, resolve, _age(order, pulled), accepted, known.forwarded, known.cancelling
    )
    lines = _lines(order, told, notes)
    if told.age is Age.OLDER:
        return _settled(order, replace(order, lines=lines), notes, {}, known.held, stale=True)
    now = replace(_told(order, pulled, notes), lines=lines, raw_sha256=sha256 or order.raw_sha256)
    persons = _persons(known, pulled, notes)
    return _settled(order, now, notes, persons, known.held, stale=False)


def waits_for_mapping(line: BookLine) -> bool:
    """Whether a line that is not mapped holds its order: it is still to be sent."""
    return not line.sku and line.state in UNFINISHED and line.open > 0


def hold_unmapped(lines: Iterable[BookLine], notes: Notes) -> bool:
    """Hold an order for its lines that none of our products are; whether there are any."""
    waiting = [line for line in lines if waits_for_mapping(line)]
    if waiting:
        words = "; ".join(f"line {line.line_id}: {line.unmapped}" for line in waiting)
        steps = dict.fromkeys(cure_of(line.unmapped) for line in waiting)
        step = f"{'; '.join(steps)}; the next run of fulfil_orders looks again"
        notes.hold("unmapped", words, step)
    return bool(waiting)


def _hold_taken(order: BookOrder, notes: Notes, sent_before: str, taken_since: str) -> None:
    """Hold a new order that may be on its way to its customer already: it was accepted by somebody
    else, or we have sent it on under another name of its source."""
    open_lines = [line for line in order.lines if line.open and line.state in UNFINISHED]
    if sent_before and open_lines:
        words = f"an order of {sent_before} with this id was sent on: it may be the same"
    elif taken_since and order.created_at >= taken_since:
        return
    elif any(line.state is not OrderState.NEW for line in open_lines):
        words = "it was accepted before MarketSync knew it: somebody may be shipping it"
    else:
        return
    step = f"if nobody ships it: marketsync orders release {order.id} {BY}; or cancel, or ship it"
    notes.hold("changed" if sent_before else "manual", words, step)


def pointless(lines: Collection[BookLine], held: Collection[HoldKind]) -> frozenset[HoldKind]:
    """Of the reasons to wait those that have lost theirs: nothing is left to be sent."""
    if any(line.open and line.state in UNFINISHED for line in lines):
        return frozenset()
    return OF_SENDING.intersection(held)


def outlet_of(lines: Iterable[BookLine]) -> str:
    """The outlet of all lines; empty: none, or several."""
    outlets = {line.outlet for line in lines}
    return outlets.pop() if len(outlets) == 1 else ""


def standing(order: BookOrder, at: str, *, held: bool) -> BookOrder:
    """The order with what its lines make of it: state, flags, outlet, whether it has ended."""
    state, flags = aggregate(order.lines, paid(order))
    flags |= order.flags - {OrderFlag.ON_HOLD, OrderFlag.PARTIALLY_SHIPPED}
    if OrderFlag.REFUNDED in flags:
        flags -= {OrderFlag.PARTIALLY_REFUNDED}
    if held:
        flags |= {OrderFlag.ON_HOLD}
    over = all_over(order.lines)
    return replace(
        order,
        state=state,
        flags=flags,
        outlet=outlet_of(order.lines),
        ended_at=(order.ended_at or at) if over else None,
    )


def _settled(
    before: BookOrder | None,
    now: BookOrder,
    notes: Notes,
    persons: Mapping[Role, Person],
    held: frozenset[HoldKind],
    *,
    stale: bool,
) -> Merged:
    """What comes of an order whose lines are merged: holds, state, version."""
    released: list[HoldKind] = []
    waits = now.decision != "refuse" and hold_unmapped(now.lines, notes)
    if all_over(now.lines):
        released += sorted(held)
        notes.holds.clear()
    else:
        released += sorted(pointless(now.lines, held))
        if not waits and "unmapped" in held and "unmapped" not in released:
            released.append("unmapped")
    for kind in released:
        mapped = kind == "unmapped" and any(one.open for one in now.lines)
        words = MAPPED if mapped and not all_over(now.lines) else NOTHING_LEFT
        notes.event("released", "", kind, "", words)
    holds = tuple(one for kind, one in notes.holds.items() if kind not in held)
    for one in holds:
        notes.event("held", "", "", one.kind, one.reason)
    now = standing(now, notes.at, held=bool((held - set(released)) | {h.kind for h in holds}))
    if before is not None and now.state is not before.state:
        notes.event("state", "", before.state.value, now.state.value, now.raw_state)
    changed = before is None or bool(notes.events) or bool(persons) or _differs(before, now)
    if before is not None and changed:
        now = touched(now, notes.at)
    return Merged(
        now,
        changed,
        tuple(notes.events),
        persons,
        holds,
        tuple(released),
        tuple(notes.tasks),
        stale,
    )


def _differs(before: BookOrder, now: BookOrder) -> bool:
    """Whether anything is another but when and in which document it was told."""
    return replace(now, updated_at=before.updated_at, raw_sha256=before.raw_sha256) != before


def _age(order: BookOrder, pulled: PulledOrder) -> Age:
    """How a document stands to the last that counted; one without a time is new."""
    if not pulled.updated_at or not order.updated_at or pulled.updated_at > order.updated_at:
        return Age.NEWER
    return Age.SAME if pulled.updated_at == order.updated_at else Age.OLDER


def _lines(order: BookOrder, told: Told, notes: Notes) -> tuple[BookLine, ...]:
    """The lines that are told, in their order, then those that are not any more."""
    there = {line.line_id: line for line in order.lines}
    merged: list[BookLine] = []
    for index, line in enumerate(told.pulled.lines):
        line_id = clean(line.line_id)
        before = there.pop(line_id, None)
        if before is not None:
            merged.append(merged_line(before, told, index, notes))
        elif told.age is not Age.OLDER:
            merged.append(new_line(told, index, notes))
            notes.event("line_added", line_id, "", merged[-1].state.value)
            if order.decision or told.forwarded:
                late = bool(order.decision) and merged[-1].state is OrderState.NEW
                notes.added(line_id, undecided=late, forwarded=bool(told.forwarded))
    merged += [
        line if told.age is Age.OLDER else _vanished(line, told, notes) for line in there.values()
    ]
    if told.age is Age.OLDER:
        merged.sort(key=lambda line: line.position)
    return tuple(merged)


def _vanished(line: BookLine, told: Told, notes: Notes) -> BookLine:
    if line.vanished_at is not None:
        return line
    notes.event("line_vanished", line.line_id, line.state.value)
    forwarded = line.line_id in told.forwarded
    if line.state in UNFINISHED and (forwarded or told.accepted):
        notes.changed(
            f"its source does not tell of line {line.line_id} any more",
            forwarded=forwarded,
            line_id=line.line_id,
        )
    return replace(line, vanished_at=notes.at)


def _new_order(
    notes: Notes,
    pulled: PulledOrder,
    lines: tuple[BookLine, ...],
    source: str,
    platform: str,
    sha256: str,
) -> BookOrder:
    return BookOrder(
        id=notes.order_id,
        platform=platform,
        account=source,
        external_id=pulled.external_id,
        number=notes.number,
        outlet="",
        state=header(line.state for line in lines),
        raw_state=clean(pulled.raw_state),
        remote_state=pulled.state,
        flags=pulled.flags,
        currency=pulled.currency,
        total_minor=minor(pulled.total, pulled.currency, "total"),
        shipping_minor=minor(pulled.shipping, pulled.currency, "shipping"),
        created_at=pulled.created_at,
        updated_at=pulled.updated_at,
        accept_by=pulled.accept_by,
        ship_by=pulled.ship_by,
        can_cancel=pulled.can_cancel,
        decision="",
        decided_by="",
        decided_at="",
        decided_reason="",
        estimated_delivery="",
        tags=tuple(clean(tag) for tag in pulled.tags),
        details=_details(pulled),
        raw_sha256=sha256,
        first_seen_at=notes.at,
        changed_at=notes.at,
        version=1,
        lines=lines,
    )


def _details(pulled: PulledOrder) -> dict[str, str]:
    said = {SAID_OUTLET: pulled.outlet} if pulled.outlet else {}
    return {clean(name): clean(value) for name, value in {**pulled.details, **said}.items()}


def _created(order: BookOrder, notes: Notes) -> OrderEvent:
    return OrderEvent(
        order.id, notes.at, "created", "", "", order.state.value, notes.by, order.raw_state,
        notes.remote_at,
    )  # fmt: skip


def _told(order: BookOrder, pulled: PulledOrder, notes: Notes) -> BookOrder:
    """What a document that is not older says of the order as a whole."""
    unknown = pulled.state is None and pulled.raw_state not in ("", order.raw_state)
    if unknown and any(line.raw_state for line in pulled.lines):  # else each of them says so
        notes.event("unknown_state", "", order.raw_state, clean(pulled.raw_state))
    total = minor(pulled.total, pulled.currency, "total")
    shipping = minor(pulled.shipping, pulled.currency, "shipping")
    notes.differs("currency", "", order.currency, pulled.currency)
    notes.differs("total_minor", "", order.total_minor, total)
    notes.differs("shipping_minor", "", order.shipping_minor, shipping)
    notes.differs("accept_by", "", order.accept_by, pulled.accept_by)
    notes.differs("ship_by", "", order.ship_by, pulled.ship_by)
    return replace(
        order,
        number=notes.number,
        raw_state=clean(pulled.raw_state) or order.raw_state,
        remote_state=pulled.state or order.remote_state,
        # what lines say by themselves is added again
        flags=pulled.flags | (order.flags & {OrderFlag.ON_HOLD} | (order.flags & REFUNDS)),
        currency=pulled.currency,
        total_minor=total,
        shipping_minor=shipping,
        updated_at=max(pulled.updated_at, order.updated_at),
        accept_by=pulled.accept_by,
        ship_by=pulled.ship_by,
        can_cancel=pulled.can_cancel,
        tags=tuple(clean(tag) for tag in pulled.tags),
        details=_details(pulled),
    )


def _persons(known: Known, pulled: PulledOrder, notes: Notes) -> dict[Role, Person]:
    """Persons that came or are others now; who is not told any more stays. What was forgotten
    does not come back."""
    if known.order.forgotten_at is not None:
        return {}
    found: dict[Role, Person] = {}
    for role, person in pulled.persons.items():
        before = known.persons.get(role)
        if not (said := fields_of(person)) or (before and fields_of(before) == said):
            continue
        found[role] = person
        notes.event("address", "", "", role, "it is another one" if before else "it came")
        on_its_way = any(
            line.line_id in known.forwarded and line.state in UNFINISHED
            for line in known.order.lines
        )
        if before and role == "shipping" and on_its_way:
            notes.changed("its source changed the shipping address", forwarded=True)
    return found
