"""The report of `marketsync check-extract`: what would become of a file, without configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marketsync_dagster.pos.extract import read_csv_extract
from marketsync_dagster.pos.model import ExtractSpec, NothingAccepted


def check(path: Path, columns: Mapping[str, str], currency: str) -> dict[str, Any]:
    """`{"rows", "accepted", "rejected", "duplicates", "rejects": [...]}`, ready for JSON.

    Each reject is `{"file", "line", "column", "value", "reason", "next_step"}`; `column` is null
    where the whole line is meant. Raises ExtractError where the file cannot be read at all.
    """
    try:
        extract = read_csv_extract(path, ExtractSpec(columns, currency), file=path.name)
    except NothingAccepted as error:
        extract = error.extract
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
