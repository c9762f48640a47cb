"""Secrets are fetched late, named without their value, and masked from then on."""

from __future__ import annotations

import pytest

from marketsync_dagster.config.secrets import resolve
from marketsync_dagster.config.settings import SecretRef
from marketsync_dagster.values.errors import ConfigError
from marketsync_dagster.values.redact import scrub


def _ref() -> SecretRef:
    ref = SecretRef(env="SOME_TEST_KEY")
    ref.found_at("accounts.shop.api_key")
    return ref


def test_a_secret_is_read_and_masked_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TEST_KEY", "canary-value-1")
    assert resolve(_ref()) == "canary-value-1"
    assert "canary-value-1" not in scrub("it said canary-value-1")


def test_a_secret_that_is_not_set_names_variable_and_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_TEST_KEY", raising=False)
    with pytest.raises(ConfigError) as caught:
        resolve(_ref())
    assert caught.value.message == (
        "environment variable SOME_TEST_KEY is not set (accounts.shop.api_key)"
    )


@pytest.mark.parametrize(
    "value",
    ["canary7", " canary-value-2", "canary-value-3\n", "canary\r\nX: y-4", "canary-välue-5"],
)
def test_a_value_that_cannot_be_a_secret_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("SOME_TEST_KEY", value)
    with pytest.raises(ConfigError) as caught:
        resolve(_ref())
    assert "canary" not in str(caught.value)
    assert "accounts.shop.api_key" in str(caught.value)
    assert value.strip() not in scrub(f"it said {value}")


def test_a_reference_shows_the_name_only() -> None:
    assert str(_ref()) == "{env: SOME_TEST_KEY}"
