"""`marketsync orders accept|refuse|hold|release|ship|cancel|refund|resolve|forget`: what people
decide, by name and for a reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsync_dagster.cli.output import DONE, note, print_json, say, wrapped
from marketsync_dagster.values.errors import UsageError

if TYPE_CHECKING:
    from marketsync_dagster.ledger.orders import BookOrder
    from marketsync_dagster.orders.by_hand import Done
    from marketsync_dagster.stages.project import Project

Json = Annotated[bool, typer.Option("--json", help="Print JSON alone.")]
Id = Annotated[
    str,
    typer.Argument(metavar="ID", help="The order: its number, its id there, or ours."),
]
By = Annotated[str | None, typer.Option(help="Who decides (default: who is logged in).")]
Reason = Annotated[str, typer.Option(help="Why; kept with the decision.")]
Code = Annotated[
    str,
    typer.Option(help="The platform's reason code (default: the configuration's)."),
]


def register(group: typer.Typer) -> None:
    group.command("accept", help="Take a new order, or some of its lines.")(accept)
    group.command("refuse", help="Refuse a new order.")(refuse)
    group.command("hold", help="Let nothing happen to an order until it is released.")(hold)
    group.command(
        "release",
        help="Let an order go on, and try again what ended without success.",
    )(release)
    group.command("ship", help="A parcel has left.")(ship)
    group.command("cancel", help="Cancel an order, or pieces of it, that have not left.")(cancel)
    group.command("refund", help="Give money back.")(refund)
    group.command("resolve", help="Answer a question of `orders tasks`.")(resolve)
    group.command("forget", help="Erase the personal data of an order; its books stay.")(forget)


def accept(
    order: Id,
    reason: Reason,
    by: By = None,
    line: Annotated[
        list[str] | None,
        typer.Option(metavar="LINE", help="Take this line, and refuse those not named; repeat it."),
    ] = None,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.orders import by_hand

    return _decide(order, by, reason, as_json, by_hand.accept, lines=tuple(line or ()))


def refuse(order: Id, reason: Reason, by: By = None, as_json: Json = False) -> int:
    from marketsync_dagster.orders import by_hand

    return _decide(order, by, reason, as_json, by_hand.refuse)


def hold(order: Id, reason: Reason, by: By = None, as_json: Json = False) -> int:
    from marketsync_dagster.orders import by_hand

    return _decide(order, by, reason, as_json, by_hand.hold)


def release(order: Id, reason: Reason, by: By = None, as_json: Json = False) -> int:
    from marketsync_dagster.orders import by_hand

    return _decide(order, by, reason, as_json, by_hand.release)


def ship(
    order: Id,
    reason: Reason,
    by: By = None,
    carrier: Annotated[str, typer.Option(help="Who carries it.")] = "",
    tracking: Annotated[str, typer.Option(help="The tracking number.")] = "",
    url: Annotated[str, typer.Option(help="Where it can be followed.")] = "",
    line: Annotated[
        list[str] | None,
        typer.Option(metavar="LINE=QTY", help="Only so many pieces of this line; repeat it."),
    ] = None,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.orders import by_hand

    return _decide(
        *(order, by, reason, as_json, by_hand.ship),
        carrier=carrier.strip(),
        tracking=tracking.strip(),
        url=url.strip(),
        lines=_pieces("--line", line),
    )


def cancel(
    order: Id,
    reason: Reason,
    by: By = None,
    line: Annotated[
        list[str] | None,
        typer.Option(metavar="LINE=QTY", help="Only so many pieces of this line; repeat it."),
    ] = None,
    code: Code = "",
    as_json: Json = False,
) -> int:
    from marketsync_dagster.orders import by_hand

    lines = _pieces("--line", line)
    return _decide(order, by, reason, as_json, by_hand.cancel, lines=lines, code=code)


def refund(
    order: Id,
    reason: Reason,
    line: Annotated[
        list[str],
        typer.Option(metavar="LINE=AMOUNT", help="So much of the goods of this line; repeat it."),
    ],
    by: By = None,
    shipping: Annotated[
        list[str] | None,
        typer.Option(metavar="LINE=AMOUNT", help="So much of this line's shipping; repeat it."),
    ] = None,
    pieces: Annotated[
        list[str] | None,
        typer.Option(metavar="LINE=QTY", help="For so many pieces of this line; repeat it."),
    ] = None,
    code: Code = "",
    as_json: Json = False,
) -> int:
    from marketsync_dagster.orders import by_hand

    return _decide(
        *(order, by, reason, as_json, by_hand.refund),
        amounts=_amounts("--line", line),
        shipping=_amounts("--shipping", shipping),
        quantities=_pieces("--pieces", pieces),
        code=code,
    )


def resolve(
    task: Annotated[int, typer.Argument(metavar="TASK", help="The number of the question.")],
    answer: Annotated[
        str,
        typer.Option(
            help="done: it is, somebody saw it there. again: it is not, let it go again. "
            "drop: nothing more comes of it."
        ),
    ],
    reason: Reason,
    by: By = None,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.cli.names import one_of
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.orders.resolving import ANSWERS, resolve_task

    one_of("answer", answer, ANSWERS)
    who, why = _by(by), _reason(reason)
    with opened(who) as project:
        done = resolve_task(project.ledger, project.settings, task, answer, by=who, reason=why)
        return _tell(project, done, as_json)


def forget(
    order: Id,
    reason: Reason,
    by: By = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Although there is still to be done; nobody can send it on."),
    ] = False,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.orders import forgetting

    return _decide(order, by, reason, as_json, forgetting.forget_order, force=force)


def _decide(
    name: str,
    by: str | None,
    reason: str,
    as_json: bool,
    decide: Callable[..., Done],
    **said: Any,
) -> int:
    """Let `orders.by_hand` do it, and say what was done and what happens next."""
    from marketsync_dagster.cli.orders import named
    from marketsync_dagster.cli.session import opened

    who, why = _by(by), _reason(reason)
    with opened(who) as project:
        order = named(project.ledger, name)
        done = decide(project.ledger, project.settings, order.id, by=who, reason=why, **said)
        return _tell(project, done, as_json)


def _tell(project: Project, done: Done, as_json: bool) -> int:
    if as_json:
        from marketsync_dagster.ledger.orders import get_order

        now: BookOrder | None = get_order(project.ledger, done.order_id) if done.order_id else None
        document = {"order_id": done.order_id, "number": now.number if now else ""}
        document |= {"state": now.state.value if now else ""}
        print_json({**document, "done": done.words, "next_step": done.next_step})
        return DONE
    say(*wrapped(done.words, "  "))
    if done.next_step:
        from marketsync_dagster.cli.orders import by_number
        from marketsync_dagster.ledger.orders import get_order

        step, order = done.next_step, get_order(project.ledger, done.order_id)
        if order is not None:
            step = by_number(step, {"id": order.id, "number": order.number})
        note(f"next: {step}")
    return DONE


def _pieces(option: str, given: Sequence[str] | None) -> dict[str, int]:
    """`LINE=QTY`, repeated."""
    found: dict[str, int] = {}
    for line, word in _pairs(option, given, "2"):
        if not word.isdecimal() or int(word) < 1:
            raise UsageError(f"{option} {line}={word}: expected pieces, 1 or more")
        found[line] = int(word)
    return found


def _amounts(option: str, given: Sequence[str] | None) -> dict[str, Decimal]:
    """`LINE=AMOUNT`, repeated, in the order's currency."""
    found: dict[str, Decimal] = {}
    for line, word in _pairs(option, given, "12.50"):
        try:
            amount = Decimal(word)
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite() or amount <= 0:
            raise UsageError(f"{option} {line}={word}: expected an amount such as 12.50")
        found[line] = amount
    return found


def _pairs(option: str, given: Sequence[str] | None, such: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for text in given or ():
        # a line's id may have anything in it
        line, equals, word = text.rpartition("=")
        if not equals or not line.strip() or not word.strip():
            raise UsageError(f"{option} {text!r}: expected LINE={such}", f"{option} LINE={such}")
        if any(line.strip() == one for one, _ in pairs):
            raise UsageError(f"{option} names line {line.strip()} twice")
        pairs.append((line.strip(), word.strip()))
    return pairs


def _by(given: str | None) -> str:
    from marketsync_dagster.cli.names import user

    name = user() if given is None else given.strip()
    if not name:
        raise UsageError("--by is empty", "--by 'Jane Doe'")
    return name


def _reason(given: str) -> str:
    if not given.strip():
        raise UsageError("--reason is empty", "--reason 'the customer called'")
    return given.strip()
