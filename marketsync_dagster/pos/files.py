"""Extract files: their time, whether they are whole, keeping them under their hash.

What is in a file is not known here, nor where it comes from (`sources`).
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Literal

from marketsync_dagster.pos.reasons import refuse

UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".filepart", ".download", ".swp", "~")
TimeSource = Literal["declared", "name", "mtime", "read"]
"""`read`: when this machine asked a database or an interface."""
COPIED = ("mtime", "read")
"""Times that say nothing of the till: somebody has copied a file, or asked again."""
QUIET_SECONDS = 10.0
"""A file that has not changed for so long is no longer being written."""

AHEAD = timedelta(hours=1)
"""Clocks differ, and zones are declared wrongly, by less than that without a word."""


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


def known_by(source: str) -> str:
    """Where a time is known from, in words: `by its name`, `when it was read`."""
    return "when it was read" if source == "read" else f"by its {source}"


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


def keep(chunks: Iterable[bytes], archive_dir: Path) -> str:
    """Keep what is read from `chunks` as `archive` does; whatever they raise, nothing is kept."""
    archive_dir.mkdir(parents=True, exist_ok=True)
    # hash and copy are of the same bytes, even if the file changes meanwhile
    handle, temporary = tempfile.mkstemp(dir=archive_dir, prefix=".incoming-")
    try:
        digest = hashlib.sha256()
        with os.fdopen(handle, "wb") as target:
            for chunk in chunks:
                digest.update(chunk)
                target.write(chunk)
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
