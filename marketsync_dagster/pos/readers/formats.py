"""What a number format of a spreadsheet makes of a number, as text without any rounding.

A format decides whether a number is a date, and what a person sees beside the figures: zeros
before them, a percent sign, a currency, `/ kg`. Those belong to the value: a price that is shown
in euros must not be read as one in shillings.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from marketsync_dagster.pos.currencies import CODES, SIGNS
from marketsync_dagster.pos.tables import Kind

_DATE_IDS = frozenset([*range(14, 23), *range(27, 37), 45, 46, 47, *range(50, 59)])
_PERCENT_IDS = frozenset([9, 10])
_BRACKETS = re.compile(r"\[([^\]]*)\]")
_ELAPSED = re.compile(r"(?i)h+|m+|s+")
_LITERAL = re.compile(r'"([^"]*)"|\\(.)|[_*].', re.DOTALL)
_PADDED = re.compile(r"0{2,30}")
_PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_LAST_SERIAL = 2_958_466
"""The day after 9999-12-31."""


@dataclass(frozen=True)
class Format:
    """What is to be done with a number."""

    date: bool = False
    zeros: int = 0
    """How many figures are shown at least, zeros before the number."""
    percent: bool = False
    before: str = ""
    after: str = ""


GENERAL = Format()


def format_of(number: int, code: str | None) -> Format:
    """The format of an id; `code` is its text where the file has one."""
    if code is not None:
        return of_code(code)
    if number in _DATE_IDS:
        return Format(date=True)
    return Format(percent=number in _PERCENT_IDS) if number in _PERCENT_IDS else GENERAL


@lru_cache(maxsize=4096)
def of_code(code: str) -> Format:
    """`0.00" €"` -> a number with ` €` after it; `00000` -> five figures; `dd/mm/yy` -> a date."""
    code = code[:1000]
    if _is_date(code):
        return Format(date=True)
    first = _first_section(code)
    currency = "".join(
        found.group(1)[1:].partition("-")[0] if found.group(1).startswith("$") else ""
        for found in _BRACKETS.finditer(first)
    )
    shown = _BRACKETS.sub(lambda found: "\0" if found.group(1).startswith("$") else "", first)
    parts: list[str] = []
    bare = _LITERAL.sub(lambda found: _keep(found, parts), shown)
    bare = bare.replace("\0", f"\1{len(parts)}\1")
    parts.append(currency)
    figures = re.search(r"[0#?]", re.sub("\1[0-9]+\1", lambda m: "." * len(m.group()), bare))
    if figures is None:
        return GENERAL
    texts = [
        re.sub("\1([0-9]+)\1", lambda m: parts[int(m.group(1))], side)
        for side in (
            bare[: figures.start()],
            re.sub(r"^[0#?.,/ E+-]*", "", bare[figures.start() :]),
        )
    ]
    before, after = (_meaningful(text.replace("%", "")) for text in texts)
    padded = _PADDED.fullmatch(re.sub("\1[0-9]+\1", "", bare).strip())
    return Format(
        zeros=len(padded.group()) if padded else 0,
        percent="%" in bare,
        before=before,
        after=after,
    )


def _keep(found: re.Match[str], parts: list[str]) -> str:
    text = found.group(1) if found.group(1) is not None else found.group(2)
    if text is None:
        return " "
    parts.append(text)
    return f"\1{len(parts) - 1}\1"


def _first_section(code: str) -> str:
    quoted = False
    for index, sign in enumerate(code):
        if sign == '"':
            quoted = not quoted
        elif sign == ";" and not quoted and code[index - 1 : index] != "\\":
            return code[:index]
    return code


def _is_date(code: str) -> bool:
    bare = _LITERAL.sub("", code)
    if any(_ELAPSED.fullmatch(found) for found in _BRACKETS.findall(bare)):
        return True
    bare = _BRACKETS.sub("", bare)
    return re.search(r"(?i)[dmyhs]", re.sub("(?i)general", "", bare)) is not None


def _meaningful(text: str) -> str:
    """Text beside the figures that changes what they mean; anything else (`pcs`) is decoration."""
    text = text.strip()
    upper = text.upper()
    money = any(unicodedata.category(sign) == "Sc" for sign in text)
    if money or "/" in text or upper in SIGNS or upper.rstrip(".") in SIGNS or upper in CODES:
        return text
    return ""


def shortest(text: str) -> str | None:
    """The number as it is written; where 16 digits and more or an exponent are written, the
    shortest text that is the same double, without exponent. None: no number.
    """
    if len(text) <= 15 and _PLAIN.fullmatch(text):
        return text
    if len(text) > 400 or _NUMBER.fullmatch(text) is None:
        return None
    mantissa = re.split("[eE]", text)[0].lstrip("+-").replace(".", "").strip("0")
    if len(mantissa) <= 15 and _PLAIN.fullmatch(text):
        return text
    value = float(text)
    return plain(value) if math.isfinite(value) else None


def plain(value: float) -> str:
    """The shortest text that is the same double, without exponent and without `.0`."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    text = repr(value)
    return format(Decimal(text), "f") if "e" in text else text.removesuffix(".0")


def shown(number: str, style: Format, from_1904: bool) -> tuple[str, Kind]:
    """The text and kind of a number that `shortest` has made, in its format."""
    if style is GENERAL:
        return number, Kind.NUMBER
    if style.date:
        moment = date_text(float(number), from_1904)
        # what no calendar has is shown as signs by spreadsheets too
        return (moment, Kind.DATE) if moment else ("#####", Kind.ERROR)
    text = number
    if style.zeros and number.isdigit():
        text = number.zfill(style.zeros)
    if style.percent:
        text = f"{format(Decimal(number).scaleb(2).normalize(), 'f')}%"
    if style.before:
        text = f"{style.before} {text}"
    return (f"{text} {style.after}" if style.after else text), Kind.NUMBER


def date_text(serial: float, from_1904: bool) -> str | None:
    """A day number as ISO 8601: a date, a date with time, or a time alone for less than a day."""
    if not 0 <= serial < _LAST_SERIAL:
        return None
    milliseconds = round(serial * 86_400_000)
    days, rest = divmod(milliseconds, 86_400_000)
    if days == 0 and not from_1904:
        return _clock(rest)
    if from_1904:
        base = datetime(1904, 1, 1)  # noqa: DTZ001 - sheets know no zones
    elif days == 60:
        # a day that never was, kept for the sake of older programs
        return "1900-02-29" + (f"T{_clock(rest)}" if rest else "")
    else:
        base = datetime(1899, 12, 31 if days < 60 else 30)  # noqa: DTZ001
    try:
        day = (base + timedelta(days=days)).date().isoformat()
    except OverflowError:
        return None
    return f"{day}T{_clock(rest)}" if rest else day


def _clock(milliseconds: int) -> str:
    seconds, fraction = divmod(milliseconds, 1000)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:03}" if fraction else text
