"""Orders of a shop before the sandbox: pulled whole, told once, by whichever key is taken."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from marketsync_dagster.config.secrets import Secrets
from marketsync_dagster.platforms.base import PlatformError
from marketsync_dagster.platforms.ordering import (
    Command,
    CommandAnswer,
    OrderSource,
    Tracking,
)
from marketsync_dagster.platforms.registry import (
    capabilities_of,
    open_order_source,
    order_capabilities_of,
)
from marketsync_dagster.values.errors import ConfigError
from marketsync_dagster.values.order_states import CommandKind, OrderState
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import from_iso
from marketsync_dagster_tests.platforms.mirakl.orders import (
    SINCE,
    ask,
    command,
    configured,
    names,
    pages,
    seed_orders,
)
from marketsync_dagster_tests.platforms.mirakl.shop import sent
from marketsync_dagster_tests.platforms.mirakl.test_keys import NEW, OLD, OTHER, Stored
from marketsync_dagster_tests.platforms.support import mirakl_account, settings_of
from marketsync_dagster_tests.sandbox import openapi
from marketsync_dagster_tests.sandbox.mirakl import SHOP
from marketsync_dagster_tests.sandbox_process import SandboxProcess

A, R, T, U = Outcome.APPLIED, Outcome.REFUSED, Outcome.RETRYABLE, Outcome.UNKNOWN
DHL = Tracking("DHL", "", "77")
HOME = {"lastname": "Kamau", "street_1": "Moi Avenue 1", "city": "Nairobi"}
HOME |= {"country_iso_code": "KEN"}


def tell(sandbox: SandboxProcess, *commands: Command, **account: Any) -> list[CommandAnswer]:
    """What became of commands, one after the other."""

    async def all_of_them(source: OrderSource) -> list[CommandAnswer]:
        return [await source.perform(one) for one in commands]

    return ask(sandbox, all_of_them, **account)


def look(sandbox: SandboxProcess, *commands: Command) -> list[Outcome]:
    async def all_of_them(source: OrderSource) -> list[Outcome]:
        return [(await source.verify(one)).outcome for one in commands]

    return ask(sandbox, all_of_them)


def counts(sandbox: SandboxProcess, order_id: str = "A-1") -> dict[str, tuple[int, int]]:
    """What was asked of an order, and how often it took effect."""
    found = sandbox.mirakl_orders(order_id=order_id)[order_id]["counts"]
    return {kind: (n["asked"], n["effect"]) for kind, n in found.items() if n["asked"]}


@openapi.needs_document
def test_every_request_conforms_and_every_answer_is_read(fresh_sandbox: SandboxProcess) -> None:
    lines = [
        {"offer_sku": "S1", "quantity": 3, "taxes": "1.20", "shipping": "2.00",
         "shipping_taxes": "0.20"},
        {"offer_sku": "S2", "quantity": 1},
    ]  # fmt: skip
    one = {"lines": lines, "shipping_address": HOME, "tax_mode": "TAX_EXCLUDED"}
    seed_orders(fresh_sandbox, one, {**one, "order_id": "A-2"}, {**one, "order_id": "A-3"})
    fresh_sandbox.settings(keep_bodies=True)

    async def everything(source: OrderSource) -> list[CommandAnswer]:
        (page,) = await pages(source)
        (raw,) = (await source.look_up(["A-1"])).orders
        details = source.read_order(raw.document).details
        amounts = {"amounts": {"A-1-1": Decimal("10.00")}, "lines": {"A-1-1": 1}}
        amounts |= {"shipping_amounts": {"A-1-1": Decimal("0.50")}, "details": details}
        both = {"A-1-1": True, "A-1-2": False}
        two = {"external_id": "A-2"}
        commands = (
            command("accept", accepted=both),
            command("cancel_lines", **amounts),
            command("parcel", tracking=DHL),
            command("tracking", tracking=Tracking("", "Boda", "1", "https://boda.example/1")),
            command("ship"),
            command("refund", **amounts),
            command("accept", **two, accepted={"A-2-1": True, "A-2-2": True}),
            command("tracking", **two, tracking=DHL),
            command("ship", **two),
            command("cancel", external_id="A-3"),
        )
        assert len(page.orders) == 3
        done = [await source.perform(one) for one in commands]
        proofs = [await source.verify(one) for one in (*commands[:3], *commands[4:])]
        assert [one.outcome for one in proofs] == [A] * len(proofs)
        made = [one.reference for one in (done[1], done[2], done[5])]
        assert made == [proofs[1].reference, proofs[2].reference, proofs[4].reference]
        return done

    done = ask(fresh_sandbox, everything)
    assert [one.outcome for one in done] == [A] * 10, done
    headers = {"authorization": "key"}
    codes = [
        openapi.check_logged({**call, "headers": {**call["headers"], **headers}})
        for call in sent(fresh_sandbox)
    ]
    assert set(codes) == set("OR11 OR21 OR23 OR24 OR28 OR29 OR30 ST01 ST11".split())
    assert all(f"shop_id={SHOP}" in call["query"] for call in sent(fresh_sandbox))
    assert fresh_sandbox.mirakl_orders(order_id="A-1")["A-1"]["state"] == "SHIPPED"


def test_an_order_is_pulled_as_it_stands_and_its_address_when_there_is_one(
    fresh_sandbox: SandboxProcess,
) -> None:
    seed_orders(fresh_sandbox, {"shipping_address": HOME}, debit_delay_s=600)

    async def read(source: OrderSource) -> Any:
        (page,) = await pages(source)
        return page, source.read_order(page.orders[0].document)

    page, found = ask(fresh_sandbox, read)
    assert (found.external_id, found.state, found.lines[0].quantity) == ("A-1", OrderState.NEW, 2)
    assert "shipping" not in found.persons
    assert page.orders[0].updated_at == found.updated_at
    assert abs((from_iso(page.server_time) - from_iso(found.updated_at)).total_seconds()) < 5
    assert (page.total, page.position, [call.status for call in page.calls]) == (1, "", [200])
    assert tell(fresh_sandbox, command("accept"))[0].outcome is A
    assert ask(fresh_sandbox, read)[1].state is OrderState.AWAITING_PAYMENT
    fresh_sandbox.clock(700)
    _, found = ask(fresh_sandbox, read)
    assert (found.state, found.persons["shipping"].country) == (OrderState.IN_PREPARATION, "KE")
    assert found.ship_by > found.updated_at


def test_orders_that_move_while_they_are_pulled_are_all_there(
    fresh_sandbox: SandboxProcess,
) -> None:
    seed_orders(fresh_sandbox)
    fresh_sandbox.generate_orders(SHOP, 349)
    known = set(fresh_sandbox.mirakl_orders())
    move: dict[str, Any] = {"insert": 3, "early": 2, "change": 1, "cancel": 1}
    path = {"method": "GET", "path": "/orders"}
    fresh_sandbox.scenario("orders_move", match={**path, "nth": 2}, channel="mirakl", **move)
    fresh_sandbox.scenario("repeat_rows", match={**path, "nth": 3}, rows=2)
    fresh_sandbox.scenario("duplicate_page", match={**path, "nth": 4})
    assert known <= set(names(ask(fresh_sandbox, pages)))
    # the rest after a stop is the same
    every = sorted(fresh_sandbox.mirakl_orders())

    async def in_two(source: OrderSource) -> list[str]:
        pages_of = source.order_pages(SINCE)
        first = await anext(pages_of)
        return names([first]) + names(await pages(source, position=first.position))

    assert sorted(ask(fresh_sandbox, in_two)) == every
    # the time of change is asked for, and no state
    (asked, *_) = sent(fresh_sandbox)
    assert "start_update_date=2026-01-01T00%3A00%3A00Z" in asked["query"]
    assert "order_state" not in asked["query"]


def test_what_is_told_too_early_or_twice_is_the_wrong_state_and_done_once(
    fresh_sandbox: SandboxProcess,
) -> None:
    seed_orders(fresh_sandbox, debit_delay_s=600)
    said = tell(fresh_sandbox, command("accept"), command("accept"), command("ship"))
    assert [(one.outcome, one.wrong_state) for one in said] == [(A, False), (R, True), (R, True)]
    assert "Current status is WAITING_DEBIT" in said[2].message
    assert said[2].code == "ORDER_INVALID_STATE"
    fresh_sandbox.clock(700)
    parcel = command("parcel", lines={"A-1-1": 2})
    said = tell(fresh_sandbox, parcel, replace(parcel, reference="P-2"))
    assert [(one.outcome, one.wrong_state) for one in said] == [(A, False), (R, True)]
    assert counts(fresh_sandbox) == {
        "accept": (2, 1), "ship": (1, 0), "parcel": (2, 1), "parcel_ship": (1, 1),
    }  # fmt: skip


LOST: tuple[dict[str, Any], ...] = (
    {"kind": "apply_then_reset"},
    {"kind": "html_200", "applied": True},
    {"kind": "status", "status": 502, "applied": True},
)


@pytest.mark.parametrize("action", LOST, ids=lambda action: action["kind"])
def test_a_command_whose_answer_is_lost_is_found_and_not_told_again(
    fresh_sandbox: SandboxProcess, action: dict[str, Any]
) -> None:
    seed_orders(fresh_sandbox)
    commands = [
        command("accept"),
        command("tracking", tracking=DHL),
        command("parcel"),
        command("cancel_lines", amounts={"A-1-1": Decimal("10.00")}),
        command("refund", amounts={"A-1-1": Decimal("2.50")}),
    ]
    lost, kinds = command("refund", amounts={"A-1-1": Decimal("1.00")}), []
    for one in commands:
        assert look(fresh_sandbox, one) == [T]
        fresh_sandbox.scenario(**action)
        (said,) = tell(fresh_sandbox, one)
        kinds.append((said.outcome, *look(fresh_sandbox, one)))
        fresh_sandbox.clear_scenarios()
    assert kinds == [(U, A)] * len(commands)
    assert look(fresh_sandbox, lost) == [U], "somebody's refund is there"
    assert {done for _, done in counts(fresh_sandbox).values()} == {1}


def test_orders_go_over_to_the_key_that_works(fresh_sandbox: SandboxProcess) -> None:
    two = {"secrets": Secrets(Stored()), "api_key": {"secret": "key"}}

    def twice(what: str, given: Any) -> list[Any]:
        async def each(source: OrderSource) -> list[Any]:
            assert source.order_capabilities.tells_readiness
            said = [await getattr(source, what)(given) for _ in range(2)]
            return [(one.outcome, one.other_key) for one in said]

        return ask(fresh_sandbox, each, **two)

    seed_orders(fresh_sandbox, api_key=OLD)
    for what, given, end in (
        ("look_up", ["A-1"], None),
        ("verify", command("accept"), T),
        ("perform", command("accept"), A),
    ):
        assert twice(what, given) == [(T, True), (end, False)]
    assert counts(fresh_sandbox) == {"accept": (1, 1)}
    fresh_sandbox.seed({"mirakl": {"shops": [{"api_key": OTHER, "shop_id": SHOP}]}})
    none = [(T, True), (Outcome.AUTH_FAILED, False)]
    assert twice("verify", command("accept")) == none


def test_pages_of_orders_go_on_with_the_other_key_where_they_stood(
    fresh_sandbox: SandboxProcess,
) -> None:
    seed_orders(fresh_sandbox, api_key=NEW, previous_key=OLD)
    fresh_sandbox.generate_orders(SHOP, 149)
    two = {"secrets": Secrets(Stored()), "api_key": {"secret": "key"}}
    fresh_sandbox.scenario("revoke_key", match={"path": "/mirakl/api/orders", "nth": 2})
    found = ask(fresh_sandbox, pages, **two)
    assert sorted(names(found)) == sorted(fresh_sandbox.mirakl_orders())
    assert [call.status for page in found for call in page.calls] == [200, 401, 200]
    seed_orders(fresh_sandbox, {"order_id": "B-1"}, api_key=OTHER, previous_key=None)
    with pytest.raises(PlatformError) as caught:
        ask(fresh_sandbox, pages, **two)
    assert (caught.value.outcome, len(caught.value.calls)) == (Outcome.AUTH_FAILED, 2)


def test_the_account_says_what_can_be_told(fresh_sandbox: SandboxProcess) -> None:
    can = order_capabilities_of(configured(fresh_sandbox, settle_s=7), "m")
    assert can.commands == frozenset(CommandKind)
    assert (can.partial_accept, can.several_parcels, can.settle_s) == (True, True, 7)
    plain = configured(fresh_sandbox, several_parcels=False, partial_acceptance=False)
    can = order_capabilities_of(plain, "m")
    assert CommandKind.PARCEL not in can.commands
    assert (can.partial_accept, can.several_parcels) == (False, False)
    (said,) = tell(fresh_sandbox, command("parcel"), several_parcels=False)
    assert said.outcome is Outcome.UNSUPPORTED
    assert sent(fresh_sandbox) == []
    assert capabilities_of(plain.accounts["m"]).orders
    assert not capabilities_of(configured(fresh_sandbox, orders=None).accounts["m"]).orders


def test_a_shop_that_is_another_accounts_too_brings_no_orders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("ONE_KEY", "OTHER_KEY"):
        monkeypatch.setenv(name, OLD)
    said = {"shop_id": None, "orders": {}}
    accounts = {
        "a": mirakl_account("https://market.example/api", api_key={"env": "ONE_KEY"}, **said),
        "b": mirakl_account("https://market.example/api", api_key={"env": "OTHER_KEY"}, **said),
    }
    with pytest.raises(ConfigError, match="hold the same key for the same shop"):
        open_order_source(settings_of(accounts), "a", secrets=Secrets())
    accounts["a"]["orders"] = None
    with pytest.raises(ConfigError, match="a brings no orders"):
        open_order_source(settings_of(accounts), "a", secrets=Secrets())


def test_no_more_orders_are_looked_up_at_once_than_the_platform_tells_of(
    fresh_sandbox: SandboxProcess,
) -> None:
    seed_orders(fresh_sandbox)

    async def many(source: OrderSource) -> Any:
        found = await source.look_up(["B-1", "A-1"])
        with pytest.raises(ValueError, match="100 at most"):
            await source.look_up(["A-1"] * 101)
        return found

    found = ask(fresh_sandbox, many)
    assert ([raw.external_id for raw in found.orders], found.outcome) == (["A-1"], None)
