"""Faults of imports that go on after the answer: contract section 12, number 6. See `faults`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from marketsync_dagster.sandbox.actions import Number, action
from marketsync_dagster.sandbox.exchange import Exchange
from marketsync_dagster.sandbox.shown import MIRAKL
from marketsync_dagster.sandbox.tampering import UNTOUCHED, Fate, Tampering

EVER = float("inf")


async def _meet(exchange: Exchange, fate: Fate) -> None:
    await exchange.reply(exchange.work(Tampering(fate=fate)))


@action(seconds=Number, blocks=bool)
async def import_stuck(exchange: Exchange, given: dict[str, Any]) -> None:
    """Taken; the import stays WAITING for ever, or for `seconds` and then overwrites what came
    after it. With `blocks`, those behind it wait too."""
    seconds = float(given.get("seconds", EVER))
    await _meet(exchange, Fate(stuck_s=seconds, blocks=given.get("blocks", False)))


@action(reason=str)
async def import_fails(exchange: Exchange, given: dict[str, Any]) -> None:
    """Taken; the import ends FAILED for `reason`, and nothing of it is applied."""
    await _meet(exchange, Fate(reason=given.get("reason", "An internal error has occurred")))


@action(lines=int, message=str, report_s=Number)
async def import_errors(exchange: Exchange, given: dict[str, Any]) -> None:
    """Taken; the import ends COMPLETE with its first `lines` good lines (1 if not given) in error,
    and its report is missing for `report_s` after that."""
    words = given.get("message", "An unexpected error has occurred")
    late = given.get("report_s")
    fate = Fate(errors=given.get("lines", 1), message=words)
    await _meet(exchange, fate if late is None else replace(fate, report_s=float(late)))


@action()
async def older_import(exchange: Exchange, given: dict[str, Any]) -> None:
    """Not applied; answered with the id of the shop's import of the same kind before, whatever was
    in it. Where there was none, a usual import."""
    await _meet(exchange, Fate(older=True))


@action(seconds=Number)
async def report_late(exchange: Exchange, given: dict[str, Any]) -> None:
    """404 for this report, and for `seconds` (60 if not given) from now on."""
    world, request = exchange.world, exchange.request
    if exchange.entry.channel == MIRAKL:
        parts = request.path.split("/")
        for found in world.mirakl.imports:
            if found.import_id in parts:
                found.report_from = world.now() + float(given.get("seconds", 60))
    await exchange.reply(exchange.work(UNTOUCHED))


@action(mode=str)
async def report_malformed(exchange: Exchange, given: dict[str, Any]) -> None:
    """The report, `cut` in the middle of a cell, `empty`, with another `header`, or with lines that
    nobody sent (`lines`)."""
    answer = exchange.work(UNTOUCHED)
    if answer.status == 200:
        header, _, rest = answer.body.partition(b"\n")
        answer.body = {
            "cut": answer.body.rstrip()[: -max(2, len(rest) // 3)],
            "empty": b"",
            "header": b'"column";"other"\n' + rest,
            "lines": header + b"\n" + b'"999999";' * header.count(b";") + b'"999999"\n',
        }[given.get("mode", "cut")]
    await exchange.reply(answer)
