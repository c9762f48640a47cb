"""Where tests keep what they write: in memory, where this machine has enough of it.

What a test writes is thrown away, so it need not reach a disk: every commit of a ledger waits for
one, and a database of PostgreSQL is three hundred files. TMPDIR, if it is set, wins.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
MEMINFO = Path("/proc/meminfo")
WANTED = 2 * 1024**3
"""Bytes that have to be free there. The tests write some hundred megabytes."""


def keep_in_memory() -> None:
    """From now on, in this process and its children; nothing happens where it cannot be."""
    if "TMPDIR" in os.environ or not has_room(MEMORY):
        return
    os.environ["TMPDIR"] = str(MEMORY)
    tempfile.tempdir = None  # it is looked up anew


def has_room(folder: Path) -> bool:
    """Whether a folder in memory may be filled: it has room, and twice as much memory is free."""
    try:
        status, memory = os.statvfs(folder), MEMINFO.read_text("ascii")
    except OSError:
        return False
    available = re.search(r"^MemAvailable: +(\d+) kB$", memory, re.MULTILINE)
    room = status.f_bavail * status.f_frsize
    return (
        os.access(folder, os.W_OK | os.X_OK)
        and room >= WANTED
        and available is not None
        and int(available[1]) * 1024 >= 2 * WANTED
    )
