"""`marketsync plans list|show`, `approve`, `reject`: plans that wait, and decisions on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsync_dagster.cli.output import DONE, note, print_json, say, table
from marketsync_dagster.values.errors import PlanError, UsageError

if TYPE_CHECKING:
    from marketsync_dagster.ledger.engine import Ledger
    from marketsync_dagster.ledger.plans import PlanRecord

STATES = ("planned", "held", "approved", "rejected", "superseded", "stale", "pushing", "pushed")
_ROWS_SHOWN = 30

Json = Annotated[bool, typer.Option("--json", help="Print JSON alone.")]
By = Annotated[str | None, typer.Option(help="Who decides (default: who is logged in).")]
Reason = Annotated[str, typer.Option(help="Why; kept with the decision.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The plan, or the beginning of its id.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Plans that were made.", no_args_is_help=True, rich_markup_mode=None)
    group.command("list", help="The newest plans first.")(list_)
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

    with opened(given=settings) as project:
        found = [
            summary(plan)
            for plan in plans(
                project.ledger, states=states, outlet=outlet, platform=platform, limit=limit
            )
        ]
    if as_json:
        print_json(found)
        return DONE
    if not found:
        say("no plans")
        return DONE
    keys = ("plan_id", "outlet", "platform", "state", "kind", "mode", "to_send", "held", "calls")
    rows = [[plan[key] for key in keys] + [_why(plan)] for plan in found]
    table((*keys, "findings"), rows, right=("to_send", "held", "calls"))
    waiting = [plan["plan_id"] for plan in found if plan["state"] == "held"]
    if waiting:
        note(f"next: marketsync plans show {waiting[0]}")
    return DONE


def show(plan_id: Id, as_json: Json = False) -> int:
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.push.decisions import details

    with opened() as project:
        plan = details(_plan(project.ledger, plan_id))
    if as_json:
        print_json(plan)
        return DONE
    currency = {row["currency"] for row in plan["rows"]}
    say(
        f"{plan['plan_id']}: {plan['outlet']} on {plan['platform']}, {plan['state']} "
        f"({plan['kind']}, {plan['mode']})",
        f"made {plan['created_at']} by {plan['created_by']} from extract {plan['extract_id']}",
        f"{plan['catalog_rows']} catalog rows = {plan['unmapped']} unmapped + {plan['held']} held "
        f"+ {plan['unchanged']} unchanged + {plan['deselected']} deselected "
        f"+ {plan['to_send']} to send, in {plan['calls']} calls",
    )
    if plan["decided_by"]:
        say(f"decided {plan['decided_at']} by {plan['decided_by']}: {plan['decided_reason']}")
    for finding in plan["findings"]:
        say(f"guard: {finding_text(finding)}")
    if plan["rows"]:
        print_rows(
            plan["rows"],
            _ROWS_SHOWN,
            ", ".join(sorted(currency)),
            held=plan["state"] == "held",
        )
    if plan["state"] == "held":
        say(*decision_commands(plan["plan_id"]))
    return DONE


def approve(plan_id: Id, reason: Reason, by: By = None, as_json: Json = False) -> int:
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.ledger.extracts import latest_accepted
    from marketsync_dagster.push import decisions

    who, why = _by(by), _reason(reason)
    with opened(who) as project:
        found = _plan(project.ledger, plan_id)
        latest = latest_accepted(project.ledger, found.outlet)
        plan = decisions.approve(project.ledger, found.id, who, why, latest.id if latest else "")
    if as_json:
        print_json(decisions.summary(plan))
        return DONE
    say(f"plan {plan.id} is approved: {plan.to_send} rows go out in {plan.calls} calls")
    note(
        f"next: marketsync run push_{plan.platform} --outlet {plan.outlet} "
        "(the sensor pending_retries does it by itself when it is switched on)"
    )
    return DONE


def reject(plan_id: Id, reason: Reason, by: By = None, as_json: Json = False) -> int:
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.push import decisions

    who, why = _by(by), _reason(reason)
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
        f"next: marketsync plans show {plan_id}",
        f"      marketsync approve {plan_id} --reason TEXT",
        f"      marketsync reject {plan_id} --reason TEXT",
    ]


def print_rows(rows: list[dict[str, Any]], most: int, currency: str, *, held: bool = False) -> None:
    """Rows of a plan as a table: held ones first, they are what a person decides on.

    `held`: the plan as a whole waits, with all of its rows.
    """
    from marketsync_dagster.values.money import to_decimal

    def price(row: dict[str, Any], key: str) -> str:
        return "" if row.get(key) is None else str(to_decimal(int(row[key]), row["currency"]))

    ordered = sorted(rows, key=lambda row: row["disposition"] != "held")
    table(
        ("sku", "name", "was", f"price {currency}", "stock", "", "why"),
        [
            (
                row["sku"],
                row["name"],
                price(row, "old_price_minor"),
                price(row, "price_minor"),
                row["stock_status"],
                "held" if held else row["disposition"],
                row["reason"] or row["change"],
            )
            for row in ordered[:most]
        ],
        right=("was", f"price {currency}"),
    )
    if len(rows) > most:
        note(f"{most} of {len(rows)} rows shown; --json has all of them")


def finding_text(finding: dict[str, Any]) -> str:
    """A guard's finding in one line."""
    text = str(finding.get("message") or finding.get("rule"))
    sample = finding.get("skus") or finding.get("sample") or ()
    return f"{text} (for example {', '.join(map(str, sample[:3]))})" if sample else text


def _why(plan: dict[str, Any]) -> str:
    return "; ".join(finding_text(finding) for finding in plan["findings"])


def _plan(ledger: Ledger, plan_id: str) -> PlanRecord:
    """A plan that the command line names; one that there is not is wrong usage."""
    from difflib import get_close_matches

    from marketsync_dagster.ledger.plans import get_plan, plans

    try:
        return get_plan(ledger, plan_id)
    except PlanError as error:
        near = get_close_matches(plan_id, [plan.id for plan in plans(ledger, limit=50)], n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise UsageError(f"{error.message}{hint}", error.next_step) from None


def _by(given: str | None) -> str:
    from marketsync_dagster.cli.names import user

    name = user() if given is None else given.strip()
    if not name:
        raise UsageError("--by is empty", "--by 'Jane Doe'")
    return name


def _reason(given: str) -> str:
    if not given.strip():
        raise UsageError("--reason is empty", "--reason 'checked with the supplier'")
    return given.strip()
