"""All bad files, of every format."""

from __future__ import annotations

from marketsync_dagster_tests.pos.corpus import (
    bad_csv,
    bad_packed,
    bad_parquet,
    bad_presets,
    bad_sheets,
    bad_shifted,
    bad_trees,
)
from marketsync_dagster_tests.pos.corpus.cases import Refused, Rejected

_MODULES = (
    bad_csv,
    bad_packed,
    bad_sheets,
    bad_trees,
    bad_parquet,
    bad_shifted,
    bad_presets,
)
REFUSED: list[Refused] = [case for module in _MODULES for case in module.REFUSED]
REJECTED: list[Rejected] = [case for module in _MODULES for case in module.REJECTED]
