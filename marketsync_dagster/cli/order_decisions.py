"""`marketsync orders accept|refuse|hold|release|ship|cancel|refund|resolve|forget`: what people
decide, by name and for a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

_PIECES = "Only so many pieces of this line (its id or SKU); repeat it."
_OF_LINES = ("lines", "amounts", "shipping", "quantities")
"""What is said of single lines, by the words of `orders.hand_*`."""


def register(group: typer.Typer) -> None:
    group.command("accept", help="Take a new order, or some of its lines.")(accept)
    group.command("refuse", help="Refuse a new order, or some of its lines.")(refuse)
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
    from marketsync_dagster.orders import hand_deciding

    return _decide(order, by, reason, as_json, hand_deciding.accept, lines=_lines(line))


def refuse(
    order: Id,
    reason: Reason,
    by: By = None,
    line: Annotated[
        list[str] | None,
        typer.Option(metavar="LINE", help="Refuse this line, and take those not named; repeat it."),
    ] = None,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.orders import hand_deciding

    return _decide(order, by, reason, as_json, hand_deciding.refuse, lines=_lines(line))


def hold(order: Id, reason: Reason, by: By = None, as_json: Json = False) -> int:
    from marketsync_dagster.orders import hand_deciding

    return _decide(order, by, reason, as_json, hand_deciding.hold)


def release(order: Id, reason: Reason, by: By = None, as_json: Json = False) -> int:
    from marketsync_dagster.orders import hand_deciding

    return _decide(order, by, reason, as_json, hand_deciding.release)


def ship(
    order: Id,
    reason: Reason,
    by: By = None,
    carrier: Annotated[str, typer.Option(help="Who carries it.")] = "",
    tracking: Annotated[str, typer.Option(help="The tracking number.")] = "",
    url: Annotated[str, typer.Option(help="Where it can be followed.")] = "",
    line: Annotated[
        list[str] | None,
        typer.Option(metavar="LINE=QTY", help=_PIECES),
    ] = None,
    parcel: Annotated[
        str,
        typer.Option(
            metavar="NUMBER",
            help="One that has left, by its tracking number: say who carries it, and how, anew.",
        ),
    ] = "",
    as_json: Json = False,
) -> int:
    from marketsync_dagster.orders import hand_shipping

    return _decide(
        *(order, by, reason, as_json, hand_shipping.ship),
        carrier=carrier.strip(),
        tracking=tracking.strip(),
        url=url.strip(),
        lines=_pieces("--line", line),
        parcel=parcel.strip(),
    )


def cancel(
    order: Id,
    reason: Reason,
    by: By = None,
    line: Annotated[
        list[str] | None,
        typer.Option(metavar="LINE=QTY", help=_PIECES),
    ] = None,
    code: Code = "",
    as_json: Json = False,
) -> int:
    from marketsync_dagster.orders import hand_cancelling

    lines = _pieces("--line", line)
    return _decide(order, by, reason, as_json, hand_cancelling.cancel, lines=lines, code=code)


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
    from marketsync_dagster.orders import hand_refunding

    return _decide(
        *(order, by, reason, as_json, hand_refunding.refund),
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
    from marketsync_dagster.cli import names
    from marketsync_dagster.cli.names import one_of
    from marketsync_dagster.cli.order_words import naming
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.ledger.order_tasks import get_task
    from marketsync_dagster.ledger.orders import get_order
    from marketsync_dagster.orders.resolving import ANSWERS, resolve_task

    one_of("answer", answer, ANSWERS)
    who, why = names.by(by), names.why(reason, "the customer called")
    with opened(who) as project:
        asked = get_task(project.ledger, task)
        order = get_order(project.ledger, asked.order_id) if asked and asked.order_id else None
        with naming(_called(order) if order else None):
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
    """Let `orders.hand_*` do it, and say what was done and what happens next."""
    from marketsync_dagster.cli import names
    from marketsync_dagster.cli.order_words import naming
    from marketsync_dagster.cli.orders import named
    from marketsync_dagster.cli.session import opened

    who, why = names.by(by), names.why(reason, "the customer called")
    with opened(who) as project:
        order = named(project.ledger, name)
        said |= {key: _ids(order, said[key]) for key in _OF_LINES if said.get(key)}
        with naming(_called(order)):
            done = decide(project.ledger, project.settings, order.id, by=who, reason=why, **said)
        return _tell(project, done, as_json)


def _called(order: BookOrder) -> dict[str, str]:
    return {"id": order.id, "number": order.number}


def _ids(order: BookOrder, named: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of lines, by their ids; a line can be called by its SKU, ours or its source's,
    where no other has the same."""
    found: dict[str, Any] = {}
    for name, said in named.items():
        ids = [line.line_id for line in order.lines if line.line_id == name]
        ids = ids or [
            line.line_id for line in order.lines if name in (line.sku, line.offer_sku) and name
        ]
        if len(ids) != 1:
            words = f"has {name} in {len(ids)} lines" if ids else f"has no line {name}"
            known = (
                f"{line.line_id} ({line.sku or line.offer_sku})"
                for line in order.lines
                if not ids or line.line_id in ids
            )
            step = "name one by its id" if ids else "its lines"
            raise UsageError(f"order {order.number} {words}", f"{step}: {', '.join(known)}")
        if ids[0] in found:
            raise UsageError(f"line {ids[0]} of order {order.number} is named twice")
        found[ids[0]] = said
    return found


def _tell(project: Project, done: Done, as_json: bool) -> int:
    from marketsync_dagster.cli.order_words import by_number
    from marketsync_dagster.ledger.orders import get_order

    now: BookOrder | None = get_order(project.ledger, done.order_id) if done.order_id else None
    if as_json:
        document = {"order_id": done.order_id, "number": now.number if now else ""}
        document |= {"state": now.state.value if now else ""}
        print_json({**document, "done": done.words, "next_step": done.next_step})
        return DONE
    words, step = (
        by_number(text, _called(now)) if now else text for text in (done.words, done.next_step)
    )
    say(*wrapped(words, "  "))
    if step:
        note(f"next: {step}")
    return DONE


def _lines(given: Sequence[str] | None) -> dict[str, bool]:
    """`LINE`, repeated."""
    lines = [line.strip() for line in given or ()]
    if not all(lines):
        raise UsageError("--line is empty", "--line LINE")
    return dict.fromkeys(lines, True)


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
