"""What the ledger remembers of documents: what has come from where, and what became of each.

It is also the memory of what an original holds: one whose mark has not changed is neither fetched
nor unpacked to be listed again, by whichever process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import select, update

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.extracts import ExtractPart
from marketsync_dagster.ledger.sql import insert_into
from marketsync_dagster.ledger.tables import extract_file
from marketsync_dagster.values.redact import scrub

FOUND = "found"
READ = "read"
REFUSED = "refused"
REPEATED = "repeated"
"""The same bytes under another name: without effect."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One document, as the table `extract_file` holds it; times as `values.times` writes them."""

    source: str
    name: str
    mark: str
    member: str
    original: str
    """SHA-256 of what is archived."""
    sha256: str
    """Of the document itself."""
    size: int
    format: str
    seen_at: str
    state: str = FOUND
    reason: str = ""
    records: int = 0
    unassigned: int = 0
    """Records of outlets that the configuration does not have, or of none."""
    details: str = "{}"
    """JSON: what it says of itself, and whose records were passed over."""

    @property
    def id(self) -> str:
        """The same content under the same name is the same document."""
        digest = hashlib.sha256()
        for part in (self.source, self.name, self.original, self.member):
            digest.update(f"{part}\0".encode())
        return digest.hexdigest()[:32]


def files_of(ledger: Ledger, source: str) -> dict[tuple[str, str], list[FileRecord]]:
    """(name, mark) -> its documents, of everything that is known of a source."""
    names = [column for column in extract_file.c if column.name != "id"]
    query = select(*names).where(extract_file.c.source == source)
    query = query.order_by(extract_file.c.name, extract_file.c.member)
    found: dict[tuple[str, str], list[FileRecord]] = {}
    with ledger.read() as conn:
        for row in conn.execute(query).mappings():
            record = FileRecord(**row)
            found.setdefault((record.name, record.mark), []).append(record)
    return found


def documents_at(
    ledger: Ledger, parts: Sequence[ExtractPart]
) -> list[tuple[ExtractPart, FileRecord]]:
    """What is known of the documents that an extract was read from, as far as it is still known."""
    names = [column for column in extract_file.c if column.name != "id"]
    f = extract_file.c
    found: list[tuple[ExtractPart, FileRecord]] = []
    with ledger.read() as conn:
        for part in parts:
            query = select(*names).where(f.original == part.original, f.member == part.member)
            query = query.order_by(f.seen_at.desc()).limit(1)
            row = conn.execute(query).mappings().first()
            if row is not None:
                found.append((part, FileRecord(**row)))
    return found


def record_files(ledger: Ledger, records: Sequence[FileRecord]) -> None:
    """Remember documents; what was known of the same ones is replaced."""
    if not records:
        return
    rows = [{"id": one.id, **asdict(one), "reason": scrub(one.reason)} for one in records]
    with ledger.begin() as conn:
        statement = insert_into(conn, extract_file)
        new = statement.excluded
        changes = {name: new[name] for name in rows[0] if name != "id"}
        conn.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changes), rows)


def note_file(
    ledger: Ledger, file_id: str, state: str, reason: str = "", **numbers: int | str
) -> None:
    """What became of a document; `numbers` are records, unassigned and details."""
    values = {"state": state, "reason": scrub(reason), **numbers}
    with ledger.begin() as conn:
        conn.execute(update(extract_file).where(extract_file.c.id == file_id).values(**values))
