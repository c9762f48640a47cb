"""Stored secrets: encrypted in the ledger, each version with its own time, under a master key.

The master key is never in the ledger (`config.master_key`). What is encrypted names its secret
and its version, so that a row copied over another one is noticed. All changes take one lock, so
that the first two secrets of two processes come under one key.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, insert, select, update

from marketsync_dagster.config.master_key import (
    NEW_VARIABLE,
    VARIABLE,
    MasterKey,
    find_key,
    given_keys,
    keep_key,
    new_key,
)
from marketsync_dagster.config.secrets import Secrets, check_value
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_tables import access_token
from marketsync_dagster.ledger.sql import lock_key
from marketsync_dagster.ledger.tables import credential
from marketsync_dagster.values.errors import ConfigError
from marketsync_dagster.values.redact import mask
from marketsync_dagster.values.times import from_iso, to_iso, utcnow

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings

POINTS = ("key_kept", "values_encrypted", "committed")
"""The durable points of a rotation, in order, as its observer is told them."""

_LOCK = "stored secrets"


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """One version of a stored secret, without its value."""

    name: str
    version: int
    key_id: str
    """The master key that it needs."""
    created_at: str
    """When the secret itself was made, or set here."""
    created_by: str
    encrypted_at: str
    usable_until: str | None
    """Until when an older version is used beside the newest; None for the newest."""
    token: bytes = field(repr=False)

    def age_days(self, now: datetime | None = None) -> int:
        """Whole days since the secret was made."""
        return max(0, ((now or utcnow()) - from_iso(self.created_at)).days)


@dataclass(frozen=True, slots=True)
class Change:
    """What setting a secret came to."""

    stored: StoredSecret
    changed: bool
    """False: that is the value it had already."""
    overlaps_until: str | None = None
    """Until when the version before this one stays usable."""
    made_key: str = ""
    """The file of the master key, if this was the first secret."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a change of the master key came to."""

    key_id: str
    source: str
    """Where the new key is: a file, or the variable that it was given in."""
    replaced: tuple[str, ...]
    """Ids of the keys that are not needed any more, but for older backups."""
    secrets: int
    """Versions that were encrypted anew."""


class LedgerVault:
    """The stored secrets of a ledger as they were when the first was asked for."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._rows: dict[str, list[StoredSecret]] | None = None
        self._keys: dict[str, MasterKey] = {}

    def values(self, name: str) -> list[str]:
        """The usable values of a secret, newest first; see `config.secrets.Vault`."""
        if self._rows is None:
            self._rows = {}
            for row in stored_secrets(self._ledger):
                self._rows.setdefault(row.name, []).append(row)
        return [self.open(row) for row in usable(self._rows.get(name, []))]

    def open(self, row: StoredSecret) -> str:
        """The value of one version; ConfigError without its master key."""
        if row.key_id not in self._keys:
            self._keys[row.key_id] = find_key(row.key_id)
        return _decrypted(row, self._keys[row.key_id])


def open_secrets(settings: Settings, ledger: Ledger) -> Secrets:
    """What references of `settings` stand for, with what is stored in its ledger.

    Nothing is read before a stored secret is asked for.
    """
    return Secrets(LedgerVault(ledger))


def stored_secrets(ledger: Ledger) -> list[StoredSecret]:
    """Every version of every stored secret, by name, newest first."""
    with ledger.read() as conn:
        return _rows(conn)


def usable(versions: Sequence[StoredSecret], now: datetime | None = None) -> list[StoredSecret]:
    """Of the versions of one secret, newest first, those that may be used: the newest always."""
    moment = to_iso(now or utcnow())
    return [
        row
        for at, row in enumerate(versions)
        if at == 0 or (row.usable_until is not None and row.usable_until > moment)
    ]


def set_secret(
    ledger: Ledger,
    name: str,
    value: str,
    *,
    by: str,
    overlap_days: int = 0,
    created_at: datetime | None = None,
) -> Change:
    """Store `value` as the newest version of `name`, encrypted.

    The version before it stays usable for `overlap_days`; what is not usable any more is deleted.
    `created_at` is for a key that is older than this call. The value that `name` has already is
    not stored again, and keeps its time. ConfigError where the value can be no secret, or the
    master key is not here; without any stored secret a master key is made.
    """
    check_value(value, "the value")
    now = utcnow()
    with ledger.begin() as conn:
        lock_key(conn, _LOCK)
        rows = _rows(conn)
        key, made = _key_in_use(rows, conn)
        known = [row for row in rows if row.name == name]
        opened = {row.version: _decrypted(row, _key_of(row, key)) for row in known}
        same = next((row for row in known if opened[row.version] == value), None)
        made_at = to_iso(created_at) if created_at else same.created_at if same else to_iso(now)
        if same is not None and same is known[0]:
            conn.execute(update(credential).where(_is(same)).values(created_at=made_at))
            return Change(_one(conn, same.name, same.version), False)
        version = known[0].version + 1 if known else 1
        stays = {row.version for row in usable(known, now)[1:]} - {same.version if same else 0}
        until = None
        if known and overlap_days > 0:
            until = to_iso(now + timedelta(days=overlap_days))
            stays.add(known[0].version)
            conn.execute(update(credential).where(_is(known[0])).values(usable_until=until))
        for row in known:
            if row.version not in stays:
                conn.execute(delete(credential).where(_is(row)))
        conn.execute(
            insert(credential).values(
                name=name,
                version=version,
                token=_encrypted(name, version, value, key),
                key_id=key.id,
                created_at=made_at,
                created_by=by,
                encrypted_at=to_iso(now),
                usable_until=None,
            )
        )
        return Change(_one(conn, name, version), True, until, key.source if made else "")


def remove_secret(ledger: Ledger, name: str, version: int | None = None) -> list[int]:
    """Delete a stored secret, or one version of it; returns the versions that are gone.

    Without the newest version the one before it is in use again, for good. ConfigError where
    there is no such secret or version.
    """
    with ledger.begin() as conn:
        lock_key(conn, _LOCK)
        known = [row for row in _rows(conn) if row.name == name]
        gone = [row for row in known if version in (None, row.version)]
        if not gone:
            which = f" {name}" if version is None or not known else f" {name} version {version}"
            raise ConfigError(f"there is no stored secret{which}", "marketsync secrets list")
        for row in gone:
            conn.execute(delete(credential).where(_is(row)))
        left = [row for row in known if row not in gone]
        if left:
            conn.execute(update(credential).where(_is(left[0])).values(usable_until=None))
        return [row.version for row in gone]


def rotate(
    ledger: Ledger,
    given: MasterKey | None = None,
    *,
    observe: Callable[[str], None] = lambda _: None,
) -> Rotation:
    """Encrypt every stored secret anew, under the key `given` or a new one, in one transaction.

    The time of each secret stays. Where the old key was in a file the new one is put beside it,
    before anything is encrypted under it; the old file stays, for older backups. ConfigError,
    with nothing changed, where a secret cannot be decrypted, or where the key comes from the
    environment and no new one was given.
    """
    with ledger.begin() as conn:
        lock_key(conn, _LOCK)
        rows = _rows(conn)
        if not rows:
            raise ConfigError("there are no stored secrets yet", "marketsync secrets set NAME")
        old = [row for row in rows if given is None or row.key_id != given.id]
        keys = {key_id: find_key(key_id) for key_id in dict.fromkeys(row.key_id for row in old)}
        in_files = any(key.source != VARIABLE for key in keys.values())
        if given is None and not in_files:
            raise ConfigError(
                f"the master key comes from {VARIABLE}, which cannot be set from here",
                f"put the new key into {NEW_VARIABLE}, or have one made: "
                "marketsync secrets rotate --new-key-file FILE",
            )
        values = [(row, _decrypted(row, keys[row.key_id])) for row in old]
        key = new_key() if given is None else keep_key(given) if in_files else given
        observe("key_kept")
        now = to_iso(utcnow())
        for row, value in values:
            token = _encrypted(row.name, row.version, value, key)
            changes = {"token": token, "key_id": key.id, "encrypted_at": now}
            conn.execute(update(credential).where(_is(row)).values(**changes))
        conn.execute(delete(access_token))  # under the key that goes: they are minted again
        observe("values_encrypted")
    observe("committed")
    return Rotation(key.id, key.source, tuple(keys), len(old))


def seal(conn: Connection, name: str, text: str) -> tuple[bytes, str]:
    """`text` encrypted like a stored secret, and the id of its master key; `unseal` reads it.

    ConfigError where there is no master key to be had. Without any, one is made, and is that of
    the stored secrets to come once the caller has kept something under it in `access_token`.
    """
    lock_key(conn, _LOCK)
    key, _ = _key_in_use(_rows(conn), conn)
    return _encrypted(name, 0, text, key), key.id


def unseal(name: str, token: bytes, key_id: str) -> str:
    """What was sealed under `name`; ConfigError without its master key, or where it is not."""
    said = _opened(token, find_key(key_id))
    if (said.get("name"), said.get("version")) != (name, 0):
        raise ConfigError(f"{name} is not what was kept: its row in the ledger was changed")
    return said["value"]


def masked(vault: LedgerVault, row: StoredSecret) -> str:
    """A stored value as it may be shown; ConfigError without its master key."""
    return mask(vault.open(row))


# --- rows


def _rows(conn: Connection) -> list[StoredSecret]:
    query = select(credential).order_by(credential.c.name, credential.c.version.desc())
    return [_row(found) for found in conn.execute(query).mappings()]


def _row(found: Any) -> StoredSecret:
    return StoredSecret(**{**found, "token": bytes(found["token"])})


def _one(conn: Connection, name: str, version: int) -> StoredSecret:
    query = select(credential).where(credential.c.name == name, credential.c.version == version)
    return _row(conn.execute(query).mappings().one())


def _is(row: StoredSecret) -> Any:
    return (credential.c.name == row.name) & (credential.c.version == row.version)


def _key_in_use(rows: Sequence[StoredSecret], conn: Connection) -> tuple[MasterKey, bool]:
    """The key for what is to be encrypted, and whether it was made for that."""
    if rows:
        return find_key(max(rows, key=lambda row: row.encrypted_at).key_id), False
    given = given_keys()
    if given:
        return given[0], False
    newest = select(access_token.c.key_id).order_by(access_token.c.minted_at.desc()).limit(1)
    with contextlib.suppress(ConfigError):  # it may be another host's
        if key_id := conn.execute(newest).scalar():
            return find_key(key_id), False
    return new_key(), True


def _key_of(row: StoredSecret, key: MasterKey) -> MasterKey:
    return key if row.key_id == key.id else find_key(row.key_id)


def _encrypted(name: str, version: int, value: str, key: MasterKey) -> bytes:
    said = json.dumps({"name": name, "version": version, "value": value})
    return key.fernet.encrypt(said.encode())


def _opened(token: bytes, key: MasterKey) -> dict[str, Any]:
    """What was encrypted; empty where it was not with this key."""
    from cryptography.fernet import InvalidToken

    with contextlib.suppress(InvalidToken):  # the caller tells it by the name of the secret
        return json.loads(key.fernet.decrypt(token))
    return {}


def _decrypted(row: StoredSecret, key: MasterKey) -> str:
    said = _opened(row.token, key)
    if (said.get("name"), said.get("version")) != (row.name, row.version):
        raise ConfigError(
            f"stored secret {row.name} version {row.version} is not what was stored: its row in "
            f"the ledger was changed (master key {row.key_id})",
            f"marketsync secrets remove {row.name}, then marketsync secrets set {row.name}",
        )
    return said["value"]
