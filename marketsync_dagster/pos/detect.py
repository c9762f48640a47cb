"""What a file is, by its first bytes and never by its name.

A name says what somebody meant, the bytes say what is there: `.gz` on plain XML and `.xls` on a
web page are everyday cases. What is known and not read is refused by its name.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from marketsync_dagster.pos.marks import marked
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.streams import BLANK, open_binary, readable
from marketsync_dagster.pos.tables import Limits
from marketsync_dagster.pos.zips import open_zip
from marketsync_dagster.values.errors import ExtractError

SAMPLE = 64 * 1024
_CONTROL = re.compile("[\x00-\x08\x0e-\x19\x1b]")
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_LOCAL_HEADER = re.compile(rb"PK\x03\x04.{22}(..)..", re.DOTALL)


class Format(StrEnum):
    """What a document may be; the lower ones are told so that they can be refused by name."""

    CSV = "csv"
    GZIP = "gzip"
    ZIP = "zip"
    XLSX = "xlsx"
    XLSB = "xlsb"
    ODS = "ods"
    XLS = "xls"
    XML = "xml"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"
    SPREADSHEET_XML = "spreadsheet_xml"
    HTML = "html"
    PDF = "pdf"
    SQLITE = "sqlite"


_TOLD = {
    Format.CSV: "CSV",
    Format.GZIP: "a gzip archive",
    Format.ZIP: "a ZIP archive",
    Format.XLSX: "a spreadsheet (XLSX)",
    Format.XLSB: "a binary spreadsheet (XLSB)",
    Format.ODS: "an OpenDocument spreadsheet (ODS)",
    Format.XLS: "an old spreadsheet (XLS)",
    Format.XML: "XML",
    Format.JSON: "JSON",
    Format.JSONL: "JSON lines",
    Format.PARQUET: "a Parquet file",
    Format.SPREADSHEET_XML: "a spreadsheet in Excel's XML of 2003",
    Format.HTML: "a web page",
    Format.PDF: "a PDF document",
    Format.SQLITE: "a SQLite database",
}
GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_MAGIC = (
    (GZIP_MAGIC, Format.GZIP),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Format.XLS),
    (b"PAR1", Format.PARQUET),
    *((magic, Format.ZIP) for magic in ZIP_MAGIC),
    (b"SQLite format 3\0", Format.SQLITE),
    (b"%PDF-", Format.PDF),
)
_UNKNOWN = (
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\x04\x22\x4d\x18", "an lz4 archive"),
    (b"PK\x07\x08", "one part of a split ZIP archive"),
    (b"PARE", "an encrypted Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"Obj\x01", "an Avro file"),
    (b"ORC", "an ORC file"),
    (b"{\\rtf", "an RTF document"),
    (b"%!PS", "a PostScript document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"MZ\x90\0", "a program"),
    (b"\x7fELF", "a program"),
)
_HTML = re.compile(
    r"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|table|meta|script|div|style)\b",
    re.IGNORECASE | re.DOTALL,
)
_ROOT_HTML = re.compile(r"<(?:!doctype\s+html|html)\b", re.IGNORECASE)
_OFFICE_XML = re.compile(r'progid\s*=\s*"Excel\.Sheet"|schemas-microsoft-com:office:spreadsheet')
_XML = re.compile(r"\s*<(?:\?xml\b|!--|!DOCTYPE\b|\?|[^\W\d][\w.:-]*[\s/>])", re.IGNORECASE)
_JSON_ARRAY = re.compile(r'\s*\[\s*(?:[{\["\]\d]|-\d|true\b|false\b|null\b|$)')
_JSON_OBJECT = re.compile(r'\s*\{\s*(?:"|\}|$)')
_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\]]', re.DOTALL)


def format_of(source: Path | bytes, file: str) -> Format:
    """The format of a document; text that is nothing else is CSV.

    Raises ExtractError: missing, unreadable, empty, and unknown_format where it is binary, or
    of a format that is known and not read. HTML, PDF, SQLite and Excel's old XML are returned.
    """
    with readable(file), open_binary(source) as stream:
        return _of(stream, file)


def told(form: Format) -> str:
    """A format as a sentence says it: `a web page`."""
    return _TOLD[form]


def is_archive(path: Path) -> bool:
    """Whether a file is an archive and not a spreadsheet or document that is packed like one."""
    try:
        return format_of(path, path.name) in (Format.GZIP, Format.ZIP)
    except ExtractError:
        return False


def _of(stream: BinaryIO, file: str) -> Format:
    head = stream.read(SAMPLE)
    if not head.strip(BLANK):
        # a long run of blanks is nobody's extract, whatever follows it
        raise refuse("empty", f"{file} is empty")
    for magic, form in _MAGIC:
        if form is Format.PARQUET and not _BINARY.search(head[4:64]):
            continue
        if head.startswith(magic):
            return _packed(stream, head, file) if form is Format.ZIP else form
    for magic, what in _UNKNOWN:
        if head.startswith(magic) and (len(magic) > 3 or not head[:256].isascii()):
            raise refuse("unknown_format", f"{file} is {what}")
    if head[257:262] == b"ustar":
        raise refuse("unknown_format", f"{file} is a tar archive")
    if b"%PDF-" in head[:1024].lstrip()[:16]:
        return Format.PDF
    text = _text(head)
    if len(_CONTROL.findall(text)) > len(text) // 20 + 2:
        raise refuse("unknown_format", f"{file} is neither text nor a known format")
    return _of_text(text)


def _packed(stream: BinaryIO, head: bytes, file: str) -> Format:
    """A ZIP, or a spreadsheet that is one; of a damaged one the first names tell."""
    try:
        with open_zip(stream, Limits(), file) as archive:
            names = set(archive.namelist())
    except ExtractError:
        # whoever reads it says what is wrong with it
        names = {
            head[found.end() : found.end() + int.from_bytes(found.group(1), "little")].decode(
                "latin-1"
            )
            for found in _LOCAL_HEADER.finditer(head)
        }
        if any(name.startswith("xl/") and name.endswith(".xml") for name in names):
            return Format.XLSX
    if "xl/workbook.xml" in names:
        return Format.XLSX
    if "xl/workbook.bin" in names:
        return Format.XLSB
    if head[30:].startswith(b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet"):
        return Format.ODS
    if "word/document.xml" in names or "ppt/presentation.xml" in names:
        raise refuse("unknown_format", f"{file} is a document or a presentation")
    return Format.ZIP


def _text(head: bytes) -> str:
    """The sample as text; of encodings that share ASCII only that part is right."""
    codec = marked(head)
    if codec == "utf-8-sig":
        return head[3:].decode("latin-1")
    return head.decode(codec or "latin-1", "replace").removeprefix("\ufeff")


def _of_text(text: str) -> Format:
    if _HTML.match(text):
        return Format.HTML
    if _XML.match(text):
        start = text[:4096]
        if _OFFICE_XML.search(start):
            return Format.SPREADSHEET_XML
        return Format.HTML if _ROOT_HTML.search(start) else Format.XML
    if _JSON_ARRAY.match(text):
        return Format.JSON
    if _JSON_OBJECT.match(text):
        return _of_objects(text)
    return Format.CSV


def _of_objects(text: str) -> Format:
    """JSON lines where a second object follows the first, or where there is one flat object."""
    depth = 0
    lists = False
    for token in _JSON_TOKEN.finditer(text):
        sign = token.group()
        if sign in "{[":
            depth += 1
            lists |= sign == "["
        elif sign in "}]":
            depth -= 1
            if depth == 0:
                rest = text[token.end() :].lstrip()
                if rest:
                    return Format.JSONL if rest.startswith("{") else Format.JSON
                flat = not lists and "\n" not in text[: token.end()].strip()
                return Format.JSONL if flat else Format.JSON
    return Format.JSON
