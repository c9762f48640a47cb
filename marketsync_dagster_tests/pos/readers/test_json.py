"""JSON and JSON lines: read exactly with their physical lines, or refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketsync_dagster.pos.readers.json import read_json, read_json_lines
from marketsync_dagster.pos.reasons import FILE_REASONS, ROW_REASONS
from marketsync_dagster.pos.tables import Kind, Limits, Table
from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster_tests.pos.readers.shown import Shown, shown

LIMITS = Limits()
T, N, B = Kind.TEXT, Kind.NUMBER, Kind.BOOLEAN


def read(data: bytes | str, *, lines: bool = False, **how: Any) -> Table:
    raw = data.encode() if isinstance(data, str) else data
    reader = read_json_lines if lines else read_json
    return reader(raw, file="p.json", **how)


@dataclass(frozen=True)
class Good:
    """A document, and what is in it."""

    name: str
    data: str
    columns: dict[str, list[str | None]]
    lines: list[int]
    kinds: dict[str, list[Kind]] = field(default_factory=dict)
    odd: list[tuple[int, str]] = field(default_factory=list)
    how: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, str] | None = None
    warnings: int = 0


AS_LINES = {"lines": True}
GOOD = [
    Good("an array", '[\n{"sku": "001"},\r\n{"sku": "002"}]', {"sku": ["001", "002"]}, [2, 3]),
    Good("CR line ends", '[\r{"sku": "1"},\r\r{"sku":\r"2"},{"sku": "3"}]',
         {"sku": ["1", "2", "3"]}, [2, 4, 5]),
    Good("all in one line", '[{"a": "1"},{"a": "2"}]', {"a": ["1", "2"]}, [1, 1]),
    Good("nothing", "[]", {}, []),
    Good("numbers as they are written", '[{"a": 1.50, "b": 12345678901234567890, "c": -0, '
         '"d": 1E+5, "e": 0.1000000000000000055511151231257827}]',
         {"a": ["1.50"], "b": ["12345678901234567890"], "c": ["-0"], "d": ["1E+5"],
          "e": ["0.1000000000000000055511151231257827"]}, [1],
         {"a": [N], "b": [N], "c": [N], "d": [N], "e": [N]}),
    Good("numbers that are none", '[{"a": NaN, "b": -Infinity}]', {"a": ["NaN"],
         "b": ["-Infinity"]}, [1], {"a": [N], "b": [N]}),
    Good("kinds", '[{"a": "1", "b": true}, {"a": 1, "b": "no"}, {"a": null, "b": false}]',
         {"a": ["1", "1", None], "b": ["true", "no", "false"]}, [1, 1, 1],
         {"a": [T, N, T], "b": [B, T, B]}),
    Good("another order and absent values", '[{"a": "1"}, {"b": "y", "a": "2"}, {}, {"c": ""}]',
         {"a": ["1", "2", None, None], "b": [None, "y", None, None],
          "c": [None, None, None, ""]}, [1, 1, 1, 1]),
    Good("nested values", '[{"p": {"v": 5.0, "c": {"d": "EUR"}}, "q": {}}]',
         {"p.v": ["5.0"], "p.c.d": ["EUR"]}, [1], {"p.v": [N]}),
    Good("lists of single values", '[{"a": ["x", 1, null, true], "b": [], "c": [7], "d": [null]}]',
         {"a": ["x|1|true"], "b": [""], "c": ["7"], "d": [None]}, [1], {"c": [N]}),
    Good("lists of objects", '[{"a": "1", "v": [{"sku": "2"}], "w": [["x"]]}]', {"a": ["1"]}, [1],
         warnings=1),
    Good("escapes", r'[{"a\u0062": "\u05d7\"\\\/\n\ud83d\ude00"}]', {"ab": ['ח"\\/\n😀']}, [1]),
    Good("half a character", r'[{"a": "\ud83d"}, {"\udc00": 1}, {"a": "ok\\ud83d"}]',
         {"a": ["ok\\ud83d"]}, [1], odd=[(1, "bad_record"), (1, "bad_record")]),
    Good("a NUL by its number", '[{"a": "1"},\n{"a": "x\\u0000"}]', {"a": ["1"]}, [1],
         odd=[(2, "bad_record")]),
    Good("a name twice", '[{"a": 1},\n{"a": 1, "a": 1},\n{"b": null, "b": 2},\n'
         '{"p.v": 1, "p": {"v": 2}}]', {"a": ["1"], "b": [None], "p.v": [None]}, [1], {"a": [N]},
         odd=[(2, "repeated_name"), (3, "repeated_name"), (4, "repeated_name")]),
    Good("what is no object", '[{"a": "1"},\nnull,\n5,\n["x"],\n"y"]', {"a": ["1"]}, [1],
         odd=[(2, "bad_record"), (3, "bad_record"), (4, "bad_record"), (5, "bad_record")]),
    Good("found below", '{"store": "028", "n": 3, "data": {"ok": true, "items": [\n{"a": "1"}]},'
         '"tags": ["x"], "none": null, "after": "z"}', {"a": ["1"]}, [2],
         facts={"store": "028", "n": "3", "ok": "true", "after": "z"}),
    Good("a path", '{"stores": [{"id": 1}], "data": {"items": [{"a": "1"}]}}', {"a": ["1"]}, [1],
         how={"records": "data.items"}),
    Good("the document itself", '[{"a": "1"}]', {"a": ["1"]}, [1], how={"records": ""}),
    Good("a path to an empty array", '{"data": {"items": []}, "x": [{"a": 1}]}', {}, [],
         how={"records": "data.items"}),
    Good("arrays in arrays are passed over",
         '{"x": [[{"a": 1}], [{"b": [[]]}]], "i": [{"a": "1"}]}',
         {"a": ["1"]}, [1]),
    Good("the number of records", '{"count": 2, "items": [{"a": "1"}, {"a": "2"}]}',
         {"a": ["1", "2"]}, [1, 1], facts={"count": "2"}),
    Good("another count", '{"page": {"count": 9}, "items": [{"a": "1"}]}', {"a": ["1"]}, [1]),
    Good("lines", '{"a": "1"}\n\r\n{"a": "2"}\r{"a": 3}', {"a": ["1", "2", "3"]}, [1, 3, 4],
         {"a": [T, T, N]}, how=AS_LINES),
    Good("a line that is no JSON", '{"a": "1"}\nnope\n[]\n{"a": "2"} {"a": "3"}\n{"a": "4"}\n',
         {"a": ["1", "4"]}, [1, 5], odd=[(2, "bad_record"), (3, "bad_record"), (4, "bad_record")],
         how=AS_LINES),
    Good("line separators of Unicode are no line ends", '{"a": "x\u2028y\x85"}\n{"a": "2"}\n',
         {"a": ["x\u2028y\x85", "2"]}, [1, 2], how=AS_LINES),
]  # fmt: skip


@pytest.mark.parametrize("good", GOOD, ids=lambda good: good.name)
def test_a_document_is_read_exactly(good: Good) -> None:
    table = read(good.data, **good.how)
    got = shown(table)
    assert {name: got.columns.get(name) for name in good.columns} == good.columns
    assert set(table.headers) == set(good.columns)
    assert got.lines == good.lines
    kinds = {name: found for name, found in got.kinds.items() if any(found)}
    assert kinds == {name: found for name, found in good.kinds.items() if any(found)}
    assert got.odd == good.odd
    assert all(reason in ROW_REASONS for _, reason in got.odd)
    assert len(table.warnings) == good.warnings
    if good.facts is not None:
        assert table.facts == good.facts


HEBREW = '[{"sku": "0012", "name": "חלב 3%"},\n{"sku": "0013", "name": "לחם"}]'


@pytest.mark.parametrize(
    ("codec", "said", "guessed"),
    [("utf-8", "utf-8", False), ("utf-8-sig", "utf-8-sig", False), ("utf-16", "utf-16", False),
     ("utf-16-le", "utf-16-le", False), ("utf-16-be", "utf-16-be", False),
     ("utf-32-le", "utf-32-le", False), ("cp1255", "cp1255", True)],
)  # fmt: skip
def test_the_encoding_is_told_by_the_bytes(codec: str, said: str, guessed: bool) -> None:
    for lines, text in [(False, HEBREW), (True, HEBREW[1:-1].replace(",\n", "\n"))]:
        table = read(text.encode(codec), lines=lines)
        assert shown(table).columns["name"] == ["חלב 3%", "לחם"]
        assert (table.encoding, table.guessed, bool(table.warnings)) == (said, guessed, guessed)


@dataclass(frozen=True)
class Bad:
    """A document that is refused: the code and words of the message."""

    name: str
    make: Callable[[], str | bytes]
    code: str
    says: str = ""
    how: dict[str, Any] = field(default_factory=dict)


TINY = {"limits": replace(LIMITS, token_bytes=1000)}
BAD = [
    Bad("brackets without end", lambda: "[" * 200_000, "too_deep", "deeper than 32"),
    Bad("objects without end", lambda: '{"a":' * 200_000, "too_deep"),
    Bad("brackets without end in a record", lambda: '[{"a":' + "[" * 200_000, "too_deep", "line 1"),
    Bad("deep objects in a record", lambda: '[\n{"a": 1},\n' + '{"a":' * 40 + "1" + "}" * 40 + "]",
        "too_deep", "line 3"),
    Bad("deep lines", lambda: '{"a": 1}\n' + '{"a":' * 3000, "too_deep", "line 2", AS_LINES),
    Bad("a string without end", lambda: '[{"a": "' + "x" * 6_000_000, "value_too_long", "line 1"),
    Bad("a long value", lambda: '[\n{"a": "' + "x" * 1500 + '"}]', "value_too_long", "line 2",
        TINY),
    Bad("a long record", lambda: '[\n{"a": "1"},\n{' + ",".join(f'"n{n}": 1' for n in range(90_000))
        + "}]", "value_too_long", "line 3", TINY),
    Bad("a long name", lambda: '[{"' + "x" * 1500 + '": 1}]', "value_too_long", "a name"),
    Bad("a long name outside", lambda: '{"' + "x" * 1500 + '": 1}', "value_too_long", "a name"),
    Bad("a long line", lambda: '{"a": "' + "x" * 6_000_000, "value_too_long", "line 1", AS_LINES),
    Bad("many names", lambda: "[" + ",".join(f'{{"n{n}": 1}}' for n in range(2100)) + "]",
        "too_wide", "2000"),
    Bad("many names outside", lambda: "{" + ",".join(f'"n{n}": 1' for n in range(2100)) + "}",
        "too_wide", "2000"),
    Bad("a name twice outside", lambda: '{"store": 1,\n"store": 2, "items": [{"a": 1}]}',
        "duplicate_header", "line 2: the name 'store'"),
    Bad("a comma too many", lambda: '[\n{"a": 1},\n]', "bad_json", "line 3"),
    Bad("a comma too many in an object", lambda: '{"a": 1,\n}', "bad_json", "line 2"),
    Bad("a comma too few", lambda: '[{"a": 1}\n{"a": 2}]', "bad_json", "line 2"),
    Bad("a comment", lambda: '[\n// prices\n{"a": 1}]', "bad_json", "line 2"),
    Bad("single quotes", lambda: "[{'a': 1}]", "bad_json", "line 1"),
    Bad("a leading zero", lambda: '[{"a": 1},\n{"a": 007}]', "bad_json", "line 2"),
    Bad("a line end in a string", lambda: '[{"a": "x\ny"}]', "bad_json", "control character"),
    Bad("a wrong escape", lambda: r'[{"a": "\x"}, {"a": "many more follow behind it"}]',
        "bad_json"),
    Bad("two documents", lambda: '[{"a": 1}]\n[{"a": 2}]', "bad_json", "line 2: there is more"),
    Bad("lines read as a document", lambda: '{"a": 1}\n{"a": 2}', "bad_json", "JSON lines"),
    Bad("a document read as lines", lambda: '[\n{"a": 1}\n]', "bad_json", "line 1, column 2",
        AS_LINES),
    Bad("lines of arrays", lambda: '["a", 1]\n["b", 2]', "no_records", "line 1", AS_LINES),
    Bad("half a last line", lambda: '{"a": 1}\n{"a": 2', "truncated", "line 2", AS_LINES),
    Bad("two arrays of objects", lambda: '{"promotions": [{"a": 1}],\n"items": [{"a": 2}]}',
        "ambiguous_records", "line 2: the records may be in `promotions` or in `items`"),
    Bad("one object", lambda: '{"a": 1}', "no_records", "no array of objects"),
    Bad("an array of numbers", lambda: "[1, 2]", "no_records"),
    Bad("no such path", lambda: '{"items": [{"a": 1}]}', "no_records", "`data.items`",
        {"records": "data.items"}),
    Bad("fewer records than it says", lambda: '{"items": [{"a": 1}], "count": 2}', "truncated",
        "declares 2 records and has 1"),
    Bad("NUL bytes", lambda: b'[{"a": 1},\n\0]', "nul_bytes", "line 2"),
    Bad("broken UTF-8", lambda: '[{"a": "Čaj žuti"},\n{"a": "š'.encode() + b'\xff"}]',
        "undecodable", "line 2"),
    Bad("empty", lambda: " \n", "empty"),
    Bad("too large", lambda: '[{"a": 1}]' * 9, "too_large", "20 bytes",
        {"limits": replace(LIMITS, file_bytes=20)}),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_document_that_cannot_be_trusted_is_refused_by_name(bad: Bad) -> None:
    with pytest.raises(ExtractError) as refusal:
        shown(read(bad.make(), **bad.how))
    assert refusal.value.code == bad.code, refusal.value.message
    assert bad.says in refusal.value.message
    assert "p.json" in refusal.value.message
    assert refusal.value.next_step == FILE_REASONS[bad.code]


WHOLE = json.dumps(
    {
        "store": "028",
        "ok": True,
        "nothing": None,
        "n": -1.5e-7,
        "items": [{"sku": f"{n:04}", "p": 1.25e3, "name": 'Tea "x" \u05d7', "t": [False, None]}
                  for n in range(30)],
        "after": {"x": [1, 2, {"y": [3]}]},
    },
    indent=1,
)  # fmt: skip


@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_document_that_is_cut_anywhere_is_truncated(ascii_only: bool) -> None:
    text = WHOLE if ascii_only else json.dumps(json.loads(WHOLE), ensure_ascii=False)
    whole = text.encode()
    ends = {*range(1, len(whole), 100), *range(1, 140), *range(len(whole) - 140, len(whole))}
    for end in sorted(ends):
        with pytest.raises(ExtractError) as refusal:
            shown(read(whole[:end]))
        assert refusal.value.code == "truncated", (end, whole[max(end - 20, 0) : end])


def test_lines_that_are_cut_inside_a_line_are_truncated() -> None:
    rows = [f'{{"sku": "{number:04}", "price": {number}.50}}' for number in range(40)]
    whole = "\n".join(rows).encode()
    for end in range(5, len(whole), 7):
        before = whole[:end].rpartition(b"\n")[2]
        if not before or before.endswith(b"}"):
            assert len(shown(read(whole[:end], lines=True)).lines) == whole[:end].count(b"}")
            continue
        with pytest.raises(ExtractError) as refusal:
            shown(read(whole[:end], lines=True))
        assert refusal.value.code == "truncated"


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64])
def test_pieces_of_any_size_give_the_same(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = '{"n": 12.5, "b": false,\r\n"items": [\r\n{"sku": "\\u05d7", "p": -1.5e3},\r\n\r\n{}]}'
    lines = '{"a": "1"}\r\n\r\n{"a": 22}\r{"a": "3"}'
    table = read(data)
    whole, whole_lines = shown(table), shown(read(lines, lines=True))
    monkeypatch.setattr("marketsync_dagster.pos.opening.CHUNK", chunk)
    again = read(data)
    assert shown(again) == whole
    assert again.facts == table.facts == {"n": "12.5", "b": "false"}
    assert shown(read(lines, lines=True)) == whole_lines


def test_blocks_are_small_and_a_path_is_read_like_bytes(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text("[" + ",\n".join(f'{{"a": {n}}}' for n in range(40_000)) + "]")
    got = shown(read_json(path, file="p.json"))
    assert got.blocks > 2
    assert got.lines == list(range(1, 40_001))
    assert got.columns["a"][39_999] == "39999"


LEAF = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(st.characters(codec="utf-8"), max_size=8)
).filter(lambda value: not isinstance(value, str) or "\0" not in value)
NAME = st.text(st.characters(codec="utf-8", exclude_characters="\0."), min_size=1, max_size=6)
CALM = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def as_cell(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower()


@CALM
@given(
    st.lists(st.dictionaries(NAME, LEAF, max_size=5), min_size=1, max_size=8),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_any_table_written_as_json_is_read_back_exactly(
    rows: list[dict[str, object]], codec: str, ascii_only: bool, lines: bool, end: str
) -> None:
    written = [json.dumps(row, ensure_ascii=ascii_only) for row in rows]
    text = end.join(written) if lines else f"[{f',{end}'.join(written)}]"
    table = read(text.encode(codec), lines=lines)
    got = shown(table)
    assert got.lines == list(range(1, len(rows) + 1))
    assert not got.odd
    for name in {name for row in rows for name in row}:
        assert got.columns[name] == [as_cell(row.get(name)) for row in rows]


@CALM
@given(
    st.text(alphabet='{}[]",:\\u0 \n1.eE-truefalsn', max_size=60),
    st.sampled_from(["", '[{"a": ', '{"x": [{"a": 1}, ', '{"a": 1}\n']),
    st.booleans(),
)
def test_arbitrary_text_is_read_or_refused_and_never_crashes(
    text: str, head: str, lines: bool
) -> None:
    refusal, got = None, Shown()
    try:
        got = shown(read(head + text, lines=lines))
    except ExtractError as error:
        refusal = error
    assert refusal is None or FILE_REASONS[refusal.code] == refusal.next_step
    assert all(len(cells) == len(got.lines) for cells in got.columns.values())
