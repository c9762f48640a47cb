"""The first step of `<platform>/listings`: the plan of each outlet's channel.

Nothing is sent here. A plan that an earlier run made and a person approved is taken up if it
still stands on its base; a plan that says the same as one that waits is not made twice.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson

from marketsync_dagster.catalog.arrow import among
from marketsync_dagster.catalog.schemas import FEED, validate
from marketsync_dagster.config.settings import Account, Channel
from marketsync_dagster.ledger import extracts, identity, listings, plans, pushes
from marketsync_dagster.ledger.open_orders import sold_since_told
from marketsync_dagster.ledger.pauses import Pause, active_pauses, pause_of
from marketsync_dagster.ledger.plans import PlanRecord
from marketsync_dagster.ledger.products import offered_fingerprints
from marketsync_dagster.platforms.base import Capabilities
from marketsync_dagster.platforms.registry import (
    capabilities_of,
    order_capabilities_of,
    target_of_channel,
)
from marketsync_dagster.push import decisions, renaming, replacing
from marketsync_dagster.push.kinds import Imports
from marketsync_dagster.push.plan import Base, Plan, PlanOptions, make_plan, rows_to_parquet
from marketsync_dagster.push.recovery import recover_if_free
from marketsync_dagster.push.window import load_window
from marketsync_dagster.stages import forecasting
from marketsync_dagster.stages import project as driver
from marketsync_dagster.stages.channel_run import ROWS, ChannelRun, lease_name, stage_name
from marketsync_dagster.stages.feed import NO_CHANNEL, feed_key
from marketsync_dagster.stages.project import Project
from marketsync_dagster.stages.settled import is_settled, mark_of, unsettled_rows
from marketsync_dagster.stages.standing import has_changed
from marketsync_dagster.values.errors import MarketSyncError
from marketsync_dagster.values.times import to_iso, utcnow

if TYPE_CHECKING:
    import pandas as pd

    from marketsync_dagster.push.window import Window

SOLD_LATELY = timedelta(days=14)
"""How far back orders may have lowered what a marketplace shows; a full sync tells it all."""
FEW = 0.25
"""Up to this share of the listings is asked for by SKU; otherwise all are read at once."""


def plan_outlets(
    project: Project, platform: str, outlets: Sequence[str], options: PlanOptions
) -> list[ChannelRun]:
    """Make (or take up) the plan of each outlet's channel. Sends nothing."""
    failed = driver.failed_before(project, f"{platform}_listings")
    planned = []
    for outlet in outlets:
        if outlet in failed:
            continue
        try:
            planned.append(plan_channel(project, platform, outlet, options))
        except Exception as error:  # noqa: BLE001 - one bad outlet must not stop the others
            bad = driver.failure(stage_name(platform), outlet, error)
            planned.append(ChannelRun(outlet, "failed", reason=bad.reason, next_step=bad.next_step))
    return planned


def plan_channel(
    project: Project, platform: str, outlet: str, options: PlanOptions, *, recover: bool = True
) -> ChannelRun:
    """The plan of one channel, as `plan_outlets` makes it; raises what goes wrong.

    With `recover` off the caller holds the channel's lease and has recovered it.
    """
    channel = project.settings.channel(outlet, platform)
    if channel is None:
        return ChannelRun(outlet, NO_CHANNEL)
    target = target_of_channel(project.settings, channel)
    # what a dead run left open may be on the platform: it is unknown before it is compared
    free = True
    if recover:
        free = recover_if_free(
            project.ledger, outlet, platform, target, lease_name(outlet, platform), project.run_id
        )
    last_push = pushes.last_push(project.ledger, outlet, platform)
    stale = ""
    approved = plans.latest_plan(project.ledger, outlet, platform, ("approved",))
    if approved is not None:
        extract = extracts.latest_accepted(project.ledger, outlet)
        stale = has_changed(project, approved)
        stale = stale or decisions.has_moved(
            project.ledger, approved, extract.id if extract else ""
        )
        if not stale:
            run = _take_up(project, channel, approved, last_push, options)
            return _if_paused(project, platform, run)
        with project.ledger.begin() as connection:
            plans.set_state(connection, approved.id, ("approved",), "stale")
    mark = mark_of(project, channel, platform)
    sold = sold_there(project, channel, platform)
    if (
        mark
        and free
        and not sold
        and is_settled(project, platform, outlet, options, mark, last_push)
    ):
        stamp = project.frames.stamp(feed_key(platform), outlet)
        rows, unmapped = (
            (int(stamp.numbers["catalog_rows"]), int(stamp.numbers["unmapped"]))
            if stamp
            else (0, 0)
        )
        counts = dict.fromkeys(ROWS, 0) | {"unmapped": unmapped, "unchanged": rows - unmapped}
        plans.supersede_held(project.ledger, outlet, platform)
        run = ChannelRun(outlet, "unchanged", counts=counts, mark=mark, last_push=last_push)
        return _if_paused(project, platform, run)
    plan = draw_plan(project, channel, platform, outlet, options)
    if plan.pause is not None:
        # nothing is kept: what waited before the pause still waits after it
        run = ChannelRun(outlet, "planned", counts=plan.counts(), last_push=last_push)
        return paused_run(run, plan.pause)
    run = dataclasses.replace(
        _keep(project, channel, plan), last_push=last_push, refused_before=plan.refused_before
    )
    if run.state == "unchanged" and not free:
        run = dataclasses.replace(run, state="contested")
    elif plan.complete:
        run = dataclasses.replace(run, mark=mark)
        if run.state == "unchanged":
            plans.supersede_held(project.ledger, outlet, platform)
    if stale and approved is not None:
        words = f"approved plan {approved.id} was refused as stale: {stale}"
        run = dataclasses.replace(run, reason="; ".join(filter(None, [words, run.reason])))
    return run


def draw_plan(
    project: Project,
    channel: Channel,
    platform: str,
    outlet: str,
    options: PlanOptions,
    feed: Any = None,
    extract: extracts.ExtractRecord | None = None,
    catalog_rows: int | None = None,
) -> Plan:
    """The plan of a channel from its stored feed (or from `feed`, `extract` and `catalog_rows`).

    Pure but for reading: nothing is kept and nothing is sent.
    """
    settings = project.settings
    if feed is None:
        stamp = project.frames.stamp(feed_key(platform), outlet)
        feed = project.frames.read(feed_key(platform), outlet)
        extract = extracts.latest_accepted(project.ledger, outlet)
        catalog_rows = int(stamp.numbers["catalog_rows"]) if stamp else len(feed)
    if extract is None or catalog_rows is None:
        raise MarketSyncError(
            f"{outlet} has no accepted extract in the ledger",
            f"run: marketsync run full_sync --outlet {outlet}",
        )
    # the push boundary: what was stored is looked at once more before anything is sent
    validate(FEED, feed, what=f"the {platform} price feed of {outlet}")
    account = settings.accounts[channel.account]
    pushed = plans.latest_plan(project.ledger, outlet, platform, ("pushed",))
    sizes = extracts.compared(project.ledger, extract, pushed.extract_id if pushed else None)
    base = Base(
        outlet=outlet,
        platform=platform,
        account=channel.account,
        target=target_of_channel(settings, channel),
        extract_id=extract.id,
        extract_time=extract.extract_time,
        accepted_rows=sizes.accepted,
        pushed_rows=sizes.before,
        coverage="delta" if sizes.coverage == "delta" else "full",
    )
    capabilities = capabilities_of(account)
    window = functools.cache(
        lambda: load_window(
            project.ledger,
            outlet,
            platform,
            channel.account,
            channel.guard.window_hours or 0.0,
            utcnow(),
        )
    )
    sold = sold_there(project, channel, platform)
    rows, known = _compared(project, channel, platform, feed, options, window, sold)
    draw = functools.partial(
        make_plan,
        rows,
        known,
        settled=len(feed) - len(rows),
        base=base,
        guard=channel.guard,
        catalog_rows=catalog_rows,
        compare_quantity=capabilities.push_quantity,
        imports=_imports(project, platform, outlet, capabilities, rows, len(rows) < len(feed)),
        allow_older=extract.time_source == "forced",
        window=window,
        judge=lambda plan: [
            *replacing.judge(plan, known, capabilities, channel.guard),
            *renaming.judge(plan, known, capabilities),
        ],
        told_last=lambda: identity.told_last(
            project.ledger, outlet, platform, base.target, base.account
        ),
        doubtful=lambda: listings.doubtful(project.ledger, outlet, platform),
        sold=sold,
    )
    plan = replacing.widen(lambda asked: draw(options=asked), options, capabilities)
    if pause := pause_now(project, outlet, platform):
        plan.set_aside(pause)
    return plan


def sold_there(project: Project, channel: Channel, platform: str) -> set[str]:
    """SKUs of which a marketplace has taken pieces off what it was told, for its own orders: they
    are told anew, the same number or not. It never puts them back by itself, and not every piece
    leaves the outlet's stock."""
    settings, account = project.settings, channel.account
    if account not in settings.order_sources():
        return set()
    if not order_capabilities_of(settings, account).keeps_stock:
        return set()
    since = to_iso(utcnow() - SOLD_LATELY)
    with project.ledger.read() as conn:
        return sold_since_told(conn, account, channel.outlet, platform, since)


def _imports(
    project: Project,
    platform: str,
    outlet: str,
    capabilities: Capabilities,
    rows: pd.DataFrame,
    some: bool,
) -> Imports | None:
    """What the plan of these rows (`some` of the feed's) has to know of imports; None: nothing."""
    if not capabilities.async_import:
        return None
    offered: dict[str, str] = {}
    if capabilities.offer_details:
        skus = rows["sku"].tolist() if some else None
        offered = offered_fingerprints(project.ledger, outlet, platform, skus)
    return Imports(capabilities.price_import, capabilities.stock_import, offered)


def _compared(
    project: Project,
    channel: Channel,
    platform: str,
    feed: pd.DataFrame,
    options: PlanOptions,
    window: Callable[[], Window | None],
    sold: Collection[str],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of the feed that a plan has to look at, and the listings to compare them with.

    All of them, but for a partial plan of a channel that was settled: then those that have changed
    since, that were sold there, and that the guard's window knows.
    """
    outlet, account = channel.outlet, channel.account
    capabilities = capabilities_of(project.settings.accounts[account])
    if options.mode == "partial" and not options.skus and not capabilities.full_replaces:
        changed = unsettled_rows(
            project, channel, platform, feed, by_quantity=capabilities.push_quantity
        )
        if changed is not None and len(changed):  # of an empty feed all listings say what was told
            if sold:
                changed |= among(feed["sku"], sold)
            if changed.any() and (recent := window()) is not None:
                changed |= among(feed["sku"], recent.anchors.index)
            if changed.mean() <= FEW or not changed.any():
                rows = feed[changed].reset_index(drop=True)
                skus = rows["sku"].tolist()
                return rows, listings.load_listings(project.ledger, outlet, platform, skus=skus)
    known = listings.load_listings(project.ledger, outlet, platform)
    if others := identity.told_by_others(project.ledger, outlet, platform, account):
        elsewhere = among(known["sku"], others)
        known["target"] = known["target"].mask(elsewhere, "another account")
    return feed, known


def _take_up(
    project: Project, channel: Channel, plan: PlanRecord, last_push: str, options: PlanOptions
) -> ChannelRun:
    """An approved plan that still stands on its base goes out instead of a new one."""
    counts = _record_counts(plan)
    account = project.settings.accounts[channel.account]
    if reason := switched_off(account, channel, options):
        return _disabled(plan.outlet, plan.id, counts, reason)
    if options.skus or options.fields or options.limit is not None:
        reason = f"plan {plan.id} was approved and goes out whole, with a run over all rows"
        return _disabled(plan.outlet, plan.id, counts, reason)
    words = f"approved by {plan.decided_by}: {plan.decided_reason}"
    return ChannelRun(
        *(plan.outlet, "approved", plan.id),
        reason=words,
        counts=counts,
        last_push=last_push,
        sends=forecasting.sends_of_record(project.settings, plan),
    )


def pause_now(project: Project, outlet: str, platform: str) -> Pause | None:
    """The pause that keeps this channel still at this moment."""
    return pause_of(active_pauses(project.ledger), outlet, platform)


def _if_paused(project: Project, platform: str, run: ChannelRun) -> ChannelRun:
    pause = pause_now(project, run.outlet, platform)
    return run if pause is None else paused_run(run, pause)


def paused_run(run: ChannelRun, pause: Pause) -> ChannelRun:
    """Nothing of this run goes out: what was to be sent counts as deselected, and waits."""
    waits = f"plan {run.plan_id}, {run.reason}, waits" if run.state == "approved" else ""
    return dataclasses.replace(
        run,
        state="paused",
        reason="; ".join(filter(None, [pause.words, waits])),
        next_step=pause.resume_command,
        mark="",
    )


def _keep(project: Project, channel: Channel, plan: Plan) -> ChannelRun:
    """Save the plan as what the guard made of it, and say what is to be done."""
    base, counts = plan.base, plan.counts()
    to_send, held_rows = len(plan.to_send), len(plan.held_rows)
    if not to_send and not held_rows:
        # an extract that shrank says so even if nothing is to be sent
        return ChannelRun(base.outlet, "unchanged", reason=_words(plan), counts=counts)
    held = plan.held or not to_send
    known = plans.latest_plan(
        project.ledger, base.outlet, base.platform, ("held", "pushed", "rejected")
    )
    reported = known is not None and known.content == plan.content_hash and bool(known.held)
    if held and reported and known is not None and _still_stands(known, plan):
        words = f"plan {known.id} still waits for a decision: {_words(plan)}"
        if known.state == "rejected":
            words = f"plan {known.id} was rejected by {known.decided_by}: {known.decided_reason}"
            words += "; a changed extract makes a new plan"
        return ChannelRun(
            base.outlet,
            "held again",
            known.id,
            reason=words,
            next_step=_commands(known.id),
            counts=counts,
        )
    record = _record_of(project, plan, "held" if held else "planned")
    plans.save_plan(project.ledger, record)
    waits = held_rows or held
    words = _words(plan) if waits or any(one.rule == renaming.RULE for one in plan.findings) else ""
    run = ChannelRun(
        base.outlet,
        ("held again" if reported else "held") if held else "planned",
        record.id,
        reason=f"held: {words}" if held else words,
        next_step=_commands(record.id) if waits else "",
        counts=counts,
        reported=reported,
        sends=forecasting.sends_of(project.settings, plan),
    )
    account = project.settings.accounts[channel.account]
    reason = "" if held else switched_off(account, channel, plan.options)
    return _disabled(base.outlet, record.id, counts, reason) if reason else run


def _still_stands(known: PlanRecord, plan: Plan) -> bool:
    """Whether an earlier plan with the same held rows can still be decided upon, or has been."""
    if known.state == "rejected":
        return True
    same = known.extract_id == plan.base.extract_id
    return same and (known.state == "pushed" or known.base == plan.base_hash)


def switched_off(account: Account, channel: Channel, options: PlanOptions) -> str:
    """Why a channel's plan is not sent by this run, empty if it is."""
    if not channel.push_enabled:
        return "push_enabled is not true for this channel in the configuration"
    if options.automatic and not channel.auto_push:
        return "auto_push is not true for this channel in the configuration"
    return of_another_run(account, channel, options)


def of_another_run(account: Account, channel: Channel, options: PlanOptions) -> str:
    """Why this run leaves a channel to another one, empty if it does not."""
    if options.account and options.account != channel.account:
        return f"this run is for the account {options.account}"
    if not options.account and options.schedule in account.schedules:
        return f"the account {channel.account} has a {options.schedule} schedule of its own"
    return ""


def _disabled(outlet: str, plan_id: str, counts: dict[str, int], reason: str) -> ChannelRun:
    """The plan is made and nothing is sent: its rows count as deselected."""
    deselected = counts | {
        "sent": 0,
        "deselected": counts["deselected"] + counts["sent"],
    }
    next_step = f"marketsync plans show {plan_id}; to send it, see `channels:` in the configuration"
    return ChannelRun(
        outlet, "disabled", plan_id, reason=reason, next_step=next_step, counts=deselected
    )


def _record_of(project: Project, plan: Plan, state: str) -> PlanRecord:
    base, counts = plan.base, plan.counts()
    goes = plan.to_send if state == "planned" else plan.rows
    findings = [dataclasses.asdict(finding) for finding in plan.findings]
    return PlanRecord(
        id=plans.new_plan_id(),
        outlet=base.outlet,
        platform=base.platform,
        account=base.account,
        created_at=to_iso(utcnow()),
        created_by=project.user,
        run_id=project.run_id,
        mode=plan.options.mode,
        kind=plan.kind,
        state=state,
        extract_id=base.extract_id,
        extract_time=base.extract_time,
        base=plan.base_hash,
        content=plan.content_hash,
        catalog_rows=plan.catalog_rows,
        unmapped=counts["unmapped"],
        held=counts["held"],
        unchanged=counts["unchanged"],
        deselected=counts["deselected"],
        to_send=counts["sent"],
        calls=forecasting.of_rows(project.settings, base.account, goes).calls,
        verdict=orjson.dumps(findings).decode(),
        rows=rows_to_parquet(plan.rows),
    )


def _record_counts(plan: PlanRecord) -> dict[str, int]:
    return {
        "unmapped": plan.unmapped,
        "held": plan.held,
        "unchanged": plan.unchanged,
        "deselected": plan.deselected,
        "sent": plan.to_send,
    }


def _words(plan: Plan) -> str:
    return "; ".join(finding.message for finding in plan.findings)


def _commands(plan_id: str) -> str:
    return (
        f"marketsync plans show {plan_id}; then marketsync approve {plan_id} --reason TEXT, "
        f"or marketsync reject {plan_id} --reason TEXT"
    )
