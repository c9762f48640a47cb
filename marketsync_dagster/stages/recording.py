"""The last step of `<platform>/listings`: what became of each outlet, in figures and in words.

Both sides of the channel law are asserted here for every outlet of every run:
catalog rows = unmapped + held + unchanged + deselected + sent, and sent = the sum of outcomes.
"""

from __future__ import annotations

from collections.abc import Sequence

from marketsync_dagster.stages import project as driver
from marketsync_dagster.stages.channel_run import OUTCOMES, ROWS, ChannelRun, stage_name
from marketsync_dagster.stages.project import Numbers, Project, StageResult
from marketsync_dagster.stages.settled import note_settled
from marketsync_dagster.values.words import counted

BAD_STATES = frozenset({"failed", "held", "busy", "interrupted"})
"""States that make an outlet bad, and the run red."""
WORST = ("auth_failed", "unknown", "retryable")
"""Outcomes after which the platform does not show the feed: the next run sends them again."""


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
    return StageResult(run.outlet, ok, state, reason, run.next_step, numbers)


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
    if counts["sent"] != sent:
        raise AssertionError(f"channel law broken: sent {counts['sent']} is not {outcomes}")
    return {
        "catalog_rows": sum(counts.values()),
        **counts,
        **outcomes,
        "calls": run.calls,
        "seconds": run.seconds,
    }
