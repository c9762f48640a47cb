"""The code location: what Dagster loads, for the configuration that is found.

What it is made of is put together in `automation.assembly`. Loading this must stay cheap: every
run pays for it.
"""

from marketsync_dagster.automation.assembly import build_definitions

__all__ = ["build_definitions", "defs"]

defs = build_definitions()
