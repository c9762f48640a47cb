"""Accounts are opened with their secrets resolved, or not at all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from marketsync_dagster.config.secrets import Secrets
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.platforms.registry import (
    capabilities_of,
    catalog_scope,
    open_adapter,
    target_of,
)
from marketsync_dagster.values.errors import ConfigError
from marketsync_dagster_tests.platforms import support
from marketsync_dagster_tests.platforms.support import pasons_account, settings_of, tracker_account

TRACKER = "http://127.0.0.1:8701/tracker_ke/api/v1"
PASONS = "http://127.0.0.1:8701/pasons/017"


def opened(settings: Settings, account: str) -> object:
    async def work() -> object:
        async with open_adapter(settings, account, channel=None, secrets=Secrets()) as adapter:
            return adapter

    return asyncio.run(work())


def refused(settings: Settings, account: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        opened(settings, account)
    return caught.value


def test_capabilities_follow_the_platform_and_its_configuration() -> None:
    settings = settings_of(
        {
            "t": tracker_account(TRACKER, batch=10, max_bytes=5_000),
            "p": pasons_account(
                PASONS,
                request={"batch": 7},
                response={"items": None},
                full_push="replace",
            ),
        }
    )
    tracker = capabilities_of(settings.accounts["t"])
    assert (tracker.push_products, tracker.read_catalog) == (True, True)
    assert (tracker.batch_items, tracker.batch_bytes) == (10, 5_000)
    assert not tracker.full_replaces
    pasons = capabilities_of(settings.accounts["p"])
    assert (pasons.push_products, pasons.read_catalog) == (False, False)
    assert (pasons.batch_items, pasons.item_results, pasons.full_replaces) == (7, False, True)


@pytest.mark.parametrize(
    ("account", "target"),
    [
        (tracker_account(TRACKER), "tracker_ke|127.0.0.1/tracker_ke/api/v1|"),
        (
            tracker_account(TRACKER, environment="demo"),
            "tracker_ke|127.0.0.1/tracker_ke/api/v1|demo",
        ),
        (pasons_account("https://api.pasons.ae:443/"), "pasons|api.pasons.ae|"),
        (pasons_account("https://api.pasons.ae:8443/x"), "pasons|api.pasons.ae:8443/x|"),
    ],
)
def test_a_target_is_the_same_wherever_the_sandbox_listens(
    account: dict[str, Any], target: str
) -> None:
    assert target_of(settings_of({"a": account}).accounts["a"]) == target


def test_a_catalogue_belongs_to_its_account_unless_it_is_shared() -> None:
    settings = settings_of(
        {
            "a": tracker_account(TRACKER),
            "b": tracker_account(TRACKER, catalog="tracker_ke", api_key={"env": "OTHER"}),
        }
    )
    assert catalog_scope(settings, "a") == "a"
    assert catalog_scope(settings, "b") == "tracker_ke"


def test_an_account_that_is_not_there_is_named() -> None:
    error = refused(settings_of({"t": tracker_account(TRACKER)}), "x")
    assert "no account x" in error.message


@pytest.mark.parametrize(
    ("account", "variable"),
    [
        (tracker_account(TRACKER), "TEST_TRACKER_KEY"),
        (
            tracker_account(
                TRACKER, signing="tracker_doc", api_secret={"env": "TEST_TRACKER_SECRET"}
            ),
            "TEST_TRACKER_SECRET",
        ),
        (pasons_account(PASONS), "TEST_PASONS_KEY"),
    ],
)
def test_a_secret_that_is_not_set_is_named_and_only_missed_when_opened(
    account: dict[str, Any], variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(variable)
    assert variable in refused(settings_of({"a": account}), "a").message


@pytest.mark.parametrize(
    ("environment", "key", "words"),
    [
        ("live", "pk_demo_not_a_real_key_0001", "holds a demo key"),
        ("demo", "pk_live_not_a_real_key_0001", "holds a live key"),
        ("live", "some_other_kind_of_key_0001", "holds no key that begins with pk_live_"),
    ],
)
def test_a_key_of_the_other_environment_is_refused_before_any_call(
    environment: str, key: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_TRACKER_KEY", key)
    error = refused(settings_of({"t": tracker_account(TRACKER, environment=environment)}), "t")
    assert words in error.message
    assert key not in str(error)
    assert "TEST_TRACKER_KEY" in error.next_step


def test_two_accounts_with_one_key_are_refused_when_either_is_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TEST_OTHER_KEY", support.TRACKER_KEY)
    settings = settings_of(
        {
            "a": tracker_account(TRACKER),
            "b": tracker_account(TRACKER, api_key={"env": "TEST_OTHER_KEY"}),
        }
    )
    for account in ("a", "b"):
        error = refused(settings, account)
        assert error.message == (
            "accounts a and b hold the same key: the last branch would overwrite the other"
        )
        assert support.TRACKER_KEY not in str(error)


@pytest.mark.parametrize("other_key", ["pk_demo_quite_another_key", None])
def test_accounts_with_keys_of_their_own_are_opened(
    other_key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if other_key is None:
        monkeypatch.delenv("TEST_OTHER_KEY", raising=False)
    else:
        monkeypatch.setenv("TEST_OTHER_KEY", other_key)
    settings = settings_of(
        {
            "a": tracker_account(TRACKER),
            "b": tracker_account(TRACKER, api_key={"env": "TEST_OTHER_KEY"}),
        }
    )
    assert opened(settings, "a")


def test_the_same_key_elsewhere_is_another_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_OTHER_KEY", support.TRACKER_KEY)
    settings = settings_of(
        {
            "a": tracker_account(TRACKER),
            "b": tracker_account("https://other.test/v1", api_key={"env": "TEST_OTHER_KEY"}),
        }
    )
    assert opened(settings, "a")


def test_an_open_account_shows_no_secret() -> None:
    settings = settings_of(
        {
            "t": tracker_account(
                TRACKER,
                signing="canonical_v1",
                api_secret={"env": "TEST_TRACKER_SECRET"},
                send_secret=True,
            ),
            "p": pasons_account(PASONS),
        }
    )
    for account in ("t", "p"):
        adapter: Any = opened(settings, account)
        # the headers that are sent are the one place where a credential must stand
        parts = [v for name, v in vars(adapter).items() if name not in ("_headers", "_private")]
        shown = repr(adapter) + str(adapter) + repr(parts)
        for secret in (support.TRACKER_KEY, support.TRACKER_SECRET, support.PASONS_KEY):
            assert secret not in shown
            assert secret not in repr(settings)


def test_a_store_that_is_named_like_another_field_is_refused() -> None:
    account = pasons_account(PASONS, request={"store": {"in": "body", "name": "sku"}})
    with pytest.raises(ValidationError, match="another field"):
        settings_of({"p": account})


def test_a_store_is_needed_where_requests_carry_it() -> None:
    account = pasons_account(PASONS, request={"store": {"in": "query"}})
    accounts = {"p": account, "t": tracker_account(TRACKER)}
    settings = settings_of(accounts, [{"outlet": "o", "account": "t"}])
    assert "no store_id" in refused(settings, "p").message
