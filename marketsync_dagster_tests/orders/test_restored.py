"""A ledger that is taken back from a backup: what was sent and told since is looked up, and nothing
is there twice afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.ledger.backup import Backup, backup
from marketsync_dagster.ledger.cursors import get_cursor, set_cursor
from marketsync_dagster.ledger.engine import Ledger, open_ledger
from marketsync_dagster.ledger.restore import restore
from marketsync_dagster.orders.wanting import payload_of, want
from marketsync_dagster.platforms.fulfilling import FulfilCapabilities
from marketsync_dagster.values.order_states import CommandKind
from marketsync_dagster.values.times import utcnow
from marketsync_dagster_tests.ledgers import Engine, new_ledger_url
from marketsync_dagster_tests.orders import places as p
from marketsync_dagster_tests.orders import sources as s

K = CommandKind
LATER_S = 5 * 86_400
Restoring = Callable[..., Ledger]


@pytest.fixture
def restoring(engine: Engine, tmp_path: Path) -> Iterator[Restoring]:
    """The ledger of a backup."""
    opened: list[Ledger] = []

    def bring(saved: Backup, moved: bool = False) -> Ledger:
        url = new_ledger_url(engine, tmp_path)
        restore(url, Path(saved.path), by="ann", backups=tmp_path / "backups", moved=moved)
        opened.append(open_ledger(url))
        return opened[-1]

    yield bring
    for one in opened:
        one.close()


def printer() -> p.Place:
    """It makes an order again when it is asked again, and is asked what it has."""
    can = FulfilCapabilities(idempotent=False, look_up=True, holds_stock=True)
    return p.Place(can=can, duplicates="create")


@pytest.mark.parametrize("routed", [True, False], ids=["it waited", "it was not routed yet"])
def test_what_was_forwarded_after_the_backup_is_there_once(
    routed: bool, ledger: Ledger, restoring: Restoring, tmp_path: Path
) -> None:
    settings, place = p.settings_of(), printer()
    orders = [p.an_order(external_id=name) for name in ("A-1", "A-2")]
    p.put(ledger, *orders)
    if routed:
        p.route(ledger, settings)
    saved = backup(ledger, tmp_path / "b.zip", by="ann")
    p.route(ledger, settings)
    p.turn(ledger, settings, place, limit=1)
    assert place.made == 1

    restored = restoring(saved)
    for after_s in (0, LATER_S, LATER_S + 1):
        p.route(restored, settings)
        p.turn(restored, settings, place, after_s=after_s)
    assert [len(found) for found in place.has.values()] == [1, 1]
    assert [p.states(restored, order) for order in orders] == [["sent"]] * 2
    assert place.said("create") == 2  # the other one was looked up, and not sent again


def test_a_parcel_that_was_told_after_the_backup_is_told_once(
    ledger: Ledger, restoring: Restoring, tmp_path: Path
) -> None:
    old, new = (s.accepted(ledger, external_id=name) for name in ("A-1", "A-2"))
    said: dict[str, Any] = {"by": "run", "reason": "it left", "at": s.AT}
    parcel = payload_of(lines={"1": 1})

    def wanted(there: Ledger) -> None:
        s.change(there, old, lambda c, one: want(c, one, K.PARCEL, "parcel 1", parcel, **said))

    s.change(ledger, new, lambda c, one: want(c, one, K.SHIP, "ship", {}, **said))
    saved = backup(ledger, tmp_path / "b.zip", by="ann")
    source = s.FakeSource()
    wanted(ledger)
    s.tell(ledger, source)

    restored, now = restoring(saved), utcnow()
    assert s.ways(restored, new) == {"ship": "unknown"}
    wanted(restored)
    for _ in range(2):
        s.tell(restored, source, now)
    assert sorted(source.effects.values()) == [1, 1]
    assert (s.ways(restored, old), s.ways(restored, new)) == ({"parcel": "done"}, {"ship": "done"})


def test_what_was_never_told_is_told_after_it_was_looked_for(
    ledger: Ledger, restoring: Restoring, tmp_path: Path
) -> None:
    order = s.accepted(ledger)
    said: dict[str, Any] = {"by": "run", "reason": "it left", "at": s.AT}
    s.change(ledger, order, lambda c, one: want(c, one, K.SHIP, "ship", {}, **said))
    restored = restoring(backup(ledger, tmp_path / "b.zip", by="ann"))
    source = s.FakeSource()
    s.tell(restored, source, utcnow())
    assert (len(source.verified), source.kinds, s.ways(restored, order)) == (
        1, ["ship"], {"ship": "done"},
    )  # fmt: skip


def test_numbers_of_own_shops_are_not_given_twice(
    ledger: Ledger, restoring: Restoring, tmp_path: Path
) -> None:
    with ledger.begin() as conn:
        set_cursor(conn, "order numbers WEB", "41")
    saved = backup(ledger, tmp_path / "b.zip", by="ann")
    assert get_cursor(restoring(saved), "order numbers WEB") == "1041"
    with ledger.begin() as conn:
        set_cursor(conn, "order numbers WEB", "5000")
    if ledger.dialect == "sqlite":  # the ledger that is replaced knows more
        url = f"sqlite:///{ledger.location.database}"
        ledger.close()
        restore(url, Path(saved.path), by="ann", backups=tmp_path / "kept", replace=True)
        with open_ledger(url).read() as conn:
            assert (
                conn.exec_driver_sql(
                    "SELECT value FROM cursor WHERE name = 'order numbers WEB'"
                ).scalar()
                == "5000"
            )


def test_where_nothing_ran_since_nothing_is_in_doubt(
    ledger: Ledger, restoring: Restoring, tmp_path: Path
) -> None:
    order = p.an_order()
    p.put(ledger, order)
    p.route(ledger, p.settings_of())
    with ledger.begin() as conn:
        set_cursor(conn, "order numbers WEB", "41")
    moved = restoring(backup(ledger, tmp_path / "b.zip", by="ann"), moved=True)
    assert p.states(moved, order) == ["pending"]
    assert get_cursor(moved, "order numbers WEB") == "41"
