"""An own shop as a source of orders: files in, updates out."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.platforms.base import PlatformError
from marketsync_dagster.platforms.ordering import (
    Command,
    OrderPage,
    PulledOrder,
    Tracking,
    UnreadableOrder,
)
from marketsync_dagster.platforms.own_shop import done
from marketsync_dagster.platforms.own_shop.source import OwnShopSource
from marketsync_dagster.values.order_states import CommandKind
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.config.texts import VALID, load
from marketsync_dagster_tests.platforms.filesteps import killed_everywhere

SHOP = "shops: {web: {folder: in, updates: out, outlet: a, currency: KES}}\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A project with one own shop, its folder made."""
    (tmp_path / "in").mkdir()
    return load(tmp_path, VALID + SHOP)


def source(settings: Settings, ahead_s: float = 3600) -> OwnShopSource:
    """The shop, at a time when every file has settled."""
    return OwnShopSource(
        settings, "web", settings.shops["web"], clock=lambda: time.time() + ahead_s
    )


def order(**changes: Any) -> dict[str, Any]:
    return {"items": [{"sku": "a", "quantity": 1, "price": 1}], **changes}


def drop(settings: Settings, name: str, content: Any) -> Path:
    """Put a file into the shop's folder."""
    path = settings.root / "in" / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def pages_of(shop: OwnShopSource, position: str = "") -> list[OrderPage]:
    async def read() -> list[OrderPage]:
        return [page async for page in shop.order_pages("", position)]

    return asyncio.run(read())


def pull(shop: OwnShopSource) -> tuple[dict[str, PulledOrder], list[str]]:
    """Everything that lies there, kept: order by id, and what is wrong with others."""
    found: dict[str, PulledOrder] = {}
    wrong: list[str] = []
    for page in pages_of(shop):
        for raw in page.orders:
            try:
                found[raw.external_id] = shop.read_order(raw.document)
            except UnreadableOrder as error:
                wrong.append(error.message)
        asyncio.run(shop.kept(page))
    return found, wrong


def test_files_with_one_order_or_many_come_once(settings: Settings) -> None:
    drop(settings, "one.json", order(id=7))
    drop(settings, "many.json", [order(id="B"), order(number="C"), order(), order()])
    found, wrong = pull(source(settings))
    assert not wrong
    nameless = [name for name in found if name.startswith("f-")]
    assert set(found) - set(nameless) == {"7", "B", "C"}
    assert len(nameless) == 2  # equal, and still two orders
    assert found["C"].number == "C"
    assert found["B"].details == {"file": "many.json", "place": "[0]"}
    assert pull(source(settings)) == ({}, [])
    assert len(list((settings.root / "in/done").iterdir())) == 2


def test_what_was_not_kept_comes_again_under_the_same_ids(settings: Settings) -> None:
    drop(settings, "a.json", [order(), order(id="B")])
    (first,) = pages_of(source(settings))
    drop(settings, "a.json", json.dumps([order(), order(id="B")], indent=4))
    (again,) = pages_of(source(settings))
    assert [raw.external_id for raw in first.orders] == [raw.external_id for raw in again.orders]


def test_pages_go_on_at_a_position(settings: Settings) -> None:
    for number in range(3):
        drop(settings, f"{number}.json", [order(id=f"{number}-{n}") for n in range(60)])
        time.sleep(0.002)
    whole = pages_of(source(settings))
    assert [len(page.orders) for page in whole] == [120, 60]
    (rest,) = pages_of(source(settings), whole[0].position)
    assert rest.orders == whole[1].orders


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "bad.json, line 1, column 2: it is not JSON"),
        ("[" * 100_000, "bad.json, line 1, column 33: more than 32"),
        ('{"id": "x", "id": "y"}', "bad.json: a name stands twice"),
        (
            [order(id="x"), order(id="x", tags=["t"])],
            "[1]: the file has another order",
        ),
        ([order(id="ok"), {"items": [{"sku": "Jane"}]}], "bad.json, [1].items[0].quantity"),
    ],
)
def test_an_unreadable_file_stays_and_the_others_go_on(
    settings: Settings, content: Any, words: str
) -> None:
    drop(settings, "bad.json", content)
    drop(settings, "good.json", order(id="good"))
    found, (wrong,) = pull(source(settings))
    assert "good" in found
    assert words in wrong
    assert "Jane" not in wrong
    assert (settings.root / "in/bad.json").exists()
    # the same trouble is the same document: it is told once
    shop = source(settings)
    documents = {raw.document for page in pages_of(shop) for raw in page.orders}
    assert documents == {raw.document for page in pages_of(shop) for raw in page.orders}


def test_links_and_giants_are_told_and_not_read(settings: Settings) -> None:
    (settings.root / "secret").write_text(json.dumps(order(id="stolen")))
    (settings.root / "in/link.json").symlink_to(settings.root / "secret")
    with (settings.root / "in/giant.json").open("wb") as file:
        file.truncate(2**34)
    found, wrong = pull(source(settings))
    assert not found
    assert sorted(words.split(":")[0] for words in wrong) == ["giant.json", "link.json"]


def test_a_file_that_comes_again_under_its_name_is_asked_about(settings: Settings) -> None:
    drop(settings, "a.json", [order(), order(id="B")])
    pull(source(settings))
    drop(settings, "a.json", [order(), order(id="B")])
    found, wrong = pull(source(settings))
    assert list(found) == ["B"]
    assert "taken before, and the order has no id" in wrong[0]
    assert (settings.root / "in/a.json").exists()


def test_a_folder_that_is_not_there_is_no_empty_folder(settings: Settings) -> None:
    shutil.rmtree(settings.root / "in")
    with pytest.raises(PlatformError, match="cannot be listed"):
        pages_of(source(settings))


PARCEL = Command(
    CommandKind.PARCEL,
    "B",
    lines={"a": 1},
    tracking=Tracking("", "DHL", "123", ""),
    reference="command-1",
    details={"file": "many.json", "place": "[0]"},
)


def test_an_update_is_one_file_that_is_never_written_twice(settings: Settings) -> None:
    shop = source(settings)
    assert asyncio.run(shop.verify(PARCEL)).outcome is Outcome.RETRYABLE
    assert asyncio.run(shop.perform(PARCEL)).outcome is Outcome.APPLIED
    path = settings.root / "out/command-1.json"
    assert json.loads(path.read_text()) == {
        "reference": "command-1",
        "order_id": "B",
        "event": "parcel_shipped",
        "file": "many.json",
        "place": "[0]",
        "lines": [{"line": "a", "quantity": 1}],
        "tracking": {"carrier": "DHL", "number": "123", "url": ""},
    }
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()  # the shop has taken it
    assert asyncio.run(shop.verify(PARCEL)).outcome is Outcome.APPLIED
    assert asyncio.run(shop.perform(PARCEL)).outcome is Outcome.APPLIED
    assert not path.exists()


def test_an_update_killed_at_any_step_is_there_once(settings: Settings) -> None:
    shop = source(settings)
    out = settings.root / "out"
    outcomes = set()
    for _ in killed_everywhere(lambda: asyncio.run(shop.perform(PARCEL))):
        taken = len(list(out.glob("*.json")))
        for path in out.glob("*.json"):
            path.unlink()
        outcome = asyncio.run(shop.verify(PARCEL)).outcome
        outcomes.add(outcome)
        assert (outcome is Outcome.APPLIED) == (taken == 1)
        if outcome is Outcome.RETRYABLE:
            asyncio.run(shop.perform(PARCEL))
            assert len(list(out.glob("*.json"))) == 1
        shutil.rmtree(out)
    assert outcomes == {Outcome.APPLIED, Outcome.RETRYABLE}


@pytest.mark.parametrize(
    ("command", "event", "lines"),
    [
        (Command(CommandKind.ACCEPT, "B", accepted={"a": True, "b": False}), "partly_accepted",
         [{"line": "a", "accepted": True}, {"line": "b", "accepted": False}]),
        (Command(CommandKind.ACCEPT, "B", accepted={"a": False}), "refused",
         [{"line": "a", "accepted": False}]),
        (Command(CommandKind.REFUND, "B", lines={"a": 1}, amounts={"a": Decimal("1.10")}),
         "refunded", [{"line": "a", "quantity": 1, "amount": "1.10"}]),
        (Command(CommandKind.CANCEL, "B"), "cancelled", None),
    ],
)  # fmt: skip
def test_updates_say_what_happened(
    settings: Settings, command: Command, event: str, lines: Any
) -> None:
    asyncio.run(source(settings).perform(command))
    (path,) = (settings.root / "out").glob("*.json")
    said = json.loads(path.read_text())
    assert (said["event"], said.get("lines")) == (event, lines)


def test_without_a_folder_for_updates_nothing_is_told(tmp_path: Path) -> None:
    settings = load(tmp_path, VALID + "shops: {web: {folder: in}}\n")
    shop = source(settings)
    assert shop.order_capabilities.local == frozenset(CommandKind)
    assert asyncio.run(shop.perform(PARCEL)).outcome is Outcome.UNSUPPORTED


def test_what_is_forgotten_is_in_no_file_any_more(settings: Settings) -> None:
    drop(settings, "a.json", [order(id="J", customer_name="Jane"), order(id="B", note="Bob")])
    pull(source(settings))
    assert done.forget(settings, "web", ["J"]) == 1
    (path,) = (settings.root / "in/done").iterdir()
    assert "Jane" not in path.read_text()
    assert json.loads(path.read_text())[1]["id"] == "B"
    assert done.tidy(settings, "web", 0) == 0
    assert done.tidy(settings, "web", 2**40) == 1
    assert path.read_bytes() == b""


def test_folders_of_orders_are_apart(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="a pattern of names"):
        load(tmp_path, VALID + "shops: {web: {folder: in, pattern: 'sub/*.json'}}\n")
    with pytest.raises(Exception, match=r"a folder of its own, got the one of shops\.web\.folder"):
        load(tmp_path, VALID + "shops: {web: {folder: in, updates: ./in}}\n")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("order-1001.json", "order-1001.json"),
        ("1001.json", "1001.json"),
        ("order 1001 Zawadi Mwangi.json", "***** 1001 ****** ******.json"),
        ("zawadi_mwangi.json", "******_******.json"),
        ("\u674e\u96f7 \u97e9\u6885.json", "** **.json"),
    ],
)
def test_a_file_that_may_be_called_after_a_customer_is_told_by_its_figures(
    settings: Settings, name: str, shown: str
) -> None:
    (settings.root / "in" / name).write_text("{")
    _, wrong = pull(source(settings))
    assert [words.split(",")[0] for words in wrong] == [shown]


@pytest.mark.parametrize(
    "change",
    [
        {"items": [{"sku": "S", "quantity": 999999999, "price": "999999999999"}]},
        {"items": [{"sku": "S", "quantity": 999999999, "price": "40000000", "id": str(n)}
                   for n in range(900)]},
    ],
    ids=["line", "order"],
)  # fmt: skip
def test_a_file_with_amounts_that_the_book_cannot_keep_stays(
    settings: Settings, change: dict[str, Any]
) -> None:
    path = settings.root / "in/big.json"
    path.write_text(json.dumps(order(**change)))
    found, wrong = pull(source(settings))
    assert not found
    assert "too large an amount" in wrong[0]
    assert path.exists()
