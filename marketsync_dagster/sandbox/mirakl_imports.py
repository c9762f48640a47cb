"""Imports of Mirakl on their way: WAITING, RUNNING, COMPLETE or FAILED, by the clock alone.

A shop's imports are carried out one after the other, in the order in which they came; what one says
is in effect when it ends (contract 6.4). What it does then belongs to `mirakl_work`.
"""

from __future__ import annotations

from marketsync_dagster.sandbox.mirakl_files import Unreadable
from marketsync_dagster.sandbox.mirakl_shops import Shop
from marketsync_dagster.sandbox.mirakl_state import COMPLETE, FAILED, RUNNING, WAITING, Import
from marketsync_dagster.sandbox.mirakl_work import Work, carry_out
from marketsync_dagster.sandbox.tampering import Fate, Tampering
from marketsync_dagster.sandbox.wire import sha256_hex
from marketsync_dagster.sandbox.world import World


def receive(
    world: World, shop: Shop, kind: str, content: bytes, request: int, tampering: Tampering
) -> Import:
    """The import that a document or file makes: a new one, or that of the same content before."""
    state, now = world.mirakl, world.now()
    world.changes += 1
    if tampering.fate is not None and tampering.fate.older:
        older = next((i for i in reversed(state.imports) if _alike(i, shop, kind)), None)
        if older is not None:
            older.received += 1
            return older
    digest = sha256_hex(content)
    known = state.by_content.get((shop.shop_id, kind, digest))
    if known is not None and kind in shop.duplicates and _is_recent(known, shop, now):
        known.received += 1
        return known
    found = state.add_import(kind, shop.shop_id, now, request, digest, content)
    found.tampering = tampering
    found.fate = tampering.fate or Fate()
    return found


def _is_recent(found: Import, shop: Shop, now: float) -> bool:
    return found.ended is None or now - found.ended <= shop.duplicate_s


def _alike(found: Import, shop: Shop, kind: str) -> bool:
    return (found.shop_id, found.kind) == (shop.shop_id, kind)


def advance(world: World) -> None:
    """Let every import go on that the clock allows to."""
    state = world.mirakl
    for shop_id, queue in state.open.items():
        while queue and _ends(world, state.shops[shop_id], queue):
            continue


def _ends(world: World, shop: Shop, queue: list[Import]) -> bool:
    """Whether the next import of a shop has come to its end; then it is off the queue."""
    now, barrier = world.now(), float("-inf")
    turns: list[tuple[float, int, Import]] = []
    for found in queue:
        ready = max(barrier, found.created + (found.fate.stuck_s or 0.0))
        barrier = ready if found.fate.blocks else barrier
        turns.append((ready, found.number, found))
    ready, _, found = min(turns)
    begins = max(ready, world.mirakl.free.get(shop.shop_id, ready))
    ends = begins + shop.processing_s
    if now < ends:
        found.status = RUNNING if now >= begins + shop.processing_s / 2 else WAITING
        if found.status == RUNNING and not found.lines:
            found.lines = _roughly(found)
        return False
    queue.remove(found)
    world.mirakl.free[shop.shop_id] = ends
    _finish(world, shop, found, ends)
    return True


def _roughly(found: Import) -> int:
    """How many lines there are to read, while it is running."""
    content = found.content or b""
    if found.kind == "OF24":
        return content.count(b'"shop_sku"')
    return max(0, len(content.splitlines()) - 1)


def _finish(world: World, shop: Shop, found: Import, ends: float) -> None:
    world.changes += 1
    found.ended, fate = ends, found.fate
    found.lines = 0
    delay = shop.report_delay_s if fate.report_s is None else fate.report_s
    found.report_from = ends + delay
    if fate.reason is not None:
        found.status, found.reason = FAILED, fate.reason
    else:
        try:
            carry_out(Work(world, shop, found, ends, fate.errors))
            found.status = COMPLETE
        except Unreadable as fault:
            found.status, found.reason = FAILED, str(fault)
    found.content = None
