"""The sensors over real directories, a real ledger and a real Dagster instance."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from marketsync_dagster.automation.partitions import RANGE_END, RANGE_START
from marketsync_dagster.ledger.extracts import ExtractRecord, record_extract
from marketsync_dagster.ledger.imports import end_import
from marketsync_dagster.ledger.leases import channel_lease, release, take_lease
from marketsync_dagster.ledger.pauses import pause
from marketsync_dagster.ledger.quota import close_account
from marketsync_dagster.ledger.tables import rate_closed
from marketsync_dagster.resources.project import ProjectResource
from marketsync_dagster.stages.project import open_project
from marketsync_dagster_tests.assets.conftest import Shop
from marketsync_dagster_tests.ledger.started import AT, Start, start

CONTENT = b"ProductId,Price\n1,10\n"


class Ticking:
    """A sensor that is evaluated again and again, with its cursor."""

    def __init__(self, shop: Shop, name: str) -> None:
        self.shop = shop
        found = shop.definitions.resolve_sensor_def(name)
        assert isinstance(found, dg.SensorDefinition)
        self.sensor = found
        self.cursor: str | None = None

    def tick(self) -> Any:
        with dg.build_sensor_context(
            instance=self.shop.instance,
            cursor=self.cursor,
            definitions=self.shop.definitions,
            resources={"project": ProjectResource(config=str(self.shop.settings.file))},
        ) as context:
            data = self.sensor.evaluate_tick(context)
        self.cursor = data.cursor
        return data


@pytest.fixture
def extracts(shop: Shop) -> Ticking:
    return Ticking(shop, "new_extract")


def drop(shop: Shop, outlet: str, content: bytes = CONTENT, *, age_s: float = 60) -> Path:
    """An extract as if renamed into place: whole, with an mtime of some time ago."""
    path = shop.settings.root / "extracts" / outlet / f"{outlet}_2026-11-20.csv"
    path.write_bytes(content)
    os.utime(path, (time.time() - age_s, time.time() - age_s))
    return path


def test_sensors_are_off_until_somebody_turns_them_on(shop: Shop) -> None:
    sensors = [s for s in shop.definitions.sensors or [] if isinstance(s, dg.SensorDefinition)]
    assert {s.name for s in sensors} == {
        "new_extract", "pending_retries", "failure_alerts", "freshness_alerts",
    }  # fmt: skip
    assert {s.default_status for s in sensors} == {dg.DefaultSensorStatus.STOPPED}


def test_a_file_that_was_renamed_into_place_starts_its_outlet_at_once(
    shop: Shop, extracts: Ticking
) -> None:
    assert extracts.tick().skip_message == "nothing new"
    drop(shop, "kisumu")
    (request,) = extracts.tick().run_requests
    assert request.job_name == "partial_sync"
    assert request.tags[RANGE_START] == request.tags[RANGE_END] == "kisumu"
    assert request.tags["marketsync/trigger"] == "new_extract"
    assert extracts.tick().run_requests == []
    run = shop.definitions.resolve_job_def("partial_sync").execute_in_process(
        instance=shop.instance, tags=request.tags, run_config=request.run_config
    )
    assert run.success
    # channels without auto_push are planned and not sent
    assert {(o.mode, o.automatic) for o in shop.stages.options} == {("partial", True)}
    assert shop.stages.users == {"sensor new_extract"}


def test_a_half_written_file_is_waited_for(shop: Shop, extracts: Ticking) -> None:
    path = drop(shop, "kisumu", CONTENT[:-4], age_s=0)
    waiting = extracts.tick()
    assert waiting.run_requests == []
    assert waiting.skip_message == "kisumu: kisumu_2026-11-20.csv is still being written"
    path.write_bytes(CONTENT)
    assert extracts.tick().run_requests == []  # seen once like this
    assert len(extracts.tick().run_requests) == 1


def test_names_of_unfinished_files_are_passed_over(shop: Shop, extracts: Ticking) -> None:
    folder = shop.settings.root / "extracts" / "kisumu"
    for name in ("x.csv.part", ".x.csv", "x.csv.tmp"):
        (folder / name).write_bytes(CONTENT)
    assert extracts.tick().skip_message == "nothing new"


def test_a_listing_that_fails_is_a_reason_and_the_others_go_on(
    shop: Shop, extracts: Ticking
) -> None:
    (shop.settings.root / "extracts" / "mombasa").rmdir()
    alone = extracts.tick()
    assert "mombasa: " in alone.skip_message
    assert "cannot be listed" in alone.skip_message
    drop(shop, "kisumu")
    assert len(extracts.tick().run_requests) == 1


def test_an_extract_that_is_in_force_already_starts_nothing(shop: Shop, extracts: Ticking) -> None:
    import hashlib

    drop(shop, "kisumu")
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    project = open_project(shop.settings.file)
    record_extract(
        project.ledger,
        ExtractRecord(
            f"kisumu-{sha256[:16]}", "kisumu", sha256, "x.csv", "full",
            "2026-11-20T00:00:00.000Z", "name", "2026-11-20T00:00:00.000Z", "accepted", 1, 1, 0, 0,
        ),
    )  # fmt: skip
    project.ledger.close()
    assert extracts.tick().skip_message == "nothing new"
    changed = CONTENT + b"2,20\n"
    drop(shop, "kisumu", changed)
    assert extracts.tick().run_requests == []  # the same file has just grown
    assert len(extracts.tick().run_requests) == 1


def test_a_run_that_died_is_asked_for_again_under_a_new_key(shop: Shop, extracts: Ticking) -> None:
    drop(shop, "kisumu")
    (request,) = extracts.tick().run_requests
    job = shop.definitions.resolve_job_def("partial_sync")
    shop.instance.create_run_for_job(
        job,
        status=dg.DagsterRunStatus.FAILURE,
        tags={**request.tags, "dagster/run_key": request.run_key},
    )
    waiting = extracts.tick()
    assert "tried again in" in waiting.skip_message
    assert extracts.cursor is not None
    memory = json.loads(extracts.cursor)
    memory["asked"]["kisumu"]["at"] -= 3600
    extracts.cursor = json.dumps(memory)
    (again,) = extracts.tick().run_requests
    assert again.run_key != request.run_key
    assert again.run_key.endswith(":2")


def test_a_bad_file_is_judged_once_and_not_run_for_ever(shop: Shop, extracts: Ticking) -> None:
    shop.stages.bad = {("pos_extract", "kisumu"): "no price column"}
    drop(shop, "kisumu")
    (request,) = extracts.tick().run_requests
    run = shop.definitions.resolve_job_def("partial_sync").execute_in_process(
        instance=shop.instance,
        raise_on_error=False,
        tags={**request.tags, "dagster/run_key": request.run_key},
        run_config=request.run_config,
    )
    assert not run.success
    for _ in range(3):
        assert extracts.tick().run_requests == []
    assert extracts.cursor is not None
    assert json.loads(extracts.cursor)["asked"]["kisumu"]["open"] is False


def test_an_import_that_no_run_asks_for_starts_one_run_for_its_account(shop: Shop) -> None:
    project = open_project(shop.settings.file)
    platform = "tracker_ke"
    channels = shop.settings.channels_of(platform)
    account = channels["kisumu"].account
    both = [outlet for outlet, channel in channels.items() if channel.account == account]
    rows = {outlet: ["a", "b"] for outlet in both}
    key = start(project.ledger, Start(rows, account=account, platform=platform))
    pending = Ticking(shop, "pending_retries")
    lease = take_lease(project.ledger, channel_lease(both[-1], platform), "run 1", 60)
    assert pending.tick().run_requests == []  # that run asks for it
    release(project.ledger, lease)
    close_account(project.ledger, f"{account}/offers_status", 1_800_000, "HTTP 429")
    assert "the platform asked us to stay away until" in pending.tick().skip_message
    with project.ledger.begin() as connection:
        connection.execute(rate_closed.delete())
    (request,) = pending.tick().run_requests
    assert request.job_name == f"push_{platform}"
    assert request.tags["marketsync/why"] == "1 import to be asked for"
    with project.ledger.begin() as connection:
        end_import(connection, key, "complete", 0, "", AT)
    assert pending.tick().skip_message == "nothing new"
    project.ledger.close()


def test_what_waits_in_the_ledger_is_pushed_for_its_outlet(shop: Shop) -> None:
    from marketsync_dagster.ledger import tables as t

    project = open_project(shop.settings.file)
    text = {c.name: "x" for c in t.listing.c if isinstance(c.type.python_type(), str)}
    numbers = {c.name: 1 for c in t.listing.c if isinstance(c.type.python_type(), int)}
    row = text | numbers | {"outlet": "kisumu", "outcome": "retryable"}
    with project.ledger.begin() as connection:
        connection.execute(t.listing.insert().values(row | {"platform": "tracker_ke"}))
        connection.execute(t.listing.insert().values(row | {"platform": "pasons"}))
    project.ledger.close()
    pending = Ticking(shop, "pending_retries")
    (request,) = pending.tick().run_requests  # pasons has no auto_push
    assert request.job_name == "push_tracker_ke"
    assert request.tags[RANGE_START] == request.tags[RANGE_END] == "kisumu"
    second = pending.tick()
    assert second.run_requests == []
    assert "tracker_ke/kisumu: tried 1 times" in second.skip_message
    assert "pasons/kisumu: 1 row waits for a person: auto_push is off" in second.skip_message
    project = open_project(shop.settings.file)
    account = shop.settings.channels_of("tracker_ke")["kisumu"].account
    for of in (account, f"{account}/stock"):  # the rows may be of the kind that is closed
        close_account(project.ledger, of, 1_800_000, "HTTP 429")
        waits = pending.tick().skip_message
        assert "tracker_ke/kisumu: the platform asked us to stay away until" in waits
        with project.ledger.begin() as connection:
            connection.execute(t.rate_closed.delete())
    pause(project.ledger, outlet="kisumu", platform="pasons", by="amina", reason="stocktaking")
    project.ledger.close()
    assert (
        "pasons/kisumu: paused until resumed by amina (stocktaking)" in pending.tick().skip_message
    )
