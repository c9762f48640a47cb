"""Makes the files of the corpus: archives, workbooks, XML, JSON and Parquet from plain rows."""

from __future__ import annotations

import gzip
import io
import json
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq

from marketsync_dagster_tests.pos.readers.workbooks import MAIN, formats_xml, raw_xlsx

HEAD = ("sku", "name", "price")


def packed(data: bytes) -> bytes:
    """A gzip file, the same each time."""
    return gzip.compress(data, mtime=0)


def zipped(members: Mapping[str, bytes] | Sequence[tuple[str | zipfile.ZipInfo, bytes]],
           method: int = zipfile.ZIP_DEFLATED) -> bytes:  # fmt: skip
    """A ZIP file with these members, in this order; a name may be there twice."""
    target = io.BytesIO()
    listed = members.items() if isinstance(members, Mapping) else members
    with warnings.catch_warnings(), zipfile.ZipFile(target, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, data in listed:
            archive.writestr(name, data, method)
    return target.getvalue()


def linked(name: str, to: str) -> bytes:
    """A ZIP file whose only member is a symbolic link."""
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o120777 << 16
    return zipped([(entry, to.encode())])


@dataclass(frozen=True)
class Raw:
    """A cell of a workbook as XML: its type, what is in it, and the style it has."""

    content: str
    type: str = "n"
    style: int = 0


def number(text: str, style: int = 0) -> Raw:
    """A number as it is written in the file."""
    return Raw(f"<v>{text}</v>", style=style)


def formula(text: str, value: str | None = None) -> Raw:
    """A formula, with the value that was worked out last."""
    kept = "" if value is None else f"<v>{value}</v>"
    return Raw(f"<f>{escape(text)}</f>{kept}")


def error(text: str) -> Raw:
    """`#N/A` and the like."""
    return Raw(f"<v>{text}</v>", "e")


def grid(rows: Sequence[Sequence[str | Raw | None]], first: int = 1) -> str:
    """Rows as the XML of a sheet; None leaves a cell out."""
    xml: list[str] = []
    for row, cells in enumerate(rows, first):
        xml.append(f'<row r="{row}">')
        for column, cell in enumerate(cells):
            if cell is None:
                continue
            if isinstance(cell, str):
                cell = Raw(f'<is><t xml:space="preserve">{escape(cell)}</t></is>', "inlineStr")
            ref = f"{chr(65 + column)}{row}"
            style = f' s="{cell.style}"' if cell.style else ""
            xml.append(f'<c r="{ref}" t="{cell.type}"{style}>{cell.content}</c>')
        xml.append("</row>")
    return f'<worksheet xmlns="{MAIN}"><sheetData>{"".join(xml)}</sheetData></worksheet>'


def book(*rows: Sequence[str | Raw | None], formats: Sequence[str] = (), first: int = 1) -> bytes:
    """A workbook with one sheet; style 1 is the first of `formats`."""
    styles = formats_xml(*formats) if formats else None
    return raw_xlsx(grid(rows, first), styles=styles)


def cells(*rows: Sequence[Any]) -> dict[tuple[int, int], Any]:
    """Rows as the cells of an XLS sheet; None leaves a cell out."""
    return {
        (row, column): value
        for row, line in enumerate(rows)
        for column, value in enumerate(line)
        if value is not None
    }


def items(*rows: Sequence[str], names: Sequence[str] = HEAD, count: int | None = None) -> bytes:
    """XML with one line for each record, the first on line 2; cells are text."""
    said = "" if count is None else f' Count="{count}"'
    lines = [
        "<Item>"
        + "".join(f"<{n}>{escape(v)}</{n}>" for n, v in zip(names, row, strict=True))
        + "</Item>"
        for row in rows
    ]
    return "\n".join([f"<Shop><Items{said}>", *lines, "</Items></Shop>"]).encode()


def objects(*records: Mapping[str, Any] | str) -> bytes:
    """A JSON array with one line for each record, the first on line 2; text is taken as it is."""
    lines = [one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)
             for one in records]  # fmt: skip
    return ("[\n" + ",\n".join(lines) + "\n]").encode()


def lines(*records: Mapping[str, Any] | str) -> bytes:
    """JSON lines; text is taken as it is."""
    listed = [one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)
              for one in records]  # fmt: skip
    return ("\n".join(listed) + "\n").encode()


def parquet(names: Sequence[str], *columns: Any, **options: Any) -> bytes:
    """A Parquet file of arrays or lists; two columns may have one name."""
    target = io.BytesIO()
    arrays = [column if isinstance(column, pa.Array) else pa.array(column) for column in columns]
    pq.write_table(pa.Table.from_arrays(arrays, list(names)), target, **options)
    return target.getvalue()
