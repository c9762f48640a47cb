"""Parts of an Office package (a ZIP of XML), unpacked and parsed within limits.

Nothing is written to disk under a name of the package. What comes out is counted while it comes
out: sizes that a package declares are not believed. Entities cannot be declared, because a
DOCTYPE is refused.
"""

from __future__ import annotations

import errno
import io
import posixpath
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.streams import open_source
from marketsync_dagster.pos.tables import Limits
from marketsync_dagster.pos.zips import DAMAGED, Unpacked, check_compression, open_zip

CHUNK = 64 * 1024
_UNREADABLE = (*DAMAGED, EOFError, RuntimeError)


@dataclass(frozen=True)
class Handlers:
    """What to do at the parts of an XML document; names come without their prefix."""

    start: Callable[[str, dict[str, str]], None]
    end: Callable[[str], None]
    text: Callable[[str], None]


class Package:
    """An open package. To be closed; reading raises ExtractError where a limit is exceeded."""

    def __init__(self, source: Path | bytes, file: str, limits: Limits) -> None:
        """Raises ExtractError missing, unreadable, empty, too_large, truncated, damaged_archive,
        damaged_sheet, encrypted, too_many_members."""
        self.file = file
        self.limits = limits
        self._unpacked = Unpacked(limits, file)
        self._stream = open_source(source, file, limits)
        try:
            self._packed = self._stream.seek(0, io.SEEK_END)
            self._stream.seek(0)
            if self._stream.read(2) != b"PK":
                raise damaged(file, "it is no XLSX file")
            self._zip = open_zip(self._stream, limits, file)
            self._parts = self._named()
        except BaseException:
            self._stream.close()
            raise

    def close(self) -> None:
        self._zip.close()
        self._stream.close()

    def has(self, part: str) -> bool:
        return part.lower() in self._parts

    def parse(self, part: str, handlers: Handlers) -> Iterator[None]:
        """Parse one part; yields after every piece, so that a caller can take what is there."""
        with self._opened(part) as stream:
            yield from parse(stream, handlers, f"{self.file}, part {part}", self.limits)

    def parse_whole(self, part: str, handlers: Handlers) -> None:
        """Parse one part to its end."""
        for _ in self.parse(part, handlers):
            pass

    def pieces(self, part: str) -> Iterator[bytes]:
        """The bytes of one part."""
        with self._opened(part) as stream:
            while piece := stream(CHUNK):
                yield piece

    @contextmanager
    def _opened(self, part: str) -> Iterator[Callable[[int], bytes]]:
        """A function that reads the next bytes of a part, counting them."""
        info = self._parts.get(part.lower())
        if info is None:
            raise damaged(self.file, f"the part {part} is missing")
        unpacked = 0

        def read(size: int) -> bytes:
            nonlocal unpacked
            with self._reading(part):
                data = member.read(size)
            unpacked += len(data)
            # the size that a member declares for its packed bytes is bounded by the file's own
            packed = max(min(info.compress_size, self._packed), 1)
            self._unpacked.take(len(data), packed, unpacked, f"{self.file}, part {part}")
            return data

        with self._reading(part):
            member = self._zip.open(info)
        with member:
            yield read

    @contextmanager
    def _reading(self, part: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno != errno.EINVAL:
                # the disk's fault, and not the file's
                reason = error.strerror or error
                raise refuse("unreadable", f"{self.file} cannot be read: {reason}") from None
            message = f"the part {part} is where no part can be"
            raise damaged(self.file, message) from None
        except _UNREADABLE as error:
            raise damaged(self.file, f"the part {part} cannot be unpacked: {error}") from None

    def _named(self) -> dict[str, zipfile.ZipInfo]:
        parts: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            if info.flag_bits & 1:
                raise refuse("encrypted", f"{self.file} is protected by a password")
            name = info.filename.replace("\\", "/").lstrip("/").lower()
            if name in parts:
                raise damaged(self.file, f"the part {name} is there twice")
            check_compression(info, f"{self.file}: the part {name[:200]!r}")
            parts[name] = info
        return parts


def parse(
    read: Callable[[int], bytes], handlers: Handlers, where: str, limits: Limits
) -> Iterator[None]:
    """Feed expat piece by piece. Raises ExtractError doctype, damaged_sheet, too_deep,
    value_too_long."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    depth, deepest = 0, limits.depth
    on_start, on_end = handlers.start, handlers.end

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > deepest:
            raise refuse("too_deep", f"{where}: XML nested deeper than {deepest}")
        on_start(name.rpartition(":")[2] if ":" in name else name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        on_end(name.rpartition(":")[2] if ":" in name else name)

    def doctype(*_: object) -> None:
        raise refuse("doctype", f"{where}: it has a DOCTYPE")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = handlers.text
    parser.StartDoctypeDeclHandler = doctype
    fed = 0
    try:
        while data := read(CHUNK):
            parser.Parse(data, False)
            fed += len(data)
            # an unfinished token is parsed anew with every piece: never let it grow
            if fed - max(parser.CurrentByteIndex, 0) > limits.token_bytes + CHUNK:
                size = limits.token_bytes // 2**20
                raise refuse("value_too_long", f"{where}: a value is longer than {size} MB")
            yield
        parser.Parse(b"", True)
        yield
    except expat.ExpatError as error:
        words = expat.ErrorString(error.code)
        raise damaged(where, f"XML line {error.lineno}: {words}") from None


def target(base: str, name: str) -> str:
    """The part that a relationship of the part `base` leads to."""
    if name.startswith("/"):
        return posixpath.normpath(name.lstrip("/"))
    return posixpath.normpath(posixpath.join(posixpath.dirname(base), name))


def damaged(where: str, what: str) -> Exception:
    """The error for a workbook that does not keep to its format."""
    return refuse("damaged_sheet", f"{where}: {what}")
