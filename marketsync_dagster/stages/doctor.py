"""The go-live list of `marketsync doctor`: gathers the facts that `stages.doctor_lines` judges.

Nothing is changed but for what any look leaves behind: the calls that were made, and the last
connection test of each account.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from marketsync_dagster.config.accounts import Account, QikinkAccount, TrackerAccount
from marketsync_dagster.config.load import dagster_home_of
from marketsync_dagster.config.secrets import references
from marketsync_dagster.ledger import alerts, upkeep
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.imports import waiting_channels
from marketsync_dagster.ledger.key_ages import credential_ages
from marketsync_dagster.ledger.listings import pending_channels
from marketsync_dagster.ledger.pauses import active_pauses
from marketsync_dagster.ledger.plans import plans
from marketsync_dagster.ledger.quota import closures
from marketsync_dagster.ledger.sizes import folder_size, folders
from marketsync_dagster.ledger.states import states_at
from marketsync_dagster.platforms.registry import capabilities_of, target_of, target_of_channel
from marketsync_dagster.platforms.urls import is_loopback
from marketsync_dagster.stages import doctor_lines as lines
from marketsync_dagster.stages.catalog import CATALOG_KEY
from marketsync_dagster.stages.connections import probe_connections
from marketsync_dagster.stages.doctor_lines import Line
from marketsync_dagster.stages.doctor_orders import of_orders
from marketsync_dagster.stages.vanished import vanished
from marketsync_dagster.stages.verify import verify_prices
from marketsync_dagster.values.errors import MarketSyncError
from marketsync_dagster.values.gone import stays_step
from marketsync_dagster.values.redact import scrub
from marketsync_dagster.values.times import utcnow

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.stages.project import Project

_MANY = 100_000
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel as the lines speak of it."""

    outlet: str
    platform: str
    account: str
    index: int
    """Its place under `channels`."""

    @property
    def words(self) -> str:
        return f"{self.outlet} on {self.platform}"

    @property
    def push(self) -> str:
        """The command that pushes it."""
        return f"marketsync run push_{self.platform} --outlet {self.outlet}"


def examine(
    project: Project,
    *,
    platform: str | None = None,
    verify: int = 10,
    offline: bool = False,
    tell: Tell = lambda _: None,
) -> list[Line]:
    """Every line about the project itself, of one platform's channels and accounts if given.

    `verify` prices of each channel are read back, one call each; `offline` makes no call at all.
    """
    settings, now = project.settings, utcnow()
    channels = [
        Channel(channel.outlet, settings.platform_of(channel), channel.account, index)
        for index, channel in enumerate(settings.channels)
        if platform is None or settings.platform_of(channel) == platform
    ]
    accounts = _accounts(settings, channels, platform)
    found: list[Line] = []
    newest = _newest_row(project)
    errors = {name: _secret_error(project, name) for name in accounts}
    found += [lines.key(name, settings.accounts[name].platform, errors[name]) for name in accounts]
    closed = closures(project.ledger)
    asked = [name for name in accounts if not offline and errors[name] is None]
    asked = [name for name in asked if name not in closed]  # a call may make it longer
    tell("asking the platforms")
    tests = dict(zip(asked, probe_connections(project, asked), strict=True)) if asked else {}
    found += lines.closed({k: v for k, v in closed.items() if k.partition("/")[0] in accounts}, now)
    for name in accounts:
        if errors[name] is None and (name not in closed or offline):
            test = tests[name][0] if name in tests else None
            said = None if test is None else (test.ok, test.message, test.next_step)
            found.append(lines.connection(name, said))
    demo = {name: _environment_of_key(project, name) for name in accounts if errors[name] is None}
    found += [_environment(settings, name, demo.get(name, ""), channels) for name in accounts]
    found += [
        lines.key_age(age)
        for age in credential_ages(settings, project.ledger)
        # nobody rotates what this machine has made up
        if age.account in accounts and not _is_local(target_of(settings.accounts[age.account]))
    ]
    found += _of_channels(project, channels, demo)
    count = 0 if offline else verify
    found += _verified(project, channels, count, closed, offline=offline, tell=tell)
    found += _decisions(project, channels)
    found += of_orders(project, platform)
    told = [str(target) for target in settings.alerts.targets]
    last = alerts.last_alerts(project.ledger, 1, ["test"])
    found.append(lines.alerts(told, last[0] if last else None, now))
    waiting = alerts.undelivered(project.ledger)
    found.append(
        lines.undelivered(len(waiting), next((one.error for one in waiting if one.error), ""))
    )
    made = upkeep.last(project.ledger, upkeep.BACKUP)
    there = made is not None and Path(str(made.details.get("path", ""))).is_file()
    found.append(lines.backup(made, now, there=there))
    clocks = {name: ahead for name, (_, ahead) in tests.items() if ahead is not None}
    found += lines.clock(newest, clocks, now)
    tell("looking at the disk")
    found += disks(settings)
    return found


def paths(settings: Settings) -> Line:
    """Where the project keeps its things, and whether it may write there."""
    dagster_home = dagster_home_of(settings)
    place = settings.home if settings.home.exists() else settings.home.parent
    return lines.paths(
        settings.file,
        settings.home,
        dagster_home,
        writable=os.access(place, os.W_OK),
        ready=(dagster_home / "dagster.yaml").exists(),
    )


def disks(settings: Settings) -> Iterator[Line]:
    """Room for the data folder, the archive in it, and Dagster's folder."""
    growing = folders(settings)
    for name, folder in (
        ("home", settings.home),
        ("archive", growing["archive"]),
        ("dagster", growing["dagster"]),
    ):
        place = folder
        while not place.exists():
            place = place.parent
        usage = shutil.disk_usage(place)
        yield lines.disk(name, folder, folder_size(folder)[1], usage.free, usage.total)


# --- accounts ------------------------------------------------------------------------------------


def _accounts(settings: Settings, channels: Sequence[Channel], platform: str | None) -> list[str]:
    """The accounts that are used: by a channel, or for orders."""
    used = {one.account for one in channels}
    for_orders = {*settings.destinations(), *settings.order_sources()}
    return [
        name
        for name, account in settings.accounts.items()
        if name in used or (name in for_orders and platform in (None, account.platform))
    ]


def _secret_error(project: Project, account: str) -> tuple[str, str] | None:
    """Why a secret of the account cannot be had; None: all can."""
    secrets = project.secrets
    for one in references(project.settings):
        if one.account == account:
            try:
                secrets.resolve(one.ref)
            except MarketSyncError as error:
                return scrub(error.message), scrub(error.next_step)
    return None


def _environment_of_key(project: Project, name: str) -> str:
    """demo or live, by the key itself; empty where it does not tell."""
    from marketsync_dagster.platforms.tracker_ke.adapter import environment_of

    account = project.settings.accounts[name]
    if not isinstance(account, TrackerAccount):
        return _environment_of_host(account)
    return environment_of(project.secrets.resolve(account.api_key))


def _environment_of_host(account: Account) -> str:
    """demo or live, where the address tells; empty where it does not."""
    from marketsync_dagster.platforms.qikink.adapter import environment_of

    return environment_of(account.base_url) if isinstance(account, QikinkAccount) else ""


def _environment(settings: Settings, name: str, of_key: str, channels: Sequence[Channel]) -> Line:
    account = settings.accounts[name]
    on = [one.outlet for one in channels if one.account == name and _is_on(settings, one)]
    configured = _environment_of_host(account)
    if isinstance(account, TrackerAccount):
        configured = account.environment or ""
    local = _is_local(target_of(account))
    return lines.environment(name, configured=configured, of_key=of_key, local=local, pushes=on)


def _is_on(settings: Settings, channel: Channel) -> bool:
    return settings.channels[channel.index].push_enabled


def _is_local(target: str) -> bool:
    place = target.split("|")[1]
    return is_loopback(place.partition("/")[0].partition(":")[0])


# --- channels ------------------------------------------------------------------------------------


def _of_channels(
    project: Project, channels: Sequence[Channel], environments: Mapping[str, str]
) -> Iterator[Line]:
    settings = project.settings
    acknowledged = _acknowledged(project)
    for platform in dict.fromkeys(one.platform for one in channels):
        mappings = states_at(project.ledger, f"{platform}_sku_mapping")
        feeds = states_at(project.ledger, f"{platform}_price_feed")
        for one in (channel for channel in channels if channel.platform == platform):
            state, feed = mappings.get(one.outlet), feeds.get(one.outlet)
            rows = None if state is None else _number(state.numbers, "rows")
            unmapped = 0 if state is None else _number(state.numbers, "unmapped") or 0
            run = f"marketsync run partial_sync --outlet {one.outlet}"
            yield lines.mapped(one.words, one.account, rows, unmapped, run)
            now = target_of_channel(settings, settings.channels[one.index])
            test = live = 0
            for target, count in acknowledged.get((one.outlet, platform), {}).items():
                by_key = environments.get(one.account) if target == now else ""
                if _is_local(target) or "demo" in (target.split("|")[2], by_key):
                    test += count
                elif target == now:
                    live += count
            in_feed = None if feed is None else _number(feed.numbers, "rows")
            yield lines.synced(
                one.words,
                in_feed,
                max(test, live),
                test=test >= live and (test > 0 or _is_test(settings, one, environments)),
                run=f"{one.push} --limit {lines.TEST_ROWS}",
            )
            channel = settings.channels[one.index]
            yield lines.pushing(
                one.words,
                push_enabled=channel.push_enabled,
                auto_push=channel.auto_push,
                at=f"channels[{one.index}]",
            )


def _is_test(settings: Settings, channel: Channel, environments: Mapping[str, str]) -> bool:
    target = target_of(settings.accounts[channel.account])
    return _is_local(target) or "demo" in (target.split("|")[2], environments.get(channel.account))


def _number(numbers: Mapping[str, Any], name: str) -> int | None:
    return None if name not in numbers else int(numbers[name])


def _acknowledged(project: Project) -> dict[tuple[str, str], dict[str, int]]:
    """(outlet, platform) -> target -> rows that it has acknowledged."""
    c = t.listing.c
    query = (
        select(c.outlet, c.platform, c.target, func.count())
        .where(c.ack_at.is_not(None))
        .group_by(c.outlet, c.platform, c.target)
    )
    found: dict[tuple[str, str], dict[str, int]] = {}
    with project.ledger.read() as connection:
        for outlet, platform, target, count in connection.execute(query):
            found.setdefault((outlet, platform), {})[target] = int(count)
    return found


def _verified(
    project: Project,
    channels: Sequence[Channel],
    count: int,
    closed: Collection[str],
    *,
    offline: bool,
    tell: Tell,
) -> Iterator[Line]:
    if not count and not offline:
        return  # --verify 0: somebody does not want to know
    for one in channels:
        account = project.settings.accounts[one.account]
        if not capabilities_of(account).read_prices:
            why = "the platform does not tell which prices it shows (accepted_unverified)"
            yield lines.verified(one.words, one.push, 0, [], why)
            continue
        if offline:
            yield lines.verified(one.words, one.push, 0, [], "no call was made (--offline)")
            continue
        if one.account in closed:
            why = "the platform asked to be left alone"
            yield lines.verified(one.words, one.push, 0, [], why)
            continue
        tell(f"reading {count} prices of {one.words}")
        try:
            found = verify_prices(project, one.platform, one.outlet, count)
        except MarketSyncError as error:
            yield lines.verified(one.words, one.push, 0, [], scrub(error.message))
            continue
        wrong = [
            f"{row.sku}: expected {row.expected}, shown {row.shown or 'nothing'} ({row.reason})"
            for row in found
            if not row.ok
        ]
        run = one.push + "".join(f" --sku {row.sku}" for row in found if not row.ok)
        yield lines.verified(
            one.words, run if len(wrong) <= 3 else one.push, len(found) - len(wrong), wrong, None
        )


def _decisions(project: Project, channels: Sequence[Channel]) -> Iterator[Line]:
    """What waits for people: held plans, rows to go again, pauses."""
    names = {(one.outlet, one.platform): one.words for one in channels}
    held = plans(project.ledger, states=("held",), limit=_MANY)
    yield lines.held(
        [
            (plan.id, names[plan.outlet, plan.platform])
            for plan in held
            if (plan.outlet, plan.platform) in names
        ]
    )
    waiting = {
        names[at]: count for at, count in pending_channels(project.ledger).items() if at in names
    }
    yield lines.pending(waiting, "marketsync run partial_sync")
    yield _gone(project, channels)
    accounts = {one.account for one in channels}
    if any(capabilities_of(project.settings.accounts[name]).async_import for name in accounts):
        yield _imports(project, channels)
    yield from lines.paused(
        [
            one
            for one in active_pauses(project.ledger, utcnow())
            if any(one.covers(channel.outlet, channel.platform) for channel in channels)
        ]
    )


def _gone(project: Project, channels: Sequence[Channel]) -> Line:
    """What is for sale and no longer in the catalog of its outlet."""
    found: dict[str, tuple[int, str, int | None]] = {}
    steps: dict[str, str] = {}
    for one in channels:
        if project.frames.stamp(CATALOG_KEY, one.outlet) is None:
            continue
        catalog = project.frames.columns_of(CATALOG_KEY, one.outlet, ("sku",))["sku"]
        target = target_of_channel(project.settings, project.settings.channels[one.index])
        if skus := vanished(project, one.outlet, one.platform, target, catalog):
            after = project.settings.outlets[one.outlet].extract.gone_after
            found[one.words] = (len(skus), skus[0], after)
            explain = f"marketsync explain --outlet {one.outlet} --platform {one.platform}"
            steps[one.words] = stays_step(one.outlet, after) or f"{explain} --sku {skus[0]}"
    return lines.gone(found, steps.__getitem__)


def _imports(project: Project, channels: Sequence[Channel]) -> Line:
    """What is with the platforms."""
    at = {(one.outlet, one.platform): one for one in channels}
    waiting = {at[key]: one for key, one in waiting_channels(project.ledger).items() if key in at}
    run = min(waiting, key=lambda one: waiting[one].since).push if waiting else ""
    named = {channel.words: one for channel, one in waiting.items()}
    return lines.with_platform(named, utcnow(), run)


def _newest_row(project: Project) -> str:
    """The newest time in the ledger, before this look adds to it."""
    columns = (
        t.outlet_state.c.at,
        t.plan.c.created_at,
        t.push.c.started_at,
        t.extract.c.read_at,
        t.upkeep.c.at,
        t.connection_test.c.at,
    )
    with project.ledger.read() as connection:
        times = [connection.execute(select(func.max(column))).scalar() for column in columns]
    return max(filter(None, times), default="")
