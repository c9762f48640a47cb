"""What must hold between `routes`, `shops`, `accounts` and `outlets` for orders: what is routed can
be fulfilled where it goes, and no folder of files is read or written for two.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from marketsync_dagster.config.accounts import MiraklAccount, QikinkAccount
from marketsync_dagster.config.orders import POS
from marketsync_dagster.config.problems import At, Problem, closest, path_text

if TYPE_CHECKING:
    from marketsync_dagster.config.orders import Route
    from marketsync_dagster.config.settings import Settings


def routes_lead_somewhere(settings: Settings) -> Iterator[Problem]:
    """Each route names what exists, and its lines can be fulfilled where they go."""
    sources = list(settings.order_sources())
    for index, route in enumerate(settings.routes):
        at: At = ("routes", index)
        yield from _goes_to_what_fulfils(settings, route, at)
        for place, name in enumerate(route.account):
            if name not in sources:
                yield _no_source(settings, name, sources, (*at, "account", place))
        for place, name in enumerate(route.outlet):
            if name not in settings.outlets:
                yield _no_outlet(settings, name, (*at, "outlet", place))


def _goes_to_what_fulfils(settings: Settings, route: Route, at: At) -> Iterator[Problem]:
    if route.to == POS:
        for outlet in _outlets_of(settings, route):
            if settings.outlets[outlet].orders is None:
                yield Problem(
                    f"expected a destination that every outlet of the route has, got '{POS}', and "
                    f"the till of outlet {outlet} has no folder for orders "
                    f"(outlets.{outlet}.orders.drop; or name the outlets: "
                    "`outlet: [...]`)",
                    (*at, "to"),
                )
        return
    account = settings.accounts.get(route.to)
    if isinstance(account, QikinkAccount):
        return
    known = [n for n, one in settings.accounts.items() if isinstance(one, QikinkAccount)]
    if account is None:
        yield Problem(no_destination(route.to, known), (*at, "to"))
    else:
        yield Problem(
            f"expected '{POS}' or an account that fulfils orders{_choice(known)}, got "
            f"'{route.to}', which is of {account.platform} and fulfils none",
            (*at, "to"),
        )


def no_destination(to: str, known: list[str]) -> str:
    """What is said of a route to nowhere; `known`: accounts that fulfil orders."""
    words = f"expected '{POS}' or an account that fulfils orders{_choice(known)}"
    return f"{words}{closest(to, [POS, *known])}, got '{to}'"


def _outlets_of(settings: Settings, route: Route) -> list[str]:
    """The outlets whose lines a route can take; unknown ones are another rule's."""
    if route.outlet:
        return [name for name in route.outlet if name in settings.outlets]
    wanted = route.account or list(settings.order_sources())
    found: dict[str, None] = {}
    for source in wanted:
        shop = settings.shops.get(source)
        if shop is not None:
            named = [shop.outlet] if shop.outlet else list(settings.outlets)
        else:
            named = [c.outlet for c in settings.channels if c.account == source]
        found |= dict.fromkeys(name for name in named if name in settings.outlets)
    return list(found)


def _no_source(settings: Settings, name: str, sources: list[str], at: At) -> Problem:
    account = settings.accounts.get(name)
    if account is None:
        words = f"expected one of the accounts and shops that bring orders{_choice(sources)}"
        return Problem(f"{words}{closest(name, sources)}, got '{name}'", at)
    how = (
        f"accounts.{name}.orders is not said"
        if isinstance(account, MiraklAccount)
        else f"{account.platform} brings none"
    )
    return Problem(f"expected an account that brings orders, got '{name}': {how}", at)


def _choice(known: list[str]) -> str:
    return f" ({', '.join(known)})" if 0 < len(known) <= 12 else ""


def qikink_lists_nothing(settings: Settings) -> Iterator[Problem]:
    """Qikink fulfils orders: there is no price or stock to be sent to it."""
    for index, channel in enumerate(settings.channels):
        if isinstance(settings.accounts[channel.account], QikinkAccount):
            yield Problem(
                f"expected an account that lists products, got '{channel.account}' of qikink, "
                "which lists nothing (`routes` say what goes there)",
                ("channels", index, "account"),
            )


def products_of_an_outlet_go_to_one_qikink(settings: Settings) -> Iterator[Problem]:
    """The products that Qikink is told of are an outlet's that there is, and no other's too."""
    first: dict[str, str] = {}
    for name, account in settings.accounts.items():
        if not isinstance(account, QikinkAccount) or account.products is None:
            continue
        outlet, at = account.products.outlet, ("accounts", name, "products", "outlet")
        if outlet not in settings.outlets:
            yield _no_outlet(settings, outlet, at)
        other = first.setdefault(outlet, name)
        if other != name:
            words = f"expected an outlet of its own, got {outlet}, as accounts.{other} has it"
            yield Problem(words, at)


def _no_outlet(settings: Settings, outlet: str, at: At) -> Problem:
    known = list(settings.outlets)
    words = f"expected one of outlets{_choice(known)}{closest(outlet, known)}"
    return Problem(f"{words}, got '{outlet}'", at)


def sources_of_orders_differ(settings: Settings) -> Iterator[Problem]:
    """Orders carry the name of the account or shop that brought them, and of where they go."""
    for name, shop in settings.shops.items():
        if name in settings.accounts:
            yield Problem(f"expected another name, got that of accounts.{name}", ("shops", name))
        if name == POS:
            words = f"expected another name: '{POS}' stands for the tills of outlets"
            yield Problem(words, ("shops", name))
        if shop.outlet is not None and shop.outlet not in settings.outlets:
            yield _no_outlet(settings, shop.outlet, ("shops", name, "outlet"))
    if POS in settings.accounts:
        words = f"expected another name: '{POS}' stands for the tills of outlets"
        yield Problem(words, ("accounts", POS))


def folders_of_orders_are_apart(settings: Settings) -> Iterator[Problem]:
    """What is written for one must not be read as another's. Folders of one shop or till may lie in
    each other."""
    extracts = {
        os.path.normpath(path): name for name, path in _of_extracts(settings) if path is not None
    }
    seen: list[tuple[At, Path]] = []
    for at, folder in _of_orders(settings):
        here = Path(os.path.normpath(folder))
        if str(here) in extracts:
            yield Problem(f"expected a folder of its own, got the one of {extracts[str(here)]}", at)
        for other, there in seen:
            if here == there:
                words = f"expected a folder of its own, got the one of {path_text(other)}"
                yield Problem(words, at)
                break
            if at[:2] != other[:2] and (here in there.parents or there in here.parents):
                side = "inside" if there in here.parents else "around"
                words = f"expected a folder of its own, got one {side} that of {path_text(other)}"
                yield Problem(words, at)
                break
        seen.append((at, here))


def _of_orders(settings: Settings) -> Iterator[tuple[At, Path]]:
    """Every folder that has to do with orders, with its path in the file."""
    for name, shop in settings.shops.items():
        yield ("shops", name, "folder"), shop.folder
        if shop.updates is not None:
            yield ("shops", name, "updates"), shop.updates
    for name, outlet in settings.outlets.items():
        if outlet.orders is not None:
            yield ("outlets", name, "orders", "drop"), outlet.orders.drop
            if outlet.orders.answers is not None:
                yield ("outlets", name, "orders", "answers"), outlet.orders.answers


def _of_extracts(settings: Settings) -> Iterator[tuple[str, Path | None]]:
    for name, source in settings.sources.items():
        yield f"sources.{name}.path", source.path
    for name, outlet in settings.outlets.items():
        if outlet.extract.shared is None:
            yield f"outlets.{name}.extract.path", outlet.extract.path


NAMES_OF_ORDERS = (routes_lead_somewhere, sources_of_orders_differ)
"""Rules that hold whatever else is wrong with names."""
ORDER_RULES = (
    folders_of_orders_are_apart,
    qikink_lists_nothing,
    products_of_an_outlet_go_to_one_qikink,
)
