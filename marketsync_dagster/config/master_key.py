"""The master keys that stored secrets are encrypted under: where one is found, and making one.

A key is known by its id, a hash that tells nothing of it. Every stored secret names the id that
it needs and every key file is named after its key, so a new key never takes the place of an old
one: whatever a crash leaves behind, the key that is named lies where it is looked for.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from marketsync_dagster.values.errors import ConfigError
from marketsync_dagster.values.redact import register_secret

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

VARIABLE = "MARKETSYNC_MASTER_KEY"
"""A master key, or several with a space or comma between them: the old and the new one for the
time of a rotation."""
NEW_VARIABLE = "MARKETSYNC_NEW_MASTER_KEY"
"""The key that a rotation is to go over to."""
MAKE_ONE = (
    'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
)
_PRIVATE = 0o077
"""What nobody else may have of a key file."""


@dataclass(frozen=True, slots=True, repr=False)
class MasterKey:
    """One master key. `value` is never shown; `id` and `source` may be."""

    value: str
    source: str
    """The variable, or the file, that it comes from."""

    @property
    def id(self) -> str:
        """8 hexadecimal digits."""
        return hashlib.sha256(b"marketsync master key\0" + self.value.encode()).hexdigest()[:8]

    @property
    def fernet(self) -> Fernet:
        """What encrypts and decrypts with it."""
        from cryptography.fernet import Fernet

        return Fernet(self.value)


def key_folder() -> Path:
    """Where key files lie: `marketsync` in the user's own settings.

    Not in a checkout, and not in a project's data: a backup of the data holds no key to it.
    """
    named = os.environ.get("XDG_CONFIG_HOME", "")
    if Path(named).is_absolute():
        return Path(named) / "marketsync"
    try:
        return Path.home() / ".config" / "marketsync"
    except RuntimeError:
        pass
    raise ConfigError(
        "this user has no home folder to keep a master key in",
        f"put a master key into {VARIABLE}; one is made by: {MAKE_ONE}",
    )


def key_file(key_id: str) -> Path:
    """Where the key with that id lies, unless it is in the variable."""
    return key_folder() / f"master-{key_id}.key"


def find_key(key_id: str) -> MasterKey:
    """The key with that id: of MARKETSYNC_MASTER_KEY, else of its file.

    ConfigError, naming the ids that were found, where it is not here.
    """
    given = given_keys()
    for key in given:
        if key.id == key_id:
            return key
    path = key_file(key_id)
    if path.exists():
        key = read_key_file(path)
        if key.id == key_id:
            return key
        raise ConfigError(
            f"{path} holds master key {key.id}, not the key of its name",
            f"put master key {key_id} there from your copy",
        )
    found = f"; {VARIABLE} holds {', '.join(key.id for key in given)}" if given else ""
    raise ConfigError(
        f"stored secrets need master key {key_id}, which is not here{found}",
        f"set {VARIABLE} to it, or put its file at {path}; if it is lost, remove each "
        "secret that needs it, then set it again: marketsync secrets list",
    )


def given_keys() -> list[MasterKey]:
    """The keys in MARKETSYNC_MASTER_KEY, the first one first; empty if it is not set."""
    words = re.split(r"[\s,]+", os.environ.get(VARIABLE, "").strip())
    return [master_key(word, VARIABLE) for word in words if word]


def master_key(text: str, source: str) -> MasterKey:
    """`text` as a key; ConfigError, without it, where it is none. Masked from now on."""
    register_secret(text)
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:
        raise ConfigError(
            f"{source} holds something that is no master key (32 bytes, base64 for URLs)",
            f"set it to your master key; a new one is made by: {MAKE_ONE}",
        )
    # one key has several spellings, which differ in bits that base64 does not use
    value = base64.urlsafe_b64encode(raw).decode()
    register_secret(value)
    return MasterKey(value, source)


def read_key_file(path: Path) -> MasterKey:
    """The key in a file; ConfigError where others can read it too, or it holds no key."""
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if mode & _PRIVATE:
                raise ConfigError(
                    f"the master key in {path} is open to others (mode {mode & 0o777:04o})",
                    f"chmod 600 {path}",
                )
            text = stream.read(1_000).decode("ascii", "replace").strip()
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
    else:
        return master_key(text, str(path))
    raise ConfigError(
        f"the master key in {path} cannot be read: {reason}",
        f"run as the user who owns it, or set {VARIABLE}",
    )


def new_key(path: Path | None = None) -> MasterKey:
    """Make a key and its file (`path`, or where it is looked for), durable when this returns."""
    from cryptography.fernet import Fernet

    key = master_key(Fernet.generate_key().decode(), "a new key")
    return keep_key(key, path)


def keep_key(key: MasterKey, path: Path | None = None) -> MasterKey:
    """Write a key to its file, readable for its owner alone; never over another one."""
    place = path or key_file(key.id)
    reason = ""
    try:
        if path is None:
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(place, key)
    except FileExistsError:
        if read_key_file(place).id != key.id:
            reason = "there is a file with something else in it"
    except OSError as error:
        reason = (error.strerror or "it cannot be written").lower()
    if reason:
        raise ConfigError(
            f"the master key cannot be kept in {place}: {reason}",
            f"choose another place, or set {VARIABLE}",
        )
    return MasterKey(key.value, str(place))


def _write(place: Path, key: MasterKey) -> None:
    """Whole and durable, or not at all."""
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)  # of a process with this number that died here
    try:
        with os.fdopen(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(f"{key.value}\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(beside, place)
    finally:
        beside.unlink(missing_ok=True)
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
