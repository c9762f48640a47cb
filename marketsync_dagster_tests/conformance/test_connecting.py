"""A good configuration connects; a bad one fails, says why and what to do, and no secret."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from marketsync_dagster.platforms.base import ConnectionResult
from marketsync_dagster.values.errors import ConfigError
from marketsync_dagster_tests.conformance.bench import NOWHERE, Bench
from marketsync_dagster_tests.conformance.reasons import KINDS, STORES
from marketsync_dagster_tests.conformance.stand import Stand
from marketsync_dagster_tests.conformance.suite import behaviour

GROUP = "Connecting"
OTHER = "another-key-altogether-0001"


def assert_refused(stand: Stand, found: ConnectionResult) -> None:
    assert not found.ok
    assert found.message
    assert found.next_step, found.message
    assert stand.leaks(repr(found)) == []


def refused_to_open(stand: Stand, **account: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        stand.test(**account)
    assert stand.sandbox.requests() == []
    assert caught.value.next_step
    assert stand.leaks(repr(caught.value) + str(caught.value)) == []
    return caught.value


@behaviour(GROUP, "a good configuration connects, and nothing is changed by that")
def test_good(stand: Stand) -> None:
    stand.seed()
    found = stand.test()
    assert (found.ok, bool(found.message), found.next_step) == (True, True, "")
    assert found.key
    assert found.calls
    assert {call.status // 100 for call in found.calls if call.status} == {2}
    assert stand.leaks(repr(found)) == []
    assert stand.held() == {}


@behaviour(GROUP, "a key that the platform does not know is refused, each secret by itself")
def test_wrong_key(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    items = stand.seed()
    for variable, value in stand.bench.secrets.items():
        monkeypatch.setenv(variable, OTHER)
        found = stand.test()
        assert_refused(stand, found)
        assert found.calls[-1].status == 401
        assert stand.bench.key in found.next_step
        assert OTHER not in repr(found)
        assert set(stand.ends(items)) == {"auth_failed"}
        monkeypatch.setenv(variable, value)
    assert stand.held() == {}


@behaviour(GROUP, "a key of another kind is refused before any call", KINDS)
def test_wrong_kind(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stand.bench.wrong_kind is not None
    key, asked = stand.bench.wrong_kind
    stand.seed()
    assert stand.test(**asked).ok
    number = stand.sandbox.last_request()
    monkeypatch.setenv(stand.bench.key, key)
    with pytest.raises(ConfigError) as caught:
        stand.test(**asked)
    assert stand.sandbox.last_request() == number
    assert stand.bench.key in caught.value.next_step
    assert key not in str(caught.value)


@behaviour(GROUP, "a secret that is not set is named, and nothing is sent")
def test_missing_secret(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.seed()
    for variable, value in stand.bench.secrets.items():
        monkeypatch.delenv(variable)
        assert variable in refused_to_open(stand).message
        monkeypatch.setenv(variable, value)


@behaviour(GROUP, "a secret that can be none is refused without a word of it")
def test_no_secret(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.seed()
    for value in ("short", "two words and\nlines-0001", "kéy-beyond-ascii-0001"):
        monkeypatch.setenv(stand.bench.key, value)
        error = refused_to_open(stand)
        assert stand.bench.key in error.message
        assert value not in str(error)


@behaviour(GROUP, "an address where nobody listens")
def test_closed(stand: Stand) -> None:
    stand.seed()
    found = stand.test(base_url=NOWHERE + stand.bench.mount)
    assert_refused(stand, found)
    assert found.calls[-1].status is None


@behaviour(GROUP, "an address that is another one's")
def test_wrong_path(stand: Stand) -> None:
    items = stand.seed()
    wrong = f"{stand.sandbox.url}{stand.bench.mount}/elsewhere"
    assert_refused(stand, stand.test(base_url=wrong))
    assert set(stand.ends(items, base_url=wrong)) == {"refused"}


@behaviour(GROUP, "an address without https, or with credentials in it")
def test_unsafe_address(bench: Bench) -> None:
    for address in ("http://platform.test/api", "https://user:word@platform.test/api"):
        with pytest.raises(ValidationError, match="expected https"):
            bench.settings(base_url=address)


@behaviour(GROUP, "a store or shop that is not there", STORES)
def test_wrong_store(stand: Stand) -> None:
    items = stand.seed()
    assert stand.bench.elsewhere is not None
    assert_refused(stand, stand.test(**stand.bench.elsewhere))
    assert set(stand.ends(items, **stand.bench.elsewhere)) <= {"refused", "auth_failed"}
    assert stand.held() == {}


@behaviour(GROUP, "a web page proves no connection")
def test_web_page(stand: Stand) -> None:
    stand.seed()
    stand.sandbox.scenario("html_200", times=None)
    assert_refused(stand, stand.test())


@behaviour(GROUP, "a redirect is named, and nobody goes there")
def test_redirect(stand: Stand) -> None:
    items = stand.seed()
    target = f"{stand.sandbox.url}/elsewhere"
    stand.sandbox.scenario("redirect", location=target, code=308, times=None)
    assert_refused(stand, stand.test())
    before = stand.sandbox.last_request()
    answer = stand.send(items)
    assert answer.outcome == "refused"
    assert answer.message == (
        f"HTTP 308: redirected to {stand.sandbox.url}; not followed, check base_url"
    )
    assert stand.sandbox.last_request() == before + 1
