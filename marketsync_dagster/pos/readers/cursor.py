"""A place in a JSON text that comes in pieces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from marketsync_dagster.pos.lines import Lines
from marketsync_dagster.pos.readers.objects import DECODER
from marketsync_dagster.pos.reasons import refuse

_BLANKS = re.compile(r"[ \t\r\n]*")
_NEAR_END = 16
"""A fault this near to the end of the text may be that more of it is to come."""


class Cursor:
    """Reads values one after the other. Raises ExtractError bad_json, truncated, value_too_long.

    Memory: one value and a piece of text.
    """

    def __init__(self, pieces: Iterator[str], most: int, file: str) -> None:
        """`most`: characters of one value."""
        self._pieces = pieces
        self._most = most
        self._file = file
        self._text = ""
        self._at = 0
        self._lines = Lines()
        self._counted = 0
        self._ended = False

    def line(self) -> int:
        """The physical line of this place."""
        self._lines.add(self._text, self._counted, self._at)
        self._counted = self._at
        return self._lines.line

    def peek(self) -> str:
        """The next sign behind blanks; nothing at the end."""
        while True:
            match = _BLANKS.match(self._text, self._at)
            assert match is not None
            self._at = match.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def skip(self) -> None:
        """Go behind the sign that `peek` has told."""
        self._at += 1

    def expect(self, sign: str) -> None:
        """Go behind this sign."""
        found = self.peek()
        if not found:
            raise self.cut()
        if found != sign:
            raise self.bad(f"{sign!r} is expected")
        self.skip()

    def goes_on(self, close: str) -> bool:
        """Behind a comma: there is one more; behind `close`: not."""
        found = self.peek()
        if not found:
            raise self.cut()
        if found not in (",", close):
            # the fraction or exponent of a number that is cut
            if found in ".eE" and not self._more() and _is_cut(self._text, self._at, ""):
                raise self.cut()
            raise self.bad(f"',' or {close!r} is expected")
        self.skip()
        return found == ","

    def value(self) -> Any:
        """The value here, which is parsed as a whole."""
        return self.value_with_text()[0]

    def value_with_text(self) -> tuple[Any, str]:
        """The value here and its text. RecursionError where it is nested too deep."""
        self.peek()
        while True:
            text, at = self._text, self._at
            try:
                value, end = DECODER.raw_decode(text, at)
            except ValueError as error:
                place = getattr(error, "pos", at)
                words = getattr(error, "msg", str(error))
                unfinished = words.startswith("Unterminated") or place >= len(text) - _NEAR_END
                if unfinished and self._more():
                    continue
                if unfinished and self._ended and _is_cut(text, place, words):
                    raise self.cut() from None
                self._at = min(place, len(text))
                raise self.bad(words) from None
            # a number at the end of the piece may go on in the next one, `1` with `.5e+3`
            if end > len(text) - 3 and text[at] not in '{["' and self._more():
                continue
            self._at = end
            return value, text[at:end]

    def bad(self, words: str) -> Exception:
        """The refusal of what is here."""
        line = self.line()
        return refuse("bad_json", f"{self._file}, line {line}: {words}")

    def cut(self) -> Exception:
        """The refusal of a document that ends too early."""
        self._at = len(self._text)
        line = self.line()
        message = f"{self._file}, line {line}: the document ends before its last bracket"
        return refuse("truncated", message)

    def _more(self) -> bool:
        """Add text, and forget what is behind; False at the end.

        A value is looked at again each time, so each time its text is doubled.
        """
        self.line()
        kept = len(self._text) - self._at
        if kept > self._most:
            message = f"{self._file}, line {self.line()}: a value has over {self._most} characters"
            raise refuse("value_too_long", message)
        parts: list[str] = []
        added = 0
        for piece in self._pieces:
            parts.append(piece)
            added += len(piece)
            if added >= kept:
                break
        self._ended = not added
        if added:
            self._text = self._text[self._at :] + "".join(parts)
            self._at = self._counted = 0
        return added > 0


def _is_cut(text: str, place: int, words: str) -> bool:
    """Whether the fault is that the text ends."""
    if words.startswith("Unterminated"):
        return True
    rest = text[place:].strip()
    literals = ("true", "false", "null", "NaN", "Infinity", "-Infinity")
    return (
        not rest
        or rest == "-"
        or any(one.startswith(rest) for one in literals)
        or re.fullmatch(r"\\?u?[0-9A-Fa-f]{0,4}|[.eE][+-]?", rest) is not None
    )
