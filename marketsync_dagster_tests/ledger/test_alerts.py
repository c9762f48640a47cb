"""Alerts as they are kept: told once, delivered in the end, and free to come again."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from marketsync_dagster.ledger import alerts
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.alerts import Alert, Trouble
from marketsync_dagster.ledger.engine import Ledger, open_ledger
from marketsync_dagster.values.redact import register_secret

A, B = "{env: FIRST}", "{env: SECOND}"


def trouble(key: str = "outlet_failed pos_extract kisumu", **of: str) -> Trouble:
    words = {"kind": "outlet_failed", "title": "kisumu failed", "message": "no price column"}
    return Trouble(key=key, **(words | of))


def only(ledger: Ledger) -> Alert:
    (alert,) = alerts.last_alerts(ledger, 10)
    return alert


def told(ledger: Ledger, missing: list[str] | None = None, *, nobody: bool = False) -> None:
    """One call with everything that is undelivered, and what it came to."""
    waiting = alerts.undelivered(ledger)
    alerts.begin_delivery(ledger, waiting)
    alerts.end_delivery(ledger, waiting, missing=None if nobody else missing or [], error="x")


def test_the_same_trouble_is_kept_once_while_it_is_open(ledger: Ledger) -> None:
    assert alerts.raise_alerts(ledger, [trouble()]) == ["outlet_failed pos_extract kisumu"]
    assert alerts.raise_alerts(ledger, [trouble(message="other words")]) == []
    assert (only(ledger).state, only(ledger).delivery) == ("open", "pending")
    assert only(ledger).message == "no price column"


def test_two_that_raise_it_at_once_make_one_row(ledger: Ledger) -> None:
    found: list[str] = []

    def race() -> None:
        mine = open_ledger(ledger.url)
        found.extend(alerts.raise_alerts(mine, [trouble()]))
        mine.close()

    threads = [threading.Thread(target=race) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(found) == 1
    assert only(ledger).state == "open"


def test_no_two_rows_can_have_one_key(ledger: Ledger) -> None:
    alerts.raise_alerts(ledger, [trouble()])
    text = {c.name: "x" for c in t.alert.c if c.name not in ("id", "attempts")}
    with pytest.raises(IntegrityError), ledger.begin() as connection:
        connection.execute(insert(t.alert).values(text | {"key": trouble().key, "attempts": 0}))


def test_what_was_delivered_is_not_told_again(ledger: Ledger) -> None:
    alerts.raise_alerts(ledger, [trouble()])
    told(ledger)
    assert alerts.undelivered(ledger) == []
    assert only(ledger).delivery == "delivered"
    assert only(ledger).delivered_at is not None


def test_the_call_is_journalled_before_it_is_made(ledger: Ledger) -> None:
    alerts.raise_alerts(ledger, [trouble()])
    alerts.begin_delivery(ledger, alerts.undelivered(ledger))
    (waiting,) = alerts.undelivered(ledger)  # a process that dies now has lost nothing
    assert (waiting.delivery, waiting.attempts) == ("pending", 1)
    assert waiting.tried_at is not None


def test_a_failed_call_waits_for_all_targets_or_for_those_that_failed(ledger: Ledger) -> None:
    alerts.raise_alerts(ledger, [trouble()])
    told(ledger, nobody=True)
    assert (only(ledger).delivery, only(ledger).missing) == ("failed", None)
    told(ledger, [B])
    assert (only(ledger).delivery, only(ledger).missing) == ("failed", (B,))
    told(ledger)
    assert (only(ledger).delivery, only(ledger).missing) == ("delivered", None)
    assert only(ledger).attempts == 3


def test_trouble_that_is_over_can_come_again(ledger: Ledger) -> None:
    key = trouble().key
    alerts.raise_alerts(ledger, [trouble()])
    assert alerts.end_alerts(ledger, [key]) == 1
    assert alerts.end_alerts(ledger, [key]) == 0
    assert alerts.raise_alerts(ledger, [trouble()]) == [key]
    second, first = alerts.last_alerts(ledger, 10)
    assert (first.state, second.state) == ("over", "open")
    assert first.over_at is not None
    assert [one.id for one in alerts.open_alerts(ledger)] == [second.id]


def test_who_was_told_of_it_is_told_that_it_is_over(ledger: Ledger) -> None:
    alerts.raise_alerts(ledger, [trouble()])
    told(ledger)
    alerts.end_alerts(ledger, [trouble().key])
    (waiting,) = alerts.undelivered(ledger)
    assert (waiting.state, waiting.attempts, waiting.missing) == ("over", 0, None)


def test_half_told_trouble_that_is_over_is_news_for_every_target(ledger: Ledger) -> None:
    alerts.raise_alerts(ledger, [trouble()])
    told(ledger, [B])
    alerts.end_alerts(ledger, [trouble().key])
    (waiting,) = alerts.undelivered(ledger)
    assert (waiting.delivery, waiting.missing) == ("pending", None)


def test_the_end_is_kept_quiet_where_nobody_wants_to_hear_of_it(ledger: Ledger) -> None:
    alerts.raise_alerts(ledger, [trouble()])
    told(ledger)
    alerts.end_alerts(ledger, [trouble().key], tell=False)
    assert alerts.undelivered(ledger) == []


def test_trouble_that_passes_before_anybody_was_told_is_still_told(ledger: Ledger) -> None:
    alerts.raise_alerts(ledger, [trouble()])
    told(ledger, nobody=True)
    alerts.end_alerts(ledger, [trouble().key], tell=False)
    (waiting,) = alerts.undelivered(ledger)
    assert waiting.state == "over"


def test_what_is_over_while_the_call_is_made_is_told_as_over_next(ledger: Ledger) -> None:
    alerts.raise_alerts(ledger, [trouble()])
    waiting = alerts.undelivered(ledger)
    alerts.begin_delivery(ledger, waiting)
    alerts.end_alerts(ledger, [trouble().key])
    alerts.end_delivery(ledger, waiting, missing=[])
    (again,) = alerts.undelivered(ledger)
    assert (again.state, again.delivery) == ("over", "pending")


def test_trouble_without_a_target_is_told_once_there_is_one(ledger: Ledger) -> None:
    alerts.raise_alerts(ledger, [trouble()])
    alerts.without_target(ledger, alerts.undelivered(ledger))
    assert only(ledger).delivery == "no target"
    assert len(alerts.undelivered(ledger)) == 1
    alerts.end_alerts(ledger, [trouble().key])
    assert alerts.undelivered(ledger) == []  # nobody was told, and it is over


def test_a_test_is_no_trouble_to_be_told(ledger: Ledger) -> None:
    alerts.raise_alerts(ledger, [trouble("test 1", kind="test")])
    assert alerts.undelivered(ledger) == []


def test_many_at_once_are_kept_and_ended(ledger: Ledger) -> None:
    many = [trouble(f"outlet_failed pos_extract o{n:04}") for n in range(1200)]
    assert len(alerts.raise_alerts(ledger, many)) == 1200
    told(ledger)
    assert alerts.end_alerts(ledger, [one.key for one in many]) == 1200
    assert {one.state for one in alerts.undelivered(ledger)} == {"over"}


def test_no_secret_is_kept(ledger: Ledger) -> None:
    register_secret("hook-token-90210")
    alerts.raise_alerts(
        ledger,
        [
            trouble(
                title="a hook-token-90210", message="hook-token-90210", next_step="hook-token-90210"
            )
        ],
    )
    waiting = alerts.undelivered(ledger)
    alerts.begin_delivery(ledger, waiting)
    alerts.end_delivery(ledger, waiting, missing=None, error="no answer from hook-token-90210")
    assert "hook-token-90210" not in repr(only(ledger))
    assert only(ledger).error == "no answer from ***"
