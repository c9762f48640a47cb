"""How likely a word is in a language, by its pairs of letters.

The pairs are counted in the names of languages, countries, currencies, scripts and months that
Babel carries for each language: some two thousand words each. Used by `encodings` alone.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import cache

from marketsync_dagster.pos.goods import GOODS

EDGE = " "
STRANGE = -14.0
"""Of a sign that the language does not have, or that does not belong inside a word."""
RARE = -9.0
"""Of a common character (of some thousands) that is in none of the words that were counted."""
FLIP = -3.0
"""Of a capital behind a small letter."""
KNOWN = -1.2
"""Of each letter of a word of GOODS."""
LONELY = -4.0
"""Of a letter beyond ASCII alone, if it is a capital or beside a figure."""
_SMOOTHING = 5.0
_SIGNS = {"€": -5.0, "£": -5.0, "°": -4.0, "\xa0": -4.0, "₪": -5.0, "₺": -5.0, "₹": -5.0}
_SIGNS |= dict.fromkeys("½¼¾²³×", -4.0)
_SIGNS |= dict.fromkeys("®™©“”„‘’«»–—•…¥´`·", -7.0)
_COMMON = {
    # language -> codec, first and last lead byte of the everyday characters
    "zh": ("gb2312", 0xB0, 0xD7),
    "zh_Hant": ("big5", 0xA4, 0xC6),
    "ja": ("euc_jp", 0xA4, 0xCF),
    "ko": ("euc_kr", 0xB0, 0xC8),
}


class Model:
    """Pairs of letters of one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._goods = frozenset(GOODS.get(language, "").split())
        words = _words(language) | self._goods
        singles: Counter[str] = Counter()
        pairs: Counter[str] = Counter()
        before: Counter[str] = Counter()
        for word in words:
            padded = EDGE + word + EDGE
            singles.update(padded[1:])
            before.update(padded[:-1])
            pairs.update(padded[i : i + 2] for i in range(len(padded) - 1))
        total = sum(singles.values())
        self._single = {sign: math.log(count / total) for sign, count in singles.items()}
        self._share = {sign: count / total for sign, count in singles.items()}
        self._pairs = pairs
        self._before = before
        self._known: dict[tuple[str, str], float] = {}
        self._common = _common(language)

    def token(self, text: str) -> float:
        """Logarithm of the likelihood of a run of letters, digits and signs."""
        if "".join(map(_small, text)) in self._goods:
            return KNOWN * len(text)
        score, last, small = 0.0, EDGE, False
        for place, sign in enumerate(text):
            if sign.isascii() and not sign.isalpha():
                score += self._pair(last, EDGE) if last != EDGE else 0.0
                last, small = EDGE, False
                continue
            lower = _small(sign)
            if sign.isalpha() or lower in self._share:
                after = text[place + 1 : place + 2]
                if last == EDGE and place and text[place - 1].isdigit() and after.isdigit():
                    score += STRANGE
                score += self._pair(last, lower)
                if small and sign != lower:
                    score += FLIP
                last, small = lower, sign == lower and sign.upper() != sign
            else:
                alone = last == EDGE or not text[place + 1 : place + 2].isalpha() or sign in "’´"
                if sign == "°" and not text[place - 1 : place].isdigit():
                    alone = False
                score += _SIGNS.get(sign, STRANGE) if alone else STRANGE
                last, small = EDGE, False
        bare = text.strip("0123456789")
        if len(bare) == 1 and last != EDGE and (bare != text or bare != last):
            score += LONELY
        return score + (self._pair(last, EDGE) if last != EDGE else 0.0)

    def _pair(self, first: str, second: str) -> float:
        key = (first, second)
        found = self._known.get(key)
        if found is None:
            share = self._share.get(second, 0.0)
            if share:
                count = self._pairs.get(first + second, 0) + _SMOOTHING * share
                found = math.log(count / (self._before.get(first, 0) + _SMOOTHING))
            else:
                found = RARE if second in self._common or second.isascii() else STRANGE
            self._known[key] = found
        return found


@cache
def model(language: str) -> Model:
    """The model of a language of Babel's, made once: 20 ms."""
    return Model(language)


def _words(language: str) -> set[str]:
    from babel import Locale

    locale = Locale.parse(language)
    names = [
        *locale.languages.values(),
        *locale.territories.values(),
        *locale.currencies.values(),
        *locale.scripts.values(),
        *locale.months["format"]["wide"].values(),
        *locale.days["format"]["wide"].values(),
    ]
    words: set[str] = set()
    for name in names:
        spaced = "".join(sign if sign.isalpha() or _is_mark(sign) else " " for sign in str(name))
        words.update("".join(map(_small, spaced)).split())
    return words


def _is_mark(sign: str) -> bool:
    import unicodedata

    return unicodedata.category(sign) in ("Mn", "Mc")


def _small(sign: str) -> str:
    lower = sign.lower()
    return lower if len(lower) == 1 else lower[0]


def _common(language: str) -> frozenset[str]:
    """The everyday characters of a language that has thousands."""
    if language not in _COMMON:
        return frozenset()
    codec, first, last = _COMMON[language]
    raw = bytes(b for lead in range(first, last + 1) for t in range(0xA1, 0xFF) for b in (lead, t))
    return frozenset(raw.decode(codec, "ignore"))
