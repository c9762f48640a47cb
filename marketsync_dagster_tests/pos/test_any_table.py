"""Any table, in any format, dialect and encoding, is read back exactly or refused by name."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import quoteattr

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from marketsync_dagster.pos.model import Extract, ExtractSpec, NothingAccepted
from marketsync_dagster.pos.read import read_extract
from marketsync_dagster.pos.reasons import FILE_REASONS
from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster.values.money import to_decimal
from marketsync_dagster_tests.pos.corpus.builders import (
    book,
    cells,
    items,
    lines,
    number,
    objects,
    packed,
    parquet,
    zipped,
)
from marketsync_dagster_tests.pos.corpus.cases import lawless
from marketsync_dagster_tests.pos.readers.workbooks import xls

CALM = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
HEAD = ("sku", "name", "price", "stock")
Product = tuple[str, str, int, int]
"""SKU, name, price in minor units, stock."""
LETTERS = "aZ7 ,;\"'|&<>]=€éčşЖאب中🍵\u00a0"


@dataclass(frozen=True)
class Table:
    """Products and how they are written."""

    products: list[Product]
    currency: str
    decimal: str

    def price(self, minor: int) -> str:
        """A price without currency and groups."""
        return str(to_decimal(minor, self.currency)).replace(".", self.decimal)

    def rows(self) -> list[tuple[str, str, str, str]]:
        """All as text."""
        return [(sku, name, self.price(minor), str(stock)) for sku, name, minor, stock
                in self.products]  # fmt: skip

    def exact(self, minor: int) -> Decimal:
        """A price as a number."""
        return to_decimal(minor, self.currency)


NAMES = st.text(alphabet=LETTERS, max_size=12).map(str.strip)
PRODUCTS = st.lists(
    st.tuples(
        st.from_regex("[A-Z0][0-9]{1,6}", fullmatch=True),
        NAMES,
        st.integers(min_value=1, max_value=10**9),
        st.integers(min_value=-5, max_value=10**6),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda product: product[0],
)
TABLES = st.builds(
    Table, PRODUCTS, st.sampled_from(["KES", "JPY", "KWD"]), st.sampled_from([".", ","])
)


def as_csv(table: Table, draw: Any) -> tuple[bytes, dict[str, Any]]:
    buffer = io.StringIO(newline="")
    writer = csv.writer(
        buffer,
        delimiter=draw(st.sampled_from([",", ";", "\t", "|"])),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"])),
    )
    writer.writerows([HEAD, *table.rows()])
    codec = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1250", "cp1256", "gb18030"]))
    text = buffer.getvalue()
    assume(text == text.encode(codec, "ignore").decode(codec).removeprefix("\ufeff"))
    return text.encode(codec), {} if codec.startswith("utf") else {"encoding": codec}


def as_xml(table: Table, draw: Any) -> tuple[bytes, dict[str, Any]]:
    if draw(st.booleans()):
        text = items(*table.rows(), names=HEAD, count=len(table.products)).decode()
    else:
        elements = (
            "<i " + " ".join(f"{n}={quoteattr(v)}" for n, v in zip(HEAD, row, strict=True)) + "/>"
            for row in table.rows()
        )
        text = f"<l>{''.join(elements)}</l>"
    codec = draw(st.sampled_from(["utf-8", "utf-16", "windows-1251"]))
    declared = f'<?xml version="1.0" encoding="{codec}"?>\n{text}'
    return declared.encode(codec, "xmlcharrefreplace"), {}


def as_objects(table: Table, draw: Any) -> list[str]:
    """JSON objects with prices as texts, or as numbers."""
    as_text = draw(st.booleans())
    return [
        json.dumps(
            dict(zip(HEAD, (sku, name, table.price(minor) if as_text else None, stock),
                     strict=True)), ensure_ascii=draw(st.booleans())
        ).replace('"price": null', f'"price": {table.exact(minor)}')
        for sku, name, minor, stock in table.products
    ]  # fmt: skip


def as_json(table: Table, draw: Any) -> tuple[bytes, dict[str, Any]]:
    return objects(*as_objects(table, draw)), {}


def as_json_lines(table: Table, draw: Any) -> tuple[bytes, dict[str, Any]]:
    return lines(*as_objects(table, draw)), {}


def as_xlsx(table: Table, draw: Any) -> tuple[bytes, dict[str, Any]]:
    as_text = draw(st.booleans())
    return book(
        HEAD,
        *(
            (sku, name, table.price(minor) if as_text else number(str(table.exact(minor))),
             number(str(stock)))
            for sku, name, minor, stock in table.products
        ),
    ), {}  # fmt: skip


def as_parquet(table: Table, draw: Any) -> tuple[bytes, dict[str, Any]]:
    skus, names, minors, stocks = zip(*table.products, strict=True)
    exact = [table.exact(minor) for minor in minors]
    how = draw(st.sampled_from(["text", "decimal", "float"]))
    prices = {
        "text": lambda: pa.array([table.price(minor) for minor in minors]),
        "decimal": lambda: pa.array(exact, pa.decimal128(20, draw(st.integers(3, 6)))),
        "float": lambda: pa.array([float(one) for one in exact]),
    }[how]()
    return parquet(HEAD, list(skus), list(names), prices, list(stocks)), {}


WRITERS: dict[str, Callable[[Table, Any], tuple[bytes, dict[str, Any]]]] = {
    "csv": as_csv,
    "xml": as_xml,
    "json": as_json,
    "jsonl": as_json_lines,
    "xlsx": as_xlsx,
    "parquet": as_parquet,
}
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": packed,
    ".zip": lambda data: zipped({"a/till": data}),
}


def check(table: Table, extract: Extract) -> None:
    """What was accepted is exactly what was written; what was not, is in the rejects."""
    written = {sku: (name or None, minor, stock) for sku, name, minor, stock in table.products}
    frame = extract.frame
    names = frame["name"].astype(object).where(frame["name"].notna(), None)
    # two letters in another encoding than is declared may be one in UTF-8: that is said
    doubtful = any("and is UTF-8" in words for words in extract.warnings)
    for sku, name, price, stock in zip(
        frame["sku"], names, frame["price_minor"], frame["quantity"], strict=True
    ):
        assert (written[sku][0] if doubtful else name, price, stock) == written[sku]
    assert lawless(extract) == ""
    assert extract.records == len(table.products)
    assert set(extract.rejects["reason"]) <= {"ambiguous_price", "shifted", "total_row"}


@CALM
@pytest.mark.parametrize("form", list(WRITERS))
@given(table=TABLES, data=st.data(), how=st.sampled_from(list(PACKED)))
def test_any_table_in_any_format_is_read_back_exactly_or_refused_by_name(
    form: str, table: Table, data: st.DataObject, how: str
) -> None:
    content, spec = WRITERS[form](table, data.draw)
    extract: Extract | None = None
    refusal = ("", "")
    try:
        extract = read_extract(
            PACKED[how](content),
            ExtractSpec(currency=table.currency, **spec),
            file=f"till.{form}{how}",
        )
    except NothingAccepted as error:
        extract = error.extract
    except ExtractError as error:
        refusal = (error.code, error.next_step)
    if extract is None:
        assert refusal in FILE_REASONS.items()
    else:
        check(table, extract)


def test_a_table_in_an_old_workbook_is_read_back_exactly() -> None:
    products: list[Product] = [("A1", "Čaj", 150, 3), ("007", "Rice", 29990, 0)]
    table = Table(products, "KES", ".")
    rows = [(sku, name, float(table.exact(minor)), stock) for sku, name, minor, stock in products]
    data = xls([("S", cells(HEAD, *rows))])
    extract = read_extract(data, ExtractSpec(), file="till.xls")
    check(table, extract)
    assert extract.accepted == 2
