"""Israel: `Stores` files, in which a chain lists its stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from marketsync_dagster.pos.detect import Format
from marketsync_dagster.pos.documents import Document
from marketsync_dagster.pos.kernels import pc
from marketsync_dagster.pos.readers.xml import read_xml
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.tables import Limits

_RECORDS = ("Stores/Store", "Branches/Branch", "/Root/Store", "Details/Line")
_FIELDS = {
    "code": ("StoreId", "@StoreId", "BranchId", "StoreCode"),
    "name": ("StoreName", "StoreNm", "@StoreName", "BranchName", "Name"),
    "address": ("Address", "@Address"),
    "city": ("City", "@City", "CityName"),
    "zip_code": ("ZipCode", "ZIPCODE", "Zip"),
    "sub_chain": ("SubChainId", "../SubChainId", "../../SubChainId", "@SubChainId"),
    "sub_chain_name": ("SubChainName", "../SubChainName", "../../SubChainName"),
    "chain": ("ChainId", "../ChainId", "../../ChainId", "../../../ChainId", "../../../../ChainId"),
}
_NOTHING = ("''", "-", "לא ידוע", "unknown", "null", "NULL")


@dataclass(frozen=True)
class StoreLine:
    """One store; what the file does not say is blank."""

    code: str
    """As it is written: `001` and `1` are two texts."""
    name: str
    city: str = ""
    """A name, or the number of the statistics office."""
    address: str = ""
    zip_code: str = ""
    sub_chain: str = ""
    sub_chain_name: str = ""
    chain: str = ""
    line: int = 0
    """Physical line in the file."""


def stores_of(document: Document, limits: Limits | None = None) -> list[StoreLine]:
    """The stores of a `Stores` file, in its order.

    Stores without a number are left in with a blank code, for the caller to refuse by line. Raises
    ExtractError: unknown_format where it is no XML, no_records, header_only without any store, and
    what `readers.xml` raises.
    """
    if document.format is not Format.XML:
        message = f"{document.name} is {document.format.value}; lists of stores are XML"
        raise refuse("unknown_format", message)
    fields = {
        f"{name}{place}": path
        for name, paths in _FIELDS.items()
        for place, path in enumerate(paths)
    }
    table = read_xml(
        document.source, file=document.name, records=_RECORDS, fields=fields, limits=limits
    )
    found: list[StoreLine] = []
    for block in table.blocks:
        rows = len(block.lines)
        columns = {name: _first(block.columns, name, rows).to_pylist() for name in _FIELDS}
        for row, line in enumerate(block.lines.tolist()):
            found.append(
                StoreLine(**{name: cells[row] for name, cells in columns.items()}, line=line)
            )
    if not found:
        raise refuse("header_only", f"{document.name} lists no stores")
    return found


def _first(columns: Mapping[str, pa.Array], name: str, rows: int) -> pa.Array:
    """The first filled of the columns that a field may be in."""
    found = pa.array([""] * rows, pa.string())
    for place in range(len(_FIELDS[name])):
        column = columns.get(f"{name}{place}")
        if column is None:
            continue
        text = pc.utf8_trim_whitespace(pc.fill_null(column, ""))
        text = pc.if_else(pc.is_in(text, pa.array(_NOTHING, pa.string())), "", text)
        found = pc.if_else(pc.equal(found, ""), text, found)
    return found
