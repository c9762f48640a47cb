"""Reading back: what a platform shows otherwise is found, and goes again; what is on its way is not
called wrong."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from marketsync_dagster.ledger import reconciliation as kept
from marketsync_dagster.ledger.calls import call_counts
from marketsync_dagster.ledger.laws import broken_laws
from marketsync_dagster.ledger.leases import take_lease
from marketsync_dagster.ledger.pauses import pause
from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster.stages import recording
from marketsync_dagster.stages.explain import explain
from marketsync_dagster.stages.project import StageResult
from marketsync_dagster.stages.reconciliation import reconcile_outlets
from marketsync_dagster.stages.shown import Reader
from marketsync_dagster.stages.verdicts import ChannelReading
from marketsync_dagster_tests.ledgers import ENGINES, Engine
from marketsync_dagster_tests.projects import (
    FULL,
    Row,
    TestBed,
    make_project,
    repriced,
    run_sync,
    some_rows,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

ROWS = some_rows(30)
KEY = "pk_demo_example_westlands"
TRACKER = "tracker_ke"


def told_bed(folder: Path, sandbox: SandboxProcess, engine: Engine = "sqlite") -> TestBed:
    """Thirty prices that were told, eight of them changed since."""
    at_once = {"reconcile": {"grace_s": 0}}
    bed = make_project(
        folder, sandbox, rows=ROWS, platforms=[TRACKER], engine=engine, account=at_once
    )
    assert bed.sync(TRACKER, FULL).one.ok
    bed.write_extract(dearer(ROWS, 8))
    assert bed.sync(TRACKER).one.numbers["applied"] == 8
    return bed


def dearer(rows: list[Row], count: int) -> list[Row]:
    return [*repriced(rows[:count], lambda price: price + 1), *rows[count:]]


@pytest.fixture
def bed(tmp_path: Path, fresh_sandbox: SandboxProcess) -> TestBed:
    return told_bed(tmp_path, fresh_sandbox)


def read_back(bed: TestBed, **options: Any) -> StageResult:
    with bed.run() as project:
        (result,) = reconcile_outlets(project, TRACKER, [bed.outlet], **options)
    return result


def numbers(result: StageResult) -> dict[str, int | float]:
    """What is not 0, but for the sum."""
    said = {name: n for name, n in result.numbers.items() if n and name != "calls"}
    assert said.pop("listings") == sum(n for name, n in said.items() if name != "unknown_to_us")
    return said


def verdicts(bed: TestBed) -> dict[str, str]:
    return {row["sku"]: row["verdict"] for row in bed.table("reconciliation", "sku")}


def edit(bed: TestBed, sku: str, price: str, stock: str = "in_stock") -> None:
    """A price that somebody else sets with our key."""
    parts = urlsplit(bed.sandbox.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=10)
    item = {"product_id": f"prod_{sku}", "price": float(price), "stock_status": stock}
    item |= {"currency": "KES", "location": "Westlands Branch"}
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    connection.request("POST", "/tracker_ke/api/v1/prices/single", json.dumps(item), headers)
    assert connection.getresponse().status == 200
    connection.close()


def gone(bed: TestBed, sku: str) -> None:
    """The platform does not know a product any more."""
    match = {"method": "GET", "path": f"/products/prod_{sku}"}
    bed.sandbox.scenario("status", channel=TRACKER, status=404, times=None, match=match)


PLANTED: Mapping[str, tuple[str, Callable[[TestBed, str], None]]] = {
    "00003": ("not_applied", lambda bed, sku: edit(bed, sku, "103.50")),
    "00005": ("overwritten", lambda bed, sku: edit(bed, sku, "105.49")),
    "00011": ("overwritten", lambda bed, sku: edit(bed, sku, "111.50", "limited_stock")),
    "00012": ("overwritten", lambda bed, sku: edit(bed, sku, "0.01", "out_of_stock")),
    "00013": ("not_applied", gone),
}
"""SKU -> the verdict that is true of it, and how it comes about. The first eight were 1.00 less
before."""


@pytest.mark.parametrize("engine", ENGINES)
def test_what_others_changed_is_found_and_goes_again_and_then_nothing_is_left(
    engine: Engine, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = told_bed(tmp_path, fresh_sandbox, engine)
    # nothing is left to say, and the platform agrees
    assert bed.sync(TRACKER).one.state == "unchanged"
    assert numbers(read_back(bed)) == {"verified": 30}
    for sku, (_, plant) in PLANTED.items():
        plant(bed, sku)

    found = read_back(bed)

    assert numbers(found) == {"verified": 25, "not_applied": 2, "overwritten": 3}
    assert (found.ok, found.state, found.numbers["calls"]) == (True, "drift", 30)
    wrong = {sku: verdict for sku, verdict in verdicts(bed).items() if verdict != "verified"}
    assert wrong == {sku: verdict for sku, (verdict, _) in PLANTED.items()}
    assert "00003 shows KES 103.50, in_stock, not KES 104.50, in_stock" in found.reason
    assert found.next_step == "marketsync run push_tracker_ke --outlet westlands"
    listings = {row["sku"]: row for row in bed.table("listing", "sku")}
    assert listings["00005"]["message"] == "read back: shows KES 105.49, in_stock"
    assert listings["00005"]["ack_price_minor"] == 10549
    assert listings["00013"]["message"].startswith("read back: shows nothing (")
    assert listings["00013"]["ack_price_minor"] is None
    assert listings["00014"]["version"] == 1

    # what goes again gets no second verdict, and is not forgotten
    assert numbers(read_back(bed)) == {"verified": 25, "pending": 5}
    assert len([verdict for verdict in verdicts(bed).values() if verdict != "verified"]) == 5

    bed.sandbox.clear_scenarios()
    before = bed.sandbox.last_request()
    sent = bed.sync(TRACKER).one.numbers
    assert (sent["sent"], sent["applied"]) == (5, 5)
    items = [w["item"] for w in bed.sandbox.history() if w["request"] > before]
    assert sorted(items) == [f"prod_{sku}" for sku in PLANTED]
    before = bed.sandbox.last_request()
    assert bed.sync(TRACKER).one.numbers["sent"] == 0
    assert bed.writes(before) == []
    assert numbers(read_back(bed)) == {"verified": 30}
    assert bed.differences(TRACKER) == {}
    assert bed.unaccounted() == []
    with bed.run() as project, project.ledger.read() as connection:
        assert list(broken_laws(connection)) == []


def test_a_catalogue_that_is_pushed_while_it_is_read_is_not_called_wrong(
    bed: TestBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge, price, told = ChannelReading.judge, 200, dearer(ROWS, 8)

    def pushed_between(self: ChannelReading, read: Any) -> None:
        nonlocal price
        price += 1
        # of what was read just now, of what was read before, and of what comes
        skus = [*(listing.sku for listing, _ in read[:3]), "00001", "00029", "00030"]
        bed.write_extract([replace(r, price=f"{price}.00") if r.sku in skus else r for r in told])
        with bed.run() as project:
            options = PlanOptions(mode="partial")
            assert run_sync(project, TRACKER, bed.outlets, options).one.numbers["sent"] > 0
        judge(self, read)

    monkeypatch.setattr(ChannelReading, "judge", pushed_between)
    bed.configure(lambda said: said["channels"][0]["guard"].update(max_changed_share=1))
    before = bed.sandbox.last_request()
    found = read_back(bed)
    assert numbers(found) == {"verified": 22, "in_flight": 8}
    # what was pushed since the reading began is not asked for any more
    asked = {request["path"] for request in bed.sandbox.requests(before, method="GET")}
    assert not any("prod_00030" in path for path in asked)
    assert set(verdicts(bed).values()) == {"verified"}
    monkeypatch.undo()
    assert numbers(read_back(bed)) == {"verified": 30}
    assert bed.differences(TRACKER) == {}


@pytest.mark.parametrize("point", ["answered", "ack_committed"])
def test_what_is_being_pushed_is_not_even_read(bed: TestBed, point: str) -> None:
    found: list[StageResult] = []

    def observe(at: str) -> None:
        if at == point and not found:
            thread = threading.Thread(target=lambda: found.append(read_back(bed)))
            thread.start()
            thread.join()

    bed.write_extract(dearer(dearer(ROWS, 8), 3))
    edit(bed, "00020", "1.00")
    assert bed.sync(TRACKER, observe=observe).one.numbers["applied"] == 3
    assert numbers(found[0]) == {"verified": 26, "overwritten": 1, "in_flight": 3}
    assert found[0].numbers["calls"] == 27
    assert bed.sync(TRACKER).one.numbers["applied"] == 1
    assert bed.differences(TRACKER) == {}


def test_what_a_push_begins_to_change_while_it_is_read_is_in_flight(
    bed: TestBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, judged = threading.Event(), threading.Event()
    bed.write_extract(dearer(dearer(ROWS, 8), 3))

    def observe(at: str) -> None:
        if at == "answered":  # the platform shows it, and the ledger does not know
            answered.set()
            assert judged.wait(20)

    pushing = threading.Thread(target=lambda: bed.sync(TRACKER, observe=observe))
    named = Reader.named

    async def read(self: Reader, names: list[str]) -> Any:
        if not answered.is_set():
            pushing.start()
            assert answered.wait(20)
        return await named(self, names)

    monkeypatch.setattr(Reader, "named", read)
    edit(bed, "00020", "1.00")
    found = read_back(bed)
    judged.set()
    pushing.join()
    assert numbers(found) == {"verified": 26, "overwritten": 1, "in_flight": 3}
    assert bed.sync(TRACKER).one.numbers["applied"] == 1
    assert bed.differences(TRACKER) == {}


def test_what_was_told_just_now_may_not_be_shown_yet(bed: TestBed) -> None:
    bed.configure(lambda said: said["accounts"]["tracker_ke_westlands"].pop("reconcile"))
    edit(bed, "00003", "1.00")
    before = bed.sandbox.last_request()
    assert numbers(read_back(bed)) == {"in_flight": 30}
    assert bed.sandbox.requests(before) == []


def test_a_drift_is_not_lost_to_a_push_that_settles_the_channel_meanwhile(bed: TestBed) -> None:
    bed.write_extract(dearer(dearer(ROWS, 8), 3))
    note = recording.note_settled

    def between(*args: Any) -> None:
        edit(bed, "00020", "1.00")  # no row of this push
        assert numbers(read_back(bed))["overwritten"] == 1
        note(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "note_settled", between)
        assert bed.sync(TRACKER).one.numbers["applied"] == 3
    assert bed.sync(TRACKER).one.numbers["sent"] == 1
    assert bed.differences(TRACKER) == {}


def test_no_lease_is_held_and_a_paused_channel_is_read_too(bed: TestBed) -> None:
    edit(bed, "00003", "1.00")
    with bed.run() as project:
        pause(project.ledger, outlet="westlands", platform=TRACKER, by="amina", reason="count")
        take_lease(project.ledger, "channel westlands/tracker_ke", "run 1", 60)
    assert numbers(read_back(bed)) == {"verified": 29, "overwritten": 1}


def test_so_many_are_read_as_may_be_and_the_longest_unread_first(bed: TestBed) -> None:
    bed.configure(
        lambda said: said["accounts"]["tracker_ke_westlands"]["reconcile"].update(most=12)
    )
    seen: set[str] = set()
    for most, left in ((12, 18), (12, 18), (6, 24)):
        before = bed.sandbox.last_request()
        result = read_back(bed, limit=most if most == 6 else None)
        assert numbers(result) == {"verified": most, "not_read": left}
        read = {request["path"] for request in bed.sandbox.requests(before)}
        assert len(read) == most
        assert not seen & read
        seen |= read


def test_chosen_skus_are_read_alone(bed: TestBed) -> None:
    edit(bed, "00003", "1.00")
    edit(bed, "00004", "1.00")
    result = read_back(bed, skus=["00003", "00007"])
    assert numbers(result) == {"verified": 1, "overwritten": 1}
    assert verdicts(bed) == {"00003": "overwritten", "00007": "verified"}


def test_what_cannot_be_read_leaves_earlier_verdicts_and_makes_the_outlet_bad(
    bed: TestBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(bed, "00003", "1.00")
    read_back(bed)
    stood = bed.table("reconciliation", "sku")
    match = {"method": "GET", "path": "/products/prod_00002"}
    bed.sandbox.scenario("status", channel=TRACKER, status=401, times=None, match=match)
    failed = read_back(bed)
    assert (failed.ok, failed.state) == (False, "failed")
    assert failed.reason.startswith("what the platform shows was not read to the end")
    assert failed.next_step == "marketsync connections test --account tracker_ke_westlands"
    assert bed.table("reconciliation", "sku") == stood
    with bed.run() as project:
        calls = call_counts(project.ledger)
    assert calls.by_status[401] == 1


def test_a_price_among_those_of_several_supermarkets_is_not_called_wrong(bed: TestBed) -> None:
    bed.sandbox.seed(
        {"tracker_ke": {"accounts": [
            {"api_key": "pk_demo_other", "supermarket_id": "other", "plan": "unlimited"}
        ]}}
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("marketsync_dagster_tests.stages.test_reconciliation.KEY", "pk_demo_other")
        edit(bed, "00003", "1.00")
    result = read_back(bed)
    assert numbers(result) == {"verified": 29, "not_read": 1}
    assert (result.ok, "00003" in verdicts(bed)) == (False, False)
    assert "accounts.tracker_ke_westlands.supermarket" in result.reason


def test_what_the_feed_has_not_any_more_is_told_and_not_made_pending(bed: TestBed) -> None:
    bed.write_extract(dearer(ROWS, 8)[1:])
    assert bed.sync(TRACKER).one.ok
    edit(bed, "00001", "1.00")
    assert numbers(read_back(bed)) == {"verified": 29, "overwritten": 1}
    assert {row["outcome"] for row in bed.table("listing", "sku")} == {"applied"}
    assert bed.sync(TRACKER).one.numbers["sent"] == 0


def test_a_product_that_has_got_another_sku_is_read_once(bed: TestBed) -> None:
    names = {"90001": "prod_00001"}
    bed.write_mapping(["90001", *(row.sku for row in ROWS[1:])], names)
    bed.write_extract([replace(ROWS[0], sku="90001", price="77.00"), *dearer(ROWS, 8)[1:]])
    assert bed.sync(TRACKER).one.numbers["sent"] == 1
    before = bed.sandbox.last_request()
    assert numbers(read_back(bed)) == {"verified": 30}
    assert len(bed.sandbox.requests(before)) == 30
    assert "00001" not in verdicts(bed)


def test_since_is_when_the_verdict_was_first_found_so(bed: TestBed) -> None:
    read_back(bed)
    edit(bed, "00003", "1.00")
    read_back(bed)
    first = {row["sku"]: row for row in bed.table("reconciliation", "sku")}
    bed.sync(TRACKER)
    edit(bed, "00003", "2.00")
    read_back(bed)
    then = {row["sku"]: row for row in bed.table("reconciliation", "sku")}
    assert then["00003"]["since"] == first["00003"]["since"] == first["00003"]["at"]
    assert then["00003"]["at"] > first["00003"]["at"]
    assert then["00004"]["since"] < first["00004"]["at"]
    with bed.ledger() as ledger:
        (wrong,) = kept.found_wrong(ledger, TRACKER, ["westlands"])
        assert (wrong["shown"], wrong["sent_again"]) == ("KES 2.00, in_stock", None)
    bed.sync(TRACKER)
    with bed.ledger() as ledger:
        (wrong,) = kept.found_wrong(ledger, TRACKER, ["westlands"])
        assert wrong["sent_again"] > wrong["at"]
    with bed.run() as project:
        story = explain(project, "westlands", TRACKER, "00003")
    assert story["read_back"]["verdict"] == "overwritten"
    assert story["read_back"]["shown"] == "KES 2.00, in_stock"
    assert "read back: shows KES 2.00, in_stock" in [e["message"] for e in story["history"]]
