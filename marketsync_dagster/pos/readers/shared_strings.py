"""The texts of an XLSX workbook: its shared strings, and the text inside rich text."""

from __future__ import annotations

import mmap
import re
import tempfile
from array import array
from typing import IO

from marketsync_dagster.pos.readers.package import Handlers, Package
from marketsync_dagster.pos.reasons import refuse

_IN_MEMORY = 64 * 2**20
_MOST = 512 * 2**20
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


class Strings:
    """The shared strings: one behind the other as UTF-8, above 64 MB in a temporary file."""

    def __init__(self, package: Package) -> None:
        self.package = package
        self.part: str | None = None
        self._data: bytearray | mmap.mmap = bytearray()
        self._held = bytearray()
        self._spool: IO[bytes] | None = None
        self._ends = array("I")
        self._read = False

    def __getitem__(self, index: int) -> str | None:
        """None: there is no such string."""
        if not self._read:
            self._load()
        if not 0 <= index < len(self._ends):
            return None
        start = self._ends[index - 1] if index else 0
        return self._data[start : self._ends[index]].decode()

    def close(self) -> None:
        if isinstance(self._data, mmap.mmap):
            self._data.close()
        self._data = bytearray()
        if self._spool is not None:
            self._spool.close()

    def _load(self) -> None:
        self._read = True
        if self.part is None:
            return
        package = self.package
        where = f"{package.file}, part {self.part}"
        texts = Texts(package.limits.token_bytes, where)

        def start(name: str, _: dict[str, str]) -> None:
            if name == "si":
                texts.clear()
            texts.start(name)

        def end(name: str) -> None:
            texts.end(name)
            if name == "si":
                self._add(texts.joined().encode("utf-8", "replace"), where)

        package.parse_whole(self.part, Handlers(start, end, texts.text))
        self._data = self._held
        if self._spool is not None:
            with self._spool as spool:
                spool.write(self._held)
                spool.flush()
                self._data = mmap.mmap(spool.fileno(), 0, access=mmap.ACCESS_READ)

    def _add(self, data: bytes, where: str) -> None:
        total = (self._ends[-1] if self._ends else 0) + len(data)
        if total > _MOST or len(self._ends) >= self.package.limits.cells:
            raise refuse("too_large", f"{where}: more than {_MOST // 2**20} MB of text")
        self._held += data
        self._ends.append(total)
        if len(self._held) > _IN_MEMORY:
            # it has no name on the disk, and is closed with the map of it
            self._spool = self._spool or tempfile.TemporaryFile()  # noqa: SIM115
            self._spool.write(self._held)
            self._held.clear()


class Texts:
    """The text of `<t>` elements, without what is only a help for pronunciation."""

    def __init__(self, longest: int, where: str) -> None:
        self.longest = longest
        self.where = where
        self.parts: list[str] = []
        self.size = 0
        self._open = False
        self._phonetic = 0

    def clear(self) -> None:
        self.parts.clear()
        self.size = 0

    def start(self, name: str) -> None:
        if name == "rPh":
            self._phonetic += 1
        self._open = name == "t" and not self._phonetic

    def end(self, name: str) -> None:
        if name == "rPh":
            self._phonetic -= 1
        self._open = False

    def text(self, text: str) -> None:
        if self._open:
            self.add(text)

    def add(self, text: str) -> None:
        self.parts.append(text)
        self.size += len(text)
        if self.size > self.longest:
            size = self.longest // 2**20
            raise refuse("value_too_long", f"{self.where}: a value is longer than {size} MB")

    def joined(self) -> str:
        return unescaped("".join(self.parts))


def unescaped(text: str) -> str:
    """`_x000D_` is how characters are written that XML cannot hold."""
    if "_x" not in text:
        return text
    return _ESCAPED.sub(lambda found: chr(int(found.group(1), 16)), text)
