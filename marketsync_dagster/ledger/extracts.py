"""What the ledger remembers of extracts: which were read, which were accepted, what was missing.

Reading files and deciding on them belongs to `pos` and the stages.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, case, delete, literal, select, update

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.sql import insert_into
from marketsync_dagster.ledger.tables import absence, extract, listing
from marketsync_dagster.values.redact import scrub

ACCEPTED = "accepted"
REFUSED = "refused"


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
    """declared, name, mtime or forced; overruled: it was of the future, see `record_extract`."""
    read_at: str
    state: str
    """accepted or refused."""
    records: int
    accepted: int
    rejected: int
    duplicates: int
    reason: str = ""
    details: str = "{}"
    """JSON: encoding, delimiter, columns, warnings."""
    forced_by: str | None = None
    forced_reason: str | None = None


def extract_id(outlet: str, sha256: str) -> str:
    """The id of an extract: the same content of the same outlet is the same extract."""
    return f"{outlet}-{sha256[:16]}"


def record_extract(ledger: Ledger, record: ExtractRecord) -> None:
    """Remember `record`. The same content read again replaces what was known of it.

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


def latest_accepted(ledger: Ledger, outlet: str) -> ExtractRecord | None:
    """The accepted extract of `outlet` with the latest extract time; None before the first."""
    query = (
        select(extract)
        .where(extract.c.outlet == outlet, extract.c.state == ACCEPTED)
        .order_by(extract.c.extract_time.desc(), extract.c.read_at.desc())
        .limit(1)
    )
    with ledger.read() as conn:
        row = conn.execute(query).mappings().first()
    return None if row is None else ExtractRecord(**row)


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
