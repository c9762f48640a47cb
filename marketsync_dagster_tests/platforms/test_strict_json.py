"""JSON of strangers: exact, bounded, and never shown."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marketsync_dagster.platforms.strict_json import Node, Wrong, canonical, elements, has_doubled

SECRET = "Jane Doe"


@pytest.mark.parametrize(
    ("data", "place", "words"),
    [
        (b"", "line 1, column 1", "not JSON"),
        (b'{"a": 1', "line 1, column 8", "not JSON"),
        (b'[{"a": 1},\n {"b": "Jane Doe\n"}]', "line 2, column 17", "not JSON"),
        (b'[{"a": 1} {"b": 2}]', "line 1, column 11", "expected a comma"),
        (b'{"a": 1} x', "line 1, column 10", "after the end"),
        (b"[1] [2]", "line 1, column 5", "after the end"),
        (b'{"a": NaN}', "", "a number that is none"),
        (b'{"a": -Infinity}', "", "a number that is none"),
        (b'{"a": 1e99999999999999999999}', "", "a number that is none"),
        (b"[" * 33 + b"]" * 33, "line 1, column 33", "in each other"),
        (b"[" * 5_000_000, "line 1, column 33", "in each other"),
        (b"[" + b"1," * 20_001 + b"1]", "line 1, column 40002", "more than 20000 elements"),
        (b'{"a": [' + b"[]," * 500_000 + b"1]}", "", "more than 500000 objects and lists"),
        (b'{"a": "J\xe4ne Doe"}', "byte 9", "not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "byte 1", "not UTF-8"),
    ],
)
def test_what_is_no_json_is_told_by_its_place(data: bytes, place: str, words: str) -> None:
    with pytest.raises(Wrong) as caught:
        elements(data)
    assert caught.value.place == place
    assert words in caught.value.words
    assert SECRET not in str(caught.value)


def test_brackets_in_texts_are_no_depth() -> None:
    (one,) = elements(b'{"a": "' + b"[" * 100 + b'\\"{{"}')
    assert one.value["a"].startswith("[[")


def test_elements_come_with_the_text_that_they_are() -> None:
    found = elements(b'\xef\xbb\xbf [ {"a": 1.10} ,\n[2], "x" ] \n')
    assert [(one.place, one.text) for one in found] == [
        ("[0]", '{"a": 1.10}'),
        ("[1]", "[2]"),
        ("[2]", '"x"'),
    ]
    assert found[0].value == {"a": Decimal("1.10")}
    assert elements(b"[]") == []


def test_equal_content_has_one_text_and_other_numbers_another() -> None:
    def text(data: bytes) -> str:
        return canonical(elements(data)[0].value)

    assert text(b'{"a": 1.10, "b": 2}') == text(b'{ "b":2,"a":1.1 }')
    assert text(b'{"a": 1.1}') != text(b'{"a": 1.11}')
    assert text(b'{"a": 1.5}') != text(b'{"a": "1.5"}')


def test_names_that_stand_twice_are_noticed_anywhere() -> None:
    assert has_doubled(elements(b'{"a": [{"b": {"c": 1, "c": 2}}]}')[0].value)
    assert not has_doubled(elements(b'{"a": [{"b": 1}, {"b": 1}]}')[0].value)
    with pytest.raises(Wrong, match="twice"):
        Node.of(elements(b'{"a": 1, "a": 2}')[0].value, "x")


@pytest.mark.parametrize(
    ("data", "read", "words"),
    [
        (b'{"a": 7}', "text", "a: expected text, got a number"),
        (b'{"a": ["Jane Doe"]}', "text", "a: expected text, got a list"),
        (b'{"a": "Jane Doe\\u0000"}', "text", "a: it has characters that cannot be printed"),
        (b'{"a": "Jane Doe\\ud800"}', "text", "a: it has characters that cannot be printed"),
        (b'{"a": "' + b"Jane Doe" * 200 + b'"}', "text", "a: expected at most 200"),
        (b'{"a": "1,50"}', "amount", "a: expected an amount such as 19.90, got text"),
        (b'{"a": "1e3"}', "amount", "a: expected an amount such as 19.90, got text"),
        (b'{"a": true}', "amount", "a: expected an amount such as 19.90, got true or false"),
        (b'{"a": -1}', "amount", "a: expected an amount from 0"),
        (b'{"a": 1e12}', "amount", "a: expected an amount from 0"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "amount", "a: expected an amount from 0"),
        (b'{"a": 1.5}', "whole", "a: expected a whole number, got a number"),
        (b'{"a": "two"}', "whole", "a: expected a whole number, got text"),
        (b'{"a": -2}', "whole", "a: expected a whole number from 0"),
        (b'{"a": false}', "whole", "a: expected a whole number, got true or false"),
        (b'{"a": {"Jane Doe": 1}}', "many", "a: expected a list, got an object"),
        (b'{"a": 1.5}', "id", "a: expected text, got a number"),
    ],
)
def test_wrong_kinds_are_told_without_values(data: bytes, read: str, words: str) -> None:
    node = Node.of(elements(data)[0].value, "")
    with pytest.raises(Wrong) as caught:
        getattr(node, read)("a")
    assert words in str(caught.value)
    assert SECRET not in str(caught.value)


def test_spellings_may_not_contradict_each_other() -> None:
    node = Node.of({"zip": "1", "postcode": "2", "a": 1, "b": 1}, "x")
    with pytest.raises(Wrong, match=r"x\.postcode: it says another thing than zip"):
        node.text("zip", "postcode")
    assert node.whole("b", "a") == 1
    assert node.id("a") == "1"
    assert node.amount("none") is None


@pytest.mark.parametrize(
    ("said", "exact"),
    [("19.90", "19.90"), (Decimal("0.1"), "0.1"), (5, "5"), (Decimal("1E+2"), "1E+2")],
)
def test_amounts_are_exact(said: object, exact: str) -> None:
    assert Node({"a": said}).amount("a") == Decimal(exact)
    assert Node({"a": Decimal("3.0")}).whole("a") == 3
