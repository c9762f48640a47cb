"""Every line of the doctor, in each of its states: one that is always well would say nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.ledger.alerts import Alert
from marketsync_dagster.ledger.imports import Waiting
from marketsync_dagster.ledger.key_ages import CredentialAge
from marketsync_dagster.ledger.pauses import Pause
from marketsync_dagster.ledger.quota import Closure
from marketsync_dagster.ledger.upkeep import Upkeep
from marketsync_dagster.stages import doctor_lines as lines
from marketsync_dagster.stages.doctor_lines import Line
from marketsync_dagster.values.times import to_iso, utcnow
from marketsync_dagster_tests.stages.test_troubles import known

NOW = utcnow()
GIB = 1024**3
A, B = "{env: A}", "{env: B}"
PAUSE = Pause(
    id="p", outlet="kisumu", platform=None, at="", by="ann", reason="stocktaking", until=None
)
SCHEDULES = {"partial_sync_schedule": True, "full_sync_schedule": True, "stock_sync_schedule": True}
SENSORS: dict[str, bool] = dict.fromkeys(
    ("new_extract", "failure_alerts", "freshness_alerts"), True
)
BEATS = {"SCHEDULER": 3.0, "SENSOR": 5.0}


def ago(**of: float) -> str:
    return to_iso(NOW - timedelta(**of))


def paths(*, writable: bool = True, ready: bool = True) -> Line:
    return lines.paths(Path("m.yaml"), Path("h"), Path("d"), writable=writable, ready=ready)


def backup(days: float, *, there: bool = True) -> Line:
    made = Upkeep(ago(days=days), "backup", "ann", True, {"path": "backups/x.zip"})
    return lines.backup(made, NOW, there=there)


def environment(**of: Any) -> Line:
    plain: dict[str, Any] = {"configured": "", "of_key": "", "local": False, "pushes": ["kisumu"]}
    return lines.environment("tracker", **(plain | of))


def age(days: int | None) -> Line:
    return lines.key_age(CredentialAge("t", "accounts.t.api_key", days, "rotated_on", "rotate it"))


def a_test(days: float, delivery: str = "delivered", targets: str = f"{A}, {B}") -> Alert:
    return known("test", "test", at=ago(days=days), delivery=delivery, message=f"to {targets}",
                 error="" if delivery == "delivered" else f"{A}: no answer")  # fmt: skip


def clock(newest: str, *, ahead: float | None = None) -> Line:
    found = lines.clock(newest, {} if ahead is None else {"tracker": ahead}, NOW)
    return found[-1]


def synced(rows: int | None, acknowledged: int, *, test: bool = True) -> Line:
    return lines.synced("k on t", rows, acknowledged, test=test, run="RUN")


def one(found: list[Line], name: str = "") -> Line:
    (line,) = [line for line in found if not name or line.state == name]
    return line


TABLE: list[tuple[Line, str, str, str]] = [
    # the line, its state, words in it, words in its command
    (lines.configuration([], [], "m.yaml is valid"), "ok", "valid", ""),
    (lines.configuration([], ["w1", "w2"], ""), "warning", "w1 (and 1 more)", "config check"),
    (lines.configuration(["e1"], ["w1"], ""), "missing", "e1", "config check"),
    (lines.ledger("ledger.db", "0002", []), "ok", "revision 0002", ""),
    (lines.ledger("x", "2", [(False, "old file", "prune")]), "warning", "old file", "prune"),
    (lines.ledger("x", "2", [(False, "a", ""), (True, "page 7 is damaged", "")]), "missing",
     "page 7 is damaged (and 1 more)", "marketsync ledger check"),
    (lines.storage("SQLite", "SQLite"), "ok", "SQLite", ""),
    (lines.storage("PostgreSQL", "SQLite"), "warning", "history on SQLite", "DATABASE_URL"),
    (lines.storage("SQLite", ""), "warning", "cannot be looked at", ""),
    (paths(), "ok", "data in h", ""),
    (paths(ready=False), "warning", "no dagster.yaml", "marketsync dev"),
    (paths(writable=False), "missing", "h cannot be written", "MARKETSYNC_HOME"),
    (lines.disk("home", Path("h"), 5, 50 * GIB, 100 * GIB), "ok", "holds 5 bytes", ""),
    (lines.disk("home", Path("h"), 5, 9 * GIB, 100 * GIB), "warning", "9.0 GiB", "prune"),
    (lines.disk("home", Path("h"), 5, GIB - 1, 2 * GIB), "warning", "1024.0 MiB", "prune"),
    (lines.backup(None, NOW, there=False), "missing", "no backup", "ledger backup"),
    (backup(1), "ok", "backups/x.zip", ""),
    (backup(7.1), "warning", "7 days ago", "ledger backup"),
    (backup(1, there=False), "missing", "is not there", "ledger backup"),
    (clock(""), "ok", "no row", ""),
    (clock(ago(hours=1)), "ok", "no row", ""),
    (clock(ago(seconds=-20)), "ok", "no row", ""),
    (clock(ago(days=-1)), "missing", "86400 s ahead of this clock", "clock"),
    (clock("", ahead=-29), "ok", "agrees", ""),
    (clock("", ahead=31), "warning", "31 s ahead of this one", "clock"),
    (clock("", ahead=-31), "warning", "31 s behind this one", "clock"),
    (lines.key("t", "pasons", None), "ok", "every secret", ""),
    (lines.key("t", "pasons", ("K is not set", "export K=...")), "missing", "K is not", "export K"),
    (lines.connection("t", (True, "the key is taken", "")), "ok", "taken", ""),
    (lines.connection("t", (False, "401", "")), "missing", "401", "connections test --account t"),
    (lines.connection("t", None), "warning", "--offline", "connections test --account t"),
    (environment(local=True), "ok", "nothing goes live", ""),
    (environment(of_key="demo"), "ok", "demo for kisumu: nothing goes live", ""),
    (environment(of_key="live", configured="live"), "ok", "LIVE for kisumu", ""),
    (environment(of_key="live"), "warning", "a LIVE key for kisumu", ".environment"),
    (environment(), "warning", "taken for live", "make sure"),
    (environment(pushes=[], of_key="demo"), "ok", "no channel pushes", ""),
    (environment(of_key="live", configured="demo"), "missing", "refused", "set a demo key"),
    (age(90), "ok", "90 days old", ""),
    (age(91), "warning", "91 days old", "rotate it"),
    (age(None), "warning", "nobody has said", "rotate it"),
    (lines.mapped("k on t", "acc", 9, 0, "RUN"), "ok", "all 9 products", ""),
    (lines.mapped("k on t", "acc", 9, 1, "RUN"), "warning", "1 of 9 products",
     "mapping list --unmapped --account acc"),
    (lines.mapped("k on t", "acc", 9, 9, "RUN"), "missing", "9 of 9", "--account acc"),
    (lines.mapped("k on t", "acc", 0, 0, "RUN"), "missing", "no products", "RUN"),
    (lines.mapped("k on t", "acc", None, 0, "RUN"), "missing", "nothing was mapped", "RUN"),
    (synced(500, 10), "ok", "10 rows synced in test mode", ""),
    (synced(3, 3), "ok", "3 rows", ""),
    (synced(500, 9), "missing", "9 of 10", "RUN"),
    (synced(None, 0), "missing", "0 of 10", "RUN"),
    (synced(0, 0), "missing", "0 of 1", "RUN"),
    (synced(500, 10, test=False), "ok", "LIVE", ""),
    (synced(500, 9, test=False), "missing", "9 of 10", "with a demo key first: RUN"),
    (lines.pushing("k", push_enabled=True, auto_push=True, at="channels[0]"), "ok", "sent", ""),
    (lines.pushing("k", push_enabled=True, auto_push=False, at="channels[0]"), "warning",
     "only people", "channels[0].auto_push: true"),
    (lines.pushing("k", push_enabled=False, auto_push=True, at="channels[0]"), "missing",
     "nothing is sent", "channels[0].push_enabled: true"),
    (lines.held([]), "ok", "none", ""),
    (lines.held([("plan-1", "k on t")]), "warning", "plan-1 (k on t)", "plans show plan-1"),
    (lines.pending({}, "RUN"), "ok", "none", ""),
    (lines.pending({"k on t": 12}, "RUN"), "warning", "12 of k on t", "RUN"),
    (lines.with_platform({}, NOW, "RUN"), "ok", "every import has ended", ""),
    (lines.with_platform({"k on m": Waiting("a", 1, ago(minutes=59), None)}, NOW, "RUN"), "ok",
     "not asked for yet", ""),
    (lines.with_platform({"k on m": Waiting("a", 1, ago(minutes=5), ago(minutes=1)),
                          "l on m": Waiting("a", 2, ago(minutes=61), ago(minutes=1))}, NOW, "RUN"),
     "warning", "for long: l on m (and 1 more) since", "RUN"),
    (one(lines.closed({}, NOW)), "ok", "no platform wants to be left alone", ""),
    (one(lines.closed({"a": Closure(1_800_000, "HTTP 429")}, NOW)), "warning",
     "no call until ", "runs after that"),
    (one(lines.paused([])), "ok", "nothing is paused", ""),
    (one(lines.paused([PAUSE])), "warning", "by ann (stocktaking)", "resume --outlet kisumu"),
    (lines.verified("k on t", "RUN", 10, [], None), "ok", "the last 10 prices", ""),
    (lines.verified("k on t", "RUN", 8, ["a: 1, shown 2", "b"], None), "missing",
     "2 of 10 differ: a: 1, shown 2 (and 1 more)", "RUN"),
    (lines.verified("k on t", "RUN", 0, [], None), "missing", "no price", "RUN"),
    (lines.verified("k on t", "RUN", 0, [], "it does not tell"), "warning", "does not tell", ""),
    (one(lines.schedules(SCHEDULES)), "ok", "3 schedules on", ""),
    (one(lines.schedules(SCHEDULES | {"stock_sync_schedule": False})), "warning",
     "off: stock_sync_schedule", "dagster schedule start stock_sync_schedule"),
    (one(lines.schedules(SCHEDULES | {"full_sync_schedule": False})), "warning",
     "off: full_sync_schedule", "dagster schedule start full_sync_schedule"),
    (one(lines.schedules(dict.fromkeys(SCHEDULES, False)), "missing"), "missing",
     "nothing goes out by itself", "dagster schedule start partial_sync_schedule"),
    (one(lines.schedules(SCHEDULES | {"pull_orders_schedule": False}), "missing"), "missing",
     "orders do not come in", "dagster schedule start pull_orders_schedule"),
    (one(lines.schedules(SCHEDULES | {"pull_orders_schedule": True})), "ok", "3 schedules on", ""),
    (lines.gone({}, str), "ok", "nothing is for sale", ""),
    (lines.gone({"k on t": (1, "A", 3), "w on t": (2, "B", None)}, str), "warning",
     "w on t (and 1 more): 3 rows listed, but no longer in the extract, such as B: it stays for",
     "w on t"),
    (one(lines.schedules({})), "missing", "there is none", "marketsync dev"),
    (one(lines.schedules({}, "no such folder")), "warning", "no such folder", "marketsync dev"),
    (one(lines.sensors(SENSORS)), "ok", "3 sensors on", ""),
    (one(lines.sensors(SENSORS | {"new_extract": False})), "warning", "off: new_extract",
     "dagster sensor start new_extract"),
    (one(lines.sensors(SENSORS | {"failure_alerts": False})), "missing", "nobody is told",
     "dagster sensor start failure_alerts"),
    (one(lines.sensors({}, "no such folder")), "warning", "no such folder", "marketsync dev"),
    (lines.daemon(BEATS), "ok", "looked after", ""),
    (lines.daemon(BEATS | {"SENSOR": None}), "missing", "from sensor", "dagster-daemon run"),
    (lines.daemon(BEATS | {"SENSOR": 301.0}), "missing", "from sensor", "dagster-daemon run"),
    (lines.daemon({}, "no such folder"), "warning", "no such folder", "marketsync dev"),
    (lines.alerts([], None, NOW), "missing", "nobody is told", "targets"),
    (lines.alerts([A], None, NOW), "missing", "never tested", "alerts test"),
    (lines.alerts([A, B], a_test(1), NOW), "ok", "tested at", ""),
    (lines.alerts([A], a_test(1, "failed"), NOW), "missing", "no answer", "alerts test"),
    (lines.alerts([A, B], a_test(1, targets=A), NOW), "missing", f"{B} was not", "alerts test"),
    (lines.alerts([A], a_test(31), NOW), "warning", "31 days ago", "alerts test"),
    (lines.undelivered(0, ""), "ok", "every message arrived", ""),
    (lines.undelivered(2, f"{A}: 500"), "warning", f"2 messages did not arrive yet: {A}: 500",
     "alerts list"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "state", "words", "command"),
    TABLE,
    ids=[f"{row[0].name}, {row[1]}, {row[2][:30]}" for row in TABLE],
)
def test_a_line_says_how_it_stands(line: Line, state: str, words: str, command: str) -> None:
    assert line.state == state
    assert words in line.message
    assert command in line.command
    assert bool(line.command) is bool(command)


def test_every_line_can_be_well_and_can_be_not() -> None:
    states: dict[str, set[str]] = {}
    for line, *_ in TABLE:
        states.setdefault(line.name, set()).add(line.state)
    assert {name for name, found in states.items() if "ok" not in found or len(found) == 1} == set()
    assert len(states) == 26


def test_what_is_off_and_needed_is_told_apart_from_what_is_only_off() -> None:
    found = lines.sensors(dict.fromkeys(SENSORS, False))
    assert [(line.state, line.message) for line in found] == [
        ("missing", "off: failure_alerts, freshness_alerts; nobody is told when something fails"),
        ("warning", "off: new_extract"),
    ]


def test_sizes_are_written_for_people() -> None:
    assert [lines.in_bytes(n) for n in (0, 1023, 1536, 5 * 1024**2, 3 * GIB)] == [
        "0 bytes", "1023 bytes", "1.5 KiB", "5.0 MiB", "3.0 GiB",
    ]  # fmt: skip
