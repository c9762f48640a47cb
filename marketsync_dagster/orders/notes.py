"""What is noted while an order is merged: events, holds, questions; all of them without personal
data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from marketsync_dagster.ledger.order_events import Kind, OrderEvent
from marketsync_dagster.ledger.order_holds import Hold, HoldKind
from marketsync_dagster.ledger.order_tasks import Task, TaskKind
from marketsync_dagster.values.order_states import OrderState

BY = '--by NAME --reason "..."'
DONE = f"marketsync orders resolve {{task}} --answer done {BY}"
"""Closes a question; the ledger knows its number."""


def added_words(line_id: str) -> str:
    """Why an order waits that got another line."""
    return f"its source added line {line_id}"


@dataclass(slots=True)
class Notes:
    """All that goes with one order."""

    order_id: str
    number: str
    at: str
    by: str
    remote_at: str
    events: list[OrderEvent] = field(default_factory=list)
    holds: dict[HoldKind, Hold] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)

    def event(
        self, kind: Kind, line_id: str = "", before: str = "", after: str = "", reason: str = ""
    ) -> None:
        """Something happened."""
        self.events.append(
            OrderEvent(
                self.order_id,
                self.at,
                kind,
                line_id,
                before,
                after,
                self.by,
                reason,
                self.remote_at,
            )
        )

    def differs(self, what: str, line_id: str, before: object, after: object) -> bool:
        """Whether the source tells another value now; an event `changed` if so."""
        if before == after:
            return False
        self.event("changed", line_id, str(before), str(after), what)
        return True

    def hold(self, kind: HoldKind, reason: str, next_step: str = "") -> None:
        """It waits, for all reasons of a kind that are given."""
        there = self.holds.get(kind)
        if there is None:
            self.holds[kind] = Hold(self.order_id, kind, self.at, self.by, reason, next_step)
        elif reason not in there.reason.split("; "):
            self.holds[kind] = replace(there, reason=f"{there.reason}; {reason}")

    def changed(self, what: str, *, forwarded: bool, line_id: str = "") -> None:
        """Its source changed it after it went on: it waits, and where it may be at a destination
        already people are asked."""
        release = f"marketsync orders release {self.order_id} {BY}"
        self.hold("changed", what, f"look at it, then: {release}")
        if forwarded:
            self.ask(
                "changed_after_forwarding",
                line_id or self.order_id,
                f"{what}, after it was sent to be fulfilled. Is it right there?",
                (release, f"marketsync orders cancel {self.order_id} {BY}", DONE),
            )

    def added(self, line_id: str, *, undecided: bool, forwarded: bool) -> None:
        """Its source added a line after the order was decided, or went on: it waits, and people
        are asked where nobody has decided on the line, or a destination has the others."""
        what = added_words(line_id)
        if not undecided:
            self.changed(what, forwarded=forwarded)
            return
        release = f"marketsync orders release {self.order_id} {BY}"
        cancel = f"marketsync orders cancel {self.order_id} --line {line_id}=PIECES {BY}"
        self.hold("changed", what, f"to take it: {release}; to drop it: {cancel}")
        question = f"{what} to order {self.number} after that was decided. Is it to be sent?"
        self.ask("changed_after_forwarding", line_id, question, (release, cancel))

    def cancelled_after_shipping(self, line_id: str, state: OrderState, now: OrderState) -> None:
        """The goods are on their way, and nobody wants them any more."""
        self.ask(
            "cancelled_after_shipping",
            line_id,
            f"line {line_id} of order {self.number} was {state.value} when its source called it "
            f"{now.value}. What becomes of the goods?",
            (f"marketsync orders show {self.order_id}", DONE),
        )

    def ask(self, kind: TaskKind, subject: str, question: str, commands: tuple[str, ...]) -> None:
        """A question for people, asked once."""
        key = f"{kind} {self.order_id} {subject}"
        self.tasks.append(Task(key, self.order_id, subject, kind, question, commands, self.at))
