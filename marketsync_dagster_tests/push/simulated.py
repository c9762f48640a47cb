"""A channel over days without stages and platform: the real plan, guard and window on a real
ledger, and a platform that takes everything at once."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pandas as pd

from marketsync_dagster.config.channels import GuardSettings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.extracts import ExtractRecord, record_extract
from marketsync_dagster.ledger.listings import LISTING_COLUMNS
from marketsync_dagster.ledger.plans import PlanRecord, save_plan
from marketsync_dagster.push.plan import Base, Plan, PlanOptions, make_plan, rows_to_parquet
from marketsync_dagster.push.window import load_window
from marketsync_dagster.values.times import to_iso
from marketsync_dagster_tests.push.builders import TARGET, listings_of

START = datetime(2026, 11, 2, tzinfo=UTC)
_VALUES = ["price_minor", "currency", "stock_status", "quantity"]


@dataclass(slots=True)
class Channel:
    """One channel; `push` plans a feed at a time and, if nothing holds it, sends it."""

    ledger: Ledger
    guard: GuardSettings
    account: str = "pasons_westlands"
    target: str = TARGET
    listings: pd.DataFrame = field(default_factory=lambda: listings_of([]))
    pushed_rows: int | None = None
    number: int = 0
    full_extracts: bool = True

    def plan(
        self, feed: pd.DataFrame, at: datetime, *, rows: int | None = None, **options: Any
    ) -> Plan:
        """The plan of this feed; `rows` is how many the extract brought."""
        accepted = len(feed) if rows is None else rows
        base = Base(
            outlet="westlands",
            platform="pasons",
            account=self.account,
            target=self.target,
            extract_id=f"westlands-{self.number:06}",
            extract_time=to_iso(at),
            accepted_rows=accepted,
            pushed_rows=self.pushed_rows,
            coverage="full" if self.full_extracts else "delta",
        )
        hours = self.guard.window_hours or 0.0
        return make_plan(
            feed,
            self.listings,
            base=base,
            options=PlanOptions(**{"mode": "partial", **options}),
            guard=self.guard,
            catalog_rows=len(feed),
            window=lambda: load_window(self.ledger, "westlands", "pasons", self.account, hours, at),
        )

    def push(self, feed: pd.DataFrame, at: datetime, **said: Any) -> Plan:
        """`plan`, kept in the ledger, and sent unless it is held."""
        plan = self.plan(feed, at, **said)
        self.keep(plan, at)
        return plan

    def keep(
        self,
        plan: Plan,
        at: datetime,
        *,
        state: str | None = None,
        decided: bool = False,
        outcome: str = "applied",
    ) -> None:
        """Keep a plan as the stages would, and take its rows as sent with this outcome."""
        if not len(plan.rows):
            return
        if decided:
            plan.rows["disposition"] = "sent"
        held = (plan.held and not decided) or not len(plan.to_send)
        state = state or ("held" if held else "pushed")
        self.number += 1
        self._keep_extract(plan, at)
        counts = plan.counts() if not decided else {"held": 0, "sent": len(plan.rows)}
        record = PlanRecord(
            id=f"plan-{self.account}-{self.number:06}",
            outlet="westlands",
            platform="pasons",
            account=self.account,
            created_at=to_iso(at),
            created_by="tester",
            run_id="run",
            mode=plan.options.mode,
            kind=plan.kind,
            state=state,
            extract_id=plan.base.extract_id,
            extract_time=plan.base.extract_time,
            base=plan.base_hash,
            content=plan.content_hash,
            catalog_rows=plan.catalog_rows,
            unmapped=plan.unmapped,
            held=counts["held"],
            unchanged=plan.unchanged,
            deselected=sum(plan.deselected.values()),
            to_send=counts["sent"],
            calls=1,
            verdict=orjson.dumps([dataclasses.asdict(f) for f in plan.findings]).decode(),
            rows=rows_to_parquet(plan.rows),
            decided_by="amina" if decided else None,
        )
        save_plan(self.ledger, record)
        if state == "pushed":
            self._send(plan, outcome)
            self.pushed_rows = plan.base.accepted_rows

    def _keep_extract(self, plan: Plan, at: datetime) -> None:
        base, now = plan.base, to_iso(at)
        record_extract(
            self.ledger,
            ExtractRecord(
                *(base.extract_id, base.outlet, base.extract_id, "x.csv", base.coverage),
                *(base.extract_time, "name", now, "accepted"),
                *(base.accepted_rows, base.accepted_rows, 0, 0),
            ),
        )

    def _send(self, plan: Plan, outcome: str) -> None:
        """The platform answers for every row with this outcome; `applied` is acknowledged."""
        sent, known = plan.to_send, self.listings
        new = sent[~sent["sku"].isin(known["sku"])]
        if len(new):
            none = {name: pd.NA for name in LISTING_COLUMNS if name != "sku"}
            rows = pd.DataFrame({"sku": new["sku"], **none, "version": 0})
            known = pd.concat([known, rows.astype(known.dtypes.to_dict())], ignore_index=True)
        at = pd.Index(known["sku"]).get_indexer(pd.Index(sent["sku"]))
        told: dict[str, Any] = {name: sent[name].to_numpy() for name in ("platform_id", *_VALUES)}
        told |= {"target": self.target, "outcome": outcome, "extract_time": plan.base.extract_time}
        if outcome == "applied":
            told |= {f"ack_{name}": told[name] for name in _VALUES}
        told["version"] = known["version"].to_numpy()[at] + 1
        columns = {name: known[name].to_numpy(dtype=object, copy=True) for name in known.columns}
        for name, values in told.items():
            columns[name][at] = values
        self.listings = pd.DataFrame(columns).astype(known.dtypes.to_dict())


def feed_frame(skus: np.ndarray, prices: np.ndarray, status: np.ndarray) -> pd.DataFrame:
    """A FEED of arrays."""
    count = len(skus)
    texts = {"currency": "KES", "rule": "as it is", "matched_by": "identity"}
    return pd.DataFrame(
        {
            "sku": pd.array(skus, dtype="str"),
            "platform_id": pd.array(skus, dtype="str"),
            "name": pd.array(skus, dtype="str"),
            "price_minor": prices.astype("int64"),
            "pos_price_minor": prices.astype("int64"),
            **{name: pd.array([text] * count, dtype="str") for name, text in texts.items()},
            "stock_status": pd.array(status, dtype="str"),
            "quantity": pd.array([5] * count, dtype="Int64"),
            "line": np.arange(2, count + 2),
            "extract_id": pd.array(["westlands-1"] * count, dtype="str"),
        }
    )
