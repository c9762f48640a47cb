"""`marketsync orders list|show|tasks|states`: the order book for people. What they decide is
`cli.order_decisions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsync_dagster.cli.output import DONE, counted, note, print_json, say, table, wrapped
from marketsync_dagster.values.errors import UsageError

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.ledger.engine import Ledger
    from marketsync_dagster.ledger.orders import BookOrder

_MOST_STEPS = 8
_FEW = 5
"""So many orders are named one by one."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON alone.")]
Id = Annotated[
    str,
    typer.Argument(metavar="ID", help="The order: its number, its id there, or ours."),
]


def register(app: typer.Typer) -> None:
    from marketsync_dagster.cli import order_decisions

    group = typer.Typer(
        help="Orders: what there is, what waits, decisions.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("list", help="Orders, the newest first, and what they wait for.")(list_)
    group.command("show", help="One order with its whole history.")(show)
    order_decisions.register(group)
    group.command("tasks", help="Questions that no machine can answer.")(tasks)
    group.command("states", help="The states of an order, and what platforms call them.")(states)
    app.add_typer(group, name="orders")


def list_(
    state: Annotated[str | None, typer.Option(help="Only orders in this state.")] = None,
    account: Annotated[str | None, typer.Option(help="Only of this account or shop.")] = None,
    outlet: Annotated[str | None, typer.Option(help="Only with lines of this outlet.")] = None,
    platform: Annotated[str | None, typer.Option(help="Only of this platform.")] = None,
    held: Annotated[bool, typer.Option("--held", help="Only what is held.")] = False,
    asked: Annotated[
        bool, typer.Option("--tasks", help="Only orders about which something is asked.")
    ] = False,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only orders whose deadline has passed.")
    ] = False,
    search: Annotated[
        str | None,
        typer.Option(help="In numbers, ids, SKUs and tracking numbers; not in names."),
    ] = None,
    person: Annotated[
        str | None,
        typer.Option(help="Only orders of a person: a name, a mail, a phone or part of it."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Made since: 3d, 2026-11-20, 18:00.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 50,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.cli.session import settings as load
    from marketsync_dagster.ledger.order_search import Search, find_orders
    from marketsync_dagster.orders.shown import around, listed
    from marketsync_dagster.values.times import to_iso, utcnow

    settings = load()
    wanted = Search(
        **_checked(settings, state, account, outlet, platform),
        held=held,
        tasks=asked,
        overdue=to_iso(utcnow()) if overdue else "",
        text=_said("--search", search),
        person=_said("--person", person),
        since=_since(settings, since),
    )
    with opened(given=settings) as project:
        with project.ledger.read() as conn:
            found, more = find_orders(conn, wanted, limit)
        ids = [order.id for order in found]
        there = around(project.ledger, settings, ids)
        rows = [listed(order, there) for order in found]
    if as_json:
        print_json(rows)
        return DONE
    if not rows:
        say("no orders" if wanted == Search() else "no such orders")
        return DONE
    _print_list(rows)
    if more:
        note(f"the newest {limit:,}; --limit shows more")
    return DONE


def _checked(
    settings: Settings,
    state: str | None,
    account: str | None,
    outlet: str | None,
    platform: str | None,
) -> dict[str, str]:
    """Words that must name something."""
    from marketsync_dagster.cli.names import one_of
    from marketsync_dagster.cli.run import STATES_STEP
    from marketsync_dagster.values.order_states import OrderState

    found: dict[str, str] = {}
    if state is not None:
        known = [one.value for one in OrderState]
        found["state"] = one_of("state", state.lower(), known, STATES_STEP)
    if account is not None:
        found["source"] = one_of("account or shop", account, settings.order_sources())
    if outlet is not None:
        found["outlet"] = one_of("outlet", outlet, settings.outlets)
    if platform is not None:
        found["platform"] = one_of("platform", platform, settings.order_platforms())
    return found


def _said(option: str, given: str | None) -> str:
    if given is None:
        return ""
    if not given.strip():
        raise UsageError(f"{option} is empty", f"{option} TEXT")
    return given.strip()


def _since(settings: Settings, given: str | None) -> str:
    from marketsync_dagster.values.moments import past_moment
    from marketsync_dagster.values.times import to_iso, utcnow

    if given is None:
        return ""
    return to_iso(past_moment(given, settings.defaults.timezone, utcnow(), "--since"))


def _print_list(rows: list[dict[str, Any]]) -> None:
    """As narrow as a terminal: which outlets, and what else is known, `show` says."""
    from marketsync_dagster.cli.order_words import filled, short_times
    from marketsync_dagster.cli.plans import age
    from marketsync_dagster.values.times import from_iso, utcnow

    now = utcnow()
    columns, cells = filled(
        ("number", "source", "state", "flags", "total", "age", "deadline (UTC)", "waits for"),
        [
            (
                *(row["number"], row["source"], row["state"]),
                ", ".join(flag for flag in row["flags"] if flag != "on_hold"),
                f"{row['currency']} {row['value']}",
                age(now - from_iso(row["created_at"])),
                short_times(row["deadline"]),
                short_times(row["waits_for"]),
            )
            for row in rows
        ],
    )
    table(columns, cells, right=("total", "age"), free=("flags", "waits for"))
    _print_steps(rows)
    say(counted(len(rows), "order"))


def _print_steps(rows: list[dict[str, Any]]) -> None:
    """What to do, each once, and for which orders."""
    from marketsync_dagster.cli.order_words import by_number

    steps: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["next_step"]:
            steps.setdefault(row["next_step"].replace(row["id"], "NUMBER"), []).append(row)
    for step, there in list(steps.items())[:_MOST_STEPS]:
        who = ", ".join(row["number"] for row in there)
        who = who if len(there) <= _FEW else counted(len(there), "order")
        one = there[0] if len(there) == 1 else None
        say(f"next for {who}: {by_number(one['next_step'], one) if one else step}")
    if len(steps) > _MOST_STEPS:
        say(f"{len(steps) - _MOST_STEPS:,} more: marketsync orders show NUMBER")


def named(ledger: Ledger, name: str) -> BookOrder:
    """The one order that the command line names; UsageError where there is none, or several."""
    from difflib import get_close_matches

    from marketsync_dagster.ledger.order_search import named_orders, newest_numbers

    with ledger.read() as conn:
        found = named_orders(conn, name.strip()) if name.strip() else []
        near = [] if found else get_close_matches(name, newest_numbers(conn), n=1)
    if not found:
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise UsageError(f"{name!r} is no order{hint}", "`marketsync orders list` shows them")
    if len(found) > 1:
        ids = ", ".join(f"{order.id} ({order.number} of {order.account})" for order in found)
        raise UsageError(f"{name!r} is more than one order: {ids}", "name one by its id")
    return found[0]


def show(
    order: Id,
    personal: Annotated[
        bool, typer.Option("--personal", help="With names, addresses, mails and phones.")
    ] = False,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.cli.order_shown import print_order
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.orders.shown import whole

    with opened() as project:
        the_one = named(project.ledger, order)
        found = whole(project.ledger, project.settings, the_one, personal=personal)
    if as_json:
        print_json(found)
    else:
        print_order(found, personal=personal)
    return DONE


def tasks(as_json: Json = False) -> int:
    from marketsync_dagster.cli.order_words import by_number, short_times
    from marketsync_dagster.cli.plans import age
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.ledger.order_search import numbers_of
    from marketsync_dagster.ledger.order_tasks import open_tasks
    from marketsync_dagster.values.times import from_iso, utcnow

    with opened() as project:
        found = open_tasks(project.ledger)
        with project.ledger.read() as conn:
            numbers = numbers_of(conn, sorted({task.order_id for task in found} - {""}))
    if as_json:
        print_json(
            [
                {
                    "task": task.id,
                    "kind": task.kind,
                    "order_id": task.order_id,
                    "number": numbers.get(task.order_id, ""),
                    "question": task.question,
                    "commands": list(task.commands),
                    "at": task.at,
                }
                for task in found
            ]
        )
        return DONE
    if not found:
        say("nothing is asked")
        return DONE
    now = utcnow()
    for task in found:
        number = numbers.get(task.order_id, "")
        of = f" of order {number}" if number else ""
        say(f"{task.id}: {task.kind}{of}, asked {age(now - from_iso(task.at))} ago")
        say(*(f"  {line}" for line in wrapped(short_times(task.question))))
        order = {"id": task.order_id, "number": number}
        say(*(f"  {by_number(one, order) if number else one}" for one in task.commands))
    say(f"{counted(len(found), 'question')} to be answered")
    return DONE


def states(as_json: Json = False) -> int:
    from marketsync_dagster.orders.pos_answers import STATES as OF_TILLS
    from marketsync_dagster.orders.states import STEPS
    from marketsync_dagster.platforms.mirakl.order_reading import STATES as OF_MIRAKL
    from marketsync_dagster.platforms.own_shop.reading import STATES as OF_SHOPS
    from marketsync_dagster.platforms.qikink.statuses import STATES as OF_QIKINK
    from marketsync_dagster.values.order_states import OrderState

    rows = [
        {
            "state": state.value,
            "then": sorted(
                (after.value for after in STEPS[state]), key=[*map(str, OrderState)].index
            ),
            "mirakl": [word for word, meant in OF_MIRAKL.items() if meant is state],
            "own_shop": [word for word, meant in OF_SHOPS.items() if meant is state and word],
            "qikink": [word for word in OF_QIKINK.get(state, "").split("; ") if word],
            "pos": [word for word, meant in OF_TILLS.items() if meant is state],
        }
        for state in OrderState
    ]
    if as_json:
        print_json(rows)
        return DONE
    columns = ("state", "then", "mirakl", "own_shop", "qikink", "pos")
    table(
        columns,
        [(row["state"], *(", ".join(row[name]) for name in columns[1:])) for row in rows],
        free=columns[1:],
    )
    say(
        *wrapped(
            "An order is where the least far of its lines is that has not ended. Until it is paid "
            "an order that was accepted stays accepted while Mirakl says WAITING_DEBIT. A word "
            "that is not here changes nothing, and people are told of it."
        )
    )
    return DONE
