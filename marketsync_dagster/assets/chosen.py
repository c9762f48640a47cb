"""Whether a run is about any outlet: what is made, or checked, by outlet cannot go without one."""

import dagster as dg

from marketsync_dagster.values.errors import UsageError

_TAGS = ("dagster/partition", "dagster/asset_partition_range_start")
"""Of runs that are about an outlet, or about a stretch of them."""


def must_be_chosen(run: dg.DagsterRun, step: str) -> None:
    """UsageError for a run that is about no outlet, where `step` works outlet by outlet."""
    if any(run.tags.get(tag) for tag in _TAGS):
        return
    job = "JOB" if run.job_name.startswith("__") else run.job_name  # Dagster's own, of asset pages
    raise UsageError(
        f"no outlet was chosen, and {step} works outlet by outlet",
        "choose a partition (an outlet, or all of them) where the run is launched, "
        f"or: marketsync run {job} --outlet OUTLET",
    )
