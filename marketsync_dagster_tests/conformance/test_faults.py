"""Every fault of the contract's section 12 that a call can meet leaves each of its items in one
defined outcome; none that was not applied is called applied, none that may have been is called
refused.

`ALL` is what happens to every platform; where one differs its bench says so (`Bench.ends`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from marketsync_dagster.platforms.base import Adapter, Answer
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.conformance.bench import NOWHERE
from marketsync_dagster_tests.conformance.reasons import ANSWERS, PRODUCTS, Reason
from marketsync_dagster_tests.conformance.stand import Stand, attempt, wanted
from marketsync_dagster_tests.conformance.suite import Behaviour, behaviour, behaviours
from marketsync_dagster_tests.platforms.support import outcomes

GROUP = "Faults"
R, T, U, V, X = (
    Outcome.REFUSED,
    Outcome.RETRYABLE,
    Outcome.UNKNOWN,
    Outcome.ACCEPTED_UNVERIFIED,
    Outcome.AUTH_FAILED,
)
DONE = "done"
"""What becomes of items that are taken: `Bench.done`."""
HURRIED = {"timeouts": {"connect_s": 0.5, "read_s": 0.1}}
NO = {"success": False, "error": {"code": "INVALID_REQUEST", "message": "no"}}


Ends = tuple[tuple[dict[str, Any], Outcome], ...]
"""Actions of the sandbox, and what each comes to."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One misbehaviour, how many of three items the platform holds after it, and what is said."""

    name: str
    end: Outcome | Literal["done", "split"] | Sequence[Outcome]
    held: int
    kinds: tuple[dict[str, Any], ...]
    """Each of these is tried."""
    slow: bool = False
    needs: tuple[Reason, ...] = ()


def fault(name: str, end: Any, held: int, kind: str, **said: Any) -> Fault:
    slow, needs = said.pop("slow", False), said.pop("needs", ())
    return Fault(name, end, held, ({"kind": kind, **said},), slow, needs)


def statuses(name: str, end: Any, *codes: int) -> Fault:
    return Fault(name, end, 0, tuple({"kind": "status", "status": code} for code in codes))


ALL = (
    # contract 12, number 1
    fault("applied, and no answer in time", U, 3, "apply_then_hang", seconds=2, slow=True),
    fault("applied, and the connection breaks", U, 3, "apply_then_reset"),
    fault("applied, and the connection is reset", U, 3, "apply_then_reset", reset=True),
    fault("not applied, and no answer in time", U, 0, "hang", seconds=2, slow=True),
    fault("not applied, and the connection breaks", U, 0, "reset"),
    # 2
    fault("200 with an error", R, 0, "status", status=200, body=NO, needs=(ANSWERS,)),
    fault("200 with an empty object", U, 0, "status", status=200, body={}),
    fault("200 with an empty list", U, 0, "status", status=200, body=[]),
    fault("200 with a word", U, 0, "status", status=200, body="OK"),
    fault("200 with nothing", U, 0, "status", status=200, body=""),
    fault("no result at all", U, 3, "short_results", drop=3, needs=(ANSWERS,)),
    # 3; what a 429 asks for is `test_waiting`
    fault("429", T, 0, "retry_after", form="none"),
    # 5
    fault("the key is revoked", X, 0, "revoke_key"),
    fault("the key dies for a while", X, 0, "token_dies"),
    # 9
    statuses("statuses that pass", T, 408, 425, 429, 500, 502, 503, 504, 520),
    statuses("statuses that stay", R, 400, 402, 403, 404, 405, 407, 409, 410, 415, 422, 451),
    fault("413", "split", 0, "status", status=413, body="<html><title>413</title></html>"),
    fault("200 with a web page", U, 0, "html_200"),
    fault("200 with a web page, and applied", U, 3, "html_200", applied=True),
    fault("truncated JSON", U, 3, "truncated_json"),
    fault("truncated JSON, and nothing applied", U, 0, "truncated_json", applied=False),
    fault("gzip that cannot be unpacked", U, 3, "gzip_error"),
    fault("JSON after a byte order mark", DONE, 3, "bom_json"),
    fault("204 without a body", U, 3, "empty_204"),
    fault("a redirect to another host", R, 0, "redirect"),
    fault("a redirect on the same host", R, 0, "redirect", location="/elsewhere", code=307),
    fault("a body that drips", U, 3, "slow_drip", bytes_per_s=20, slow=True),
    fault("an error page of megabytes", T, 0, "big_error_body", mb=3),
    fault("an error that repeats the request", T, 0, "echo_secret"),
    # 10: what an answer does not show is believed; reading back is what finds it
    fault("nothing is stored, and success is said", DONE, 0, "drop_silently"),
)  # fmt: skip


@behaviours([(Behaviour(GROUP, one.name, one.needs), one) for one in ALL])
def test_fault(case: Fault, stand: Stand) -> None:
    for action in case.kinds:
        stand.sandbox.reset()
        items = stand.seed(3)
        stand.sandbox.scenario(**action)
        answer = stand.send(items, **HURRIED if case.slow else {})
        assert outcomes(answer, 3) == ended(stand, case)
        held = stand.sees(lambda held: len(held) == case.held)
        assert held == wanted(items if case.held else [])
        if not answer.results and answer.outcome is not V:
            assert answer.import_id or answer.message  # whoever reads the history is told
        assert all(r.message for r in answer.results if r.outcome is not Outcome.APPLIED)
        assert stand.leaks(repr(answer)) == []


def ended(stand: Stand, case: Fault) -> list[Outcome | str]:
    """What each of three items comes to on this platform."""
    end = stand.bench.ends.get(case.name, case.end)
    end = stand.bench.done if end == DONE else end
    return [end] * 3 if isinstance(end, str) else list(end)


@behaviour(GROUP, "prices that are stored wrong are never called refused")
def test_damage(stand: Stand) -> None:
    items = stand.seed(3)
    stand.sandbox.scenario("price_damage", mode="x100")
    assert stand.ends(items) == [stand.bench.done] * 3
    held = stand.sees(lambda held: len(held) == 3)
    assert [held[item.platform_id][0] for item in items] == [item.price * 100 for item in items]
    # absolute values: the next push mends it
    assert (
        stand.ends([item._replace(price=item.price + 1) for item in items])
        == [stand.bench.done] * 3
    )
    better = wanted([item._replace(price=item.price + 1) for item in items])
    assert stand.sees(lambda held: held == better) == better


@behaviour(GROUP, "a kept connection that dies when it is used again")
def test_reuse(stand: Stand) -> None:
    items = stand.seed(3)
    stand.sandbox.scenario("close_on_reuse")

    async def thrice(adapter: Adapter) -> list[Answer]:
        return [await attempt(adapter, items) for _ in range(3)]

    found = [outcomes(answer, 3) for answer in stand.work(thrice)]
    assert found == [[stand.bench.done] * 3, [U] * 3, [stand.bench.done] * 3]


@behaviour(GROUP, "nobody is there: nothing was sent")
def test_nobody(stand: Stand) -> None:
    items = stand.seed(3)
    answer = stand.send(items, base_url=NOWHERE + stand.bench.mount)
    assert outcomes(answer, 3) == [T] * 3
    assert "nothing was sent" in answer.message
    assert stand.sandbox.requests() == []


@behaviour(GROUP, "one fault after the other, and then it works")
def test_healing(stand: Stand) -> None:
    items = stand.seed(3)
    kinds = ["reset", "truncated_json", "html_200", "apply_then_reset", "gzip_error", "redirect"]
    for number, kind in enumerate(kinds):
        stand.sandbox.scenario(kind, match={"nth": number + 1})

    async def again_and_again(adapter: Adapter) -> list[Answer]:
        return [await attempt(adapter, items) for _ in range(len(kinds) + 1)]

    answers = stand.work(again_and_again)
    assert outcomes(answers[-1], 3) == [stand.bench.done] * 3
    assert all(answer.outcome in (U, R) for answer in answers[:-1])
    assert stand.sees(lambda held: len(held) == 3) == wanted(items)


@behaviour(GROUP, "products: faults leave each of them in one defined outcome", PRODUCTS)
def test_products(stand: Stand) -> None:
    stand.seed(0)
    products = [stand.bench.product(n) for n in range(2)]
    ends: Ends = (
        ({"kind": "status", "status": 503}, T),
        ({"kind": "status", "status": 403}, R),
        ({"kind": "retry_after", "form": "seconds"}, T),
        ({"kind": "revoke_key"}, X),
        ({"kind": "apply_then_reset"}, U),
        ({"kind": "truncated_json"}, U),
        ({"kind": "html_200"}, U),
        ({"kind": "wrong_ids"}, U),
        ({"kind": "short_results", "drop": 2}, U),
        ({"kind": "echo_secret"}, T),
    )
    for action, end in ends:
        stand.sandbox.scenario(**action)
        answer = stand.work(lambda adapter: adapter.send_products(products))
        assert outcomes(answer, 2) == [end, end], action
        assert stand.leaks(repr(answer)) == []
        stand.sandbox.clear_scenarios()
    answer = stand.work(lambda adapter: adapter.send_products(products))
    assert outcomes(answer, 2) == [Outcome.APPLIED] * 2
