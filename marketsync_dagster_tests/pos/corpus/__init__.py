"""Files that were written to be read wrongly, and what must come of each: tables of cases.

`bad_*` are refused, or have rows that are rejected; `odd_*` are valid and read exactly. Every shop
and every product in them is invented.
"""
