"""`marketsync alerts test|list|close`: whether people can be told, and what they were told."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsync_dagster.cli.output import DONE, ERROR, counted, note, print_json, say, table
from marketsync_dagster.values.errors import MarketSyncError, UsageError

if TYPE_CHECKING:
    from marketsync_dagster.ledger.alerts import Alert

Json = Annotated[bool, typer.Option("--json", help="Print JSON alone.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        help="What people are told of: failed runs and outlets, held plans, silence.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("test", help="Send a test message to every target.")(try_targets)
    group.command("list", help="The newest alerts, and whether they arrived.")(list_)
    group.command("close", help="Call an open alert over, when nothing else will.")(close)
    app.add_typer(group, name="alerts", short_help="What people are told of when it is wrong.")


def try_targets(as_json: Json = False) -> int:
    """Exit code 1 if a target did not take it."""
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.cli.session import settings as load

    settings = load()
    if not settings.alerts.targets:
        raise MarketSyncError(
            "alerts.targets is empty: nobody would be told",
            "name one in marketsync.yaml, such as alerts: {targets: [{env: ALERT_URL}]}, with an "
            "apprise URL in ALERT_URL",
        )
    from marketsync_dagster.stages.alerts import test_targets

    with opened(given=settings) as project:
        found = test_targets(project)
    bad = [one for one in found if one.error]
    if as_json:
        results = [{"target": one.target, "ok": not one.error, "error": one.error} for one in found]
        print_json({"ok": not bad, "targets": results})
    else:
        rows = [["NO" if one.error else "yes", one.target, one.error] for one in found]
        table(("ok", "target", "error"), rows, free=("error",))
        if bad:
            note("next: set the target to an address as apprise writes it, then test again")
    return ERROR if bad else DONE


def list_(
    only_open: Annotated[bool, typer.Option("--open", help="Only what is not over.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.ledger.alerts import last_alerts, open_alerts

    with opened() as project:
        if only_open:
            found = open_alerts(project.ledger)[::-1]
        else:
            found = last_alerts(project.ledger, limit)
    shown = found[:limit]
    if as_json:
        print_json([_document(alert) for alert in shown])
    elif not shown:
        say("nothing is wrong that was noticed" if only_open else "no alerts yet")
    else:
        columns = ("id", "since", "state", "told", "what", "why")
        rows = [(one.id, one.at, one.state, one.delivery, one.title, one.message) for one in shown]
        table(columns, rows, right=("id",), free=("what", "why"))
        if len(found) > len(shown):
            note(f"{counted(len(found) - len(shown), 'alert')} more: --limit {len(found)}")
    return DONE


def close(
    alert_id: Annotated[int, typer.Argument(metavar="ID", help="The alert, as `list` shows it.")],
    as_json: Json = False,
) -> int:
    """It is raised again if it is found again."""
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.ledger.alerts import end_alerts, find_alert

    with opened() as project:
        alert = find_alert(project.ledger, alert_id)
        if alert is None:
            raise UsageError(f"there is no alert {alert_id}", "marketsync alerts list --open")
        if alert.state == "open":
            end_alerts(project.ledger, [alert.key], tell=project.settings.alerts.when_over)
        after = find_alert(project.ledger, alert_id) or alert
    if as_json:
        print_json(_document(after))
    else:
        was = "is closed" if alert.state == "open" else f"was over already, since {alert.over_at}"
        say(f"alert {alert_id} {was}: {alert.title}")
    return DONE


def _document(alert: Alert) -> dict[str, Any]:
    """An alert as JSON shows it: all but the journal's own bookkeeping."""
    document = asdict(alert)
    for name in ("key", "missing"):
        document.pop(name)
    return document
