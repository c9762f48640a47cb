"""The values of secrets, fetched at the moment a run needs them and never at load.

Whoever needs one calls `resolve` with the reference that stands in marketsync.yaml.
"""

from __future__ import annotations

import os

from marketsync_dagster.config.accounts import SecretRef
from marketsync_dagster.values.errors import ConfigError
from marketsync_dagster.values.redact import register_secret

SHORTEST = 8
"""Shorter secrets are refused: masking them would mask ordinary words."""


def resolve(ref: SecretRef) -> str:
    """The secret behind `ref`, which from now on is masked in every text that is scrubbed.

    ConfigError, naming the variable and the path in the file but never the value, where it is not
    set, too short, or not fit for an HTTP header.
    """
    place = f" ({ref.where})" if ref.where else ""
    value = os.environ.get(ref.env, "")
    if not value:
        raise ConfigError(
            f"environment variable {ref.env} is not set{place}",
            f"set it where MarketSync runs: export {ref.env}=...",
        )
    # register before complaining: whatever stands there must not turn up in a log
    register_secret(value)
    register_secret(value.strip())
    if value != value.strip() or not value.isprintable() or not value.isascii():
        raise ConfigError(
            f"environment variable {ref.env} holds white space, line ends or characters beyond "
            f"ASCII{place}",
            "set it to the secret alone",
        )
    if len(value) < SHORTEST:
        raise ConfigError(
            f"environment variable {ref.env} holds fewer than {SHORTEST} characters{place}",
            "set it to the whole secret",
        )
    return value
