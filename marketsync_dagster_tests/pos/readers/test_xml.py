"""XML documents: read exactly with their physical lines, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketsync_dagster.pos.readers.xml import read_xml
from marketsync_dagster.pos.reasons import FILE_REASONS
from marketsync_dagster.pos.tables import Limits, Table
from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster_tests.pos.readers.shown import Shown, shown

LIMITS = Limits()
ITEMS = """<?xml version="1.0" encoding="UTF-8"?>
<Root>
  <ChainId>7290000000000</ChainId><StoreId>001</StoreId>
  <Items Count="2">
    <Item><ItemCode>0012</ItemCode><ItemNm>חלב 3%</ItemNm><ItemPrice>5.90</ItemPrice></Item>
    <Item>
      <ItemCode>0013</ItemCode><ItemNm>Tea &amp; milk</ItemNm><ItemPrice>12</ItemPrice>
    </Item>
  </Items>
</Root>
"""
CODES: list[str | None] = ["0012", "0013"]


def read(data: bytes | str, **how: Any) -> Table:
    return read_xml(data.encode() if isinstance(data, str) else data, file="p.xml", **how)


@dataclass(frozen=True)
class Good:
    """A document, and what is in it."""

    name: str
    data: bytes
    columns: dict[str, list[str | None]]
    lines: list[int]
    how: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, str] | None = None
    declared: int | None = None


def two(inner: str, **more: Any) -> bytes:
    return f"<r><i><a>1</a>{inner}</i>\n<i><a>2</a></i></r>".encode()


GOOD = [
    Good("what is repeated in a product is none itself",
         b"<r><i><id>1</id><price>2</price><s><c>KE</c><price>9</price></s>"
         b"<s><c>UG</c><price>8</price></s></i>\n<i><id>2</id><price>3</price>"
         b"<s><c>KE</c><price>7</price></s></i></r>",
         {"id": ["1", "2"], "price": ["2", "3"], "s/c": ["KE|UG", "KE"],
          "s/price": ["9|8", "7"]}, [1, 2]),
    Good("items", ITEMS.encode(),
         {"ItemCode": CODES, "ItemNm": ["חלב 3%", "Tea & milk"], "ItemPrice": ["5.90", "12"]},
         [5, 6], facts={"ChainId": "7290000000000", "StoreId": "001"}, declared=2),
    Good("CRLF line ends", ITEMS.replace("\n", "\r\n").encode(),
         {"ItemCode": CODES, "ItemNm": ["חלב 3%", "Tea & milk"], "ItemPrice": ["5.90", "12"]},
         [5, 6]),
    Good("CR line ends and blank lines before the declaration",
         b"\r\r" + ITEMS.replace("\n", "\r").encode(),
         {"ItemCode": CODES, "ItemNm": ["חלב 3%", "Tea & milk"], "ItemPrice": ["5.90", "12"]},
         [7, 8]),
    Good("all in one line", b"<r><i><a>1</a></i><i><a>2</a></i></r>", {"a": ["1", "2"]}, [1, 1]),
    Good("attributes", b"<r>\n<i a='01' b=\"x &lt; y\"/>\n<i b='' A='2'/></r>",
         {"@a": ["01", "2"], "@b": ["x < y", ""]}, [2, 3]),
    Good("a record over many lines", b"<r>\n\n<i>\n<a>1</a>\n</i><i>\n\n<a>2</a></i></r>",
         {"a": ["1", "2"]}, [3, 5]),
    Good("another order and absent values",
         b"<r><i><a>1</a><b>x</b></i><i><b>y</b></i><i><c/><a>3</a></i></r>",
         {"a": ["1", None, "3"], "b": ["x", "y", None], "c": [None, None, ""]}, [1, 1, 1]),
    Good("namespaces and case",
         b"<s:R xmlns:s='u' xmlns='d'><s:I s:k='1'><s:A>1</s:A></s:I><I K='2'><a>2</a></I></s:R>",
         {"@k": ["1", "2"], "A": ["1", "2"]}, [1, 1]),
    Good("names of XML itself", b"<r xmlns:xsi='u'><i xml:lang='en'><a xsi:nil='true'/></i>"
         b"<i><a>2</a></i></r>", {"a": ["", "2"]}, [1, 1]),
    Good("CDATA and references", two("<b><![CDATA[5 < 6 & ]]>&#x20AC;&quot;</b>"),
         {"a": ["1", "2"], "b": ['5 < 6 & €"', None]}, [1, 2]),
    Good("comments and instructions", two("<!-- <a>9</a> --><?x <a>9</a>?>"), {"a": ["1", "2"]},
         [1, 2]),
    Good("a comment inside a value", two("<b>1<!-- 9 -->2</b>"),
         {"a": ["1", "2"], "b": ["12", None]}, [1, 2]),
    Good("repeated children", two("<b>x</b><b>y</b><B>z</B>"),
         {"a": ["1", "2"], "b": ["x|y|z", None]}, [1, 2]),
    Good("nested values", two("<p c='EUR'><v>5</v><w><x>6</x></w></p>"),
         {"a": ["1", "2"], "p/@c": ["EUR", None], "p/v": ["5", None], "p/w/x": ["6", None]},
         [1, 2]),
    Good("text between elements", two("<p>about <b>5</b></p>"),
         {"a": ["1", "2"], "p/b": ["5", None], "p": ["about ", None]}, [1, 2]),
    Good("blanks are kept", two("<b> x\n</b><c> </c>"),
         {"a": ["1", "2"], "b": [" x\n", None], "c": [" ", None]}, [1, 3]),
    Good("records of text alone", b"<r><i>5</i><i>6</i></r>", {"i": ["5", "6"]}, [1, 1],
         {"records": ["i"]}),
    Good("one record", b"<r><Id>7</Id><list><i><a>1</a><b>2</b></i></list></r>",
         {"a": ["1"], "b": ["2"]}, [1], facts={"Id": "7"}),
    Good("no records", b"<r><Id>7</Id><Items Count='0'></Items></r>", {}, [], declared=0),
    Good("no records and no list", b"<r/>", {}, []),
    Good("no records where they are said to be", b"<r><Id>7</Id><Items/></r>", {}, [],
         {"records": ["Items/Item"]}, facts={"Id": "7", "Items": ""}),
    Good("the records of a path among others",
         b"<r><S><I><a>x</a></I><I><a>y</a></I></S><P><I><a>1</a></I><I><a>2</a></I></P></r>",
         {"a": ["1", "2"]}, [1, 1], {"records": ["p/i"]}),
    Good("a path from the root", b"<r><i><a>1</a><x><r><i><a>9</a></i></r></x></i></r>",
         {"a": ["1"], "x/r/i/a": ["9"]}, [1], {"records": ["/r/i"]}),
    Good("one of several paths", b"<r><Products><Product><a>1</a></Product></Products></r>",
         {"a": ["1"]}, [1], {"records": ["Items/Item", "Products/Product"]}),
    Good("chosen fields", b"<r><Store id='9'><No>028</No><Items>"
         b"<i k='K'><a>1</a><p><v>5</v></p>text</i></Items></Store></r>",
         {"store": ["028"], "of": ["9"], "key": ["K"], "sku": ["1"], "price": ["5"],
          "own": ["text"]}, [1],
         {"records": ["i"], "fields": {"sku": "A", "price": "p/V", "key": "@K", "own": ".",
                                       "store": "../../no", "of": "../../@ID", "none": "zzz"}}),
    Good("several stores in one document",
         b"<r><S><No>1</No><i><a>1</a></i></S><S><No>2</No><i><a>2</a></i><i><a>3</a></i></S></r>",
         {"store": ["1", "2", "2"], "a": ["1", "2", "3"]}, [1, 1, 1],
         {"records": ["S/i"], "fields": {"store": "../No", "a": "a"}}, facts={}),
    Good("flat records beside a nested head",
         b"<r><Head><x>1</x><y>2</y></Head><L><i a='1'/><i a='2'/></L></r>", {"@a": ["1", "2"]},
         [1, 1], facts={"x": "1", "y": "2"}),
    Good("one fact under two paths", b"<r><A><n>1</n></A><B><n>2</n></B><L><i><a>1</a></i><i/></L>"
         b"</r>", {"a": ["1", None]}, [1, 1], facts={"r/A/n": "1", "r/B/n": "2"}),
    Good("counts of several lists are added",
         b"<r><L Count='1'><i><a>1</a></i></L><L count='2'><i><a>2</a></i><i><a>3</a></i></L></r>",
         {"a": ["1", "2", "3"]}, [1, 1, 1], {"records": ["L/i"]}, declared=3),
]  # fmt: skip


@pytest.mark.parametrize("good", GOOD, ids=lambda good: good.name)
def test_a_document_is_read_exactly(good: Good) -> None:
    table = read(good.data, **good.how)
    got = shown(table)
    assert got.columns == good.columns
    assert got.lines == good.lines
    assert set(table.headers) == set(good.columns)
    if good.facts is not None:
        assert table.facts == good.facts
    if good.declared is not None:
        assert table.declared == good.declared


SHEKEL = ITEMS.replace("Tea", "₪ Tea")
ENCODINGS: list[tuple[str, bytes, str, bool]] = [
    ("UTF-8", ITEMS.encode(), "utf-8", False),
    ("UTF-8 with a mark", ITEMS.encode("utf-8-sig"), "utf-8-sig", False),
    ("UTF-16 that says so", ITEMS.replace("UTF-8", "utf-16").encode("utf-16"), "utf-16", False),
    ("UTF-16 that says UTF-8", ITEMS.encode("utf-16"), "utf-16", False),
    ("big-endian UTF-16", b"\xfe\xff" + ITEMS.encode("utf-16-be"), "utf-16", False),
    ("UTF-16 without a mark", ITEMS.encode("utf-16-le"), "utf-16-le", False),
    ("UTF-32 without a mark", ITEMS.encode("utf-32-be"), "utf-32-be", False),
    ("windows-1255", ITEMS.replace("UTF-8", "windows-1255").encode("cp1255"), "cp1255", False),
    ("ISO-8859-8", ITEMS.replace("UTF-8", "ISO-8859-8-I").encode("iso8859-8"), "iso8859-8", False),
    ("windows-1255 that says ISO-8859-8",
     SHEKEL.replace("UTF-8", "ISO-8859-8").replace("₪", "€").encode("cp1255"), "cp1255", False),
    ("UTF-8 that says windows-1255", ITEMS.replace("UTF-8", "windows-1255").encode(), "utf-8",
     False),
    ("windows-1255 that says UTF-8", ITEMS.encode("cp1255"), "cp1255", True),
    ("windows-1255 that says nothing",
     ITEMS.replace(' encoding="UTF-8"', "").encode("cp1255"), "cp1255", True),
    ("windows-1255 that says UTF-16", ITEMS.replace("UTF-8", "UTF-16").encode("cp1255"), "cp1255",
     True),
    ("windows-1255 that says an unknown word",
     ITEMS.replace("UTF-8", "hebrew-1").encode("cp1255"), "cp1255", True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "data", "codec", "guessed"), ENCODINGS, ids=[one[0] for one in ENCODINGS]
)
def test_the_bytes_count_more_than_the_declaration(
    name: str, data: bytes, codec: str, guessed: bool
) -> None:
    table = read(data)
    got = shown(table)
    assert got.columns["ItemNm"][0] == "חלב 3%"
    assert (table.encoding, table.guessed) == (codec, guessed)
    assert bool(table.warnings) is (guessed or name == "UTF-8 that says windows-1255")
    assert all("encod" in words or "declares" in words for words in table.warnings)


NAMES = ["חלב 3%", "לחם אחיד", "גבינה צהובה", "שוקולד מריר", "אורז בסמטי", "מיץ תפוזים"]


def named(declared: str, count: int) -> Table:
    rows = "".join(f"<i><a>{name}</a></i>" for name in NAMES[:count])
    return read(f'<?xml version="1.0" encoding="{declared}"?><r>{rows}<i/></r>'.encode("cp1255"))


@pytest.mark.parametrize("declared", ["windows-1252", "iso-8859-1", "windows-1251"])
def test_a_declaration_that_makes_no_words_is_not_believed(declared: str) -> None:
    table = named(declared, 6)
    assert shown(table).columns["a"] == [*NAMES, None]
    assert (table.encoding, table.guessed) == ("cp1255", True)
    said = f"the document declares {declared} and is not; the encoding cp1255 is guessed"
    assert table.warnings[0].startswith(said)


def test_a_declaration_that_cannot_be_judged_is_believed_with_a_word_about_it() -> None:
    table = named("windows-1252", 1)
    assert (table.encoding, table.guessed) == ("cp1252", False)
    words = "the document declares windows-1252; its words are as likely in cp1255"
    assert table.warnings == [words]


def test_a_named_encoding_counts_more_than_a_guess() -> None:
    data = ITEMS.replace("חלב", "Čaj").encode("cp1250")
    table = read(data, encoding="windows-1250")
    assert shown(table).columns["ItemNm"][0] == "Čaj 3%"
    assert (table.encoding, table.guessed) == ("cp1250", False)


@dataclass(frozen=True)
class Bad:
    """A document that is refused: the code and words of the message."""

    name: str
    make: Callable[[], bytes]
    code: str
    says: str = ""
    how: dict[str, Any] = field(default_factory=dict)


LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">
<!ENTITY lol3 "&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;">]><lolz>&lol3;</lolz>"""
XXE = '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r><i>&x;</i></r>'
BAD = [
    Bad("billion laughs", LAUGHS.encode, "doctype", "line 2"),
    Bad("an external entity", XXE.encode, "doctype", "line 1"),
    Bad("an external entity in UTF-16", lambda: XXE.encode("utf-16"), "doctype"),
    Bad("an external DTD", lambda: b'<!DOCTYPE r SYSTEM "http://127.0.0.1/x"><r/>', "doctype"),
    Bad("a DOCTYPE without anything", lambda: b"\n<!DOCTYPE r><r/>", "doctype", "line 2"),
    Bad("quadratic blow-up", lambda: b'<!DOCTYPE r [<!ENTITY a "' + b"a" * 50_000 + b'">]><r>'
        + b"&a;" * 50_000 + b"</r>", "doctype"),
    Bad("an attribute that does not end", lambda: b"<r><i a='" + b"x" * 6_000_000,
        "value_too_long", "line 1"),
    Bad("a long attribute", lambda: b"<r>\n<i a='" + b"x" * 4_000_000 + b"'/></r>",
        "value_too_long", "line 2"),
    Bad("a comment that does not end", lambda: b"<r><!--" + b"x" * 4_000_000, "value_too_long"),
    Bad("a value that does not end", lambda: b"<r>\n<i><a>" + b"x" * 4_000_000, "value_too_long",
        "line 2", {"records": ["i"]}),
    Bad("text of many pieces that is too long",
        lambda: two("<b>" + "<![CDATA[" + "x" * 60_000 + "]]>" + "<c/>y" * 20 + "</b>"),
        "value_too_long", "more than 50000", {"limits": replace(LIMITS, token_bytes=50_000)}),
    Bad("a value repeated too often", lambda: two("<b>xxxxxxxx</b>" * 1000), "value_too_long",
        "", {"limits": replace(LIMITS, token_bytes=1000)}),
    Bad("a long name", lambda: b"<r><" + b"x" * 1500 + b"/></r>", "value_too_long", "1000"),
    Bad("deep elements", lambda: b"<a>" * 100_000, "too_deep", "deeper than 32"),
    Bad("many names in a record",
        lambda: two("".join(f"<n{number}/>" for number in range(2100))), "too_wide", "2000"),
    Bad("endlessly many names",
        lambda: b"<r>" + b"".join(b"<n%d/>" % number for number in range(30_000)), "too_wide",
        "20000"),
    Bad("endlessly many attributes",
        lambda: b"<r>" + b"".join(b"<n a%d=''/>" % number for number in range(30_000)), "too_wide"),
    Bad("two roots", lambda: b"<r>\n<i/></r>\n<r/>", "bad_xml", "line 3, column 1: junk"),
    Bad("a wrong end", lambda: b"<r>\n<i><a>1</b></i></r>", "bad_xml",
        "line 2, column 10: mismatch"),
    Bad("an unknown entity", lambda: b"<r>\n<i>&nbsp;</i></r>", "bad_xml", "undefined entity"),
    Bad("a bare ampersand", lambda: b"<r><i>a & b</i></r>", "bad_xml", "line 1, column 10"),
    Bad("one attribute twice", lambda: b"<r><i a='1' a='2'/></r>", "bad_xml", "duplicate"),
    Bad("a control character", lambda: b"<r><i>\x01</i></r>", "bad_xml"),
    Bad("a control character by reference", lambda: b"<r><i>&#1;</i></r>", "bad_xml"),
    Bad("NUL bytes", lambda: b"<r>\n<i>a\0b</i></r>", "nul_bytes", "line 2"),
    Bad("broken UTF-8", lambda: "<r>\n<i>Čaj žuti</i>\n<i>š".encode() + b"\xff</i></r>",
        "undecodable", "line 3: byte 0xFF"),
    Bad("broken UTF-8 far from the beginning",
        lambda: ("<r>\n" + "<i>Čaj</i>\n" * 50_000).encode() + b"<i>\xff</i></r>", "undecodable",
        "line 50002"),
    Bad("not the named encoding", lambda: "<r><i>é</i></r>".encode("cp1252"), "undecodable", "0xE9",
        {"encoding": "utf-8"}),
    Bad("an unknown encoding", lambda: b"<r/>", "unknown_encoding", "klingon",
        {"encoding": "klingon"}),
    Bad("half a character at the end", lambda: ITEMS.encode("utf-16")[:-3], "truncated"),
    Bad("fewer records than declared", lambda: ITEMS.replace('"2"', '"3"').encode(), "truncated",
        "declares 3 records and has 2"),
    Bad("none of those declared", lambda: b"<r><Items Count='12'/></r>", "truncated",
        "declares 12 records and has 0", {"records": ["Items/Item"]}),
    Bad("records elsewhere than is said", ITEMS.encode, "no_records",
        "no `products/product`; `Root/Items/Item` is there 2 times",
        {"records": ["Products/Product"]}),
    Bad("two kinds of records",
        lambda: b"<r>" + b"<p><a>1</a></p>" * 5 + b"<q><a>1</a></q>" * 4 + b"</r>",
        "ambiguous_records", "`r/p` (5 times) or `r/q` (4 times)"),
    Bad("products with and without variants",
        lambda: b"<r><p><a>1</a><v><a>2</a></v><v><a>3</a></v><v/></p><p><a>4</a></p></r>",
        "ambiguous_records", "`r/p/v` (3 times) or `r/p` (2 times)"),
    Bad("empty", lambda: b" \r\n", "empty"),
    Bad("too large", lambda: b"<r/>" * 10, "too_large", "20 bytes",
        {"limits": replace(LIMITS, file_bytes=20)}),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_document_that_cannot_be_trusted_is_refused_by_name(bad: Bad) -> None:
    with pytest.raises(ExtractError) as refusal:
        shown(read(bad.make(), **bad.how))
    assert refusal.value.code == bad.code, refusal.value.message
    assert bad.says in refusal.value.message
    assert "p.xml" in refusal.value.message
    assert refusal.value.next_step == FILE_REASONS[bad.code]


@pytest.mark.parametrize("codec", ["utf-8", "utf-16"])
def test_a_document_that_is_cut_anywhere_is_truncated(codec: str) -> None:
    text = ITEMS.replace("<Items", "<!-- list --><Items").replace("Tea", "<![CDATA[Tea]]>" * 30)
    whole = text.rstrip().encode(codec)
    for end in [*range(80, len(whole), 100), *range(len(whole) - 60, len(whole))]:
        with pytest.raises(ExtractError) as refusal:
            shown(read(whole[:end]))
        assert refusal.value.code == "truncated", (end, refusal.value.message)


def test_other_records_late_in_a_large_document_are_noticed(monkeypatch: Any) -> None:
    monkeypatch.setattr("marketsync_dagster.pos.readers.xml._SAMPLE", 1000)
    head = "<r>" + "<s><id>1</id></s>" * 8000
    with pytest.raises(ExtractError, match=r"`r/s` .8000 times. or `r/p/i` .9000 times"):
        shown(read(head + "<p>" + "<i><a>1</a></i>" * 9000 + "</p></r>"))
    assert len(shown(read(head + "<p>" + "<i><a>1</a></i>" * 3000 + "</p></r>")).lines) == 8000


def test_blocks_are_small_and_columns_may_come_late() -> None:
    rows = [f"<i><a>{number}</a></i>\n" for number in range(40_000)]
    rows[39_999] = "<i><b>late</b></i>\n"
    got = shown(read("<r>\n" + "".join(rows) + "</r>"))
    assert got.blocks > 2
    assert got.columns["a"][:3] == ["0", "1", "2"]
    assert got.columns["b"] == [None] * 39_999 + ["late"]
    assert got.lines == list(range(2, 40_002))


def test_what_stands_between_many_records_is_no_long_value() -> None:
    limits = replace(LIMITS, token_bytes=2000)
    rows = "<i><a>1</a></i>\n  note\n" * 1000
    assert len(shown(read(f"<r><l>{rows}</l></r>", limits=limits)).lines) == 1000


def test_a_doubtful_fact_is_not_told() -> None:
    table = read("<r><S><No>1</No></S><S><No>2</No></S><L><i><a/></i><i/><i/><i/><i/></L></r>")
    shown(table)
    assert table.facts == {}
    assert table.warnings == ["Outside the records `r/S/No` has several values, and is not used."]


def test_more_records_than_declared_are_said() -> None:
    table = read(ITEMS.replace('"2"', '"1"'))
    assert len(shown(table).lines) == 2
    assert table.warnings == ["It declares 1 records and has 2."]


def test_a_path_is_read_like_bytes(tmp_path: Path) -> None:
    path = tmp_path / "p.xml"
    path.write_bytes(ITEMS.encode())
    assert shown(read_xml(path, file="p.xml")) == shown(read(ITEMS))
    for source, code in [(tmp_path / "none", "missing"), (tmp_path, "unreadable")]:
        with pytest.raises(ExtractError) as refusal:
            read_xml(source, file="p.xml")
        assert refusal.value.code == code


TEXT = st.text(
    st.characters(
        codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"
    ),
    max_size=12,
)
CALM = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@CALM
@given(
    st.lists(st.tuples(TEXT, TEXT, st.integers(0, 3)), min_size=2, max_size=12),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
)
def test_any_table_written_as_xml_is_read_back_exactly(
    rows: list[tuple[str, str, int]], codec: str, end: str, declared: bool
) -> None:
    written, lines, line = ["<r>"], [], 1
    for first, second, breaks in rows:
        written.append(end * breaks)
        line += breaks
        lines.append(line)
        written.append(f"<i k={quoteattr(second)}><a>{escape(first)}</a></i>")
    count = f' encoding="{codec.removesuffix("-sig")}"' if declared else ""
    text = f'<?xml version="1.0"{count}?>' + "".join(written) + "</r>"
    got = shown(read(text.encode(codec)))
    assert got.columns == {"@k": [row[1] for row in rows], "a": [row[0] for row in rows]}
    assert got.lines == lines


@CALM
@given(
    st.text(alphabet='<>/&;="! -[]?abi\n#x1', max_size=80),
    st.sampled_from(["", "<r>", "<r><i><a>1</a></i><i>", "<r><i a='"]),
)
def test_arbitrary_text_is_read_or_refused_and_never_crashes(text: str, head: str) -> None:
    refusal, got = None, Shown()
    try:
        got = shown(read(head + text))
    except ExtractError as error:
        refusal = error
    assert refusal is None or FILE_REASONS[refusal.code] == refusal.next_step
    assert all(len(cells) == len(got.lines) for cells in got.columns.values())
