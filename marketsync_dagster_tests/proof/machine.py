"""Random days of one channel, as a hypothesis state machine, against a real sandbox.

The till changes prices, stock and products; files come broken; mappings move; the platform fails,
refuses and is changed by foreign hands; people approve, reject and pause; runs push, partly and
fully, and are SIGKILLed. After each step the ledger must be true to the platform and its own sums
hold; at the end of each day a full push makes the platform show the feed.

How many days are lived, and where, is `days`.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from marketsync_dagster.ledger import pauses
from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster.stages.project import StageResult
from marketsync_dagster.values.outcomes import ACKNOWLEDGED
from marketsync_dagster_tests.faults import kills
from marketsync_dagster_tests.faults.errands import approve_held, reject_held
from marketsync_dagster_tests.faults.scenes import ANY_CHANGE
from marketsync_dagster_tests.ledgers import Engine
from marketsync_dagster_tests.projects import (
    FULL,
    PARTIAL,
    Row,
    TestBed,
    account_name,
    key_of,
    make_project,
    some_rows,
    store_of,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

SELLING, SPARE = 10, 4
"""Rows of the extract at first, and products that may come later."""
BATCH = 3
KILL_POINTS = (
    "extract_frame_written",
    "feed_frame_written",
    "plan_saved",
    "lease_taken",
    "push_opened",
    "intent_committed",
    "before_send",
    "answered",
    "ack_written",
    "ack_committed",
    "push_closing",
    "settled",
)
TROUBLES: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 400},
    {"kind": "status", "status": 404},
    {"kind": "status", "status": 413},
    {"kind": "retry_after", "form": "float", "value": 0.02},
    {"kind": "retry_after", "form": "huge"},
    {"kind": "token_dies"},
    {"kind": "reset"},
    {"kind": "apply_then_reset"},
    {"kind": "html_200"},
    {"kind": "html_200", "applied": True},
    {"kind": "truncated_json"},
    {"kind": "gzip_error"},
    {"kind": "empty_204"},
    {"kind": "redirect"},
    {"kind": "short_results"},
    {"kind": "wrong_ids"},
    {"kind": "item_error", "position": 0},
    {"kind": "item_error", "position": 1, "error": "Product not found"},
)
"""What a platform does now and then; none of them lies."""
HELD = ("held", "held again", "rows held")

steps: Counter[str] = Counter()
"""How many steps were taken, and what came of them."""
_sandbox: list[SandboxProcess] = []


def sandbox() -> SandboxProcess:
    """One sandbox for all days of this process."""
    if not _sandbox:
        _sandbox.append(SandboxProcess())
        _sandbox[0].start()
    return _sandbox[0]


SKUS = st.integers(0, SELLING + SPARE - 1)
SOME_SKUS = st.sets(SKUS, min_size=1, max_size=4)


class Channel(RuleBasedStateMachine):
    """One outlet on one platform, its ledger on one engine: `days.channel_on` says which."""

    platform = ""
    engine: Engine = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="marketsync-days-"))
        sandbox().reset()
        self.all = some_rows(SELLING + SPARE)
        self.rows = {number: self.all[number] for number in range(SELLING)}
        self.ever = {row.sku: {Decimal(row.price)} for row in self.all}
        """SKU -> every price that any extract has said."""
        self.renamed: dict[str, str] = {}
        self.foreign: dict[str, Decimal] = {}
        """Platform id -> the price that somebody else has set there."""
        self.bed = self._bed()
        self.seen = 0
        self.broken_file = False
        self.paused = False
        self.waits = False
        """Something may be held for a person."""
        self.moved = False
        """Somebody has written to the platform or to the ledger since it was looked at."""

    def _bed(self) -> TestBed:
        bed = make_project(
            self.folder,
            sandbox(),
            rows=self.all,
            platforms=[self.platform],
            batch=BATCH,
            engine=self.engine,
            guard=ANY_CHANGE | {"max_shrink": 1.0, "max_held_rows": 100},
        )
        account = bed.document["accounts"][account_name(self.platform, bed.outlet)]
        account["retry"] |= {"attempts": 2, "base_s": 0, "cap_s": 0.001, "budget_s": 1}
        if self.platform == "pasons":
            account["response"] = {"results": "all", "if_absent": "unknown"}
            store = {
                "store_id": store_of("pasons", bed.outlet),
                "api_key": key_of("pasons", bed.outlet),
            }
            sandbox().seed({"pasons": {"stores": [store | {"results": "all"}]}})
        others = [{"id": f"new_{r.sku}", "name": f"New {r.sku}", "demo": True} for r in self.all]
        sandbox().seed({"tracker_ke": {"products": others}})
        bed.configure(lambda _: None)
        bed.forget_extracts()
        return bed

    @initialize()
    def first_day(self) -> None:
        """The shop opens: everything is listed."""
        self._write()
        assert self._sync(FULL).state == "pushed"

    # --- the till

    def _write(self) -> None:
        for row in self.rows.values():
            self.ever[row.sku].add(Decimal(row.price))
        self.bed.write_extract(list(self.rows.values()), minutes=1)
        self.broken_file = False

    def _change(self, numbers: set[int], change: Callable[[Row], Row]) -> None:
        for number in numbers & self.rows.keys():
            self.rows[number] = change(self.rows[number])
        self._write()

    @rule(numbers=SOME_SKUS, step=st.integers(-9, 9))
    def prices_change(self, numbers: set[int], step: int) -> None:
        self._change(numbers, lambda row: Row(row.sku, self._price(row, step), row.stock))

    def _price(self, row: Row, step: int) -> str:
        return str(Decimal(self.all[int(row.sku) - 1].price) + step)

    @rule(numbers=SOME_SKUS, stock=st.sampled_from(["0", "3", "50"]))
    def stock_changes(self, numbers: set[int], stock: str) -> None:
        self._change(numbers, lambda row: Row(row.sku, row.price, stock))

    @rule(numbers=SOME_SKUS, then=st.sampled_from([None, approve_held, reject_held]))
    def decimal_points_slip(self, numbers: set[int], then: Callable[..., list[str]] | None) -> None:
        """And nobody notices before the next run; then somebody decides, or nobody."""

        def slipped(row: Row) -> Row:
            return Row(row.sku, str(Decimal(self._price(row, 0)) * 100), row.stock)

        self._change(numbers, slipped)
        self._sync(PARTIAL)
        if then is not None:
            self._decide(then)

    @rule()
    def all_is_as_it_was(self) -> None:
        self._change(set(self.rows), lambda row: self.all[int(row.sku) - 1])

    @rule(number=st.integers(SELLING, SELLING + SPARE - 1))
    def a_product_comes(self, number: int) -> None:
        self.rows.setdefault(number, self.all[number])
        self._write()

    @precondition(lambda self: len(self.rows) > SELLING - 3)
    @rule(number=SKUS)
    def a_product_goes(self, number: int) -> None:
        self.rows.pop(number, None)
        self._write()

    @rule(text=st.sampled_from(["", "ProductId,Product,Price,Cost,Currency,Qty\n", "<html>"]))
    def a_broken_file_arrives(self, text: str) -> None:
        self.bed.write_extract([], minutes=1, text=text)
        self.broken_file = True

    @rule()
    def an_older_file_arrives(self) -> None:
        older = [Row(row.sku, "1.00", row.stock) for row in self.rows.values()]
        self.bed.write_extract(older, minutes=-60)

    @precondition(lambda self: self.platform == "tracker_ke")
    @rule(number=SKUS, name=st.sampled_from(["prod_{}", "new_{}", ""]))
    def a_mapping_moves(self, number: int, name: str) -> None:
        """To the platform's other product, back, or away."""
        sku = self.all[number].sku
        self.renamed[sku] = name.format(sku)
        skus = [row.sku for row in self.all if self.renamed.get(row.sku) != ""]
        names = {sku: self.renamed.get(sku) or f"prod_{sku}" for sku in skus}
        self.bed.write_mapping(skus, names)

    # --- the platform

    @rule(trouble=st.sampled_from(TROUBLES), times=st.sampled_from([1, 1, 2, None]))
    def the_platform_is_in_trouble(self, trouble: dict[str, Any], times: int | None) -> None:
        sandbox().scenario(channel=self.platform, times=times, **trouble)

    @rule()
    def the_platform_is_well_again(self) -> None:
        """And the time is over for which it asked to be left alone."""
        sandbox().clear_scenarios()
        self.bed.end_closures()

    @rule(number=SKUS, price=st.sampled_from(["77.77", "99.99"]))
    def a_foreign_hand_changes_a_price(self, number: int, price: str) -> None:
        sku, outlet = self.all[number].sku, self.bed.outlet
        if self.platform == "tracker_ke":
            item = f"prod_{sku}"
            shown = {store_of("tracker_ke", outlet): {"price": price}}
            product = {"id": item, "name": f"Product {sku}", "demo": True, "prices": shown}
            seed: dict[str, Any] = {"tracker_ke": {"products": [product]}}
        else:
            item = sku
            store = {"store_id": store_of("pasons", outlet), "api_key": key_of("pasons", outlet)}
            seed = {"pasons": {"stores": [store | {"shown": {sku: {"price": price}}}]}}
        sandbox().seed(seed)
        self.foreign[item] = Decimal(price)

    # --- runs

    def _sync(self, options: PlanOptions) -> StageResult:
        """A run; the extract's own result where nothing came after it."""
        self.moved = True
        run = self.bed.sync(self.platform, options)
        results = run.stages[f"{self.platform}_listings"] or run.stages["pos_extract"]
        (result,) = results.values()
        if self.broken_file:  # the outlet stops there: what a killed push left open waits
            assert not result.ok
            assert run.stages["pos_extract"][self.bed.outlet].reason
        else:
            self._laws_hold(result, options)
            assert self.bed.unaccounted() == []
        self.waits = result.state in HELD
        if self.paused and not self.broken_file:  # for one run: longer, and days would be dull
            self._resume()
        return result

    def _laws_hold(self, result: StageResult, options: PlanOptions) -> None:
        told = Counter({name: int(value) for name, value in result.numbers.items()})
        assert told["catalog_rows"] == len(self.rows)
        kinds = ("unmapped", "held", "unchanged", "deselected", "sent")
        assert told["catalog_rows"] == sum(told[kind] for kind in kinds)
        outcomes = (
            "applied accepted_async accepted_unverified refused retryable unknown auth_failed"
        )
        assert told["sent"] == sum(told[name] for name in outcomes.split())
        if options.limit is not None:
            assert told["sent"] <= options.limit
        if self.paused:
            assert told["sent"] == told["calls"] == 0
            steps["paused"] += 1
        if not result.ok:
            assert result.reason

    @rule()
    def a_partial_push(self) -> None:
        self._sync(PARTIAL)

    @rule()
    def another_partial_push(self) -> None:
        self._sync(PARTIAL)

    @rule()
    def a_full_push(self) -> None:
        self._sync(FULL)

    @rule(number=SKUS)
    def a_push_of_one_sku(self, number: int) -> None:
        self._sync(PlanOptions(mode="partial", skus=(self.all[number].sku,)))

    @rule(limit=st.integers(1, 3))
    def a_push_of_a_few(self, limit: int) -> None:
        self._sync(PlanOptions(mode="partial", limit=limit))

    @rule(numbers=SOME_SKUS, step=st.integers(-9, 9), point=st.sampled_from(KILL_POINTS))
    def a_push_of_new_prices_is_killed(self, numbers: set[int], step: int, point: str) -> None:
        self.prices_change(numbers, step)
        self._kill(point, 1, PARTIAL)

    @rule(point=st.sampled_from(KILL_POINTS), times=st.integers(1, 3))
    def a_full_push_is_killed(self, point: str, times: int) -> None:
        self._kill(point, times, FULL)

    def _kill(self, point: str, times: int, options: PlanOptions) -> None:
        """Or it ends before: not every run comes to every point."""
        self.moved = True
        bed = self.bed
        child = kills.start(bed.place, self.platform, bed.outlets, point, times, options)
        steps["killed"] += kills.ended(child) == -signal.SIGKILL

    # --- people

    @precondition(lambda self: self.waits)
    @rule()
    def somebody_approves(self) -> None:
        self._decide(approve_held)

    @precondition(lambda self: self.waits)
    @rule()
    def somebody_rejects(self) -> None:
        self._decide(reject_held)

    def _decide(self, decide: Callable[..., list[str]]) -> None:
        """On what waits; a plan that has moved is refused as stale."""
        self.moved = True
        with self.bed.run() as project:
            steps["decided"] += len(decide(project, self.platform, self.bed.outlets, stale_ok=True))

    @precondition(lambda self: not self.paused)
    @rule()
    def somebody_pauses_the_channel(self) -> None:
        with self.bed.ledger() as ledger:
            pauses.pause(
                ledger, outlet=self.bed.outlet, platform=None, by="amina", reason="stocktaking"
            )
        self.paused = True

    def _resume(self) -> None:
        with self.bed.ledger() as ledger:
            assert pauses.resume(ledger, outlet=None, platform=None, by="amina")
        self.paused = False

    # --- what always holds

    @invariant()
    def the_ledger_tells_the_truth(self) -> None:
        """What it holds to be acknowledged is shown, unless somebody else has been there."""
        steps["steps"] += 1
        if not self.moved or any(push["state"] == "open" for push in self.bed.pushes()):
            return  # after a kill the platform may know more
        shown = self.bed.shown(self.platform)
        for listing in self.bed.table("listing", "sku"):
            item = listing["platform_id"]
            price = Decimal(listing["ack_price_minor"] or 0) / 100
            if listing["outcome"] in ACKNOWLEDGED and shown[item][0] != self.foreign.get(item):
                assert shown[item][0] == price, listing

    @invariant()
    def what_is_told_was_said_by_the_till(self) -> None:
        if not self.moved:
            return
        for write in sandbox().history(self.seen, channel=self.platform):
            sku = write["item"].rpartition("_")[2]
            assert Decimal(write["price"]) in self.ever[sku], write
        self.seen = sandbox().last_request()
        self.moved = False

    def teardown(self) -> None:
        """The end of the day: trouble is over, people agree, and a full push mends everything."""
        try:
            self._end_of_the_day()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _end_of_the_day(self) -> None:
        sandbox().clear_scenarios()
        self.bed.end_closures()
        if self.paused:
            self._resume()
        self._write()
        result = self._sync(FULL)
        for _ in range(3):
            if result.state not in HELD:
                break
            with self.bed.run() as project:
                assert approve_held(project, self.platform, self.bed.outlets)
            result = self._sync(PARTIAL)
        result = self._sync(FULL)
        wanted, shown = self.bed.wanted(self.platform), self.bed.shown(self.platform)
        assert {item: shown.get(item) for item in wanted} == wanted, result
        before = sandbox().last_request()
        assert self._sync(PARTIAL).state == "unchanged"
        assert self.bed.writes(before) == []
        steps["days"] += 1
