"""`marketsync check-extract`: what would become of a file. Needs no configuration."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from marketsync_dagster.cli.output import (
    DONE,
    FINISHED_WITH_FAULTS,
    counted,
    note,
    print_json,
    say,
    table,
    wrapped,
)
from marketsync_dagster.values.errors import UsageError

_SHOWN = 30


def register(app: typer.Typer) -> None:
    app.command("check-extract", help="Say what would become of each row of an extract.")(check)


def check(
    file: Annotated[Path, typer.Argument(help="The extract, as the till writes it.")],
    columns: Annotated[
        str | None,
        typer.Option(help="sku=ProductId,price=Price,...; else found by the headers' names."),
    ] = None,
    currency: Annotated[str, typer.Option(help="What prices without a sign mean.")] = "KES",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
) -> int:
    from marketsync_dagster.config.scalars import CURRENCIES

    named = _columns(columns)
    if currency not in CURRENCIES:
        from marketsync_dagster.cli.names import one_of

        one_of("currency", currency, sorted(CURRENCIES))
    from marketsync_dagster.pos.check import how_read, read
    from marketsync_dagster.pos.check import report as report_of

    extract = read(file, named, currency)
    report = report_of(extract)
    if as_json:
        print_json(report)
    else:
        for line in how_read(extract):
            say(*wrapped(line, "  "))
        _print(report)
    return FINISHED_WITH_FAULTS if report["rejected"] else DONE


def _columns(given: str | None) -> dict[str, str]:
    """`sku=ProductId,price=Price` as our column -> header; a comma in a header is written `\\,`."""
    from marketsync_dagster.config.outlets import COLUMNS

    if given is None:
        return {}
    found: dict[str, str] = {}
    for part in re.split(r"(?<!\\),", given):
        name, equals, header = part.replace("\\,", ",").partition("=")
        name, header = name.strip(), header.strip()
        if not equals or not name or not header:
            raise UsageError(f"--columns has {part!r}", "--columns sku=ProductId,price=Price")
        if name not in COLUMNS:
            from marketsync_dagster.cli.names import one_of

            one_of("column", name, COLUMNS)
        if name in found:
            raise UsageError(f"--columns names {name} twice", "name each column once")
        found[name] = header
    return found


def _print(report: dict[str, object]) -> None:
    rejects, rows, duplicates = report["rejects"], report["rows"], report["duplicates"]
    assert isinstance(rejects, list)
    assert isinstance(rows, int)
    assert isinstance(duplicates, int)
    say(
        f"{counted(rows, 'row')} = {report['accepted']} accepted + {report['rejected']} rejected "
        f"+ {counted(duplicates, 'duplicate')}"
    )
    if not rejects:
        return
    keys = ("line", "column", "value", "reason")
    shown = [[reject[key] for key in keys] for reject in rejects[:_SHOWN]]
    table(keys, shown, right=("line",), free=("value",))
    steps = {str(reject["reason"]): str(reject["next_step"]) for reject in rejects[:_SHOWN]}
    for reason, step in steps.items():
        say(*wrapped(f"{reason}: {step}", "  "))
    if len(rejects) > _SHOWN:
        counts = Counter(str(reject["reason"]) for reject in rejects)
        say(", ".join(f"{count} {reason}" for reason, count in counts.most_common()))
        note(f"{_SHOWN} of {len(rejects)} rejected rows shown; --json has all of them")
