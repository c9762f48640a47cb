"""A million rows in a hundred outlets: read, validate, and find what differs.

Ours does what a run does between the file and the plan, without Dagster and without storing the
frames: every row is accounted for, four schemas hold, the guard has judged. The baseline reads
the same files with pyarrow.csv and joins them with polars to what is known, without a check or a
word about the rows that it cannot read. Both read what is known from the same parquet files.
"""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from benchmarks.figures import Figure
from benchmarks.pipeline import StageFailedError
from marketsync_dagster.catalog.feed import build_feed
from marketsync_dagster.catalog.mapping import map_skus
from marketsync_dagster.catalog.schemas import CATALOG, EXTRACT, FEED, SKU_MAPPING, validate
from marketsync_dagster.config.channels import Channel, MappingSettings
from marketsync_dagster.ledger.listings import LISTING_COLUMNS
from marketsync_dagster.pos.model import Extract, ExtractSpec
from marketsync_dagster.pos.read import read_extract
from marketsync_dagster.push.plan import Base, PlanOptions, make_plan
from marketsync_dagster.stages.catalog import named_catalog

OUTLETS = 100
SKUS = 10_000
CHANGED = 50
"""One row in so many has another price than is known: 2 %."""
BAD = 1_000
"""One row in so many has a price that cannot be read: 0.1 %."""
GOAL = 3.0
NOW, BEFORE = "2026-02-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z"
HEADER = "ProductId,Product,Barcode,Brand,Category,Size,Unit,Price,Qty\n"
SPEC = ExtractSpec(
    columns={
        "sku": "ProductId", "name": "Product", "barcode": "Barcode", "brand": "Brand",
        "category": "Category", "size": "Size", "unit": "Unit", "price": "Price", "stock": "Qty",
    },
    currency="KES",
)  # fmt: skip


def bare(extract: Path, known: Path) -> int:
    """What anybody would write: read it, join it, count what differs."""
    texts = dict.fromkeys(("ProductId", "Barcode", "Price"), pa.string())
    options = pa_csv.ConvertOptions(column_types=texts)
    rows = pl.DataFrame(pa_csv.read_csv(extract, convert_options=options))
    rows = rows.with_columns(
        price=(pl.col("Price").cast(pl.Decimal(18, 2), strict=False) * 100).cast(pl.Int64),
        stock=pl.when(pl.col("Qty") > 0).then(pl.lit("in_stock")).otherwise(pl.lit("out_of_stock")),
    )
    listed = pl.read_parquet(known, columns=["sku", "price_minor", "stock_status"])
    joined = rows.join(listed, left_on="ProductId", right_on="sku", how="left")
    differs = joined.filter(
        pl.col("price_minor").is_null()
        | (pl.col("price") != pl.col("price_minor"))
        | (pl.col("stock") != pl.col("stock_status"))
    )
    return differs.height


class Spent(defaultdict[str, float]):
    """Core milliseconds by what they were spent on."""

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        started = time.process_time()
        yield
        self[what] += 1e3 * (time.process_time() - started)


def ours(extract: Path, known: Path, channel: Channel, spent: Spent) -> int:
    """Extract, catalog, mapping, feed and plan, each validated; the plan's rows to send."""
    outlet = channel.outlet
    with spent.on("reading"):
        read = read_extract(extract, SPEC, file=extract.name)
    with spent.on("catalog, mapping and feed"):
        catalog = named_catalog(read.frame, "extract")
        mapping = map_skus(
            catalog, file_rows=(), synced={}, platform_catalog=None, settings=channel.mapping,
            platform="pasons", outlet=outlet, account=channel.account,
        )  # fmt: skip
        feed = build_feed(catalog, mapping, channel)
    with spent.on("pandera"):
        validate(EXTRACT, read.frame, what=f"the extract of {outlet}")
        validate(CATALOG, catalog, what=f"the catalog of {outlet}")
        validate(SKU_MAPPING, mapping, what=f"the mapping of {outlet}")
        validate(FEED, feed, what=f"the feed of {outlet}")
    with spent.on("the plan and the guard"):
        return _planned(feed, known, channel, len(catalog), read)


def _planned(
    feed: pd.DataFrame, known: Path, channel: Channel, catalog_rows: int, read: Extract
) -> int:
    outlet = channel.outlet
    plan = make_plan(
        feed,
        pq.ParquetFile(known).read().to_pandas(),
        base=Base(outlet, "pasons", channel.account, "here", "extract", NOW, read.accepted, None),
        options=PlanOptions(mode="partial"),
        guard=channel.guard,
        catalog_rows=catalog_rows,
    )
    if plan.held or read.records != read.accepted + read.rejected:
        raise StageFailedError(f"the plan is not what it should be: {plan.counts()}")
    return plan.counts()["sent"]


def measure(runs: int) -> list[Figure]:
    """`runs` pairs over all outlets, after one outlet of each to warm up."""
    raw: dict[str, list[float]] = {"bare_s": [], "ours_s": [], "bare_cpu_s": [], "ours_cpu_s": []}
    with tempfile.TemporaryDirectory(prefix="marketsync-bench-") as folder:
        files = [_write(Path(folder), number) for number in range(OUTLETS)]
        channels = [
            Channel(outlet=f"o{n}", account=f"a{n}", mapping=MappingSettings(identity="sku"))
            for n in range(OUTLETS)
        ]
        spent = Spent(float)
        sides: dict[str, Callable[[int], int]] = {
            "bare": lambda number: bare(*files[number]),
            "ours": lambda number: ours(*files[number], channels[number], spent),
        }
        for turn in range(runs + 1):
            for name in sorted(sides, reverse=bool(turn % 2)):
                gc.collect()
                cpu, started = time.process_time(), time.perf_counter()
                found = sum(sides[name](number) for number in range(OUTLETS if turn else 1))
                seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
                if found != (OUTLETS if turn else 1) * SKUS // CHANGED:
                    raise StageFailedError(f"{name} found {found} rows that differ")
                if not turn:
                    spent.clear()
                else:
                    raw[f"{name}_s"].append(seconds)
                    raw[f"{name}_cpu_s"].append(cpu)
    middle = {name: statistics.median(values) for name, values in raw.items()}
    return [
        Figure(
            "rows",
            f"{OUTLETS * SKUS:,} rows in {OUTLETS} files, 2 % of the prices changed, 0.1 % of the "
            "rows unreadable: read + validate + diff / pyarrow.csv and a polars join, no checks",
            [ours_s / bare_s for ours_s, bare_s in zip(raw["ours_s"], raw["bare_s"], strict=True)],
            GOAL,
            raw=dict(raw),
            notes=[
                "per outlet: ours {ours_s:.1f} ms, the baseline {bare_s:.1f} ms; core seconds "
                "ours {ours_cpu_s:.1f} ms, the baseline {bare_cpu_s:.1f} ms".format(
                    **{name: 1e3 * seconds / OUTLETS for name, seconds in middle.items()}
                ),
                "core ms of ours per outlet: "
                + ", ".join(f"{what} {ms / OUTLETS / runs:.1f}" for what, ms in spent.items()),
            ],
            ours=ours,
            bare=bare,
        )
    ]


def _write(folder: Path, number: int) -> tuple[Path, Path]:
    """An outlet's extract, and what its platform is known to show."""
    extract, known = folder / f"{number:03d}.csv", folder / f"{number:03d}.parquet"
    listed: list[tuple[object, ...]] = []
    with extract.open("w") as file:
        file.write(HEADER)
        for at in range(SKUS):
            sku, cents, quantity = f"{at:06d}", 10_000 + 7 * at, at % 50 + 1
            written = "n/a" if at % BAD == 7 else f"{cents // 100}.{cents % 100:02d}"
            file.write(
                f"{sku},Product {at},{_gtin(600_000_000_000 + at)},Brand {at % 97},"
                f"Category {at % 13},500 g,pc,{written},{quantity}\n"
            )
            shown = cents + 5 if at % CHANGED == 3 else cents
            value = (shown, "KES", "in_stock", quantity)
            listed.append((sku, sku, "here", *value, "applied", *value, BEFORE, 1))
    frame = pd.DataFrame.from_records(listed, columns=LISTING_COLUMNS)
    words = {name: "str" for name in LISTING_COLUMNS if isinstance(frame[name].iat[0], str)}
    numbers = {name: "Int64" for name in LISTING_COLUMNS if name not in words}
    frame.astype(words | numbers).to_parquet(known, index=False)
    return extract, known


def _gtin(digits: int) -> str:
    """The GTIN-13 of twelve digits."""
    text = f"{digits:012d}"
    return text + str(-sum(int(sign) * (1, 3)[at % 2] for at, sign in enumerate(text)) % 10)
