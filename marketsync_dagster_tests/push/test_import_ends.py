"""However an import ends, or does not, each of its rows says what became of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, update

from marketsync_dagster.config.accounts import Quota
from marketsync_dagster.config.secrets import Secrets
from marketsync_dagster.ledger import pushes
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.backup import backup
from marketsync_dagster.ledger.cursors import get_cursor
from marketsync_dagster.ledger.engine import Ledger, open_ledger
from marketsync_dagster.ledger.laws import broken_laws
from marketsync_dagster.ledger.reconciliation import read_back_cursor
from marketsync_dagster.ledger.restore import restore
from marketsync_dagster.platforms.base import (
    ImportKind,
    ImportStatus,
    ReportAnswer,
    StatusAnswer,
)
from marketsync_dagster.platforms.registry import open_adapter
from marketsync_dagster.push.gone import lose_imports_of_gone_accounts
from marketsync_dagster.push.import_ends import End, write_end
from marketsync_dagster.push.imports import LATE_S, Followed, due_late, follow
from marketsync_dagster.push.journal import Journal
from marketsync_dagster.push.pacing import Pacer, Stop
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import to_iso, utcnow
from marketsync_dagster_tests.ledger.started import (
    ACCOUNT,
    PLATFORM,
    Start,
    opened,
    outcomes,
    push_of,
    rows_in,
    start,
)
from marketsync_dagster_tests.ledgers import new_ledger_url
from marketsync_dagster_tests.platforms.mirakl.shop import item
from marketsync_dagster_tests.platforms.support import mirakl_account, settings_of
from marketsync_dagster_tests.push.followed import (
    DONE,
    DOWN,
    ERRORS,
    GONE,
    OK,
    REPORT,
    RUNS,
    TWO,
    WAITS,
    Platform,
    ago,
    broken,
    counts,
    followed,
    status,
    unread,
)
from marketsync_dagster_tests.sandbox.mirakl import KEY, seed_market
from marketsync_dagster_tests.sandbox_process import SandboxProcess

FAMILIES = [f"{kind}{of}_s" for kind in ImportKind for of in ("", "_status", "_report")]


RUN_1, DONE_1 = status("running", "1"), status("complete", "1", lines_in_success=1)
RUN_2, DONE_2 = status("running", "2"), status("complete", "2", lines_in_success=1)
ERROR_2 = status("complete", "2", lines_in_error=1, lines_in_success=0)


@pytest.fixture
def ledger(emptied: Ledger) -> Ledger:
    """An open ledger without rows."""
    return emptied


HOUR, LATE = 3600.0, 7300.0
SOON = 0.3
NO_END = "no end of import 2044 within 120 minutes: "
REFUSED = {"b west": ("refused", "no such product"), "d east": ("refused", "price is 0")}
FAILED = "import 2044 failed: A parsing error has occurred at line 3"
CASES: dict[
    str, tuple[float, float, list[Any], list[Any], str, tuple[str, str], dict[str, Any]]
] = {
    # name: age, wait, script, reports -> state, what most rows come to, the others
    "complete": (0, 5, [DONE], [], "complete", ("applied", ""), {}),
    "in the end": (0, 5, [WAITS, RUNS, RUNS, DONE], [], "complete", ("applied", ""), {}),
    "after a failed call": (0, 5, [DOWN, DONE], [], "complete", ("applied", ""), {}),
    "after an unclear one": (
        *(0, 5, [broken(200, Outcome.UNKNOWN), DONE], []),
        *("complete", ("applied", ""), {}),
    ),
    "not known at first": (0, 5, [GONE, DONE], [], "complete", ("applied", ""), {}),
    "404 at first": (
        *(0, 5, [broken(404, Outcome.REFUSED), DONE], []),
        *("complete", ("applied", ""), {}),
    ),
    "the key was changed": (
        *(0, 5, [broken(401, Outcome.RETRYABLE, other_key=True), DONE], []),
        *("complete", ("applied", ""), {}),
    ),
    "long ago": (LATE, 0, [DONE], [], "complete", ("applied", ""), {}),
    "lines in error": (0, 5, [ERRORS], [REPORT], "complete", ("applied", ""), REFUSED),
    "a report that nobody announced": (
        *(0, 5, [status("complete", has_report=True)], [REPORT]),
        *("complete", ("applied", ""), REFUSED),
    ),
    "the report comes later": (
        *(0, 5, [ERRORS], [unread(404, Outcome.RETRYABLE), unread(200, Outcome.UNKNOWN), REPORT]),
        *("complete", ("applied", ""), REFUSED),
    ),
    "the report does not come": (
        *(HOUR, SOON, [ERRORS], [unread(404, Outcome.RETRYABLE)]),
        *("started", ("accepted_async", "taken"), {}),
    ),
    "the report never comes": (
        *(LATE, SOON, [ERRORS], [unread(404, Outcome.RETRYABLE)], "lost"),
        *(("unknown", NO_END + "its error report cannot be read: no report yet"), {}),
    ),
    "the report grows": (
        *(0, 5, [ERRORS], [ReportAnswer(OK, {1: "no such product"}), REPORT]),
        *("complete", ("applied", ""), REFUSED),
    ),
    "the report says too little": (
        *(0, 5, [ERRORS], [ReportAnswer(OK, {1: "no"}, ("x-9: bad",))], "complete"),
        ("unknown", "2 lines of import 2044 in error, and its report names 1; x-9: bad"),
        {"b west": ("refused", "no")},
    ),
    "complete, and its counts do not add up": (
        *(0, 5, [status("complete", lines_in_success=1)], [], "complete"),
        *(("unknown", "import 2044 has ended with 1 lines applied and 0 in error, of 5"), {}),
    ),
    "complete, without counts": (
        *(0, 5, [status("complete", lines_in_success=None)], [], "complete"),
        ("accepted_unverified", "import 2044 does not say how many lines were applied"),
        {},
    ),
    "lines in error, and the others do not add up": (
        *(0, 5, [status("complete", lines_in_error=2, lines_in_success=0)], [REPORT], "complete"),
        ("unknown", "import 2044 has ended with 0 lines applied and 2 in error, of 5"),
        REFUSED,
    ),
    "failed by a line": (
        *(0, 5, [status("failed", reason="A parsing error has occurred at line 3", line=1)], []),
        *("failed", ("retryable", FAILED), {"b west": ("refused", FAILED)}),
    ),
    "failed as a whole": (
        *(0, 5, [status("failed")], [], "failed"),
        *(("retryable", "import 2044 failed: FAILED"), {}),
    ),
    "no end yet": (HOUR, SOON, [WAITS], [], "started", ("accepted_async", "taken"), {}),
    "no end in time": (LATE, 5, [WAITS], [], "lost", ("unknown", NO_END + "it is WAITING"), {}),
    "never heard of": (
        *(LATE, 5, [GONE], [], "lost"),
        *(("unknown", NO_END + "the platform does not know import 2044"), {}),
    ),
    "down for ever": (LATE, SOON, [DOWN], [], "lost", ("unknown", NO_END + "it is down"), {}),
    "down": (0, SOON, [DOWN], [], "started", ("accepted_async", "taken"), {}),
    "down when somebody looks in": (
        LATE,
        0,
        [DOWN],
        [],
        "started",
        ("accepted_async", "taken"),
        {},
    ),
    "the key is dead": (
        *(LATE, 5, [broken(401, Outcome.AUTH_FAILED)], [], "started"),
        *(("accepted_async", "taken"), {}),
    ),
    "the key is dead for reports": (
        *(LATE, 5, [ERRORS], [unread(401, Outcome.AUTH_FAILED)], "started"),
        *(("accepted_async", "taken"), {}),
    ),
}


ON_POSTGRESQL = ("complete", "lines in error", "failed by a line", "no end in time", "long ago")
"""The others differ in what is asked, not in what is written."""


@pytest.mark.parametrize(
    ("shared", "case"),
    [("sqlite", case) for case in CASES] + [("postgresql", case) for case in ON_POSTGRESQL],
    indirect=["shared"],
)
def test_each_way_to_end_leaves_each_row_with_what_became_of_it(ledger: Ledger, case: str) -> None:
    age, wait_s, script, reports, state, most, others = CASES[case]
    key = start(ledger, Start(TWO, at=ago(age)))
    platform = Platform(list(script), list(reports))
    result = followed(ledger, platform, wait_s)

    said = {
        f"{sku} {outlet}": outcomes(ledger, outlet)[sku] for outlet in TWO for sku in TWO[outlet]
    }
    assert said == {name: others.get(name, most) for name in said}
    (row,) = rows_in(ledger, t.push_import)
    assert row["state"] == state
    ended = state != "started"
    assert [one.key for one in result.waiting] == ([] if ended else [key])
    assert result.ended == ({key: state} if ended else {})
    assert result.outlets == (set(TWO) if ended else set())
    assert ("credentials" in result.stopped) == ("key is dead" in case)
    for outlet, skus in TWO.items():
        push_id = push_of(key, outlet)
        expected = Counter(said[f"{sku} {outlet}"][0] for sku in skus)
        shown = expected["applied"] + expected["accepted_unverified"]
        good = shown + expected["accepted_async"]
        word = "success" if good == len(skus) else "partial" if good else "failed"
        assert counts(ledger, push_id) == {**expected, "status": word}
        assert result.changed.get(push_id, Counter()) == (expected if ended else Counter())
        for listing in rows_in(ledger, t.listing, outlet=outlet):
            known = listing["outcome"] in ("applied", "accepted_unverified")
            assert (listing["ack_price_minor"] == 100) == known
        kept = {row["sku"]: row["outcome"] for row in rows_in(ledger, t.product, outlet=outlet)}
        assert kept == {sku: said[f"{sku} {outlet}"][0] for sku in skus}
    with ledger.read() as connection:
        assert [finding.message for finding in broken_laws(connection)] == []
    calls = rows_in(ledger, t.api_call)
    assert len(calls) == len(platform.calls) == result.calls
    looks = [call for call in platform.calls if call[0] == "status"]
    failures = sum(isinstance(each, StatusAnswer) and each.outcome is not None for each in script)
    assert case.startswith("down") or row["looks"] == len(looks) - failures
    names = ("west-a", "west-b", "west-c", "east-b", "east-d")
    assert {call[2] for call in platform.calls if call[0] == "report"} <= {names}


def test_the_problems_of_a_push_are_told_by_it_when_its_imports_have_ended(ledger: Ledger) -> None:
    key = start(ledger, Start(TWO, at=ago(60)))
    result = followed(ledger, Platform([ERRORS]))
    west, east = push_of(key, "west"), push_of(key, "east")
    problem = {"sku": "b", "outcome": "refused", "message": "no such product"}
    assert result.problems == {
        west: [problem],
        east: [{"sku": "d", "outcome": "refused", "message": "price is 0"}],
    }
    (push,) = rows_in(ledger, t.push, id=west)
    assert json.loads(push["error_details"]) == [problem]
    assert push["response_message"] == "refused: no such product (1)"
    assert push["status"] == "partial"


def test_a_push_that_is_still_open_is_left_to_whoever_closes_it(ledger: Ledger) -> None:
    key = start(ledger, Start(TWO, at=ago(60), closed=False))
    followed(ledger, Platform([DONE]))
    (push,) = rows_in(ledger, t.push, id=push_of(key, "west"))
    assert (push["state"], push["status"], push["applied"]) == ("open", None, 0)
    with ledger.read() as connection:
        assert pushes.outcomes_of(connection, push_of(key, "west")) == {"applied": 3}


def test_a_sku_that_was_sent_again_keeps_what_the_newer_import_says(ledger: Ledger) -> None:
    older = start(ledger, Start(TWO, import_id="1", at=ago(300)))
    again = Start({"west": ["c"]}, import_id="2", at=ago(200), price=120)
    newer = start(ledger, again)
    platform = Platform([], by_id={"1": [status("complete", "1")], "2": [status("waiting", "2")]})
    result = followed(ledger, platform, 0)
    assert {sku: said[0] for sku, said in outcomes(ledger, "west").items()} == {
        "a": "applied",
        "b": "applied",
        "c": "accepted_async",
    }
    offered = {row["sku"]: row["outcome"] for row in rows_in(ledger, t.product, outlet="west")}
    assert offered == {"a": "applied", "b": "applied", "c": "accepted_async"}
    # it was applied then: the older push says so, though the listing has moved on
    assert counts(ledger, push_of(older, "west")) == {"applied": 3, "status": "success"}
    assert [one.key for one in result.waiting] == [newer]


def test_an_offer_of_a_row_whose_price_went_out_since_is_settled_all_the_same(
    ledger: Ledger,
) -> None:
    start(ledger, Start({"west": ["a"]}, import_id="1", at=ago(300)))
    start(ledger, Start({"west": ["a"]}, import_id="2", at=ago(200), kind="prices"))
    failed = [status("failed", "1", reason="no")]
    platform = Platform([], by_id={"1": failed, "2": [status("waiting", "2")]})
    followed(ledger, platform, 0)
    (offered,) = rows_in(ledger, t.product)
    assert (offered["outcome"], offered["message"]) == ("retryable", "import 1 failed: no")
    assert outcomes(ledger, "west")["a"][0] == "accepted_async"


OLDER: dict[str, tuple[list[ImportStatus], list[ImportStatus], tuple[str, int | None]]] = {
    # name: how the older and the newer import stand, look by look
    # -> the listing in the end, and what counts as acknowledged
    "ends after the newer one": ([RUN_1, DONE_1], [DONE_2], ("unknown", 100)),
    "ends after it, with counts that do not add up": (
        *([RUN_1, status("complete", "1", lines_in_success=0)], [DONE_2]),
        ("unknown", 120),
    ),
    "fails after it": ([RUN_1, status("failed", "1")], [DONE_2], ("applied", 120)),
    "ends before it": ([DONE_1], [RUN_2, DONE_2], ("applied", 120)),
    "may have ended before it or after": ([DONE_1], [DONE_2], ("unknown", 100)),
    "ends, and the newer one is refused": ([DONE_1], [RUN_2, ERROR_2], ("refused", 100)),
    "ends after the newer one is refused": ([RUN_1, DONE_1], [ERROR_2], ("refused", 100)),
    "fails after the newer one is refused": (
        *([RUN_1, status("failed", "1")], [ERROR_2]),
        ("refused", 90),
    ),
    "has no clear end, and the newer one is refused": (
        *([status("complete", "1", lines_in_success=0)], [ERROR_2]),
        ("refused", None),
    ),
}


@pytest.mark.parametrize(
    ("shared", "case"),
    [("sqlite", case) for case in OLDER] + [("postgresql", "ends after the newer one")],
    indirect=["shared"],
)
def test_what_an_older_import_may_have_done_to_newer_words_is_known(
    ledger: Ledger, case: str
) -> None:
    older, newer, expected = OLDER[case]
    shown = start(ledger, Start({"west": ["a"]}, "0", at=ago(400), price=90))
    with ledger.begin() as connection:
        write_end(connection, opened(ledger, shown), End("complete", Outcome.APPLIED), ago(390))
    start(ledger, Start({"west": ["a"]}, "1", "prices", ago(300), price=100))
    start(ledger, Start({"west": ["a"]}, "2", at=ago(200), price=120))
    by_id = {"1": list(older), "2": list(newer)}
    platform = Platform([], [ReportAnswer(OK, {0: "too much"})], by_id=by_id)
    outlets = [followed(ledger, platform, wait_s).outlets for wait_s in (0, 5)]

    (row,) = rows_in(ledger, t.listing, outlet="west")
    assert row["price_minor"] == 120
    assert (row["outcome"], row["ack_price_minor"]) == expected
    # who is to be sent again is told to the run, and to the next partial plan
    assert expected[0] != "unknown" or {"west"} in outlets
    told = get_cursor(ledger, read_back_cursor("west", PLATFORM))
    assert (told is not None) == (expected[0] == "unknown")
    with ledger.read() as connection:
        assert [finding.message for finding in broken_laws(connection)] == []


@pytest.mark.parametrize(
    ("shared", "end", "expected"),
    [
        ("postgresql", DONE_1, ("complete", "unknown")),
        ("sqlite", status("complete", "1", lines_in_error=1), ("complete", "unknown")),
        ("sqlite", status("failed", "1"), ("failed", "applied")),
        ("sqlite", RUN_1, ("lost", "applied")),
    ],
    indirect=["shared"],
)
def test_a_lost_import_that_ends_after_all_sends_again_what_it_may_have_replaced(
    ledger: Ledger, end: ImportStatus, expected: tuple[str, str]
) -> None:
    rows = {"west": ["a"]}
    key = start(ledger, Start(rows, "1", at=ago(LATE)))
    platform = Platform([], by_id={"1": [RUN_1]})
    found = followed(ledger, platform)
    assert (found.ended, list(found.lost)) == ({key: "lost"}, ["west"])
    start(ledger, Start(rows, "2", at=ago(200), price=120))
    platform.by_id = {"1": [end], "2": [DONE_2]}
    followed(ledger, platform, 0)  # it was asked for just now
    assert outcomes(ledger, "west")["a"][0] == "applied"
    with ledger.begin() as connection:
        connection.execute(update(t.push_import).values(looked_at=ago(LATE)))
    result = followed(ledger, platform, 0)
    assert result.calls == 1
    assert rows_in(ledger, t.push_import, id=key)[0]["state"] == expected[0]
    assert outcomes(ledger, "west")["a"][0] == expected[1]
    assert followed(ledger, platform, 0).calls == 0
    # what its rows came to was said when it was lost
    assert counts(ledger, push_of(key, "west"))["unknown"] == 1
    with ledger.read() as connection:
        assert [finding.message for finding in broken_laws(connection)] == []


def test_a_lost_import_is_not_asked_for_where_another_goes_by_its_name_nor_for_ever(
    ledger: Ledger,
) -> None:
    rows = {"west": ["a"]}
    for import_id, age in (("1", LATE), ("2", LATE), ("3", LATE_S + 60)):
        start(ledger, Start(rows, import_id, at=ago(age)))
    followed(ledger, Platform([GONE]))
    with ledger.begin() as connection:
        connection.execute(update(t.push_import).values(looked_at=None))
    start(ledger, Start(rows, "2", at=ago(100)))
    assert [one.import_id for one in due_late(ledger, ACCOUNT)] == ["1"]


@pytest.mark.parametrize("moved", [True, False])
def test_a_restored_ledger_goes_on_asking_and_believes_only_what_it_can_know(
    ledger: Ledger, moved: bool, tmp_path: Path
) -> None:
    key = start(ledger, Start(TWO, at=ago(60)))
    backup(ledger, tmp_path / "saved.zip", by="anna")
    url = new_ledger_url("sqlite", tmp_path)
    restore(url, tmp_path / "saved.zip", by="ben", backups=tmp_path / "backups", moved=moved)
    restored = open_ledger(url)
    try:
        result = followed(restored, Platform([DONE]))
        assert result.ended == {key: "complete"}
        assert counts(restored, push_of(key, "west")) == {"applied": 3, "status": "success"}
        # what was pushed after the backup is not known: an old import proves nothing then
        found = {said[0] for said in outcomes(restored, "west").values()}
        assert found == {"applied" if moved else "unknown"}
        with restored.read() as connection:
            assert [finding.message for finding in broken_laws(connection)] == []
    finally:
        restored.close()


def test_an_end_is_written_once_however_many_learn_of_it(ledger: Ledger) -> None:
    key = start(ledger, Start(TWO, at=ago(60)))
    found = opened(ledger, key)
    with ledger.begin() as connection:
        at = to_iso(utcnow())
        assert write_end(connection, found, End("complete", Outcome.APPLIED), at) is not None
        assert write_end(connection, found, End("failed", Outcome.RETRYABLE), at) is None
    assert counts(ledger, push_of(key, "west"))["applied"] == 3
    assert len(rows_in(ledger, t.listing_event)) == 10


def test_the_end_of_an_import_of_many_lines_is_few_statements(ledger: Ledger) -> None:
    rows = {f"o{n}": [f"s{i:05}" for i in range(2_500)] for n in range(4)}
    found = opened(ledger, start(ledger, Start(rows)))
    statements: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    errors: Mapping[int, str] = {line: f"no {line}" for line in range(0, 10_000, 5)}
    began = time.monotonic()
    event.listen(ledger.engine, "before_cursor_execute", count)
    with ledger.begin() as connection:
        write_end(connection, found, End("complete", Outcome.APPLIED, "", errors), to_iso(utcnow()))
    event.remove(ledger.engine, "before_cursor_execute", count)
    took = time.monotonic() - began
    assert counts(ledger, push_of(found.key, "o2")) == {
        "applied": 2_000,
        "refused": 500,
        "status": "partial",
    }
    assert outcomes(ledger, "o3")["s00005"] == ("refused", "no 7505")
    assert len(statements) < 100
    assert took < 5


@pytest.mark.parametrize("shared", ["sqlite"], indirect=True)
def test_of_a_real_import_each_row_ends_as_the_report_says(
    ledger: Ledger, fresh_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_MIRAKL_KEY", KEY)
    seed_market(fresh_sandbox, processing_s=0.3)
    account = mirakl_account(fresh_sandbox.mirakl_url, calls=dict.fromkeys(FAMILIES, 0))
    settings = settings_of({ACCOUNT: account})

    async def main(kind: ImportKind) -> Followed:
        stop = Stop()
        adapter = open_adapter(settings, ACCOUNT, channel=None, secrets=Secrets())
        pacer = Pacer(ledger, ACCOUNT, Quota(per_minute=None), stop)
        async with adapter:
            items = [item("west-a"), item("west-b", product="P9")]
            answer = await adapter.submit(kind, items)
            rows = {"west": ["a", "b"]}
            start(ledger, Start(rows, answer.import_id, kind.value, at=to_iso(utcnow())))
            with Journal(ledger) as journal:
                return await follow(
                    *(ledger, ACCOUNT, adapter, pacer, journal, stop),
                    settings.accounts[ACCOUNT].retry,
                    wait_s=10,
                )

    for kind in ImportKind:
        result = asyncio.run(main(kind))
        assert list(result.ended.values()) == ["complete"]
        said = outcomes(ledger, "west")
        assert said["a"] == ("applied", "")
        assert said["b"][0] == "refused"
        assert "does not exist" in said["b"][1] or "unknown" in said["b"][1].lower(), said["b"]
        assert rows_in(ledger, t.push_import)[-1]["lines_in_error"] == 1


def test_an_import_of_an_account_that_is_gone_is_lost_after_a_day(ledger: Ledger) -> None:
    key = start(ledger, Start({"west": ["s1", "s2"]}, at=ago(90_000)))
    start(ledger, Start({"east": ["s1"]}, import_id="2045", at=ago(80_000)))
    assert lose_imports_of_gone_accounts(ledger, [ACCOUNT]) == []
    assert lose_imports_of_gone_accounts(ledger, ["renamed"]) == [key]
    found = {row["outlet"]: row["outcome"] for row in rows_in(ledger, t.listing)}
    assert found == {"west": "unknown", "east": "accepted_async"}
    (said,) = {row["message"] for row in rows_in(ledger, t.listing, outlet="west")}
    assert f"the account {ACCOUNT} is not in the configuration" in said
