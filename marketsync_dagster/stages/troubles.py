"""What is wrong now, and what of it is news: from the ledger, and from the failed runs it is given.

`decide` is a pure function. Telling people is `stages.alerts`; Dagster's runs are looked at by
`automation.failed_runs`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from marketsync_dagster.ledger import alerts
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.alerts import Alert, Trouble
from marketsync_dagster.ledger.imports import lost_imports
from marketsync_dagster.ledger.plans import PlanRecord, plans
from marketsync_dagster.ledger.states import OutletState, states_at
from marketsync_dagster.stages import order_troubles
from marketsync_dagster.stages.alerts import mask_targets
from marketsync_dagster.stages.freshness import baseline, channel_sights, is_stale
from marketsync_dagster.values.times import utcnow
from marketsync_dagster.values.words import counted

if TYPE_CHECKING:
    from marketsync_dagster.stages.project import Project

POS_STAGES = ("pos_extract", "pos_catalog")
PLATFORM_STAGES = ("products", "sku_mapping", "price_feed", "listings", "reconciliation")
FAILURES = (
    *("run_failed", "outlet_failed", "plan_held", "extract_changed", "import_lost"),
    *order_troubles.KINDS,
)
"""What the sensor `failure_alerts` looks for; `no_success` is the other one's."""
_HELD = ("held", "held again", "rows held")
_MANY = 100_000
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class FailedRun:
    """A run that failed, and was not told of in the words of its outlets."""

    run_id: str
    job: str
    outlets: tuple[str, str] | None
    """First and last of its range, as the configuration orders them; None: without outlets."""
    ended_at: str
    reason: str

    @property
    def key(self) -> str:
        """The same job failing over the same outlets is the same trouble."""
        scope = "" if self.outlets is None else f" {self.outlets[0]}-{self.outlets[1]}"
        return f"run_failed {self.job}{scope}"


@dataclass(frozen=True, slots=True)
class Changes:
    """What to raise, in order, and the keys of what is over (some of them raised just now)."""

    new: list[Trouble]
    over: list[str]


def decide(
    standing: Sequence[Trouble],
    passing: Sequence[Trouble],
    healed: Collection[str],
    known: Sequence[Alert],
    kinds: Collection[str],
) -> Changes:
    """What is news.

    `standing` is all that is wrong now, of every kind in `kinds`: what is not in it is over.
    `passing` happened and may be over already: the kinds that do not stand (run_failed) are over
    when their key is in `healed`. `known` are the open alerts.
    """
    is_open = {alert.key for alert in known}
    wrong = {trouble.key for trouble in standing}
    new: dict[str, Trouble] = {}
    for trouble in [*standing, *passing]:
        if trouble.key not in is_open:
            new.setdefault(trouble.key, trouble)
    of_kind = [(one.key, one.kind) for one in [*known, *new.values()]]
    over = [
        key
        for key, kind in of_kind
        if (key not in wrong if kind in kinds else False) or key in healed
    ]
    return Changes(list(new.values()), list(dict.fromkeys(over)))


# --- failed runs ---------------------------------------------------------------------------------


def of_runs(failed: Sequence[FailedRun]) -> list[Trouble]:
    """Failed runs as troubles, the first of each key."""
    found: dict[str, Trouble] = {}
    for run in failed:
        over = ""
        if run.outlets is not None:
            first, last = run.outlets
            over = f" for {first}" if first == last else f" for {first} to {last}"
        found.setdefault(
            run.key,
            Trouble(
                key=run.key,
                kind="run_failed",
                title=f"run of {run.job}{over} failed",
                message=run.reason or "it ended without a word: see its log in the UI",
                next_step=f"look at run {run.run_id[:8]} in the UI, then run it again",
                run_id=run.run_id,
            ),
        )
    return list(found.values())


# --- outlets and plans ---------------------------------------------------------------------------


def of_states(
    states: Sequence[OutletState], channels: Mapping[str, Collection[str]]
) -> list[Trouble]:
    """Outlets that do not stand well at a stage; a plan that is held speaks for itself.

    `channels`: platform -> outlets that have a plan held there.
    """
    found = []
    for state in states:
        platform = platform_of(state.stage)
        if platform and state.stage.endswith("_listings"):
            if state.outlet in channels.get(platform, ()):
                continue
            held = int(state.numbers.get("held", 0))
            if held and (state.ok or state.state in _HELD):
                found.append(_rows_held(state, platform, held))
                continue
        if not state.ok:
            found.append(_outlet_failed(state, platform))
        elif state.numbers.get("drift_weighty"):
            found.append(_extract_changed(state))
        elif state.numbers.get("extract_ahead"):
            found.append(_extract_ahead(state))
    return found


def _extract_changed(state: OutletState) -> Trouble:
    return Trouble(
        key=f"extract_changed {state.outlet}",
        kind="extract_changed",
        title=f"the extract of {state.outlet} looks other than the one before it",
        message=state.reason or "its columns are not what they were",
        next_step="look at pos/extract in the UI, and at the POS export",
        outlet=state.outlet,
        run_id=state.run_id,
    )


def _extract_ahead(state: OutletState) -> Trouble:
    return Trouble(
        key=f"extract_ahead {state.outlet}",
        kind="extract_changed",
        title=f"the extract of {state.outlet} is of a time that is still to come",
        message=state.reason or "until then every extract that is older is refused",
        next_step="look at the till's clock, and at the names of the files that it exports",
        outlet=state.outlet,
        run_id=state.run_id,
    )


def _outlet_failed(state: OutletState, platform: str | None) -> Trouble:
    return Trouble(
        key=f"outlet_failed {state.stage} {state.outlet}",
        kind="outlet_failed",
        title=f"outlet {state.outlet} failed at {state.stage}",
        message=state.reason or state.state,
        next_step=state.next_step,
        outlet=state.outlet,
        platform=platform,
        run_id=state.run_id,
    )


def _rows_held(state: OutletState, platform: str, held: int) -> Trouble:
    rows = f"{counted(held, 'row')} {'is' if held == 1 else 'are'}"
    return Trouble(
        key=f"rows_held {platform} {state.outlet}",
        kind="plan_held",
        title=f"{rows} held for {state.outlet} on {platform}",
        message=state.reason or "the guard holds them; the others went out",
        next_step=state.next_step
        or f"marketsync plan --outlet {state.outlet} --platform {platform}",
        outlet=state.outlet,
        platform=platform,
        run_id=state.run_id,
    )


def of_plans(
    held: Sequence[PlanRecord], known: Sequence[Alert], states: Mapping[str, str]
) -> list[Trouble]:
    """Held plans as troubles, one per channel.

    A plan that took the place of a held one is the same trouble, until somebody decides: `states`
    says what became of the plans that `known` alerts speak of, by their ids.
    """
    told = {(alert.outlet, alert.platform): alert for alert in known if alert.kind == "plan_held"}
    found: dict[tuple[str, str], Trouble] = {}
    for plan in held:
        key = f"plan_held {plan.id}"
        before = told.get((plan.outlet, plan.platform))
        if before is not None and states.get(plan_in(before.key)) == "superseded":
            key = before.key
        found.setdefault(
            (plan.outlet, plan.platform),
            Trouble(
                key=key,
                kind="plan_held",
                title=f"plan for {plan.outlet} on {plan.platform} is held",
                message=f"{_findings(plan)} ({counted(plan.held, 'row')} held)",
                next_step=f"marketsync plans show {plan.id}",
                outlet=plan.outlet,
                platform=plan.platform,
                run_id=plan.run_id,
            ),
        )
    return list(found.values())


def of_imports(lost: Sequence[Mapping[str, Any]], accounts: Collection[str]) -> list[Trouble]:
    """Lost imports as troubles, one per account: newest first, as `lost_imports` gives them."""
    found: dict[str, Trouble] = {}
    for each in lost:
        account, outlets = each["account"], each["outlets"]
        if account not in accounts:
            continue
        more = f" (and {len(outlets) - 1} more)" if len(outlets) > 1 else ""
        where = f"{outlets[0]}{more}" if outlets else "no outlet any more"
        outlet = f" --outlet {outlets[0]}" if outlets else ""
        found.setdefault(
            account,
            Trouble(
                key=f"import_lost {account}",
                kind="import_lost",
                title=f"an import of {account} was lost",
                message=f"{each['message']}; {counted(each['items'], 'row')} of {where} go again",
                next_step=f"marketsync run push_{each['platform']}{outlet}, and ask the platform "
                f"for import {each['import_id']}",
                platform=each["platform"],
            ),
        )
    return list(found.values())


def plan_in(key: str) -> str:
    """The id of the plan that an alert's key names; empty if it names none."""
    return key.removeprefix("plan_held ") if key.startswith("plan_held ") else ""


def _findings(plan: PlanRecord) -> str:
    said = [str(finding.get("message", "")) for finding in json.loads(plan.verdict)]
    return "; ".join(filter(None, said)) or "the guard holds it"


def platform_of(stage: str) -> str | None:
    """The platform that a stage belongs to; None for the till's."""
    if stage in POS_STAGES:
        return None
    for part in PLATFORM_STAGES:
        if stage.endswith(f"_{part}"):
            return stage.removesuffix(f"_{part}")
    return None


# --- looking -------------------------------------------------------------------------------------


def failures_now(project: Project, known: Sequence[Alert]) -> list[Trouble]:
    """What stands wrong in the ledger: outlets that failed and plans that are held."""
    settings = project.settings
    held: list[PlanRecord] = []
    states: list[OutletState] = []
    for stage in POS_STAGES:
        at = states_at(project.ledger, stage)
        states += [at[outlet] for outlet in settings.outlets if outlet in at]
    waiting: dict[str, set[str]] = {}
    for platform in settings.platforms():
        sold = settings.channels_of(platform)
        mine = plans(project.ledger, states=("held",), platform=platform, limit=_MANY)
        mine = [plan for plan in mine if plan.outlet in sold]
        held += mine
        waiting[platform] = {plan.outlet for plan in mine}
        for part in PLATFORM_STAGES:
            at = states_at(project.ledger, f"{platform}_{part}")
            states += [at[outlet] for outlet in sold if outlet in at]
    ids = [plan_in(alert.key) for alert in known]
    became = _plan_states(project, [one for one in ids if one])
    lost = of_imports(lost_imports(project.ledger), list(settings.accounts))
    of_orders = order_troubles.order_troubles(project, utcnow())
    return [*of_plans(held, known, became), *of_states(states, waiting), *lost, *of_orders]


def failures_since(project: Project, since: str) -> tuple[list[Trouble], str]:
    """Outlets that failed after `since`, however they stand now; and the newest such time."""
    f, p = t.outlet_failure.c, t.plan.c
    query = select(t.outlet_failure).where(f.at > since).order_by(f.at).limit(_MANY)
    with project.ledger.read() as connection:
        rows = connection.execute(query).all()
        runs = sorted({row.run_id for row in rows})
        held = {
            tuple(row)
            for start in range(0, len(runs), _CHUNK)
            for row in connection.execute(
                select(p.run_id, p.outlet, p.platform).where(
                    p.run_id.in_(runs[start : start + _CHUNK]), p.held > 0
                )
            )
        }
    found = []
    of_orders: list[OutletState] = []
    stages = order_troubles.order_states(project.settings)
    for row in rows:
        bad = (row.stage, row.outlet, False, "failed", row.reason, row.next_step, {})
        if row.stage in stages:
            of_orders.append(OutletState(*bad, row.run_id))
            continue
        platform = platform_of(row.stage)
        # what the guard held is told as that, for as long as it is held
        if row.outlet in project.settings.outlets and (
            (row.run_id, row.outlet, platform) not in held
        ):
            found.append(_outlet_failed(OutletState(*bad, row.run_id), platform))
    found += order_troubles.of_failures(of_orders)
    return found, rows[-1].at if rows else since


def late_channels(project: Project, now: datetime) -> list[Trouble]:
    """Channels that are switched on, not paused, and had no success for too long."""
    hours = project.settings.alerts.no_success_hours
    found = []
    for platform in project.settings.platforms():
        for sight in channel_sights(project, platform, now):
            if not is_stale(sight, hours, now):
                continue
            since = baseline(sight, now)
            last = "never" if sight.last_ok is None else f"last at {sight.last_ok}"
            why = f"; {sight.reason}" if sight.reason else ""
            found.append(
                Trouble(
                    key=f"no_success {platform} {sight.outlet}",
                    kind="no_success",
                    title=f"{sight.outlet} on {platform}: no success for {hours:g} hours",
                    message=f"{last}, counted from {since}{why}",
                    next_step=sight.next_step
                    or f"marketsync run partial_sync --outlet {sight.outlet}",
                    outlet=sight.outlet,
                    platform=platform,
                )
            )
    return found


def take_note(
    project: Project,
    standing: Sequence[Trouble],
    passing: Sequence[Trouble],
    healed: Collection[str],
    kinds: Collection[str],
) -> Changes:
    """Decide what is news, and keep it in the ledger."""
    stands = [kind for kind in kinds if kind != "run_failed"]
    known = alerts.open_alerts(project.ledger, kinds)
    changes = decide(standing, passing, healed, known, stands)
    if changes.new:
        mask_targets(project)
    new = alerts.raise_alerts(project.ledger, changes.new)
    alerts.end_alerts(project.ledger, changes.over, tell=project.settings.alerts.when_over)
    return replace(changes, new=[trouble for trouble in changes.new if trouble.key in new])


def _plan_states(project: Project, ids: Sequence[str]) -> dict[str, str]:
    if not ids:
        return {}
    p = t.plan.c
    with project.ledger.read() as connection:
        rows = connection.execute(select(p.id, p.state).where(p.id.in_(ids)))
        return {row.id: row.state for row in rows}
