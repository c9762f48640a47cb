"""Whether a plan that waits for a person still says what the configuration and the feed say.

The ledger's part of that question, a newer extract or another push, is `push.decisions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketsync_dagster.platforms.base import Capabilities, ImportKind
from marketsync_dagster.platforms.registry import capabilities_of, target_of_channel
from marketsync_dagster.push.kinds import OFFER_COLUMNS, counts_of
from marketsync_dagster.push.plan import planned_target, rows_from_parquet
from marketsync_dagster.stages.feed import feed_key
from marketsync_dagster.values.words import counted

if TYPE_CHECKING:
    import pandas as pd

    from marketsync_dagster.ledger.plans import PlanRecord
    from marketsync_dagster.stages.project import Project

_SAID = ["sku", "platform_id", "price_minor", "currency", "stock_status"]
_OLD = ["old_price_minor", "old_currency", "old_stock_status"]


def has_changed(project: Project, plan: PlanRecord) -> str:
    """Why a plan is not what would be planned now; empty if nothing speaks against it."""
    channel = project.settings.channel(plan.outlet, plan.platform)
    if channel is None:
        return f"{plan.outlet} has no channel on {plan.platform} any more"
    if channel.account != plan.account:
        return f"its channel is on account {channel.account} now, not on {plan.account}"
    target, planned = target_of_channel(project.settings, channel), planned_target(plan.base)
    if planned and planned != target:
        return f"account {plan.account} means another place now ({target}, planned for {planned})"
    key = feed_key(plan.platform)
    if not plan.rows or project.frames.stamp(key, plan.outlet) is None:
        return ""
    rows = rows_from_parquet(plan.rows, [*_SAID, *_OLD, *OFFER_COLUMNS])
    if gone := _no_longer_imported(rows, capabilities_of(project.settings.accounts[plan.account])):
        return gone
    count = _unlike(rows, project.frames.read(key, plan.outlet))
    if not count:
        return ""
    return f"{counted(count, 'row')} of it differ from the price feed as it is now"


def _unlike(rows: pd.DataFrame, feed: pd.DataFrame) -> int:
    """How many rows of a plan say something that the feed does not say. A plan of the price alone,
    or of the stock, repeats of the other what was acknowledged."""
    named = ["platform_sku"] if "platform_sku" in rows else []
    whole = ["details"] if "details" in rows and "details" in feed else []
    said = [*_SAID, *named, *whole]
    both = rows.merge(feed[said], on="sku", how="left", suffixes=("", "_now"))
    unlike = (both["platform_id"] != both["platform_id_now"]).fillna(True)
    for name in named:
        unlike |= (both[name] != both[f"{name}_now"]).fillna(True)
    for name in whole:  # prices and stock alone say nothing of it
        differs = (both[name] != both[f"{name}_now"]).fillna(True)
        unlike |= differs & (both["import_kind"] == ImportKind.OFFERS.value)
    for name in _SAID[2:]:
        same = (both[name] == both[f"{name}_now"]) | (both[name] == both[f"old_{name}"])
        unlike |= ~same.fillna(False).astype(bool)
    return int(unlike.sum())


def _no_longer_imported(rows: pd.DataFrame, capabilities: Capabilities) -> str:
    """Of which imports a plan has rows that the account does not take any more; empty: none."""
    taken = {
        ImportKind.PRICES.value: capabilities.price_import,
        ImportKind.STOCK.value: capabilities.stock_import,
    }
    for kind, count in counts_of(rows).items():
        if not taken.get(kind, True):
            return f"{counted(count, 'row')} of it would go by {kind} alone, which is switched off"
    return ""
