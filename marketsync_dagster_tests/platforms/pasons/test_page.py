"""docs/pasons.md says what is so: its table, its examples, its names of settings."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from marketsync_dagster.cli.demo_stores import pasons_stores
from marketsync_dagster.config.pasons import PasonsRequest, PasonsResponse
from marketsync_dagster.config.secrets import Secrets, references
from marketsync_dagster.config.settings import Channel, PasonsAccount, Settings
from marketsync_dagster.platforms.base import PriceItem
from marketsync_dagster.platforms.registry import open_adapter
from marketsync_dagster_tests.config.texts import load
from marketsync_dagster_tests.platforms.pasons.page import PAGE, examples, written
from marketsync_dagster_tests.platforms.support import outcomes, price
from marketsync_dagster_tests.sandbox_process import SandboxProcess


async def push(settings: Settings, channel: Channel, items: list[PriceItem]) -> None:
    """Test the connection of a channel and send the items."""
    opening = open_adapter(settings, channel.account, channel=channel, secrets=Secrets())
    async with opening as adapter:
        tested = await adapter.test_connection()
        assert tested.ok, tested
        answer = await adapter.send(items)
        assert outcomes(answer, len(items)) == ["applied"] * len(items), answer


def test_the_table_is_that_of_the_tests() -> None:
    assert PAGE.read_text(encoding="utf-8") == written(), (
        "run: python -m marketsync_dagster_tests.platforms.pasons.page"
    )


def test_there_are_examples() -> None:
    assert len(examples()) == 3


@pytest.mark.parametrize("number", range(3))
def test_an_example_loads_and_is_pushed_as_it_says(
    number: int,
    tmp_path: Path,
    fresh_sandbox: SandboxProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert load(tmp_path, examples()[number])
    here = examples()[number].replace(
        "https://api.pasons.example", f"{fresh_sandbox.url}/pasons/shop"
    )
    settings = load(tmp_path, here)
    for reference in references(settings):
        monkeypatch.setenv(str(reference.ref.env), f"pasons-made-up-{reference.ref.env}")
    fakes = {str(one.ref): os.environ[str(one.ref.env)] for one in references(settings)}
    for name, account in settings.accounts.items():
        assert isinstance(account, PasonsAccount)
        stores = pasons_stores(name, account, settings, fakes)
        fresh_sandbox.seed({"pasons": {"stores": [{**store, "strict": True} for store in stores]}})
    for channel in settings.channels:
        items = [price("00123", "13.99", currency=settings.currency_of(channel.outlet))]

        asyncio.run(push(settings, channel, items))
    assert sum(map(len, fresh_sandbox.state("pasons")["pasons"].values())) == len(settings.channels)


@pytest.mark.parametrize("section", [PasonsRequest, PasonsResponse])
def test_the_page_names_every_setting(section: type[PasonsRequest] | type[PasonsResponse]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in section.model_fields:
        assert f"`{name}`" in text or f"`{name}:" in text, name
