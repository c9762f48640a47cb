"""What the end of an import means for its rows, and writing that into the ledger.

Asking for imports is `push.imports`. Here is what each of the ways to end comes to, and the one
transaction that says so: the import, its rows, the batches and pushes that they are of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from marketsync_dagster.ledger import imports as journalled
from marketsync_dagster.ledger import pushes
from marketsync_dagster.ledger.listings import acknowledge
from marketsync_dagster.ledger.products import revise_offered
from marketsync_dagster.ledger.reconciliation import Drift, Said, go_again
from marketsync_dagster.platforms.base import ImportKind, ImportStatus
from marketsync_dagster.values.outcomes import ACKNOWLEDGED, Outcome
from marketsync_dagster.values.words import counted

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from marketsync_dagster.ledger.imports import OpenImport, Overtaken
    from marketsync_dagster.platforms.base import ReportAnswer


@dataclass(frozen=True, slots=True)
class End:
    """How an import ended: what each item came to. `errors`: item, from 0 -> the words with which
    the platform refuses it; all others came to `outcome`."""

    state: str
    outcome: Outcome
    message: str = ""
    errors: Mapping[int, str] = field(default_factory=dict)
    lines_in_error: int | None = None

    def of(self, item: int) -> tuple[str, str]:
        """Outcome and message of one item."""
        words = self.errors.get(item)
        if words is None:
            return self.outcome.value, self.message
        return Outcome.REFUSED.value, words


def has_errors(status: ImportStatus) -> bool:
    """Whether a complete import has a report that says which of its items were refused."""
    return status.lines_in_error > 0 or status.has_report


def success(status: ImportStatus, items: int) -> End:
    """A complete import of so many items, without lines in error."""
    outcome, words = _of_the_others(status, items)
    return End(journalled.COMPLETE, outcome, words, lines_in_error=status.lines_in_error)


def _of_the_others(status: ImportStatus, items: int) -> tuple[Outcome, str]:
    """What the items of a complete import came to that it does not refuse: applied, if its counts
    say so of each of them."""
    good, bad = status.lines_in_success, status.lines_in_error
    if good is None:
        return Outcome.ACCEPTED_UNVERIFIED, (
            f"import {status.import_id} does not say how many lines were applied"
        )
    if good + bad != items:
        return Outcome.UNKNOWN, (
            f"import {status.import_id} has ended with {good} lines applied and {bad} in error, "
            f"of {items}"
        )
    return Outcome.APPLIED, ""


def partial(status: ImportStatus, answer: ReportAnswer, lacking: int, items: int) -> End:
    """A complete import of so many items, with lines in error. What the report does not name was
    applied, unless it names fewer than there are: then any of the others may be one of them."""
    outcome, words = _of_the_others(status, items)
    if lacking > 0:
        outcome = Outcome.UNKNOWN
        words = (
            f"{counted(status.lines_in_error, 'line')} of import {status.import_id} in error, and "
            f"its report names {len(answer.errors)}"
        )
        words = "; ".join([words, *answer.strays[:1]])
    lines = max(status.lines_in_error, len(answer.errors))
    return End(journalled.COMPLETE, outcome, words, answer.errors, lines)


def lost(one: OpenImport, deadline_s: float, why: str) -> End:
    """Nobody knows: its end was not learnt in time."""
    words = f"no end of import {one.import_id} within {deadline_s / 60:g} minutes: {why}"
    return End(journalled.LOST, Outcome.UNKNOWN, words)


def ended_late(status: ImportStatus, items: int) -> End:
    """A lost import of so many items that is complete after all. Which of them it refused is not
    asked: any may have been done."""
    if has_errors(status):
        words = f"import {status.import_id} was lost, and has ended with lines in error"
        return End(journalled.COMPLETE, Outcome.UNKNOWN, words, {}, status.lines_in_error)
    return success(status, items)


def failure(status: ImportStatus) -> End:
    """An import that failed as a whole: what its reason names is refused, the others go again."""
    words = f"import {status.import_id} failed: {status.reason or status.raw or 'no reason given'}"
    errors = {} if status.line is None else {status.line: words}
    return End(journalled.FAILED, Outcome.RETRYABLE, words, errors, status.lines_in_error)


@dataclass(slots=True)
class Changes:
    """What the end of one import changed."""

    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    problems: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    outlets: set[str] = field(default_factory=set)


def write_end(
    connection: Connection,
    one: OpenImport,
    end: End,
    at: str,
    *,
    looked: bool = False,
    late: bool = False,
) -> Changes | None:
    """Write the end of an import within the caller's transaction: it, its rows, the batches and
    pushes that they are of. None: somebody else has written it before.

    A SKU that was sent again since keeps what it says; what its batch knows, and what the import
    may have done to it all the same, is `_write_overtaken`. `late`: it was lost, its rows have gone
    again, and nothing else is left to be said of them.
    """
    journalled.lock_imports(connection, one.account)
    if not journalled.end_import(
        *(connection, one.key, end.state, end.lines_in_error, end.message, at),
        looked=looked,
        late=late,
    ):
        return None
    # in the order in which a sender takes them: the push, then the listings
    pushes.lock_pushes(connection, {part.push_id for part in one.parts})
    changes = Changes()
    batches: dict[str, dict[int, Counter[str]]] = {}
    for part in journalled.rows_of_import(connection, one):
        source, push_id = part.source, part.source.push_id
        newer = [(each, Outcome(end.of(line)[0])) for line, each in part.overtaken.items()]
        if _write_overtaken(connection, one, source.outlet, end.state, newer, at):
            changes.outlets.add(source.outlet)
        if late:
            continue
        said = [end.of(line) for line in part.lines]
        rows = [
            (*row[:6], outcome, words, row[8])
            for row, (outcome, words) in zip(part.rows, said, strict=True)
        ]
        acknowledge(connection, source, part.batch, rows, at)
        others = {line: end.of(line) for line in part.overtaken}
        counted = Counter(outcome for outcome, _ in (*said, *others.values()))
        batches.setdefault(push_id, {})[part.batch] = counted
        changes.outcomes.setdefault(push_id, Counter()).update(counted)
        if rows:
            changes.outlets.add(source.outlet)
        if one.kind == ImportKind.OFFERS.value:
            answers = [(row[0], row[6], row[7]) for row in rows]
            answers += [(part.overtaken[line].sku, *words) for line, words in others.items()]
            revise_offered(
                *(connection, source.outlet, source.platform, answers),
                started_at=one.started_at,
                at=at,
            )
        bad = [row for row in rows if row[6] != Outcome.APPLIED.value]
        bad.sort(key=lambda row: row[6] != Outcome.REFUSED.value)
        known = changes.problems.setdefault(push_id, [])
        for row in bad[: pushes.SAMPLE - len(known)]:
            known.append({"sku": row[0], "outcome": row[6], "message": row[7]})
    for push_id, ended in batches.items():
        words = end.message or next(iter(end.errors.values()), "")
        pushes.revise_batches(connection, push_id, ended, words, at)
        pushes.revise(connection, push_id, changes.problems[push_id])
    return changes


def _write_overtaken(
    connection: Connection,
    one: OpenImport,
    outlet: str,
    state: str,
    items: Iterable[tuple[Overtaken, Outcome]],
    at: str,
) -> bool:
    """What an end means for rows that were sent again since: imports need not end in the order in
    which they were sent. Returns whether rows are to go again.

    Where the newer word is what the platform showed by now, an older one that was done after it may
    have replaced it: it is unknown, and goes again. Where the newer word is with the platform, or
    did not get through, what is shown is the older one; or nobody knows what.
    """
    of_offers = one.kind == ImportKind.OFFERS.value  # says more than what is compared here
    again: list[Drift] = []
    shown: list[Overtaken] = []
    unclear: list[Overtaken] = []
    for item, outcome in items:
        newest = Outcome(item.outcome)
        done = outcome in ACKNOWLEDGED
        if not (done or outcome is Outcome.UNKNOWN) or not item.same_offer:
            continue
        if newest in ACKNOWLEDGED:
            if state == journalled.COMPLETE and (of_offers or item.said != item.newest):
                words = f"import {one.import_id}, sent before this, ended after it"
                seen = Said(*(item.said if done else item.newest))
                again.append(Drift(item.sku, item.version, seen, words))
        elif newest is not Outcome.UNKNOWN:
            (shown if done else unclear).append(item)
    journalled.move_acknowledged(connection, outlet, one.platform, shown, at)
    journalled.forget_acknowledged(connection, outlet, one.platform, unclear)
    return bool(go_again(connection, outlet, one.platform, again, at))
