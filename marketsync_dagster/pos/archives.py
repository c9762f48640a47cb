"""Archives: what is packed with gzip or ZIP becomes files of its own, which can be trusted.

Nothing is ever written under a name that an archive gives: members go to the spool by number. All
of an archive is unpacked and proven before any of it counts, and what comes out is counted while
it comes: the sizes that an archive declares may lie. What the members mean is not known here.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from marketsync_dagster.pos.detect import GZIP_MAGIC, ZIP_MAGIC, Format, is_archive
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.streams import open_source, readable
from marketsync_dagster.pos.tables import Limits
from marketsync_dagster.pos.zips import (
    DAMAGED,
    Unpacked,
    check_compression,
    damaged_zip,
    open_zip,
)

CHUNK = 2**18
_LOCAL_HEADER = 30
_UNSAFE_NAME = re.compile(r"[\x00-\x1f\x7f]|\\|^/|^[A-Za-z]:|(?:^|/)\.\.(?:/|$)")
_CLUTTER = re.compile(r"(?:^|/)(?:__MACOSX/|\.DS_Store$|Thumbs\.db$|desktop\.ini$)", re.IGNORECASE)
"""What file managers put into archives, and no till does."""


@dataclass(frozen=True)
class Member:
    """One file of an archive, unpacked."""

    name: str
    """As the archive has it; for gzip the file's own name without its ending."""
    path: Path
    """Where it is in the spool."""
    size: int
    sha256: str


def unpack(source: Path, form: Format, into: Path, limits: Limits, file: str) -> list[Member]:
    """Every member of a gzip or ZIP archive, as files in the directory `into`.

    What each is, `format_of` tells: one that is empty or of no use is the caller's to judge.

    Memory is bounded by one chunk and a ZIP's directory. On an error nothing of it counts, and
    what is in `into` is the caller's to remove. Raises ExtractError: missing, unreadable, empty,
    truncated, too_large, damaged_archive, encrypted, unknown_compression, unsafe_member,
    duplicate_member, nested_archive, archive_bomb, too_many_members, no_space.
    """
    with readable(file):
        try:
            with open_source(source, file, limits) as stream:
                if form is Format.GZIP:
                    return [_gunzip(stream, into, limits, file)]
                return _unzip(stream, into, limits, file)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                message = f"{file} cannot be unpacked: {error.strerror}"
                raise refuse("no_space", message) from None
            raise


def _spooled(chunks: Iterator[bytes], name: str, path: Path, counter: Unpacked) -> Member:
    """Write what comes out to the spool; an archive among it is refused at its first bytes."""
    size = 0
    head = b""
    digest = hashlib.sha256()
    with path.open("xb") as target:
        for chunk in chunks:
            if len(head) < 4:
                # a spreadsheet is a ZIP as well: which of the two it is can be told at its end only
                head += chunk[:4]
                if head.startswith(GZIP_MAGIC):
                    message = f"{counter.file}/{name} is a gzip archive itself"
                    raise refuse("nested_archive", message)
            digest.update(chunk)
            target.write(chunk)
            size += len(chunk)
    if head.startswith(ZIP_MAGIC) and is_archive(path):
        raise refuse("nested_archive", f"{counter.file}/{name} is a ZIP archive itself")
    return Member(name, path, size, digest.hexdigest())


# --- gzip ------------------------------------------------------------------------------------


def _gunzip(stream: BinaryIO, into: Path, limits: Limits, file: str) -> Member:
    name = re.sub(r"\.(?:gz|gzip)$", "", Path(file).name, flags=re.IGNORECASE)
    counter = Unpacked(limits, file)
    return _spooled(_inflated(stream, counter), name, into / "00000", counter)


def _inflated(stream: BinaryIO, counter: Unpacked) -> Iterator[bytes]:
    """What a gzip file of one or several parts holds; zeros after the last part are padding."""
    file, packed, out, parts = counter.file, 0, 0, 0
    inflate = zlib.decompressobj(wbits=31)
    waiting = b""
    while True:
        if not waiting:
            waiting = stream.read(CHUNK)
            packed += len(waiting)
            if not waiting:
                break
        if inflate.eof:
            waiting = waiting.lstrip(b"\0")
            if not waiting:
                continue
            inflate = zlib.decompressobj(wbits=31)
            parts += 1
            if parts > counter.limits.members and out < parts * 1024:
                count = counter.limits.members
                raise refuse("too_many_members", f"{file} has more than {count} tiny parts")
        try:
            chunk = inflate.decompress(waiting, CHUNK)
        except zlib.error as error:
            raise refuse("damaged_archive", f"{file} is a damaged gzip archive: {error}") from None
        waiting = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
        out += len(chunk)
        counter.take(len(chunk), packed - len(waiting), out, file)
        if chunk:
            yield chunk
    # zlib may hold back what did not fit into the last chunk
    while not inflate.eof and (chunk := inflate.decompress(b"", CHUNK)):
        out += len(chunk)
        counter.take(len(chunk), packed, out, file)
        yield chunk
    if not inflate.eof:
        raise refuse("truncated", f"{file}: the gzip archive is cut off")


# --- ZIP -------------------------------------------------------------------------------------


def _unzip(stream: BinaryIO, into: Path, limits: Limits, file: str) -> list[Member]:
    counter = Unpacked(limits, file, size=stream.seek(0, os.SEEK_END))
    with open_zip(stream, limits, file) as archive:
        entries = archive.infolist()
        _check_entries(entries, file)
        wanted = [one for one in entries if not one.is_dir() and not _CLUTTER.search(one.filename)]
        if not wanted:
            raise refuse("empty", f"{file} is an archive without files")
        _check_overlap(stream, archive, entries, file)
        return [
            _spooled(
                _extracted(archive, entry, counter),
                entry.filename,
                into / f"{number:05d}",
                counter,
            )
            for number, entry in enumerate(wanted)
        ]


def _check_entries(entries: list[zipfile.ZipInfo], file: str) -> None:
    """Raises ExtractError for a name or a kind that no honest archive has."""
    seen: set[str] = set()
    for entry in entries:
        # zipfile cuts a name at a NUL; the whole one is kept beside it
        name = entry.orig_filename
        said = f"{file}: the member {name[:200]!r}"
        if not name or _UNSAFE_NAME.search(name) or len(name) > 1000:
            raise refuse("unsafe_member", f"{said} has a name that may lead out of the archive")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            what = "a link" if kind == stat.S_IFLNK else "no regular file"
            raise refuse("unsafe_member", f"{said} is {what}")
        key = unicodedata.normalize("NFC", name)
        if key in seen:
            raise refuse("duplicate_member", f"{said} is there twice")
        seen.add(key)
        if entry.flag_bits & 0x2041:
            raise refuse("encrypted", f"{said} is encrypted")
        check_compression(entry, said)


def _check_overlap(
    stream: BinaryIO, archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], file: str
) -> None:
    """Raises ExtractError where two members share bytes: so a small archive becomes a huge one."""
    ordered = sorted(entries, key=lambda entry: entry.header_offset)
    if ordered[0].header_offset:
        # the directory is that of an archive inside this one, the outer one's is missing
        message = f"{file}: the ZIP archive is cut off, its directory is missing"
        raise refuse("truncated", message)
    ends = [entry.header_offset for entry in ordered[1:]] + [archive.start_dir]
    for entry, end in zip(ordered, ends, strict=True):
        stream.seek(entry.header_offset)
        header = stream.read(_LOCAL_HEADER)
        if len(header) < _LOCAL_HEADER or header[:4] != b"PK\x03\x04":
            raise damaged_zip(file, ValueError(f"{entry.filename!r} is not where it should be"))
        names = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        if entry.header_offset + _LOCAL_HEADER + names + entry.compress_size > end:
            message = f"{file}: the member {entry.filename!r} overlaps the next one"
            raise refuse("archive_bomb", message)


def _extracted(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, counter: Unpacked
) -> Iterator[bytes]:
    what = f"{counter.file}/{entry.filename}"
    out = 0
    try:
        with archive.open(entry) as member:
            while chunk := member.read(CHUNK):
                out += len(chunk)
                counter.take(len(chunk), entry.compress_size, out, what)
                yield chunk
    except DAMAGED as error:
        raise refuse("damaged_archive", f"{what} is damaged: {error}") from None
    except EOFError:
        raise refuse("truncated", f"{what} is cut off") from None
    except RuntimeError as error:
        # zipfile's word for a password that is wanted
        raise refuse("encrypted", f"{what}: {error}") from None
    if out != entry.file_size:
        message = f"{what} has {out} bytes and declares {entry.file_size}"
        raise refuse("damaged_archive", message)
