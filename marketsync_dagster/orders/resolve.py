"""Which product of which outlet an order line is, by the name that its source sells it under."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from marketsync_dagster.catalog.offers import offer_name
from marketsync_dagster.config.settings import Settings

Known = Callable[[str, Collection[str]], Collection[str]]
"""(outlet, SKUs) -> those that the outlet's catalog or listings have."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a line is. `sku` empty: not mapped, `problem` says why."""

    outlet: str = ""
    """May be known though the SKU is not."""
    sku: str = ""
    problem: str = ""


Resolve = Callable[[str, str, str], Resolved]
"""(source, name of what was sold, outlet that the source says) -> what it is."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where names of offers lead: one channel of an account, or an outlet itself."""

    outlet: str
    before: str = ""
    after: str = ""

    def sku_of(self, name: str) -> str:
        """The SKU within a name; empty: it is none of this place's."""
        fits = (
            len(name) > len(self.before) + len(self.after)
            and name.startswith(self.before)
            and name.endswith(self.after)
        )
        return name[len(self.before) : len(name) - len(self.after)] if fits else ""


NO_CHANNEL = "has no channel"
"""Said of an account of which the configuration does not say at which outlets its goods are."""
_NO_OUTLET, _WHOSE = "there is no outlet", "does not say at which outlet"
_CURES = (
    (NO_CHANNEL, "add a channel for that account and outlet to channels: in marketsync.yaml"),
    (_NO_OUTLET, "correct the outlet that its source names, or add it to outlets:"),
    (_WHOSE, "let the shop's file say `outlet`, or set `outlet` of the shop in marketsync.yaml"),
)


def cure_of(problem: str) -> str:
    """What is to be done where a line is not mapped."""
    for words, step in _CURES:
        if words in problem:
            return step
    return "give the product that SKU in the till or correct the offer's name"


class Resolver:
    """Finds products for lines; remembers what it was asked, so make one for each pull."""

    def __init__(self, settings: Settings, known: Known) -> None:
        self._settings = settings
        self._known = known
        self._places: dict[str, tuple[_Place, ...]] = {}
        self._there: dict[tuple[str, str], bool] = {}
        self._found: dict[tuple[str, str, str], Resolved] = {}

    def __call__(self, source: str, offer_sku: str, outlet_said: str = "") -> Resolved:
        """What was sold. Of several places that a name fits, the one that it fits most closely
        and that has the product."""
        asked = (source, offer_sku, outlet_said)
        if asked not in self._found:
            self._found[asked] = self._resolve(*asked)
        return self._found[asked]

    def _resolve(self, source: str, offer_sku: str, outlet_said: str) -> Resolved:
        name = offer_sku.strip()
        if not name:
            return Resolved(problem="its source does not say what was sold")
        places = self._places_of(source)
        if outlet_said:
            if outlet_said not in self._settings.outlets:
                return Resolved(problem=f"{_NO_OUTLET} {outlet_said!r}")
            if source in self._settings.shops:
                places = (_Place(outlet_said),)
            else:
                places = tuple(place for place in places if place.outlet == outlet_said)
        if not places and source in self._settings.shops:
            return Resolved(problem=f"{source} {_WHOSE} {name!r} was sold")
        if not places:
            where = f" at {outlet_said}" if outlet_said else ""
            return Resolved(problem=f"{source} {NO_CHANNEL}{where} that could sell {name!r}")
        fits = [(place, sku) for place in places if (sku := place.sku_of(name))]
        for place, sku in fits:
            if self._has(place.outlet, sku):
                return Resolved(place.outlet, sku)
        if not fits:
            return Resolved(problem=f"{name!r} is not how offers of {source} are named")
        outlets = sorted({place.outlet for place, _ in fits})
        only = outlets[0] if len(outlets) == 1 else ""
        return Resolved(only, "", f"{', '.join(outlets)} has no product {fits[0][1]!r}")

    def _has(self, outlet: str, sku: str) -> bool:
        there = self._there.get((outlet, sku))
        if there is None:
            there = sku in self._known(outlet, [sku])
            self._there[outlet, sku] = there
        return there

    def _places_of(self, source: str) -> tuple[_Place, ...]:
        """Where names of a source's offers may lead, closest fit first."""
        if source not in self._places:
            self._places[source] = _places(self._settings, source)
        return self._places[source]


def _places(settings: Settings, source: str) -> tuple[_Place, ...]:
    shop = settings.shops.get(source)
    if shop is not None:
        return (_Place(shop.outlet),) if shop.outlet else ()
    found = []
    for channel in settings.channels:
        if channel.account == source:
            around = offer_name(settings.accounts[source], channel) or ("", "")
            found.append(_Place(channel.outlet, *around))
    return tuple(sorted(found, key=lambda one: (-len(one.before) - len(one.after), one.outlet)))


def known_in(skus: Mapping[str, Collection[str]]) -> Known:
    """`Known` by sets of SKUs that are at hand: outlet -> SKUs."""

    def known(outlet: str, asked: Collection[str]) -> Collection[str]:
        there = skus.get(outlet, ())
        return {sku for sku in asked if sku in there}

    return known
