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


def is_digits(texts: pa.Array) -> np.ndarray:
    """Which texts are ASCII digits and nothing else; much cheaper than a regular expression."""
    if len(texts) and _bytes(texts).max(initial=0) > 127:
        return matches(texts, r"^[0-9]+$")
    return as_bool(pc.ascii_is_decimal(texts))


def has_control(texts: pa.Array) -> bool:
    r"""Whether any text has a character of `[\x00-\x1f\x7f]` in it."""
    data = _bytes(texts)
    return bool(len(data)) and bool(data.min() < 32 or (data == 127).any())


def _bytes(texts: pa.Array) -> np.ndarray:
    """The UTF-8 of all texts of a string array, one behind the other."""
    _, offsets, data = texts.buffers()
    if data is None or not len(texts):
        return np.empty(0, np.uint8)
    places = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(data, np.uint8)[places[0] : places[-1]]


def matches(texts: pa.Array, pattern: str) -> np.ndarray:
    """Which texts a regular expression (RE2) matches."""
    return as_bool(pc.match_substring_regex(texts, pattern))
