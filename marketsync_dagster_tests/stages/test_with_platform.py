"""What people are told of rows whose import has not ended, and of one that was lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from marketsync_dagster.ledger import imports
from marketsync_dagster.stages.channel_run import ChannelRun
from marketsync_dagster.stages.doctor import examine
from marketsync_dagster.stages.explain import explain
from marketsync_dagster.stages.project import Project, open_project
from marketsync_dagster.stages.recording import record_outlets
from marketsync_dagster.stages.troubles import failures_now
from marketsync_dagster.values.times import to_iso, utcnow
from marketsync_dagster_tests.ledger.started import ACCOUNT, Start, start
from marketsync_dagster_tests.ledgers import copy_tables
from marketsync_dagster_tests.platforms.support import mirakl_account

OUTLETS = ("west", "east")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    copy_tables(monkeypatch)
    monkeypatch.setenv("TEST_MIRAKL_KEY", "mirakl_key_obviously_fake")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    account = mirakl_account("https://shop.mirakl.net/api", offer_sku="{outlet}-{sku}")
    document = {
        "version": 1,
        "outlets": {name: {"name": name, "extract": {"path": name}} for name in OUTLETS},
        "accounts": {ACCOUNT: account},
        "channels": [{"outlet": name, "account": ACCOUNT} for name in OUTLETS],
    }
    file = tmp_path / "marketsync.yaml"
    file.write_text(json.dumps(document))
    opened = open_project(file)
    yield opened
    opened.ledger.close()


def begun(project: Project, minutes: float) -> str:
    at = to_iso(utcnow() - timedelta(minutes=minutes))
    key = start(project.ledger, Start({"west": ["a", "b"], "east": ["a"]}, at=at))
    with project.ledger.begin() as connection:
        imports.look_at_imports(connection, [key], at)
    return key


def test_the_run_in_which_an_import_was_lost_is_red_though_all_is_shown(project: Project) -> None:
    words = "no end of import 2044 within 120 minutes: it is WAITING"
    sent = ChannelRun("west", "pushed", counts={"sent": 2}, outcomes={"applied": 2}, lost=[words])
    quiet = ChannelRun("east", "unchanged", lost=[words])
    found = record_outlets(project, "mirakl", [sent, quiet])
    assert [(one.ok, one.state) for one in found] == [(False, "import lost")] * 2
    assert found[0].reason == words
    assert "ask the operator" in found[0].next_step


def test_explain_names_the_import_that_a_row_waits_for(project: Project) -> None:
    key = begun(project, 5)
    story = explain(project, "west", "mirakl", "b")
    told = story["batch"]["import"]
    assert (told["import_id"], told["kind"], told["rows"]) == ("2044", "offers", 3)
    assert (told["state"], told["asked_for"]) == ("with the platform", 1)
    assert told["started_at"] == told["last_asked_at"]
    assert story["last_sent"]["outcome"] == "accepted_async"
    assert story["last_sent"]["quantity"] == story["history"][0]["quantity"] == 3
    step = "the next run asks for it: marketsync run push_mirakl --outlet west"
    assert story["next_step"] == step
    with project.ledger.begin() as connection:
        imports.end_import(connection, key, imports.LOST, None, "no end", to_iso(utcnow()))
    told = explain(project, "west", "mirakl", "b")["batch"]["import"]
    assert (told["state"], told["message"]) == ("lost", "no end")


@pytest.mark.parametrize(("minutes", "state"), [(None, "ok"), (50, "ok"), (70, "warning")])
def test_the_doctor_warns_of_imports_that_take_longer_than_an_hour(
    project: Project, minutes: float | None, state: str
) -> None:
    if minutes is not None:
        begun(project, minutes)
    (line,) = [one for one in examine(project, offline=True) if one.name == "imports"]
    assert line.state == state
    if state == "warning":
        assert line.command == "marketsync run push_mirakl --outlet east"


def test_a_lost_import_stands_until_a_later_one_has_ended_well(project: Project) -> None:
    key = begun(project, 130)

    def told() -> list[str]:
        return [one.key for one in failures_now(project, []) if one.kind == "import_lost"]

    assert told() == []
    with project.ledger.begin() as connection:
        ended = to_iso(utcnow() - timedelta(minutes=1))
        imports.end_import(connection, key, imports.LOST, None, "no end", ended)
    assert told() == [f"import_lost {ACCOUNT}"]
    again = start(project.ledger, Start({"west": ["a"]}, import_id="2045"))
    with project.ledger.begin() as connection:
        imports.end_import(connection, again, imports.COMPLETE, 0, "", to_iso(utcnow()))
    assert told() == []
