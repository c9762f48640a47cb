"""What stands in price cells instead of a price: each kind has its own reason and next step."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsync_dagster.pos.model import Extract, ExtractSpec, NothingAccepted
from marketsync_dagster.pos.money import Fault, read_price
from marketsync_dagster.pos.read import read_extract
from marketsync_dagster.pos.reasons import ROW_REASONS
from marketsync_dagster.pos.unpriced import is_nothing, reason_of

REASONS = {
    "variable_price": "variable|Var.|VARIES|Open price|Market price|precio variable|prix libre|"
    "Tagespreis|offener Preis|değişken|DEĞİŞKEN|Açık fiyat|متغير|متغيّر|سعر مفتوح|משתנה|מחיר פתוח|"
    "promjenjiva cijena|променлива цена|KES variable",
    "free_price": "free|FREE!|free of charge|n/c|gratis|gratuit|kostenlos|ücretsiz|Bedava|مجاني|"
    "مجاناً|חינם|besplatno|безплатно",
    "not_priced": "n/a|N.A.|-|--|—|–|.|none|nil|sin precio|pas de prix|k.A.|fiyat yok|لا يوجد|"
    "אין מחיר|nema cijene|без цена|call|Call for price|POA|p.o.a.|TBD|on request|consultar|"
    "sur demande|Preis auf Anfrage|fiyat sorunuz|اتصل بنا|צור קשר|na upit|по запитване|KES -",
    "not_a_number": "NaN|nan|-NaN|inf|-Infinity|+inf|∞|1.#INF|1,#QNAN|#N/A|#DIV/0!|#REF!|#VALUE!|"
    "###",
    "date_as_price": "03-May|3. Mai|Mai 24|01-Feb|May-03|3-Oca|03-Ağu|03-מאי|03-مايو|3 de mayo|"
    "03-май|2024-05-03|2024/05/03|2024.05.03|03/05/2024|3.5.24|03.05.2024|2024-05-03 10:00|"
    "2024-05-03T10:00:00Z|12:30|5:00 pm|٠٣-٠٥-٢٠٢٤",
    "percentage": "12.5%|%50|50 %|10% off|٥٠٪|15 percent|15 Prozent|15 por ciento|yüzde 15",
    "price_range": "5-6|5 - 6|5.00–6.00|€5 - €6|5.00 KES - 6.00 KES|5..6|from 5|From KES 5|"
    "ab 5,00|"
    "desde 5|à partir de 5|dès 5|od 5|от 5|من 5|من 5 إلى 6|החל מ-5|5'den başlayan|5+|>5|< 6|~5|"
    "up to 6|"
    "5 to 6|5 bis 6|between 5 and 6|entre 5 y 6|5 or 6|min. 5",
    "multi_buy": "2 for 10|2 for KES 10|3 for $5|3/10|2/$5|2x5|2 x 5.00|3×10|3 @ 10|buy 2 get 1|"
    "2+1|1+1 free|2 für 3,00|2 pour 10|2 por 10|2 za 10|2 за 10|2 ב-10|3 al 2 öde|٢ ب ١٠",
    "unit_price": "5/kg|5 / 100 g|5 per kg|5 €/kg|5 le kg|5 al kg|5 за кг|5 /kom|5 / ק\"ג|5 للكيلو",
    "bad_price": "abc|cheap|12.50.1|1,23,4|1.2E+3|99.|1 23|XYZ 5|x|5 maybe|5/6/7|5 5 5|May be|"
    "€|5 6 KES 7",
}  # fmt: skip
TABLE = [(text, reason) for reason, texts in REASONS.items() for text in texts.split("|")]


@pytest.mark.parametrize(("text", "reason"), TABLE, ids=lambda value: value)
@pytest.mark.parametrize("decimal", [None, ".", ","])
def test_a_text_that_is_no_price_has_its_own_reason(text: str, reason: str, decimal: None) -> None:
    currency = "EUR" if "€" in text else "KES"
    assert read_price(text, currency, decimal) == Fault(reason)
    assert reason in ROW_REASONS


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="0123456789.,-–/+x%: forabKES€Mayده٥", max_size=90))
def test_no_text_is_looked_at_for_long_and_no_reason_is_unknown(text: str) -> None:
    assert reason_of(text) in ROW_REASONS


def test_a_long_text_is_not_looked_into() -> None:
    assert reason_of("free" + "!" * 70) == "free_price"
    assert reason_of("free" + "!" * 80) == "bad_price"


@pytest.mark.parametrize("text", ["#N/A", "call", "TBD", "free", "0", "variable", "?", "x", ""])
def test_only_marks_for_nothing_stand_for_a_blank(text: str) -> None:
    assert not is_nothing(text)


def read(text: str, currency: str = "KES") -> Extract:
    """The extract of a CSV text, also where nothing in it can be used."""
    try:
        return read_extract(text.encode(), ExtractSpec(currency=currency), file="f.csv")
    except NothingAccepted as error:
        return error.extract


def reasons(extract: Extract) -> list[tuple[int, str, str]]:
    """Line, column and reason of each reject."""
    found = extract.rejects
    return list(zip(found["line"], found["column"], found["reason"], strict=True))


def test_a_mark_for_nothing_beside_a_price_is_no_promotion_and_the_other_way_round() -> None:
    extract = read("sku,price,promo price\nA,5,-\nB,N/A,4\nC,5,n/a\nD,-,-\nE,,-\nF,-,\n")
    assert extract.frame["price_minor"].fillna(0).tolist() == [500, 0, 500]
    assert extract.frame["promo_price_minor"].fillna(0).tolist() == [0, 400, 0]
    assert reasons(extract) == [
        (5, "price", "not_priced"),
        (6, "promo price", "not_priced"),
        (7, "price", "not_priced"),
    ]
    assert extract.warnings == [
        "1 cell, 'N/A', is read as no regular price",
        "2 cells such as '-' are read as no promotion",
    ]


@pytest.mark.parametrize("promo", ["TBD", "2 for 8", "10%", "#N/A", "free", "from 4"])
def test_a_promotion_that_cannot_be_read_rejects_the_row(promo: str) -> None:
    extract = read(f"sku,price,promo price\nG,1,\nA,5,{promo}\n")
    assert extract.frame["sku"].tolist() == ["G"]
    assert [column for _, column, _ in reasons(extract)] == ["promo price"]


def test_a_header_in_another_currency_rejects_what_stands_below_it() -> None:
    extract = read("sku,price,Promo price (EUR)\nA,5,\nB,5,4\nC,5,KES 4\n")
    assert extract.frame["sku"].tolist() == ["A"]
    assert reasons(extract) == [
        (3, "Promo price (EUR)", "other_currency"),
        (4, "Promo price (EUR)", "other_currency"),
    ]
    assert extract.rejects["next_step"][0].startswith("The header says EUR, the outlet KES.")


def test_a_header_in_the_currency_of_the_outlet_changes_nothing() -> None:
    extract = read("sku,Price (EUR)\nA,5\nB,€ 4\nC,EUR 3\nD,$ 3\n", "EUR")
    assert extract.frame["price_minor"].tolist() == [500, 400, 300]
    assert reasons(extract) == [(5, "Price (EUR)", "other_currency")]


def test_currency_of_cell_and_of_its_column_must_both_be_the_outlets() -> None:
    extract = read("sku,price,currency\nA,KES 5,KES\nB,KES 5,USD\nC,USD 5,KES\nD,USD 5,USD\n")
    assert extract.frame["sku"].tolist() == ["A"]
    assert {reason for _, _, reason in reasons(extract)} == {"other_currency"}


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ('12.50 ש"ח', "ILS", 1250), ("12.50 ש״ח", "ILS", 1250),
        ("\u200f12.50 ₪\u200e", "ILS", 1250),
        ("\u202b₪ 12.50\u202c", "ILS", 1250), ("NIS 5", "ILS", 500), ("٥ ريال", "SAR", 500),
        ("١٢٫٥٠ درهم", "AED", 1250), ("12,50 د.م.", "MAD", 1250), ("S/. 5.00", "PEN", 500),
        ("5.000 د.ك", "KWD", 5000), ("5 ден", "MKD", 500), ("FCFA 500", "XOF", 500),
        ("+5", "KES", 500), ("5,00 лв.", "BGN", 500), ("1.299,90 TL", "TRY", 129990),
    ],
)  # fmt: skip
def test_prices_are_read_in_the_way_of_each_country(text: str, currency: str, minor: int) -> None:
    decimal = "," if "," in text else "."
    assert read_price(text, currency, decimal) == minor


def test_text_that_runs_backwards_by_order_is_no_price() -> None:
    assert read_price("\u202e12.50", "ILS", None) == Fault("bad_price")
