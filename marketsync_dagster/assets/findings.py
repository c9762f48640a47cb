"""What the checks over all outlets find, read from the ledger and from stored frames.

Plain functions of a project; which check each belongs to is `assets.summaries`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from marketsync_dagster.assets.laws import channel_law, extract_law
from marketsync_dagster.assets.tables import table
from marketsync_dagster.catalog import columns as frames
from marketsync_dagster.values.words import counted

if TYPE_CHECKING:
    from marketsync_dagster.stages.project import Project

COVERAGE = 0.9
"""Below this share of mapped rows an outlet's mapping is worth a look."""

FEW_DRIFTS = 10
DRIFT_SHARE = 0.02
"""More listings than these that are shown otherwise are an error, not a warning."""


@dataclass(frozen=True)
class Finding:
    """What a check found: whether all is well, one sentence, rows for a table, numbers."""

    passed: bool
    sentence: str
    rows: Sequence[dict[str, Any]] = ()
    numbers: Mapping[str, int | float] | None = None
    warn: bool = False


def every_outlet(project: Project, stage: str, outlets: Sequence[str]) -> Finding:
    """Which outlets do not stand well at `stage`, whenever that was found."""
    from marketsync_dagster.ledger.states import states_at
    from marketsync_dagster.stages.channel_run import ATTENTION, PAUSED

    states = states_at(project.ledger, stage)
    known = [states[outlet] for outlet in outlets if outlet in states]
    bad = [state for state in known if not state.ok or state.state in ATTENTION]
    # somebody wanted it so: it is said, and is no fault
    paused = [state for state in known if state.ok and state.state == PAUSED]
    waiting = sum(outlet not in states for outlet in outlets)
    sentence = f"{len(bad)} of {len(outlets)} outlets need attention"
    if bad:
        sentence += ": " + ", ".join(state.outlet for state in bad[:20])
    if paused:
        sentence += f"; {len(paused)} paused: " + ", ".join(
            f"{state.outlet} ({state.reason})" for state in paused[:20]
        )
    if waiting:
        sentence += f"; {waiting} have not run yet"
    rows = [
        {
            "outlet": state.outlet,
            "state": state.state,
            "reason": state.reason,
            "next_step": state.next_step,
            "since": state.at,
            "last_ok": state.last_ok_at or "never",
        }
        for state in bad + paused
    ]
    numbers = {
        "bad_outlets": len(bad),
        "outlets": len(outlets),
        "paused": len(paused),
        "not_run_yet": waiting,
    }
    return Finding(not bad, sentence, rows, numbers)


def told(finding: Finding) -> dict[str, Any]:
    """A finding as the fields of a check's result."""
    metadata: dict[str, Any] = dict(finding.numbers or {})
    if finding.rows:
        metadata["outlets"] = table(finding.rows)
    return {
        "passed": finding.passed,
        "severity": dg.AssetCheckSeverity.WARN if finding.warn else dg.AssetCheckSeverity.ERROR,
        "description": finding.sentence,
        "metadata": metadata,
    }


def conservation_of_extracts(project: Project) -> Finding:
    """The extract law, over the extract that each outlet's catalog stands on."""
    from marketsync_dagster.ledger.extracts import latest_accepted

    rows = []
    looked = records = 0
    for outlet in project.settings.outlets:
        extract = latest_accepted(project.ledger, outlet)
        if extract is None:
            continue
        looked += 1
        records += extract.records
        numbers = {
            "records": extract.records,
            "accepted": extract.accepted,
            "rejected": extract.rejected,
            "duplicates": extract.duplicates,
        }
        broken = extract_law(numbers)
        if broken:
            rows.append({"outlet": outlet, "file": extract.file, "difference": broken})
    return _law(rows, looked, {"records": records})


def conservation_of_channels(project: Project, platform: str) -> Finding:
    """The channel law, over the last result of each channel."""
    from marketsync_dagster.ledger.states import states_at

    states = states_at(project.ledger, f"{platform}_listings")
    rows = []
    total = looked = 0
    for outlet in project.settings.channels_of(platform):
        state = states.get(outlet)
        if state is None or "catalog_rows" not in state.numbers:
            continue
        looked += 1
        total += int(state.numbers["catalog_rows"])
        broken = channel_law(state.numbers)
        if broken:
            rows.append({"outlet": outlet, "run": state.run_id, "difference": broken})
    return _law(rows, looked, {"catalog_rows": total})


def no_drift(project: Project, platform: str) -> Finding:
    """Listings that the platform shows otherwise, as they were read last, and offers that are
    unknown to us. What was told once more since counts as mended until it is read again."""
    from marketsync_dagster.ledger import reconciliation
    from marketsync_dagster.ledger.states import states_at

    outlets = list(project.settings.channels_of(platform))
    found = reconciliation.found_wrong(project.ledger, platform, outlets)
    strange = [row for row in found if row["verdict"] == reconciliation.UNKNOWN_TO_US]
    drifted = [row for row in found if row["verdict"] != reconciliation.UNKNOWN_TO_US]
    standing = [row for row in drifted if row["sent_again"] is None]
    counts = reconciliation.verdict_counts(project.ledger, platform)
    verified = sum(counts.get(o, {}).get(reconciliation.VERIFIED, 0) for o in outlets)
    states = states_at(project.ledger, f"{platform}_reconciliation")
    unread = [outlet for outlet in outlets if outlet in states and not states[outlet].ok]
    read = verified + len(drifted)
    sentence = f"{len(standing)} of {counted(read, 'listing')} shown otherwise"
    if standing:
        sentence += ": " + ", ".join(_named_drift(row) for row in standing[:5])
    if len(drifted) > len(standing):
        sentence += f"; {len(drifted) - len(standing)} more were sent again since"
    if strange:
        sentence += f"; {counted(len(strange), 'offer')} unknown to us: "
        sentence += ", ".join(row["platform_sku"] for row in strange[:5])
    if unread:
        sentence += f"; not read: {', '.join(unread[:20])}"
    rows = [
        {
            "outlet": row["outlet"],
            "sku": row["sku"] or row["platform_sku"],
            "verdict": row["verdict"],
            "expected": row["expected"],
            "shown": row["shown"] or "nothing",
            "since": row["since"],
            "next_step": _after_drift(row, platform),
        }
        for row in [*standing, *strange]
    ]
    numbers = {
        "drifted": len(standing),
        "sent_again": len(drifted) - len(standing),
        "unknown_to_us": len(strange),
        "verified": verified,
    }
    few = len(standing) <= max(FEW_DRIFTS, DRIFT_SHARE * read)
    return Finding(not rows, sentence, rows, numbers, warn=few)


def _named_drift(row: Mapping[str, Any]) -> str:
    return f"{row['sku']} at {row['outlet']} ({row['verdict']}: {row['shown'] or 'nothing'})"


def _after_drift(row: Mapping[str, Any], platform: str) -> str:
    if not row["sku"]:
        return f"map it, or take it off {platform}: it is in no feed of ours"
    return f"marketsync run push_{platform} --outlet {row['outlet']}"


def _law(rows: list[dict[str, Any]], looked: int, numbers: dict[str, int]) -> Finding:
    sentence = (
        f"{len(rows)} of {counted(looked, 'outlet')} do not add up"
        if rows
        else f"every row of {counted(looked, 'outlet')} is accounted for"
    )
    return Finding(not rows, sentence, rows, {**numbers, "broken": len(rows)})


def schema(
    project: Project,
    key: tuple[str, ...],
    expected: frames.FrameColumns,
    outlets: Sequence[str],
) -> Finding:
    """Whether the stored frames have the expected columns; only footers are read.

    Values were validated before they were stored.
    """
    import pyarrow.parquet as pq

    names = {column.name for column in expected.columns if column.required}
    rows = []
    stored = 0
    for outlet in outlets:
        path = project.frames.path(key, outlet)
        if not path.exists():
            continue
        stored += 1
        found = set(pq.read_schema(path).names)
        if names - found:
            missing = ", ".join(sorted(names - found))
            rows.append({"outlet": outlet, "missing": missing, "file": str(path)})
    sentence = (
        f"{len(rows)} of {stored} stored frames lack columns"
        if rows
        else f"{stored} stored frames have all {len(names)} columns"
    )
    return Finding(not rows, sentence, rows, {"frames": stored, "broken": len(rows)})


def mapping_coverage(project: Project, platform: str) -> Finding:
    """The share of mapped rows of each outlet."""
    from marketsync_dagster.ledger.states import states_at

    states = states_at(project.ledger, f"{platform}_sku_mapping")
    rows = []
    total = unmapped = 0
    channels = project.settings.channels_of(platform)
    for outlet, channel in channels.items():
        state = states.get(outlet)
        count = int(state.numbers.get("rows", 0)) if state else 0
        if state is None or not count:
            continue
        without = int(state.numbers.get("unmapped", 0))
        total, unmapped = total + count, unmapped + without
        if 1 - without / count < COVERAGE:
            rows.append(
                {
                    "outlet": outlet,
                    "coverage": f"{1 - without / count:.1%}",
                    "unmapped": without,
                    "next_step": f"marketsync mapping list --account {channel.account}",
                }
            )
    share = 1 - unmapped / total if total else 1.0
    sentence = f"{share:.1%} of {total} rows are mapped"
    if rows:
        sentence += f"; below {COVERAGE:.0%}: " + ", ".join(row["outlet"] for row in rows)
    numbers = {"coverage": round(share, 4), "unmapped": unmapped, "rows": total}
    return Finding(not rows, sentence, rows, numbers, warn=True)


def guard(project: Project, platform: str) -> Finding:
    """Plans that wait for a decision, and rows that were held while the rest went."""
    from marketsync_dagster.ledger.plans import plans
    from marketsync_dagster.ledger.states import states_at

    channels = project.settings.channels_of(platform)
    held = [
        plan
        for plan in plans(project.ledger, states=("held",), platform=platform, limit=1000)
        if plan.outlet in channels
    ]
    rows: list[dict[str, Any]] = [
        {
            "outlet": plan.outlet,
            "plan": plan.id,
            "rows_to_send": plan.to_send,
            "rows_held": plan.held,
            "next_step": f"marketsync plans show {plan.id}; then marketsync approve {plan.id} "
            f"--reason TEXT, or reject",
        }
        for plan in held
    ]
    states = states_at(project.ledger, f"{platform}_listings")
    waiting = {plan.outlet for plan in held}
    row_holds = {
        outlet: int(states[outlet].numbers.get("held", 0))
        for outlet in channels
        if outlet in states and outlet not in waiting and states[outlet].numbers.get("held")
    }
    rows += [
        {
            "outlet": outlet,
            "plan": "",
            "rows_to_send": 0,
            "rows_held": count,
            "next_step": f"marketsync plan --outlet {outlet} --platform {platform}",
        }
        for outlet, count in row_holds.items()
    ]
    held_rows = sum(row_holds.values())
    sentence = f"{counted(len(held), 'plan')} and {counted(held_rows, 'single row')} are held"
    if held:
        sentence += ": " + ", ".join(plan.outlet for plan in held[:20])
    return Finding(
        not rows,
        sentence,
        rows,
        {"held_plans": len(held), "held_rows": held_rows},
        warn=not held,
    )


def freshness(project: Project, platform: str) -> Finding:
    """Channels that are switched on, not paused, and whose last success is too long ago."""
    from marketsync_dagster.stages.freshness import channel_sights, is_stale
    from marketsync_dagster.values.times import utcnow

    hours, now = project.settings.alerts.no_success_hours, utcnow()
    sights = channel_sights(project, platform, now)
    rows = [
        {
            "outlet": sight.outlet,
            "last_success": sight.last_ok or "never",
            "reason": sight.reason,
            "next_step": f"marketsync run push_{platform} --outlet {sight.outlet}",
        }
        for sight in sights
        if is_stale(sight, hours, now)
    ]
    sentence = f"all {len(sights)} channels succeeded within {hours:g} hours, or began since"
    if rows:
        named = ", ".join(row["outlet"] for row in rows[:20])
        sentence = f"{len(rows)} of {len(sights)} channels had no success for {hours:g} hours"
        sentence += f": {named}"
    return Finding(not rows, sentence, rows, {"stale": len(rows), "channels": len(sights)})


def runs(project: Project) -> Finding:
    """Runs that failed and were not made good since, as the sensor `failure_alerts` found them."""
    from marketsync_dagster.ledger.alerts import open_alerts

    failed = open_alerts(project.ledger, ["run_failed"])
    rows = [
        {"run": alert.run_id, "what": alert.title, "reason": alert.message, "since": alert.at}
        for alert in failed
    ]
    sentence = "no failed run waits to be made good"
    if failed:
        sentence = "; ".join(alert.title for alert in failed[:5])
        sentence += f" and {len(failed) - 5} more" if len(failed) > 5 else ""
    return Finding(not rows, sentence, rows, {"failed_runs": len(rows)})


def keys_fresh(project: Project, platform: str) -> Finding:
    """Keys of the platform's accounts that are older than keys should become."""
    from marketsync_dagster.config.secrets import STALE_DAYS
    from marketsync_dagster.ledger.key_ages import credential_ages

    accounts = {channel.account for channel in project.settings.channels_of(platform).values()}
    ages = [
        age for age in credential_ages(project.settings, project.ledger) if age.account in accounts
    ]
    stale = [age for age in ages if age.stale]
    unknown = sum(age.days is None for age in ages)
    sentence = f"{len(stale)} of {len(ages)} keys are older than {STALE_DAYS} days"
    if stale:
        sentence += ": " + ", ".join(dict.fromkeys(age.account for age in stale))
    if unknown:
        sentence += f"; of {unknown} nobody has said how old they are"
    rows = [
        {
            "account": age.account,
            "key": age.path,
            "days": age.days or 0,
            "known_from": age.source,
            "next_step": age.next_step,
        }
        for age in stale
    ]
    oldest = max((age.days for age in ages if age.days is not None), default=0)
    numbers = {"stale_keys": len(stale), "keys": len(ages), "unknown": unknown}
    return Finding(not stale, sentence, rows, {**numbers, "oldest_days": oldest}, warn=True)
