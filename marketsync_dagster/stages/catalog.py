"""The stage `pos/catalog`: the outlet's products, canonical and valid, from its extract.

A full extract is the whole catalog, plus what has only just vanished from it (absence is not
deletion); a delta changes the catalog that was there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from marketsync_dagster.catalog.absence import Gone, gone_rows
from marketsync_dagster.catalog.arrow import among
from marketsync_dagster.catalog.mapping import MADE_OF
from marketsync_dagster.catalog.products import build_catalog
from marketsync_dagster.catalog.promotions import (
    judged,
    marked,
    span_of,
    unmarked,
    unpriced,
    with_promotions,
)
from marketsync_dagster.catalog.schemas import CATALOG, validate
from marketsync_dagster.catalog.sizes import with_sizes
from marketsync_dagster.ledger import extracts as records
from marketsync_dagster.stages.extract import (
    CATALOG_KEY,
    EXTRACT_KEY,
    REJECTS_KEY,
    catalog_inputs,
    coverage_of_frame,
)
from marketsync_dagster.stages.project import Numbers, Project, StageResult, each_outlet
from marketsync_dagster.values.times import utcnow

STAGE = "pos_catalog"
IDENTITY = "identity"
"""The part of a CATALOG frame that its mappings are made of (`catalog.mapping.MADE_OF`)."""
UNPRICED = "without_price"
"""The figure that counts products without a price now; absent where there are none."""
SHOWN = 20
ABSENT_KEY = ("pos", "absent")
"""Rows that vanished from full extracts, as they were last sold; no asset of its own."""


def build_catalogs(
    project: Project, outlets: Sequence[str], *, now: datetime | None = None
) -> list[StageResult]:
    """Make each outlet's CATALOG frame from its EXTRACT frame, with the prices of the moment `now`
    (default: the present)."""
    moment = now or utcnow()
    return each_outlet(project, STAGE, outlets, lambda outlet: _build(project, outlet, moment))


def _build(project: Project, outlet: str, now: datetime) -> StageResult:
    said = project.settings.outlets[outlet].extract
    stamp = project.frames.stamp(CATALOG_KEY, outlet)
    inputs = catalog_inputs(project, outlet)
    made_from, span = unmarked(stamp.inputs) if stamp else ("", None)
    if stamp and span and made_from == inputs:
        if not span.has(now):
            # a promotion has begun or ended since
            catalog = judged(project.frames.read(CATALOG_KEY, outlet), now)
            return _store(project, outlet, catalog, inputs, now)
        words = _without_price(project, outlet) if stamp.numbers.get(UNPRICED) else ("", "")
        return StageResult(outlet, True, "unchanged", *words, numbers=dict(stamp.numbers))
    extract = project.frames.read(EXTRACT_KEY, outlet)
    coverage = coverage_of_frame(project, outlet)
    wanted = coverage == "delta" or said.gone_after is not None
    before = project.frames.read(CATALOG_KEY, outlet) if stamp and wanted else None
    # absences are counted by full extracts, whatever changes came with one
    only = "full" if coverage == "full" and said.coverage != "delta" else None
    record = records.latest_accepted(project.ledger, outlet, coverage=only)
    extract_id = record.id if record else ""
    gone: Gone | None = None
    if coverage == "full":
        rejects = project.frames.read(REJECTS_KEY, outlet)
        catalog, gone = full_catalog(project, outlet, extract, rejects, before, extract_id, now)
    else:
        changes = named_catalog(extract, extract_id, said.brands, now)
        catalog = merge_delta(changes, before, now)
        if said.gone_after is not None:
            records.forget_absences(project.ledger, outlet, changes["sku"])
    if gone is not None:
        # before the catalog, which forgets these rows: after a crash they are still known
        project.frames.write(ABSENT_KEY, outlet, gone.remembered, inputs=extract_id)
    result = _store(project, outlet, catalog, inputs, now)
    if gone is not None:
        # after the catalog: a crash in between counts an absence late, never twice
        records.note_absences(project.ledger, outlet, extract_id, gone.times, gone.present_again)
    return result


def _store(
    project: Project, outlet: str, catalog: pd.DataFrame, inputs: str, now: datetime
) -> StageResult:
    """Keep a catalog whose prices are of the moment `now`."""
    validate(CATALOG, catalog, what=f"the catalog of {outlet}")
    numbers: Numbers = {
        "rows": len(catalog),
        "without_barcode": int(catalog["barcode"].isna().sum()),
        "inactive": int((~catalog["active"]).sum()),
    }
    if lacking := int(unpriced(catalog).sum()):
        numbers[UNPRICED] = lacking
    made_from = marked(inputs, span_of(catalog, now))
    project.frames.write(
        CATALOG_KEY, outlet, catalog, inputs=made_from, numbers=numbers, parts={IDENTITY: MADE_OF}
    )
    words = _without_price(project, outlet) if lacking else ("", "")
    return StageResult(outlet, True, "done", *words, numbers=numbers)


def _without_price(project: Project, outlet: str) -> tuple[str, str]:
    """What is said of products that have no price now, and what to do."""
    catalog = project.frames.columns_of(CATALOG_KEY, outlet, ("sku", "price_note"))
    skus = catalog.loc[unpriced(catalog), "sku"].tolist()
    more = f" and {len(skus) - SHOWN} more" if len(skus) > SHOWN else ""
    reason = (
        f"{len(skus)} products have a promotion price alone, and no promotion holds now: they are "
        f"out of stock on every platform ({', '.join(skus[:SHOWN])}{more})"
    )
    return reason, "give them a regular price in the POS"


def full_catalog(
    project: Project,
    outlet: str,
    extract: pd.DataFrame,
    rejects: pd.DataFrame,
    before: pd.DataFrame | None,
    extract_id: str,
    now: datetime | None = None,
) -> tuple[pd.DataFrame, Gone | None]:
    """The catalog of a full extract, and what vanished from it (None: nobody asked).

    What vanished long enough ago stays in the catalog, out of stock. A SKU whose row was rejected
    has not vanished. Nothing is kept.
    """
    said = project.settings.outlets[outlet].extract
    moment, gone_after = now or utcnow(), said.gone_after
    catalog = named_catalog(extract, extract_id, said.brands, moment)
    if before is None or gone_after is None:
        return catalog, None
    before = _as_now(before)
    if project.frames.stamp(ABSENT_KEY, outlet):
        # what vanished lately is not in the catalog any more, but is still counted
        absent = _as_now(project.frames.read(ABSENT_KEY, outlet))
        absent = absent[~among(absent["sku"], before["sku"])]  # a delta may have brought it back
        before = pd.concat([before, absent], ignore_index=True)
    named = set(rejects["sku"].dropna())
    times = records.absences(project.ledger, outlet, before=extract_id)
    gone = gone_rows(
        before[~among(before["sku"], named)],
        catalog,
        {sku: count for sku, count in times.items() if sku not in named},
        gone_after,
    )
    if not len(gone.kept):
        return catalog, gone
    return pd.concat([catalog, judged(gone.kept, moment)], ignore_index=True), gone


def named_catalog(
    extract: pd.DataFrame,
    extract_id: str,
    brands: Sequence[str] = (),
    now: datetime | None = None,
) -> pd.DataFrame:
    """The CATALOG of an EXTRACT frame, each row naming the extract that its line is of.

    That is `extract_id`, unless the frame was put together from several and says so itself.
    `brands`: what a blank brand may be (`catalog.brands`).
    """
    whose = pd.Series([extract_id] * len(extract), dtype="str")
    if "extract_id" in extract:
        whose = extract["extract_id"].fillna(extract_id).reset_index(drop=True)
    return build_catalog(extract, brands, now).assign(extract_id=whose)


def merge_delta(
    changes: pd.DataFrame, before: pd.DataFrame | None, now: datetime | None = None
) -> pd.DataFrame:
    """The catalog after a delta: changed and new rows replace, everything else stays, at the prices
    of the moment `now` (default: the present)."""
    if before is None:
        return changes
    before = judged(_as_now(before), now or utcnow())
    kept = before[~among(before["sku"], changes["sku"])]
    return pd.concat([kept, changes], ignore_index=True)


def catalog_now(project: Project, outlet: str, now: datetime | None = None) -> pd.DataFrame:
    """The stored catalog at the prices of the moment `now` (default: the present)."""
    return judged(project.frames.read(CATALOG_KEY, outlet), now or utcnow())


def _as_now(catalog: pd.DataFrame) -> pd.DataFrame:
    """A stored catalog, which an older version may have made, with the columns of today's."""
    return with_promotions(with_sizes(catalog))
