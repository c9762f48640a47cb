"""Text in the cells of a spreadsheet: nothing that is written may become a formula.

A product called `=HYPERLINK(...)` is text; a person who opens a report must not run it. Numbers
stay numbers: `-5.00` begins like a formula and is none.
"""

from __future__ import annotations

import re
import unicodedata

_STARTS = "=+-@\t\r\n|%"
"""`|` and `%` begin formulas in older programs; a line end hides what comes after it."""
_SIGNED = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]+)*|[.,][0-9]+)(?:[eE][+-]?[0-9]{1,3})?%?")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.([0-9]{1,14}))?")
_DIGITS = 15
"""Decimal figures that a double, and so a spreadsheet, holds for certain."""


def would_run(text: str) -> bool:
    """Whether a spreadsheet that opens a CSV file may take a cell for a formula."""
    # blanks and invisible characters before it are skipped by some programs
    visible = text.lstrip(" \u00a0\ufeff\u200b\u200e\u200f\0")
    if not visible:
        return False
    # full-width signs count as well
    first = unicodedata.normalize("NFKC", visible[0])
    return first in _STARTS and not is_signed_number(text)


def is_signed_number(text: str) -> bool:
    """Whether a text is a number and nothing else, with or without a sign."""
    return _SIGNED.fullmatch(text) is not None and text.isascii()


UNSEEN = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]"
)
"""Characters that steer a terminal or turn the order of others; tabs and line ends are none."""


def inert(text: str) -> str:
    """The text for a CSV cell: with an apostrophe before it where it might be run."""
    return f"'{text}" if would_run(text) else text


def number_in(text: str) -> tuple[float, int] | None:
    """The number in a text, and its decimals, where a spreadsheet shows it exactly as written.

    None for what is no number or would be changed: `00123`, `+5`, `1e3`, 16 figures.
    """
    match = _NUMBER.fullmatch(text)
    if match is None or (text.startswith("-0") and not text.strip("-0.")):
        return None
    decimals = len(match.group(1) or "")
    if len(text.lstrip("-").replace(".", "").lstrip("0")) > _DIGITS:
        return None
    return float(text), decimals
