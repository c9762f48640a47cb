"""Words without what people write differently: case, accents, blanks, signs, forms of letters."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_SIGNS = {"%": " percent ", "#": " no ", "№": " no "}
_NUMERO = re.compile(r"\b[nN][°º]")
_LETTERS = str.maketrans(
    {
        # Latin letters that do not come apart into a letter and a mark; the Turkish i both ways
        "ı": "i", "ł": "l", "đ": "d", "ð": "d", "ø": "o", "æ": "ae", "œ": "oe", "þ": "th",
        # Arabic: tatweel, alef, yeh, kaf and teh marbuta
        "ـ": None, "ٱ": "ا", "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه", "ە": "ه", "ہ": "ه",
        # Hebrew letters at the end of a word
        "ך": "כ", "ם": "מ", "ן": "נ", "ף": "פ", "ץ": "צ",
    }
)  # fmt: skip
_ARTICLE = "ال"


@lru_cache(maxsize=8192)
def fold(text: str) -> str:
    """`Prod. Code` -> `prodcode`, `SATIŞ FİYATI` -> `satisfiyati`, `السِّعر` -> `سعر`.

    `%` and `#` are words, since `Promo %` is no promo price and `Item #` no item; the Arabic
    article goes; digits of any script are 0-9. Empty where nothing is a letter or a digit.
    """
    if not any(sign.isalnum() for sign in text):
        return ""
    text = _NUMERO.sub(" no ", text)
    for sign, word in _SIGNS.items():
        text = text.replace(sign, word)
    text = unicodedata.normalize("NFKD", text).casefold()
    kept: list[str] = []
    for sign in text.translate(_LETTERS):
        if sign.isdecimal():
            kept.append(str(unicodedata.decimal(sign)))
        elif sign.isalnum():
            kept.append(sign)
        elif unicodedata.category(sign) not in ("Mn", "Me", "Cf"):
            kept.append(" ")
    return "".join(_without_article(word) for word in "".join(kept).split())


def _without_article(word: str) -> str:
    return word[2:] if word.startswith(_ARTICLE) and len(word) > 3 else word
