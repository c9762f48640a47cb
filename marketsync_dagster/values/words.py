"""Numbers in sentences."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """`1 row`, `1,200 rows`."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def percent_over(share: float, limit: float) -> str:
    """`41%, allowed 40%`; with decimals where both would read alike."""
    over = allowed = ""
    for decimals in range(4):
        over, allowed = f"{share:.{decimals}%}", f"{limit:.{decimals}%}"
        if over != allowed:
            break
    return f"{over}, allowed {allowed}"
