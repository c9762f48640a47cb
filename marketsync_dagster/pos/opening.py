"""From a path or bytes to text that can be trusted: size, hash, encoding, damage.

A text is read twice, a piece at a time. The first time everything is proven, to the last byte:
that it can be decoded, that there is no NUL in it and no endless line. Only then is anything of
it given out; small files are kept for that, others are read again, and refused if they are no
longer the same. What the text means is not known here.

The bytes count more than what a document declares of itself: a byte order mark, the NULs of UTF-16
and text that is UTF-8 from end to end are proofs; a declaration is believed where there is no proof
and the words are possible in it; the rest is a guess, and said to be one.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from marketsync_dagster.pos import encodings
from marketsync_dagster.pos.lines import line_at
from marketsync_dagster.pos.marks import marked, named
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.streams import BLANK, megabytes, open_binary, open_source, readable
from marketsync_dagster.pos.tables import Limits
from marketsync_dagster.values.errors import ExtractError

CHUNK = 2**20
_HEAD = 2**20
_PIECE = 64 * 1024
KEEP = 16 * 2**20
"""Files up to this size are read once and kept."""
_NEWLINE = re.compile(rb"\r\n|\n|\r")
_BAD = re.compile("[\udc80-\udcff]")
_NOT_ASCII = re.compile("[^\x00-\x7f]")
_PASSAGE = re.compile(rb'[<>"\r\n]+')
_WINDOWS = re.compile(rb"[\x80-\x9f]")
_DECLARED = re.compile(rb"""^\s*<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z][\w.-]{0,40})["']""")
_OF_WINDOWS = {"iso8859-1": "cp1252", "iso8859-8": "cp1255", "iso8859-9": "cp1254"}
"""What is declared so and has bytes 0x80 to 0x9F is of the Windows code page around it."""
_CUT = ("unexpected end of data", "truncated data")


@dataclass(frozen=True)
class Opened:
    """A text that was proven. Hash and size are those of the original; `chunks` gives the text."""

    encoding: str
    guessed: bool
    warnings: tuple[str, ...]
    """Where the encoding is a guess, or not the one that is declared."""
    sha256: str
    size: int
    ended: bool
    """Whether the last line has its line end."""
    ascii: bool
    source: Path | bytes
    file: str
    decoded: tuple[bytes, ...] | None = None
    """Of a small file: what `chunks` gives, for decoding it once is enough."""

    def chunks(self) -> Iterator[bytes]:
        """The text as UTF-8 without byte order mark, cut anywhere, a megabyte or so at a time.

        Raises ExtractError changing, at the end, if the file is not the one that was proven.
        """
        if self.decoded is not None:
            yield from self.decoded
            return
        digest = hashlib.sha256()
        kept = isinstance(self.source, bytes)
        try:
            yield from _decoded(_raw(self.source, None if kept else digest), self.encoding)
        except (OSError, UnicodeError, _BadByteError):
            raise self._changing() from None
        if not kept and digest.hexdigest() != self.sha256:
            raise self._changing()

    def texts(self) -> Iterator[str]:
        """The text in pieces of some thousand characters. Raises what `chunks` raises."""
        for chunk in self.chunks():
            text = chunk.decode("utf-8")
            for start in range(0, len(text), _PIECE):
                yield text[start : start + _PIECE]

    def _changing(self) -> ExtractError:
        return refuse("changing", f"{self.file} was written to while it was read")


class _BadByteError(Exception):
    """`before` is what could be decoded of the piece with the bad byte; `cut`: the text ends in
    the middle of this character."""

    def __init__(self, before: bytes, byte: int, *, cut: bool = False) -> None:
        super().__init__()
        self.before = before
        self.byte = byte
        self.cut = cut


def open_text(
    source: Path | bytes,
    encoding: str | None,
    file: str,
    limits: Limits | None = None,
    *,
    in_lines: bool = True,
) -> Opened:
    """Prove `source`; `encoding` None means find out. `in_lines`: it is made of lines, which are
    not longer than `limits.token_bytes`, and may end after any byte.

    Raises ExtractError: missing, unreadable, empty, too_large, line_too_long, nul_bytes,
    undecodable, truncated (the last character is cut), unknown_encoding. Memory is bounded by KEEP
    and some pieces.
    """
    limits = limits or Limits()
    with readable(file):
        source, head = _begin(source, file, limits)
        codec = named(encoding, file) if encoding else marked(head)
        if not head.strip(BLANK) and all(not chunk.strip(BLANK) for chunk in _raw(source)):
            raise refuse("empty", f"{file} is empty")
        prove = partial(_proven, source, file=file, limits=limits, in_lines=in_lines)
        if codec is not None:
            return prove(codec)
        match = _DECLARED.match(head)
        declared = match.group(1).decode("ascii") if match else ""
        try:
            found = prove("utf-8")
        except ExtractError as error:
            if error.code != "undecodable":
                raise
            survey = _survey(source, file, limits, in_lines=in_lines)
            if survey.broken:
                raise
        else:
            # the names of most encodings are those of something else too, for plain ASCII
            if found.ascii or not declared or _named_or_none(declared) in ("utf-8", "ascii"):
                return found
            words = f"the document declares {declared} and is UTF-8"
            return replace(found, warnings=(words,))
        codec, guessed, words = _legacy(declared, survey)
        return replace(prove(codec), guessed=guessed, warnings=words)


def _begin(source: Path | bytes, file: str, limits: Limits) -> tuple[Path | bytes, bytes]:
    """The source, as bytes if it is small, and its beginning."""
    if isinstance(source, bytes):
        return source, source[:_HEAD]
    with open_source(source, file, limits) as stream:
        if source.stat().st_size <= KEEP:
            kept = stream.read()
            return kept, kept[:_HEAD]
        return source, stream.read(_HEAD)


def _raw(source: Path | bytes, digest: hashlib._Hash | None = None) -> Iterator[bytes]:
    with open_binary(source) as stream:
        while chunk := stream.read(CHUNK):
            if digest is not None:
                digest.update(chunk)
            yield chunk


def _decoded(raw: Iterator[bytes], codec: str) -> Iterator[bytes]:
    """UTF-8 of what `raw` yields, without byte order mark. Raises UnicodeError, _BadByteError."""
    pieces = _utf8(raw) if codec in ("utf-8", "utf-8-sig") else _recoded(raw, codec)
    first = True
    for piece in pieces:
        if not piece:
            continue
        yield piece.removeprefix(codecs.BOM_UTF8) if first else piece
        first = False


def _utf8(raw: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in raw:
        if not rest and chunk.isascii():
            yield chunk
            continue
        data = rest + chunk
        try:
            _, proven = codecs.utf_8_decode(data, "strict", False)
        except UnicodeDecodeError as error:
            raise _BadByteError(data[: error.start], data[error.start]) from None
        rest = data[proven:]
        yield data[:proven]
    if rest:
        raise _BadByteError(b"", rest[0], cut=True)


def _recoded(raw: Iterator[bytes], codec: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(codec)()
    try:
        for chunk in raw:
            yield decoder.decode(chunk).encode("utf-8")
        yield decoder.decode(b"", final=True).encode("utf-8")
    except UnicodeDecodeError as error:
        try:
            before = error.object[: error.start].decode(error.encoding, "replace")
        except LookupError:
            before = error.object[: error.start].decode(codec, "replace")
        cut = error.reason in _CUT and error.end >= len(error.object)
        byte = error.object[error.start]
        raise _BadByteError(before.encode("utf-8", "replace"), byte, cut=cut) from None


def _proven(
    source: Path | bytes, codec: str, *, file: str, limits: Limits, in_lines: bool
) -> Opened:
    """Everything decoded once. Raises ExtractError undecodable, truncated, nul_bytes, too_large,
    line_too_long."""
    digest = hashlib.sha256()
    size = run = done = 0
    last, ascii_only = b"", True
    small = isinstance(source, bytes) and len(source) <= KEEP
    decoded: list[bytes] = []

    def counted() -> Iterator[bytes]:
        nonlocal size
        for chunk in _raw(source, digest):
            size += len(chunk)
            if size > limits.file_bytes:
                raise refuse("too_large", f"{file} has more than {megabytes(limits.file_bytes)}")
            yield chunk

    def at(offset: int) -> str:
        return f"{file}, line {_line_of(source, codec, offset)}"

    try:
        for text in _decoded(counted(), codec):
            nul = text.find(b"\0")
            if nul >= 0:
                raise refuse("nul_bytes", f"{at(done + nul)}: the file has NUL bytes")
            longest, after = _runs(text, run)
            if in_lines and longest > limits.token_bytes:
                raise refuse("line_too_long", f"{at(done - run)}: longer than 1 MB")
            run = after
            done += len(text)
            last = text[-1:]
            ascii_only = ascii_only and text.isascii()
            if small:
                decoded.append(text)
    except _BadByteError as bad:
        if bad.cut and not in_lines:
            message = f"{at(done + len(bad.before))}: the file ends in the middle of a character"
            raise refuse("truncated", message) from None
        message = f"{at(done + len(bad.before))}: byte 0x{bad.byte:02X} is not {codec}"
        raise refuse("undecodable", message) from None
    except UnicodeError as error:
        raise refuse("undecodable", f"{file} is not {codec}: {error}") from None
    return Opened(
        encoding=codec,
        guessed=False,
        warnings=(),
        sha256=digest.hexdigest(),
        size=size,
        ended=last in b"\r\n",
        ascii=ascii_only,
        source=source,
        file=file,
        decoded=tuple(decoded) if small else None,
    )


def _runs(text: bytes, before: int) -> tuple[int, int]:
    """The length of the line that goes on in this piece, `before` bytes long so far, and of the one
    that goes on behind it. Lines inside a piece are hardly longer than a piece."""
    newline = _NEWLINE.search(text)
    if newline is None:
        return before + len(text), before + len(text)
    end = max(text.rfind(b"\n"), text.rfind(b"\r"))
    return before + newline.start(), len(text) - end - 1


def _line_of(source: Path | bytes, codec: str, offset: int) -> int:
    """The physical line of an offset in the decoded text, at or before the first bad byte."""
    line, seen, cut = 1, 0, False
    for piece in _up_to_bad(source, codec):
        here = piece[: offset - seen]
        # a line end of two bytes that is cut between two pieces is one
        line += line_at(here, len(here)) - 1 - (cut and here.startswith(b"\n"))
        seen += len(here)
        cut = here.endswith(b"\r")
        if seen >= offset:
            break
    return line


def _up_to_bad(source: Path | bytes, codec: str) -> Iterator[bytes]:
    try:
        yield from _decoded(_raw(source), codec)
    except _BadByteError as bad:
        yield bad.before


@dataclass(frozen=True)
class _Survey:
    """What a text that is not UTF-8 looks like."""

    broken: bool
    """It was meant to be UTF-8: it has more good sequences than bad bytes."""
    windows: bool
    """It has bytes that only Windows code pages have letters for."""
    sample: bytes
    """Its first lines, or passages between tags and quotes, that are not plain ASCII."""


def _survey(source: Path | bytes, file: str, limits: Limits, *, in_lines: bool) -> _Survey:
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    sample = bytearray()
    good = bad = run = 0
    windows = False
    for chunk in _raw(source):
        longest, run = _runs(chunk, run)
        if in_lines and longest > limits.token_bytes:
            raise refuse("line_too_long", f"{file} has a line longer than 1 MB")
        if len(sample) < encodings.SAMPLE:
            sample += encodings.odd_lines(chunk) if in_lines else _passages(chunk)
        windows = windows or _WINDOWS.search(chunk) is not None
        text = decoder.decode(chunk)
        bytes_here = len(_BAD.findall(text))
        bad += bytes_here
        good += len(_NOT_ASCII.findall(text)) - bytes_here
    return _Survey(good > bad, windows, bytes(sample))


def _passages(raw: bytes) -> bytes:
    odd = [one for one in _PASSAGE.split(raw) if not one.isascii()]
    return b"".join(one + b"\n" for one in odd)[: encodings.SAMPLE]


def _named_or_none(declared: str) -> str | None:
    try:
        return named(declared, "")
    except ExtractError:
        return None


def _legacy(declared: str, survey: _Survey) -> tuple[str, bool, tuple[str, ...]]:
    """Codec, whether it is a guess, and warnings, of a text that is not UTF-8."""
    sample = survey.sample
    guess = encodings.guess(sample)
    codec = (_named_or_none(declared) if declared else None) or ""
    if survey.windows:
        codec = _OF_WINDOWS.get(codec, codec)
    if codec and not codec.startswith(("utf", "ascii")):
        texts = [sample.decode(one, "replace") for one in (guess.codec, *guess.others)]
        possible = sample.decode(codec, "replace")
        # with three others there may be more of them, the declared one among them
        if "\ufffd" not in possible and (possible in texts or len(guess.others) >= 3):
            if possible == texts[0]:
                return codec, False, ()
            words = f"the document declares {declared}; its words are as likely in {guess.codec}"
            return codec, False, (words,)
    said = f"the document declares {declared} and is not; " if declared else ""
    likely = f" (or {' or '.join(guess.others)})" if guess.others else ""
    words = f"{said}the encoding {guess.codec} is guessed{likely}; say `encoding` to fix it"
    return guess.codec, True, (words,)
