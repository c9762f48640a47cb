"""The table of protections fits the code, and a few are really taken away.

`make protections` takes away all of them.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from marketsync_dagster_tests.protections import removal
from marketsync_dagster_tests.protections.__main__ import chosen, still_green
from marketsync_dagster_tests.protections.removal import (
    CHECKOUT,
    Copy,
    Protection,
    Stale,
    protections,
    without,
)

PROTECTIONS = protections()
TAKEN_AWAY = ("every catalog row is in one place", "a frame is there whole or not at all")


@pytest.mark.parametrize("one", PROTECTIONS, ids=lambda one: one.name.replace(" ", "-"))
def test_what_makes_a_protection_stands_where_the_table_says(one: Protection) -> None:
    source = (CHECKOUT / "marketsync_dagster" / one.file).read_text("utf-8")
    ast.parse(without(one, source))
    for test in one.tests:
        file, _, name = test.partition("::")
        text = (CHECKOUT / "marketsync_dagster_tests" / file).read_text("utf-8")
        assert f"def {name}(" in text or not name, test


def test_every_subject_has_its_protections(capsys: pytest.CaptureFixture[str]) -> None:
    names = [one.name for one in PROTECTIONS]
    assert len(names) == len(set(names)) >= 150
    wanted = (
        "keys journal lease limiter guard signature redaction staleness laws files "
        "prices promotions stock identifiers outlets extracts hostile"
    )
    assert set(wanted.split()) <= {one.subject for one in PROTECTIONS}
    with capsys.disabled():
        print(f"\n{len(names)} protections")


def test_a_text_that_is_gone_or_not_the_only_one_is_named() -> None:
    (one,) = chosen(["max_price_fall"])
    with pytest.raises(Stale, match="0 times"):
        without(one, "")
    with pytest.raises(Stale, match="2 times"):
        without(one, one.old * 2)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("without"))


def test_the_tests_are_red_without_a_protection_and_green_with_it(copy: Copy) -> None:
    some = [one for one in PROTECTIONS if one.name in TAKEN_AWAY]
    for one in some:
        with copy.lacking(one):
            verdict = copy.run(one.tests, one.only)
        assert verdict.red, (one.name, verdict.words)

    assert still_green(copy, some) == []
    for one in some:  # the copy is whole again
        part = Path("marketsync_dagster", one.file)
        assert (copy.root / part).read_bytes() == (CHECKOUT / part).read_bytes()


def test_a_module_that_cannot_be_loaded_is_no_proof(copy: Copy) -> None:
    (one,) = chosen(["every catalog row is in one place"])
    broken = removal.Protection(one.subject, one.name, one.file, one.old, "if (:", one.tests)
    with copy.lacking(broken):
        verdict = copy.run(one.tests)
    assert not verdict.red
    assert "not by a failed test" in verdict.words
