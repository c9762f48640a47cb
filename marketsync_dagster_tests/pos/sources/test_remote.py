"""Directories elsewhere, over a real FTP server, memory and files."""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import fsspec
import pytest

from marketsync_dagster.pos.sources import remote
from marketsync_dagster.pos.sources.base import Arrival
from marketsync_dagster.pos.sources.remote import RemoteSource, protocol_of
from marketsync_dagster.values.errors import ConfigError, ExtractError
from marketsync_dagster.values.redact import register_secret
from marketsync_dagster_tests.pos.sources.ftp_server import PASSWORD, USER, serving

CSV = b"sku,price\nA,1\n"


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    yield system
    system.store.clear()


def names(found: list[Arrival]) -> list[str]:
    return [one.name for one in found]


def kept(archive: Path) -> list[Path]:
    return [path for path in archive.rglob("*") if path.is_file()]


def test_files_of_a_store_are_found_and_kept(
    memory: fsspec.AbstractFileSystem, tmp_path: Path
) -> None:
    memory.pipe({"/feeds/028/a.csv": CSV, "/feeds/028/a.csv.tmp": b"", "/feeds/.x/a.csv": CSV})
    memory.pipe({"/feeds/031/b.csv": CSV + CSV, "/feeds/top.csv": CSV, "/feeds/1/2/c.csv": CSV})
    source = RemoteSource("memory://feeds", ["*/*.csv"])
    found = source.look()
    assert sorted(names(found)) == ["028/a.csv", "031/b.csv"]
    (first,) = [one for one in found if one.name == "028/a.csv"]
    assert first.size == len(CSV)
    assert first.modified == pytest.approx(time.time(), abs=60)
    assert source.fetch(first, tmp_path) == hashlib.sha256(CSV).hexdigest()


def test_a_listing_is_never_an_old_one(memory: fsspec.AbstractFileSystem) -> None:
    memory.pipe("/feeds/a.csv", CSV)
    source = RemoteSource("memory://feeds", ["*.csv"])
    (before,) = source.look()
    memory.pipe({"/feeds/a.csv": CSV + b"B,2\n", "/feeds/b.csv": CSV})
    after = source.look()
    assert sorted(names(after)) == ["a.csv", "b.csv"]
    assert before.mark not in {one.mark for one in after}


def test_there_and_empty_is_not_the_same_as_not_there(memory: fsspec.AbstractFileSystem) -> None:
    memory.makedirs("/empty")
    assert RemoteSource("memory://empty", ["*.csv"]).look() == []
    with pytest.raises(ExtractError) as caught:
        RemoteSource("memory://absent", ["*.csv"]).look()
    assert caught.value.code == "unlistable"


@pytest.mark.parametrize(
    ("change", "code"), [(CSV.replace(b"1", b"2"), "changing"), (None, "missing")]
)
def test_only_what_was_seen_is_kept(
    memory: fsspec.AbstractFileSystem, tmp_path: Path, change: bytes | None, code: str
) -> None:
    memory.pipe("/feeds/a.csv", CSV)
    source = RemoteSource("memory://feeds", ["*.csv"])
    (seen,) = source.look()
    memory.rm("/feeds/a.csv") if change is None else memory.pipe("/feeds/a.csv", change)
    with pytest.raises(ExtractError) as caught:
        source.fetch(seen, tmp_path / "archive")
    assert caught.value.code == code
    assert kept(tmp_path / "archive") == []


def test_a_young_file_is_waited_for_until_it_was_seen_twice_alike(
    memory: fsspec.AbstractFileSystem,
) -> None:
    memory.pipe("/feeds/a.csv", CSV)
    source = RemoteSource("memory://feeds", ["*.csv"], quiet_s=10)
    (seen,) = source.look()
    assert seen.modified is not None
    assert not source.is_settled(seen, None, seen.modified + 2)
    assert source.is_settled(seen, seen, seen.modified + 2)
    assert source.is_settled(seen, None, seen.modified + 11)
    grown = Arrival(seen.name, 99, seen.modified, "other", 0.0)
    assert not source.is_settled(grown, seen, seen.modified + 99)
    unknown = Arrival("a.csv", None, None, "m", 0.0)
    assert not source.is_settled(unknown, None, time.time())


def test_two_looks_in_a_row_do_not_prove_that_an_upload_has_ended(
    memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.pipe("/feeds/a.csv", CSV)
    source = RemoteSource("memory://feeds", ["*.csv"], quiet_s=10)
    moment = time.monotonic()
    monkeypatch.setattr("time.monotonic", lambda: moment)
    (before,) = source.look()
    (seen,) = source.look()
    assert seen == before
    assert not source.is_settled(seen, before, time.time())
    moment += 11
    source.look()
    assert source.is_settled(seen, before, time.time())


def test_files_by_url_are_read_as_any_other_and_links_out_refused(tmp_path: Path) -> None:
    root = tmp_path / "drop"
    root.mkdir()
    (root / "a.csv").write_bytes(CSV)
    os.utime(root / "a.csv", (1000, 1000))
    source = RemoteSource(f"file://{root}", ["*.csv"])
    (seen,) = source.look()
    assert (seen.name, seen.modified) == ("a.csv", 1000)
    assert source.fetch(seen, tmp_path / "archive") == hashlib.sha256(CSV).hexdigest()
    outside = tmp_path / "secret.csv"
    outside.write_bytes(b"secret")
    (root / "b.csv").symlink_to(outside)
    with pytest.raises(ExtractError) as caught:
        source.look()
    assert caught.value.code == "outside"
    (root / "b.csv").unlink()
    (root / "a.csv").unlink()
    (root / "a.csv").symlink_to(outside)
    with pytest.raises(ExtractError) as caught:
        source.fetch(seen, tmp_path / "archive")
    assert caught.value.code == "outside"


@pytest.mark.parametrize("name", ["/other/a.csv", "/feeds/028//a.csv", "/feeds/a\0.csv"])
def test_a_listing_that_names_a_file_elsewhere_is_refused(
    memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    listed = [{"name": name, "type": "file", "size": 1}]
    monkeypatch.setattr(type(memory), "ls", lambda *_, **__: listed)
    with pytest.raises(ExtractError) as caught:
        RemoteSource("memory://feeds", ["*.csv", "*/*/*.csv"]).look()
    assert caught.value.code == "outside"


def test_an_ftp_server_is_listed_waited_for_and_fetched(tmp_path: Path) -> None:
    root, big = tmp_path / "drop", CSV * 400_000
    (root / "028").mkdir(parents=True)
    (root / "028" / "a.csv").write_bytes(big)
    os.utime(root / "028" / "a.csv", (1_700_000_000, 1_700_000_000))
    with serving(root) as port:
        options = {"username": USER, "password": PASSWORD, "timeout": 5}
        source = RemoteSource(f"ftp://127.0.0.1:{port}/", ["*/*.csv"], options)
        (seen,) = source.look()
        assert (seen.name, seen.size, seen.modified) == ("028/a.csv", len(big), 1_700_000_000)
        assert source.fetch(seen, tmp_path / "archive") == hashlib.sha256(big).hexdigest()
        (root / "028" / "a.csv").write_bytes(CSV)
        with pytest.raises(ExtractError) as caught:
            source.fetch(seen, tmp_path / "archive2")
        assert caught.value.code == "changing"
        assert kept(tmp_path / "archive2") == []
        (root / "028" / "a.csv").unlink()
        with pytest.raises(ExtractError) as caught:
            source.fetch(seen, tmp_path / "archive2")
        assert caught.value.code == "missing"


def test_a_password_is_in_no_message_mark_or_name(tmp_path: Path) -> None:
    wrong = "wrong-Pass-77"
    register_secret(wrong)
    register_secret(PASSWORD)
    with serving(tmp_path) as port:
        (tmp_path / "a.csv").write_bytes(CSV)
        url = f"ftp://127.0.0.1:{port}/"
        with pytest.raises(ExtractError) as caught:
            RemoteSource(url, ["*.csv"], {"username": USER, "password": wrong}).look()
        assert caught.value.code == "unlistable"
        assert wrong not in str(caught.value)
        assert "***" in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
        right = RemoteSource(url, ["*.csv"], {"username": USER, "password": PASSWORD})
        (seen,) = right.look()
        assert PASSWORD not in repr(seen)


def test_a_server_that_is_gone_is_named_and_nothing_kept(tmp_path: Path) -> None:
    with serving(tmp_path) as port:
        (tmp_path / "a.csv").write_bytes(CSV)
        options = {"username": USER, "password": PASSWORD, "timeout": 2}
        (seen,) = RemoteSource(f"ftp://127.0.0.1:{port}/", ["*.csv"], options).look()
    gone = RemoteSource(f"ftp://127.0.0.1:{port}/", ["*.csv"], options)
    with pytest.raises(ExtractError) as caught:
        gone.look()
    assert caught.value.code == "unlistable"
    with pytest.raises(ExtractError) as caught:
        gone.fetch(seen, tmp_path / "archive")
    assert caught.value.code == "unavailable"
    assert kept(tmp_path / "archive") == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://shop.example/feed.csv", "its files cannot be listed"),
        ("http://shop.example/", "is no file store"),
        ("simplecache::s3://bucket", "is no file store"),
        ("github://a:b@c", "is no file store"),
        ("zip://a.csv", "is no file store"),
        ("feeds/konzum", "no protocol"),
        ("s3://bucket/feeds", "needs the package s3fs"),
        ("abfs://box/feeds", "needs the package adlfs"),
    ],
)
def test_an_address_that_cannot_be_used_says_why(
    monkeypatch: pytest.MonkeyPatch, url: str, words: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigError) as caught:
        protocol_of(url)
    assert words in caught.value.message
    assert caught.value.next_step


class _Key:
    def asbytes(self) -> bytes:
        return b"ssh-ed25519 of the till"


def test_only_the_server_with_the_configured_key_is_spoken_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver: Any = ModuleType("paramiko")
    driver.MissingHostKeyPolicy = object
    driver.SSHException = type("SSHException", (Exception,), {})
    monkeypatch.setitem(sys.modules, "paramiko", driver)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: driver)
    with pytest.raises(ConfigError) as caught:
        RemoteSource("sftp://till@host/out", ["*.csv"], {"password": "x"})
    assert "fingerprint" in caught.value.next_step
    RemoteSource("sftp://till@host/out", ["*.csv"], {"host_key_policy": "auto_add"})
    digest = base64.b64encode(hashlib.sha256(_Key().asbytes()).digest()).decode().rstrip("=")
    remote._only(f"SHA256:{digest}").missing_host_key(None, "host", _Key())
    with pytest.raises(driver.SSHException, match="not the configured one"):
        remote._only("SHA256:another").missing_host_key(None, "host", _Key())


def test_a_driver_that_is_missing_is_named_with_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigError) as caught:
        RemoteSource("gs://bucket/feeds", ["*.csv"])
    assert "pip install gcsfs" in caught.value.next_step
