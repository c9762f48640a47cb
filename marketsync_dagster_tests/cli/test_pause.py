"""`marketsync pause` and `resume`: words in, a record out, and everybody is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.values.errors import UsageError
from marketsync_dagster.values.moments import duration, moment
from marketsync_dagster_tests.cli.conftest import Run

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
NAIROBI, BERLIN = "Africa/Nairobi", "Europe/Berlin"


@pytest.mark.parametrize(
    ("text", "zone", "meant"),
    [
        ("18:00", NAIROBI, "2026-11-21T15:00"),
        ("2026-11-21 18:00", NAIROBI, "2026-11-21T15:00"),
        ("2026-11-21T18:00+01:00", NAIROBI, "2026-11-21T17:00"),
        ("2026-11-21T18:00Z", NAIROBI, "2026-11-21T18:00"),
        ("2026-11-22", NAIROBI, "2026-11-21T21:00"),
        ("2h", NAIROBI, "2026-11-21T11:00"),
        ("1d 12h", NAIROBI, "2026-11-22T21:00"),
        ("90 minutes", NAIROBI, "2026-11-21T10:30"),
        ("2027-03-28 03:30", BERLIN, "2027-03-28T01:30"),
        ("2027-10-31 02:30", BERLIN, "2027-10-31T01:30"),  # comes twice: the second
    ],
)
def test_a_time_is_read_by_the_clock_of_its_place(text: str, zone: str, meant: str) -> None:
    assert moment(text, zone, NOW) == datetime.fromisoformat(meant).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-11-21 11:59", "is past: it was 2026-11-21 11:59 in Africa/Nairobi"),
        ("12:00", "is past"),
        ("2026-11-21T09:00Z", "is past"),
        ("tomorrow", "is no time"),
        ("25:00", "is no time"),
        ("0h", "no time that can be waited for"),
        ("99999999999w", "no time that can be waited for"),
        ("2h soon", "is no duration"),
        ("", "is no time"),
    ],
)
def test_a_time_that_is_past_or_none_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        moment(text, NAIROBI, NOW)


def test_a_local_time_that_the_clock_skips_is_refused() -> None:
    with pytest.raises(UsageError, match="does not exist in Europe/Berlin"):
        moment("2027-03-28 02:30", BERLIN, NOW)


def test_a_duration_has_a_number_and_a_unit() -> None:
    assert duration("1.5h") == timedelta(minutes=90)
    for text in ("2", "h", "-2h", "2 parsecs"):
        with pytest.raises(UsageError):
            duration(text)


def paused(run: Run) -> list[dict[str, Any]]:
    return json.loads(run("pause", "list", "--json").out)["active"]


def test_a_pause_is_made_listed_and_ended_on_record(project: Path, run: Run) -> None:
    words = ("pause", "--outlet", "main", "--platform", "pasons", "--for", "2h")
    done = run(*words, "--reason", "stocktaking", "--by", "Jane Doe")
    assert done.code == 0
    assert "main on pasons: paused until" in done.out
    assert "by Jane Doe (stocktaking)" in done.out
    (one,) = paused(run)
    assert (one["outlet"], one["platform"], one["by"]) == ("main", "pasons", "Jane Doe")
    assert one["until"] > one["at"]
    assert "stocktaking" in run("pause", "list").out
    assert "stocktaking" in run("pause", "--list").out

    ended = run("resume", "--outlet", "main", "--reason", "counted", "--json")

    assert ended.code == 0
    report = json.loads(ended.out)
    assert [row["pause_id"] for row in report["ended"]] == [one["pause_id"]]
    assert report["left"] == []
    assert paused(run) == []
    (past,) = json.loads(run("pause", "list", "--json").out)["past"]
    assert past["ended_reason"] == "counted"
    assert past["ended_by"]


def test_each_outlet_named_is_paused_for_itself_by_its_own_clock(project: Path, run: Run) -> None:
    config = project / "marketsync.yaml"
    config.write_text(
        config.read_text().replace("{name: Side,", "{name: Side, timezone: Africa/Nairobi,")
    )
    text = ("--until", "2100-01-01 12:00", "--reason", "x")
    rows = json.loads(run("pause", "--outlet", "main,side", *text, "--json").out)
    assert [(row["outlet"], row["until"]) for row in rows] == [
        ("main", "2100-01-01T12:00:00.000Z"),
        ("side", "2100-01-01T09:00:00.000Z"),
    ]


def test_a_narrow_resume_does_not_end_a_wide_pause_and_says_which_does(
    project: Path, run: Run
) -> None:
    assert run("pause", "--platform", "pasons", "--reason", "moving").code == 0
    result = run("resume", "--outlet", "main", "--platform", "pasons")
    assert result.code == 1
    assert "every outlet on pasons, paused until resumed" in result.err
    assert "marketsync resume --platform pasons" in result.err
    assert len(paused(run)) == 1
    assert run("resume", "--all").code == 0
    assert "nothing of that was paused" in run("resume", "--all").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["pause", "--reason", "x"], "which channels?"),
        (["resume"], "which channels?"),
        (["pause", "--outlet", "main"], "a pause needs a reason"),
        (["pause", "--outlet", "main", "--reason", " "], "a pause needs a reason"),
        (["pause", "--outlet", "mian", "--reason", "x"], "did you mean main?"),
        (["pause", "--platform", "pason", "--reason", "x"], "did you mean pasons?"),
        (["pause", "--outlet", "side", "--platform", "pasons", "--reason", "x"], "no channel"),
        (["pause", "--all", "--outlet", "main", "--reason", "x"], "say different things"),
        (["pause", "--all", "--reason", "x", "--until", "2001-01-01"], "is past"),
        (["pause", "--all", "--reason", "x", "--until", "2h", "--for", "2h"], "different things"),
        (["pause", "--all", "--reason", "x", "--by", " "], "--by is empty"),
        (["pause", "--all", "list"], "takes no such options"),
    ],
)
def test_wrong_words_pause_nothing(words: list[str], message: str, project: Path, run: Run) -> None:
    result = run(*words)
    assert result.code == 64
    assert message in result.err
    assert paused(run) == []


def test_plan_explain_history_and_approve_tell_of_the_pause(planned: str, run: Run) -> None:
    run("pause", "--outlet", "main", "--reason", "stocktaking", "--by", "Jane Doe")
    told = "paused until resumed by Jane Doe (stocktaking)"
    shown = run("plan", "--outlet", "main", "--platform", "tracker_ke")
    assert shown.code == 0
    assert f"deselected: 1 {told}" in shown.out
    (channel,) = json.loads(
        run("plan", "--outlet", "main", "--platform", "tracker_ke", "--json").out
    )["channels"]
    assert (channel["paused"], channel["to_send"], channel["held"]) == (told, 0, 0)
    assert channel["deselected_because"] == {told: 1}
    assert told in run("history").err
    assert told not in run("history", "--outlet", "side").err
    words = ("explain", "--outlet", "main", "--platform", "tracker_ke", "--sku", "1001")
    assert json.loads(run(*words, "--json").out)["paused"] == told
    approved = run("approve", planned, "--reason", "checked")
    assert approved.code == 0
    assert told in approved.err
    assert "marketsync resume --outlet main" in approved.err
