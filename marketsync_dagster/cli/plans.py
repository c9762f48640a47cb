"""`marketsync plans list|show`, `approve`, `reject`: plans that wait, and decisions on them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsync_dagster.cli.output import DONE, counted, note, print_json, say, table, wrapped
from marketsync_dagster.values.errors import PlanError, UsageError

if TYPE_CHECKING:
    from datetime import timedelta

    from marketsync_dagster.ledger.engine import Ledger
    from marketsync_dagster.ledger.plans import PlanRecord

STATES = ("planned", "held", "approved", "rejected", "superseded", "stale", "pushing", "pushed")
_ROWS_SHOWN = 30
_MANY = 1_000_000
_SHORTEST_ID = 6
_DECISIONS = {"deselected": "paused"}

Json = Annotated[bool, typer.Option("--json", help="Print JSON alone.")]
By = Annotated[str | None, typer.Option(help="Who decides (default: who is logged in).")]
Reason = Annotated[str, typer.Option(help="Why; kept with the decision.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The plan, or the beginning of its id.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Plans that were made.", no_args_is_help=True, rich_markup_mode=None)
    group.command("list", help="The plans that wait for a decision, then the newest others.")(list_)
    group.command("show", help="One plan with its rows and what the guard found.")(show)
    app.add_typer(group, name="plans")
    app.command("approve", help="Let a held plan go.")(approve)
    app.command("reject", help="Refuse a held or approved plan.")(reject)


def list_(
    outlet: Annotated[str | None, typer.Option(help="Only this outlet.")] = None,
    platform: Annotated[str | None, typer.Option(help="Only this platform.")] = None,
    state: Annotated[str | None, typer.Option(help="Only plans in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 20,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.cli.names import one_of
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.cli.session import settings as load

    settings = load()
    states = (one_of("state", state, STATES),) if state is not None else ()
    if outlet is not None:
        one_of("outlet", outlet, settings.outlets)
    if platform is not None:
        one_of("platform", platform, settings.platforms())
    from marketsync_dagster.ledger.plans import plans
    from marketsync_dagster.push.decisions import summary
    from marketsync_dagster.values.times import from_iso, utcnow

    with opened(given=settings) as project:

        def newest(states: tuple[str, ...], most: int) -> list[dict[str, Any]]:
            kept = plans(
                project.ledger, states=states, outlet=outlet, platform=platform, limit=most
            )
            return [summary(plan) for plan in kept]

        held = newest(("held",), _MANY)
        found = newest(states, limit) if states else held[:limit]
        if not states and len(found) < limit:
            found += newest(tuple(one for one in STATES if one != "held"), limit - len(found))
    if as_json:
        print_json(found)
        return DONE
    if not found:
        say("no plans")
        return DONE
    now = utcnow()
    rows = [
        (
            *(plan[key] for key in ("plan_id", "outlet", "platform", "state")),
            f"{plan['to_send']:,} / {plan['held']:,}",
            age(now - from_iso(plan["created_at"])),
        )
        for plan in found
    ]
    columns = ("plan id", "outlet", "platform", "state", "to send / held", "age")
    table(columns, rows, right=("to send / held", "age"))
    for plan in found:
        if plan["state"] == "held":
            for finding in plan["findings"]:
                say(*wrapped(f"{plan['plan_id']}: {finding_text(finding)}", "  "))
            say(f"  next: marketsync plans show {plan['plan_id']}")
    say(f"{len(held):,} {'waits' if len(held) == 1 else 'wait'} for a decision")
    return DONE


def age(passed: timedelta) -> str:
    """How long ago, in the one unit that matters: `40 s`, `12 min`, `5 h`, `3 d`."""
    seconds = max(0, int(passed.total_seconds()))
    for unit, size, most in (("s", 1, 60), ("min", 60, 60), ("h", 3600, 48)):
        if seconds < size * most:
            return f"{seconds // size} {unit}"
    return f"{seconds // 86400} d"


def show(plan_id: Id, as_json: Json = False) -> int:
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.push.decisions import details
    from marketsync_dagster.stages.forecasting import of_record
    from marketsync_dagster.stages.shown import rules_of

    with opened() as project:
        record = _plan(project.ledger, plan_id)
        forecast = of_record(project.settings, record)
        account = project.settings.accounts.get(record.account)
        plan: dict[str, Any] = {
            **details(record),
            "forecast": forecast.to_dict(),
            "by_quantity": account is not None and rules_of(account).by_quantity,
        }
    if as_json:
        print_json(plan)
        return DONE
    currency = {row["currency"] for row in plan["rows"]}
    say(
        f"{plan['plan_id']}: {plan['outlet']} on {plan['platform']}, {plan['state']} "
        f"({plan['kind']}, {plan['mode']})",
        f"made {plan['created_at']} by {plan['created_by']} from extract {plan['extract_id']}",
        f"{counted(plan['catalog_rows'], 'catalog row')} = {plan['unmapped']:,} unmapped + "
        f"{plan['held']:,} held + {plan['unchanged']:,} unchanged + {plan['deselected']:,} "
        f"deselected + {plan['to_send']:,} to send",
    )
    if plan["imports"]:
        say("imports: " + ", ".join(f"{n:,} by {kind}" for kind, n in plan["imports"].items()))
    if forecast.calls:
        say(f"{'once approved' if plan['state'] == 'held' else 'takes'}: {forecast.words}")
    if plan["decided_by"]:
        say(f"decided {plan['decided_at']} by {plan['decided_by']}: {plan['decided_reason']}")
    for finding in plan["findings"]:
        say(*wrapped(f"guard: {finding_text(finding)}", "  "))
    if plan["rows"]:
        print_rows(
            plan["rows"],
            _ROWS_SHOWN,
            ", ".join(sorted(currency)),
            held=plan["state"] == "held",
            quantities=plan["by_quantity"],
        )
    elif plan["to_send"] or plan["held"]:
        note("its rows are not kept any more, see retention.plans_days")
    if plan["state"] == "held":
        say(*decision_commands(plan["plan_id"]))
    return DONE


def approve(plan_id: Id, reason: Reason, by: By = None, as_json: Json = False) -> int:
    from marketsync_dagster.cli import names
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.ledger.extracts import latest_accepted
    from marketsync_dagster.ledger.pauses import active_pauses, pause_of
    from marketsync_dagster.push import decisions
    from marketsync_dagster.stages.forecasting import of_approved, of_record
    from marketsync_dagster.stages.standing import has_changed

    who, why = names.by(by), names.why(reason, "checked with the supplier")
    with opened(who) as project:
        found = _plan(project.ledger, plan_id)
        latest = latest_accepted(project.ledger, found.outlet)
        plan = decisions.approve(
            project.ledger,
            found.id,
            who,
            why,
            latest.id if latest else "",
            changed=lambda record: has_changed(project, record),
        )
        forecast = of_record(project.settings, plan)
        together = of_approved(project.settings, project.ledger, plan.account)
        pause = pause_of(active_pauses(project.ledger), plan.outlet, plan.platform)
    if as_json:
        print_json(decisions.summary(plan))
        return DONE
    goes = "goes" if plan.to_send == 1 else "go"
    say(
        f"plan {plan.id} is approved: {counted(plan.to_send, 'row')} {goes} out in {forecast.words}"
    )
    if together is not None and together.channels > 1:
        say(f"{together.words} for the {together.channels} approved plans of the account together")
    if pause is not None:
        note(f"the channel is {pause.words}: the plan waits", f"next: {pause.resume_command}")
        return DONE
    note(
        f"next: marketsync run push_{plan.platform} --outlet {plan.outlet} "
        "(the sensor pending_retries does it by itself when it is switched on)"
    )
    return DONE


def reject(plan_id: Id, reason: Reason, by: By = None, as_json: Json = False) -> int:
    from marketsync_dagster.cli import names
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.push import decisions

    who, why = names.by(by), names.why(reason, "checked with the supplier")
    with opened(who) as project:
        found = _plan(project.ledger, plan_id)
        plan = decisions.reject(project.ledger, found.id, who, why)
    if as_json:
        print_json(decisions.summary(plan))
    else:
        say(f"plan {plan.id} is rejected: none of it is sent")
    return DONE


def decision_commands(plan_id: str) -> list[str]:
    """What to type about a held plan."""
    return [
        f"next: marketsync approve {plan_id} --reason TEXT",
        f"      marketsync reject {plan_id} --reason TEXT",
    ]


def print_rows(
    rows: list[dict[str, Any]],
    most: int,
    currency: str,
    *,
    held: bool = False,
    quantities: bool = False,
) -> None:
    """Rows of a plan as a table: held ones first, they are what a person decides on, counted and
    in groups by their reason, the commonest first.

    `held`: the plan as a whole waits, with all of its rows. `quantities`: the platform is told
    how many there are. Offers have their names beside the SKU where these are others.
    """
    from marketsync_dagster.values.money import to_decimal

    def price(row: dict[str, Any], key: str) -> str:
        return "" if row.get(key) is None else str(to_decimal(int(row[key]), row["currency"]))

    waits = [row for row in rows if held or row["disposition"] == "held"]
    goes = [row for row in rows if not (held or row["disposition"] == "held")]
    counts = Counter(map(_group, waits))
    for why, number in counts.most_common():
        say(*wrapped(f"held: {counted(number, 'row')}: {why}", "  "))
    # the order of most_common, which keeps the first of equals first
    places = {why: place for place, (why, _) in enumerate(counts.most_common())}
    waits.sort(key=lambda row: places[_group(row)])
    ordered = waits + goes
    named = any(row.get("platform_sku") not in (None, "", row["sku"]) for row in rows)
    table(
        (
            "sku",
            *(("offer",) if named else ()),
            "name",
            "was",
            f"price {currency}",
            "stock",
            "decision",
            "why",
        ),
        [
            (
                row["sku"],
                *((row.get("platform_sku") or "",) if named else ()),
                row["name"],
                price(row, "old_price_minor"),
                price(row, "price_minor"),
                _stock(row) if quantities else row["stock_status"],
                "held" if place < len(waits) else _DECISIONS.get(row["disposition"], "to send"),
                row["reason"] or row["change"],
            )
            for place, row in enumerate(ordered[:most])
        ],
        right=("was", f"price {currency}"),
        free=("name", "why"),
    )
    if len(rows) > most:
        note(f"{most} of {len(rows):,} rows shown; --json has all of them")


def _stock(row: dict[str, Any]) -> str:
    """`in_stock 12 -> 9`; one figure where it stays or nothing was acknowledged, none where nobody
    knows how many there are."""

    def figure(prefix: str) -> str:
        if row.get(f"{prefix}stock_status") == "out_of_stock":
            return "0"
        quantity = row.get(f"{prefix}quantity")
        return "" if quantity is None else str(int(quantity))

    figures = [one for one in dict.fromkeys((figure("old_"), figure(""))) if one]
    return f"{row['stock_status']} {' -> '.join(figures)}".rstrip()


def _group(row: dict[str, Any]) -> str:
    """A row's reason without its figures; of a row that waits with the whole plan, its change."""
    return str(row["reason"] or row["change"]).partition(" (")[0]


def finding_text(finding: dict[str, Any]) -> str:
    """A guard's finding in one line."""
    text = str(finding.get("message") or finding.get("rule"))
    sample = finding.get("skus") or finding.get("sample") or ()
    return f"{text} (for example {', '.join(map(str, sample[:3]))})" if sample else text


def _plan(ledger: Ledger, plan_id: str) -> PlanRecord:
    """A plan that the command line names; one that there is not is wrong usage."""
    from difflib import get_close_matches

    from marketsync_dagster.ledger.plans import get_plan, plans

    if len(plan_id) < _SHORTEST_ID:
        raise UsageError(
            f"{plan_id!r} is too short for a plan: {_SHORTEST_ID} characters or more",
            "`marketsync plans list` shows them",
        )
    try:
        found = get_plan(ledger, plan_id)
        if not found.id.startswith(plan_id):  # some databases do not tell a from A
            raise PlanError(f"{plan_id!r} is not a plan", "`marketsync plans list` shows them")
        return found
    except PlanError as error:
        near = get_close_matches(plan_id, [plan.id for plan in plans(ledger, limit=50)], n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise UsageError(f"{error.message}{hint}", error.next_step) from None
