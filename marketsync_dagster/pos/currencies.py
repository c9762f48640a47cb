"""How currencies are written in price cells: ISO 4217 codes, and signs with what they may mean."""

from __future__ import annotations

CODES = frozenset(
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP "
    "BYN BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP "
    "GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS "
    "KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR "
    "MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF "
    "SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD "
    "TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG".split()
)
"""ISO 4217 codes of currencies in circulation."""

_SHILLINGS = "KES TZS UGX SOS"
_DOLLARS = "USD CAD AUD NZD SGD HKD TWD MXN ARS CLP COP NAD LRD JMD TTD BBD BSD BZD FJD XCD"

SIGNS: dict[str, frozenset[str]] = {
    sign.upper(): frozenset(codes.split())
    for sign, codes in {
        "/=": _SHILLINGS,
        "/-": _SHILLINGS + " INR PKR NPR",
        "KSh": "KES",
        "KShs": "KES",
        "Sh": _SHILLINGS,
        "Shs": _SHILLINGS,
        "USh": "UGX",
        "TSh": "TZS",
        "€": "EUR",
        "Euro": "EUR",
        "£": "GBP EGP",
        "$": _DOLLARS,
        "US$": "USD",
        "C$": "CAD",
        "CA$": "CAD",
        "A$": "AUD",
        "R$": "BRL",
        "¥": "JPY CNY",
        "円": "JPY",
        "元": "CNY",
        "₹": "INR",
        "Rs": "INR PKR LKR NPR MUR SCR",
        "TL": "TRY",
        "₺": "TRY",
        "Dh": "AED MAD",
        "Dhs": "AED MAD",
        "د.إ": "AED",
        "ر.س": "SAR",
        "SR": "SAR",
        "KD": "KWD",
        "د.ك": "KWD",
        "BD": "BHD",
        "د.ب": "BHD",
        "ج.م": "EGP",
        "LE": "EGP",
        "QR": "QAR",
        "RO": "OMR",
        "R": "ZAR",
        "₦": "NGN",
        "GH₵": "GHS",
        "₵": "GHS",
        "Br": "ETB BYN",
        "CFA": "XOF XAF",
        "zł": "PLN",
        "Kč": "CZK",
        "Ft": "HUF",
        "kn": "HRK",
        "lei": "RON MDL",
        "лв": "BGN",
        "₽": "RUB",
        "руб": "RUB",
        "₴": "UAH",
        "₪": "ILS",
        "₩": "KRW KPW",
        "₫": "VND",
        "฿": "THB",
        "₱": "PHP",
        "RM": "MYR",
        "Rp": "IDR",
        "kr": "SEK NOK DKK ISK",
        "Fr": "CHF",
        "din": "RSD",
        "KM": "BAM",
        "﷼": "IRR SAR YER OMR QAR",
    }.items()
}
"""A sign in upper case -> the currencies that it may stand for."""
