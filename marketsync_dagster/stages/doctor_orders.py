"""The lines of `marketsync doctor` about orders: sources, destinations, folders, open questions.

Nothing is called and nothing is changed; credentials are `stages.doctor`'s.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from marketsync_dagster.config.orders import OWN_SHOP
from marketsync_dagster.ledger.order_tasks import open_tasks
from marketsync_dagster.ledger.states import states_at
from marketsync_dagster.stages.doctor_lines import Line
from marketsync_dagster.values.words import counted

if TYPE_CHECKING:
    from marketsync_dagster.ledger.states import OutletState
    from marketsync_dagster.stages.project import Project


def of_orders(project: Project, platform: str | None = None) -> Iterator[Line]:
    """Every line about orders, or those of the sources of one platform."""
    settings = project.settings
    sources = [
        name
        for name in settings.order_sources()
        if platform is None or settings.order_platform(name) == platform
    ]
    for source in sources:
        kind = settings.order_platform(source)
        state = states_at(project.ledger, f"orders_{kind}_orders").get(source)
        yield pulled(source, state)
        if kind == OWN_SHOP:
            shop = settings.shops[source]
            at = f"shops.{source}"
            for key, path in (("folder", shop.folder), ("updates", shop.updates)):
                if path is not None:
                    yield folder("shop", source, settings.root, path, f"{at}.{key}")
    if platform is not None or not sources:
        return
    for outlet, one in settings.outlets.items():
        if one.orders is not None:
            at = f"outlets.{outlet}.orders"
            for key, path in (("drop", one.orders.drop), ("answers", one.orders.answers)):
                if path is not None:
                    yield folder("till", outlet, settings.root, path, f"{at}.{key}")
    yield routes(settings.destinations(), [route.to for route in settings.routes])
    yield tasks(len(open_tasks(project.ledger)))


def pulled(source: str, state: OutletState | None) -> Line:
    """Whether the orders of a source come in."""
    run = "marketsync run pull_orders"
    if state is None:
        words = "its orders were never pulled"
        return Line("orders", source, "missing", words, f"{run} --limit 5")
    if not state.ok:
        last = (
            f"; the last time that it could be was {state.last_ok_at}" if state.last_ok_at else ""
        )
        words = f"it cannot be read: {state.reason}{last}"
        return Line("orders", source, "missing", words, state.next_step or run)
    return Line("orders", source, "ok", f"pulled at {state.at}")


def folder(name: str, subject: str, root: Path, said: Path, at: str) -> Line:
    """Whether files can be put into a folder, and taken out of it: both need to write there. One
    outside the project is made by nobody: it may be a share that is not mounted."""
    place = path = root / said
    while not place.exists() and place != place.parent:
        place = place.parent
    if path.exists() and not path.is_dir():
        words = f"{path} is no folder ({at})"
        return Line(name, subject, "missing", words, f"make it a folder, or change {at}")
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        words = f"{path} cannot be written to ({at})"
        return Line(name, subject, "missing", words, f"let this user write to {place}")
    if not path.exists() and said.is_absolute():
        words = f"{path} is not there ({at})"
        return Line(name, subject, "missing", words, f"mount it, or: mkdir -p {path}")
    if not path.exists():
        words = f"{path} is not there yet ({at})"
        return Line(name, subject, "warning", words, f"mkdir -p {path}")
    return Line(name, subject, "ok", f"{path} can be written to")


def routes(destinations: list[str], to: list[str]) -> Line:
    """Whether orders go anywhere by themselves."""
    unused = [one for one in destinations if one not in to]
    if not destinations:
        return Line("routes", "", "ok", "orders are shipped by hand: there is no destination")
    if unused:
        words = f"no route leads to {', '.join(unused)}"
        if not to:
            words += ": nothing is forwarded, people ship"
        return Line("routes", "", "warning", words, f"write routes: [{{to: {unused[0]}}}]")
    return Line("routes", "", "ok", f"orders go to {', '.join(destinations)}")


def tasks(count: int) -> Line:
    """Questions that wait for people."""
    if count:
        words = f"{counted(count, 'question')} about orders waits for people"
        if count != 1:
            words = f"{counted(count, 'question')} about orders wait for people"
        return Line("order tasks", "", "warning", words, "marketsync orders tasks")
    return Line("order tasks", "", "ok", "no question about orders waits")
