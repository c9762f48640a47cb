"""What an extract looks like, column by column, in a few numbers: so that the next one can be
compared with it.

Figures are of a sample: the rows whose SKUs have the smallest hashes. It is the same for any order
of the rows, and two extracts of one outlet are judged by the same products. What differs between
two profiles is `pos.drift`'s subject.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos.kernels import as_int, matches, pc
from marketsync_dagster.values.gtin import check_digits_fit

SAMPLE = 1_000
"""Rows that are looked at; all of an extract that has no more."""
SKETCH = 64
"""Hashes of SKUs that are kept."""
MAX_COLUMNS = 100
MAX_HEADERS = 500
MAX_TEXT = 200
_VERSION = 1
_SLICE = 1 << 14
_SIGNS = 128
"""Bytes of a SKU that its hash is made of."""

FIGURES = ("whole", "point", "comma", "grouped", "marked")
"""Kinds of cells that are figures: `12`, `1.5`, `1,5`, `1,234.50`, `KES 12` or `12 kg`."""
_FIGURE = "9(?:[., ']9)*"
_KINDS = (
    ("whole", re.compile("[+-]?9")),
    ("point", re.compile(r"[+-]?(?:9?\.9)")),
    ("comma", re.compile("[+-]?(?:9?,9)")),
    ("grouped", re.compile("[+-]?" + _FIGURE)),
    ("marked", re.compile(rf"(?:-?[a$]+\.? ?|[a$]+\.? -|-)?{_FIGURE} ?(?:[a$]+\.?)?(?:[/.]-|/=)?")),
    ("text", re.compile(".*a.*", re.DOTALL)),
)
_NO_FIGURES = frozenset({"sku", "barcode", "name"})


@dataclass(frozen=True)
class ColumnProfile:
    """One column; shares are of the rows that were looked at, those after `fill` of filled ones."""

    header: str
    fill: float = 0.0
    distinct: float = 0.0
    values: int = 0
    """How many different ones."""
    kinds: Mapping[str, float] = field(default_factory=dict)
    """Share of FIGURES, `text` and `other`."""
    zeros: float = 0.0
    """Begin with a zero that another digit follows."""
    barcodes: float = 0.0
    """Are 8, 12, 13 or 14 digits of which the last one is the check digit."""
    shortest: int = 0
    length: int = 0
    """The median."""
    longest: int = 0
    median: str | None = None
    """Of the figures, where most cells are one; a figure of the file, as are the next two."""
    least: str | None = None
    most: str | None = None

    @property
    def figures(self) -> float:
        """The share of cells that are figures of any kind."""
        return sum(self.kinds.get(kind, 0.0) for kind in FIGURES)


@dataclass(frozen=True)
class Profile:
    """What one extract looks like."""

    records: int
    rows: int
    """How many were looked at."""
    encoding: str
    delimiter: str
    coverage: str
    headers: Sequence[str]
    columns: Mapping[str, ColumnProfile]
    """By our name of the column (`price`), of those that were read."""
    sketch: Sequence[int] = ()
    """The smallest hashes of SKUs, leading zeros left out."""

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON; `from_json` reads them."""
        return {"version": _VERSION, **dataclasses.asdict(self)}


def from_json(said: object) -> Profile | None:
    """The profile that `as_json` wrote; None where there is none, or one of another version."""
    if not isinstance(said, dict) or said.get("version") != _VERSION:
        return None
    facts = {key: value for key, value in said.items() if key != "version"}
    columns = {name: ColumnProfile(**one) for name, one in facts.pop("columns").items()}
    return Profile(columns=columns, **facts)


class Profiler:
    """Collects a sample over the blocks of an extract; its memory does not grow with them."""

    def __init__(self) -> None:
        self.records = 0
        self._hashes = np.empty(0, np.uint64)
        self._parts: dict[str, pa.Array] = {}

    def add(self, texts: Mapping[str, pa.Array]) -> None:
        """Take up some rows: our name of each column -> trimmed text; the same names each time."""
        count = len(texts["sku"])
        self.records += count
        for start in range(0, count, _SLICE):
            self._add({name: column.slice(start, _SLICE) for name, column in texts.items()})

    def _add(self, texts: dict[str, pa.Array]) -> None:
        hashes = hash_of(pc.utf8_ltrim(texts["sku"], "0"))
        if len(self._hashes) == SAMPLE:
            near = np.flatnonzero(hashes < self._hashes[-1])
            hashes = hashes[near]
            texts = {name: column.take(pa.array(near)) for name, column in texts.items()}
        hashes = np.concatenate([self._hashes, hashes])
        best = np.argsort(hashes, kind="stable")[:SAMPLE]
        for name, column in texts.items():
            known = self._parts.get(name)
            whole = column if known is None else pa.concat_arrays([known, column])
            self._parts[name] = whole.take(pa.array(best))
        self._hashes = hashes[best]

    def profile(
        self,
        headers: Sequence[str],
        used: Mapping[str, str],
        *,
        encoding: str,
        delimiter: str,
        coverage: str,
    ) -> Profile:
        """The profile of all that was added.

        `headers`: all of the file, in their order; `used`: our name of a column -> its header.
        """
        names = [name for name in used if name in self._parts][:MAX_COLUMNS]
        return Profile(
            records=self.records,
            rows=len(self._hashes),
            encoding=encoding,
            delimiter=delimiter,
            coverage=coverage,
            headers=[header.strip()[:MAX_TEXT] for header in headers[:MAX_HEADERS]],
            columns={
                name: _column(name, used[name][:MAX_TEXT], self._parts[name]) for name in names
            },
            sketch=np.unique(self._hashes)[:SKETCH].astype(np.int64).tolist(),
        )


def hash_of(texts: pa.Array) -> np.ndarray:
    """uint64 below 2**53 per text, of its first 128 bytes; blank ones come last."""
    data, offsets = _bytes(texts)
    starts, lengths = offsets[:-1], np.minimum(np.diff(offsets), _SIGNS)
    hashes = np.full(len(texts), 2**53 - 1, np.uint64)
    filled = np.flatnonzero(lengths)
    if not len(filled):
        return hashes
    lengths, starts = lengths[filled], starts[filled]
    first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    place = np.arange(lengths.sum()) - np.repeat(first, lengths)
    signs = data[np.repeat(starts, lengths) + place].astype(np.uint64) + np.uint64(1)
    with np.errstate(over="ignore"):
        mixed = np.add.reduceat(signs * _WEIGHTS[place], first)
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(32)
    hashes[filled] = mixed >> np.uint64(11)
    return hashes


_WEIGHTS = np.random.default_rng(20).integers(1, 2**63, _SIGNS, np.uint64) | np.uint64(1)


def _bytes(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The UTF-8 of all texts, and where each begins and the last one ends."""
    _, offsets, data = texts.buffers()
    if data is None or not len(texts):
        return np.empty(0, np.uint8), np.zeros(len(texts) + 1, np.int64)
    places = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    places = places.astype(np.int64)
    return np.frombuffer(data, np.uint8)[places[0] : places[-1]], places - places[0]


def _column(name: str, header: str, texts: pa.Array) -> ColumnProfile:
    texts = pc.fill_null(texts, "")
    if not pc.all(pc.string_is_ascii(texts), min_count=0).as_py():
        texts = pc.replace_substring_regex(texts, "[\\x{00A0}\\x{2009}\\x{202F}]", " ")
    filled = texts.filter(pc.not_equal(texts, ""))
    count = len(filled)
    if not count:
        return ColumnProfile(header)
    kinds, kind_of = _kinds(filled)
    lengths = np.sort(as_int(pc.utf8_length(filled)))
    values = len(filled.unique())
    profile = ColumnProfile(
        header,
        fill=_share(count, len(texts)),
        distinct=_share(values, count),
        values=values,
        kinds=kinds,
        zeros=_share(int(matches(filled, "^0[0-9]").sum()), count),
        barcodes=_share(int(_barcodes(filled).sum()), count),
        shortest=int(lengths[0]),
        length=int(lengths[(count - 1) // 2]),
        longest=int(lengths[-1]),
    )
    if name in _NO_FIGURES or profile.figures < 0.5:
        return profile
    numbers = np.sort(_numbers(filled, kind_of))
    shown = [_plain(numbers[at]) for at in ((len(numbers) - 1) // 2, 0, -1)]
    return dataclasses.replace(profile, median=shown[0], least=shown[1], most=shown[2])


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4)


_CLASSES = np.arange(256, dtype=np.uint8)
_CLASSES[ord("0") : ord("9") + 1] = ord("9")
_CLASSES[[*range(ord("a"), ord("z") + 1), *range(ord("A"), ord("Z") + 1)]] = ord("a")
_CLASSES[128:] = ord("a")


def _kinds(filled: pa.Array) -> tuple[dict[str, float], np.ndarray]:
    """The share of each kind, and the kind of each cell.

    A cell is brought to its shape first, `KES 1,600` to `a 9,9`: of those there are few.
    """
    data, offsets = _bytes(filled)
    signs = _CLASSES[data]
    keep = np.ones(len(signs), bool)
    keep[1:] = (signs[1:] != signs[:-1]) | ((signs[1:] != ord("9")) & (signs[1:] != ord("a")))
    keep[offsets[:-1]] = True
    ends = np.concatenate([[0], np.cumsum(keep)])[offsets].astype(np.int32)
    shapes = pa.StringArray.from_buffers(
        len(filled), pa.py_buffer(ends), pa.py_buffer(signs[keep].tobytes())
    )
    coded = pc.dictionary_encode(shapes)
    names = np.array([_kind(shape) for shape in coded.dictionary.to_pylist()])
    kind_of = names[coded.indices.to_numpy()]
    found, counts = np.unique(kind_of, return_counts=True)
    shares = {
        str(kind): _share(int(part), len(filled)) for kind, part in zip(found, counts, strict=True)
    }
    return shares, kind_of


def _kind(shape: str) -> str:
    return next((kind for kind, pattern in _KINDS if pattern.fullmatch(shape[:MAX_TEXT])), "other")


def _barcodes(filled: pa.Array) -> np.ndarray:
    """Which cells are digits with the check digit of a GTIN."""
    found = matches(filled, "^(?:[0-9]{8}|[0-9]{12,14})$")
    found[found] = check_digits_fit(filled.filter(pa.array(found)))
    return found


def _numbers(filled: pa.Array, kind_of: np.ndarray) -> np.ndarray:
    """The figures of a column, only to be compared: never a price."""
    signless = pc.replace_substring_regex(filled, r"[^0-9.,-]", "")
    signless = pc.replace_substring_regex(signless, r"^[.,]+|[.,-]+$", "")
    easy = pa.array(np.isin(kind_of, ("whole", "point", "comma")))
    odd = pa.array(np.isin(kind_of, ("grouped", "marked")))
    plain = pc.replace_substring(signless.filter(easy), ",", ".").cast(pa.float64())
    coded = signless.filter(odd).dictionary_encode()
    each = np.array([_number(text) for text in coded.dictionary.to_pylist()], np.float64)
    grouped = each[as_int(coded.indices)] if len(each) else each
    every = np.concatenate([plain.to_numpy(zero_copy_only=False), grouped])
    return every[np.isfinite(every)]


def _number(text: str) -> float:
    """A grouped figure: its last separator is a decimal one unless three digits follow it."""
    *groups, last = re.split("[.,]", text)
    digits = "".join(groups)
    written = f"{digits}{last}" if not groups or len(last) == 3 else f"{digits}.{last}"
    try:
        return float(written)
    except ValueError:
        return float("nan")


def _plain(number: float) -> str:
    """`12`, `12.5`: the shortest text that is this number."""
    whole = int(number)
    return str(whole) if whole == number else repr(float(number))
