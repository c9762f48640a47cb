"""Channels that share an account whose platform takes imports: sent together, asked for until they
end, recorded outlet by outlet."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from marketsync_dagster.ledger import leases
from marketsync_dagster.ledger.imports import open_imports
from marketsync_dagster.stages.channel_run import WAITING, lease_name
from marketsync_dagster.stages.project import StageResult
from marketsync_dagster_tests.projects import (
    FULL,
    MIRAKL,
    PARTIAL,
    SHOP,
    TestBed,
    make_project,
    repriced,
    some_rows,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

ROWS = some_rows(10)
OUTLETS = ["kisumu", "nyali", "westlands"]
LOOSE = {"max_changed_share": 1.0, "max_out_of_stock_share": 1.0}


def bed_of(folder: Path, sandbox: SandboxProcess, **said: Any) -> TestBed:
    given: dict[str, Any] = {"rows": ROWS, "outlets": OUTLETS, "guard": LOOSE, "batch": 100}
    return make_project(folder, sandbox, platforms=[MIRAKL], **{**given, **said})


def reprice(bed: TestBed, by: int = 1, outlets: list[str] = OUTLETS) -> None:
    for outlet in outlets:
        bed.write_extract(repriced(ROWS, lambda price: price + by), outlet)


def states(bed: TestBed, **said: Any) -> dict[str, StageResult]:
    return bed.sync(MIRAKL, said.pop("options", PARTIAL), **said).stages["mirakl_listings"]


def calls(bed: TestBed) -> Counter[str]:
    """Calls of each kind that have arrived."""
    return Counter(bed.sandbox.mirakl("calls").get(str(SHOP), {}))


def assert_shown(bed: TestBed) -> None:
    assert {o: bed.differences(MIRAKL, o) for o in bed.outlets} == {o: {} for o in bed.outlets}
    assert bed.unaccounted() == []


def wait(bed: TestBed, wait_s: float) -> None:
    """From the next run on imports are waited for so long."""
    bed.configure(lambda said: said["accounts"][MIRAKL]["imports"].update(wait_s=wait_s))


def test_all_outlets_of_an_account_share_each_import_and_are_recorded_apart(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = bed_of(tmp_path, fresh_sandbox)
    first = states(bed, options=FULL)
    assert {(r.ok, r.state, r.numbers["applied"]) for r in first.values()} == {(True, "pushed", 10)}
    assert calls(bed)["OF24"] == 1
    assert sum(r.numbers["calls"] for r in first.values()) == calls(bed).total()

    reprice(bed)  # prices alone
    second = states(bed)
    assert (calls(bed)["OF24"], calls(bed)["PRI01"]) == (1, 1)
    assert {(r.ok, r.state) for r in second.values()} == {(True, "pushed")}
    assert_shown(bed)
    made = calls(bed)
    assert {r.state for r in states(bed).values()} == {"unchanged"}
    assert calls(bed) == made  # with nothing to say there is no call

    # other names make other offers: what becomes of those before is said, once
    bed.configure(lambda said: said["accounts"][MIRAKL].update(offer_sku="{outlet}_{sku}"))
    left = [r.reason for r in states(bed).values()]
    assert all(reason.startswith("10 offers under the names of before") for reason in left)
    assert {r.reason for r in states(bed).values()} == {""}


def test_a_line_that_is_refused_belongs_to_its_outlet_alone(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = bed_of(tmp_path, fresh_sandbox)
    fresh_sandbox.scenario("item_error", channel=MIRAKL, position=12)
    found = states(bed, options=FULL)
    assert {o: (r.state, r.numbers["refused"]) for o, r in found.items()} == {
        "kisumu": ("pushed", 0), "nyali": ("refused rows", 1), "westlands": ("pushed", 0),
    }  # fmt: skip
    assert "explain --outlet nyali" in found["nyali"].next_step
    (push,) = [p for p in bed.pushes() if p["outlet"] == "nyali"]
    assert (push["state"], push["status"], push["refused"]) == ("done", "partial", 1)


def test_what_has_not_ended_in_time_is_asked_for_by_the_next_run_before_it_sends(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = bed_of(tmp_path, fresh_sandbox, shop={"processing_s": 5})
    wait(bed, 0)
    first = states(bed, options=FULL)
    assert {(r.ok, r.state, r.numbers["accepted_async"]) for r in first.values()} == {
        (True, WAITING, 10)
    }
    (number,) = {one["import_id"] for one in bed.table("push_import", "id")}
    assert all(number in r.reason and "next run" in r.reason for r in first.values())

    again = states(bed)  # nothing is sent twice
    assert calls(bed)["OF24"] == 1
    assert {(r.ok, r.state) for r in again.values()} == {(True, WAITING)}

    fresh_sandbox.scenario("revoke_key", channel=MIRAKL, match={"method": "GET"})
    dead = states(bed)  # with nothing to send, somebody is told all the same
    assert {(r.ok, r.state) for r in dead.values()} == {(False, "not asked")}
    assert all("refuses the credentials" in r.reason for r in dead.values())
    assert {r.next_step for r in dead.values()} == {
        f"marketsync connections test --account {MIRAKL}"
    }
    fresh_sandbox.clear_scenarios()

    fresh_sandbox.clock(10)
    reprice(bed, outlets=["nyali"])
    third = states(bed)
    assert {o: (r.state, r.numbers["sent"]) for o, r in third.items()} == {
        "kisumu": ("unchanged", 0), "nyali": (WAITING, 10), "westlands": ("unchanged", 0),
    }  # fmt: skip
    # what was applied by then is known before the plan is sent: the price alone goes
    assert (calls(bed)["OF24"], calls(bed)["PRI01"]) == (1, 1)
    assert {p["applied"] for p in bed.pushes()[:3]} == {10}
    fresh_sandbox.clock(20)
    assert {r.state for r in states(bed).values()} == {"unchanged"}
    assert_shown(bed)
    with bed.ledger() as ledger:
        assert open_imports(ledger, MIRAKL) == []


def test_an_outlet_that_is_being_pushed_is_left_out_and_the_others_go_on(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = bed_of(tmp_path, fresh_sandbox)
    with bed.ledger() as ledger:
        held = leases.take_lease(ledger, lease_name("nyali", MIRAKL), "somebody", 60)
        found = states(bed, options=FULL)
        leases.release(ledger, held)
    assert {o: (r.ok, r.state) for o, r in found.items()} == {
        "kisumu": (True, "pushed"), "nyali": (False, "busy"), "westlands": (True, "pushed"),
    }  # fmt: skip
    assert states(bed)["nyali"].numbers["applied"] == 10
    assert_shown(bed)


def test_prices_go_as_whole_offers_where_the_operator_has_switched_price_imports_off(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = bed_of(tmp_path, fresh_sandbox, shop={"price_import": False})
    states(bed, options=FULL)
    reprice(bed)
    found = states(bed)
    assert {r.numbers["applied"] for r in found.values()} == {10}
    paths = [call["path"] for call in bed.table("api_call", "id") if call["method"] == "POST"]
    assert ["pricing" in path for path in paths] == [False, True, False]
    assert_shown(bed)


def test_runs_of_one_outlet_each_that_come_at_once_share_imports(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    """Each waits for the account's turn; whoever has it takes the waiting ones along."""
    outlets = [f"outlet_{n}" for n in range(6)]
    bed = bed_of(tmp_path, fresh_sandbox, outlets=outlets, lease_wait_s=30)
    pause = {f"{kind}_s": 1.0 for kind in ("offers", "offers_status")}
    bed.configure(lambda said: said["accounts"][MIRAKL]["calls"].update(pause))
    gate = threading.Barrier(len(outlets))

    def run(outlet: str) -> StageResult:
        gate.wait()
        return states(bed, options=FULL, outlets=[outlet])[outlet]

    with ThreadPoolExecutor(len(outlets)) as pool:
        found = list(pool.map(run, outlets))

    assert {(r.ok, r.state, r.numbers["applied"]) for r in found} == {(True, "pushed", 10)}
    assert calls(bed)["OF24"] <= 4  # one by one they would be six
    assert_shown(bed)


def test_a_run_is_not_held_up_by_an_import_that_never_ends(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = bed_of(tmp_path, fresh_sandbox, shop={"processing_s": 3600})
    wait(bed, 0)
    states(bed, options=FULL)
    wait(bed, 1)
    time.sleep(1)  # it is older than a run waits
    reprice(bed, outlets=["nyali"])
    started = time.monotonic()
    found = states(bed)
    assert found["nyali"].numbers["accepted_async"] == 10
    assert time.monotonic() - started < 20
    assert calls(bed)["OF24"] == 2
