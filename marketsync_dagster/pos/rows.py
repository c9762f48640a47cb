"""The regular rows of a file on their way to the frame: text becomes SKUs, prices and stock.

Cells that cannot be read go to the quarantine; files as a whole are `extract`'s subject.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos import columns as column_names
from marketsync_dagster.pos import (
    identifiers,
    money,
    prices,
    promotions,
    shifted,
    stock,
    totals,
)
from marketsync_dagster.pos.kernels import as_bool, has_control, pc
from marketsync_dagster.pos.model import CARRIED, EXTRACT_COLUMNS, ExtractSpec
from marketsync_dagster.pos.quarantine import Quarantine
from marketsync_dagster.pos.texts import MODEL_SKU, Texts
from marketsync_dagster.pos.unpriced import is_nothing
from marketsync_dagster.pos.whole import Whole

TEXTS = ("name", "brand", "category", "size", "unit")
_BETWEEN_TAGS = r"\s*[,;|\x{060C}][,;|\x{060C}\s]*"


class Rows:
    """The regular rows of a file on their way to the frame; faults go to the quarantine."""

    def __init__(
        self,
        texts: Texts,
        spec: ExtractSpec,
        chosen: column_names.Columns,
        whole: Whole,
    ) -> None:
        self.texts = {
            name: column for name, column in texts.columns.items() if not name.startswith("_")
        }
        self.models = texts.columns.get(MODEL_SKU)
        self.lines = texts.lines
        self.documents = texts.documents
        self.numbers = {name: which for name, which in texts.numbers.items() if which.any()}
        self.spec = spec
        self.count = len(texts)
        self.whole = whole
        self.quarantine = Quarantine(
            whole.rejects, texts.headers, texts.lines, texts.documents, texts.records
        )
        self.header_sku = chosen.header["sku"]
        place = len(chosen.position)
        # what is carried along proves nothing of the other columns
        named = (name for name in self.texts if name not in CARRIED)
        self.order = sorted(named, key=lambda name: chosen.position.get(name, place))
        self.currencies = chosen.currencies

    def table(self) -> tuple[pa.Table, np.ndarray]:
        """The rows that can be used, columns as `Extract.frame` has them, and their positions."""
        read, separator = self._prices()
        columns: dict[str, pa.Array | np.ndarray] = {"sku": self._skus(read)}
        for name in (*TEXTS, *CARRIED):
            columns[name] = _tidy(self.texts[name]) if name in self.texts else self._nulls()
        if "tags" in self.texts:
            columns["tags"] = _listed(self.texts["tags"])
        columns["barcode"] = columns["barcode_note"] = columns["internal_code"] = self._nulls()
        if "barcode" in self.texts:
            codes = identifiers.read_barcodes(self.texts["barcode"])
            columns["barcode"], columns["barcode_note"] = codes.codes, codes.notes
            columns["internal_code"] = codes.internal
        regular, promo = read.get("price"), read.get("promo_price")
        self._header_currencies(read)
        self._price_faults(regular, promo)
        self._shifted(columns["barcode"])
        columns["price_minor"] = _nullable(regular, self.count)
        columns["promo_price_minor"] = _nullable(promo, self.count)
        columns["promo_from"], columns["promo_to"] = self._windows(promo)
        self._compare(regular, promo)
        self._currency()
        columns["currency"] = pa.repeat(self.spec.currency, self.count)
        self._stock(columns, separator)
        columns["line"] = pa.array(self.lines)
        table = pa.table({name: columns[name] for name in EXTRACT_COLUMNS})
        good = np.flatnonzero(self.quarantine.ok)
        if len(good) < self.count:
            table = table.take(pa.array(good))
        return table, good

    def _shifted(self, barcodes: pa.Array | np.ndarray) -> None:
        """Reject what stands one column beside its own; `barcodes` are those that are read."""
        there = as_bool(pc.is_valid(barcodes))
        for row, name in shifted.shifted_rows(self.texts, self.order, there, self.spec.currency):
            self.quarantine.row(row, name, self._cell(name, row), "shifted")

    def _nulls(self) -> pa.Array:
        return pa.nulls(self.count, pa.string())

    def _written(self, name: str) -> pa.Array:
        return _typed_by_hand(self.texts[name], self.numbers.get(name))

    def _cell(self, name: str, row: int) -> str:
        return self.texts[name][row].as_py()

    def _skus(self, read: dict[str, prices.Prices]) -> pa.Array:
        """SKUs; the prices `read` are for telling sums from products."""
        raw = self.texts["sku"]
        skus, faults = identifiers.read_skus(raw)
        modelled = np.zeros(self.count, bool)
        if self.models is not None:
            modelled = as_bool(pc.not_equal(self.models, ""))
        repeated = as_bool(pc.equal(raw, self.header_sku))
        for row in np.flatnonzero(repeated).tolist():
            self.quarantine.row(row, "sku", self.header_sku, "repeated_header")
        described = {name: self.texts[name] for name in self.order if name in (*TEXTS, "barcode")}
        priced = read.get("price") or read["promo_price"]
        before, last = self.whole.before, self.whole.last
        for total in totals.find(described, skus, priced.minor, priced.known, before, last=last):
            column = total.column if total.column in self.texts else "promo_price"
            self.quarantine.row(total.row, column, self._cell(column, total.row), "total_row")
        for row, reason in faults.items():
            column = "model" if modelled[row] else "sku"
            if reason == "missing_sku" and "model" in self.texts:
                reason = "no_sku"
            self.quarantine.row(row, column, self._cell(column, row), reason)
        taken = np.flatnonzero(modelled & self.quarantine.ok)
        first = repr(self._cell("model", int(taken[0]))) if len(taken) else ""
        self.whole.note("model_as_sku", len(taken), first)
        # from here on, rejects can name the product
        self.quarantine.sku = lambda row: skus[row].as_py()
        return skus

    def _prices(self) -> tuple[dict[str, prices.Prices], money.Separator | None]:
        """The price columns that there are, and what is known of the file's decimal separator."""
        spec = self.spec
        written = {
            name: prices.sort_written(self._written(name), spec.currency)
            for name in ("price", "promo_price")
            if name in self.texts
        }
        found = self.whole.evidence or prices.evidence(list(written.values()), spec.currency)
        read = {
            name: prices.convert(column, spec.currency, spec.decimal, found)
            for name, column in written.items()
        }
        for name in read.keys() & self.numbers.keys():
            which = self.numbers[name]
            exact = prices.read_numbers(self.texts[name], which, spec.currency)
            read[name] = prices.merged(read[name], exact)
        self.whole.evidence = found
        return read, spec.decimal or found.separator

    def _compare(self, regular: prices.Prices | None, promo: prices.Prices | None) -> None:
        """Reject promotions that cost more: one of the two prices is wrong."""
        if regular is not None and promo is not None:
            above = regular.known & promo.known & (promo.minor > regular.minor)
            for row in np.flatnonzero(above & self.quarantine.ok).tolist():
                note = f"The regular price is {self._cell('price', row)}."
                cell = self._cell("promo_price", row)
                self.quarantine.row(row, "promo_price", cell, "promo_above_price", note)

    def _header_currencies(self, read: dict[str, prices.Prices]) -> None:
        """Reject what stands in a column whose header names another currency than the outlet's."""
        for name, column in read.items():
            mark = self.currencies.get(name)
            if not mark or money.is_currency(mark, self.spec.currency):
                continue
            note = f"The header says {mark}, the outlet {self.spec.currency}."
            for row in np.flatnonzero(~column.blank & self.quarantine.ok).tolist():
                self.quarantine.row(row, name, self._cell(name, row), "other_currency", note)

    def _price_faults(self, regular: prices.Prices | None, promo: prices.Prices | None) -> None:
        zeros: list[str] = []
        marks: dict[str, list[str]] = {"price": [], "promo_price": []}
        for name, column, other in (("price", regular, promo), ("promo_price", promo, regular)):
            for row, reason in column.faults.items() if column is not None else ():
                cell = self._cell(name, row)
                if other is not None and other.known[row]:
                    if reason == "not_priced" and is_nothing(cell):
                        # as good as a blank: the other price holds
                        marks[name].append(cell)
                        continue
                    if reason == "zero_price" and name == "promo_price":
                        # tills write 0.00 for `no promotion`
                        zeros.append(cell)
                        continue
                self.quarantine.row(row, name, cell, reason)
        self.whole.note("promo_zero", len(zeros))
        for name, what in (("promo_price", "promo_mark"), ("price", "price_mark")):
            cells = marks[name]
            self.whole.note(what, len(cells), repr(cells[0]) if cells else "")
        nothing = np.zeros(self.count, bool)
        priced = (regular.known if regular else nothing) | (promo.known if promo else nothing)
        column = "price" if regular is not None else "promo_price"
        self.quarantine.rows(
            np.flatnonzero(~priced & self.quarantine.ok), column, lambda _: "", "missing_price"
        )

    def _windows(self, promo: prices.Prices | None) -> tuple[pa.Array, pa.Array]:
        """When the promotions begin and end; rows are rejected whose window cannot be read."""
        promoted = np.zeros(self.count, bool) if promo is None else promo.known
        starts, ends = (self.texts.get(name) for name in ("promo_from", "promo_to"))
        if not promoted.any() or (starts is None and ends is None):
            return self._nulls(), self._nulls()
        found = promotions.read_windows(starts, ends, promoted, self.spec.timezone)
        for row, (column, cell, words) in found.faults.items():
            self.quarantine.row(row, column, cell, "bad_promo_window", words)
        return found.starts, found.ends

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
            units, known, bad = stock.read_quantities(self._written("stock"), separator)
            if "stock" in self.numbers:
                texts = pc.if_else(pa.array(self.numbers["stock"]), self.texts["stock"], "")
                others = stock.read_quantities(texts, ".")
                units, known, bad = units + others[0], known | others[1], bad + others[2]
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
    blank = pc.equal(tidy, "")
    if not pc.any(blank).as_py():
        return tidy
    return pc.if_else(blank, pa.scalar(None, pa.string()), tidy)


def _listed(texts: pa.Array) -> pa.Array:
    """Words of a list with `, ` between them, whichever sign and however many stand there."""
    listed = pc.replace_substring_regex(texts, _BETWEEN_TAGS, ", ")
    return _tidy(pc.replace_substring_regex(listed, "^, |, $", ""))


def _typed_by_hand(texts: pa.Array, numbers: np.ndarray | None) -> pa.Array:
    """The cells that somebody wrote as text; those that are numbers, or a NULL, as blank."""
    texts = _without_null(texts)
    return texts if numbers is None else pc.if_else(pa.array(numbers), "", texts)


def _without_null(texts: pa.Array) -> pa.Array:
    r"""A database's NULL and \N as blank."""
    absent = pc.is_in(texts, pa.array(["NULL", "null", r"\N"]))
    return pc.if_else(absent, "", texts) if pc.any(absent).as_py() else texts


def evidence_in(texts: Texts, currency: str) -> money.Evidence:
    """What the prices of some records prove of the decimal separator."""
    written = [
        prices.sort_written(_typed_by_hand(texts.columns[name], texts.numbers.get(name)), currency)
        for name in ("price", "promo_price")
        if name in texts.columns
    ]
    return prices.evidence(written, currency)
