"""The POS side of the lineage: `pos/extract`, `pos/rejects` and `pos/catalog`."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg

from marketsync_dagster.assets.columns import REJECTS as REJECTS_COLUMNS
from marketsync_dagster.assets.running import Event, finish, open_run
from marketsync_dagster.assets.specs import freshness, spec
from marketsync_dagster.assets.tables import table
from marketsync_dagster.catalog import columns as frames
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.resources.boundary import guarded
from marketsync_dagster.resources.options import RunOptions
from marketsync_dagster.resources.project import ProjectResource

if TYPE_CHECKING:
    from marketsync_dagster.stages.project import Project

EXTRACT = dg.AssetKey(["pos", "extract"])
REJECTS = dg.AssetKey(["pos", "rejects"])
CATALOG = dg.AssetKey(["pos", "catalog"])


def pos_assets(
    settings: Settings, partitions: dg.StaticPartitionsDefinition
) -> list[dg.AssetsDefinition]:
    """The assets that every platform starts from."""

    @dg.multi_asset(
        name="pos_extract",
        specs=[
            spec(
                "pos",
                "extract",
                "What the tills say about one outlet: the newest extract, read and checked. An "
                "extract that cannot be trusted leaves the last good one in place.",
                frames.EXTRACT,
                kinds=kinds_of(settings),
                partitions=partitions,
                freshness=freshness(settings),
            ),
            spec(
                "pos",
                "rejects",
                "Rows of the extract that were not taken: file, line, column, value, reason, and "
                "what to do.",
                REJECTS_COLUMNS,
                kinds={"pandas", "parquet"},
                partitions=partitions,
            ),
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    @guarded
    def pos_extract(
        context: dg.AssetExecutionContext, project: ProjectResource, options: RunOptions
    ) -> Iterator[Event]:
        from marketsync_dagster.stages.extract import extract_outlets

        run = open_run(context, project, options)
        results = extract_outlets(run, list(context.partition_keys), force=options.force())
        yield from finish(
            context,
            run,
            "pos_extract",
            [EXTRACT, REJECTS],
            results,
            guarded=True,
            extra=lambda key, outlet: (
                top_reasons(run, outlet)
                if key == REJECTS
                else origin(run, outlet) | differences(run, outlet)
            ),
        )

    @dg.multi_asset(
        name="pos_catalog",
        specs=[
            spec(
                "pos",
                "catalog",
                "The outlet's products: one row per SKU, prices in minor units, barcodes checked.",
                frames.CATALOG,
                kinds={"pandas", "parquet"},
                deps=[EXTRACT],
                partitions=partitions,
            )
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    @guarded
    def pos_catalog(
        context: dg.AssetExecutionContext, project: ProjectResource, options: RunOptions
    ) -> Iterator[Event]:
        from marketsync_dagster.stages.catalog import build_catalogs

        run = open_run(context, project, options)
        results = build_catalogs(run, list(context.partition_keys))
        yield from finish(context, run, "pos_catalog", [CATALOG], results)

    return [pos_extract, pos_catalog]


_KINDS = (
    (("xlsx", "xls"), "excel"),
    (("xml",), "xml"),
    (("json", "jsonl", "ndjson"), "json"),
    (("parquet",), "parquet"),
)


def kinds_of(settings: Settings) -> set[str]:
    """What extracts are, as far as the configuration says it: by the patterns of their names."""
    found = {"pandas", "parquet"}
    for outlet in settings.outlets.values():
        said = outlet.extract
        source = settings.sources.get(said.source)
        if source is not None and source.kind != "directory":
            found.add("sql" if source.kind == "sql" else "api")
            continue
        for pattern in said.patterns:
            name = pattern.lower().removesuffix(".gz").rstrip("*")
            ending = name.rpartition(".")[2] if "." in name else ""
            found.add(next((kind for endings, kind in _KINDS if ending in endings), "csv"))
    return set(sorted(found - {"pandas", "parquet"})[:1]) | {"pandas", "parquet"}


def origin(project: "Project", outlet: str) -> dict[str, Any]:
    """Where the rows come from and how they were read: documents, coverage, preset, encoding, what
    was passed over."""
    from marketsync_dagster.ledger.extract_files import documents_at
    from marketsync_dagster.ledger.extracts import latest_accepted, parts_of

    record = latest_accepted(project.ledger, outlet)
    if record is None:
        return {}
    details = json.loads(record.details)
    parts = parts_of(project.ledger, record.id)
    facts: dict[str, Any] = {
        "extract_file": record.file,
        "coverage": record.coverage,
        "extract_time": record.extract_time,
        "time_known_from": record.time_source,
    }
    said = {"preset": "preset", "encoding": "encoding", "continued": "continued"}
    facts |= {name: details[key] for name, key in said.items() if details.get(key)}
    members = [part.member for part in parts if part.member]
    if members:
        facts["member"] = ", ".join(members[:5])
    if details.get("reasons"):
        rows = [{"reason": reason, "rows": count} for reason, count in details["reasons"].items()]
        facts["rejected_by_reason"] = table(rows)
    passed_over = [
        {"file": part.file, "outlet": other["outlet"] or "(none)", "rows": other["rows"]}
        for part, document in documents_at(project.ledger, parts)
        for other in json.loads(document.details).get("unassigned", [])
    ]
    if passed_over:
        facts["rows_of_no_outlet"] = table(passed_over)
    return facts


def top_reasons(project: "Project", outlet: str) -> dict[str, Any]:
    """The commonest reasons for rejects, each with an example and what to do."""
    key = ("pos", "rejects")
    stamp = project.frames.stamp(key, outlet)
    if stamp is None or stamp.rows == 0:
        return {}
    from marketsync_dagster.pos.report import summary

    found = summary(project.frames.read(key, outlet)).head(10)
    rows = [
        {"reason": reason, "rows": int(rows), "example": example, "next_step": step}
        for reason, rows, _, step, example in found.itertuples(index=False)
    ]
    return {"top_reasons": table(rows)}


def differences(project: "Project", outlet: str) -> dict[str, Any]:
    """What the extract differs in from the one before it: how many things, and each in words."""
    from marketsync_dagster.ledger.extracts import latest_accepted

    record = latest_accepted(project.ledger, outlet)
    details = json.loads(record.details) if record else {}
    if not details.get("drift_since"):
        return {}
    rows = details["drift"]
    facts: dict[str, Any] = {"drift_changes": len(rows), "drift_since": details["drift_since"]}
    return facts | ({"drift": table(rows)} if rows else {})
