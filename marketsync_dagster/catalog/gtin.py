"""GTINs brought to one form, so that the same product code is equal however it was written.

Whether a code is a valid GTIN is decided where extracts are read (`pos`).
"""

from __future__ import annotations

import pyarrow as pa

from marketsync_dagster.catalog.arrow import NO_TEXT, join, pc


def normalise(codes: pa.Array) -> pa.Array:
    """Codes (text) in one form; null for what is not 8, 12, 13 or 14 digits.

    UPC-12 gets its leading 0 and so does a GTIN-14 lose one (the same item, not a case of it);
    GTIN-8 stays, it is not a shortened GTIN-13.
    """
    codes = pc.utf8_trim_whitespace(codes)
    digits = pc.match_substring_regex(codes, r"^(?:[0-9]{8}|[0-9]{12,14})$")
    codes = pc.if_else(digits, codes, NO_TEXT)
    length = pc.utf8_length(codes)
    codes = pc.if_else(pc.equal(length, 12), join("0", codes), codes)
    unpacked = pc.and_(pc.equal(length, 14), pc.starts_with(codes, "0"))
    return pc.if_else(unpacked, pc.utf8_slice_codeunits(codes, 1), codes)
