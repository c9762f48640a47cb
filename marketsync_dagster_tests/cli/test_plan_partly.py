"""`plan` where some channels can be planned and others cannot."""

from __future__ import annotations

import json
from pathlib import Path

from marketsync_dagster_tests.cli.conftest import Run


def _without_main(project: Path) -> None:
    (project / "extracts" / "main" / "main_2026-11-20.csv").unlink()


def test_a_channel_that_cannot_be_planned_does_not_stop_the_others(project: Path, run: Run) -> None:
    _without_main(project)
    result = run("plan")
    assert result.code == 1
    assert "side on tracker_ke (initial, partial): 3 catalog rows" in result.out
    for channel in ("main on tracker_ke", "main on pasons"):
        assert f"error: {channel} cannot be planned: no extract of main" in result.err
    assert result.err.count("next: see that the POS export arrives there") == 2
    assert "nothing to do" not in result.out
    assert "to send: 1 row" in result.out


def test_the_plans_that_were_made_and_the_errors_are_both_in_the_json(
    project: Path, run: Run
) -> None:
    whole = json.loads(run("plan", "--json").out)
    assert list(whole) == ["channels", "accounts", "exported"]
    _without_main(project)
    result = run("plan", "--json", "--export", "feeds")
    assert result.code == 1
    said = json.loads(result.out)
    assert said["channels"] == [one for one in whole["channels"] if one["outlet"] == "side"]
    assert said["exported"] == ["feeds/side_tracker_ke.csv"]
    assert [(one["outlet"], one["platform"]) for one in said["errors"]] == [
        ("main", "tracker_ke"),
        ("main", "pasons"),
    ]
    first = said["errors"][0]
    assert first["code"] == "missing"
    assert first["message"].startswith("no extract of main")
    assert first["next_step"].startswith("see that the POS export")


def test_where_no_channel_can_be_planned_nothing_is_said_of_all_others(
    project: Path, run: Run
) -> None:
    _without_main(project)
    result = run("plan", "--outlet", "main")
    assert (result.code, result.out) == (1, "")
    assert json.loads(run("plan", "--outlet", "main", "--json").out)["channels"] == []


def test_channels_that_have_been_told_all_are_not_said_to_be_every_channel(
    project: Path, run: Run
) -> None:
    _without_main(project)
    (project / "extracts" / "side" / "side.csv").write_text("SKU,Price\n9009,1.00\n")
    assert "every channel" not in run("plan").out


def test_a_sku_is_planned_where_another_outlet_cannot_be_read(project: Path, run: Run) -> None:
    _without_main(project)
    result = run("plan", "--sku", "1001", "--json")
    assert result.code == 1
    (channel,) = json.loads(result.out)["channels"]
    assert channel["to_send"] == 1
