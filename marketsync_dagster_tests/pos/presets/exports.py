"""Exports of tills and shops for tests: made from rows, read, and shown as plain values."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from marketsync_dagster.pos.model import Extract, ExtractSpec, NothingAccepted
from marketsync_dagster.pos.read import read_extract

EXAMPLES = Path(__file__).parents[3] / "examples" / "presets"


def written(rows: Sequence[Mapping[str, str]], *more: str) -> bytes:
    """A CSV file of rows, each header -> cell; `more` are headers without any cell."""
    header = list(dict.fromkeys([*(name for row in rows for name in row), *more]))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, header, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


def read(preset: str, source: Path | bytes, file: str = "export.csv", **spec: Any) -> Extract:
    """One outlet of an export; `spec` are fields of ExtractSpec, a `keys` text is one key."""
    if isinstance(spec.get("keys"), str):
        spec["keys"] = (spec["keys"],)
    try:
        return read_extract(source, ExtractSpec(preset=preset, **spec), file=file)
    except NothingAccepted as error:
        return error.extract


def shown(extract: Extract, *columns: str) -> list[tuple[Any, ...]]:
    """Some columns of the accepted rows; None where there is nothing."""
    found = [
        [None if pd.isna(value) else value for value in extract.frame[name].tolist()]
        for name in columns
    ]
    return list(zip(*found, strict=True))


def rejected(extract: Extract) -> list[tuple[int, str | None, str, str]]:
    """Line, header, value and reason of each reject."""
    found = extract.rejects[["line", "column", "value", "reason"]].itertuples(index=False)
    return [(line, None if pd.isna(name) else name, value, why) for line, name, value, why in found]


def counts(extract: Extract) -> tuple[int, int, int, int, int]:
    """Records, accepted, rejected, duplicates and continued."""
    return (
        extract.records,
        extract.accepted,
        extract.rejected,
        extract.duplicates,
        extract.continued,
    )


def zipped(**files: bytes | Path) -> bytes:
    """A ZIP archive of CSV files, each under its name."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(f"{name}.csv", data.read_bytes() if isinstance(data, Path) else data)
    return stream.getvalue()
