"""A directory elsewhere, by its URL: an object store, a server of files.

fsspec speaks to them; which protocols may be used is said here. Credentials are among the options
and nowhere else: not in names, marks or messages.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marketsync_dagster.pos.files import QUIET_SECONDS, keep
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.sources.base import (
    MOST_BYTES,
    Arrival,
    fits,
    in_turn,
    is_passed_over,
    words_of,
)
from marketsync_dagster.values.errors import ConfigError, ExtractError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

DRIVERS: Mapping[str, str] = {
    "file": "", "memory": "", "ftp": "",
    "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs",
    "abfs": "adlfs", "abfss": "adlfs", "az": "adlfs",
    "sftp": "paramiko", "ssh": "paramiko", "smb": "smbprotocol",
}  # fmt: skip
"""Protocols that may be used -> the package that speaks them, `` where none is needed."""

_SSH = ("sftp", "ssh")
_WHOLE_AT_ONCE = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"})
"""Object stores show an object when all of it is there."""
_TIMES = (
    "mtime", "LastModified", "last_modified", "modified", "updated", "modify", "last_write_time",
    "created",
)  # fmt: skip
_VERSIONS = (
    "ETag", "etag", "e_tag", "VersionId", "version_id", "generation", "md5Hash", "content_md5",
    "ino", "inode", "file_id",
)  # fmt: skip
_BLOCK = 4 * 2**20
_MOST_ENTRIES = 200_000


class RemoteSource:
    """Files below a URL whose names, relative to it, fit one of some patterns."""

    watched = True

    def __init__(
        self,
        url: str,
        patterns: Sequence[str],
        options: Mapping[str, Any] | None = None,
        *,
        shown: str = "",
        quiet_s: float = QUIET_SECONDS,
    ) -> None:
        """`shown`: what messages call it. ConfigError for a protocol that is not used, or whose
        driver is not installed; nothing is connected before it is looked at."""
        self.url = url
        self.protocol = protocol_of(url)
        self.patterns = tuple(patterns)
        self.shown = shown or url
        self.quiet_s = quiet_s
        self._options = dict(options or {})
        if self.protocol in _SSH and not self._options.keys() & {"fingerprint", "host_key_policy"}:
            raise ConfigError(
                "nothing tells the server from another one that answers in its place",
                "ssh-keyscan HOST | ssh-keygen -lf - shows it: options: {fingerprint: SHA256:...}",
            )
        self._system: AbstractFileSystem | None = None
        self._root = ""
        self._looks = 0
        self._since: dict[str, float] = {}
        """Mark -> when this object saw it first."""

    def look(self) -> list[Arrival]:
        """What is there. Raises ExtractError: unlistable, outside."""
        depth = max(pattern.count("/") for pattern in self.patterns)
        try:
            system = self._connected()
            found = [_arrival(name, info) for name, info in self._below(system, "", depth)]
        except ExtractError:
            raise
        except FileNotFoundError:
            raise refuse("unlistable", f"{self.shown} does not exist") from None
        except Exception as error:  # noqa: BLE001 - each driver has errors of its own
            self._system = None  # a connection that is lost stays lost
            message = f"{self.shown} cannot be listed: {words_of(error)}"
            raise refuse("unlistable", message) from None
        self._looks += 1
        moment = time.monotonic()
        self._since = {one.mark: self._since.get(one.mark, moment) for one in found}
        return in_turn(found)

    def _below(
        self, system: AbstractFileSystem, folder: str, depth: int
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        entries = system.ls(self._path(folder), detail=True)
        if len(entries) > _MOST_ENTRIES:
            raise refuse("unlistable", f"{self.shown} has more than {_MOST_ENTRIES} entries")
        for entry in sorted(entries, key=lambda one: str(one["name"])):
            name = self._relative(str(entry["name"]).rstrip("/"))
            if name in ("", folder) or is_passed_over(name):
                continue  # object stores list a folder in itself
            wanted = fits(name, self.patterns)
            if not wanted and depth <= name.count("/"):
                continue
            if any(part in ("", ".", "..") for part in name.split("/")) or "\0" in name:
                raise refuse("outside", f"{self.shown} has a file with the name {name!r}")
            if self.protocol == "file":
                self._stays_inside(name)
            kind = entry.get("type")
            if kind not in ("file", "directory"):  # a link on a server, which follows it there
                entry = system.info(entry["name"])
                kind = entry.get("type")
            if kind == "directory":
                if name.count("/") < depth:
                    yield from self._below(system, name, depth)
            elif wanted and kind == "file":
                yield name, entry

    def is_settled(self, arrival: Arrival, before: Arrival | None, now: float) -> bool:
        """Seen twice alike, or quiet for long enough; an object store shows what is whole.

        Two looks of one object must be as far apart as a file is to be quiet: an upload pauses,
        and a table that is cut at a line end is not to be told from a whole one.
        """
        if self.protocol in _WHOLE_AT_ONCE:
            return True
        if before is not None and before.name == arrival.name:
            if before != arrival or not arrival.size:
                return False
            seen_for = time.monotonic() - self._since.get(arrival.mark, -math.inf)
            return self._looks <= 1 or seen_for >= self.quiet_s
        return arrival.modified is not None and now - arrival.modified >= self.quiet_s

    def fetch(self, arrival: Arrival, archive: Path) -> str:
        """Keep the file under its hash.

        Raises ExtractError: missing, changing (it is not what was seen any more), unavailable,
        outside, too_large.
        """
        return keep(self._chunks(arrival), archive)

    def _chunks(self, arrival: Arrival) -> Iterator[bytes]:
        shown = f"{self.shown}/{arrival.name}"
        read = 0
        try:
            system = self._connected()
            path = self._path(arrival.name)
            if self.protocol == "file":
                self._stays_inside(arrival.name)
            with system.open(path, "rb", block_size=_BLOCK) as stream:
                while chunk := _bytes(stream.read(_BLOCK)):
                    read += len(chunk)
                    if read > MOST_BYTES:
                        raise refuse("too_large", f"{shown} is larger than {MOST_BYTES} bytes")
                    yield chunk
            system.invalidate_cache()
            now = self._seen(system, arrival.name)
        except ExtractError:
            raise
        except FileNotFoundError:
            raise refuse("missing", f"{shown} does not exist any more") from None
        except Exception as error:  # noqa: BLE001 - each driver has errors of its own
            self._system = None
            message = f"{shown} cannot be fetched: {words_of(error)}"
            raise refuse("unavailable", message) from None
        if now != arrival or (arrival.size is not None and read != arrival.size):
            raise refuse("changing", f"{shown} is still being written")

    def _seen(self, system: AbstractFileSystem, name: str) -> Arrival:
        """The file as a listing shows it now: what `info` says is not the same everywhere."""
        folder = name.rpartition("/")[0]
        for found, info in self._below(system, folder, name.count("/")):
            if found == name:
                return _arrival(found, info)
        raise FileNotFoundError(name)

    def _connected(self) -> AbstractFileSystem:
        if self._system is None:
            from fsspec.core import url_to_fs

            options = dict(self._options)
            if self.protocol not in _SSH:  # hands whatever it gets to the connection
                options["use_listings_cache"] = False
            elif fingerprint := options.pop("fingerprint", None):
                options["host_key_policy"] = _only(str(fingerprint))
            system, root = url_to_fs(self.url, skip_instance_cache=True, **options)
            self._root = root.rstrip("/")
            self._system = system
            return system
        # some keep what they have listed whatever they are told
        self._system.invalidate_cache()
        return self._system

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root or "/"

    def _relative(self, path: str) -> str:
        root = self._root.strip("/")
        path = path.lstrip("/")
        if root and not path.startswith(f"{root}/"):
            if path == root:
                return ""
            raise refuse("outside", f"{self.shown} lists a file that is not in it")
        return path[len(root) :].removeprefix("/")

    def _stays_inside(self, name: str) -> None:
        root = Path(self._root).resolve()
        if not (root / name).resolve().is_relative_to(root):
            message = f"{self.shown}/{name} is a link that leads out of {self.shown}"
            raise refuse("outside", message)


def protocol_of(url: str) -> str:
    """The protocol of a URL that may be used here; ConfigError with what to do otherwise."""
    protocol, found, _ = url.partition("://")
    protocol = protocol.lower()
    known = ", ".join(sorted(DRIVERS))
    if not found:
        raise ConfigError("the address of a source has no protocol", f"one of: {known}")
    if protocol in ("http", "https"):
        raise ConfigError(
            f"{protocol} is no file store: its files cannot be listed, and nothing tells whether "
            "one is whole or new",
            "let a download put the files into a directory, or register an adapter (kind: api)",
        )
    if protocol not in DRIVERS:
        shown = protocol if len(protocol) <= 20 and "@" not in protocol else "this"
        raise ConfigError(f"{shown} is no file store that is known here", f"one of: {known}")
    driver = DRIVERS[protocol]
    if driver and importlib.util.find_spec(driver) is None:
        raise ConfigError(
            f"{protocol}:// needs the package {driver}, which is not installed",
            f"where MarketSync runs: pip install {driver}",
        )
    return protocol


def _only(fingerprint: str) -> Any:
    """A policy that takes the server's key alone that `ssh-keygen -l` shows so."""
    import paramiko  # type: ignore[import-not-found]  # only there for who uses it

    class Only(paramiko.MissingHostKeyPolicy):
        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
            digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode()
            if f"SHA256:{digest.rstrip('=')}" != fingerprint:
                raise paramiko.SSHException(f"the key of {hostname} is not the configured one")

    return Only()


def _arrival(name: str, info: Mapping[str, Any]) -> Arrival:
    size = info.get("size")
    size = int(size) if size is not None else None
    modified = next(
        (found for key in _TIMES if (found := _seconds(info.get(key))) is not None), None
    )
    versions = [str(info[key]) for key in _VERSIONS if info.get(key) is not None]
    raw = [str(info[key]) for key in _TIMES if info.get(key) is not None]
    mark = hashlib.sha256("\0".join([str(size), *raw, *versions]).encode()).hexdigest()[:32]
    return Arrival(name, size, modified, mark, modified or 0.0)


def _seconds(value: Any) -> float | None:
    """A time as drivers write it, in seconds since 1970; without a zone it is UTC."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str):
        try:
            if value[:14].isdigit():  # FTP: 20261120183000.123
                value = datetime.strptime(value[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
            else:
                value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()


def _bytes(chunk: str | bytes) -> bytes:
    assert isinstance(chunk, bytes)  # the file is opened as bytes
    return chunk
