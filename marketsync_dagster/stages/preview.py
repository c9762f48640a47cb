"""What a push would say now, from the files as they are: nothing is sent and nothing is kept.

The same pure functions as the stages, in memory; no network.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pandas as pd

from marketsync_dagster.catalog.arrow import among
from marketsync_dagster.catalog.feed import build_feed
from marketsync_dagster.catalog.mapping import not_asked
from marketsync_dagster.catalog.schemas import FEED, validate
from marketsync_dagster.ledger import extracts, listings, plans
from marketsync_dagster.ledger.extracts import ExtractRecord
from marketsync_dagster.push import decisions
from marketsync_dagster.push.plan import Plan, PlanOptions
from marketsync_dagster.stages.arrivals import opened
from marketsync_dagster.stages.catalog import (
    CATALOG_KEY,
    catalog_now,
    full_catalog,
    merge_delta,
    named_catalog,
)
from marketsync_dagster.stages.extract import (
    EXTRACT_KEY,
    REJECTS_KEY,
    coverage_of_frame,
    is_taken_up,
    merged,
    read_step,
)
from marketsync_dagster.stages.extract_records import differences_of, record_of, weighty
from marketsync_dagster.stages.extract_work import chosen_for, plan_work
from marketsync_dagster.stages.mapping import mapping_of
from marketsync_dagster.stages.named import Row, stored_rows, why_not
from marketsync_dagster.stages.offers import offers_of
from marketsync_dagster.stages.passed_over import (
    ahead_words,
    files_of_no_outlet,
    reasons_of,
    rows_of_no_outlet,
)
from marketsync_dagster.stages.planning import draw_plan
from marketsync_dagster.stages.project import Project
from marketsync_dagster.stages.reserved import reserved_of
from marketsync_dagster.stages.standing import has_changed
from marketsync_dagster.stages.vanished import vanished
from marketsync_dagster.values.errors import UsageError


@dataclass(frozen=True)
class _Now:
    """The catalog that a run would make now, and what it would say of the extract."""

    catalog: pd.DataFrame
    record: ExtractRecord
    rejected: dict[str, int] = field(default_factory=dict)
    """Reason -> rows."""
    notes: list[str] = field(default_factory=list)
    rejects: pd.DataFrame | None = None
    """REJECTS of what was read just now; None: the stored ones stand."""


def preview(project: Project, outlet: str, platform: str, options: PlanOptions) -> Plan:
    """The plan that a run would make of this channel now.

    Raises UsageError where the outlet has no channel on the platform, and whatever is wrong with
    its extract, mapping file or ledger.
    """
    feed, mapping, now = _feed_now(project, outlet, platform)
    channel = project.settings.channel(outlet, platform)
    assert channel is not None
    plan = draw_plan(
        project,
        channel,
        platform,
        outlet,
        options,
        feed=feed,
        extract=now.record,
        catalog_rows=len(now.catalog),
    )
    plan.rejected, plan.notes = now.rejected, now.notes
    plan.not_asked = int((mapping["reason"] == not_asked(platform)).sum())
    for sku in options.skus:
        if not feed["sku"].eq(sku).any():
            rejects = stored_rows(project, REJECTS_KEY, outlet, sku)
            if now.rejects is not None:
                rejects = named_rows(now.rejects, sku)
            why = why_not(outlet, platform, sku, named_rows(mapping, sku), rejects)
            plan.not_sent.append((why.words, why.next_step))
    plan.approved = _approved(project, plan)
    rejected = None if now.rejects is None else now.rejects["sku"]
    plan.vanished = vanished(
        project, outlet, platform, plan.base.target, now.catalog["sku"], rejected
    )
    unmapped = now.catalog["sku"][~among(now.catalog["sku"], feed["sku"])]
    if len(unmapped):
        known = listings.load_listings(project.ledger, outlet, platform)
        shown = (known["target"] == plan.base.target) & known["ack_price_minor"].notna()
        plan.lost_ids = int(among(unmapped, known["sku"][shown]).sum())
    return plan


def _approved(project: Project, plan: Plan) -> str:
    """The approved plan that the next push takes up instead of `plan`; empty without one."""
    base = plan.base
    found = plans.latest_plan(project.ledger, base.outlet, base.platform, ("approved",))
    if found is None or has_changed(project, found):
        return ""
    return "" if decisions.has_moved(project.ledger, found, base.extract_id) else found.id


def feed_now(
    project: Project, outlet: str, platform: str
) -> tuple[pd.DataFrame, pd.DataFrame, ExtractRecord]:
    """(FEED, CATALOG, extract) of a channel from the newest extract, mapping and settings."""
    feed, _, now = _feed_now(project, outlet, platform)
    return feed, now.catalog, now.record


def named_rows(frame: pd.DataFrame, sku: str) -> list[Row]:
    """The rows of one SKU, null as None."""
    rows = frame[frame["sku"].eq(sku).fillna(False).to_numpy(dtype=bool)].astype(object)
    found = rows.where(rows.notna(), None).to_dict(orient="records")
    return [{str(name): value for name, value in row.items()} for row in found]


def _feed_now(
    project: Project, outlet: str, platform: str
) -> tuple[pd.DataFrame, pd.DataFrame, _Now]:
    """(FEED, SKU_MAPPING, what was read) of a channel as a run would make them now."""
    channel = project.settings.channel(outlet, platform)
    if channel is None:
        raise UsageError(
            f"{outlet} has no channel on {platform}",
            f"channels: add one to {project.settings.file.name}",
        )
    now = _catalog_now(project, outlet)
    offers = offers_of(project, platform, outlet, channel, now.catalog)
    mapping, _ = mapping_of(project, platform, outlet, channel, now.catalog, offers)
    reserved = reserved_of(project, outlet)
    feed = build_feed(now.catalog, mapping, channel, offers, reserved)
    validate(FEED, feed, what=f"the {platform} price feed of {outlet}")
    return feed, mapping, now


def _catalog_now(project: Project, outlet: str) -> _Now:
    """The catalog that a run would make now, with the record of the newest extract in it."""
    with opened(project, keep=False) as arrivals:
        reading = arrivals.reading(outlet)
        chosen = chosen_for(project, arrivals, reading)
        work = plan_work(project, arrivals, reading, chosen)
        known = extracts.latest_accepted(project.ledger, outlet)
        taken_up = is_taken_up(project, outlet)
        if known and not work.steps and taken_up:
            details = json.loads(known.details)
            notes = [*weighty(details), *details.get("warnings", []), *ahead_words(known)]
            notes += files_of_no_outlet(arrivals, reading)[0]
            reasons = dict(details.get("reasons", {}))
            return _Now(catalog_now(project, outlet), known, reasons, notes)
        steps = [(step, read_step(arrivals, reading, step, work)) for step in work.steps]
        notes = [*chosen.broken, *rows_of_no_outlet(arrivals, work.steps)]
        notes += files_of_no_outlet(arrivals, reading)[0]
    waiting: list[pd.DataFrame] = []
    rejects: list[pd.DataFrame] = [extract.rejects for _, extract in steps]
    if not work.whole and not taken_up and project.frames.stamp(EXTRACT_KEY, outlet):
        waiting.append(project.frames.read(EXTRACT_KEY, outlet))  # a run ended before the catalog
        rejects.append(project.frames.read(REJECTS_KEY, outlet))
    if not steps:
        assert known is not None  # what was never accepted is news
        frame, coverage, newest = waiting[0], coverage_of_frame(project, outlet), known
    else:
        frame, coverage = merged(project, reading, work, [one for _, one in steps], waiting)
        newest = record_of(reading, *steps[-1])
        notes += differences_of(project, reading, *steps[-1])
        notes += [*steps[-1][1].warnings, *ahead_words(newest)]
    refused = pd.concat(rejects, ignore_index=True)
    reasons = reasons_of(refused)
    before = _stored_catalog(project, outlet)
    if coverage == "full":
        catalog, _ = full_catalog(project, outlet, frame, refused, before, newest.id)
        return _Now(catalog, newest, reasons, notes, refused)
    changes = named_catalog(frame, newest.id, project.settings.outlets[outlet].extract.brands)
    return _Now(merge_delta(changes, before), newest, reasons, notes, refused)


def _stored_catalog(project: Project, outlet: str) -> pd.DataFrame | None:
    stored = project.frames.stamp(CATALOG_KEY, outlet)
    return project.frames.read(CATALOG_KEY, outlet) if stored else None
