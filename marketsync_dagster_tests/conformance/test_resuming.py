"""Pushes by the real stages, sender and ledger: what a crash leaves behind is made good by the next
run, and what has been said is not said again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster_tests.conformance.projects import Bed, make_bed, rows
from marketsync_dagster_tests.conformance.reasons import IMPORTS
from marketsync_dagster_tests.conformance.stand import Stand
from marketsync_dagster_tests.conformance.suite import Behaviour, behaviour, behaviours
from marketsync_dagster_tests.faults import kills
from marketsync_dagster_tests.projects import FULL

GROUP = "Resuming"


@pytest.fixture
def bed(stand: Stand, tmp_path: Path) -> Bed:
    """Six rows in three calls; nothing is shown yet."""
    return make_bed(stand, tmp_path)


def assert_right(bed: Bed) -> None:
    """The platform shows the feed, every row is accounted for, and nothing is left to be sent."""
    platform = bed.stand.bench.platform
    assert bed.differences(platform) == {}
    assert bed.unaccounted() == []
    number = bed.sandbox.last_request()
    assert bed.sync(platform).one.state == "unchanged"
    assert bed.writes(number) == []


@behaviour(GROUP, "a push is shown, and the next run has nothing to send")
def test_push(bed: Bed) -> None:
    result = bed.sync(bed.stand.bench.platform).one
    assert result.ok, result
    assert result.numbers["sent"] == 6
    assert_right(bed)


@behaviour(GROUP, "the same push once more changes nothing on the platform")
def test_replay(bed: Bed) -> None:
    platform = bed.stand.bench.platform
    assert bed.sync(platform, FULL).one.ok
    shown = bed.shown(platform)
    number = bed.sandbox.last_request()
    assert bed.sync(platform, FULL).one.ok
    assert len(bed.writes(number)) == 3
    assert bed.shown(platform) == shown
    assert_right(bed)


@behaviour(GROUP, "only what differs is sent")
def test_partial(bed: Bed) -> None:
    platform = bed.stand.bench.platform
    assert bed.sync(platform).one.ok
    changed = rows(bed.stand, 6)
    changed[4] = rows(bed.stand, 6, change=3)[4]
    bed.write_extract(changed)
    number = bed.sandbox.last_request()
    assert bed.sync(platform).one.numbers["sent"] == 1
    assert len(bed.writes(number)) == 1
    assert_right(bed)


KILLED = {
    "before the call": ("before_send", 1),
    "after the call, its answer not kept": ("answered", 1),
    "between two calls": ("answered", 2),
    "when the last answer is kept": ("ack_committed", 3),
}
WITH_IMPORTS = {"answered": "import_answered", "ack_committed": "import_started"}
"""What the same moment is called where calls start imports (`push.importing`)."""
ASKING = {
    "while it asks how an import stands": ("import_looked", 1),
    "between the ends of two imports": ("import_ended", 1),
}


def killed(bed: Bed, point: str, occurrence: int = 1) -> None:
    """A run that dies there."""
    bench = bed.stand.bench
    if bench.capabilities.async_import:
        point = WITH_IMPORTS.get(point, point)
    kills.run_killed(bed.place, bench.platform, bed.outlets, point, occurrence)


@behaviours(
    [
        (Behaviour(GROUP, f"a run killed {name}", needs), at)
        for names, needs in ((KILLED, ()), (ASKING, (IMPORTS,)))
        for name, at in names.items()
    ]
)
def test_killed(case: tuple[str, int], bed: Bed) -> None:
    platform = bed.stand.bench.platform
    killed(bed, *case)
    result = bed.sync(platform).one
    assert result.ok, result
    assert_right(bed)


@behaviour(GROUP, "a price that goes back to what it was before a killed push is sent too")
def test_back(bed: Bed) -> None:
    platform = bed.stand.bench.platform
    assert bed.sync(platform).one.ok
    bed.write_extract(rows(bed.stand, 6, change=5))
    killed(bed, "answered")
    bed.write_extract(rows(bed.stand, 6))
    result = bed.sync(platform).one
    if bed.stand.capabilities.async_import and not result.ok:
        # taken for the same import as before the change: for a while the platform takes no other
        assert (result.numbers["applied"], result.numbers["retryable"]) == (0, 6)
        bed.sandbox.clock(offset_s=3_600)
        result = bed.sync(platform).one
    assert result.ok, result
    assert_right(bed)


PASSING: tuple[dict[str, Any], ...] = (
    {"kind": "reset"},
    {"kind": "apply_then_reset"},
    {"kind": "truncated_json"},
    {"kind": "html_200"},
    {"kind": "status"},
    {"kind": "retry_after", "form": "zero"},
)


@behaviour(GROUP, "faults that pass are outlived within the run")
def test_passing(bed: Bed) -> None:
    platform = bed.stand.bench.platform
    for number, action in enumerate(PASSING):
        bed.sandbox.scenario(**action, match={"nth": 2, "method": "POST"})
        bed.write_extract(rows(bed.stand, 6, change=number + 1))
        result = bed.sync(platform).one
        assert result.ok, (action, result)
        assert bed.differences(platform) == {}
        bed.sandbox.clear_scenarios()
    assert_right(bed)


@behaviour(GROUP, "a key that dies between two calls stops the push; the next run sends the rest")
def test_key_dies(bed: Bed) -> None:
    platform = bed.stand.bench.platform
    bed.configure(lambda d: d["accounts"]["x"]["quota"].update(concurrency=1))
    bed.sandbox.scenario("revoke_key", match={"nth": 2, "method": "POST"})
    result = bed.sync(platform).one
    assert not result.ok
    assert bed.stand.bench.key in result.reason
    refused = [request for request in bed.writes(0) if request["status"] == 401]
    assert 1 <= len(refused) <= 2
    assert result.numbers["auth_failed"] == 4
    bed.sandbox.clear_scenarios()
    assert bed.sync(platform).one.ok
    assert_right(bed)


@behaviour(GROUP, "a platform that is away costs few calls, and nothing is lost")
def test_away(bed: Bed) -> None:
    platform = bed.stand.bench.platform
    bed.sandbox.scenario("status", status=503, times=None)
    result = bed.sync(platform).one
    assert not result.ok
    assert result.next_step
    assert 1 <= len(bed.writes(0)) <= 4
    bed.sandbox.clear_scenarios()
    assert bed.sync(platform).one.ok
    assert_right(bed)


@behaviour(GROUP, "batches that the platform finds too large are split until it takes them")
def test_too_large(bed: Bed) -> None:
    platform = bed.stand.bench.platform
    bed.configure(lambda d: d["accounts"]["x"].update(bed.stand.bench.limits(6)))
    bed.sandbox.scenario("status", status=413, times=2)
    assert bed.sync(platform).one.ok
    assert_right(bed)
