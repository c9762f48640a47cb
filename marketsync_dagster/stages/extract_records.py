"""What the ledger is told of an extract: its figures, its documents, and how it was read."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from marketsync_dagster.ledger import extracts as records
from marketsync_dagster.ledger.extracts import ExtractRecord
from marketsync_dagster.pos.drift import drift
from marketsync_dagster.pos.model import Extract
from marketsync_dagster.pos.profile import Profile, from_json
from marketsync_dagster.stages.choosing import Step
from marketsync_dagster.stages.project import Numbers, Project, fingerprint
from marketsync_dagster.stages.reading import Reading
from marketsync_dagster.values.times import to_iso, utcnow

EXTRACT_KEY = ("pos", "extract")
REJECTS_KEY = ("pos", "rejects")
CATALOG_KEY = ("pos", "catalog")


@dataclass(frozen=True, slots=True)
class Force:
    """A person's word that an older extract is the right one."""

    by: str
    reason: str


def remember(
    project: Project,
    reading: Reading,
    step: Step,
    extract: Extract | None,
    reason: str,
    force: Force | None = None,
    *,
    state: str = "",
) -> None:
    """Keep what came of a step; `reason` is why it was refused, empty where it was accepted."""
    details: dict[str, object] = {}
    if extract is not None:
        before = records.latest_accepted(project.ledger, reading.outlet, coverage=step.coverage)
        details = _details(extract, reading) | look_back(extract.profile, before)
    record = record_of(reading, step, extract)
    moved = dataclasses.replace(
        record,
        extract_time=to_iso(utcnow()) if force else record.extract_time,
        time_source="forced" if force else record.time_source,
        state=state or (records.REFUSED if reason else records.ACCEPTED),
        reason=reason,
        details=json.dumps(details),
        forced_by=force.by if force else None,
        forced_reason=force.reason if force else None,
    )
    records.record_extract(project.ledger, moved, step.parts)


def record_of(reading: Reading, step: Step, extract: Extract | None) -> ExtractRecord:
    """The record that an accepted step gets."""
    return ExtractRecord(
        id=records.extract_id(reading.outlet, step.sha256),
        outlet=reading.outlet,
        sha256=step.sha256,
        file=step.file,
        coverage=step.coverage,
        extract_time=to_iso(step.moment),
        time_source=step.newest.time_source,
        read_at=to_iso(utcnow()),
        state=records.ACCEPTED,
        records=extract.records if extract else 0,
        accepted=extract.accepted if extract else 0,
        rejected=extract.rejected if extract else 0,
        duplicates=extract.duplicates if extract else 0,
    )


def _details(extract: Extract, reading: Reading) -> dict[str, object]:
    return {
        "encoding": extract.encoding,
        "delimiter": extract.delimiter,
        "columns": extract.columns,
        "ignored": extract.ignored,
        "warnings": extract.warnings,
        "size": sum(document.size for document in extract.documents),
        "formats": [str(document.format) for document in extract.documents],
        "preset": reading.spec.preset,
        "continued": extract.continued,
        "reasons": {str(k): int(v) for k, v in extract.rejects["reason"].value_counts().items()},
        "spec": fingerprint(dataclasses.asdict(reading.spec)),
    }


def look_back(profile: Profile | None, before: ExtractRecord | None) -> dict[str, object]:
    """The profile of an extract and what it differs in from that of `before`, for `details`."""
    if profile is None:
        return {}
    known = None if before is None else from_json(json.loads(before.details).get("profile"))
    changes = [] if known is None else drift(known, profile)
    return {
        "profile": profile.as_json(),
        "drift": [dataclasses.asdict(change) for change in changes],
        "drift_since": "" if known is None or before is None else before.id,
    }


WEIGHTY = frozenset({"columns_exchanged", "zeros_lost", "barcodes_lost"})
"""Changes of an extract's looks that somebody is to be told of."""


def weighty(details: Mapping[str, object]) -> list[str]:
    """What somebody is to be told of, in words, of the details of an extract."""
    found = details.get("drift")
    changes = found if isinstance(found, list) else []
    return [str(one["words"]) for one in changes if one.get("change") in WEIGHTY]


def differences_of(project: Project, reading: Reading, step: Step, extract: Extract) -> list[str]:
    """The same of an extract that is not recorded yet."""
    before = records.latest_accepted(project.ledger, reading.outlet, coverage=step.coverage)
    return weighty(look_back(extract.profile, before))


def numbers_of(extract: Extract) -> Numbers:
    """The extract law, as figures: records = accepted + rejected + duplicates; besides them, what
    continues another record."""
    found: Numbers = {
        "records": extract.records,
        "accepted": extract.accepted,
        "rejected": extract.rejected,
        "duplicates": extract.duplicates,
    }
    return found | ({"continued": extract.continued} if extract.continued else {})


def total(each: Sequence[Numbers]) -> Numbers:
    """Sums by name."""
    summed: Numbers = {}
    for numbers in each:
        for name, value in numbers.items():
            summed[name] = summed.get(name, 0) + value
    return summed
