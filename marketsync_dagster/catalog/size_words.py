"""The words in which sizes are written, as plain tables; how they are read is `catalog.sizes`'.

To teach MarketSync another word, add it here. Words are compared without case and without a point
at their end; a word that is a unit in one language and something else in another is left out.
"""

from __future__ import annotations

from decimal import Decimal

GRAM, MILLILITRE, PIECES = "g", "ml", "pcs"

_GRAMS = """
g gr grs gm gms gram grams gramm gramme grammes gramo gramos grama grami г гр грам грама грамм γρ
جم جرام جرامات غرام غرامات غم غ גרם גר ג' ג׳
"""
_KILOGRAMS = """
kg kgs kilo kilos kilogram kilograms kilogramm kilogramme kilogramos кг килограм κιλό
كجم كغم كغ كلغ كيلو كيلوجرام كيلوغرام ק"ג ק״ג ק''ג קג קילו
"""
_MILLILITRES = """
ml mls millilitre millilitres milliliter milliliters mililitro mililitros мл
مل ملل مللي ملليلتر מ"ל מ״ל מ''ל מל
"""
_LITRES = """
l lt lts ltr ltrs litre litres liter liters litro litros litra litara л литър литра литров λίτρο
لتر ليتر لترات ل ליטר ל' ל׳
"""
_WEIGHTS_AND_VOLUMES = (
    (GRAM, "1", _GRAMS),
    (GRAM, "1000", _KILOGRAMS),
    (MILLILITRE, "1", _MILLILITRES),
    (MILLILITRE, "10", "cl cls centilitre centilitres centiliter"),
    (MILLILITRE, "100", "dl decilitre decilitres deciliter дл"),
    (MILLILITRE, "1000", _LITRES),
)

POUND = Decimal("453.59237")
"""Grams; an ounce is left out, because on drinks it means a volume that differs by country."""
_POUNDS = "lb lbs pound pounds"

_PIECES = (
    "pc pcs pce pces piece pieces pièce pièces pk pks pack packs packung ct count "
    "pieza piezas unidad unidades unid uds stk stück stücke kom komad komada ko adet "
    "шт штук штуки бр броя τεμ قطعة قطع حبة حبات יח' יח׳ יחידה יחידות "
    "roll rolls sheet sheets sachet sachets bags tab tabs tablet tablets tablete caps capsule "
    "capsules eggs wipes"
)

MEASURES: dict[str, tuple[str, Decimal]] = {
    word: (unit, Decimal(factor))
    for unit, factor, words in _WEIGHTS_AND_VOLUMES
    for word in words.split()
} | dict.fromkeys(_POUNDS.split(), (GRAM, POUND))
"""Word -> (g or ml, how many of them it is)."""

POUND_WORDS = frozenset(_POUNDS.split())
PIECE_WORDS = frozenset(_PIECES.split())

CONTAINERS = (
    "can cans bottle bottles btl btls tin tins bag bags box boxes jar jars pouch pouches carton "
    "ctn case sachet sachets pack packs pk pkt pkts pc pcs piece pieces ea each unit tray kom set"
)
"""What stands between a number and its `x` (`24 cans x 330ml`), or behind a slash (`1kg/bag`)."""

NOT_A_SIZE_AFTER = (
    "no nr n° nº № # < > ≤ ≥ ~ size taille talla größe velikost to bis hasta cca ca circa approx"
)
"""A number behind one of these names, limits or estimates: `No. 5`, `size 4`, `up to 5 kg`."""

DEVICES = (
    "4k 5ghz lte wifi wi-fi router modem usb disk memory sdhc microsd sandisk ssd ram rom phone "
    "smartphone iphone ipad samsung xiaomi redmi tecno infinix nokia oppo huawei wireless bluetooth"
)
"""In a name with one of these, `32G` and `5G` are not grams."""
