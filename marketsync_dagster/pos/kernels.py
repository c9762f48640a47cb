"""pyarrow's compute functions, and their results as numpy arrays.

pyarrow makes these functions when it is imported, so type checkers cannot see them: this is the
one place that says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

pc: Any = pyarrow.compute


def as_bool(array: pa.Array) -> np.ndarray:
    """A boolean array without nulls."""
    return array.to_numpy(zero_copy_only=False).astype(bool, copy=False)


def as_int(array: pa.Array) -> np.ndarray:
    """An integer array without nulls."""
    return array.to_numpy(zero_copy_only=False)


def matches(texts: pa.Array, pattern: str) -> np.ndarray:
    """Which texts a regular expression (RE2) matches."""
    return as_bool(pc.match_substring_regex(texts, pattern))
