"""A project with every way an order can go, and its world: a marketplace, a shop of the retailer's
own, two printers and a till, which move on only when they are told to.

`OrderBed.live` is one run of all stages of orders. The world is compared with the book in
`order_judging`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from sqlalchemy import select, update

from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.engine import Ledger, open_ledger
from marketsync_dagster.ledger.forwards import Forward, forwards_of
from marketsync_dagster.ledger.order_holds import holds_of
from marketsync_dagster.ledger.order_tables import forward, order_command, order_raw, orders
from marketsync_dagster.ledger.order_tasks import Task, open_tasks
from marketsync_dagster.ledger.orders import BookOrder, load_orders
from marketsync_dagster.ledger.shipments import Shipment, shipments_of
from marketsync_dagster.orders import hand_deciding
from marketsync_dagster.orders.points import Observer, unobserved
from marketsync_dagster.orders.resolving import OF_COMMANDS, answers_of, resolve_task
from marketsync_dagster.stages.order_book import keep_book
from marketsync_dagster.stages.order_fulfilment import fulfil
from marketsync_dagster.stages.order_pull import pull_orders
from marketsync_dagster.stages.order_updates import tell_sources
from marketsync_dagster.stages.project import Project, StageResult
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster_tests.ledgers import Engine, ready_ledger_url
from marketsync_dagster_tests.projects import Place
from marketsync_dagster_tests.sandbox import mirakl as market
from marketsync_dagster_tests.sandbox import qikink
from marketsync_dagster_tests.sandbox.mirakl_orders import order
from marketsync_dagster_tests.sandbox_process import SandboxProcess

OUTLETS = ("kisumu", "westlands")
REAL, SPEC = "qk_client_real", "qk_client_spec"
SKUS = ("SOAP", "RICE", "TEE-M", "SPEC-M")
"""SOAP and RICE go to the till of westlands, TEE to the printer, SPEC to the other one."""
STEPS = (
    *("pull mirakl", "pull own_shop", "book", "qikink", "pos"),
    *("tell mirakl", "tell own_shop"),
)
"""What one run does, in its order."""
VARIABLES = {
    "TEST_ORDERS_MIRAKL": market.KEY,
    "TEST_ORDERS_REAL": REAL,
    "TEST_ORDERS_SPEC": SPEC,
    "TEST_ORDERS_SECRET": qikink.SECRET,
}
BY: dict[str, Any] = {"by": "amina", "reason": "as agreed"}
UNSETTLED = ("intended", "unknown", "pending", "sync_pending", "cancelling")
ENDED = {"SHIPPED", "TO_COLLECT", "RECEIVED", "CLOSED", "CANCELED", "REFUSED"}
DROPPED = {OrderState.CANCELLED, OrderState.REFUSED}
LEFT = {OrderState.SHIPPED, OrderState.OUT_FOR_DELIVERY, OrderState.DELIVERED}


def run_orders(
    project: Project, steps: Collection[str] = STEPS, observe: Observer = unobserved
) -> dict[str, list[StageResult]]:
    """The stages of `pull_orders` and `fulfil_orders`, in their order."""
    results: dict[str, list[StageResult]] = {}
    for step in STEPS:
        if step not in steps:
            continue
        kind, _, platform = step.partition(" ")
        if kind == "pull":
            results[step] = pull_orders(project, platform, observe=observe)
        elif kind == "tell":
            results[step] = tell_sources(project, platform, OUTLETS, observe=observe)
        elif kind == "book":
            results[step] = keep_book(project, OUTLETS, observe=observe)
        else:
            results[step] = fulfil(
                project, "pos" if kind == "pos" else "qikink", OUTLETS, observe=observe
            )
    return results


@dataclass(slots=True)
class OrderBed:
    """The project and its world. `place` opens it in another process."""

    place: Place
    sandbox: SandboxProcess
    dropped: Counter[str] = field(default_factory=Counter)
    """Number -> how often the till got it."""
    drops: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Number -> what the till read."""
    answered: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    """Numbers that the till has said it does not send."""
    tried: set[str] = field(default_factory=set)
    """Commands that were refused, and that people have let go once more."""
    told: Counter[str] = field(default_factory=Counter)
    """Updates that the shop has taken away, by what they say."""

    # --- the world

    def sell(self, order_id: str, *lines: tuple[str, int], **more: Any) -> None:
        """An order at the marketplace: (offer, pieces) each."""
        said = [{"offer_sku": sku, "quantity": n, "price": "12.50"} for sku, n in lines]
        self.sandbox.add_orders(order(order_id, *said, **more))

    def buy(self, name: str, *lines: tuple[str, int]) -> None:
        """An order in the shop of the retailer's own."""
        address = {
            "first_name": "Zawadi", "last_name": "Mwangi", "street_1": "4 Moi Avenue",
            "city": "Nairobi", "zip": "00100", "province": "Nairobi", "country": "KE",
            "phone": "+254711000111",
        }  # fmt: skip
        document = {
            "order_id": name,
            "customer_email": "zawadi@mail.invalid",
            "shipping_address": address,
            "items": [{"sku": sku, "quantity": n, "price": "20.00"} for sku, n in lines],
        }
        folder = self.place.root / "shop" / "in"
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{name}.part"
        part.write_text(json.dumps(document))
        part.rename(folder / f"{name}.json")

    def bought(self) -> set[str]:
        """Orders that the shop has dropped, wherever the files are now."""
        files = (self.place.root / "shop" / "in").rglob("*.json")
        return {json.loads(path.read_text())["order_id"] for path in files}

    def till_takes(self) -> None:
        """The till takes every file away at once."""
        folder = self.place.root / "till" / "drop"
        for path in sorted(folder.glob("*.json")):
            said = json.loads(path.read_text())
            self.dropped[said["number"]] += 1
            self.drops[said["number"]] = said
            path.unlink()

    def till_answers(self, status: str = "shipped") -> None:
        """The till has taken and shipped all that it was given."""
        self.till_takes()
        folder = self.place.root / "till" / "answers"
        folder.mkdir(parents=True, exist_ok=True)
        for number in sorted(self.drops.keys() - self.answered):
            said = {"number": number, "status": status}
            if status == "shipped":
                said |= {"carrier": "DHL", "tracking": f"T{number}"}
            (folder / f"{number}.json").write_text(json.dumps(said))
            self.answered.add(number)
            if status == "refused":
                self.refused.add(number)

    def shop_takes(self) -> None:
        """The shop takes the updates away at once."""
        for path in sorted((self.place.root / "shop" / "out").glob("*.json")):
            said = json.loads(path.read_text())
            del said["reference"]
            self.told[json.dumps(said, sort_keys=True)] += 1
            path.unlink()

    def printers_print(self, steps: int = 4) -> None:
        """Both printers go on with all they have (4: it has left)."""
        for client in (REAL, SPEC):
            document = {"client_id": client, "steps": steps}
            self.sandbox.control("POST", "/qikink/advance", document)

    def configure(self, changes: dict[str, Any]) -> None:
        """Change marketsync.yaml; the next run reads it."""
        path = self.place.root / "marketsync.yaml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))

    # --- runs

    @contextmanager
    def run(self) -> Iterator[Project]:
        project = self.place.open()
        try:
            yield project
        finally:
            project.ledger.close()

    def live(self, steps: Collection[str] = STEPS) -> dict[str, list[StageResult]]:
        """One run, an hour after the last one."""
        self.time_passes()
        with self.run() as project:
            return run_orders(project, steps)

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        ledger = open_ledger(self.place.ledger_url)
        try:
            yield ledger
        finally:
            ledger.close()

    def time_passes(self) -> None:
        """As if an hour had gone by since anything was tried."""
        past = "2026-01-01T00:00:00.000Z"
        with self.ledger() as ledger, ledger.begin() as conn:
            for table in (order_command, forward):
                there = table.c.intended_at.is_not(None)
                conn.execute(update(table).where(there).values(intended_at=past))
                conn.execute(update(table).values(not_before=""))
            conn.execute(t.rate_closed.delete())

    def unsettled(self) -> list[str]:
        """What the next run has still to do by itself."""
        with self.ledger() as ledger, ledger.read() as conn:
            found = [
                f"{row.destination} {row.number} is {row.state}"
                for row in conn.execute(select(forward).where(forward.c.state.in_(UNSETTLED)))
            ]
            states = ("intended", "unknown", "waiting")
            found += [
                f"{row.key} of {row.order_id} is {row.state}: {row.message}"
                for row in conn.execute(
                    select(order_command).where(order_command.c.state.in_(states))
                )
            ]
            received = conn.execute(select(order_raw.c.external_id).where(
                order_raw.c.state == "received"
            )).scalars()  # fmt: skip
            return found + [f"{one} was not taken in" for one in received]

    def people_decide(self) -> Counter[str]:
        """Every open question is answered (what is somewhere stays there, what a source refused is
        tried once more), and what waits for a person is released; how many of which kind."""
        asked = Counter[str]()
        with self.run() as project:
            for task in open_tasks(project.ledger):
                stays = task.kind in ("cancel_at_destination", *OF_COMMANDS)
                answer = "drop" if stays or "done" not in answers_of(task) else "done"
                if task.kind == "command_refused" and task.subject not in self.tried:
                    self.tried.add(task.subject)
                    answer = "again"
                resolve_task(project.ledger, project.settings, task.id, answer, **BY)
                asked[task.kind] += 1
            with project.ledger.read() as conn:
                held = {one.order_id: one.kind for one in holds_of(conn)}
            for order_id, kind in held.items():
                if kind in ("person", "changed", "destination"):
                    hand_deciding.release(project.ledger, project.settings, order_id, **BY)
                    asked[f"held: {kind}"] += 1
        return asked

    def goes_on(self, days: int = 4, *, people: bool = False) -> None:
        """To its end, if `days` are enough: everything is shipped, and everybody has heard of it.
        `people`: they decide what they are asked."""
        for _ in range(days):
            if people:
                self.people_decide()
            self.printers_print()
            self.till_answers()
            self.live()
            self.shop_takes()
            self.till_takes()
            asked = people and self.tasks()
            if not (asked or self.unsettled()) and self._all_left():
                break

    def _all_left(self) -> bool:
        """Whether everybody agrees that there is nothing more to send."""
        there = self.sandbox.mirakl_orders()
        return all(
            one.ended_at is not None or one.state in LEFT for one in self.book().values()
        ) and all(one["state"] in ENDED for one in there.values())

    # --- what there is

    def book(self) -> dict[str, BookOrder]:
        """External id -> order."""
        with self.ledger() as ledger, ledger.read() as conn:
            ids = conn.execute(select(orders.c.id)).scalars().all()
            return {one.external_id: one for one in load_orders(conn, ids).values()}

    def forwards(self) -> list[Forward]:
        with self.ledger() as ledger, ledger.read() as conn:
            ids = conn.execute(select(orders.c.id)).scalars().all()
            return [one for there in forwards_of(conn, ids).values() for one in there]

    def shipments(self) -> list[Shipment]:
        with self.ledger() as ledger, ledger.read() as conn:
            ids = conn.execute(select(orders.c.id)).scalars().all()
            return [one for there in shipments_of(conn, ids).values() for one in there]

    def tasks(self) -> list[Task]:
        with self.ledger() as ledger:
            return open_tasks(ledger)


def make_world(
    folder: Path, sandbox: SandboxProcess, engine: Engine = "sqlite", **changes: Any
) -> OrderBed:
    """The world without orders. `changes`: to the parts `bestbuy`, `printer`, `backup`, `shop`,
    `market` (the shop of the sandbox), `spec` (its client of the other printer)."""
    intervals = {**market.NO_LIMITS, "OR11": None}
    market.seed_market(
        sandbox,
        **{
            "intervals": intervals,
            "debit_delay_s": 0,
            "update_delta_s": 0,
            "orders_lower_stock": False,
            **changes.get("market", {}),
        },
    )
    qikink.seed_real(sandbox, client_id=REAL)
    qikink.seed_spec(sandbox, client_id=SPEC, **changes.get("spec", {}))
    (folder / "marketsync.yaml").write_text(yaml.safe_dump(_document(sandbox, changes)))
    for name in ("shop/in", "till/drop", "till/answers"):
        (folder / name).mkdir(parents=True)
    place = Place(folder, ready_ledger_url(engine, folder), VARIABLES)
    bed = OrderBed(place, sandbox)
    with bed.run() as project:
        for outlet in OUTLETS:
            frame = pd.DataFrame({"sku": [*SKUS], "quantity": [100_000] * len(SKUS)})
            project.frames.write(("pos", "catalog"), outlet, frame, inputs="1", numbers={})
    return bed


def _document(sandbox: SandboxProcess, changes: dict[str, Any]) -> dict[str, Any]:
    calls = {
        "quota": {"per_minute": None},
        "timeouts": {"connect_s": 2, "read_s": 2},
        "retry": {"attempts": 1, "budget_s": 2},
    }
    printer = {
        "platform": "qikink",
        "client_secret": {"env": "TEST_ORDERS_SECRET"},
        "ask_s": 0,
        **calls,
    }
    return {
        "version": 1,
        "defaults": {"currency": "KES", "timezone": "UTC"},
        "lease_wait_s": 0,
        "outlets": {
            "kisumu": {"name": "Kisumu", "extract": {"path": "extracts/kisumu"}},
            "westlands": {
                "name": "Westlands",
                "extract": {"path": "extracts/westlands"},
                "orders": {"drop": "till/drop", "answers": "till/answers", "settle_s": 0},
            },
        },
        "accounts": {
            "bestbuy": {
                "platform": "mirakl",
                "base_url": sandbox.mirakl_url,
                "api_key": {"env": "TEST_ORDERS_MIRAKL"},
                "shop_id": market.SHOP,
                "offer_sku": "{outlet}-{sku}",
                "calls": {"orders_s": 0},
                "several_parcels": True,
                "settle_s": 0,
                "orders": {"accept": "auto", "cancel_reason": "34", "refund_reason": "15",
                           **changes.get("orders", {})},
                **calls,
                **changes.get("bestbuy", {}),
            },
            "printer": {
                **printer,
                "base_url": f"{sandbox.url}/qikink",
                "client_id": {"env": "TEST_ORDERS_REAL"},
                **changes.get("printer", {}),
            },
            "backup": {
                **printer,
                "profile": "spec",
                "base_url": f"{sandbox.url}/qikink_spec/api/v1",
                "client_id": {"env": "TEST_ORDERS_SPEC"},
                **changes.get("backup", {}),
            },
        },
        "shops": {
            "webshop": {
                "folder": "shop/in",
                "updates": "shop/out",
                "outlet": "westlands",
                "settle_s": 0,
                "orders": {"accept": "auto"},
                **changes.get("shop", {}),
            }
        },
        "routes": [
            {"to": "printer", "sku": "TEE-*"},
            {"to": "backup", "sku": "SPEC-*"},
            {"to": "pos", "outlet": "westlands"},
        ],
        "channels": [{"outlet": outlet, "account": "bestbuy"} for outlet in OUTLETS],
    }  # fmt: skip


def forget_world(bed: OrderBed) -> None:
    """Remove the folder of a project that another one takes the place of."""
    shutil.rmtree(bed.place.root, ignore_errors=True)
    for name in VARIABLES:
        os.environ.pop(name, None)
