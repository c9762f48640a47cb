"""The durable steps of telling one source: each method is one transaction.

Intent committed, then the call, then the outcome committed. What was intended when its process
died may or may not be done: it is unknown, and looked up before anything is sent again. What cannot
be told by looking is a task for a person. The calls are made by `orders.telling`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from marketsync_dagster.ledger.calls import record_calls
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_commands import (
    CommandRow,
    command_of,
    commands_of,
    save_commands,
    unsettled,
)
from marketsync_dagster.ledger.order_events import Kind, record_events
from marketsync_dagster.ledger.order_holds import holds_of
from marketsync_dagster.ledger.orders import (
    BookOrder,
    load_orders,
    orders_to_change,
    save_orders,
    touched,
)
from marketsync_dagster.orders.answers import Ended, ask_about, counted_now, end_command
from marketsync_dagster.orders.gates import Gate, blocked_by, gate
from marketsync_dagster.orders.persons import personal_texts
from marketsync_dagster.orders.points import Observer, unobserved
from marketsync_dagster.orders.wanting import ADDS_UP, KNOWN, command_from, event_of
from marketsync_dagster.platforms.base import Call
from marketsync_dagster.platforms.ordering import (
    Command,
    CommandAnswer,
    LookUp,
    OrderCapabilities,
)
from marketsync_dagster.push.calls import call_row
from marketsync_dagster.values.order_states import CommandKind, OrderState
from marketsync_dagster.values.outcomes import ACKNOWLEDGED, Outcome
from marketsync_dagster.values.redact import scrub
from marketsync_dagster.values.times import from_iso, to_iso, utcnow

FIRST_PAUSE_S = 60.0
"""After a call that was turned away; twice as long each time."""
LONGEST_PAUSE_S = 3_600.0
TAKEN = ACKNOWLEDGED | {Outcome.ACCEPTED_ASYNC}


@dataclass(slots=True, eq=False)
class CommandJournal:
    """The journal of one source, whose lease `tell <source>` is held."""

    ledger: Ledger
    source: str
    can: OrderCapabilities
    by: str
    """The run, for the history."""
    settle_s: float
    """What adds up is not sent again sooner after its call: the platform may be busy with it."""
    observe: Observer = unobserved
    now: datetime | None = None
    numbers: Counter[str] = field(default_factory=Counter)
    """told (done), refused, unsupported, dropped, waiting, retry, unknown, tasks."""

    # -- what is due -----------------------------------------------------------------------

    def note_lost(self) -> None:
        """What was on its way when its process died may or may not be done; what nobody else is
        told is not looked up."""
        with self.ledger.read() as conn:
            there = unsettled(conn, self.source, ["intended", "unknown"])
        if not any(row.state == "intended" or self._is_ours(row) for row in there):
            return
        with self.ledger.begin() as conn:
            orders_to_change(conn, self.source, [])
            words = "its run ended before the answer was written down"
            for row in unsettled(conn, self.source, ["intended"]):
                save_commands(conn, [replace(row, state="unknown", not_before="", message=words)])
                self._say(conn, row, "answered", "unknown", words)
            for row in unsettled(conn, self.source, ["unknown"]):
                if self._is_ours(row):
                    save_commands(conn, [replace(row, state="waiting", not_before="")])

    def _is_ours(self, row: CommandRow) -> bool:
        return row.kind in self.can.local or row.kind not in self.can.commands

    def unknown(self) -> list[CommandRow]:
        """What is to be looked up now."""
        with self.ledger.read() as conn:
            return unsettled(conn, self.source, ["unknown"], due=self._at())

    def due(self, kinds: Collection[CommandKind]) -> list[CommandRow]:
        """The commands whose time has come, without orders all of whose commands wait for their
        source to go on."""
        with self.ledger.read() as conn:
            rows = unsettled(conn, self.source, ["waiting"], due=self._at())
            rows = [row for row in rows if row.kind in kinds]
            there = load_orders(conn, sorted({row.order_id for row in rows}))
            held = self._held(conn, there)
        able = {
            row.order_id
            for row in rows
            if self._gate(row, there[row.order_id], held.get(row.order_id, set()))
        }
        # one that waits is looked at again after another one of its order
        self.numbers["waiting"] += sum(row.order_id not in able for row in rows)
        return [row for row in rows if row.order_id in able]

    def _gate(self, row: CommandRow, order: BookOrder, held: Collection[str]) -> bool:
        return gate(row, order, self.can, self._at(), held)[0] is not Gate.WAIT

    def _held(self, conn: Connection, ids: Collection[str]) -> dict[str, set[str]]:
        """Order -> the kinds of its holds."""
        found: dict[str, set[str]] = {}
        for hold in holds_of(conn, sorted(ids)):
            found.setdefault(hold.order_id, set()).add(hold.kind)
        return found

    def calls(self, row: CommandRow) -> bool:
        """Whether a call is made for a command, as far as the book knows."""
        with self.ledger.read() as conn:
            order = load_orders(conn, [row.order_id])[row.order_id]
            others = commands_of(conn, [order.id])[order.id]
            held = self._held(conn, [order.id]).get(order.id, set())
        judged, _ = gate(row, order, self.can, self._at(), held)
        return judged in (Gate.SEND, Gate.LOOK_UP) and not blocked_by(row, others)

    def command(self, row: CommandRow) -> Command:
        """A command as its source is told it."""
        with self.ledger.read() as conn:
            return command_from(row, load_orders(conn, [row.order_id])[row.order_id])

    def personal(self, row: CommandRow) -> set[str]:
        """What must not be shown of the persons of a command's order."""
        with self.ledger.read() as conn:
            return personal_texts(conn, row.order_id)

    # -- before the call -------------------------------------------------------------------

    def keep_known(self, row: CommandRow, known: list[str]) -> None:
        """Remember what was there before the first call."""
        with self.ledger.begin() as conn:
            present, _ = self._present(conn, row.id)
            if present.state == "waiting":
                payload = {**present.payload, KNOWN: known}
                save_commands(conn, [replace(present, payload=payload)])

    def put_off(self, row: CommandRow, found: LookUp) -> None:
        """The order could not be read before the call: later."""
        with self.ledger.begin() as conn:
            present, _ = self._present(conn, row.id)
            if present.state == "waiting":
                words = f"its order could not be read before: {scrub(found.message)}"
                self._again(conn, replace(present, message=words), found.retry_after_s)

    def intend(self, command_id: str) -> tuple[CommandRow, Command | None] | None:
        """Write down that a command goes now; None: it does not. Without a command: it is to be
        looked up, for its source says that it may be done already."""
        with self.ledger.begin() as conn:
            row, order = self._present(conn, command_id)
            if row.state != "waiting":
                return None  # somebody was quicker
            held = self._held(conn, [order.id]).get(order.id, set())
            judged, words = gate(row, order, self.can, self._at(), held)
            if judged is Gate.WAIT or blocked_by(row, commands_of(conn, [order.id])[order.id]):
                self.numbers["waiting"] += 1
                return None
            if judged is Gate.LOOK_UP:
                return row, None
            if judged is not Gate.SEND:
                ends: dict[Gate, Ended] = {Gate.DROP: "dropped", Gate.RECORD: "unsupported"}
                self._ended(conn, order, replace(row, message=words), ends.get(judged, "done"))
                if judged is Gate.DROP and row.kind is CommandKind.ACCEPT:
                    self._undecided(conn, row, words)
                return None
            row = replace(
                row, state="intended", intended_at=self._at(), attempts=row.attempts + 1,
                message="", payload=counted_now(row, order),
            )  # fmt: skip
            save_commands(conn, [row])
            tries = "" if row.attempts == 1 else f" (try {row.attempts})"
            self._say(conn, row, "intended", f"sent{tries}", row.reason)
            self.observe("command_intent_written")
            return row, command_from(row, order)

    def _undecided(self, conn: Connection, row: CommandRow, words: str) -> None:
        """An order that was to be taken whole, is too late for it and was told nothing can still be
        decided: our clock may have been ahead. What people refused, they refuse again."""
        order = load_orders(conn, [row.order_id])[row.order_id]
        whole = all(row.payload.get("accepted", {}).values())
        if whole and {order.state, order.remote_state} <= {OrderState.NEW, None}:
            said = {"decision": "", "decided_by": "", "decided_at": ""}
            save_orders(conn, [touched(order, self._at(), **said, decided_reason=words)])

    # -- after the call --------------------------------------------------------------------

    def settle(self, sent: CommandRow, answer: CommandAnswer) -> CommandRow:
        """Write down what a call came to; the command as it is then."""
        with self.ledger.begin() as conn:
            present, order = self._present(conn, sent.id)
            ours = present.state == "intended" and present.attempts == sent.attempts
            row = replace(
                present,
                answered_at=self._at(),
                message=scrub(answer.message),
                reference=answer.reference or present.reference,
            )
            if answer.outcome in TAKEN:
                row = self._ended(conn, order, row, "done")
            elif not ours:
                row = present  # another run took over meanwhile: it looks, or has looked
            elif answer.outcome is Outcome.REFUSED:
                row = self._ended(conn, order, row, "refused")
            elif answer.outcome is Outcome.UNSUPPORTED:
                row = self._ended(conn, order, row, "unsupported")
            elif answer.outcome is Outcome.UNKNOWN:
                row = replace(row, state="unknown", not_before="")
                save_commands(conn, [row])
                self._say(conn, row, "answered", "unknown", row.message)
            else:
                row = self._again(conn, row, answer.retry_after_s)
            self.observe("command_outcome_written")
        self.observe("command_committed")
        return row

    def looked_up(self, command_id: str, answer: CommandAnswer, told: CommandAnswer | None) -> None:
        """Write down what looking for a command came to. `told`: what it was refused with, for the
        state that its order is in."""
        with self.ledger.begin() as conn:
            row, order = self._present(conn, command_id)
            if row.state not in ("unknown", "waiting", "intended"):
                return  # somebody was quicker
            asked = answer.code != "not_asked" and answer.outcome is not Outcome.AUTH_FAILED
            said = scrub(answer.message)
            if asked:
                row = replace(row, looked_up_at=self._at())
            if answer.outcome in TAKEN:
                row = replace(row, reference=answer.reference or row.reference, message=said)
                self._say(conn, row, "looked_up", "it is done", said)
                self._ended(conn, order, row, "done")
            elif asked and answer.outcome is Outcome.RETRYABLE:
                # an order that has to go on first
                self._not_done(conn, row, answer if answer.wrong_state and told is None else told)
            elif answer.outcome is Outcome.REFUSED:
                self._ended(conn, order, replace(row, message=said), "refused")
            else:
                self._still_unknown(conn, order, row, said, asked=asked)
            self.observe("command_outcome_written")
        self.observe("command_committed")

    def _not_done(self, conn: Connection, row: CommandRow, told: CommandAnswer | None) -> None:
        """It is not done: it goes again, after a while where that may still change."""
        settled = from_iso(row.intended_at or row.created_at) + timedelta(seconds=self.settle_s)
        if told is not None:
            row = replace(row, message=scrub(told.message))
            self._say(conn, row, "looked_up", "not yet", row.message)
            self._again(conn, row, None, say=False)
        elif row.state == "unknown" and row.kind in ADDS_UP and self._moment() < settled:
            words = "it is not there yet: looked for once more before it goes again"
            save_commands(conn, [replace(row, not_before=to_iso(settled), message=words)])
            self._say(conn, row, "looked_up", "unknown", words)
            self.numbers["unknown"] += 1
        else:
            # where its source said that it might be done, it will go on by itself
            later = self._after(self._pause(row)) if row.state == "waiting" else ""
            words = "it is not done"
            save_commands(conn, [replace(row, state="waiting", not_before=later, message=words)])
            self._say(conn, row, "looked_up", "waiting", words)
            self.numbers["retry"] += 1

    def _still_unknown(
        self, conn: Connection, order: BookOrder, row: CommandRow, said: str, *, asked: bool
    ) -> None:
        """Nobody can tell: looked up later once more, and asked of people if looking does not
        help."""
        row = replace(row, state="unknown", message=said, not_before=self._after(self._pause(row)))
        save_commands(conn, [row])
        self.numbers["unknown"] += 1
        if asked:
            self._say(conn, row, "looked_up", "unknown", said)
            self.numbers["tasks"] += ask_about(conn, order, row, self._at())

    def _ended(
        self, conn: Connection, order: BookOrder, row: CommandRow, state: Ended
    ) -> CommandRow:
        if row.state == "done":
            return row
        asked = end_command(conn, order, row, state, self.can, by=self.by, at=self._at())
        self.numbers["told" if state == "done" else state] += 1
        self.numbers["tasks"] += asked
        return replace(row, state=state)

    def _again(
        self, conn: Connection, row: CommandRow, asked_s: float | None, *, say: bool = True
    ) -> CommandRow:
        """It goes again, after a pause that grows."""
        pause = min(FIRST_PAUSE_S * 2 ** min(max(row.attempts - 1, 0), 10), LONGEST_PAUSE_S)
        row = replace(row, state="waiting", not_before=self._after(max(pause, asked_s or 0)))
        save_commands(conn, [row])
        if say:
            self._say(conn, row, "answered", "waiting", row.message)
        self.numbers["retry"] += 1
        return row

    # -- calls and time --------------------------------------------------------------------

    def keep_call(self, call: Call) -> None:
        """Every call of every kind is a row."""
        with self.ledger.begin() as conn:
            record_calls(conn, [call_row(self.source, call)])

    def _present(self, conn: Connection, command_id: str) -> tuple[CommandRow, BookOrder]:
        """A command and its order as they are, once nobody else changes them."""
        orders_to_change(conn, self.source, [])
        row = command_of(conn, command_id)
        if row is None:
            raise LookupError(f"command {command_id} is gone")
        return row, load_orders(conn, [row.order_id])[row.order_id]

    def _say(self, conn: Connection, row: CommandRow, kind: Kind, after: str, reason: str) -> None:
        record_events(conn, [event_of(row, kind, self._at(), after, reason, self.by)])

    def _pause(self, row: CommandRow) -> float:
        """Seconds until a command is looked up once more: as long as it has been open."""
        since = self._moment() - from_iso(row.intended_at or row.created_at)
        return min(max(since.total_seconds(), FIRST_PAUSE_S), LONGEST_PAUSE_S)

    def _moment(self) -> datetime:
        return self.now or utcnow()

    def _at(self) -> str:
        return to_iso(self._moment())

    def _after(self, seconds: float) -> str:
        return to_iso(self._moment() + timedelta(seconds=seconds))
