"""Folders that somebody else puts files into: which of them are whole, reading them without being
led astray, and putting them away when they are in the ledger.

A file is put away by way of `.taking/`: what is found there to be another one than was read (it
was replaced at the last moment) stays there, and is read with the next ones. So no file is lost.
"""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from marketsync_dagster.values.errors import MarketSyncError

TAKING = ".taking"
DONE = "done"
MOST_BYTES = 16 * 2**20
"""A file that is larger is not read."""


class Unread(MarketSyncError):
    """One file cannot be read: it is too large, no file, or it changes meanwhile."""

    def __init__(self, message: str, *, waits: bool = False) -> None:
        super().__init__(message)
        self.waits = waits
        """It is still being written: the next turn reads it."""


class NoFolder(MarketSyncError):
    """A folder is not there: a share that is not mounted looks so, and a file in its place."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file that lies there, as it was when the folder was listed."""

    name: str
    path: Path
    size: int
    mtime_ns: int
    regular: bool = True
    """False: a link, a folder, a device."""

    @property
    def shown(self) -> str:
        """Its name, for people and documents: no control characters, no broken ones."""
        name = os.fsencode(self.name).decode("utf-8", "replace")
        return "".join(c if c.isprintable() else "?" for c in name)

    @property
    def key(self) -> str:
        """Sorts by time."""
        return f"{self.mtime_ns:020d} {self.name}"


def veiled(name: str) -> str:
    """A file's name for messages. With several words in it a customer's name may be among them:
    then its figures alone tell it from others."""
    stem, dot, ending = name.rpartition(".")
    if not dot or len(re.findall(r"[^\W\d_]{2,}", stem)) < 2:
        return name
    return re.sub(r"[^\W\d_]", "*", stem) + dot + ending


@dataclass(frozen=True, slots=True)
class Inbox:
    """One folder, which files of it are meant, and how long they lie before they are whole."""

    folder: Path
    patterns: Sequence[str]
    settle_s: float
    most_bytes: int = MOST_BYTES

    def arrived(self, now_s: float) -> list[Arrived]:
        """The files that lie there and have settled, oldest first; OSError where the folder cannot
        be listed. `now_s`: seconds since 1970."""
        found = list(self._left_over())
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not self._is_meant(entry.name):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    there = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(there.st_mode):
                        continue  # `done`, and whatever else people put there
                    # another machine's clock may be ahead: what lies there long has settled
                    if abs(now_s - max(there.st_ctime, there.st_mtime)) >= self.settle_s:
                        found.append(_arrived(Path(entry.path), there))
        return sorted(found, key=lambda one: one.key)

    def _left_over(self) -> Iterator[Arrived]:
        """What a process that was killed had begun to put away, or what had changed meanwhile."""
        for path in sorted((self.folder / TAKING).glob("*/*")):
            with contextlib.suppress(FileNotFoundError):
                yield _arrived(path, path.lstat())

    def _is_meant(self, name: str) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.patterns)

    def read(self, file: Arrived) -> bytes:
        """All of a file; Unread. No link is followed, and nothing else than a file is opened."""
        if not file.regular:
            raise Unread("it is no file but a link, a folder or a device")
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            handle = os.open(file.path, flags)
        except OSError as error:
            gone = error.errno == errno.ENOENT
            raise Unread(f"it cannot be opened: {words_of(error)}", waits=gone) from None
        with os.fdopen(handle, "rb") as source:
            before = os.fstat(handle)
            if not stat.S_ISREG(before.st_mode):
                raise Unread("it is no file but a link, a folder or a device")
            if before.st_size > self.most_bytes:
                most = self.most_bytes // 2**20
                raise Unread(f"it is larger than {most} MiB, and was not read")
            data = source.read(self.most_bytes + 1)
            after = os.fstat(handle)
        told = (file.size, file.mtime_ns)
        if told != _stamp(before) or told != _stamp(after) or len(data) != file.size:
            raise Unread("it is still being written", waits=True)
        return data

    def done_name(self, file: Arrived, sha256: str) -> str:
        """What a file is called when it was put away: its name, and what was in it."""
        name = Path(file.name)
        return f"{name.stem[:150]}-{sha256[:16]}{name.suffix[:20]}"

    def was_put_away(self, file: Arrived, sha256: str) -> bool:
        """Whether a file of this name and with this content was taken before."""
        return (self.folder / DONE / self.done_name(file, sha256)).exists()

    def put_away(self, file: Arrived, sha256: str) -> bool:
        """Into `done/`; False: it is gone, or another one by now, which the next turn reads."""
        held = file.path
        if held.parent == self.folder:
            own = self.folder / TAKING / secrets.token_hex(8)
            private_folder(own)
            held = own / file.name
            try:
                file.path.rename(held)
            except FileNotFoundError:
                own.rmdir()
                return False
        with held.open("rb") as source:
            same = hashlib.file_digest(source, "sha256").hexdigest() == sha256
        if not same:
            return False
        private_folder(self.folder / DONE)
        held.rename(self.folder / DONE / self.done_name(file, sha256))
        held.parent.rmdir()
        sync(self.folder / DONE)
        return True


def _arrived(path: Path, there: os.stat_result) -> Arrived:
    return Arrived(path.name, path, there.st_size, there.st_mtime_ns, stat.S_ISREG(there.st_mode))


def _stamp(there: os.stat_result) -> tuple[int, int]:
    return there.st_size, there.st_mtime_ns


def done_files(folder: Path) -> list[Path]:
    """The files of a folder that were put away."""
    found = (folder / DONE).glob("*")
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def empty_done(folder: Path, before_s: float) -> int:
    """Empty what was put away before a moment, in seconds since 1970; how many files. Their names
    stay: what comes again is still known."""
    count = 0
    for path in done_files(folder):
        there = path.stat()
        if there.st_size and there.st_ctime < before_s:
            overwrite(path, b"")
            count += 1
    return count


def overwrite(path: Path, data: bytes) -> None:
    """Write over what is in a file, in its place."""
    before = path.stat().st_size
    with path.open("r+b") as file:
        file.write(data.ljust(before, b" "))
        file.flush()
        os.fsync(file.fileno())
        file.truncate(len(data))
        os.fsync(file.fileno())


def private_folder(path: Path) -> None:
    """Make a folder, and those above it, that nobody else may look into; those that are there stay
    as they are."""
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.mkdir(exist_ok=True, mode=0o700)


def make_folder(path: Path, *, shared: bool = False) -> None:
    """`private_folder`; one that is made is the group's too if it is `shared`. NoFolder where a
    file has its place."""
    if path.is_dir():
        return
    try:
        private_folder(path)
    except (FileExistsError, NotADirectoryError):
        in_place = next(p for p in (path, *path.parents) if os.path.lexists(p) and not p.is_dir())
        raise NoFolder(
            f"there is a file where a folder should be: {in_place}",
            "move it away, or name another folder in the configuration",
        ) from None
    if shared:
        path.chmod(0o770)


def sync(folder: Path) -> None:
    """What was renamed in a folder stays so after a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network folders cannot
            raise
    finally:
        os.close(handle)


def words_of(error: OSError) -> str:
    """What the system said, without paths."""
    return (error.strerror or type(error).__name__).lower()
