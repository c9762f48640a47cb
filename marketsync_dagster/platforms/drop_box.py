"""Files that somebody else takes away, perhaps at once: each is dropped once, for certain.

What is dropped under a key passes three durable steps:

1. `.staging/<key>.<random>/` gets all its files, and `mark`, which names them (drop_staged);
2. that folder is renamed to `.sent/<key>`: one process alone can (drop_marked);
3. each file is renamed from there into the folder (drop_renamed).

A file that is in `.sent/<key>` was never seen by anybody. One that `mark` names and that is not
there was dropped, whether or not it still lies in the folder. So it can be told after any kill, and
a second try can only go on where the first one ended. `mark` stays, and holds nothing personal.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import orjson

from marketsync_dagster.platforms.inbox import NoFolder, make_folder, sync

STAGING = ".staging"
SENT = ".sent"
_MARK = "mark"
_WITHDRAWN = "withdrawn"
_BACK = "back-"
"""Before the name of a file that is being taken back."""
_KEY = re.compile(r"[A-Za-z0-9_-]{1,80}")
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,120}")

Standing = Literal["absent", "staged", "dropped", "withdrawn"]
"""absent and staged: nobody can have seen it, for certain."""


def _unobserved(_: str) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class DropBox:
    """One folder that files are dropped into. Its methods raise OSError as it comes; what was done
    before is told by `standing`."""

    folder: Path
    group_reads: bool = False
    """Who takes the files away is another user of the folder's group."""
    observe: Callable[[str], None] = _unobserved

    def prepare(self, *, make: bool) -> None:
        """Make the hidden folders; the folder itself only if `make`. NoFolder."""
        if not self.folder.is_dir():
            if not make:
                raise NoFolder(
                    f"there is no folder {self.folder}",
                    "is the share mounted? else make it",
                )
            make_folder(self.folder, shared=self.group_reads)
        for hidden in (STAGING, SENT):
            make_folder(self.folder / hidden)

    def put(self, key: str, files: Mapping[str, bytes]) -> Literal["dropped", "before", "other"]:
        """Drop files, all that belong to `key`. `before`: these were dropped under it already;
        `other`: something else was, or it was taken back."""
        if not _KEY.fullmatch(key) or not all(map(_NAME.fullmatch, files)):
            raise ValueError("keys and names of dropped files have no path and no odd characters")
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        box = self.folder / SENT / key
        if self.standing(key) == "staged" and _digests(box) != digests:
            self._discard(key)
        if not (box / _MARK).exists():
            self._stage(key, files, digests)
        if (box / _WITHDRAWN).exists() or _digests(box) != digests:
            return "other"
        return "dropped" if self._drop(key) else "before"

    def standing(self, key: str) -> Standing:
        """Where the files of a key are; what was dropped in part is dropped to its end."""
        box = self.folder / SENT / key
        try:
            names = _digests(box)
        except FileNotFoundError:
            return "absent"
        if (box / _WITHDRAWN).exists():
            return "withdrawn"
        here = [n for n in names if (box / n).exists() or (box / f"{_BACK}{n}").exists()]
        if len(here) == len(names):
            return "staged"
        if here:
            self._drop(key)
        return "dropped"

    def lies(self, key: str) -> bool:
        """Whether anything of a key that was dropped still lies in the folder."""
        return any((self.folder / name).exists() for name in _digests(self.folder / SENT / key))

    def withdraw(self, key: str, *, from_folder: bool) -> bool:
        """Take back what nobody can have seen: it will never be dropped. False: it may have been
        seen, and stays. `from_folder`: what still lies in the folder was not seen."""
        box = self.folder / SENT / key
        if not (box / _MARK).exists():
            self._stage(key, {}, {})
        names = _digests(box)
        if not all(self._take_back(box, name, from_folder) for name in names):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    (box / f"{_BACK}{name}").rename(self.folder / name)
            return False
        self._write(box / _WITHDRAWN, b"", 0o600)
        sync(box)
        for name in names:
            (box / f"{_BACK}{name}").unlink(missing_ok=True)
        return True

    def erase(self, key: str) -> None:
        """Remove what is left of the files of a key, wherever; that it was dropped stays known."""
        box = self.folder / SENT / key
        with contextlib.suppress(FileNotFoundError):
            for name in _digests(box):
                if (box / name).exists() or (box / f"{_BACK}{name}").exists():
                    self._write(box / _WITHDRAWN, b"", 0o600)
                for path in (box / name, box / f"{_BACK}{name}", self.folder / name):
                    path.unlink(missing_ok=True)
        for path in (self.folder / STAGING).glob(f"{key}.*"):
            shutil.rmtree(self._aside(path))

    def tidy(self, before_s: float) -> int:
        """Remove what processes that were killed have left in `.staging`, and marks, that are older
        than a moment (seconds since 1970); how many."""
        count = 0
        for hidden in (STAGING, SENT):
            for path in sorted((self.folder / hidden).glob("*")):
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime >= before_s:
                        continue
                    count += 1
                    if hidden == SENT and self.standing(path.name) == "staged":
                        self._discard(path.name)
                    else:
                        shutil.rmtree(self._aside(path))
        return count

    def _stage(self, key: str, files: Mapping[str, bytes], digests: Mapping[str, str]) -> None:
        """Steps 1 and 2; whoever is second at step 2 leaves it to the first one."""
        own = self.folder / STAGING / f"{key}.{secrets.token_hex(8)}"
        own.mkdir(mode=0o700)
        for name, data in files.items():
            self._write(own / name, data, 0o640 if self.group_reads else 0o600)
        self._write(own / _MARK, orjson.dumps(digests), 0o600)
        sync(own)
        self.observe("drop_staged")
        try:
            own.rename(self.folder / SENT / key)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            shutil.rmtree(self._aside(own))
        sync(self.folder / SENT)
        self.observe("drop_marked")

    def _drop(self, key: str) -> bool:
        """Step 3; whether there was anything left to drop."""
        box = self.folder / SENT / key
        moved = False
        for name in _digests(box):
            with contextlib.suppress(FileNotFoundError):
                (box / f"{_BACK}{name}").rename(box / name)  # a withdrawal that was killed
            with contextlib.suppress(FileNotFoundError):
                (box / name).rename(self.folder / name)
                moved = True
        if moved:
            sync(self.folder)
            sync(box)
        self.observe("drop_renamed")
        return moved

    def _take_back(self, box: Path, name: str, from_folder: bool) -> bool:
        back = box / f"{_BACK}{name}"
        for place in [box, *([self.folder] if from_folder else [])]:
            with contextlib.suppress(FileNotFoundError):
                (place / name).rename(back)
        return back.exists() or (box / _WITHDRAWN).exists()

    def _discard(self, key: str) -> None:
        """What was staged with another content than is to be dropped now, and never dropped."""
        box = self.folder / SENT / key
        if all(self._take_back(box, name, False) for name in _digests(box)):
            shutil.rmtree(self._aside(box))

    def _aside(self, path: Path) -> Path:
        """Out of sight first, so that what is being removed is never taken for whole."""
        gone = self.folder / STAGING / f"gone.{secrets.token_hex(8)}"
        path.rename(gone)
        return gone

    def _write(self, path: Path, data: bytes, mode: int) -> None:
        handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW, mode)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)  # whatever the umask takes away
            file.write(data)
            file.flush()
            os.fsync(handle)


def _digests(box: Path) -> dict[str, str]:
    """Name -> SHA-256 of the files that `mark` names; FileNotFoundError."""
    return orjson.loads((box / _MARK).read_bytes())
