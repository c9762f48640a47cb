"""What a platform knows besides what it shows. `Part` as it is will do for a platform of which a
seed says accounts and products and no more; others say otherwise what it does (`mirakl_part`).

Every platform's part is a line in `parts`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from marketsync_dagster.sandbox.accounts import Reader, SeedError

if TYPE_CHECKING:
    from marketsync_dagster.sandbox.world import World


@dataclass(frozen=True, slots=True)
class Account:
    """One account: its key, the name under which it is seen, and its limits."""

    api_key: str
    name: str
    max_items: int
    per_minute: int | None
    document: dict[str, Any]
    """The seed it was made from."""


class Part:
    """Accounts by key, and the ids of products: `{accounts: [{api_key, name, max_items,
    per_minute}], products: [id, ...]}`."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.products: dict[str, None] = {}

    def read(self, section: Any) -> Any:
        """A seed's section, read strictly; nothing of it is taken. SeedError names the place."""
        reader = Reader(section, "the seed")
        accounts, products = reader.take("accounts", list, []), reader.take("products", list, [])
        reader.finish()
        if not all(isinstance(product, str) for product in products):
            raise SeedError("products: ids were expected")
        found = [_account(entry, f"accounts[{index}]") for index, entry in enumerate(accounts)]
        return found, products

    def take(self, world: World, channel: str, read: Any) -> dict[str, int]:
        """Take what was read; how many there were of what."""
        accounts, products = read
        for account in accounts:
            self.accounts[account.api_key] = account
            world.restore(channel, account.api_key)
        self.products.update(dict.fromkeys(products))
        return {"accounts": len(accounts), "products": len(products)}

    def seed_document(self) -> dict[str, Any]:
        """The section that this began with, merged."""
        documents = [account.document for account in self.accounts.values()]
        return {"accounts": documents, "products": list(self.products)}

    def names(self) -> Iterable[str]:
        """Under which names its accounts are seen."""
        return [account.name for account in self.accounts.values()]

    def dump(self) -> dict[str, Any]:
        """All of it, for a state file."""
        return self.seed_document()

    def load(self, world: World, channel: str, document: Any) -> None:
        """Put what `dump` gave into an empty part; KeyError, TypeError or ValueError if it was not
        that."""
        self.take(world, channel, self.read(document))

    def went_back(self, now: float) -> None:
        """After the clock went back: what happened lies in the future."""


def _account(document: Any, place: str) -> Account:
    reader = Reader(document, place)
    account = Account(
        api_key=reader.text("api_key"),
        name=reader.text("name"),
        max_items=reader.number("max_items", 100) or 100,
        per_minute=reader.number("per_minute", None),
        document=dict(document),
    )
    reader.finish()
    return account
