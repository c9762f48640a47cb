"""The values of secrets, fetched at the moment a run needs them and never at load.

A reference in marketsync.yaml names an environment variable or a stored secret. Whoever needs the
value asks a `Secrets`; where stored ones are kept is a `Vault`'s business (`ledger.credentials`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from marketsync_dagster.config.accounts import SecretRef
from marketsync_dagster.config.problems import At, path_text
from marketsync_dagster.values.errors import ConfigError
from marketsync_dagster.values.redact import register_secret

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings

SHORTEST = 8
"""Shorter secrets are refused: masking them would mask ordinary words."""
STALE_DAYS = 90
"""Keys older than this are named wherever keys are looked at."""


class Vault(Protocol):
    """Where stored secrets are kept."""

    def values(self, name: str) -> list[str]:
        """The usable values of a stored secret, newest first; empty if there is none.

        ConfigError where they cannot be decrypted here.
        """
        ...


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """What references stand for. Without a vault only environment variables can be read.

    Stored secrets are as they were when the first of them was asked for: make a new one per run.
    """

    vault: Vault | None = None

    def resolve(self, ref: SecretRef) -> str:
        """The secret behind `ref`, the newest where two overlap; masked in every text that is
        scrubbed from now on.

        ConfigError, naming where it is looked for and the path in the file but never the value,
        where there is none, or where it is too short or not fit for an HTTP header.
        """
        return self.versions(ref)[0]

    def versions(self, ref: SecretRef) -> list[str]:
        """Every usable value behind `ref`, newest first, at least one; raises as `resolve`."""
        place = f" ({ref.where})" if ref.where else ""
        if ref.env is not None:
            found = [os.environ.get(ref.env, "")]
            if not found[0]:
                raise ConfigError(
                    f"{ref.words} is not set{place}",
                    f"set it where MarketSync runs: {ref.how_to_set}",
                )
        else:
            if self.vault is None:
                raise ConfigError(f"{ref.words} cannot be read without the ledger{place}")
            found = self.vault.values(ref.secret or "")
            if not found:
                raise ConfigError(f"{ref.words} does not exist{place}", ref.how_to_set)
        for value in found:
            check_value(value, ref.words, place)
        return found


def check_value(value: str, what: str, place: str = "") -> None:
    """ConfigError where `value`, which is `what`, cannot be a secret; masked from now on."""
    # register before complaining: whatever stands there must not turn up in a log
    register_secret(value)
    register_secret(value.strip())
    if value != value.strip() or not value.isprintable() or not value.isascii():
        raise ConfigError(
            f"{what} holds white space, line ends or characters beyond ASCII{place}",
            "set it to the secret alone",
        )
    if len(value) < SHORTEST:
        raise ConfigError(
            f"{what} holds fewer than {SHORTEST} characters{place}", "set it to the whole secret"
        )


@dataclass(frozen=True, slots=True)
class Reference:
    """One place in marketsync.yaml that refers to a secret."""

    at: At
    ref: SecretRef
    account: str = ""
    """Empty where it belongs to none."""

    @property
    def path(self) -> str:
        """The place as people write it, `accounts.tracker_demo.api_key`."""
        return path_text(self.at)


def references(settings: Settings) -> Iterator[Reference]:
    """Every reference to a secret in the configuration, in its order."""
    for name, account in settings.accounts.items():
        for at, ref in account.secret_references():
            yield Reference(("accounts", name, *at), ref, name)
    for name, source in settings.sources.items():
        for at, ref in source.references():
            yield Reference(("sources", name, *at), ref)
    for index, target in enumerate(settings.alerts.targets):
        yield Reference(("alerts", "targets", index), target)
