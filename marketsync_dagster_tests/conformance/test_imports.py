"""Imports are asked for until they end, and what their reports say is put down to the right items,
whatever happens to states, reports and the calls on the way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from marketsync_dagster.platforms.base import Adapter, ImportKind, ImportStatus, PriceItem
from marketsync_dagster.values.outcomes import Outcome, StockStatus
from marketsync_dagster.values.times import to_iso, utcnow
from marketsync_dagster_tests.conformance.reasons import IMPORTS
from marketsync_dagster_tests.conformance.stand import PATIENCE_S, Stand, wanted
from marketsync_dagster_tests.conformance.suite import behaviour

GROUP = "Imports"
ALL = tuple(ImportKind)
Ends = tuple[tuple[dict[str, Any], Outcome], ...]
"""Actions of the sandbox, and what each comes to."""
OFFERS = ImportKind.OFFERS


@dataclass(slots=True)
class Followed:
    """What one import came to."""

    import_id: str
    status: ImportStatus
    errors: Mapping[int, str] = field(default_factory=dict)
    strays: Sequence[str] = ()
    report: Outcome | None = None
    """Why there is no report; None: it was read, or there is none."""


async def started(adapter: Adapter, kind: ImportKind, items: Sequence[PriceItem]) -> str:
    answer = await adapter.submit(kind, items)
    assert (answer.outcome, bool(answer.import_id)) == (Outcome.ACCEPTED_ASYNC, True), answer
    return answer.import_id


async def ended(adapter: Adapter, kind: ImportKind, import_id: str) -> ImportStatus:
    """How it stands as soon as it has ended, or when patience has."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        (found,) = (await adapter.import_status(kind, [import_id], to_iso(utcnow()))).found
        if found.state in ("complete", "failed") or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.01)


async def followed(adapter: Adapter, kind: ImportKind, items: Sequence[PriceItem]) -> Followed:
    import_id = await started(adapter, kind, items)
    status = await ended(adapter, kind, import_id)
    result = Followed(import_id, status)
    if status.has_report:
        report = await adapter.import_report(kind, import_id, [i.platform_sku for i in items])
        result.errors, result.strays, result.report = report.errors, report.strays, report.outcome
    return result


def follow(stand: Stand, items: Sequence[PriceItem], kind: ImportKind = OFFERS) -> Followed:
    return stand.work(lambda adapter: followed(adapter, kind, items))


ASKED: Ends = (
    ({"kind": "status", "status": 503}, Outcome.RETRYABLE),
    ({"kind": "retry_after", "form": "seconds", "value": 7}, Outcome.RETRYABLE),
    ({"kind": "reset"}, Outcome.UNKNOWN),
    ({"kind": "html_200"}, Outcome.UNKNOWN),
    ({"kind": "gzip_error"}, Outcome.UNKNOWN),
    ({"kind": "echo_secret", "status": 500}, Outcome.RETRYABLE),
    ({"kind": "token_dies"}, Outcome.AUTH_FAILED),
)
NO_STATUS: Ends = (
    ({"kind": "truncated_json"}, Outcome.UNKNOWN),
    ({"kind": "status", "status": 200, "body": {}}, Outcome.UNKNOWN),
)


def kinds(stand: Stand) -> list[ImportKind]:
    """The kinds of imports that the account takes."""
    has = {ImportKind.PRICES: "price_import", ImportKind.STOCK: "stock_import"}
    return [k for k in ALL if k is OFFERS or getattr(stand.capabilities, has[k])]


@behaviour(GROUP, "one that ends well says so, and is in effect then", IMPORTS)
def test_complete(stand: Stand) -> None:
    items = stand.seed(3)
    for kind in kinds(stand):
        found = follow(stand, items, kind)
        assert (found.status.state, found.status.lines_in_error) == ("complete", 0)
        assert not found.status.has_report
    assert stand.held() == wanted(items)


@behaviour(GROUP, "one that is not through yet is not called ended", IMPORTS)
def test_waiting(stand: Stand) -> None:
    items = stand.seed(2, processing_s=0.3)

    async def looks(adapter: Adapter) -> list[str]:
        import_id, states = await started(adapter, OFFERS, items), []
        while not states or states[-1] not in ("complete", "failed"):
            answer = await adapter.import_status(OFFERS, [import_id], to_iso(utcnow()))
            states.append(answer.found[0].state)
            await asyncio.sleep(0.02)
        return states

    states = stand.work(looks)
    assert states[0] == "waiting"
    assert sorted(set(states), key=states.index) == ["waiting", "running", "complete"]


@behaviour(GROUP, "one of prices or stock alone leaves everything else as it is", IMPORTS)
def test_kinds(stand: Stand) -> None:
    items = stand.seed(2)
    other = [
        i._replace(price=i.price + Decimal("1.03"), stock_status=StockStatus.OUT_OF_STOCK)
        for i in items
    ]
    follow(stand, items)
    for kind in kinds(stand)[1:]:
        before = stand.held()
        found = follow(stand, other, kind)
        assert found.status.state == "complete"
        after = stand.held()
        for item in other:
            price, buyable = after[item.platform_id]
            if kind is ImportKind.PRICES:
                assert (price, buyable) == (item.price, before[item.platform_id][1])
            else:
                assert (price, buyable) == (before[item.platform_id][0], False)


@behaviour(
    GROUP, "an error report names the items that were refused, in the platform's words", IMPORTS
)
def test_report(stand: Stand) -> None:
    for style in ("plain", "excel"):
        items = stand.seed(4, report_style=style)
        follow(stand, items)
        bad = [items[0], stand.bench.item("no-such-product", "60.00"), *items[1:]]
        for kind in kinds(stand):
            found = follow(stand, bad, kind)
            assert (found.status.state, found.status.lines_in_error) == ("complete", 1)
            assert list(found.errors) == [1]
            assert found.errors[1]
            assert list(found.strays) == []
        assert stand.held() == wanted(items)


@behaviour(GROUP, "any of the items can be the one that is refused", IMPORTS)
def test_positions(stand: Stand) -> None:
    for position in range(3):
        stand.sandbox.reset()
        items = stand.seed(3)
        items[position] = items[position]._replace(price=Decimal(0))
        assert list(follow(stand, items).errors) == [position]
        good = [item for item in items if item.price]
        assert stand.held() == wanted(good)


@behaviour(GROUP, "good items that end in error are told as refused, and only they", IMPORTS)
def test_lines_in_error(stand: Stand) -> None:
    items = stand.seed(3)
    stand.sandbox.scenario("import_errors", lines=2, message='Locked; by "others"\nfor now')
    found = follow(stand, items)
    assert found.status.state == "complete"
    assert sorted(found.errors) == [0, 1]
    assert stand.held() == wanted(items[2:])


@behaviour(GROUP, "a report that cannot be trusted is no report", IMPORTS)
def test_bad_report(stand: Stand) -> None:
    items = stand.seed(3)
    for mode in ("cut", "empty", "header", "lines"):
        stand.sandbox.scenario("import_errors", lines=2)
        stand.sandbox.scenario("report_malformed", match={"path": "/error_report"}, mode=mode)
        found = follow(stand, [item._replace(price=item.price + 1) for item in items])
        if found.report is None:  # lines of items that nobody sent
            assert mode == "lines"
            assert (dict(found.errors), len(found.strays)) == ({}, 1)
        else:
            assert found.report is Outcome.UNKNOWN
            assert not found.errors
        stand.sandbox.clear_scenarios()
        stand.sandbox.reset(keep_seed=True)


@behaviour(GROUP, "a report that is not there yet is asked for again, and then it is read", IMPORTS)
def test_late_report(stand: Stand) -> None:
    items = stand.seed(2)
    stand.sandbox.scenario("import_errors", lines=1, report_s=60)

    async def asked(adapter: Adapter) -> tuple[Outcome | None, list[int]]:
        found = await followed(adapter, OFFERS, items)
        stand.sandbox.clock(offset_s=120)
        names = [item.platform_sku for item in items]
        later = await adapter.import_report(OFFERS, found.import_id, names)
        return found.report, list(later.errors)

    assert stand.work(asked) == (Outcome.RETRYABLE, [0])


@behaviour(GROUP, "one that fails says why, and nothing of it is shown", IMPORTS)
def test_failed(stand: Stand) -> None:
    items = stand.seed(2)
    stand.sandbox.scenario("import_fails", reason="A parsing error has occurred at line 2")
    found = follow(stand, items)
    assert (found.status.state, bool(found.status.reason)) == ("failed", True)
    assert found.status.line == 0  # the first line is the header
    assert stand.held() == {}


@behaviour(GROUP, "one that never ends goes on waiting", IMPORTS)
def test_stuck(stand: Stand) -> None:
    items = stand.seed(2)
    stand.sandbox.scenario("import_stuck")

    async def asked(adapter: Adapter) -> str:
        import_id = await started(adapter, OFFERS, items)
        stand.sandbox.clock(offset_s=86_400)
        return (await adapter.import_status(OFFERS, [import_id], to_iso(utcnow()))).found[0].state

    assert stand.work(asked) in ("waiting", "running")


@behaviour(GROUP, "the same request again has no further effect, whatever id it gets", IMPORTS)
def test_again(stand: Stand) -> None:
    items = stand.seed(2)
    first, second = (follow(stand, items) for _ in range(2))
    writes = len(stand.sandbox.history(channel=stand.bench.platform))
    assert (first.status.state, second.status.state) == ("complete", "complete")
    assert second.import_id == first.import_id or writes == 2 * len(items)
    assert stand.held() == wanted(items)


@behaviour(GROUP, "the id of an older import is an id like any other", IMPORTS)
def test_older(stand: Stand) -> None:
    items = stand.seed(2)
    first = follow(stand, items)
    stand.sandbox.scenario("older_import")
    again = follow(stand, [item._replace(price=item.price + 1) for item in items])
    assert (again.import_id, again.status.state) == (first.import_id, "complete")


@behaviour(GROUP, "an id that the platform does not know is never called ended", IMPORTS)
def test_unknown(stand: Stand) -> None:
    stand.seed(2)
    for kind in kinds(stand):
        for import_id in ("99999", "no-such-import"):

            async def asked(
                adapter: Adapter, kind: ImportKind = kind, name: str = import_id
            ) -> Any:
                return [
                    await adapter.import_status(kind, [name], to_iso(utcnow())) for _ in range(3)
                ]

            for answer in stand.work(asked):
                assert answer.found == ()
                assert answer.outcome is None or answer.message


@behaviour(
    GROUP, "more of them at once than one call can tell of: all are found in the end", IMPORTS
)
def test_many(stand: Stand) -> None:
    count = stand.capabilities.page_items + 1
    items = stand.seed(count)

    async def asked(adapter: Adapter) -> tuple[set[str], set[str], int]:
        since = to_iso(utcnow())
        ids = [await started(adapter, OFFERS, [item]) for item in items]
        left, ended_, calls = set(ids), set[str](), 0
        while left and calls < 5:
            answer = await adapter.import_status(OFFERS, sorted(left), since)
            assert answer.outcome is None
            ended_ |= {status.import_id for status in answer.found if status.state == "complete"}
            left -= ended_
            calls += 1
        return set(ids), ended_, calls

    ids, found, calls = stand.work(asked)
    assert len(ids) == count
    assert found == ids
    assert calls <= 3


@behaviour(
    GROUP, "faults of a call that asks leave it without an answer, and nothing ended", IMPORTS
)
def test_asking(stand: Stand) -> None:
    items = stand.seed(2)

    async def asked(adapter: Adapter) -> None:
        for kind in kinds(stand):
            import_id = await started(adapter, kind, items)
            for action, outcome in (*ASKED, *NO_STATUS):
                stand.sandbox.scenario(**action)
                answer = await adapter.import_status(kind, [import_id], to_iso(utcnow()))
                assert (answer.outcome, answer.found) == (outcome, ()), (kind, action)
                assert answer.message
                assert answer.retry_after_s == action.get("value")
                assert stand.leaks(repr(answer)) == []
            assert (await ended(adapter, kind, import_id)).state == "complete"

    stand.work(asked)


@behaviour(GROUP, "faults of a call for a report leave it unread", IMPORTS)
def test_asking_for_report(stand: Stand) -> None:
    items = stand.seed(2)

    async def asked(adapter: Adapter) -> None:
        stand.sandbox.scenario("import_errors", lines=1)
        names = [item.platform_sku for item in items]
        import_id = await started(adapter, OFFERS, items)
        assert (await ended(adapter, OFFERS, import_id)).has_report
        for action, outcome in ASKED:
            stand.sandbox.scenario(**action)
            answer = await adapter.import_report(OFFERS, import_id, names)
            assert (answer.outcome, dict(answer.errors)) == (outcome, {}), action
            assert answer.message
            assert stand.leaks(repr(answer)) == []
        assert list((await adapter.import_report(OFFERS, import_id, names)).errors) == [0]

    stand.work(asked)


@behaviour(
    GROUP, "a kind that the operator has switched off is unsupported, and says what to set", IMPORTS
)
def test_switched_off(stand: Stand) -> None:
    for kind in kinds(stand)[1:]:
        switch = {ImportKind.PRICES: "price_import", ImportKind.STOCK: "stock_import"}[kind]
        stand.seed(2, **{switch: False})
        answer = stand.work(lambda adapter, kind=kind: adapter.submit(kind, stand.bench.items(2)))
        assert answer.outcome is Outcome.UNSUPPORTED
        assert f"{switch}: false" in answer.message
