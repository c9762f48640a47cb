"""Whose listings they are: platform ids that had several SKUs, channels that had other accounts."""

from __future__ import annotations

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.identity import told_by_others, told_last
from marketsync_dagster.ledger.listings import Source, acknowledge

HERE = "pasons|pasons.example|"


def tell(
    ledger: Ledger,
    number: int,
    *items: tuple[str, str],
    outlet: str = "west",
    account: str = "a",
    target: str = HERE,
    at: str = "2026-11-21T06:00:00.000Z",
) -> None:
    """A push of these (SKU, platform id)."""
    source = Source(outlet, "pasons", account, target, "x1", at, f"push-{number}")
    rows = [(*item, 100, "KES", "in_stock", 5, "applied", "", 2) for item in items]
    with ledger.begin() as connection:
        acknowledge(connection, source, 1, rows, at)


def test_a_platform_id_is_of_the_sku_under_which_it_was_told_last_whatever_the_clock_says(
    ledger: Ledger,
) -> None:
    tell(ledger, 1, ("a", "p"), ("b", "q"), ("c", "r"), ("d", "s"))
    tell(ledger, 2, ("new a", "p"), at="2026-11-21T08:00:00.000Z")
    tell(ledger, 3, ("b", "q"), ("new b", "q"), at="2026-11-21T08:00:00.000Z")
    tell(ledger, 4, ("a", "p"), ("b", "q"), at="2026-11-20T06:00:00.000Z")  # it was set back
    tell(ledger, 5, ("new c", "r"), target="another place")
    tell(ledger, 6, ("new d", "s"), outlet="east")
    tell(ledger, 7, ("other d", "s"), account="other")
    assert told_last(ledger, "west", "pasons", HERE, "a") == {"p": "a", "q": "b"}


def test_listings_that_another_account_was_told_are_named(ledger: Ledger) -> None:
    tell(ledger, 1, ("a", "p"), ("b", "q"))
    tell(ledger, 2, ("b", "q"), ("c", "r"), account="other")
    tell(ledger, 3, ("d", "s"), outlet="east")
    assert told_by_others(ledger, "west", "pasons", "a") == {"b", "c"}
    assert told_by_others(ledger, "west", "pasons", "other") == {"a"}
