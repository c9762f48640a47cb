"""Two keys of one shop: imports that one has begun are followed with the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from marketsync_dagster.config.accounts import MiraklAccount
from marketsync_dagster.config.secrets import Secrets
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.platforms.base import Adapter
from marketsync_dagster.platforms.registry import open_adapter, target_of
from marketsync_dagster.values.errors import ConfigError
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.platforms.mirakl.shop import (
    KINDS,
    OFFERS,
    PRICES,
    STARTED,
    item,
    settings,
)
from marketsync_dagster_tests.platforms.support import mirakl_account, run, settings_of
from marketsync_dagster_tests.sandbox.mirakl import SHOP, later, seed_market
from marketsync_dagster_tests.sandbox_process import SandboxProcess

OLD, NEW, OTHER = "mirakl_key_fake_old", "mirakl_key_fake_new", "mirakl_key_fake_else"
URL = "https://market.example/api"


@dataclass(frozen=True)
class Stored:
    """A vault: name -> values, newest first."""

    kept: dict[str, list[str]] = field(default_factory=lambda: {"key": [NEW, OLD]})

    def values(self, name: str) -> list[str]:
        return self.kept.get(name, [])


def both(sandbox: SandboxProcess, known: str, work: Any) -> Any:
    """What `work` makes of an account with the keys NEW and OLD, of which one is known."""
    seed_market(sandbox, api_key=known)
    configured = settings(sandbox, api_key={"secret": "key"})
    return run(configured, "m", work, Secrets(Stored()))


@pytest.mark.parametrize("kind", KINDS)
def test_every_call_of_an_import_goes_over_to_the_key_that_works(
    fresh_sandbox: SandboxProcess, kind: Any
) -> None:
    async def with_each(adapter: Adapter) -> list[Any]:
        first = await adapter.submit(kind, [item("gone", product="P9")])
        assert (first.outcome, first.other_key) == (Outcome.RETRYABLE, True)
        second = await adapter.submit(kind, [item("gone", product="P9")])
        later(fresh_sandbox)
        status = await adapter.import_status(kind, [second.import_id], STARTED)
        report = await adapter.import_report(kind, second.import_id, ["gone"])
        return [second.outcome, status.found[0].state, set(report.errors)]

    assert both(fresh_sandbox, OLD, with_each) == [Outcome.ACCEPTED_ASYNC, "complete", {0}]


@pytest.mark.parametrize("what", ["submit", "import_status", "import_report"])
def test_a_refused_key_is_said_once_there_is_no_other(
    fresh_sandbox: SandboxProcess, what: str
) -> None:
    given = {
        "submit": (PRICES, [item()]),
        "import_status": (PRICES, ["x"], STARTED),
        "import_report": (PRICES, "x", ["S1"]),
    }

    async def twice(adapter: Adapter) -> list[Any]:
        return [await getattr(adapter, what)(*given[what]) for _ in range(2)]

    first, second = both(fresh_sandbox, OTHER, twice)
    assert (first.outcome, first.other_key) == (Outcome.RETRYABLE, True)
    assert (second.outcome, second.other_key) == (Outcome.AUTH_FAILED, False)
    assert "all 2 keys are refused" in second.message


def test_pages_go_on_with_the_key_that_works_and_a_catalogue_says_nothing_twice(
    fresh_sandbox: SandboxProcess,
) -> None:
    seed_market(fresh_sandbox, api_key=NEW, previous_key=OLD)
    offer = {"shop_id": SHOP, "product_sku": "P1", "price": 1, "quantity": 1}
    offers = [{**offer, "shop_sku": f"N{n}"} for n in range(120)]
    fresh_sandbox.seed({"mirakl": {"offers": offers}})
    configured = settings(fresh_sandbox, api_key={"secret": "key"})
    every = {"None", "S1", "S2", "S3", *(f"N{n}" for n in range(120))}

    async def listed(adapter: Adapter) -> list[str]:
        assert adapter.import_batches(OFFERS, [item()]) == [(0, 1)]
        return [row.platform_sku async for page in adapter.list_shown() for row in page.rows]

    async def read(adapter: Adapter) -> list[str]:
        pages = [page async for page in adapter.read_catalog(barcodes=["6160000000001"])]
        return [str(row["platform_sku"]) for page in pages for row in page.rows]

    # after the first page of offers the newer key is refused
    fresh_sandbox.scenario("revoke_key", match={"path": "/mirakl/api/offers", "nth": 2})
    shown = run(configured, "m", listed, Secrets(Stored()))
    assert {"None", *shown} == every
    assert len(shown) == 223  # the first page again: it is no catalogue
    fresh_sandbox.restore()
    fresh_sandbox.scenario("revoke_key", match={"path": "/mirakl/api/offers", "nth": 2})
    names = run(configured, "m", read, Secrets(Stored()))
    # one product under many names: none of them is lost, none comes twice
    assert len(names) == len(set(names))
    assert set(names) == every


def test_a_connection_test_says_which_key_works(fresh_sandbox: SandboxProcess) -> None:
    found = both(fresh_sandbox, OLD, lambda a: a.test_connection())
    assert found.ok
    assert "the older key of 2 still works, the new one is refused" in found.message
    assert [call.status for call in found.calls] == [401, 200, 200]


# --- which accounts may be opened


def opened(of: Settings, name: str) -> Adapter:
    return open_adapter(of, name, channel=None, secrets=Secrets())


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [(1, 1, False), (1, 2, True), (None, 2, False), (None, None, False)],
)
def test_one_shop_under_two_names_is_refused_when_either_is_opened(
    monkeypatch: pytest.MonkeyPatch, one: int | None, other: int | None, apart: bool
) -> None:
    for name in ("ONE_KEY", "OTHER_KEY"):
        monkeypatch.setenv(name, OLD)
    accounts = {
        "a": mirakl_account(URL, api_key={"env": "ONE_KEY"}, shop_id=one),
        "b": mirakl_account(f"{URL}/", api_key={"env": "OTHER_KEY"}, shop_id=other),
    }
    of = settings_of(accounts)
    for name in ("a", "b"):
        if apart:
            opened(of, name)
            continue
        with pytest.raises(ConfigError) as caught:
            opened(of, name)
        assert "accounts a and b hold the same key for the same shop" in caught.value.message
        assert OLD not in str(caught.value)
    elsewhere = settings_of({**accounts, "b": {**accounts["b"], "base_url": f"{URL}/v2"}})
    opened(elsewhere, "a")


def test_a_target_changes_with_the_shop_and_the_names_of_its_offers() -> None:
    def target(store: str | None = None, **more: Any) -> str:
        account = mirakl_account("https://Market.example:443/api", **more)
        return target_of(MiraklAccount.model_validate(account), store)

    assert target() == f"mirakl|market.example/api|{SHOP}|{{sku}}"
    assert target(shop_id=None) == "mirakl|market.example/api||{sku}"
    assert target("017") == target("018") == target()
    named = [target(store, offer_sku="{store_id}-{sku}") for store in ("017", "018")]
    assert [text.rpartition("|")[2] for text in named] == ["017-{sku}", "018-{sku}"]
