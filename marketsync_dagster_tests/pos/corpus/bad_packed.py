"""Archives, and files of formats that are not read: refused, or rejected under a member's name."""

from __future__ import annotations

import struct
import zipfile

from marketsync_dagster_tests.pos.corpus.bad_csv import GOOD, HEAD
from marketsync_dagster_tests.pos.corpus.builders import linked, packed, zipped
from marketsync_dagster_tests.pos.corpus.cases import Refused, Rejected

CSV = HEAD + GOOD
BAD = CSV + b"B1,Bad,oops\n"
ENTRY = "2026-11-20.zip/branch/till.csv"


def overlapping() -> bytes:
    """Two entries of the directory that share one member's bytes."""
    data = zipped({"a.csv": CSV, "b.csv": CSV})
    start = data.index(b"PK\1\2")
    second = data.index(b"PK\1\2", start + 1)
    changed = bytearray(data)
    changed[second + 42 : second + 46] = struct.pack("<I", 0)
    return bytes(changed)


def lying() -> bytes:
    """A member that declares fewer bytes than come out, in the directory and before the member."""
    data = bytearray(zipped({"a.csv": CSV}))
    place = data.index(b"PK\1\2")
    for at in (22, place + 24):
        data[at : at + 4] = struct.pack("<I", 5)
    return bytes(data)


def with_password() -> bytes:
    """A member that is marked as encrypted."""
    data = bytearray(zipped({"a.csv": CSV}))
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    return bytes(data)


def damaged() -> bytes:
    """A gzip file whose checksum is that of something else."""
    data = bytearray(packed(CSV))
    data[-8] ^= 1
    return bytes(data)


def z(name: str, members: dict[str, bytes], code: str, says: str = "") -> Refused:
    """A ZIP file that is refused."""
    return Refused(name, lambda: zipped(members), code, says, file="2026-11-20.zip")


def gz(name: str, data: bytes, code: str, says: str = "") -> Refused:
    """A gzip file that is refused."""
    return Refused(name, data, code, says, file="till.csv.gz")


def other(name: str, data: bytes, says: str, file: str = "till.csv") -> Refused:
    """A file of a format that is known and not read."""
    return Refused(name, data, "unknown_format", says, file=file)


REFUSED = [
    gz("gzip that is cut off", packed(CSV * 500)[:-9], "truncated", "cut off"),
    gz("gzip cut off in its checksum", packed(CSV)[:-3], "truncated", "cut off"),
    gz("gzip with a wrong checksum", damaged(), "damaged_archive"),
    gz("gzip with something behind it", packed(CSV) + b"more", "damaged_archive"),
    gz("gzip that is no gzip", b"\x1f\x8b\x08aaaa", "damaged_archive"),
    gz("gzip bomb", packed(bytes(3 * 2**20)), "archive_bomb", "200 times"),
    gz("gzip of one long line", packed(b"sku,price\nA," + b"9" * 3 * 2**20), "archive_bomb"),
    gz("gzip in gzip", packed(packed(CSV)), "nested_archive", "gzip archive itself"),
    gz("ZIP in gzip", packed(zipped({"a.csv": CSV})), "nested_archive", "ZIP archive itself"),
    gz("gzip of nothing", packed(b""), "empty"),
    gz("gzip of a header", packed(HEAD), "header_only"),
    z("ZIP bomb", {"a.csv": bytes(3 * 2**20)}, "archive_bomb", "200 times"),
    z("ZIP in ZIP", {"a.zip": zipped({"a.csv": CSV})}, "nested_archive", "a.zip is a ZIP archive"),
    z("a member above the archive", {"../till.csv": CSV}, "unsafe_member", "'../till.csv'"),
    z("a member above in the middle", {"a/../../b.csv": CSV}, "unsafe_member"),
    z("a member with an absolute name", {"/etc/till.csv": CSV}, "unsafe_member"),
    z("a member on a drive", {"C:/till.csv": CSV}, "unsafe_member"),
    z("a member with backslashes", {"..\\till.csv": CSV}, "unsafe_member"),
    z("a member with a line break", {"a\n.csv": CSV}, "unsafe_member"),
    Refused("a member that is a link", linked("till.csv", "/etc/passwd"), "unsafe_member", "a link",
            file="2026-11-20.zip"),
    Refused("a member twice", lambda: zipped([("a.csv", CSV), ("a.csv", BAD)]), "duplicate_member",
            "'a.csv' is there twice", file="2026-11-20.zip"),
    Refused("a member with a password", with_password(), "encrypted", "a.csv", file="x.zip"),
    Refused("a member packed by LZMA", lambda: zipped({"a.csv": CSV}, zipfile.ZIP_LZMA),
            "unknown_compression", "method 14", file="x.zip"),
    Refused("members that share bytes", overlapping(), "archive_bomb", "overlaps", file="x.zip"),
    Refused("a member that declares too little", lying(), "damaged_archive", "a.csv", file="x.zip"),
    Refused("10,001 members", lambda: zipped({f"{i}": b"" for i in range(10_001)}, 0),
            "too_many_members", "10001", file="x.zip"),
    Refused("a ZIP that is cut off", zipped({"a.csv": CSV * 50})[:-30], "truncated", file="x.zip"),
    z("a ZIP without files", {"a/": b""}, "empty"),
    z("a ZIP of a header", {"a.csv": HEAD}, "header_only"),
    z("a ZIP of a picture", {"a.csv": b"\x89PNG\r\n\x1a\n"}, "unknown_format", "a.csv"),
    other("a 7-Zip archive", b"7z\xbc\xaf\x27\x1c\0\4", "7-Zip"),
    other("a RAR archive", b"Rar!\x1a\x07\x01\0", "RAR"),
    other("a zstd archive", b"\x28\xb5\x2f\xfd\x04\x00", "zstd"),
    other("a tar archive", b"till.csv".ljust(257, b"\0") + b"ustar\x0000" + bytes(248), "tar"),
    other("a web page", b"<!DOCTYPE html><html>", "web page"),
    other("a table of a web page", b"<table><tr><td>sku</td><td>price</td></tr></table>",
          "web page", "till.xls"),
    other("an XML workbook of 2003",
          b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>'
          b'<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>', "", "till.xls"),
    other("a PDF document", b"%PDF-1.7 aaa", "PDF"),
    other("a SQLite database", b"SQLite format 3\0" + bytes(84), "SQLite"),
    other("an Avro file", b"Obj\x01\x04\x14avro.codec", "Avro"),
    other("a text document", zipped({"word/document.xml": b"<a/>"}), "document"),
    other("random bytes", bytes(range(256)) * 3, ""),
]  # fmt: skip

REJECTED = [
    Rejected("a bad row in a gzip file", packed(BAD), [(3, "price", "oops", "bad_price")],
             file="till.csv.gz"),
    Rejected("a bad row in a ZIP file", lambda: zipped({"branch/till.csv": BAD}),
             [(3, "price", "oops", "bad_price")], file="2026-11-20.zip", told=ENTRY),
    Rejected("a bad row under the name of another format", packed(BAD),
             [(3, "price", "oops", "bad_price")], file="till.xlsx"),
    Rejected("a bad row in a gzip file of two parts", packed(CSV) + packed(b"B1,Bad,oops\n"),
             [(3, "price", "oops", "bad_price")], file="till.csv.gz"),
]  # fmt: skip
