"""What must hold between the sections of marketsync.yaml, so that no outlet overwrites another.

A rule that one section can check by itself belongs to that section's class.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Hashable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from marketsync_dagster.config.accounts import (
    MiraklAccount,
    PasonsAccount,
    TrackerAccount,
)
from marketsync_dagster.config.mirakl import around_sku
from marketsync_dagster.config.order_rules import NAMES_OF_ORDERS, ORDER_RULES
from marketsync_dagster.config.pasons import STORE_PLACE
from marketsync_dagster.config.problems import Problem, Problems, closest
from marketsync_dagster.config.secrets import references
from marketsync_dagster.config.source_rules import (
    no_extract_is_read_for_two_outlets,
    outlets_name_their_sources,
    outlets_say_what_their_source_takes,
    sources_tell_outlets_apart,
)
from marketsync_dagster.values.money import to_minor

if TYPE_CHECKING:
    from marketsync_dagster.config.channels import Channel
    from marketsync_dagster.config.settings import Settings


def check_settings(settings: Settings) -> None:
    """Raise `Problems` naming every rule that is broken, each with its path in the file."""
    found = [*_channels_name_what_exists(settings), *outlets_name_their_sources(settings)]
    rules = _RULES if not found else ()  # they follow the names
    for rule in (*NAMES_OF_ORDERS, *rules):
        found.extend(rule(settings))
    if found:
        raise Problems(found)


def note_secrets(settings: Settings) -> None:
    """Tell every secret's reference its path in the file, for the message when it is not set."""
    for reference in references(settings):
        reference.ref.found_at(reference.path)


def _channels_name_what_exists(settings: Settings) -> Iterator[Problem]:
    for index, channel in enumerate(settings.channels):
        for section, key, name, known in (
            ("outlets", "outlet", channel.outlet, settings.outlets),
            ("accounts", "account", channel.account, settings.accounts),
        ):
            if name not in known:
                yield Problem(no_such_name(section, name, list(known)), ("channels", index, key))


def no_such_name(section: str, name: str, known: list[str]) -> str:
    """What is said of a name that a section does not have."""
    choice = f" ({', '.join(known)})" if 0 < len(known) <= 12 else ""
    return f"expected one of {section}{choice}{closest(name, known)}, got '{name}'"


def _one_channel_per_outlet_and_platform(settings: Settings) -> Iterator[Problem]:
    yield from _unique(
        settings,
        lambda channel: (channel.outlet, settings.platform_of(channel)),
        "account",
        lambda channel, first: (
            f"expected one channel for outlet {channel.outlet} on "
            f"{settings.platform_of(channel)}, got a second one besides channels[{first}]"
        ),
    )


def _no_branch_overwrites_another_on_tracker(settings: Settings) -> Iterator[Problem]:
    """Tracker KE keeps one price per product and key, whatever the branch (contract 2.6)."""
    because = "one price per key: the last branch would overwrite the others"
    yield from _unique(
        settings,
        lambda channel: (
            channel.account
            if isinstance(settings.accounts[channel.account], TrackerAccount)
            else None
        ),
        "account",
        lambda channel, first: (
            f"expected an account of its own for outlet {channel.outlet}, got {channel.account}, "
            f"which outlet {settings.channels[first].outlet} uses ({because})"
        ),
    )
    holders: dict[Hashable, str] = {}
    for name, account in settings.accounts.items():
        if not isinstance(account, TrackerAccount):
            continue
        key = (_without_default_port(account.base_url.lower()), str(account.api_key))
        other = holders.setdefault(key, name)
        if other != name:
            yield Problem(
                f"expected a key of its own, got the key and base_url of accounts.{other} "
                f"({because})",
                ("accounts", name, "api_key"),
            )


def _no_store_overwrites_another_on_pasons(settings: Settings) -> Iterator[Problem]:
    def address(channel: Channel) -> Hashable:
        account = settings.accounts[channel.account]
        if not isinstance(account, PasonsAccount):
            return None
        url = _without_default_port(account.base_url.lower()) + account.request.path
        # written out or filled in, it is the same address
        url = url.replace(STORE_PLACE, channel.store_id or "")
        in_request = account.request.store.in_ in ("header", "body", "row", "query")
        return url, channel.store_id if in_request else ""

    for index, channel in enumerate(settings.channels):
        account = settings.accounts[channel.account]
        if (
            isinstance(account, PasonsAccount)
            and account.carries_the_store()
            and channel.store_id is None
        ):
            yield Problem(
                f"expected the store's id, because requests of accounts.{channel.account} "
                "carry it, got nothing",
                ("channels", index, "store_id"),
            )
    yield from _unique(
        settings,
        address,
        "store_id",
        lambda channel, first: (
            f"expected an address and store_id of its own, got those of channels[{first}], outlet "
            f"{settings.channels[first].outlet} (the last outlet would overwrite the other)"
        ),
    )
    yield from _unique(
        settings,
        lambda channel: (
            (channel.account, channel.store_id)
            if isinstance(settings.accounts[channel.account], PasonsAccount) and channel.store_id
            else None
        ),
        "store_id",
        lambda channel, first: (
            f"expected a store_id of its own within accounts.{channel.account}, "
            f"got that of channels[{first}]"
        ),
    )


def _no_outlet_overwrites_another_on_mirakl(settings: Settings) -> Iterator[Problem]:
    """Offers of one shop are told apart by their names alone (`offer_sku`)."""
    placed: dict[str, list[tuple[int, str, str]]] = {}
    for index, channel in enumerate(settings.channels):
        account = settings.accounts[channel.account]
        if not isinstance(account, MiraklAccount):
            continue
        template, store = account.offer_sku, channel.store_id
        if "{store_id}" in template and store is None:
            yield Problem(
                f"expected the store's id, because accounts.{channel.account}.offer_sku has "
                "{store_id}, got nothing",
                ("channels", index, "store_id"),
            )
            continue
        before, after = around_sku(template, channel.outlet, store)
        others = placed.setdefault(channel.account, [])
        alike = next((other for other, *around in others if _alike(before, after, *around)), None)
        others.append((index, before, after))
        if alike is not None:
            yield _shared_names(settings, channel, index, alike, template)


def _alike(before: str, after: str, other_before: str, other_after: str) -> bool:
    """Whether two SKUs exist that get the same name."""
    begins = before.startswith(other_before) or other_before.startswith(before)
    return begins and (after.endswith(other_after) or other_after.endswith(after))


def _shared_names(
    settings: Settings, channel: Channel, index: int, other: int, template: str
) -> Problem:
    path = ("accounts", channel.account, "offer_sku")
    here, there = channel.outlet, settings.channels[other].outlet
    if "{outlet}" not in template and "{store_id}" not in template:
        return Problem(
            "expected {outlet} or {store_id} beside {sku}, because outlets "
            f"{there} and {here} are listed on the account, got {template} "
            "(the last outlet would overwrite the other)",
            path,
        )
    if "{outlet}" not in template:
        path = ("channels", index, "store_id")
    return Problem(
        f"expected names that tell outlets {there} and {here} apart, got {template}, which can "
        "give a product of one the name of a product of the other",
        path,
    )


def _each_mirakl_shop_has_one_account(settings: Settings) -> Iterator[Problem]:
    holders: dict[Hashable, list[tuple[str, int | None]]] = {}
    for name, account in settings.accounts.items():
        if not isinstance(account, MiraklAccount):
            continue
        key = (_without_default_port(account.base_url.lower()), str(account.api_key))
        others = holders.setdefault(key, [])
        for other, shop in others:
            # without a shop_id it may be any of the key's shops
            if None in (shop, account.shop_id) or shop == account.shop_id:
                yield Problem(
                    f"expected a shop of its own, got the key, base_url and shop of "
                    f"accounts.{other} (they would overwrite each other's offers)",
                    ("accounts", name, "shop_id"),
                )
                break
        others.append((name, account.shop_id))


def _without_default_port(url: str) -> str:
    return re.sub(r"^(https://[^/]*):443(?=/|$)|^(http://[^/]*):80(?=/|$)", r"\1\2", url)


def _stores_can_be_written(settings: Settings) -> Iterator[Problem]:
    for index, channel in enumerate(settings.channels):
        store, account = channel.store_id, settings.accounts[channel.account]
        if store is None or not isinstance(account, PasonsAccount | MiraklAccount):
            continue
        at = ("channels", index, "store_id")
        if store != store.strip() or not store.isprintable():
            words = "expected a store's id, got one with white space around it or line ends"
            yield Problem(words, at)
        elif (
            isinstance(account, PasonsAccount)
            and account.request.store.in_ == "header"
            and not store.isascii()
        ):
            words = "expected printable ASCII, because it stands in a header, got something else"
            yield Problem(words, at)


def _catalog_scopes_are_of_one_platform(settings: Settings) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for name, account in settings.accounts.items():
        scope = settings.scope_of(name)
        other = first.setdefault(scope, name)
        if settings.accounts[other].platform != account.platform:
            yield Problem(
                f"expected a scope of {account.platform} accounts only, got '{scope}', which "
                f"accounts.{other} ({settings.accounts[other].platform}) uses",
                ("accounts", name, "catalog"),
            )


def _mapping_files_are_of_one_platform(settings: Settings) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, channel in enumerate(settings.channels):
        if channel.mapping.file is None:
            continue
        other = first.setdefault(os.path.normpath(channel.mapping.file), index)
        if settings.platform_of(settings.channels[other]) != settings.platform_of(channel):
            yield Problem(
                f"expected a file of {settings.platform_of(channel)} ids only, got the file of "
                f"channels[{other}] ({settings.platform_of(settings.channels[other])})",
                ("channels", index, "mapping", "file"),
            )


def _prices_fit_the_currency(settings: Settings) -> Iterator[Problem]:
    for index, channel in enumerate(settings.channels):
        currency = settings.currency_of(channel.outlet)
        for key in ("round_to", "minimum"):
            amount: Decimal | None = getattr(channel.pricing, key)
            try:
                if amount is not None:
                    to_minor(amount, currency)
            except ValueError:
                yield Problem(
                    f"expected no more decimals than {currency} has, got {amount}",
                    ("channels", index, "pricing", key),
                )


def _unique(
    settings: Settings,
    key_of: Callable[[Channel], Hashable],
    at: str,
    message: Callable[[Channel, int], str],
) -> Iterator[Problem]:
    """A problem for every channel whose key (None: not concerned) an earlier one has."""
    first: dict[Hashable, int] = {}
    for index, channel in enumerate(settings.channels):
        key = key_of(channel)
        if key is not None and first.setdefault(key, index) != index:
            yield Problem(message(channel, first[key]), ("channels", index, at))


_RULES: tuple[Callable[[Settings], Iterator[Problem]], ...] = (
    _one_channel_per_outlet_and_platform,
    _no_branch_overwrites_another_on_tracker,
    _no_store_overwrites_another_on_pasons,
    _no_outlet_overwrites_another_on_mirakl,
    _each_mirakl_shop_has_one_account,
    _stores_can_be_written,
    _catalog_scopes_are_of_one_platform,
    _mapping_files_are_of_one_platform,
    sources_tell_outlets_apart,
    outlets_say_what_their_source_takes,
    no_extract_is_read_for_two_outlets,
    _prices_fit_the_currency,
    *ORDER_RULES,
)
