"""The brand of a product whose file has no brand for it: a declared one that its name begins with.

Only brands that somebody has declared are found: a first word is no brand because it comes first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pandas as pd

from marketsync_dagster.catalog.arrow import pc, pick, text


def add_brands(frame: pd.DataFrame, declared: Sequence[str]) -> pd.DataFrame:
    """`frame` (name, brand), its blank brands being those of `declared` that names begin with.

    Whole words are compared, without case; the longest one decides, and it is written as declared.
    A brand that the file has is never replaced.
    """
    open_rows = frame["brand"].isna().to_numpy()
    by_words: defaultdict[int, list[str]] = defaultdict(list)
    for brand in dict.fromkeys(" ".join(one.split()) for one in declared):
        if brand:
            by_words[brand.count(" ") + 1].append(brand)
    if not by_words or not open_rows.any():
        return frame
    names = pc.utf8_lower(text(frame["name"][open_rows]))
    found = pd.Series([None] * len(names), dtype="str")
    for count in sorted(by_words):  # longer ones overrule shorter ones
        brands = by_words[count]
        pattern = r"^\s*(?P<b>\S+" + r"\s+\S+" * (count - 1) + ")"
        first = pc.struct_field(pc.extract_regex(names, pattern), [0])
        first = pc.replace_substring_regex(first, r"\s+", " ")
        first = pc.utf8_rtrim(first, characters=",.:;-")
        known = text(pd.Series([brand.rstrip(",.:;-") for brand in brands], dtype="str"))
        at = pc.fill_null(pc.index_in(first, pc.utf8_lower(known)), -1).to_numpy().astype(np.int64)
        found = pick(brands, at).fillna(found)
    brand = frame["brand"].copy()
    brand[open_rows] = found.to_numpy()
    return frame.assign(brand=brand.astype("str"))
