"""Imports in the ledger: where each stands, and which rows still wait for its end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Delete, Update, delete, update

from marketsync_dagster.ledger import imports, pushes, retention
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.imports import ImportPart, Overtaken, Waiting
from marketsync_dagster.ledger.laws import broken_laws
from marketsync_dagster.ledger.listings import Source, acknowledge
from marketsync_dagster.ledger.retention import Limits
from marketsync_dagster.values.redact import register_secret
from marketsync_dagster.values.times import from_iso, to_iso
from marketsync_dagster_tests.ledger.started import (
    ACCOUNT,
    AT,
    PLATFORM,
    TARGET,
    Start,
    opened,
    push_of,
    rows_in,
    start,
)

TWO = {"west": ["a", "b", "c"], "east": ["b", "d"]}


def later(seconds: float) -> str:
    return to_iso(from_iso(AT) + timedelta(seconds=seconds))


def test_an_import_is_open_from_its_id_to_its_end(ledger: Ledger) -> None:
    key = imports.new_import_key()
    with ledger.begin() as connection:
        parts = [ImportPart("push-1", 4, 0), ImportPart("push-2", 4, 70)]
        imports.intend_import(connection, key, ACCOUNT, PLATFORM, "prices", 100, parts, AT)
    assert imports.open_imports(ledger, ACCOUNT) == []
    with ledger.begin() as connection:
        assert imports.start_import(connection, key, "uuid-1", later(1))
        assert not imports.start_import(connection, key, "uuid-2", later(2))
    (found,) = imports.open_imports(ledger, ACCOUNT)
    assert (found.key, found.kind, found.import_id, found.items) == (key, "prices", "uuid-1", 100)
    assert (found.started_at, found.looks, found.looked_at) == (later(1), 0, None)
    assert found.parts == tuple(parts)
    with ledger.begin() as connection:
        imports.look_at_imports(connection, [key, "another"], later(60))
        imports.look_at_imports(connection, [], later(61))
    (found,) = imports.open_imports(ledger, ACCOUNT)
    assert (found.looks, found.looked_at) == (1, later(60))
    assert imports.open_imports(ledger, "another") == []
    register_secret("canary-import-1")
    with ledger.begin() as connection:
        end = (connection, key, imports.COMPLETE, 3, "canary-import-1 refused", later(90))
        assert imports.end_import(*end, looked=True)
        assert not imports.end_import(connection, key, imports.LOST, None, "", later(99))
        imports.look_at_imports(connection, [key], later(99))
    assert imports.open_imports(ledger, ACCOUNT) == []
    (row,) = rows_in(ledger, t.push_import)
    assert (row["state"], row["lines_in_error"], row["message"]) == ("complete", 3, "*** refused")
    assert (row["looks"], row["looked_at"], row["ended_at"]) == (2, later(90), later(90))


def test_of_a_dead_push_only_what_was_never_answered_is_given_up(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        for number, push_id in enumerate(["push-1", "push-1", "push-2"]):
            part = ImportPart(push_id, number, 0)
            key = f"import-{number}"
            imports.intend_import(connection, key, ACCOUNT, PLATFORM, "stock", 1, [part], AT)
        imports.start_import(connection, "import-0", "7", AT)
    with ledger.begin() as connection:
        assert imports.abandon_imports(connection, "push-1", "the process died", later(5)) == 1
        # a stalled sender comes back: its rows are not with the platform, they go again
        assert not imports.start_import(connection, "import-1", "8", later(6))
    states = {row["id"]: row["state"] for row in rows_in(ledger, t.push_import)}
    assert states == {"import-0": "started", "import-1": "unknown", "import-2": "intended"}


def test_the_rows_of_an_import_are_in_the_order_of_its_lines(ledger: Ledger) -> None:
    start(ledger, Start({"west": ["zz"]}, import_id="1"))
    key = start(ledger, Start(TWO))
    found = opened(ledger, key)
    with ledger.begin() as connection:
        west, east = imports.rows_of_import(connection, found)
    assert west.source == Source(
        "west", PLATFORM, ACCOUNT, TARGET, "x-west", AT, push_of(key, "west")
    )
    assert (west.batch, west.lines, west.overtaken) == (1, [0, 1, 2], {})
    assert [row[0] for row in west.rows] == ["a", "b", "c"]
    assert west.rows[1] == (
        *("b", "id-b", 100, "KES", "in_stock", 3, "accepted_async", "taken", 3),
    )
    assert (east.source.outlet, east.lines) == ("east", [3, 4])
    assert [row[0] for row in east.rows] == ["b", "d"]


def test_what_was_sent_again_since_is_not_an_import_s_row_any_more(ledger: Ledger) -> None:
    older = opened(ledger, start(ledger, Start(TWO, import_id="1")))
    newer = opened(ledger, start(ledger, Start({"east": ["d"]}, "2", at=later(60), price=120)))
    source = Source("west", PLATFORM, ACCOUNT, TARGET, "x-west", AT, push_of(older.key, "west"))
    row = ("c", "id-c", 100, "KES", "in_stock", 3, "unknown", "restored", 4)
    with ledger.begin() as connection:
        acknowledge(connection, source, 1, [row], later(70))
    with ledger.begin() as connection:
        west, east = imports.rows_of_import(connection, older)
        (again,) = imports.rows_of_import(connection, newer)
    was, now = (100, "KES", "in_stock", 3), (120, "KES", "in_stock", 3)
    assert (west.lines, east.lines) == ([0, 1], [3])
    assert west.overtaken == {2: Overtaken("c", was, was, "unknown", 2, same_offer=True)}
    assert east.overtaken == {4: Overtaken("d", was, now, "accepted_async", 2, same_offer=True)}
    assert (again.lines, [row[0] for row in again.rows], again.overtaken) == ([0], ["d"], {})


def test_where_the_batches_of_an_import_are_in_their_plans(ledger: Ledger) -> None:
    key = start(ledger, Start(TWO))
    west, east = push_of(key, "west"), push_of(key, "east")
    spans = pushes.spans_of(ledger, [(west, 1), (east, 1), (east, 2)])
    assert spans == {
        (west, 1): (f"plan-of-{west}", 0, 3),
        (east, 1): (f"plan-of-{east}", 0, 2),
    }
    assert pushes.spans_of(ledger, []) == {}


def test_channels_know_how_long_they_have_waited_for_which_imports(ledger: Ledger) -> None:
    assert imports.waiting_channels(ledger) == {}
    first = start(ledger, Start(TWO, import_id="1"))
    start(ledger, Start({"east": ["e"]}, import_id="2", at=later(60)))
    start(ledger, Start({"north": ["a"]}, import_id="3", account="other"))
    with ledger.begin() as connection:
        imports.look_at_imports(connection, [first], later(120))
    assert imports.waiting_channels(ledger) == {
        ("west", PLATFORM): Waiting(ACCOUNT, 1, AT, later(120)),
        ("east", PLATFORM): Waiting(ACCOUNT, 2, AT, later(120)),
        ("north", PLATFORM): Waiting("other", 1, AT, None),
    }
    found = imports.import_of(ledger, push_of(first, "east"), 1)
    assert found is not None
    assert (found["import_id"], found["looks"]) == ("1", 1)
    assert imports.import_of(ledger, push_of(first, "east"), 2) is None
    with ledger.begin() as connection:
        imports.end_import(connection, first, imports.LOST, None, "no end", later(7200))
    assert imports.waiting_channels(ledger).keys() == {("east", PLATFORM), ("north", PLATFORM)}
    (lost,) = imports.lost_imports(ledger)
    assert (lost["import_id"], lost["outlets"]) == ("1", ["east", "west"])
    with ledger.begin() as connection:
        imports.end_import(connection, "import-3", imports.COMPLETE, 0, "", later(7300))
    assert len(imports.lost_imports(ledger)) == 1  # another account's end makes nothing good
    with ledger.begin() as connection:
        imports.end_import(connection, "import-2", imports.COMPLETE, 0, "", later(7300))
    assert imports.lost_imports(ledger) == []


def test_the_batches_that_recovery_has_settled_are_not_revised(ledger: Ledger) -> None:
    key = start(ledger, Start(TWO))
    west = push_of(key, "west")
    with ledger.begin() as connection:
        connection.execute(
            update(t.push_batch)
            .where(t.push_batch.c.push_id == west)
            .values(outcomes='{"unknown":3}')
        )
    with ledger.begin() as connection:
        pushes.revise_batches(connection, west, {1: {"applied": 3}}, "", later(9))
        east = push_of(key, "east")
        pushes.revise_batches(connection, east, {1: {"applied": 1, "refused": 1}}, "no", later(9))
        assert pushes.outcomes_of(connection, west) == {"unknown": 3}
        assert pushes.outcomes_of(connection, east) == {"applied": 1, "refused": 1}


DAMAGES: dict[str, tuple[Update | Delete, str]] = {
    "no batch": (
        delete(t.push_batch).where(t.push_batch.c.push_id == push_of("import-2044", "east")),
        "1 imports of batches that are not there: import-2044",
    ),
    "other rows": (
        update(t.push_import).values(items=6),
        "1 imports of other rows than their batches have: import-2044",
    ),
    "nobody asks": (
        update(t.push_import).values(state="complete"),
        "5 listings wait for an import that nobody asks for: ",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_import_and_its_rows_that_do_not_fit_are_found(ledger: Ledger, damage: str) -> None:
    start(ledger, Start(TWO))
    with ledger.read() as connection:
        assert list(broken_laws(connection)) == []
    statement, words = DAMAGES[damage]
    with ledger.begin() as connection:
        connection.execute(statement)
        assert any(finding.message.startswith(words) for finding in broken_laws(connection))


def test_imports_go_with_the_last_of_their_pushes(ledger: Ledger) -> None:
    key = start(ledger, Start(TWO))
    left = start(ledger, Start({"north": ["a"]}, import_id="7"))
    newer = {**TWO, "north": ["a"]}
    news = start(ledger, Start(newer, import_id="8", at=later(3600)))
    with ledger.begin() as connection:
        imports.end_import(connection, key, imports.COMPLETE, 0, "", later(60))

    def kept_without(*gone: str) -> set[str]:
        old = update(t.push).where(t.push.c.id.in_(gone)).values(ended_at=AT)
        with ledger.begin() as connection:
            connection.execute(old)
        limits = Limits(calls="", events=later(61), plans="", shown="", extracts="", runs="")
        retention.prune(ledger, limits, holder="anna")
        assert not {row["id"] for row in rows_in(ledger, t.push)} & set(gone)
        return {row["id"] for row in rows_in(ledger, t.push_import)}

    assert kept_without(push_of(key, "west")) == {key, left, news}
    parts = {row["push_id"] for row in rows_in(ledger, t.push_import_part, import_key=key)}
    assert parts == {push_of(key, "east")}
    # the one that has not ended is asked for all the same, however old its push is
    assert kept_without(push_of(key, "east"), push_of(left, "north")) == {left, news}
    assert left in {one.key for one in imports.open_imports(ledger, ACCOUNT)}
