"""Which columns of a header line are read, which yield, and which are refused by name."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pytest

from marketsync_dagster.config.reading import COLUMNS
from marketsync_dagster.pos.columns import DECISIVE, READ, choose, left_out
from marketsync_dagster.pos.model import Extract, ExtractSpec
from marketsync_dagster.pos.read import read_extract
from marketsync_dagster.values.errors import ExtractError


@dataclass(frozen=True)
class Line:
    """A header line (`;` between the cells), and the columns of the frame in its order.

    `-` is a header from which nothing goes into the frame."""

    name: str
    headers: str
    found: str
    currency: str | None = None
    currencies: dict[str, str] = field(default_factory=dict)


LINES = [
    Line("id yields to sku", "sku;id;price", "sku - price"),
    Line("id alone is the SKU", "id;price", "sku price"),
    Line("code yields to item code", "code;item code;price", "- sku price"),
    Line("product id yields to product code", "ProductId;Product Code;Price", "- sku price"),
    Line("item is a name", "item;item code;price", "name sku price"),
    Line("item yields to item name", "item;item name;sku;price", "- name sku price"),
    Line("article is a SKU only where nothing else is", "article;price", "sku price"),
    Line("article is a name beside a SKU", "Code article;Article;Prix", "sku name price"),
    Line("quantity yields to stock", "sku;quantity;stock;price", "sku - stock price"),
    Line("total is nothing", "sku;total;stock;price", "sku - stock price"),
    Line("quantity alone is the stock", "sku;qty;price", "sku stock price"),
    Line("description is the name where nothing else is", "sku;description;price",
         "sku name price"),
    Line("description is not the name beside one", "sku;description;product;price",
         "sku - name price"),
    Line("item description before description", "sku;description;item description;price",
         "sku - name price"),
    Line("Dept is a category", "sku;dept;price", "sku category price"),
    Line("department yields to category", "sku;department;category;group;price",
         "sku - category - price"),
    Line("status before published", "sku;published;status;price", "sku - active price"),
    Line("barcode before EAN before UPC", "sku;upc;ean;barcode;price", "sku - - barcode price"),
    Line("sale price alone is the price", "sku;sale price;cost price", "sku price -"),
    Line("sale price beside the regular one is a promotion", "sku;sale price;regular price",
         "sku promo_price price"),
    Line("sale price beside a promotion is nothing",
         "sku;sale price;special price;regular price", "sku - promo_price price"),
    Line("a recommended price yields", "sku;RRP;price", "sku - price"),
    Line("a recommended price alone is the price", "sku;RRP;cost", "sku price -"),
    Line("other prices are no price",
         "sku;unit price;cost;price (kg);lowest price 30 days;wholesale price;net price;price;msrp",
         "sku - - - - - - price -"),
    Line("the outlet's currency", "sku;Price EUR;Price BGN;Promo EUR;Promo BGN",
         "sku - price - promo_price", "BGN", {"price": "BGN", "promo_price": "BGN"}),
    Line("a price without currency beside a foreign one", "sku;Price;Price USD", "sku price -",
         "KES"),
    Line("a price in the currency beside one without", "sku;Price;Price KES", "sku - price", "KES",
         {"price": "KES"}),
    Line("a foreign price alone is read and named", "sku;Price USD", "sku price", "KES",
         {"price": "USD"}),
    Line("what a sign may mean is compared", "sku;Price $;Price €", "sku price -", "CAD",
         {"price": "$"}),
    Line("a reference before a number of its own", "Identifiant produit;Nom;Référence;Prix (TTC)",
         "- name sku price"),
    Line("what a marketplace calls a SKU", "Item number;Title;Custom label (SKU);Current price",
         "- name sku price"),
    Line("a SKU that is a barcode as well", "SKU/Barcode;Menu Item;Standard Rate;Valuation Rate",
         "sku name price -"),
    Line("two categories are none", "sku;Gruppe;Warengruppe;price", "sku - - price"),
    Line("remarks in brackets", "Active (0/1);Name *;sku;Price;Regular price (before sale)",
         "active name sku price -"),
    Line("two columns that are not read", "sku;price;image;picture;cost;cost price",
         "sku price - - - -"),
    Line("Loyverse, one store",
         "Handle;SKU;Name;Category;Sold by weight;Cost;Barcode;Price;In stock",
         "- sku name category - - barcode price stock_status"),
    Line("Lightspeed",
         "id;handle;sku;name;product_category;retail_price;supply_price;brand_name;active",
         "- - sku name category price - brand active"),
    Line("Odoo", "External ID;Internal Reference;Name;Barcode;Sales Price;Cost;Quantity On Hand",
         "- sku name barcode price - stock"),
    Line("Magento", "sku;name;price;special_price;qty;is_in_stock;product_online",
         "sku name price promo_price stock stock_status -"),
    Line("a shop in Spanish",
         "ID;Tipo;SKU;Nombre;Publicado;¿Existencias?;Inventario;Precio rebajado;Precio normal",
         "- category sku name active stock - promo_price price"),
    Line("a shop in French", "ID;Type;UGS;Nom;Publié;En stock ?;Stock;Tarif promo;Tarif régulier",
         "- category sku name active stock_status stock promo_price price"),
    Line("a shop in German",
         "Artikelnummer;Name;Veröffentlicht;Vorrätig?;Bestand;Angebotspreis;Regulärer Preis",
         "sku name active stock_status stock promo_price price"),
    Line("a till in Spanish", "CÓDIGO;DESCRIPCIÓN;P.V.P.;P. Compra;EXISTENCIAS;CÓD. BARRAS",
         "sku name price - stock barcode"),
    Line("a till in French", "Code article;Désignation;PV TTC;PA HT;Qté stock;Gencod;Rayon",
         "sku name price - stock barcode category"),
    Line("a till in German", "Art.-Nr.;Bezeichnung;EAN;VK brutto;VK netto;EK;Bestand;Warengruppe",
         "sku name barcode price - - stock category"),
    Line("a till in Turkish", "STOK KODU;STOK ADI;BARKOD;SATIŞ FİYATI;ALIŞ FİYATI;MİKTAR;BİRİM",
         "sku name barcode price - stock unit"),
    Line("a till in Arabic", "كود الصنف;اسم الصنف;الباركود;سعر البيع;سعر الجملة;الكمية;الوحدة",
         "sku name barcode price - stock unit"),
    Line("a till in Hebrew", 'מק"ט;שם פריט;ברקוד;מחיר לצרכן;מחיר עלות;יתרת מלאי;מחלקה',
         "sku name barcode price - stock category"),
    Line("a till in Serbian", "Шифра;Назив;Бар код;МП цена;Набавна цена;Стање;ЈМ",
         "sku name barcode price - stock unit"),
    Line("a Croatian chain",
         "NAZIV PROIZVODA;ŠIFRA PROIZVODA;MARKA PROIZVODA;NETO KOLIČINA;JEDINICA MJERE;"
         "MALOPRODAJNA CIJENA;CIJENA ZA JEDINICU MJERE;MPC ZA VRIJEME POSEBNOG OBLIKA PRODAJE;"
         "NAJNIŽA CIJENA U POSLJEDNJIH 30 DANA;SIDRENA CIJENA NA 2.5.2025;BARKOD;"
         "KATEGORIJA PROIZVODA",
         "name sku brand size unit price - promo_price - - barcode category"),
    Line("another Croatian chain",
         "naziv;šifra proizvoda;neto količina(KG);jedinica mjere;maloprod.cijena(EUR);"
         "cij.jed.mj.(EUR);MPC poseb.oblik prod;barkod;MPC 2.5.2025=7,99€",
         "name sku size unit price - promo_price barcode -", "EUR", {"price": "EUR"}),
    Line("Croatian XML names",
         "SifraProizvoda;NazivProizvoda;Barkod;MaloprodajnaCijena;MaloprodajnaCijenaAkcija;"
         "CijenaZaJedinicuMjere;NajnizaCijena;SidrenaCijena;NetoKolicina;JedinicaMjere",
         "sku name barcode price promo_price - - - size unit"),
    Line("short Croatian names", "sif_art;naz_art;ean_kod;mpc;mpc_pop;c_jmj;c_najniza_30;net_kol",
         "sku name barcode price promo_price - - size"),
    Line("a Bulgarian chain",
         "Населено място;Търговски обект;Наименование на продукта;Код на продукта;Категория;"
         "Цена на дребно;Цена в промоция", "- - name sku category price promo_price"),
    Line("English names of the Croatian lists",
         "Product;ProductId;Brand;Quantity;Unit;Barcode;Category;Price;UnitPrice;SpecialPrice;"
         "BestPrice30;AnchorPrice",
         "name sku brand stock unit barcode category price - promo_price - -"),
]  # fmt: skip


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.name)
def test_each_column_of_a_header_line_is_found(line: Line) -> None:
    headers = line.headers.split(";")
    chosen = choose(headers, {}, "till.csv", 1, line.currency)
    expected = {
        index: name for index, name in enumerate(line.found.split()) if name != "-"
    }  # fmt: skip
    found = {index: name for name, index in chosen.position.items() if name in DECISIVE}
    assert found == expected
    assert len(line.found.split()) == len(headers)
    assert chosen.currencies.items() >= line.currencies.items()
    assert {name for name in chosen.currencies if name in DECISIVE} == line.currencies.keys()
    assert list(chosen.position.values()) == sorted(chosen.position.values())


@dataclass(frozen=True)
class Refused:
    """A header line that is refused, and words of the message."""

    headers: str
    code: str
    says: tuple[str, ...]
    currency: str | None = None


REFUSED = [
    Refused("sku;price;price", "duplicate_header", ("'price'", "columns 2 and 3")),
    Refused("sku;Price;PRICE", "ambiguous_columns", ("'Price' and 'PRICE'",)),
    Refused("sku;price;selling price", "ambiguous_columns", ("'price' and 'selling price'",)),
    Refused("sku;price;price incl. VAT", "ambiguous_columns", ("'price incl. VAT'",)),
    Refused("sku;Prix;Price", "ambiguous_columns", ("'Prix' and 'Price'",)),
    Refused("sku;on hand;stock;price", "ambiguous_columns", ("'on hand' and 'stock'", "stock")),
    Refused("item code;article no;price", "ambiguous_columns", ("'item code' and 'article no'",)),
    Refused("id;id;price", "duplicate_header", ("'id'",)),
    Refused("sku;promo price;special price;price", "ambiguous_columns", ("promo_price",)),
    Refused("sku;Price EUR;Price BGN", "ambiguous_columns", ("'Price EUR' and 'Price BGN'",)),
    Refused("sku;Price EUR;Price BGN", "ambiguous_columns", ("'Price EUR'",), "KES"),
    Refused("sku;Price €;Price (EUR)", "ambiguous_columns", ("'Price €'",), "EUR"),
    Refused("sku;price;sale price;sale price", "duplicate_header", ("'sale price'",)),
    Refused("sku;unit price;cost;Price/kg", "no_price_column",
            ("'unit price' is a price per unit of measure", "'cost' is what the shop pays",
             "'Price/kg'")),
    Refused("sku;Sidrena cijena na 2.5.2025", "no_price_column", ("a reference price",)),
    Refused("sku;precio sin IVA", "no_price_column", ("a price without tax",)),
    Refused("item;description;price", "no_sku_column", ("'item', 'description', 'price'",)),
    Refused("item;EAN;price", "no_sku_column", ("has a 'EAN' of its own, that may be its SKU",)),
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case.headers} {case.currency}")
def test_columns_that_cannot_be_told_apart_are_refused_by_name(case: Refused) -> None:
    with pytest.raises(ExtractError) as caught:
        choose(case.headers.split(";"), {}, "till.csv", 3, case.currency)
    assert caught.value.code == case.code
    assert "till.csv, line 3" in caught.value.message
    for words in case.says:
        assert words in caught.value.message


def test_configured_columns_alone_are_read_and_their_currency_is_seen() -> None:
    configured = {"sku": "Item", "price": "Level 1 (USD)", "stock": "id"}
    chosen = choose(["Item", "Level 1 (USD)", "id", "sku", "price"], configured, "till.csv", 1)
    assert chosen.position == {"sku": 0, "price": 1, "stock": 2}
    assert chosen.currencies == {"price": "USD"}
    assert chosen.ranks == {}


def test_who_names_one_column_is_told_to_name_all() -> None:
    with pytest.raises(ExtractError, match="`columns` names sku alone"):
        choose(["Item", "price"], {"sku": "Item"}, "till.csv", 1)


def test_a_configured_header_that_ends_in_a_word_like_a_currency_names_none() -> None:
    chosen = choose(["A", "Shelf TOP"], {"sku": "A", "price": "Shelf TOP"}, "till.csv", 1)
    assert chosen.currencies == {}


def read(data: str, **spec: Any) -> Extract:
    """Read a small file with semicolons."""
    return read_extract(data.encode(), ExtractSpec(**spec), file="till.csv")


def test_the_price_in_the_outlets_currency_is_the_one_that_is_read() -> None:
    found = read("sku;Price EUR;Price BGN\nA;1,00;1,96\n", currency="BGN")
    assert found.frame["price_minor"].tolist() == [196]
    assert found.ignored == ["Price EUR"]


def test_a_price_under_a_header_in_another_currency_is_rejected() -> None:
    with pytest.raises(ExtractError) as caught:
        read("sku;Price (USD)\nA;1,00\n", currency="KES")
    assert caught.value.code == "nothing_accepted"


NAMED = "sku=sku price=price stock=stock"


@pytest.mark.parametrize(
    ("headers", "named", "missed"),
    [
        ("sku;price;stock;Promo Price;promo_from;promo_to;currency", NAMED,
         "promo_price=Promo Price promo_from=promo_from promo_to=promo_to currency=currency"),
        ("sku;price;stock;Sold by weight;UOM;Enabled", NAMED,
         "weighed=Sold by weight unit=UOM active=Enabled"),
        ("sku;price;stock;Sale Price", NAMED, "promo_price=Sale Price"),
        ("sku;price;Sale Price", "sku=sku price=Sale Price", ""),
        ("sku;price;stock;Offer;Promo Price", f"{NAMED} promo_price=Offer", ""),
        ("sku;price;stock;Status;Enabled", f"{NAMED} active=Status", ""),
        ("sku;price;stock;promo_from;promo_to", NAMED, ""),
        ("sku;price;stock;brand;category;shelf;cost;unit price", NAMED, ""),
        ("sku;price;stock;promo price (USD);promo price", NAMED, "promo_price=promo price"),
    ],
)  # fmt: skip
def test_what_looks_like_a_promotion_and_is_not_named_is_told(
    headers: str, named: str, missed: str
) -> None:
    names = headers.split(";")
    pairs = re.findall(r"(\w+)=(.+?)(?= \w+=|$)", named)
    chosen = choose(names, dict(pairs), "till.csv", 1)
    expected = dict(re.findall(r"(\w+)=(.+?)(?= \w+=|$)", missed))
    assert left_out(names, chosen, "KES") == expected


@pytest.mark.parametrize(
    ("spec", "said"),
    [({}, 0), ({"columns": {"outlet": "shelf"}, "keys": ("1",)}, 0),
     ({"columns": {"sku": "sku", "price": "price"}}, 2), ({"preset": "feed"}, 0)],
)  # fmt: skip
def test_only_who_names_columns_is_told_what_is_not_read(spec: dict[str, Any], said: int) -> None:
    price = "selling_price" if "preset" in spec else "price"
    extract = read(f"sku;{price};promo_price;shelf;UOM\nA;5.00;4.00;1;pcs\n", **spec)
    words = [one for one in extract.warnings if "is not read" in one]
    missed = ["'promo_price' looks like promo_price", "'UOM' looks like unit"]
    assert [one.partition(" and is")[0] for one in words] == missed[:said]
    promo = extract.frame["promo_price_minor"].tolist()
    assert promo == ([pd.NA] if said else [400])


def test_what_decides_how_goods_are_sold_can_be_named() -> None:
    assert set(READ) <= set(COLUMNS)
