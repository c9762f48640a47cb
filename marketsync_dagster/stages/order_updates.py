"""The stage `orders/<platform>_updates`: sources are told what happened to their orders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from marketsync_dagster.orders.points import Observer, unobserved
from marketsync_dagster.orders.write_back import write_back
from marketsync_dagster.platforms.registry import order_capabilities_of
from marketsync_dagster.stages import project as driver
from marketsync_dagster.stages.order_pull import sources_of
from marketsync_dagster.stages.order_telling import SourceTurn, by_run, outlets_of, tell_due
from marketsync_dagster.stages.project import Project, StageResult

FIGURES = (
    *("told", "refused", "retry", "unknown", "waiting", "unsupported", "dropped"),
    *("tasks", "left_out", "calls", "wanted"),
)
UNTOLD = ("unsupported", "dropped")
"""Ways for a command to end without a word to its source."""
PARTS = ("updated", "unchanged", "failed")
"""What a command that ended came to, one of these: their sum is `total`."""


def stage_of(platform: str) -> str:
    """The stage's name in the ledger."""
    return f"orders_{platform}_updates"


def tell_sources(
    project: Project,
    platform: str,
    outlets: Sequence[str],
    *,
    limit: int | None = None,
    tell: Callable[[str], None] = lambda _: None,
    observe: Observer = unobserved,
    settle_s: float | None = None,
) -> list[StageResult]:
    """Tell every source of a platform what it was not told of yet; one result for each outlet.

    `limit`: orders of each source that calls are made for, at most. `settle_s` as
    `orders.telling.tell_source` has it.
    """
    stage, turns = stage_of(platform), []
    settings = project.settings
    for source in sources_of(project, platform):
        turn = SourceTurn(source)
        turns.append(turn)
        try:
            wanted = write_back(
                project.ledger,
                source,
                settings.order_sources()[source],
                order_capabilities_of(settings, source),
                by=by_run(project),
                observe=observe,
            )
            turn.numbers.update(wanted)
            tell_due(project, turn, limit=limit, observe=observe, settle_s=settle_s)
        except Exception as error:  # noqa: BLE001 - one bad source must not stop the others
            turn.fail(stage, error)
        if turn.numbers["told"]:
            tell(f"{source}: {turn.numbers['told']} told")
    where = {turn.source: outlets_of(project, turn.source, outlets) for turn in turns}
    results = [_result(outlet, turns, where) for outlet in outlets]
    driver.record(project, stage, results)
    return results


def _result(outlet: str, turns: Sequence[SourceTurn], where: dict[str, list[str]]) -> StageResult:
    mine = [turn for turn in turns if outlet in where[turn.source]]
    figures: Counter[str] = Counter()
    for turn in mine:
        if outlet == where[turn.source][0]:  # each call once
            figures.update({name: turn.numbers[name] for name in FIGURES})
    figures["updated"] = figures["told"]
    figures["unchanged"] = sum(figures[name] for name in UNTOLD)
    figures["failed"] = figures["refused"]
    figures["total"] = sum(figures[name] for name in PARTS)
    numbers = {name: figures[name] for name in (*FIGURES, *PARTS, "total")}
    bad = [turn for turn in mine if not turn.ok]
    why = bad or [turn for turn in mine if turn.reason]
    if why:
        reason = "; ".join(turn.reason for turn in why)
        return StageResult(outlet, not bad, why[0].state, reason, why[0].next_step, dict(numbers))
    state = "done" if figures["total"] else "waiting" if figures["waiting"] else "unchanged"
    return StageResult(outlet, True, state, numbers=dict(numbers))
