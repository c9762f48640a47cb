"""Forgetting orders: nothing personal is left, in the ledger's bytes and in files; the books stay,
and what comes later brings nothing back."""

from __future__ import annotations

import contextlib
import json
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import Forward, add_forwards
from marketsync_dagster.ledger.laws import broken_laws
from marketsync_dagster.ledger.order_raw import RawRow, keep_raw, mark_raw, sha256_of
from marketsync_dagster.ledger.order_tables import order_person, order_raw
from marketsync_dagster.ledger.orders import (
    BookOrder,
    get_order,
    order_id_of,
    orders_to_change,
    save_orders,
    touched,
)
from marketsync_dagster.orders.forgetting import Forgotten, forget_old, forget_order
from marketsync_dagster.orders.intake import Intake
from marketsync_dagster.orders.persons import persons_of
from marketsync_dagster.platforms.ordering import RawOrder
from marketsync_dagster.platforms.own_shop.source import OwnShopSource
from marketsync_dagster.values.errors import UsageError
from marketsync_dagster.values.times import to_iso
from marketsync_dagster_tests.config.texts import load
from marketsync_dagster_tests.orders.places import NOW, events
from marketsync_dagster_tests.orders.telling import resolve

YAML = """\
version: 1
outlets:
  a: {name: A, extract: {path: extracts/a}, orders: {drop: tills/a, answers: answers/a}}
shops:
  web: {folder: in, outlet: a, currency: KES, settle_s: 0}
"""
NAMES = ("Wanjiru", "Kamau", "Moi Avenue 4", "+254700000001", "w.kamau@customer.example")
AT = to_iso(NOW)
WHO: dict[str, Any] = {"by": "Ann", "reason": "she asked for it", "now": NOW}
NUMBER = "ms0000000001"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "in" / "done").mkdir(parents=True)
    (tmp_path / "answers/a/done").mkdir(parents=True)
    return load(tmp_path, YAML)


def document(order_id: str = "W-1", **said: Any) -> bytes:
    """A file of the shop with one order."""
    address = {"first_name": NAMES[0], "last_name": NAMES[1], "street_1": NAMES[2],
               "city": "Nairobi", "country": "KE", "phone": NAMES[3]}  # fmt: skip
    items = [{"sku": "S1", "quantity": 2, "price": 10}]
    order = {"id": order_id, "customer_email": NAMES[4], "shipping_address": address,
             "items": items, **said}  # fmt: skip
    return json.dumps(order).encode()


def raw(order_id: str, data: bytes) -> bytes:
    """As the shop hands it out."""
    try:
        order = json.loads(data)
    except ValueError:
        return data
    said = {"file": "a.json", "place": "", "id": order_id, "at": AT, "order": order}
    return json.dumps(said).encode()


def take_in(
    ledger: Ledger, settings: Settings, *documents: bytes, ids: tuple[str, ...] = ("W-1",)
) -> None:
    """As a pull does."""
    shop = OwnShopSource(settings, "web", settings.shops["web"])
    intake = Intake(ledger, shop, "web", "own_shop", resolve, "web", "WEB")
    raws = [
        RawOrder(one, raw(one, document), AT)
        for one, document in zip(ids * len(documents), documents, strict=False)
    ]
    intake.take_in(raws, AT)


def known(ledger: Ledger, external_id: str = "W-1") -> BookOrder:
    """An order of the shop."""
    order = get_order(ledger, order_id_of("own_shop", "web", external_id))
    assert order is not None
    return order


def end(ledger: Ledger, order: BookOrder, at: str = AT) -> None:
    with ledger.begin() as conn:
        now = orders_to_change(conn, order.account, [order.id])[order.id]
        save_orders(conn, [touched(now, AT, ended_at=at)])


def left(ledger: Ledger) -> list[str]:
    """Names that are anywhere in the ledger: its rows, documents inflated, and on SQLite the bytes
    of its files."""
    texts = []
    with ledger.read() as conn:
        for table in t.metadata.sorted_tables:
            for row in conn.execute(select(table)):
                texts += [str(value) for value in row if not isinstance(value, bytes)]
        for (packed,) in conn.execute(select(order_raw.c.document)):
            texts += [] if packed is None else [zlib.decompress(packed).decode()]
    if ledger.dialect == "sqlite":
        file = Path(ledger.location.database or "")
        data = [p.read_bytes() for p in file.parent.glob(f"{file.name}*")]
        texts += [one.decode("latin-1") for one in data]
        texts += [inflated.decode("latin-1") for one in data for inflated in _inflated(one)]
    return sorted({name for name in NAMES for text in texts if name in text})


def _inflated(data: bytes) -> list[bytes]:
    """What can be made of deflated pieces in a file, as somebody who looks for them would."""
    found, start = [], data.find(b"\x78\x01")
    while start >= 0:
        with contextlib.suppress(zlib.error):
            found.append(zlib.decompressobj().decompress(data[start : start + 65_536]))
        start = data.find(b"\x78\x01", start + 1)
    return found


def files(settings: Settings) -> list[str]:
    """Names that are in any file of shops and tills."""
    data = [
        p.read_bytes().decode()
        for folder in ("in", "tills", "answers")
        for p in (settings.root / folder).rglob("*")
        if p.is_file()
    ]
    return sorted({name for name in NAMES for text in data if name in text})


def lines(order: BookOrder) -> list[tuple[str, int, int]]:
    return [(line.sku, line.quantity, line.total_minor) for line in order.lines]


def test_nothing_personal_is_left_of_a_forgotten_order_and_the_books_stay(
    ledger: Ledger, settings: Settings
) -> None:
    take_in(ledger, settings, document())
    take_in(ledger, settings, document(note="changed"))
    before = known(ledger)
    end(ledger, before)
    done = settings.root / "in/done/a-1.json"
    done.write_bytes(b"[" + document() + b"," + document("W-2") + b"]")
    drop(ledger, settings, before)
    assert left(ledger) == sorted(NAMES)

    said = forget_order(ledger, settings, before.id, **WHO)

    assert left(ledger) == []
    assert json.loads(done.read_bytes())[0] == {"id": "W-1", "forgotten": True}
    assert json.loads(done.read_bytes())[1]["id"] == "W-2"  # another's order stays
    done.write_bytes(b"")
    assert files(settings) == []
    after = known(ledger)
    assert after.forgotten_at == AT
    assert (lines(after), after.total_minor, after.number) == (
        lines(before), before.total_minor, before.number,
    )  # fmt: skip
    (event,) = events(ledger, after, "forgotten")
    assert (event.by, event.reason) == ("Ann", "she asked for it")
    assert "3 documents and 2 files" in said.words
    with ledger.read() as conn:
        assert len(conn.execute(select(order_raw.c.sha256)).all()) == 3
        broken = {one.subject for one in broken_laws(conn)}
    assert not broken & {"order_person", "order_raw"}
    # once more is the same
    assert forget_order(ledger, settings, before.id, **WHO).order_id == before.id


def drop(ledger: Ledger, settings: Settings, order: BookOrder) -> None:
    """The order was given to the till of `a`, which answered with the name."""
    forward = Forward("forward-1", order.id, "pos", "a", 1, NUMBER, "done", AT, AT, lines={"1": 2})
    answer = json.dumps({"number": NUMBER, "status": "shipped", "reason": NAMES[0]}).encode()
    with ledger.begin() as conn:
        orders_to_change(conn, "web", [order.id])
        add_forwards(conn, [forward])
        (kept,) = keep_raw(conn, "pos", "a", [RawRow("x.json", sha256_of(answer), AT, "", answer)])
        mark_raw(conn, [(kept.id, "applied", "")])
    (settings.root / "answers/a/done/x-1.json").write_bytes(answer)
    (settings.root / "answers/a/done/y-1.json").write_bytes(b'{"number": "ms0000000002"}')


def test_what_comes_of_a_forgotten_order_brings_nothing_back(
    ledger: Ledger, settings: Settings
) -> None:
    take_in(ledger, settings, document())
    order = known(ledger)
    end(ledger, order)
    forget_order(ledger, settings, order.id, **WHO)
    changed = document(updated_at="2026-11-22T00:00:00Z", note="later", status="cancelled")
    take_in(ledger, settings, document(), changed, document(items="none"))
    take_in(ledger, settings, b"not even JSON")
    with ledger.read() as conn:
        assert persons_of(conn, [order.id]) == {}
        rows = conn.execute(select(order_raw.c.state, order_raw.c.document)).all()
    assert "unreadable" in {row.state for row in rows}
    assert [row.document for row in rows] == [None] * len(rows)


def test_an_order_that_is_not_over_is_kept_unless_that_is_insisted_on(
    ledger: Ledger, settings: Settings
) -> None:
    take_in(ledger, settings, document())
    order = known(ledger)
    with pytest.raises(UsageError, match="its address is still needed"):
        forget_order(ledger, settings, order.id, **WHO)
    with pytest.raises(UsageError, match="a name and a reason"):
        forget_order(ledger, settings, order.id, by="Ann", reason=" ", force=True)
    assert known(ledger) == order
    forget_order(ledger, settings, order.id, **WHO, force=True)
    assert left(ledger) == []


def test_orders_that_ended_long_ago_are_forgotten_by_themselves(
    ledger: Ledger, settings: Settings
) -> None:
    limit = to_iso(NOW - timedelta(days=180))
    long_ago, lately = to_iso(NOW - timedelta(days=181)), to_iso(NOW - timedelta(days=179))
    take_in(ledger, settings, document("W-1"), document("W-2"), ids=("W-1", "W-2"))
    take_in(ledger, settings, document("W-3"), ids=("W-3",))
    book = {name: known(ledger, name) for name in ("W-1", "W-2", "W-3")}
    end(ledger, book["W-1"], long_ago)
    end(ledger, book["W-2"], lately)  # W-3 is open
    loose = b"what nobody can read, of " + NAMES[0].encode()
    with ledger.begin() as conn:
        rows = [
            RawRow("", sha256_of(loose + bytes([n])), at, "", loose + bytes([n]))
            for n, at in enumerate((long_ago, lately))
        ]
        kept = keep_raw(conn, "own_shop", "web", rows)
        mark_raw(conn, [(row.id, "unreadable", "no JSON") for row in kept])
    old, new = (settings.root / "in/done" / name for name in ("old.json", "new.json"))
    old.write_bytes(document("W-9"))

    would = forget_old(ledger, settings, limit, by="run 1", dry_run=True)
    assert (would.orders, would.documents) == (1, 1)
    done = forget_old(ledger, settings, limit, by="run 1", now=NOW)
    assert (done.orders, done.documents) == (1, 2)
    with ledger.read() as conn:
        there = set(conn.execute(select(order_person.c.order_id)).scalars())
        full = order_raw.c.document.is_not(None)
        documents = conn.execute(select(order_raw.c.external_id).where(full)).scalars().all()
    assert there == {book["W-2"].id, book["W-3"].id}
    assert sorted(documents) == ["", "W-2", "W-3"]
    (event,) = events(ledger, book["W-1"], "forgotten")
    assert event.reason == "retention.personal_days"
    assert forget_old(ledger, settings, limit, by="run 1") == Forgotten()
    # files go by when they were put away
    assert old.stat().st_size
    new.write_bytes(document("W-8"))
    assert forget_old(ledger, settings, to_iso(after(new)), by="run 1").files == 2
    assert (old.stat().st_size, new.stat().st_size) == (0, 0)


def after(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_ctime, UTC) + timedelta(seconds=1)
