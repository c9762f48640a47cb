"""One extract, from bytes to accepted rows and rejects: how fast, and in how much memory.

`python -m benchmarks.extract FILE` is the process whose peak is measured: it reads FILE as a run
does, and prints what it found and its peak.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from benchmarks.figures import Figure
from benchmarks.pipeline import StageFailedError
from marketsync_dagster.catalog.schemas import EXTRACT, validate
from marketsync_dagster.pos.model import Extract, ExtractSpec
from marketsync_dagster.pos.read import read_extract

FEW, MANY = 50_000, 1_000_000
BAD = 1_000
"""One row in so many has a price that cannot be read."""
GOAL, GOAL_MIB = 3.0, 700.0
HEADER = "ProductId,Product,Barcode,Brand,Category,Size,Unit,Price,Promo Price,Qty\n"
SPEC = ExtractSpec(
    columns={
        "sku": "ProductId", "name": "Product", "barcode": "Barcode", "brand": "Brand",
        "category": "Category", "size": "Size", "unit": "Unit", "price": "Price",
        "promo_price": "Promo Price", "stock": "Qty",
    },
    currency="KES",
)  # fmt: skip


def bare(path: Path) -> int:
    """What anybody would write: every column as text, nothing looked at."""
    return len(pd.read_csv(path, dtype=str))


def ours(path: Path) -> Extract:
    """Proven, cut, typed and validated: every row accepted, or rejected with its reason."""
    extract = read_extract(path, SPEC, file=path.name)
    validate(EXTRACT, extract.frame, what="the extract")
    return extract


def write(path: Path, rows: int) -> None:
    """A shop's export: 105 bytes a row, every fourteenth name in quotes."""
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER)
        for start in range(0, rows, 10_000):
            file.writelines(map(_row, range(start, min(start + 10_000, rows))))


def _row(row: int) -> str:
    name = f"Čaj zelený No {row}" if row % 14 else f'"Rice, long grain {row}"'
    price = "n/a" if row % BAD == 7 else f"{row % 9_000 + 100}.{row % 100:02}"
    promo = f"{row % 9_000 + 90}.00" if row % 5 == 0 else ""
    return (
        f"SKU-{row:08},{name},{_ean(row)},Brand {row % 400},"
        f"Beverages and tea / {row % 60},{row % 9 + 1}00 g,piece,{price},{promo},{row % 80}\n"
    )


def _ean(row: int) -> str:
    digits = f"59{row:010}"
    total = sum(int(sign) * (3 if place % 2 else 1) for place, sign in enumerate(digits))
    return f"{digits}{-total % 10}"


def peak(path: Path, rows: int) -> float:
    """MiB at the peak of a process that reads `path` and does nothing else."""
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.extract", str(path)],
        check=True, stdout=subprocess.PIPE, env=os.environ,
    )  # fmt: skip
    found = json.loads(told.stdout)
    if found["accepted"] + found["rejected"] != rows or found["rejected"] != rows // BAD:
        raise StageFailedError(f"of {rows} rows there are {found}")
    return found["peak_kib"] / 1024


def measure(runs: int) -> list[Figure]:
    """`runs` pairs that take turns at going first, and as many processes."""
    raw: dict[str, list[float]] = {"bare_s": [], "ours_s": []}
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder, "few.csv"), Path(folder, "many.csv")
        write(few, FEW)
        write(many, MANY)
        for turn in range(2 * runs + 1):
            sides = [("bare_s", bare), ("ours_s", ours)]
            for name, side in sides if turn % 2 else reversed(sides):
                gc.collect()
                started = time.perf_counter()
                side(few)
                if turn:
                    raw[name].append(time.perf_counter() - started)
        peaks = [peak(many, MANY) for _ in range(runs)]
        megabytes = many.stat().st_size / 1e6
    ratios = [ours_s / bare_s for bare_s, ours_s in zip(*raw.values(), strict=True)]
    return [
        Figure(
            "extract",
            f"{FEW:,} rows of 10 columns read, typed and validated / pandas.read_csv of the same "
            "file as text",
            ratios,
            GOAL,
            raw=dict(raw),
            ours=ours,
            bare=bare,
        ),
        Figure(
            "extract memory",
            f"peak memory of a process that reads, types and validates {MANY:,} rows "
            f"({megabytes:.0f} MB)",
            peaks,
            GOAL_MIB,
            unit="MiB",
        ),
    ]


def main(path: Path) -> None:
    """The child."""
    extract = ours(path)
    found = {"accepted": extract.accepted, "rejected": extract.rejected}
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({**found, "peak_kib": used.ru_maxrss}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
