"""How old the keys of the accounts are, by what is stored and what the configuration says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from marketsync_dagster.config.accounts import SecretRef
from marketsync_dagster.config.secrets import STALE_DAYS, references
from marketsync_dagster.ledger.credentials import StoredSecret, stored_secrets
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.values.times import utcnow

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings


@dataclass(frozen=True, slots=True)
class CredentialAge:
    """How old the key at one place of an account is."""

    account: str
    path: str
    """The place in marketsync.yaml, `accounts.tracker_demo.api_key`."""
    days: int | None
    """None: nobody has said."""
    source: str
    """Who says so: `rotated_on`, or `stored secret NAME`; else what would have to say it."""
    next_step: str

    @property
    def stale(self) -> bool:
        """Older than keys should become."""
        return self.days is not None and self.days > STALE_DAYS


def credential_ages(settings: Settings, ledger: Ledger) -> list[CredentialAge]:
    """The age of every key of every account, in the order of the configuration.

    Of a stored secret its own time, of an environment variable the account's `rotated_on`.
    """
    now = utcnow()
    newest: dict[str, StoredSecret] = {}
    if any(one.account and one.ref.secret for one in references(settings)):
        for row in stored_secrets(ledger):
            newest.setdefault(row.name, row)
    return [
        _age(one.account, one.path, one.ref, settings, newest, now)
        for one in references(settings)
        if one.account
    ]


def _age(
    account: str,
    path: str,
    ref: SecretRef,
    settings: Settings,
    newest: dict[str, StoredSecret],
    now: datetime,
) -> CredentialAge:
    if ref.secret is not None:
        row = newest.get(ref.secret)
        days = row.age_days(now) if row else None
        return CredentialAge(account, path, days, ref.words, ref.how_to_set)
    rotated_on = settings.accounts[account].rotated_on
    step = f"make a new key at the platform, set {ref.env}, and write accounts.{account}.rotated_on"
    if rotated_on is None:
        return CredentialAge(account, path, None, "rotated_on is not set", step)
    days = (now.date() - date.fromisoformat(rotated_on)).days
    return CredentialAge(account, path, max(0, days), "rotated_on", step)
