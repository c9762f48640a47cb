"""What tills answer: kept, applied once, put away; and what nobody can read is a question."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from marketsync_dagster.ledger.engine import Ledger, open_ledger
from marketsync_dagster.ledger.forwards import by_number
from marketsync_dagster.ledger.order_events import events_of
from marketsync_dagster.ledger.order_holds import holds_of
from marketsync_dagster.ledger.order_laws import broken_order_laws
from marketsync_dagster.ledger.order_persons import save_persons
from marketsync_dagster.ledger.order_tables import order_raw
from marketsync_dagster.ledger.order_tasks import open_tasks
from marketsync_dagster.orders.persons import person_row
from marketsync_dagster.orders.points import ANSWER, STANDING
from marketsync_dagster.orders.pos_answer_files import answers_in
from marketsync_dagster.orders.pos_answers import tidy
from marketsync_dagster.platforms.strict_json import Wrong
from marketsync_dagster_tests.faults import kills
from marketsync_dagster_tests.ledgers import Engine, ready_ledger_url
from marketsync_dagster_tests.orders.sources import NOON
from marketsync_dagster_tests.orders.telling import LISA
from marketsync_dagster_tests.orders.tills import (
    NUMBER,
    answer,
    given,
    parcels,
    project,
    stands,
    take,
    take_and_die,
)

SHIPPED = {"number": NUMBER, "status": "shipped", "carrier": "DHL", "tracking": "T1"}
CSV = f"number;status;carrier;tracking;line;quantity\n{NUMBER};shipped;DHL;T1;1;2\n"
CSV += f"{NUMBER};shipped;DHL;T1;S2;1\n"


def test_the_answers_of_a_till_move_its_order_on(tmp_path: Path, ledger: Ledger) -> None:
    settings, order_id = project(tmp_path), given(ledger)
    told = [
        ("1.json", {"number": NUMBER, "status": "accepted"}, "acknowledged", "in_preparation", 0),
        ("2.json", [{"number": NUMBER, "status": "Ready"}], "acknowledged", "ready_to_ship", 0),
        ("3.json", SHIPPED, "done", "shipped", 1),
        ("4.json", SHIPPED, "done", "shipped", 1),
    ]
    for name, content, forward, line, count in told:
        answer(settings, name, content)
        assert take(ledger, settings).files == 1
        assert stands(ledger, order_id) == (forward, {"1": line, "2": line}, count)
    (parcel,) = parcels(ledger, order_id)
    assert (parcel.carrier, parcel.tracking_number) == ("DHL", "T1")
    assert len(list((tmp_path / "answers/a/done").iterdir())) == 4
    assert take(ledger, settings).files == 0
    with ledger.read() as conn:  # an answer is no order that is missing
        assert not [said for said in map(repr, broken_order_laws(conn)) if "document" in said]
    assert tidy(settings, "a", 2**40) == 4
    assert not any(path.stat().st_size for path in (tmp_path / "answers/a/done").iterdir())


def test_the_folder_of_answers_is_made_for_who_writes_there(tmp_path: Path) -> None:
    for number, (said, mode) in enumerate(
        (("takes_away: true", 0o700), ("group_reads: true", 0o770))
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        settings = project(folder, ("takes_away: true", said))
        with closing(open_ledger(ready_ledger_url("sqlite", tmp_path))) as ledger:
            assert take(ledger, settings).files == 0
        assert (folder / "answers/a").stat().st_mode & 0o777 == mode


def test_a_table_ships_some_pieces_in_one_parcel(tmp_path: Path, ledger: Ledger) -> None:
    settings, order_id = project(tmp_path), given(ledger)
    answer(settings, "a.csv", CSV)
    assert take(ledger, settings).shipped == 1
    (parcel,) = parcels(ledger, order_id)
    assert parcel.lines == {"1": 2, "2": 1}
    answer(settings, "again.csv", CSV)  # the same parcel, in another file
    assert take(ledger, settings).shipped == 0
    state, lines, _ = stands(ledger, order_id)
    assert (state, lines["1"]) == ("acknowledged", "shipped")
    answer(settings, "rest.csv", CSV.split("\n")[0] + f"\n{NUMBER};shipped;DHL;T2;;\n")
    take(ledger, settings)
    assert stands(ledger, order_id) == ("done", {"1": "shipped", "2": "shipped"}, 2)


@pytest.mark.parametrize(("status", "state"), [("refused", "failed"), ("cancelled", "failed")])
def test_a_till_that_will_not_ends_the_forward_and_a_late_word_does_not_change_it(
    tmp_path: Path, ledger: Ledger, status: str, state: str
) -> None:
    settings, order_id = project(tmp_path), given(ledger)
    said = {"number": NUMBER, "status": status, "reason": "sold out, call jane@x.org, 0722 123456"}
    answer(settings, "a.json", said)
    assert take(ledger, settings).failed == 1
    answer(settings, "b.json", SHIPPED)
    take(ledger, settings)
    assert stands(ledger, order_id) == (state, dict.fromkeys("12", "in_preparation"), 0)
    history = "".join(map(repr, events_of(ledger, order_id)))
    assert "sold out" in history
    assert "jane" not in history
    assert "0722" not in history


def test_a_word_that_nobody_knows_is_kept_and_told(tmp_path: Path, ledger: Ledger) -> None:
    settings, order_id = project(tmp_path), given(ledger)
    answer(settings, "a.json", {"number": NUMBER, "status": "on the moon"})
    take(ledger, settings)
    assert stands(ledger, order_id)[1] == dict.fromkeys("12", "in_preparation")
    assert "unknown_state" in {event.kind for event in events_of(ledger, order_id)}


def test_numbers_that_the_till_was_not_given_are_asked_about(
    tmp_path: Path, ledger: Ledger
) -> None:
    settings, order_id = project(tmp_path), given(ledger)
    other = given(ledger, "ms0000000002", outlet="b")
    answer(settings, "a.json", [SHIPPED, {"number": "ms0000000002", "status": "shipped"},
                                {"number": "ms9", "status": "shipped"}])  # fmt: skip
    answered = take(ledger, settings)
    assert (answered.files, answered.unknown, answered.updated) == (1, 2, 1)
    assert stands(ledger, order_id)[0] == "done"
    assert stands(ledger, other, "ms0000000002")[0] == "sent"
    tasks = open_tasks(ledger)
    assert [task.kind for task in tasks] == ["unknown_number"] * 2
    assert "ms9" in tasks[1].question
    assert f"resolve {tasks[1].id} " in tasks[1].commands[0]


@pytest.mark.parametrize("engine", ["sqlite"])
@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", "{", "a.json: line 1, column 2"),
        ("a.json", "[]", "no answer in it"),
        ("a.csv", "number;state;x\n\"open", "line 2: it is not CSV"),
        ("a.csv", "numer;status\n1;2\n", "expected one column number"),
        ("a.csv", "number;status;state\n1;2;3\n", "expected one column status"),
        ("a.csv", "number,status\n", "no answer in it"),
        ("a.csv", "", "expected one column number"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_stays_and_is_asked_about_once(
    tmp_path: Path, ledger: Ledger, name: str, content: str, words: str
) -> None:
    settings = project(tmp_path)
    path = answer(settings, name, content)
    assert take(ledger, settings).unreadable == 1
    assert take(ledger, settings).unreadable == 1
    (task,) = open_tasks(ledger)
    assert words in task.question
    assert path.exists()
    path.unlink()
    path.symlink_to(tmp_path / "marketsync.yaml")
    assert take(ledger, settings).unreadable == 1
    assert "it is no file but a link" in open_tasks(ledger)[1].question


@pytest.mark.parametrize("engine", ["sqlite"])
@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({**SHIPPED, "lines": {"9": 1}}, "has no such line"),
        ({**SHIPPED, "lines": {"1": 3}}, "has 2 of line 1, not so many"),
        ({**SHIPPED, "lines": {"1": 2, "S1": 1}}, "has 2 of line 1, not so many"),
        ({**SHIPPED, "status": "returned", "lines": {"1": 2}}, "only shipped may name some"),
        ({**SHIPPED, "lines": {"1": "Jane"}}, "[1].lines.1: expected a whole number, got text"),
        ({**SHIPPED, "lines": "Jane"}, "[1].lines: expected lines with their pieces"),
        ({**SHIPPED, "status": None}, "[1].status: expected a status"),
        ({**SHIPPED, "tracking": 12}, "[1].tracking: expected text"),
        ({**SHIPPED, "url": "javascript:Jane"}, "[1].url: expected an address"),
        ("Jane", "[1]: expected an object"),
    ],
)
def test_one_answer_that_makes_no_sense_does_not_stop_the_others(
    tmp_path: Path, ledger: Ledger, said: Any, words: str
) -> None:
    settings, order_id = project(tmp_path), given(ledger)
    ready = {"number": NUMBER, "status": "ready"}
    answer(settings, "a.json", [ready, said, ready])
    answered = take(ledger, settings)
    assert (answered.files, answered.unreadable) == (1, 1)
    assert stands(ledger, order_id) == ("acknowledged", dict.fromkeys("12", "ready_to_ship"), 0)
    (task,) = open_tasks(ledger)
    assert words in task.question
    assert "Jane" not in task.question


@pytest.mark.parametrize("point", [*ANSWER, *STANDING[1:]])
def test_answers_whose_taking_was_killed_are_applied_once(
    tmp_path: Path, engine: Engine, point: str
) -> None:
    url = ready_ledger_url(engine, tmp_path)
    settings = project(tmp_path)
    with closing(open_ledger(url)) as ledger:
        order_id = given(ledger)
    answer(settings, "a.csv", CSV)
    child = kills.context().Process(target=take_and_die, args=(url, str(tmp_path), point))
    child.start()
    assert kills.ended(child) == -9
    with closing(open_ledger(url)) as ledger:
        with ledger.read() as conn:
            assert len(conn.execute(select(order_raw.c.id)).all()) == 1
        take(ledger, settings)
        assert stands(ledger, order_id)[2] == 1
        (parcel,) = parcels(ledger, order_id)
        assert parcel.lines == {"1": 2, "2": 1}
        shipped = [event for event in events_of(ledger, order_id) if event.kind == "shipment"]
        assert len(shipped) == 1
    assert [path.name for path in (tmp_path / "answers/a").glob("*.csv")] == []
    assert len(list((tmp_path / "answers/a/done").iterdir())) == 1


def test_cells_that_were_made_inert_come_back_as_they_were() -> None:
    (one,), wrong = answers_in(b"number,status,line,quantity\nms1,ready,'=A1,2\n", csv_file=True)
    assert not wrong
    assert one.lines == {"=A1": 2}
    _, (bad,) = answers_in(b"number,status\nms1,ready,x\n", csv_file=True)
    assert str(bad) == "line 2: expected 2 cells, got 3"
    with pytest.raises(Wrong, match="not UTF-8"):
        answers_in(b"number,status\nms1,\xff\n", csv_file=True)


def test_equal_parcels_of_one_file_are_two_and_too_many_pieces_are_asked_about(
    tmp_path: Path, ledger: Ledger
) -> None:
    settings, order_id = project(tmp_path), given(ledger)
    one = {"number": NUMBER, "status": "shipped", "lines": {"1": 1}}
    answer(settings, "1.json", [one, one])
    for _ in range(2):
        take(ledger, settings)
    assert [dict(parcel.lines) for parcel in parcels(ledger, order_id)] == [{"1": 1}, {"1": 1}]
    assert open_tasks(ledger, order_id) == []
    for parcel, pieces in (("P1", 1), ("P2", 2)):
        answer(settings, f"{parcel}.json", {**one, "parcel": parcel, "lines": {"2": pieces}})
        take(ledger, settings)
    assert stands(ledger, order_id) == ("done", {"1": "shipped", "2": "shipped"}, 4)
    (task,) = open_tasks(ledger, order_id)
    assert "1 more of line 2 than is wanted in parcel P2" in task.question


def test_a_persons_name_in_a_tills_words_is_in_nothing_that_is_kept(
    tmp_path: Path, ledger: Ledger
) -> None:
    settings, order_id = project(tmp_path), given(ledger)
    with ledger.begin() as conn:
        save_persons(conn, [person_row(order_id, "shipping", LISA, "")])
    words = f"{LISA.first_name} {LISA.last_name} of {LISA.street_1} has moved"
    said = {"number": NUMBER, "status": "refused", "reason": words}
    answer(settings, "lisa wanjiru 7.json", [said, {**said, "number": "ms9"}])
    answer(settings, "wanjiru.json", {**SHIPPED, "lines": {"9": 1}})
    take(ledger, settings)
    assert "***.json" in " ".join(task.question for task in open_tasks(ledger, order_id))
    with ledger.read() as conn:
        held = [one.reason for one in holds_of(conn, [order_id])]
        one = by_number(conn, "pos", NUMBER)
    assert one is not None
    kept = [one.message, *held, *(task.question for task in open_tasks(ledger))]
    kept += map(repr, events_of(ledger, order_id))
    assert len(held) == 1
    for name in ("Lisa", "lisa", "Wanjiru", "wanjiru", "Moi Avenue"):
        assert name not in " ".join(kept)
    assert "has moved" in one.message


PART = {"number": NUMBER, "status": "shipped", "lines": {"1": 1}}


@pytest.mark.parametrize("together", [True, False], ids=["one turn", "two turns"])
def test_an_equal_parcel_without_a_name_in_another_file_is_asked_about(
    tmp_path: Path, ledger: Ledger, together: bool
) -> None:
    settings, order_id = project(tmp_path), given(ledger)
    answer(settings, "1.json", PART)
    if not together:
        take(ledger, settings, now=NOON)
    answer(settings, "2.json", PART)
    take(ledger, settings)
    assert [dict(parcel.lines) for parcel in parcels(ledger, order_id)] == [{"1": 1}]
    (task,) = open_tasks(ledger, order_id)
    assert "once more that a parcel with 1 of line 1 of order" in task.question
    assert task.commands[0].startswith(f"marketsync orders ship {order_id} --line 1=1 --by")
    answer(settings, "3.json", [PART, PART])  # all that have left so far
    take(ledger, settings)
    assert len(parcels(ledger, order_id)) == 2
    answer(settings, "4.json", PART)  # nothing is left for another one
    take(ledger, settings)
    assert (len(parcels(ledger, order_id)), len(open_tasks(ledger, order_id))) == (2, 1)


def test_an_equal_parcel_that_left_at_the_same_time_is_the_same(
    tmp_path: Path, ledger: Ledger
) -> None:
    settings, order_id = project(tmp_path), given(ledger)
    for name, at in (("1", "08:00"), ("2", "08:00"), ("3", "09:00")):
        answer(settings, f"{name}.json", {**PART, "at": f"2026-11-21T{at}:00Z"})
        take(ledger, settings, now=NOON + timedelta(hours=int(name)))
        assert len(open_tasks(ledger, order_id)) == (name == "3")
    assert len(parcels(ledger, order_id)) == 1


def test_answers_whose_taking_was_killed_ask_nothing(tmp_path: Path, ledger: Ledger) -> None:
    settings, order_id = project(tmp_path), given(ledger)
    answer(settings, "1.json", PART)

    def die(point: str) -> None:
        if point == "standings_committed":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(ledger, settings, now=NOON, observe=die)
    take(ledger, settings)
    assert (len(parcels(ledger, order_id)), open_tasks(ledger, order_id)) == (1, [])
