"""Ordinary days of a supermarket, seeded: promotions, suppliers, noise, sold out and back again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from marketsync_dagster.config.channels import GuardSettings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster_tests.push.simulated import START, Channel, feed_frame

MOST_HELD = 0.01
"""Of the plans of ordinary days fewer are held."""
PRODUCTS = 5_000
CATEGORIES = 20
OPENS, CLOSES = 7, 21


@dataclass(slots=True)
class Shop:
    """A shop with its own luck; `day` changes it as days do, and yields what the till exports."""

    seed: int
    luck: np.random.Generator = field(init=False)
    skus: np.ndarray = field(init=False)
    category: np.ndarray = field(init=False)
    base: np.ndarray = field(init=False)
    """Prices in cents, without promotions."""
    off: np.ndarray = field(init=False)
    """How much of it a promotion takes off."""
    out: np.ndarray = field(init=False)
    """Days until a sold out product is back; 0: it is there."""
    made: int = 0

    def __post_init__(self) -> None:
        self.luck = np.random.default_rng(self.seed)
        self.skus = np.empty(0, dtype="U8")
        self.category, self.out = np.empty(0, dtype=int), np.empty(0, dtype=int)
        self.base, self.off = np.empty(0), np.empty(0)
        self._arrive(PRODUCTS)
        self.out[self._some(0.03)] = 1

    def _arrive(self, count: int) -> None:
        names = np.array([f"{n:06}" for n in range(self.made, self.made + count)])
        self.made += count
        self.skus = np.concatenate([self.skus, names])
        self.category = np.append(self.category, self.luck.integers(0, CATEGORIES, count))
        self.base = np.append(self.base, np.exp(self.luck.normal(9.8, 1.0, count)) + 500)
        self.off, self.out = np.append(self.off, np.zeros(count)), np.append(self.out, [0] * count)

    def _some(self, least: float, most: float | None = None) -> np.ndarray:
        share = self.luck.uniform(least, most or least)
        return self.luck.choice(len(self.skus), int(len(self.skus) * share), replace=False)

    @property
    def feed(self) -> pd.DataFrame:
        """What the till says now; prices end in .00 or .50."""
        prices = np.round(self.base * (1 - self.off) / 50).astype(int) * 50
        status = np.where(self.out > 0, "out_of_stock", "in_stock").astype(object)
        return feed_frame(self.skus, prices, status)

    def day(self, start: datetime) -> Iterator[tuple[datetime, str]]:
        """(time, mode) of each run of the day; the till has moved on before each."""
        yield start + timedelta(hours=2), "full"
        runs = int(self.luck.integers(6, 13))
        self._before_opening(start.toordinal())
        sold_out, dearer = self._some(0.01, 0.03), self._some(0.002, 0.01)
        sold_out_at, dearer_at = (
            self.luck.integers(0, runs, len(some)) for some in (sold_out, dearer)
        )
        for run in range(runs):
            self.out[sold_out[sold_out_at == run]] = self.luck.integers(1, 4)
            some = dearer[dearer_at == run]
            self.base[some] *= self.luck.uniform(0.95, 1.06, len(some))
            hour = OPENS + run * (CLOSES - OPENS) / runs
            yield start + timedelta(hours=hour), "partial"

    def _before_opening(self, number: int) -> None:
        gone = self._some(0.0, 0.003)
        stays = np.ones(len(self.skus), bool)
        stays[gone] = False
        for name in ("skus", "category", "base", "off", "out"):
            setattr(self, name, getattr(self, name)[stays])
        self._arrive(int(self.luck.integers(0, 20)))
        self.out = np.maximum(self.out - 1, 0)
        if number % 7 == 3:  # Thursday: last week's promotions end, this week's begin
            self.off[:] = 0
            promoted = self._some(0.03, 0.08)
            self.off[promoted] = self.luck.choice([0.1, 0.15, 0.2, 0.25, 0.3, 0.4], len(promoted))
        for category in range(CATEGORIES):
            if (number + category) % 30 == 0:  # its supplier's monthly price round
                share = self.luck.uniform(0.1, 0.3)
                of_it = (self.category == category) & (self.luck.random(len(self.skus)) < share)
                self.base[of_it] *= self.luck.uniform(1.05, 1.25, of_it.sum())


@dataclass(slots=True)
class Told:
    """What became of the plans of so many days."""

    days: int
    plans: int = 0
    held: int = 0
    rows: int = 0
    rows_held: int = 0

    def __str__(self) -> str:
        return (
            f"{self.days} ordinary days: {self.held} of {self.plans} plans held "
            f"({self.held / self.plans:.2%}), {self.rows_held} of {self.rows} rows held"
        )


def live_through(days: int, seed: int, ledger: Ledger) -> Told:
    """Push so many days of a shop; what is held is looked at, and approved."""
    shop, told = Shop(seed), Told(days)
    channel = Channel(ledger, GuardSettings.model_validate({"initial": "auto"}))
    channel.push(shop.feed, START - timedelta(days=2), mode="full")
    for number in range(days):
        for at, mode in shop.day(START + timedelta(days=number)):
            plan = channel.plan(shop.feed, at, mode=mode)
            told.plans += 1
            told.held += plan.held
            told.rows += int((plan.rows["change"] != "unchanged").sum())
            told.rows_held += len(plan.held_rows)
            channel.keep(plan, at, decided=plan.held or len(plan.held_rows) > 0)
    return told
