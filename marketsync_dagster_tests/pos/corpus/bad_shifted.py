"""Columns and values that stand one place beside their own."""

from __future__ import annotations

from marketsync_dagster_tests.pos.corpus.builders import book
from marketsync_dagster_tests.pos.corpus.cases import Refused, Rejected

CODES = (
    "5901234000017", "5901234000024", "5901234000031", "5901234000048", "5901234000055",
    "5901234000062", "5901234000079",
)  # fmt: skip
HEAD = "sku,name,barcode,cost,price,qty"
ROWS = [f"S{i},Tea {i},{code},{i}.10,{i}.50,{10 + i}" for i, code in enumerate(CODES, 1)]
GOOD = [f"S{i}" for i in range(1, 8)]


def csv(*rows: str, head: str = HEAD) -> bytes:
    """A CSV file: seven good rows, and then others."""
    return "\n".join([head, *ROWS, *rows, ""]).encode()


def row(name: str, bad: str, column: str | None, value: str, reason: str) -> Rejected:
    """A file whose ninth line is rejected."""
    return Rejected(f"shifted: {name}", csv(bad), [(9, column, value, reason)], GOOD)


def header(name: str, head: str, rows: list[str], code: str, says: str = "") -> Refused:
    """A file in which no value stands below its header."""
    return Refused(f"shifted: {name}", "\n".join([head, *rows, ""]).encode(), code, says)


REFUSED = [
    header("a header without a name before all others", "," + HEAD, ROWS, "nothing_accepted"),
    header("a header without a name, and a delimiter at each line's end", "," + HEAD,
           [f"{one}," for one in ROWS], "shifted_header", "line 1"),
    header("a header without a name, and none for the last column", ",sku,name,price",
           ["S1,Tea green,4.50,10", "S2,Rice long,5.50,20"], "shifted_header", "'name'"),
    header("an empty value before all others", HEAD, [f",{one}" for one in ROWS],
           "nothing_accepted"),
    Refused("shifted: XLSX", book(("", "sku", "name", "price", "qty"),
            *((f"S{i}", f"Tea {i}", f"{i}.50", "3") for i in range(1, 8))), "shifted_header",
            file="till.xlsx"),
]  # fmt: skip

REJECTED = [
    row("one value to the right", "S9,,Tea,5901234000086,3.10,4.50", "cost", "5901234000086",
        "shifted"),
    row("one value to the right, the barcode lost", "S9,,Tea,Green,3.10,4", "cost", "Green",
        "shifted"),
    row("one value to the right and one more", "S9,,Tea,5901234000086,3.10,4.50,7", None,
        "S9,,Tea,5901234000086,3.10,4.50,7", "too_many_columns"),
    row("one value to the left", "S9,5901234000086,3.10,4.50,7,", "name", "5901234000086",
        "shifted"),
    row("one value to the left, no barcode", "S9,,3.10,4.50,,", "price", "", "missing_price"),
    row("a number for a name", "S9,3.10,,4.50,7,", "name", "3.10", "shifted"),
    row("the price in the column of the stock", "S9,Tea,5901234000086,3.10,,4.50", "price", "",
        "missing_price"),
    row("a barcode for a price", "S9,Tea,,3.10,5901234000086,4", "price", "5901234000086",
        "absurd_price"),
    Rejected("shifted: from one row on", csv(*(f"S{i},,Tea,{code},{i}.10,{i}.50"
             for i, code in enumerate(CODES[:3], 10))),
             [(9, "cost", CODES[0], "shifted"), (10, "cost", CODES[1], "shifted"),
              (11, "cost", CODES[2], "shifted")], GOOD),
]  # fmt: skip
