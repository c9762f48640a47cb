"""Opening a shop on Mirakl: its capabilities, its place, its key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from marketsync_dagster.config.accounts import MiraklAccount
from marketsync_dagster.platforms.base import Adapter, Capabilities, ImportKind
from marketsync_dagster.platforms.opening import (
    Opening,
    retry_rules,
    target_at,
    transport,
    with_each_key,
)
from marketsync_dagster.platforms.urls import place_of
from marketsync_dagster.values.errors import ConfigError

if TYPE_CHECKING:
    from marketsync_dagster.platforms.mirakl.shop import Access


def capabilities(account: MiraklAccount) -> Capabilities:
    """What the account can do."""
    return Capabilities(
        read_catalog=True,
        catalog_by_barcode=True,
        read_prices=True,
        list_shown=True,
        batch_items=account.batch,
        batch_bytes=account.max_bytes,
        async_import=True,
        price_import=account.price_import,
        stock_import=account.stock_import,
        file_lines=account.file_lines,
        import_wait_s=account.imports.wait_s,
        import_deadline_s=account.imports.deadline_s,
        first_look_s=account.imports.first_look_s,
        intervals=account.calls.intervals(),
        status_of_many=frozenset({ImportKind.OFFERS, ImportKind.PRICES}),
        push_quantity=True,
        offer_details=True,
        orders=account.orders is not None,
    )


def target(account: MiraklAccount, store_id: str | None) -> str:
    """`mirakl|host/path|shop|names of offers`."""
    names = account.offer_sku.replace("{store_id}", store_id or "")
    return target_at(account.platform, account.base_url, str(account.shop_id or ""), names)


def opened(opening: Opening, account: MiraklAccount) -> Adapter:
    """The adapter. ConfigError for a shop that is another account's too."""
    from marketsync_dagster.platforms.mirakl.adapter import MiraklAdapter

    def with_key(key: str, _: str) -> Adapter:
        said = access(opening, account, key)
        return MiraklAdapter(said, transport(account), capabilities(account), opening.memory)

    return with_each_key(with_key, keys_of(opening, account))


def keys_of(opening: Opening, account: MiraklAccount) -> Sequence[str]:
    """The usable keys, newest first. ConfigError for a shop that is another account's too."""
    keys = opening.secrets.versions(account.api_key)
    _check_shop_is_its_own(opening, account, keys)
    return keys


def access(opening: Opening, account: MiraklAccount, key: str) -> Access:
    """What a shop is called with, by one of its keys."""
    from marketsync_dagster.platforms.mirakl.payloads import Filling
    from marketsync_dagster.platforms.mirakl.shop import Access

    settings, name = opening.settings, opening.name
    outlets = [channel.outlet for channel in settings.channels if channel.account == name]
    return Access(
        name=name,
        base_url=account.base_url,
        api_key=key,
        key_hint=opening.hint("api_key", account.api_key),
        shop_id=account.shop_id,
        currencies=tuple(sorted({settings.currency_of(outlet) for outlet in outlets})),
        references=tuple(account.references),
        filling=Filling(account.unknown_quantity, account.warehouse or "", account.offer.fields()),
        retry=retry_rules(account),
    )


def _check_shop_is_its_own(opening: Opening, account: MiraklAccount, keys: Sequence[str]) -> None:
    """Two accounts of one shop would share its offers and its rate without knowing of each
    other; a key without a shop_id may mean any of its shops."""
    place, name = place_of(account.base_url), opening.name
    for other, candidate in opening.settings.accounts.items():
        if other == name or not isinstance(candidate, MiraklAccount):
            continue
        apart = None not in (account.shop_id, candidate.shop_id)
        if place_of(candidate.base_url) != place or (
            apart and candidate.shop_id != account.shop_id
        ):
            continue
        if opening.hold_one_key(candidate.api_key, keys):
            raise ConfigError(
                f"accounts {min(name, other)} and {max(name, other)} hold the same key for the "
                "same shop: they would overwrite each other's offers",
                "list the outlets on one account, or give each account the shop_id of its own shop",
            )
