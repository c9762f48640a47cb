"""What happens without each protection: the tests must notice.

`table.toml` says which line makes a protection, what stands there without it, and which tests are
to turn red; `python -m marketsync_dagster_tests.protections` takes them away, in a copy.
"""
