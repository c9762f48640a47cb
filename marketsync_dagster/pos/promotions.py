"""When promotions begin and end, from written cells to moments in UTC.

A cell is read where it can be understood in one way only: whether 03/04/2026 is in March or in
April must be shown by another cell of the file. Whether a promotion holds now is not decided here
but whenever a catalog is made (`catalog.promotions`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos.kernels import as_bool, pc
from marketsync_dagster.pos.unpriced import is_nothing
from marketsync_dagster.values.times import to_iso

Order = Literal["day", "month"]
"""What stands first in 03/04/2026."""

FIRST_YEAR, LAST_YEAR = 1970, 2200
"""Years before and after are no dates of a promotion but words for `always`."""
MAX_LENGTH = 64

_YEAR_FIRST = r"(?P<Y>[0-9]{4})(?P<s>[-/.])(?P<M>[0-9]{1,2})(?P=s)(?P<D>[0-9]{1,2})"
_PACKED = r"(?P<pY>(?:19|20|21)[0-9]{2})(?P<pM>[0-9]{2})(?P<pD>[0-9]{2})"
_DOTS = r"(?P<dD>[0-9]{1,2})\.\s?(?P<dM>[0-9]{1,2})\.\s?(?P<dY>[0-9]{4}|[0-9]{2})\.?"
_EITHER = r"(?P<a>[0-9]{1,2})(?P<t>[-/])(?P<b>[0-9]{1,2})(?P=t)(?P<eY>[0-9]{4}|[0-9]{2})"
_TIME = (
    r"(?:\s*[T,]?\s*(?P<h>[0-9]{1,2})[:.](?P<m>[0-9]{2})(?:[:.](?P<sec>[0-9]{2})(?:[.,][0-9]+)?)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?\s*(?P<zone>[Zz]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_MOMENT = re.compile(rf"(?:{_YEAR_FIRST}|{_PACKED}|{_DOTS}|{_EITHER}){_TIME}")


@dataclass(frozen=True)
class Windows:
    """The windows of a file's promotions, by row."""

    starts: pa.Array
    """The first moment (`values.times.to_iso`); null: it has always held."""
    ends: pa.Array
    """The first moment at which it holds no more; null: it holds for ever."""
    faults: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    """Row -> column (promo_from or promo_to), cell, what is wrong with it."""


def read_windows(
    starts: pa.Array | None, ends: pa.Array | None, promoted: np.ndarray, zone: str
) -> Windows:
    """The windows of the rows that have a promotion price (`promoted`); null for all others.

    `starts` and `ends` are trimmed texts, None where the file has no such column. A time without
    a zone is one of `zone`; an end that is only a date includes that day.
    """
    count = len(promoted)
    columns = {"promo_from": starts, "promo_to": ends}
    coded = {
        name: pc.dictionary_encode(pc.if_else(pa.array(promoted), texts, ""))
        for name, texts in columns.items()
        if texts is not None
    }
    written = {name: column.dictionary.to_pylist() for name, column in coded.items()}
    order = order_of(cell for cells in written.values() for cell in cells)
    where = ZoneInfo(zone)
    faults: dict[int, tuple[str, str, str]] = {}
    found: dict[str, pa.Array] = {}
    for name in columns:
        if name not in coded:
            found[name] = pa.nulls(count, pa.string())
            continue
        moments: list[str | None] = []
        wrong: list[str] = []
        for cell in written[name]:
            try:
                moments.append(read_moment(cell, where, order, end=name == "promo_to"))
                wrong.append("")
            except ValueError as error:
                moments.append(None)
                wrong.append(str(error))
        indices = coded[name].indices
        found[name] = pa.array(moments, pa.string()).take(indices)
        if any(wrong):
            places = indices.to_numpy(zero_copy_only=False)
            bad = np.array([bool(words) for words in wrong])[places]
            for row in np.flatnonzero(bad).tolist():
                at = int(places[row])
                faults.setdefault(row, (name, written[name][at], wrong[at]))
    never = pc.fill_null(pc.less_equal(found["promo_to"], found["promo_from"]), False)
    for row in np.flatnonzero(as_bool(never)).tolist():
        end = ends[row].as_py() if ends is not None else ""
        faults.setdefault(row, ("promo_to", end, "The promotion ends before it begins."))
    return Windows(found["promo_from"], found["promo_to"], faults)


def order_of(cells: Iterable[str]) -> Order | None:
    """What stands first in dates such as 03/04/2026, if the cells prove one and not the other."""
    day = month = False
    for cell in cells:
        match = _MOMENT.fullmatch(_plain(cell)) if len(cell) <= MAX_LENGTH else None
        if match and match["a"]:
            day |= int(match["a"]) > 12
            month |= int(match["b"]) > 12
    return None if day == month else "day" if day else "month"


def read_moment(cell: str, zone: tzinfo, order: Order | None, *, end: bool) -> str | None:
    """A moment as text in UTC; None where the cell sets no limit. ValueError says what is wrong.

    An end that names a day includes all of it, and one that names the last minute or second of an
    hour includes that.
    """
    if is_unlimited(cell):
        return None
    if len(cell) > MAX_LENGTH or not (match := _MOMENT.fullmatch(_plain(cell))):
        raise ValueError("It is no date.")
    year, month, day = _date(match, order)
    if not FIRST_YEAR <= year <= LAST_YEAR:
        if (year < FIRST_YEAR) is end:
            raise ValueError(f"The year {year} is none of a promotion.")
        return None
    hour, minute, second = _clock(match)
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=_zone(match, zone))
    except ValueError:
        raise ValueError("There is no such date or time.") from None
    if end and match["h"] is None:
        moment += timedelta(days=1)  # by the clock on the wall: a day may have 23 hours
    elif end and minute == 59 and second in (0, 59):
        moment = moment.replace(second=0) + timedelta(minutes=1)
    return to_iso(moment)


def is_unlimited(cell: str) -> bool:
    """Whether a cell says that there is no limit: blank, a word for nothing, a date of zeros."""
    return not cell or is_nothing(cell) or cell in ("NULL", "null", r"\N") or (
        cell.startswith("0000-00-00")
    )  # fmt: skip


def _plain(cell: str) -> str:
    """With figures 0 to 9, plain blanks, and no marks of direction."""
    if cell.isascii():
        return cell
    signs = (
        str(unicodedata.decimal(sign)) if sign.isdecimal() else " " if sign.isspace() else sign
        for sign in cell
        if unicodedata.category(sign) != "Cf"
    )
    return "".join(signs).strip()


def _date(match: re.Match[str], order: Order | None) -> tuple[int, int, int]:
    for prefix in ("", "p", "d"):
        if match[f"{prefix}Y"]:
            year, month, day = (int(match[prefix + part]) for part in "YMD")
            return _whole(match[f"{prefix}Y"], year), month, day
    first, second = int(match["a"]), int(match["b"])
    year = _whole(match["eY"], int(match["eY"]))
    if first > 12 or (first <= 12 and second <= 12 and order == "day"):
        return year, second, first
    if second > 12 or first == second or order == "month":
        return year, first, second
    raise ValueError("It may be the day or the month that stands first.")


def _whole(text: str, year: int) -> int:
    return 2000 + year if len(text) == 2 else year


def _clock(match: re.Match[str]) -> tuple[int, int, int]:
    if match["h"] is None:
        return 0, 0, 0
    hour, minute, second = int(match["h"]), int(match["m"]), int(match["sec"] or 0)
    if half := match["half"]:
        if not 1 <= hour <= 12:
            raise ValueError("There is no such date or time.")
        hour = hour % 12 + (12 if half[0] in "Pp" else 0)
    return hour, minute, second


def _zone(match: re.Match[str], zone: tzinfo) -> tzinfo:
    written = match["zone"]
    if not written:
        return zone
    if written[0] not in "+-":
        return UTC
    hours, minutes = int(written[1:3]), int(written[3:].lstrip(":") or 0)
    if hours > 14 or minutes > 59:
        raise ValueError("There is no such time zone.")
    shift = timedelta(hours=hours, minutes=minutes)
    return timezone(shift if written[0] == "+" else -shift)
