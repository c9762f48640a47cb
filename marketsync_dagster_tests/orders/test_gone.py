"""Places and sources that were taken out of the configuration while they had something."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketsync_dagster.catalog.frames import FrameStore
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import change
from marketsync_dagster.ledger.orders import BookOrder, orders_to_change
from marketsync_dagster.orders.forwarding import resolve
from marketsync_dagster.orders.gone import leave_gone
from marketsync_dagster.stages.order_troubles import order_troubles
from marketsync_dagster.stages.order_waiting import not_forwarded
from marketsync_dagster.stages.project import Project
from marketsync_dagster.values.times import to_iso
from marketsync_dagster_tests.orders import places as p

HOUR = p.timedelta(hours=1)


def sent_on(ledger: Ledger, routes: str, *names: str) -> list[BookOrder]:
    """Orders with a forward each, which nobody has been given."""
    orders = [p.an_order(external_id=name) for name in names]
    p.put(ledger, *orders)
    p.route(ledger, p.settings_of(routes))
    return orders


def given(ledger: Ledger, order: BookOrder) -> None:
    """Its forward was handed over."""
    (one,) = p.forwards(ledger, order)
    at = to_iso(p.NOW)
    with ledger.begin() as conn:
        change(conn, one, at, state="acknowledged", intended_at=at, sent_at=at)


def without(settings: Settings, place: str) -> Settings:
    """The configuration after an account, or the till of an outlet, was removed from it."""
    if place == "pos":
        outlet = settings.outlets["a"].model_copy(update={"orders": None})
        return settings.model_copy(update={"outlets": settings.outlets | {"a": outlet}})
    accounts = {name: one for name, one in settings.accounts.items() if name != place}
    return settings.model_copy(update={"accounts": accounts})


@pytest.mark.parametrize("place", ["backup", "pos"])
def test_what_a_removed_destination_was_never_given_goes_another_way_and_the_rest_is_asked(
    ledger: Ledger, place: str
) -> None:
    here, there = sent_on(ledger, f"[{{to: {place}}}]", "A-1", "A-2")
    given(ledger, there)
    assert leave_gone(ledger, p.settings_of(), by="run 2", now=p.NOW) == 0
    settings = without(p.settings_of(), place)
    assert leave_gone(ledger, settings, by="run 2", now=p.NOW) == 2
    p.route(ledger, settings)
    goes = {one.destination: one.state for one in p.forwards(ledger, here)}
    assert goes == {place: "cancelled", "prints": "pending"}
    (task,) = p.tasks(ledger, there)
    assert "it is not configured any more" in task.question
    assert p.states(ledger, there) == ["acknowledged"]

    with ledger.begin() as conn:
        now = orders_to_change(conn, there.account, [there.id])[there.id]
        resolve(conn, now, task, "done", by="Ann", reason="they send it", at=to_iso(p.NOW))
    assert leave_gone(ledger, settings, by="run 3", now=p.NOW) == 0  # it is not asked again
    with ledger.begin() as conn:
        now = orders_to_change(conn, there.account, [there.id])[there.id]
        resolve(conn, now, task, "again", by="Ann", reason="they do not", at=to_iso(p.NOW))
    p.route(ledger, settings)
    assert sorted(p.states(ledger, there)) == ["cancelled", "pending"]


def test_what_does_not_get_on_is_told_whatever_is_still_configured(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = sent_on(ledger, "[{to: backup}]", "A-1", "A-2")
    given(ledger, there)
    settings = without(p.settings_of("[{to: backup}]"), "backup")
    project = Project(settings, ledger, FrameStore(tmp_path), "run-1", "ann")

    def told(hours: int) -> dict[str, str]:
        return {one.number: one.what for one in not_forwarded(project, p.NOW + hours * HOUR)}

    assert told(0) == {}
    assert "not at backup (pending)" in told(2)[here.number]
    assert set(told(71)) == {here.number}
    assert "backup has it since" in told(73)[there.number]
    p.cancel(ledger, there)
    assert set(told(73)) == {here.number}
    monkeypatch.setattr(type(settings), "order_sources", lambda _: {})
    (told_of,) = [one for one in order_troubles(project, p.NOW) if one.kind != "order_task"]
    assert (told_of.kind, "best_buy, which it came from" in told_of.message) == (
        "order_not_forwarded", True,
    )  # fmt: skip
