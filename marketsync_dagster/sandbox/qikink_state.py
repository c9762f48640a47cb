"""Qikink's own memory: clients, tokens, orders on their way, products. How it is asked and what
it answers are `qikink` and `qikink_spec`.

An order moves by the sandbox's clock, if its client's account says so; it is brought up to date
(`settle`) whenever somebody looks at it.
"""

from __future__ import annotations

import secrets
from bisect import insort
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from marketsync_dagster.sandbox.qikink_accounts import SPEC, QikinkAccount

FINAL = frozenset(("delivered", "returned", "partially returned", "cancelled", "lost", "archived"))
RETURNING = frozenset(["rto initiated", "reverse pickup initiated"])
FIRST_ORDER = 13_254
LONGEST_NUMBER = 100
COURIER = "Delhivery"


@dataclass(slots=True, repr=False)
class QikinkOrder:
    """One order as Qikink has it. `number` is ours, without the account's prefix."""

    order_id: int
    client_id: str
    number: str
    document: dict[str, Any]
    """As it was sent."""
    status: str
    created_at: float
    moved_at: float
    request: int = 0
    """The request that made it; 0: a seed or the control API."""
    step: int = 0
    awb: str = ""
    courier: str = ""
    tracking_link: str = ""
    estimated_delivery: str | None = None
    """Told instead of the usual day."""
    events: list[list[Any]] = field(default_factory=list)
    """Status, time and place of each move, the first included."""
    looked_up: int = 0
    """How often it was asked for by its id or number."""

    @property
    def when(self) -> tuple[float, int]:
        """What orders are sorted by."""
        return self.created_at, self.order_id

    def put(
        self, account: QikinkAccount, status: str, moment: float, location: str | None = None
    ) -> None:
        """Give it a status; from a certain step of the flow on it has an AWB."""
        self.status, self.moved_at = status, moment
        if status in account.flow:
            self.step = account.flow.index(status)
            if self.step >= account.awb_step and not self.awb:
                self.send_off("", "", "", account.profile)
        where = location or ("Delhi" if self.awb else "Tiruppur")
        self.events.append([status, moment, where])

    def send_off(self, awb: str, courier: str, link: str, profile: str) -> None:
        """Give it an AWB, a courier and a link, the usual ones where none is given."""
        usual = f"TRK-{self.order_id}" if profile == SPEC else str(1_000_000_000 + self.order_id)
        self.awb = awb or self.awb or usual
        self.courier = courier or self.courier or COURIER
        self.tracking_link = link or f"https://courierupdates.example/?awb={self.awb}"

    def move(self, account: QikinkAccount, moment: float) -> bool:
        """One step on; False where there is none."""
        word = self.status.casefold()
        if word in RETURNING:
            self.put(account, "Returned", moment)
            return True
        if word in FINAL or self.step + 1 >= len(account.flow):
            return False
        self.put(account, account.flow[self.step + 1], moment)
        return True

    def settle(self, account: QikinkAccount, now: float) -> None:
        """Take the steps that are due by the clock."""
        while account.step_s and now - self.moved_at >= account.step_s:
            if not self.move(account, self.moved_at + account.step_s):
                return


@dataclass(slots=True)
class Asked:
    """How one order number was asked for to be made."""

    asked: int = 0
    created: int = 0
    duplicates_refused: int = 0


class QikinkState:
    """All clients and what belongs to them, each by client id."""

    def __init__(self) -> None:
        self.accounts: dict[str, QikinkAccount] = {}
        self.tokens: dict[str, dict[str, float]] = {}
        """Token -> until when, by the sandbox's clock."""
        self.orders: dict[int, QikinkOrder] = {}
        self.by_client: dict[str, list[QikinkOrder]] = {}
        """Oldest first."""
        self.by_number: dict[tuple[str, str], list[QikinkOrder]] = {}
        self.asked: dict[tuple[str, str], Asked] = {}
        self.keys: dict[str, dict[str, list[Any]]] = {}
        """Idempotency key -> hash of the body, and the answer that was given."""
        self.products: dict[str, dict[str, dict[str, Any]]] = {}
        self.counts: dict[str, Counter[str]] = {}
        self.seeded: dict[tuple[str, str], dict[str, Any]] = {}
        """Seeds of orders, merged."""
        self.last_order = FIRST_ORDER - 1

    # --- tokens

    def mint(self, account: QikinkAccount, now: float) -> str:
        """A new token; where only one lives, it kills the one before."""
        token = secrets.token_hex(20)
        live = {} if account.one_token else self.tokens.get(account.client_id, {})
        live = {old: until for old, until in live.items() if until > now}
        self.tokens[account.client_id] = {**live, token: now + account.expires_in}
        self.count(account.client_id, "tokens_minted")
        return token

    def lives(self, client_id: str, token: str, now: float) -> bool:
        """Whether a token is one of the client's, and not too old."""
        return self.tokens.get(client_id, {}).get(token, 0.0) > now

    def kill_tokens(self, client_id: str | None) -> int:
        """Let a client's tokens, or all, die at once; how many there were."""
        clients = list(self.tokens) if client_id is None else [client_id]
        return sum(len(self.tokens.pop(client, {})) for client in clients)

    # --- orders

    def new_id(self) -> int:
        """An order id that was never given."""
        self.last_order += 1
        return self.last_order

    def create(
        self,
        account: QikinkAccount,
        number: str,
        document: dict[str, Any],
        now: float,
        request: int = 0,
        status: str | None = None,
    ) -> QikinkOrder:
        """A new order, in the first status of its flow if no other is given."""
        order = QikinkOrder(
            self.new_id(), account.client_id, number, document, "", now, now, request
        )
        order.put(account, status or account.flow[0], now)
        self.keep(order)
        return order

    def keep(self, order: QikinkOrder) -> None:
        """Let an order be found."""
        self.orders[order.order_id] = order
        insort(self.by_client.setdefault(order.client_id, []), order, key=lambda kept: kept.when)
        self.by_number.setdefault((order.client_id, order.number), []).append(order)
        self.last_order = max(self.last_order, order.order_id)

    def strangers(self, account: QikinkAccount, count: int, now: float) -> list[int]:
        """Orders that somebody else made in the client's name; their ids."""
        made: list[int] = []
        for _ in range(count):
            number = f"x{self.last_order + 1}"
            made.append(self.create(account, number, _stranger(number, account), now).order_id)
        return made

    def asked_for(self, client_id: str, number: str) -> Asked:
        """How a number was asked for, to be counted on."""
        return self.asked.setdefault((client_id, number), Asked())

    def count_asked(self, client_id: str, number: Any) -> None:
        """One more request for an order with this number, whatever becomes of it."""
        if isinstance(number, (str, int)) and len(str(number)) <= LONGEST_NUMBER:
            self.asked_for(client_id, str(number)).asked += 1

    def count(self, client_id: str, what: str) -> None:
        """One more of something."""
        self.counts.setdefault(client_id, Counter())[what] += 1


def _stranger(number: str, account: QikinkAccount) -> dict[str, Any]:
    item = {"sku": "STRANGER-1", "quantity": "1", "price": "499"}
    if account.profile == SPEC:
        return {"order_id": number, "items": [item], "total_amount": "499"}
    return {
        "order_number": number,
        "gateway": "Prepaid",
        "total_order_value": "499",
        "line_items": [{"search_from_my_products": 1, **item}],
    }
