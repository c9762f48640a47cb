"""Requests and answers as plain values, and the JSON between them.

Nothing here knows a platform. Numbers of a request are read exactly (`Decimal`), because a price
that became a float on the way in could no longer be compared with what was sent.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Any, NoReturn
from urllib.parse import parse_qsl

import orjson

MAX_BODY = 16 * 1024 * 1024
"""Bytes of a request body after which the sandbox stops reading, whatever the platform allows."""

exact_number = Context(
    prec=800, Emax=400, Emin=-400, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero]
).create_decimal
"""A text as `Decimal`, every digit kept. ArithmeticError for a number that nobody means:
`1e999999999` would be a gigabyte of zeros once it is written out."""

JSON_TYPE = (b"content-type", b"application/json; charset=utf-8")
HTML_TYPE = (b"content-type", b"text/html; charset=utf-8")


class Malformed(ValueError):
    """A text that is not the JSON that was asked for; the message says why."""


def _refuse_constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not JSON")


def read_json(body: bytes) -> Any:
    """The document in `body`, fractions as exact `Decimal`; Malformed for anything else."""
    try:
        return json.loads(body, parse_float=exact_number, parse_constant=_refuse_constant)
    except Malformed:
        raise
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise Malformed(f"not valid JSON: {str(error)[:120]}") from error


def _encode_other(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, orjson.Fragment):  # only `json` asks
        return orjson.loads(orjson.dumps(value))
    raise TypeError(f"cannot write {type(value).__name__}")


def write_json(value: Any) -> bytes:
    """`value` as JSON; texts that are not valid Unicode and huge integers survive, escaped."""
    try:
        return orjson.dumps(value, default=_encode_other, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        # lone surrogates and integers beyond 64 bits: rare, hostile, and no reason to fail
        return json.dumps(value, default=_encode_other).encode()


def sha256_hex(data: bytes) -> str:
    """Lower-case hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


@dataclass(slots=True)
class Request:
    """One request, read to its end. Header names are lower-case bytes; the last one wins."""

    method: str
    path: str
    query: str
    headers: dict[bytes, bytes]
    body: bytes
    raw_path: str = ""
    """The path as it stood in the URL, still percent-encoded: what is signed."""
    number: int = 0
    """Sequence number in the request log: what every value it writes refers to."""

    def header(self, name: str) -> str:
        """A header's value, empty where it was not sent."""
        return self.headers.get(name.encode(), b"").decode("latin-1")

    def parameters(self) -> dict[str, str]:
        """The query's parameters, the last of each name; empty for a hostile query."""
        try:
            return dict(parse_qsl(self.query, keep_blank_values=True, max_num_fields=100))
        except ValueError:
            return {}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request is from, as far as that can be told before it is let in."""

    account: Any = None
    """The platform's own; None: it is nobody's."""
    owner: str | None = None
    """What credentials are revoked by: the API key, or the store's id."""
    name: str | None = None
    """Under which the account is seen in states and logs."""
    secrets: tuple[bytes, ...] = ()
    """Further headers that hold credentials."""


@dataclass(slots=True)
class Answer:
    """One answer. `data`, if given, is what `payload()` encodes: faults may alter it before."""

    status: int
    data: Any = None
    body: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    applied: int = 0
    items: int = 0

    def payload(self) -> bytes:
        """The bytes of the body."""
        return self.body if self.data is None else write_json(self.data)


def json_answer(status: int, data: Any, applied: int = 0, items: int = 0) -> Answer:
    """An answer with a JSON document."""
    return Answer(status, data=data, headers=[JSON_TYPE], applied=applied, items=items)


def html_answer(status: int, title: str, text: str) -> Answer:
    """A web page, as proxies and frameworks answer instead of the API."""
    page = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{title}</title>\n</head>\n<body>\n<pre>{text}</pre>\n</body>\n</html>\n"
    )
    return Answer(status, body=page.encode(), headers=[HTML_TYPE])
