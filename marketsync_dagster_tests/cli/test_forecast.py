"""What `plan`, `plans show`, `approve` and `config check` say of calls and minutes."""

from __future__ import annotations

import json
from pathlib import Path

from marketsync_dagster_tests.cli.conftest import Run, held_plans

ACCOUNT = "    auth: {key: {env: PASONS_MAIN_KEY}}\n"
SLOW = """\
    quota: {per_minute: 1, concurrency: 1}
    request: {batch: 1, store: {in: header, name: X-Store}}
"""
CHANNEL = "outlet: main, account: pasons_main, push_enabled: true, mapping: {identity: barcode}"
CHANNELS = """\
outlet: main, store_id: "1", account: pasons_main, push_enabled: true, mapping: {identity: barcode}}
  - {outlet: side, store_id: "2", account: pasons_main, push_enabled: true, auto_push: true,
     mapping: {identity: barcode}"""


def shared(project: Path) -> None:
    """Both outlets on one account, which may be called once a minute, for a row each time."""
    file = project / "marketsync.yaml"
    text = file.read_text().replace(ACCOUNT, ACCOUNT + SLOW)
    file.write_text(text.replace(CHANNEL, CHANNELS))


def test_plan_says_what_each_channel_takes_and_what_accounts_take_together(
    project: Path, run: Run
) -> None:
    shared(project)
    result = run("plan", "--platform", "pasons")
    assert result.out.count("  once approved: 2 calls, about 1 minute\n") == 2
    assert "once all of it is approved: 4 calls, about 3 minutes in one run\n" in result.out
    said = json.loads(run("plan", "--json").out)
    main, _, side = said["channels"][0], *said["channels"][-2:]
    assert main["forecast"] == {"calls": 1, "writes": 1, "status_calls": 0, "minutes": 0.0}
    assert (main["imports"], side["forecast"]["minutes"]) == ({}, 1.0)
    # what is held takes nothing yet: side on Tracker KE alone goes out
    assert said["accounts"] == [
        {"account": "tracker_side", "platform": "tracker_ke", "channels": 1, "rows": 1}
        | {"calls": 1, "writes": 1, "status_calls": 0, "minutes": 0.0}
    ]
    file = project / "marketsync.yaml"
    file.write_text(file.read_text().replace("identity: barcode}", "identity: barcode}, "
                                             "guard: {initial: auto}"))  # fmt: skip
    result = run("plan", "--platform", "pasons")
    assert result.out.count("  takes: 2 calls, about 1 minute\n") == 2
    assert "pasons_main: 4 calls, about 3 minutes for 2 channels together\n" in result.out
    assert "to send: 4 rows, 4 calls, about 3 minutes\n" in result.out
    assert "next: marketsync run partial_sync\n" in result.err


def test_a_kept_plan_says_what_it_takes_until_it_is_sent(planned: str, run: Run) -> None:
    assert "once approved: 1 call, less than a minute\n" in run("plans", "show", planned).out
    assert json.loads(run("plans", "show", planned, "--json").out)["forecast"]["calls"] == 1
    assert run("reject", planned, "--reason", "no").code == 0
    assert json.loads(run("plans", "show", planned, "--json").out)["forecast"]["calls"] == 0


def test_an_approval_says_what_all_approved_plans_of_the_account_take(
    project: Path, run: Run
) -> None:
    shared(project)
    first, second = held_plans(project, "pasons", ["main", "side"])
    assert "together" not in run("approve", first, "--reason", "checked").out
    words = "pasons_main: 4 calls, about 3 minutes for the 2 approved plans of the account together"
    assert f"{words}\n" in run("approve", second, "--reason", "checked").out


def test_config_check_warns_of_a_schedule_that_the_quota_cannot_carry(
    project: Path, run: Run
) -> None:
    shared(project)
    assert "fires every" not in run("config", "check").err
    file = project / "marketsync.yaml"
    file.write_text(file.read_text() + 'schedules:\n  full: null\n  products: "* * * * *"\n'
                    '  partial: "* * * * *"\n')  # fmt: skip
    result = run("config", "check", "--json")
    assert result.code == 0
    warnings = json.loads(result.out)["warnings"]
    (found,) = (one for one in warnings if "fires every" in one["message"])
    lines = file.read_text().splitlines()
    assert (found["path"], found["line"]) == ("schedules.partial", len(lines))
    assert "partial_sync makes at least 1 call of the account pasons_main" in found["message"]
    assert "raise accounts.pasons_main.quota.per_minute" in found["message"]
