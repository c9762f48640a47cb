"""What has come: the originals of every source, each looked at, archived and unpacked once per run.

The ledger remembers what an original holds under its source's mark (`ledger.extract_files`), not
this process: the sensor, the preview and the next run know it too, and a restart forgets nothing.
What an outlet is to read of it decides `stages.choosing`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from marketsync_dagster.ledger import extract_files as files
from marketsync_dagster.ledger.extract_files import FileRecord
from marketsync_dagster.pos import presets
from marketsync_dagster.pos.content import Content
from marketsync_dagster.pos.documents import Document, documents_of
from marketsync_dagster.pos.files import TimeSource, archived
from marketsync_dagster.pos.others import Other, others_in
from marketsync_dagster.pos.read import outlets_in, read_document
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.sources.base import Arrival, Source
from marketsync_dagster.stages.project import Project, fingerprint
from marketsync_dagster.stages.reading import Coverage, Reading, reading_of
from marketsync_dagster.stages.sources import source_key, source_of
from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster.values.times import to_iso, utcnow

LOOK_AGAIN_S = 0.2
KEPT_BYTES = 64 * 2**20
"""Of documents of shared sources so many bytes stay in memory, as text, besides those in use."""
LEFTOVER_S = 86_400.0
_SPOOL = ".spool-"
OTHERS = 200
"""Outlets that nobody configured, of one document, that are named."""


@dataclass(frozen=True)
class Piece:
    """A document that is an outlet's extract, or a part of it."""

    arrival: Arrival
    record: FileRecord
    file: str
    """As people see it."""
    coverage: Coverage
    moment: datetime
    time_source: TimeSource


class BadOriginal(ExtractError):
    """An original that was fetched and cannot be opened."""

    def __init__(self, error: ExtractError, arrival: Arrival, record: FileRecord) -> None:
        super().__init__(error.code, error.message, error.next_step)
        self.arrival = arrival
        self.record = record


class Arrivals:
    """The sources of a project as they are in one run; to be closed, its spool is on the disk.

    `keep=False` is for a look ahead: nothing is archived and nothing remembered.
    """

    def __init__(self, project: Project, *, keep: bool = True) -> None:
        self.project = project
        self.keep = keep
        self._sources: dict[str, Source] = {}
        self._looks: dict[str, list[Arrival] | ExtractError] = {}
        self._known: dict[str, dict[tuple[str, str], list[FileRecord]]] = {}
        self._opened: dict[tuple[str, str], list[FileRecord] | ExtractError] = {}
        self._documents: dict[tuple[str, str], Sequence[Document]] = {}
        self._contents: dict[tuple[str, str], Content | ExtractError] = {}
        self._noted: set[str] = set()
        self._details: dict[str, dict[str, Any]] = {}
        self.others: dict[str, list[Other]] = {}
        """Document's id -> whose records nobody asked for."""
        self.told: set[str] = set()
        """Documents, and sources, of which that was said."""
        self.strays: dict[str, dict[str, str | None]] = {}
        """Source -> files that are no outlet's, `stages.passed_over`."""
        self._spool: tempfile.TemporaryDirectory[str] | None = None

    def close(self) -> None:
        """Remove what was unpacked."""
        if self._spool is not None:
            self._spool.cleanup()
            self._spool = None

    # --- looking

    def reading(self, outlet: str) -> Reading:
        """How the outlet's documents are read."""
        return reading_of(self.project.settings, outlet)

    def look(self, reading: Reading) -> list[Arrival]:
        """What the outlet's source has, looked at once for all of its outlets.

        Raises ExtractError.
        """
        key = source_key(self.project.settings, reading.outlet)
        if key not in self._looks:
            try:
                self._looks[key] = self._source(reading).look()
            except ExtractError as error:  # one that hangs would hang for each of its outlets
                self._looks[key] = error
        found = self._looks[key]
        if isinstance(found, ExtractError):
            raise found
        return found

    def names(self, reading: Reading) -> list[str]:
        """The names of all that the outlet's source has; what an archive that was opened holds,
        besides, behind a NUL. Raises ExtractError."""
        found = [one.name for one in self.look(reading)]
        opened = (self._opened.get((reading.source, name)) for name in list(found))
        records = (record for one in opened if isinstance(one, list) for record in one)
        return found + [f"{one.name}\0{one.member}" for one in records if one.member]

    def _source(self, reading: Reading) -> Source:
        project = self.project
        key = source_key(project.settings, reading.outlet)
        if key not in self._sources:
            self._sources[key] = source_of(project.settings, reading.outlet, project.secrets)
        return self._sources[key]

    def is_watched(self, reading: Reading) -> bool:
        """Whether a sensor may look often."""
        return self._source(reading).watched

    def is_settled(
        self, reading: Reading, arrival: Arrival, before: Arrival | None, now: float
    ) -> bool:
        """Whether an original is whole, as far as can be seen."""
        return self._source(reading).is_settled(arrival, before, now)

    # --- opening

    def open(self, reading: Reading, arrival: Arrival) -> list[FileRecord]:
        """The documents of an original, which is archived and unpacked unless its mark is known.

        Raises ExtractError: what fetching and unpacking raise.
        """
        key = reading.source, arrival.name
        if key not in self._opened:
            try:
                self._opened[key] = self._known_as(reading, arrival) or self._fetch(
                    reading, arrival
                )
            except ExtractError as error:
                self._opened[key] = error
        opened = self._opened[key]
        if isinstance(opened, ExtractError):
            raise opened
        return opened

    def known(self, reading: Reading, arrival: Arrival) -> list[FileRecord]:
        """What the ledger knows of an original with this mark; []: it has not seen it."""
        if reading.source not in self._known:
            self._known[reading.source] = files.files_of(self.project.ledger, reading.source)
        return self._known[reading.source].get((arrival.name, mark_of(arrival)), [])

    def _known_as(self, reading: Reading, arrival: Arrival) -> list[FileRecord]:
        found = self.known(reading, arrival)
        kept = found and archived(self.project.archive, found[0].original).exists()
        refused = any(one.state == files.REFUSED for one in found)
        return found if kept and not refused else []

    def _fetch(self, reading: Reading, arrival: Arrival) -> list[FileRecord]:
        source = self._source(reading)
        arrival = self._settled(source, arrival, reading.said.settle_s)
        original = keep_original(source, arrival, self._archive)
        name = reading.file(arrival.name)
        base = FileRecord(
            source=reading.source,
            name=arrival.name,
            mark=mark_of(arrival),
            member="",
            original=original,
            sha256=original,
            size=archived(self._archive, original).stat().st_size,
            format="",
            seen_at=to_iso(utcnow()),
        )
        try:
            found = self._unpacked(original, name)
        except ExtractError as error:
            error = reading.refusal(error)
            refused = dataclasses.replace(base, state=files.REFUSED, reason=error.message)
            self._record([refused])
            raise BadOriginal(error, arrival, refused) from None
        records = [
            dataclasses.replace(
                base, member=one.member, sha256=one.sha256, size=one.size, format=str(one.format)
            )
            for one in found
        ]
        self._record(records)
        return records

    def _settled(self, source: Source, arrival: Arrival, settle_s: float) -> Arrival:
        """An original that may be half written: look again until it is whole.

        Raises ExtractError changing where it is not for `settle_s`.
        """
        deadline = time.monotonic() + settle_s
        before: Arrival | None = None
        while not source.is_settled(arrival, before, time.time()):
            if time.monotonic() >= deadline and before is not None and before != arrival:
                message = f"{arrival.last_name} is still being written; nothing was changed"
                raise refuse("changing", message)
            if time.monotonic() >= deadline + LOOK_AGAIN_S:
                break
            time.sleep(LOOK_AGAIN_S)
            again = [one for one in source.look() if one.name == arrival.name]
            if not again:
                break
            before, arrival = arrival, again[0]
        return arrival

    def _record(self, records: Sequence[FileRecord]) -> None:
        if self.keep:
            files.record_files(self.project.ledger, records)

    @property
    def _archive(self) -> Path:
        return self.project.archive if self.keep else self._folder / "archive"

    @property
    def _folder(self) -> Path:
        if self._spool is None:
            home = self.project.settings.home
            home.mkdir(parents=True, exist_ok=True)
            _sweep(home)
            self._spool = tempfile.TemporaryDirectory(dir=home, prefix=_SPOOL)
        return Path(self._spool.name)

    def _unpacked(self, original: str, name: str) -> Sequence[Document]:
        key = original, name
        if key not in self._documents:
            kept = archived(self._archive, original)
            if not kept.exists():
                kept = archived(self.project.archive, original)
            folder = Path(tempfile.mkdtemp(dir=self._folder))
            self._documents[key] = documents_of(kept, file=name, spool=folder)
        return self._documents[key]

    def document(self, reading: Reading, record: FileRecord) -> Document:
        """A document, ready to be read."""
        found = self._unpacked(record.original, reading.file(record.name))
        return next(one for one in found if one.member == record.member)

    # --- reading

    def content(self, reading: Reading, record: FileRecord) -> Content:
        """All records of a document, read once for all outlets that read it in the same way.

        Raises ExtractError.
        """
        # keys say which records are an outlet's, and coverage what they mean: not what they are
        spec = dataclasses.replace(reading.spec, keys=(), coverage="full", timezone="UTC")
        key = record.id, fingerprint(dataclasses.asdict(spec))
        if key not in self._contents:
            try:
                content = read_document(self.document(reading, record), reading.spec)
            except ExtractError as error:
                self._contents[key] = error = reading.refusal(error)
                self._note(record, files.REFUSED, error.message)
            else:
                self._make_room(reading, record)
                self._contents[key] = content
                self._note_content(reading, record, content)
        found = self._contents[key]
        if isinstance(found, ExtractError):
            raise found
        return found

    def release(self, reading: Reading) -> None:
        """Forget the contents that no other outlet can want."""
        if not reading.is_shared:
            self._contents.clear()

    def _make_room(self, reading: Reading, record: FileRecord) -> None:
        size = record.size
        for key in reversed(list(self._contents)):
            kept = self._contents[key]
            if isinstance(kept, Content):
                size += kept.document.size
                if size > KEPT_BYTES:
                    del self._contents[key]

    def outlets(self, reading: Reading, record: FileRecord) -> list[str]:
        """What the outlets of a document are called in it, as far as it says; remembered."""
        said = self._said(record).get("outlets")
        if said is None:
            self.content(reading, record)
            said = self._said(record).get("outlets", [])
        return list(said)

    def has_records(self, record: FileRecord) -> bool:
        """Whether a document that was read has any."""
        return bool(self._said(record).get("records"))

    def declared(self, reading: Reading, record: FileRecord) -> str:
        """The time that a document declares, if the preset knows where; it is read for that."""
        if not _tells_time(reading):
            return ""
        if "time" not in self._said(record):
            self.content(reading, record)
        return str(self._said(record).get("time", ""))

    def adds(self, reading: Reading, record: FileRecord) -> bool:
        """Whether a document says more of another's products; it is read where that may be so."""
        if not _may_add(reading):
            return False
        if "adds" not in self._said(record):
            self.content(reading, record)
        return bool(self._said(record)["adds"])

    def _said(self, record: FileRecord) -> dict[str, Any]:
        return self._details.get(record.id) or json.loads(record.details)

    def _note_content(self, reading: Reading, record: FileRecord, content: Content) -> None:
        inside = reading.rule in ("column", "content")
        others = others_in(content, reading.spec, self._keys(reading)) if inside else []
        self.others[record.id] = others
        time_facts = presets.find(reading.spec.preset).time_fact if _tells_time(reading) else ()
        said = (content.facts[name] for name in time_facts if content.facts.get(name))
        details: dict[str, Any] = {
            "encoding": content.encoding,
            "layout": content.layout.name,
            "adds": content.layout.adds,
            "records": content.records,
            "outlets": outlets_in(content, reading.spec)[:OTHERS],
            "facts": dict(list(content.facts.items())[:50]),
            "time": next(said, ""),
            "unassigned": [dataclasses.asdict(other) for other in others[:OTHERS]],
        }
        self._details[record.id] = details
        self._note(
            record,
            files.READ,
            records=content.records,
            unassigned=sum(other.rows for other in others),
            details=json.dumps(details, ensure_ascii=False, default=str),
        )

    def _keys(self, reading: Reading) -> list[str]:
        """What all outlets of the configuration are called in a source."""
        outlets = self.project.settings.outlets.values()
        same = [one.extract for one in outlets if one.extract.source == reading.said.source]
        return [key for said in same for key in said.keys]

    def _note(self, record: FileRecord, state: str, reason: str = "", **numbers: Any) -> None:
        """Once per run; a document that repeats another stays one that does."""
        if self.keep and record.id not in self._noted:
            self._noted.add(record.id)
            files.note_file(self.project.ledger, record.id, state, reason, **numbers)

    def note_repeated(self, piece: Piece, of: str) -> None:
        """A document whose bytes are known under another name has no effect."""
        reason = f"the same bytes as {of}"
        known = piece.record.state, piece.record.reason
        if known != (files.REPEATED, reason) and self.keep:
            self._noted.add(piece.record.id)
            files.note_file(self.project.ledger, piece.record.id, files.REPEATED, reason)


@contextmanager
def opened(project: Project, *, keep: bool = True) -> Iterator[Arrivals]:
    """The arrivals of one run."""
    arrivals = Arrivals(project, keep=keep)
    try:
        yield arrivals
    finally:
        arrivals.close()


def keep_original(source: Source, arrival: Arrival, archive: Path) -> str:
    """Fetch an original into the archive; its SHA-256."""
    archive.mkdir(parents=True, exist_ok=True)
    return source.fetch(arrival, archive)


def mark_of(arrival: Arrival) -> str:
    """The source's mark, and when the original came where the machine knows: a tool that sets the
    time of a file cannot set that."""
    return fingerprint(arrival.mark, arrival.arrived)[:32]


def _sweep(home: Path) -> None:
    """Remove what processes that were killed have left unpacked."""
    for old in home.glob(f"{_SPOOL}*"):
        with contextlib.suppress(OSError):  # another process may do the same
            if time.time() - old.stat().st_mtime > LEFTOVER_S:
                shutil.rmtree(old)


def _tells_time(reading: Reading) -> bool:
    if reading.spec.preset == presets.AUTO:
        return False
    return bool(presets.find(reading.spec.preset).time_fact)


def _may_add(reading: Reading) -> bool:
    preset = reading.spec.preset
    return preset == presets.AUTO or any(one.adds for one in presets.find(preset).layouts)
