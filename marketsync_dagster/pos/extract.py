"""One extract, from bytes to an accepted frame and its rejects: the other modules in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from marketsync_dagster.pos import columns as column_names
from marketsync_dagster.pos import dialect as dialects
from marketsync_dagster.pos import identifiers, money, prices, stock, tokens
from marketsync_dagster.pos.duplicates import find_repeats
from marketsync_dagster.pos.kernels import as_bool, has_control, pc
from marketsync_dagster.pos.model import EXTRACT_COLUMNS, Extract, ExtractSpec, NothingAccepted
from marketsync_dagster.pos.opening import Opened, open_text
from marketsync_dagster.pos.quarantine import Quarantine
from marketsync_dagster.pos.reasons import FILE_REASONS, refuse
from marketsync_dagster.pos.truncation import check_complete

_TEXTS = ("name", "brand", "category", "size", "unit")
_READ = ("sku", *_TEXTS, "barcode", "price", "promo_price", "currency", "stock", "stock_status")
USED = frozenset({*_READ, "active"})
"""Canonical columns that become part of the frame."""


def read_csv_extract(source: Path | bytes, spec: ExtractSpec, *, file: str) -> Extract:
    """Read one CSV extract; `file` is the name that messages and rejects carry.

    Raises ExtractError where the extract as a whole cannot be trusted (codes:
    `reasons.FILE_REASONS`), and NothingAccepted, which carries the rejects, where no row is good.
    Contract: DESIGN 11.
    """
    opened = open_text(source, spec.encoding, file)
    dialect = dialects.find_dialect(opened.data, spec.delimiter, spec.columns, file)
    chosen = column_names.choose(dialect.headers, spec.columns, file, dialect.header_line)
    names = [name for name in chosen.position if name in USED]
    width = _width(dialect.headers, chosen)
    wanted = [chosen.position[name] for name in names] + [width - 1]
    found = tokens.tokenise(opened.data, dialect.start, dialect.delimiter, width, wanted, file)
    odd = check_complete(opened.data, dialect, found, file)
    texts = {
        name: pc.utf8_trim_whitespace(column)
        for name, column in zip(names, found.columns, strict=False)
    }
    reader = _Rows(texts, found.lines, spec, chosen, file)
    for record in odd:
        reader.quarantine.record(
            record.line, None, dialect.delimiter.join(record.cells), record.reason
        )
    records = len(found.lines) + len(odd)
    if records == 0:
        raise refuse("header_only", f"{file} has a header and no records")
    frame, dropped = reader.frame()
    extract = _extract(frame, dropped, records, reader, opened, dialect, chosen, spec, file)
    if not extract.accepted:
        raise NothingAccepted(
            f"{file}: none of {records} records can be used",
            FILE_REASONS["nothing_accepted"],
            extract,
        )
    return extract


def _width(headers: list[str], chosen: column_names.Columns) -> int:
    """The number of columns with a name: empty header cells at the end count for nothing."""
    named = max(index for index, header in enumerate(headers) if header.strip()) + 1
    return max(named, max(chosen.position.values()) + 1, 2)


def _extract(
    frame: pd.DataFrame,
    dropped: int,
    records: int,
    reader: _Rows,
    opened: Opened,
    dialect: dialects.Dialect,
    chosen: column_names.Columns,
    spec: ExtractSpec,
    file: str,
) -> Extract:
    rejects = reader.quarantine.frame()
    if records != len(frame) + len(rejects) + dropped:
        raise AssertionError(
            f"{file}: {records} records are not {len(frame)} accepted + {len(rejects)} rejected "
            f"+ {dropped} duplicates"
        )
    warnings = list(reader.warnings)
    if opened.guessed:
        warnings.insert(0, f"the encoding {opened.encoding} is guessed; say `encoding` to fix it")
    if opened.data[-1:] not in (b"\n", b"\r"):
        warnings.append("the last line has no line end: the file may have been cut there")
    return Extract(
        frame=frame,
        rejects=rejects,
        records=records,
        accepted=len(frame),
        rejected=len(rejects),
        duplicates=dropped,
        file=file,
        sha256=opened.sha256,
        size=opened.size,
        encoding=opened.encoding,
        delimiter=dialect.delimiter,
        header_line=dialect.header_line,
        columns=chosen.header,
        ignored=chosen.ignored,
        coverage=spec.coverage,
        warnings=warnings,
    )


class _Rows:
    """The regular rows of a file on their way to the frame; faults go to the quarantine."""

    def __init__(
        self,
        texts: dict[str, pa.Array],
        lines: np.ndarray,
        spec: ExtractSpec,
        chosen: column_names.Columns,
        file: str,
    ) -> None:
        self.texts = texts
        self.lines = lines
        self.spec = spec
        self.count = len(lines)
        self.warnings: list[str] = []
        self.quarantine = Quarantine(file, chosen.header, lines)
        self.header_sku = chosen.header["sku"]

    def frame(self) -> tuple[pd.DataFrame, int]:
        """The accepted rows, and how many were dropped as duplicates."""
        columns: dict[str, pa.Array | np.ndarray] = {"sku": self._skus()}
        for name in _TEXTS:
            columns[name] = _tidy(self.texts[name]) if name in self.texts else self._nulls()
        columns["barcode"] = columns["barcode_note"] = self._nulls()
        if "barcode" in self.texts:
            codes, notes = identifiers.read_barcodes(self.texts["barcode"])
            columns["barcode"], columns["barcode_note"] = codes, notes
        separator = self._prices(columns)
        self._currency()
        columns["currency"] = pa.repeat(self.spec.currency, self.count)
        self._stock(columns, separator)
        columns["line"] = pa.array(self.lines)
        table = pa.table({name: columns[name] for name in EXTRACT_COLUMNS})
        good = np.flatnonzero(self.quarantine.ok)
        if len(good) < self.count:
            table = table.take(pa.array(good))
        frame = _to_pandas(table)
        repeats = find_repeats(frame, self.spec.duplicates)
        for row, others in repeats.contradicting.items():
            lines = ", ".join(str(line) for line in others[:20])
            sku = str(frame["sku"].iat[row])
            note = f"Also on line {lines}."
            self.quarantine.row(int(good[row]), "sku", sku, "contradicting_duplicate", note)
        if repeats.overruled:
            self.warnings.append(
                f"{repeats.overruled} rows say something else than the row of their SKU that is "
                f"kept (duplicates: {self.spec.duplicates})"
            )
        gone = [*repeats.dropped, *repeats.contradicting]
        if gone:
            frame = frame.drop(index=gone).reset_index(drop=True)
        return frame, len(repeats.dropped)

    def _nulls(self) -> pa.Array:
        return pa.nulls(self.count, pa.string())

    def _cell(self, name: str, row: int) -> str:
        return self.texts[name][row].as_py()

    def _skus(self) -> pa.Array:
        raw = self.texts["sku"]
        skus, faults = identifiers.read_skus(raw)
        repeated = as_bool(pc.equal(raw, self.header_sku))
        for row in np.flatnonzero(repeated).tolist():
            self.quarantine.row(row, "sku", self.header_sku, "repeated_header")
        for row, reason in faults.items():
            self.quarantine.row(row, "sku", self._cell("sku", row), reason)
        # from here on, rejects can name the product
        self.quarantine.sku = lambda row: skus[row].as_py()
        return skus

    def _prices(self, columns: dict[str, pa.Array | np.ndarray]) -> money.Separator | None:
        """Both price columns; returns what is known of the file's decimal separator."""
        spec = self.spec
        written = {
            name: prices.sort_written(_without_null(self.texts[name]), spec.currency)
            for name in ("price", "promo_price")
            if name in self.texts
        }
        found = prices.evidence(list(written.values()), spec.currency)
        read = {
            name: prices.convert(column, spec.currency, spec.decimal, found)
            for name, column in written.items()
        }
        if found.point and found.comma and spec.decimal is None:
            self.warnings.append("prices are written with decimal points and with decimal commas")
        promo = read.get("promo_price")
        regular = read.get("price")
        self._price_faults(regular, promo)
        columns["price_minor"] = _nullable(regular, self.count)
        columns["promo_price_minor"] = _nullable(promo, self.count)
        if regular is not None and promo is not None:
            above = regular.known & promo.known & (promo.minor > regular.minor)
            above &= self.quarantine.ok
            if above.any():
                line = int(self.lines[np.flatnonzero(above)[0]])
                self.warnings.append(
                    f"{int(above.sum())} promo prices are above the regular price, the first on "
                    f"line {line}"
                )
        return spec.decimal or found.separator

    def _price_faults(self, regular: prices.Prices | None, promo: prices.Prices | None) -> None:
        ignored_zero = 0
        if regular is not None:
            for row, reason in regular.faults.items():
                self.quarantine.row(row, "price", self._cell("price", row), reason)
        if promo is not None:
            for row, reason in promo.faults.items():
                priced = regular is not None and regular.known[row]
                if reason == "zero_price" and priced:
                    # tills write 0.00 for `no promotion`
                    ignored_zero += 1
                    continue
                self.quarantine.row(row, "promo_price", self._cell("promo_price", row), reason)
        if ignored_zero:
            self.warnings.append(f"{ignored_zero} promo prices of zero are read as no promotion")
        nothing = np.zeros(self.count, bool)
        priced = (regular.known if regular else nothing) | (promo.known if promo else nothing)
        column = "price" if regular is not None else "promo_price"
        self.quarantine.rows(
            np.flatnonzero(~priced & self.quarantine.ok), column, lambda _: "", "missing_price"
        )

    def _currency(self) -> None:
        if "currency" not in self.texts:
            return
        texts = self.texts["currency"]
        fine = {"", self.spec.currency}
        for word in pc.unique(texts).to_pylist():
            if word in fine or money.is_currency(word, self.spec.currency):
                continue
            rows = np.flatnonzero(as_bool(pc.equal(texts, word)))
            self.quarantine.rows(
                rows, "currency", lambda row: self._cell("currency", row), "other_currency"
            )

    def _stock(
        self, columns: dict[str, pa.Array | np.ndarray], separator: money.Separator | None
    ) -> None:
        quantity = pa.nulls(self.count, pa.int64())
        if "stock" in self.texts:
            texts = _without_null(self.texts["stock"])
            units, known, bad = stock.read_quantities(texts, separator)
            self.quarantine.rows(bad, "stock", lambda row: self._cell("stock", row), "bad_quantity")
            quantity = pa.array(units, mask=~known)
        status = self._nulls()
        if "stock_status" in self.texts:
            words, bad = stock.read_words(self.texts["stock_status"], stock.STATUS)
            self.quarantine.rows(
                bad, "stock_status", lambda row: self._cell("stock_status", row), "bad_stock_status"
            )
            status = pa.array(words, pa.string())
        active = np.ones(self.count, bool)
        if "active" in self.texts:
            flags, bad = stock.read_words(self.texts["active"], stock.ACTIVE)
            self.quarantine.rows(bad, "active", lambda row: self._cell("active", row), "bad_active")
            active = np.array([flag is not False for flag in flags], bool)
        columns["quantity"], columns["stock_status"] = quantity, status
        columns["active"] = pa.array(active)


def _nullable(prices: prices.Prices | None, count: int) -> pa.Array:
    if prices is None:
        return pa.nulls(count, pa.int64())
    return pa.array(prices.minor, mask=~prices.known)


def _tidy(texts: pa.Array) -> pa.Array:
    """Descriptive text: line breaks and control characters as one blank, empty as null."""
    tidy = texts
    if has_control(texts):
        tidy = pc.utf8_trim_whitespace(pc.replace_substring_regex(texts, r"[\x00-\x1f\x7f]+", " "))
    return pc.if_else(pc.equal(tidy, ""), pa.scalar(None, pa.string()), tidy)


def _without_null(texts: pa.Array) -> pa.Array:
    r"""A database's NULL and \N as blank."""
    absent = pc.is_in(texts, pa.array(["NULL", "null", r"\N"]))
    return pc.if_else(absent, "", texts) if pc.any(absent).as_py() else texts


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    """Text as `str`, integers as nullable Int64 but for `line`."""
    columns: dict[str, Any] = {}
    for name in EXTRACT_COLUMNS:
        column = table.column(name)
        if pa.types.is_string(column.type):
            columns[name] = pd.array(column.cast(pa.large_string()), dtype="str")
        elif name in ("line", "active"):
            columns[name] = column.to_numpy().copy()
        else:
            columns[name] = pd.Int64Dtype().__from_arrow__(column)  # pyright: ignore
    return pd.DataFrame(columns, copy=False)
