"""Looking after the ledger: is the database whole, are the tables ours, do the laws hold, are the
files there that it speaks of. Nothing is changed; `ledger.sizes` says how much room it takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, select, text

from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.engine import REVISIONS, current_revision, existing_ledger
from marketsync_dagster.ledger.extracts import originals_of
from marketsync_dagster.ledger.laws import NAMED, Finding, broken_laws
from marketsync_dagster.ledger.sizes import folders, oldest, sizes
from marketsync_dagster.ledger.urls import describe
from marketsync_dagster.values.errors import LedgerError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Inspector

    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.ledger.engine import Ledger

__all__ = ["Finding", "Report", "check", "orphaned_archive", "orphaned_frames", "sizes"]

_RESTORE = "marketsync ledger restore FILE --replace, with the newest good backup"
_COLLATION = "SELECT datcollversion, pg_database_collation_actual_version(oid) FROM pg_database "
_COLLATION += "WHERE datname = current_database()"


@dataclass(frozen=True, slots=True)
class Report:
    """What a check came to; the keys of `ledger check --json`."""

    ledger: str
    revision: str
    findings: list[Finding] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    oldest: dict[str, str] = field(default_factory=dict)
    """Table -> the time of its oldest row."""

    @property
    def ok(self) -> bool:
        """Nothing is broken."""
        return not any(finding.broken for finding in self.findings)


def check(settings: Settings, url: str, *, quick: bool = False) -> Report:
    """Look at the whole ledger at `url` and at the files beside it.

    What cannot be opened is a finding, not an error. `quick` leaves out what reads every page.
    """
    try:
        ledger = existing_ledger(url)
    except LedgerError as error:
        return Report("", "", [Finding("ledger", error.message, error.next_step)])
    it = describe(ledger.location)
    try:
        revision = str(current_revision(ledger))
        if revision != REVISIONS[-1]:
            return Report(it, revision, [_other_revision(revision)])
        with ledger.read() as connection:
            findings = list(_integrity(connection, quick=quick))
            if not findings:  # what reads a damaged database is not to be believed
                findings += schema_differences(connection)
            if not findings:
                findings += broken_laws(connection)
                findings += _files(connection, settings)
        if any(finding.subject == "database" for finding in findings):
            return Report(it, revision, findings)
        return Report(it, revision, findings, sizes(ledger, settings), oldest(ledger))
    except LedgerError as error:
        return Report(it, "", [Finding("database", error.message, error.next_step or _RESTORE)])
    finally:
        ledger.close()


def _other_revision(revision: str) -> Finding:
    if revision in REVISIONS:
        words = f"made by an older MarketSync (revision {revision})"
        return Finding("ledger", words, "marketsync ledger backup, then: marketsync ledger upgrade")
    words = f"made by a newer MarketSync (revision {revision})"
    return Finding("ledger", words, "install that MarketSync here")


def _integrity(connection: Connection, *, quick: bool) -> Iterator[Finding]:
    """Whether the database itself is whole, as far as it can tell."""
    if connection.dialect.name == "sqlite":
        pragma = "quick_check" if quick else "integrity_check"
        said = list(connection.exec_driver_sql(f"PRAGMA {pragma}({NAMED})").scalars())
        if said != ["ok"]:
            words = "; ".join(" ".join(str(line).split()) for line in said)
            yield Finding("database", f"the file is damaged: {words}", _RESTORE)
        return
    query = text("SELECT checksum_failures FROM pg_stat_database WHERE datname=current_database()")
    if failures := connection.execute(query).scalar():
        yield Finding("database", f"{failures} pages are damaged", _RESTORE)
    query = text(
        "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "WHERE NOT i.indisvalid ORDER BY 1"
    )
    for name in connection.execute(query).scalars():
        yield Finding("database", f"the index {name} is not valid", f"REINDEX INDEX {name}")
    if int((connection.dialect.server_version_info or (0,))[0]) >= 15:
        row = connection.execute(text(_COLLATION)).first()
        if row and row[0] and row[0] != row[1]:
            yield Finding(
                "database",
                f"made under sorting rules {row[0]}, the system now has {row[1]}: indexes on text "
                "may not find what they hold",
                "REINDEX DATABASE, then ALTER DATABASE ... REFRESH COLLATION VERSION",
            )


def schema_differences(connection: Connection) -> list[Finding]:
    """Where the tables in the database are not those of `ledger.tables`."""
    inspector = inspect(connection)
    present = set(inspector.get_table_names())
    findings = []
    for name in sorted(t.metadata.tables):
        wrong = ["is missing"] if name not in present else _differences(inspector, name)
        findings += [Finding(name, f"the table {name} {words}", _RESTORE) for words in wrong]
    return findings


def _differences(inspector: Inspector, name: str) -> list[str]:
    table = t.metadata.tables[name]
    ours = {
        "column": {(c.name, not c.nullable) for c in table.columns},
        "index": {(str(i.name), tuple(c.name for c in i.columns)) for i in table.indexes},
        "key": {tuple(c.name for c in table.primary_key.columns)}
        | {tuple(sorted(c.name for c in u.columns)) for u in _uniques(name)},
    }
    primary = inspector.get_pk_constraint(name)["constrained_columns"]
    uniques = inspector.get_unique_constraints(name)
    backing = {u["name"] for u in uniques}
    theirs = {
        "column": {(c["name"], not c["nullable"]) for c in inspector.get_columns(name)},
        "index": {
            (str(i["name"]), tuple(str(column) for column in i["column_names"]))
            for i in inspector.get_indexes(name)
            if i["name"] not in backing
        },
        "key": {tuple(primary)} | {tuple(sorted(u["column_names"])) for u in uniques},
    }
    return [
        f"{verb} the {kind} {_shown(one)}"
        for kind in ours
        for verb, odd in (("lacks", ours[kind] - theirs[kind]), ("has", theirs[kind] - ours[kind]))
        for one in sorted(odd, key=str)
    ]


def _uniques(name: str) -> list[t.UniqueConstraint]:
    return [c for c in t.metadata.tables[name].constraints if isinstance(c, t.UniqueConstraint)]


def _shown(one: tuple[object, ...]) -> str:
    if len(one) == 2 and isinstance(one[1], bool):
        return f"{one[0]}{' (never null)' if one[1] else ''}"
    return ", ".join(map(str, one))


def _files(connection: Connection, settings: Settings) -> Iterator[Finding]:
    """Originals and frames that nothing speaks of, and originals that are not there."""
    archive = folders(settings)["archive"]
    if orphans := orphaned_archive(connection, archive):
        yield Finding(
            "archive",
            f"{len(orphans)} archived files of no extract that the ledger knows",
            "marketsync ledger prune removes them once they are old enough",
            broken=False,
        )
    known = select(t.listing.c.extract_id).distinct()
    e = t.extract.c
    named = originals_of(connection, e.id.in_(known))
    lost = [
        one
        for one, originals in sorted(named.items())
        if not all((archive / sha256[:2] / sha256).exists() for sha256 in originals)
    ]
    if lost:
        yield Finding(
            "archive",
            f"the originals of {len(lost)} extracts that listings stand on are not in {archive}: "
            + ", ".join(lost[:NAMED]),
            "bring the folder back from a copy; prices stay right, their lines cannot be shown",
            broken=False,
        )
    if frames := orphaned_frames(settings):
        names = ", ".join("/".join(path.parts[-3:]) for path in frames[:NAMED])
        yield Finding(
            "frames",
            f"{len(frames)} frames of outlets that are not in the configuration: {names}",
            "marketsync ledger prune removes them once they are old enough",
            broken=False,
        )


def orphaned_archive(connection: Connection, archive: Path) -> list[Path]:
    """Archived originals that no extract of the ledger is made from, and that no document that has
    come is in."""
    if not archive.is_dir():
        return []
    known = {original for some in originals_of(connection).values() for original in some}
    known |= set(connection.execute(select(t.extract_file.c.original).distinct()).scalars())
    return sorted(path for path in archive.glob("??/*") if path.name not in known)


def orphaned_frames(settings: Settings) -> list[Path]:
    """Frames of outlets, catalog scopes or platforms that the configuration does not have."""
    root = folders(settings)["frames"]
    names = {*settings.outlets, *(settings.scope_of(account) for account in settings.accounts)}
    groups = {"pos", *settings.platforms()}
    return sorted(
        path
        for path in root.rglob("*.parquet")
        if path.stem not in names or path.relative_to(root).parts[0] not in groups
    )


def quick_check(ledger: Ledger) -> list[Finding]:
    """What can be said of an open ledger in a moment: the database's own word, and the tables."""
    with ledger.read() as connection:
        return [*_integrity(connection, quick=True), *schema_differences(connection)]
