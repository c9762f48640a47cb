"""The file of a backup: a zip with `manifest.json` and one parquet file per table.

Engine-neutral, written and read in chunks, so that its size does not matter. Every member is
stored as it is (parquet compresses itself), which makes it readable in place. What a backup is
for belongs to `ledger.backup` and `ledger.restore`.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import MetaData, Table, inspect, select
from sqlalchemy.types import Boolean, Float, Integer, LargeBinary, Numeric, TypeEngine

from marketsync_dagster.ledger.tables import metadata
from marketsync_dagster.values.errors import LedgerError

if TYPE_CHECKING:
    from sqlalchemy import Connection

FORMAT = "marketsync-ledger"
VERSION = 1
MANIFEST = "manifest.json"
LEFT_OUT = frozenset({"lease", "rate_slot"})
"""Tables that speak of this very moment: who works now, which calls were made in this minute."""
CHUNK = 20_000
"""Rows that are in memory at once; fewer where a row may hold megabytes."""
BLOB_CHUNK = 16
_MOST_MANIFEST = 1_000_000
_HEADER = 30
_DAMAGED = (pa.ArrowException, OSError, ValueError, LookupError, TypeError)
Said = Callable[[str, int], None]
"""Told a table and how many of its rows are done."""


@dataclass(frozen=True, slots=True)
class TableEntry:
    """What the manifest says of one table."""

    rows: int
    bytes: int
    sha256: str
    """Of its member, `<table>.parquet`."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself."""

    at: str
    """The moment of the snapshot."""
    marketsync: str
    revision: str
    engine: str
    tables: dict[str, TableEntry]

    @property
    def rows(self) -> int:
        return sum(entry.rows for entry in self.tables.values())

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT, "version": VERSION, **asdict(self)}, indent=1)


def write(file: IO[bytes], connection: Connection, said: Manifest, tell: Said) -> Manifest:
    """Write every table that `connection` sees into `file`; returns `said` with the tables.

    The connection is one snapshot. Its tables may be those of an older revision.
    """
    entries: dict[str, TableEntry] = {}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for table in _tables(connection):
            with archive.open(_member(table.name, said.at), "w", force_zip64=True) as member:
                sink = _Sink(cast("IO[bytes]", member))
                rows = _write_table(sink, connection, table, tell)
            entries[table.name] = TableEntry(rows, sink.size, sink.digest.hexdigest())
        whole = Manifest(said.at, said.marketsync, said.revision, said.engine, entries)
        archive.writestr(_member(MANIFEST, said.at), whole.to_json())
    return whole


def _tables(connection: Connection) -> list[Table]:
    """The ledger's tables as they are in this database, by name."""
    present = set(inspect(connection).get_table_names()) & set(metadata.tables) - LEFT_OUT
    found = MetaData()
    found.reflect(connection, only=sorted(present), resolve_fks=False)
    return [found.tables[name] for name in sorted(present)]


def _member(name: str, at: str) -> zipfile.ZipInfo:
    moment = tuple(int(at[start:end]) for start, end in _DATE)
    file = name if name == MANIFEST else f"{name}.parquet"
    info = zipfile.ZipInfo(file, cast("tuple[int, int, int, int, int, int]", moment))
    info.external_attr = 0o600 << 16
    return info


_DATE = ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19))


def _write_table(sink: _Sink, connection: Connection, table: Table, tell: Said) -> int:
    schema = pa.schema([(column.name, _arrow_type(column.type)) for column in table.columns])
    blobs = any(pa.types.is_large_binary(field.type) for field in schema)
    size = BLOB_CHUNK if blobs else CHUNK
    query = select(table).order_by(*table.primary_key.columns)
    options = {"stream_results": True, "max_row_buffer": size}
    rows = 0
    with (
        pq.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, compression="zstd") as writer,
        connection.execute(query, execution_options=options) as result,
    ):
        for some in result.partitions(size):
            columns = zip(*some, strict=True)
            arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=size)
            rows += len(some)
            tell(table.name, rows)
    return rows


def _arrow_type(type_: TypeEngine[Any]) -> pa.DataType:
    if isinstance(type_, Boolean):
        return pa.bool_()
    if isinstance(type_, Integer):
        return pa.int64()
    if isinstance(type_, Float | Numeric):
        return pa.float64()
    # SQLite says BLOB, PostgreSQL BYTEA
    return pa.large_binary() if isinstance(type_, LargeBinary) or _is_bytes(type_) else pa.string()


def _is_bytes(type_: TypeEngine[Any]) -> bool:
    return type_.__class__.__name__ in ("BLOB", "BYTEA")


class _Sink:
    """A member of the zip while it is written: counted and hashed on the way."""

    def __init__(self, member: IO[bytes]) -> None:
        self._member = member
        self.digest = hashlib.sha256()
        self.size = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self.size += len(data)
        self._member.write(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back here."""

    def close(self) -> None:
        self.closed = True


class BackupFile:
    """A backup that is open for reading; use `opened`."""

    def __init__(self, file: IO[bytes], archive: zipfile.ZipFile, path: Path) -> None:
        self._file = file
        self._archive = archive
        self.path = path
        self.manifest = self._manifest()

    def verify(self) -> None:
        """LedgerError that names the first member that is missing, foreign or not what was
        written."""
        expected = {f"{name}.parquet": name for name in self.manifest.tables}
        present = [info.filename for info in self._archive.infolist() if info.filename != MANIFEST]
        for name in self.manifest.tables:
            if name not in metadata.tables or name in LEFT_OUT:
                raise self._refusal(f"{name} is no table of a ledger")
        for member in present:
            if member not in expected or present.count(member) > 1:
                raise self._refusal(f"{member} is no part of a backup")
        for member, name in expected.items():
            if member not in present:
                raise self._refusal(f"{member} is missing")
            entry = self.manifest.tables[name]
            window = self._window(member)
            digest = hashlib.file_digest(window, "sha256").hexdigest()
            if window.size != entry.bytes or digest != entry.sha256:
                raise self._refusal(f"{member} is not what was written")
            try:
                rows = pq.ParquetFile(self._window(member)).metadata.num_rows
            except _DAMAGED as error:
                raise self._refusal(f"{member} cannot be read: {error}") from None
            if rows != entry.rows:
                raise self._refusal(f"{member} has {rows} rows, not {entry.rows}")

    def columns(self, table: str) -> list[str]:
        """The names of a table's columns."""
        return pq.ParquetFile(self._window(f"{table}.parquet")).schema_arrow.names

    def chunks(self, table: str) -> Iterator[pa.Table]:
        """The rows of a table, some thousand at a time."""
        file = pq.ParquetFile(self._window(f"{table}.parquet"))
        for number in range(file.num_row_groups):
            yield file.read_row_group(number)

    def _manifest(self) -> Manifest:
        try:
            info = self._archive.getinfo(MANIFEST)
            if info.file_size > _MOST_MANIFEST:
                raise self._refusal(f"{MANIFEST} is too large to be that of a backup")
            said = json.loads(self._archive.read(info))
            if said.pop("format") != FORMAT:
                raise ValueError
            if said.pop("version") != VERSION:
                raise self._refusal(
                    f"{MANIFEST} is of another format", "restore it with a newer MarketSync"
                )
            tables = {name: TableEntry(**entry) for name, entry in said.pop("tables").items()}
            return Manifest(**said, tables=tables)
        except KeyError:
            raise self._refusal(f"{MANIFEST} is missing, or says too little") from None
        except (ValueError, TypeError, AttributeError, zipfile.BadZipFile):
            raise self._refusal(f"{MANIFEST} is not that of a backup") from None

    def _window(self, member: str) -> _Window:
        """A member as a file of its own; its bytes are in the zip as they are."""
        info = self._archive.getinfo(member)
        self._file.seek(info.header_offset)
        header = self._file.read(_HEADER)
        plain = info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & 1
        if not plain or len(header) < _HEADER or header[:4] != b"PK\x03\x04":
            raise self._refusal(f"{member} is not stored as a backup stores it")
        name, extra = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
        start = info.header_offset + _HEADER + name + extra
        return _Window(self._file, start, info.file_size)

    def _refusal(self, what: str, next_step: str = "take another backup") -> LedgerError:
        return LedgerError(f"{self.path} is damaged, or no backup of a ledger: {what}", next_step)


class _Window(io.RawIOBase):
    """A part of a file as a file."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        super().__init__()
        self._file, self._start, self.size = file, start, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        room = memoryview(buffer).cast("B")
        count = max(0, min(len(room), self.size - self._at))
        self._file.seek(self._start + self._at)
        data = self._file.read(count)
        room[: len(data)] = data
        self._at += len(data)
        return len(data)


@contextmanager
def opened(path: Path) -> Iterator[BackupFile]:
    """Open a backup. LedgerError where there is none, or where it is something else."""
    try:
        file = path.open("rb")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise LedgerError(
            f"the backup {path} cannot be read: {reason}",
            "name another one; those that nobody gave a name are in `backups`, beside the ledger",
        ) from None
    with file:
        try:
            archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, EOFError):
            archive = None
        if archive is None:
            raise LedgerError(
                f"{path} is damaged, or no backup of a ledger: it is no zip file, or cut off",
                "take another backup",
            )
        with archive:
            yield BackupFile(file, archive, path)


def rows_of(chunk: pa.Table, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """The rows of a chunk, as a database takes them."""
    lists = [chunk.column(name).to_pylist() for name in columns]
    return list(zip(*lists, strict=True))
