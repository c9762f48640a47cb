"""The history of the ledger's tables, one module per revision in `versions`.

A new revision: change `ledger/tables.py`, add `versions/000N_what.py` with `revision` and
`down_revision`, append it to `engine.REVISIONS`. A test compares the result with the tables.
"""
