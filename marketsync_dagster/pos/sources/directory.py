"""A directory of this machine, with or without directories in it.

Nothing outside the directory is ever read: links that lead out are refused, and what is fetched is
what was seen.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from marketsync_dagster.pos.files import QUIET_SECONDS, Sight, is_settled, keep
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.sources.base import MOST_BYTES, Arrival, fits, in_turn, is_passed_over

_ENDS = (b"\n", b"\r", b"\n\0", b"\r\0")
_NO_LINES = (b"PK", b"\x1f\x8b", b"\xd0\xcf\x11\xe0", b"PAR1", b"<", b"{", b"[", b"SQLite")
"""How files begin that need no line end at their end: archives, sheets, Parquet, XML, JSON."""
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


class DirectorySource:
    """Files of a directory whose names, relative to it, fit one of some patterns."""

    watched = True

    def __init__(
        self,
        root: Path,
        patterns: Sequence[str],
        *,
        shown: str = "",
        quiet_s: float = QUIET_SECONDS,
    ) -> None:
        """`shown`: what messages call it; `quiet_s`: so long a file must not have changed."""
        self.root = root
        self.patterns = tuple(patterns)
        self.shown = shown or str(root)
        self.quiet_s = quiet_s

    def look(self) -> list[Arrival]:
        """What is there. Raises ExtractError: unlistable, outside."""
        depth = max(pattern.count("/") for pattern in self.patterns)
        return in_turn(list(self._below("", depth)))

    def _below(self, folder: str, depth: int) -> Iterator[Arrival]:
        try:
            root = self.root.resolve(strict=True)
            with os.scandir(root / folder) as entries:
                names = sorted(entry.name for entry in entries)
        except OSError as error:
            where = f"{self.shown}/{folder}".rstrip("/")
            words = error.strerror or error
            raise refuse("unlistable", f"{where} cannot be listed: {words}") from None
        for own in names:
            name = f"{folder}/{own}" if folder else own
            if is_passed_over(name):
                continue
            path = root / name
            wanted = fits(name, self.patterns)
            if not wanted and depth <= name.count("/"):
                continue
            try:
                out = path.is_symlink() and not path.resolve().is_relative_to(root)
                if out and (wanted or path.is_dir()):
                    message = f"{self.shown}/{name} is a link that leads out of {self.shown}"
                    raise refuse("outside", message)
                status = path.stat()
            except FileNotFoundError:
                # renamed or removed since the listing: the next look will tell
                continue
            except (OSError, RuntimeError) as error:
                words = getattr(error, "strerror", None) or error
                raise refuse("unlistable", f"{self.shown}/{name}: {words}") from None
            if stat.S_ISDIR(status.st_mode):
                if name.count("/") < depth:
                    yield from self._below(name, depth)
            elif wanted and stat.S_ISREG(status.st_mode):
                yield _arrival(name, status)

    def is_settled(self, arrival: Arrival, before: Arrival | None, now: float) -> bool:
        """Quiet for long enough, renamed into place, or seen twice alike; a text table that is
        young must also end with a line end."""
        try:
            with self._open(arrival) as stream:
                status = os.fstat(stream.fileno())
                head = stream.read(16)
                stream.seek(max(status.st_size - 2, 0))
                tail = stream.read(2)
        except OSError:
            return False
        if _arrival(arrival.name, status) != arrival:
            return False
        whole = tail in _ENDS or tail[-1:] in _ENDS or _needs_no_line_end(head)
        seen = _sight(arrival, whole)
        return is_settled(seen, now, before and _sight(before, whole), self.quiet_s)

    def fetch(self, arrival: Arrival, archive: Path) -> str:
        """Keep the file under its hash.

        Raises ExtractError: missing, changing (it is not what was seen any more), unreadable,
        outside, too_large.
        """
        return keep(self._chunks(arrival), archive)

    def _chunks(self, arrival: Arrival) -> Iterator[bytes]:
        shown = f"{self.shown}/{arrival.name}"
        try:
            if not (self.root / arrival.name).resolve().is_relative_to(self.root.resolve()):
                raise refuse("outside", f"{shown} is a link that leads out of {self.shown}")
            with self._open(arrival) as stream:
                read = 0
                self._check(arrival, os.fstat(stream.fileno()), shown)
                while chunk := stream.read(2**20):
                    read += len(chunk)
                    if read > MOST_BYTES:
                        raise refuse("too_large", f"{shown} is larger than {MOST_BYTES} bytes")
                    yield chunk
                self._check(arrival, os.fstat(stream.fileno()), shown)
        except FileNotFoundError:
            raise refuse("missing", f"{shown} does not exist any more") from None
        except OSError as error:
            words = error.strerror or error
            raise refuse("unreadable", f"{shown} cannot be read: {words}") from None

    def _open(self, arrival: Arrival) -> BinaryIO:
        # a pipe under the name of a file must not hold the run
        return os.fdopen(os.open(self.root / arrival.name, os.O_RDONLY | os.O_NONBLOCK), "rb")

    def _check(self, arrival: Arrival, status: os.stat_result, shown: str) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise refuse("unreadable", f"{shown} is no file")
        if _arrival(arrival.name, status) != arrival:
            raise refuse("changing", f"{shown} is still being written")


def _arrival(name: str, status: os.stat_result) -> Arrival:
    # the ctime too: who sets the mtime back cannot set it
    mark = f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}-{status.st_ctime_ns}"
    return Arrival(name, status.st_size, status.st_mtime, mark, status.st_ctime)


def _sight(arrival: Arrival, whole: bool) -> Sight:
    size, modified, inode = arrival.size or 0, arrival.modified or 0.0, arrival.mark.split("-")[2]
    return Sight(size, modified, int(inode), whole, arrival.arrived)


def _needs_no_line_end(head: bytes) -> bool:
    for bom in _BOMS:
        head = head.removeprefix(bom)
    return head.lstrip(b" \t\r\n\0").startswith(_NO_LINES)
