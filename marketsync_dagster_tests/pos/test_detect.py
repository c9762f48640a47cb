"""What a file is, by its bytes."""

from __future__ import annotations

import gzip
import io
import sqlite3
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from marketsync_dagster.pos.detect import Format, format_of, is_archive
from marketsync_dagster.values.errors import ExtractError


def zipped(*names: str, first: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, first or b"<x/>")
    return buffer.getvalue()


def parquet() -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pa.table({"sku": ["1"]}), buffer)
    return buffer.getvalue()


ODS = b"application/vnd.oasis.opendocument.spreadsheet"
HEBREW = "<Root><שם>חלב</שם></Root>"
FORMATS = [
    (b"sku,price\n1,2\n", Format.CSV),
    ("\ufeffsku;price\n".encode(), Format.CSV),
    ("sku\tprice\n1\t2\n".encode("utf-16"), Format.CSV),
    ("sku\tprice\n1\t2\n".encode("utf-16-le"), Format.CSV),
    (b"sku\x1fprice\x1e1\x1f2\x1e", Format.CSV),
    (b"[sku],[price]\n1,2\n", Format.CSV),
    (b"{sku},{price}\n1,2\n", Format.CSV),
    (b"PAR1,PAR2\n1,2\n", Format.CSV),
    (b"ORCODE,PRICE\n1,2\n", Format.CSV),
    (b"BZh,price\n1,2\n", Format.CSV),
    (b"sku,price\n1,<b>2</b>\n", Format.CSV),
    (b"sku,\0price\n1,2\n" + b"1,2\n" * 30, Format.CSV),
    ("\u05de\u05e7\u05d8;\u05de\u05d7\u05d9\u05e8\n".encode("cp1255"), Format.CSV),
    (gzip.compress(b"x"), Format.GZIP),
    (zipped("a.csv"), Format.ZIP),
    (b"PK\x05\x06" + bytes(18), Format.ZIP),
    (zipped("[Content_Types].xml", "xl/workbook.xml"), Format.XLSX),
    (zipped("docProps/app.xml", "xl/workbook.xml"), Format.XLSX),
    (zipped("[Content_Types].xml", "xl/workbook.xml")[:-30], Format.XLSX),
    (zipped("[Content_Types].xml", "xl/worksheets/sheet1.xml", "xl/workbook.xml")[:150],
     Format.XLSX),
    (zipped("a.csv", "b.csv")[:-30], Format.ZIP),
    (zipped("[Content_Types].xml", "xl/workbook.bin"), Format.XLSB),
    (zipped("mimetype", "content.xml", first=ODS), Format.ODS),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), Format.XLS),
    (b"<?xml version='1.0'?><Root/>", Format.XML),
    (b"\r\n <?xml version='1.0'?><Root/>", Format.XML),
    (b"<Root><a/></Root>", Format.XML),
    (b"<a:Root xmlns:a='x'/>", Format.XML),
    (b"<!-- prices --><Root/>", Format.XML),
    (b"<?xml version='1.0'?><!DOCTYPE bomb []><bomb/>", Format.XML),
    (HEBREW.encode("utf-16"), Format.XML),
    (HEBREW.encode("utf-16-be"), Format.XML),
    (f'<?xml version="1.0"?>{HEBREW}'.encode("cp1255"), Format.XML),
    (b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?><Workbook/>',
     Format.SPREADSHEET_XML),
    (b"<!DOCTYPE html><html>", Format.HTML),
    (b"\n<HTML><body>", Format.HTML),
    (b"<table><tr><td>sku</td></tr></table>", Format.HTML),
    (b"<!-- x --> <html>", Format.HTML),
    (b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "x"><html/>', Format.HTML),
    (b'[{"sku": 1}]', Format.JSON),
    (b"[]", Format.JSON),
    (b'\xef\xbb\xbf {"items": [\n{"sku": 1}]}', Format.JSON),
    (b'{"items": [{"sku": 1', Format.JSON),
    (b'{\n  "sku": 1\n}\n', Format.JSON),
    (b'{"sku": "1"}\n{"sku": "2"}\n', Format.JSONL),
    (b'{"sku": "}"}\r\n\r\n{"sku": "2"}', Format.JSONL),
    (b'{"sku": "1", "tags": ["a"]}\n{"sku"', Format.JSONL),
    (b'{"sku": "1"}', Format.JSONL),
    ('{"sku": "1"}\n{"sku": "2"}\n'.encode("utf-16"), Format.JSONL),
    (parquet(), Format.PARQUET),
    (b"%PDF-1.7\n", Format.PDF),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "form"), FORMATS, ids=[f"{form} {place}" for place, (_, form) in enumerate(FORMATS)]
)
def test_the_bytes_tell_the_format(data: bytes, form: Format, tmp_path: Path) -> None:
    assert format_of(data, "x.csv") is form
    named = tmp_path / "prices.csv"
    named.write_bytes(data)
    assert format_of(named, named.name) is form
    assert is_archive(named) is (form in (Format.GZIP, Format.ZIP))


def test_a_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "till.csv"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE a (b)")
    database.close()
    assert format_of(path, path.name) is Format.SQLITE


@pytest.mark.parametrize(
    ("data", "code", "says"),
    [
        (b"", "empty", "x.csv is empty"),
        (b"\xef\xbb\xbf\r\n \t", "empty", ""),
        (b"7z\xbc\xaf\x27\x1c\0\4" + bytes(30), "unknown_format", "7-Zip"),
        (b"Rar!\x1a\x07\x01\0", "unknown_format", "RAR"),
        (b"BZh91AY&SY\xff\xe2", "unknown_format", "bzip2"),
        (b"\xfd7zXZ\0\0", "unknown_format", "xz"),
        (b"\x28\xb5\x2f\xfd\0", "unknown_format", "zstd"),
        (b"{\\rtf1\\ansi", "unknown_format", "RTF"),
        (b"\x89PNG\r\n\x1a\n", "unknown_format", "picture"),
        (b"prices.csv" + bytes(247) + b"ustar\x0000" + bytes(400), "unknown_format", "tar"),
        (bytes(range(256)) * 4, "unknown_format", "neither text"),
        (zipped("[Content_Types].xml", "word/document.xml"), "unknown_format", "document"),
        (b"ARROW1\0\0", "unknown_format", "Arrow"),
    ],
    ids=lambda case: repr(case)[:30],
)
def test_what_is_not_read_is_refused_by_its_name(data: bytes, code: str, says: str) -> None:
    with pytest.raises(ExtractError) as refusal:
        format_of(data, "x.csv")
    assert (refusal.value.code, says in refusal.value.message) == (code, True)


def test_what_is_not_there_or_no_file_is_refused(tmp_path: Path) -> None:
    device = Path("/dev/zero")  # it has no end
    for path, code in [
        (tmp_path / "none.csv", "missing"), (tmp_path, "unreadable"), (device, "unreadable"),
    ]:  # fmt: skip
        with pytest.raises(ExtractError) as refusal:
            format_of(path, path.name)
        assert refusal.value.code == code
