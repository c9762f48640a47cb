"""Barcodes that are no GTINs are kept and marked; SKUs keep their zeros and are never merged."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import ean

from marketsync_dagster.pos import identifiers
from marketsync_dagster.pos.identifiers import read_barcodes, zero_warnings
from marketsync_dagster.pos.kernels import pa
from marketsync_dagster.pos.model import Extract, ExtractSpec
from marketsync_dagster.pos.read import read_extract
from marketsync_dagster.values import gtin

A, B, SHORT = "5901234123457", "4006381333931", "96385074"
WRONG = "not a GTIN: check digit"
LETTERS = "not a GTIN: not only digits"
WEB = "not a GTIN: a web address"
NONE_OF = "not a GTIN: several codes, none of them a GTIN"
FIRST = "the first GTIN of several codes; also "

BARCODES = [
    (A, A, None, None),
    ("", None, None, None),
    ("-", None, None, None),
    ("N/A", None, None, None),
    ("036000291452", "0036000291452", None, None),
    ("0" + A, A, None, None),
    ("15901234123454", "15901234123454", None, None),
    (SHORT, SHORT, None, None),
    (f'="{A}"', A, None, None),
    ('="036000291452"', "0036000291452", None, None),
    ("5901234123450", None, "5901234123450", WRONG),
    ('="5901234123450"', None, "5901234123450", WRONG),
    ("0000000000000", None, "0000000000000", "not a GTIN: only zeros"),
    ("00000000", None, "00000000", "not a GTIN: only zeros"),
    ("123", None, "123", "not a GTIN: 3 digits"),
    ("0", None, "0", "not a GTIN: 1 digits"),
    ("INT-0042", None, "INT-0042", LETTERS),
    ("590 1234 123457", None, "590 1234 123457", LETTERS),
    ("٥٩٠١٢٣٤١٢٣٤٥٧", None, "٥٩٠١٢٣٤١٢٣٤٥٧", LETTERS),
    ("5.90123E+12", None, "5.90123E+12", "damaged by a spreadsheet"),
    ("5901234123457.0", None, "5901234123457.0", "damaged by a spreadsheet"),
    ("'" + A, None, "'" + A, "damaged by a spreadsheet"),
    ("12\x1d34", None, r"12\x1d34", LETTERS),
    ("https://shop.example/p/1?a=2", None, "https://shop.example/p/1?a=2", WEB),
    ("www.shop.example", None, "www.shop.example", WEB),
    ("shop.com/tea", None, "shop.com/tea", WEB),
    (f"https://shop.example/a,{A}", None, f"https://shop.example/a,{A}", WEB),
    (f"{A}|{B}", A, None, FIRST + B),
    (f"{A}, {B}", A, None, FIRST + B),
    (f"{A} ; {B} ; X-1", A, None, FIRST + f"{B}, X-1"),
    (f"INT-7|{B}", B, None, FIRST + "INT-7"),
    (f"5901234123450|{B}", B, None, FIRST + "5901234123450"),
    (f"|{A}|", A, None, None),
    (f"{A}\n{B}", A, None, FIRST + B),
    (f"036000291452,{A}", "0036000291452", None, FIRST + A),
    (f"{SHORT}|{SHORT}", SHORT, None, FIRST + SHORT),
    (f"{SHORT},5", None, f"{SHORT},5", NONE_OF),
    (f"{SHORT};12.50", None, f"{SHORT};12.50", NONE_OF),
    ("INT-7,INT-8", None, "INT-7,INT-8", NONE_OF),
    (f"{A}/{B}", None, f"{A}/{B}", LETTERS),
    ("X1" * 150, None, "X1" * 100, LETTERS),
    ("x" * 300, None, "x" * 200, LETTERS),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "internal", "note"), BARCODES)
def test_a_barcode_is_a_gtin_or_kept_as_an_internal_code_with_a_note(
    text: str, code: str | None, internal: str | None, note: str | None
) -> None:
    # among others, so that whole columns and single cells are read alike
    read = read_barcodes(pa.array([text, A, "", text]))
    assert read.codes.to_pylist() == [code, A, None, code]
    assert read.internal.to_pylist() == [internal, None, None, internal]
    assert read.notes.to_pylist() == [note, None, None, note]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.text(alphabet="0123456789", min_size=7, max_size=13), max_size=20))
def test_check_digits_are_those_of_stdnum_alone_and_in_columns(bodies: list[str]) -> None:
    codes = [body + digit for body in bodies for digit in "0123456789"]
    codes = [code for code in codes if len(code) in gtin.LENGTHS]
    expected = [
        ean.calc_check_digit(code[:-1]) == code[-1] and code.strip("0") != "" for code in codes
    ]
    assert [gtin.check_digit_fits(code) for code in codes] == expected
    assert gtin.check_digits_fit(pa.array(codes, pa.string())).tolist() == expected


def read(skus: list[str], **more: str) -> Extract:
    """The extract of these SKUs."""
    rows = "".join(f"{sku},{i + 1}.50\n" for i, sku in enumerate(skus))
    return read_extract(("sku,price\n" + rows).encode(), ExtractSpec(), file="f.csv")


def test_skus_that_differ_only_in_leading_zeros_stay_apart_and_are_named() -> None:
    extract = read(["00123", "7", "123", "0456", "456", "0123"])
    assert extract.frame["sku"].tolist() == ["00123", "7", "123", "0456", "456", "0123"]
    (warning,) = extract.warnings
    assert warning == (
        "SKUs that differ only in leading zeros stay different products: 00123 (line 2) and 123 "
        "(line 4) and 0123 (line 7), and 1 more such groups"
    )


def test_one_sku_on_two_lines_is_not_one_that_lost_a_zero() -> None:
    extract = read_extract(b"sku,price\n01,5\n01,5\n2,5\n", ExtractSpec(), file="f.csv")
    assert (extract.duplicates, extract.warnings) == (1, [])


def test_skus_that_are_barcodes_without_their_zero_are_noticed() -> None:
    codes = [f"36000{i:05}" for i in range(30)]
    skus = [code + ean.calc_check_digit("0" + code) for code in codes]
    (warning,) = read(skus).warnings
    assert warning.startswith("30 SKUs are barcodes without their first 0")
    assert read(["0" + sku for sku in skus]).warnings == []


def test_codes_of_one_length_of_which_a_tenth_is_shorter_are_noticed() -> None:
    skus = [str(7_919 * i % 1_000_000) for i in range(1, 3_000)]
    lines = pa.array(range(2, 3_001)).to_numpy()
    (warning,) = zero_warnings(pa.array(skus), lines)
    assert "no SKU begins with 0" in warning
    padded = [sku.zfill(6) for sku in skus]
    assert zero_warnings(pa.array(padded), lines) == []


@pytest.mark.parametrize(
    "skus",
    [
        [str(i) for i in range(1, 5_000)],
        [str(100_000 + i) for i in range(3_000)],
        [str(i) for i in range(10, 90)] + [str(1_000_000 + i) for i in range(400)],
        [f"A{7_919 * i % 1_000_000}" for i in range(1, 3_000)],
        ["7", "8"],
        [],
    ],
)
def test_other_numberings_are_not_suspected(skus: list[str]) -> None:
    lines = pa.array(range(len(skus)), pa.int64()).to_numpy()
    assert zero_warnings(pa.array(skus, pa.string()), lines) == []


def test_damaged_skus_are_never_merged_into_one_product() -> None:
    extract = read(["9.34E+12", "9.34E+12", "'00123", "4011.0", "4011", "1e+05", "#N/A"])
    assert extract.frame["sku"].tolist() == ["4011"]
    assert extract.rejects["reason"].tolist() == ["damaged_sku"] * 6


def test_skus_in_any_letters_are_read_as_they_are() -> None:
    skus = ["Ж-001", "أ١٢", "מק-7", "Şeker 5", "nań", "品1"]
    assert read(skus).frame["sku"].tolist() == skus
    assert [identifiers.sku_fault(sku) for sku in skus] == [None] * 6
