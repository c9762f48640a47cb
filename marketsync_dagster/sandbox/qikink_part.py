"""Qikink as a part of the world: its section of a seed, of a state file and of a reset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from marketsync_dagster.sandbox.accounts import Reader, SeedError
from marketsync_dagster.sandbox.part import Part
from marketsync_dagster.sandbox.qikink_accounts import QikinkAccount, account_from
from marketsync_dagster.sandbox.qikink_state import Asked, QikinkOrder, QikinkState
from marketsync_dagster.sandbox.shown import QIKINK

if TYPE_CHECKING:
    from marketsync_dagster.sandbox.world import World

LONGEST_S = 1_000_000_000
Seed = tuple[list[QikinkAccount], list[dict[str, Any]]]


def memory(world: World) -> QikinkState:
    """Qikink's own memory."""
    part = world.parts[QIKINK]
    assert isinstance(part, QikinkPart)
    return part.state


class QikinkPart(Part):
    """`{accounts: [...], orders: [{client_id, order_number, status, age_s, ...}]}`."""

    def __init__(self) -> None:
        super().__init__()
        self.state = QikinkState()

    def read(self, section: Any) -> Seed:
        """Accounts merge with those that are known; an order needs a client and a number."""
        reader = Reader(section, QIKINK)
        accounts: dict[str, QikinkAccount] = {}
        known = self.state.accounts
        for index, entry in enumerate(reader.take("accounts", list, [])):
            name = str(entry.get("client_id")) if isinstance(entry, dict) else ""
            before = accounts.get(name) or known.get(name)
            merged = {**before.document, **entry} if before is not None else entry
            account = account_from(merged, f"{QIKINK}.accounts[{index}]")
            accounts[account.client_id] = account
        orders: list[dict[str, Any]] = []
        for index, entry in enumerate(reader.take("orders", list, [])):
            place = f"{QIKINK}.orders[{index}]"
            order = _seeded_order(entry, place)
            if order["client_id"] not in accounts and order["client_id"] not in known:
                raise SeedError(f"{place}.client_id: no such account")
            orders.append(order)
        reader.finish()
        return list(accounts.values()), orders

    def take(self, world: World, channel: str, read: Seed) -> dict[str, int]:
        """Take accounts, and make the orders."""
        accounts, orders = read
        for account in accounts:
            self.state.accounts[account.client_id] = account
            world.restore(channel, account.client_id)
        for entry in orders:
            account = self.state.accounts[entry["client_id"]]
            self.state.seeded[(account.client_id, entry["order_number"])] = entry
            order = self.state.create(
                account,
                entry["order_number"],
                entry["document"],
                world.now() - entry["age_s"],
                status=entry["status"],
            )
            if entry["awb"]:
                order.send_off(entry["awb"], "", "", account.profile)
        return {"accounts": len(accounts), "orders": len(orders)}

    def seed_document(self) -> dict[str, Any]:
        """The section that this began with, merged."""
        accounts = [account.document for account in self.state.accounts.values()]
        return {"accounts": accounts, "orders": list(self.state.seeded.values())}

    def names(self) -> Iterable[str]:
        """The client ids."""
        return list(self.state.accounts)

    def dump(self) -> dict[str, Any]:
        """Tokens, orders, products and counters too."""
        state = self.state
        return {
            **self.seed_document(),
            "tokens": state.tokens,
            "kept": [asdict(order) for order in state.orders.values()],
            "asked": [[*key, *asdict(asked).values()] for key, asked in state.asked.items()],
            "keys": state.keys,
            "products": state.products,
            "counts": {client: dict(counted) for client, counted in state.counts.items()},
            "last_order": state.last_order,
        }

    def load(self, world: World, channel: str, document: Any) -> None:
        """The same again."""
        seed = {name: document[name] for name in ("accounts", "orders")}
        accounts, orders = self.read(seed)
        state = self.state
        state.accounts = {account.client_id: account for account in accounts}
        state.seeded = {(entry["client_id"], entry["order_number"]): entry for entry in orders}
        state.tokens = {
            client: {token: float(until) for token, until in live.items()}
            for client, live in document["tokens"].items()
        }
        for entry in document["kept"]:
            order = QikinkOrder(**entry)
            order.created_at, order.moved_at = float(order.created_at), float(order.moved_at)
            order.events = [[status, float(at), where] for status, at, where in order.events]
            state.keep(order)
        for client, number, *numbers in document["asked"]:
            state.asked[(client, number)] = Asked(*numbers)
        state.keys = document["keys"]
        state.products = document["products"]
        state.counts = {client: Counter(given) for client, given in document["counts"].items()}
        state.last_order = int(document["last_order"])

    def went_back(self, now: float) -> None:
        """What came later has come now."""
        for order in self.state.orders.values():
            order.created_at = min(order.created_at, now)
            order.moved_at = min(order.moved_at, now)
        for client, live in self.state.tokens.items():
            latest = now + self.state.accounts[client].expires_in
            live.update({token: min(until, latest) for token, until in live.items()})


def _seeded_order(entry: Any, place: str) -> dict[str, Any]:
    """An order of a seed, with every key."""
    reader = Reader(entry, place)
    order = {
        "client_id": reader.text("client_id"),
        "order_number": reader.text("order_number"),
        "status": reader.optional("status"),
        "awb": reader.text("awb", ""),
        "age_s": min(reader.number("age_s", 0) or 0, LONGEST_S),
        "document": reader.take("document", dict, {}),
    }
    reader.finish()
    return order
