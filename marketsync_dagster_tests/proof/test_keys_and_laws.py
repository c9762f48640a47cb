"""Protections that hold even where nobody has thought of the case: keys, laws, comparisons.

The database refuses a second row, the laws stop a run whose sums are wrong, and no secret is
compared in a way that its time tells something about.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import LargeBinary, insert
from sqlalchemy.exc import IntegrityError

from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.engine import Ledger, open_ledger
from marketsync_dagster.push.plan import Plan
from marketsync_dagster.sandbox import pasons as pasons_sandbox
from marketsync_dagster.sandbox import signing as signing_sandbox
from marketsync_dagster.stages.channel_run import ChannelRun
from marketsync_dagster.stages.recording import numbers_of
from marketsync_dagster_tests.ledgers import ENGINES, ready_ledger_url
from marketsync_dagster_tests.push.builders import many, plan_of

KEYS: dict[str, tuple[str, ...]] = {
    "listing": ("outlet", "platform", "sku"),
    "extract": ("outlet", "sha256"),
    "extract_part": ("extract_id", "place"),
    "extract_file": ("id",),
    "absence": ("outlet", "sku"),
    "plan": ("id",),
    "push": ("id",),
    "push_batch": ("push_id", "number"),
    "sku_mapping": ("scope", "platform_id"),
    "product": ("outlet", "platform", "sku"),
    "lease": ("name",),
    "outlet_failure": ("run_id", "stage", "outlet"),
    "outlet_state": ("stage", "outlet"),
    "connection_test": ("account",),
    "cursor": ("name",),
    "rate_closed": ("account",),
    "credential": ("name", "version"),
    "alert": ("key",),
    "orders": ("platform", "account", "external_id"),
    "order_line": ("order_id", "line_id"),
    "order_raw": ("platform", "account", "external_id", "sha256"),
    "order_command": ("order_id", "key"),
    "order_task": ("key",),
    "shipment": ("order_id", "key"),
    "forward": ("destination", "number"),
    "access_token": ("name",),
}
"""What there can be only once, table by table."""


@pytest.fixture(scope="module", params=ENGINES)
def ledger(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ledger]:
    opened = open_ledger(ready_ledger_url(request.param, tmp_path_factory.mktemp("keys")))
    yield opened
    opened.close()


def row_of(name: str, number: int) -> dict[str, Any]:
    """A row whose values all differ from those of another number; ids that count are left out."""
    row: dict[str, Any] = {}
    for column in t.metadata.tables[name].columns:
        if column.primary_key and column.name == "id" and column.type.python_type is int:
            continue
        if isinstance(column.type, LargeBinary):
            row[column.name] = b"%d" % number
        else:
            row[column.name] = column.type.python_type(number)
    return row


@pytest.mark.parametrize("name", KEYS)
def test_the_database_refuses_a_second_row_of_the_same_thing(name: str, ledger: Ledger) -> None:
    table, key = t.metadata.tables[name], KEYS[name]
    first, second = row_of(name, 1), row_of(name, 2)
    with ledger.begin() as connection:
        connection.execute(insert(table), first)
        connection.execute(insert(table), second)  # another thing
    again = row_of(name, 3) | {column: first[column] for column in key}
    with pytest.raises(IntegrityError), ledger.begin() as connection:
        connection.execute(insert(table), again)


# --- the laws


def test_a_plan_whose_rows_do_not_add_up_is_not_made() -> None:
    plan: Plan = plan_of(many(5))
    plan.catalog_rows += 1
    with pytest.raises(AssertionError, match="channel law broken"):
        plan.counts()


@pytest.mark.parametrize("outcomes", [{"applied": 4}, {"applied": 4, "refused": 2}, {}])
def test_a_push_whose_outcomes_do_not_add_up_is_not_recorded(outcomes: dict[str, int]) -> None:
    run = ChannelRun("westlands", "pushed", counts={"sent": 5}, outcomes=outcomes)
    with pytest.raises(AssertionError, match="channel law broken"):
        numbers_of(run)


# --- comparisons


def compared(source: str) -> list[str]:
    """The names that stand in a comparison by ==, != or in."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
            found += [n.id for part in parts for n in ast.walk(part) if isinstance(n, ast.Name)]
    return found


SECRET_WORDS = {"given", "given_digest", "digest", "api_key", "api_secret", "signature"}


@pytest.mark.parametrize("module", [signing_sandbox, pasons_sandbox])
def test_no_secret_is_compared_letter_by_letter(module: Any) -> None:
    source = Path(inspect.getfile(module)).read_text("utf-8")
    assert "hmac.compare_digest(" in source
    assert not SECRET_WORDS & set(compared(source))


def test_the_search_for_comparisons_finds_one() -> None:
    assert compared("found = given == wanted") == ["given", "wanted"]
