"""The same SKU more than once in one extract: copies, and contradictions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from marketsync_dagster.pos.model import CARRIED


@dataclass(frozen=True)
class Repeats:
    """Positions in the frame of good rows."""

    dropped: list[int]
    """Copies of a row that is kept, and rows passed over by a configured first or last."""
    contradicting: dict[int, list[int]]
    """Row -> the rows of the others of its SKU."""
    overruled: int
    """How many rows were passed over although they say something else."""


def repeated(hashes: np.ndarray) -> np.ndarray:
    """Positions of the hashes that occur more than once, in ascending order."""
    ordered = np.sort(hashes)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(twice):
        return np.array([], np.int64)
    return np.flatnonzero(np.isin(hashes, np.unique(twice)))


def find_repeats(
    part: pd.DataFrame, rows: np.ndarray, policy: Literal["reject", "first", "last"]
) -> Repeats:
    """Compare the rows of each repeated SKU in every column but `line` and what is CARRIED along.

    `part` are the rows that may repeat, `rows` their positions. Copies collapse to the first
    (`last`: to the last). Rows that contradict each other are all rejected, unless `policy` chooses
    one.
    """
    compared = [name for name in part.columns if name not in ("line", *CARRIED)]
    # one number per distinct content; nulls are equal to each other
    meanings = part.groupby(compared, dropna=False, sort=False).ngroup().tolist()
    groups: dict[str, list[int]] = defaultdict(list)
    for position, sku in enumerate(part["sku"].tolist()):
        groups[sku].append(position)
    dropped: list[int] = []
    contradicting: dict[int, list[int]] = {}
    overruled = 0
    for members in groups.values():
        same = len({meanings[member] for member in members}) == 1
        if same or policy != "reject":
            kept = members[-1] if policy == "last" else members[0]
            dropped += [int(rows[member]) for member in members if member != kept]
            overruled += 0 if same else len(members) - 1
        else:
            for member in members:
                others = [int(rows[other]) for other in members if other != member]
                contradicting[int(rows[member])] = others
    return Repeats(dropped, contradicting, overruled)
