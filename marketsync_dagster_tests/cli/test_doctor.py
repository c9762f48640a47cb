"""The doctor over a small project: what stands between it and live prices, and the exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from marketsync_dagster.automation.health import Health
from marketsync_dagster.cli import doctor
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger import upkeep
from marketsync_dagster.ledger.pauses import pause
from marketsync_dagster.ledger.quota import close_account
from marketsync_dagster.stages.project import Project, open_project
from marketsync_dagster_tests.cli.conftest import Run
from marketsync_dagster_tests.projects import (
    FULL,
    PARTIAL,
    TestBed,
    account_name,
    make_project,
    repriced,
    some_rows,
)
from marketsync_dagster_tests.receiver import TOKEN, Receiver
from marketsync_dagster_tests.sandbox_process import SandboxProcess

ON = Health(
    schedules={"partial_sync_schedule": True, "full_sync_schedule": True},
    sensors={"new_extract": True, "failure_alerts": True, "freshness_alerts": True},
    daemons={"SCHEDULER": 1.0, "SENSOR": 1.0},
    storage="SQLite",
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as taken:
        yield taken


@pytest.fixture
def bed(
    tmp_path: Path,
    fresh_sandbox: SandboxProcess,
    receiver: Receiver,
    empty: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> TestBed:
    """A channel on Tracker KE that has shown its 40 rows, and everything that a go-live wants."""
    made = make_project(tmp_path, fresh_sandbox, rows=some_rows(40), platforms=["tracker_ke"])
    monkeypatch.setenv("TEST_ALERT_URL", receiver.url)
    for name, value in made.place.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MARKETSYNC_CONFIG", str(made.root / "marketsync.yaml"))
    monkeypatch.setenv("MARKETSYNC_DATABASE_URL", made.place.ledger_url)
    made.configure(
        lambda document: document.update(alerts={"targets": [{"env": "TEST_ALERT_URL"}]})
    )
    assert made.sync("tracker_ke", FULL).one.ok
    (made.root / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    (made.root / "backup.zip").write_text("x")
    with made.run() as project, project.ledger.begin() as connection:
        details = {"path": str(made.root / "backup.zip")}
        upkeep.note(connection, upkeep.BACKUP, "ann", details)
    return made


@pytest.fixture
def dagster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Schedules, sensors and daemons are on; that they are read rightly is tested beside it."""
    import marketsync_dagster.automation.health as module

    monkeypatch.setattr(module, "health", lambda _: ON)


def examined(run: Run, *words: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """Exit code, and name -> lines."""
    result = run("doctor", "--json", *words)
    document = json.loads(result.out)
    found: dict[str, list[dict[str, Any]]] = {}
    for line in document["lines"]:
        assert set(line) == {"name", "subject", "state", "message", "command"}
        found.setdefault(line["name"], []).append(line)
    assert document["ok"] is (result.code == 0)
    return result.code, found


def states(lines: dict[str, list[dict[str, Any]]]) -> dict[str, set[str]]:
    """State -> names of the lines that stand so."""
    found: dict[str, set[str]] = {}
    for name, of_name in lines.items():
        for line in of_name:
            found.setdefault(line["state"], set()).add(name)
    return found


@pytest.mark.usefixtures("dagster")
def test_a_project_that_is_ready_has_nothing_missing(bed: TestBed, run: Run) -> None:
    assert run("alerts", "test").code == 0
    code, found = examined(run)
    assert "missing" not in states(found), found
    assert code == 0
    assert found["prices verified"][0]["message"] == "the last 10 prices are shown"
    assert found["test sync"][0]["message"] == "40 rows synced in test mode"
    assert found["products mapped"][0]["message"] == "all 40 products"
    assert found["environment"][0]["message"] == "this machine for westlands: nothing goes live"
    assert found["connection"][0]["state"] == "ok"
    assert [line["state"] for line in found["clock"]] == ["ok", "ok"]


@pytest.mark.usefixtures("dagster")
def test_each_thing_that_is_taken_away_is_named_with_its_command(
    bed: TestBed, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, found = examined(run)
    assert (code, states(found)["missing"]) == (1, {"alerts"})
    assert found["alerts"][0]["command"] == "marketsync alerts test"
    run("alerts", "test")

    (bed.root / "backup.zip").unlink()
    with bed.run() as project:
        pause(project.ledger, outlet="westlands", platform=None, by="ann", reason="stocktaking")
        with project.ledger.begin() as connection:
            few = t.listing.c.sku < "00008"
            connection.execute(delete(t.listing).where(t.listing.c.sku > "00012"))
            connection.execute(update(t.listing).where(few).values(ack_at=None))
            connection.execute(update(t.listing).where(few).values(outcome="unknown"))
    code, found = examined(run)
    assert (code, states(found)["missing"] - {"ledger"}) == (1, {"backup", "test sync"})
    assert found["test sync"][0]["message"] == "5 of 10 rows synced in test mode"
    assert found["pending rows"][0]["message"].endswith("7 of westlands on tracker_ke")
    assert found["pauses"][0]["command"] == "marketsync resume --outlet westlands"

    channel = bed.channel("tracker_ke")
    bed.configure(lambda _: channel.update(push_enabled=False))
    (variable,) = bed.place.variables
    monkeypatch.delenv(variable)
    code, found = examined(run, "--offline")
    assert {"pushes", "key"} <= states(found)["missing"]
    assert variable in found["key"][0]["message"]


@pytest.mark.usefixtures("dagster")
def test_a_price_that_the_platform_does_not_show_is_found(bed: TestBed, run: Run) -> None:
    with bed.run() as project, project.ledger.begin() as connection:
        wrong = t.listing.c.sku == "00040"
        change = {"ack_price_minor": 1, "ack_at": "2030-01-01T00:00:00.000Z"}
        connection.execute(update(t.listing).where(wrong).values(change))
    code, found = examined(run, "--verify", "3")
    (line,) = found["prices verified"]
    assert (code, line["state"]) == (1, "missing")
    assert line["message"].startswith("1 of 3 differ: 00040: expected")
    assert line["command"].endswith("run push_tracker_ke --outlet westlands --sku 00040")


@pytest.mark.usefixtures("dagster")
def test_offline_makes_no_call(bed: TestBed, run: Run) -> None:
    number = bed.sandbox.last_request()
    _, found = examined(run, "--offline")
    assert bed.sandbox.requests(number) == []
    assert found["connection"][0]["state"] == found["prices verified"][0]["state"] == "warning"
    _, found = examined(run, "--verify", "0")
    assert "prices verified" not in found
    assert len(bed.sandbox.requests(number)) == 1
    with bed.ledger() as ledger:
        close_account(ledger, account_name("tracker_ke", bed.outlet), 1_800_000, "HTTP 429")
    _, found = examined(run)
    (line,) = found["closed"]
    assert line["state"] == "warning"
    assert "HTTP 429" in line["message"]
    assert len(bed.sandbox.requests(number)) == 1  # a call would make a ban longer


@pytest.mark.usefixtures("dagster")
def test_strict_counts_warnings_too(bed: TestBed, run: Run) -> None:
    run("alerts", "test")
    assert run("doctor", "--offline").code == 0
    assert run("doctor", "--offline", "--strict").code == 1


@pytest.mark.usefixtures("dagster")
def test_a_held_plan_waits_for_people(bed: TestBed, run: Run) -> None:
    bed.write_extract(repriced(some_rows(40), lambda price: price * 100))
    assert bed.sync("tracker_ke", PARTIAL).one.state == "held"
    _, found = examined(run, "--offline")
    (line,) = found["held plans"]
    assert line["message"].startswith("1 plan held: plan-")
    assert line["command"].startswith("marketsync plans show plan-")


@pytest.mark.usefixtures("dagster")
def test_the_clock_of_the_platform_is_compared(bed: TestBed, run: Run) -> None:
    bed.sandbox.clock(86_400)
    try:
        _, found = examined(run, "--verify", "0")
    finally:
        bed.sandbox.clock(0)
    (line,) = [line for line in found["clock"] if line["subject"]]
    assert (line["state"], "ahead of this one" in line["message"]) == ("warning", True)


def test_people_read_what_is_missing_first(bed: TestBed, run: Run) -> None:
    result = run("doctor", "--offline")
    assert result.code == 1
    rows = [line.split()[0] for line in result.out.splitlines()[2:]]
    assert rows == sorted(rows, key=doctor._ORDER.index)
    assert "next: marketsync alerts test" in result.err
    # nothing runs here: Dagster's own are off, and its commands say where
    assert f"next: DAGSTER_HOME={bed.root / '.dagster'} dagster schedule start" in result.err
    # each command of a line is whole by itself
    told = [line for line in result.err.splitlines() if "dagster sensor start" in line]
    assert told
    for line in told:
        for command in line.removeprefix("  next: ").split("; "):
            assert f"DAGSTER_HOME={bed.root / '.dagster'} dagster sensor start" in command
    assert TOKEN not in result.out + result.err


def test_schedules_that_are_switched_on_are_seen(bed: TestBed, run: Run) -> None:
    """As Dagster keeps it: by an instance of its own in DAGSTER_HOME."""
    import dagster as dg

    from marketsync_dagster.automation.health import health_of

    with dg.instance_for_test() as instance, bed.run() as project:
        before = health_of(instance, project.settings)
        switch_on(instance, project)
        after = health_of(instance, project.settings)
    assert not any(before.schedules.values())
    assert {name for name, on in after.schedules.items() if on} == {"partial_sync_schedule"}
    assert {"failure_alerts", "freshness_alerts"} <= set(before.sensors)
    assert (before.daemons["SCHEDULER"], after.storage) == (None, "SQLite")


def switch_on(instance: Any, project: Project) -> None:
    """The schedule `partial_sync_schedule`, as the UI does it."""
    from dagster._core.definitions.run_request import InstigatorType
    from dagster._core.remote_origin import (
        RegisteredCodeLocationOrigin,
        RemoteInstigatorOrigin,
        RemoteRepositoryOrigin,
    )
    from dagster._core.scheduler.instigation import (
        InstigatorState,
        InstigatorStatus,
        ScheduleInstigatorData,
    )

    where = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("marketsync"), "__repository__")
    instance.add_instigator_state(
        InstigatorState(
            RemoteInstigatorOrigin(where, "partial_sync_schedule"),
            InstigatorType.SCHEDULE,
            InstigatorStatus.RUNNING,
            ScheduleInstigatorData(project.settings.schedules.partial or "", 0.0),
        )
    )


def test_a_mistake_in_the_configuration_is_the_only_line(project: Path, run: Run) -> None:
    (project / "marketsync.yaml").write_text("version: 1\noutlets: {}\n")
    code, found = examined(run)
    assert (code, set(found)) == (1, {"configuration"})
    assert found["configuration"][0]["command"] == "marketsync config check"


def test_a_ledger_that_cannot_be_opened_is_named_and_the_rest_goes_on(
    project: Path, run: Run
) -> None:
    (project / ".marketsync").mkdir()
    (project / ".marketsync" / "ledger.db").write_text("not a database at all, but quite long")
    code, found = examined(run, "--offline")
    assert (code, found["ledger"][0]["state"]) == (1, "missing")
    assert {"configuration", "paths", "schedules"} <= set(found)
    assert "test sync" not in found


def test_words_that_name_nothing_are_wrong_usage(project: Path, run: Run) -> None:
    assert run("doctor", "--platform", "amazon").code == 64
    assert run("doctor", "--verify", "-1").code == 64


def test_a_new_project_hears_what_it_lacks(project: Path, run: Run) -> None:
    opened = open_project(project / "marketsync.yaml")
    opened.ledger.close()
    code, found = examined(run, "--offline", "--platform", "pasons")
    assert code == 1
    assert {line["subject"] for line in found["pushes"]} == {"main on pasons"}
    assert {"key", "products mapped", "test sync", "alerts", "backup"} <= states(found)["missing"]


@pytest.mark.usefixtures("dagster")
def test_an_account_beyond_this_machine_says_whether_it_goes_live(
    bed: TestBed, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (variable,) = bed.place.variables
    account = bed.document["accounts"]["tracker_ke_westlands"]
    bed.configure(lambda _: account.update(base_url="https://api.tracker.example/v1"))
    _, found = examined(run, "--offline")
    assert found["environment"][0]["message"] == "demo for westlands: nothing goes live"
    assert found["key age"][0]["message"].startswith("nobody has said")
    # what the sandbox has acknowledged was a test
    assert found["test sync"][0]["message"] == "40 rows synced in test mode"

    now = "tracker_ke|api.tracker.example/v1|"
    with bed.run() as project, project.ledger.begin() as connection:
        connection.execute(update(t.listing).values(target=now))
    monkeypatch.setenv(variable, "pk_live_example_westlands")
    bed.configure(lambda _: account.update(rotated_on="2026-01-01"))
    _, found = examined(run, "--offline")
    assert found["environment"][0]["message"] == "a LIVE key for westlands"
    assert "days old (rotated_on)" in found["key age"][0]["message"]
    assert found["test sync"][0]["message"].startswith("40 rows synced LIVE")
    bed.configure(lambda _: account.update(environment="demo"))
    code, found = examined(run, "--offline")
    assert (code, found["environment"][0]["state"]) == (1, "missing")
