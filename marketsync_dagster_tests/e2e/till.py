"""The till of one outlet of the example: writes its extracts anew, with other prices."""

from __future__ import annotations

import csv
import io
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Self

FIRST_EXTRACT = datetime(2026, 11, 20, 6, 0)  # noqa: DTZ001 # as the till writes it: its own time
FILE_NAMES = "*_%Y-%m-%d_%H%M.csv"


@dataclass(slots=True)
class Till:
    """Rows as cells of text, in the dialect of the outlet's example file."""

    outlet: str
    folder: Path
    encoding: str
    delimiter: str
    decimal: str
    columns: dict[str, str]
    rows: list[list[str]]
    moment: datetime = FIRST_EXTRACT

    @classmethod
    def of(cls, outlet: str, folder: Path, settings: dict) -> Self:
        """The till that wrote the only file in `folder`, which gets the name of a first extract."""
        (file,) = folder.glob("*.csv")
        encoding = settings.get("encoding") or "utf-8-sig"
        with file.open(encoding=encoding, newline="") as stream:
            delimiter = settings.get("delimiter") or ("\t" if "\t" in stream.readline() else ",")
            stream.seek(0)
            rows = list(csv.reader(stream, delimiter=delimiter))
        file.rename(folder / f"{outlet}_{FIRST_EXTRACT:%Y-%m-%d_%H%M}.csv")
        decimal = settings.get("decimal") or "."
        return cls(outlet, folder, encoding, delimiter, decimal, settings["columns"], rows)

    def _at(self, column: str) -> int:
        return self.rows[0].index(self.columns[column])

    def prices(self) -> dict[str, Decimal]:
        """SKU -> price, of the rows that have a plain one and no special price."""
        sku, price, promo = (self._at(name) for name in ("sku", "price", "promo_price"))
        found: dict[str, Decimal] = {}
        for row in self.rows[1:]:
            text = row[price].replace(self.decimal, ".") if len(row) == len(self.rows[0]) else ""
            if text.replace(".", "", 1).isdecimal() and not row[promo]:
                found[row[sku]] = Decimal(text)
        return found

    def reprice(self, change: Callable[[str, Decimal], Decimal]) -> None:
        """Give every row of `prices` the price that `change` makes of its SKU and price."""
        sku, price, known = self._at("sku"), self._at("price"), self.prices()
        for row in self.rows[1:]:
            if row[sku] in known and len(row) == len(self.rows[0]):
                new = change(row[sku], known[row[sku]])
                row[price] = str(new.quantize(Decimal("0.01"))).replace(".", self.decimal)

    def set_price(self, sku: str, price: str) -> None:
        """Give one SKU another price."""
        assert sku in self.prices()
        self.reprice(lambda one, old: Decimal(price) if one == sku else old)

    def content(self) -> bytes:
        """The extract as it is now."""
        text = io.StringIO()
        csv.writer(text, delimiter=self.delimiter, lineterminator="\r\n").writerows(self.rows)
        return text.getvalue().encode(self.encoding)

    def next_path(self) -> Path:
        """Where the next extract belongs: half an hour after the last one, by its name."""
        self.moment += timedelta(minutes=30)
        return self.folder / f"{self.outlet}_{self.moment:%Y-%m-%d_%H%M}.csv"

    def put(self, content: bytes | None = None) -> Path:
        """A next extract renamed into place, written a minute ago."""
        path = self.next_path()
        unfinished = path.with_suffix(".csv.part")
        unfinished.write_bytes(self.content() if content is None else content)
        a_minute_ago = time.time() - 60
        os.utime(unfinished, (a_minute_ago, a_minute_ago))
        return unfinished.rename(path)


class SlowCopy:
    """A file that a slow transfer writes: it grows all the time, never up to the end of a line.

    It begins with half of its content; `finish` writes the rest at once.
    """

    PAUSE_S = 0.3
    STEP = 100

    def __init__(self, path: Path, content: bytes) -> None:
        self.path = path
        self._content = content
        self._size = 0
        self._finished = threading.Event()
        self._grow_to(len(content) // 2)
        self._thread = threading.Thread(target=self._grow, daemon=True)
        self._thread.start()

    def _grow_to(self, size: int) -> None:
        while self._content[size - 1] in b"\r\n":
            size += 1
        assert size < len(self._content), "the test took longer than the transfer"
        self._append(size)

    def _append(self, size: int) -> None:
        with self.path.open("ab") as stream:
            stream.write(self._content[self._size : size])
        self._size = size

    def _grow(self) -> None:
        while not self._finished.wait(self.PAUSE_S):
            self._grow_to(self._size + self.STEP)

    def finish(self) -> None:
        """Write what is missing; does nothing the second time."""
        self._finished.set()
        self._thread.join()
        self._append(len(self._content))
