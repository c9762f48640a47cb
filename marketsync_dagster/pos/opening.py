"""From a path or bytes to UTF-8 text that can be trusted: size, hash, encoding, damage.

Cheap exact tests come first (byte order marks, strict UTF-8, the NUL pattern of UTF-16); only
text that is none of these is shown to charset-normalizer. What the lines mean is not known here.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from marketsync_dagster.pos.reasons import refuse

MAX_BYTES = 512 * 2**20
MAX_LINE = 2**20
CHUNK = 2**20
_SAMPLE = 64 * 1024
_CANDIDATES = ["cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257"]
_NEWLINE = re.compile(rb"\r\n|\n|\r")
_MAGIC = {
    b"PK\x03\x04": "a spreadsheet (XLSX) or a ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet (XLS)",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "a gzip archive",
    b"<!do": "a web page",
    b"<htm": "a web page",
    b"<?xm": "XML",
    b'{"': "JSON",
    b"[{": "JSON",
    b"SQLi": "a database",
}


@dataclass(frozen=True)
class Opened:
    """A file's text as UTF-8 without byte order mark; hash and size are those of the original."""

    data: bytes
    encoding: str
    guessed: bool
    sha256: str
    size: int


def line_at(data: bytes, offset: int) -> int:
    """The physical line, from 1, of a byte offset; lines end with CRLF, LF or CR."""
    return 1 + sum(1 for _ in _NEWLINE.finditer(data[:offset]))


def open_text(source: Path | bytes, encoding: str | None, file: str) -> Opened:
    """Read and decode `source`; `encoding` None means find out.

    Raises ExtractError: missing, unreadable, empty, too_large, line_too_long, not_csv, nul_bytes,
    undecodable, unknown_encoding. Memory is bounded by MAX_BYTES.
    """
    raw, digest = _read(source, file)
    if not raw.strip(b"\xef\xbb\xbf \t\r\n\0\xff\xfe"):
        raise refuse("empty", f"{file} is empty")
    head = raw[:4].lower() if raw[:1] == b"<" else raw[:4]
    for magic, what in _MAGIC.items():
        if head.startswith(magic):
            raise refuse("not_csv", f"{file} is {what}, not CSV")
    if encoding:
        codec, guessed = _named(encoding, file), False
    else:
        codec, guessed = _find_codec(raw, file)
    # plain UTF-8 was proven by decoding it: not twice
    data = raw if codec == "utf-8" and not encoding else _as_utf8(raw, codec, file)
    nul = data.find(b"\0")
    if nul >= 0:
        raise refuse("nul_bytes", f"{file}, line {line_at(data, nul)}: the file has NUL bytes")
    return Opened(data, codec, guessed, digest, len(raw))


def _chunks(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        for start in range(0, len(source), CHUNK):
            yield source[start : start + CHUNK]
        return
    if not source.is_file() and source.exists():
        # a pipe would be waited for, a device would never end
        raise OSError("not a regular file")
    with source.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def _read(source: Path | bytes, file: str) -> tuple[bytes, str]:
    """All bytes and their SHA-256; stops early at a line or a file that is too long."""
    digest = hashlib.sha256()
    parts: list[bytes] = []
    size = run = 0
    try:
        for chunk in _chunks(source):
            digest.update(chunk)
            parts.append(chunk)
            size += len(chunk)
            if size > MAX_BYTES:
                raise refuse("too_large", f"{file} has more than {MAX_BYTES // 2**20} MB")
            # interior lines of a chunk are shorter than a chunk, so only its ends matter
            newline = _NEWLINE.search(chunk)
            if run + (newline.start() if newline else len(chunk)) > MAX_LINE:
                line = line_at(b"".join(parts), size - len(chunk))
                raise refuse("line_too_long", f"{file}, line {line}: longer than 1 MB")
            last = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
            run = len(chunk) - last - 1 if last >= 0 else run + len(chunk)
    except FileNotFoundError:
        raise refuse("missing", f"{file} does not exist") from None
    except OSError as error:
        raise refuse("unreadable", f"{file} cannot be read: {error.strerror or error}") from None
    return b"".join(parts), digest.hexdigest()


def _named(encoding: str, file: str) -> str:
    try:
        info = codecs.lookup(encoding)
        # rot13, base64 and the like are codecs, but not of text to bytes
        "a".encode(info.name).decode(info.name)
    except (LookupError, UnicodeError, ValueError):
        raise refuse("unknown_encoding", f"{file}: unknown encoding {encoding!r}") from None
    return info.name


def _find_codec(raw: bytes, file: str) -> tuple[str, bool]:
    """The codec, and whether it was guessed rather than proven."""
    if raw.startswith(codecs.BOM_UTF8):
        return "utf-8-sig", False
    if raw.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32", False
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", False
    head = raw[:4096]
    if b"\0" in head:
        half = max(len(head) // 2, 1)
        first, second = head[0::2].count(0) / half, head[1::2].count(0) / half
        if second > 0.4 and first < 0.05:
            return "utf-16-le", False
        if first > 0.4 and second < 0.05:
            return "utf-16-be", False
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if _is_broken_utf8(raw):
            raise _undecodable(raw, error, "utf-8", file) from None
        return _guess(raw), True
    return "utf-8", False


def _is_broken_utf8(raw: bytes) -> bool:
    """UTF-8 with some bad bytes, rather than another encoding: more good sequences than bad."""
    text = raw.decode("utf-8", "surrogateescape")
    bad = len(re.findall("[\udc80-\udcff]", text))
    good = len(re.findall("[^\x00-\x7f]", text)) - bad
    return good > bad


def _guess(raw: bytes) -> str:
    """A Windows code page by charset-normalizer, from the lines that are not plain ASCII."""
    from charset_normalizer import from_bytes

    sample = bytearray()
    for line in re.finditer(rb"[^\r\n]*[\x80-\xff][^\r\n]*[\r\n]*", raw):
        sample += line.group()
        if len(sample) > _SAMPLE:
            break
    best = from_bytes(bytes(sample), cp_isolation=_CANDIDATES, enable_fallback=False).best()
    return best.encoding if best else "cp1252"


def _as_utf8(raw: bytes, codec: str, file: str) -> bytes:
    """UTF-8 without byte order mark."""
    try:
        if codec in ("utf-8", "utf-8-sig"):
            raw.decode("utf-8")
            return raw.removeprefix(codecs.BOM_UTF8)
        text = raw.decode(codec)
        return text.removeprefix("\ufeff").encode("utf-8")
    except UnicodeDecodeError as error:
        raise _undecodable(raw, error, codec, file) from None
    except UnicodeError as error:
        raise refuse("undecodable", f"{file} is not {codec}: {error}") from None


def _undecodable(raw: bytes, error: UnicodeDecodeError, codec: str, file: str) -> Exception:
    # in UTF-16 the newlines before the fault are counted in what could be decoded
    before = raw[: error.start].decode(codec, "replace").encode("utf-8", "replace")
    byte = raw[error.start]
    message = f"{file}, line {line_at(before, len(before))}: byte 0x{byte:02X} is not {codec}"
    return refuse("undecodable", message)
