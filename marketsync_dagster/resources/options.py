"""What a run was asked to do, for all platforms in one place, and who asked for it.

The values come from the launchpad, a schedule, a sensor or the command line; what they mean for a
plan is `stages.listings.PlanOptions`. No reading of files and no ledger here.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

if TYPE_CHECKING:
    from marketsync_dagster.push.plan import PlanOptions
    from marketsync_dagster.stages.extract import Force

TRIGGER_TAG = "marketsync/trigger"
"""Run tag that says what started the run: `new_extract`, `schedule`, `command line`, ..."""
SCHEDULE_TAG = "marketsync/schedule"
"""Run tag that names the schedule by its key in the configuration: partial, full, stock, ..."""
ACCOUNT_TAG = "marketsync/account"
"""Run tag of an account's own schedule: only its channels are pushed."""
AUTOMATIC = ("schedule", "new_extract")
"""Triggers that send only what channels with `auto_push` have to say. A retry is not one of them:
it goes on with what was begun, or approved, by somebody who may."""


class Mode(Enum):
    """How much is sent: every row, or what differs from what the platform acknowledged."""

    full = "full"
    partial = "partial"


class What(Enum):
    """What of a listing is sent."""

    offer = "offer"
    price = "price"
    stock = "stock"


LIMIT = "A test run: at most this many rows of each channel; the rest is left out."
ORDERS = (
    "A test run: at most this many orders of each source are pulled or decided, and of each "
    "destination handed over; the rest is left out. 0: all."
)
FIELDS = (
    "Only the price, the stock, or offers that are new or changed otherwise; what is not named "
    "stays as the platform shows it. Empty: all of it."
)


def some_rows(limit: int | None) -> int | None:
    """`limit`; UsageError for one that lets nothing go."""
    from marketsync_dagster.values.errors import UsageError

    if limit is not None and limit < 1:
        raise UsageError(
            f"limit is {limit}: nothing would be sent",
            "set it to 1 or more, or leave it out",
        )
    return limit


class RunOptions(dg.ConfigurableResource[None]):
    """The options of one run.

    Without any configuration, as in a backfill from the asset page, a run means "make it right":
    every row of every field is sent.
    """

    mode: Mode = Field(
        default=Mode.full,
        description="full: send every row; partial: only what the platform does not know yet.",
    )
    skus: list[str] = Field(default=[], description="Only these SKUs; empty: all.")
    limit: int | None = Field(default=None, description=LIMIT)
    fields: list[What] = Field(default=[], description=FIELDS)
    force_older: bool = Field(
        default=False, description="Take an extract although a newer one was taken before."
    )
    by: str = Field(default="", description="Who forces an older extract.")
    reason: str = Field(default="", description="Why an older extract is forced.")
    created_by: str = Field(default="", description="Who asked for this run; empty: what did.")

    def plan_options(self, tags: Mapping[str, str]) -> "PlanOptions":
        """The part of the options that the plan of every channel is made with; UsageError for a
        limit that lets nothing go."""
        from marketsync_dagster.push.plan import PlanOptions

        return PlanOptions(
            mode=self.mode.value,
            skus=tuple(self.skus),
            limit=some_rows(self.limit),
            fields=tuple(field.value for field in self.fields),
            automatic=tags.get(TRIGGER_TAG) in AUTOMATIC,
            schedule=tags.get(SCHEDULE_TAG, ""),
            account=tags.get(ACCOUNT_TAG, ""),
        )

    def force(self) -> "Force | None":
        """Who forces an older extract, and why; MarketSyncError if one of the two is missing."""
        if not self.force_older:
            return None
        from marketsync_dagster.stages.extract import Force
        from marketsync_dagster.values.errors import UsageError

        if not self.by.strip() or not self.reason.strip():
            raise UsageError(
                "force_older needs a name and a reason",
                "give `by` and `reason` beside `force_older`",
            )
        return Force(by=self.by, reason=self.reason)

    def author(self, tags: Mapping[str, str]) -> str:
        """Who asked for the run, as the push history shows it."""
        return self.created_by or author_of(tags)


class OrderOptions(dg.ConfigurableResource[None]):
    """The options of one run over orders."""

    limit: int = Field(default=0, description=ORDERS)

    def most(self) -> int | None:
        """`limit`; None: all. UsageError for one that lets nothing go."""
        return some_rows(self.limit or None)

    def author(self, tags: Mapping[str, str]) -> str:
        """Who asked for the run, as the history of orders shows it."""
        return author_of(tags)


class PullOptions(dg.ConfigurableResource[None]):
    """Which orders one run pulls."""

    since: str = Field(
        default="",
        description="Pull orders that changed since this time: 3d, 2026-11-20, '2026-11-20 18:00' "
        "(by the clock of defaults.timezone), 2026-11-20T18:00+03:00; empty: since the last pull.",
    )
    order_states: list[str] = Field(
        default=[],
        description="Pull only orders in these states (new, shipped, SHIPPING, ...); empty: all.",
    )

    def pull_since(self, zone: str) -> str:
        """`since` as the ledger writes times; UsageError for what is no time, or is to come."""
        from marketsync_dagster.values.moments import past_moment
        from marketsync_dagster.values.times import to_iso, utcnow

        if not self.since.strip():
            return ""
        return to_iso(past_moment(self.since, zone, utcnow(), "since"))


def author_of(tags: Mapping[str, str]) -> str:
    """Who asked for a run, by its tags."""
    for tag, words in (
        ("dagster/schedule_name", "schedule {}"),
        ("dagster/sensor_name", "sensor {}"),
        ("dagster/backfill", "backfill {}"),
    ):
        if tag in tags:
            return words.format(tags[tag])
    return tags.get("user") or tags.get(TRIGGER_TAG) or "Dagster"


def run_config(**options: Any) -> dict[str, Any]:
    """The run configuration that sets these fields of `RunOptions`."""
    return {"resources": {"options": {"config": {k: v for k, v in options.items() if v}}}}


def orders_config(
    *, limit: int | None = None, since: str = "", order_states: Sequence[str] = ()
) -> dict[str, Any]:
    """The run configuration that sets these fields of `OrderOptions` and `PullOptions`."""
    fields = {
        "order_options": {"limit": limit},
        "pull_options": {"since": since, "order_states": list(order_states)},
    }
    said = {name: {k: v for k, v in some.items() if v} for name, some in fields.items()}
    return {"resources": {name: {"config": some} for name, some in said.items() if some}}
