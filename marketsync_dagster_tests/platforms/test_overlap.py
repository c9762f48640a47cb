"""Two keys of one account: the platform may know the newest, an older one, both or none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from marketsync_dagster.config.secrets import Secrets
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.platforms.base import Adapter, Answer, ConnectionResult, PlatformError
from marketsync_dagster.platforms.overlap import OverlapAdapter
from marketsync_dagster.platforms.registry import open_adapter
from marketsync_dagster.values.errors import ConfigError
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.platforms.support import (
    STORE,
    outcomes,
    pasons_account,
    price,
    product,
    run,
    settings_of,
    tracker_account,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

OLD, NEW, OTHER = "pk_demo_not_real_old", "pk_demo_not_real_new", "pk_demo_not_real_else"
S_OLD, S_NEW = "sk_secret_not_real_old", "sk_secret_not_real_new"
ITEMS = [price("p1"), price("p2")]
GOOD = [Outcome.APPLIED, Outcome.APPLIED]


@dataclass(frozen=True)
class Stored:
    """A vault: name -> values, newest first."""

    kept: dict[str, list[str]]

    def values(self, name: str) -> list[str]:
        return self.kept.get(name, [])


def with_keys(*keys: str, pair: Sequence[str] = ()) -> Secrets:
    return Secrets(Stored({"key": list(keys), "pair": list(pair)}))


def tracker(sandbox: SandboxProcess, *known: str, ids: int = 2, **more: Any) -> None:
    """A sandbox that knows these keys, each as an account of the same products."""
    accounts = [
        {"api_key": key, "supermarket_id": key[-3:], "plan": "unlimited", "demo": True, **more}
        for key in known
    ]
    products = [{"id": f"p{n + 1}", "name": f"P {n}", "demo": True} for n in range(ids)]
    sandbox.seed({"tracker_ke": {"accounts": accounts, "products": products}})


def pasons(sandbox: SandboxProcess, *known: str) -> None:
    (key,) = known
    sandbox.seed({"pasons": {"stores": [{"store_id": STORE, "api_key": key}]}})


def settings(sandbox: SandboxProcess, platform: str = "tracker_ke", **more: Any) -> Settings:
    if platform == "tracker_ke":
        account = tracker_account(sandbox.tracker_url, api_key={"secret": "key"}, **more)
    else:
        auth = {"scheme": "bearer", "key": {"secret": "key"}}
        account = pasons_account(sandbox.pasons_url(STORE), **(more | {"auth": auth}))
    return settings_of({"x": account})


async def push(adapter: Adapter) -> list[Answer]:
    """Send until it is settled."""
    answers = [await adapter.send(ITEMS)]
    while answers[-1].other_key:
        answers.append(await adapter.send(ITEMS))
    return answers


SEED = {"tracker_ke": tracker, "pasons": pasons}


@pytest.mark.parametrize("platform", ["tracker_ke", "pasons"])
@pytest.mark.parametrize(
    ("stored", "known", "calls", "last"),
    [
        ((NEW, OLD), NEW, [200], Outcome.APPLIED),
        ((NEW, OLD), OLD, [401, 200], Outcome.APPLIED),
        ((NEW, OLD), OTHER, [401, 401], Outcome.AUTH_FAILED),
        ((NEW, "pk_demo_not_real_mid", OLD), OLD, [401, 401, 200], Outcome.APPLIED),
        ((NEW,), OTHER, [401], Outcome.AUTH_FAILED),
    ],
)
def test_the_key_that_the_platform_knows_is_found_with_one_call_for_each_it_does_not(
    fresh_sandbox: SandboxProcess,
    platform: str,
    stored: tuple[str, ...],
    known: str,
    calls: list[int],
    last: Outcome,
) -> None:
    SEED[platform](fresh_sandbox, known)
    answers: list[Answer] = run(settings(fresh_sandbox, platform), "x", push, with_keys(*stored))
    assert [answer.call.status for answer in answers] == calls
    assert [request["status"] for request in fresh_sandbox.requests()] == calls
    for answer in answers[:-1]:
        assert outcomes(answer, 2) == [Outcome.RETRYABLE] * 2
        assert answer.retry_after_s == 0
    worked = Outcome.ACCEPTED_UNVERIFIED if platform == "pasons" else Outcome.APPLIED
    wanted = worked if last is Outcome.APPLIED else last
    assert set(outcomes(answers[-1], 2)) <= {wanted, last}
    if last is Outcome.AUTH_FAILED and len(stored) > 1:
        assert answers[-1].message.startswith(f"all {len(stored)} keys are refused")
        assert "marketsync secrets set key" in answers[-1].message


@pytest.mark.parametrize(
    ("key", "secret", "calls"),
    [(NEW, S_NEW, 1), (OLD, S_OLD, 2), (NEW, S_OLD, 3), (OLD, S_NEW, 4)],
)
def test_a_key_and_its_secret_may_be_replaced_together_or_apart(
    fresh_sandbox: SandboxProcess, key: str, secret: str, calls: int
) -> None:
    tracker(fresh_sandbox, key, api_secret=secret, signing="tracker_doc")
    of = settings(fresh_sandbox, api_secret={"secret": "pair"}, signing="tracker_doc")
    secrets = with_keys(NEW, OLD, pair=(S_NEW, S_OLD))
    answers: list[Answer] = run(of, "x", push, secrets)
    assert outcomes(answers[-1], 2) == GOOD
    assert len(answers) == len(fresh_sandbox.requests()) == calls


def test_a_secret_that_is_not_sent_makes_no_further_credentials(
    fresh_sandbox: SandboxProcess,
) -> None:
    tracker(fresh_sandbox, OTHER)
    of = settings(fresh_sandbox, api_secret={"secret": "pair"})
    answers: list[Answer] = run(of, "x", push, with_keys(NEW, OLD, pair=(S_NEW, S_OLD)))
    assert [answer.call.status for answer in answers] == [401, 401]


def test_calls_under_way_with_a_refused_key_go_again_and_the_key_is_not_tried_again(
    fresh_sandbox: SandboxProcess,
) -> None:
    tracker(fresh_sandbox, OLD)

    async def many(adapter: Adapter) -> list[list[Answer]]:
        first = await asyncio.gather(*(adapter.send(ITEMS) for _ in range(4)))
        return [list(first), list(await asyncio.gather(*(adapter.send(ITEMS) for _ in first)))]

    first, second = run(settings(fresh_sandbox), "x", many, with_keys(NEW, OLD))
    assert all(answer.other_key for answer in first)
    assert [outcomes(answer, 2) for answer in second] == [GOOD] * 4
    assert [r["status"] for r in fresh_sandbox.requests()] == [401] * 4 + [200] * 4


def test_other_refusals_of_the_platform_change_no_key(fresh_sandbox: SandboxProcess) -> None:
    tracker(fresh_sandbox, NEW, OLD)
    for status in (403, 429, 503):
        fresh_sandbox.scenario("status", status=status)

    async def thrice(adapter: Adapter) -> list[Answer]:
        return [await adapter.send(ITEMS) for _ in range(4)]

    answers = run(settings(fresh_sandbox), "x", thrice, with_keys(NEW, OLD))
    assert not any(answer.other_key for answer in answers)
    assert {request["account"] for request in fresh_sandbox.requests()} == {"new"}
    assert [a.call.status for a in answers] == [403, 429, 503, 200]


@pytest.mark.parametrize("platform", ["tracker_ke", "pasons"])
@pytest.mark.parametrize(
    ("known", "calls", "words"),
    [
        (NEW, 1, "(the newest of 2)"),
        (OLD, 2, "the older key of 2 still works, the new one is refused"),
        (OTHER, 2, "all 2 keys are refused"),
    ],
)
def test_a_connection_test_says_which_key_works(
    fresh_sandbox: SandboxProcess, platform: str, known: str, calls: int, words: str
) -> None:
    SEED[platform](fresh_sandbox, known)
    of = settings(fresh_sandbox, platform)
    found: ConnectionResult = run(of, "x", lambda a: a.test_connection(), with_keys(NEW, OLD))
    assert found.ok == (known != OTHER)
    assert words in found.message
    assert len(found.calls) == len(fresh_sandbox.requests()) == calls
    if known != NEW:
        assert "marketsync secrets set key" in found.next_step
    assert found.key.endswith("ew" if known == NEW else "ld")


def test_a_connection_test_of_a_platform_that_is_down_tries_one_key(
    fresh_sandbox: SandboxProcess,
) -> None:
    tracker(fresh_sandbox, NEW, OLD)
    fresh_sandbox.scenario("status", status=503)
    of = settings(fresh_sandbox)
    found: ConnectionResult = run(of, "x", lambda a: a.test_connection(), with_keys(NEW, OLD))
    assert (found.ok, len(found.calls)) == (False, 1)
    assert "refused" not in found.message


def test_a_catalogue_is_read_with_the_key_that_works_each_product_once(
    fresh_sandbox: SandboxProcess,
) -> None:
    """Revoked after the first page: what was read is not handed out again."""
    tracker(fresh_sandbox, NEW, OLD, ids=150)
    fresh_sandbox.scenario("revoke_key", account="new", match={"nth": 2})
    paced: list[int] = []

    async def read(adapter: Adapter) -> list[Any]:
        async def pace() -> None:
            paced.append(1)

        return [page async for page in adapter.read_catalog(pace=pace)]

    pages = run(settings(fresh_sandbox), "x", read, with_keys(NEW, OLD))
    ids = [row["platform_id"] for page in pages for row in page.rows]
    assert len(ids) == len(set(ids)) == 150
    statuses = [request["status"] for request in fresh_sandbox.requests()]
    assert statuses == [200, 401, 200, 200]
    assert [call.status for page in pages for call in page.calls] == statuses
    assert len(paced) == 4


def test_a_catalogue_that_no_key_can_read_reports_every_call(
    fresh_sandbox: SandboxProcess,
) -> None:
    tracker(fresh_sandbox, OTHER)

    async def read(adapter: Adapter) -> list[Any]:
        return [page async for page in adapter.read_catalog()]

    with pytest.raises(PlatformError) as caught:
        run(settings(fresh_sandbox), "x", read, with_keys(NEW, OLD))
    assert caught.value.outcome is Outcome.AUTH_FAILED
    assert [call.status for call in caught.value.calls] == [401, 401]


def test_products_go_again_with_the_key_that_works(fresh_sandbox: SandboxProcess) -> None:
    tracker(fresh_sandbox, OLD)

    async def offer(adapter: Adapter) -> list[Answer]:
        items = [product("1", "4006381333931")]
        return [await adapter.send_products(items) for _ in range(2)]

    first, second = run(settings(fresh_sandbox), "x", offer, with_keys(NEW, OLD))
    assert (first.other_key, outcomes(first, 1)) == (True, [Outcome.RETRYABLE])
    assert outcomes(second, 1) == [Outcome.APPLIED]


def test_one_key_is_opened_as_it_is_and_several_share_their_limits(
    fresh_sandbox: SandboxProcess,
) -> None:
    of = settings(fresh_sandbox)
    one = open_adapter(of, "x", channel=None, secrets=with_keys(NEW))
    two = open_adapter(of, "x", channel=None, secrets=with_keys(NEW, OLD))
    assert not isinstance(one, OverlapAdapter)
    assert isinstance(two, OverlapAdapter)
    assert two.capabilities == one.capabilities
    assert two.batches(ITEMS) == one.batches(ITEMS)
    products = [product("1", "4006381333931")]
    assert two.product_batches(products) == one.product_batches(products)
    assert NEW not in repr(two) + repr(vars(two))


def test_an_older_key_of_the_wrong_kind_or_of_another_account_is_refused_before_any_call(
    fresh_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = with_keys("pk_live_not_real_new", OLD)
    with pytest.raises(ConfigError, match="stored secret key holds a demo key"):
        open_adapter(settings(fresh_sandbox, environment="live"), "x", channel=None, secrets=live)
    monkeypatch.setenv("TEST_OTHER_KEY", OLD)
    url = fresh_sandbox.tracker_url
    both = settings_of(
        {
            "x": tracker_account(url, api_key={"secret": "key"}),
            "y": tracker_account(url, api_key={"env": "TEST_OTHER_KEY"}),
        }
    )
    for account in ("x", "y"):
        with pytest.raises(ConfigError, match="x and y hold the same key"):
            open_adapter(both, account, channel=None, secrets=with_keys(NEW, OLD))


def test_shown_prices_are_read_with_the_key_that_works(fresh_sandbox: SandboxProcess) -> None:
    tracker(fresh_sandbox, OLD)

    async def look(adapter: Adapter) -> list[Any]:
        return [*await adapter.read_prices(["p1", "p2"]), *await adapter.read_prices(["p2"])]

    shown = run(settings(fresh_sandbox), "x", look, with_keys(NEW, OLD))
    assert [one.platform_id for one in shown] == ["p1", "p2", "p2"]
    assert [[call.status for call in one.calls] for one in shown] == [[401, 200], [200], [200]]
    with pytest.raises(PlatformError) as caught:
        run(settings(fresh_sandbox), "x", look, with_keys(NEW, OTHER))
    assert [call.status for call in caught.value.calls] == [401, 401]
