"""What stands in the body of an answer: a document, a web page, nothing, or rubble.

Pure. It looks before a 2xx is trusted (contract section 1.2, step 3) and finds a platform's own
words in an error. What an answer means for the items that were sent belongs to the adapters.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from enum import StrEnum
from typing import Any, NoReturn

import orjson

_BOM = b"\xef\xbb\xbf"


class BodyKind(StrEnum):
    """What a body turned out to be."""

    JSON = "json"
    EMPTY = "empty"
    HTML = "html"
    BROKEN = "broken"
    """Neither: truncated, or no JSON at all."""


def _not_json(name: str) -> NoReturn:
    raise ValueError(name)


def read_document(body: bytes, *, exact: bool = False) -> tuple[BodyKind, Any]:
    """What `body` is, and the document in it (None unless JSON).

    A byte order mark is tolerated. `exact` reads fractions as `Decimal`; without it orjson does
    the work, several times faster, for answers whose fractions are not money.
    """
    text = body.removeprefix(_BOM).strip()
    if not text:
        return BodyKind.EMPTY, None
    if text[:1] == b"<":
        return BodyKind.HTML, None
    try:
        if exact:
            return BodyKind.JSON, json.loads(
                text.decode(), parse_float=Decimal, parse_constant=_not_json
            )
        return BodyKind.JSON, orjson.loads(text)
    except (ValueError, RecursionError, ArithmeticError):
        return BodyKind.BROKEN, None


def lookup(document: Any, path: str) -> Any:
    """What stands at `path`, names joined by dots, `data.results`; None where nothing does."""
    for name in path.split("."):
        if not isinstance(document, dict):
            return None
        document = document.get(name)
    return document


def error_words(document: Any) -> tuple[str, str]:
    """Code and message of an error document, in the forms that platforms use; empty if none."""
    if not isinstance(document, dict):
        return "", document if isinstance(document, str) else ""
    inner = document.get("error")
    if isinstance(inner, dict):
        return _text(inner.get("code")), _text(inner.get("message")) or _compact(inner)
    code = _text(document.get("code"))
    for name in ("error", "message", "detail", "title", "errors"):
        value = document.get(name)
        if value:
            return code, _text(value) or _compact(value)
    return code, ""


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""


def _compact(value: Any) -> str:
    """A document as one line of JSON, for a person to read."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def page_words(text: str) -> str:
    """What a web page says: its title, else its first words. Masked before, because it is cut."""
    title = re.search(r"<title[^>]*>([^<]*)", text, re.IGNORECASE)
    words = title[1] if title and title[1].strip() else re.sub(r"<[^<>]*>", " ", text[:4_000])
    return " ".join(words.split())[:200]
