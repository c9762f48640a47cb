"""Opening an original: what is missing, no file, empty or too large is refused by its name."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.tables import Limits

BLANK = b"\xef\xbb\xbf \t\r\n\0\xff\xfe"
"""Bytes that are nothing, in any encoding: marks, blanks and the NULs of wide ones."""


@contextmanager
def readable(file: str) -> Iterator[None]:
    """OSError becomes ExtractError: missing, unreadable."""
    try:
        yield
    except FileNotFoundError:
        raise refuse("missing", f"{file} does not exist") from None
    except OSError as error:
        raise refuse("unreadable", f"{file} cannot be read: {error.strerror or error}") from None


def open_binary(source: Path | bytes) -> BinaryIO:
    """A document's bytes. Raises OSError, also for what is no regular file."""
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if not source.is_file() and source.exists():
        # a pipe would be waited for, a device would never end
        raise OSError("not a regular file")
    return source.open("rb")


def open_source(source: Path | bytes, file: str, limits: Limits) -> BinaryIO:
    """A seekable stream. Raises ExtractError missing, unreadable, empty, too_large."""
    with readable(file):
        stream = open_binary(source)
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    if 0 < size <= limits.file_bytes:
        return stream
    stream.close()
    if not size:
        raise refuse("empty", f"{file} is empty")
    raise refuse("too_large", f"{file} has more than {megabytes(limits.file_bytes)}")


def megabytes(count: int) -> str:
    """A limit as a message says it."""
    return f"{count // 2**20} MB" if count >= 2**20 else f"{count} bytes"
