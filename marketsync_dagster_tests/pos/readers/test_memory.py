"""Large and hostile documents are read in little memory, measured in a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

MEASURE = """
import json, resource, sys
from pathlib import Path
from marketsync_dagster.pos.readers.json import read_json, read_json_lines
from marketsync_dagster.pos.readers.xml import read_xml
from marketsync_dagster.values.errors import ExtractError

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

for small in (read_xml(b"<r><i><a/></i><i/></r>", file="x"), read_json(b"[{}]", file="x")):
    list(small.blocks)
before = peak()
readers = {"xml": read_xml, "json": read_json, "jsonl": read_json_lines}
results = {}
for path in map(Path, sys.argv[1:]):
    records, code = 0, ""
    try:
        for block in readers[path.suffix[1:]](path, file=path.name).blocks:
            records += len(block.lines)
    except ExtractError as error:
        code = error.code
    results[path.name] = [records, code]
print(json.dumps({"grown": peak() - before, "results": results}))
"""
WORDS = "word " * 200


ENDLESS = [
    ("one.xml", b"<r><i><a>", b"x", "value_too_long"),
    ("attribute.xml", b"<r><i a='", b"x", "value_too_long"),
    ("name.xml", b"<r><", b"x", "value_too_long"),
    ("comment.xml", b"<r><!--", b"x", "value_too_long"),
    ("deep.xml", b"<r>", b"<a>", "too_deep"),
    ("one.json", b'[{"a": "', b"x", "value_too_long"),
    ("deep.json", b'[{"a":', b"[", "too_deep"),
    ("lists.json", b'[{"a":[', b"[],", "value_too_long"),
    ("one.jsonl", b'{"a": "', b"x", "value_too_long"),
]


def measured(*paths: Path) -> tuple[int, dict[str, list[object]]]:
    """By how many megabytes the process has grown; records and code of each document."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(done.stdout)
    return result["grown"], result["results"]


@pytest.mark.parametrize("form", ["xml", "json"])
def test_a_document_needs_no_memory_for_its_size(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"large.{form}"
    count = 48_000
    with path.open("w") as file:
        file.write("<r>" if form == "xml" else "[")
        for number in range(count):
            if form == "xml":
                file.write(f"<i><a>{number}</a><b>{WORDS}</b></i>\n")
            else:
                file.write(f'{"," if number else ""}{{"a": {number}, "b": "{WORDS}"}}\n')
        file.write("</r>" if form == "xml" else "]")
    grown, results = measured(path)
    assert results[path.name] == [count, ""]
    # a block of 32 MB of text at most, and what it is made from
    assert grown < 90


def test_one_line_without_end_needs_little_memory(tmp_path: Path) -> None:
    paths = []
    for name, start, rest, _ in ENDLESS:
        path = tmp_path / name
        path.write_bytes(start + rest * (12 * 2**20 // len(rest)))
        paths.append(path)
    grown, results = measured(*paths)
    assert {name: code for name, (_, code) in results.items()} == {
        name: code for name, _, _, code in ENDLESS
    }
    assert grown < 200
