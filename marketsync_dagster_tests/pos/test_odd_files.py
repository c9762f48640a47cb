"""Odd but valid files of every format: each is accepted exactly as its row of the corpus says."""

from __future__ import annotations

import pytest

from marketsync_dagster.pos.model import EXTRACT_COLUMNS, ExtractSpec
from marketsync_dagster.pos.read import read_extract
from marketsync_dagster_tests.pos.corpus import odd
from marketsync_dagster_tests.pos.corpus.cases import Odd
from marketsync_dagster_tests.pos.corpus.odd_csv import ROWS


@pytest.mark.parametrize("case", odd.CASES, ids=lambda case: case.name)
def test_an_odd_but_valid_file_is_read_exactly(case: Odd) -> None:
    assert case.fault() == ""


def test_the_corpus_of_odd_files_is_large_and_not_only_of_csv() -> None:
    assert len({case.name for case in odd.CASES}) == len(odd.CASES) >= 25
    assert sum(case.file != "till.csv" for case in odd.CASES) >= 15


def test_the_frame_has_the_columns_and_types_that_others_build_on() -> None:
    extract = read_extract(ROWS.encode(), ExtractSpec(), file="till.csv")
    assert tuple(extract.frame.columns) == EXTRACT_COLUMNS
    types = {name: str(kind) for name, kind in extract.frame.dtypes.items()}
    numbers = dict.fromkeys(("price_minor", "promo_price_minor", "quantity"), "Int64")
    assert types == {
        **dict.fromkeys(EXTRACT_COLUMNS, "str"), **numbers, "active": "bool", "line": "int64",
    }  # fmt: skip
