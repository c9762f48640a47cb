"""A small project on one platform: real extract, ledger, stages and sender before the sandbox.

`Bed.sync` is one run of a job; what there is to see is `TestBed`'s, told by the platform's bench.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import select

from marketsync_dagster.ledger import tables as t
from marketsync_dagster_tests.conformance.bench import OUTLET, Held
from marketsync_dagster_tests.conformance.stand import Stand
from marketsync_dagster_tests.ledgers import ready_ledger_url
from marketsync_dagster_tests.projects import EXTRACT_COLUMNS, Place, Row, TestBed

ANY_CHANGE = {"initial": "auto", "max_changed_share": 1.0, "max_out_of_stock_share": 1.0}


@dataclass(slots=True)
class Bed(TestBed):
    """One outlet, whose till names products as the platform does."""

    __test__ = False

    stand: Stand = field(kw_only=True)

    def shown(self, platform: str, outlet: str | None = None) -> Held:
        """What the sandbox holds, as soon as it is what the feed says."""
        return self.stand.sees(lambda held: held == self.wanted(platform))

    def everything(self) -> str:
        """All that the ledger keeps, as one text."""
        with self.ledger() as ledger, ledger.read() as connection:
            return "\n".join(
                str(tuple(row))
                for table in t.metadata.sorted_tables
                for row in connection.execute(select(table))
            )


def rows(stand: Stand, count: int, change: int = 0) -> list[Row]:
    """Lines of an extract, each with a price of its own."""
    priced = enumerate(stand.bench.ids(count))
    return [Row(i, str(Decimal(f"{100 + n}.07") + change), stock=str(5 + n)) for n, i in priced]


def make_bed(stand: Stand, folder: Path, count: int = 6, batch: int = 2) -> Bed:
    """A project with a first extract, `batch` rows to a call, on a platform that knows them all."""
    stand.seed(count)
    document: dict[str, Any] = stand.bench.document(stand.sandbox.url, **stand.bench.limits(batch))
    document["lease_wait_s"] = 0.0
    document["outlets"][OUTLET]["extract"] |= {"columns": dict(EXTRACT_COLUMNS), "settle_s": 0}
    (channel,) = document["channels"]
    channel |= {"push_enabled": True, "auto_push": True, "guard": ANY_CHANGE}
    channel["mapping"] = {"identity": "sku"}
    (account,) = document["accounts"].values()
    account["retry"] |= {"attempts": 2, "budget_s": 2}
    url = ready_ledger_url("sqlite", folder)
    place = Place(folder, url, dict(stand.bench.secrets))
    bed = Bed(place, stand.sandbox, [OUTLET], document, stand=stand)
    bed.configure(lambda _: None)
    bed.write_extract(rows(stand, count))
    return bed
