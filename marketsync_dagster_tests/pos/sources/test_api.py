"""Interfaces of systems, through adapters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.pos.files import archived
from marketsync_dagster.pos.sources import api
from marketsync_dagster.pos.sources.api import ApiSource, adapter_of, register
from marketsync_dagster.values.errors import ConfigError, ExtractError
from marketsync_dagster.values.redact import register_secret

Page = list[dict[str, Any]]

PAGES: list[Page] = [
    [{"sku": "00123", "price": Decimal("19.90"), "branch": "028"}, {"sku": "A", "price": 1.5}],
    [],
    [{"price": None, "sku": "B", "since": date(2026, 11, 20), "active": True, "stock": 3}],
]


class ToyTill:
    """An adapter as somebody writes it for a till of their own."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.pages_of_till: list[Page] = options.get("pages", PAGES)
        self.fails: str = options.get("fails", "")

    def pages(self) -> Iterator[Page]:
        yield from self.pages_of_till
        if self.fails:
            raise RuntimeError(self.fails)


@pytest.fixture(autouse=True)
def _only_the_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_registered", {})
    register("toy_till", ToyTill)


def fetch(archive: Path, **options: Any) -> bytes:
    here = ApiSource(adapter_of("toy_till", options), shown="till", timeout_s=30)
    (seen,) = here.look()
    assert here.is_settled(seen, None, 0.0)
    assert not here.watched
    return archived(archive, here.fetch(seen, archive)).read_bytes()


def test_pages_become_lines_that_do_not_depend_on_their_order(tmp_path: Path) -> None:
    expected = (
        '{"active": true, "price": null, "since": "2026-11-20", "sku": "B", "stock": 3}\n'
        '{"branch": "028", "price": 19.90, "sku": "00123"}\n'
        '{"price": 1.5, "sku": "A"}\n'
    )
    assert fetch(tmp_path).decode() == expected
    turned = [[dict(reversed(record.items())) for record in page] for page in reversed(PAGES)]
    assert fetch(tmp_path, pages=turned).decode() == expected


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"fails": "page 3 has key till-Key-4711"}, "unavailable"),
        ({"pages": [["no record"]]}, "unavailable"),
        ({"pages": [[{"sku": "A", "prices": [1, 2]}]]}, "nested_column"),
        ({"pages": [[{"sku": b"A"}]]}, "unreadable"),
        ({"pages": [[{"sku": "\ud800"}]]}, "undecodable"),
    ],
)
def test_a_pull_that_is_not_whole_keeps_nothing(
    tmp_path: Path, options: dict[str, Any], code: str
) -> None:
    register_secret("till-Key-4711")
    with pytest.raises(ExtractError) as caught:
        fetch(tmp_path, **options)
    assert caught.value.code == code
    assert "till-Key-4711" not in str(caught.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_pull_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    here = ApiSource(adapter_of("toy_till", {}), shown="till", timeout_s=-1)
    with pytest.raises(ExtractError) as caught:
        here.fetch(here.look()[0], tmp_path)
    assert caught.value.code == "unavailable"


def test_an_unknown_adapter_is_named_with_the_closest() -> None:
    with pytest.raises(ConfigError) as caught:
        adapter_of("toy_til", {})
    assert "did you mean toy_till?" in caught.value.next_step


def test_an_installed_package_brings_its_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("packed_till", f"{__name__}:ToyTill", api.GROUP)

    def points(group: str, name: str = "packed_till") -> list[EntryPoint]:
        return [point] if (group, name) == (api.GROUP, "packed_till") else []

    monkeypatch.setattr(api, "entry_points", points)
    assert isinstance(adapter_of("packed_till", {}), ToyTill)


def _refuses(_: Mapping[str, Any]) -> ToyTill:
    raise ValueError("no till-Key-4711 here")


def test_an_adapter_that_cannot_be_made_is_an_error_of_the_configuration() -> None:
    register_secret("till-Key-4711")
    factory: Callable[[Mapping[str, Any]], ToyTill] = _refuses
    register("broken", factory)
    with pytest.raises(ConfigError) as caught:
        adapter_of("broken", {})
    assert "the adapter broken cannot be made" in caught.value.message
    assert "till-Key-4711" not in str(caught.value)
