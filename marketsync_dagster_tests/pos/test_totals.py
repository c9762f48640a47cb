"""Lines that add up others are rejected as totals, and no product is taken for one."""

from __future__ import annotations

import pytest

from marketsync_dagster.pos import totals
from marketsync_dagster.pos.kernels import pa
from marketsync_dagster.pos.model import Extract, ExtractSpec, NothingAccepted
from marketsync_dagster.pos.read import read_extract
from marketsync_dagster.pos.totals import Kind

KINDS = {
    Kind.WORDS: "Total|TOTALS:|Grand total|Grand Total:|Sub-total|sub total|Sum|SUM|Total items|"
    "Total KES|Total (excl. VAT)|Total general|Suma|Total général|Sous-total|Somme|Summe|Gesamt|"
    "Gesamtsumme:|Zwischensumme|Toplam|Genel Toplam|Ara toplam|المجموع|المجموع الكلي|الإجمالي|"
    'סה"כ|סה״כ כללי|סך הכל|Ukupno|Sveukupno|Međuzbroj|Общо|Итого:|*** TOTAL ***|Store total',
    Kind.FIGURES: "Total 3|Total: 12|Grand total: 1 items|Total: KES 5,000.00|Summe: 3 Artikel|"
    'Toplam 12 ürün|Ukupno: 5 kom|סה"כ 12 פריטים|Total of 12 products|Sum = 500',
    Kind.CODE: "SUM-100|TOT12|total1|SUMA_7|Tot/5",
    Kind.OTHER: "Total 0% Yoghurt|TOTAL Oil 5W30|Sum 41 Sunscreen|Total Greek|Gesamt Pflege|"
    "Total 12%",
}  # fmt: skip
NONE = (
    "Totally|Totalbar|Summer dress|Tota|Sumatra coffee|Subaru|Grand Marnier|Page 3|A-Total|1|"
    "Toplama|Net bag|Store brand|SUMAC|Ukupnost||---|Greek Total 0%"
)
TABLE = [(text, kind) for kind, texts in KINDS.items() for text in texts.split("|")]


@pytest.mark.parametrize(("text", "kind"), TABLE)
def test_what_a_text_says_about_totals_is_told_by_its_words(text: str, kind: Kind) -> None:
    assert totals.kind_of(text) is kind
    if kind is not Kind.CODE or not text[3:4].isdigit():
        assert totals.suspects(pa.array([text, "a"])).tolist() == [True, False]


@pytest.mark.parametrize("text", NONE.split("|"))
def test_words_that_only_look_like_totals_are_none(text: str) -> None:
    assert totals.kind_of(text) is None


def read(text: str) -> Extract:
    """The extract of a CSV text, also where nothing in it can be used."""
    try:
        return read_extract(text.encode(), ExtractSpec(), file="f.csv")
    except NothingAccepted as error:
        return error.extract


FULL = "sku,name,barcode,price\n1,Tea,5901234123457,5\n2,Rice,4006381333931,7\n3,Oil,96385074,9\n"
BARE = "sku,price\n1,5\n2,7\n3,9\n"
ROWS = [
    (FULL + "Grand total: 3 items,,,21\n", 5),
    (FULL + "Total,,,21\n", 5),
    (FULL + "Total,3 items,,21\n", 5),
    (FULL + "Total 3,3 items,,60\n", 5),
    (FULL + ",Total,,21\n", 5),
    (FULL + ",Total 3 items,,21\n", 5),
    (FULL + "Total of everything here,,,60\n", 5),
    (FULL + "SUM-3,,,60\n", 5),
    (FULL + "Total of it all,Everything,590,21\n", 5),
    (FULL + "4,Salt,5901234123457,4\nxyz,,,25\n", 6),
    ("sku,name,price\n1,Tea,5\nTotal drinks,,5\n2,Rice,7\nSubtotal: food,,7\n", 5),
    ("sku,name,price\n1,Tea,5\nTotal: drinks,,5\nSubtotal,,7\n2,Rice,7\n", 4),
    ("sku,name,price\n1,Tea,5\nTotal drinks,,5\n2,Rice,7\nSubtotal: food,,7\n", 3),
    (FULL + "4,Salt,5901234123457,4\nSubtotal,,,25\nxyz,,,25\n", 7),
    (FULL + "3,TOTAL,,60\n", 5),
    (FULL + "3,Grand total: 3 items,4006381333931,21\n", 5),
    (BARE + "Total 3,60\n", 5),
    (BARE + "Subtotal: food,60\n", 5),
    (BARE + "TOTAL,60\n", 5),
    (BARE + 'סה"כ,60\n'.replace('"', '״'), 5),
    (BARE + "Toplam: 3 ürün,60\n", 5),
    (BARE + "Total for till 4,21\n", 5),
    ("sku,price\n" + "".join(f"{i},{i}.50\n" for i in range(1, 12)) + "999,71.50\n", 13),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line"), ROWS)
def test_a_row_that_adds_up_others_is_rejected_as_a_total(text: str, line: int) -> None:
    extract = read(text)
    found = extract.rejects
    wrong = dict(zip(found["line"], found["reason"], strict=True))
    assert wrong.get(line) == "total_row"
    assert extract.records == extract.accepted + extract.rejected + extract.duplicates


PRODUCTS = [
    FULL + "4,Total 0% Yoghurt,5901234123457,21\n",
    FULL + "4,Total 0% Yoghurt,,4\n",
    FULL + "Total 0% Yoghurt,Total 0% Yoghurt,4006381333931,4\n",
    FULL + "Total 0% Yoghurt,Yoghurt,,4\n",
    FULL + "SUM-100,Sunscreen,4006381333931,4\n",
    FULL + "TOT12,Tote bag,,4\n",
    FULL + "Total 5,Engine oil,4006381333931,4\n",
    FULL + "4,Salt,4006381333931,21\n",
    FULL + "4,Total,4006381333931,4\n5,Total,4006381333931,5\n",
    "sku,name,barcode,price\n0,Total,,4\n" + FULL.split("\n", 1)[1],
    "sku,name,barcode,price\nSUM-100,Total,,4\n" + FULL.split("\n", 1)[1],
    "name,sku,price\nTea,1,5\nTotal 0% Yoghurt,2,7\nTotal,3,9\n",
    "name,sku,price,barcode\nTea,1,5,96385074\nRice,2,5,96385074\nTotal 0% Yoghurt,3,10,\n",
    BARE + "4,21\n",
    BARE + "SUM-100,4\n",
    BARE + "Total 0% Yoghurt,4\n",
    "sku,price\n" + "".join(f"{i},1.00\n" for i in range(1, 12)) + "999,11.00\n",
    "sku,price\nA,5\nB,5\n",
    "sku,name,price\nA,x,5\nB,y,5\nC,,10\n",
    "sku,price\n" + "".join(f"{i},{i}.00\n" for i in range(1, 7)) + "999,21.00\n",
    "sku,name,price\n" + "".join(f"{i},a,{i}.00\n" for i in range(1, 12)) + "999,b,66.00\n",
    "sku,name,price\nA,,5\nB,x,5\nC,,10\n",
    "sku,price\nTotal 0% Yoghurt,5\n",
]


@pytest.mark.parametrize("text", PRODUCTS)
def test_no_product_is_taken_for_a_total(text: str) -> None:
    extract = read(text)
    assert extract.rejects.to_dict("records") == []
    assert extract.accepted == text.count("\n") - 1
