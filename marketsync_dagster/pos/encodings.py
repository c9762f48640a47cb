"""The encoding of a text that is not UTF-8: every code page in which the text would be possible,
by how likely its words then are.

Exact tests (byte order marks, strict UTF-8, the NUL pattern of UTF-16) come first, in `opening`.
What is found here is a guess, and is called one together with what else it may be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from marketsync_dagster.pos.columns import meaning
from marketsync_dagster.pos.letters import model

SAMPLE = 64 * 1024
"""How many bytes of lines that are not plain ASCII are looked at."""
_WEST = ("en", "fr", "de", "es", "it", "pt", "nl", "sv", "da", "nb", "fi", "et", "sq", "id")
_CENTRAL = ("cs", "sk", "pl", "hu", "hr", "sl", "ro", "sq", "de")
_SLAVIC = ("ru", "bg", "sr", "uk", "mk", "be")
_BALTIC = ("lt", "lv", "et")
_ARABIC = ("ar", "fa", "ur")
_CODECS: dict[str, tuple[tuple[str, ...], float]] = {
    # codec -> languages, and how much less usual it is than a Windows code page
    "cp1252": (_WEST, 0.0),
    "cp1250": (_CENTRAL, 0.0),
    "cp1251": (_SLAVIC, 0.0),
    "cp1253": (("el",), 0.0),
    "cp1254": (("tr", "az"), 0.0),
    "cp1255": (("he",), 0.0),
    "cp1256": (_ARABIC, 0.0),
    "cp1257": (_BALTIC, 0.0),
    "cp1258": (("vi",), -4.0),
    "cp874": (("th",), -2.0),
    "iso8859_15": (_WEST, -2.0),
    "iso8859_1": (_WEST, -2.0),
    "iso8859_2": (_CENTRAL, -2.0),
    "iso8859_5": (_SLAVIC, -3.0),
    "iso8859_6": (_ARABIC, -3.0),
    "iso8859_7": (("el",), -2.0),
    "iso8859_8": (("he",), -2.0),
    "iso8859_9": (("tr", "az"), -2.0),
    "iso8859_13": (_BALTIC, -3.0),
    "koi8_r": (("ru", "bg"), -2.0),
    "koi8_u": (("uk",), -3.0),
    "cp866": (("ru", "bg"), -3.0),
    "cp850": (_WEST, -3.0),
    "cp437": (_WEST, -4.0),
    "cp852": (_CENTRAL, -3.0),
    "cp857": (("tr",), -3.0),
    "cp862": (("he",), -4.0),
    "cp737": (("el",), -4.0),
    "cp775": (_BALTIC, -4.0),
    "mac_roman": (_WEST, -4.0),
    "mac_latin2": (_CENTRAL, -4.0),
    "mac_cyrillic": (_SLAVIC, -4.0),
    "mac_greek": (("el",), -4.0),
    "mac_turkish": (("tr",), -4.0),
}
_WIDE: dict[str, tuple[tuple[str, ...], float]] = {
    "gb18030": (("zh",), -2.0),
    "cp932": (("ja",), -2.0),
    "big5": (("zh_Hant",), -2.0),
    "cp949": (("ko",), -2.0),
    "euc_jp": (("ja",), -3.0),
}
_TOKEN = re.compile(rb"[A-Za-z0-9\x80-\xff]*[\x80-\xff][A-Za-z0-9\x80-\xff]*")
_LINE = re.compile(rb"[^\r\n]*[\x80-\xff][^\r\n]*[\r\n]*")
_WIDE_TOKEN = re.compile(r"[A-Za-z0-9]*[^\x00-\x7f][A-Za-z0-9\u0080-\U0010ffff]*")
_CELL = re.compile(r"[,;|\t\r\n\"]+")
_FIRST, _MOST, _STAY = 60, 600, 8
"""Words that are looked at by all, by the best only, and how many those are."""
_HEADER = 25.0
"""What a header that is known by name counts for."""
_SURE = 25.0
"""Less likely by this much is no longer worth a word."""


@dataclass(frozen=True)
class Guess:
    """The likeliest code page; `others` would read the text differently and are likely as well."""

    codec: str
    others: tuple[str, ...] = ()


def odd_lines(raw: bytes, limit: int = SAMPLE) -> bytes:
    """The first lines of `raw` that are not plain ASCII."""
    sample = bytearray()
    for line in _LINE.finditer(raw):
        sample += line.group()
        if len(sample) > limit:
            break
    return bytes(sample[: limit + 2**12])


def guess(sample: bytes) -> Guess:
    """The code page of lines that are not plain ASCII (`odd_lines`)."""
    tokens = list(dict.fromkeys(_TOKEN.findall(sample)))[:_MOST]
    scored = _scores(sample, tokens[:_FIRST], [*_CODECS, *_WIDE])
    if len(tokens) > _FIRST:
        scored = _scores(sample, tokens, sorted(scored, key=scored.__getitem__)[-_STAY:])
    if not scored:
        return Guess(_last_resort(sample))
    ranked = sorted(scored, key=lambda codec: -scored[codec])
    best = ranked[0]
    text = sample.decode(best, "replace")
    others: list[str] = []
    seen = [text]
    for codec in ranked[1:]:
        read = sample.decode(codec, "replace")
        if scored[codec] > scored[best] - _SURE and read not in seen:
            seen.append(read)
            others.append(codec)
    return Guess(best, tuple(others[:3]))


def _scores(sample: bytes, tokens: list[bytes], codecs: list[str]) -> dict[str, float]:
    """Likelihood of the words by codec; without the codecs in which they are impossible."""
    found: dict[str, float] = {}
    for codec in codecs:
        wide = codec in _WIDE
        languages, usual = _WIDE[codec] if wide else _CODECS[codec]
        try:
            if wide:
                # a character's second byte may look like ASCII: words are found in the text
                text = b"\n".join(_lines_of(sample, tokens)).decode(codec)
                words = list(dict.fromkeys(_WIDE_TOKEN.findall(text)))
            else:
                words = b"\n".join(tokens).decode(codec).split("\n")
        except UnicodeDecodeError:
            continue
        likely = max(sum(map(model(language).token, words)) for language in languages)
        found[codec] = likely + usual + _HEADER * _headers(sample, codec)
    return found


def _lines_of(sample: bytes, tokens: list[bytes]) -> list[bytes]:
    """The lines of the sample that the tokens are from, so that all codecs judge the same text."""
    left, lines = set(tokens), []
    for line in sample.splitlines():
        here = left.intersection(_TOKEN.findall(line))
        if here:
            lines.append(line)
            left -= here
    return lines


def _headers(sample: bytes, codec: str) -> int:
    """How many of the first cells are headers that are known by name."""
    head = b"\n".join(sample.splitlines()[:5]).decode(codec, "replace")
    return sum(
        not cell.isascii() and meaning(cell) is not None for cell in _CELL.split(head) if cell
    )


def _last_resort(sample: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(sample, enable_fallback=False).best()
    return best.encoding if best else "cp1252"
