"""Number formats: what they make of a number, exactly."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsync_dagster.pos.readers.formats import date_text, of_code, plain, shortest, shown
from marketsync_dagster.pos.tables import Kind

SHOWN = [
    ("General", "5", "5", Kind.NUMBER),
    ("0.00", "19.9", "19.9", Kind.NUMBER),
    ("#,##0.00_);[Red](#,##0.00)", "1234.5", "1234.5", Kind.NUMBER),
    ("00000", "123", "00123", Kind.NUMBER),
    ("0000000000000", "12345678905", "0012345678905", Kind.NUMBER),
    ("00000", "-12", "-12", Kind.NUMBER),
    ("00000", "1.5", "1.5", Kind.NUMBER),
    ("0%", "0.5", "50%", Kind.NUMBER),
    ("0.00%", "0.125", "12.5%", Kind.NUMBER),
    ('0.00" €"', "5", "5 €", Kind.NUMBER),
    ('#,##0.00\\ "KES"', "1600", "1600 KES", Kind.NUMBER),
    ("[$$-409]#,##0.00", "5.5", "$ 5.5", Kind.NUMBER),
    ("_-* #,##0.00\\ [$€-407]_-;\\-* #,##0.00\\ [$€-407]_-", "7.25", "7.25 €", Kind.NUMBER),
    ("[$-409]0.00", "5", "5", Kind.NUMBER),
    ('0.00" / kg"', "3.5", "3.5 / kg", Kind.NUMBER),
    ('0" pcs"', "5", "5", Kind.NUMBER),
    ('"Day" 0', "5", "5", Kind.NUMBER),
    ("dd/mm/yyyy", "46145", "2026-05-03", Kind.DATE),
    ("d-mmm", "46145", "2026-05-03", Kind.DATE),
    ("[$-409]m/d/yy h:mm AM/PM;@", "46145.5", "2026-05-03T12:00:00", Kind.DATE),
    ("h:mm", "0.25", "06:00:00", Kind.DATE),
    ("[h]:mm", "1.5", "1900-01-01T12:00:00", Kind.DATE),
    ("yyyy-mm-dd hh:mm:ss.000", "46145.0000115741", "2026-05-03T00:00:01", Kind.DATE),
    ("dd/mm/yyyy", "9999999", "#####", Kind.ERROR),
    ("dd/mm/yyyy", "-1", "#####", Kind.ERROR),
]


@pytest.mark.parametrize(
    ("code", "number", "text", "kind"), SHOWN, ids=[c[0] + c[1] for c in SHOWN]
)
def test_a_number_keeps_what_its_format_says_of_it(
    code: str, number: str, text: str, kind: Kind
) -> None:
    assert shown(number, of_code(code), from_1904=False) == (text, kind)


@pytest.mark.parametrize(
    ("serial", "from_1904", "text"),
    [
        (1, False, "1900-01-01"),
        (59, False, "1900-02-28"),
        (60, False, "1900-02-29"),
        (61, False, "1900-03-01"),
        (44683, True, "2026-05-03"),
        (0, True, "1904-01-01"),
        (2958465, False, "9999-12-31"),
        (2958466, False, None),
        (2958465, True, None),
        (math.nan, False, None),
        (math.inf, False, None),
    ],
)
def test_a_day_number_is_a_day(serial: float, from_1904: bool, text: str | None) -> None:
    assert date_text(serial, from_1904) == text


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("5", "5"),
        ("5.00", "5.00"),
        ("-0.5", "-0.5"),
        (".99", ".99"),
        ("19.989999999999998", "19.99"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("6.291041500213E12", "6291041500213"),
        ("1E-3", "0.001"),
        ("1e+22", "10000000000000000000000"),
        ("123456789012345678", "123456789012345680"),
        ("100000000000000000", "100000000000000000"),
        ("1E999", None),
        ("NaN", None),
        ("INF", None),
        ("1,5", None),
        ("0x10", None),
        ("1_000", None),
        ("٣", None),
        ("", None),
    ],
)
def test_a_number_is_as_written_or_the_shortest_of_the_same_double(
    written: str, text: str | None
) -> None:
    assert shortest(written) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_no_double_is_changed_by_its_text(value: float) -> None:
    assert float(plain(value)) == value
    assert "e" not in plain(value).lower()
    again = shortest(f"{value:.16e}")
    assert again is not None
    assert float(again) == value


@given(st.text(max_size=60))
def test_any_format_code_is_read(code: str) -> None:
    text, _ = shown("12", of_code(code), from_1904=False)
    assert "12" in text or "1900-01" in text or text == "1200%"
