"""The state file: accounts, catalogue and what is shown, so that a sandbox can go on later.

Requests, history, scenarios and quotas are of one life only. The file is replaced as a whole; a
reader never sees half of it. It is readable by its owner only, since it holds (fake) credentials.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from marketsync_dagster.sandbox.accounts import SeedError, product_from
from marketsync_dagster.sandbox.parts import CHANNELS
from marketsync_dagster.sandbox.shown import Shown
from marketsync_dagster.sandbox.wire import Malformed, exact_number, read_json, write_json
from marketsync_dagster.sandbox.world import World

VERSION = 1


class StateError(ValueError):
    """A state or seed file that cannot be read; the message names it."""


def dump(world: World) -> bytes:
    """The state as JSON. Cheap enough to be made between two requests."""
    catalog, seeded = world.product_documents()
    return write_json(
        {
            "version": VERSION,
            "last_request": world.last_request,
            "last_product": world.last_product,
            "writes": world.writes,
            "accounts": [account.document for account in world.accounts.values()],
            "stores": [store.document for store in world.stores.values()],
            "parts": {name: part.dump() for name, part in world.parts.items()},
            "catalog": catalog,
            "seeded": seeded,
            "shown": [
                [
                    channel,
                    owner,
                    [[item, str(shown.price), *shown[1:]] for item, shown in items.items()],
                ]
                for (channel, owner), items in world.shown.items()
            ],
        }
    )


def load(world: World, path: Path) -> None:
    """Put a saved state into an empty world; StateError if the file does not hold one."""
    document = read_file(path)
    try:
        if document["version"] != VERSION:
            raise StateError(f"{path}: was written by another version")
        world.seed(
            {
                "tracker_ke": {"accounts": document["accounts"]},
                "pasons": {"stores": document["stores"]},
            }
        )
        for entry in document["seeded"]:
            world.seeded[entry["id"]] = product_from(entry, "seeded")[0]
        products = [product_from(entry, "catalog")[0] for entry in document["catalog"]]
        world.set_catalog({product.id: product for product in products})
        for channel, owner, items in document["shown"]:
            if channel in CHANNELS:
                world.shown[(channel, owner)] = {
                    item: Shown(
                        exact_number(price), currency, location, stock, float(moment), number
                    )
                    for item, price, currency, location, stock, moment, number in items
                }
        for name, kept in document.get("parts", {}).items():  # older files have none
            if name in world.parts:
                world.parts[name].load(world, name, kept)
        world.last_request = int(document["last_request"])
        world.last_product = int(document["last_product"])
        world.writes = int(document["writes"])
    except (KeyError, TypeError, ValueError, ArithmeticError) as fault:
        if isinstance(fault, StateError):
            raise
        raise StateError(f"{path}: is not a state file of the sandbox ({fault})") from fault


def read_file(path: Path) -> Any:
    """The JSON document of a file; StateError names the file."""
    try:
        return read_json(path.read_bytes())
    except (OSError, Malformed) as fault:
        raise StateError(f"{path}: cannot be read: {fault}") from fault


def seed_from_file(world: World, path: Path) -> None:
    """Seed a world from a file; StateError names file and place."""
    try:
        world.seed(read_file(path))
    except SeedError as fault:
        raise StateError(f"{path}: {fault}") from fault


def replace_file(path: Path, content: bytes) -> None:
    """Write a file as a whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
