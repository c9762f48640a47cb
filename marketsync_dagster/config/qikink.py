"""The parts of a Qikink account: which of the two interfaces it speaks, and what it is told
(contract section 5)."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from marketsync_dagster.config.reading import Texts, one_or_more
from marketsync_dagster.config.scalars import Name, Number, Section


class QikinkProducts(Section):
    """Which products Qikink is told of (profile `spec`; the real one has no such call)."""

    outlet: Name
    """Whose catalog they are in."""
    sku: Annotated[Texts, one_or_more("patterns of SKUs")] = Field(default_factory=lambda: ["*"])
    manufacturer: str = ""
    """Where the catalog does not say one."""
    origin: str = ""
    """Country of origin, where the catalog does not say one."""


class QikinkParts(Section):
    """Everything that a Qikink account says besides address, secrets and quota."""

    profile: Literal["real", "spec"] = "real"
    token_url: str | None = None
    """Profile spec: where tokens are made; default: /oauth/token beside the /api/v1 of base_url."""
    signing: Literal["none", "canonical_v1"] = "none"
    """Profile spec: whether requests are signed with the client secret."""
    number_prefix: str = "ms"
    """How the numbers of our orders begin there."""
    gateway: Literal["Prepaid", "COD"] = "Prepaid"
    shipping: Literal["0", "1"] = "1"
    """`qikink_shipping`: 1, they ship."""
    idempotency_key: bool = False
    """Profile spec: orders carry an `Idempotency-Key`, and two with the same make one."""
    country: str = "IN"
    """Where an address does not say its country."""
    ask_s: Number = Field(default=600, ge=0)
    """An order's status is asked for at most once in so many seconds."""
    settle_s: Number = Field(default=60, ge=0)
    """A call that timed out may still be at work there for so long: that its order is not there
    counts only then, where the same number sent twice makes two."""
    token_early_s: Number = Field(default=100, ge=0)
    """Tokens are renewed so long before their end."""
    products: QikinkProducts | None = None

    @field_validator("number_prefix")
    @classmethod
    def _fits(cls, text: str) -> str:
        if not re.fullmatch(r"[a-z0-9_]{0,5}", text):
            raise ValueError("expected at most 5 of a-z, 0-9 and _")
        return text
