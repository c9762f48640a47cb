"""Imports of accounts that are not in the configuration any more: nobody asks for them.

An account that was renamed or removed while the platform worked for it leaves imports behind. After
a day they are lost, as any import whose end is not learnt: their rows are unknown, and go again.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING

from marketsync_dagster.ledger import imports
from marketsync_dagster.push.import_ends import End, write_end
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import to_iso, utcnow

if TYPE_CHECKING:
    from marketsync_dagster.ledger.engine import Ledger

LEFT_ALONE = timedelta(days=1)
"""So long an account may be missing: it may come back, or be in the configuration of another."""


def lose_imports_of_gone_accounts(ledger: Ledger, accounts: Collection[str]) -> list[str]:
    """End as lost what other accounts than these have left behind; returns the keys."""
    now = utcnow()
    before, at = to_iso(now - LEFT_ALONE), to_iso(now)
    ended = []
    for one in imports.orphaned_imports(ledger, accounts, before):
        words = (
            f"no end of import {one.import_id}: the account {one.account} is not in the "
            "configuration any more, and nobody can ask"
        )
        with ledger.begin() as connection:
            changes = write_end(connection, one, End(imports.LOST, Outcome.UNKNOWN, words), at)
        if changes is not None:
            ended.append(one.key)
    return ended
