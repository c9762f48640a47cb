"""Random days of orders, as a hypothesis state machine, against a real sandbox.

Orders arrive, change and are cancelled by customers, lines vanish; destinations and the marketplace
fail in many ways; tills answer late, twice, or nonsense; people hold, release, cancel and decide;
runs are SIGKILLed at named moments. After each step the laws of the ledger hold; at the end of each
day the world agrees with the book: everything that was taken is at exactly one place or people were
asked, nothing is reserved any more, nobody was told anything twice.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, cast

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from marketsync_dagster.ledger.laws import broken_laws
from marketsync_dagster.orders import hand_cancelling, hand_deciding
from marketsync_dagster.values.errors import UsageError
from marketsync_dagster_tests.faults.kills import ended
from marketsync_dagster_tests.faults.order_judging import Judged, end
from marketsync_dagster_tests.faults.order_kills import start_orders
from marketsync_dagster_tests.faults.order_random import LINES
from marketsync_dagster_tests.faults.order_world import (
    BY,
    REAL,
    SPEC,
    OrderBed,
    make_world,
)
from marketsync_dagster_tests.ledgers import ENGINES, Engine
from marketsync_dagster_tests.sandbox_process import SandboxProcess

STEPS_PER_DAY = 16
KILLED_AT = (
    "raw_committed", "page_committed", "decided", "command_intended", "command_answered",
    "command_committed", "routed", "forward_intended", "forward_answered", "forward_committed",
    "token_minted", "drop_staged", "drop_marked", "drop_renamed", "answer_kept", "answer_applied",
    "standings_read", "standings_written", "updates_wanted",
)  # fmt: skip
TROUBLES: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 429},
    {"kind": "retry_after", "form": "float", "value": 0.02},
    {"kind": "reset"},
    {"kind": "apply_then_reset"},
    {"kind": "html_200"},
    {"kind": "html_200", "applied": True},
    {"kind": "truncated_json"},
    {"kind": "token_dies"},
)
"""None of them lies."""
OPEN = ("WAITING_ACCEPTANCE", "SHIPPING")

steps: Counter[str] = Counter()
_sandbox: list[SandboxProcess] = []


def sandbox() -> SandboxProcess:
    """One sandbox for all days of this process."""
    if not _sandbox:
        _sandbox.append(SandboxProcess())
        _sandbox[0].start()
    return _sandbox[0]


class OrderDay(RuleBasedStateMachine):
    """One day of the world of orders, its ledger on one engine."""

    engine: Engine = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="marketsync-orders-"))
        sandbox().reset()
        self.bed: OrderBed = make_world(self.folder, sandbox(), self.engine)
        self.orders = 0

    @initialize(first=st.sampled_from(KILLED_AT), second=st.sampled_from(KILLED_AT))
    def _begin(self, first: str, second: str) -> None:
        steps["days"] += 1
        self.sells([LINES[0]], 2)
        self.sells([LINES[2], LINES[3]], 1)
        self.killed(first, 1)
        self.bed.live()
        self.bed.printers_print()
        self.bed.till_answers()
        self.killed(second, 1)

    # --- what others do

    @rule(skus=st.lists(st.sampled_from(LINES), min_size=1, max_size=3), pieces=st.integers(1, 3))
    def sells(self, skus: list[str], pieces: int) -> None:
        self.orders += 1
        self.bed.sell(f"A-{self.orders}", *((sku, pieces) for sku in skus))

    @rule()
    def sells_what_nobody_knows(self) -> None:
        self.orders += 1
        self.bed.sell(f"A-{self.orders}", ("kisumu-TEE-M", 1), ("kisumu-NOBODY", 1))

    @rule(skus=st.sets(st.sampled_from(["SOAP", "RICE", "TEE-M"]), min_size=1))
    def shop_sells(self, skus: set[str]) -> None:
        self.orders += 1
        self.bed.buy(f"web-{self.orders}", *((sku, 1) for sku in sorted(skus)))

    def _one(self, which: int, states: tuple[str, ...] = OPEN) -> str | None:
        shown = self.bed.sandbox.mirakl_orders()
        names = [name for name, one in shown.items() if one["state"] in states]
        return names[which % len(names)] if names else None

    @rule(which=st.integers(0, 9))
    def customer_cancels(self, which: int) -> None:
        if name := self._one(which):
            self.bed.sandbox.change_order(name, cancel=True)
            steps["cancelled"] += 1

    @rule(which=st.integers(0, 9))
    def line_vanishes(self, which: int) -> None:
        name = self._one(which)
        if name and len(self.bed.sandbox.mirakl_orders()[name]["lines"]) > 1:
            self.bed.sandbox.change_order(name, remove_lines=[f"{name}-2"])
            steps["vanished"] += 1

    @rule(which=st.integers(0, 9), quiet=st.booleans())
    def source_touches(self, which: int, quiet: bool) -> None:
        if name := self._one(which, (*OPEN, "SHIPPED")):
            self.bed.sandbox.change_order(name, touch=True, quiet=quiet)

    @rule(moves=st.integers(1, 6))
    def printers_go_on(self, moves: int) -> None:
        self.bed.printers_print(moves)

    @rule(status=st.sampled_from(["shipped", "shipped", "accepted", "refused", "dancing"]))
    def till_answers(self, status: str) -> None:
        before = set(self.bed.answered)
        self.bed.till_answers(status)
        if status in ("accepted", "dancing"):  # it will have to say more
            self.bed.answered = before  # not of what has left: that nobody refuses any more

    @rule(content=st.sampled_from(["{", '{"number": "ms0", "status": "shipped"}', "[]"]))
    def till_says_nonsense(self, content: str) -> None:
        self.orders += 1
        path = self.folder / "till" / "answers" / f"wrong-{self.orders}.json"
        path.write_text(content)

    @rule(
        trouble=st.sampled_from(TROUBLES),
        channel=st.sampled_from(["mirakl", "qikink"]),
        method=st.sampled_from(["GET", "POST", "PUT"]),
        nth=st.integers(1, 3),
    )
    def trouble(self, trouble: dict[str, Any], channel: str, method: str, nth: int) -> None:
        match = {"method": method, "nth": nth}
        self.bed.sandbox.scenario(trouble["kind"], channel=channel, match=match,
                                  **{k: v for k, v in trouble.items() if k != "kind"})  # fmt: skip
        self.bed.live()
        steps["troubles"] += 1

    @rule(client=st.sampled_from([REAL, SPEC]), down=st.booleans())
    def printer_is_down(self, client: str, down: bool) -> None:
        self.bed.sandbox.seed({"qikink": {"accounts": [{"client_id": client, "down": down}]}})

    # --- what people do

    @rule(which=st.integers(0, 9), what=st.sampled_from(["hold", "release", "cancel", "refuse"]))
    def person_does(self, which: int, what: str) -> None:
        book = sorted(self.bed.book().items())
        if not book:
            return
        _, order = book[which % len(book)]
        with self.bed.run() as project:
            try:
                module = hand_cancelling if what == "cancel" else hand_deciding
                getattr(module, what)(project.ledger, project.settings, order.id, **BY)
            except UsageError:
                steps["not possible"] += 1
            else:
                steps[f"person: {what}"] += 1

    @rule()
    def people_decide(self) -> None:
        steps["asked"] += sum(self.bed.people_decide().values())

    # --- what we do

    @rule()
    def run_all(self) -> None:
        self.bed.live()
        steps["runs"] += 1

    @rule(point=st.sampled_from(KILLED_AT), occurrence=st.integers(1, 2))
    def killed(self, point: str, occurrence: int) -> None:
        self.bed.time_passes()
        code = ended(start_orders(self.bed.place, point, occurrence))
        self.bed.till_takes()
        self.bed.shop_takes()
        steps["killed" if code else "not killed"] += 1

    @invariant()
    def laws_hold(self) -> None:
        steps["steps"] += 1
        with self.bed.ledger() as ledger, ledger.read() as conn:
            broken = [one.message for one in broken_laws(conn) if one.broken]
        assert not broken, broken

    def teardown(self) -> None:
        try:
            self._end()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self) -> None:
        """All goes well from now on, and everybody agrees in the end."""
        bed, judged = self.bed, Judged()
        bed.sandbox.clear_scenarios()
        for client in (REAL, SPEC):
            bed.sandbox.seed({"qikink": {"accounts": [{"client_id": client, "down": False}]}})
        for path in (self.folder / "till" / "answers").glob("wrong-*"):
            path.unlink()
        bed.live()
        with bed.run() as project:  # what nobody can map is refused
            for order in bed.book().values():
                if order.state.value == "new" and any(not line.sku for line in order.lines):
                    hand_deciding.refuse(project.ledger, project.settings, order.id, **BY)
        end(bed, judged, days=10, people=True)
        assert judged.clean, judged


def run_order_days(days: int, engine: Engine, seed: int | None = None) -> None:
    """`days` days; always the same ones unless `seed` is given."""
    machine = type(f"orders on {engine}", (OrderDay,), {"engine": engine})

    def day() -> OrderDay:
        return machine()

    run_state_machine_as_test(
        cast("Any", day if seed is None else hypothesis.seed(seed)(day)),
        settings=settings(
            max_examples=days,
            stateful_step_count=STEPS_PER_DAY,
            derandomize=seed is None,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )


def live_days(days: int, seed: int) -> list[str]:
    """`days` days, half on each engine; what broke, in words."""
    faults = []
    for engine in ENGINES:
        steps.clear()
        try:
            run_order_days(-(-days // len(ENGINES)), engine, seed)
        except AssertionError as error:
            notes = "\n".join([str(error), *getattr(error, "__notes__", [])])
            faults.append(f"{engine}, seed {seed}: {notes}")
        print(f"random days of orders, {engine}: {dict(steps)}, {len(faults)} faults", flush=True)
    return faults
