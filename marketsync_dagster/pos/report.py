"""The rejected rows of a file as another file for people: a spreadsheet, or CSV.

Values come from a file that is not trusted: none of them may become a formula or a link when the
report is opened (`values.cells`).
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from marketsync_dagster.pos.check import Part, all_rejects, how_read
from marketsync_dagster.values.cells import inert, number_in
from marketsync_dagster.values.errors import MarketSyncError, UsageError

_WIDTHS = {"file": 24, "line": 8, "column": 18, "value": 30, "reason": 22, "next_step": 90,
           "sku": 18}  # fmt: skip
_SHEET_ROWS = 1_000_000
"""Rejects in one sheet: a sheet has 1,048,576 rows at most."""
_CELL = 32_000
"""Characters of a cell: a spreadsheet takes 32,767 and drops a cell with more."""
FORMATS = (".xlsx", ".csv")


def check_target(path: Path, extract: Path) -> None:
    """Raises UsageError where a report cannot be written there: unknown ending, the extract itself,
    no such directory."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path.name} ends neither in .xlsx nor in .csv", "--out report.xlsx")
    if path.exists() and extract.exists() and path.samefile(extract):
        raise UsageError(f"{path} is the extract itself", "name another file with --out")
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"{path} cannot be written", "name a file in a directory that exists")


def write_report(parts: Sequence[Part], path: Path) -> None:
    """The rejects of a file's extracts with a summary by reason; the ending says the format.

    XLSX has the summary on its first sheet, and the values as text that stays text; CSV has the
    rejects alone. The file is complete or not there. Raises MarketSyncError where it cannot be
    written.
    """
    rejects = all_rejects(parts)
    if path.suffix.lower() == ".csv":
        _replace(path, lambda target: _write_csv(rejects, target))
    else:
        _replace(path, lambda target: _write_xlsx(parts, rejects, target))


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    try:
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix
        )
        os.close(handle)
        made = Path(name)
        try:
            write(made)
            made.chmod(0o644)
            made.replace(path)
        finally:
            made.unlink(missing_ok=True)
    except OSError as error:
        raise MarketSyncError(
            f"{path} cannot be written: {error.strerror or error}",
            "choose another place with --out",
        ) from None


def summary(rejects: pd.DataFrame) -> pd.DataFrame:
    """Columns reason, rows, first_line, next_step, example; the most frequent reason first.

    The example is one of the rows with where it is: `shop.csv:7: Price: abc`.
    """
    grouped = rejects.groupby("reason", sort=True).agg(
        rows=("line", "size"), first_line=("line", "min"), next_step=("next_step", _usual)
    )
    firsts = rejects.dropna(subset=["value"]).drop_duplicates("reason").set_index("reason")
    grouped["example"] = firsts.apply(_example, axis=1) if len(firsts) else ""
    return grouped.reset_index().sort_values("rows", ascending=False, kind="stable")


def _example(row: pd.Series) -> str:
    place = f"{row['file']}:{row['line']}"
    return ": ".join(
        [place, *(str(row[name]) for name in ("column", "value") if pd.notna(row[name]))]
    )


def _usual(steps: pd.Series) -> str:
    """The words that most rows of a reason have: some carry a note of their own."""
    return str(steps.value_counts().index[0])


def _write_csv(rejects: pd.DataFrame, path: Path) -> None:
    # the mark at the beginning tells spreadsheets that it is UTF-8
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_MINIMAL)
        writer.writerow(rejects.columns)
        for row in rejects.itertuples(index=False):
            writer.writerow("" if pd.isna(cell) else inert(str(cell)) for cell in row)


def _write_xlsx(parts: Sequence[Part], rejects: pd.DataFrame, path: Path) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(
        str(path),
        {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        },
    ) as book:
        bold = book.add_format({"bold": True})
        # as if typed with an apostrophe: stays text when somebody edits the cell
        text = book.add_format({"num_format": "@", "quote_prefix": True})
        _summary_sheet(book.add_worksheet("Summary"), parts, rejects, bold, text)
        for start in range(0, max(len(rejects), 1), _SHEET_ROWS):
            name = "Rejected" if start == 0 else f"Rejected {start // _SHEET_ROWS + 1}"
            sheet = book.add_worksheet(name)
            _rejects_sheet(book, sheet, rejects.iloc[start : start + _SHEET_ROWS], bold, text)


def _summary_sheet(
    sheet: Any, parts: Sequence[Part], rejects: pd.DataFrame, bold: Any, text: Any
) -> None:
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, 2, 11)
    sheet.set_column(3, 3, 100)
    row = 0
    for part in parts:
        sheet.write_string(row, 0, "file", bold)
        sheet.write_string(row, 1, part.file[:_CELL], text)
        if part.outlet:
            row += 1
            sheet.write_string(row, 0, "outlet", bold)
            sheet.write_string(row, 1, part.outlet[:_CELL], text)
        if part.refusal is not None:
            row += 1
            sheet.write_string(row, 0, "refused", bold)
            sheet.write_string(row, 1, str(part.refusal)[:_CELL], text)
        if part.extract is not None:
            for name in ("records", "accepted", "rejected", "duplicates"):
                row += 1
                sheet.write_string(row, 0, name, bold)
                sheet.write_number(row, 1, getattr(part.extract, name))
            for line in how_read(part.extract, part.preset):
                row += 1
                sheet.write_string(row, 0, line[:_CELL], text)
        row += 2
    for column, name in enumerate(("reason", "rows", "first line", "next step")):
        sheet.write_string(row, column, name, bold)
    for reason, rows, first, step, _ in summary(rejects).itertuples(index=False):
        row += 1
        sheet.write_string(row, 0, reason, text)
        sheet.write_number(row, 1, rows)
        sheet.write_number(row, 2, first)
        sheet.write_string(row, 3, step, text)


def _rejects_sheet(book: Any, sheet: Any, rejects: pd.DataFrame, bold: Any, text: Any) -> None:
    decimals: dict[int, Any] = {}
    for column, name in enumerate(rejects.columns):
        sheet.set_column(column, column, _WIDTHS.get(name, 20))
        sheet.write_string(0, column, name, bold)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(len(rejects), 1), len(rejects.columns) - 1)
    for row, cells in enumerate(rejects.itertuples(index=False), 1):
        for column, (name, cell) in enumerate(zip(rejects.columns, cells, strict=True)):
            if pd.isna(cell):
                continue
            number = (float(cell), 0) if name == "line" else None
            if name == "value":
                number = number_in(cell)
            if number is None:
                sheet.write_string(row, column, str(cell)[:_CELL], text)
                continue
            value, places = number
            if places not in decimals:
                code = "0." + "0" * places if places else "0"
                decimals[places] = book.add_format({"num_format": code})
            sheet.write_number(row, column, value, decimals[places])
