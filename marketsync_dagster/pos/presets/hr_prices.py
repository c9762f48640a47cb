"""Croatia: the price list that every chain publishes for each store and day.

The law says what a list holds; how the columns are called, each chain decides. The outlet and the
time are in the file's name. Since 2026-09-25 lists may have one price, which is the special one
where a form of special sale is named.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos import stock
from marketsync_dagster.pos.kernels import as_bool, matches, pc
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.presets import shaping
from marketsync_dagster.pos.presets.base import Layout, Naming, Preset
from marketsync_dagster.pos.presets.price_lists import (
    distinct,
    is_one_of,
    same_outlet,
    ways,
    without_hidden,
    without_placeholders,
)
from marketsync_dagster.pos.texts import Texts
from marketsync_dagster.values.words import counted

_KILOGRAM = ("kg", "kilogram", "kilograma", "1 kg")
_PIECE = ("ko", "kom", "kom.", "komad", "komada", "kd", "pce", "pc", "pak", "pk")
_MEASURE = r"(?i)^[0-9.,]+\s*(?:kg|g|gr|dag|l|lit|ml|dl|cl)\.?$"
_NO_PRICE = ("-", "--", "/", "x", "X", "NP", "Nije_bilo_u_prodaji", "Nije bilo u prodaji")


def _shape(texts: Texts, spec: ExtractSpec) -> Texts:
    texts = same_outlet(texts, spec, "Oznaka")
    texts = without_placeholders(texts, "promo_price", "_special", words=_NO_PRICE)
    texts = _one_price(texts)
    texts = _available(texts)
    texts = shaping.weighed(texts, _by_weight(texts), spec, "unit")
    return without_hidden(texts)


def _one_price(texts: Texts) -> Texts:
    """The only price of a product on special sale is the special one: the regular is not known."""
    special = texts.filled("_special") & ~texts.filled("promo_price") & texts.filled("price")
    if not special.any():
        return texts
    mask = pa.array(special)
    price = texts.column("price")
    promo = pc.if_else(mask, price, texts.column("promo_price"))
    header = texts.headers.get("promo_price") or texts.headers.get("price")
    return texts.put("promo_price", promo, header).put("price", pc.if_else(mask, "", price))


def _available(texts: Texts) -> Texts:
    """`Dostupnost` as the stock status; words that are not known say nothing, which is told."""
    if "_available" not in texts.columns:
        return texts
    said = texts.columns["_available"]
    words = {word: _status(word) for word in distinct(texts, "_available")}
    strange = [word for word, status in words.items() if not status]
    for word, status in words.items():
        said = pc.if_else(pc.equal(said, word), status, said)
    texts = texts.put("stock_status", said, texts.headers.get("_available", "Dostupnost"))
    if strange:
        count = int(as_bool(pc.is_in(texts.columns["_available"], pa.array(strange))).sum())
        texts = texts.warn(
            f"{counted(count, 'cell')} of the availability such as {strange[0][:40]!r}: what it "
            "means is not known, and nothing is read from it"
        )
    return texts


def _status(word: str) -> str:
    known = {"1": "yes", "0": "no"}.get(word.strip(), word)
    found = stock.STATUS.get(stock.word_key(known))
    return known if found is not None else ""


def _by_weight(texts: Texts) -> np.ndarray:
    """Goods whose price is that of a kilogram.

    The unit is one kilogram, and so is the content. That is a packed kilogram too where the unit is
    only what prices are compared by; so the list must tell pieces from kilograms elsewhere
    (`0.30 kg` that are sold by `kom`), or the product must have no barcode of its own.
    """
    if "unit" not in texts.columns:
        return np.zeros(len(texts), bool)
    one = matches(texts.column("size"), r"(?i)^(?:|0*1(?:[.,]0+)?(?:\s*kg\.?)?)$")
    kilogram = is_one_of(texts, "unit", _KILOGRAM) & one
    measured = matches(texts.column("size"), _MEASURE)
    pieces = is_one_of(texts, "unit", _PIECE)
    if (measured & pieces).sum() * 2 > measured.sum():
        return kilogram
    loose = ~matches(texts.column("barcode"), r"^[\"']?(?:0?[013-9][0-9]{12}|[0-9]{8})[\"']?$")
    return kilogram & loose


_COLUMNS = {
    "sku": (
        *ways("šifra proizvoda", "šifra artikla", "šifra robe"),
        "sif_art",
        "ProductId",
        *ways("šifra"),
    ),
    "name": (*ways("naziv proizvoda", "naziv artikla", "naziv art", "naziv"), "Product"),
    "brand": (*ways("marka proizvoda", "robna marka", "marka"), "Brand"),
    "category": (
        *ways("kategorija proizvoda", "kategorije proizvoda", "kategorija", "robna struktura"),
        "naz_kat",
        "Category",
    ),
    "size": (
        *ways("neto količina proizvoda", "neto količina(KG)", "neto količina (KG)"),
        *ways("neto količina", "net kol", "neto kol"),
        "Quantity",
    ),
    "unit": (*ways("jedinica mjere", "jed mjere", "jed. mjere", "jed.mjere"), "jmj", "Unit"),
    "barcode": (
        *ways("barkod proizvoda", "barkod artikla", "barkod", "ean kod"),
        "ean",
        "Barcode",
    ),
    "price": (
        *ways("maloprodajna cijena", "maloprod.cijena", "maloprod. cijena", money=True),
        *ways("mpc", money=True),
        "Price",
    ),
    "promo_price": (
        *ways("mpc za vrijeme posebnog oblika prodaje", money=True),
        *ways("maloprodajna cijena za vrijeme posebnog oblika prodaje", money=True),
        *ways("mpc poseb.oblik prod", "mpc poseb. oblik prod", "mpc posebna prodaja", money=True),
        *ways("posebna prodaja", "maloprodajna cijena akcija", money=True),
        "mpc_pop",
        "mpc za vrijeme posebnog oblika prodaje (rasprodaja proizvoda koji izlaze iz asortimana)",
        "SpecialPrice",
    ),
    "_special": ways("naziv posebnog oblika prodaje", "naziv pos. oblika prodaje"),
    "_available": ways("dostupnost", "dostupnost proizvoda"),
}
"""Never the price per measure, the lowest of 30 days or the anchor price."""


def _list(*known_by: str, records: str = "Proizvodi/Proizvod") -> Layout:
    return Layout(
        name="price list", columns=_COLUMNS, known_by=known_by, records=(records,), shape=_shape
    )


_DMY = r"(?P<d>[0-9]{2})(?P<m>[0-9]{2})(?P<Y>20[0-9]{2})"
_YMD = r"(?P<Y>20[0-9]{2})(?P<m>[0-9]{2})(?P<d>[0-9]{2})"
_POINTS = r"(?P<d>[0-9]{1,2})\.(?P<m>[0-9]{1,2})\.(?P<Y>20[0-9]{2})"
_LOW_LINES = r"(?P<d>[0-9]{1,2})_(?P<m>[0-9]{1,2})_(?P<Y>20[0-9]{2})"
_HM = r"(?P<H>[0-9]{2})(?P<M>[0-9]{2})"
_HMS = rf"{_HM}(?P<S>[0-9]{{2}})"
_LISTED = r",[ _]*(?P<outlet>[0-9]{3,6}),[ _]*[0-9]+,[ _]*"


def _clock(joint: str, *, seconds: bool = False) -> str:
    clock = rf"(?P<H>[0-9]{{1,2}}){joint}(?P<M>[0-9]{{2}})"
    return rf"{clock}{joint}(?P<S>[0-9]{{2}})" if seconds else clock


_NAMES = (
    # SUPERMARKET,ULICA 1 10000 GRAD,0904,1629,21.05.2025, 05-22.CSV
    rf"{_LISTED}{_POINTS},[ _]*{_clock('-')}",
    # SUPERMARKET, ULICA 6, 20260 GRAD, 10180, 2, 20250516 0530
    rf"{_LISTED}{_YMD}[ _]+{_HM}",
    # Supermarket 104_Ulica_30_10450_Grad_1_24.09.2026_7.15h.csv
    rf"^[^_]*?\b(?P<outlet>[0-9]+)_.*_{_POINTS}_{_clock('[.]')}h",
    # Supermarket_Ulica 1_GRAD_10103_263_25052025_07_22_36.csv
    rf"_(?P<outlet>[0-9]+)_[0-9]+_{_DMY}_{_clock('_', seconds=True)}",
    # Supermarket_Ulica_1D_Grad_6730_15_05_2025_7_30.csv, .._6730_15052025_7_30.csv
    rf"_(?P<outlet>[0-9]{{4}})_{_LOW_LINES}_{_clock('_')}",
    rf"_(?P<outlet>[0-9]{{4}})_{_DMY}_{_clock('_')}",
    # SUPERMARKET_ULICA_31_35000_GRAD_022_6_20052025014212.csv
    rf"_(?P<outlet>[0-9]{{3}})_[0-9]+_{_DMY}{_HMS}",
    # SUPERMARKET_ULICA_58_GRAD_P120_009_230520250745.xml
    rf"_(?P<outlet>P[0-9]+)_[0-9]+_{_DMY}{_HM}",
    # hipermarket_grad_ulica_18_8701_trgovina_grad_0017_20250518_0330.csv
    rf"_(?P<outlet>[0-9]{{4,5}})_[^0-9]+_[0-9]{{4}}_{_YMD}_{_HM}",
    # skladiste_CHAIN_20250521T1149_S20_CESTA_3,_GRAD.csv
    rf"_{_YMD}T{_HM}_(?P<outlet>[^_]+)_.*?",
    # TRGOVINA-ULICA 118 GRAD-PJ8A-1-20250515-071626.csv
    rf"-(?P<outlet>PJ[0-9A-Z]+)-[0-9]+-{_YMD}-{_HMS}",
    # supermarket-310037-Ulica_7-Grad-10000-21.05.2025-7.30.csv; without a number: the street
    rf"^[^-]*market-(?P<outlet>[^-]+)-.*-{_POINTS}-{_clock('[.]')}",
    # 0904-2025-05-21.csv
    r"(?:^|_)(?P<outlet>[0-9]{3,6})-(?P<Y>20[0-9]{2})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})",
)
"""How chains name their files, each with an example of its shape; an ending may follow."""

PRESET = Preset(
    name="hr_prices",
    title="Croatian price lists",
    layouts=(
        Layout(
            name="one list for all stores",
            # two columns under one merged header: the second has none of its own
            columns={**_COLUMNS, "name": ("naziv + šifra",), "sku": ("naziv + šifra (2)", "")},
            known_by=("naziv + šifra",),
            shape=_shape,
        ),
        _list(),
        # `cjenik` is a price list: the element of a product here, and a fine name for a root
        _list(records="cjenik"),
        # what a list is known by; they are read as the one above
        _list("Maloprodajna cijena", "Šifra proizvoda", "Jedinica mjere"),
        _list("Maloprodajna cijena", "Sifra proizvoda", "Jedinica mjere"),
        _list("MALOPRODAJNA_CIJENA", "ŠIFRA", "JEDINICA_MJERE"),
        _list("maloprod.cijena(EUR)", "šifra proizvoda"),
        _list("MALOPROD.CIJENA(EUR)", "ŠIFRA_PROIZVODA"),
        _list("MPC (EUR)", "šifra", "jedinica mjere"),
        _list("MPC", "SIFRA_ARTIKLA", "JEDINICA_MJERE"),
        _list("MPC", "SIFRA", "JED_MJERE"),
        _list("MaloprodajnaCijena", "SifraProizvoda"),
        _list("mpc", "sif_art", "jmj"),
        _list("ProductId", "Price", "SpecialPrice", "BestPrice30"),
    ),
    naming=tuple(Naming(rf"{pattern}(?:\.[a-z]+)*$", "full") for pattern in _NAMES),
    outlet_fact=("Oznaka", "OznakaObjekta", "ProdajniObjekt/Oznaka"),
    notes=(
        (
            "The outlet is in the file's name: `keys` are its code as it stands there, or in XML "
            "as it stands in the file."
        ),
        (
            "A blank price beside a special price is priced by the special one. Where a form of "
            "special sale is named and there is one price only, that is the special one."
        ),
        "The price per measure, the lowest price of 30 days and the anchor price are never read.",
        "Goods with a price per kilogram are rejected unless `weighed: accept` is said.",
    ),
)
