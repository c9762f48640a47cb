"""After a crash: what a dead process left open is counted as unknown, before anything new is sent.

Called under the channel's lease, so nobody else can be in the middle of these pushes. What a
platform took as an import stays with it: `push.imports` goes on asking.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketsync_dagster.ledger import imports, leases, listings, plans, pushes
from marketsync_dagster.platforms.base import ItemResult
from marketsync_dagster.push.columns import Columns, Same
from marketsync_dagster.push.plan import rows_from_parquet
from marketsync_dagster.values.errors import Busy
from marketsync_dagster.values.outcomes import Disposition, Outcome
from marketsync_dagster.values.times import to_iso, utcnow

if TYPE_CHECKING:
    from marketsync_dagster.ledger.engine import Ledger

LEASE_S = 60.0
"""How long a lease holds without being renewed."""
UNKNOWN = ItemResult(Outcome.UNKNOWN, "the process died between sending and the answer")
UNREACHED = ItemResult(Outcome.RETRYABLE, "not sent: the process died before its turn")
Outcomes = dict[str, int]


def recover_if_free(
    ledger: Ledger, outlet: str, platform: str, target: str, lease_name: str, holder: str
) -> bool:
    """`recover`, unless somebody is pushing the channel right now: then nothing is dead.

    Returns whether the channel is free of open pushes now.
    """
    if not pushes.open_pushes(ledger, outlet, platform):
        return True
    try:
        lease = leases.take_lease(ledger, lease_name, holder, LEASE_S)
    except Busy:
        return False
    try:
        recover(ledger, outlet, platform, target)
    finally:
        leases.release(ledger, lease)
    return True


def recover(ledger: Ledger, outlet: str, platform: str, target: str) -> dict[str, int]:
    """End every push of the channel that its process could not end.

    Rows of a batch whose intent stands without an outcome become `unknown`; rows whose outcome
    was journalled keep it; rows that no batch was made of yet become `retryable`, as they do when
    a push is interrupted politely. Returns push id -> how many rows became unknown. `target` is
    where the dead push was sending to (`platforms.registry.target_of`).
    """
    return {
        push_id: _end(ledger, outlet, platform, target, push_id)
        for push_id in pushes.open_pushes(ledger, outlet, platform)
    }


def _end(ledger: Ledger, outlet: str, platform: str, target: str, push_id: str) -> int:
    plan = plans.get_plan(ledger, pushes.plan_of(ledger, push_id))
    rows = rows_from_parquet(plan.rows)
    columns = Columns.of(rows[rows["disposition"] == Disposition.SENT.value])
    batches = pushes.open_batches(ledger, push_id)
    unreached = pushes.never_intended(ledger, push_id)
    number = pushes.last_batch(ledger, push_id)
    answered = {b.number: pushes.items_acknowledged(ledger, push_id, b.number) for b in batches}
    source = listings.Source(
        outlet, platform, plan.account, target, plan.extract_id, plan.extract_time, push_id
    )
    now = to_iso(utcnow())
    unknown = 0

    def abandon(number: int, indices: list[int], result: ItemResult, outcomes: Outcomes) -> None:
        rows_ = columns.rows(Same(indices, result))
        listings.acknowledge(connection, source, number, rows_, now)
        name = result.outcome.value
        pushes.answer_batch(
            connection,
            push_id,
            number,
            state="abandoned",
            attempts=1 if result is UNKNOWN else 0,
            outcomes=outcomes | {name: outcomes.get(name, 0) + len(indices)},
            message=result.message,
            at=now,
        )

    with ledger.begin() as connection:
        imports.lock_imports(connection, plan.account)
        if not pushes.is_open(connection, push_id):
            return 0
        imports.abandon_imports(connection, push_id, UNKNOWN.message, now)
        for batch in batches:
            done = answered[batch.number]
            open_ = [i for i in range(batch.first, batch.last) if columns.sku[i] not in done]
            so_far = pushes.batch_outcomes(connection, push_id, batch.number)
            abandon(batch.number, open_, UNKNOWN, so_far)
            unknown += len(open_)
        for first, last in unreached:
            number += 1
            pushes.intend(connection, push_id, [(number, first, last)], now)
            abandon(number, list(range(first, last)), UNREACHED, {})
        pushes.end_interrupted(connection, push_id, UNKNOWN.message)
        plans.set_state(connection, plan.id, ("pushing",), "pushed")
    return unknown
