"""Documents: what an original is once it is unpacked, each with its own name, hash and format."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from marketsync_dagster.pos.archives import unpack
from marketsync_dagster.pos.detect import Format, format_of
from marketsync_dagster.pos.tables import Limits


@dataclass(frozen=True)
class Document:
    """One file of records: an original, or what an archive holds."""

    name: str
    """As messages say it: `2026-11-20.zip/0904.csv`."""
    source: Path | bytes
    sha256: str
    size: int
    format: Format
    member: str = ""
    """Its name in the archive; ``: it is the original itself."""

    @property
    def last_name(self) -> str:
        """The file's own name, for rules about names."""
        return (self.member or self.name).rsplit("/", 1)[-1]


def documents_of(
    source: Path | bytes, *, file: str, spool: Path, limits: Limits | None = None
) -> Sequence[Document]:
    """The documents of an original; an archive is unpacked into the directory `spool`.

    Empty members are left out, unless all are. Raises ExtractError: what `format_of` and `unpack`
    raise.
    """
    limits = limits or Limits()
    form = format_of(source, file)
    if form not in (Format.GZIP, Format.ZIP):
        sha256, size = _hash(source)
        return [Document(file, source, sha256, size, form)]
    if isinstance(source, bytes):
        packed = spool / "original"
        packed.write_bytes(source)
        source = packed
    into = spool / "members"
    into.mkdir()
    members = unpack(source, form, into, limits, file)
    filled = [member for member in members if member.size] or members[:1]
    found: list[Document] = []
    for member in filled:
        name = f"{file}/{member.name}" if form is Format.ZIP else file
        kind = format_of(member.path, name)
        found.append(Document(name, member.path, member.sha256, member.size, kind, member.name))
    return found


def _hash(source: Path | bytes) -> tuple[str, int]:
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest(), len(source)
    with source.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest(), source.stat().st_size
