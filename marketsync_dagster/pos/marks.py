"""What is certain about a text's encoding: its name, a byte order mark, the NULs of wide ones."""

from __future__ import annotations

import codecs
import re

from marketsync_dagster.pos.reasons import refuse

_HEAD = 4096
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def named(encoding: str, file: str) -> str:
    """Python's name of an encoding. Raises ExtractError unknown_encoding."""
    # `iso-8859-8-i` says the order of letters too, which is none of the bytes' business
    name = re.sub(r"(?i)^(iso-8859-[68])-[ie]$", r"\1", encoding.strip())
    try:
        info = codecs.lookup(name)
        # rot13, base64 and the like are codecs, but not of text to bytes
        "a".encode(info.name).decode(info.name)
        codecs.getincrementaldecoder(info.name)
    except (LookupError, UnicodeError, ValueError):
        raise refuse("unknown_encoding", f"{file}: unknown encoding {encoding!r}") from None
    return info.name


def marked(head: bytes) -> str | None:
    """The codec that a byte order mark tells, or where the NULs of the first ASCII signs are."""
    for mark, codec in _MARKS:
        if head.startswith(mark):
            return codec
    head = head[:_HEAD]
    if b"\0" not in head:
        return None
    if head[1:4] == b"\0\0\0":
        return "utf-32-le"
    if head[:3] == b"\0\0\0":
        return "utf-32-be"
    half = max(len(head) // 2, 1)
    first, second = head[0::2].count(0) / half, head[1::2].count(0) / half
    if second > 0.2 and first < 0.05:
        return "utf-16-le"
    if first > 0.2 and second < 0.05:
        return "utf-16-be"
    return None
