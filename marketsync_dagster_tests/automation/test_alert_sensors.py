"""The sensors that tell people: real ledger, real Dagster instance, a real receiver over HTTP."""

from __future__ import annotations

import json
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import insert, update

from marketsync_dagster.automation.partitions import range_tags
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.alerts import Alert, Trouble, last_alerts
from marketsync_dagster.ledger.plans import PlanRecord, decide, save_plan
from marketsync_dagster.ledger.states import OutletState, record_failure, record_states
from marketsync_dagster.stages.alerts import mask_targets
from marketsync_dagster.stages.project import Project, open_project
from marketsync_dagster.stages.troubles import take_note
from marketsync_dagster.values.times import to_iso, utcnow
from marketsync_dagster_tests.assets.conftest import Shop, open_shop
from marketsync_dagster_tests.assets.fakes import OUTLETS, write_config
from marketsync_dagster_tests.automation.test_sensors import Ticking
from marketsync_dagster_tests.receiver import TOKEN, Receiver

ALERTS = "alerts: {targets: [{env: TEST_ALERT_URL}]}\n"
TWO = "alerts: {targets: [{env: TEST_ALERT_URL}, {env: TEST_SECOND_URL}]}\n"


@pytest.fixture(scope="module")
def one_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Definitions and an instance for all tests here: making them anew costs most of a test."""
    folder = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch, open_shop(folder, patch) as opened:
        yield opened


@pytest.fixture
def shop(one_shop: Shop) -> Shop:
    """The shop without a past."""
    shutil.rmtree(one_shop.settings.home, ignore_errors=True)
    one_shop.instance.wipe()
    one_shop.stages.bad = {}
    return one_shop


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as taken:
        yield taken


@pytest.fixture
def ledger_of(shop: Shop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """The project's ledger, with a target that is told."""
    write_config(shop.settings.root, tail=ALERTS)
    monkeypatch.setenv("TEST_ALERT_URL", receiver.url)
    opened = open_project(shop.settings.file)
    yield opened
    opened.ledger.close()


@pytest.fixture
def failures(shop: Shop, ledger_of: Project) -> Telling:
    return Telling(shop, "failure_alerts")


class Telling(Ticking):
    """A sensor whose check results reach the instance, as the daemon would see to."""

    def tick(self) -> Any:
        data = super().tick()
        for event in data.asset_events:
            self.shop.instance.report_runless_asset_event(event)
        return data


def rows(project: Project) -> list[Alert]:
    """All alerts, oldest first."""
    return last_alerts(project.ledger, 1000)[::-1]


def passed(shop: Shop, asset: str, check: str) -> tuple[bool, str]:
    """What Dagster shows of a check: whether it passed, and its words."""
    key = dg.AssetCheckKey(dg.AssetKey(asset.split("/")), check)
    record = shop.instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    assert record.event is not None
    assert record.event.dagster_event is not None
    found = record.event.dagster_event.asset_check_evaluation_data
    return found.passed, found.description or ""


def bad(project: Project, outlet: str, stage: str = "pos_extract", **of: Any) -> None:
    state = OutletState(
        stage, outlet, False, "failed", "no price column", "marketsync check-extract x.csv"
    )
    record_states(project.ledger, [replace(state, **of)])


def well(project: Project, outlet: str, stage: str = "pos_extract") -> None:
    record_states(project.ledger, [OutletState(stage, outlet, True, "done")])


def plan(number: int, outlet: str = "kisumu", **of: Any) -> PlanRecord:
    texts = dict.fromkeys(("account", "created_by", "extract_id", "extract_time", "base"), "x")
    numbers = dict.fromkeys(("catalog_rows", "unmapped", "unchanged", "deselected", "calls"), 0)
    verdict = json.dumps([{"rule": "x", "message": "40 % of the rows change", "skus": []}])
    plain: dict[str, Any] = {
        **texts, **numbers, "id": f"plan-{number}", "outlet": outlet, "platform": "tracker_ke",
        "created_at": to_iso(utcnow()), "run_id": f"r{number}", "mode": "partial",
        "kind": "ordinary", "state": "held", "content": f"c{number}", "to_send": 0, "held": 9,
        "verdict": verdict, "rows": b"",
    }  # fmt: skip
    return PlanRecord(**(plain | of))


def later(project: Project) -> None:
    """The pause after a failed call has passed."""
    long_ago = to_iso(utcnow() - timedelta(hours=2))
    with project.ledger.begin() as connection:
        connection.execute(update(t.alert).values(tried_at=long_ago))


# --- outlets


def test_a_failed_outlet_is_a_row_a_red_check_and_one_message(
    shop: Shop, ledger_of: Project, receiver: Receiver, failures: Telling
) -> None:
    shop.stages.bad = {("pos_extract", "kisumu"): "no price column"}
    assert not shop.run("partial_sync").success
    assert failures.tick().skip_message == "1 new; 1 told"
    (row,) = rows(ledger_of)
    assert (row.kind, row.outlet, row.state, row.delivery) == (
        "outlet_failed", "kisumu", "open", "delivered",
    )  # fmt: skip
    assert receiver.titles == ["MarketSync: outlet kisumu failed at pos_extract"]
    assert "no price column" in receiver.bodies[0]
    assert "next: export it again" in receiver.bodies[0]
    assert passed(shop, "pos/extract", "every_outlet") == (
        False, "1 of 4 outlets need attention: kisumu",
    )  # fmt: skip
    for _ in range(3):
        assert failures.tick().skip_message == "nothing new"
    assert len(receiver.messages) == 1


def test_the_check_turns_red_and_green_while_nothing_runs(
    shop: Shop, ledger_of: Project, failures: Telling
) -> None:
    bad(ledger_of, "kisumu")
    failures.tick()
    assert passed(shop, "pos/extract", "every_outlet")[0] is False
    well(ledger_of, "kisumu")
    assert len(failures.tick().asset_events) == 1
    assert passed(shop, "pos/extract", "every_outlet")[0] is True
    assert failures.tick().asset_events == []


def test_what_was_told_is_told_to_be_over(
    ledger_of: Project, receiver: Receiver, failures: Telling
) -> None:
    bad(ledger_of, "kisumu")
    failures.tick()
    well(ledger_of, "kisumu")
    assert failures.tick().skip_message == "1 over; 1 told"
    assert receiver.titles[1] == "MarketSync: over: outlet kisumu failed at pos_extract"
    assert receiver.messages[1]["type"] == "success"
    bad(ledger_of, "kisumu")
    failures.tick()
    assert len(receiver.messages) == 3  # it came again
    assert [row.state for row in rows(ledger_of)] == ["over", "open"]


def test_five_hundred_troubles_are_one_message(
    shop: Shop, ledger_of: Project, receiver: Receiver, failures: Telling
) -> None:
    outlets = [f"o{number:03}" for number in range(500)]
    text = "version: 1\noutlets:\n" + "".join(
        f"  {o}: {{name: {o}, extract: {{path: extracts/{o}}}}}\n" for o in outlets
    )
    text += "accounts:\n  p: {platform: pasons, base_url: 'http://127.0.0.1:1/p', "
    text += "auth: {scheme: none}}\nchannels: [{outlet: o000, account: p}]\n" + ALERTS
    shop.settings.file.write_text(text)
    for outlet in outlets:
        bad(ledger_of, outlet)
    assert failures.tick().skip_message == "500 new; 500 told"
    assert len(receiver.messages) == 1
    assert "500 new (failed outlets)" in receiver.titles[0]
    assert "and 488 more" in receiver.bodies[0]
    assert len(receiver.bodies[0]) <= 2000
    assert {row.delivery for row in rows(ledger_of)} == {"delivered"}


def test_an_outlet_that_failed_and_recovered_between_two_ticks_is_told(
    ledger_of: Project, receiver: Receiver, failures: Telling
) -> None:
    failures.tick()
    record_failure(ledger_of.ledger, "r1", "pos_extract", "kisumu", "no price column", "")
    well(ledger_of, "kisumu")
    assert failures.tick().skip_message == "1 new; 1 over; 1 told"
    assert receiver.titles == ["MarketSync: over: outlet kisumu failed at pos_extract"]
    failures.tick()
    assert len(receiver.messages) == 1


# --- held plans


def test_a_held_plan_is_told_once_though_it_is_held_at_each_tick(
    shop: Shop, ledger_of: Project, receiver: Receiver, failures: Telling
) -> None:
    save_plan(ledger_of.ledger, plan(1))
    bad(ledger_of, "kisumu", "tracker_ke_listings", state="held", reason="held: 40 %")
    for number in range(2, 5):
        failures.tick()
        save_plan(ledger_of.ledger, plan(number))  # takes the place of the one before
        # the run that was held is red, and its successor has told of the outlet since
        record_failure(
            ledger_of.ledger, f"r{number}", "tracker_ke_listings", "kisumu", "held: 40 %", ""
        )
    failures.tick()
    assert receiver.titles == ["MarketSync: plan for kisumu on tracker_ke is held"]
    assert "40 % of the rows change" in receiver.bodies[0]
    assert "(9 rows held)" in receiver.bodies[0]
    assert "marketsync plans show plan-1" in receiver.bodies[0]
    assert passed(shop, "tracker_ke/listings", "guard")[0] is False


def test_a_plan_that_is_held_after_a_decision_is_news(
    ledger_of: Project, receiver: Receiver, failures: Telling
) -> None:
    save_plan(ledger_of.ledger, plan(1))
    failures.tick()
    assert decide(ledger_of.ledger, "plan-1", ("held",), "rejected", "ann", "wrong column")
    save_plan(ledger_of.ledger, plan(2))
    failures.tick()
    assert [row.state for row in rows(ledger_of)] == ["over", "open"]
    assert "1 new, 1 over" in receiver.titles[1]
    assert decide(ledger_of.ledger, "plan-2", ("held",), "approved", "ann", "sale")
    failures.tick()
    assert receiver.titles[2].startswith("MarketSync: over: plan for kisumu")


def test_rows_that_are_held_while_the_rest_goes_are_told_until_they_are_free(
    ledger_of: Project, receiver: Receiver, failures: Telling
) -> None:
    stage = "tracker_ke_listings"
    first = OutletState(stage, "kisumu", False, "rows held", "2 rows held", numbers={"held": 2})
    record_states(ledger_of.ledger, [first])
    failures.tick()
    record_states(ledger_of.ledger, [replace(first, ok=True, state="held again")])
    failures.tick()
    assert receiver.titles == ["MarketSync: 2 rows are held for kisumu on tracker_ke"]
    well(ledger_of, "kisumu", stage)
    failures.tick()
    assert len(receiver.messages) == 2


# --- runs


def crashed(shop: Shop, job: str, tags: dict[str, str] | None = None) -> str:
    """A run that failed without a word of any outlet; its id."""
    run = ended(shop, job, dg.DagsterRunStatus.STARTED, tags)
    shop.instance.report_run_failed(run, message="the process was killed")
    return run.run_id


def ended(
    shop: Shop, job: str, status: dg.DagsterRunStatus, tags: dict[str, str] | None = None
) -> dg.DagsterRun:
    """A run as Dagster keeps it, without its steps."""
    run = dg.DagsterRun(
        job_name=job, run_id=str(uuid.uuid4()), status=status, tags=tags or range_tags(*ALL)
    )
    return shop.instance.add_run(run)


SUCCESS = dg.DagsterRunStatus.SUCCESS
ALL = (OUTLETS[0], OUTLETS[-1])


def test_a_run_that_died_is_told_and_over_when_the_job_succeeds(
    shop: Shop, ledger_of: Project, receiver: Receiver, failures: Telling
) -> None:
    tags = range_tags("kisumu", "kisumu")
    run_id = crashed(shop, "partial_sync", tags)
    assert failures.tick().skip_message == "1 new; 1 told"
    assert receiver.titles == ["MarketSync: run of partial_sync for kisumu failed"]
    assert "the process was killed" in receiver.bodies[0]
    assert rows(ledger_of)[0].run_id == run_id
    assert passed(shop, "pos/extract", "runs") == (
        False, "run of partial_sync for kisumu failed",
    )  # fmt: skip
    crashed(shop, "partial_sync", tags)  # the same again is no news
    assert failures.tick().skip_message == "nothing new"
    ended(shop, "partial_sync", SUCCESS, range_tags("westlands", "westlands"))  # another outlet's
    ended(shop, "full_sync", SUCCESS)  # another job
    assert failures.tick().skip_message == "nothing new"
    ended(shop, "partial_sync", SUCCESS)
    assert failures.tick().skip_message == "1 over; 1 told"
    assert passed(shop, "pos/extract", "runs")[0] is True


def test_a_run_that_failed_by_its_outlets_is_told_in_their_words_only(
    shop: Shop, ledger_of: Project, receiver: Receiver, failures: Telling
) -> None:
    shop.stages.bad = {("tracker_ke_listings", o): "401" for o in OUTLETS}
    assert not shop.run("partial_sync").success
    failures.tick()
    assert {row.kind for row in rows(ledger_of)} == {"outlet_failed"}
    assert len(rows(ledger_of)) == len(OUTLETS)
    assert len(receiver.messages) == 1


def test_a_failed_job_without_outlets_is_told_with_its_reason(
    shop: Shop, ledger_of: Project, receiver: Receiver, failures: Telling
) -> None:
    failed = shop.definitions.resolve_job_def("test_connections").execute_in_process(
        instance=shop.instance, raise_on_error=False
    )
    assert not failed.success
    failures.tick()
    assert receiver.titles == ["MarketSync: run of test_connections failed"]
    assert "accounts cannot be used" in receiver.bodies[0]


def test_a_crash_between_two_ticks_is_told_though_the_job_has_succeeded_since(
    shop: Shop, ledger_of: Project, receiver: Receiver, failures: Telling
) -> None:
    failures.tick()
    crashed(shop, "partial_sync", range_tags("kisumu", "kisumu"))
    ended(shop, "partial_sync", SUCCESS)
    assert failures.tick().skip_message == "1 new; 1 over; 1 told"
    failures.tick()
    assert len(receiver.messages) == 1


def test_a_sensor_that_lost_its_memory_tells_nothing_twice(
    shop: Shop, ledger_of: Project, receiver: Receiver, failures: Telling
) -> None:
    crashed(shop, "partial_sync", range_tags("kisumu", "kisumu"))
    bad(ledger_of, "mombasa")
    save_plan(ledger_of.ledger, plan(1, "westlands"))
    failures.tick()
    assert len(receiver.messages) == 1
    failures.cursor = None
    assert failures.tick().skip_message == "nothing new"
    ended(shop, "partial_sync", SUCCESS)
    failures.tick()
    failures.cursor = None  # and what was made good is old news
    failures.tick()
    assert len(receiver.messages) == 2


# --- a target that does not answer


def test_a_target_that_is_down_is_told_later_and_once(
    ledger_of: Project, receiver: Receiver, failures: Telling
) -> None:
    receiver.stop()
    bad(ledger_of, "kisumu")
    first = failures.tick()
    assert "1 to be told later; {env: TEST_ALERT_URL}: " in first.skip_message
    assert (rows(ledger_of)[0].delivery, rows(ledger_of)[0].attempts) == ("failed", 1)
    receiver.start()
    failures.tick()
    assert receiver.messages == []  # it waits a little
    later(ledger_of)
    bad(ledger_of, "mombasa")
    failures.tick()
    assert len(receiver.messages) == 1
    assert "kisumu" in receiver.bodies[0]
    assert "mombasa" in receiver.bodies[0]
    later(ledger_of)
    failures.tick()
    assert len(receiver.messages) == 1
    assert {row.delivery for row in rows(ledger_of)} == {"delivered"}


def test_a_target_that_has_it_is_not_told_again_for_one_that_has_not(
    shop: Shop,
    ledger_of: Project,
    receiver: Receiver,
    failures: Telling,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_config(shop.settings.root, tail=TWO)
    with Receiver() as second:
        second.status = 500
        monkeypatch.setenv("TEST_SECOND_URL", second.url)
        bad(ledger_of, "kisumu")
        failures.tick()
        assert rows(ledger_of)[0].missing == ("{env: TEST_SECOND_URL}",)
        second.status = 200
        later(ledger_of)
        failures.tick()
        assert (len(receiver.messages), len(second.messages)) == (1, 1)
        assert rows(ledger_of)[0].delivery == "delivered"


@pytest.mark.parametrize("url", ["", "no-scheme-at-all", "nonsense://somewhere/else-entirely"])
def test_a_target_that_makes_no_sense_is_named_without_its_address(
    url: str, ledger_of: Project, failures: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_ALERT_URL", url)
    bad(ledger_of, "kisumu")
    said = failures.tick().skip_message
    assert "TEST_ALERT_URL" in said
    assert not url or url not in said
    assert rows(ledger_of)[0].delivery == "failed"


def test_without_a_target_the_row_and_the_check_are_there(
    shop: Shop, ledger_of: Project, failures: Telling
) -> None:
    write_config(shop.settings.root)
    bad(ledger_of, "kisumu")
    assert "alerts.targets is empty" in failures.tick().skip_message
    assert rows(ledger_of)[0].delivery == "no target"
    assert passed(shop, "pos/extract", "every_outlet")[0] is False


# --- silence


def test_a_channel_without_success_is_told_once_and_its_check_is_red(
    shop: Shop, ledger_of: Project, receiver: Receiver
) -> None:
    silence = Telling(shop, "freshness_alerts")
    assert silence.tick().skip_message == "nothing new"  # never run, and just seen
    age_channels(ledger_of, hours=3)
    stage = "tracker_ke_listings"
    for outlet in OUTLETS[1:]:
        well(ledger_of, outlet, stage)
    for outlet in OUTLETS[:3]:
        well(ledger_of, outlet, "pasons_listings")
    assert silence.tick().skip_message == "1 new; 1 told"
    assert receiver.titles == ["MarketSync: garden_city on tracker_ke: no success for 2 hours"]
    red, words = passed(shop, "tracker_ke/listings", "freshness")
    assert (red, words) == (False, "1 of 4 channels had no success for 2 hours: garden_city")
    assert silence.tick().skip_message == "nothing new"
    well(ledger_of, "garden_city", stage)
    assert silence.tick().skip_message == "1 over; 1 told"


def age_channels(project: Project, hours: float) -> None:
    """Every channel was first seen so long ago."""
    then = to_iso(utcnow() - timedelta(hours=hours))
    with project.ledger.begin() as connection:
        connection.execute(update(t.cursor).values(value=f"first {then}"))


def test_channels_that_are_paused_or_switched_off_are_not_waited_for(
    shop: Shop, ledger_of: Project, receiver: Receiver
) -> None:
    silence = Telling(shop, "freshness_alerts")
    silence.tick()
    age_channels(ledger_of, hours=3)
    pause = {"at": to_iso(utcnow()), "by": "ann", "reason": "stocktaking"}
    with ledger_of.ledger.begin() as connection:
        connection.execute(insert(t.pause).values(pause | {"id": "p1", "platform": "pasons"}))
        connection.execute(insert(t.pause).values(pause | {"id": "p2", "outlet": "kisumu"}))
    text = shop.settings.file.read_text()
    off = "{outlet: mombasa, account: tracker_mombasa, push_enabled: false"
    shop.settings.file.write_text(
        text.replace("{outlet: mombasa, account: tracker_mombasa, push_enabled: true", off)
    )
    silence.tick()
    assert {(row.outlet, row.platform) for row in rows(ledger_of)} == {
        ("garden_city", "tracker_ke"), ("westlands", "tracker_ke"),
    }  # fmt: skip
    with ledger_of.ledger.begin() as connection:
        connection.execute(update(t.pause).values(ended_at=to_iso(utcnow()), ended_by="ann"))
    shop.settings.file.write_text(text)
    long_ago = to_iso(utcnow() - timedelta(days=2))
    for outlet in ("kisumu", "mombasa"):
        done = OutletState("tracker_ke_listings", outlet, True, "done", at=long_ago)
        record_states(ledger_of.ledger, [done])
    assert silence.tick().skip_message == "nothing new"  # the hours count from the end of it
    assert len(receiver.messages) == 1


# --- secrets


def test_an_address_is_masked_in_the_first_alert_already(
    ledger_of: Project, receiver: Receiver
) -> None:
    words = f"a platform answered with {receiver.url}"
    trouble = Trouble(key="x", kind="outlet_failed", title="kisumu failed", message=words)
    take_note(ledger_of, [trouble], [], [], ["outlet_failed"])
    (row,) = rows(ledger_of)
    assert row.message.startswith("a platform answered with")
    assert TOKEN not in row.message


def test_the_address_of_a_target_is_found_nowhere(
    shop: Shop,
    ledger_of: Project,
    receiver: Receiver,
    failures: Telling,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    mask_targets(ledger_of)  # as in a process that has told somebody before
    bad(ledger_of, "kisumu", reason=f"a platform answered with {receiver.url}")
    failures.tick()
    receiver.status = 500
    bad(ledger_of, "mombasa")
    said = failures.tick().skip_message
    receiver.stop()
    later(ledger_of)
    said += failures.tick().skip_message
    assert receiver.paths[0] == f"/{TOKEN}"  # it was used
    captured = capfd.readouterr()
    assert TOKEN not in said + captured.out + captured.err + caplog.text
    assert TOKEN not in repr(rows(ledger_of))
    assert TOKEN not in receiver.bodies[0]
    folders = [shop.settings.root, Path(shop.instance.root_directory)]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        assert TOKEN.encode() not in path.read_bytes(), path
        if path.suffix == ".db":
            with closing(sqlite3.connect(path)) as connection:
                assert TOKEN not in "\n".join(connection.iterdump())
