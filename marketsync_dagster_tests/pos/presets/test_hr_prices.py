"""Croatian price lists: every chain's headers, special prices, names of files, goods by weight."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from marketsync_dagster.pos import presets
from marketsync_dagster.pos.documents import documents_of
from marketsync_dagster.pos.presets.hr_prices import PRESET
from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster_tests.pos.presets.exports import EXAMPLES, counts, read, rejected, shown
from marketsync_dagster_tests.pos.presets.lists import moment, naming_of

FILES = EXAMPLES / "hr_prices"
SEEN = ("sku", "price_minor", "promo_price_minor", "size", "unit")
CODE = "3859999000013"

CHAINS = {
    "capitals": "NAZIV PROIZVODA,ŠIFRA PROIZVODA,NETO KOLIČINA,JEDINICA MJERE,MALOPRODAJNA CIJENA,"
    "CIJENA ZA JEDINICU MJERE,MPC ZA VRIJEME POSEBNOG OBLIKA PRODAJE,"
    "NAJNIŽA CIJENA U POSLJEDNIH 30 DANA,SIDRENA CIJENA NA 2.5.2025,BARKOD",
    "underscores": "NAZIV,ŠIFRA,NETO_KOLIČINA,JEDINICA_MJERE,MALOPRODAJNA_CIJENA,"
    "CIJENA_ZA_JEDINICU_MJERE,MPC_ZA_VRIJEME_POSEBNOG_OBLIKA_PRODAJE,"
    "NAJNIZA_CIJENA_U_POSLJ._30_DANA,Sidrena_cijena_na_02.05.2025,BARKOD",
    "shortened": "naziv proizvoda,šifra proizvoda,neto količina(KG),jedinica mjere,"
    "maloprod.cijena(EUR),cijena jed.mj.(EUR),MPC poseb.oblik prod,Najniža MPC u 30dana,"
    "Sidrena cijena,barkod",
    "with the currency": "naziv,šifra,neto količina,jedinica mjere,MPC (EUR),"
    "cijena za jedinicu mjere (EUR),MPC za vrijeme posebnog oblika prodaje (EUR),"
    "Najniža cijena u posljednjih 30 dana (EUR),sidrena cijena na 2.5.2025. (EUR),barkod",
    "without diacritics": "Naziv proizvoda,Sifra proizvoda,Neto kolicina,Jedinica mjere,"
    "Maloprodajna cijena,Cijena po JM,MPC za vrijeme posebnog oblika prodaje,"
    "Najniza cijena u poslj. 30 dana,Sidrena cijena na 2.5.2025,Barkod",
    "shortened with underscores": "NAZIV_PROIZVODA,ŠIFRA_PROIZVODA,NETO_KOLIČINA,JEDINICA_MJERE,"
    "MALOPROD.CIJENA(EUR),CIJENA_ZA_JEDINICU_MJERE,MPC_POSEB.OBLIK_PROD,NAJNIŽA_MPC_U_30DANA,"
    "SIDRENA_CIJENA,BARKOD",
    "of articles": "NAZIV_ARTIKLA,SIFRA_ARTIKLA,NETO_KOLICINA,JEDINICA_MJERE,MPC,CIJENA_PO_JM,"
    "MPC_POSEBNA_PRODAJA,MPC_NAJNIZA_30,MPC_020525,BARKOD_ARTIKLA",
    "of a wholesaler": "NAZIV,SIFRA,NETO_KOLICINA,JED_MJERE,MPC,CIJENA_PO_MJERI,POSEBNA_PRODAJA,"
    "NAJNIZA_30_DANA,SIDRENA_02_05,BARKOD",
    "short": "naziv_art,sif_art,net_kol,jmj,mpc,c_jmj,mpc_pop,c_najniza_30,c_020525,ean_kod",
    "in English": "Product,ProductId,Quantity,Unit,Price,UnitPrice,SpecialPrice,BestPrice30,"
    "AnchorPrice,Barcode",
}


def listed(header: str, *rows: str) -> bytes:
    return "\n".join([header, *rows, ""]).encode()


@pytest.mark.parametrize("header", CHAINS.values(), ids=CHAINS)
def test_every_chain_s_headers_are_read_and_no_other_price(header: str) -> None:
    rows = (
        f"Milk,00012,1,l,1.19,7.77,,6.66,5.55,{CODE}",
        "Coffee,00013,0.25,kg,4.99,7.77,3.99,6.66,5.55,",
        "Cookies,00014,0.3,kg,,7.77,1.49,6.66,5.55,",
        "Tea,00015,0.04,kg,,7.77,,6.66,5.55,",
    )
    extract = read("hr_prices", listed(header, *rows), currency="EUR")
    assert shown(extract, "sku", "name", "price_minor", "promo_price_minor", "barcode") == [
        ("00012", "Milk", 119, None, CODE),
        ("00013", "Coffee", 499, 399, None),
        ("00014", "Cookies", None, 149, None),
    ]
    (reject,) = rejected(extract)
    assert (reject[0], reject[3]) == (5, "missing_price")


@pytest.mark.parametrize("header", CHAINS.values(), ids=CHAINS)
def test_every_chain_s_lists_are_known_by_their_headers(header: str) -> None:
    assert presets.recognise("list.csv", header.split(",")) is PRESET


def test_a_list_of_nothing_but_other_prices_is_refused() -> None:
    header = "Šifra proizvoda,Cijena za jedinicu mjere,Najniža cijena,Sidrena cijena"
    with pytest.raises(ExtractError) as caught:
        read("hr_prices", listed(header, "1,1.00,1.00,1.00"), currency="EUR")
    assert caught.value.code == "no_price_column"


EXPECTED: dict[str, tuple[str, str, list[tuple[Any, ...]]]] = {
    "SUPERMARKET,ULICA LIPA 1 10000 ZAGREB,0904,1629,20.11.2026, 05-22.CSV": ("utf-8", ",", [
        ("00110451", 119, None, "1.00 l", "ko"),
        ("00110452", None, 149, "0.30 kg", "ko"),
        ("00110453", 499, 399, "0.25 kg", "ko"),
        ("00110455", 99, None, "1.00 kg", "ko"),
    ]),
    "supermarket_zagreb_ulica_lipa_3_8701_trgovina_zagreb_0017_20261120_0330.csv":
    ("cp1250", ";", [
        ("310", 125, None, "1", "L"),
        ("311", 99, 89, "0,028", "KG"),
        ("312", 1249, None, "0,75", "L"),
    ]),
    "Supermarket_Ulica_Lipa_1D_Grad_6730_20_11_2026_7_30.csv": ("utf-8-sig", "\t", [
        ("00450001", 199, None, "0,04", "KG"),
        ("00450002", 179, 149, "1", "KG"),
    ]),
    "Supermarket_Ulica Lipa 1_GRAD_10103_263_20112026_07_22_36.csv": ("cp1250", ";", [
        ("1001", 115, None, "1", "L"),
        ("1002", None, 379, "0,25", "KG"),
        ("1003", None, 999, "0,75", "L"),
    ]),
    "SUPERMARKET-Ulica_lipa_5_GRAD-T598-231-2026-11-20-07-00-12.xml": ("utf-8", "", [
        ("0700001", 129, None, "1", "l"),
        ("0700002", 519, 449, "0.25", "kg"),
    ]),
    "SUPERMARKET_ULICA_LIPA_58_GRAD_P120_009_201120260745.xml": ("utf-8", "", [
        ("900001", 127, None, "1", "L"),
        ("900002", 199, 159, "0.3", "KG"),
    ]),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_the_examples_are_read_exactly(name: str) -> None:
    encoding, delimiter, rows = EXPECTED[name]
    extract = read("hr_prices", FILES / name, name, currency="EUR")
    assert shown(extract, *SEEN) == rows
    assert (extract.encoding, extract.delimiter) == (encoding, delimiter)
    assert {reason for *_, reason in rejected(extract)} <= {"sold_by_weight"}


def test_where_a_form_of_sale_is_named_the_only_price_is_the_special_one() -> None:
    header = (
        "Šifra proizvoda,Naziv proizvoda,Maloprodajna cijena,Naziv posebnog oblika prodaje,"
        "Dostupnost"
    )
    rows = ("1,A,1.00,,DA", "2,B,2.00,AKC,NE", "3,C,3.00,-,možda", "4,D,,TNC,1")
    extract = read("hr_prices", listed(header, *rows), currency="EUR")
    assert shown(extract, "sku", "price_minor", "promo_price_minor", "stock_status") == [
        ("1", 100, None, "in_stock"),
        ("2", None, 200, "out_of_stock"),
        ("3", 300, None, None),
    ]
    assert rejected(extract) == [(5, "Maloprodajna cijena", "", "missing_price")]
    assert any("'možda'" in words for words in extract.warnings)


def test_a_special_price_of_its_own_leaves_the_regular_one() -> None:
    header = (
        "Šifra proizvoda,Maloprodajna cijena,MPC za vrijeme posebnog oblika prodaje,"
        "Naziv posebnog oblika prodaje"
    )
    extract = read("hr_prices", listed(header, "1,3.00,2.50,AKC", "2,3.00,,RAS"), currency="EUR")
    assert shown(extract, "price_minor", "promo_price_minor") == [(300, 250), (None, 300)]


WEIGHT = "Šifra proizvoda,Neto količina,Jedinica mjere,Barkod,Maloprodajna cijena"


@pytest.mark.parametrize(
    ("row", "by_weight"),
    [
        ("1.00 kg,kg,", True),
        ("1 kg,KG,3859999000013", True),
        ("2.60 kg,kg,3859999000013", False),
        ("1.00 kg,ko,", False),
        ("1.00 l,l,", False),
        (",kg,", True),
    ],
)
def test_a_list_that_tells_pieces_from_kilograms_is_believed(row: str, by_weight: bool) -> None:
    pieces = ("90,0.30 kg,ko,,2.00", "91,0.50 l,kom,,2.00", "92,80 g,ko,,2.00")
    extract = read("hr_prices", listed(WEIGHT, *pieces, f"1,{row},1.49"), currency="EUR")
    found = [why for line, _, _, why in rejected(extract) if line == 5]
    assert found == (["sold_by_weight"] if by_weight else [])


@pytest.mark.parametrize(
    ("row", "by_weight"),
    [
        ("1,kg,3859999000013", False),
        ("1,kg,", True),
        ("1,kg,2000451000007", True),
        ("1,kg,451", True),
        ("0.5,kg,", False),
        (",kg,", True),
        ("1,kom,", False),
    ],
)
def test_elsewhere_a_kilogram_without_a_barcode_is_loose(row: str, by_weight: bool) -> None:
    packed = ("90,0.3,kg,3859999000020,2.00", "91,1,l,,2.00")
    extract = read("hr_prices", listed(WEIGHT, *packed, f"1,{row},1.49"), currency="EUR")
    found = [why for line, _, _, why in rejected(extract) if line == 4]
    assert found == (["sold_by_weight"] if by_weight else [])


def test_goods_by_weight_are_taken_where_the_outlet_says_so() -> None:
    rows = ("1,1,kg,,1.49", "2,0.3,kg,3859999000013,1.00")
    extract = read("hr_prices", listed(WEIGHT, *rows), currency="EUR", weighed="accept")
    assert shown(extract, "sku", "price_minor", "unit") == [("1", 149, "kg"), ("2", 100, "kg")]


def test_a_list_of_all_stores_with_two_columns_under_one_header() -> None:
    special = (
        "mpc za vrijeme posebnog oblika prodaje\n(rasprodaja proizvoda koji izlaze iz asortimana)"
    )
    stream = BytesIO()
    with xlsxwriter.Workbook(stream) as book:
        sheet = book.add_worksheet()
        sheet.write(0, 0, "Cjenik na dan 20.11.2026.")
        sheet.merge_range(2, 0, 2, 1, "naziv + šifra")
        sheet.write_row(2, 2, ["barkod", "neto količina", "jedinica mjere",
                               "cijena za jedinicu mjere", "mpc", special])  # fmt: skip
        sheet.write_row(3, 0, ["Sapun", "00123", CODE, "100", "g", 19.9, 1.99])
        sheet.write_row(4, 0, ["Krema", "00456", "", "50", "ml", 199, 9.95, 7.5])
    extract = read("hr_prices", stream.getvalue(), "cjenik.xlsx", currency="EUR")
    assert shown(extract, "sku", "name", "price_minor", "promo_price_minor") == [
        ("00123", "Sapun", 199, None),
        ("00456", "Krema", 995, 750),
    ]


def test_a_root_that_is_called_like_another_chain_s_products_is_no_product() -> None:
    products = "".join(
        f"<Proizvod><SifraProizvoda>{code}</SifraProizvoda>"
        "<MaloprodajnaCijena>1.29</MaloprodajnaCijena></Proizvod>"
        for code in ("01", "02")
    )
    data = f"<Cjenik><Proizvodi>{products}</Proizvodi></Cjenik>".encode()
    extract = read("hr_prices", data, "list.xml", currency="EUR")
    assert shown(extract, "sku", "price_minor") == [("01", 129), ("02", 129)]


NAMES = [
    ("SUPERMARKET,ULICA LIPA 1 31300 GRAD,0904,1629,21.05.2025, 05-22.CSV", "0904",
     "2025-05-21 05:22:00"),
    ("SUPERMARKET,ULICA 5, SVETI BROD 52466 GRAD,3274,1332,19.05.2025, 05-52.CSV", "3274",
     "2025-05-19 05:52:00"),
    ("SUPERMARKET, ULICA LIPA 6, 20260 GRAD, 10180, 2, 20250516 0530", "10180",
     "2025-05-16 05:30:00"),
    ("Supermarket 104_Ulica Lipa_30_10450_Grad_1_24.09.2026_7.15h.csv", "104",
     "2026-09-24 07:15:00"),
    ("Supermarket_Ulica_Lipa_1D_Grad_6730_15_05_2025_7_30.csv", "6730", "2025-05-15 07:30:00"),
    ("Supermarket_Ulica_Lipa_1D_Grad_6730_15052025_7_30.csv", "6730", "2025-05-15 07:30:00"),
    ("Supermarket_Ulica Lipa 1_DUGI GRAD_10103_263_25052025_07_22_36.csv", "10103",
     "2025-05-25 07:22:36"),
    ("Minimarket_Ulica_4_GRAD_120_77_05112026_07_22_36.csv", "120", "2026-11-05 07:22:36"),
    ("SUPERMARKET_ULICA_LIPA_31_35000_SLAVNI_GRAD_022_6_20052025014212.csv", "022",
     "2025-05-20 01:42:12"),
    ("SUPERMARKET_VL_LIPE_58_SV_GRAD_P120_009_230520250745.xml", "P120", "2025-05-23 07:45:00"),
    ("hipermarket_grad_ulica_lipa_18_8701_trgovina_grad_0017_20250518_0330.csv", "8701",
     "2025-05-18 03:30:00"),
    ("skladiste_za_trgovanje_LIPA_20250521T1149_S20_CESTA_3,_STARI_GRAD.csv", "S20",
     "2025-05-21 11:49:00"),
    ("TRGOVINA-ULICA LIPA 118 GRAD-PJ8A-1-20250515-071626.csv", "PJ8A", "2025-05-15 07:16:26"),
    ("supermarket-310037-Ulica_Lipa_7-Grad-123456-21.05.2025-7.30.csv", "310037",
     "2025-05-21 07:30:00"),
    ("supermarket-Ulica_lipa_63-Grad-32100-23.05.2025-7.30.csv", "Ulica_lipa_63",
     "2025-05-23 07:30:00"),
    ("hr_lipa_0904-2025-07-03.csv", "0904", "2025-07-03 00:00:00"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "outlet", "time"), NAMES, ids=[name for name, *_ in NAMES])
def test_outlet_and_time_are_found_in_names(name: str, outlet: str, time: str) -> None:
    found = naming_of(PRESET, name)
    assert found is not None
    rule, said = found
    assert (said["outlet"], moment(said), rule.coverage) == (outlet, time, "full")


@pytest.mark.parametrize(
    "name",
    [
        "cjenik.csv",
        "kisumu_2026-11-20.csv",
        "Supermarket_Ulica_31000_Grad.csv",
        "SUPERMARKET,ULICA 1 31300 GRAD,0904.CSV",
        "Supermarket_Ulica_Lipa_1D_Grad_6730_15_05_2025_7_30_99.csv",
        "0904-2025-07-03-1.csv",
        "PriceFull7299999999993-001-202611200300.gz",
    ],
)
def test_nothing_is_guessed_from_other_names(name: str) -> None:
    assert naming_of(PRESET, name) is None


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_example_s_name_says_its_outlet_or_the_file_does(name: str) -> None:
    assert naming_of(PRESET, name) is not None or name.endswith("12.xml")


def test_a_zip_has_a_member_for_each_store(tmp_path: Path) -> None:
    archive = FILES / "cjenici_20_11_2026_07_00_01.zip"
    found = documents_of(archive, file=archive.name, spool=tmp_path)
    outlets = [naming_of(PRESET, document.last_name) for document in found]
    assert [said["outlet"] for _, said in filter(None, outlets)] == ["022", "063"]
    prices = []
    for document in found:
        assert isinstance(document.source, Path)
        extract = read("hr_prices", document.source, document.name, currency="EUR")
        assert counts(extract) == (2, 2, 0, 0, 0)
        prices.append(shown(extract, "price_minor", "promo_price_minor"))
    assert prices == [[(121, None), (None, 149)], [(133, None), (None, 149)]]
