"""What is said of orders: how they are pulled and decided (`accounts.x.orders`), the retailer's own
shops (`shops`), which lines go where (`routes`), and how tills get them (`outlets.x.orders`)."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from marketsync_dagster.config.problems import Problem
from marketsync_dagster.config.reading import Texts, one_or_more
from marketsync_dagster.config.scalars import (
    Currency,
    ExactDecimal,
    FilePath,
    Name,
    Number,
    Section,
    Whole,
)

POS = "pos"
"""What a route says where lines go to the till of their outlet."""
OWN_SHOP = "own_shop"
"""The platform of the retailer's own shops."""

Doubt = Literal["stock", "address", "value"]
"""Rules of acceptance that can fail, besides lines that are not mapped, which always hold."""


class Served(Section):
    """Where orders are sent to; empty: everywhere."""

    countries: list[str] = Field(default_factory=list)
    """ISO 3166-1, two letters."""
    zips: list[str] = Field(default_factory=list)
    """Patterns such as `M5*`; of one country or more."""

    @field_validator("countries")
    @classmethod
    def _are_codes(cls, countries: list[str]) -> list[str]:
        for index, code in enumerate(countries):
            if not re.fullmatch(r"[A-Z]{2}", code):
                raise Problem("expected a two-letter country code such as KE", (index,))
        return countries


class OrderSettings(Section):
    """How the orders of one account are pulled and decided."""

    first_days: Number = Field(default=30, gt=0)
    """How far back the first pull goes."""
    overlap_s: Number = Field(default=300, ge=0)
    """Each pull begins so long before the end of the last one."""
    accept: Literal["manual", "auto", "platform"] = "manual"
    """auto: what passes every rule is accepted; what does not waits for a person, or is refused.
    platform: it accepts by itself; nothing is decided here, and what it has taken is taken."""
    refuse: list[Doubt] = Field(default_factory=list)
    """Rules whose failure refuses an order, with `accept: auto`, instead of holding it."""
    stock: bool = True
    """There must be enough at the outlet, net of what other open orders have reserved."""
    served: Served = Served()
    below: ExactDecimal | None = Field(default=None, gt=0)
    """Orders of this value and more wait for a person."""
    partial: bool = False
    """Where the platform allows it: take the lines that pass and refuse the others."""
    warn_minutes: Whole = Field(default=120, ge=0)
    """People are told so long before a deadline."""
    held_hours: Number = Field(default=24, gt=0)
    """An order that waits longer for a person is told of."""
    leave_hours: Number = Field(default=72, gt=0)
    """An order that its destination has for longer, and that has not left, is told of."""
    forward_hours: Number = Field(default=1, gt=0)
    """What could be at its destination for longer, and is not, is told of."""
    tell_hours: Number = Field(default=1, gt=0)
    """What the platform could know for longer, and does not, is told of."""
    debit_hours: Number = Field(default=72, gt=0)
    """The same of what has left before the platform wants it shipped, which waits for a debit."""
    deliver_hours: Number = Field(default=72, gt=0)
    """A delivery that failed longer ago, and of which nothing was told since, is told of."""
    reserve: bool = True
    """What open orders have sold is taken off the stock that is shown elsewhere."""
    carriers: dict[str, str] = Field(default_factory=dict)
    """Carrier as destinations and people call it -> the platform's code for it."""
    cancel_reason: str = ""
    """The platform's reason code for cancellations, where it wants one and nobody names another."""
    refund_reason: str = ""


class OwnShop(Section):
    """A shop of the retailer's own that drops its orders as JSON files into a folder."""

    folder: FilePath
    pattern: str = Field(default="*.json", min_length=1)
    outlet: Name | None = None
    """Whose orders they are where the file does not say; null: files say it."""
    currency: Currency | None = None
    """Of amounts without one; default: the outlet's."""
    prefix: str = "WEB"
    """Before the numbers of orders that have none: WEB-000001."""
    updates: FilePath | None = None
    """Folder where what becomes of orders is told to the shop, a file each; null: nowhere."""
    settle_s: Number = Field(default=2, ge=0)
    """A file that changed less than so long ago is still being written."""
    group_reads: bool = False
    """Updates are for another user of the folder's group; else for this user alone."""
    orders: OrderSettings = OrderSettings()

    @property
    def platform(self) -> str:
        """As in asset keys and listings of orders."""
        return OWN_SHOP

    @field_validator("orders")
    @classmethod
    def _is_decided_here(cls, orders: OrderSettings) -> OrderSettings:
        if orders.accept == "platform":
            words = "expected manual or auto: a shop's files do not tell that an order was accepted"
            raise Problem(words, ("accept",))
        return orders

    @field_validator("pattern")
    @classmethod
    def _is_of_names(cls, text: str) -> str:
        if "/" in text or "\\" in text:
            raise ValueError("expected a pattern of names such as *.json, without folders")
        return text

    @field_validator("prefix")
    @classmethod
    def _is_short(cls, text: str) -> str:
        if not re.fullmatch(r"[A-Z0-9]{0,8}", text):
            raise ValueError("expected at most 8 capital letters and digits")
        return text


class Route(Section):
    """Which lines go where. The first route that fits a line takes it; every condition must hold,
    and one that is not said holds."""

    to: Name
    """`pos`, the till of the line's outlet, or an account that fulfils orders (Qikink)."""
    account: Annotated[Texts, one_or_more("accounts or shops")] = Field(default_factory=list)
    outlet: Annotated[Texts, one_or_more("outlets")] = Field(default_factory=list)
    sku: Annotated[Texts, one_or_more("patterns of SKUs")] = Field(default_factory=list)
    """Patterns such as `POD-*`; upper and lower case differ."""
    tag: Annotated[Texts, one_or_more("tags")] = Field(default_factory=list)
    """One of the order's, or of the product's in the catalog (the column `tags` of its extract);
    upper and lower case are the same."""
    stock: Literal["any", "enough", "short"] = "any"
    """Whether the outlet has enough for the line, net of other open orders."""


class PosDrop(Section):
    """Where a till finds its orders, and where it answers."""

    drop: FilePath
    answers: FilePath | None = None
    """Folder of the till's answers; null: what is dropped counts as acknowledged."""
    format: Literal["json", "csv", "both"] = "json"
    settle_s: Number = Field(default=2, ge=0)
    takes_away: bool = False
    """The till takes a file away when it reads it: what still lies there can be taken back."""
    group_reads: bool = False
    """The till is another user of the folder's group; else files are for this user alone."""
    acknowledge_hours: Number = Field(default=4, gt=0)
    """A drop that is not answered for longer is told of."""
