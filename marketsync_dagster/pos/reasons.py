"""Every reason for which a row is rejected or an extract refused, each with its next step.

A code that is not in one of these tables cannot be used: `quarantine` and `refuse` look it up.
"""

from __future__ import annotations

from marketsync_dagster.values.errors import ExtractError

ROW_REASONS: dict[str, str] = {
    "too_few_columns": "The line has fewer values than the header: complete it in the POS export.",
    "too_many_columns": "The line has more values than the header: a value with the delimiter in "
    "it must stand in quotes.",
    "bad_quotes": "A quote inside a quoted value must be written twice: correct the export.",
    "swallowed_lines": "A quote that was not closed takes in the next line: close or remove it.",
    "repeated_header": "The header occurs again: export the file in one piece.",
    "total_row": "This is a total, not a product: leave it out of the export.",
    "missing_sku": "Give the product a SKU in the POS.",
    "damaged_sku": "Damaged by a spreadsheet: export again from the POS and do not save the file "
    "with a spreadsheet, or format the column as text.",
    "formula": "A formula is not a value: export values only.",
    "control_character": "Remove the invisible character from the SKU in the POS.",
    "sku_too_long": "A SKU has at most 200 characters: check the column mapping.",
    "missing_price": "Give the product a price in the POS.",
    "bad_price": "Not a price: correct it in the POS, or check the column mapping.",
    "ambiguous_price": "It may have a decimal or a thousands separator: say which with `decimal`.",
    "too_many_decimals": "The price has more decimals than the currency: correct it in the POS.",
    "negative_price": "A price is above zero: correct it in the POS.",
    "zero_price": "A price is above zero: correct it in the POS, or mark the product inactive.",
    "absurd_price": "The price is above 1,000,000,000: correct it in the POS, or check the column "
    "mapping.",
    "unit_price": "A price per unit of measure is not a selling price: map the column with the "
    "selling price.",
    "other_currency": "The price is in another currency than the outlet's: correct one of the two.",
    "bad_quantity": "Not a quantity: write a number, or leave it empty.",
    "bad_stock_status": "Unknown stock status: write in stock, limited or out of stock.",
    "bad_active": "Unknown word for active: write yes or no.",
    "contradicting_duplicate": "The SKU occurs again with other values: keep one line in the POS, "
    "or set `duplicates` to first or last.",
}
"""Code -> next step of one rejected row."""

FILE_REASONS: dict[str, str] = {
    "missing": "Check the path, and whether the POS has exported the file.",
    "unreadable": "Check that it is a file and that MarketSync may read it.",
    "empty": "Export it again from the POS.",
    "header_only": "Export it again from the POS: an empty extract is never taken for an empty "
    "shop.",
    "truncated": "Wait for the export to end, or export it again from the POS.",
    "too_large": "Split the extract by outlet.",
    "line_too_long": "Check that it is a CSV file with one product per line.",
    "not_csv": "Export it as CSV.",
    "nul_bytes": "The file is damaged or not text: export it again as CSV.",
    "undecodable": "Export it as UTF-8, or say its `encoding`.",
    "unknown_encoding": "Use a name such as utf-8, utf-16, windows-1250 or windows-1252.",
    "unbalanced_quote": "Close or double the quote in that line and export again.",
    "bad_delimiter": "Use one character: a comma, semicolon, tab or pipe.",
    "no_sku_column": "Say which column holds it with `columns: {sku: ...}`.",
    "no_price_column": "Say which column holds it with `columns: {price: ...}`.",
    "column_missing": "Correct `columns`, or the export.",
    "unknown_column": "Correct `columns`.",
    "duplicate_header": "Rename one of the two columns in the export.",
    "ambiguous_columns": "Say which one to use with `columns`.",
    "nothing_accepted": "Look at the rejected rows: most often a column is mapped wrongly.",
    "no_time": "Correct `time_pattern`, narrow `pattern` so that the file is passed over, or leave "
    "`time_pattern` out to use the file's own time.",
    "bad_time": "Write the time as ISO 8601, for example 2026-11-20T18:00:00+03:00.",
    "future": "Correct the clock. If the till's was wrong, also remove the file with the wrong "
    "time from the directory.",
    "unlistable": "Check that the directory exists and that MarketSync may read it.",
    "outside": "Copy the file into the directory instead of linking to it.",
}
"""Code -> next step of an extract that is refused as a whole."""


def refuse(code: str, message: str) -> ExtractError:
    """The error for an extract that is refused; `code` must be in FILE_REASONS."""
    return ExtractError(code, message, FILE_REASONS[code])
