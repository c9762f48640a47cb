"""JSON that strangers write into folders: read exactly, within bounds, with the place of what is
wrong.

Numbers are exact, a name that stands twice in an object is noticed, and no message shows a value:
what is in these files may be somebody's name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

MOST_DEPTH = 32
"""Objects and lists within each other."""
MOST_PARTS = 500_000
"""Objects and lists of a document."""
MOST_ELEMENTS = 20_000
"""Elements of a document that is a list."""
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
_BLANK = re.compile(r"[ \t\r\n]*")
_LONGEST_INT = 18
_AMOUNT = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,6})?")
_WHOLE = re.compile(r"[0-9]{1,9}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class Wrong(Exception):
    """What is wrong with a document, and where: `items[2].price`, `line 3, column 7`."""

    def __init__(self, place: str, words: str) -> None:
        super().__init__(f"{place}: {words}" if place else words)
        self.place = place
        self.words = words


class Object(dict[str, Any]):
    """An object of which a name stands twice; the last one counts for nobody."""


@dataclass(frozen=True, slots=True, repr=False)
class Element:
    """One element of a list, or the one object of a document, with the text that it is."""

    place: str
    """`[2]`; empty: the document."""
    value: Any
    text: str


def elements(data: bytes) -> list[Element]:
    """The elements of a document that is a list, or the document as the only one; Wrong."""
    text = decoded(data)
    _check_bounds(text)
    start = _blank(text, 0)
    if text[start : start + 1] != "[":
        value, end = _value(text, start)
        _check_end(text, end)
        return [Element("", value, text[start:end])]
    found: list[Element] = []
    at = _blank(text, start + 1)
    if text[at : at + 1] == "]":
        _check_end(text, at + 1)
        return found
    while True:
        value, end = _value(text, at)
        if len(found) == MOST_ELEMENTS:
            raise Wrong(_line_of(text, at), f"more than {MOST_ELEMENTS} elements")
        found.append(Element(f"[{len(found)}]", value, text[at:end]))
        at = _blank(text, end)
        mark = text[at : at + 1]
        if mark == "]":
            _check_end(text, at + 1)
            return found
        if mark != ",":
            raise Wrong(_line_of(text, at), "expected a comma or the end of the list")
        at = _blank(text, at + 1)


def decoded(data: bytes) -> str:
    """The text of a document; Wrong where it is not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Wrong(f"byte {error.start + 1}", "it is not UTF-8") from None


def canonical(value: Any) -> str:
    """The same text for the same content, however it was written: for hashes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_number)


def has_doubled(value: Any) -> bool:
    """Whether a name stands twice in any object of a value."""
    return any(isinstance(one, Object) for one in _objects(value))


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _number(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"number {value.normalize()}"
    raise TypeError(type(value).__name__)


def _check_bounds(text: str) -> None:
    depth = parts = 0
    for match in _STRUCTURE.finditer(text):
        mark = match[0]
        if mark in "[{":
            depth += 1
            parts += 1
            if parts > MOST_PARTS:
                raise Wrong("", f"more than {MOST_PARTS} objects and lists")
            if depth > MOST_DEPTH:
                where = _line_of(text, match.start())
                raise Wrong(where, f"more than {MOST_DEPTH} objects and lists in each other")
        elif mark in "]}":
            depth -= 1


def _check_end(text: str, at: int) -> None:
    end = _blank(text, at)
    if end != len(text):
        raise Wrong(_line_of(text, end), "there is something after the end of the document")


def _blank(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    assert match is not None
    return match.end()


def _value(text: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Wrong(where, f"it is not JSON: {error.msg.split(': ')[0].lower()}") from None
    except (_Constant, InvalidOperation):
        raise Wrong("", "it has a number that is none (NaN, Infinity, 1e999999999...)") from None


def _line_of(text: str, at: int) -> str:
    line = text.count("\n", 0, at) + 1
    return f"line {line}, column {at - (text.rfind(chr(10), 0, at) + 1) + 1}"


class _Constant(Exception):
    """NaN or Infinity."""


def _pairs(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    return made if len(made) == len(pairs) else Object(made)


def _whole(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _LONGEST_INT else Decimal(digits)


def _refuse(_: str) -> None:
    raise _Constant


_DECODER = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_float=Decimal, parse_int=_whole, parse_constant=_refuse
)


@dataclass(frozen=True, slots=True, repr=False)
class Node:
    """One object of a document, and its place; reads what it holds by kind, or raises Wrong.

    A name may have several spellings: the first that is there counts, and two that say different
    things are wrong. null is as if it were not there.
    """

    values: Mapping[str, Any]
    place: str = ""

    @staticmethod
    def of(value: Any, place: str) -> Node:
        """An object; Wrong for anything else, or where a name stands twice."""
        if not isinstance(value, dict):
            raise Wrong(place, f"expected an object, got {kind_of(value)}")
        if isinstance(value, Object):
            raise Wrong(place, "a name stands twice in this object")
        return Node(value, place)

    def at(self, name: str) -> str:
        """The place of one name."""
        return f"{self.place}.{name}" if self.place else name

    def find(self, *names: str) -> tuple[str, Any] | None:
        """(name, value) of the one that is there."""
        there = [(name, self.values[name]) for name in names if self.values.get(name) is not None]
        if not there:
            return None
        for name, value in there[1:]:
            if value != there[0][1] or type(value) is not type(there[0][1]):
                raise Wrong(self.at(name), f"it says another thing than {there[0][0]}")
        return there[0]

    def text(self, *names: str, most: int = 200, lines: bool = False) -> str:
        """A text without blanks around it; empty: it is not there. A number is none: zeros before
        it would be lost."""
        found = self.find(*names)
        if found is None:
            return ""
        name, value = found
        if not isinstance(value, str):
            raise Wrong(self.at(name), f"expected text, got {kind_of(value)}")
        return checked_text(value, self.at(name), most, lines=lines)

    def id(self, *names: str) -> str:
        """A text, or a whole number as text; empty: it is not there."""
        found = self.find(*names)
        if found is not None and isinstance(found[1], int) and not isinstance(found[1], bool):
            return str(found[1])
        return self.text(*names, most=100)

    def amount(self, *names: str) -> Decimal | None:
        """An exact amount, not below zero, as a number or as text; None: it is not there."""
        found = self.find(*names)
        if found is None:
            return None
        name, value = found
        written = isinstance(value, str) and _AMOUNT.fullmatch(value) is not None
        if not written and (isinstance(value, bool) or not isinstance(value, int | Decimal)):
            raise Wrong(self.at(name), f"expected an amount such as 19.90, got {kind_of(value)}")
        number = Decimal(value)
        if number < 0 or number.adjusted() > 11:
            raise Wrong(self.at(name), "expected an amount from 0 to 999999999999")
        return number

    def whole(self, *names: str) -> int | None:
        """A whole number, not below zero; None: it is not there."""
        found = self.find(*names)
        if found is None:
            return None
        name, value = found
        exact = isinstance(value, Decimal) and value.adjusted() < 9 and value == int(value)
        if exact or (isinstance(value, str) and _WHOLE.fullmatch(value)):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise Wrong(self.at(name), f"expected a whole number, got {kind_of(value)}")
        if not 0 <= value < 10**9:
            raise Wrong(self.at(name), "expected a whole number from 0 to 999999999")
        return value

    def many(self, *names: str) -> list[tuple[str, Any]]:
        """(place, value) of a list; empty: it is not there."""
        found = self.find(*names)
        if found is None:
            return []
        name, value = found
        if not isinstance(value, list):
            raise Wrong(self.at(name), f"expected a list, got {kind_of(value)}")
        return [(f"{self.at(name)}[{index}]", one) for index, one in enumerate(value)]


def checked_text(value: str, place: str, most: int, *, lines: bool = False) -> str:
    """A text without blanks around it, of printable characters; Wrong."""
    value = value.strip()
    if len(value) > most:
        raise Wrong(place, f"expected at most {most} characters, got {len(value)}")
    if (_LINES if lines else _UNPRINTABLE).search(value):
        raise Wrong(place, "it has characters that cannot be printed")
    return value


def kind_of(value: Any) -> str:
    """What a value is, in words that say nothing of it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | Decimal):
        return "a number"
    return "a list" if isinstance(value, list) else "an object"
