"""Orders of an own shop, from its folder into the book."""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from marketsync_dagster.ledger.engine import open_ledger
from marketsync_dagster.ledger.order_tables import order_line, order_person, orders
from marketsync_dagster.orders.intake import Intake
from marketsync_dagster.orders.points import Observer, unobserved
from marketsync_dagster.orders.pull import Pulled, Puller
from marketsync_dagster.platforms.own_shop import source as shop_source
from marketsync_dagster.platforms.own_shop.source import OwnShopSource
from marketsync_dagster_tests.config.texts import VALID, load
from marketsync_dagster_tests.faults import kills
from marketsync_dagster_tests.ledgers import ready_ledger_url
from marketsync_dagster_tests.orders.telling import resolve

SHOP = "shops: {web: {folder: in, outlet: a, currency: KES}}\n"


def drop(folder: Path, name: str, count: int) -> None:
    """A file with so many orders, which have no ids and differ in nothing but their prices."""
    (folder / "in").mkdir(exist_ok=True)
    made = [
        {
            "customer_email": "lisa@example.com",
            "shipping_address": "Moi Avenue 4, 00100 Nairobi, KE",
            "items": [{"sku": "S1", "quantity": 1, "price": f"{number % 7}.50"}],
        }
        for number in range(count)
    ]
    (folder / "in" / name).write_text(json.dumps(made))


def pull(
    folder: Path, url: str, observe: Observer = unobserved, limit: int | None = None
) -> Pulled:
    """One pull, an hour later."""
    settings = load(folder, VALID + SHOP)
    shop = settings.shops["web"]

    async def run(ledger_url: str) -> Pulled:
        from marketsync_dagster.orders.pull import Wanted

        source = OwnShopSource(settings, "web", shop, clock=lambda: time.time() + 3600)
        with closing(open_ledger(ledger_url)) as ledger:
            intake = Intake(
                ledger, source, "web", shop.platform, resolve, "test", shop.prefix, observe
            )
            async with source:
                return await Puller(source, intake, shop.orders, Wanted(limit=limit)).run()

    return asyncio.run(run(url))


def pull_and_die(folder: str, url: str, point: str, times: int) -> None:
    """In a child: pull, and be killed when `point` is passed so often."""
    left = [times]

    def observe(name: str) -> None:
        left[0] -= name == point
        if left[0] == 0:
            os.kill(os.getpid(), 9)

    pull(Path(folder), url, observe)


def numbers(url: str) -> list[str]:
    """The numbers of the orders in the book; each has a line and two persons."""
    with closing(open_ledger(url)) as ledger, ledger.read() as conn:
        found = sorted(row.number for row in conn.execute(select(orders.c.number)))
        assert len(conn.execute(select(order_line.c.line_id)).all()) == len(found)
        assert len(conn.execute(select(order_person.c.role)).all()) == 2 * len(found)
    return found


@pytest.mark.parametrize(
    ("point", "times"),
    [("raw_committed", 1), ("book_written", 2), ("page_committed", 1), ("page_committed", 2)],
)
def test_a_killed_pull_of_a_folder_loses_and_doubles_nothing(
    tmp_path: Path, point: str, times: int
) -> None:
    url = ready_ledger_url("sqlite", tmp_path)
    drop(tmp_path, "one.json", 120)
    drop(tmp_path, "two.json", 30)
    child = kills.context().Process(target=pull_and_die, args=(str(tmp_path), url, point, times))
    child.start()
    assert kills.ended(child) == -9
    pull(tmp_path, url)
    if point == "page_committed":
        pull(tmp_path, url)  # what had been passed over comes with the next one
    assert numbers(url) == [f"WEB-{number:06}" for number in range(1, 151)]
    assert len(list((tmp_path / "in/done").iterdir())) == 2
    assert not list((tmp_path / "in").glob("*.json"))


def test_a_limited_pull_counts_the_files_behind_it_and_the_next_one_takes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shop_source, "PAGE_ORDERS", 2)
    url = ready_ledger_url("sqlite", tmp_path)
    for number in range(6):
        drop(tmp_path, f"{number}.json", 1)
    for created, left_out, rest in ((3, 3, 4), (3, 0, 0), (0, 0, 0)):
        pulled = pull(tmp_path, url, limit=3)
        came = pulled.numbers()["created"]
        assert (came, pulled.left_out) == (created, left_out)
        assert len(list((tmp_path / "in").glob("*.json"))) == rest
    assert len(numbers(url)) == 6


def test_a_limited_pull_leaves_the_file_where_it_is(tmp_path: Path) -> None:
    url = ready_ledger_url("sqlite", tmp_path)
    drop(tmp_path, "one.json", 8)
    pulled = pull(tmp_path, url, limit=5)
    assert (pulled.numbers()["created"], pulled.left_out) == (5, 3)
    assert (tmp_path / "in/one.json").exists()
    assert pull(tmp_path, url).numbers()["created"] == 3
    assert not (tmp_path / "in/one.json").exists()
    assert len(numbers(url)) == 8
