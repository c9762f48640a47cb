"""The single values of marketsync.yaml: names, zones, currencies, cron expressions, numbers.

Each refuses what it cannot mean with "expected ..."; sections are built of them elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
)

from marketsync_dagster.config.problems import Problem

CURRENCIES = frozenset(
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP "
    "BYN BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP "
    "GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR "
    "KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK "
    "MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR "
    "SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS "
    "UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG".split()
)
"""ISO 4217 codes in use; a code that is none of them (KSH, TL) is a slip of the pen."""
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|^\s*[A-Za-z][A-Za-z0-9+.-]+:/|^[^/\\]+@[^/\\]+:")
"""`sftp://host`, with a slash too few, `joe@host:folder`; `C:/x` is a folder of Windows."""

LOCAL_CURRENCIES: dict[str, tuple[str, ...]] = {
    name: tuple(codes.split())
    for names, codes in {
        "KSH KSHS": "KES",
        "TSH TSHS TZSH": "TZS",
        "USH USHS UGSH": "UGX",
        "SH SHS": "KES TZS UGX",
        "TL YTL LIRA": "TRY",
        "NIS SHEKEL": "ILS",
        "RS RUPEE RUPEES": "INR PKR LKR",
        "DH DHS DIRHAM": "AED MAD",
        "SR": "SAR",
        "QR": "QAR",
        "KD": "KWD",
        "BD": "BHD",
        "RO": "OMR",
        "JD": "JOD",
        "LE": "EGP",
        "CFA FCFA": "XOF XAF",
        "EURO EUROS": "EUR",
        "US$": "USD",
        "STG": "GBP",
        "RMB": "CNY",
        "KM": "BAM",
        "DIN": "RSD",
        "LEV LV": "BGN",
        "LEI": "RON MDL",
        "ZL": "PLN",
        "KC": "CZK",
        "FT": "HUF",
        "NAIRA": "NGN",
        "RAND": "ZAR",
        "CEDI GHC": "GHS",
        "BIRR": "ETB",
        "FRW": "RWF",
        "TK": "BDT",
    }.items()
    for name in names.split()
}
"""What currencies are called where they are used, in capitals -> the codes that may be meant."""


class Section(BaseModel):
    """Every section: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False
    )


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9_]+", text):
        raise ValueError("expected lower-case letters, digits and underscores")
    return text


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("expected an IANA time zone such as Africa/Nairobi") from error
    return text


def _currency(text: str) -> str:
    if text not in CURRENCIES:
        meant = " or ".join(LOCAL_CURRENCIES.get(text.strip().upper(), ()))
        such = f"{meant} for {text.strip()}" if meant else "KES"
        raise ValueError(f"expected a three-letter ISO 4217 currency such as {such}")
    return text


def _day(text: str) -> str:
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            raise ValueError
        date.fromisoformat(text)
    except ValueError as error:
        raise ValueError("expected a date such as 2026-10-01") from error
    return text


def _path(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str) and (not value.strip() or "\0" in value):
        raise ValueError("expected a path")
    if isinstance(value, str) and _ADDRESS.search(value):
        # it may hold a password: no part of it is ever shown
        if info.field_name == "path":
            raise Problem(
                "expected a folder, got an address (not shown): say `url:` instead, in a source "
                "under `sources`"
            )
        raise Problem("expected a file of this machine, got an address (not shown)")
    return value


def _exact(value: Any) -> Any:
    """YAML reads 0.1 as a float: its shortest text is what the user wrote."""
    return str(value) if isinstance(value, float) else _number(value)


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_DAYS = "sun mon tue wed thu fri sat".split()
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_CRON_FIELDS: tuple[tuple[int, int, Sequence[str]], ...] = (
    (0, 59, []),
    (0, 23, []),
    (1, 31, []),
    (1, 12, _MONTHS),
    (0, 7, _DAYS),
)


_CRON_PART = re.compile(
    r"(?:\*|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:/([0-9]{1,2}))?"
)


def _cron_field(text: str, low: int, high: int, names: Sequence[str]) -> set[int] | None:
    """The numbers that one field of a cron expression stands for; None if it is not one."""
    found: set[int] = set()
    for part in text.lower().split(","):
        match = _CRON_PART.fullmatch(part)
        if match is None:
            return None
        ends: list[int] = []
        for word in (match[1], match[2]):
            if word is None:
                continue
            if word.isdigit():
                ends.append(int(word))
            elif word in names:
                ends.append(names.index(word) + low)
            else:
                return None
        step = int(match[3]) if match[3] else 1
        first = ends[0] if ends else low
        last = ends[1] if len(ends) == 2 else (high if match[3] or not ends else first)
        if not (low <= first <= last <= high and 1 <= step <= high):
            return None
        found.update(range(first, last + 1, step))
    return found


def cron_fields(text: str) -> list[set[int] | None]:
    """The numbers of each field of a cron expression, minutes first; None for one that is none."""
    words = zip(text.split(), _CRON_FIELDS, strict=False)
    return [_cron_field(word, *field) for word, field in words]


def _cron(text: str | None) -> str | None:
    if text is None:
        return None
    words, fields = text.split(), cron_fields(text)
    _, _, days, months, _ = [*fields, *[None] * 5][:5]
    if len(words) != 5 or None in fields or days is None or months is None:
        raise ValueError('expected a cron expression of five fields such as "*/30 * * * *"')
    if words[4] == "*" and min(days) > max(_LONGEST[month - 1] for month in months):
        raise ValueError("expected a cron expression with a day that its months have")
    return text


Name = Annotated[str, AfterValidator(_name)]
Zone = Annotated[str, AfterValidator(_zone)]
Currency = Annotated[str, AfterValidator(_currency)]
Cron = Annotated[str | None, AfterValidator(_cron)]
"""Five fields as Dagster's schedules take them; null: no schedule."""
Day = Annotated[str, AfterValidator(_day)]
FilePath = Annotated[Path, BeforeValidator(_path)]
"""Relative ones start from the folder of marketsync.yaml."""
ExactDecimal = Annotated[Decimal, BeforeValidator(_exact), Field(allow_inf_nan=False)]
Whole = Annotated[int, BeforeValidator(_number)]
Number = Annotated[float, BeforeValidator(_number)]
Share = Annotated[float, BeforeValidator(_number), Field(ge=0, le=1)]
