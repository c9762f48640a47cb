"""What the sensor new_extract sees of sources that outlets share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import dagster as dg
import pytest

from marketsync_dagster.automation import sights
from marketsync_dagster.automation.cores import Asked, Sighting, in_few_runs, new_extracts
from marketsync_dagster.pos.sources.directory import DirectorySource
from marketsync_dagster_tests.stages.chains import (
    BY_ROW,
    KEYS,
    Chain,
    counting,
    made,
    table,
    zipped,
)

Make = Callable[..., Chain]
COLUMN = {"outlet": {"from": "column"}}
NO_INSTANCE = cast("dg.DagsterInstance", None)
"""No run was asked for, so that none is looked for."""


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    with made(tmp_path, monkeypatch) as make:
        yield make


def seen(chain: Chain, before: dict[str, Any] | None = None) -> dict[str, Sighting]:
    """One tick."""
    project = chain.project()
    found: dict[str, Any] = {}
    with sights.Looking(NO_INSTANCE, project, before or {}, found, time.time()) as looking:
        return {outlet: looking.at(outlet, Asked()) for outlet in project.settings.outlets}


def everybody(price: str = "1.00") -> bytes:
    return table(*(f"{keys[0]},A1,Milk,{price},5" for keys in KEYS.values()), header=BY_ROW)


def test_one_file_of_all_outlets_is_looked_at_once_and_asks_for_one_run(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = make(**COLUMN)
    chain.put("all.csv", everybody())
    looks = counting(monkeypatch, DirectorySource, "look")

    sightings = seen(chain)

    assert len(looks) == 1
    decision = new_extracts(sightings, {}, time.time())
    (run,) = in_few_runs(decision, sightings, list(KEYS))
    assert run[:2] == ("lipa", "hrast")
    chain.good()
    assert new_extracts(seen(chain), {}, time.time()).launches == []


def test_a_file_for_one_outlet_is_news_for_that_one(make: Make) -> None:
    chain = make(outlet={"from": "name", "pattern": "_(?P<outlet>[0-9]+)_"})
    chain.put("p_002_2026-01-05.csv", table("A1,Milk,1.00,5"))

    decision = new_extracts(seen(chain), {}, time.time())

    assert [launch.outlet for launch in decision.launches] == ["brijest"]


def test_a_damaged_archive_gets_a_run_that_refuses_it(make: Make) -> None:
    chain = make(pattern="*.zip", **COLUMN)
    chain.put("a.zip", zipped({"a.csv": everybody()})[:-30])

    decision = new_extracts(seen(chain), {}, time.time())

    assert len(decision.launches) == len(KEYS)
    assert decision.reasons == []


def test_a_large_file_is_left_to_its_run(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = make(**COLUMN)
    chain.put("all.csv", everybody())
    monkeypatch.setattr(sights, "HASHED_BYTES", 10)

    assert {one.sha256 for one in seen(chain).values()} == {""}

    assert chain.archived() == []


def test_what_is_wrong_with_a_source_is_a_problem_and_never_no_files(make: Make) -> None:
    chain = make(**COLUMN)
    (chain.folder / "feed").rmdir()

    sightings = seen(chain)

    assert all("cannot be listed" in one.problem for one in sightings.values())
    assert len(new_extracts(sightings, {}, 0.0).reasons) == 1
