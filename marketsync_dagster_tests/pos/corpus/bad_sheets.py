"""Workbooks that are refused, or have rows that are rejected."""

from __future__ import annotations

from marketsync_dagster_tests.pos.corpus.builders import (
    HEAD,
    Raw,
    book,
    cells,
    error,
    formula,
    grid,
    number,
    zipped,
)
from marketsync_dagster_tests.pos.corpus.cases import Refused, Rejected
from marketsync_dagster_tests.pos.readers.workbooks import raw_xlsx, xls

GOOD = ("G1", "Good", number("5"))
FILE = "till.xlsx"
LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)


def two_sheets() -> bytes:
    """Two sheets that may both hold the products."""
    more = '<a><sheet name="Old" r:id="r1"/></a>'
    return raw_xlsx(grid([HEAD, GOOD]), workbook=more)


def row(name: str, *bad: str | Raw | None, column: str | None = "price", value: str, reason: str,
        formats: tuple[str, ...] = ()) -> Rejected:  # fmt: skip
    """A workbook with one row that is rejected, in row 3."""
    return Rejected(f"XLSX: {name}", book(HEAD, GOOD, bad, formats=formats),
                    [(3, column, value, reason)], file=FILE)  # fmt: skip


def price(name: str, cell: str | Raw, value: str, reason: str, *formats: str) -> Rejected:
    """A workbook with one price that is rejected."""
    return row(name, "B1", "Bad", cell, value=value, reason=reason, formats=formats)


def sku(name: str, cell: str | Raw, value: str, reason: str, *formats: str) -> Rejected:
    """A workbook with one SKU that is rejected."""
    bad = (cell, "Bad", number("1"))
    return row(name, *bad, column="sku", value=value, reason=reason, formats=formats)


def refused(name: str, data: bytes, code: str, says: str = "", **spec: str) -> Refused:
    """A workbook that is refused."""
    return Refused(f"XLSX: {name}", data, code, says, spec, file=FILE)


REFUSED = [
    refused("header only", book(HEAD), "header_only"),
    refused("nothing in it", book(), "empty"),
    refused("no SKU column", book(("colour", "price"), ("red", number("1"))), "no_sku_column",
            "'colour'"),
    refused("no price column", book(("sku", "colour"), ("A", "red")), "no_price_column",
            "'colour'"),
    refused("the same header twice",
            book(("sku", "price", "price"), ("A", number("1"), number("2"))),
            "duplicate_header", "columns 2 and 3"),
    refused("two columns for one name", book(("sku", "on hand", "stock", "price"),
            ("A", number("1"), number("2"), number("3"))), "ambiguous_columns", "'on hand'"),
    refused("two sheets with products", two_sheets(), "ambiguous_sheet", "'Old' and 'Sheet1'"),
    refused("a sheet that is not there", book(HEAD, GOOD), "unknown_sheet", "'Items'",
            sheet="Items"),
    refused("cut off", book(HEAD, GOOD)[:-200], "truncated"),
    refused("entities in a sheet", raw_xlsx(LAUGHS + grid([HEAD, GOOD])), "doctype", "sheet1.xml"),
    refused("an outside entity", raw_xlsx('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
            + grid([HEAD, GOOD])), "doctype", "sheet1.xml"),
    refused("a value in the last column", raw_xlsx(grid([HEAD, GOOD]).replace(
            "</sheetData>", '<row r="3"><c r="XFD3"><v>1</v></c></row></sheetData>')), "too_wide",
            "row 3"),
    refused("a row beyond the last", raw_xlsx(grid([HEAD, GOOD]).replace(
            "</sheetData>", '<row r="1048577"/></sheetData>')), "damaged_sheet", "1048577"),
    refused("a shared string that is not there", book(HEAD, ("A", "a", Raw("<v>7</v>", "s"))),
            "damaged_sheet", "row 2, column 3"),
    refused("rows that unpack to far more", raw_xlsx(grid([HEAD, GOOD]) + " " * 4 * 2**20),
            "archive_bomb", "200 times"),
    refused("a record count that is not reached", book(("Records: 3",), HEAD, GOOD), "truncated",
            "declares 3"),
    refused("every price is bad", book(HEAD, ("A", "a", "x")), "nothing_accepted", "none of 1"),
    Refused("XLSB", zipped({"xl/workbook.bin": b""}), "unknown_format", "", file="till.xlsb"),
    Refused("ODS", zipped([("mimetype", b"application/vnd.oasis.opendocument.spreadsheet")], 0),
            "unknown_format", "", file="till.ods"),
    Refused("XLS: header only", lambda: xls([("S", cells(HEAD))]), "header_only", file="till.xls"),
    Refused("XLS: cut off", lambda: xls([("S", cells(HEAD, ("A", "a", 1)))])[:3000],
            "unreadable_sheet", file="till.xls"),
    Refused("XLS: no workbook in it", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
            "unreadable_sheet", file="till.xls"),
]  # fmt: skip

MODELS = ("sku", "model", "price")
REJECTED = [
    Rejected("XLSX: a number for a model that is a SKU",
             book(MODELS, ("G1", "x", number("5")), ("A1", number("7"), number("1")),
                  ("", number("12"), number("1")), ("", "0012", number("1"))),
             [(4, "model", "12", "numeric_identifier")], ["G1", "A1", "0012"], file=FILE),
    price("a price in words", "cheap", "cheap", "bad_price"),
    price("an error for a price", error("#N/A"), "#N/A", "not_a_number"),
    price("a division by zero", error("#DIV/0!"), "#DIV/0!", "not_a_number"),
    price("a formula without its value", formula("A1*2"), "=A1*2", "formula"),
    price("a date for a price", number("45000", 1), "2023-03-15", "date_as_price", "dd/mm/yyyy"),
    price("a percentage", number("0.5", 1), "50%", "percentage", "0%"),
    price("a negative price", number("-5"), "-5", "negative_price"),
    price("zero", number("0"), "0", "zero_price"),
    price("too many decimals", number("1.999"), "1.999", "too_many_decimals"),
    price("another currency by the format", number("5", 1), "5 €", "other_currency", '0 "€"'),
    price("a price per kilogram by the format", number("5", 1), "5 /kg", "unit_price", '0"/kg"'),
    price("a true", Raw("<v>1</v>", "b"), "TRUE", "bad_price"),
    price("a float's noise", number("19.990000000000002"), "19.990000000000002",
          "too_many_decimals"),
    row("no price", "B1", "Bad", value="", reason="missing_price"),
    row("a value beyond the header", "B1", "Bad", number("1"), "more", column=None,
        value="B1 | Bad | 1 | more", reason="too_many_columns"),
    sku("an error for a SKU", error("#REF!"), "#REF!", "formula"),
    sku("a SKU of many digits as a number", number("5.90123412345E+12"), "5901234123450",
        "numeric_identifier"),
    sku("a date for a SKU", number("45000", 1), "2023-03-15", "damaged_sku", "d-mmm"),
    sku("a number for a SKU", number("42"), "42", "numeric_identifier"),
    sku("a number with a fraction for a SKU", number("42.5"), "42.5",
        "numeric_identifier"),
    sku("a formula for a SKU", formula("A1&\"x\""), '=A1&"x"', "formula"),
    sku("a line break in a SKU", "A\nB", r"A\x0aB", "control_character"),
    sku("a total", "Total", "Total", "total_row"),
    Rejected("XLSX: rows are those of the sheet", book(HEAD, GOOD, ("B1", "b", "x"), first=7),
             [(9, "price", "x", "bad_price")], file=FILE),
    Rejected("XLSX: contradicting duplicates", book(HEAD, ("B1", "b", number("1")), GOOD,
             ("B1", "b", number("2"))), [(2, "sku", "B1", "contradicting_duplicate"),
             (4, "sku", "B1", "contradicting_duplicate")], file=FILE),
    Rejected("XLSX: a value in the last row", raw_xlsx(grid([HEAD, GOOD]).replace(
             "</sheetData>", '<row r="1048576"><c r="A1048576" t="inlineStr"><is><t>B1</t></is></c>'
             '</row></sheetData>')), [(1048576, "price", "", "missing_price")], file=FILE),
    Rejected("XLS: a price in words and an error", lambda: xls([("S", cells(
             HEAD, ("G1", "g", 5.0), ("B1", "b", "cheap"), ("B2", "b", ("error", 42))))]),
             [(3, "price", "cheap", "bad_price"), (4, "price", "#N/A", "not_a_number")],
             file="till.xls"),
    Rejected("XLS: a number for a SKU", lambda: xls([("S", cells(
             HEAD, ("G1", "g", 5.0), (42, "b", 1.5)))]), [(3, "sku", "42", "numeric_identifier")],
             file="till.xls"),
]  # fmt: skip
