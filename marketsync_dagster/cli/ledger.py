"""`marketsync ledger upgrade`: what the ledger itself needs from people."""

from __future__ import annotations

from typing import Annotated

import typer

from marketsync_dagster.cli.output import DONE, print_json, say


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="The ledger's database.", no_args_is_help=True, rich_markup_mode=None)
    group.command("upgrade", help="Bring the ledger to this version of MarketSync.")(upgrade)
    app.add_typer(group, name="ledger")


def upgrade(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
) -> int:
    from marketsync_dagster.cli.session import settings
    from marketsync_dagster.ledger.upgrade import upgrade_ledger
    from marketsync_dagster.ledger.urls import ledger_url

    found = settings()
    found.home.mkdir(parents=True, exist_ok=True)
    before, after = upgrade_ledger(ledger_url(found))
    if as_json:
        print_json({"before": before, "after": after})
    elif before == after:
        say(f"the ledger is up to date (revision {after})")
    else:
        say(f"the ledger went from revision {before or 'none'} to {after}")
    return DONE
