"""The parts of a Mirakl account: how offers are named and filled, how calls are paced, and how long
imports are waited for (contract section 6)."""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from marketsync_dagster.config.orders import OrderSettings
from marketsync_dagster.config.problems import Problem
from marketsync_dagster.config.scalars import FilePath, Number, Section, Whole

PLACES = ("sku", "outlet", "store_id")
"""What `offer_sku` may be made of."""


def offer_sku_pattern(text: str) -> str:
    """`text` if it can name offers: `{sku}` once, and nothing that would break Mirakl's files."""
    names = re.findall(r"\{([^{}]*)\}", text)
    plain = re.sub(r"\{[^{}]*\}", "", text)
    if any(name not in PLACES for name in names) or names.count("sku") != 1:
        raise ValueError("expected {sku} once, and perhaps {outlet} or {store_id}")
    if not re.fullmatch(r"[A-Za-z0-9._ -]*", plain):
        raise ValueError("expected letters, digits, '.', '_' and '-' around the places")
    return text


def around_sku(template: str, outlet: str, store_id: str | None) -> tuple[str, str]:
    """What stands before and after the SKU in the names of an outlet's offers."""
    filled = template.replace("{outlet}", outlet).replace("{store_id}", store_id or "")
    before, _, after = filled.partition("{sku}")
    return before, after


class MiraklOffer(Section):
    """What every offer of the account says besides product, price and quantity. OF24 replaces an
    offer whole: what is said neither here nor in `categories` is reset to its default."""

    state_code: str = Field(default="11", min_length=1)
    """The condition, as the operator numbers them (OF61); 11 is usually new."""
    description: str | None = None
    leadtime_to_ship: Whole | None = Field(default=None, ge=0)
    """Days."""
    logistic_class: str | None = None
    min_quantity_alert: Whole | None = Field(default=None, ge=0)
    product_tax_code: str | None = None
    additional_fields: dict[str, str] = Field(default_factory=dict)
    """Code -> value of the operator's own fields."""

    def fields(self) -> dict[str, Any]:
        """These fields as OF24 has them; without those that nobody says."""
        said = self.model_dump(exclude_none=True, exclude={"additional_fields"})
        if self.additional_fields:
            said["offer_additional_fields"] = [
                {"code": code, "value": value}
                for code, value in sorted(self.additional_fields.items())
            ]
        return said


class MiraklCalls(Section):
    """Least seconds between two calls of a kind, for all processes together (contract 6.3)."""

    offers_s: Number = Field(default=60, ge=0)
    """OF24."""
    offers_status_s: Number = Field(default=60, ge=0)
    """OF02 and OF04."""
    offers_report_s: Number = Field(default=60, ge=0)
    """OF03."""
    prices_s: Number = Field(default=60, ge=0)
    """PRI01."""
    prices_status_s: Number = Field(default=60, ge=0)
    """PRI02."""
    prices_report_s: Number = Field(default=60, ge=0)
    """PRI03."""
    stock_s: Number = Field(default=60, ge=0)
    """STO01."""
    stock_status_s: Number = Field(default=15, ge=0)
    """STO02."""
    stock_report_s: Number = Field(default=60, ge=0)
    """STO03."""
    orders_s: Number = Field(default=60, ge=0)
    """OR11, the first page of each pull."""

    def intervals(self) -> dict[str, float]:
        """Family of calls (`offers`, `offers_status`, ...) -> least seconds between two."""
        return {name.removesuffix("_s"): value for name, value in self.model_dump().items()}


class MiraklImports(Section):
    """How long imports are waited for."""

    wait_s: Number = Field(default=900, ge=0)
    """So long a run goes on asking; what has not ended by then is asked for by the next run."""
    deadline_s: Number = Field(default=7200, gt=0)
    """After so long an import counts as lost: its rows are unknown, and go again."""
    first_look_s: Number = Field(default=0, ge=0)
    """Before the first look at an import; 0: as soon as the calls allow it."""

    @model_validator(mode="after")
    def _waits_within_the_deadline(self) -> Self:
        if self.wait_s > self.deadline_s:
            raise Problem(f"expected at most deadline_s ({self.deadline_s:g})", ("wait_s",))
        return self


class MiraklParts(Section):
    """Everything that a Mirakl account says besides address, key and quota."""

    shop_id: Whole | None = Field(default=None, ge=1)
    """Needed where the key's user has several shops."""
    offer_sku: str = "{sku}"
    """How the offers of a channel are named: `{sku}`, `{outlet}-{sku}`, `{store_id}-{sku}`. With
    several channels on the account each must have names of its own."""
    offer: MiraklOffer = MiraklOffer()
    categories: FilePath | None = None
    """A CSV file: our category, Mirakl's code, and perhaps fields of the offer by category. With
    it, products of a category that is not in it are not offered."""
    references: list[Literal["EAN", "UPC"]] = Field(default_factory=lambda: ["EAN", "UPC"])
    """As which kinds of reference barcodes are asked for (P31)."""
    price_import: bool = True
    """The operator takes PRI01; false: changed prices go with the whole offer (OF24)."""
    stock_import: bool = True
    """The operator takes STO01; false: changed stock goes with the whole offer (OF24)."""
    batch: Whole = Field(default=1_000, ge=1, le=100_000)
    """Offers in one OF24."""
    max_bytes: Whole = Field(default=5_000_000, ge=10_000)
    """Bytes of one OF24."""
    file_lines: Whole = Field(default=50_000, ge=1)
    """Lines in one PRI01 or STO01."""
    unknown_quantity: Whole = Field(default=1, ge=0)
    """The quantity of a product that is in stock while nobody says how many there are."""
    warehouse: str | None = Field(default=None, min_length=1)
    """`warehouse-code` of STO01, where the operator uses warehouses."""
    calls: MiraklCalls = MiraklCalls()
    imports: MiraklImports = MiraklImports()
    orders: OrderSettings | None = None
    """How the shop's orders are pulled and decided; null: they are not."""
    several_parcels: bool = False
    """The operator takes ST01: parts of an order, several parcels (multi-shipment)."""
    partial_acceptance: bool = False
    """The operator lets some lines of an order be refused while others are taken."""
    accept_hours: Number | None = Field(default=None, gt=0)
    """After so long the operator refuses what nobody has accepted; null: nobody knows, the API does
    not tell."""
    settle_s: Number = Field(default=60, ge=0)
    """What was done to an order may be missing from what is read for so long: what must not be done
    twice (a parcel, a refund) is looked up after that."""

    @field_validator("offer_sku")
    @classmethod
    def _names_offers(cls, text: str) -> str:
        return offer_sku_pattern(text)
