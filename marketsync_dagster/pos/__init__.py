"""Reading extracts: what tills export becomes a clean frame, and a row of rejects for all the rest.

One module per subject: `opening` (bytes and encodings), `dialect` (delimiter and header), `tokens`
(records and physical lines), `columns` (header names), `money`, `identifiers`, `stock`,
`quarantine` (rejected rows), `duplicates`, `extract` (putting it together), `files` (directories,
times, archive), `check` (the report of `marketsync check-extract`). Nothing here knows
configuration, Dagster, platforms or the ledger.
"""
