"""What stands in a price cell instead of one price: words, dates, ranges, multi-buys.

Nothing here makes a price. A text that `money` cannot read comes here to be given its reason, so
that the next step fits; what is not recognised stays `bad_price`. To teach MarketSync another
word, add it to a table; words are compared without case, accents, blanks and signs.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache

_VARIABLE = """
variable, var, varies, variable price, open price, price varies, market price, enter price,
manual price, precio variable, precio abierto, precio libre, prix variable, prix libre, prix ouvert,
variabel, variabler preis, offener preis, freier preis, tagespreis, değişken, değişken fiyat,
açık fiyat, serbest fiyat, متغير, سعر متغير, سعر مفتوح, משתנה, מחיר משתנה, מחיר פתוח,
promjenjiva, promjenjiva cijena, varijabilna, slobodna cijena, променлива, променлива цена
"""
_FREE = """
free, free of charge, for free, foc, no charge, n/c, complimentary, gratis, sin cargo, sin costo,
gratuit, gratuito, gratuita, offert, kostenlos, kostenfrei, umsonst, ücretsiz, bedava, مجاني, مجانا,
مجانية, חינם, ללא תשלום, ללא עלות, besplatno, безплатно
"""
_NOTHING = """
n/a, n.a., na, nil, none, null, not available, not priced, unpriced, no price, n/d, s/p, sin precio,
ninguno, pas de prix, aucun, keine angabe, k.a., kein preis, ohne preis, yok, fiyat yok,
لا يوجد, بدون سعر, אין, אין מחיר, ללא מחיר, לא רלוונטי, nema, nema cijene, bez cijene, няма,
няма цена, без цена
"""
_ASK = """
call, call us, call for price, ask, ask for price, ask in store, enquire, inquire, contact us,
quote, request, on request, price on request, price on application, por, poa, tbd, tba, tbc,
to be confirmed, to be announced, see store, in store only, consultar, a consultar, llamar,
sur demande, prix sur demande, nous consulter, auf anfrage, preis auf anfrage, sorunuz,
fiyat sorunuz, arayınız, اتصل, اتصل بنا, عند الطلب, התקשרו, צור קשר, לפי בקשה, na upit,
cijena na upit, nazovite, по запитване, цена по запитване
"""
_NOT_A_NUMBER = re.compile(
    r"[+-]?(?:nan|inf|infinity|infinite|∞)|[+-]?1[.,]#(?:inf|ind|qnan|snan|nan).*|"
    r"#(?:n/a|ref!|value!|name\?|div/0!|null!|num!|spill!|calc!|getting_data|#+)",
    re.IGNORECASE,
)
_SIGN = r"[^\w\s.,]{0,3}\s*(?:[^\W\d_]{1,4}\.?\s*)?"  # a currency, of whatever kind
_NUMBER = rf"{_SIGN}[0-9][0-9.,' ]*{_SIGN}"
_CLOCK = re.compile(r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?:\s*[ap]\.?m\.?)?", re.IGNORECASE)
_DATE = re.compile(
    r"(?:[0-9]{4}([-/.])[0-9]{1,2}\1[0-9]{1,2}|[0-9]{1,2}([-/.])[0-9]{1,2}\2(?:[0-9]{4}|[0-9]{2}))\.?"
    r"(?:[T ]+[0-9]{1,2}[:.][0-9]{2}.*)?"
)
_NAMED_DATE = re.compile(
    r"(?:[0-9]{1,4}\.?[-/. ]*(?:de )?([^\W\d_]{2,})\.?[-/., ]*(?:de )?[0-9]{0,4}"
    r"|([^\W\d_]{2,})\.?[-/. ]*[0-9]{1,4}(?:[-/., ]+[0-9]{2,4})?)\.?"
)
_PERCENT = re.compile(
    r"[%٪％‰]|\b(?:percent|per cent|pct|prozent|por ?ciento|pour ?cent|yüzde|posto|процента?)\b|"
    r"بالمئة|بالمائة|אחוז",
    re.IGNORECASE,
)
_MULTI = re.compile(
    rf"[0-9]{{1,4}}\s*(?:x|×|\*|/|@|=|for|por|pour|für|fur|za|за|ב|ל|ب|ل|adet|tane)[\s־-]*{_NUMBER}"
    r"|(?:buy|take|get|lleva|achet\w+|kauf\w*|nimm|al|kupi|купи|קנה|اشتر\w*)\b.*[0-9].*"
    r"|[0-9]{1,3}\s*\+\s*[0-9]{1,3}\b.*"
    r"|[0-9]{1,3}\s*(?:al|adet)\s*[0-9]{1,3}\s*(?:öde|ode)\w*",
    re.IGNORECASE,
)
_FROM = (
    r"from|starting(?: (?:at|from))?|min\.?|up to|max\.?|at least|less than|more than|approx\.?|"
    r"about|circa|ca\.?|desde|a partir de|hasta|à partir de|dès|jusqu'à|ab|bis(?: zu)?|etwa|"
    r"en az|en fazla|yaklaşık|od|do|от|до|من|ابتداء من|حتى|החל מ|עד|מ"
)
_RANGE = re.compile(
    rf"(?:between|entre|zwischen|de|von|između|между|بين|בין)?\s*{_NUMBER}\s*"
    rf"(?:-|–|—|~|\.\.+|…|to|or|and|a|à|y|o|et|ou|bis|und|oder|ile|veya|do|i|ili|до|и|или|إلى|الى|و|עד)"
    rf"\s*{_NUMBER}(?:arası)?"
    rf"|(?:{_FROM})[\s־-]*{_NUMBER}|{_NUMBER}(?:\+|up|and up|'?(?:den|dan|ten|tan)\b.*)"
    rf"|[<>≤≥~≈]=?\s*{_NUMBER}",
    re.IGNORECASE,
)
MAX_LENGTH = 80
"""Longer texts are not looked into: no price of any form is as long."""


def plain_word(text: str) -> str:
    """A text without case, accents, blanks and signs: `N/A` -> `na`, `Değişken` -> `degisken`."""
    if text.isascii():
        return "".join(filter(str.isalnum, text.lower()))
    decomposed = unicodedata.normalize("NFKD", text.casefold()).replace("ı", "i")
    return "".join(sign for sign in decomposed if sign.isalnum() and sign != "ـ")


@cache
def _words() -> dict[str, str]:
    tables = {
        "variable_price": _VARIABLE,
        "free_price": _FREE,
        "not_priced": _NOTHING + "," + _ASK,
    }
    return {
        plain_word(word): reason for reason, table in tables.items() for word in table.split(",")
    }


@cache
def _nothing() -> frozenset[str]:
    return frozenset(plain_word(word) for word in _NOTHING.split(","))


@cache
def _months() -> frozenset[str]:
    """Names of the months, long and short, in the languages of the word tables."""
    from babel import Locale

    locales = [
        Locale(code) for code in ("en", "es", "fr", "de", "tr", "ar", "he", "hr", "sr", "bg")
    ]
    names = [
        plain_word(name)
        for locale in locales
        for context in ("format", "stand-alone")
        for width in ("abbreviated", "wide")
        for name in locale.months[context][width].values()
    ]
    return frozenset([name for name in names if not name.isdigit()] + ["sept", "mrt"])


@lru_cache(maxsize=4096)
def is_nothing(text: str) -> bool:
    """Whether a filled cell only says that there is nothing: `-`, `N/A`; not `call`."""
    if len(text) > MAX_LENGTH or "#" in text:
        return False
    word = plain_word(text)
    return word in _nothing() if word else re.fullmatch(r"[-–—_.*/\s]+", text) is not None


def reason_of(*texts: str) -> str:
    """The reason of a trimmed text that is no price, which may come without its currency as well.

    The code of `reasons.ROW_REASONS`, `bad_price` where nothing is recognised.
    """
    for text in texts:
        text = " ".join(text.split())
        found = _reason(text) if len(text) <= MAX_LENGTH else None
        if found is not None:
            return found
    return "bad_price"


def _reason(text: str) -> str | None:
    if is_nothing(text):
        return "not_priced"
    if _NOT_A_NUMBER.fullmatch(text):
        return "not_a_number"
    if not any(sign.isdecimal() for sign in text):
        return _words().get(plain_word(text))
    if _is_date(text):
        return "date_as_price"
    if _PERCENT.search(text):
        return "percentage"
    if _MULTI.fullmatch(text):
        return "multi_buy"
    return "price_range" if _RANGE.fullmatch(text) else None


def _is_date(text: str) -> bool:
    if _DATE.fullmatch(text) or _CLOCK.fullmatch(text):
        return True
    named = _NAMED_DATE.fullmatch(text)
    if named is None:
        return False
    word = plain_word(named.group(1) or named.group(2))
    return word in _months() or word.removeprefix("ב") in _months()
