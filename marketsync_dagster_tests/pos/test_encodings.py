"""Code pages of short price lists: found by their words, and a guess is always called one."""

from __future__ import annotations

import pytest

from marketsync_dagster.pos.encodings import guess, odd_lines
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.read import read_extract
from marketsync_dagster.pos.readers.csv import read_csv

HEBREW = "cp1255 iso8859_8 cp862"
ARABIC = "cp1256 iso8859_6"
TURKISH = "cp1254 iso8859_9 cp857 mac_turkish"
CYRILLIC = "cp1251 koi8_r cp866 iso8859_5 mac_cyrillic"
GREEK = "cp1253 iso8859_7 cp737 mac_greek"
CENTRAL = "cp1250 iso8859_2 cp852 mac_latin2"
WEST = "cp1252 iso8859_15 cp850 mac_roman"

# none of these words is taught to the guesser: they are read by their letters alone
LISTS = {
    "Hebrew": (["קוטג׳ תנובה".replace("׳", ""), "פסטה ברילה", "אבקת כביסה", "עוגיות"], HEBREW),
    "Arabic": (["معكرونة سباغيتي", "معجون طماطم", "مسحوق غسيل", "لبن زبادي"], ARABIC),
    "Turkish": (["Çamaşır deterjanı", "Kaşar dilimli", "Salça acı", "Şampuan besleyici"], TURKISH),
    "Russian": (["Гречневая крупа", "Стиральный порошок", "Минеральная газированная"], CYRILLIC),
    "Russian capitals": (["ГРЕЧНЕВАЯ КРУПА", "СТИРАЛЬНЫЙ ПОРОШОК", "СМЕСЬ"], CYRILLIC),
    "Bulgarian": (["Лютеница едросмляна", "Пастърма", "Прах за пране"], "cp1251 iso8859_5 cp866"),
    "Greek": (["Μακαρόνια σπαγγέτι", "Απορρυπαντικό πλυντηρίου", "Φέτα βαρελίσια"], GREEK),
    "Czech": (["Těstoviny špagety", "Prací prášek", "Hořčice plnotučná", "Uzené kolínko"], CENTRAL),
    "Polish": (["Płatki owsiane błyskawiczne", "Pomidory w puszce całe", "Śledź"], CENTRAL),
    "Croatian": (["Tjestenina špageti", "Deterdžent za rublje", "Pašteta pileća"], CENTRAL),
    "Hungarian": (["Mosópor színes", "Tésztafű", "Körözött csípős", "Túró rudi"], CENTRAL),
    "French": (["Lessive liquide à froid", "Compote pêche", "Galettes bretonnes salées"], WEST),
    "German": (["Spülmittel", "Rotkohl küchenfertig", "Brötchen aufbackbar", "Soße"], WEST),
    "Spanish": (["Pañales talla", "Lavavajillas limón", "Mejillón en escabeche"], WEST),
    "Lithuanian": (["Skalbimo milteliai", "Žemės riešutų", "Varškės sūrelis"], "cp1257 cp775"),
    "Chinese": (["洗衣粉", "方便面", "矿泉水"], "gb18030"),
    "Chinese, traditional": (["洗衣粉", "泡麵", "礦泉水"], "big5"),
    "Japanese": (["洗剤", "カップ麺", "緑茶ペットボトル"], "cp932 euc_jp"),
    "Korean": (["세탁세제", "라면", "생수"], "cp949"),
}
CASES = [
    pytest.param(names, codec, id=f"{language} in {codec}")
    for language, (names, codecs) in LISTS.items()
    for codec in codecs.split()
]


def listed(names: list[str]) -> str:
    """A price list of a few lines."""
    return "sku,name,price\n" + "".join(f"{i},{name} 500 g,1.50\n" for i, name in enumerate(names))


@pytest.mark.parametrize(("names", "codec"), CASES)
def test_a_short_list_is_read_in_the_right_code_page(names: list[str], codec: str) -> None:
    text = listed(names)
    raw = text.encode(codec)
    assert raw.decode(guess(odd_lines(raw)).codec) == text


@pytest.mark.parametrize(("names", "codec"), CASES)
def test_one_name_is_read_right_or_the_right_code_page_is_named(
    names: list[str], codec: str
) -> None:
    text = listed([max(names, key=len)])
    raw = text.encode(codec)
    found = guess(odd_lines(raw))
    assert text in [raw.decode(one, "replace") for one in (found.codec, *found.others)]


@pytest.mark.parametrize(
    ("text", "codecs"),
    [
        ("sku,name,price\n1,Tea,2 €\n2,Rice,€3\n", "cp1252"),
        ("sku,name,price\n1,Tea,£2.00\n2,Rice,£3\n", "cp1252 cp850"),
        ("sku,name,price\n1,Tea,1\xa0234.50\n", "cp1252"),
        ("sku,name,price\n1,Oven 250° ½ l,2\n", "cp1252"),
        ("sku,name,price\n1,Café,2\n", "cp1252 cp850 mac_roman"),
    ],
)
def test_signs_without_words_are_read_as_signs(text: str, codecs: str) -> None:
    for codec in codecs.split():
        raw = text.encode(codec)
        assert raw.decode(guess(odd_lines(raw)).codec) == text, codec


def test_a_header_that_is_known_by_name_decides() -> None:
    raw = "Марка,x\n".encode("mac_cyrillic")
    assert guess(odd_lines(raw)).codec == "mac_cyrillic"


def test_a_guess_is_said_to_be_one_with_what_else_it_may_be() -> None:
    raw = "sku,name,price\n1,Yağ,2\n".encode("cp1254")
    table = read_csv(raw, file="f.csv")
    assert (table.encoding, table.guessed) == ("cp1254", True)
    [warning] = table.warnings
    assert warning.startswith("the encoding cp1254 is guessed (or ")
    extract = read_extract(raw, ExtractSpec(), file="f.csv")
    assert warning in extract.warnings


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_what_is_proven_is_no_guess(codec: str) -> None:
    table = read_csv("sku,name,price\n1,Yağ,2\n".encode(codec), file="f.csv")
    assert (table.guessed, table.warnings) == (False, [])


def test_random_bytes_get_some_code_page() -> None:
    for start in range(0x80, 0x100, 7):
        raw = bytes(0x80 + (start * 13 + i * 31) % 0x80 for i in range(200))
        raw.decode(guess(odd_lines(raw)).codec, "replace")


def test_a_long_sample_costs_little() -> None:
    import time

    raw = "".join(f"{i};товар номер {i}, упаковка {i * 7919}\n" for i in range(20_000))
    data = raw.encode("cp1251")
    guess(odd_lines(data[:2000]))
    started = time.process_time()
    assert guess(odd_lines(data)).codec == "cp1251"
    assert time.process_time() - started < 5
