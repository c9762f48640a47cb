"""Writing a file so that a reader, or a crash, sees the old one or the new one, never a part.

Only that belongs here; what is in the files is the matter of the modules that use it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path


def write_atomically(path: Path, parts: bytes | Iterable[bytes]) -> None:
    """Replace `path` by `parts`, one after the other; folders are made. OSError as it comes.

    The permissions of an existing file are kept, and a symbolic link stays one. Not synced to
    the disk: what is written this way can be made again.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    # beside the target, because a rename is atomic within one file system only
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as file:
            file.writelines([parts] if isinstance(parts, bytes) else parts)
        with contextlib.suppress(FileNotFoundError):
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
