"""All odd and valid files, of every format."""

from __future__ import annotations

from marketsync_dagster_tests.pos.corpus import odd_csv, odd_formats
from marketsync_dagster_tests.pos.corpus.cases import Odd

CASES: list[Odd] = [*odd_csv.CASES, *odd_formats.CASES]
