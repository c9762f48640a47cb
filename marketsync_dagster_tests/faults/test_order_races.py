"""Orders over real HTTP where two runs, a moving platform or a destination that goes silent come in
between: what was made is looked up, never guessed, and never made again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster_tests.faults.kills import ended
from marketsync_dagster_tests.faults.order_judging import Judged, end, judge, mend
from marketsync_dagster_tests.faults.order_kills import start_orders
from marketsync_dagster_tests.faults.order_world import (
    REAL,
    SPEC,
    OrderBed,
    make_world,
    run_orders,
)
from marketsync_dagster_tests.ledgers import Engine
from marketsync_dagster_tests.sandbox_process import SandboxProcess

CREATE = {REAL: "/api/order/create", SPEC: "/api/v1/orders"}
LOOKING = {REAL: "/api/order", SPEC: "/fulfillment"}
QUICK = {"timeouts": {"connect_s": 1, "read_s": 0.3}}
KEYS = {"backup": {"idempotency_key": True, **QUICK}, "spec": {"idempotency": "key"}}
PLAIN = {"backup": QUICK, "printer": QUICK}


def sold(folder: Path, sandbox: SandboxProcess, client: str, **changes: Any) -> OrderBed:
    """An order that is to be printed, accepted and to be shipped."""
    bed = make_world(folder, sandbox, **changes)
    bed.sell("A-1", ("kisumu-TEE-M" if client == REAL else "kisumu-SPEC-M", 1))
    bed.live(["pull mirakl", "book"])
    return bed


def state_of(bed: OrderBed) -> str:
    (one,) = bed.forwards()
    return one.state


def to_the_end(bed: OrderBed) -> None:
    """All that is open is mended, and nothing was lost or doubled."""
    bed.sandbox.clear_scenarios()
    judged = Judged()
    mend(bed, judged)
    end(bed, judged)
    assert judged.clean, judged


def test_two_who_pull_at_once_bring_every_order_once(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = make_world(tmp_path, fresh_sandbox, "postgresql", orders={"accept": "manual"})
    fresh_sandbox.generate_orders(2001, 230, skus=["kisumu-TEE-M"], lower_stock=False)
    # pages that repeat rows and drift while both read them
    fresh_sandbox.scenario("repeat_rows", match={"path": "/orders"}, rows=3)
    fresh_sandbox.scenario(
        "orders_move", match={"method": "GET", "path": "/orders", "nth": 2},
        insert=2, early=1, change=1, cancel=1,
    )  # fmt: skip
    bed.configure({"lease_wait_s": 20})
    children = [start_orders(bed.place, steps=("pull mirakl",)) for _ in range(2)]
    assert [ended(child) for child in children] == [0, 0]
    fresh_sandbox.clear_scenarios()
    bed.live(["pull mirakl"])  # what changed while they read
    judged = Judged()
    judge(bed, judged, ended=False)
    assert judged.clean, judged
    assert len(bed.book()) == 233


@pytest.mark.parametrize(
    ("client", "changes", "engine"),
    [(REAL, PLAIN, "sqlite"), (SPEC, KEYS, "postgresql"), (SPEC, PLAIN, "sqlite")],
    ids=["refuses duplicates", "takes a key", "can only be looked up"],
)
def test_a_destination_that_times_out_after_it_has_made_the_order_has_it_once(
    client: str,
    changes: dict[str, Any],
    engine: Engine,
    tmp_path: Path,
    fresh_sandbox: SandboxProcess,
) -> None:
    bed = sold(tmp_path, fresh_sandbox, client, **changes)
    fresh_sandbox.scenario("apply_then_hang", seconds=2, match={"path": CREATE[client]})
    # nobody can look either: it stays unknown, and nothing is sent again
    fresh_sandbox.scenario(
        "status", status=503, times=None, match={"method": "GET", "path": LOOKING[client]}
    )
    for _ in range(3):
        bed.live()
        assert state_of(bed) == "unknown"
    (made,) = fresh_sandbox.qikink("orders", client_id=client)
    assert (made["asked"], made["created"]) == (1, 1)
    to_the_end(bed)
    (made,) = fresh_sandbox.qikink("orders", client_id=client)
    assert (made["asked"], made["created"]) == (1, 1)


def test_an_order_that_a_list_shows_late_is_refused_as_a_duplicate_and_there_once(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = sold(tmp_path, fresh_sandbox, REAL, **PLAIN)
    account = {"client_id": REAL, "list_lag_s": 3600}
    fresh_sandbox.seed({"qikink": {"accounts": [account]}})
    fresh_sandbox.scenario("apply_then_hang", seconds=2, match={"path": CREATE[REAL]})
    bed.live()
    bed.live()
    (made,) = fresh_sandbox.qikink("orders", client_id=REAL)
    assert (made["created"], made["duplicates_refused"]) == (1, 1)
    assert state_of(bed) == "unknown"
    fresh_sandbox.clock(3_601)
    to_the_end(bed)
    (made,) = fresh_sandbox.qikink("orders", client_id=REAL)
    assert (made["created"], made["duplicates_refused"]) == (1, 1)


def test_an_order_that_never_came_there_is_sent_once_it_is_certain(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = sold(tmp_path, fresh_sandbox, SPEC, **PLAIN)
    fresh_sandbox.scenario("hang", seconds=2, match={"path": CREATE[SPEC]})
    with bed.run() as project:
        run_orders(project)
        run_orders(project)  # at once: the first call may still be at work there
    assert state_of(bed) == "unknown"
    assert fresh_sandbox.qikink("orders", client_id=SPEC) == []
    to_the_end(bed)
    (made,) = fresh_sandbox.qikink("orders", client_id=SPEC)
    assert made["created"] == 1
