"""Orders are pulled whole, whatever moves, repeats or fails, and what their source is told takes
effect once, whatever happens to the call: looked up, never guessed, never believed without proof.

`TOLD` is what happens to a command of every kind that the platform takes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from marketsync_dagster.platforms.base import PlatformError
from marketsync_dagster.platforms.ordering import CommandAnswer, OrderSource, UnreadableOrder
from marketsync_dagster.values.order_states import CommandKind
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.conformance.bench import NOWHERE
from marketsync_dagster_tests.conformance.orders import Orders, names
from marketsync_dagster_tests.conformance.reasons import ORDERS
from marketsync_dagster_tests.conformance.stand import Stand
from marketsync_dagster_tests.conformance.suite import Behaviour, behaviour, behaviours
from marketsync_dagster_tests.conformance.test_reading import ENDS, PASSING

PULLED, TOLD = "Orders", "Orders told"
A, R, T, U, X = (
    Outcome.APPLIED,
    Outcome.REFUSED,
    Outcome.RETRYABLE,
    Outcome.UNKNOWN,
    Outcome.AUTH_FAILED,
)
ONCE = frozenset({CommandKind.ACCEPT, CommandKind.SHIP, CommandKind.CANCEL})
"""What an order takes once: told again it is in another state."""


@pytest.fixture
def orders(stand: Stand) -> Orders:
    return Orders(stand)


# --- pulled


@behaviour(PULLED, "pulled whole: none, a page less one, a page, one more, and two pages", ORDERS)
def test_sizes(orders: Orders) -> None:
    page, every = orders.bench.page, list[str]()
    for more in (0, page - 1, 1, 1, page - 1):
        every += orders.bench.add(orders.sandbox, more) if more else []
        found = orders.pull()
        assert sorted(names(found)) == sorted(every)
        assert len(found) <= len(every) // page + 1, "nothing is asked for twice"
        assert {call.status for one in found for call in one.calls} == {200}
        assert [bool(one.position) for one in found] == [True] * (len(found) - 1) + [False]
        assert all(one.server_time for one in found)


@behaviour(
    PULLED,
    "an order is read as it stands; one that cannot be says where, and no word of it",
    ORDERS,
)
def test_read(orders: Orders) -> None:
    (name,) = orders.bench.add(orders.sandbox, 1)

    async def read(source: OrderSource) -> None:
        (page,) = [one async for one in source.order_pages("2026-01-01T00:00:00.000Z")]
        (raw,) = page.orders
        order = source.read_order(raw.document)
        assert (order.external_id, order.updated_at) == (name, raw.updated_at)
        (line,) = order.lines
        assert line.unit_price == Decimal(orders.bench.price)
        assert (line.total, order.total) == (line.unit_price * line.quantity, line.total)
        assert order.raw_state
        assert order.state is not None
        assert source.read_order(raw.document) == order, "it is the document's alone"
        spoilt, place = orders.bench.spoil(raw.document)
        for document in (spoilt, raw.document[:-9], b"", b"[]", b"<html>", b"{}"):
            with pytest.raises(UnreadableOrder) as caught:
                source.read_order(document)
            if document is spoilt:
                assert place in caught.value.message
                assert "canary" not in str(caught.value)

    orders.work(read)


@behaviour(
    PULLED, "rows that stand twice in a page, and a page that is given twice, cost none", ORDERS
)
def test_twice(orders: Orders) -> None:
    every = orders.bench.add(orders.sandbox, 2 * orders.bench.page + 50)
    actions: tuple[dict[str, Any], ...] = (
        {"kind": "repeat_rows", "rows": 2},
        {"kind": "duplicate_page"},
    )
    for action in actions:
        for number in (1, 2, 3):
            match = {"path": orders.bench.pulls, "nth": number}
            orders.sandbox.scenario(**action, match=match)
            assert set(names(orders.pull())) == set(every), (action, number)
            orders.sandbox.clear_scenarios()


@behaviour(
    PULLED, "orders that come, change and are cancelled while they are pulled cost none", ORDERS
)
def test_moving(orders: Orders) -> None:
    every = orders.bench.add(orders.sandbox, 2 * orders.bench.page + 50)
    for number in (1, 2, 3):
        match = {"path": orders.bench.pulls, "nth": number}
        orders.sandbox.scenario(**orders.bench.moves, match=match)
        assert set(every) <= set(names(orders.pull())), number
        orders.sandbox.clear_scenarios()


@behaviour(
    PULLED, "a total that is wrong, or missing, hides no order and is no endless search", ORDERS
)
def test_totals(orders: Orders) -> None:
    every = orders.bench.add(orders.sandbox, orders.bench.page + 1)
    for total in (0, 1, orders.bench.page, 100_000, None):
        said: dict[str, Any] = {} if total is None else {"value": total}
        orders.sandbox.scenario("wrong_total", times=None, **said)
        before = orders.sandbox.last_request()
        assert set(names(orders.pull())) == set(every), total
        assert orders.sandbox.last_request() - before <= 8
        orders.sandbox.clear_scenarios()


@behaviour(PULLED, "a pull that was stopped goes on at its page", ORDERS)
def test_going_on(orders: Orders) -> None:
    every = orders.bench.add(orders.sandbox, 2 * orders.bench.page + 50)
    whole = orders.pull()
    for stopped, page in enumerate(whole[:-1]):
        rest = orders.pull(page.position)
        assert names(whole[: stopped + 1]) + names(rest) == names(whole)
    assert sorted(names(whole)) == sorted(every)


@behaviour(PULLED, "each call of a pull waits for its turn, and is reported", ORDERS)
def test_paced(orders: Orders) -> None:
    orders.bench.add(orders.sandbox, orders.bench.page + 1)
    turns = 0

    async def pace() -> None:
        nonlocal turns
        turns += 1

    before = orders.sandbox.last_request()
    orders.sandbox.scenario("status", status=502, match={"nth": 2})
    found = orders.pull(pace=pace)
    calls = orders.sandbox.requests(before)
    assert turns == len(calls) >= 3
    assert [c.status for page in found for c in page.calls] == [call["status"] for call in calls]


@behaviour(PULLED, "a fault that passes is outlived by a pull, and nothing is read wrong", ORDERS)
def test_passing(orders: Orders) -> None:
    every = orders.bench.add(orders.sandbox, orders.bench.page + 1)
    for action in PASSING:
        orders.sandbox.scenario(**action, match={"nth": 2})
        hurried = {"connect_s": 0.5, "read_s": 0.3} if action["kind"] == "hang" else {}
        found = orders.pull(timeouts=hurried) if hurried else orders.pull()
        assert sorted(names(found)) == sorted(every), action
        orders.sandbox.clear_scenarios()


@behaviour(PULLED, "a fault that lasts ends a pull with its attempts", ORDERS)
def test_lasting(orders: Orders) -> None:
    orders.bench.add(orders.sandbox, 1)
    for action, outcome, tries in ENDS:
        orders.sandbox.scenario(**action, times=None)
        with pytest.raises(PlatformError) as caught:
            orders.pull()
        error = caught.value
        assert (error.outcome, len(error.calls)) == (outcome, tries), action
        assert orders.stand.leaks(repr(vars(error)) + str(error)) == []
        assert (error.__context__, error.__cause__) == (None, None)
        orders.sandbox.clear_scenarios()


@behaviour(PULLED, "orders that are named are looked up; a look that fails is no absence", ORDERS)
def test_look_up(orders: Orders) -> None:
    one, two = orders.bench.add(orders.sandbox, 2)

    async def look(source: OrderSource) -> Any:
        return await source.look_up([two, "no-such-order", one])

    found = orders.work(look)
    assert ([raw.external_id for raw in found.orders], found.outcome) == ([two, one], None)
    for action, outcome, _ in ENDS:
        orders.sandbox.scenario(**action)
        found = orders.work(look)
        assert (found.outcome, found.orders) == (outcome, ()), action
        assert found.message
        assert orders.stand.leaks(repr(found)) == []
        orders.sandbox.clear_scenarios()


# --- told


@dataclass(frozen=True, slots=True)
class Lost:
    """One thing that happens to a call: what is said of it, and whether it was done."""

    name: str
    end: Outcome | tuple[Outcome, ...]
    done: int
    kinds: tuple[dict[str, Any], ...]
    slow: bool = False
    heals: bool = True
    """Told again it works."""


def lost(name: str, end: Any, done: int, kind: str, **said: Any) -> Lost:
    slow, heals = said.pop("slow", False), said.pop("heals", True)
    return Lost(name, end, done, ({"kind": kind, **said},), slow, heals)


def statuses(name: str, end: Any, done: int, *codes: int, **said: Any) -> Lost:
    heals = said.pop("heals", True)
    kinds = tuple({"kind": "status", "status": code, **said} for code in codes)
    return Lost(name, end, done, kinds, heals=heals)


ALL = (
    lost("done, and no answer in time", U, 1, "apply_then_hang", seconds=2, slow=True),
    lost("done, and the connection breaks", U, 1, "apply_then_reset"),
    lost("done, and the connection is reset", U, 1, "apply_then_reset", reset=True),
    statuses("done, and a gateway says 500, 502 or 504", U, 1, 500, 502, 504, applied=True),
    lost("done, and the answer is a web page", U, 1, "html_200", applied=True),
    lost("done, and the answer cannot be unpacked", (U, A), 1, "gzip_error"),
    lost("done, and the answer has nothing in it", (U, A), 1, "empty_204"),
    lost("not done, and no answer in time", U, 0, "hang", seconds=2, slow=True),
    lost("not done, and the connection breaks", U, 0, "reset"),
    statuses("not done, and 408, 500, 502, 503 or 504", U, 0, 408, 500, 502, 503, 504),
    lost("not done, and a web page", U, 0, "html_200"),
    lost("not done, and truncated JSON", U, 0, "truncated_json", applied=False),
    Lost("not done, and 200 with something else", U, 0, tuple(
        {"kind": "status", "status": 200, "body": body} for body in ({}, [], "OK", "")
    )),
    lost("not done, and an error that repeats the request", U, 0, "echo_secret"),
    lost("429", T, 0, "retry_after", form="seconds", value=7),
    lost("the key dies for a while", X, 0, "token_dies"),
    statuses("refused: 400, 403, 404, 409 or 422", R, 0, 400, 403, 404, 409, 422, heals=False),
    lost("a redirect to another host", R, 0, "redirect", heals=False),
)  # fmt: skip


@behaviours([(Behaviour(TOLD, one.name, (ORDERS,)), one) for one in ALL])
def test_told(case: Lost, orders: Orders) -> None:
    wanted = case.end if isinstance(case.end, tuple) else (case.end,)
    hurried = {"timeouts": {"connect_s": 0.5, "read_s": 0.1}} if case.slow else {}
    for action in case.kinds:
        commands = orders.ready()
        orders.sandbox.scenario(**action, times=None)
        said = orders.perform(commands, **hurried)
        orders.sandbox.clear_scenarios()
        assert {one.outcome for one in said} <= set(wanted), action
        assert orders.effects(commands) == [case.done] * len(commands), action
        assert all(one.message for one in said if one.outcome is not A)
        assert orders.stand.leaks(repr(said)) == []
        # what was done is found, what was not is told again: once in the end
        proofs = orders.verify(commands)
        assert [one.outcome for one in proofs] == [A if case.done else T] * len(commands), action
        if case.heals:
            assert set(orders.through(commands, said)) == {A}, action
            assert orders.effects(commands) == [1] * len(commands), action


@behaviour(TOLD, "what is taken is said so, with the platform's id of what was made", ORDERS)
def test_done(orders: Orders) -> None:
    commands = orders.ready()
    said = orders.perform(commands)
    proofs = orders.verify(commands)
    assert {one.outcome for one in (*said, *proofs)} == {A}
    assert [one.reference for one in said] == [one.reference for one in proofs]
    assert orders.effects(commands) == [1] * len(commands)


@behaviour(TOLD, "nothing is stored, and success is said: a look finds out", ORDERS)
def test_dropped(orders: Orders) -> None:
    commands = orders.ready(ONCE)
    orders.sandbox.scenario("drop_silently", times=None)
    assert {one.outcome for one in orders.perform(commands)} == {A}
    orders.sandbox.clear_scenarios()
    assert {one.outcome for one in orders.verify(commands)} == {T}


@behaviour(TOLD, "a look that fails proves nothing, in either way", ORDERS)
def test_no_look(orders: Orders) -> None:
    commands = orders.ready()
    for done in (False, True):
        if done:
            orders.perform(commands)
        for action, outcome, _ in ENDS:
            orders.sandbox.scenario(**action, times=None)
            proofs = orders.verify(commands)
            orders.sandbox.clear_scenarios()
            for one in proofs:
                expected = (X, "") if outcome is X else (T, "not_asked")
                assert (one.outcome, one.code) == expected, action
                assert one.message
            assert orders.stand.leaks(repr(proofs)) == []


@behaviour(
    TOLD,
    "what was done a moment ago may be missing from a list, for as long as is declared",
    ORDERS,
)
def test_late(orders: Orders) -> None:
    commands = orders.ready()
    assert orders.can.settle_s >= orders.bench.late_s
    orders.sandbox.scenario(**orders.bench.late, times=None)
    assert {one.outcome for one in orders.perform(commands)} == {A}
    orders.sandbox.clear_scenarios()
    orders.sandbox.clock(orders.can.settle_s + 1)
    assert {one.outcome for one in orders.verify(commands)} == {A}


@behaviour(TOLD, "what is told once more is the wrong state, and done once", ORDERS)
def test_once_more(orders: Orders) -> None:
    commands = orders.ready(ONCE)
    orders.perform(commands)
    said = orders.perform(commands)
    assert [(one.outcome, one.wrong_state) for one in said] == [(R, True)] * len(commands)
    assert {one.outcome for one in orders.verify(commands)} == {A}
    assert orders.effects(commands) == [1] * len(commands)


@behaviour(TOLD, "what is told too early is the wrong state, and waits", ORDERS)
def test_too_early(orders: Orders) -> None:
    command = orders.bench.early(orders.sandbox)
    (said,) = orders.perform([command])
    (proof,) = orders.verify([command])
    assert (said.outcome, said.wrong_state) == (R, True)
    assert (proof.outcome, proof.wrong_state) == (T, True)
    assert orders.effects([command]) == [0]


@behaviour(TOLD, "an order that is not there is refused, and no look says that it was told", ORDERS)
def test_nothing_there(orders: Orders) -> None:
    gone = [replace(one, external_id="no-such-order") for one in orders.ready(ONCE)]
    said = orders.perform(gone)
    assert [(one.outcome, one.wrong_state) for one in said] == [(R, False)] * len(gone)
    assert {one.outcome for one in orders.verify(gone)} == {U}


@behaviour(TOLD, "nobody is there: nothing was sent", ORDERS)
def test_nobody(orders: Orders) -> None:
    commands = orders.ready()
    before = orders.sandbox.last_request()
    said = orders.perform(commands, base_url=NOWHERE + orders.stand.bench.mount)
    assert {one.outcome for one in said} == {T}
    assert all("nothing was sent" in one.message for one in said)
    assert orders.sandbox.requests(before) == []


@behaviour(TOLD, "what is not declared is unsupported, and makes no call", ORDERS)
def test_undeclared(orders: Orders) -> None:
    commands = orders.ready()
    before = orders.sandbox.last_request()

    async def less(source: OrderSource) -> list[CommandAnswer]:
        can = source.order_capabilities.commands
        beyond = [one for one in commands if one.kind not in can]
        return [await do(one) for one in beyond for do in (source.perform, source.verify)]

    said = orders.work(less, **orders.bench.less)
    assert said, "the bench has to say how the account takes less"
    assert all((one.outcome, bool(one.message)) == (Outcome.UNSUPPORTED, True) for one in said)
    assert orders.sandbox.requests(before) == []
