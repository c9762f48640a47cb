"""Frames at rest: one parquet file per asset and outlet under the data directory.

The footer of each file carries what a step needs to know without reading it: what the frame was
made from, a fingerprint of its content, its rows and its figures. What the frames mean belongs to
`catalog.columns`; when they are written belongs to the stages.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from marketsync_dagster.catalog.arrow import pc
from marketsync_dagster.catalog.files import write_atomically
from marketsync_dagster.values.errors import MarketSyncError
from marketsync_dagster.values.times import from_iso, to_iso, utcnow

log = logging.getLogger(__name__)

SAMPLE = 2_000
"""Rows at which a column is judged."""
ROW_GROUP = 8_192
"""Rows that are written, and can be read, together."""
IN_MEMORY = 6
"""So many frames stay in memory: what one outlet's stages hand to each other on one platform."""
_FOOTER = b"marketsync"
_PART = re.compile(r"[a-z0-9_]+")

_DAMAGED = (pa.ArrowException, OSError, ValueError, LookupError, TypeError)
"""What pyarrow, pandas and json raise for bytes that are not what was written."""

T = TypeVar("T")
Key = tuple[str, ...]
Numbers = Mapping[str, int | float]


@dataclass(frozen=True)
class FrameStamp:
    """What the footer of a stored frame says."""

    inputs: str
    """Fingerprint of what the frame was made from, as the writer gave it."""
    fingerprint: str
    """Changes exactly when columns, types, rows or their order change (SHA-256, hex)."""
    rows: int
    numbers: dict[str, int | float]
    written_at: datetime
    parts: dict[str, str] = field(default_factory=dict)
    """Name -> fingerprint of some of the columns, for who is made of no others."""
    coverage: str = ""
    """Whether the rows are all there are (full) or changes (delta); ``: the writer did not say."""


class FrameStore:
    """The frames under `home/frames`. Safe for several processes: the last writer of a frame wins.

    A key is an asset key such as `("pos", "catalog")`; frames that are not kept by outlet have
    something else in its place, such as a catalog scope, or None.
    """

    def __init__(self, home: Path) -> None:
        self.root = home / "frames"
        self._in_memory: OrderedDict[Path, tuple[str, pd.DataFrame]] = OrderedDict()
        """The frames that were read or written last, each with its fingerprint."""

    def path(self, key: Key, outlet: str | None) -> Path:
        """Where the frame is, or would be. ValueError for names that are not `[a-z0-9_]+`."""
        parts = [*key] if outlet is None else [*key, outlet]
        if not key or not all(_PART.fullmatch(part) for part in parts):
            raise ValueError(f"not the name of a frame: {'/'.join(parts)!r}")
        return self.root.joinpath(*parts[:-1], f"{parts[-1]}.parquet")

    def write(
        self,
        key: Key,
        outlet: str | None,
        frame: pd.DataFrame,
        *,
        inputs: str,
        numbers: Numbers | None = None,
        parts: Mapping[str, Sequence[str]] | None = None,
        coverage: str = "",
    ) -> FrameStamp:
        """Store `frame`, replacing the one before it at once or not at all.

        The index is not kept. `parts` are names of columns whose content gets a fingerprint of its
        own. MarketSyncError if the disk does not take it.
        """
        table = pa.Table.from_pandas(frame, preserve_index=False).combine_chunks()
        buffer = io.BytesIO()
        writer = pq.ParquetWriter(
            buffer, table.schema, compression="zstd", compression_level=1,
            use_dictionary=_repetitive(table),  # pyright: ignore[reportArgumentType]
            write_page_checksum=True,
            write_statistics=["sku"],  # pyright: ignore[reportArgumentType]
        )  # fmt: skip
        writer.write_table(table, row_group_size=ROW_GROUP)
        # Pages hold values only, never what lies under a null, and no metadata is written yet:
        # the same content has the same bytes.
        digest = hashlib.sha256(repr([(f.name, str(f.type)) for f in table.schema]).encode())
        digest.update(buffer.getbuffer())
        named = {name: _content(table.select(columns)) for name, columns in (parts or {}).items()}
        stamp = FrameStamp(
            inputs, digest.hexdigest(), len(table), dict(numbers or {}), utcnow(), named, coverage
        )
        writer.add_key_value_metadata({_FOOTER: _dump(stamp)})
        writer.close()
        path = self.path(key, outlet)
        try:
            write_atomically(path, buffer.getvalue())
        except OSError as error:
            raise MarketSyncError(
                f"cannot write {path}: {error.strerror or error}",
                "make room or repair the permissions of the folder, then run it again",
            ) from error
        self._remember(path, stamp.fingerprint, frame.reset_index(drop=True))
        # as it reads back: written_at has milliseconds in the file
        return _load(_dump(stamp))

    def keep(self, key: Key, kept: Key, outlet: str | None) -> str:
        """Store the frame under another key too, as it is, unless it is there; its fingerprint."""
        data = self.path(key, outlet).read_bytes()
        fingerprint = _fingerprint(pq.read_metadata(io.BytesIO(data)))
        before = self.stamp(kept, outlet)
        if before is None or before.fingerprint != fingerprint:
            write_atomically(self.path(kept, outlet), data)
        return fingerprint

    def read(self, key: Key, outlet: str | None) -> pd.DataFrame:
        """The stored frame, dtypes as they were written, index 0 to n-1.

        MarketSyncError names the asset, the outlet and the command where there is no such frame,
        or where its file is damaged.
        """
        path, stamp = self.path(key, outlet), self.stamp(key, outlet)
        if stamp is not None and path in self._in_memory:
            known, frame = self._in_memory[path]
            if known == stamp.fingerprint:  # nobody has written another one since
                return self._remember(path, known, frame)
        known, frame = self._read(
            key, outlet, lambda file: (_fingerprint(file.metadata), file.read().to_pandas())
        )
        return self._remember(path, known, frame)

    def _remember(self, path: Path, fingerprint: str, frame: pd.DataFrame) -> pd.DataFrame:
        """`frame`, as somebody may have it: what is changed in it is changed in a copy."""
        self._in_memory[path] = fingerprint, frame
        self._in_memory.move_to_end(path)
        if len(self._in_memory) > IN_MEMORY:
            self._in_memory.popitem(last=False)
        return frame.copy(deep=False)

    def columns_of(self, key: Key, outlet: str | None, names: Sequence[str]) -> pd.DataFrame:
        """Some columns of the stored frame; raises what `read` raises."""
        return self._read(key, outlet, lambda file: file.read(list(names)).to_pandas())

    def rows_of(self, key: Key, outlet: str | None, sku: str) -> list[dict[str, Any]]:
        """The rows of one SKU as Python values; raises what `read` raises.

        The rest of the file is hardly looked at.
        """
        return self._read(key, outlet, lambda file: rows_of(file, sku))

    def _read(self, key: Key, outlet: str | None, part: Callable[[pq.ParquetFile], T]) -> T:
        path = self.path(key, outlet)
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                return part(file)
        except FileNotFoundError:
            raise MarketSyncError(
                f"there is no {_named(key, outlet)} yet", f"run: {_command(key, outlet)}"
            ) from None
        except _DAMAGED as error:
            raise MarketSyncError(
                f"{path} ({_named(key, outlet)}) cannot be read: {error}",
                f"delete the file, then run: {_command(key, outlet)}",
            ) from error

    def stamp(self, key: Key, outlet: str | None) -> FrameStamp | None:
        """What is known of the stored frame, from its footer alone; None: there is none.

        A file whose footer is damaged counts as none, with a warning in the log, so that the next
        step that would write the frame does.
        """
        path = self.path(key, outlet)
        try:
            metadata = pq.read_metadata(path).metadata or {}
            return _load(metadata[_FOOTER])
        except FileNotFoundError:
            return None
        except _DAMAGED as error:
            log.warning("%s is damaged and counts as missing: %s", path, error)
            return None


def _content(columns: pa.Table) -> str:
    """A fingerprint of columns: other values have another one, and the same ones, made in the same
    way, have the same."""
    digest = hashlib.sha256()
    for chunk in (chunk for column in columns.columns for chunk in column.chunks):
        # what lies under a null is left out
        for part in (chunk.is_valid(), chunk.drop_null()):
            digest.update(f"{part.type} {part.offset} {len(part)};".encode())
            for buffer in part.buffers():
                digest.update(buffer or b"")
    return digest.hexdigest()


def _fingerprint(metadata: pq.FileMetaData) -> str:
    footer = (metadata.metadata or {}).get(_FOOTER)
    return _load(footer).fingerprint if footer else ""


def _repetitive(table: pa.Table) -> list[str]:
    """Columns of few words: a dictionary of each is smaller and quicker, of the others neither."""
    few = max(min(len(table), SAMPLE) // 8, 1)
    return [
        name
        for name, column in zip(table.column_names, table.columns, strict=True)
        if pa.types.is_large_string(column.type)
        and pc.count_distinct(column.slice(0, SAMPLE), mode="all").as_py() <= few
    ]


def rows_of(file: pq.ParquetFile, sku: str) -> list[dict[str, Any]]:
    """The rows of one SKU: of a row group without them at most the column `sku` is read."""
    found: list[dict[str, Any]] = []
    for group in range(file.num_row_groups):
        if not _may_have(file, group, sku):
            continue
        theirs = pc.equal(file.read_row_group(group, ["sku"], use_threads=False)["sku"], sku)
        if pc.any(theirs).as_py():
            found += file.read_row_group(group, use_threads=False).filter(theirs).to_pylist()
    return found


def _may_have(file: pq.ParquetFile, group: int, sku: str) -> bool:
    """Whether the footer leaves it open: exports are mostly sorted, and then it names one group."""
    columns = file.metadata.row_group(group)
    said = columns.column(file.schema_arrow.get_field_index("sku")).statistics
    return said is None or not said.has_min_max or said.min <= sku <= said.max


def _dump(stamp: FrameStamp) -> bytes:
    return json.dumps(stamp.__dict__ | {"written_at": to_iso(stamp.written_at)}).encode()


def _load(footer: bytes) -> FrameStamp:
    said = json.loads(footer)
    return FrameStamp(**(said | {"written_at": from_iso(said["written_at"])}))


def _named(key: Key, outlet: str | None) -> str:
    return "/".join(key) + (f" of {outlet}" if outlet else "")


def _command(key: Key, outlet: str | None) -> str:
    """The command that makes a frame; a platform's catalogue is per scope, not per outlet."""
    if outlet is None or key[-1] == "platform_catalog":
        return "marketsync run refresh_mappings"
    return f"marketsync run full_sync --outlet {outlet}"
