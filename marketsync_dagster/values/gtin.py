"""GTINs, the numbers under barcodes: their check digits, and the one form in which they are equal.

Whole arrow columns of text, `string` or `large_string`. Which cell of an extract is a barcode, and
what becomes of one that is none, is the subject of `pos`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

# made when pyarrow is imported: type checkers cannot see its functions
_pc: Any = pyarrow.compute

LENGTHS = (8, 12, 13, 14)


def normalise(codes: pa.Array) -> pa.Array:
    """Codes in one form; null for what is not 8, 12, 13 or 14 digits. Check digits are not asked.

    UPC-12 gets its leading 0 and so does a GTIN-14 lose one (the same item, not a case of it);
    GTIN-8 stays, it is not a shortened GTIN-13.
    """
    codes = _pc.utf8_trim_whitespace(codes)
    digits = _pc.match_substring_regex(codes, r"^(?:[0-9]{8}|[0-9]{12,14})$")
    return one_form(_pc.if_else(digits, codes, pa.scalar(None, codes.type)))


def one_form(codes: pa.Array) -> pa.Array:
    """`normalise` for a column that has digits of the right number, or null, and nothing else."""
    length = _pc.binary_length(codes)
    short = _pc.equal(length, 12)
    if _pc.any(short).as_py():
        codes = _pc.if_else(short, _pc.utf8_lpad(codes, 13, "0"), codes)
    unpacked = _pc.and_(_pc.equal(length, 14), _pc.starts_with(codes, "0"))
    if _pc.any(unpacked).as_py():
        codes = _pc.if_else(unpacked, _pc.utf8_slice_codeunits(codes, 1), codes)
    return codes


def check_digit_fits(code: str) -> bool:
    """Whether a code of one of LENGTHS ASCII digits has the check digit of its other digits."""
    weighed = sum(map(int, code[::-2])) + 3 * sum(map(int, code[-2::-2]))
    return weighed % 10 == 0 and code.strip("0") != ""


def check_digits_fit(codes: pa.Array) -> np.ndarray:
    """`check_digit_fits` for a whole column (GS1: weights 3 and 1).

    `codes` is a `string` column without nulls, each of one of LENGTHS ASCII digits. Nothing but
    zeros is a placeholder and no number of a product, although its check digit fits.
    """
    if not len(codes):
        return np.zeros(0, bool)
    padded = _pc.utf8_lpad(codes, 14, "0")
    first = np.frombuffer(padded.buffers()[1], np.int32)[padded.offset]
    digits = np.frombuffer(padded.buffers()[2], np.uint8)[first : first + 14 * len(padded)] - 48
    table = digits.reshape(-1, 14)
    weighed = 3 * table[:, ::2].sum(axis=1, dtype=np.int32)
    weighed += table[:, 1::2].sum(axis=1, dtype=np.int32)
    # zeros alone weigh nothing
    return (weighed % 10 == 0) & (weighed > 0)
