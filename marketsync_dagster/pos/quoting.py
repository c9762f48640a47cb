"""Ways of quoting other than `"` doubled, and delimiters of several characters, told in terms of
the one way that `tokens` knows.

Text is rewritten before it is cut: single quotes change places with double ones, an escaped sign
and a long delimiter become signs that are no characters and that the text does not have. In the
cells everything is put back, so that every cell is what was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from marketsync_dagster.pos.kernels import pc

_SWAP = bytes.maketrans(b"\"'", b"'\"")
_SWAP_TEXT = str.maketrans("\"'", "'\"")
# Unicode promises that these will never be characters
_QUOTE, _BACKSLASH, _DELIMITER, _HELD = "\ufdd0", "\ufdd1", "\ufdd2", "\ufdd3"
NEVER = (_QUOTE, _BACKSLASH, _DELIMITER, _HELD)
CUTS = "\x1f\x1e\x1d\x1c\x01\x02\x03\x04\x05\x06\x07\x10\x11\x12\x13\x14\x15\x16\x17"
"""What may stand for a long delimiter: the first of these that is not in the text."""


@dataclass(frozen=True)
class Style:
    """How values are told apart. `cut` is the delimiter that `tokens` is to be given."""

    delimiter: str
    quote: str = '"'
    escape: bool = False
    """A backslash takes the meaning from a quote, a delimiter or a backslash behind it."""
    cut: str = ""

    def __post_init__(self) -> None:
        if not self.cut:
            object.__setattr__(self, "cut", self.delimiter)

    @property
    def plain(self) -> bool:
        """Nothing is rewritten."""
        return self.quote == '"' and not self.escape and self.cut == self.delimiter

    def words(self) -> str:
        """What is unusual about it, for people."""
        odd = ["values in single quotes"] if self.quote == "'" else []
        return ", ".join(odd + (["backslashes before quotes"] if self.escape else []))

    @cached_property
    def _escaped(self) -> re.Pattern[bytes]:
        signs = (self.quote, "\\", self.delimiter)
        return re.compile(rb"\\(" + b"|".join(re.escape(sign.encode()) for sign in signs) + rb")")

    @cached_property
    def _signs(self) -> dict[bytes, bytes]:
        return {
            self.quote.encode(): _QUOTE.encode(),
            b"\\": _BACKSLASH.encode(),
            self.delimiter.encode(): _DELIMITER.encode(),
        }

    def rewritten(self, data: bytes) -> bytes:
        """Whole lines of text as `tokens` wants them; the number of lines stays."""
        if self.escape and b"\\" in data:
            data = self._escaped.sub(lambda found: self._signs[found.group(1)], data)
        if self.cut != self.delimiter:
            data = data.replace(self.delimiter.encode(), self.cut.encode())
        return data.translate(_SWAP) if self.quote == "'" else data

    def cell(self, text: str) -> str:
        """A cell as it was written."""
        if self.quote == "'":
            text = text.translate(_SWAP_TEXT)
        for sign, back in self._back():
            text = text.replace(sign, back)
        return text

    def cells(self, texts: pa.Array) -> pa.Array:
        """A whole column as it was written."""
        steps = self._back()
        if self.quote == "'":
            steps = [('"', _HELD), ("'", '"'), (_HELD, "'"), *steps]
        for sign, back in steps:
            texts = pc.replace_substring(texts, sign, back)
        return texts

    def _back(self) -> list[tuple[str, str]]:
        steps = [(self.cut, self.delimiter)] if self.cut != self.delimiter else []
        if self.escape:
            steps += [(_QUOTE, self.quote), (_BACKSLASH, "\\"), (_DELIMITER, self.delimiter)]
        return steps


def rewritten(chunks: Iterable[bytes], style: Style) -> Iterator[bytes]:
    """A text in pieces, rewritten by whole lines: nothing that is replaced is ever cut in two."""
    if style.plain:
        yield from chunks
        return
    rest = b""
    for chunk in chunks:
        end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r")) + 1
        if end:
            yield style.rewritten(rest + chunk[:end])
            rest = chunk[end:]
        else:
            rest += chunk
    if rest:
        yield style.rewritten(rest)
