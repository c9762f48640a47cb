"""The stage `<platform>/products`: products offered to platforms that take them.

Only products with a barcode are offered (contract section 2.6: without one the platform would
create them again each time), and only those that are new, changed, or did not go through before.
The platform's answers feed the SKU mapping.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from marketsync_dagster.config.settings import Channel
from marketsync_dagster.ledger import leases, mappings
from marketsync_dagster.ledger import products as offered
from marketsync_dagster.ledger.calls import record_calls
from marketsync_dagster.ledger.pauses import active_pauses, pause_of
from marketsync_dagster.ledger.tokens import LedgerTokens
from marketsync_dagster.platforms.base import Adapter, Answer, ItemResult, ProductItem
from marketsync_dagster.platforms.registry import capabilities_of, open_adapter
from marketsync_dagster.push.calls import call_row
from marketsync_dagster.push.pacing import Budget, Pacer, Stop, backoff, when
from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster.push.recovery import LEASE_S
from marketsync_dagster.stages.catalog import CATALOG_KEY
from marketsync_dagster.stages.planning import of_another_run
from marketsync_dagster.stages.project import (
    Numbers,
    Project,
    StageResult,
    each_outlet,
    fingerprint,
)
from marketsync_dagster.values.outcomes import Outcome

BATCH = 100
EVERYTHING = PlanOptions()
NO_CHANNEL = "no channel"
_AGAIN = (Outcome.RETRYABLE, Outcome.UNKNOWN, Outcome.AUTH_FAILED)


@dataclass(frozen=True, slots=True)
class Offer:
    """One product, and a fingerprint of all that is said of it."""

    item: ProductItem
    fingerprint: str


def stage_name(platform: str) -> str:
    return f"{platform}_products"


def push_products(
    project: Project, platform: str, outlets: Sequence[str], options: PlanOptions = EVERYTHING
) -> list[StageResult]:
    """Offer each outlet's products to the platform, where that has something to say; no more of
    them than `options` ask for, and none where only the price, or the stock, is asked for."""
    channels = project.settings.channels_of(platform)

    def work(outlet: str) -> StageResult:
        channel = channels.get(outlet)
        if channel is None:
            return StageResult(outlet, True, NO_CHANNEL)
        if options.fields and "offer" not in options.fields:
            only = " and the ".join(options.fields)
            return StageResult(outlet, True, "unchanged", f"only the {only} is asked for")
        return _push(project, platform, outlet, channel, options)

    return each_outlet(project, stage_name(platform), outlets, work)


def _push(
    project: Project, platform: str, outlet: str, channel: Channel, options: PlanOptions
) -> StageResult:
    if not capabilities_of(project.settings.accounts[channel.account]).push_products:
        return StageResult(outlet, True, "unsupported", f"{platform} takes no products")
    catalog = project.frames.read(CATALOG_KEY, outlet)
    offers, no_barcode = _offers(catalog)
    todo = to_offer(project, platform, outlet, offers)
    asked = [one for one in todo if not options.skus or one.item.sku in options.skus]
    asked = asked[: options.limit]
    numbers: dict[str, int | float] = {
        "rows": len(catalog),
        "without_barcode": no_barcode,
        "unchanged": len(offers) - len(todo),
        "deselected": len(todo) - len(asked),
        "offered": len(asked),
        "applied": 0,
        "refused": 0,
        "calls": 0,
    }
    todo = asked
    if not todo:
        return StageResult(outlet, True, "unchanged", numbers=numbers)
    if not channel.push_enabled:
        reason = "push_enabled is not true for this channel in the configuration"
        return StageResult(outlet, True, "disabled", reason, numbers=numbers)
    account = project.settings.accounts[channel.account]
    if reason := of_another_run(account, channel, options):
        return StageResult(outlet, True, "disabled", reason, numbers=numbers)
    if pause := pause_of(active_pauses(project.ledger), outlet, platform):
        return StageResult(outlet, True, "paused", pause.words, pause.resume_command, numbers)
    return send_offers(project, platform, outlet, channel.account, channel, todo, numbers)


def to_offer(project: Project, platform: str, outlet: str, offers: Sequence[Offer]) -> list[Offer]:
    """Those that are new, changed, or did not go through before."""
    known = offered.offered_products(project.ledger, outlet, platform)
    return [
        offer
        for offer in offers
        if (before := known.get(offer.item.sku)) is None
        or before.fingerprint != offer.fingerprint
        or before.outcome in _AGAIN
    ]


def send_offers(
    project: Project,
    platform: str,
    outlet: str,
    account: str,
    channel: Channel | None,
    todo: Sequence[Offer],
    numbers: Numbers,
) -> StageResult:
    """Offer products under the outlet's lease; `numbers` are completed. Busy where another run
    does."""
    lease = leases.take_lease(
        project.ledger,
        f"products {outlet}/{platform}",
        f"run {project.run_id} of {project.user}",
        LEASE_S * 10,
    )
    try:
        sending = _Sending(project, platform, outlet, account, channel)
        asyncio.run(sending.run(todo))
    finally:
        leases.release(project.ledger, lease)
    numbers = numbers | {
        "applied": sending.outcomes[Outcome.APPLIED],
        "refused": sending.outcomes[Outcome.REFUSED],
        "calls": sending.calls,
    }
    missed = sum(sending.outcomes[outcome] for outcome in _AGAIN)
    if missed:
        words = sending.stop.reason or sending.words
        reason = f"{missed} of {len(todo)} products did not go through: {words}"
        next_step = f"marketsync connections test --account {account}"
        if sending.pacer.closed_s():
            next_step = "nothing: the next run after that offers these products again"
        return StageResult(outlet, False, "failed", reason, next_step, numbers)
    refused = f"{sending.outcomes[Outcome.REFUSED]} refused: {sending.words}"
    return StageResult(
        outlet, True, "done", refused if sending.outcomes[Outcome.REFUSED] else "", "", numbers
    )


def _offers(catalog: pd.DataFrame) -> tuple[list[Offer], int]:
    """What can be offered of a CATALOG frame, and how many rows have no barcode."""
    columns = ["sku", "name", "category", "barcode", "brand", "size"]
    with_barcode = catalog[catalog["barcode"].notna()].drop_duplicates("barcode")
    table = with_barcode[columns].astype("object")
    rows = table.where(table.notna(), None).itertuples(index=False, name=None)
    offers = []
    for sku, name, category, barcode, brand, size in rows:
        item = ProductItem(sku, name or sku, category or "Uncategorised", barcode, brand, size)
        offers.append(Offer(item, fingerprint(*columns, name, category, barcode, brand, size)))
    return offers, int(catalog["barcode"].isna().sum())


class _Sending:
    """The calls of one outlet, one after the other: a catalogue changes rarely."""

    def __init__(
        self, project: Project, platform: str, outlet: str, account: str, channel: Channel | None
    ) -> None:
        self.project, self.platform, self.outlet, self.channel = project, platform, outlet, channel
        self.name = account
        self.account = project.settings.accounts[account]
        self.outcomes: Counter[Outcome] = Counter()
        self.calls = 0
        self.words = ""
        self.stop = Stop()
        self.budget = Budget(self.account.retry.budget_s)
        self.pacer = Pacer(
            *(project.ledger, account, self.account.quota, self.stop),
            patience_s=self.account.retry.budget_s,
        )

    async def run(self, offers: Sequence[Offer]) -> None:
        await self.pacer.open()
        adapter = open_adapter(
            self.project.settings,
            self.name,
            channel=self.channel,
            secrets=self.project.secrets,
            tokens=LedgerTokens(self.project.ledger),
        )
        async with adapter:
            batches = [list(offers[at : at + BATCH]) for at in range(0, len(offers), BATCH)]
            while batches:
                batch = batches.pop(0)
                answer = await self._call(adapter, batch)
                if answer is not None and answer.split and len(batch) > 1:
                    half = len(batch) // 2
                    batches[:0] = [batch[:half], batch[half:]]
                    continue
                await asyncio.to_thread(self._record, batch, self._results(batch, answer))

    async def _call(self, adapter: Adapter, batch: Sequence[Offer]) -> Answer | None:
        """The last answer after all tries; None: the push stopped before a call."""
        answer: Answer | None = None
        attempt = 1
        while True:
            slot = await self.pacer.slot_or_stop()
            if self.stop.event.is_set():
                return answer
            answer = await adapter.send_products([offer.item for offer in batch])
            await self.pacer.answered(slot)
            self.calls += 1
            await asyncio.to_thread(self._log, answer, attempt)
            if answer.outcome is Outcome.AUTH_FAILED:
                self.stop.set(answer.message, Outcome.AUTH_FAILED)
            if answer.outcome not in (Outcome.RETRYABLE, Outcome.UNKNOWN):
                return answer
            if answer.other_key:
                continue
            delay, words = (
                backoff(attempt, self.account.retry, answer.retry_after_s),
                answer.message,
            )
            if answer.retry_after_s is not None:
                await self.pacer.close_for(delay, answer.message)
                words = f"{answer.message}; no call is made before {when(delay)}"
            if attempt == self.account.retry.attempts or not self.budget.spend(delay):
                self.stop.set(words, Outcome.RETRYABLE)
                return answer
            await self.stop.sleep(delay)
            attempt += 1

    def _results(self, batch: Sequence[Offer], answer: Answer | None) -> list[ItemResult]:
        if answer is None:
            words = f"not sent: {self.stop.reason}"
            return [ItemResult(self.stop.outcome, words)] * len(batch)
        if answer.split:
            return [ItemResult(Outcome.REFUSED, "too large for the platform")] * len(batch)
        if answer.outcome is not None:
            return [ItemResult(answer.outcome, answer.message)] * len(batch)
        return list(answer.results)

    def _record(self, batch: Sequence[Offer], results: Sequence[ItemResult]) -> None:
        """Ids first, then what was offered: a crash in between offers the batch once more."""
        self.outcomes.update(result.outcome for result in results)
        self.words = next((r.message for r in results if r.message), self.words)
        ids = [
            mappings.SyncedProduct(
                sku=offer.item.sku,
                platform_id=result.platform_id,
                barcode=offer.item.barcode,
                name=offer.item.name,
            )
            for offer, result in zip(batch, results, strict=True)
            if result.platform_id
        ]
        scope = self.project.settings.scope_of(self.name)
        conflicts = mappings.record_mappings(self.project.ledger, scope, ids)
        if conflicts:
            first = conflicts[0]
            self.words = (
                f"{len(conflicts)} ids belong to another SKU already, such as "
                f"{first.platform_id} of {first.sku}, which {first.held_by} has"
            )
        rows = [
            offered.OfferedProduct(
                offer.item.sku, offer.fingerprint, result.outcome, result.message
            )
            for offer, result in zip(batch, results, strict=True)
        ]
        offered.record_offered(self.project.ledger, self.outlet, self.platform, rows)

    def _log(self, answer: Answer, attempt: int) -> None:
        rows = [call_row(self.name, call) for call in answer.before]
        rows.append(call_row(self.name, answer.call, attempt=attempt))
        with self.project.ledger.begin() as connection:
            record_calls(connection, rows)
