"""What is packed, within limits: a ZIP's directory, and how much comes out of anything.

Used to tell what a ZIP is, to unpack archives, and to read workbooks, which are ZIPs.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import BinaryIO, cast

from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.streams import megabytes
from marketsync_dagster.pos.tables import Limits

_DIRECTORY_ENTRY = 400
"""Bytes of a ZIP's directory for each member that it may have: usual are about 100."""


DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, ValueError, OverflowError,
)  # fmt: skip
"""What zipfile raises where an archive does not keep to its format."""
RATIO_FROM = 2**20
"""So many bytes may come out of anything, however small it is packed."""
ALL_FROM = 16 * RATIO_FROM
"""So many may come out of all members of an archive together."""


@dataclass
class Unpacked:
    """Counts what comes out of one file; the sizes that it declares may lie."""

    limits: Limits
    file: str
    total: int = 0
    size: int = 0
    """Of the file itself; 0: what comes out of it is judged part by part."""

    def take(self, count: int, packed: int, out: int, what: str) -> None:
        """`count` bytes more have come out: `packed` bytes of `what` have become `out` in all.

        Raises ExtractError too_large, archive_bomb.
        """
        self.total += count
        if self.total > self.limits.unpacked_bytes:
            most = megabytes(self.limits.unpacked_bytes)
            raise refuse("too_large", f"{self.file} unpacks to more than {most}")
        if out > RATIO_FROM and out > packed * self.limits.ratio:
            message = f"{what} unpacks to more than {self.limits.ratio} times its size"
            raise refuse("archive_bomb", message)
        if self.size and self.total > ALL_FROM and self.total > self.size * self.limits.ratio:
            message = f"{self.file} unpacks to more than {self.limits.ratio} times its size"
            raise refuse("archive_bomb", message)


class _Guarded:
    """A file of which no more than a ZIP's directory may have is read at once."""

    def __init__(self, stream: BinaryIO, limit: int, file: str) -> None:
        self._stream = stream
        self._limit = limit
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        if size > self._limit:
            raise refuse("too_many_members", f"{self._file}: its directory has {megabytes(size)}")
        return self._stream.read(size if size >= 0 else self._limit)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        """ZipFile asks."""
        return True


def open_zip(stream: BinaryIO, limits: Limits, file: str) -> zipfile.ZipFile:
    """A ZIP whose directory is within the limits.

    Raises ExtractError: truncated (it has no directory), damaged_archive, too_many_members.
    """
    # 64 KB and some are what looks for the directory's place reads
    most = max(2**17, limits.members * _DIRECTORY_ENTRY)
    try:
        archive = zipfile.ZipFile(cast("BinaryIO", _Guarded(stream, most, file)))
    except zipfile.BadZipFile as error:
        if "not a zip file" in str(error):
            message = f"{file}: the ZIP archive is cut off, its directory is missing"
            raise refuse("truncated", message) from None
        raise damaged_zip(file, error) from None
    except DAMAGED as error:
        raise damaged_zip(file, error) from None
    count = len(archive.infolist())
    if count > limits.members:
        raise refuse("too_many_members", f"{file} has {count} members, more than {limits.members}")
    return archive


def check_compression(entry: zipfile.ZipInfo, said: str) -> None:
    """Raises ExtractError (unknown_compression) for a member, `said` in words, that is packed in
    other ways than those of every ZIP, and of Office packages (ECMA-376, part 2)."""
    number = entry.compress_type
    if number not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise refuse("unknown_compression", f"{said} is compressed by method {number}")


def damaged_zip(file: str, error: Exception) -> Exception:
    return refuse("damaged_archive", f"{file} is a damaged ZIP archive: {error}")
