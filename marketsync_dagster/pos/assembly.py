"""An extract from its records: typed slice by slice, then compared with each other as a whole.

Of a file of any size one slice is in memory as text, and what is kept of the others: their
accepted rows (in a file, if they are many) and a hash of each SKU.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from marketsync_dagster.pos import identifiers
from marketsync_dagster.pos.columns import Columns
from marketsync_dagster.pos.duplicates import find_repeats, repeated
from marketsync_dagster.pos.kernels import pc
from marketsync_dagster.pos.model import EXTRACT_COLUMNS, ExtractSpec
from marketsync_dagster.pos.money import Evidence
from marketsync_dagster.pos.profile import hash_of
from marketsync_dagster.pos.quarantine import Quarantine, Rejects
from marketsync_dagster.pos.rows import Rows, evidence_in
from marketsync_dagster.pos.spool import Spool
from marketsync_dagster.pos.texts import Texts
from marketsync_dagster.pos.totals import Before
from marketsync_dagster.pos.whole import Whole
from marketsync_dagster.values.words import counted

_DOCUMENT = "\0document"


class Accepted:
    """The accepted rows of an extract."""

    def __init__(self, rows: Spool, gone: np.ndarray, schema: pa.Schema) -> None:
        self._rows = rows
        self._schema = schema
        self._gone = gone
        """Positions of rows that repeat others, ascending."""
        self.count = rows.rows - len(gone)

    def _tables(self) -> Iterator[pa.Table]:
        start = 0
        for batch in self._rows:
            end = start + batch.num_rows
            left, right = np.searchsorted(self._gone, (start, end))
            table = pa.Table.from_batches([batch])
            if left < right:
                keep = np.ones(batch.num_rows, bool)
                keep[self._gone[left:right] - start] = False
                table = table.filter(pa.array(keep))
            yield table
            start = end

    def frame(self) -> pd.DataFrame:
        """All of them, as `Extract.frame` has them."""
        tables = list(self._tables()) or [self._schema.empty_table()]
        return to_pandas(pa.concat_tables(tables).select(EXTRACT_COLUMNS))

    @property
    def origins(self) -> np.ndarray | None:
        """Which of several documents each row is of; None: there is one."""
        if _DOCUMENT not in self._schema.names:
            return None
        return np.concatenate([table.column(_DOCUMENT).to_numpy() for table in self._tables()])


class Assembly:
    """What became of the records of one extract."""

    def __init__(self, spec: ExtractSpec, chosen: Columns, files: Sequence[str]) -> None:
        self.spec = spec
        self.rejects = Rejects(files)
        self.records = self.continued = self.dropped = 0
        self.warnings: list[str] = []
        self._chosen = chosen
        self._whole = Whole(self.rejects)
        self._rows = Spool()
        self._schema = pa.schema([])
        self._hashes: list[np.ndarray] = []
        self._bare: list[np.ndarray] = []
        self._first: pa.Array | None = None
        """The SKUs of a first slice that may be the only one."""

    def evidence(self, slices: Iterable[Texts]) -> None:
        """What the prices of all slices prove together; before `add`, where there are several."""
        found = Evidence()
        for texts in slices:
            found = found | evidence_in(texts, self.spec.currency)
        self._whole.evidence = found

    def add(self, texts: Texts, *, last: bool = True) -> None:
        """Type one slice; `last`: a document ends with it."""
        whole = self._whole
        if whole.last and self.records:
            # of another document: it writes numbers in its own way
            whole.evidence, whole.before = None, Before()
        whole.last = last
        for fault in texts.faults:
            self.rejects.fault(fault, texts.headers)
        self.records += len(texts) + len(texts.faults)
        self.continued += texts.continued
        self.warnings += [words for words in texts.warnings if words not in self.warnings]
        table, good = Rows(texts, self.spec, self._chosen, whole).table()
        if texts.documents is not None:
            table = table.append_column(_DOCUMENT, pa.array(texts.documents[good]))
        self._schema = table.schema
        known = table.column("price_minor").drop_null()
        total = pc.sum(known).as_py() or 0
        whole.before = Before(whole.before.prices + len(known), whole.before.total + total)
        skus = table.column("sku").combine_chunks()
        self._hashes.append(hash_of(skus))
        if last and len(self._hashes) == 1:
            self.warnings += identifiers.zero_warnings(skus, texts.lines[good])
            self._first = skus
        else:
            bare = [self._first, skus] if self._first is not None else [skus]
            self._bare += [hash_of(pc.utf8_ltrim(one, "0")) for one in bare]
            self._first = None
        for batch in table.combine_chunks().to_batches():
            self._rows.append(batch)

    def finish(self) -> Accepted:
        """The accepted rows, when all slices were added; rejects what contradicts."""
        found = self._whole.evidence or Evidence()
        if found.point and found.comma and self.spec.decimal is None:
            self.warnings.append("prices are written with decimal points and with decimal commas")
        self.warnings += self._whole.warnings()
        sliced = len(self._hashes) > 1
        hashes = np.concatenate(self._hashes) if self._hashes else np.array([], np.uint64)
        self._hashes = []
        if sliced:
            self._zeros(hashes)
        rows = repeated(hashes)
        if not len(rows):
            return Accepted(self._rows, rows, self._schema)
        part = self._taken(rows)
        documents = part.pop(_DOCUMENT).to_numpy() if _DOCUMENT in part else None
        repeats = find_repeats(part, rows, self.spec.duplicates)
        self._contradictions(repeats.contradicting, part, rows, documents)
        if repeats.overruled:
            one = repeats.overruled == 1
            self.warnings.append(
                f"{counted(repeats.overruled, 'row')} {'says' if one else 'say'} something else "
                f"than the row of {'its' if one else 'their'} SKU that is kept "
                f"(duplicates: {self.spec.duplicates})"
            )
        self.dropped = len(repeats.dropped)
        gone = np.array(sorted([*repeats.dropped, *repeats.contradicting]), np.int64)
        return Accepted(self._rows, gone, self._schema)

    def _taken(self, rows: np.ndarray) -> pd.DataFrame:
        """Some of the accepted rows, by position."""
        start = 0
        taken: list[pa.Table] = []
        for batch in self._rows:
            end = start + batch.num_rows
            left, right = np.searchsorted(rows, (start, end))
            if left < right:
                here = pa.array(rows[left:right] - start)
                taken.append(pa.Table.from_batches([batch]).take(here))
            start = end
        table = pa.concat_tables(taken)
        frame = to_pandas(table.select(EXTRACT_COLUMNS))
        if _DOCUMENT in table.column_names:
            frame[_DOCUMENT] = table.column(_DOCUMENT).to_numpy()
        return frame

    def _contradictions(
        self,
        contradicting: dict[int, list[int]],
        part: pd.DataFrame,
        rows: np.ndarray,
        documents: np.ndarray | None,
    ) -> None:
        if not contradicting:
            return
        place_of = {int(row): place for place, row in enumerate(rows.tolist())}
        lines, skus = part["line"].to_numpy(), part["sku"].to_numpy()
        quarantine = Quarantine(self.rejects, self._chosen.header, lines, documents)
        quarantine.sku = lambda place: str(skus[place])
        for row, others in contradicting.items():
            said = ", ".join(
                f"{lines[place]}"
                if documents is None
                else f"{lines[place]} of {self.rejects.files[int(documents[place])]}"
                for place in (place_of[other] for other in others[:20])
            )
            place, note = place_of[row], f"Also on line {said}."
            quarantine.row(place, "sku", str(skus[place]), "contradicting_duplicate", note)

    def _zeros(self, hashes: np.ndarray) -> None:
        """What `identifiers.zero_warnings` says of one slice, for several."""
        bare = np.concatenate(self._bare)
        self._bare = []
        apart = _distinct(hashes) - _distinct(bare)
        if apart:
            self.warnings.append(
                f"SKUs that differ only in leading zeros stay different products: {apart} such"
            )


def _distinct(hashes: np.ndarray) -> int:
    ordered = np.sort(hashes)
    return int((ordered[1:] != ordered[:-1]).sum()) + bool(len(ordered))


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """Text as `str`, integers as nullable Int64 but for `line`."""
    columns: dict[str, Any] = {}
    for name in EXTRACT_COLUMNS:
        column = table.column(name)
        if pa.types.is_string(column.type):
            # in one piece: chunks keep all that was read with them
            texts = column.cast(pa.large_string()).combine_chunks()
            columns[name] = pd.array(texts, dtype="str")
        elif name in ("line", "active"):
            columns[name] = column.to_numpy().copy()
        else:
            columns[name] = pd.Int64Dtype().__from_arrow__(column)  # pyright: ignore
    return pd.DataFrame(columns, copy=False)
