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
    "shifted": "The values of this row stand one column beside their own: correct the export.",
    "missing_sku": "Give the product a SKU in the POS.",
    "no_sku": "Neither SKU nor model: give the product one of them in the POS.",
    "damaged_sku": "Damaged by a spreadsheet: export again from the POS and do not save the file "
    "with a spreadsheet, or format the column as text.",
    "numeric_identifier": "A number in a spreadsheet has lost its leading zeros, if it had any: "
    "format the column as text and export again, or set `numeric_identifiers: accept` if no SKU "
    "begins with a zero.",
    "bad_addition": "What another document says of this product cannot be used: correct it there.",
    "formula": "A formula is not a value: export values only.",
    "control_character": "Remove the invisible character from the SKU in the POS.",
    "sku_too_long": "A SKU has at most 200 characters: check the column mapping.",
    "missing_price": "Give the product a price in the POS.",
    "bad_price": "Not a price: correct it in the POS, or check the column mapping.",
    "variable_price": "The price is typed in at the till: give the product a fixed price in the "
    "POS, or leave it out of the export.",
    "free_price": "A platform sells nothing for free: give the product a price in the POS, or "
    "leave it out of the export.",
    "not_priced": "The product is not priced: give it a price in the POS, or leave it out of the "
    "export.",
    "not_a_number": "A calculation failed when this was exported: correct the price in the POS and "
    "export again.",
    "date_as_price": "A date or a time, most often a price that a spreadsheet changed: export it "
    "from the POS again and do not save it with a spreadsheet, or check the column mapping.",
    "two_promotions": "Two promotions say different things of this product: end one of the two.",
    "bad_promo_window": "When the promotion holds cannot be read for certain: write its dates as "
    "2026-11-20 or 2026-11-20 18:00, or leave them empty if it always holds.",
    "percentage": "A percentage is not a price: export the price in money.",
    "price_range": "One price is needed, not the lowest or a range: export each variant with its "
    "own price.",
    "multi_buy": "A price for several pieces is not the price of one: export the price of one "
    "piece.",
    "ambiguous_price": "It may have a decimal or a thousands separator: say which with `decimal`.",
    "too_many_decimals": "The price has more decimals than the currency: correct it in the POS.",
    "negative_price": "A price is above zero: correct it in the POS.",
    "zero_price": "A price is above zero: correct it in the POS, or leave it out of the export.",
    "absurd_price": "The price is above 1,000,000,000: correct it in the POS, or check the column "
    "mapping.",
    "promo_above_price": "A promotion costs less than the regular price: correct one of the two in "
    "the POS.",
    "unit_price": "A price per unit of measure is not a selling price: map the column with the "
    "selling price.",
    "sold_by_weight": "The price is per kilogram or another measure, not of one piece: leave the "
    "product out of the export, or say `weighed: accept` to take it at that price.",
    "net_price": "The price is without tax: export the price that customers pay.",
    "other_currency": "The price is in another currency than the outlet's: correct one of the two.",
    "bad_quantity": "Not a quantity: write a number, or leave it empty.",
    "bad_stock_status": "Unknown stock status: write in stock, limited or out of stock.",
    "bad_active": "Unknown word for active: write yes or no.",
    "bad_flag": "Neither yes nor no: correct it in the POS, or check the export.",
    "contradicting_duplicate": "The SKU occurs again with other values: keep one line in the POS, "
    "or set `duplicates` to first or last.",
    "bad_record": "A record is a JSON object of its own: correct it in the export.",
    "repeated_name": "A name occurs twice in this record: correct the export, so that each value "
    "has one.",
}
"""Code -> next step of one rejected row."""

FILE_REASONS: dict[str, str] = {
    "missing": "Check the path, and whether the POS has exported the file.",
    "unreadable": "Check that it is a file and that MarketSync may read it.",
    "empty": "Export it again from the POS.",
    "header_only": "Export it again from the POS: an empty extract is never taken for an empty "
    "shop.",
    "truncated": "Wait for the export to end, or export it again from the POS.",
    "changing": "Wait until the POS has written it; it is read again at the next run.",
    "too_large": "Split the extract by outlet.",
    "line_too_long": "Check that it is a CSV file with one product per line.",
    "not_csv": "Export it as CSV.",
    "nul_bytes": "The file is damaged or not text: export it again as CSV.",
    "undecodable": "Export it as UTF-8, or say its `encoding`.",
    "unknown_encoding": "Use a name such as utf-8, utf-16, windows-1250 or windows-1252.",
    "unbalanced_quote": "Close or double the quote in that line and export again.",
    "bad_delimiter": "Use what stands between two values: a comma, semicolon, tab or pipe, or some "
    "characters without quotes and line ends.",
    "no_sku_column": "Say which column holds it with `columns: {sku: ...}` (check-extract: "
    "--columns sku=HEADER,price=HEADER).",
    "no_price_column": "Say which column holds it with `columns: {price: ...}` (check-extract: "
    "--columns sku=HEADER,price=HEADER).",
    "column_missing": "Correct `columns`, or the export.",
    "unknown_column": "Correct `columns`.",
    "duplicate_header": "Rename one of the two columns in the export.",
    "shifted_header": "Take the header without a name out of the export, or export it again.",
    "ambiguous_columns": "Say which one to use with `columns` (check-extract: --columns).",
    "nothing_accepted": "Look at the rejected rows: most often a column is mapped wrongly.",
    "unknown_sheet": "Correct the name of the sheet: `sheet: NAME` (check-extract: --sheet NAME).",
    "ambiguous_sheet": "Say which sheet to read: `sheet: NAME` (check-extract: --sheet NAME).",
    "damaged_sheet": "Export it again, or open it in a spreadsheet program and save it as XLSX.",
    "unreadable_sheet": "Open it in a spreadsheet program and save it as XLSX.",
    "bad_parquet": "Export it again: it is not a whole Parquet file.",
    "minor_units": "Export the items as CSV or XLSX from the till's own pages, with the prices as "
    "customers see them.",
    "nested_column": "Say which field of it to read, as `columns: {price: prices.amount}`, or "
    "export it as a column of its own.",
    "no_time": "Correct `time_pattern`, narrow `pattern` so that the file is passed over, or leave "
    "`time_pattern` out to use the file's own time.",
    "bad_time": "Write the time as ISO 8601, for example 2026-11-20T18:00:00+03:00.",
    "future": "Correct the clock. If the till's was wrong, also remove the file with the wrong "
    "time from the directory.",
    "unlistable": "Check that the directory exists and that MarketSync may read it.",
    "unavailable": "See that it can be reached from here with these credentials; it is tried again "
    "at the next run.",
    "bad_query": "Correct `query`: one SELECT that reads, with a name of its own for each column.",
    "bad_list": "Correct the list: each outlet has a code, as text, and a name.",
    "outside": "Copy the file into the directory instead of linking to it.",
    "unknown_format": "Export it as CSV, XLSX, XML, JSON or Parquet; it may be packed with gzip or "
    "ZIP.",
    "older": "If it is right: marketsync run partial_sync --outlet OUTLET --force-older --by NAME "
    "--reason TEXT.",
    "no_base": "Put a full extract there; or say `coverage: delta` if this source never sends one.",
    "damaged_archive": "Send or pack the archive again.",
    "encrypted": "Pack it without a password.",
    "unknown_compression": "Pack it with the ordinary compression of ZIP (deflate).",
    "unsafe_member": "Pack plain files under plain names: such an archive may be an attack.",
    "duplicate_member": "Pack each file once, under a name of its own.",
    "nested_archive": "Pack the extracts themselves: an archive in an archive is not opened.",
    "archive_bomb": "Look at where the file comes from: no export packs like this.",
    "too_many_members": "Pack fewer files into one archive.",
    "no_space": "Make room on the disk that holds the data directory, or on that of TMPDIR.",
    "doctype": "Export it without a DOCTYPE: it may define entities, which are a way to attack.",
    "bad_xml": "Export it again from the POS: it is not well-formed XML.",
    "bad_json": "Export it again from the POS: it is not valid JSON.",
    "too_deep": "Check that it is an extract: no export nests its values this deep.",
    "value_too_long": "Check that it is an extract: no product has a value of this length.",
    "too_wide": "Check that it is an extract: no product has this many values.",
    "unknown_preset": "Correct `preset`; auto finds it by names and headers.",
    "unknown_layout": "Check `preset`, or say which columns to read with `columns`.",
    "no_outlet_column": "Say which column it is with `outlet: {from: column, column: ...}`.",
    "many_outlets": "Say with `keys` (check-extract: --outlet) what the outlet is called there.",
    "not_in_file": "Correct `keys`, or see why the outlet is missing from the export; nothing was "
    "changed there.",
    "no_products": "Send the products together with it.",
    "other_outlet": "The file has another outlet's number in it than its name or `keys` say: see "
    "which is right, and correct the name or `keys`.",
    "outlet_not_sure": "Ask the chain for names that tell its outlets apart: several of them are "
    "called so.",
    "no_records": "Say where the records are with `records` (check-extract: --records).",
    "ambiguous_records": "Say which of them are the products with `records` (check-extract: "
    "--records).",
}
"""Code -> next step of an extract that is refused as a whole."""


def refuse(code: str, message: str) -> ExtractError:
    """The error for an extract that is refused; `code` must be in FILE_REASONS."""
    return ExtractError(code, message, FILE_REASONS[code])
