"""Extract files in a directory: finding them, their time, whether they are whole, keeping them.

What is in a file is not known here. All functions read the file system of one machine; deciding
what to do with what they say is the caller's business.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Literal

from marketsync_dagster.pos.reasons import refuse

UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".filepart", ".download", ".swp", "~")
TimeSource = Literal["declared", "name", "mtime"]
QUIET_SECONDS = 10.0
"""A file that has not changed for so long is no longer being written."""

AHEAD = timedelta(hours=1)
"""Clocks differ, and zones are declared wrongly, by less than that without a word."""


@dataclass(frozen=True)
class Found:
    """A file that may be an extract; `mtime` in seconds since 1970, UTC."""

    path: Path
    size: int
    mtime: float
    inode: int
    ctime: float


RENAMED_S = 0.02
"""A ctime so much later than the mtime is a rename: file systems count in steps of milliseconds."""


@dataclass(frozen=True)
class Sight:
    """What is seen of a file at one moment, for `is_settled`."""

    size: int
    mtime: float
    inode: int
    ends_with_newline: bool
    ctime: float = 0.0


def find_extracts(directory: Path, pattern: str = "*.csv") -> list[Found]:
    """Extracts of `directory` (not below it), oldest first by mtime, then by name.

    Names of unfinished files and dot files are passed over, and so are directories. Raises
    ExtractError: unlistable where the directory cannot be listed, outside for a link that leaves
    it. An empty list means that the directory is there and holds none.
    """
    found: list[Found] = []
    try:
        root = directory.resolve(strict=True)
        with os.scandir(root) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError as error:
        raise refuse(
            "unlistable", f"{directory} cannot be listed: {error.strerror or error}"
        ) from None
    for name in names:
        if name.startswith(".") or name.lower().endswith(UNFINISHED):
            continue
        if not fnmatch.fnmatch(name.lower(), pattern.lower()):
            continue
        path = root / name
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            raise refuse("outside", f"{directory / name} is a link that leads out of {directory}")
        try:
            status = path.stat()
        except FileNotFoundError:
            # renamed or removed since the listing: the next look will tell
            continue
        except OSError as error:
            raise refuse("unlistable", f"{directory / name}: {error.strerror or error}") from None
        if path.is_file():
            found.append(
                Found(
                    directory / name,
                    status.st_size,
                    status.st_mtime,
                    status.st_ino,
                    status.st_ctime,
                )
            )
    return sorted(found, key=lambda file: (file.mtime, file.path.name))


def look(path: Path) -> Sight:
    """What is seen of a file now. OSError where it cannot be read."""
    with path.open("rb") as stream:
        status = os.fstat(stream.fileno())
        if status.st_size:
            # two bytes: the last one of a UTF-16 newline is a NUL
            stream.seek(max(status.st_size - 2, 0))
        tail = stream.read(2)
    whole = tail[-1:] in (b"\n", b"\r") or tail in (b"\n\0", b"\r\0")
    return Sight(status.st_size, status.st_mtime, status.st_ino, whole, status.st_ctime)


def is_settled(
    now: Sight, moment: float, before: Sight | None = None, quiet_s: float = QUIET_SECONDS
) -> bool:
    """Whether a file is whole, as far as can be seen; pure.

    `now` was seen at `moment` (seconds since 1970), `before` at an earlier look. A file with an
    mtime older than `quiet_s` is taken at once, and so is one that was renamed after its last
    write: that moves the ctime and keeps the mtime, while a write moves both. Another young one is
    waited for while it grows, while it has no line end at its end, and until it looked the same
    twice. An mtime in the future counts as young until it looked the same twice.
    """
    if moment - now.mtime >= quiet_s:
        return before is None or before.inode != now.inode or before.size == now.size
    if now.size == 0 or not now.ends_with_newline:
        # a clock that is ahead must not hold a file back for ever
        return now.size > 0 and now.mtime - moment > quiet_s and before == now
    renamed = now.ctime - now.mtime > RENAMED_S and now.mtime <= moment
    return renamed or before == now


def extract_time(
    path: Path,
    *,
    declared: str | datetime | None = None,
    pattern: str | None = None,
    zone: tzinfo = UTC,
) -> tuple[datetime, TimeSource]:
    """When the POS made the extract, in UTC, and where that is known from.

    `declared`: a time in the file (ISO 8601; without offset it is `zone`'s). `pattern`: a
    `strptime` pattern for the file's name, `*` standing for anything (`westlands_%Y-%m-%d.csv`);
    without one, a date such as 2026-11-20 or 20261120_1830 is looked for in the name. Else the
    mtime. Raises ExtractError: bad_time, no_time (the name does not fit `pattern`), missing.
    Contract: DESIGN 5.
    """
    if declared is not None and declared != "":
        return _in_utc(_declared(declared, path), zone), "declared"
    if pattern:
        moment = _by_pattern(path.name, pattern, zone)
        if moment is None:
            raise refuse("no_time", f"the name {path.name} does not fit the pattern {pattern}")
        return _in_utc(moment, zone), "name"
    moment = _by_name(path.stem, zone)
    if moment is not None:
        return _in_utc(moment, zone), "name"
    try:
        seconds = path.stat().st_mtime
    except OSError as error:
        raise refuse("missing", f"{path.name}: {error.strerror or error}") from None
    return datetime.fromtimestamp(seconds, UTC), "mtime"


def in_order(
    found: Sequence[Found], *, now: datetime, pattern: str | None = None, zone: tzinfo = UTC
) -> list[tuple[Found, datetime, TimeSource]]:
    """The files with their `extract_time`, newest last.

    Raises ExtractError future where the newest is of a time that is still to come while another
    one arrived after it: a clock is wrong, and by their times alone the right file would be passed
    over in silence until that time has come. Also what `extract_time` raises.
    """
    timed = [(file, *extract_time(file.path, pattern=pattern, zone=zone)) for file in found]
    timed.sort(key=lambda one: one[1])
    newest, moment, source = timed[-1]
    if moment > now + AHEAD:
        # the ctime is this machine's own word: nothing that a till sends sets it
        later = max(found, key=lambda file: file.ctime)
        if later.ctime > newest.ctime:
            raise refuse(
                "future",
                f"{newest.path.name} is of {moment:%Y-%m-%d %H:%M} UTC by its {source}, which is "
                f"still to come, and {later.path.name} arrived after it: the till's clock was "
                "ahead, or this machine's is behind; nothing was changed",
            )
    return timed


def _in_utc(moment: datetime, zone: tzinfo) -> datetime:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return aware.astimezone(UTC)


def _declared(declared: str | datetime, path: Path) -> datetime:
    if isinstance(declared, datetime):
        return declared
    try:
        return datetime.fromisoformat(declared.strip())
    except ValueError:
        raise refuse("bad_time", f"{path.name} declares the time {declared!r}") from None


_DIRECTIVES = {
    "Y": r"[0-9]{4}", "y": r"[0-9]{2}", "m": r"[0-9]{1,2}", "d": r"[0-9]{1,2}", "H": r"[0-9]{1,2}",
    "I": r"[0-9]{1,2}", "M": r"[0-9]{1,2}", "S": r"[0-9]{1,2}", "f": r"[0-9]{1,6}",
    "j": r"[0-9]{1,3}", "p": r"[AaPp][Mm]", "b": r"[A-Za-z]{3}", "B": r"[A-Za-z]+",
    "z": r"[+-][0-9]{4}|Z",
}  # fmt: skip


def _by_pattern(name: str, pattern: str, zone: tzinfo) -> datetime | None:
    """The time in a name that fits a pattern of strptime directives and `*`."""
    expression, formats = "", []
    for part in re.findall(r"%.|\*|[^%*]+", pattern):
        if part == "*":
            expression += ".*?"
        elif part.startswith("%") and part[1:] in _DIRECTIVES:
            expression += f"({_DIRECTIVES[part[1:]]})"
            formats.append(part)
        else:
            expression += re.escape(part.replace("%%", "%"))
    match = re.fullmatch(expression, name, re.IGNORECASE)
    if match is None or not formats:
        return None
    try:
        moment = datetime.strptime(" ".join(match.groups()), " ".join(formats))  # noqa: DTZ007
    except ValueError:
        return None
    # a zone written in the name counts more than the outlet's
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


_NAME_DATE = re.compile(r"(?<![0-9])20[0-9]{2}([-_.]?)[01][0-9]\1[0-3][0-9]")
_NAME_TIME = re.compile(
    r"(?<![0-9])(20[0-9]{2})([-_.]?)([01][0-9])\2([0-3][0-9])"
    r"(?:[T _-]?([0-2][0-9])[-_.:]?([0-5][0-9])(?:[-_.:]?([0-5][0-9]))?)?(?![0-9])"
)


def _by_name(stem: str, zone: tzinfo) -> datetime | None:
    """The only date (and time) in a name; None where there is none, or more than one."""
    match = _NAME_TIME.search(stem)
    if match is None or len(_NAME_DATE.findall(stem)) != 1:
        return None
    year, _, month, day, hour, minute, second = match.groups()
    try:
        date = (int(year), int(month), int(day))
        return datetime(*date, int(hour or 0), int(minute or 0), int(second or 0), tzinfo=zone)
    except ValueError:
        return None


def archive(path: Path, archive_dir: Path) -> str:
    """Keep the original under its hash, `<archive>/<first two>/<sha256>`; returns the SHA-256.

    The same bytes are kept once. A reader sees the whole file or none, also after a crash.
    Raises ExtractError: missing, unreadable.
    """
    archive_dir.mkdir(parents=True, exist_ok=True)
    # hash and copy are of the same bytes, even if the file changes meanwhile
    handle, temporary = tempfile.mkstemp(dir=archive_dir, prefix=".incoming-")
    try:
        digest = hashlib.sha256()
        with os.fdopen(handle, "wb") as target:
            try:
                with path.open("rb") as source:
                    while chunk := source.read(2**20):
                        digest.update(chunk)
                        target.write(chunk)
            except FileNotFoundError:
                raise refuse("missing", f"{path} does not exist") from None
            target.flush()
            os.fsync(target.fileno())
        name = digest.hexdigest()
        kept = archive_dir / name[:2] / name
        if not kept.exists():
            kept.parent.mkdir(exist_ok=True)
            Path(temporary).chmod(0o444)
            Path(temporary).replace(kept)
        return name
    finally:
        Path(temporary).unlink(missing_ok=True)


def archived(archive_dir: Path, sha256: str) -> Path:
    """Where the original with this hash is kept."""
    return archive_dir / sha256[:2] / sha256
