"""Where a live price comes from: back through push, batch, plan, pricing rule and mapping to the
file and the physical line; or why there is no price, and what to do."""

from __future__ import annotations

from typing import Any

import orjson

from marketsync_dagster.ledger import (
    extracts,
    identity,
    imports,
    pauses,
    plans,
    reconciliation,
    traces,
)
from marketsync_dagster.ledger.pushes import WAITING
from marketsync_dagster.ledger.reconciliation import Said
from marketsync_dagster.pos.files import archived
from marketsync_dagster.push.drift import Rules, quantity_told
from marketsync_dagster.push.plan import rows_of_sku
from marketsync_dagster.stages.catalog import CATALOG_KEY
from marketsync_dagster.stages.extract import REJECTS_KEY
from marketsync_dagster.stages.feed import feed_key
from marketsync_dagster.stages.mapping import mapping_key
from marketsync_dagster.stages.project import Project
from marketsync_dagster.stages.shown import rules_of
from marketsync_dagster.values.errors import PlanError, UsageError
from marketsync_dagster.values.gone import stays_step, stays_words
from marketsync_dagster.values.money import format_minor
from marketsync_dagster.values.outcomes import Outcome, StockStatus

EVENTS = 5
"""How many earlier changes are told."""


def explain(project: Project, outlet: str, platform: str, sku: str) -> dict[str, Any]:
    """The story of one SKU on one channel, as nested dicts; parts that do not exist are null.

    Raises UsageError where neither the ledger nor any frame knows the SKU.
    """
    channel = project.settings.channel(outlet, platform)
    if channel is None:
        raise UsageError(f"{outlet} has no channel on {platform}")
    listing = traces.listing_of(project.ledger, outlet, platform, sku)
    mapping = _row(project, mapping_key(platform), outlet, sku)
    feed = _row(project, feed_key(platform), outlet, sku)
    rejects = _rejects(project, outlet, sku)
    if listing is None and mapping is None and not rejects:
        raise UsageError(f"no extract of {outlet} has ever brought a SKU {sku!r}")
    plan = _plan(project, listing, sku) if listing else None
    told = (plan or {}).get("row") or {}
    extract_id = told.get("extract_id") or (listing or feed or {}).get("extract_id")
    extract_id = extract_id or _newest_extract(project, outlet)
    line = listing["line"] if listing else (mapping or {}).get("line")
    rules = rules_of(project.settings.accounts[channel.account])
    gone = mapping is None and not rejects and _is_gone(project, outlet, listing)
    gone_after = project.settings.outlets[outlet].extract.gone_after
    holder = None
    if listing is not None and (feed or {}).get("platform_id") != listing["platform_id"]:
        # its product may have got another SKU, whose price is what is shown
        holder = identity.told_since(project.ledger, outlet, platform, sku)
    return {
        "outlet": outlet,
        "platform": platform,
        "account": channel.account,
        "sku": sku,
        "paused": _paused(project, outlet, platform),
        "live": None if holder else _live(listing, rules),
        "told_since_as": holder,
        "last_sent": _last_sent(listing, rules),
        "read_back": _read_back(project, outlet, platform, sku),
        "push": _push(project, listing),
        "batch": _batch(project, listing),
        "plan": plan,
        "pricing": _pricing(plan, feed),
        "mapping": _mapping(listing, mapping, plan),
        "source": None if _was_read_back(listing) else _source(project, extract_id, line),
        "feed_now": _feed_now(feed, rules),
        "gone": f"no longer in the extract: {stays_words(gone_after)}" if gone else None,
        "rejects": rejects,
        "history": _history(project, outlet, platform, sku, rules),
        "next_step": (
            f"marketsync explain --outlet {outlet} --platform {platform} --sku {holder}"
            if holder
            else (gone and stays_step(outlet, gone_after))
            or _next_step(listing, mapping, rejects)
            or _ask(listing)
        ),
    }


def _is_gone(project: Project, outlet: str, listing: dict[str, Any] | None) -> bool:
    """Whether the platform sells what the newest catalog of the outlet has no more."""
    if listing is None or listing["ack_price_minor"] is None:
        return False
    if listing["ack_stock_status"] == StockStatus.OUT_OF_STOCK.value:
        return False
    if project.frames.stamp(CATALOG_KEY, outlet) is None:
        return False
    return not project.frames.rows_of(CATALOG_KEY, outlet, listing["sku"])


def _ask(listing: dict[str, Any] | None) -> str:
    """What to do about a row that is with the platform."""
    if listing is None or listing["outcome"] != Outcome.ACCEPTED_ASYNC.value:
        return ""
    outlet, platform = listing["outlet"], listing["platform"]
    return f"the next run asks for it: marketsync run push_{platform} --outlet {outlet}"


def _was_read_back(listing: dict[str, Any] | None) -> bool:
    """Nobody knows which extract a price is from that was learnt from the platform itself."""
    return listing is not None and not listing["extract_id"]


def _row(project: Project, key: tuple[str, ...], outlet: str, sku: str) -> dict[str, Any] | None:
    if project.frames.stamp(key, outlet) is None:
        return None
    found = project.frames.rows_of(key, outlet, sku)
    return found[0] if found else None


def _rejects(project: Project, outlet: str, sku: str) -> list[dict[str, Any]]:
    """Rows of the newest extract that were rejected under this SKU."""
    if project.frames.stamp(REJECTS_KEY, outlet) is None:
        return []
    return project.frames.rows_of(REJECTS_KEY, outlet, sku)


def _newest_extract(project: Project, outlet: str) -> str | None:
    record = extracts.latest_accepted(project.ledger, outlet)
    return record.id if record else None


def _paused(project: Project, outlet: str, platform: str) -> str | None:
    pause = pauses.pause_of(pauses.active_pauses(project.ledger), outlet, platform)
    return pause.words if pause else None


def _quantity(row: dict[str, Any], rules: Rules, prefix: str = "") -> int | None:
    """The quantity that the platform was, or will be, told; None: it is told none."""
    if not rules.by_quantity:
        return None
    quantity = row[f"{prefix}quantity"]
    said = Said(
        None, None, row[f"{prefix}stock_status"], None if quantity is None else int(quantity)
    )
    return quantity_told(said, rules)


def _live(listing: dict[str, Any] | None, rules: Rules) -> dict[str, Any] | None:
    """What the platform has acknowledged; None: nothing."""
    if listing is None or listing["ack_price_minor"] is None:
        return None
    return {
        "price": format_minor(listing["ack_price_minor"], listing["ack_currency"]),
        "price_minor": listing["ack_price_minor"],
        "currency": listing["ack_currency"],
        "stock_status": listing["ack_stock_status"],
        "quantity": _quantity(listing, rules, "ack_"),
        "acknowledged_at": listing["ack_at"],
    }


def _last_sent(listing: dict[str, Any] | None, rules: Rules) -> dict[str, Any] | None:
    if listing is None:
        return None
    return {
        "price": format_minor(listing["price_minor"], listing["currency"]),
        "stock_status": listing["stock_status"],
        "quantity": _quantity(listing, rules),
        "outcome": listing["outcome"],
        "message": listing["message"],
        "at": listing["updated_at"],
    }


def _read_back(project: Project, outlet: str, platform: str, sku: str) -> dict[str, Any] | None:
    """What the platform showed when it was read last; None: it was never read."""
    found = reconciliation.verdict_of(project.ledger, outlet, platform, sku)
    if found is None:
        return None
    names = "verdict expected shown reason platform_sku at since".split()
    return {name: found[name] for name in names}


def _push(project: Project, listing: dict[str, Any] | None) -> dict[str, Any] | None:
    push = traces.push_of(project.ledger, listing["push_id"]) if listing else None
    if push is None:
        return None
    return {
        "push_id": push["id"],
        "push_type": push["push_type"],
        "status": push["status"],
        "started_at": push["started_at"],
        "created_by": push["created_by"],
        "run_id": push["run_id"],
    }


def _batch(project: Project, listing: dict[str, Any] | None) -> dict[str, Any] | None:
    batch = (
        traces.batch_of(project.ledger, listing["push_id"], listing["batch"]) if listing else None
    )
    if batch is None:
        return None
    return {
        "number": batch["number"],
        "items": batch["last"] - batch["first"],
        "attempts": batch["attempts"],
        "answered_at": batch["answered_at"],
        "outcomes": orjson.loads(batch["outcomes"]),
        "message": batch["message"],
        "import": _import(project, batch["push_id"], batch["number"]),
    }


def _import(project: Project, push_id: str, number: int) -> dict[str, Any] | None:
    """The import that a batch went out in; None: the platform takes none."""
    found = imports.import_of(project.ledger, push_id, number)
    if found is None:
        return None
    return {
        "import_id": found["import_id"],
        "kind": found["kind"],
        "state": WAITING if found["state"] in imports.OPEN else found["state"],
        "rows": found["items"],
        "started_at": found["started_at"],
        "asked_for": found["looks"],
        "last_asked_at": found["looked_at"],
        "ended_at": found["ended_at"],
        "lines_in_error": found["lines_in_error"],
        "message": found["message"],
    }


def _plan(project: Project, listing: dict[str, Any], sku: str) -> dict[str, Any] | None:
    push = traces.push_of(project.ledger, listing["push_id"])
    if push is None:
        return None
    try:
        plan = plans.get_plan(project.ledger, push["plan_id"])
    except PlanError:  # plans are kept for as long as the retention says
        return None
    found = rows_of_sku(plan.rows, sku)
    row = found[0] if found else {}
    return {
        "plan_id": plan.id,
        "mode": plan.mode,
        "kind": plan.kind,
        "created_at": plan.created_at,
        "approved_by": plan.decided_by,
        "approved_reason": plan.decided_reason,
        "change": row.get("change"),
        "old_price": (
            format_minor(int(row["old_price_minor"]), row["old_currency"])
            if row.get("old_price_minor") is not None
            else None
        ),
        "row": row or None,
    }


def _pricing(plan: dict[str, Any] | None, feed: dict[str, Any] | None) -> dict[str, Any] | None:
    """From the POS price to the channel's, as it was when it was planned (else as it is now)."""
    row = (plan or {}).get("row") or feed
    if row is None:
        return None
    return {
        "pos_price": format_minor(int(row["pos_price_minor"]), row["currency"]),
        "rule": row["rule"],
        "price": format_minor(int(row["price_minor"]), row["currency"]),
    }


def _mapping(
    listing: dict[str, Any] | None, mapping: dict[str, Any] | None, plan: dict[str, Any] | None
) -> dict[str, Any] | None:
    row = (plan or {}).get("row") or {}
    if listing is None and mapping is None:
        return None
    return {
        "platform_id": (listing or mapping or {}).get("platform_id"),
        "matched_by": row.get("matched_by") or (mapping or {}).get("matched_by"),
        "reason": (mapping or {}).get("reason"),
    }


def _source(project: Project, extract_id: str | None, line: Any) -> dict[str, Any] | None:
    record = extracts.get_extract(project.ledger, extract_id) if extract_id else None
    if record is None:
        return None
    parts = extracts.parts_of(project.ledger, record.id)
    original = parts[0].original if parts else record.sha256
    kept = archived(project.archive, original)
    return {
        "extract_id": record.id,
        "file": record.file,
        "member": (parts[0].member or None) if parts else None,
        "line": line,
        "coverage": record.coverage,
        "extract_time": record.extract_time,
        "time_source": record.time_source,
        "sha256": record.sha256,
        "original": original,
        "archived": str(kept.relative_to(project.settings.home)) if kept.exists() else None,
        "documents": [
            {"file": part.file, "member": part.member or None, "original": part.original}
            for part in parts
        ]
        if len(parts) > 1
        else None,
        "forced_by": record.forced_by,
        "forced_reason": record.forced_reason,
    }


def _feed_now(feed: dict[str, Any] | None, rules: Rules) -> dict[str, Any] | None:
    """What the platform should show by the feed as it is stored now."""
    if feed is None:
        return None
    return {
        "price": format_minor(int(feed["price_minor"]), feed["currency"]),
        "stock_status": feed["stock_status"],
        "quantity": _quantity(feed, rules),
        "line": feed["line"],
    }


def _history(
    project: Project, outlet: str, platform: str, sku: str, rules: Rules
) -> list[dict[str, Any]]:
    return [
        {
            "at": event["at"],
            "price": format_minor(event["price_minor"], event["currency"]),
            "stock_status": event["stock_status"],
            "quantity": _quantity(event, rules),
            "outcome": event["outcome"],
            "message": event["message"],
            "push_id": event["push_id"],
        }
        for event in traces.events_of(project.ledger, outlet, platform, sku, EVENTS)
    ]


def _next_step(
    listing: dict[str, Any] | None, mapping: dict[str, Any] | None, rejects: list[dict[str, Any]]
) -> str:
    if rejects:
        return str(rejects[0]["next_step"])
    if mapping and mapping.get("next_step"):
        return str(mapping["next_step"])
    if listing is None:
        return "it has not been pushed yet: marketsync plan shows what the next run would do"
    return ""
