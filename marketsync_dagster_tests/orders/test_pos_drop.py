"""The till of an outlet: what it is given, and that it is given once."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.orders import pos_drop
from marketsync_dagster.orders.points import DROP
from marketsync_dagster.orders.pos_drop import Till, open_till
from marketsync_dagster.platforms.drop_box import NoFolder
from marketsync_dagster.platforms.fulfilling import Found, Handed, OutgoingLine, OutgoingOrder
from marketsync_dagster.platforms.ordering import Person
from marketsync_dagster.values.errors import ConfigError
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.orders.tills import NUMBER, project

ORDER = OutgoingOrder(
    NUMBER,
    "WEB-000001",
    "a",
    "KES",
    Decimal("30.10"),
    (
        OutgoingLine("1", "007", 2, Decimal("10.05"), '=HYPERLINK("http://x")'),
        OutgoingLine("2", "-S,2", 1, Decimal("10.00"), 'Tea, "black"\nfine'),
    ),
    {
        "customer": Person("Lisa", email="lisa@example.com"),
        "shipping": Person(
            "@Lisa", "Wanjiru", street_1="Moi Avenue 4", zip="00100", phone="+254700000000"
        ),
    },
)


def ask(settings: Settings, method: str, *args: Any) -> Any:
    """One call of the till of `a`, opened for it."""

    async def call() -> Any:
        async with open_till(settings, "a") as till:
            return await getattr(till, method)(*args)

    return asyncio.run(call())


def found(settings: Settings, method: str = "find") -> dict[str, tuple[str, bool]]:
    """Number -> (raw status, failed) of what is there."""
    there: Found = (
        ask(settings, "find", [NUMBER, "ms9"], "")
        if method == "find"
        else ask(settings, "standings", [(NUMBER, ""), ("ms9", "")])
    )
    assert there.outcome is None
    return {one.number: (one.raw_status, one.failed) for one in there.standings}


def test_an_order_is_dropped_as_json_and_as_a_table(tmp_path: Path) -> None:
    settings = project(tmp_path)
    handed: Handed = ask(settings, "create", ORDER)
    assert (handed.outcome, handed.external_id) == (Outcome.APPLIED, NUMBER)
    said = json.loads((tmp_path / f"drop/a/{NUMBER}.json").read_text())
    assert said["items"][0] == {
        "line": "1",
        "sku": "007",
        "title": '=HYPERLINK("http://x")',
        "quantity": 2,
        "price": "10.05",
    }
    assert (said["total"], said["order_number"]) == ("30.10", "WEB-000001")
    assert said["shipping_address"]["zip"] == "00100"
    assert said["customer"] == {"first_name": "Lisa", "email": "lisa@example.com"}
    text = (tmp_path / f"drop/a/{NUMBER}.csv").read_bytes().decode()
    first, second = csv.DictReader(io.StringIO(text, newline=""))
    assert (first["sku"], first["quantity"], first["unit_price"]) == ("007", "2", "10.05")
    assert first["title"] == '\'=HYPERLINK("http://x")'
    assert (first["name"], first["phone"]) == ("'@Lisa Wanjiru", "+254700000000")
    assert (second["sku"], second["title"]) == ("'-S,2", 'Tea, "black", fine')


def test_a_till_is_given_an_order_once_and_it_can_be_told(tmp_path: Path) -> None:
    settings = project(tmp_path)
    assert found(settings) == {}
    ask(settings, "create", ORDER)
    for path in (tmp_path / "drop/a").glob("ms*"):
        path.unlink()
    assert found(settings) == {NUMBER: ("", False)}
    assert ask(settings, "create", ORDER).outcome is Outcome.APPLIED
    other = ask(settings, "create", replace(ORDER, order_number="X"))
    assert (other.outcome, other.duplicate) == (Outcome.REFUSED, True)
    assert not list((tmp_path / "drop/a").glob("ms*"))


@pytest.mark.parametrize("takes_away", [True, False])
def test_a_till_that_never_answers_acknowledges_by_having_the_file(
    tmp_path: Path, takes_away: bool
) -> None:
    says = ", takes_away: true" if takes_away else ""
    settings = project(tmp_path, ("answers: answers/a, format: both, takes_away: true", says[2:]))
    ask(settings, "create", ORDER)
    if takes_away:  # it has not read what still lies there
        assert found(settings, "standings") == {NUMBER: ("", False)}
        (tmp_path / f"drop/a/{NUMBER}.json").unlink()
    assert found(settings, "standings") == {NUMBER: ("dropped", False)}


def test_what_the_till_has_not_taken_is_taken_back(tmp_path: Path) -> None:
    settings = project(tmp_path)
    ask(settings, "create", ORDER)
    assert ask(settings, "cancel", NUMBER, NUMBER).outcome is Outcome.APPLIED
    assert not list((tmp_path / "drop/a").glob("ms*"))
    assert found(settings) == {NUMBER: ("taken back", True)}


@pytest.mark.parametrize("takes_away", [True, False])
def test_what_the_till_may_have_read_is_a_persons_to_take_back(
    tmp_path: Path, takes_away: bool
) -> None:
    settings = project(tmp_path, ("", "") if takes_away else (", takes_away: true", ""))
    ask(settings, "create", ORDER)
    if takes_away:
        (tmp_path / f"drop/a/{NUMBER}.csv").unlink()
    handed: Handed = ask(settings, "cancel", NUMBER, NUMBER)
    assert handed.outcome is Outcome.UNSUPPORTED
    assert "a person there takes it back" in handed.message
    assert (tmp_path / f"drop/a/{NUMBER}.json").exists()
    assert found(settings) == {NUMBER: ("", False)}


@pytest.mark.parametrize("number", ["../x", "MS1", "a" * 16, "", "a/b"])
def test_numbers_that_are_no_names_are_refused(tmp_path: Path, number: str) -> None:
    settings = project(tmp_path)
    assert ask(settings, "create", replace(ORDER, number=number)).outcome is Outcome.REFUSED
    assert ask(settings, "cancel", number, "").outcome is Outcome.REFUSED
    assert ask(settings, "find", [number], "").standings == ()


def test_a_folder_that_fails_keeps_the_order_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = project(tmp_path)
    real = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if self.suffix == ".csv":
            raise OSError(28, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    # the first of two files is there by then: it will not be given again
    assert ask(settings, "create", ORDER).outcome is Outcome.UNKNOWN
    monkeypatch.undo()
    assert found(settings) == {NUMBER: ("", False)}
    assert len(list((tmp_path / "drop/a").glob("ms*"))) == 2
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: (_ for _ in ()).throw(OSError(30, "No")))
    again = replace(ORDER, number="ms2")
    assert ask(settings, "create", again).outcome is Outcome.RETRYABLE


def test_a_share_that_is_not_mounted_is_no_empty_folder(tmp_path: Path) -> None:
    settings = project(tmp_path, ("drop: drop/a", f"drop: {tmp_path}/share/a"))
    with pytest.raises(NoFolder, match="is the share mounted"):
        ask(settings, "create", ORDER)
    with pytest.raises(ConfigError, match="outlet b has no till"):
        open_till(settings, "b")


def test_each_step_of_a_drop_has_a_name(tmp_path: Path) -> None:
    settings = project(tmp_path)
    passed: list[str] = []

    async def create() -> None:
        till: Till = open_till(settings, "a", observe=passed.append)
        async with till:
            await till.create(ORDER)

    asyncio.run(create())
    assert tuple(passed) == DROP


def test_forgotten_orders_leave_no_file(tmp_path: Path) -> None:
    settings = project(tmp_path)
    ask(settings, "create", ORDER)
    pos_drop.forget(settings, "a", [NUMBER])
    left = b"".join(path.read_bytes() for path in tmp_path.rglob("drop/**/*") if path.is_file())
    assert b"Wanjiru" not in left
    assert found(settings) == {NUMBER: ("", False)}
    assert pos_drop.tidy(settings, "a", 2**40) == 1


def test_a_title_that_would_steer_a_terminal_is_plain_in_a_table() -> None:
    line = replace(ORDER.lines[0], title="\x1b]0;pwn\x07Mug\u202e \x9b31m")
    data = pos_drop.as_csv(replace(ORDER, lines=(line,))).decode()
    assert "]0;pwnMug 31m" in data
    assert not set(data) & {"\x1b", "\x07", "\u202e", "\x9b"}
