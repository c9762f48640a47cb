"""pandas text as arrow arrays and back, and pyarrow's compute functions.

pyarrow makes these functions when it is imported, so type checkers cannot see them: this is the
one place of the package that says so. All text arrays are `large_string`, as pandas has them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute

pc: Any = pyarrow.compute

NO_TEXT = pa.scalar(None, pa.large_string())


def text(values: pd.Series | Iterable[Any]) -> pa.Array:
    """One contiguous text array of a series or of Python strings, null where there is none."""
    items = values if isinstance(values, pd.Series) else list(values)
    array = pa.array(items, pa.large_string(), from_pandas=True)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def among(values: pd.Series, texts: pd.Series | Iterable[Any]) -> np.ndarray:
    """Which values are one of `texts`; `Series.isin` makes a Python object of each text."""
    return pc.is_in(text(values), text(texts)).to_numpy(zero_copy_only=False)


def join(*parts: pa.Array | str) -> pa.Array:
    """The parts of each row put together; null where one of them is null."""
    words = [
        pa.scalar(part, pa.large_string()) if isinstance(part, str) else part for part in parts
    ]
    return pc.binary_join_element_wise(*words, pa.scalar("", pa.large_string()))


def pick(choices: pa.Array | list[str], at: np.ndarray) -> pd.Series:
    """`choices[at]` as a series of dtype `str`; null where `at` is below 0."""
    pool = text(choices) if isinstance(choices, list) else choices
    return series(pool.take(pa.array(at, pa.int64(), mask=at < 0)))


def series(array: pa.Array) -> pd.Series:
    """A text array as a pandas series of dtype `str`."""
    return pd.Series(array.to_pandas(), dtype="str")


def valid(array: pa.Array) -> np.ndarray:
    """Which elements are not null."""
    return array.is_valid().to_numpy(zero_copy_only=False)
