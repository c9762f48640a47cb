"""One channel while its account is read: on which listings there can be a verdict, and what comes
of each reading.

What is on its way gets no verdict: rows of pushes that have not ended, imports that the platform
works on, what was told just now, and whatever moved while it was read. A listing that has drifted
becomes `unknown`, so that the next partial push sends it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from marketsync_dagster.config.settings import Account, Channel
from marketsync_dagster.ledger import identity, plans, pushes, reconciliation
from marketsync_dagster.ledger.open_orders import sold_at
from marketsync_dagster.ledger.reconciliation import (
    DRIFT,
    NOT_APPLIED,
    OVERWRITTEN,
    UNKNOWN_TO_US,
    VERIFIED,
    Drift,
    Told,
    Verdict,
)
from marketsync_dagster.platforms.base import ShownPrice
from marketsync_dagster.platforms.registry import order_capabilities_of, target_of_channel
from marketsync_dagster.push.drift import (
    Rules,
    as_said,
    reason_of,
    sold_since,
    verdict_of,
    what_differs,
    words,
    words_shown,
)
from marketsync_dagster.push.plan import rows_from_parquet
from marketsync_dagster.stages.feed import feed_key
from marketsync_dagster.stages.project import Numbers, Project, StageResult
from marketsync_dagster.stages.shown import has_own_names, name_of, rules_of
from marketsync_dagster.values.outcomes import ACKNOWLEDGED, PENDING, Disposition, Outcome
from marketsync_dagster.values.redact import scrub
from marketsync_dagster.values.times import from_iso, to_iso, utcnow
from marketsync_dagster.values.words import counted

DRIFTED = "drift"
"""The state of an outlet whose platform shows something else."""
NAMED = 3
"""Drifts that are named in an outlet's reason."""
APPLYING = timedelta(hours=1)
"""A platform may apply what it is told so long before it says so, at most."""
VERDICTS = (VERIFIED, NOT_APPLIED, OVERWRITTEN)
WITHOUT = ("in_flight", "pending", "not_acknowledged", "not_read")
"""Listings without a verdict: on their way, or told just now; going again anyway; refused, or never
told; not asked for this time, or not to be told from what the platform says."""

_ACKNOWLEDGED = frozenset(outcome.value for outcome in ACKNOWLEDGED)
_PENDING = frozenset(outcome.value for outcome in PENDING)


@dataclass(slots=True)
class ChannelReading:
    """One channel, from before its account is read to its result."""

    project: Project
    platform: str
    channel: Channel
    told: dict[str, Told] = field(default_factory=dict)
    """SKU -> listing, as they stood before anything was read."""
    candidates: list[Told] = field(default_factory=list)
    """Those on which there can be a verdict."""
    feed: frozenset[str] | None = None
    """The SKUs that a push would send; None: there is no feed, it may be any."""
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """The first drifts, in words."""
    unreadable: str = ""
    """Why one of the listings could not be told from what the platform says."""

    @property
    def rules(self) -> Rules:
        """How its stock is compared."""
        return rules_of(self._account)

    @property
    def own_names(self) -> bool:
        """Whether its listings have names of their own at the platform."""
        return has_own_names(self._account)

    @property
    def _account(self) -> Account:
        return self.project.settings.accounts[self.channel.account]

    @property
    def outlet(self) -> str:
        return self.channel.outlet

    def name(self, listing: Told) -> str:
        """Under which name the platform is asked for it."""
        return name_of(self.project.settings, self.channel, listing.sku, listing.platform_id)

    # --- before anything is read

    def begin(self, skus: Sequence[str]) -> None:
        """Load the listings (only `skus` if there are any), and sort out what is on its way."""
        project, outlet = self.project, self.outlet
        target = target_of_channel(project.settings, self.channel)
        here = (project.ledger, outlet, self.platform, target, self.channel.account)
        self.told = reconciliation.told_listings(*here, skus)
        if not self.own_names:
            # one product, several SKUs over time: what was told last is what is shown
            last = identity.told_last(*here)
            others = [s for s, one in self.told.items() if last.get(one.platform_id, s) != s]
            for sku in others:
                del self.told[sku]
        self.feed = feed_skus(project, self.platform, outlet)
        young = to_iso(utcnow() - timedelta(seconds=self._account.reconcile.grace_s))
        pushing = being_pushed(project, outlet, self.platform)
        for listing in self.told.values():
            if listing.outcome in _PENDING:
                self.counts["pending"] += 1
            elif listing.outcome == Outcome.ACCEPTED_ASYNC.value:
                self.counts["in_flight"] += 1
            elif listing.outcome not in _ACKNOWLEDGED or listing.ack.price_minor is None:
                self.counts["not_acknowledged"] += 1
            elif listing.sku in pushing or (listing.ack_at or "") > young:
                self.counts["in_flight"] += 1
            else:
                self.candidates.append(listing)

    def agrees(self, listing: Told, entries: Sequence[ShownPrice]) -> bool:
        """Whether all that pages say of a listing is what it was told; False if they say
        nothing."""
        return bool(entries) and not any(
            what_differs(listing.ack, entry, self.rules) and not self.sold(listing, entry)
            for entry in entries
        )

    def sold(self, listing: Told, shown: ShownPrice) -> int:
        """How many pieces fewer are shown than were told, where that is what was sold there since,
        and nothing else differs; 0: it is not so."""
        settings, account = self.project.settings, self.channel.account
        sells = account in settings.order_sources()
        if not sells or not what_differs(listing.ack, shown, self.rules):
            return 0
        if not order_capabilities_of(settings, account).keeps_stock:
            return 0
        if listing.ack_at is None:
            return 0
        acknowledged = from_iso(listing.ack_at)
        # times of orders are whole seconds
        told = (to_iso(acknowledged - APPLYING), to_iso(acknowledged.replace(microsecond=0)))
        with self.project.ledger.read() as connection:
            pieces = sold_at(connection, account, self.outlet, listing.sku, told)
        return sold_since(listing.ack, shown, self.rules, pieces)

    def unmoved(self, some: Sequence[Told]) -> list[Told]:
        """What is worth a call: a listing that was told once more since gets no verdict."""
        with self.project.ledger.read() as connection:
            now = reconciliation.present_versions(
                connection, self.outlet, self.platform, [listing.sku for listing in some]
            )
        still = [listing for listing in some if now.get(listing.sku) == listing.version]
        self.counts["in_flight"] += len(some) - len(still)
        return still

    def longest_unread(self, listings: list[Told], most: int | None) -> list[Told]:
        """At most so many of `listings`: those whose last verdict is the oldest."""
        if most is None or len(listings) <= most:
            return listings
        at = reconciliation.last_read(self.project.ledger, self.outlet, self.platform)
        self.counts["not_read"] += len(listings) - most
        return sorted(listings, key=lambda listing: at.get(listing.sku, ""))[:most]

    # --- what was read

    def judge(self, read: Sequence[tuple[Told, ShownPrice]]) -> None:
        """Verdicts on what was read, kept in one transaction with what they lead to."""
        for _, shown in read:
            if not shown.certain:
                self.counts["not_read"] += 1
                self.unreadable = self.unreadable or scrub(shown.message)
        certain = [(told, shown) for told, shown in read if shown.certain]
        if not certain:
            return
        at = to_iso(utcnow())
        found = list(self._verdicts(certain, at))
        versions = {told.sku: told.version for told, _ in certain}
        with self.project.ledger.begin() as connection:
            here = (connection, self.outlet, self.platform)
            now = reconciliation.present_versions(*here, [one.sku for one, _ in found])
            stand = [(v, d) for v, d in found if now.get(v.sku) == versions[v.sku]]
            drifts = [drift for _, drift in stand if drift is not None]
            again = reconciliation.go_again(*here, drifts, at)
            stand = [(v, d) for v, d in stand if d is None or v.sku in again]
            reconciliation.record_verdicts(connection, [verdict for verdict, _ in stand])
        # whatever moved while it was read is on its way
        self.counts["in_flight"] += len(certain) - len(stand)
        for verdict, _ in stand:
            self.counts[verdict.verdict] += 1
            if verdict.verdict in DRIFT and len(self.wrong) < NAMED:
                there = verdict.shown or "nothing"
                self.wrong.append(f"{verdict.sku} shows {there}, not {verdict.expected}")

    def _verdicts(
        self, read: Sequence[tuple[Told, ShownPrice]], at: str
    ) -> Iterator[tuple[Verdict, Drift | None]]:
        """The verdict on each, and the drift that makes it go again; nothing of what a push that
        is under way may have changed."""
        wrong = [told for told, shown in read if not self.agrees_with(told, shown)]
        pushing = being_pushed(self.project, self.outlet, self.platform) if wrong else set()
        before = reconciliation.said_before(
            self.project.ledger,
            self.outlet,
            self.platform,
            [told for told in wrong if told.sku not in pushing],
            by_quantity=self.rules.by_quantity,
        )
        for told, shown in read:
            fewer = self.sold(told, shown)
            verdict = (
                VERIFIED if fewer else verdict_of(told.ack, before.get(told.sku), shown, self.rules)
            )
            if verdict != VERIFIED and told.sku in pushing:
                continue
            there = words_shown(shown, told.ack)
            reason = scrub(reason_of(told.ack, shown, self.rules))
            if fewer:
                reason = f"{fewer} fewer than it was told: so many were ordered there since"
            drift = None
            if verdict != VERIFIED and (self.feed is None or told.sku in self.feed):
                message = f"read back: shows {there or f'nothing ({reason})'}"
                drift = Drift(told.sku, told.version, as_said(shown, told.ack), message)
            yield (
                Verdict(
                    outlet=self.outlet,
                    platform=self.platform,
                    sku=told.sku,
                    platform_sku=self.name(told) if self.own_names else "",
                    account=self.channel.account,
                    verdict=verdict,
                    expected=words(told.ack, self.rules),
                    shown=there,
                    reason=reason,
                    at=at,
                ),
                drift,
            )

    def agrees_with(self, listing: Told, shown: ShownPrice) -> bool:
        """Whether a listing is shown as it was told."""
        return shown.price is not None and self.agrees(listing, [shown])

    # --- the end

    def forget(self) -> None:
        """Verdicts on listings that are none any more go."""
        names = [self.name(one) for one in self.told.values()] if self.own_names else [""]
        with self.project.ledger.begin() as connection:
            reconciliation.forget_listings(
                connection, self.outlet, self.platform, list(self.told), names
            )

    def result(self, calls: int) -> StageResult:
        """What the channel came to; AssertionError where a listing is unaccounted for."""
        if len(self.told) != sum(self.counts.values()):
            raise AssertionError(f"{len(self.told)} listings are not {dict(self.counts)}")
        numbers: Numbers = {
            "listings": len(self.told),
            **{name: self.counts[name] for name in (*VERDICTS, *WITHOUT)},
            UNKNOWN_TO_US: 0,
            "calls": calls,
        }
        if self.unreadable:
            step = f"marketsync connections test --account {self.channel.account}"
            return StageResult(self.outlet, False, "failed", self.unreadable, step, numbers)
        drifts = self.counts[NOT_APPLIED] + self.counts[OVERWRITTEN]
        if not drifts:
            return StageResult(self.outlet, True, "done", numbers=numbers)
        more = ", ..." if drifts > len(self.wrong) else ""
        return StageResult(
            self.outlet,
            True,
            DRIFTED,
            f"{counted(drifts, 'listing')} shown otherwise: {'; '.join(self.wrong)}{more}",
            f"marketsync run push_{self.platform} --outlet {self.outlet}",
            numbers,
        )


def feed_skus(project: Project, platform: str, outlet: str) -> frozenset[str] | None:
    """The SKUs of a channel's feed; None: there is none."""
    key = feed_key(platform)
    if project.frames.stamp(key, outlet) is None:
        return None
    return frozenset(project.frames.columns_of(key, outlet, ("sku",))["sku"])


def being_pushed(project: Project, outlet: str, platform: str) -> set[str]:
    """The SKUs of a channel's pushes that have not ended."""
    found: set[str] = set()
    for push_id in pushes.open_pushes(project.ledger, outlet, platform):
        plan = plans.get_plan(project.ledger, pushes.plan_of(project.ledger, push_id))
        rows = rows_from_parquet(plan.rows, ("sku", "disposition"))
        found.update(rows["sku"][rows["disposition"] == Disposition.SENT.value])
    return found
