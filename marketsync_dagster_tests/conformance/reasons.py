"""The only reasons for which a platform is not asked for a behaviour, numbered as the table has
them: what it declares not to have, and what its contract does not know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from marketsync_dagster_tests.conformance.bench import Bench


@dataclass(frozen=True, slots=True)
class Reason:
    """`absent` says of a platform whether it lacks what a behaviour is about."""

    number: int
    words: str
    absent: Callable[[Bench], bool]


REASONS: list[Reason] = []
OUTSIDE: dict[str, str] = {
    "qikink": "it fulfils orders and lists nothing that has a price or stock of ours: there is "
    "nothing to push, to read back or to resume. What its accounts are held to is in "
    "`marketsync_dagster_tests/platforms/qikink`",
}
"""Platforms that the suite has no bench for, and why."""


def _reason(words: str, absent: Callable[[Bench], bool]) -> Reason:
    REASONS.append(Reason(len(REASONS) + 1, words, absent))
    return REASONS[-1]


def _undeclared(name: str, words: str) -> Reason:
    return _reason(
        f"{words} (capability `{name}`)", lambda bench: not getattr(bench.capabilities, name)
    )


PRODUCTS = _undeclared("push_products", "takes no products by themselves")
CATALOGUE = _undeclared("read_catalog", "has no catalogue that can be read")
LISTED = _undeclared("list_shown", "does not list what it shows of ours")
PRICES = _undeclared("read_prices", "does not tell what it shows for a product")
INTERVALS = _undeclared("intervals", "counts all calls alike, by the minute")
IMPORTS = _undeclared("async_import", "answers at once: there are no imports to ask for")
ANSWERS = _reason(
    "works on imports: what becomes of an item is in their reports, not in the answer "
    "(capability `async_import`)",
    lambda bench: bench.capabilities.async_import,
)
KINDS = _reason(
    "its keys have no kinds that could be told apart (contract 3.2, 6.2)",
    lambda bench: bench.wrong_kind is None,
)
STORES = _reason(
    "its requests name no store or shop: the key alone says which one it is (contract 2.2)",
    lambda bench: bench.elsewhere is None,
)
ORDERS = _undeclared("orders", "its orders are not carried")
WEBHOOKS = _undeclared("webhooks", "its webhooks are not received")
KEYS = _undeclared("idempotency_key", "takes no idempotency keys: what is sent is absolute")
