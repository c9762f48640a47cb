"""What was last offered of each product, told apart by channel and by SKU."""

from __future__ import annotations

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.products import (
    OfferedProduct,
    offered_fingerprints,
    record_offered,
)
from marketsync_dagster.values.outcomes import Outcome


def offered(*pairs: tuple[str, str]) -> list[OfferedProduct]:
    return [OfferedProduct(sku, said, Outcome.APPLIED) for sku, said in pairs]


def test_fingerprints_are_those_of_the_last_offers_of_one_channel(ledger: Ledger) -> None:
    assert offered_fingerprints(ledger, "westlands", "mirakl") == {}
    record_offered(ledger, "westlands", "mirakl", offered(("A", "1"), ("'B\"", "2"), ("C", "3")))
    record_offered(ledger, "westlands", "mirakl", offered(("A", "4")))
    record_offered(ledger, "kisumu", "mirakl", offered(("A", "5")))
    record_offered(ledger, "westlands", "tracker_ke", offered(("A", "6")))
    found = offered_fingerprints(ledger, "westlands", "mirakl")
    assert found == {"A": "4", "'B\"": "2", "C": "3"}
    some = offered_fingerprints(ledger, "westlands", "mirakl", ["C", "'B\"", "nobody"])
    assert some == {"'B\"": "2", "C": "3"}
    assert offered_fingerprints(ledger, "westlands", "mirakl", []) == {}
