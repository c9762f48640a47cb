"""Pages of Mirakl's lists: by offset with a Link header, or by a token (contract 6.6)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from marketsync_dagster.sandbox.wire import Malformed, Request, read_json, write_json

DEFAULT = 10
MOST = 100
INT64 = 2**63 - 1


class BadParameter(ValueError):
    """A parameter of the query that the API cannot take; the message names it."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query string; a parameter may be given several times."""

    pairs: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        """Every value of a parameter."""
        return [value for known, value in self.pairs if known == name]

    def one(self, name: str) -> str | None:
        """A parameter's last value, None where it is not given."""
        values = self.all(name)
        return values[-1] if values else None

    def whole(self, name: str, default: int, most: int, least: int = 0) -> int:
        """A whole number; BadParameter where it is none, or out of bounds."""
        text = self.one(name)
        if text is None:
            return default
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdecimal()) or len(digits) > 19:
            raise BadParameter(f"{name}: a whole number was expected")
        if not least <= int(text) <= most:
            raise BadParameter(f"{name}: must be between {least} and {most}")
        return int(text)

    def choice(self, name: str, choices: tuple[str, ...], default: str | None) -> str | None:
        """One of several words; BadParameter for another."""
        value = self.one(name)
        if value is None:
            return default
        if value not in choices:
            raise BadParameter(f"{name}: must be one of {', '.join(choices)}")
        return value


def query_of(request: Request) -> Query:
    """The query of a request; BadParameter for one that no client means."""
    try:
        pairs = parse_qsl(request.query, keep_blank_values=True, max_num_fields=1_000)
    except ValueError as fault:
        raise BadParameter("the query has too many parameters") from fault
    return Query(tuple(pairs))


def own_url(request: Request, path: str, pairs: list[tuple[str, str]] | None = None) -> str:
    """An absolute URL on this server."""
    asked = f"?{urlencode(pairs)}" if pairs else ""
    return f"http://{request.header('host') or 'localhost'}{path}{asked}"


def link_header(request: Request, query: Query, offset: int, size: int, total: int) -> bytes | None:
    """The Link header of a page by offset: the pages before and after it, as far as there are."""
    links: list[str] = []
    for name, there, target in (
        ("previous", offset > 0, max(0, offset - size)),
        ("next", offset + size < total, offset + size),
    ):
        if there:
            rest = [pair for pair in query.pairs if pair[0] not in ("max", "offset")]
            pairs = [*rest, ("max", str(size)), ("offset", str(target))]
            links.append(f'<{own_url(request, request.path, pairs)}>; rel="{name}"')
    return ", ".join(links).encode() if links else None


def token_of(query: Query, beyond: int, forward: bool) -> str:
    """The token of the page that begins beyond import number `beyond`, with all that was asked."""
    said = {"query": query.pairs, "beyond": beyond, "forward": forward}
    return base64.urlsafe_b64encode(write_json(said)).decode()


def from_token(text: str) -> tuple[Query, int, bool]:
    """What a token says; BadParameter for one that was never given out."""
    try:
        said: dict[str, Any] = read_json(base64.b64decode(text, altchars=b"-_", validate=True))
        query = Query(tuple((str(name), str(value)) for name, value in said["query"]))
        return query, int(said["beyond"]), bool(said["forward"])
    except (binascii.Error, Malformed, KeyError, TypeError, ValueError) as fault:
        raise BadParameter("page_token: is not valid") from fault
