"""A platform that repeats what it was sent finds none of it in anything that leaves an adapter."""

from __future__ import annotations

import base64
import logging
import traceback
from typing import Any
from urllib.parse import quote

import pytest

from marketsync_dagster.platforms.base import Adapter, Answer, PlatformError
from marketsync_dagster_tests.platforms import support
from marketsync_dagster_tests.platforms.support import (
    STORE,
    pasons_account,
    price,
    product,
    run,
    seed_pasons,
    seed_tracker,
    settings_of,
    tracker_account,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

KEY = {"key": {"env": "TEST_PASONS_KEY"}}
SECRETS = (support.TRACKER_KEY, support.TRACKER_SECRET, support.PASONS_KEY)
ACCOUNTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("tracker_ke", {}, {}),
    (
        "tracker_ke",
        {"signing": "tracker_doc", "api_secret": support.TRACKER_SECRET},
        {
            "signing": "tracker_doc",
            "api_secret": {"env": "TEST_TRACKER_SECRET"},
            "send_secret": True,
        },
    ),
    (
        "tracker_ke",
        {"signing": "canonical_v1", "api_secret": support.TRACKER_SECRET},
        {"signing": "canonical_v1", "api_secret": {"env": "TEST_TRACKER_SECRET"}},
    ),
    ("pasons", {}, {}),
    ("pasons", {"scheme": "header"}, {"auth": {"scheme": "header", **KEY}}),
    ("pasons", {"scheme": "basic"}, {"auth": {"scheme": "basic", "user": "marketsync", **KEY}}),
]


def forms(secret: str) -> list[str]:
    """Every form in which the test looks for a secret."""
    basic = base64.b64encode(f"marketsync:{secret}".encode()).decode()
    return [secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode(), basic]


def found_in(text: str) -> list[str]:
    return [form for secret in SECRETS for form in forms(secret) if form in text]


def settings_for(sandbox: SandboxProcess, account: tuple[str, dict[str, Any], dict[str, Any]]):
    platform, seed, more = account
    if platform == "tracker_ke":
        seed_tracker(sandbox, ["p1"], **seed)
        return settings_of({"x": tracker_account(sandbox.tracker_url, **more)})
    seed_pasons(sandbox, **seed)
    return settings_of({"x": pasons_account(sandbox.pasons_url(STORE), **more)})


async def everything(adapter: Adapter) -> str:
    """The text of all that an adapter says about calls that fail."""
    items = [price("p1"), price("p2")]
    said: list[Any] = [
        await adapter.send(items),
        await adapter.send(items[:1], single=True),
        await adapter.send_products([product("a", "5449000000996")]),
        await adapter.test_connection(),
        adapter,
        adapter.capabilities,
    ]
    with pytest.raises(PlatformError) as caught:
        said.extend([page async for page in adapter.read_catalog()])
    error = caught.value
    # Dagster stores the context of an exception too
    assert (error.__context__, error.__cause__) == (None, None)
    said += [error, error.calls, vars(error), traceback.format_exception(error)]
    return repr(said) + "".join(map(str, said))


def test_the_search_finds_a_secret_that_is_there() -> None:
    for secret in SECRETS:
        for form in forms(secret):
            assert found_in(f"x{form}y")


@pytest.mark.parametrize(
    "account", ACCOUNTS, ids=lambda a: "-".join([a[0], *map(str, a[1].values())])[:30]
)
@pytest.mark.parametrize("status", [400, 401, 404, 500, 503])
def test_an_echo_of_credentials_and_signatures_is_masked(
    fresh_sandbox: SandboxProcess,
    account: tuple[str, dict[str, Any], dict[str, Any]],
    status: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = settings_for(fresh_sandbox, account)
    fresh_sandbox.scenario("echo_secret", status=status, times=None)
    with caplog.at_level(logging.DEBUG):
        text = run(settings, "x", everything)
    assert found_in(text) == []
    assert found_in(caplog.text) == []
    assert "***" in text  # the echo did arrive


def test_the_signature_of_a_request_is_masked_in_its_own_error(
    fresh_sandbox: SandboxProcess,
) -> None:
    settings = settings_for(fresh_sandbox, ACCOUNTS[1])
    fresh_sandbox.scenario("echo_secret")
    answer: Answer = run(settings, "x", lambda a: a.send([price("p1")]))
    assert "X-Signature: ***" in answer.call.error
    assert len(answer.call.error.encode()) <= 500
