"""What is said of a product that is for sale and no longer in the extract."""

from __future__ import annotations


def stays_words(gone_after: int | None) -> str:
    """What becomes of it, by the outlet's `gone_after`."""
    if gone_after is None:
        return "it stays for sale, because gone_after is not set"
    return f"gone_after: {gone_after} takes it off sale"


def stays_step(outlet: str, gone_after: int | None) -> str:
    """What to do about it; empty where nothing is to be done."""
    if gone_after is not None:
        return ""
    return f"write outlets.{outlet}.extract.gone_after: 3 (full extracts without it)"
