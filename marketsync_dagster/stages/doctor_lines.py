"""The lines of `marketsync doctor`: what each says of the facts it is given. Pure functions.

Where the facts come from is `stages.doctor` and, for Dagster's own, `automation.health`. Every line
is `ok`, `warning` (it works, and somebody should know) or `missing` (not fit to go live).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from marketsync_dagster.ledger.alerts import Alert
from marketsync_dagster.ledger.imports import Waiting
from marketsync_dagster.ledger.key_ages import CredentialAge
from marketsync_dagster.ledger.pauses import Pause
from marketsync_dagster.ledger.quota import Closure
from marketsync_dagster.ledger.upkeep import Upkeep
from marketsync_dagster.platforms.hints import MEND_CLOCK
from marketsync_dagster.values.gone import stays_words
from marketsync_dagster.values.times import from_iso, to_second
from marketsync_dagster.values.words import counted

State = Literal["ok", "warning", "missing"]

TEST_ROWS = 10
"""Rows that a channel has had acknowledged before it goes live."""
TEST_DAYS = 30
LONG_IMPORT = timedelta(hours=1)
BACKUP_DAYS = 7
CLOCK_S = 30.0
LEAST_SHARE, LEAST_BYTES = 0.10, 1024**3
"""A disk with less room than either is worth a word."""
TELLING = ("failure_alerts", "freshness_alerts")
PUSHING = ("partial_sync", "full_sync")
"""Schedules without which nothing goes out by itself."""
ORDERING = ("pull_orders", "fulfil_orders")
"""Schedules without which orders stand still."""
ALIVE_S = 300.0
"""A daemon gives a sign of life every 30 s."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: what was looked at, of what, how it stands, and the command that mends it."""

    name: str
    subject: str
    state: State
    message: str
    command: str = ""


# --- the configuration and the ledger ------------------------------------------------------------


def configuration(errors: Sequence[str], warnings: Sequence[str], summary: str) -> Line:
    """Whether the configuration can be worked with."""
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        return Line("configuration", "", "missing", errors[0] + more, "marketsync config check")
    if warnings:
        more = f" (and {len(warnings) - 1} more)" if len(warnings) > 1 else ""
        return Line("configuration", "", "warning", warnings[0] + more, "marketsync config check")
    return Line("configuration", "", "ok", summary)


def ledger(where: str, revision: str, findings: Sequence[tuple[bool, str, str]]) -> Line:
    """Whether the ledger is whole; `findings` are (broken, what, next step)."""
    worst = sorted(findings, key=lambda one: not one[0])
    if worst:
        broken, what, step = worst[0]
        more = f" (and {len(worst) - 1} more)" if len(worst) > 1 else ""
        state: State = "missing" if broken else "warning"
        return Line("ledger", "", state, what + more, step or "marketsync ledger check")
    return Line("ledger", "", "ok", f"{where}, revision {revision}: whole, and the laws hold")


def storage(ledger_on: str, dagster_on: str) -> Line:
    """Whether the ledger and Dagster keep their things in the same kind of database; empty: it is
    not known where Dagster does."""
    where = f"the ledger is on {ledger_on}"
    if not dagster_on:
        return Line("storage", "", "warning", f"{where}; Dagster's own cannot be looked at")
    if ledger_on != dagster_on:
        return Line(
            "storage",
            "",
            "warning",
            f"{where}, Dagster's history on {dagster_on}",
            "set MARKETSYNC_DATABASE_URL for every process alike, then marketsync dev",
        )
    return Line("storage", "", "ok", f"{where}, Dagster's history too")


def paths(config: Path, home: Path, dagster_home: Path, *, writable: bool, ready: bool) -> Line:
    """Whether MarketSync may write where it is to; `ready`: DAGSTER_HOME has a dagster.yaml."""
    if not writable:
        return Line(
            "paths",
            "",
            "missing",
            f"{home} cannot be written",
            "make it writable, or set MARKETSYNC_HOME to another folder",
        )
    if not ready:
        return Line(
            "paths",
            "",
            "warning",
            f"{dagster_home} has no dagster.yaml: Dagster would run with settings of its own",
            "marketsync dev",
        )
    return Line("paths", "", "ok", f"{config}; data in {home}; Dagster in {dagster_home}")


def disk(name: str, folder: Path, used: int, free: int, total: int) -> Line:
    """Whether there is room; `used` are the bytes of the folder itself."""
    words = f"{folder} holds {in_bytes(used)}; {in_bytes(free)} of {in_bytes(total)} are free"
    if free < LEAST_BYTES or (total and free / total < LEAST_SHARE):
        return Line("disk", name, "warning", words, "free some space, or marketsync ledger prune")
    return Line("disk", name, "ok", words)


def in_bytes(number: int) -> str:
    """`1.5 GiB`."""
    size = float(number)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def backup(last: Upkeep | None, now: datetime, *, there: bool) -> Line:
    """Whether a backup was made, lately, and its file is where it was put."""
    make = "marketsync ledger backup"
    if last is None:
        return Line("backup", "", "missing", "no backup was ever made", make)
    path = str(last.details.get("path", ""))
    if not there:
        return Line("backup", "", "missing", f"the last backup, {path}, is not there", make)
    days = (now - from_iso(last.at)).days
    words = f"{path} of {last.at}"
    if days >= BACKUP_DAYS:
        return Line("backup", "", "warning", f"{words}, {counted(days, 'day')} ago", make)
    return Line("backup", "", "ok", words)


def clock(newest_row: str, platforms: Mapping[str, float], now: datetime) -> list[Line]:
    """Whether this machine's clock can be right: by the ledger, and by what platforms say."""
    lines = []
    behind = (from_iso(newest_row) - now).total_seconds() if newest_row else 0.0
    if behind > CLOCK_S:
        words = f"the ledger has a row of {newest_row}, {behind:.0f} s ahead of this clock"
        lines.append(Line("clock", "", "missing", words, MEND_CLOCK))
    else:
        lines.append(Line("clock", "", "ok", "no row of the ledger is ahead of this clock"))
    for account, ahead in platforms.items():
        if abs(ahead) > CLOCK_S:
            where = "ahead of" if ahead > 0 else "behind"
            words = f"the platform's clock is {abs(ahead):.0f} s {where} this one"
            lines.append(Line("clock", account, "warning", words, MEND_CLOCK))
        else:
            lines.append(Line("clock", account, "ok", "agrees with the platform's"))
    return lines


# --- accounts ------------------------------------------------------------------------------------


def key(account: str, platform: str, error: tuple[str, str] | None) -> Line:
    """Whether every secret of an account can be had here; `error`: message and next step."""
    if error is not None:
        return Line("key", account, "missing", *error)
    return Line("key", account, "ok", f"every secret of this {platform} account can be read")


def connection(account: str, tested: tuple[bool, str, str] | None) -> Line:
    """Whether the platform takes the key; `tested`: ok, message, next step; None: not asked."""
    test = f"marketsync connections test --account {account}"
    if tested is None:
        return Line("connection", account, "warning", "not asked (--offline)", test)
    ok, message, step = tested
    if not ok:
        return Line("connection", account, "missing", message, step or test)
    return Line("connection", account, "ok", message)


def closed(asked: Mapping[str, Closure], now: datetime) -> list[Line]:
    """Accounts, or families of their calls, that their platforms have asked to leave alone."""
    if not asked:
        return [Line("closed", "", "ok", "no platform wants to be left alone now")]
    found = []
    for name, one in asked.items():
        until = to_second(now + timedelta(milliseconds=one.left_ms))
        words = f"no call until {until}: the platform asked for it"
        words += f" ({one.reason})" if one.reason else ""
        found.append(Line("closed", name, "warning", words, "nothing: runs after that go on"))
    return found


def environment(
    account: str, *, configured: str, of_key: str, local: bool, pushes: Collection[str]
) -> Line:
    """Whether what an account is told goes live; `pushes`: the outlets that are switched on."""
    to = f" for {', '.join(sorted(pushes))}" if pushes else "; no channel pushes to it"
    say = f"write accounts.{account}.environment, so that no key of the other kind slips in"
    if local:
        return Line("environment", account, "ok", f"this machine{to}: nothing goes live")
    if configured and of_key and configured != of_key:
        words = f"a {of_key} key in a {configured} account: it is refused before any call"
        return Line("environment", account, "missing", words, f"set a {configured} key")
    if not of_key and not configured:
        words = f"neither demo nor live by its key{to}: taken for live"
        return Line("environment", account, "warning", words, "make sure that it is the right one")
    if (of_key or configured) == "live":
        if not configured:
            return Line("environment", account, "warning", f"a LIVE key{to}", say)
        return Line("environment", account, "ok", f"LIVE{to}")
    return Line("environment", account, "ok", f"demo{to}: nothing goes live")


def key_age(age: CredentialAge) -> Line:
    """Whether a key is older than keys should become."""
    subject = age.path
    if age.days is None:
        return Line(
            "key age", subject, "warning", f"nobody has said how old it is ({age.source})",
            age.next_step,
        )  # fmt: skip
    words = f"{counted(age.days, 'day')} old ({age.source})"
    if age.stale:
        return Line("key age", subject, "warning", words, age.next_step)
    return Line("key age", subject, "ok", words)


# --- channels ------------------------------------------------------------------------------------


def mapped(channel: str, account: str, rows: int | None, unmapped: int, run: str) -> Line:
    """Whether all products of a channel are mapped; `rows` is None before a mapping was made."""
    if rows is None:
        return Line("products mapped", channel, "missing", "nothing was mapped yet", run)
    if not rows:
        return Line("products mapped", channel, "missing", "there are no products to map", run)
    if unmapped >= rows:
        state: State = "missing"
    elif unmapped:
        state = "warning"
    else:
        return Line("products mapped", channel, "ok", f"all {counted(rows, 'product')}")
    words = f"{unmapped:,} of {counted(rows, 'product')} are unmapped"
    show = f"marketsync mapping list --unmapped --account {account}"
    return Line("products mapped", channel, state, words, show)


def synced(channel: str, rows: int | None, acknowledged: int, *, test: bool, run: str) -> Line:
    """Whether enough rows went out in test mode: to a demo key, or to this machine."""
    wanted = TEST_ROWS if rows is None else max(1, min(TEST_ROWS, rows))
    if acknowledged >= wanted:
        how = "in test mode" if test else "LIVE: the platform has acknowledged them"
        return Line(
            "test sync", channel, "ok", f"{counted(acknowledged, 'row')} synced {how}"
        )  # fmt: skip
    words = f"{acknowledged} of {wanted} rows synced in test mode"
    if not test:
        run = f"with a demo key first: {run}"
    return Line("test sync", channel, "missing", words, run)


def pushing(channel: str, *, push_enabled: bool, auto_push: bool, at: str) -> Line:
    """Whether changes go out, and by themselves; `at`: the place in the configuration."""
    if not push_enabled:
        words = "push_enabled is false: plans are made, nothing is sent"
        return Line("pushes", channel, "missing", words, f"write {at}.push_enabled: true")
    if not auto_push:
        words = "auto_push is false: only people send, not schedules"
        return Line("pushes", channel, "warning", words, f"write {at}.auto_push: true")
    return Line("pushes", channel, "ok", "changes are sent, by schedules too")


def held(plans: Sequence[tuple[str, str]]) -> Line:
    """Plans that wait for a decision: (id, channel)."""
    if not plans:
        return Line("held plans", "", "ok", "none waits for a decision")
    names = ", ".join(f"{plan} ({channel})" for plan, channel in plans[:3])
    words = f"{counted(len(plans), 'plan')} held: {names}" + (" ..." if len(plans) > 3 else "")
    return Line("held plans", "", "warning", words, f"marketsync plans show {plans[0][0]}")


def gone(rows: Mapping[str, tuple[int, str, int | None]], at: Callable[[str], str]) -> Line:
    """What is for sale and no longer in the extract: channel -> (how many, such as, gone_after);
    `at`: what to do about a channel."""
    name = "gone products"
    if not rows:
        return Line(name, "", "ok", "nothing is for sale that is no longer in its extract")
    channel, (_, such, after) = min(rows.items(), key=lambda one: one[1][2] is not None)
    count = sum(one for one, _, _ in rows.values())
    more = f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
    words = f"{channel}{more}: {counted(count, 'row')} listed, but no longer in the extract, such"
    return Line(name, "", "warning", f"{words} as {such}: {stays_words(after)}", at(channel))


def pending(rows: Mapping[str, int], run: str) -> Line:
    """Rows whose fate is not known, or that must go again: channel -> how many."""
    if not rows:
        return Line("pending rows", "", "ok", "none is unknown or must go again")
    named = ", ".join(f"{count:,} of {channel}" for channel, count in rows.items())
    words = f"unknown, or to be sent again: {named}"
    return Line("pending rows", "", "warning", words, run)


def with_platform(waiting: Mapping[str, Waiting], now: datetime, run: str) -> Line:
    """Imports whose ends are not known: channel -> what it waits for. `run` goes on asking."""
    if not waiting:
        return Line("imports", "", "ok", "every import has ended")
    channel, oldest = min(waiting.items(), key=lambda one: one[1].since)
    more = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
    asked = f"last asked for at {oldest.looked_at}" if oldest.looked_at else "not asked for yet"
    words = f"{channel}{more} since {oldest.since}, {asked}"
    if now - from_iso(oldest.since) <= LONG_IMPORT:
        return Line("imports", "", "ok", f"with the platform: {words}")
    return Line("imports", "", "warning", f"with the platform for long: {words}", run)


def paused(pauses: Sequence[Pause]) -> list[Line]:
    """Pauses in force."""
    if not pauses:
        return [Line("pauses", "", "ok", "nothing is paused")]
    return [
        Line("pauses", one.scope, "warning", one.words, one.resume_command) for one in pauses
    ]  # fmt: skip


def verified(channel: str, run: str, right: int, wrong: Sequence[str], why_not: str | None) -> Line:
    """Whether the platform shows the last prices; `why_not`: it cannot be asked."""
    if why_not is not None:
        return Line("prices verified", channel, "warning", f"cannot be verified: {why_not}")
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        words = f"{len(wrong)} of {right + len(wrong)} differ: {wrong[0]}{more}"
        return Line("prices verified", channel, "missing", words, run)
    if not right:
        return Line("prices verified", channel, "missing", "there is no price to look at yet", run)
    return Line("prices verified", channel, "ok", f"the last {counted(right, 'price')} are shown")


# --- automation ----------------------------------------------------------------------------------


def schedules(on: Mapping[str, bool], problem: str = "") -> list[Line]:
    """Schedules by name, and whether each is on; `problem`: why Dagster cannot be looked at."""
    pushes = [name for name in on if name.startswith(PUSHING)]
    needed = [] if any(on[name] for name in pushes) else pushes
    rest = {name: is_on for name, is_on in on.items() if not name.startswith(ORDERING)}
    lines = _switches("schedule", rest, needed, needed[:1], "nothing goes out by itself", problem)
    off = [name for name in on if name not in rest and not on[name]]
    if off and not problem:
        words = f"off: {', '.join(off)}; orders do not come in, or do not go on, by themselves"
        commands = "; ".join(f"dagster schedule start {name}" for name in off)
        lines.append(Line("schedules", "orders", "missing", words, commands))
    return lines


def sensors(on: Mapping[str, bool], problem: str = "") -> list[Line]:
    """Sensors by name, and whether each is on; `problem`: why Dagster cannot be looked at."""
    needed = [name for name in TELLING if not on.get(name, False)]
    return _switches("sensor", on, needed, needed, "nobody is told when something fails", problem)


def _switches(
    kind: str,
    on: Mapping[str, bool],
    needed: Sequence[str],
    enough: Sequence[str],
    without: str,
    problem: str,
) -> list[Line]:
    """`needed` are off, and starting `enough` of them is enough."""
    name, start = f"{kind}s", f"dagster {kind} start"
    if problem:
        words = f"Dagster cannot be looked at: {problem}"
        return [Line(name, "", "warning", words, "marketsync dev")]
    off = [one for one, is_on in on.items() if not is_on and one not in needed]
    lines = []
    if needed:
        words = f"off: {', '.join(needed)}; {without}"
        commands = "; ".join(f"{start} {one}" for one in enough)
        lines.append(Line(name, "", "missing", words, commands))
    elif not on:
        lines.append(Line(name, "", "missing", f"there is none; {without}", "marketsync dev"))
    if off:
        lines.append(Line(name, "", "warning", f"off: {', '.join(off)}", f"{start} {off[0]}"))
    return lines or [Line(name, "", "ok", f"{counted(len(on), kind)} on")]


def daemon(ages_s: Mapping[str, float | None], problem: str = "") -> Line:
    """Whether Dagster's daemons are alive: name -> seconds since its last sign; None: never."""
    start = "marketsync dev, or dagster-daemon run"
    if problem:
        words = f"Dagster cannot be looked at: {problem}"
        return Line("daemon", "", "warning", words, start)
    gone = [name for name, age in ages_s.items() if age is None or age > ALIVE_S]
    if gone:
        words = f"no sign of life from {', '.join(name.lower() for name in gone)}"
        return Line("daemon", "", "missing", f"{words}: schedules and sensors stand still", start)
    return Line("daemon", "", "ok", "schedules and sensors are looked after")


def alerts(targets: Sequence[str], last: Alert | None, now: datetime) -> Line:
    """Whether somebody is told, and that this was tried with the targets of today."""
    test = "marketsync alerts test"
    if not targets:
        words = "alerts.targets is empty: nobody is told when something fails"
        return Line("alerts", "", "missing", words, "write alerts: {targets: [{env: ALERT_URL}]}")
    named = ", ".join(targets)
    if last is None:
        return Line("alerts", "", "missing", f"{named} was never tested", test)
    if last.delivery != "delivered":
        words = f"the last test did not arrive: {last.error or last.delivery}"
        return Line("alerts", "", "missing", words, test)
    untested = [one for one in targets if one not in last.message]
    if untested:
        words = f"{', '.join(untested)} was not among the targets of the last test"
        return Line("alerts", "", "missing", words, test)
    if now - from_iso(last.at) > timedelta(days=TEST_DAYS):
        days = (now - from_iso(last.at)).days
        return Line("alerts", "", "warning", f"{named}: last tested {days} days ago", test)
    return Line("alerts", "", "ok", f"{named}: tested at {last.at}")


def undelivered(waiting: int, error: str) -> Line:
    """Alerts that nobody could be told of."""
    if waiting:
        words = f"{counted(waiting, 'message')} did not arrive yet" + (
            f": {error}" if error else ""
        )
        return Line("alerts told", "", "warning", words, "marketsync alerts list")
    return Line("alerts told", "", "ok", "every message arrived")
