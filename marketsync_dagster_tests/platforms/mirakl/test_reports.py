"""Error reports as Mirakl writes them, as a spreadsheet leaves them, and torn ones."""

from __future__ import annotations

import pytest

from marketsync_dagster.platforms.http import Cleaner
from marketsync_dagster.platforms.mirakl.reports import Report, Unreadable, read_report

NAMES = ["A-1", "A-2", "0012.50", "ü;4"]
CLEAN = Cleaner(())
OF03 = '"sku";"product-id";"price";"error-line";"error-message"\n'
PRI03 = '"error-line";"error-message";"offer-sku";"price"\n'


def read(text: str | bytes) -> Report:
    return read_report(text.encode() if isinstance(text, str) else text, NAMES, CLEAN)


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        (OF03 + '"A-2";"P";"1";"3";"no product"\n', {1: "no product"}),
        # the name says more than the line, which other lines may have moved
        (OF03 + '"A-2";"P";"1";"999";"no product"\n', {1: "no product"}),
        (OF03 + '"ü;4";"P";"1";"5";"say ""no"""\n', {3: 'say "no"'}),
        (PRI03 + '"2";"bad";"A-1";"1"\n"3";"worse";"A-2";"2"\n', {0: "bad", 1: "worse"}),
        ("\ufeff" + PRI03.replace("\n", "\r\n") + '"2";"two\nlines";"A-1";"1"\r\n',
         {0: "two lines"}),
        # a spreadsheet has made 12,50 of 0012.50: the line tells
        (PRI03 + '"4";"bad";"12,50";"108,56"\n', {2: "bad"}),
        (PRI03.replace(";", ",") + '"2","bad","A-1","1.5"\n', {0: "bad"}),
        ("line\treason\toffer-sku\n2\tbad\tA-1\n", {0: "bad"}),
        # columns of other names: line and reason come first
        ('"ligne";"motif";"prix"\n"2";"bad";"1"\n', {0: "bad"}),
        ('"2";"bad";"1"\n', {0: "bad"}),
        ('"Error Line";"ERROR_MESSAGE"\n" 5 ";"bad"\n', {3: "bad"}),
        (PRI03 + '"2";"bad";"A-1";"1"\n"2";"bad";"A-1";"1"\n', {0: "bad"}),
        (PRI03 + '"2";"bad";"A-1";"1"\n"2";"dear";"A-1";"1"\n', {0: "bad; dear"}),
        (PRI03 + '"2";"";"A-1";"1"\n', {0: "the report gives no reason"}),
        (PRI03 + '\n"2";"bad";"A-1";"1"\n\n', {0: "bad"}),
    ],
)  # fmt: skip
def test_each_error_belongs_to_the_item_that_it_names(text: str, errors: dict[int, str]) -> None:
    assert read(text) == Report(errors, [])


def test_a_name_that_lost_its_zeros_is_not_taken_for_its_neighbour() -> None:
    found = read_report(f'{PRI03}"3";"bad";"7";"1"\n'.encode(), ["7", "007"], CLEAN)
    assert found.errors == {1: "bad"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_every_usual_encoding_is_read(encoding: str) -> None:
    text = OF03 + '"ü;4";"P";"1";"5";"zu früh"\n'
    assert read(text.encode(encoding)).errors == {3: "zu früh"}


@pytest.mark.parametrize(
    ("row", "stray"),
    [
        ('"2";"bad";"somebody";"1"', "somebody: bad"),  # not ours, whatever line it is in
        ('"999999";"bad";"999999";"999999"', "999999: bad"),
        ('"x";"bad";"";"1"', ": bad"),
        ('"1";"bad";"header";"1"', "header: bad"),
    ],
)
def test_a_line_about_nothing_that_was_sent_is_kept_apart(row: str, stray: str) -> None:
    found = read(PRI03 + row + '\n"3";"bad";"A-2";"1"\n')
    assert found == Report({1: "bad"}, [stray])


@pytest.mark.parametrize("line", ["0", "1", "6", "-2", "1.5", "", "9" * 5000])
def test_a_line_outside_of_the_import_is_nobodys(line: str) -> None:
    found = read(f'"error-line";"error-message"\n"{line}";"bad"\n')
    assert (found.errors, len(found.strays)) == ({}, 1)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"<html><body>Just a moment", "HTML"),
        (b'{"message": "no"}', "JSON"),
        (b"PK\x03\x04\x14", "XLSX workbook"),
        ((PRI03 + '"2";"bad";"A-1').encode(), "cannot be read as CSV"),
        ((PRI03 + '"2";"bad";"A-1"\n').encode(), "cut off"),
        ((PRI03 + '"2";"bad"x;"A-1";"1"\n').encode(), "cannot be read as CSV"),
        (b'"column";"other"\n"x";"bad"\n', "without the columns"),
        (PRI03.encode(), "without errors"),
        (('"error-line";"error-message"\n"2";"' + "x" * 200_000 + '"\n').encode(), "as CSV"),
    ],
)
def test_half_a_report_is_none(body: bytes, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        read(body)


def test_a_secret_in_a_reason_is_masked() -> None:
    clean = Cleaner(["obviously_fake"])
    found = read_report((PRI03 + '"2";"key obviously_fake";"A-1";"1"\n').encode(), NAMES, clean)
    assert found.errors == {0: "key ***"}
