"""Prices as people write them, to minor units: `KES 1,600`, `1.299,90 TL`, `3,15 €`, `60/=`.

One text at a time; whole columns are `prices`' subject. What may mean two things is decided by
what the other cells of the file prove, or it is a fault. No float anywhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from marketsync_dagster.pos.currencies import CODES, SIGNS
from marketsync_dagster.pos.unpriced import reason_of
from marketsync_dagster.values.money import to_minor

MAX_MAJOR = 10**9
Separator = Literal[".", ","]

_BLANKS = re.compile(r"[\s\u00a0\u2007\u2009\u202f]+")
_MARKS = "|".join(
    [re.escape(sign) for sign in sorted(SIGNS, key=len, reverse=True)] + ["[A-Za-z]{3}"]
)
_LETTER = r"[^\W\d_]"
# a point after a word belongs to it: `Ksh. 5`; but `KES .99`
_LEADING = re.compile(rf"({_MARKS})(?!{_LETTER})(?:(?<={_LETTER})\.)?\s*", re.IGNORECASE)
_TRAILING = re.compile(rf"\s*(?<!{_LETTER})({_MARKS})\.?$", re.IGNORECASE)
_PER_UNIT = re.compile(
    r"(?:/|\b(?:per|pro|po|je|por|par|al|el|le|la|za|за)\b|\bل|\bל)\s*-?(?:[0-9]+\s*)?"
    r"(?:kgs?|g|gr|grams?|mg|lbs?|oz|l|lt|ltr|lit(?:er|re)s?|ml|cl|m|cm|m2|m²|pcs?|pieces?|"
    r"each|ea|units?|kom|st|stk|stück|pack|box|dozen|doz|100g|kilo|unidad|ud|pi[eè]ce|litro|"
    r"litre|adet|кг|л|г|мл|бр|كغ|كغم|كجم|كيلو|لكيلو|لتر|جرام|غرام|ק[\"״']ג|קילו|קג|ליטר|גרם|יח[׳'])"
    r"\.?\s*$",
    re.IGNORECASE,
)
_DIRECTIONS = re.compile("[\u200e\u200f\u061c\u202a-\u202c\u2066-\u2069]")
"""Marks that say which way text runs, as Arabic and Hebrew exports put them around figures."""
_GROUPED = {
    ",": re.compile(r"^[0-9]{1,3}(?:,[0-9]{3})+$|^[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}$"),
    ".": re.compile(r"^[0-9]{1,3}(?:\.[0-9]{3})+$"),
    "'": re.compile(r"^[0-9]{1,3}(?:'[0-9]{3})+$"),
    " ": re.compile(r"^[0-9]{1,3}(?: [0-9]{3})+$"),
}


@dataclass(frozen=True)
class Fault:
    """Why a text is no price: a code of `reasons`."""

    reason: str


@dataclass(frozen=True)
class Evidence:
    """Which decimal separators the file proves."""

    point: bool = False
    comma: bool = False

    @property
    def separator(self) -> Separator | None:
        """The one proven separator; None where there is none, or both."""
        if self.point == self.comma:
            return None
        return "." if self.point else ","

    def __or__(self, other: Evidence) -> Evidence:
        return Evidence(self.point or other.point, self.comma or other.comma)


def _western(text: str) -> str:
    """Digits of any script as 0-9; Arabic separators as written signs `٫` and `٬` stay."""
    if text.isascii():
        return text
    return "".join(
        str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in text
    ).replace("\u2212", "-")


def _strip_marks(text: str, currency: str) -> str | Fault:
    """`text` without currency signs; a sign of another currency is a fault."""
    rest = text
    for _ in range(3):
        match = _leading_or_trailing(rest)
        if match is None:
            return rest
        mark, rest = match
        if not is_currency(mark, currency):
            known = mark.upper() in CODES or mark.upper() in SIGNS
            return Fault("other_currency" if known else "bad_price")
    return Fault("bad_price")


def _leading_or_trailing(text: str) -> tuple[str, str] | None:
    """A currency sign at either end, and what is left."""
    match = _LEADING.match(text)
    if match:
        return match.group(1), text[match.end() :]
    match = _TRAILING.search(text)
    return (match.group(1), text[: match.start()]) if match else None


def is_currency(mark: str, currency: str) -> bool:
    """Whether a code or sign in a cell may stand for `currency`."""
    signs = SIGNS.get(mark.upper())
    return currency in signs if signs is not None else mark.upper() == currency


def evidence_of(texts: Sequence[str], currency: str) -> Evidence:
    """What unambiguous texts prove about the decimal separator."""
    found = Evidence()
    for text in texts:
        number = _number_part(text, currency)
        if isinstance(number, Fault):
            continue
        found = found | _proves(number)
    return found


def _proves(number: str) -> Evidence:
    points, commas = number.count("."), number.count(",")
    if points and commas:
        point_last = number.rfind(".") > number.rfind(",")
        single = points == 1 if point_last else commas == 1
        return Evidence(point_last, not point_last) if single else Evidence()
    if points + commas == 0:
        return Evidence()
    sign = "." if points else ","
    if points + commas > 1:
        # 1,234,567: the comma groups, so decimals would have a point
        return Evidence(sign == ",", sign == ".") if _GROUPED[sign].match(number) else Evidence()
    if _may_group(number, sign):
        return Evidence()
    return Evidence(sign == ".", sign == ",")


def _may_group(number: str, sign: str) -> bool:
    """Whether a single separator may stand between thousands: `1,234`, not `0,234`."""
    return _GROUPED[sign].match(number) is not None and not number.startswith("0")


def _number_part(text: str, currency: str) -> str | Fault:
    """Digits and separators alone, without sign and currency."""
    text = _BLANKS.sub(" ", _DIRECTIONS.sub("", _western(text))).strip()
    if text[:1] == "=":
        return Fault("formula")
    if _PER_UNIT.search(text):
        return Fault("unit_price")
    stripped = _strip_marks(text, currency)
    if isinstance(stripped, Fault):
        known = stripped.reason == "other_currency"
        return stripped if known else Fault(reason_of(text))
    number = stripped
    negative = False
    if number.startswith("(") and number.endswith(")"):
        negative, number = True, number[1:-1].strip()
    if re.fullmatch(r"[0-9]+[.,]-{1,2}", number):
        number = number.rstrip("-")[:-1]
    if number.startswith("-") or number.endswith("-"):
        negative, number = True, number.strip("- ")
        inner = _strip_marks(number, currency)
        number = number if isinstance(inner, Fault) else inner
    number = number.removeprefix("+").replace("’", "'").replace("٬", "'")
    if not re.fullmatch(r"[0-9.,' ٫]*[0-9]", number):
        return Fault(reason_of(text, stripped))
    return Fault("negative_price") if negative else number


def read_price(text: str, currency: str, decimal: Separator | None) -> int | Fault:
    """Minor units of a written price; `decimal` is what is known of the file's separator."""
    number = _number_part(text, currency)
    if isinstance(number, Fault):
        return number
    amount = read_number(number, decimal)
    if isinstance(amount, Fault):
        # digits, points and blanks alone may still be a date
        return Fault(reason_of(number)) if amount.reason == "bad_price" else amount
    if amount > MAX_MAJOR:
        return Fault("absurd_price")
    try:
        minor = to_minor(amount, currency)
    except ValueError:
        return Fault("too_many_decimals")
    return minor or Fault("zero_price")


def read_number(number: str, decimal: Separator | None) -> Decimal | Fault:
    """A number of digits and separators; ambiguous_price where nothing decides."""
    if len(number) > 60:
        return Fault("bad_price")
    if "٫" in number:
        decimal, number = ".", number.replace("٫", ".", 1)
    if "'" in number or " " in number:
        number = _ungrouped_by_blank(number)
        if not number:
            return Fault("bad_price")
        return _simple(number)
    points, commas = number.count("."), number.count(",")
    if points and commas:
        last: Separator = "." if number.rfind(".") > number.rfind(",") else ","
        if decimal is not None and decimal != last:
            return Fault("bad_price")
        whole, _, part = number.rpartition(last)
        other = "," if last == "." else "."
        if not _GROUPED[other].match(whole) or last in whole:
            return Fault("bad_price")
        return Decimal(f"{whole.replace(other, '')}.{part}")
    if points + commas == 0:
        return Decimal(number)
    sign: Separator = "." if points else ","
    if points + commas > 1:
        if decimal == sign or not _GROUPED[sign].match(number):
            return Fault("bad_price")
        return Decimal(number.replace(sign, ""))
    if decimal == sign:
        return _simple(number)
    if _may_group(number, sign):
        if decimal is None:
            return Fault("ambiguous_price")
        return Decimal(number.replace(sign, ""))
    # a separator that cannot group is a decimal one, unless the file's is declared otherwise
    return Fault("bad_price") if decimal is not None else _simple(number)


def _ungrouped_by_blank(number: str) -> str:
    """`1 299,90` or `1'299.90` without its grouping; empty where the groups are not of three."""
    match = re.fullmatch(r"([0-9' ]+)([.,][0-9]+)?", number)
    if match is None:
        return ""
    whole, part = match.group(1), match.group(2) or ""
    sign = "'" if "'" in whole else " "
    if not _GROUPED[sign].match(whole):
        return ""
    return whole.replace(sign, "") + part


def _simple(number: str) -> Decimal | Fault:
    """Digits, one separator, digits."""
    plain = number.replace(",", ".")
    if not re.fullmatch(r"[0-9]*\.?[0-9]+", plain):
        return Fault("bad_price")
    return Decimal(plain)
