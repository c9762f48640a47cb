"""What must hold for every file: the law, line numbers, money, and no surprise on any bytes."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal
from typing import Literal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from stdnum import ean

from marketsync_dagster.pos import prices, tokens
from marketsync_dagster.pos.identifiers import barcode_note, read_barcodes
from marketsync_dagster.pos.kernels import pa
from marketsync_dagster.pos.model import Extract, ExtractSpec, NothingAccepted
from marketsync_dagster.pos.money import Fault, read_price
from marketsync_dagster.pos.read import read_extract
from marketsync_dagster.pos.reasons import FILE_REASONS
from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster.values.money import to_decimal

CALM = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CURRENCIES = st.sampled_from(["JPY", "KES", "KWD"])
DELIMITERS = st.sampled_from([",", ";", "\t", "|"])
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


def read(data: bytes, spec: ExtractSpec) -> Extract:
    """The extract, also where nothing in it can be used."""
    try:
        return read_extract(data, spec, file="f.csv")
    except NothingAccepted as error:
        return error.extract


@CALM
@given(st.binary(max_size=400), st.sampled_from([b"", b"sku,price\n", b"sku;name;price\r\nA;"]))
def test_arbitrary_bytes_are_read_or_refused_and_never_crash(data: bytes, head: bytes) -> None:
    refusal = None
    try:
        extract = read_extract(head + data, ExtractSpec(), file="f.csv")
    except ExtractError as error:
        refusal = error
    else:
        assert extract.records == extract.accepted + extract.rejected + extract.duplicates
    assert refusal is None or FILE_REASONS[refusal.code] == refusal.next_step


NASTY = st.text(alphabet="ab1,.;\"\n\r\t -='€٣\u00a0", max_size=60)


@CALM
@given(NASTY)
@example('1," a"b,2\n')
@example('A,"x\n1,"\n')
def test_text_full_of_quotes_and_line_ends_is_read_or_refused(text: str) -> None:
    try:
        extract = read_extract(b"sku,price\n" + text.encode(), ExtractSpec(), file="f.csv")
    except ExtractError:
        return
    assert extract.records == extract.accepted + extract.rejected + extract.duplicates


CELLS = st.text(alphabet='ab1,;"\n\r\t| é', max_size=6)


@CALM
@given(
    st.lists(st.lists(CELLS, min_size=1, max_size=5), min_size=1, max_size=12),
    DELIMITERS,
    ENDS,
    st.booleans(),
)
@example([["a", "b", "c"], ["", "x\n", ""]], ",", "\r\n", True)
def test_both_ways_of_cutting_records_agree_with_the_csv_module(
    rows: list[list[str]], delimiter: str, end: str, quoted: bool
) -> None:
    buffer = io.StringIO(newline="")
    # csv does not quote a lone CR by itself
    breaks = any(sign in cell for row in rows for cell in row for sign in "\r\n")
    quoting = csv.QUOTE_ALL if quoted or breaks else csv.QUOTE_MINIMAL
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=end, quoting=quoting)
    expected_lines: list[int] = []
    for row in rows:
        written = buffer.getvalue()
        expected_lines.append(1 + len(re.findall(r"\r\n|\n|\r", written)))
        writer.writerow(row)
    data = buffer.getvalue().encode()
    fast = tokens.fast(data, 0, delimiter, 3, [0, 1, 2], "f.csv")
    slow = tokens.careful(data, 0, delimiter, 3, [0, 1, 2], "f.csv")
    if fast is not None:
        assert [a.to_pylist() for a in fast.columns] == [a.to_pylist() for a in slow.columns]
        assert fast.lines.tolist() == slow.lines.tolist()
        assert [(o.line, o.cells, o.reason) for o in fast.odd] == [
            (o.line, o.cells, o.reason) for o in slow.odd
        ]
    filled = [
        (line, row)
        for line, row in zip(expected_lines, rows, strict=True)
        if any(cell.strip() for cell in row)
    ]
    columns = [column.to_pylist() for column in slow.columns]
    good = dict(zip(slow.lines.tolist(), zip(*columns, strict=True), strict=True))
    odd = {record.line: record.cells for record in slow.odd}
    assert sorted([*good, *odd]) == [line for line, _ in filled]
    # a value that begins with blanks before a quote is not written as csv would read it
    plain = not any(cell.lstrip(" \t").startswith('"') for row in rows for cell in row)
    for line, row in filled if plain else []:
        cells = good.get(line)
        assert (list(cells) if cells else odd[line])[:3] == row[:3]


@CALM
@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=12), DELIMITERS)
def test_well_formed_text_always_takes_the_fast_way(rows: list[list[str]], delimiter: str) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(rows)
    assert tokens.fast(buffer.getvalue().encode(), 0, delimiter, 3, [0], "f.csv") is not None


@CALM
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["A", "B", "007", "", "9.3E+12", " C ", "Total: 2", "SUM-1", "Total B"]
            ),
            st.sampled_from(["one", "two\nlines", 'quo"ted', "a,b", "Total 0%", "TOTAL"]),
            st.sampled_from(["1.00", "2", "x", "", "-1", "1,299.90", "1,234", "3.00", "-", "2x1"]),
        ),
        min_size=1,
        max_size=30,
    ),
    st.sampled_from(["reject", "first", "last"]),
)
def test_every_record_is_accepted_rejected_or_a_duplicate_on_its_own_line(
    rows: list[tuple[str, str, str]], policy: str
) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["sku", "name", "price"])
    lines: dict[int, tuple[str, str, str]] = {}
    for row in rows:
        lines[1 + buffer.getvalue().count("\n")] = row
        writer.writerow(row)
    spec = ExtractSpec(duplicates=policy)  # pyright: ignore[reportArgumentType] drawn from the three
    extract = read(buffer.getvalue().encode(), spec)
    assert extract.records == len(rows)
    assert extract.records == extract.accepted + extract.rejected + extract.duplicates
    assert extract.frame["sku"].is_unique
    for sku, line in zip(extract.frame["sku"], extract.frame["line"], strict=True):
        assert lines[line][0].strip() == sku
    seen = extract.frame["line"].tolist() + extract.rejects["line"].tolist()
    assert len(set(seen)) == len(seen) == extract.accepted + extract.rejected
    assert set(seen) <= set(lines)


def written(minor: int, currency: str, decimal: str, group: str) -> str:
    """A price with separators, as a person would write it."""
    text = f"{to_decimal(minor, currency):,}"
    return text.replace(",", "G").replace(".", decimal).replace("G", group)


@CALM
@given(
    st.integers(min_value=1, max_value=10**11),
    CURRENCIES,
    st.sampled_from([(".", ","), (",", "."), (".", ""), (",", ""), (",", " "), (".", "'")]),
    st.sampled_from(["{}", "{cur} {}", "{} {cur}", " {}\u00a0"]),
)
def test_a_written_price_is_read_to_the_same_minor_units(
    minor: int, currency: str, separators: tuple[str, str], form: str
) -> None:
    decimal, group = separators
    text = form.format(written(minor, currency, decimal, group), cur=currency)
    value = read_price(text, currency, "." if decimal == "." else ",")
    if to_decimal(minor, currency) > 10**9:
        assert value == Fault("absurd_price")
    else:
        assert value == minor


@CALM
@given(
    st.lists(st.integers(min_value=1, max_value=10**9), min_size=1, max_size=20),
    CURRENCIES,
    st.sampled_from([".", ","]),
)
def test_a_column_of_prices_is_read_without_loss_or_not_at_all(
    minors: list[int], currency: str, decimal: str
) -> None:
    rows = "".join(
        f"S{i};{written(minor, currency, decimal, '')}\n" for i, minor in enumerate(minors)
    )
    extract = read(("sku;price\n" + rows).encode(), ExtractSpec(currency=currency))
    for sku, price in zip(extract.frame["sku"], extract.frame["price_minor"], strict=True):
        assert price == minors[int(sku[1:])]
    assert set(extract.rejects["reason"]) <= {"ambiguous_price"}


@pytest.mark.parametrize("currency", ["JPY", "KES", "KWD"])
def test_all_small_amounts_are_exact(currency: str) -> None:
    amounts = range(1, 12_000)
    rows = "".join(f"S{i};{to_decimal(i, currency)}\n" for i in amounts)
    spec = ExtractSpec(currency=currency, decimal=".")
    extract = read(("sku;price\n" + rows).encode(), spec)
    assert extract.frame["price_minor"].tolist() == list(amounts)


@CALM
@given(st.text(alphabet="0123456789.,' -+()=/KESe€٣٫%", max_size=12), CURRENCIES)
def test_whatever_stands_in_a_price_cell_is_a_positive_price_or_a_reason(
    text: str, currency: str
) -> None:
    value = read_price(text, currency, None)
    if not isinstance(value, Fault):
        assert 0 < value <= to_minor_limit(currency)


@CALM
@given(
    st.lists(
        st.text(alphabet="0123456789.,0123 -+KESshTL€/=", max_size=9)
        | st.from_regex(
            r"(KES |Ksh\.?|)[0-9]{1,3}([,.][0-9]{3}){0,2}([.,][0-9]{1,3})?( ?TL|/=|)",
            fullmatch=True,
        ),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(["KES", "TRY", "KWD"]),
    st.sampled_from([None, ".", ","]),
)
def test_many_decorated_prices_are_read_as_each_alone(
    texts: list[str], currency: str, declared: Literal[".", ","] | None
) -> None:
    texts = [text.strip() for text in texts]
    few = prices.sort_written(pa.array(texts), currency)
    many = prices.sort_written(pa.array(texts * (prices.MANY + 1)), currency)
    found = prices.evidence([few], currency)
    assert prices.evidence([many], currency) == found
    one = prices.convert(few, currency, declared, found)
    all_ = prices.convert(many, currency, declared, found)
    count = len(texts)
    assert all_.minor[:count].tolist() == one.minor.tolist()
    assert all_.known[:count].tolist() == one.known.tolist()
    assert {row: why for row, why in all_.faults.items() if row < count} == one.faults


def to_minor_limit(currency: str) -> int:
    """The highest price in minor units."""
    return int(Decimal(10**9) / to_decimal(1, currency))


@CALM
@given(st.lists(st.text(alphabet="0123456789", min_size=6, max_size=15), min_size=1, max_size=30))
def test_check_digits_of_a_column_are_those_of_stdnum(codes: list[str]) -> None:
    codes += [code[:-1] + ean.calc_check_digit(code[:-1]) for code in codes]
    read = read_barcodes(pa.array(codes))
    columns = (column.to_pylist() for column in (read.codes, read.internal, read.notes))
    for code, barcode, internal, note in zip(codes, *columns, strict=True):
        valid = len(code) in (8, 12, 13, 14) and ean.calc_check_digit(code[:-1]) == code[-1]
        valid &= code.strip("0") != ""
        assert (barcode is not None) == valid
        assert internal == (None if valid else code)
        assert note == barcode_note(code)
        if barcode is not None:
            assert ean.calc_check_digit(barcode[:-1]) == barcode[-1]
            assert barcode.lstrip("0") == code.lstrip("0")
