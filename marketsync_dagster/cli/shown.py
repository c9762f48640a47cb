"""`marketsync history`, `explain`, `connections test`: what happened, and whether accounts work."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from marketsync_dagster.cli.output import (
    DONE,
    ERROR,
    counted,
    note,
    print_json,
    progress,
    say,
    table,
)
from marketsync_dagster.values.errors import MarketSyncError

Json = Annotated[bool, typer.Option("--json", help="Print JSON alone.")]


def register(app: typer.Typer) -> None:
    app.command("history", help="The last pushes.")(history)
    app.command(
        "explain",
        help="Where the price of one SKU comes from, back to the file's line.",
        short_help="One SKU's price, back to the line of its file.",
    )(explain)
    group = typer.Typer(
        help="The accounts' credentials.", no_args_is_help=True, rich_markup_mode=None
    )
    # a group with a single command still wants its name
    group.callback()(lambda: None)
    group.command("test", help="Prove that each account's key is taken.")(check_accounts)
    app.add_typer(group, name="connections")


def history(
    outlet: Annotated[str | None, typer.Option(help="Only this outlet.")] = None,
    platform: Annotated[str | None, typer.Option(help="Only this platform.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 10,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.cli.names import one_of, platform_of
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.cli.session import settings as load

    settings = load()
    if outlet is not None:
        one_of("outlet", outlet, settings.outlets)
    if platform is not None:
        platform_of(settings, platform)
    from marketsync_dagster.ledger.history import last_pushes
    from marketsync_dagster.ledger.pauses import active_pauses

    with opened(given=settings) as project:
        pushes = last_pushes(project.ledger, limit, outlet=outlet, platform=platform)
        pauses = [one for one in active_pauses(project.ledger) if one.touches(outlet, platform)]
    if as_json:
        print_json(pushes)
    elif not pushes:
        say("no pushes yet")
        note("next: marketsync plan, then marketsync run full_sync")
    else:
        keys = (
            "push_timestamp",
            "outlet",
            "platform",
            "push_type",
            "status",
            "item_count",
            "response_message",
            "created_by",
            "push_id",
        )
        rows = [[push[key] for key in keys] for push in pushes]
        table(keys, rows, right=("item_count",), free=("response_message",))
    for one in pauses:
        note(f"{one.scope}: {one.words}")
    return DONE


def explain(
    outlet: Annotated[str, typer.Option(help="The outlet.")],
    platform: Annotated[str, typer.Option(help="The platform.")],
    sku: Annotated[str, typer.Option(help="The till's SKU.")],
    as_json: Json = False,
) -> int:
    from marketsync_dagster.cli.changes import check_skus
    from marketsync_dagster.cli.names import channel_of, skus_of
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.cli.session import settings as load

    settings = load()
    channel_of(settings, outlet, platform)
    (word,) = skus_of([sku])
    from marketsync_dagster.stages.explain import explain as explained

    with opened(given=settings) as project:
        try:
            story = explained(project, outlet, platform, word)
        except MarketSyncError:
            # a word that no catalog knows is wrong usage, with the closest ones
            check_skus(project, [outlet], [word])
            raise
    if as_json:
        print_json(story)
    else:
        _print_tree(story, 0)
    return DONE


def _print_tree(value: Any, depth: int) -> None:
    """Nested values as indented `key: value` lines, in the order in which they were made."""
    pad = "  " * depth
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value, start=1):
        name = str(key).replace("_", " ")
        if isinstance(inner, dict | list) and inner:
            say(f"{pad}{name}:")
            _print_tree(inner, depth + 1)
        elif inner is not None and inner not in ("", [], {}):
            say(f"{pad}{name}: {inner}")


def check_accounts(
    account: Annotated[str | None, typer.Option(help="Only this account.")] = None,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.cli.local import prepare, with_sandbox_step
    from marketsync_dagster.cli.names import account_of
    from marketsync_dagster.cli.session import opened

    settings = prepare()
    accounts = list(settings.accounts)
    if account is not None:
        accounts = [account_of(settings, account)]
    if not accounts:
        raise MarketSyncError("no account is configured", "add one under accounts")
    from marketsync_dagster.stages.connections import test_connections

    words = f"testing {counted(len(accounts), 'account')}"
    with opened(given=settings) as project, progress(words, silent=as_json):
        found = with_sandbox_step(settings, test_connections(project, accounts))
    if as_json:
        print_json(found)
    else:
        keys = ("account", "environment", "key", "message")
        rows = [
            ["yes" if result["ok"] else "NO", *(result[key] for key in keys)] for result in found
        ]
        table(("ok", *keys), rows, free=("message",))
        steps: dict[str, list[str]] = {}
        for result in found:
            if result["next_step"]:
                steps.setdefault(result["next_step"], []).append(result["account"])
        for step, of_accounts in steps.items():
            say(f"{', '.join(of_accounts)}: next: {step}")
    return DONE if all(result["ok"] for result in found) else ERROR
