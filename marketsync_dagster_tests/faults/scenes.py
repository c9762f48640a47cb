"""What leads a run to the point where it is killed, and what the next clean run must mend.

`kill_and_mend` is one row of the table that `make chaos` prints: a project whose prices are shown
gets a new extract (or another task), its run dies at a point, a clean run follows, and then the
platform is compared with the feed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from marketsync_dagster.ledger.mappings import synced_ids
from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster.stages.project import StageResult
from marketsync_dagster_tests.faults import kills
from marketsync_dagster_tests.faults.errands import approve_held, offer_products
from marketsync_dagster_tests.faults.points import HALF_SENT, IN_FLIGHT, Point
from marketsync_dagster_tests.ledgers import Engine
from marketsync_dagster_tests.projects import (
    EXTRACT_COLUMNS,
    FULL,
    MIRAKL,
    PARTIAL,
    Row,
    TestBed,
    make_project,
    repriced,
    some_rows,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

OLD = some_rows(40)
NEW = [*repriced(OLD[:36], lambda price: price + 7), *OLD[36:]]
ANY_CHANGE = {"max_changed_share": 1.0, "max_out_of_stock_share": 1.0}
"""A guard that lets every price of a test move."""

REAPED = {"tried_again": ("before_send", 2)}
"""Points that are told apart only by where a scene stands."""


@dataclass(slots=True)
class Mended:
    """How things stand after a kill and a clean run: the figures of one row of the table."""

    lost: list[str] = field(default_factory=list)
    """Items that the platform does not show as the feed says."""
    stale: list[str] = field(default_factory=list)
    """Items that were told another value last than the feed's."""
    wrong: list[str] = field(default_factory=list)
    """What else is not as it should be: sums, leases, a run that is not green."""

    @property
    def clean(self) -> bool:
        return not (self.lost or self.stale or self.wrong)


def shown_bed(
    folder: Path, sandbox: SandboxProcess, platform: str, engine: Engine = "sqlite"
) -> TestBed:
    """Everything shown at the old prices; a new extract is there."""
    bed = make_project(
        folder,
        sandbox,
        rows=OLD,
        platforms=[platform],
        outlets=["kisumu", "westlands"] if platform == MIRAKL else ["westlands"],
        guard=ANY_CHANGE,
        engine=engine,
    )
    first = ended(bed, platform, FULL)
    assert all(result.ok for result in first), first
    assert not differences(bed, platform)
    write_extracts(bed, NEW)
    return bed


def write_extracts(bed: TestBed, rows: list[Row]) -> None:
    """A new extract of every outlet."""
    for outlet in bed.outlets:
        bed.write_extract(rows, outlet)


def ended(bed: TestBed, platform: str, options: PlanOptions = PARTIAL) -> list[StageResult]:
    """What a run came to for each outlet."""
    return list(bed.sync(platform, options).stages[f"{platform}_listings"].values())


def differences(bed: TestBed, platform: str) -> list[str]:
    """What the platform does not show as the feed says."""
    return [f"{o} {item}" for o in bed.outlets for item in sorted(bed.differences(platform, o))]


def held_bed(folder: Path, sandbox: SandboxProcess, platform: str, engine: Engine) -> TestBed:
    """A first push that waits for a person."""
    guard = {"initial": "approve"}
    bed = make_project(folder, sandbox, rows=OLD, platforms=[platform], guard=guard, engine=engine)
    assert bed.sync(platform, FULL).one.state == "held"
    return bed


def products_bed(folder: Path, sandbox: SandboxProcess, platform: str, engine: Engine) -> TestBed:
    """Products with barcodes that the platform does not know, and no other mapping."""
    columns = {**EXTRACT_COLUMNS, "barcode": "Barcode", "category": "Group"}
    bed = make_project(
        folder,
        sandbox,
        rows=OLD,
        platforms=[platform],
        engine=engine,
        extract={"columns": columns},
    )
    bed.write_mapping([])
    bed.forget_extracts()
    lines = [f"{row.line()},{barcode(row)},Food" for row in OLD]
    bed.write_extract(OLD, text="\n".join([",".join(columns.values()), *lines]) + "\n")
    return bed


def barcode(row: Row) -> str:
    """A GTIN-13 of a row, with its check digit."""
    digits = f"616{int(row.sku):09}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def make_bed(
    point: Point, folder: Path, sandbox: SandboxProcess, platform: str, engine: Engine
) -> TestBed:
    """The project in which `point` is passed."""
    special = {"approval": held_bed, "products": products_bed}.get(point.scene)
    if special is not None:
        return special(folder, sandbox, platform, engine)
    bed = shown_bed(folder, sandbox, platform, engine)
    if point.scene == "another order":  # prices alone leave a mapping as it is
        bed.write_extract(list(reversed(NEW)))
    return bed


def kill(bed: TestBed, platform: str, point: Point) -> None:
    """Run until the point, where the run is killed; what the platform does meanwhile passes."""
    sandbox, name, occurrence = bed.sandbox, point.name, point.occurrence
    if point.scene == "hangs":
        kind = {IN_FLIGHT: "apply_then_hang", HALF_SENT: "hang"}[name]
        match = {"nth": occurrence}
        sandbox.scenario(kind, channel=platform, match=match, times=None, seconds=5)
    elif point.scene == "stopped":
        sandbox.scenario("reset", channel=platform, times=None)
    elif point.scene == "too large":
        sandbox.scenario("status", channel=platform, status=413, match={"nth": 2})
    elif point.scene == "throttled":
        match = {"nth": 2}
        sandbox.scenario("retry_after", channel=platform, form="float", value=0.3, match=match)
    elif point.scene == "passing error":
        sandbox.scenario("item_error", channel=platform, position=1)
    elif point.scene == "slow":
        sandbox.settings(delay_ms=60)
    elif point.scene == "reported":
        sandbox.scenario("item_error", channel=platform, position=1)
    elif point.scene == "recovery":
        answered = "import_answered" if platform == MIRAKL else "answered"
        kills.run_killed(bed.place, platform, bed.outlets, answered, 2)
    job: kills.Job = "sync"
    if point.scene in ("approval", "products"):
        job = "approve" if point.scene == "approval" else "products"
    name, occurrence = REAPED.get(name, (name, occurrence))
    kills.run_killed(bed.place, platform, bed.outlets, name, occurrence, job=job)
    sandbox.clear_scenarios()
    sandbox.settings(delay_ms=0)


def mend(bed: TestBed, platform: str, point: Point) -> list[str]:
    """What a data team does next: the same again. Returns what was not as it should be."""
    wrong: list[str] = []
    if point.scene == "approval":
        with bed.run() as project:
            again = approve_held(project, platform, bed.outlets)
        if bool(again) != (point.name == "approving"):
            wrong.append(f"approved again: {again}")
    if point.scene == "products":
        with bed.run() as project:
            (offered,) = offer_products(project, platform, bed.outlets)
        if not offered.ok:
            wrong.append(f"products: {offered.reason}")
        wrong += _doubled_products(bed, platform)
    wrong += [
        f"the next run is {result.state}: {result.reason}"
        for result in ended(bed, platform)
        if not result.ok
    ]
    return wrong


def _doubled_products(bed: TestBed, platform: str) -> list[str]:
    """Products that the platform has twice or not at all, or under an id that we do not know."""
    listed = {product["barcode"]: product["id"] for product in bed.sandbox.catalog()}
    codes = [product["barcode"] for product in bed.sandbox.catalog() if product["barcode"]]
    wanted = {barcode(row): row.sku for row in OLD}
    wrong = [
        f"{code} is listed {codes.count(code)} times" for code in wanted if codes.count(code) != 1
    ]
    with bed.run() as project:
        ours = synced_ids(project.ledger, project.settings.scope_of(f"{platform}_{bed.outlet}"))
    return wrong + [
        f"{sku}: another id than the platform's"
        for code, sku in wanted.items()
        if sku not in ours or ours[sku][0] != listed.get(code)
    ]


def judge(bed: TestBed, platform: str) -> Mended:
    """The platform against the feed, the journal against its own sums, and one more run."""
    mended = Mended(lost=differences(bed, platform), wrong=bed.unaccounted())
    number = bed.sandbox.last_request()
    for again in ended(bed, platform):
        if (again.ok, again.state) != (True, "unchanged"):
            mended.wrong.append(f"one more run is {again.state}: {again.reason}")
    if bed.writes(number):
        mended.wrong.append(f"one more run sent {len(bed.writes(number))} requests")
    last = {
        write["item"]: Decimal(write["price"]) for write in bed.sandbox.history(channel=platform)
    }
    wanted = {
        f"{outlet}-{item.removeprefix('prod_')}" if platform == MIRAKL else item: price
        for outlet in bed.outlets
        for item, (price, _) in bed.wanted(platform, outlet).items()
    }
    if platform == MIRAKL:
        mended.wrong += taken_twice(bed)
        open_ = [i["id"] for i in bed.table("push_import", "id") if i["ended_at"] is None]
        mended.wrong += [f"{key} never ended" for key in open_]
    mended.stale = sorted(i for i in wanted.keys() | last.keys() if wanted.get(i) != last.get(i))
    return mended


def taken_twice(bed: TestBed) -> list[str]:
    """Imports with which the platform did the same twice; of offers alone it says that it knows an
    import again."""
    done = [
        one["sha256"]
        for one in bed.sandbox.mirakl("imports", kind="OF24")
        for _ in range(one["in_effect"])
    ]
    twice = len(done) - len(set(done))
    return [f"{twice} imports were taken twice"] if twice else []


def kill_and_mend(
    point: Point,
    folder: Path,
    sandbox: SandboxProcess,
    platform: str,
    engine: Engine = "sqlite",
    *,
    back: bool = False,
) -> Mended:
    """One kill and what comes of it; with `back`, prices go back before the next run."""
    bed = make_bed(point, folder, sandbox, platform, engine)
    kill(bed, platform, point)
    if back or point.scene == "reported":  # what was refused goes again when it has changed
        write_extracts(bed, OLD)
    wrong = mend(bed, platform, point)
    mended = judge(bed, platform)
    mended.wrong[:0] = wrong
    return mended
