"""The search for secrets finds one that is put there on purpose, in every form and place."""

from __future__ import annotations

import gzip
import io
import sqlite3
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from marketsync_dagster_tests.e2e.canaries import Search, forms, new_canaries

CANARIES = new_canaries()


def found(look: Callable[[Search], None], name: str) -> list[str]:
    """What a search finds that looks for one canary."""
    search = Search({name: CANARIES[name]})
    look(search)
    return search.hits


@pytest.mark.parametrize("name", CANARIES)
def test_the_search_finds_every_form_of_every_canary(name: str) -> None:
    for form in forms(CANARIES[name]):
        text = b"x" * 5000 + form + b"y" * 5000
        assert found(lambda search, text=text: search.data(text, "here"), name) == [
            f"{name} in here"
        ], form


def _file(folder: Path, secret: str) -> None:
    (folder / "plain.log").write_text(f"a line\nwith {secret}\n")


def _name(folder: Path, secret: str) -> None:
    (folder / secret.replace("/", "%2F")[:200]).write_text("")


def _gzip(folder: Path, secret: str) -> None:
    (folder / "dump.gz").write_bytes(gzip.compress(secret.encode()))


def _zip(folder: Path, secret: str) -> None:
    with zipfile.ZipFile(folder / "dump.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner", secret * 3)


def _zstd(folder: Path, secret: str) -> None:
    with pa.CompressedOutputStream(str(folder / "dump.zst"), "zstd") as stream:
        stream.write(secret.encode() * 3)


def _frame(secret: str) -> bytes:
    stream = io.BytesIO()
    frame = pd.DataFrame({"sku": ["1", "2"], "reason": [None, f"not {secret}"]})
    pq.write_table(pa.Table.from_pandas(frame), stream, compression="zstd")
    return stream.getvalue()


def _parquet(folder: Path, secret: str) -> None:
    (folder / "frame.parquet").write_bytes(_frame(secret))


def _footer(folder: Path, secret: str) -> None:
    table = pa.table({"a": [1]}).replace_schema_metadata({"numbers": secret})
    pq.write_table(table, folder / "footer.parquet")


def _rows(folder: Path, value: object, *, page: int = 512) -> None:
    with closing(sqlite3.connect(folder / "rows.db")) as connection:
        connection.execute(f"PRAGMA page_size = {page}")
        connection.execute("CREATE TABLE t (a, b)")
        connection.execute("INSERT INTO t VALUES (1, ?)", (value,))
        connection.commit()


def _long_text(folder: Path, secret: str) -> None:
    _rows(folder, "".join(f"{'z' * at}{secret}" for at in range(400)))


def _zlib_blob(folder: Path, secret: str) -> None:
    _rows(folder, zlib.compress(f"snapshot {secret}".encode()))


def _parquet_blob(folder: Path, secret: str) -> None:
    _rows(folder, _frame(secret))


PLACES = (
    _file,
    _name,
    _gzip,
    _zip,
    _zstd,
    _parquet,
    _footer,
    _long_text,
    _zlib_blob,
    _parquet_blob,
)


@pytest.mark.parametrize("plant", PLACES, ids=lambda plant: plant.__name__.strip("_"))
def test_the_search_finds_a_canary_in_every_kind_of_file(
    plant: Callable[[Path, str], None], tmp_path: Path
) -> None:
    for name in ("tracker key, canonical", "pasons header key", "pasons short key"):
        folder = tmp_path / name.replace(" ", "_")
        folder.mkdir()
        plant(folder, CANARIES[name])
        assert found(lambda search, folder=folder: search.folder(folder), name)


def test_the_search_finds_a_canary_that_is_only_in_a_write_ahead_log(tmp_path: Path) -> None:
    name = "pasons bearer key"
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (a)")
        connection.execute("INSERT INTO t VALUES (?)", (CANARIES[name],))
        connection.commit()
        hits = found(lambda search: search.folder(tmp_path), name)
    assert any(hit.endswith("ledger.db-wal") for hit in hits)
    assert any(hit.endswith("ledger.db t") for hit in hits)


@pytest.mark.parametrize("name", ["tracker key, long", "pasons header key", "pasons short key"])
def test_the_search_finds_a_canary_anywhere_in_an_exception(name: str) -> None:
    secret = CANARIES[name]
    plain = ValueError("nothing")

    def with_context() -> None:
        try:
            raise KeyError(secret)
        except KeyError:
            raise plain from None

    with_note = ValueError("nothing")
    with_note.add_note(secret)
    with_attribute = ValueError("nothing")
    with_attribute.response = {"key": secret}  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValueError, match="nothing"):
        with_context()
    for error in (
        ValueError(secret),
        ExceptionGroup("many", [ValueError(secret)]),
        plain,
        with_note,
        with_attribute,
    ):
        assert found(lambda search, error=error: search.exception(error, "here"), name), error
