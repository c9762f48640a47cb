"""Sizes are read from names exactly as they are written, or not at all."""

from __future__ import annotations

import random
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsync_dagster.catalog import sizes
from marketsync_dagster.catalog.products import build_catalog
from marketsync_dagster.catalog.schemas import CATALOG, EXTRACT, conform, validate
from marketsync_dagster.catalog.sizes import SIZE_COLUMNS, Size, add_sizes, read_size, with_sizes

READ = """
Tomato Ketchup 500ml | 1 500 ml
COCA COLA 6x330ML | 6 330 ml
SUGAR BROWN 1 kg | 1 1000 g
Mineral Water 2 x 1,5 L | 2 1500 ml
RICE PISHORI 250GMS | 1 250 g
EGGS TRAY 12's | 1 12 pcs
VINO MALVAZIJA 75cl | 1 750 ml
Butter 1/2 kg | 1 500 g
YOGHURT 4PK | 1 4 pcs
Orange Juice 1½ L | 1 1500 ml
Flour 1 1/2 KG | 1 1500 g
Tea ¼ kg loose | 1 250 g
COKE500ML | 1 500 ml
7UP 500ml PET | 1 500 ml
7 UP 6X330ML CAN | 6 330 ml
PEPSI MAX 1.25L | 1 1250 ml
SUNSCREEN SPF 50 200ml | 1 200 ml
Sunscreen SPF50+ 200ml | 1 200 ml
Chanel No.5 100ml | 1 100 ml
SHAMPOO 2IN1 400 ml | 1 400 ml
Milk 3.5% 1L | 1 1000 ml
Coke Zero 0% 330 ml | 1 330 ml
PIVO 5TH ELEMENT IPA 0.5L NB | 1 500 ml
FLASTER CLASSIC 20/1 | 1 20 pcs
KOKICE MIKROV 3/1 300g | ? 300 g
PIVO KARLO 6PACK 0.33L | ? 330 ml
TUNA IN OIL 3 pack 240g | ? 240 g
PRELJEV ZA TORTE 36g 3X12g | 3 12 g
RAFFAELLO T23X8 230g | 1 230 g
Cough Syrup 250mg/5ml 100ml | 1 100 ml
Drops 120 mg / 5 ml 60ml | 1 60 ml
Paracetamol 500mg 24's | 1 24 pcs
OMEGA 3 1000MG 60 CAPS | 1 60 pcs
Pampers 4-9kg 50's | 1 50 pcs
Diapers Size 3 (6-10kg) 40 pcs | 1 40 pcs
Rice 1kg/bag | 1 1000 g
Salt 500 g/pkt | 1 500 g
Water 330ml x 24 | 24 330 ml
WATER 330ML*24 | 24 330 ml
Soda 24 cans x 330ml | 24 330 ml
Beer 330ml x 6 pcs | 6 330 ml
Wipes 3x72 sheets | 3 72 pcs
Blister 2 x 12's | 2 12 pcs
ASPIRIN 10x10 tablets | 10 10 pcs
Buns pack of 6 | 1 6 pcs
Joghurt 150 g | 1 150 g
Vollmilch 3,5% 1 Liter | 1 1000 ml
Eier 10 Stück | 1 10 pcs
Küchenrolle 4er Pack | 1 4 pcs
Leche entera 1 litro | 1 1000 ml
Huevos 12 unidades | 1 12 pcs
Lait 50 cl | 1 500 ml
Crème 2,5 dl | 1 250 ml
MLIJEKO 0,2l | 1 200 ml
JAJA M 10 kom | 1 10 pcs
Ayran 6'lı | 1 6 pcs
Yumurta 30'lu | 1 30 pcs
Süt 1 LT | 1 1000 ml
Kola 2,5 LT | 1 2500 ml
Zeytin 400 GR | 1 400 g
BOYA 15 KG. | 1 15000 g
Peçete 100 adet | 1 100 pcs
حليب 1 لتر | 1 1000 ml
عصير ١٫٥ لتر | 1 1500 ml
ماء ٦ × ٣٣٠ مل | 6 330 ml
سكر 2 كجم | 1 2000 g
أرز ٥ كيلو | 1 5000 g
شاي 100 جرام | 1 100 g
بيض 30 حبة | 1 30 pcs
חלב 1 ליטר | 1 1000 ml
קוקה קולה 1.5 ליטר | 1 1500 ml
קפה 200 גרם | 1 200 g
שמפו 700 מ"ל | 1 700 ml
סוכר 1 ק"ג | 1 1000 g
ביצים 12 יח' | 1 12 pcs
יוגורט 150 ג' | 1 150 g
Молоко 0,9 л | 1 900 ml
Сахар 5 кг | 1 5000 g
Шоколад 90 г | 1 90 g
Сок 6х200 мл | 6 200 ml
Яйца 10 шт | 1 10 pcs
Бира 500 мл. | 1 500 ml
Φέτα 400 g | 1 400 g
Beans 2lb | 1 907.18474 g
Beans 1kg (2.2lb) | 1 1000 g
Saffron 0.5g | 1 0.5 g
Cooking Oil 5 Ltrs | 1 5000 ml
ENGINE OIL 5W-30 4L | 1 4000 ml
WD-40 400ml | 1 400 ml
Galaxy Milk 40g | 1 40 g
Juice 1L (1000ml) | 1 1000 ml
Sugar free gum 0g sugar 14g | 1 14 g
AGE CREAM 65+ 50ML | 1 50 ml
Water .5L | 1 500 ml
Yeast 12X5G | 12 5 g
Juice 250-ml | 1 250 ml
Spray "Fresh 300ml" | 1 300 ml
Chips 2 x 6 x | -
"""

NOTHING = """
7UP
7 UP
No. 5
Chanel No 5
WD-40
3 in 1
3IN1 COFFEE
Coke Zero 0%
Milk 3.5%
SPF 50
SPF50+
Vitamin C 1000MG
iPhone 15 128GB
USB STICK 32G
SAMSUNG A54 5G
Oppo A78 5G
2.4G Mouse
4K TV
65" TV
TV 65 INCH
Foil 30cm x 10m
Tray 30X40 cm
Box 30x40x5 L
Olives 350g/200g
Olives 410/250 g
Tin 24/330ml
Soap 4 x 6 x 100g
Coffee 500g + 100g
Coffee 500g+20%
Soap 2+1 free 100g
1 250 g
Farine 1 250 g
Tank 1,000 L
Tank 1.000 LT
Cheese 1.500 kg
Paper 80 g/m²
Paper 80g/m2
Chicken 1-1.2 kg
Chicken 1kg - 1.5kg
Chicken cca 600g
Bag up to 5 kg
Baby < 9 kg
Gloves Size 8 L
Trousers W32 L34
Jeans 34W 32L
Kitchen roll 320L 2SL
Shirt XL
Shirt 2XL
Kombi 500g 400ml
Beans 100g 250g
Ratio 1/6 kg
Spice 20/1 kg
T5.97.5g
T150g
Wine 1990's
Sugar 0 g
Milk 00500ml
Bulb 60W
Battery AA LR6
Notebook A4
Cable 3m
Fruit 7 l'oreal
L'OREAL 3 L'OREAL
Phone 12s
Tape 5/8
Paint 3 pcs 5 pcs
Cups 16oz
"""


def parsed(table: str) -> list[tuple[str, Size | None]]:
    """Name and size of each line of `name | count size unit`; `-`: none."""
    rows: list[tuple[str, Size | None]] = []
    for line in table.strip().splitlines():
        name, _, said = line.rpartition(" | ")
        if not name:
            rows.append((line, None))
        elif said == "-":
            rows.append((name, None))
        else:
            count, size, unit = said.split()
            rows.append((name, Size(None if count == "?" else int(count), size, unit)))
    return rows


def frame(
    names: list[str], cells: list[str | None] | None = None, unit: str | None = None
) -> pd.DataFrame:
    """Rows with these names, and nothing in their other columns unless said."""
    filled = cells or [None] * len(names)
    columns = {"name": names, "size": filled, "unit": [unit] * len(names)}
    return pd.DataFrame({key: pd.array(list(said), "str") for key, said in columns.items()})


def found(rows: pd.DataFrame) -> list[Size | None]:
    """What `add_sizes` says of each row."""
    values = add_sizes(rows)[list(SIZE_COLUMNS)].astype(object)
    return [
        None if pd.isna(size) else Size(None if pd.isna(count) else int(count), size, unit)
        for count, size, unit in values.itertuples(index=False)
    ]


@pytest.mark.parametrize(("name", "size"), parsed(READ))
def test_a_size_in_a_name_is_read_exactly(name: str, size: Size | None) -> None:
    assert read_size(name) == size


@pytest.mark.parametrize("name", NOTHING.strip().splitlines())
def test_what_is_no_size_or_not_certain_gives_nothing(name: str) -> None:
    assert read_size(name) is None


def test_whole_columns_of_names_give_what_each_name_gives_alone() -> None:
    rows = parsed(READ) + [(name, None) for name in NOTHING.strip().splitlines()]
    assert found(frame([name for name, _ in rows])) == [size for _, size in rows]


_PIECES = st.sampled_from(
    "500ml 1 kg 330ML x 6 * 2 12's 5g 5G 0.5L 1,5 l 75cl no No. size up to - / + % ( ) T15 KOKA "
    "COLA 3/1 pack of USB 4PK L'OREAL 250gms . , ½ ٥ مل < ~ 2IN1 w 34 lb cca 20,0 0g \u200b "
    "L 5TH 3.5% 7UP K2 100 12 \u00a0 ml 6er 30'lu 6li g 32 adet шт S8 9x 34w 32 W34".split(" ")
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(_PIECES, min_size=1, max_size=6), min_size=20, max_size=80), st.booleans())
def test_the_fast_way_through_a_column_never_differs(names: list[list[str]], close: bool) -> None:
    joined = [("" if close else " ").join(words) for words in names]
    assert found(frame(joined)) == [read_size(name) for name in joined]


@pytest.mark.parametrize(
    ("name", "cell", "unit", "size"),
    [
        ("Ketchup 500ml", "0.48 kg", "ko", Size(1, "480", "g")),
        ("Ketchup", "500", "ml", Size(1, "500", "ml")),
        ("Ketchup", "500.00", "גרם", Size(1, "500", "g")),
        ("Ketchup 500ml", "500", "pcs", None),
        ("Ketchup 500ml", "", "kg", Size(1, "500", "ml")),
        ("Ketchup 500ml", "Large", None, Size(1, "500", "ml")),
        ("Ketchup 500ml", "0.00", "kg", Size(1, "500", "ml")),
        ("Ketchup 500ml", "12 x 7", None, None),
        ("Radio", "5 G", None, Size(1, "5", "g")),
        ("Bin", "120L", None, Size(1, "120000", "ml")),
        ("Water", "6X1.5L", None, Size(6, "1500", "ml")),
        ("Plasters", "20.00 ko", None, Size(1, "20", "pcs")),
        ("Pads", "60.02 ko", None, None),
        ("Ketchup", None, "ml", None),
    ],
)
def test_a_column_of_sizes_is_asked_before_the_name(
    name: str, cell: str | None, unit: str | None, size: Size | None
) -> None:
    assert found(frame([name], [cell], unit)) == [size]


@given(
    st.integers(1, 99_999),
    st.integers(0, 99),
    st.sampled_from([("g", 1), ("kg", 1000), ("ml", 1), ("cl", 10), ("l", 1000)]),
    st.integers(2, 99),
)
def test_a_quantity_is_exact_to_the_last_digit(
    whole: int, cents: int, unit: tuple[str, int], count: int
) -> None:
    word, factor = unit
    size = read_size(f"Thing {count}x{whole}.{cents:02}{word}")
    assert size is not None
    assert Decimal(size.size) == Decimal(f"{whole}.{cents:02}") * factor
    assert (size.count, "E" in size.size) == (count, False)
    assert size.size == size.size.rstrip("0").rstrip(".") or "." not in size.size


def test_a_hostile_name_is_read_in_little_time() -> None:
    signs = random.Random(7)
    names = ["1x" * 5000, "9" * 10_000, "1/" * 5000, " -" * 5000 + "5kg", "1 " * 5000 + "kg"]
    names += ["".join(signs.choices("0123456789x*/., -'sgkml", k=300)) for _ in range(300)]
    assert len(found(frame(names))) == len(names)


def test_the_catalog_keeps_the_original_beside_what_was_read() -> None:
    rows = [("1", "Soda 6x330ml", None), ("2", "Ketchup", "0.5 kg"), ("3", "Thing", None)]
    plain = {"price_minor": 500, "currency": "KES", "active": True, "line": 2}
    extract = pd.DataFrame(rows, columns=["sku", "name", "size"]).assign(**plain)
    extract = conform(EXTRACT, extract)
    catalog = validate(CATALOG, build_catalog(extract), what="the catalog")
    assert catalog["name"].tolist() == ["Soda 6x330ml", "Ketchup", "Thing"]
    assert catalog["size"].fillna("").tolist() == ["", "0.5 kg", ""]
    assert catalog["pack_count"].astype(object).tolist() == [6, 1, pd.NA]
    assert catalog["pack_size"].fillna("").tolist() == ["330", "500", ""]
    assert catalog["pack_unit"].fillna("").tolist() == ["ml", "g", ""]
    older = catalog.drop(columns=list(SIZE_COLUMNS))
    validate(CATALOG, older, what="a catalog of an older version")
    both = pd.concat([with_sizes(older), catalog], ignore_index=True)
    validate(CATALOG, both.drop_duplicates("sku"), what="both")
    assert with_sizes(catalog) is catalog


def test_a_cell_is_looked_at_only_as_far_as_a_name_may_go() -> None:
    assert read_size("x" * sizes.MAX_NAME + " 500ml") is None
    assert found(frame(["x" * sizes.MAX_NAME + " 500ml"])) == [None]
