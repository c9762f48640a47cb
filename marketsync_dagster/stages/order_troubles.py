"""What is wrong with orders now, for `stages.troubles`: few alerts, however many orders there are,
and nothing personal in them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from marketsync_dagster.config.accounts import QikinkAccount
from marketsync_dagster.ledger.alerts import Trouble
from marketsync_dagster.ledger.order_tasks import Task, open_tasks
from marketsync_dagster.ledger.orders import sources_in
from marketsync_dagster.ledger.states import OutletState, states_at
from marketsync_dagster.stages.order_late import not_delivered, not_told
from marketsync_dagster.stages.order_waiting import (
    Sight,
    deadlines_near,
    held_too_long,
    named,
    not_forwarded,
    unknown_states,
)
from marketsync_dagster.values.words import counted

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.stages.project import Project

KINDS = (
    "order_deadline",
    "order_held",
    "order_task",
    "order_state_unknown",
    "order_not_forwarded",
    "order_not_told",
    "order_not_delivered",
)
FEW = 5
"""So many orders of a source are told of one by one; more of them together."""


def order_troubles(project: Project, now: datetime) -> list[Trouble]:
    """All that stands wrong with orders; nothing where no source brings any, or brought any."""
    if not project.settings.order_sources():
        with project.ledger.read() as conn:
            if not sources_in(conn):
                return []
    return [
        *of_sights("order_deadline", deadlines_near(project, now), _deadline),
        *of_sights("order_held", held_too_long(project, now), _held),
        *of_sights("order_not_forwarded", not_forwarded(project, now), _unsent),
        *of_sights("order_not_told", not_told(project, now), _untold),
        *of_sights("order_not_delivered", not_delivered(project, now), _undelivered),
        *of_words(unknown_states(project)),
        *of_tasks(open_tasks(project.ledger)),
        *of_failures(_bad_states(project)),
    ]


def of_sights(
    kind: str, sights: Sequence[Sight], title: Callable[[str, int], str]
) -> list[Trouble]:
    """One trouble per order, or one per source where it has many. `title`: of whom, and how many
    orders."""
    by_source: dict[str, dict[str, Sight]] = {}
    for one in sights:  # the first of an order is its oldest
        by_source.setdefault(one.source, {}).setdefault(one.order_id, one)
    found = []
    for source, there in by_source.items():
        orders = list(there.values())
        if len(orders) > FEW:
            words = named(orders, 3)
            step = _LISTS.get(kind, "marketsync orders list") + f" --account {source}"
            found.append(
                _trouble(f"{kind} {source}", kind, title(source, len(orders)), words, step)
            )
            continue
        found += [
            _trouble(
                f"{kind} {one.order_id}",
                kind,
                title(f"order {one.number} of {source}", 1),
                one.what,
                one.next_step,
                one.outlet or None,
            )
            for one in orders
        ]
    return found


_LISTS = {
    "order_held": "marketsync orders list --held",
    "order_deadline": "marketsync orders list --overdue",
}


def _deadline(whom: str, orders: int) -> str:
    if orders == 1:
        return f"the deadline of {whom} is near, or over"
    return _many(whom, orders, "near their deadline, or past it")


def _held(whom: str, orders: int) -> str:
    return f"{whom} is held for too long" if orders == 1 else _many(whom, orders, "held too long")


def _unsent(whom: str, orders: int) -> str:
    if orders == 1:
        return f"{whom} is not where it is fulfilled, or does not leave there"
    return _many(whom, orders, "not where they are fulfilled, or do not leave there")


def _untold(whom: str, orders: int) -> str:
    if orders == 1:
        return f"what happened to {whom} was not told there"
    return _many(whom, orders, "not known there as they are")


def _undelivered(whom: str, orders: int) -> str:
    if orders == 1:
        return f"{whom} could not be delivered"
    return _many(whom, orders, "not delivered")


def _many(source: str, orders: int, what: str) -> str:
    return f"{counted(orders, 'order')} of {source} are {what}"


def of_words(sights: Sequence[Sight]) -> list[Trouble]:
    """One trouble for each word that nobody knows, of one source."""
    found: dict[tuple[str, str], list[Sight]] = {}
    for one in sights:
        found.setdefault((one.source, one.what), []).append(one)
    return [
        _trouble(
            f"order_state_unknown {source} {what[:120]}",
            "order_state_unknown",
            f"{source} tells a state that nobody knows",
            f"{what}; {counted(len(there), 'order')}, such as {there[0].number}: they stay as they "
            "were",
            there[0].next_step,
        )
        for (source, what), there in found.items()
    ]


def of_tasks(tasks: Sequence[Task]) -> list[Trouble]:
    """One trouble for each question, or one for all of a kind where there are many."""
    by_kind: dict[str, list[Task]] = {}
    for task in tasks:
        by_kind.setdefault(task.kind, []).append(task)
    found = []
    for kind, there in by_kind.items():
        if len(there) > FEW:
            title = f"{counted(len(there), 'question')} about orders ({kind.replace('_', ' ')})"
            found.append(
                _trouble(
                    f"order_task {kind}",
                    "order_task",
                    title,
                    there[0].question,
                    "marketsync orders tasks",
                )
            )
            continue
        found += [
            _trouble(
                f"order_task {task.id} {task.at}",  # what is asked anew is news
                "order_task",
                f"a question about orders ({kind.replace('_', ' ')})",
                task.question,
                next(iter(task.commands), "marketsync orders tasks"),
            )
            for task in there
        ]
    return found


def of_failures(states: Sequence[OutletState]) -> list[Trouble]:
    """One trouble for each stage of orders that failed, whatever sources or outlets it was for:
    one source that cannot be reached is bad at every outlet."""
    by_stage: dict[str, list[OutletState]] = {}
    for state in states:
        by_stage.setdefault(state.stage, []).append(state)
    found = []
    for stage, there in by_stage.items():
        what = "source" if stage.endswith("_orders") else "outlet"
        names = ", ".join(state.outlet for state in there[:3])
        names += f" and {len(there) - 3} more" if len(there) > 3 else ""
        reasons = list(dict.fromkeys(state.reason or state.state for state in there))
        found.append(
            _trouble(
                f"outlet_failed {stage}",
                "outlet_failed",
                f"{what} {names} failed at {stage}",
                "; ".join(reasons[:3]),
                there[0].next_step,
                run_id=there[0].run_id,
            )
        )
    return found


def order_states(settings: Settings) -> Mapping[str, Sequence[str]]:
    """Stage of orders -> the outlets, or sources, that it has states of."""
    outlets, platforms = list(settings.outlets), settings.order_platforms()
    found: dict[str, Sequence[str]] = {
        f"orders_{platform}_orders": [
            name for name in settings.order_sources() if settings.order_platform(name) == platform
        ]
        for platform in platforms
    }
    for part in ("order_book", "qikink_fulfilments", "pos_drops"):
        found[f"orders_{part}"] = outlets
    if any(isinstance(account, QikinkAccount) for account in settings.accounts.values()):
        found["qikink_products"] = outlets
    return found | {f"orders_{platform}_updates": outlets for platform in platforms}


def _bad_states(project: Project) -> list[OutletState]:
    found = []
    for stage, whose in order_states(project.settings).items():
        at = states_at(project.ledger, stage)
        found += [at[one] for one in whose if one in at and not at[one].ok]
    return found


def _trouble(
    key: str,
    kind: str,
    title: str,
    message: str,
    next_step: str,
    outlet: str | None = None,
    run_id: str = "",
) -> Trouble:
    return Trouble(
        key=key,
        kind=kind,
        title=title,
        message=message,
        next_step=next_step,
        outlet=outlet,
        run_id=run_id,
    )
