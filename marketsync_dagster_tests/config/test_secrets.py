"""Secrets are fetched late, named without their value, and masked from then on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from marketsync_dagster.config.secrets import Secrets, references
from marketsync_dagster.config.settings import SecretRef
from marketsync_dagster.values.errors import ConfigError
from marketsync_dagster.values.redact import register_secret, scrub
from marketsync_dagster_tests.config.texts import VALID, load


@dataclass(frozen=True)
class Stored:
    """A vault with one secret, `shop_key`."""

    versions: tuple[str, ...] = ()

    def values(self, name: str) -> list[str]:
        return list(self.versions) if name == "shop_key" else []


def _ref(**kind: str) -> SecretRef:
    ref = SecretRef(**(kind or {"env": "SOME_TEST_KEY"}))
    ref.found_at("accounts.shop.api_key")
    return ref


def test_a_secret_is_read_and_masked_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TEST_KEY", "canary-value-1")
    assert Secrets().resolve(_ref()) == "canary-value-1"
    assert Secrets().versions(_ref()) == ["canary-value-1"]
    assert "canary-value-1" not in scrub("it said canary-value-1")


def test_a_stored_secret_is_read_newest_first_and_masked() -> None:
    secrets = Secrets(Stored(("canary-stored-2", "canary-stored-1")))
    assert secrets.resolve(_ref(secret="shop_key")) == "canary-stored-2"
    assert secrets.versions(_ref(secret="shop_key")) == ["canary-stored-2", "canary-stored-1"]
    assert scrub("canary-stored-1 canary-stored-2") == "*** ***"


def test_a_secret_that_is_not_set_names_variable_and_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_TEST_KEY", raising=False)
    with pytest.raises(ConfigError) as caught:
        Secrets().resolve(_ref())
    assert caught.value.message == (
        "environment variable SOME_TEST_KEY is not set (accounts.shop.api_key)"
    )


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        (Secrets(Stored()), "stored secret shop_key does not exist (accounts.shop.api_key)"),
        (Secrets(), "stored secret shop_key cannot be read without the ledger"),
        (Secrets(Stored(("canary-good-1", "canary bäd"))), "stored secret shop_key holds white"),
    ],
)
def test_a_stored_secret_that_cannot_be_used_is_named_with_its_path(
    secrets: Secrets, words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        secrets.resolve(_ref(secret="shop_key"))
    assert caught.value.message.startswith(words)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    ["canary7", " canary-value-2", "canary-value-3\n", "canary\r\nX: y-4", "canary-välue-5"],
)
def test_a_value_that_cannot_be_a_secret_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("SOME_TEST_KEY", value)
    with pytest.raises(ConfigError) as caught:
        Secrets().resolve(_ref())
    assert "canary" not in str(caught.value)
    assert "accounts.shop.api_key" in str(caught.value)
    assert value.strip() not in scrub(f"it said {value}")


def test_a_reference_shows_the_name_only() -> None:
    assert str(_ref()) == "{env: SOME_TEST_KEY}"
    assert str(_ref(secret="shop_key")) == "{secret: shop_key}"


def test_every_reference_of_a_configuration_is_found_with_its_place(tmp_path: Path) -> None:
    text = VALID.replace(
        "{env: TRACK_A_KEY}",
        "{secret: track_a}\n    api_secret: {secret: track_a_pair}\n    signing: tracker_doc",
    )
    settings = load(tmp_path, text + "alerts: {targets: [{env: ALERT_URL}, {secret: pager}]}\n")
    assert [(one.path, str(one.ref), one.account) for one in references(settings)] == [
        ("accounts.track_a.api_key", "{secret: track_a}", "track_a"),
        ("accounts.track_a.api_secret", "{secret: track_a_pair}", "track_a"),
        ("accounts.track_b.api_key", "{env: TRACK_B_KEY}", "track_b"),
        ("accounts.pas_a.auth.key", "{env: PAS_A_KEY}", "pas_a"),
        ("alerts.targets[0]", "{env: ALERT_URL}", ""),
        ("alerts.targets[1]", "{secret: pager}", ""),
    ]
    assert [one.ref.where for one in references(settings)] == [
        one.path for one in references(settings)
    ]


def test_of_many_secrets_every_one_is_masked_whole_whatever_others_are_in_it() -> None:
    long, inner = "canary-long-77-inner-88-end", "77-inner-88"
    register_secret(inner)
    for number in range(50):  # in between, so that the two are not looked for together
        register_secret(f"canary-of-many-{number:02}")
    register_secret(long)
    said = " ".join(["it", *(f"canary-of-many-{n:02}" for n in range(50)), long, f"x{inner}y"])
    assert scrub(said) == " ".join(["it", *["***"] * 51, "x***y"])
    assert scrub(f"{long}{inner}") == "******"
