"""The stage `pos/catalog`: the outlet's products, canonical and valid, from its extract.

A full extract is the whole catalog, plus what has only just vanished from it (absence is not
deletion); a delta changes the catalog that was there.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from marketsync_dagster.catalog.absence import Gone, gone_rows
from marketsync_dagster.catalog.arrow import among
from marketsync_dagster.catalog.mapping import MADE_OF
from marketsync_dagster.catalog.products import build_catalog
from marketsync_dagster.catalog.schemas import CATALOG, validate
from marketsync_dagster.ledger import extracts as records
from marketsync_dagster.stages.extract import (
    CATALOG_KEY,
    EXTRACT_KEY,
    REJECTS_KEY,
    catalog_inputs,
)
from marketsync_dagster.stages.project import Project, StageResult, each_outlet

STAGE = "pos_catalog"
IDENTITY = "identity"
"""The part of a CATALOG frame that its mappings are made of (`catalog.mapping.MADE_OF`)."""
ABSENT_KEY = ("pos", "absent")
"""Rows that vanished from full extracts, as they were last sold; no asset of its own."""


def build_catalogs(project: Project, outlets: Sequence[str]) -> list[StageResult]:
    """Make each outlet's CATALOG frame from its EXTRACT frame."""
    return each_outlet(project, STAGE, outlets, lambda outlet: _build(project, outlet))


def _build(project: Project, outlet: str) -> StageResult:
    said = project.settings.outlets[outlet].extract
    stamp = project.frames.stamp(CATALOG_KEY, outlet)
    inputs = catalog_inputs(project, outlet)
    if stamp and stamp.inputs == inputs:
        return StageResult(outlet, True, "unchanged", numbers=dict(stamp.numbers))
    extract = project.frames.read(EXTRACT_KEY, outlet)
    wanted = said.coverage == "delta" or said.gone_after is not None
    before = project.frames.read(CATALOG_KEY, outlet) if stamp and wanted else None
    record = records.latest_accepted(project.ledger, outlet)
    extract_id = record.id if record else ""
    gone: Gone | None = None
    if said.coverage == "full":
        rejects = project.frames.read(REJECTS_KEY, outlet)
        catalog, gone = full_catalog(project, outlet, extract, rejects, before, extract_id)
    else:
        catalog = merge_delta(named_catalog(extract, extract_id), before)
    validate(CATALOG, catalog, what=f"the catalog of {outlet}")
    numbers = {
        "rows": len(catalog),
        "without_barcode": int(catalog["barcode"].isna().sum()),
        "inactive": int((~catalog["active"]).sum()),
    }
    if gone is not None:
        # before the catalog, which forgets these rows: after a crash they are still known
        project.frames.write(ABSENT_KEY, outlet, gone.remembered, inputs=extract_id)
    project.frames.write(
        CATALOG_KEY, outlet, catalog, inputs=inputs, numbers=numbers, parts={IDENTITY: MADE_OF}
    )
    if gone is not None:
        # after the catalog: a crash in between counts an absence late, never twice
        records.note_absences(project.ledger, outlet, extract_id, gone.times, gone.present_again)
    return StageResult(outlet, True, "done", numbers=dict(numbers))


def full_catalog(
    project: Project,
    outlet: str,
    extract: pd.DataFrame,
    rejects: pd.DataFrame,
    before: pd.DataFrame | None,
    extract_id: str,
) -> tuple[pd.DataFrame, Gone | None]:
    """The catalog of a full extract, and what vanished from it (None: nobody asked).

    What vanished long enough ago stays in the catalog, out of stock. A SKU whose row was rejected
    has not vanished. Nothing is kept.
    """
    catalog = named_catalog(extract, extract_id)
    gone_after = project.settings.outlets[outlet].extract.gone_after
    if before is None or gone_after is None:
        return catalog, None
    if project.frames.stamp(ABSENT_KEY, outlet):
        # what vanished lately is not in the catalog any more, but is still counted
        before = pd.concat([before, project.frames.read(ABSENT_KEY, outlet)], ignore_index=True)
    named = set(rejects["sku"].dropna())
    times = records.absences(project.ledger, outlet, before=extract_id)
    gone = gone_rows(
        before[~among(before["sku"], named)],
        catalog,
        {sku: count for sku, count in times.items() if sku not in named},
        gone_after,
    )
    kept = gone.kept
    return (pd.concat([catalog, kept], ignore_index=True) if len(kept) else catalog), gone


def named_catalog(extract: pd.DataFrame, extract_id: str) -> pd.DataFrame:
    """The CATALOG of an EXTRACT frame, each row naming the extract that its line is of.

    That is `extract_id`, unless the frame was put together from several and says so itself.
    """
    whose = pd.Series([extract_id] * len(extract), dtype="str")
    if "extract_id" in extract:
        whose = extract["extract_id"].fillna(extract_id).reset_index(drop=True)
    return build_catalog(extract).assign(extract_id=whose)


def merge_delta(changes: pd.DataFrame, before: pd.DataFrame | None) -> pd.DataFrame:
    """The catalog after a delta: changed and new rows replace, everything else stays."""
    if before is None:
        return changes
    kept = before[~among(before["sku"], changes["sku"])]
    return pd.concat([kept, changes], ignore_index=True)
