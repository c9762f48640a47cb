"""Reading extracts: what tills export becomes a clean frame, and a row of rejects for all the rest.

One module per subject. What a file is: `streams` (opening it), `detect` (its format), `archives`,
`documents`. Its text: `marks` (what is certain of an encoding), `encodings` (what is likely),
`opening` (proving it). Its records: `readers`, one for each format. What they mean: `columns`,
`layouts` and `presets`. What they are worth: `rows`, with `money`, `identifiers`, `stock`;
`quarantine` has the rest, `reasons` says why. `read` puts it together, `files` knows directories
and the archive, `check` is the report of `marketsync check-extract`. Nothing here knows
configuration, Dagster, platforms or the ledger.
"""
