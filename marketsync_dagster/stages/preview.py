"""What a push would say now, from the files as they are: nothing is sent and nothing is kept.

The same pure functions as the stages, in memory; no network.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime

import pandas as pd

from marketsync_dagster.catalog.feed import build_feed
from marketsync_dagster.catalog.schemas import FEED, validate
from marketsync_dagster.ledger import extracts
from marketsync_dagster.ledger.extracts import ExtractRecord, extract_id
from marketsync_dagster.pos.extract import read_csv_extract
from marketsync_dagster.pos.model import Extract
from marketsync_dagster.push.plan import Plan, PlanOptions
from marketsync_dagster.stages.catalog import CATALOG_KEY, full_catalog, merge_delta, named_catalog
from marketsync_dagster.stages.extract import (
    EXTRACT_KEY,
    Candidate,
    find_candidates,
    fresh_changes,
    is_taken_up,
    refuse_older,
    spec_of,
)
from marketsync_dagster.stages.mapping import mapping_of
from marketsync_dagster.stages.planning import draw_plan
from marketsync_dagster.stages.project import Project, fingerprint
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
    catalog, record = _catalog_now(project, outlet)
    mapping, _ = mapping_of(project, platform, outlet, channel, catalog)
    feed = build_feed(catalog, mapping, channel)
    validate(FEED, feed, what=f"the {platform} price feed of {outlet}")
    return feed, catalog, record


def _catalog_now(project: Project, outlet: str) -> tuple[pd.DataFrame, ExtractRecord]:
    """The catalog that a run would make now, and the record of the newest extract in it."""
    found = find_candidates(project.settings, outlet)
    known = extracts.latest_accepted(project.ledger, outlet)
    if project.settings.outlets[outlet].extract.coverage == "delta":
        return _changed_catalog(project, outlet, found, known)
    newest = found[-1]
    if known and _is_read(project, outlet, newest, known) and is_taken_up(project, outlet):
        return project.frames.read(CATALOG_KEY, outlet), known
    refuse_older(outlet, newest, known, None)
    extract, record = _read(project, outlet, newest)
    before = _stored_catalog(project, outlet)
    catalog, _ = full_catalog(project, outlet, extract.frame, extract.rejects, before, record.id)
    return catalog, record


def _changed_catalog(
    project: Project, outlet: str, found: Sequence[Candidate], known: ExtractRecord | None
) -> tuple[pd.DataFrame, ExtractRecord]:
    """The stored catalog after every change file that a run would read."""
    fresh = fresh_changes(project, outlet, found, known)
    if not fresh and (known is None or known.sha256 != found[-1].sha256):
        refuse_older(outlet, found[-1], known, None)
    taken_up = is_taken_up(project, outlet)
    if known and not fresh and taken_up:
        return project.frames.read(CATALOG_KEY, outlet), known
    parts: list[pd.DataFrame] = []
    if not taken_up and project.frames.stamp(EXTRACT_KEY, outlet):
        parts.append(project.frames.read(EXTRACT_KEY, outlet))  # a run ended before the catalog
    newest = known
    for candidate in fresh:
        extract, newest = _read(project, outlet, candidate)
        parts.append(extract.frame.assign(extract_id=newest.id))
    assert newest is not None  # what was never accepted is fresh
    frame = pd.concat(parts, ignore_index=True).astype({"extract_id": "str"})
    frame = frame.drop_duplicates("sku", keep="last", ignore_index=True)
    return merge_delta(named_catalog(frame, newest.id), _stored_catalog(project, outlet)), newest


def _stored_catalog(project: Project, outlet: str) -> pd.DataFrame | None:
    stored = project.frames.stamp(CATALOG_KEY, outlet)
    return project.frames.read(CATALOG_KEY, outlet) if stored else None


def _is_read(project: Project, outlet: str, newest: Candidate, known: ExtractRecord) -> bool:
    """Whether a run would find nothing new in a full extract: the file is the one that was read,
    and is still to be read in the same way (`columns:` and the like)."""
    source = project.frames.stamp(EXTRACT_KEY, outlet)
    inputs = fingerprint(newest.sha256, dataclasses.asdict(spec_of(project.settings, outlet)))
    return known.sha256 == newest.sha256 and source is not None and source.inputs == inputs


def _read(project: Project, outlet: str, candidate: Candidate) -> tuple[Extract, ExtractRecord]:
    """An extract, and the record that it would get."""
    said = project.settings.outlets[outlet].extract
    file = f"{said.path}/{candidate.path.name}"
    extract = read_csv_extract(candidate.path, spec_of(project.settings, outlet), file=file)
    record = ExtractRecord(
        id=extract_id(outlet, candidate.sha256),
        outlet=outlet,
        sha256=candidate.sha256,
        file=file,
        coverage=said.coverage,
        extract_time=to_iso(candidate.moment),
        time_source=candidate.time_source,
        read_at=to_iso(datetime.now(UTC)),
        state=extracts.ACCEPTED,
        records=extract.records,
        accepted=extract.accepted,
        rejected=extract.rejected,
        duplicates=extract.duplicates,
    )
    return extract, record
