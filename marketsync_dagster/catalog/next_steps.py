"""The commands that map an unmapped row, ready to be pasted into a POSIX shell.

Texts in them come from extracts and from platforms: every word is quoted, and control characters
become spaces, so that pasting a line runs nothing else and printing it steers no terminal.
"""

from __future__ import annotations

import re
import shlex

import numpy as np
import pandas as pd
import pyarrow as pa

from marketsync_dagster.catalog.arrow import join, pc, pick, text

MAX_CHOICES = 5
"""Ids that a comment behind the command names."""

_CONTROL = r"[\x00-\x1f\x7f]+"
# what shlex.quote leaves bare; a word that begins with a dash is written out row by row
_PLAIN = r"^[A-Za-z0-9@%+=:,./_][A-Za-z0-9@%+=:,./_-]*$"


def mapping_commands(
    catalog: pd.DataFrame, unmapped: np.ndarray, candidates: dict[int, list[str]], account: str
) -> pd.Series:
    """`marketsync mapping search ...; marketsync mapping set ...` for unmapped rows, else null.

    `candidates` are the ids that a row might have (row -> ids): the command then names the first,
    and a comment the others; without any it says PLATFORM_ID, for the id that the search finds.
    """
    rows = np.flatnonzero(unmapped)
    if not len(rows):
        return pick([], np.full(len(catalog), -1, dtype="int64"))
    at = np.full(len(catalog), -1, dtype="int64")
    at[rows] = np.arange(len(rows))
    own = catalog.iloc[rows]
    sku = _clean(own["sku"])
    # a row without a name is searched by what it has
    name = _clean(own["name"].fillna(own["barcode"]).fillna(own["sku"]))
    option = f" --account {shlex.quote(account)}"
    search = join("marketsync mapping search ", _quoted(name), option)
    change = join("marketsync mapping set ", _quoted(sku), f" PLATFORM_ID{option}")
    usual = join(search, "; ", change)
    dashed = pc.or_(pc.starts_with(sku, "-"), pc.starts_with(name, "-"))
    odd = {int(row) for row in rows[dashed.to_numpy(zero_copy_only=False)]}
    place = {int(row): number for number, row in enumerate(rows)}
    special: list[str] = []
    for row in sorted(odd | set(candidates)):
        number = place[row]
        ids = [re.sub(_CONTROL, " ", one) for one in candidates.get(row, ["PLATFORM_ID"])]
        note = f"  # or {' or '.join(ids[1:MAX_CHOICES])}" if len(ids) > 1 else ""
        at[row] = len(rows) + len(special)
        special.append(
            f"{_command('search', [name[number].as_py()], account)}; "
            f"{_command('set', [sku[number].as_py(), ids[0]], account)}{note}"
        )
    return pick(pa.concat_arrays([usual, text(special)]), at)


def _command(verb: str, words: list[str], account: str) -> str:
    """One command; words that look like options stand behind `--`."""
    option = f"--account {shlex.quote(account)}"
    quoted = " ".join(map(shlex.quote, words))
    if any(word.startswith("-") for word in words):
        return f"marketsync mapping {verb} {option} -- {quoted}"
    return f"marketsync mapping {verb} {quoted} {option}"


def _clean(texts: pd.Series) -> pa.Array:
    return pc.replace_substring_regex(text(texts), _CONTROL, " ")


def _quoted(words: pa.Array) -> pa.Array:
    """Each text as `shlex.quote` writes it, but whole columns at once."""
    quoted = join("'", pc.replace_substring(words, "'", "'\"'\"'"), "'")
    return pc.if_else(pc.match_substring_regex(words, _PLAIN), words, quoted)
