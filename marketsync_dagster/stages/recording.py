"""The last step of `<platform>/listings`: what became of each outlet, in figures and in words.

Both sides of the channel law are asserted here for every outlet of every run:
catalog rows = unmapped + held + unchanged + deselected + sent, and sent = the sum of outcomes.
"""

from __future__ import annotations

from collections.abc import Sequence

from marketsync_dagster.stages import project as driver
from marketsync_dagster.stages.channel_run import (
    OUTCOMES,
    ROWS,
    WAITING,
    ChannelRun,
    stage_name,
)
from marketsync_dagster.stages.project import Numbers, Project, StageResult
from marketsync_dagster.stages.settled import note_settled
from marketsync_dagster.values.words import counted

BAD_STATES = frozenset({"failed", "held", "busy", "interrupted"})
"""States that make an outlet bad, and the run red."""
WORST = ("auth_failed", "unknown", "retryable")
"""Outcomes after which the platform does not show the feed: the next run sends them again."""

LOST = "import lost"
"""The state of a channel in the run that gave up one of its imports: red once."""
LOST_NEXT = "the rows go again by themselves; ask the operator why the import does not end"
NAMED = 3
"""So many imports are named."""


def record_outlets(
    project: Project, platform: str, runs: Sequence[ChannelRun]
) -> list[StageResult]:
    """Record every outlet's result, and remember what has nothing left to say."""
    results = [_result(run) for run in runs]
    for run, result in zip(runs, results, strict=True):
        if run.mark and _everything_acknowledged(run) and result.ok:
            newest = f"{run.push_id} done" if run.push_id else run.last_push
            note_settled(project, run.outlet, platform, run.mark, newest)
    driver.record(project, stage_name(platform), results)
    return results


def _everything_acknowledged(run: ChannelRun) -> bool:
    if run.imports:
        return False
    if run.state == "unchanged":
        return True
    good = run.outcomes.get("applied", 0) + run.outcomes.get("accepted_unverified", 0)
    return run.state == "pushed" and good == sum(run.outcomes.values())


def _result(run: ChannelRun) -> StageResult:
    numbers = numbers_of(run)
    worst = [name for name in WORST if run.outcomes.get(name)]
    if run.state == "paused":  # what the pause has stopped waits for its end
        worst = [name for name in worst if name != "retryable"]
    bad = [f"{run.outcomes[name]} {name}" for name in worst]
    now = run.outcomes.get("refused", 0) + run.outcomes.get("unsupported", 0)
    refused = now + run.refused_before
    newly_held = numbers["held"] > 0 and not run.reported and run.state != "held again"
    ok = run.state not in BAD_STATES and not bad and not newly_held
    state = run.state
    reason = run.reason
    if run.state == "pushed":
        if bad:
            state = "not shown"
            rows = counted(int(numbers["sent"]), "row")
            reason = f"{', '.join(bad)} of {rows}: {run.reason}"
        elif numbers["held"]:
            state = "rows held"
    if refused and ok and state in ("pushed", "unchanged"):
        state = "refused rows"
        before = f", {run.refused_before} of them earlier" if run.refused_before else ""
        words = f": {run.reason}" if run.reason else ""
        are = "is" if refused == 1 else "are"
        reason = f"{counted(refused, 'row')} {are} refused by the platform{before}{words}"
    if run.imports and ok and run.untold:
        ok, state, reason = False, "not asked", f"{_waiting(run)}; {run.untold}"
    elif run.imports and ok and state in ("pushed", "unchanged"):
        state, reason = WAITING, _waiting(run)
    next_step = run.next_step
    if run.lost and ok:  # said once: what was lost goes again, and may be lost again
        ok, state = False, LOST
        reason = "; ".join(filter(None, [*run.lost[:1], reason]))
        next_step = LOST_NEXT
    return StageResult(run.outlet, ok, state, reason, next_step, numbers)


def _waiting(run: ChannelRun) -> str:
    """Which imports have not ended, and who asks for them."""
    rows = run.outcomes.get("accepted_async", 0)
    what = f"{counted(rows, 'row')} of this run" if rows else "rows of an earlier run"
    some = ", ".join(run.imports[:NAMED]) + (", ..." if len(run.imports) > NAMED else "")
    name = "import" if len(run.imports) == 1 else "imports"
    words = f"{what} with the platform in {name} {some}; the next run asks how it ended"
    return "; ".join(filter(None, [words, run.reason]))


def numbers_of(run: ChannelRun) -> Numbers:
    """The channel law in figures, with calls and seconds; AssertionError if it does not hold."""
    counts = {name: run.counts.get(name, 0) for name in ROWS}
    outcomes = {name: run.outcomes.get(name, 0) for name in OUTCOMES}
    if run.state not in ("pushed", "interrupted") and not (run.state == "paused" and run.push_id):
        # planned and not sent: what was to go out did not
        counts["deselected"] += counts["sent"]
        counts["sent"] = 0
    sent = sum(outcomes.values())
    if run.state == "interrupted" and not run.push_id:
        counts["deselected"] += counts["sent"]
        counts["sent"] = 0
    if run.state == "paused" and run.push_id:  # what the pause has stopped was not sent
        waits = outcomes["retryable"]
        outcomes["retryable"] = 0
        counts["deselected"] += waits
        counts["sent"] -= waits
        sent -= waits
    if counts["sent"] != sent:
        raise AssertionError(f"channel law broken: sent {counts['sent']} is not {outcomes}")
    return {
        "catalog_rows": sum(counts.values()),
        **counts,
        **outcomes,
        "calls": run.calls,
        "seconds": run.seconds,
    }
