"""Ids that platforms gave to products: one id per SKU and one SKU per id."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert
from sqlalchemy.exc import IntegrityError

from marketsync_dagster.ledger import tables
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.mappings import (
    MappingConflict,
    SyncedProduct,
    record_mappings,
    synced_ids,
)


def ids(ledger: Ledger, scope: str = "s") -> dict[str, str]:
    return {sku: found[0] for sku, found in synced_ids(ledger, scope).items()}


def pairs(**given: str) -> list[SyncedProduct]:
    return [SyncedProduct(sku, platform_id) for sku, platform_id in given.items()]


def test_ids_are_kept_with_barcode_and_name_per_scope(ledger: Ledger) -> None:
    row = SyncedProduct("001", "p1", "5449000000996", "Cola", "created")
    assert record_mappings(ledger, "s", [row]) == []
    assert synced_ids(ledger, "s") == {"001": ("p1", "5449000000996", "Cola")}
    assert synced_ids(ledger, "other") == {}
    record_mappings(ledger, "other", [SyncedProduct("002", "p1")])
    assert ids(ledger, "other") == {"002": "p1"}


def test_an_id_that_another_sku_holds_stays_there_and_the_rest_is_taken(ledger: Ledger) -> None:
    record_mappings(ledger, "s", pairs(a="1"))
    conflicts = record_mappings(ledger, "s", pairs(b="1", c="3"))
    assert conflicts == [MappingConflict("b", "1", "a")]
    assert ids(ledger) == {"a": "1", "c": "3"}


def test_an_id_that_comes_twice_stays_with_its_holder_or_else_with_the_first(
    ledger: Ledger,
) -> None:
    assert record_mappings(ledger, "s", pairs(a="1", b="1")) == [MappingConflict("b", "1", "a")]
    assert record_mappings(ledger, "s", pairs(c="1", a="1")) == [MappingConflict("c", "1", "a")]
    assert ids(ledger) == {"a": "1"}


def test_two_skus_can_exchange_their_ids(ledger: Ledger) -> None:
    record_mappings(ledger, "s", pairs(a="1", b="2"))
    assert record_mappings(ledger, "s", pairs(a="2", b="1")) == []
    assert ids(ledger) == {"a": "2", "b": "1"}


def test_an_id_that_was_left_can_be_taken_in_the_same_breath(ledger: Ledger) -> None:
    record_mappings(ledger, "s", pairs(a="1", b="2"))
    conflicts = record_mappings(ledger, "s", pairs(b="1", c="2"))
    assert conflicts == [MappingConflict("b", "1", "a")]
    assert ids(ledger) == {"a": "1", "c": "2"}


def test_the_database_itself_refuses_one_id_for_two_skus(ledger: Ledger) -> None:
    record_mappings(ledger, "s", pairs(a="1"))
    row = {"scope": "s", "sku": "b", "platform_id": "1"}
    rest = {"barcode": "", "name": "", "action": "", "at": ""}
    with pytest.raises(IntegrityError), ledger.begin() as conn:
        conn.execute(insert(tables.sku_mapping), row | rest)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("1234")), max_size=5),
        max_size=4,
    )
)
def test_whatever_platforms_say_ids_stay_unique_and_every_row_is_taken_or_named(
    ledger: Ledger, rounds: list[list[tuple[str, str]]]
) -> None:
    with ledger.begin() as conn:
        conn.execute(delete(tables.sku_mapping))
    for said in rounds:
        rows = [SyncedProduct(sku, platform_id) for sku, platform_id in said]
        conflicts = {c.sku: c for c in record_mappings(ledger, "s", rows)}
        kept = ids(ledger)
        assert len(set(kept.values())) == len(kept)
        for sku, platform_id in dict(said).items():
            if sku in conflicts:
                assert kept[conflicts[sku].held_by] == conflicts[sku].platform_id == platform_id
            else:
                assert kept[sku] == platform_id
