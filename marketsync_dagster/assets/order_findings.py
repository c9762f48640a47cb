"""What the checks over orders find: pure reading, no Dagster but the result types.

Orders are named by their numbers; nothing personal is ever metadata. Heavy imports are inside the
functions: this module is loaded with the code location.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from marketsync_dagster.assets.findings import Finding
from marketsync_dagster.values.words import counted

if TYPE_CHECKING:
    from marketsync_dagster.stages.order_waiting import Sight
    from marketsync_dagster.stages.project import Project


def every_source(project: Project, platform: str) -> Finding:
    """Which accounts or shops of a platform could not be read, whenever that was found."""
    from marketsync_dagster.ledger.states import states_at

    settings = project.settings
    sources = [one for one in settings.order_sources() if settings.order_platform(one) == platform]
    states = states_at(project.ledger, f"orders_{platform}_orders")
    bad = [states[one] for one in sources if one in states and not states[one].ok]
    waiting = sum(one not in states for one in sources)
    sentence = f"{len(bad)} of {counted(len(sources), 'source')} could not be read"
    if bad:
        sentence += ": " + ", ".join(state.outlet for state in bad)
    if waiting:
        sentence += f"; {waiting} have not run yet"
    rows = [
        {
            "source": state.outlet,
            "state": state.state,
            "reason": state.reason,
            "next_step": state.next_step,
            "since": state.at,
            "last_ok": state.last_ok_at or "never",
        }
        for state in bad
    ]
    numbers = {"bad_sources": len(bad), "sources": len(sources), "not_run_yet": waiting}
    return Finding(not bad, sentence, rows, numbers)


def held_too_long(project: Project) -> Finding:
    """Orders that wait for people longer than `held_hours` of their source."""
    from marketsync_dagster.stages.order_waiting import held_too_long as look
    from marketsync_dagster.stages.order_waiting import named
    from marketsync_dagster.values.times import utcnow

    found = look(project, utcnow())
    orders = len({one.order_id for one in found})
    sentence = "no order waits too long"
    if found:
        sentence = f"{counted(orders, 'order')} held for too long: {named(found)}"
    return Finding(not found, sentence, _rows(found), {"held_too_long": orders})


def past_deadline(project: Project) -> Finding:
    """Orders whose deadline is near, or has passed."""
    from marketsync_dagster.stages.order_waiting import deadlines_near, named
    from marketsync_dagster.values.times import utcnow

    found = deadlines_near(project, utcnow())
    over = [one for one in found if one.over]
    near = [one for one in found if not one.over]
    sentence = "no deadline is near"
    if found:
        parts = [f"{counted(len(over), 'deadline')} passed: {named(over)}" if over else ""]
        parts += [f"{counted(len(near), 'deadline')} near: {named(near)}" if near else ""]
        sentence = "; ".join(filter(None, parts))
    numbers = {"past_deadline": len(over), "near_deadline": len(near)}
    return Finding(not found, sentence, _rows([*over, *near]), numbers, warn=not over)


def not_forwarded(project: Project) -> Finding:
    """Orders that are to be fulfilled, and are not where that is done."""
    from marketsync_dagster.stages.order_waiting import named
    from marketsync_dagster.stages.order_waiting import not_forwarded as look
    from marketsync_dagster.values.times import utcnow

    found = look(project, utcnow())
    sentence = "every order that is to be fulfilled is where that is done"
    if found:
        sentence = f"{counted(len(found), 'order')} not where it is fulfilled: {named(found)}"
    return Finding(not found, sentence, _rows(found), {"not_forwarded": len(found)})


def conservation_of_orders(project: Project) -> Finding:
    """The laws of orders, over the whole book."""
    from sqlalchemy import func, select

    from marketsync_dagster.ledger.order_laws import broken_order_laws
    from marketsync_dagster.ledger.order_tables import order_line, orders

    with project.ledger.read() as conn:
        found = list(broken_order_laws(conn))
        numbers = {
            "orders": conn.execute(select(func.count()).select_from(orders)).scalar_one(),
            "lines": conn.execute(select(func.count()).select_from(order_line)).scalar_one(),
        }
    broken = [one for one in found if one.broken]
    rows = [
        {"subject": one.subject, "what": one.message, "next_step": one.next_step} for one in found
    ]
    sentence = f"every line of {counted(numbers['orders'], 'order')} is accounted for"
    if found:
        sentence = "; ".join(one.message for one in [*broken, *found][: max(len(broken), 1)])
    numbers |= {"broken": len(broken), "unfinished": len(found) - len(broken)}
    return Finding(not found, sentence, rows, numbers, warn=not broken)


def no_open_tasks(project: Project) -> Finding:
    """Questions that no machine can answer."""
    from marketsync_dagster.ledger.order_tasks import open_tasks

    tasks = open_tasks(project.ledger)
    rows = [
        {
            "task": task.id,
            "kind": task.kind,
            "order": task.order_id,
            "question": task.question,
            "since": task.at,
            "next_step": next(iter(task.commands), f"marketsync orders show {task.order_id}"),
        }
        for task in tasks
    ]
    sentence = "nothing about orders is asked"
    if tasks:
        sentence = f"{counted(len(tasks), 'question')} about orders: "
        sentence += "; ".join(task.question for task in tasks[:3])
        sentence += f" and {len(tasks) - 3} more" if len(tasks) > 3 else ""
    return Finding(not tasks, sentence, rows, {"open_tasks": len(tasks)})


def states_known(project: Project) -> Finding:
    """Words of sources that nobody knows."""
    from marketsync_dagster.stages.order_waiting import named, unknown_states

    found = unknown_states(project)
    sentence = "every state that sources tell is known"
    if found:
        sentence = f"{counted(len(found), 'order')} in a state that nobody knows: {named(found)}"
    return Finding(not found, sentence, _rows(found), {"unknown_states": len(found)})


def _rows(found: Sequence[Sight]) -> list[dict[str, Any]]:
    return [
        {
            "order": one.number,
            "source": one.source,
            "outlet": one.outlet,
            "what": one.what,
            "since": one.since,
            "next_step": one.next_step,
        }
        for one in found
    ]
