"""Runs the troubles of `troubles` through the real stages and sender, and writes their page.

Six rows in three batches are to change their price; the platform (or the way to it) misbehaves
during that run. Then it is well again, and the next ordinary run follows.

`python -m marketsync_dagster_tests.proof.matrix` writes docs/faults.md anew from the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from marketsync_dagster.ledger import listings
from marketsync_dagster.stages.platform_catalog import (
    refresh_platform_catalog,
    stored_platform_catalog,
)
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.faults.scenes import ANY_CHANGE
from marketsync_dagster_tests.projects import (
    FULL,
    TestBed,
    account_name,
    key_of,
    make_project,
    repriced,
    some_rows,
)
from marketsync_dagster_tests.proof import hostile, imports
from marketsync_dagster_tests.proof.troubles import (
    KNOWN_BEFORE,
    READINGS,
    TROUBLES,
    End,
    Reading,
    Trouble,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
OLD = some_rows(6)
NEW = repriced(OLD, lambda price: price + 1)
BATCH = 2


def matrix_bed(folder: Path, sandbox: SandboxProcess, platform: str) -> TestBed:
    """Six rows that are shown; one connection, two attempts, little patience."""
    sandbox.reset()
    bed = make_project(
        folder, sandbox, rows=OLD, platforms=[platform], batch=BATCH, guard=ANY_CHANGE
    )
    account = bed.document["accounts"][account_name(platform, bed.outlet)]
    account["quota"]["concurrency"] = 1
    account["retry"] |= {"attempts": 2, "budget_s": 2}
    if platform == "pasons":
        account["response"] = {"results": "all"}
        store = {"store_id": "store-westlands", "api_key": key_of(platform, bed.outlet)}
        sandbox.seed({"pasons": {"stores": [store | {"results": "all"}]}})
    bed.configure(lambda _: None)
    first = bed.sync(platform, FULL).one
    assert first.ok, first
    return bed


def suffered(bed: TestBed, platform: str, trouble: Trouble) -> End:
    """What the trouble comes to on a bed whose platform shows its feed; it does so again after."""
    price = bed.shown(platform)[_first(platform)][0]
    bed.write_extract(NEW if str(price) == OLD[0].price else OLD)
    account = bed.document["accounts"][account_name(platform, bed.outlet)]
    usual = {name: dict(account[name]) for name in ("timeouts", "retry")}
    for section, said in trouble.account.items():
        account[section] |= said
    address, number = account["base_url"], bed.sandbox.last_request()
    with _elsewhere(trouble, bed.root) as origin:
        account["base_url"] = address.replace(bed.sandbox.url, origin or bed.sandbox.url)
        bed.configure(lambda _: None)
        if trouble.action:
            bed.sandbox.scenario(
                channel=platform, match=trouble.match, times=trouble.times, **trouble.action
            )
        result = bed.sync(platform).one
    seen = len(bed.writes(number))
    bed.sandbox.clear_scenarios()
    account.update(usual, base_url=address)
    bed.configure(lambda _: None)
    history = bed.pushes()[-1]["status"]
    silent = "no call is made before" in result.reason and _silent(bed, platform, trouble)
    bed.end_closures()
    outcomes = {word.value: int(result.numbers[word.value]) for word in Outcome}
    calls = int(result.numbers["calls"])

    # what holds after any trouble
    assert sum(outcomes.values()) == len(OLD)
    assert seen == (0 if origin else calls), f"{calls} calls in the ledger, {seen} at the platform"
    assert bed.unaccounted() == []
    with bed.run() as project:
        pending = listings.count_pending(project.ledger, bed.outlet, platform)
    assert pending == sum(outcomes[word] for word in ("retryable", "unknown", "auth_failed"))
    taken = outcomes["applied"] + outcomes["accepted_unverified"] + outcomes["accepted_async"]
    assert result.reason or taken == len(OLD), "nobody is told what happened"

    again = int(bed.sync(platform).one.numbers["sent"])
    left = len(bed.differences(platform))
    if left:
        assert bed.sync(platform, FULL).one.ok
    assert bed.differences(platform) == {}
    rows = ", ".join(f"{count} {word}" for word, count in outcomes.items() if count)
    return End(rows, calls, result.state, history, again, silent, left)


def _silent(bed: TestBed, platform: str, trouble: Trouble) -> bool:
    """Whether the next run leaves the platform alone, and says so."""
    if trouble.times is None:
        return False  # it asked for little, but for ever
    number = bed.sandbox.last_request()
    early = bed.sync(platform).one
    assert early.numbers["retryable"] == early.numbers["sent"] > 0
    assert "asked us to stay away until" in early.reason
    return early.numbers["calls"] == 0 and bed.sandbox.last_request() == number


def _first(platform: str) -> str:
    return f"prod_{OLD[0].sku}" if platform == "tracker_ke" else OLD[0].sku


@contextmanager
def _elsewhere(trouble: Trouble, folder: Path) -> Iterator[str]:
    """The address that is configured in the platform's place; empty: the platform's own."""
    if trouble.address == "untrusted":
        with hostile.untrusted_host(folder) as origin:
            yield origin
    elif trouble.address:
        places = {
            "closed": hostile.closed_port,
            "deaf": hostile.deaf_port,
            "unknown": hostile.unknown_host,
        }
        with places[trouble.address]() as origin:
            yield origin
    else:
        yield ""


def read_with(bed: TestBed, reading: Reading) -> tuple[int, int, str]:
    """Rows known, calls and state after reading Tracker KE's catalogue in spite of a trouble."""
    sandbox, account = bed.sandbox, account_name("tracker_ke", bed.outlet)
    with bed.run() as project:
        assert refresh_platform_catalog(project, "tracker_ke").ok
        known = stored_platform_catalog(project, account)
        assert known is not None
        assert len(known) == KNOWN_BEFORE
        match = {} if reading.times is None else {"nth": 2}
        sandbox.scenario(channel="tracker_ke", match=match, times=reading.times, **reading.action)
        result = refresh_platform_catalog(project, "tracker_ke")
        sandbox.clear_scenarios()
        if reading.action.get("form") == "huge":
            early = refresh_platform_catalog(project, "tracker_ke")
            assert (early.ok, early.numbers["calls"]) == (False, 0)
            assert "asked us to stay away until" in early.reason
        bed.end_closures()
        after = stored_platform_catalog(project, account)
        assert after is not None
        assert after["platform_id"].is_unique
        assert result.ok or result.reason
    return len(after), int(result.numbers["calls"]), result.state


def catalogue_bed(folder: Path, sandbox: SandboxProcess) -> TestBed:
    """A project on Tracker KE whose catalogue has three pages."""
    sandbox.reset()
    return make_project(folder, sandbox, rows=some_rows(KNOWN_BEFORE), platforms=["tracker_ke"])


# --- the page

_HEAD = """# What happens when a platform misbehaves

Written by `python -m marketsync_dagster_tests.proof.matrix` from the table that the tests run; do
not edit it by hand.

Each line is a push of six changed prices in three batches of two, over one connection, with two
attempts per batch. A trouble strikes the second request, or goes on for the whole run. *Calls* are
HTTP attempts; each is a row of the table `api_call`. A run that is **red** names the outlet, the
reason and the next step. Pasons is configured with `results: all, if_absent: accepted_unverified`.

Nothing is ever lost silently: what was not acknowledged is sent again by the next run (the sensor
`pending_retries` starts one), and what the platform refused waits with the platform's words.
"""
_IMPORTS = """## What befalls imports

On Mirakl a call is over before the import is, and so may the run be. Six changed prices in three
imports of two; the trouble strikes the second, or whoever asks for it. A run waits for imports as
long as `imports.wait_s` says; the next one asks first how they ended. Each call by itself is held
to the same faults as those of the others, in [conformance.md](conformance.md).

| the platform | rows at the end of the run | imports sent | the run | the next run |
|---|---|---|---|---|"""
_TAIL = """
## Reading the catalogue

Tracker KE's catalogue of 250 products in three pages, read by `refresh_mappings` with three
attempts per page. Pasons has none to read. Where reading fails, the copy from before stays in
force.
"""


def page() -> str:
    """docs/faults.md as the tables say it."""
    lines = [_HEAD]
    for group, troubles in TROUBLES.items():
        lines += [f"## {group}", ""]
        lines += [
            "| the platform | Tracker KE | calls | Pasons | calls | the run | the next run |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [_line(trouble) for trouble in troubles]
        lines.append("")
    lines += [_IMPORTS, *map(_import_line, imports.TROUBLES), _TAIL]
    lines += ["| the platform | products known | calls | the run |", "|---|---|---|---|"]
    for reading in READINGS:
        run = "green" if reading.state == "done" else "red"
        lines.append(f"| {reading.name} | {reading.rows} | {reading.calls} | {run} |")
    return "\n".join(lines) + "\n"


def _line(trouble: Trouble) -> str:
    one, other = trouble.tracker_ke, trouble.pasons
    run, then = _run(one), _then(one)
    if _run(other) != run:
        run += f"; Pasons: {_run(other)}"
    if _then(other) != then:
        then += f"; Pasons: {_then(other)}"
    cells = (trouble.name, one.rows, one.calls, other.rows, other.calls, run, then)
    return f"| {' | '.join(map(str, cells))} |"


def _import_line(trouble: imports.ImportTrouble) -> str:
    end = trouble.end
    then = ["learns that all are applied"] if "async" in end.rows and not end.then else []
    if "async" in end.rows and end.left:
        then = ["learns how they ended"]
    then += [f"sends again: {end.then}"] if end.then else []
    if end.left:
        then.append(f"{end.left} refused: waits for a full push, another price, or to be named")
    run = _run(End(end.rows, 0, end.state, end.history))
    cells = (trouble.name, end.rows, end.sent, run, "; ".join(then) or "nothing to do")
    return f"| {' | '.join(map(str, cells))} |"


def _run(end: End) -> str:
    colour = "**red**" if end.state == "not shown" else "green"
    shown = f", {end.state}" if end.state == "refused rows" else ""
    return f"{colour}{shown}, push *{end.history}*"


def _then(end: End) -> str:
    words = [f"sends {end.again} rows again"] if end.again else []
    if end.silent:
        words = [f"makes no call while the platform wants none, then {words[0]}"]
    if end.left and "refused" in end.rows:
        words.append(f"{end.left} wait for a full push, another price, or to be named")
    elif end.left:
        words.append(f"{end.left} differ until a full push")
    return "; ".join(words) or "nothing to do"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
