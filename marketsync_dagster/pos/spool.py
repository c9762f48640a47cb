"""Batches of records on their way: in memory while they are few, else in a file of their own.

The file has no name that others could find, is read from its beginning each time, and is gone with
the object.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import pyarrow as pa

from marketsync_dagster.pos.reasons import refuse

IN_MEMORY = 32 * 2**20
"""Bytes of batches that are kept in memory; beyond, all of them go to the file."""


class Spool:
    """Batches in their order; they need not have the same columns."""

    def __init__(self, in_memory: int | None = None) -> None:
        self.rows = 0
        self.size = 0
        self._most = IN_MEMORY if in_memory is None else in_memory
        self._kept: list[pa.RecordBatch] = []
        self._file: tempfile._TemporaryFileWrapper[bytes] | None = None
        self._writer: pa.RecordBatchStreamWriter | None = None

    def append(self, batch: pa.RecordBatch) -> None:
        """One more batch. Raises ExtractError no_space where there is no room for the file."""
        try:
            self._append(batch)
        except OSError as error:
            where, why = tempfile.gettempdir(), error.strerror or error
            message = f"what is read cannot be kept in {where} for the time being: {why}"
            raise refuse("no_space", message) from None

    def _append(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        self.size += batch.get_total_buffer_size()
        if self._file is None and self.size > self._most:
            self._file = tempfile.NamedTemporaryFile(prefix="marketsync-")  # noqa: SIM115
            for kept in self._kept:
                self._write(kept)
            self._kept.clear()
        if self._file is None:
            self._kept.append(batch)
        else:
            self._write(batch)

    def _write(self, batch: pa.RecordBatch) -> None:
        if self._writer is None or not self._writer_fits(batch):
            self.close_writer()
            self._schema = batch.schema
            self._writer = pa.ipc.new_stream(self._file, batch.schema)
        self._writer.write_batch(batch)

    def _writer_fits(self, batch: pa.RecordBatch) -> bool:
        return self._schema.equals(batch.schema)

    def close_writer(self) -> None:
        """Everything is in the file; done by whoever reads."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._file is not None:
            self._file.flush()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """All batches from the first; several may be reading at the same time."""
        if self._file is None:
            yield from self._kept
            return
        self.close_writer()
        with open(self._file.name, "rb") as stream:  # noqa: PTH123
            while stream.peek(1):
                with pa.ipc.open_stream(stream) as reader:
                    yield from reader
