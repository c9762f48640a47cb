"""Why SKUs that a person named (`--sku`) are not in the price feed of a channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from marketsync_dagster.stages.extract import REJECTS_KEY
from marketsync_dagster.stages.feed import feed_key
from marketsync_dagster.stages.mapping import mapping_key

if TYPE_CHECKING:
    from marketsync_dagster.stages.project import Project

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NotSent:
    """A SKU that cannot go out on a channel, why, and what to do about it."""

    outlet: str
    platform: str
    sku: str
    reason: str
    next_step: str

    @property
    def words(self) -> str:
        return f"{self.sku} of {self.outlet} on {self.platform} is not sent: {self.reason}"


def why_not(
    outlet: str, platform: str, sku: str, mapping: Sequence[Row], rejects: Sequence[Row]
) -> NotSent:
    """Of a SKU that is not in the feed, by its rows of the mapping and of the rejects."""
    if mapping:
        reason = f"unmapped: {mapping[0]['reason'] or 'it has no platform id'}"
        return NotSent(outlet, platform, sku, reason, str(mapping[0]["next_step"] or ""))
    if rejects:
        return NotSent(outlet, platform, sku, *rejected_as(rejects[0]))
    reason, step = "it is not in the catalog", "marketsync check-extract FILE"
    return NotSent(outlet, platform, sku, reason, step)


def rejected_as(row: Row) -> tuple[str, str]:
    """(why, what to do) of a row of the extract that was rejected."""
    return f"rejected on line {row['line']}: {row['reason']}", str(row["next_step"] or "")


def not_sent(
    project: Project, outlets: Sequence[str], platforms: Sequence[str], skus: Sequence[str]
) -> list[NotSent]:
    """Those of `skus` that the stored feeds of these channels do not have."""
    found = []
    for platform in platforms:
        for outlet in outlets:
            if project.settings.channel(outlet, platform) is None:
                continue
            if project.frames.stamp(feed_key(platform), outlet) is None:
                continue  # why there is none the run has said
            for sku in skus:
                if project.frames.rows_of(feed_key(platform), outlet, sku):
                    continue
                mapping = stored_rows(project, mapping_key(platform), outlet, sku)
                rejects = stored_rows(project, REJECTS_KEY, outlet, sku)
                found.append(why_not(outlet, platform, sku, mapping, rejects))
    return found


def stored_rows(project: Project, key: tuple[str, ...], outlet: str, sku: str) -> list[Row]:
    """The rows of a SKU in a frame; none where there is no such frame."""
    if project.frames.stamp(key, outlet) is None:
        return []
    return list(project.frames.rows_of(key, outlet, sku))
