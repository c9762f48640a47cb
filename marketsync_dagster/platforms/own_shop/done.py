"""Files of orders that were taken: forgetting the personal data in them, and their age.

Emptied files stay by name: a file of the same name and content is still known to have been taken.
"""

from __future__ import annotations

from collections.abc import Collection

import orjson

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.platforms.inbox import done_files, empty_done, overwrite
from marketsync_dagster.platforms.own_shop.reading import id_of
from marketsync_dagster.platforms.strict_json import Wrong, elements


def forget(settings: Settings, shop: str, external_ids: Collection[str]) -> int:
    """Erase orders in the files that were taken; how many files. An order without an id of its own
    is in a file with its like: that file is emptied. `*` erases all."""
    count = 0
    for path in done_files(settings.root / settings.shops[shop].folder):
        kept = _without(path.read_bytes(), external_ids)
        if kept is not None:
            overwrite(path, kept)
            count += 1
    return count


def tidy(settings: Settings, shop: str, before_s: float) -> int:
    """Empty the files that were taken before a moment, in seconds since 1970; how many."""
    return empty_done(settings.root / settings.shops[shop].folder, before_s)


def _without(data: bytes, external_ids: Collection[str]) -> bytes | None:
    """What stays of a file; None: all of it."""
    if not data:
        return None
    try:
        found = elements(data)
    except Wrong:
        return b""
    ids = [id_of(element.value) for element in found]
    if any(one.startswith("f-") for one in external_ids) and "" in ids:
        return b""
    if "*" in external_ids:
        return b""
    if not any(one in external_ids for one in ids):
        return None
    kept = [
        orjson.dumps({"id": name, "forgotten": True}).decode() if name in external_ids
        else element.text
        for name, element in zip(ids, found, strict=True)
    ]  # fmt: skip
    return f"[{','.join(kept)}]".encode()
