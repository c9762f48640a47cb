"""The message that people read: short, one for all, and harmless whatever stands in it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.ledger.alerts import (
    Alert,
    Trouble,
    begin_delivery,
    end_delivery,
    raise_alerts,
    undelivered,
)
from marketsync_dagster.stages import alerts as module
from marketsync_dagster.stages.alerts import LONGEST, compose, deliver, is_due, pause_after, plain
from marketsync_dagster.stages.project import Project, open_project
from marketsync_dagster.values.redact import scrub
from marketsync_dagster.values.times import to_iso, utcnow
from marketsync_dagster_tests.assets.fakes import write_config
from marketsync_dagster_tests.receiver import TOKEN, Receiver
from marketsync_dagster_tests.stages.test_troubles import known

NOW = utcnow()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\r\nand\ttabs", "two lines and tabs"),
        ("<b>bold</b> <!channel> <@U123>", "‹b›bold‹/b› ‹!channel› ‹(at)U123›"),
        ("@everyone", "(at)everyone"),
        ("[click](https://evil.example)", "[click] (https: //evil.example)"),
        ("`code` *bold* ||spoiler||", "'code' ∗bold∗ ¦¦spoiler¦¦"),
        ("\x1b[31mred\x00", "[31mred"),
        ("turned \u202eround\u2066 about", "turned round about"),
        ("zero\u200bwidth\ufeff", "zero width"),
        ("tracker_ke pos_extract", "tracker_ke pos_extract"),
        ("", ""),
    ],
)
def test_words_from_outside_are_harmless(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_long_words_are_cut() -> None:
    assert len(plain("x" * 5000)) == 260
    assert plain("x" * 5000).endswith("…")


def alert(**of: str) -> Alert:
    return known("k", at="2026-11-21T06:30:00.000Z", **of)


def test_one_trouble_is_its_own_title() -> None:
    title, body = compose([alert(title="kisumu <failed>", message="a\nb", next_step="do it")], "x")
    assert title == "MarketSync: kisumu ‹failed›"
    assert body.splitlines()[:2] == ["- kisumu ‹failed›: a b", "  next: do it"]


def test_many_are_counted_by_their_kinds() -> None:
    told = [
        *(known("a", "outlet_failed") for _ in range(3)),
        known("b", "no_success"),
        *(known("c", "plan_held", state="over", at="2026-11-21T06:30:00.000Z") for _ in range(2)),
    ]
    title, body = compose(told, "shop on host")
    assert title == (
        "MarketSync: 4 new, 2 over (failed outlets, held plans, channels without success)"
    )
    assert "- over: c (since 2026-11-21T06:30Z)" in body
    assert body.endswith("all: marketsync alerts list --open (shop on host)")


@pytest.mark.parametrize("count", [1, 12, 13, 500])
def test_a_message_never_grows_beyond_what_services_take(count: int) -> None:
    told = [known(str(n), title="t" * 400, message="m" * 4000) for n in range(count)]
    _, body = compose(told, "x" * 500)
    assert len(body) <= LONGEST
    assert ("and" in body.splitlines()[-2]) is (count > 12)


def test_a_message_names_so_many_and_counts_the_others() -> None:
    _, body = compose([known(str(n), message="m") for n in range(40)], "x")
    assert sum(line.startswith("- ") for line in body.splitlines()) == 12
    assert body.splitlines()[-2] == "and 28 more"


@pytest.mark.parametrize(
    ("attempts", "seconds", "due"),
    [(0, 0, True), (1, 29, False), (1, 31, True), (2, 59, False), (2, 61, True),
     (50, 3599, False), (50, 3601, True), (1, -3600, True)],
)  # fmt: skip
def test_a_failed_call_is_made_again_after_growing_pauses(
    attempts: int, seconds: int, due: bool
) -> None:
    """A clock that was ahead when it was tried must not keep people in the dark."""
    tried = to_iso(NOW - timedelta(seconds=seconds))
    one = known("k", delivery="failed", tried_at=tried, attempts=attempts)
    assert is_due(one, NOW) is due
    assert pause_after(1) == timedelta(seconds=30)


# --- telling, over HTTP


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project whose only target is the address in TEST_ALERT_URL."""
    monkeypatch.setenv("MARKETSYNC_HOME", str(tmp_path / ".marketsync"))
    monkeypatch.delenv("MARKETSYNC_DATABASE_URL", raising=False)
    write_config(tmp_path, tail="alerts: {targets: [{env: TEST_ALERT_URL}]}\n")
    opened = open_project(tmp_path / "marketsync.yaml")
    yield opened
    opened.ledger.close()


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with Receiver() as taken:
        monkeypatch.setenv("TEST_ALERT_URL", taken.url)
        yield taken


def raised(project: Project, *keys: str) -> None:
    raise_alerts(
        project.ledger,
        [Trouble(key=key, kind="outlet_failed", title=key, message="because") for key in keys],
    )


def test_two_that_tell_at_once_send_one_message(project: Project, receiver: Receiver) -> None:
    raised(project, "a", "b")
    receiver.delay_s = 0.3
    others = [open_project(project.settings.file) for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(deliver, others))
    for other in others:
        other.ledger.close()
    assert len(receiver.messages) == 1
    assert sorted(one.alerts for one in found) == [0, 0, 2]


def test_what_another_told_a_moment_ago_is_not_told_again(
    project: Project, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other is done between this one's first look and its turn."""
    raised(project, "a")
    take = module.take_lease

    def late(*of: Any) -> Any:
        monkeypatch.setattr(module, "take_lease", take)
        assert deliver(project).alerts == 1
        return take(*of)

    monkeypatch.setattr(module, "take_lease", late)
    assert deliver(project).alerts == 0
    assert len(receiver.messages) == 1


def test_a_process_that_died_in_the_call_has_lost_nothing(
    project: Project, receiver: Receiver
) -> None:
    raised(project, "a")
    begin_delivery(project.ledger, undelivered(project.ledger))
    assert deliver(project).alerts == 0  # it may have arrived: not at once again
    assert deliver(project, utcnow() + timedelta(seconds=31)).alerts == 1
    assert deliver(project, utcnow() + timedelta(days=1)).alerts == 0
    assert len(receiver.messages) == 1


def test_a_target_that_left_the_configuration_is_not_waited_for(
    project: Project, receiver: Receiver
) -> None:
    raised(project, "a")
    waiting = undelivered(project.ledger)
    begin_delivery(project.ledger, waiting)
    end_delivery(project.ledger, waiting, missing=["{env: GONE}"], error="no answer")
    deliver(project, utcnow() + timedelta(hours=2))
    assert receiver.messages == []
    assert undelivered(project.ledger) == []


def test_an_address_is_masked_in_its_parts(project: Project, receiver: Receiver) -> None:
    raised(project, "a")
    deliver(project)
    assert scrub(f"POST http://127.0.0.1/{TOKEN} failed") == "POST http://127.0.0.1/*** failed"
    assert scrub("127.0.0.1") == "127.0.0.1"
