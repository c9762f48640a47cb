"""Physical lines of a text: they end with CRLF, LF or a lone CR."""

from __future__ import annotations


def breaks(data: bytes) -> int:
    """How many line ends `data` has."""
    returns = data.count(b"\r")
    return data.count(b"\n") + (returns - data.count(b"\r\n") if returns else 0)


def line_at(data: bytes, offset: int) -> int:
    """The physical line, from 1, of a byte offset."""
    return 1 + breaks(data[:offset])


class Lines:
    """Counts physical lines over pieces of text; they end with CRLF, LF or CR."""

    def __init__(self) -> None:
        self.line = 1
        self._after_return = False

    def add(self, text: str, start: int = 0, end: int | None = None) -> None:
        """Go on over `text[start:end]`."""
        end = len(text) if end is None else end
        if start >= end:
            return
        self.line += text.count("\n", start, end)
        if self._after_return and text[start] == "\n":
            self.line -= 1
        if returns := text.count("\r", start, end):
            self.line += returns - text.count("\r\n", start, end)
        self._after_return = text[end - 1] == "\r"
