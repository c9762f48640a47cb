"""What the ledger remembers of extracts: which were read, which were accepted, what was missing.

Reading files and deciding on them belongs to `pos` and the stages.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, Connection, case, delete, literal, select, update

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.sql import insert_into
from marketsync_dagster.ledger.tables import absence, extract, extract_part, listing
from marketsync_dagster.values.redact import scrub

ACCEPTED = "accepted"
REFUSED = "refused"
LATE = "late"
"""Changes from before the full extract that is in force: they change nothing any more."""


@dataclass(frozen=True, slots=True)
class ExtractRecord:
    """One extract of one outlet, as the table `extract` holds it; times as `values.times` writes.

    `records`, `accepted`, `rejected` and `duplicates` are rows of the file: the first is the sum
    of the other three.
    """

    id: str
    """`<outlet>-<first 16 of sha256>`, see `extract_id`."""
    outlet: str
    sha256: str
    file: str
    coverage: str
    """full or delta."""
    extract_time: str
    time_source: str
    """declared, name, mtime, read (a source that was asked) or forced; overruled: it was of the
    future, see `record_extract`."""
    read_at: str
    state: str
    """accepted, refused or late."""
    records: int
    accepted: int
    rejected: int
    duplicates: int
    reason: str = ""
    details: str = "{}"
    """JSON: encoding, delimiter, columns, warnings."""
    forced_by: str | None = None
    forced_reason: str | None = None


@dataclass(frozen=True, slots=True)
class ExtractPart:
    """A document that an extract was read from."""

    file: str
    """As people see it: where it came from, its name, and its name in an archive."""
    member: str
    """Its name in the archive; empty: it is the original itself."""
    sha256: str
    """Of the document."""
    original: str
    """SHA-256 of what is archived."""
    moment: str


def extract_id(outlet: str, sha256: str) -> str:
    """The id of an extract: the same content of the same outlet is the same extract."""
    return f"{outlet}-{sha256[:16]}"


def record_extract(
    ledger: Ledger, record: ExtractRecord, parts: Sequence[ExtractPart] = ()
) -> None:
    """Remember `record`. The same content read again replaces what was known of it.

    `parts` are the documents that it was read from; none: the original has its SHA-256.

    An accepted extract is never turned into a refused one: listings point to it. After one that a
    person has forced nothing of the outlet is newer: what a wrong clock had put into the future is
    of the same time.
    """
    row = asdict(record) | {"reason": scrub(record.reason)}
    with ledger.begin() as conn:
        statement = insert_into(conn, extract)
        new = statement.excluded
        changes = {name: new[name] for name in row if name not in ("id", "outlet", "sha256")}
        conn.execute(
            statement.on_conflict_do_update(
                index_elements=["id"],
                set_=changes,
                where=(extract.c.state != ACCEPTED) | (new.state == ACCEPTED),
            ),
            row,
        )
        kept = conn.execute(select(extract.c.state).where(extract.c.id == record.id)).scalar()
        if parts and kept == record.state:
            conn.execute(delete(extract_part).where(extract_part.c.extract_id == record.id))
            conn.execute(
                extract_part.insert(),
                [
                    {"extract_id": record.id, "place": place, **asdict(part)}
                    for place, part in enumerate(parts)
                ],
            )
        if record.forced_by and record.state == ACCEPTED:
            _overrule(conn, record)


def _overrule(conn: Connection, forced: ExtractRecord) -> None:
    """Let nothing that is known of the outlet be newer than what was forced."""
    other = (extract.c.outlet == forced.outlet) & (extract.c.id != forced.id)
    words, read_at = "its time was wrong, it said: ", extract.c.read_at
    conn.execute(
        update(extract)
        .where(other, extract.c.extract_time > forced.extract_time)
        .values(
            extract_time=forced.extract_time,
            time_source="overruled",
            reason=literal(words) + extract.c.extract_time,
            read_at=case((read_at > forced.read_at, forced.read_at), else_=read_at),
        )
    )
    conn.execute(
        update(listing)
        .where(listing.c.outlet == forced.outlet, listing.c.extract_time > forced.extract_time)
        .values(extract_time=forced.extract_time)
    )


def latest_accepted(
    ledger: Ledger, outlet: str, *, coverage: str | None = None, before: str | None = None
) -> ExtractRecord | None:
    """The accepted extract of `outlet` with the latest extract time; None before the first.

    `coverage`: only of full or of delta; `before`: only up to this extract time.
    """
    query = (
        select(extract)
        .where(extract.c.outlet == outlet, extract.c.state == ACCEPTED)
        .order_by(extract.c.extract_time.desc(), extract.c.read_at.desc())
        .limit(1)
    )
    if coverage is not None:
        query = query.where(extract.c.coverage == coverage)
    if before is not None:
        query = query.where(extract.c.extract_time <= before)
    with ledger.read() as conn:
        row = conn.execute(query).mappings().first()
    return None if row is None else ExtractRecord(**row)


@dataclass(frozen=True, slots=True)
class Compared:
    """What the guard compares of an extract with what was pushed last."""

    coverage: str
    """delta: there is no new full extract, and nothing can have shrunk."""
    accepted: int
    before: int | None


def compared(ledger: Ledger, newest: ExtractRecord, pushed_id: str | None) -> Compared:
    """The full extract in force beside the one that was when `pushed_id` was pushed.

    Where changes came after a full extract, or since the last push, the full ones are compared all
    the same.
    """
    pushed = get_extract(ledger, pushed_id) if pushed_id else None
    now = _full_at(ledger, newest)
    was = _full_at(ledger, pushed) if pushed else None
    if now is None or (newest.coverage == "delta" and (was is None or was.id == now.id)):
        return Compared("delta", newest.accepted, pushed.accepted if pushed else None)
    before = was or pushed
    return Compared("full", now.accepted, before.accepted if before else None)


def _full_at(ledger: Ledger, record: ExtractRecord) -> ExtractRecord | None:
    """The full extract that was in force when `record` was the newest."""
    if record.coverage == "full":
        return record
    moment = record.extract_time
    return latest_accepted(ledger, record.outlet, coverage="full", before=moment)


def find_extract(ledger: Ledger, outlet: str, sha256: str) -> ExtractRecord | None:
    """What is known of this very content at this outlet."""
    query = select(extract).where(extract.c.outlet == outlet, extract.c.sha256 == sha256)
    with ledger.read() as conn:
        row = conn.execute(query).mappings().first()
    return None if row is None else ExtractRecord(**row)


def get_extract(ledger: Ledger, extract_id: str) -> ExtractRecord | None:
    """The extract with this id."""
    with ledger.read() as conn:
        row = conn.execute(select(extract).where(extract.c.id == extract_id)).mappings().first()
    return None if row is None else ExtractRecord(**row)


def read_as(record: ExtractRecord) -> str:
    """How the extract was read, as a fingerprint; empty: an older version did not say."""
    return str(json.loads(record.details).get("spec", ""))


def parts_of(ledger: Ledger, extract_id: str) -> list[ExtractPart]:
    """The documents that an extract was read from; []: an older version has recorded it."""
    p = extract_part.c
    query = select(p.file, p.member, p.sha256, p.original, p.moment)
    query = query.where(p.extract_id == extract_id).order_by(p.place)
    with ledger.read() as conn:
        return [ExtractPart(**row) for row in conn.execute(query).mappings()]


def originals_of(conn: Connection, which: ColumnElement[bool] | None = None) -> dict[str, set[str]]:
    """Extract -> SHA-256 of what is archived of it (`which`: of some). Where no documents are
    recorded, the extract was its original."""
    p = extract_part.c
    query = select(extract.c.id, extract.c.sha256, p.original)
    query = query.outerjoin(extract_part, p.extract_id == extract.c.id)
    if which is not None:
        query = query.where(which)
    found: dict[str, set[str]] = {}
    for one, sha256, original in conn.execute(query):
        found.setdefault(one, set()).add(original or sha256)
    return found


def note_absences(
    ledger: Ledger,
    outlet: str,
    extract_id: str,
    gone: Iterable[str],
    present_again: Iterable[str],
) -> None:
    """Count the SKUs in `gone` as absent from the full extract `extract_id` once more.

    Those `present_again` are forgotten. The same extract counts once, however often it is noted.
    """
    missing = [
        {
            "outlet": outlet,
            "sku": sku,
            "since_extract": extract_id,
            "last_extract": extract_id,
            "times": 1,
        }
        for sku in sorted(set(gone))
    ]
    back = sorted(set(present_again))
    if not missing and not back:
        return
    with ledger.begin() as conn:
        for start in range(0, len(back), 500):
            conn.execute(
                delete(absence).where(
                    absence.c.outlet == outlet, absence.c.sku.in_(back[start : start + 500])
                )
            )
        if missing:
            statement = insert_into(conn, absence)
            new = statement.excluded
            conn.execute(
                statement.on_conflict_do_update(
                    index_elements=["outlet", "sku"],
                    set_={"times": absence.c.times + 1, "last_extract": new.last_extract},
                    where=absence.c.last_extract != new.last_extract,
                ),
                missing,
            )


def forget_absences(ledger: Ledger, outlet: str, present: Iterable[str]) -> None:
    """These SKUs are there again, by the word of a delta."""
    note_absences(ledger, outlet, "", (), present)


def absences(ledger: Ledger, outlet: str, before: str = "") -> dict[str, int]:
    """SKU -> from how many full extracts in a row it has been absent.

    `before` leaves out what the extract with this id has added, so that reading it again counts
    nothing twice.
    """
    query = select(absence.c.sku, absence.c.times, absence.c.last_extract).where(
        absence.c.outlet == outlet
    )
    with ledger.read() as conn:
        counts = {sku: times - (last == before) for sku, times, last in conn.execute(query)}
    return {sku: times for sku, times in counts.items() if times}
