"""Bad files of every format: refused or quarantined exactly as their rows of the corpus say."""

from __future__ import annotations

import pytest

from marketsync_dagster.pos.model import Extract, ExtractSpec, NothingAccepted
from marketsync_dagster.pos.read import read_extract
from marketsync_dagster.pos.reasons import ROW_REASONS
from marketsync_dagster_tests.pos.corpus import bad
from marketsync_dagster_tests.pos.corpus.bad_csv import GOOD, HEAD
from marketsync_dagster_tests.pos.corpus.cases import Refused, Rejected

OF_SEVERAL_DOCUMENTS = {"bad_addition", "two_promotions"}
"""Reasons of rows of which two documents say something; their tests are with the presets."""


def named(case: Refused | Rejected) -> str:
    return case.name


@pytest.mark.parametrize("case", bad.REFUSED, ids=named)
def test_a_file_that_cannot_be_trusted_is_refused(case: Refused) -> None:
    assert case.fault() == ""


@pytest.mark.parametrize("case", bad.REJECTED, ids=named)
def test_a_bad_row_is_rejected_with_line_column_value_and_reason(case: Rejected) -> None:
    assert case.fault() == ""


def test_the_corpus_of_bad_files_is_large_and_not_only_of_csv() -> None:
    cases = [*bad.REFUSED, *bad.REJECTED]
    assert len({case.name for case in cases}) == len(cases) >= 60
    assert sum(case.file != "till.csv" for case in cases) >= 30


def test_every_reason_of_a_row_occurs_in_the_corpus() -> None:
    seen = {reject[3] for case in bad.REJECTED for reject in case.rejects}
    assert seen == set(ROW_REASONS) - OF_SEVERAL_DOCUMENTS


def read(data: bytes) -> Extract:
    return read_extract(data, ExtractSpec(), file="till.csv")


def test_contradicting_duplicates_name_the_other_lines() -> None:
    extract = read(HEAD + b"B1,a,1\n" + GOOD + b"B1,a,2\nB1,a,1\n")
    steps = extract.rejects["next_step"].tolist()
    assert [step.split(" The")[0] for step in steps] == [
        "Also on line 4, 5.",
        "Also on line 2, 5.",
        "Also on line 2, 4.",
    ]


def test_when_nothing_can_be_used_the_rejects_can_still_be_shown() -> None:
    with pytest.raises(NothingAccepted) as caught:
        read(HEAD + b"A,a,x\nB,b,-1\n")
    assert caught.value.extract.rejects["line"].tolist() == [2, 3]
    assert caught.value.extract.accepted == 0
