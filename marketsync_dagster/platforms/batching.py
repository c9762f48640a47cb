"""Cutting items into calls that fit: so many items, so many bytes.

Pure. How an item is written belongs to the adapters; splitting after a 413 to `push.sender`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")
LONGEST_ESCAPE = 6
"""Bytes that one character of a text takes at most in JSON: \\u001f."""


def ranges(
    items: Sequence[T],
    *,
    most_items: int,
    most_bytes: int,
    longest: int,
    sizes: Callable[[Sequence[T]], Iterable[int]],
) -> list[tuple[int, int]]:
    """Half-open ranges that cover `items` in order.

    `longest` bounds the bytes of any item, `sizes` gives the exact ones; it is only asked where
    the bound says that a batch might not fit. An item too large for a call of its own gets one:
    the platform is to say so.
    """
    if longest * most_items <= most_bytes:
        return [
            (start, min(start + most_items, len(items)))
            for start in range(0, len(items), most_items)
        ]
    found: list[tuple[int, int]] = []
    start = used = 0
    for position, size in enumerate(sizes(items)):
        if position > start and (used + size > most_bytes or position - start == most_items):
            found.append((start, position))
            start, used = position, 0
        used += size
    if items:
        found.append((start, len(items)))
    return found
