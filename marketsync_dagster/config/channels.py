"""The section `channels`: what one outlet shows on one account, and what may stop it."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, Self

from pydantic import Field, model_validator

from marketsync_dagster.config.problems import Problem
from marketsync_dagster.config.scalars import (
    ExactDecimal,
    FilePath,
    Name,
    Number,
    Section,
    Share,
    Whole,
)


class MappingSettings(Section):
    """How POS SKUs find the platform's ids, in the order file, sync, SKU, GTIN, identity."""

    file: FilePath | None = None
    by: list[Literal["sku", "gtin"]] = Field(default_factory=lambda: ["sku", "gtin"])
    identity: Literal["sku", "barcode"] | None = None
    """The platform has no catalogue to look in: its id is our SKU, or our barcode."""


class StockSettings(Section):
    limited_below: Whole = Field(default=0, ge=0)
    """A quantity below this, and above zero, is limited stock; 0: never."""
    buffer: Whole = Field(default=0, ge=0)
    """Units kept back for the shop floor."""
    missing: Literal["in_stock", "out_of_stock"] = "in_stock"
    """What an extract means that has neither a quantity nor a stock status for a row."""


class PricingSettings(Section):
    """From the POS price to the channel's: markup, then rounding, then the minimum."""

    markup_percent: ExactDecimal = Decimal(0)
    round_to: ExactDecimal | None = None
    rounding: Literal["half_up", "up", "down"] = "half_up"
    minimum: ExactDecimal | None = None
    use_promo: bool = True

    @model_validator(mode="after")
    def _figures_make_sense(self) -> Self:
        if not -100 < self.markup_percent <= 1000:
            raise Problem("expected more than -100 and at most 1000", ("markup_percent",))
        if self.round_to is not None and self.round_to <= 0:
            raise Problem("expected a step above 0", ("round_to",))
        if self.minimum is not None and self.minimum < 0:
            raise Problem("expected 0 or more", ("minimum",))
        return self


class GuardSettings(Section):
    """What stops a row or a plan (DESIGN section 6)."""

    max_price_fall: Share = 0.5
    max_price_rise: Number = Field(default=1.0, ge=0)
    max_changed_share: Share = 0.4
    max_out_of_stock_share: Share = 0.2
    max_shrink: Share = 0.2
    max_held_rows: Whole = Field(default=50, ge=0)
    window_hours: Number | None = Field(default=24, ge=0, le=48)
    """Over so many hours the plans of a channel are judged like one; 0 or null: each by itself.
    What was sent is kept in full for 48 hours at least."""
    min_rows: Whole = Field(default=20, ge=0)
    """Share rules need at least this many rows to mean anything."""
    initial: Literal["approve", "auto"] = "approve"


class Channel(Section):
    """One outlet on one account."""

    outlet: Name
    account: Name
    location: str | None = None
    store_id: str | None = Field(default=None, min_length=1)
    push_enabled: bool = False
    auto_push: bool = False
    mapping: MappingSettings = MappingSettings()
    stock: StockSettings = StockSettings()
    pricing: PricingSettings = PricingSettings()
    guard: GuardSettings = GuardSettings()
