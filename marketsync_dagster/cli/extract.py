"""`marketsync check-extract`: what would become of a file. Needs no configuration."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsync_dagster.cli.names import currency_of, one_of
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
from marketsync_dagster.values.errors import ExtractError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from marketsync_dagster.pos.check import Part
    from marketsync_dagster.pos.model import ExtractSpec

_SHOWN = 30
_OUTLETS = 200
_BLANKS = {"tab": "\t", "\\t": "\t", "blank": " "}


def register(app: typer.Typer) -> None:
    app.command("check-extract", help="Say what would become of each row of an extract.")(check)


def check(
    file: Annotated[Path, typer.Argument(help="The extract, as the till writes it.")],
    preset: Annotated[
        str, typer.Option(help="Whose export it is, or `auto`: found by name and headers.")
    ] = "generic",
    outlet: Annotated[
        list[str] | None,
        typer.Option(help="What the outlet is called in a file that has several."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(help="sku=ProductId,price=Price,...; else found by the headers' names."),
    ] = None,
    currency: Annotated[str, typer.Option(help="What prices without a sign mean.")] = "KES",
    decimal: Annotated[
        str | None, typer.Option(help="The decimal separator, . or ,; else found.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Such as windows-1250; else found.")] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="What is between two values, or `tab`; else found.")
    ] = None,
    coverage: Annotated[
        str, typer.Option(help="full, delta, or auto: what its name says, else full.")
    ] = "auto",
    sheet: Annotated[str | None, typer.Option(help="The sheet of a workbook with several.")] = None,
    records: Annotated[
        list[str] | None,
        typer.Option(help="Where the records of XML or JSON are: Items/Item, data.items."),
    ] = None,
    duplicates: Annotated[
        str, typer.Option(help="Which row of a SKU counts: first, last, or reject both.")
    ] = "reject",
    weighed: Annotated[
        str, typer.Option(help="Goods with a price per kilogram: reject or accept.")
    ] = "reject",
    numeric_identifiers: Annotated[
        str, typer.Option(help="SKUs that are number cells of a sheet: reject or accept.")
    ] = "reject",
    out: Annotated[
        Path | None,
        typer.Option(help="Write the rejected rows to this file too: .xlsx or .csv."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="Say what differs from this other extract, read in the same way."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
) -> int:
    named = _columns(columns)
    currency_of(currency)
    one_of("decimal separator", "." if decimal is None else decimal, (".", ","))
    one_of("coverage", coverage, ("auto", "full", "delta"))
    one_of("rule for duplicates", duplicates, ("reject", "first", "last"))
    one_of("rule for weighed goods", weighed, ("reject", "accept"))
    one_of("rule for numbers", numeric_identifiers, ("reject", "accept"))
    _filled("--outlet", outlet or ())
    _filled("--records", records or ())
    _filled("--encoding", () if encoding is None else (encoding,))
    _filled("--sheet", () if sheet is None else (sheet,))
    if delimiter == "":
        raise UsageError("--delimiter is empty")
    from marketsync_dagster.pos import presets
    from marketsync_dagster.pos.check import all_rejects, read
    from marketsync_dagster.pos.check import report as report_of
    from marketsync_dagster.pos.model import ExtractSpec
    from marketsync_dagster.pos.report import check_target, summary, write_report

    one_of("preset", preset, (*presets.PRESETS, presets.AUTO))
    spec = ExtractSpec(
        columns=named,
        currency=currency,
        coverage="delta" if coverage == "delta" else "full",
        delimiter=_BLANKS.get(delimiter, delimiter) if delimiter else None,
        encoding=encoding,
        decimal=decimal,  # pyright: ignore[reportArgumentType] - one of the two
        duplicates=duplicates,  # pyright: ignore[reportArgumentType]
        preset=preset,
        records=tuple(records or ()),
        sheet=sheet,
        keys=tuple(outlet or ()),
        numeric_identifiers=numeric_identifiers,  # pyright: ignore[reportArgumentType]
        weighed=weighed,  # pyright: ignore[reportArgumentType]
    )
    if out is not None:
        check_target(out, file)
    with _refusals(as_json):
        parts = read(file, spec, coverage=coverage)
        _refuse(parts, file)
    single = len(parts) == 1
    report = report_of(parts)
    if against is not None:
        with _refusals(as_json):
            report["drift"] = _differences(parts, against, spec, coverage)
    if as_json:
        print_json(report)
    else:
        for part in parts:
            _print_part(part, alone=single)
        _print(report, summary(all_rejects(parts)).to_dict(orient="records"))
        if against is not None:
            _print_drift(report["drift"], against)
    if out is not None:
        write_report(parts, out)
        note(f"{counted(int(report['rejected']), 'rejected row')} in {out}")
    refused = any(part.refusal is not None for part in parts)
    return FINISHED_WITH_FAULTS if report["rejected"] or refused else DONE


def _filled(option: str, given: Sequence[str]) -> None:
    if any(not word.strip() for word in given):
        raise UsageError(f"{option} is empty")


@contextlib.contextmanager
def _refusals(as_json: bool) -> Iterator[None]:
    """A file that is refused, as JSON too: `{"refused": {"code", "message", "next_step"}}`, with
    `outlets` where it is to be said which of them is meant."""
    try:
        yield
    except ExtractError as error:
        if as_json:
            said = {"code": error.code, "message": error.message, "next_step": error.next_step}
            outlets = error.outlets if isinstance(error, _ManyOutlets) else ()
            print_json({"refused": said, **({"outlets": list(outlets)} if outlets else {})})
        raise


class _ManyOutlets(ExtractError):
    """A file with several outlets, of which none is asked for."""

    def __init__(self, error: ExtractError, outlets: Sequence[str]) -> None:
        super().__init__(error.code, error.message, error.next_step)
        self.outlets = outlets


def _refuse(parts: Sequence[Part], file: Path) -> None:
    """Raises ExtractError where no part of the file can be read, in the words of the first.

    Where it is to be said which outlet is meant, all of them are listed.
    """
    refusals = [part.refusal for part in parts if part.refusal is not None]
    if not refusals or len(refusals) < len(parts):
        return
    for part in parts:
        if part.refusal is not None and part.refusal.code == "many_outlets":
            note(f"outlets in {part.file}:", *(f"  {one}" for one in part.outlets[:_OUTLETS]))
            if len(part.outlets) > _OUTLETS:
                note(f"  and {len(part.outlets) - _OUTLETS} more")
    if len(refusals) > 1:
        note(f"{len(refusals)} documents in {file.name} are refused; the first:")
    listed = [
        one
        for part in parts
        if part.refusal is not None and part.refusal.code == "many_outlets"
        for one in part.outlets
    ]
    raise _ManyOutlets(refusals[0], list(dict.fromkeys(listed))) if listed else refusals[0]


def _differences(
    parts: Sequence[Part], other: Path, spec: ExtractSpec, coverage: str
) -> list[dict[str, str]]:
    from marketsync_dagster.pos.check import against, read

    others = read(other, spec, coverage=coverage)
    _refuse(others, other)
    ones = [part.extract for part in (*parts, *others) if part.extract is not None]
    if len(ones) != 2 or len(parts) != len(others):
        raise UsageError("--against compares one extract with another", "say which with --outlet")
    return against(*ones)


def _print_drift(changes: list[dict[str, str]], other: Path) -> None:
    if not changes:
        say(f"nothing differs from {other.name} but its rows")
        return
    say(f"{counted(len(changes), 'difference')} from {other.name}:")
    for change in changes:
        say(*wrapped(f"  {change['words']}", "    "))


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
        one_of("column", name, COLUMNS)
        if name in found:
            raise UsageError(f"--columns names {name} twice", "name each column once")
        found[name] = header
    return found


def _print_part(part: Part, *, alone: bool) -> None:
    """How a document was read; of several, each with its numbers."""
    from marketsync_dagster.pos.check import how_read, passed_over

    if not alone:
        of = f", outlet {part.outlet}" if part.outlet else ""
        say(f"{part.file}{of}")
    if part.refusal is not None:
        say(*wrapped(f"  refused: {part.refusal.message}", "    "))
        say(*wrapped(f"  next: {part.refusal.next_step}", "    "))
        return
    if part.extract is None:
        say(f"{'' if alone else '  '}a delta without records: nothing has changed")
        return
    indent = "" if alone else "  "
    for line in (*how_read(part.extract, part.preset), *part.remarks, *passed_over(part)):
        say(*wrapped(f"{indent}{line}", f"{indent}  "))
    if not alone:
        found = part.extract
        say(f"  {_sum(found.records, found.accepted, found.rejected, found.duplicates)}")


def _sum(rows: int, accepted: int, rejected: int, duplicates: int) -> str:
    return (
        f"{counted(rows, 'row')} = {accepted} accepted + {rejected} rejected "
        f"+ {counted(duplicates, 'duplicate')}"
    )


def _print(report: dict[str, Any], reasons: list[dict[Any, Any]]) -> None:
    say(_sum(*(report[name] for name in ("rows", "accepted", "rejected", "duplicates"))))
    if report["continued"]:
        say(f"{counted(report['continued'], 'line')} of other rows: pictures, parts, translations")
    if not reasons:
        return
    from marketsync_dagster.pos.check import spread

    keys = ("reason", "rows", "first_line")
    table(keys, [[one[key] for key in keys] for one in reasons], right=("rows", "first_line"))
    for one in reasons:
        say(*wrapped(f"{one['reason']}: {one['next_step']}", "  "))
    keys = ("line", "column", "value", "reason")
    several = len({reject["file"] for reject in report["rejects"]}) > 1
    keys = ("file", *keys) if several else keys
    shown = spread(report["rejects"], _SHOWN)
    table(keys, [[reject[key] for key in keys] for reject in shown], right=("line",),
          free=("value",))  # fmt: skip
    if report["rejected"] > len(shown):
        more = "--out FILE has all of them" if report["rejects_left_out"] else \
            "--json has all of them"  # fmt: skip
        note(f"{len(shown)} of {report['rejected']} rejected rows shown; {more}")
