"""Bodies are told apart, and an error's own words are found in them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from marketsync_dagster.platforms.bodies import (
    BodyKind,
    error_words,
    lookup,
    page_words,
    read_document,
)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(
    ("body", "kind", "document"),
    [
        (b'{"a":1}', BodyKind.JSON, {"a": 1}),
        (b' \r\n{"a":1}\n', BodyKind.JSON, {"a": 1}),
        (b'\xef\xbb\xbf{"a":1}', BodyKind.JSON, {"a": 1}),
        (b"[]", BodyKind.JSON, []),
        (b"null", BodyKind.JSON, None),
        (b"", BodyKind.EMPTY, None),
        (b"\xef\xbb\xbf  \n", BodyKind.EMPTY, None),
        (b"<!DOCTYPE html><title>Just a moment...</title>", BodyKind.HTML, None),
        (b'\n <?xml version="1.0"?><e/>', BodyKind.HTML, None),
        (b'{"success":true,"da', BodyKind.BROKEN, None),
        (b"OK", BodyKind.BROKEN, None),
        (b'{"a":NaN}', BodyKind.BROKEN, None),
        (b'{"a":"\xff"}', BodyKind.BROKEN, None),
        (b'{"a":1}{"b":2}', BodyKind.BROKEN, None),
        (b"[" * 100_000, BodyKind.BROKEN, None),
        ('{"a":1}'.encode("utf-16"), BodyKind.BROKEN, None),
    ],
)
def test_a_body_is_what_it_is(body: bytes, kind: BodyKind, document: Any, exact: bool) -> None:
    assert read_document(body, exact=exact) == (kind, document)


def test_exact_reading_keeps_every_digit_of_a_price() -> None:
    text = b'{"a":60.00,"b":0.1,"c":12345678901234567.89}'
    kind, document = read_document(text, exact=True)
    assert kind is BodyKind.JSON
    assert {name: str(value) for name, value in document.items()} == {
        "a": "60.00",
        "b": "0.1",
        "c": "12345678901234567.89",
    }
    assert isinstance(document["b"], Decimal)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"error": {"code": "X", "message": "no"}}, ("X", "no")),
        ({"error": {"code": 17, "reason": "odd"}}, ("17", '{"code":17,"reason":"odd"}')),
        ({"error": "no"}, ("", "no")),
        ({"code": "X", "message": "no"}, ("X", "no")),
        ({"detail": "no"}, ("", "no")),
        ({"errors": [{"sku": "1"}]}, ("", '[{"sku":"1"}]')),
        ({"success": False}, ("", "")),
        ("no", ("", "no")),
        ([1], ("", "")),
        (None, ("", "")),
    ],
)
def test_an_errors_own_words_are_found_in_its_usual_places(
    document: Any, words: tuple[str, str]
) -> None:
    assert error_words(document) == words


def test_a_web_page_is_quoted_by_its_title_or_its_first_words() -> None:
    assert page_words("<html><title>\nJust a moment...</title>x") == "Just a moment..."
    assert page_words("<html><title></title><p>Down for\n<b>maintenance</b>") == (
        "Down for maintenance"
    )


def test_a_path_into_a_document_ends_at_what_is_not_there() -> None:
    assert lookup({"data": {"results": [1]}}, "data.results") == [1]
    assert lookup({"data": [1]}, "data.results") is None
    assert lookup(None, "data") is None
