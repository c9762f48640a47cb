"""The guard's rolling window: what the plans of the last hours have done to a channel together.

The window is judged like one plan whose old values are those from before it: a SKU's anchor is
what the platform showed before the first of these plans touched it. A decision starts anew: rows
that a person approved have no anchor from before; a plan that was approved although the window
held it, and the first plan of a channel, end the window for every row.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from marketsync_dagster.catalog.arrow import pc
from marketsync_dagster.ledger import plans
from marketsync_dagster.values.outcomes import Disposition
from marketsync_dagster.values.times import from_iso, to_iso

if TYPE_CHECKING:
    from marketsync_dagster.ledger.engine import Ledger
    from marketsync_dagster.ledger.plans import RecentPlan

UNMOVED = ("unchanged", "sent again", "offer")
"""`change` of rows that a plan sends without saying anything new of price or stock."""
SENT_STATES = ("pushing", "pushed")
"""States of a plan of which something was sent, or tried."""
_JUDGED = ["change", "disposition", "reason"]
_COLUMNS = [
    *("sku", "change", "disposition", "reason", "price_minor"),
    *("old_price_minor", "old_currency", "old_stock_status"),
]
_ANCHOR = {
    "old_price_minor": "price_minor",
    "old_currency": "currency",
    "old_stock_status": "stock_status",
}
_HELD = ["price_minor", "reason"]


@dataclass(frozen=True, slots=True)
class Window:
    """A channel over the last `hours`."""

    hours: float
    anchors: pd.DataFrame
    """price_minor (float), currency, stock_status of each SKU before the window; index: SKU."""
    held: pd.DataFrame
    """price_minor (float) and reason of each SKU that the row rules have held while the rest of
    its plan went, and on which nobody has decided; index: SKU."""
    most_rows: int | None
    """Rows of the largest full extract that was pushed; None: there was none."""


def load_window(
    ledger: Ledger, outlet: str, platform: str, account: str, hours: float, now: datetime
) -> Window | None:
    """The window of a channel that ends `now`; None if it is switched off (0 hours).

    While a plan that the window has held waits for a decision, the window reaches back from that
    plan: what is held does not go out because time passes.
    """
    if not hours:
        return None
    channel = (ledger, outlet, platform, account)
    waiting = plans.undecided(*channel, to_iso(now - plans.WAITS))
    first = next((at for at, verdict in waiting if _by_window(verdict)), None)
    since = to_iso((from_iso(first) if first else now) - timedelta(hours=hours))
    recent = since_last_restart(plans.recent_plans(*channel, since))
    if not recent and (last := plans.last_with_held_rows(*channel)):
        recent = [last]  # what it holds is still held: nothing was planned since
    wanted = [
        plan.id
        for plan in recent
        if plan.kind != "initial"
        and (plan.state in SENT_STATES or (plan.held and not held_whole(plan.verdict)))
    ]
    rows = plans.rows_of(ledger, wanted)
    return window_of(hours, recent, [(plan, rows[plan.id]) for plan in recent if plan.id in rows])


def since_last_restart(recent: Sequence[RecentPlan]) -> Sequence[RecentPlan]:
    """What is left of the plans, oldest first, from the last one that started the window anew."""
    for at in range(len(recent) - 1, -1, -1):
        plan = recent[at]
        if plan.state not in SENT_STATES:
            continue
        if plan.kind == "initial" or _by_window(plan.verdict):
            return recent[at:]
    return recent


def window_of(
    hours: float, recent: Sequence[RecentPlan], rows: Iterable[tuple[RecentPlan, bytes]]
) -> Window:
    """The window of these plans, oldest first, and of their rows (as `plan.rows` keeps them)."""
    parts = [_part(number, plan, data) for number, (plan, data) in enumerate(rows)]
    parts = [part for part in parts if len(part)]
    if parts:
        # a column without any value has another type
        rows_of_all = pa.concat_tables(parts, promote_options="permissive")
        anchors, held = _folded(rows_of_all.to_pandas())
    else:
        none = pd.Index([], dtype="str")
        anchors = _typed(pd.DataFrame(index=none, columns=list(_ANCHOR.values())))
        held = _typed(pd.DataFrame(index=none, columns=_HELD))
    return Window(hours, anchors, held, _most_rows(recent))


def _most_rows(recent: Sequence[RecentPlan]) -> int | None:
    """Rows of the largest full extract that was pushed, since somebody approved a smaller one."""
    counted: list[int] = []
    for plan in recent:
        if plan.state not in SENT_STATES or plan.accepted_rows is None:
            continue
        if any(finding["rule"] == "max_shrink" for finding in _holding(plan.verdict)):
            counted = []
        counted.append(plan.accepted_rows)
    return max(counted, default=None)


def held_whole(verdict: str) -> bool:
    """Whether the guard held a plan as a whole: if it was pushed, a person has approved it."""
    return bool(_holding(verdict))


def _by_window(verdict: str) -> bool:
    return any(finding.get("window_hours") for finding in _holding(verdict))


def _holding(verdict: str) -> list[dict[str, Any]]:
    return [finding for finding in orjson.loads(verdict) if finding["holds_plan"]]


def _part(number: int, plan: RecentPlan, data: bytes) -> pa.Table:
    """The rows of one plan that the window has to know, numbered, and what each of them is:
    held by the guard, decided by a person, or neither: something new was sent."""
    file = pq.ParquetFile(io.BytesIO(data))
    judged = file.read(_JUDGED, use_threads=False)
    held = pc.equal(judged["disposition"], Disposition.HELD.value)
    tried = pc.equal(judged["disposition"], Disposition.SENT.value)
    if plan.state not in SENT_STATES:
        tried = pc.and_(tried, False)
    approved = held_whole(plan.verdict)
    decided = tried if approved else pc.and_(tried, pc.not_equal(judged["reason"], ""))
    moved = pc.and_not(tried, pc.is_in(judged["change"], pa.array(UNMOVED)))
    wanted = pc.or_(pc.or_(held, decided), moved)
    found = judged.filter(wanted)
    numbers = pa.array(np.full(len(found), number))
    for name, values in (
        ("plan", numbers),
        ("held", held.filter(wanted)),
        ("decided", decided.filter(wanted)),
        *_others(file, np.flatnonzero(wanted.to_numpy())),
    ):
        found = found.append_column(name, values)
    return found


def _others(file: pq.ParquetFile, rows: np.ndarray) -> list[tuple[str, pa.ChunkedArray]]:
    """The other columns of some rows; of row groups without them nothing is read."""
    sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    ends = np.cumsum(sizes)
    groups = np.unique(np.searchsorted(ends, rows, side="right"))
    # the row, counted from the first, of each row that is read
    places = np.flatnonzero(np.repeat(np.isin(np.arange(len(sizes)), groups), sizes))
    names = [name for name in _COLUMNS if name not in _JUDGED]
    table = file.read_row_groups(groups.tolist(), names, use_threads=False)
    table = table.take(pa.array(np.searchsorted(places, rows)))
    return [(name, table[name]) for name in names]


def _folded(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The anchor of each SKU, and what of each SKU is held, from the rows of all plans in order."""
    # a listing that was made anew has nothing to be compared with either
    anew = rows[rows["decided"] | (~rows["held"] & (rows["change"] == "new"))]
    last = rows["sku"].map(anew.groupby("sku")["plan"].max())
    rows = rows[last.isna() | (rows["plan"] > last)]
    # a value of which nothing was acknowledged yet is no anchor either
    known = rows[~rows["held"] & rows["old_price_minor"].notna()]
    first = known.drop_duplicates("sku").set_index("sku")[list(_ANCHOR)].rename(columns=_ANCHOR)
    held = rows[rows["held"]].drop_duplicates("sku", keep="last").set_index("sku")[_HELD]
    return _typed(first), _typed(held)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype({"price_minor": "float64"})
