"""Words of the command line that must name something that exists; UsageError with the closest.

Nothing here opens the ledger or reads a file.
"""

from __future__ import annotations

import getpass
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from marketsync_dagster.values.errors import UsageError

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Channel, Settings

_SHOWN = 12


def one_of(kind: str, given: str, known: Collection[str], next_step: str = "") -> str:
    """`given` if it is known; UsageError that names the closest, or all, otherwise."""
    if given in known:
        return given
    folded = {name.casefold(): name for name in known}
    near = [folded[one] for one in get_close_matches(given.casefold(), folded, n=3, cutoff=0.5)]
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    elif 0 < len(known) <= _SHOWN:
        hint = f"one of: {', '.join(known)}"
    else:
        hint = f"there are {len(known)}, none of them like it" if known else "there is none"
    raise UsageError(f"unknown {kind} {given!r} ({hint})", next_step)


def currency_of(given: str) -> str:
    """`given` if it is a currency; UsageError with the one that it stands for, or the closest."""
    from marketsync_dagster.config.scalars import CURRENCIES, LOCAL_CURRENCIES

    meant = LOCAL_CURRENCIES.get(given.strip().upper())
    if given not in CURRENCIES and meant:
        raise UsageError(f"unknown currency {given!r} (did you mean {' or '.join(meant)}?)")
    return one_of("currency", given, sorted(CURRENCIES))


def outlets_of(settings: Settings, given: str | None, *, everything: bool = False) -> list[str]:
    """`A,B` as outlets in the order of the configuration; all of them where none is given."""
    if given is None:
        return list(settings.outlets)
    if everything:
        raise UsageError("--outlet and --all say different things", "give one of them")
    words = [word.strip() for word in given.split(",")]
    if not all(words):
        raise UsageError(
            "--outlet is empty, or has an empty name in it", "--outlet westlands,kisumu"
        )
    wanted = {one_of("outlet", word, settings.outlets) for word in words}
    return [outlet for outlet in settings.outlets if outlet in wanted]


def platform_of(settings: Settings, given: str) -> str:
    """`given` if a channel is on that platform."""
    return one_of("platform", given, settings.platforms())


def account_of(settings: Settings, given: str) -> str:
    return one_of("account", given, settings.accounts)


def channel_of(settings: Settings, outlet: str, platform: str) -> Channel:
    """The channel of an outlet on a platform; UsageError if it has none there."""
    one_of("outlet", outlet, settings.outlets)
    platform_of(settings, platform)
    channel = settings.channel(outlet, platform)
    if channel is None:
        there = ", ".join(settings.channels_of(platform))
        raise UsageError(f"outlet {outlet} has no channel on {platform}", f"outlets there: {there}")
    return channel


def skus_of(given: Sequence[str] | None) -> list[str]:
    """The SKUs of repeated `--sku` options; none may be empty."""
    words = [word.strip() for word in given or ()]
    if not all(words):
        raise UsageError("--sku is empty", "--sku 90725768")
    return list(dict.fromkeys(words))


def user() -> str:
    """Who calls: the operating system's name for them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return "unknown"


def by(given: str | None) -> str:
    """Who decides: as named, or who is logged in."""
    name = user() if given is None else given.strip()
    if not name:
        raise UsageError("--by is empty", "--by 'Jane Doe'")
    return name


def why(given: str, example: str) -> str:
    """The reason of a decision; `example`: one that fits."""
    if not given.strip():
        raise UsageError("--reason is empty", f"--reason '{example}'")
    return given.strip()
