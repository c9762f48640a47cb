"""Secrets made to be looked for, and the search for them in whatever a program leaves behind.

The search does not rest on the product's own masking: forms and places are written down anew.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import io
import json
import secrets
import sqlite3
import traceback
import uuid
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pyarrow as pa
import pyarrow.parquet as pq

SPECIAL = '+/=&%"\\'
"""What URLs, JSON, HTML and Python write differently."""
PART = 16
"""A beginning or an end of a long secret that is this long counts as the secret."""
ZSTD = b"\x28\xb5\x2f\xfd"


def new_canaries() -> dict[str, str]:
    """Name -> a secret that exists nowhere else: of all kinds, long, short, and hard to write."""
    word = secrets.token_hex
    special = [f"{word(4)}{sign}" for sign in SPECIAL]
    return {
        "tracker key, signed as documented": f"pk_demo_{word(12)}",
        "tracker secret, signing as documented": f"sk_secret_{word(12)}",
        "tracker key, canonical": f"pk_demo_{word(12).upper()}",
        "tracker secret, canonical": f"sk_secret_{word(12)}",
        "tracker key, beside a secret in clear": f"pk_demo_{word(12)}",
        "tracker secret, sent in clear": f'sk_{word(6)}+/=&%"\\{word(6)}',
        "tracker key, long": f"pk_demo_{word(300)}",
        "pasons bearer key": word(16),
        "pasons header key": "".join(special),
        "pasons basic password": "".join(reversed(special)) + word(4),
        "pasons short key": word(4),
        "mirakl key": str(uuid.uuid4()),
        "mirakl key, stored": str(uuid.uuid4()),
        "key of the wrong kind": f"pk_live_{word(12)}",
        "key that two accounts hold": f"pk_demo_{word(12)}",
        "key that is too short": word(4)[:7],
        "key with a line end": f"pk_demo_{word(12)}",
        "key in clear in the file": f"pk_demo_{word(12)}",
        "password in clear in a URL": word(12),
        "header in clear in the file": word(12),
        "password of the database": f"{word(6)}+/=&%{word(6)}",
        "alert target": f"https://hooks.invalid/{word(12)}?token={word(8)}",
        "stored key that was replaced": f"pk_demo_{word(12)}",
        "stored key given as an argument": f"pk_demo_{word(12)}",
        "master key": _master_key(),
        "new master key": _master_key(),
    }


def _master_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


@cache
def forms(secret: str) -> tuple[bytes, ...]:
    """Every way in which a secret may be written."""
    found = {secret, secret.lower(), quote(secret), quote(secret, safe=""), quote_plus(secret)}
    found |= {quote(quote(secret, safe=""), safe=""), quote(secret, safe="").replace("%2F", "%2f")}
    found |= {html.escape(secret), repr(secret)[1:-1], secret.replace("/", "\\/")}
    found.add("".join(f"\\u{ord(c):04x}" if not c.isalnum() else c for c in secret))
    found.add("".join(f"%{ord(c):02x}" if not c.isalnum() else c for c in secret))
    text = secret
    for _ in range(3):  # JSON in JSON in JSON, as event logs keep it
        text = json.dumps(text)[1:-1]
        found |= {text, text.replace("/", "\\/")}
    for offset in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            coded = encode(b"\0" * offset + secret.encode()).decode().rstrip("=")
            whole = coded[(offset * 8 + 5) // 6 : (offset + len(secret)) * 8 // 6]
            found |= {whole, quote(whole, safe=""), whole.replace("/", "\\/")}
    if len(secret) >= PART + 8:
        found |= {secret[:PART], secret[-PART:]}
    known = [form.encode() for form in sorted(found)]
    if len(secret) == 44 and secret.endswith("="):  # a master key: base64 of what it really is
        raw = base64.urlsafe_b64decode(secret)
        known += [raw, raw.hex().encode()]
    return tuple(known)


@cache
def shortest(known: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Of all forms those that hold no other: wherever any form is, one of these is."""
    return tuple(
        form for form in known if not any(other != form and other in form for other in known)
    )


class Search:
    """Looks for canaries; what it found is in `hits`, `name of the canary in place`."""

    def __init__(self, canaries: Mapping[str, str]) -> None:
        self._forms = {name: shortest(forms(secret)) for name, secret in canaries.items()}
        self._seen: set[bytes] = set()
        self.hits: list[str] = []
        self.bytes = 0

    def data(self, data: bytes | str, place: str) -> None:
        """Bytes as they are, and what is packed in them."""
        raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        digest = hashlib.sha256(raw).digest()
        if digest in self._seen:
            return
        self._seen.add(digest)
        self.bytes += len(raw)
        for name, known in self._forms.items():
            if any(form in raw for form in known):
                self._seen.discard(digest)
                self.hits.append(f"{name} in {place}")
        for packing, content in _unpacked(raw):
            self.data(content, f"{place} ({packing})")

    def folder(self, folder: Path) -> None:
        """Every file below, raw; databases row by row too: a page may cut a secret in two."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.data(str(path.relative_to(folder)), f"the name of {path}")
                self.data(path.read_bytes(), str(path))
                if path.open("rb").read(16) == b"SQLite format 3\0":
                    self.sqlite(path)

    def sqlite(self, path: Path) -> None:
        """Every value of every table, with what its write-ahead log holds."""
        with closing(sqlite3.connect(path)) as connection:
            connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            query = "SELECT name FROM sqlite_master WHERE type = 'table'"
            for (table,) in connection.execute(query).fetchall():
                self.rows(connection.execute(f'SELECT * FROM "{table}"'), f"{path} {table}")

    def rows(self, rows: Any, place: str) -> None:
        """Rows of any database: texts together, blobs one by one."""
        texts: list[str] = []
        for row in rows:
            for value in row:
                if isinstance(value, (bytes, memoryview)):
                    self.data(bytes(value), place)
                elif value is not None:
                    texts.append(str(value))
        self.data("\0".join(texts), place)

    def exception(self, error: BaseException, place: str) -> None:
        """An exception, and everything that hangs on it."""
        self.data("".join(traceback.format_exception(error)), f"{place}: traceback")
        for one in _chain(error):
            at = f"{place}: {type(one).__name__}"
            self.data(f"{one}\n{one!r}\n{one.args!r}\n{vars(one)!r}", at)
            self.data("\n".join(map(str, vars(one).values())), at)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, its causes, contexts (suppressed ones too) and members."""
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [other for other in (one.__cause__, one.__context__) if other is not None]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions


def _unpacked(raw: bytes) -> Iterator[tuple[str, bytes]]:
    """What is packed in `raw`, if it is of a kind that is used somewhere here."""
    if raw[:4] == b"PAR1":
        file = pq.ParquetFile(io.BytesIO(raw))
        said = {**(file.metadata.metadata or {}), **(file.schema_arrow.metadata or {})}
        yield "parquet", b"\0".join([*said, *said.values()])
        for column in file.read().columns:
            values = [value for value in column.to_pylist() if value is not None]
            yield "parquet", "\0".join(map(str, values)).encode()
    elif raw[:2] == b"\x1f\x8b":
        yield "gzip", gzip.decompress(raw)
    elif raw[:4] == ZSTD:
        yield "zstd", pa.CompressedInputStream(pa.BufferReader(raw), "zstd").read()
    elif raw[:4] == b"PK\3\4":
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            yield from (("zip", archive.read(name)) for name in archive.namelist())
    elif raw[:1] == b"\x78":
        try:
            yield "zlib", zlib.decompress(raw)
        except zlib.error:
            return  # text that begins with an x
