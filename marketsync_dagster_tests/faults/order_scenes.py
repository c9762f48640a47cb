"""What leads a run of orders to the point where it is killed, and what clean runs must mend.

`kill_orders_and_mend` is one row of the table of orders that `make chaos` prints: a world with some
orders, a run that dies, clean runs until all is settled, the rest of the orders' lives, and then
the world is compared with the book.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from marketsync_dagster.orders import hand_cancelling, hand_refunding
from marketsync_dagster_tests.faults.order_judging import Judged, end, judge, mend
from marketsync_dagster_tests.faults.order_kills import kill_orders
from marketsync_dagster_tests.faults.order_points import OrderPoint, Scene
from marketsync_dagster_tests.faults.order_world import BY, STEPS, OrderBed, make_world
from marketsync_dagster_tests.faults.points import HALF_SENT, IN_FLIGHT
from marketsync_dagster_tests.ledgers import Engine
from marketsync_dagster_tests.sandbox_process import SandboxProcess


@dataclass(frozen=True, slots=True)
class Act:
    """How a world comes to the run that dies."""

    prepare: Callable[[OrderBed], None]
    path: str = ""
    """What is asked of a platform that does not answer, for a death in flight."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """To the project and the platforms."""
    steps: tuple[str, ...] = STEPS
    """Of the run that dies."""


def _many(bed: OrderBed) -> None:
    """Three pages."""
    skus = ["westlands-SOAP", "kisumu-TEE-M"]
    bed.sandbox.generate_orders(2001, 250, skus=skus, state="SHIPPING", lower_stock=False)


def _files(bed: OrderBed) -> None:
    for number in range(3):
        bed.buy(f"web-{number}", ("SOAP", 1), ("RICE", 2))


def _new(bed: OrderBed) -> None:
    bed.sell("A-1", ("westlands-SOAP", 2))
    bed.sell("A-2", ("kisumu-TEE-M", 1))


def _ready(bed: OrderBed) -> None:
    """Accepted, and to be shipped."""
    _new(bed)
    bed.live(["pull mirakl", "book"])


def _printed(bed: OrderBed) -> None:
    """One parcel has left the printer."""
    bed.sell("A-1", ("kisumu-TEE-M", 2))
    bed.live(["pull mirakl", "book"])
    bed.live()
    bed.printers_print()


def _two_parcels(bed: OrderBed) -> None:
    """An order of two places, and both have sent theirs."""
    bed.sell("A-1", ("westlands-SOAP", 2), ("westlands-TEE-M", 1))
    bed.live(["pull mirakl", "book"])
    bed.live()
    bed.printers_print()
    bed.till_answers()


def _order(bed: OrderBed, name: str = "A-1") -> str:
    return bed.book()[name].id


def _cancelled(bed: OrderBed) -> None:
    _ready(bed)
    with bed.run() as project:
        hand_cancelling.cancel(project.ledger, project.settings, _order(bed), **BY)


def _fewer(bed: OrderBed) -> None:
    bed.sell("A-1", ("westlands-SOAP", 3))
    bed.live(["pull mirakl", "book"])
    bed.live(["pull mirakl"])
    with bed.run() as project:
        hand_cancelling.cancel(
            project.ledger, project.settings, _order(bed), lines={"A-1-1": 1}, **BY
        )


def _paid_back(bed: OrderBed) -> None:
    _printed(bed)
    bed.live()
    with bed.run() as project:
        hand_refunding.refund(
            project.ledger, project.settings, _order(bed), amounts={"A-1-1": Decimal("5.00")}, **BY
        )


def _to_print(bed: OrderBed) -> None:
    for number in (1, 2):
        bed.sell(f"A-{number}", ("kisumu-TEE-M", number))
    bed.live(["pull mirakl", "book"])


def _to_print_there(bed: OrderBed) -> None:
    bed.sell("A-1", ("kisumu-SPEC-M", 1))
    bed.live(["pull mirakl", "book"])


def _to_drop(bed: OrderBed) -> None:
    for number in (1, 2):
        bed.sell(f"A-{number}", ("westlands-SOAP", number))
    bed.live(["pull mirakl", "book"])


def _answers(bed: OrderBed) -> None:
    _to_drop(bed)
    bed.live()
    bed.till_answers()


def _printing(bed: OrderBed) -> None:
    _to_print(bed)
    bed.live()
    bed.printers_print()


def _web_answers(bed: OrderBed) -> None:
    """Orders of our own shop that have left, of which it is to be told."""
    bed.buy("web-1", ("SOAP", 1))
    bed.live()
    bed.till_answers()
    bed.live(["pos"])
    bed.shop_takes()


_MANUAL = {"orders": {"accept": "manual"}}
_KEYS = {"backup": {"idempotency_key": True}, "spec": {"idempotency": "key"}}
_SHOP = ("pull own_shop",)
SCENES: Mapping[Scene, Act] = {
    "pull": Act(_many, changes=_MANUAL, steps=("pull mirakl",)),
    "files": Act(_files, steps=_SHOP),
    "accept": Act(_new, "/accept"),
    "ship": Act(_printed),
    "parcels": Act(_two_parcels, "/shipments"),
    "cancel": Act(_cancelled, "/cancel"),
    "cancel pieces": Act(_fewer, "/orders/cancel"),
    "refund": Act(_paid_back, "/orders/refund"),
    "real": Act(_to_print, "/api/order/create"),
    "spec": Act(_to_print_there, "/api/v1/orders"),
    "spec with keys": Act(_to_print_there, "/api/v1/orders", _KEYS),
    "till": Act(_to_drop),
    "answers": Act(_answers),
    "standings": Act(_printing),
    "updates": Act(_web_answers, steps=("tell own_shop",)),
}
_PATHS = {"tracking": "/tracking", "ship": "/ship"}


def kill(bed: OrderBed, point: OrderPoint) -> None:
    """Run until the point, where the run is killed; the platforms answer again afterwards."""
    act = SCENES[point.scene]
    if point.name in (IN_FLIGHT, HALF_SENT):
        kind = "apply_then_hang" if point.name == IN_FLIGHT else "hang"
        path = act.path or _PATHS[point.what]
        nth = 1 if path in _PATHS.values() else point.occurrence
        bed.sandbox.scenario(kind, match={"path": path, "nth": nth}, times=None, seconds=5)
    bed.time_passes()
    kill_orders(bed.place, point.name, point.occurrence, act.steps)
    bed.sandbox.clear_scenarios()


def kill_orders_and_mend(
    point: OrderPoint, folder: Path, sandbox: SandboxProcess, engine: Engine = "sqlite"
) -> Judged:
    """One kill and what comes of it."""
    act, judged = SCENES[point.scene], Judged()
    bed = make_world(folder, sandbox, engine, **act.changes)
    act.prepare(bed)
    kill(bed, point)
    pulled_alone = point.scene == "pull"
    mend(bed, judged, act.steps if pulled_alone else STEPS)
    if pulled_alone:
        judge(bed, judged, ended=False)
    else:
        end(bed, judged)
    return judged
