"""Lists of outlets as head offices keep them: code, name, zone, currency, found by their headers.

CSV, workbooks, JSON, Parquet, and the `Stores` files of Israel.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from marketsync_dagster.pos.detect import Format
from marketsync_dagster.pos.documents import Document, documents_of
from marketsync_dagster.pos.headers.folding import fold
from marketsync_dagster.pos.readers.csv import keys, read_csv
from marketsync_dagster.pos.readers.json import read_json, read_json_lines
from marketsync_dagster.pos.readers.parquet import read_parquet
from marketsync_dagster.pos.readers.xls import read_xls
from marketsync_dagster.pos.readers.xlsx import read_xlsx
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.tables import Block, Kind, Limits, Table
from marketsync_dagster.values.errors import ExtractError

LIMITS = Limits(file_bytes=64 * 2**20, unpacked_bytes=64 * 2**20)
MOST = 20_000
"""More outlets are no list of outlets."""

_NOUNS = ("outlet", "store", "branch", "shop", "location", "site", "warehouse")
WORDS: Mapping[str, tuple[str, ...]] = {
    "outlet": ("id in marketsync", "slug", "partition"),
    "code": (
        *(f"{noun} {word}" for word in ("code", "number", "no", "key", "id") for noun in _NOUNS),
        *(f"{noun} #" for noun in _NOUNS), "code", "number", "no", "nr", "key", "id",
        "codigo", "código", "código de tienda", "id tienda", "filialnummer", "filiale", "filial nr",
        "code magasin", "numéro", "oznaka", "šifra", "šifra objekta", "mağaza kodu", "şube kodu",
        "код", "код на обект", "קוד", "קוד סניף", "מספר סניף", "رمز", "رمز الفرع", "رقم الفرع",
    ),
    "name": (
        *(f"{noun} name" for noun in _NOUNS), "name", "title", *_NOUNS,
        "nombre", "tienda", "sucursal", "bezeichnung", "filialname", "nom", "magasin", "naziv",
        "ime", "ad", "adı", "mağaza adı", "şube adı", "име", "име на обект", "שם", "שם סניף",
        "اسم", "اسم الفرع", "الفرع",
    ),
    "timezone": (
        "timezone", "time zone", "zone", "tz", "zeitzone", "zona horaria", "fuseau horaire",
    ),
    "currency": (
        "currency", "currency code", "moneda", "währung", "devise", "valuta", "para birimi",
        "валута", "מטבע", "العملة",
    ),
}  # fmt: skip
"""What a column is about -> words of its header, the first that is there."""


@dataclass(frozen=True)
class OutletLine:
    """One outlet of a list; what the list does not say is blank."""

    line: int
    code: str
    name: str
    outlet: str = ""
    """Its name in the configuration, if the list has one."""
    timezone: str = ""
    currency: str = ""
    group: str = ""
    """Of a code that is a number within a group (sub-chain) only."""


def read_outlets(path: Path) -> list[OutletLine]:
    """The outlets of a list, in its order.

    Raises ExtractError: missing, what the readers raise, column_missing, ambiguous_columns,
    header_only, too_large, bad_list (a line without a code or a name, a code that is a number cell
    and may have lost its zeros).
    """
    file = path.name
    if not path.is_file():
        raise refuse("missing", f"{path} does not exist")
    with tempfile.TemporaryDirectory() as spool:
        documents = documents_of(path, file=file, spool=Path(spool), limits=LIMITS)
        if len(documents) != 1:
            raise refuse("bad_list", f"{file} holds {len(documents)} files")
        found = list(_lines(documents[0]))
    if not found:
        raise refuse("header_only", f"{file} lists no outlets")
    for one in found:
        for what, text in (("code", one.code), ("name", one.name)):
            if not text:
                raise refuse("bad_list", f"{file}, line {one.line}: the outlet has no {what}")
    return found


def _lines(document: Document) -> Iterator[OutletLine]:
    if document.format is Format.XML:
        from marketsync_dagster.pos.presets.il_stores import stores_of

        for store in stores_of(document, LIMITS):
            group = store.sub_chain
            yield OutletLine(store.line, store.code, store.name or store.city, group=group)
        return
    table = _open(document)
    blocks = list(table.blocks)  # JSON knows its headers at the end
    chosen = _columns(table, document.name)
    count = 0
    for block in blocks:
        if block.odd:
            message = f"{document.name}, line {block.odd[0].line}: not as long as the header"
            raise refuse("bad_list", message)
        cells = {what: _texts(block, key) for what, key in chosen.items()}
        _check_kinds(block, chosen["code"], document.name)
        for row, line in enumerate(block.lines.tolist()):
            said = {what: texts[row] for what, texts in cells.items()}
            if any(said.values()):
                yield OutletLine(line=line, **said)
        count += len(block.lines)
        if count > MOST:
            raise refuse("too_large", f"{document.name} lists more than {MOST} outlets")


def _open(document: Document) -> Table:
    source, file = document.source, document.name
    # the line with the most of these words is the header
    asked = {f"{what} {word}": word for what, words in WORDS.items() for word in _spelled(words)}
    match document.format:
        case Format.CSV:
            return read_csv(source, file=file, configured=asked, limits=LIMITS)
        case Format.XLSX:
            return read_xlsx(source, file=file, columns=asked, limits=LIMITS)
        case Format.XLS:
            return read_xls(source, file=file, columns=asked, limits=LIMITS)
        case Format.PARQUET:
            return read_parquet(source, file=file, limits=LIMITS)
        case Format.JSON:
            return read_json(source, file=file, limits=LIMITS)
        case Format.JSONL:
            return read_json_lines(source, file=file, limits=LIMITS)
        case other:
            raise refuse("unknown_format", f"{file} is of the format {other}")


def _spelled(words: tuple[str, ...]) -> Iterator[str]:
    for word in words:
        yield from {word, word.replace(" ", "_"), word.replace(" ", ""), word.replace(" ", "-")}


def _columns(table: Table, file: str) -> dict[str, str]:
    """What a column is about -> its key in the blocks."""
    names = keys(table.headers)
    found: dict[str, str] = {}
    for what, words in WORDS.items():
        for word in words:
            fitting = [
                name
                for name, header in zip(names, table.headers, strict=True)
                if fold(header) == fold(word) and name not in found.values()
            ]
            if len(fitting) > 1:
                message = f"{file}: both {fitting[0]} and {fitting[1]} may be the {what}"
                raise refuse("ambiguous_columns", message)
            if fitting:
                found[what] = fitting[0]
                break
    for what in ("code", "name"):
        if what not in found:
            shown = ", ".join(header for header in table.headers[:12] if header) or "nothing"
            message = f"{file} has no column for the {what} of an outlet, only {shown}"
            raise ExtractError(
                "column_missing", message, f"call one {what}, as in: code, name, timezone, currency"
            )
    return found


def _texts(block: Block, key: str) -> list[str]:
    column = block.columns.get(key)
    if column is None:
        return [""] * len(block.lines)
    return [(text or "").strip() for text in column.to_pylist()]


def _check_kinds(block: Block, key: str, file: str) -> None:
    kinds = block.kinds.get(key)
    if kinds is None:
        return
    bad = np.flatnonzero(kinds != Kind.TEXT)
    texts = _texts(block, key)
    for row in bad.tolist():
        if texts[row]:
            message = (
                f"{file}, line {block.lines[row]}: the code {texts[row]} is no text: if it had "
                "zeros before it, they are gone"
            )
            raise refuse("bad_list", message)
