"""What a push would say now, from the files as they are: nothing is sent and nothing is kept.

The same pure functions as the stages, in memory; no network.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd

from marketsync_dagster.catalog.feed import build_feed
from marketsync_dagster.catalog.schemas import FEED, validate
from marketsync_dagster.ledger import extracts
from marketsync_dagster.ledger.extracts import ExtractRecord, extract_id
from marketsync_dagster.pos.extract import read_csv_extract
from marketsync_dagster.push.plan import Plan, PlanOptions
from marketsync_dagster.stages.catalog import CATALOG_KEY, full_catalog, merge_delta, named_catalog
from marketsync_dagster.stages.extract import Candidate, find_candidates, refuse_older, spec_of
from marketsync_dagster.stages.mapping import mapping_of
from marketsync_dagster.stages.planning import draw_plan
from marketsync_dagster.stages.project import Project
from marketsync_dagster.values.errors import UsageError
from marketsync_dagster.values.times import to_iso


def preview(project: Project, outlet: str, platform: str, options: PlanOptions) -> Plan:
    """The plan that a run would make of this channel now.

    Raises UsageError where the outlet has no channel on the platform, and whatever is wrong with
    its extract, mapping file or ledger.
    """
    feed, catalog, extract = feed_now(project, outlet, platform)
    channel = project.settings.channel(outlet, platform)
    assert channel is not None
    return draw_plan(
        project,
        channel,
        platform,
        outlet,
        options,
        feed=feed,
        extract=extract,
        catalog_rows=len(catalog),
    )


def feed_now(
    project: Project, outlet: str, platform: str
) -> tuple[pd.DataFrame, pd.DataFrame, ExtractRecord]:
    """(FEED, CATALOG, extract) of a channel from the newest extract, mapping and settings."""
    channel = project.settings.channel(outlet, platform)
    if channel is None:
        raise UsageError(
            f"{outlet} has no channel on {platform}",
            f"channels: add one to {project.settings.file.name}",
        )
    newest = find_candidates(project.settings, outlet)[-1]
    known = extracts.latest_accepted(project.ledger, outlet)
    stored = project.frames.stamp(CATALOG_KEY, outlet)
    if known is not None and known.sha256 == newest.sha256 and stored is not None:
        catalog, record = project.frames.read(CATALOG_KEY, outlet), known
    else:
        catalog, record = _catalog_of(project, outlet, newest, known)
    mapping, _ = mapping_of(project, platform, outlet, channel, catalog)
    feed = build_feed(catalog, mapping, channel)
    validate(FEED, feed, what=f"the {platform} price feed of {outlet}")
    return feed, catalog, record


def _catalog_of(
    project: Project, outlet: str, newest: Candidate, known: ExtractRecord | None
) -> tuple[pd.DataFrame, ExtractRecord]:
    """The catalog that this extract would make, and the record it would get."""
    refuse_older(outlet, newest, known, None)
    said = project.settings.outlets[outlet].extract
    file = f"{said.path}/{newest.path.name}"
    extract = read_csv_extract(newest.path, spec_of(project.settings, outlet), file=file)
    stored = project.frames.stamp(CATALOG_KEY, outlet)
    before = project.frames.read(CATALOG_KEY, outlet) if stored else None
    new_id = extract_id(outlet, newest.sha256)
    if said.coverage == "full":
        catalog, _ = full_catalog(project, outlet, extract.frame, extract.rejects, before, new_id)
    else:
        catalog = merge_delta(named_catalog(extract.frame, new_id), before)
    record = ExtractRecord(
        id=new_id,
        outlet=outlet,
        sha256=newest.sha256,
        file=file,
        coverage=said.coverage,
        extract_time=to_iso(newest.moment),
        time_source=newest.time_source,
        read_at=to_iso(datetime.now(UTC)),
        state=extracts.ACCEPTED,
        records=extract.records,
        accepted=extract.accepted,
        rejected=extract.rejected,
        duplicates=extract.duplicates,
    )
    return catalog, record
