"""What a seed says of one client of Qikink: its credentials, which API it speaks, its options.

Contract section 5. `real` is the API that public clients run against, `spec` the one that the
integration document describes; what neither settles is an option with a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from marketsync_dagster.sandbox.accounts import RETRY_AFTER, Reader, SeedError

REAL, SPEC = "real", "spec"
FLOWS: Mapping[str, tuple[str, ...]] = {
    REAL: (
        "To be Printed",
        "Ready to Ship",
        "Picked Up",
        "In-Transit",
        "Out For Delivery",
        "Delivered",
    ),
    SPEC: (
        "created",
        "synced",
        "processing",
        "ready_to_ship",
        "shipped",
        "out_for_delivery",
        "delivered",
    ),
}
AWB_FROM = {REAL: "Ready to Ship", SPEC: "ready_to_ship"}


@dataclass(frozen=True, slots=True, repr=False)
class QikinkAccount:
    """One client id."""

    client_id: str
    secrets: tuple[str, ...]
    """The client secret, and the one before it while both are good; they sign, too."""
    profile: str
    prefix: str
    """Before our number in Qikink's."""
    per_minute: int | None
    retry_after: str
    expires_in: int
    """Seconds that a token lives."""
    one_token: bool
    """A new token kills the one before."""
    refused_by: str
    """What a dead token gets: `http` (401) or `body` (200 with an error)."""
    errors: str
    """How a refusal looks: `http`, or HTTP 200 with `error`, `success: false`, `status_code`."""
    duplicates: str
    """An order number that is there already: `refuse` or `create` (once more)."""
    idempotency: str
    """`key`: an Idempotency-Key is honoured (spec)."""
    single: str
    """`?id=` answers an `array` or an `object` (real)."""
    numbers: str
    """Numbers in answers: `mixed` (as seen), all `string`, all `number` (real)."""
    missing: str
    """`?id=` of nothing: `empty` or `error` (real)."""
    no_awb: str
    """`shipping` before there is an AWB: `empty` texts, `null`s, or `absent` (real)."""
    skus: frozenset[str] | None
    """The client's own products; None: any."""
    step_s: float
    """Seconds from one status to the next; 0: only by the control API."""
    flow: tuple[str, ...]
    awb_from: str
    """The status with which an order gets its AWB."""
    list_lag_s: float
    """So much later does a new order come into the list (real)."""
    page_size: int
    utc_offset_min: int
    """Of the days by which the list is filtered (real)."""
    signing: str
    """`none` or `canonical_v1` (spec)."""
    max_items: int
    """Products in one sync (spec)."""
    down: bool
    """Every call gets a 503."""
    document: dict[str, Any]
    """The seed it was made from, merged: what a state file keeps."""

    @property
    def awb_step(self) -> int:
        """The place of `awb_from` in the flow."""
        return self.flow.index(self.awb_from)


def account_from(document: Any, place: str) -> QikinkAccount:
    """One entry of `qikink.accounts`; SeedError names the place."""
    reader = Reader(document, place)
    profile = reader.choice("profile", (REAL, SPEC), REAL)
    real = profile == REAL
    secrets = (reader.text("client_secret"), reader.optional("previous_secret"))
    skus, flow = reader.take("skus", (list, type(None)), None), reader.take("flow", list, None)
    for name, texts in (("skus", skus), ("flow", flow)):
        if texts is not None and not all(isinstance(text, str) and text for text in texts):
            raise SeedError(f"{place}.{name}: texts were expected")
    flow = tuple(FLOWS[profile] if flow is None else flow)
    usual = AWB_FROM[profile] if AWB_FROM[profile] in flow else flow[-1] if flow else ""
    account = QikinkAccount(
        client_id=reader.text("client_id"),
        secrets=tuple(secret for secret in secrets if secret),
        profile=profile,
        prefix=reader.text("prefix", "654367"),
        per_minute=reader.number("per_minute", 30 if real else None),
        retry_after=reader.choice("retry_after", RETRY_AFTER, "none" if real else "header"),
        expires_in=reader.number("expires_in", 3_600) or 0,
        one_token=reader.choice("tokens", ("one", "many"), "one" if real else "many") == "one",
        refused_by=reader.choice("token_errors", ("http", "body"), "http"),
        errors=reader.choice("errors", ("http", "error", "success", "status_code"), "http"),
        duplicates=reader.choice(
            "duplicates", ("refuse", "create"), "refuse" if real else "create"
        ),
        idempotency=reader.choice("idempotency", ("none", "key"), "none"),
        single=reader.choice("single", ("array", "object"), "array"),
        numbers=reader.choice("numbers", ("mixed", "string", "number"), "mixed"),
        missing=reader.choice("missing", ("empty", "error"), "empty"),
        no_awb=reader.choice("no_awb", ("empty", "null", "absent"), "empty"),
        skus=None if skus is None else frozenset(skus),
        step_s=_seconds(reader, "step_s", place),
        flow=flow,
        awb_from=reader.choice("awb_from", flow, usual),
        list_lag_s=_seconds(reader, "list_lag_s", place),
        page_size=reader.number("page_size", 10) or 10,
        utc_offset_min=max(-1_440, min(reader.take("utc_offset_min", int, 330), 1_440)),
        signing=reader.choice("signing", ("none", "canonical_v1"), "none"),
        max_items=reader.number("max_items", 100) or 100,
        down=reader.take("down", bool, False),
        document=dict(document),
    )
    reader.finish()
    return account


def _seconds(reader: Reader, name: str, place: str) -> float:
    value = float(reader.take(name, (int, float, Decimal), 0))
    if not 0 <= value <= 1e9:
        raise SeedError(f"{place}.{name}: is out of range")
    return value
