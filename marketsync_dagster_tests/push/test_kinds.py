"""As which import each row of a plan goes: a change alone only where the platform is known to show
all the rest, the whole offer everywhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsync_dagster.config.channels import GuardSettings
from marketsync_dagster.platforms.base import ImportKind
from marketsync_dagster.push.decisions import _let_go
from marketsync_dagster.push.kinds import (
    ORDER,
    Imports,
    details_differ,
    fingerprint_of,
    kinds_of,
)
from marketsync_dagster.push.plan import (
    Plan,
    PlanOptions,
    make_plan,
    rows_from_parquet,
    rows_to_parquet,
)
from marketsync_dagster_tests.push.builders import base_of, feed_of, listings_of, plan_of, skus

NEW, OLD = '{"state_code":"11"}', '{"state_code":"10"}'
OFFERS, PRICES, STOCK = "offers", "prices", "stock"
NEVER: dict[str, str] = {}


def row(sku: str = "A", **said: Any) -> dict[str, Any]:
    return {"sku": sku, "platform_sku": f"westlands-{sku}", "details": NEW, **said}


def shown(sku: str = "A", **said: Any) -> dict[str, Any]:
    return {"sku": sku, **said}


def planned(
    feed: list[dict[str, Any]],
    listings: list[dict[str, Any]],
    *,
    offered: dict[str, str] | None = None,
    price: bool = True,
    stock: bool = True,
    **options: Any,
) -> Plan:
    """A plan on a platform that takes imports; every SKU was offered as it is unless said."""
    if offered is None:
        offered = {one["sku"]: fingerprint_of(NEW) for one in feed}
    imports = Imports(price, stock, offered)
    return plan_of(feed, listings, imports=imports, compare_quantity=True, **options)


def kinds(plan: Plan) -> dict[str, tuple[str, str]]:
    """SKU -> (change, kind) of what would be sent."""
    rows = plan.to_send
    pairs = zip(rows["change"], rows["import_kind"], strict=True)
    return dict(zip(rows["sku"], pairs, strict=True))


DEARER: dict[str, Any] = {"price_minor": 1100}
FEWER: dict[str, Any] = {"quantity": 4}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any], Any]] = {
    # name: feed row, listing, more, (change, kind) or None
    "nothing differs": (row(), shown(), {}, None),
    "never listed": (row(), None, {}, ("new", OFFERS)),
    "another price": (row(**DEARER), shown(), {}, ("price", PRICES)),
    "another quantity": (row(**FEWER), shown(), {}, ("stock", STOCK)),
    "both": (row(**DEARER, **FEWER), shown(), {}, ("price and stock", OFFERS)),
    "other details": (row(details=OLD), shown(), {}, ("offer", OFFERS)),
    "details that were never offered": (row(), shown(), {"offered": NEVER}, ("offer", OFFERS)),
    "details and price": (row(**DEARER, details=OLD), shown(), {}, ("price", OFFERS)),
    "details and stock": (row(**FEWER, details=OLD), shown(), {}, ("stock", OFFERS)),
    "unknown, another price": (
        row(**DEARER), shown(outcome="unknown"), {}, ("price", OFFERS)),
    "unknown, as it was": (row(), shown(outcome="unknown"), {}, ("sent again", OFFERS)),
    "to be tried again": (row(), shown(outcome="retryable"), {}, ("sent again", OFFERS)),
    "unknown, other details": (
        row(details=OLD), shown(outcome="unknown"), {}, ("sent again", OFFERS)),
    "refused, as it was": (
        row(), shown(outcome="refused", ack_price_minor=900), {}, None),
    "refused, another price": (
        row(**DEARER), shown(outcome="refused", ack_price_minor=900), {}, ("price", OFFERS)),
    "refused, other details": (
        row(details=OLD), shown(outcome="refused", ack_price_minor=900), {}, ("offer", OFFERS)),
    "with the platform": (row(), shown(outcome="accepted_async"), {}, None),
    "with the platform, another price": (
        row(**DEARER), shown(outcome="accepted_async"), {}, ("price", OFFERS)),
    "taken without proof": (
        row(**DEARER), shown(outcome="accepted_unverified"), {}, ("price", PRICES)),
    "another currency": (
        row(**DEARER, currency="USD"), shown(), {"guard": {"max_price_rise": 9}}, None),
    "another product of theirs": (
        row(**DEARER), shown(platform_id="p-old"), {}, ("new", OFFERS)),
    "of another place": (row(**DEARER), shown(target="elsewhere"), {}, ("new", OFFERS)),
    "prices alone are switched off": (
        row(**DEARER), shown(), {"price": False}, ("price", OFFERS)),
    "stock alone is switched off": (row(**FEWER), shown(), {"stock": False}, ("stock", OFFERS)),
    "every row": (row(), shown(), {"mode": "full"}, ("unchanged", OFFERS)),
    "every row, another price": (row(**DEARER), shown(), {"mode": "full"}, ("price", OFFERS)),
    "by name": (row(), shown(), {"skus": ("A",)}, ("unchanged", OFFERS)),
    "by name, another price": (row(**DEARER), shown(), {"skus": ("A",)}, ("price", PRICES)),
    "only the price": (
        row(**DEARER, **FEWER, details=OLD), shown(), {"fields": ("price",)},
        ("price and stock", PRICES)),
    "only the stock": (
        row(**DEARER, **FEWER), shown(), {"fields": ("stock",)}, ("price and stock", STOCK)),
    "only the price, which is as it was": (
        row(**FEWER, details=OLD), shown(), {"fields": ("price",)}, None),
    "only the price, of every row": (
        row(**FEWER), shown(), {"fields": ("price",), "mode": "full"}, ("stock", PRICES)),
    "only the stock, of every row": (
        row(), shown(), {"fields": ("stock",), "mode": "full"}, ("unchanged", STOCK)),
    "only the price, never listed": (row(), None, {"fields": ("price",)}, ("new", OFFERS)),
    "only the price, unknown": (
        row(), shown(outcome="unknown"), {"fields": ("price",)}, ("sent again", OFFERS)),
    "only the price, of every row, unknown": (
        row(), shown(outcome="unknown"), {"fields": ("price",), "mode": "full"},
        ("sent again", OFFERS)),
    "only the price, switched off": (
        row(**DEARER), shown(), {"fields": ("price",), "price": False}, ("price", OFFERS)),
    "price and stock, of which one differs": (
        row(**DEARER, details=OLD), shown(), {"fields": ("price", "stock")}, ("price", PRICES)),
    "only offers": (row(details=OLD), shown(), {"fields": ("offer",)}, ("offer", OFFERS)),
    "only offers, another price": (row(**DEARER), shown(), {"fields": ("offer",)}, None),
    "only offers, details and price": (
        row(**DEARER, details=OLD), shown(), {"fields": ("offer",)}, ("price", OFFERS)),
    "only offers, never listed": (row(), None, {"fields": ("offer",)}, ("new", OFFERS)),
    "only offers, unknown": (
        row(), shown(outcome="unknown"), {"fields": ("offer",)}, ("sent again", OFFERS)),
}  # fmt: skip


@pytest.mark.parametrize(("feed", "listing", "more", "expected"), CASES.values(), ids=CASES)
def test_what_changed_decides_as_which_import_a_row_goes(
    feed: dict[str, Any], listing: dict[str, Any] | None, more: dict[str, Any], expected: Any
) -> None:
    plan = planned([feed], [] if listing is None else [listing], **more)
    assert kinds(plan) == ({} if expected is None else {"A": expected})


def test_another_currency_that_a_person_lets_go_is_a_whole_offer() -> None:
    plan = planned([row(currency="USD")], [shown()])
    assert plan.rows["import_kind"].tolist() == [OFFERS]


def test_with_one_field_alone_an_offer_keeps_what_is_acknowledged_of_the_other() -> None:
    feed = row(**DEARER, **FEWER)
    plan = planned([feed], [shown()], fields=("price",), price=False)
    sent = plan.to_send.iloc[0]
    assert (sent["import_kind"], sent["price_minor"], sent["quantity"]) == (OFFERS, 1100, 5)
    plan = planned([row(**feed | {"details": OLD})], [shown()], fields=("offer",))
    sent = plan.to_send.iloc[0]
    assert (sent["price_minor"], sent["quantity"]) == (1100, 4)


def test_what_another_sku_was_shown_under_is_an_offer_of_its_own() -> None:
    feed = row(platform_id="p-1", **DEARER)
    before = shown("B", platform_id="p-1")
    plan = planned([feed], [before], told_last={"p-1": "B"})
    assert kinds(plan) == {"A": ("price", OFFERS)}


masks = st.lists(st.tuples(*[st.booleans()] * 4), max_size=12)


@given(
    rows=masks,
    mode=st.sampled_from(["full", "partial"]),
    fields=st.sets(st.sampled_from(["offer", "price", "stock"])),
    price=st.booleans(),
    stock=st.booleans(),
)
def test_a_change_alone_is_sent_only_where_it_is_safe(
    rows: list[tuple[bool, bool, bool, bool]],
    mode: Any,
    fields: Any,
    price: bool,
    stock: bool,
) -> None:
    """Every row has one kind; no row goes by a part that is not there, over a listing that is not
    acknowledged, or while something else was asked for and differs."""
    acknowledged, by_price, by_stock, details = (
        np.array(column, dtype=bool) for column in (zip(*rows, strict=True) if rows else [()] * 4)
    )
    found = kinds_of(
        acknowledged=acknowledged,
        price=by_price,
        stock=by_stock,
        details=details,
        mode=mode,
        fields=fields,
        imports=Imports(price, stock),
    )
    assert len(found) == len(rows)
    asked = fields or {"offer", "price", "stock"}
    for kind, (sure, other_price, other_stock, other_offer) in zip(found, rows, strict=True):
        assert kind in ORDER
        if kind == ImportKind.OFFERS:
            continue
        assert sure
        assert {PRICES: price, STOCK: stock}[kind]
        other = {PRICES: ("stock", other_stock), STOCK: ("price", other_price)}[kind]
        assert not (other[0] in asked and other[1])
        assert not ("offer" in asked and other_offer)
        assert len(asked) == 1 or mode == "partial"


MANY = [
    row("stock", **FEWER), row("new"), row("price", **DEARER), row("again"),
    row("dear", price_minor=9000), row("gone", price_minor=1), row("price2", **DEARER),
    row("half", quantity=1, price_minor=9000),
]  # fmt: skip


def held_and_sent() -> Plan:
    listings = [shown(one["sku"]) for one in MANY if one["sku"] not in ("new", "again")]
    return planned(MANY, [*listings, shown("again", outcome="unknown")])


def test_rows_of_one_kind_stand_together() -> None:
    plan = held_and_sent()
    assert skus(plan) == ["new", "again", "price", "price2", "stock"]
    assert plan.imports == {OFFERS: 2, PRICES: 2, STOCK: 1}
    assert plan.held_rows["sku"].tolist() == ["half", "dear", "gone"]


def test_rows_that_a_person_lets_go_join_those_of_their_kind() -> None:
    rows = _let_go(held_and_sent().rows)
    assert rows["import_kind"].tolist() == [OFFERS] * 3 + [PRICES] * 4 + [STOCK]


def test_where_there_are_no_imports_nothing_is_said_of_them() -> None:
    plan = plan_of([{"sku": "A", "details": NEW}], [])
    assert plan.imports == {}
    assert not {"details", "import_kind", "platform_sku"} & set(plan.rows)


def test_what_an_offer_says_is_part_of_what_a_plan_holds() -> None:
    one, other = (planned([row(details=said)], []) for said in (OLD, NEW))
    price = planned([row(**DEARER)], [shown()])
    whole = planned([row(**DEARER)], [shown()], price=False)
    assert len({plan.content_hash for plan in (one, other, price, whole)}) == 4


def test_a_mass_change_of_details_needs_nobodys_approval() -> None:
    """It says nothing of price or stock, which are what the guard's shares are about."""
    feed = [row(f"{n:03}", details=OLD) for n in range(100)]
    plan = planned(feed, [shown(one["sku"]) for one in feed], guard={"min_rows": 20})
    assert (len(plan.to_send), plan.held, plan.findings) == (100, False, [])


def test_where_no_price_moves_the_guards_window_is_not_looked_at() -> None:
    feed = feed_of([row(details=OLD)])
    plan = make_plan(
        feed,
        listings_of([shown()]),
        base=base_of(),
        options=PlanOptions(mode="partial"),
        guard=GuardSettings(),
        catalog_rows=1,
        imports=Imports(),
        window=lambda: pytest.fail("nothing new is said of price or stock"),
    )
    assert kinds(plan) == {"A": ("offer", OFFERS)}


def test_what_is_with_the_platform_is_unchanged_and_nothing_is_settled_before_it_answers() -> None:
    plan = planned([row()], [shown(outcome="accepted_async")])
    assert (plan.counts()["unchanged"], plan.in_flight, plan.complete) == (1, 1, False)
    assert planned([row()], [shown()]).complete


def test_rows_are_read_with_what_imports_need_only_where_they_have_it() -> None:
    names = ["sku", "details", "import_kind"]
    kept = rows_to_parquet(planned([row()], []).rows)
    assert list(rows_from_parquet(kept, names)) == names
    plain = rows_to_parquet(plan_of([{"sku": "A"}], []).rows)
    assert list(rows_from_parquet(plain, names)) == ["sku"]


def test_details_are_compared_by_sku_whatever_was_offered_besides() -> None:
    feed = feed_of([row("A"), row("B", details=OLD), row("C")])
    offered = {"C": fingerprint_of(OLD), "Z": "x", "B": fingerprint_of(OLD)}
    assert details_differ(feed, offered).tolist() == [True, False, True]
    assert details_differ(feed.drop(columns="details"), offered).tolist() == [False] * 3
