"""What one header means: words of many languages, folded, with units and currencies in them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from marketsync_dagster.pos import columns, stock
from marketsync_dagster.pos.headers.english import ENGLISH
from marketsync_dagster.pos.headers.folding import fold
from marketsync_dagster.pos.headers.known import (
    LANGUAGES,
    MONEY,
    NOT_PRICES,
    beginnings,
    meanings,
    words,
)
from marketsync_dagster.pos.headers.reading import read_header

SAME = [
    ("Prod. Code", "PROD_CODE", "prod-code", "\u00a0Prod\u00a0Code ", "ProdCode", "prod\ncode*"),
    ("SATIŞ FİYATI", "SATIŞ FIYATI", "satış fiyatı", "satis fiyati", "Satış Fiyatı"),
    ("Código de artículo", "CODIGO DE ARTICULO", "Co\u0301digo de arti\u0301culo"),
    ("Größe", "GRÖSSE", "grösse", "GROSSE"),
    ("Œuvre d'art", "oeuvre d’art"),
    ("السعر", "سعر", "السِّعْر", "الســـعر", "\u200fسعر\u200f", "ال\u200cسعر", "ﺳﻌﺮ"),
    ("الكمية", "الكميه", "كمية"),
    ("أسعار", "اسعار", "إسعار", "ٱسعار"),
    ("المستوى", "المستوي"),
    ('מק"ט', "מק״ט", "מקט", "מַקָּ״ט", "מק''ט"),
    ("שם", "שמ"),
    ("Šifra artikla", "SIFRA ARTIKLA", "šifra_artikla"),
    ("Đevrek", "devrek"),
    ("Цена на дребно", "ЦЕНА НА ДРЕБНО", "ценанадребно"),
    ("Ｐｒｉｃｅ", "price"),
    ("Option ١", "option 1"),
    ("Item #", "Item No.", "Item №", "Item Nº", "ITEM N°"),
]
DIFFERENT = [
    ("Promo", "Promo %"),
    ("Item", "Item #"),
    ("Price", "Price 2"),
    ("السعر", "الشعر"),
]


@pytest.mark.parametrize("spellings", SAME, ids=lambda spellings: spellings[0])
def test_spellings_of_one_word_are_folded_to_one(spellings: tuple[str, ...]) -> None:
    assert len({fold(spelling) for spelling in spellings}) == 1


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_words_that_differ_in_meaning_stay_different(one: str, other: str) -> None:
    assert fold(one) != fold(other)


MEANS = {
    "sku": ["SKU", "SKU*", "SKU (required)", "Item Code", "ITEM_CODE", "Art.-Nr.", "UGS", "Item #",
            "Referencia", "Réf. article", "Stok Kodu", "كود الصنف", 'מק"ט', "קוד פריט",
            "ŠIFRA PROIZVODA", "Sifra proizvoda", "Шифра артикла", "Код на продукта"],
    "name": ["Item Name", "Nombre del producto", "Libellé", "Bezeichnung", "Ürün Adı", "ÜRÜN ADI",
             "اسم الصنف", "שם פריט", "NAZIV PROIZVODA", "Назив артикла",
             "Наименование на продукта"],
    "barcode": ["EAN-13", "Código de barras", "Code-barres", "Strichcode", "Barkod No", "باركود",
                "ברקוד", "Bar kod", "BARKOD_ARTIKLA", "Баркод", "GTIN, UPC, EAN, or ISBN"],
    "price": ["Selling Price", "retail_price", "Precio de venta", "P.V.P.", "PVP con IVA",
              "Prix de vente TTC", "Tarif régulier", "VK-Preis", "Regulärer Preis", "Satış Fiyatı",
              "Fiyat", "سعر البيع", "السعر", "מחיר", "מחיר לצרכן", "MALOPRODAJNA CIJENA", "MPC",
              "maloprod.cijena(EUR)", "Maloprodajna cena", "Цена", "Цена на дребно", "Cijena",
              "Prices Regular"],
    "promo_price": ["Special Price", "SpecialPrice", "Precio rebajado", "Tarif promo",
                    "Angebotspreis", "İndirimli Fiyat", "سعر العرض", "מחיר מבצע",
                    "MPC ZA VRIJEME POSEBNOG OBLIKA PRODAJE",
                    "MPC_ZA_VRIJEME_POSEBNOG_OBLIKA_PRODAJE", "MPC poseb.oblik prod",
                    "MPC_POSEBNA_PRODAJA", "POSEBNA_PRODAJA", "MaloprodajnaCijenaAkcija",
                    "mpc_pop", "MPC za vrijeme posebnog oblika prodaje (EUR)", "Akcijska cena",
                    "Цена в промоция"],
    "cost": ["Cost per item", "Coste", "Prix d'achat HT", "EK", "Alış Fiyatı", "سعر الشراء", "עלות",
             "Nabavna cijena", "Доставна цена"],
    "stock": ["Qty On Hand", "Existencias", "Qté en stock", "Lagerbestand", "Stok Miktarı",
              "الكمية المتاحة", "מלאי", "Zaliha", "Наличност", "Stock (pcs)", "Stock (kom)",
              "Cantidad", "Menge", "Miktar", "כמות", "Količina"],
    "size": ["Pack Size", "Contenido neto", "Contenance", "Füllmenge", "Gramaj", "الحجم", "תכולה",
             "NETO KOLIČINA", "NETO_KOLICINA", "neto količina(KG)", "net_kol", "Neto kol.",
             "Разфасовка", "Quantity (kg)", "Menge (ml)"],
    "unit": ["UoM", "Unidad de medida", "Unité", "Einheit", "Birim", "وحدة القياس", "יחידת מידה",
             "JEDINICA MJERE", "Јединица мере", "Мярка"],
    "category": ["Dept", "Department", "Categoría", "Rayon", "Warengruppe", "Reyon", "القسم",
                 "מחלקה", "KATEGORIJA PROIZVODA", "Категория"],
    "brand": ["Brand", "Marca", "Marque", "Marke", "Marka", "العلامة التجارية", "מותג",
              "MARKA PROIZVODA", "Бренд"],
    "stock_status": ["In stock?", "Availability", "Disponibilidad", "Disponibilité",
                     "Verfügbarkeit", "Stok Durumu", "حالة المخزون", "זמינות", "Dostupnost"],
    "currency": ["Currency", "Moneda", "Devise", "Währung", "Para Birimi", "العملة", "מטבע",
                 "Valuta", "Валута"],
    "active": ["Active", "Activo", "Actif", "Aktiv", "Aktif", "نشط", "פעיל", "Aktivan", "Активен"],
    "outlet": ["Branch", "Sucursal", "Magasin", "Filiale", "Şube", "الفرع", "סניף", "Poslovnica",
               "Търговски обект"],
    "unit_price": ["Unit Price", "UnitPrice", "Price per kg", "Price/kg", "Price (kg)",
                   "Retail price (kg)", "Price (EUR/kg)", "Precio por kilo", "Prix au kilo",
                   "Prix/kg", "Grundpreis",
                   "Preis pro 100 g", "Birim Fiyat", "سعر الكيلو", "מחיר ליחידת מידה",
                   "CIJENA ZA JEDINICU MJERE", "cijena_za_jed.mjere (EUR)", "c_jmj",
                   "Цена за кг"],
    "lowest_price": ["BestPrice30", "Lowest price in the last 30 days", "Niedrigster Preis 30 Tage",
                     "NAJNIŽA CIJENA U POSLJEDNJIH 30 DANA", "c_najniza_30", "Најнижа цена",
                     "Най-ниска цена за 30 дни"],
    "anchor_price": ["AnchorPrice", "SIDRENA CIJENA", "Sidrena cijena na 2.5.2025"],
    "net_price": ["Price excl. VAT", "Net price", "Precio sin IVA", "Prix HT", "Nettopreis",
                  "KDV Hariç Fiyat", "السعر بدون ضريبة", 'מחיר לפני מע"מ', "Cijena bez PDV-a"],
    "wholesale_price": ["Wholesale price", "Precio mayorista", "Prix de gros", "Großhandelspreis",
                        "Toptan Fiyat", "سعر الجملة", "מחיר סיטונאי", "VPC", "Цена на едро"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("header", "canonical"), [(header, name) for name, listed in MEANS.items() for header in listed]
)
def test_a_header_is_understood_in_its_language(header: str, canonical: str) -> None:
    assert columns.meaning(header) == canonical


UNKNOWN = [
    "", "#", "***", "Price [Shop A]", "Price / International", "inventory_Main", "Price 2",
    "Level 2 Price", "Member price", "Club price", "Online price", "Promo %", "Discount %",
    "Discount", "Price All", "Le prix", "MPC 2.5.2025=7,99€", "€/kg Preis", "Low stock",
    "Optimal stock", "New Quantity", "Reorder level", "naziv + šifra", "Datum sidrene cijene",
    "Naziv posebnog oblika prodaje", "Sale price starts", "Price change", "Total",
    "skuprice", "Tier price", "standard_price", "Base price", "Stock (kg)",
]  # fmt: skip


@pytest.mark.parametrize("header", UNKNOWN)
def test_a_header_that_only_resembles_a_known_one_means_nothing(header: str) -> None:
    assert read_header(header).meanings == ()


CURRENCIES = [
    ("Price (EUR)", "price", "EUR"),
    ("PRICE EUR", "price", "EUR"),
    ("price_eur", "price", "EUR"),
    ("PriceEUR", "price", "EUR"),
    ("EUR Price", "price", "EUR"),
    ("€ Price", "price", "EUR"),
    ("Price€", "price", "EUR"),
    ("Price, €", "price", "EUR"),
    ("Price [KES]", "price", "KES"),
    ("Price in KSh", "price", "KES"),
    ("Price (KES incl. VAT)", "price", "KES"),
    ("Price incl. VAT (KES)", "price", "KES"),
    ("Retail price (Rs.)", "price", "RS"),
    ("Price ($)", "price", "$"),
    ("Price R", "price", "ZAR"),
    ("Price (ALL)", "price", "ALL"),
    ("Preis in €", "price", "EUR"),
    ("Prix en €", "price", "EUR"),
    ("PVP (€)", "price", "EUR"),
    ("Fiyat (TL)", "price", "TRY"),
    ("Satış Fiyatı ₺", "price", "TRY"),
    ("السعر (د.إ)", "price", "AED"),
    ("سعر البيع (ر.س)", "price", "SAR"),
    ("السعر بالدرهم", "price", "درهم"),
    ('מחיר בש"ח', "price", "ILS"),
    ("מחיר (ש״ח)", "price", "ILS"),
    ("מחיר ₪", "price", "ILS"),
    ("MPC (KM)", "price", "BAM"),
    ("MPC (EUR)", "price", "EUR"),
    ("Cijena u EUR", "price", "EUR"),
    ("Цена (лв.)", "price", "BGN"),
    ("Цена в лв", "price", "BGN"),
    ("Цена в евро", "price", "EUR"),
    ("Promo price (USD)", "promo_price", "USD"),
    ("Cost (USD)", "cost", "USD"),
    ("Unit Price (KES)", "unit_price", "KES"),
    ("Price", "price", None),
    ("Stock (EUR)", None, None),
    ("Name EUR", None, None),
]


@pytest.mark.parametrize(("header", "canonical", "currency"), CURRENCIES)
def test_the_currency_of_a_header_is_found_and_belongs_to_prices_alone(
    header: str, canonical: str | None, currency: str | None
) -> None:
    assert (columns.meaning(header), read_header(header).currency) == (canonical, currency)


def _written() -> Iterator[tuple[str, str, int, str]]:
    for language, one in LANGUAGES.items():
        for canonical, ranked in one.headers.items():
            for rank, listed in enumerate(ranked.split("|"), 1):
                for word in words(listed):
                    yield language, canonical, rank, word


def test_no_word_may_be_two_columns_with_equal_right() -> None:
    clashes = []
    for word, found in meanings().items():
        for decisive in (True, False):
            ranks = [m.rank for m in found if (m.canonical in columns.DECISIVE) is decisive]
            if len(set(ranks)) < len(ranks):
                clashes.append((word, found))
    assert clashes == []


def test_a_word_has_the_same_rank_in_all_languages() -> None:
    ranks: dict[tuple[str, str], set[int]] = {}
    for _, canonical, rank, word in _written():
        ranks.setdefault((canonical, fold(word)), set()).add(rank)
    assert {key: found for key, found in ranks.items() if len(found) > 1} == {}


def test_every_word_is_a_word_of_a_known_column() -> None:
    assert "" not in meanings()
    strange = [(lang, name) for lang, name, _, _ in _written() if name not in ENGLISH.headers]
    assert strange == []


def test_only_what_is_no_price_is_understood_by_its_beginning() -> None:
    assert {meaning.canonical for _, meaning in beginnings()} <= set(NOT_PRICES)
    assert all(len(beginning) >= 3 for beginning, _ in beginnings())


def test_every_language_has_words_for_what_an_extract_needs() -> None:
    needed = {"sku", "name", "barcode", "price", "promo_price", "cost", "stock", "category",
              "brand", "size", "unit", "unit_price", "net_price", "outlet"}  # fmt: skip
    lacking = {lang: needed - one.headers.keys() for lang, one in LANGUAGES.items()}
    assert not any(lacking.values()), lacking
    for one in LANGUAGES.values():
        assert one.in_stock
        assert one.limited_stock
        assert one.out_of_stock
        assert one.yes
        assert one.no


@pytest.mark.parametrize(
    "form", ["{}", "  {} ", "\u00a0{}\u00a0", "{}:", "* {} *", "{}.", "\u200f{}\u200e", "\ufeff{}"]
)
@pytest.mark.parametrize("case", ["as it is", "upper", "Turkish upper", "_ for blanks"])
def test_every_word_is_understood_however_it_is_set(form: str, case: str) -> None:
    wrong = []
    for language, canonical, rank, word in _written():
        text = word.removesuffix("*")
        expected = read_header(text)
        if case == "upper":
            text = text.upper()
        elif case == "Turkish upper" and language == "Turkish":
            text = text.replace("i", "İ").replace("ı", "I").upper()
        elif case == "_ for blanks":
            text = text.replace(" ", "_")
        found = read_header(form.format(text))
        if found.meanings != expected.meanings or not any(
            m.canonical == canonical and m.rank <= rank for m in found.meanings
        ):
            wrong.append((language, canonical, word, found))
    assert wrong == []


def test_every_word_of_money_is_understood_with_a_currency_beside_it() -> None:
    wrong = []
    for _, canonical, _, word in _written():
        if canonical in MONEY and not word.endswith("*"):
            found = read_header(f"{word} (EUR)")
            if found.currency != "EUR" or found.meanings != read_header(word).meanings:
                wrong.append((word, found))
    assert wrong == []


def test_no_word_of_a_value_has_two_meanings() -> None:
    for lists in (("in_stock", "limited_stock", "out_of_stock"), ("yes", "no")):
        meant: dict[str, set[str]] = {}
        for one in LANGUAGES.values():
            for name in lists:
                for word in words(getattr(one, name)):
                    meant.setdefault(stock.word_key(word), set()).add(name)
        assert {word: found for word, found in meant.items() if len(found) > 1} == {}


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("low_stock", "limited_stock"), ("lowstock", "limited_stock"),
        ("onbackorder", "out_of_stock"), ("Back-Order", "out_of_stock"),
        ("preorder", "out_of_stock"), ("unlimited", "in_stock"), ("Disponible", "in_stock"),
        ("AGOTADO", "out_of_stock"), ("en stock", "in_stock"), ("Rupture", "out_of_stock"),
        ("épuisé", "out_of_stock"), ("auf Lager", "in_stock"), ("Ausverkauft", "out_of_stock"),
        ("nicht verfügbar", "out_of_stock"), ("stokta", "in_stock"), ("STOKTA", "in_stock"),
        ("tükendi", "out_of_stock"), ("TÜKENDİ", "out_of_stock"), ("az kaldı", "limited_stock"),
        ("متوفر", "in_stock"), ("غير متوفّر", "out_of_stock"), ("نفدت الكمية", "out_of_stock"),
        ("במלאי", "in_stock"), ("נגמר", "out_of_stock"), ("אזל", "out_of_stock"),
        ("אזל מהמלאי", "out_of_stock"), ("na stanju", "in_stock"), ("нема", "out_of_stock"),
        ("в наличност", "in_stock"), ("изчерпан", "out_of_stock"), ("0", "out_of_stock"),
        ("1.0", "in_stock"), ("Out-of-Stock", "out_of_stock"),
        ("-1", None), ("2", None), ("--", None), ("perhaps", None),
    ],
)  # fmt: skip
def test_a_stock_word_is_understood_in_its_language(text: str, status: str | None) -> None:
    assert stock.STATUS.get(stock.word_key(text)) == status


@pytest.mark.parametrize(
    ("yes", "no"),
    [("Yes", "No"), ("Sí", "No"), ("Oui", "Non"), ("Ja", "Nein"), ("EVET", "HAYIR"),
     ("Evet", "hayır"), ("نعم", "لا"), ("כן", "לא"), ("Da", "Ne"), ("Да", "Не"), ("1", "-1"),
     ("VRAI", "FAUX"),
     ("WAHR", "FALSCH"), ("DOĞRU", "YANLIŞ"), ("نشط", "غير نشط"), ("✓", "✗"), ("aktif", "PASİF")],
)  # fmt: skip
def test_yes_and_no_are_understood_in_their_language(yes: str, no: str) -> None:
    assert stock.ACTIVE[stock.word_key(yes)] is True
    assert stock.ACTIVE[stock.word_key(no)] is False
