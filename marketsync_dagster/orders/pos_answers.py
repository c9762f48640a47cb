"""What tills answer: files that are kept in the ledger, applied to their forwards, and moved to
`done/`.

A file that cannot be read stays where it is; of one that can, each answer counts by itself. Both
kinds of trouble are questions for people. What a file says is `orders.pos_answer_files`.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from shlex import quote

from sqlalchemy import Connection, select

from marketsync_dagster.config.orders import POS
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import Forward, by_number
from marketsync_dagster.ledger.order_raw import (
    RawRow,
    keep_raw,
    mark_raw,
    received_at,
    sha256_of,
)
from marketsync_dagster.ledger.order_tables import order_event
from marketsync_dagster.ledger.order_tasks import Task, ask
from marketsync_dagster.ledger.orders import BookOrder, load_orders
from marketsync_dagster.ledger.shipments import shipment_id, shipments_of
from marketsync_dagster.orders.fates import Fate, further
from marketsync_dagster.orders.fulfilment import apply_standings
from marketsync_dagster.orders.persons import personal_texts, without_names
from marketsync_dagster.orders.points import Observer, unobserved
from marketsync_dagster.orders.pos_answer_files import Answer, answers_in
from marketsync_dagster.orders.pos_drop import till_of
from marketsync_dagster.platforms.fulfilling import Parcel, Standing
from marketsync_dagster.platforms.inbox import (
    Arrived,
    Inbox,
    Unread,
    done_files,
    empty_done,
    make_folder,
    overwrite,
    veiled,
    words_of,
)
from marketsync_dagster.platforms.ordering import Tracking
from marketsync_dagster.platforms.strict_json import Wrong
from marketsync_dagster.values.errors import ConfigError
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster.values.times import to_iso, utcnow

PATTERNS = ("*.json", "*.csv")
MOST_BYTES = 4 * 2**20
S = OrderState
STATES: Mapping[str, OrderState] = {
    "accepted": S.IN_PREPARATION,
    "ready": S.READY_TO_SHIP,
    "shipped": S.SHIPPED,
    "delivered": S.DELIVERED,
    "returned": S.RETURNED,
    "refused": S.REFUSED,
    "cancelled": S.CANCELLED,
    "canceled": S.CANCELLED,
}
"""What tills say -> what it means for the lines. Any other word is kept, and told."""
_FAILED = frozenset({S.REFUSED, S.CANCELLED})


@dataclass(frozen=True, slots=True)
class Answered:
    """What the files of one till came to."""

    files: int = 0
    """Applied and put away."""
    answers: int = 0
    updated: int = 0
    """Forwards of which something new was told."""
    unchanged: int = 0
    shipped: int = 0
    """Parcels."""
    failed: int = 0
    """Forwards that ended without success."""
    unreadable: int = 0
    """Files that stay, and single answers that say nothing."""
    unknown: int = 0
    """Answers for numbers that the till was not given."""
    waiting: int = 0
    """Files that are still being written, or could not be put away."""
    fates: Mapping[str, Fate] = field(default_factory=dict)
    """Forward -> what it came to."""


def take_answers(
    ledger: Ledger,
    settings: Settings,
    outlet: str,
    *,
    by: str,
    now: datetime | None = None,
    observe: Observer = unobserved,
) -> Answered:
    """Take in every answer of the till of an outlet that lies there; nothing where it has no folder
    for them. The caller holds the lease of the till. ConfigError where the folder cannot be
    listed."""
    till = till_of(settings, outlet)
    if till.answers is None:
        return Answered()
    inbox = Inbox(settings.root / till.answers, PATTERNS, till.settle_s, MOST_BYTES)
    if not till.answers.is_absolute():
        make_folder(inbox.folder, shared=till.group_reads)
    try:
        files = inbox.arrived(time.time())
    except OSError as error:
        raise ConfigError(
            f"the answers of the till of {outlet} cannot be listed: {words_of(error)}",
            f"is {inbox.folder} there, and readable? (outlets.{outlet}.orders.answers)",
        ) from None
    turn = _Turn(ledger, outlet, inbox, by, to_iso(now or utcnow()), observe)
    for file in files:
        turn.take(file)
    return Answered(**turn.numbers, fates=turn.fates)


def tidy(settings: Settings, outlet: str, before_s: float) -> int:
    """Empty the answers that were put away before a moment, in seconds since 1970; how many."""
    till = till_of(settings, outlet)
    return 0 if till.answers is None else empty_done(settings.root / till.answers, before_s)


def forget(settings: Settings, outlet: str, numbers: Collection[str]) -> int:
    """Empty the answers that were put away and name one of these numbers; how many."""
    till = till_of(settings, outlet)
    if till.answers is None:
        return 0
    count, words = 0, [number.encode() for number in numbers]
    for path in done_files(settings.root / till.answers):
        data = path.read_bytes()
        if any(word in data for word in words):
            overwrite(path, b"")
            count += 1
    return count


class _Turn:
    """One look at the answers of one till."""

    def __init__(
        self, ledger: Ledger, outlet: str, inbox: Inbox, by: str, at: str, observe: Observer
    ) -> None:
        self.ledger, self.outlet, self.inbox = ledger, outlet, inbox
        self.by, self.at, self.observe = by, at, observe
        self.numbers: Counter[str] = Counter()
        self.fates: dict[str, Fate] = {}
        self.told_by: dict[str, int] = {}
        """Parcel without a name of its own -> the first file of this turn that tells of it."""

    def take(self, file: Arrived) -> None:
        """Keep a file, apply it, put it away."""
        try:
            data = self.inbox.read(file)
        except Unread as error:
            if error.waits:
                self.numbers["waiting"] += 1
            else:
                self._unreadable(file, f"{file.name}\0{file.size}", error.message)
            return
        raw = self._kept(file, data)
        self.observe("answer_kept")
        if raw.state == "unreadable":
            self.numbers["unreadable"] += 1
            return
        if not raw.seen:
            try:
                answers, wrong = answers_in(data, csv_file=file.name.lower().endswith(".csv"))
            except Wrong as error:
                words = f"{error.place}: {error.words}" if error.place else error.words
                self._unreadable(file, raw.sha256, words, raw)
                return
            self._apply(file, raw, answers, wrong)
        self.observe("answer_applied")
        try:
            done = self.inbox.put_away(file, hashlib.sha256(data).hexdigest())
        except OSError:
            done = False  # it is known: the next turn only moves it
        self.numbers["files" if done else "waiting"] += 1
        self.observe("answer_moved")

    def _kept(self, file: Arrived, data: bytes) -> RawRow:
        row = RawRow(file.shown, sha256_of(data), self.at, "", data)
        with self.ledger.begin() as conn:
            (kept,) = keep_raw(conn, POS, self.outlet, [row])
        return kept

    def _apply(
        self, file: Arrived, raw: RawRow, answers: Sequence[Answer], wrong: Sequence[Wrong]
    ) -> None:
        """Standings in transactions of their own, which may be repeated; then what nobody can
        decide, and that the file is done, in one."""
        tasks = [self._task(file, f"{raw.sha256[:16]} {w.place}", w) for w in wrong]
        standings: list[Standing] = []
        told: Counter[tuple[str, str]] = Counter()
        unnamed: list[tuple[Answer, BookOrder, Parcel]] = []
        with self.ledger.read() as conn:
            for answer in answers:
                one = by_number(conn, POS, answer.number)
                if one is None or one.outlet != self.outlet:
                    tasks.append(self._nobodys(file, answer))
                    self.numbers["unknown"] += 1
                    continue
                order = load_orders(conn, [one.order_id])[one.order_id]
                try:
                    standings.append(standing := _standing(answer, order, one, told))
                except Wrong as error:
                    mark = f"{raw.sha256[:16]} {error.place}"
                    tasks.append(self._task(file, mark, error, order))
                    self.numbers["unreadable"] += 1
                    continue
                if standing.state is S.SHIPPED and not answer.parcel + answer.tracking:
                    unnamed += [(answer, order, each) for each in standing.parcels if each.lines]
            for answer, order, parcel in unnamed:
                count = told[answer.number, parcel.key]  # none of the second of two equal ones
                if count and self._is_equal(conn, raw, answer, order, parcel, count):
                    tasks.append(self._same_parcel(file, raw, answer, order, parcel))
        applied = apply_standings(
            self.ledger, POS, standings, by=self.by, now=_moment(self.at), observe=self.observe
        )
        with self.ledger.begin() as conn:
            ask(conn, [_unnamed(conn, task) for task in tasks])
            mark_raw(conn, [(raw.id, "applied", "")])
        self.numbers["unreadable"] += len(wrong)
        self.numbers["answers"] += len(answers) + len(wrong)
        for name in ("updated", "unchanged", "shipped", "failed"):
            self.numbers[name] += getattr(applied, name)
        for one, fate in applied.fates.items():
            self.fates[one] = further(fate, self.fates.get(one))

    def _is_equal(
        self,
        conn: Connection,
        raw: RawRow,
        answer: Answer,
        order: BookOrder,
        parcel: Parcel,
        count: int,
    ) -> bool:
        """Whether another file has told of equal parcels, no fewer, and there are pieces left for
        one more: then it may be another one, or the same told again. The same at the same time is
        the same."""
        base = shipment_id(order.id, f"{answer.number}/{parcel.key}")
        first = self.told_by.setdefault(base, raw.id)
        keys = {f"{answer.number}/{twin_key(parcel.key, n)}" for n in range(1, count + 1)}
        known = [one for one in shipments_of(conn, [order.id]).get(order.id, []) if one.key in keys]
        if first == raw.id:  # those of a turn that was killed are of this very file
            known = [one for one in known if one.created_at < received_at(conn, raw.id)]
        left = all(order.line(line).open >= pieces for line, pieces in parcel.lines.items())
        if len(known) < count or not left:
            return False
        c = order_event.c
        said = select(c.id).where(
            c.order_id == order.id, c.kind == "fulfilment", c.remote_at == answer.at
        )
        return not answer.at or conn.execute(said.limit(1)).first() is None

    def _same_parcel(
        self, file: Arrived, raw: RawRow, answer: Answer, order: BookOrder, parcel: Parcel
    ) -> Task:
        pieces = ", ".join(f"{n} of line {line}" for line, n in sorted(parcel.lines.items()))
        question = (
            f"{veiled(file.shown)}, {answer.place}: the till of {self.outlet} says once more that "
            f"a parcel with {pieces} of order {order.number} has left, without its name or number: "
            "is it another one (ship), or the same (done)?"
        )
        lines = " ".join(f"--line {quote(f'{k}={n}')}" for k, n in sorted(parcel.lines.items()))
        commands = (
            f"marketsync orders ship {order.id} {lines} --by NAME --reason WHY",
            "marketsync orders resolve {task} --answer done --by NAME --reason WHY",
        )
        key = f"same_parcel {raw.id} {answer.place}"
        return Task(key, order.id, self.outlet, "same_parcel", question, commands, self.at)

    def _unreadable(self, file: Arrived, mark: str, words: str, raw: RawRow | None = None) -> None:
        """A file of which nothing can be read stays, and people are asked once."""
        mark = hashlib.sha256(mark.encode(errors="replace")).hexdigest()[:16]
        with self.ledger.begin() as conn:
            if raw is not None:
                mark_raw(conn, [(raw.id, "unreadable", words)])
            ask(conn, [self._task(file, mark, Wrong("", words))])
        self.numbers["unreadable"] += 1

    def _task(self, file: Arrived, mark: str, wrong: Wrong, order: BookOrder | None = None) -> Task:
        where = ", ".join(filter(None, (veiled(file.shown), wrong.place)))
        of = f" (order {order.number})" if order is not None else ""
        question = f"{where}: {wrong.words}{of}: what does the till of {self.outlet} mean?"
        return self._question("unreadable", f"answer {self.outlet} {mark}", question, order)

    def _nobodys(self, file: Arrived, answer: Answer) -> Task:
        question = (
            f"{veiled(file.shown)}, {answer.place}: the till of {self.outlet} says {answer.status} "
            f"of {answer.number}, which it was not given: which order is it?"
        )
        key = f"unknown_number {self.outlet} {answer.number}"
        return self._question("unknown_number", key, question)

    def _question(self, kind: str, key: str, question: str, order: BookOrder | None = None) -> Task:
        command = 'marketsync orders resolve {task} --answer done --by NAME --reason "it is mended"'
        assert kind in ("unreadable", "unknown_number")
        return Task(
            key, order.id if order else "", self.outlet, kind, question, (command,), self.at
        )


def _standing(
    answer: Answer, order: BookOrder, one: Forward, told: Counter[tuple[str, str]]
) -> Standing:
    """What an answer says of its forward; `told`: parcels that its file has told of so far. Wrong
    where it names lines that are not in it, or more pieces than there are."""
    lines: dict[str, int] = {}
    for said, pieces in answer.lines.items():
        line_id = _line(said, order, one)
        if line_id is None:
            raise Wrong(answer.place, f"{answer.number} has no such line (or several of this SKU)")
        lines[line_id] = lines.get(line_id, 0) + pieces
        if lines[line_id] > one.lines[line_id]:
            words = f"{answer.number} has {one.lines[line_id]} of line {line_id}, not so many"
            raise Wrong(answer.place, words)
    state = STATES.get(answer.status)
    if lines and lines != dict(one.lines) and state is not S.SHIPPED:
        words = f"{answer.number} is {answer.status} in part: only shipped may name some pieces"
        raise Wrong(answer.place, words)
    if state is S.REFUSED and one.state == "cancelling":
        state = None  # it will not cancel; a person was asked
    parcels = ()
    if state is S.SHIPPED or state is S.DELIVERED or answer.tracking or answer.carrier:
        tracking = Tracking("", answer.carrier, answer.tracking, answer.url)
        key = _parcel_key(answer, lines)
        told[answer.number, key] += 1
        if (twin := told[answer.number, key]) > 1 and lines and not answer.parcel + answer.tracking:
            key = twin_key(key, twin)  # a file tells nothing twice: these are two equal parcels
        parcels = (Parcel(key, tracking, lines),)
    words = answer.status + (f": {answer.reason}" if answer.reason else "")
    return Standing(
        answer.number,
        one.external_id or answer.number,
        raw_status=answer.status,
        state=state,
        failed=state in _FAILED,
        parcels=parcels,
        events=((answer.at, f"the till says {words}"),),
        message=answer.reason,
    )


def _line(said: str, order: BookOrder, one: Forward) -> str | None:
    """The line of a forward that an answer names by its id, or by a SKU that is there once."""
    if said in one.lines:
        return said
    found = [line.line_id for line in order.lines if line.sku == said and line.line_id in one.lines]
    return found[0] if len(found) == 1 else None


def _unnamed(conn: Connection, task: Task) -> Task:
    """A question without the names of the order's persons, which may be a file's name."""
    if not task.order_id:
        return task
    personal = personal_texts(conn, task.order_id)
    return replace(task, question=without_names(task.question, personal))


def twin_key(key: str, number: int) -> str:
    """The key of one of several equal parcels, counted from 1."""
    return f"{key}-{number}" if number > 1 else key


def _parcel_key(answer: Answer, lines: Mapping[str, int]) -> str:
    """The same parcel told twice is one: by its own name, its tracking number, or what is in it."""
    if answer.parcel:
        return answer.parcel
    if not lines:
        return "all"
    if answer.tracking:
        return hashlib.sha256(answer.tracking.encode()).hexdigest()[:12]
    text = repr(sorted(lines.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _moment(at: str) -> datetime:
    return datetime.fromisoformat(at)
