"""What attacks the reader is refused by name, in little memory and time, in a child with limits."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.read import read_extract
from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster_tests.pos.corpus.builders import grid, lines, parquet
from marketsync_dagster_tests.pos.readers.workbooks import raw_xlsx

MEMORY = 400 * 2**20
"""What the child may ask for beyond what it has when it begins to read."""
SECONDS = 20
READ = """
import json, resource, sys, time
from pathlib import Path
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.read import read_extract
from marketsync_dagster.values.errors import ExtractError

read_extract(b"sku,price\\n1,2\\n", ExtractSpec(), file="first.csv")
read_extract(b'[{"sku": "1", "price": 2}]', ExtractSpec(), file="first.json")
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]), used + int(sys.argv[1])))
found = {}
for path in map(Path, sys.argv[2:]):
    started = time.monotonic()
    try:
        extract = read_extract(path, ExtractSpec(), file=path.name)
        code = f"read {extract.records} {extract.accepted} {extract.rejected}"
    except ExtractError as error:
        code = error.code
    except BaseException as error:
        code = repr(error)[:300]
    found[path.name] = [code, time.monotonic() - started]
print(json.dumps(found))
"""
GIGABYTE = 2**30


def hole(start: bytes, end: bytes) -> Callable[[BinaryIO], None]:
    """A gigabyte of NULs between two pieces, which takes no place on the disk."""

    def write(file: BinaryIO) -> None:
        file.write(start)
        file.seek(GIGABYTE, os.SEEK_CUR)
        file.write(end)

    return write


def repeated(start: bytes, piece: bytes, size: int, end: bytes = b"") -> Callable[[BinaryIO], None]:
    """A piece many times between two others."""

    def write(file: BinaryIO) -> None:
        file.write(start)
        many = piece * (2**20 // len(piece))
        file.writelines(many for _ in range(size // len(many)))
        file.write(end)

    return write


def made(make: Callable[[], bytes]) -> Callable[[BinaryIO], None]:
    """A file that takes a while to make: not before it is wanted."""

    def write(file: BinaryIO) -> None:
        file.write(make())

    return write


def bomb(level: int = 9, size: int = GIGABYTE, piece: bytes = b"A,1\n") -> bytes:
    """A gzip file that becomes `size`."""
    packer = zlib.compressobj(level, wbits=31)
    many = piece * (2**22 // len(piece))
    packed = packer.compress(b"sku,price\n")
    return packed + b"".join(packer.compress(many) for _ in range(size // 2**22)) + packer.flush()


def zip_bomb() -> bytes:
    """A ZIP file whose members become 256 MB together, each of them a little less than refused."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(256):
            archive.writestr(f"{number}.csv", bytes(2**20))
    return target.getvalue()


def wide_sheet() -> bytes:
    """300 rows, each with a value in the first column and in the last that is allowed."""
    rows = "".join(
        f'<row r="{r}"><c r="A{r}"><v>1</v></c><c r="BXX{r}"><v>1</v></c></row>'
        for r in range(2, 300)
    )
    return raw_xlsx(grid([("sku", "price")]).replace("</sheetData>", rows + "</sheetData>"))


def same_value() -> bytes:
    """200 times the same megabyte, kept once."""
    return parquet(("sku", "name", "price"), ["A"] * 200, ["x" * 10**6] * 200, [1.0] * 200)


FILES: dict[str, tuple[bytes | Callable[[BinaryIO], None], str]] = {
    "line.csv": (hole(b"sku,price\nA,", b",1\n"), "unknown_format"),
    "late.csv": (hole(b"sku,price\n" + b"A,1\n" * 20_000 + b"B,", b",1\n"), "nul_bytes"),
    "nothing.csv": (hole(b"", b""), "empty"),
    "header.csv": (repeated(b"sku,price", b"x", 2**24), "line_too_long"),
    "value.csv": (repeated(b"sku,price\nA,", b"9", 2**26, b"\n"), "line_too_long"),
    "quote.csv": (repeated(b'sku,price\nA,"', b"x\n", 2**24), "unbalanced_quote"),
    "fields.csv": (repeated(b"sku,price\nA,1", b",", 2**24), "line_too_long"),
    "headers.csv": (b"sku,price" + b",x" * 2**17 + b"\nA,1\n", "too_wide"),
    "line.json": (hole(b'[{"sku": "', b'"}]'), "unknown_format"),
    "value.json": (repeated(b'[{"sku": "', b"x", 2**25, b'"}]'), "value_too_long"),
    "deep.json": (repeated(b'[{"sku": ', b"[", 2**22), "too_deep"),
    "numbers.json": (repeated(b'[{"sku": 1, "price": ', b"9", 2**22, b"}]"), "value_too_long"),
    "names.json": (repeated(b'[{"a": 1', b', "a": 1', 2**22, b"}]"), "value_too_long"),
    "line.jsonl": (repeated(lines({"sku": 1}) + b'{"sku": "', b"x", 2**24), "value_too_long"),
    "line.xml": (hole(b"<l><i><sku>", b"</sku></i></l>"), "unknown_format"),
    "value.xml": (repeated(b"<l><i><sku>", b"x", 2**25), "value_too_long"),
    "attribute.xml": (repeated(b'<l><i sku="', b"x", 2**24), "value_too_long"),
    "deep.xml": (repeated(b"<l>", b"<a>", 2**22), "too_deep"),
    "comment.xml": (repeated(b"<l><i/><!--", b"x", 2**24), "value_too_long"),
    "bomb.csv.gz": (made(bomb), "archive_bomb"),
    "bomb.zip": (made(zip_bomb), "archive_bomb"),
    "wide.xlsx": (made(wide_sheet), "nothing_accepted"),
    "same.parquet": (made(same_value), "archive_bomb"),
}  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_hostile_files_are_refused_in_bounded_memory_and_time(tmp_path: Path) -> None:
    paths = []
    for name, (content, _) in FILES.items():
        paths.append(tmp_path / name)
        with paths[-1].open("wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                content(file)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(MEMORY), *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    found = json.loads(done.stdout)
    assert {name: code for name, (code, _) in found.items()} == {
        name: code for name, (_, code) in FILES.items()
    }
    assert max(seconds for _, seconds in found.values()) < SECONDS


def test_a_parquet_value_that_is_not_in_its_dictionary_is_refused() -> None:
    data = parquet(("sku", "price"), ["A1", "B2", "C3"] * 4, ["1.50"] * 12)
    said: set[str] = set()
    for place in range(4, data.index(b"PAR1", 4) // 2):
        changed = bytearray(data)
        changed[place] ^= 0x88
        try:
            read_extract(bytes(changed), ExtractSpec(), file="till.parquet")
        except ExtractError as error:
            said.add(error.message.split(": ")[-1])
    assert "a value is not in its dictionary" in said
