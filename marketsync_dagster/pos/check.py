"""The report of `marketsync check-extract`: what would become of a file, without configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marketsync_dagster.pos.extract import read_csv_extract
from marketsync_dagster.pos.model import Extract, ExtractSpec, NothingAccepted

_WANTED = ("name", "barcode", "stock")
"""Columns that an extract can do without, and a shop hardly."""


def check(path: Path, columns: Mapping[str, str], currency: str) -> dict[str, Any]:
    """The `report` of a file. Raises ExtractError where it cannot be read at all."""
    return report(read(path, columns, currency))


def read(path: Path, columns: Mapping[str, str], currency: str) -> Extract:
    """The extract, even if none of its rows can be used. Raises ExtractError like `check`."""
    try:
        return read_csv_extract(path, ExtractSpec(columns, currency), file=path.name)
    except NothingAccepted as error:
        return error.extract


def how_read(extract: Extract) -> list[str]:
    """Sentences on what the file was taken for: its columns, its encoding, what is odd."""
    delimiter = {"\t": "tab", " ": "blank"}.get(extract.delimiter, extract.delimiter)
    used = ", ".join(f"{name}={header}" for name, header in extract.columns.items())
    lines = [f"read as {extract.encoding}, delimiter {delimiter}; columns {used}"]
    if extract.ignored:
        lines.append(f"not read: {', '.join(extract.ignored)}")
    missing = [name for name in _WANTED if name not in extract.columns]
    if "stock_status" in extract.columns and "stock" in missing:
        missing.remove("stock")
    if missing:
        named = ",".join(
            f"{name}={header.replace(',', chr(92) + ',')}"
            for name, header in extract.columns.items()
            if name in ("sku", *_WANTED, "price")
        )
        words = f"--columns '{named},{missing[0]}=HEADER'"
        lines.append(f"no column for {', '.join(missing)}; if there is one, say so: {words}")
    return [*lines, *extract.warnings]


def report(extract: Extract) -> dict[str, Any]:
    """`{"rows", "accepted", "rejected", "duplicates", "rejects": [...]}`, ready for JSON.

    Each reject is `{"file", "line", "column", "value", "reason", "next_step"}`; `column` is null
    where the whole line is meant.
    """
    keys = ("file", "line", "column", "value", "reason", "next_step")
    rejects = extract.rejects.astype(object)
    rejects = rejects.where(rejects.notna(), None)
    return {
        "rows": extract.records,
        "accepted": extract.accepted,
        "rejected": extract.rejected,
        "duplicates": extract.duplicates,
        "rejects": [{key: row[key] for key in keys} for row in rejects.to_dict(orient="records")],
    }
