"""What is done to a project of canaries: faults, defects, wrong settings, another database.

Each function leaves what was said in `world.said` and in the project's folders; looking for the
canaries is the test's part.
"""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn
from urllib.parse import quote

import dagster as dg
import psycopg
import pytest
import yaml

from marketsync_dagster.values.errors import ExtractError, MarketSyncError
from marketsync_dagster_tests.e2e import secret_faults
from marketsync_dagster_tests.e2e.secret_world import (
    KEYS,
    MIRAKL_KEYS,
    STORED,
    STORED_TOO,
    TRACKER_KEYS,
    World,
    variable,
    variants,
)
from marketsync_dagster_tests.ledgers import postgres_uri

COMMANDS = (
    "history --json",
    "history",
    "plan --json",
    "plan --mode full",
    "plans list --json",
    "explain --outlet north --platform tracker_ke --sku 00001 --json",
    "explain --outlet east --platform pasons --sku 00001",
    "explain --outlet south --platform mirakl --sku 00001",
    "connections test --json",
    "mapping list --json --account tracker_ke_north",
    "config check --json",
    "--debug connections test",
    "--debug connections test --account no_such_account",
)


def stored(world: World, patch: pytest.MonkeyPatch) -> None:
    """Everything that can be done with stored secrets, and what is wrong about them."""
    replaced, key = "stored key that was replaced", TRACKER_KEYS["west"]
    mistaken = world.canaries["stored key given as an argument"]
    line = ("secrets", "set", STORED)
    assert world.command(*line, "--json", given=world.canaries[replaced]) == 0
    assert world.command(*line, "--overlap-days", "9", "--from-env", variable(key)) == 0
    too = variable(MIRAKL_KEYS["south"])
    assert world.command("secrets", "set", STORED_TOO, "--from-env", too) == 0
    for wrong in ((*line, mistaken), (*line, "--from-env", mistaken), ("secrets", "set", mistaken)):
        assert world.command("--debug", *wrong) == 64
    assert world.command("--debug", *line, given=f"{mistaken}\n{mistaken}") == 1
    with patch.context() as here:
        here.setenv("MARKETSYNC_NEW_MASTER_KEY", world.canaries["new master key"])
        assert world.command("secrets", "rotate", "--json") == 0
    assert world.command("--debug", "secrets", "rotate") == 1  # no new key is given
    for master in (world.canaries["master key"], f"{mistaken}="):  # another one, and none at all
        with patch.context() as here:
            here.setenv("MARKETSYNC_MASTER_KEY", master)
            assert world.command("--debug", *line, given=mistaken) == 1
            world.command("--debug", "connections", "test", "--json")
            world.command("secrets", "list")
    assert world.command("secrets", "list", "--json") == 0


def faults(world: World) -> None:
    """Every fault of the sandbox, in every job that speaks to a platform."""
    world.plant("tracker_ke", {"path": "*/products/sync"}, secret_faults.product_faults)
    world.run_until_all_fired("product_sync", 4)
    world.sandbox.clear_scenarios()
    for platform, path in (("tracker_ke", "*/products"), ("mirakl", "*/offers")):
        world.plant(platform, {"path": path, "method": "GET"}, PAGES[platform])
    world.run_until_all_fired("refresh_mappings", 6)
    world.sandbox.clear_scenarios()
    for platform, pushed in PUSHED.items():
        world.plant(platform, {"method": "POST"}, pushed)
    world.plant("mirakl", {"path": "*/error_report"}, secret_faults.report_faults)
    asked = {"path": "*/imports*", "method": "GET"}
    world.plant("mirakl", asked, secret_faults.status_faults)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("marketsync_dagster.push.imports.QUICK_S", 0.005)  # asked for often
        world.run("full_sync")
        for platform in PUSHED:
            world.run_until_all_fired(f"push_{platform}", 6, platform)
    world.sandbox.clear_scenarios()
    world.plant("mirakl", {"path": "*/offers", "method": "GET"}, secret_faults.shown_faults)
    world.run_until_all_fired("reconcile", 1)
    world.sandbox.clear_scenarios()


PAGES = {"tracker_ke": secret_faults.page_faults, "mirakl": secret_faults.shown_page_faults}
PUSHED = {
    "tracker_ke": secret_faults.push_faults,
    "pasons": secret_faults.push_faults,
    "mirakl": secret_faults.import_faults,
}


def connections(world: World) -> None:
    """Connection tests, each account with a fault of its own; then every other command."""
    world.plant("mirakl", {"path": "*/account"}, secret_faults.account_faults)
    for kinds in (
        ("echo_secret", "html_200", "redirect", "reset"),
        ("big_error_body", "echo_secret", "revoke_key", "truncated_json"),
    ):
        for outlet, kind in zip(secret_faults.OUTLETS, kinds, strict=True):
            for platform in (platform for platform, keys in KEYS.items() if outlet in keys):
                name = world.known_as(platform, outlet)
                world.sandbox.scenario(kind, channel=platform, account=name)
        world.command("connections", "test", "--json")
    # of the other shop it is known already what it is
    told = world.known_as("mirakl", "south")
    assert not [one for one in world.waiting("mirakl") if one.startswith(told)]
    world.sandbox.clear_scenarios()
    world.sandbox.scenario("echo_secret", status=401, times=None)
    assert not world.run("test_connections").success
    for line in COMMANDS:
        world.command(*line.split())


@contextlib.contextmanager
def processes(world: World) -> Iterator[None]:
    """Commands in processes of their own, all of whose calls are answered with an echo."""
    world.sandbox.scenario("echo_secret", status=500, times=None)
    lines = ("-m marketsync_dagster.cli.main --debug run push_tracker_ke --mode full --json",)
    environment = {**os.environ, **world.environment()}
    started = [
        subprocess.Popen(
            [sys.executable, *line.split()],
            env=environment,
            cwd=world.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for line in lines
    ]
    try:
        yield
        for line, process in zip(lines, started, strict=True):
            world.hear(line, process.communicate(timeout=60)[0])
            assert process.returncode in (1, 4), world.said.popitem()
    finally:
        for process in started:
            process.kill()
            process.wait()
    world.sandbox.clear_scenarios()


class Hostile(Exception):
    """An exception as bad as a library's can be: secrets wherever an exception has room."""

    def __init__(self, secret: str) -> None:
        super().__init__(f"call failed for {secret}")
        self.request = {"Authorization": f"Bearer {secret}"}
        self.add_note(f"headers: {secret}")


def hostile(secret: str, make: Callable[[str], BaseException] = Hostile) -> NoReturn:
    """Raise with the secret in the message, the notes, the cause, the context and a group."""
    coded = base64.b64encode(f"marketsync:{secret}".encode()).decode()
    try:
        try:
            raise ValueError(f"inner {secret}")
        except ValueError as inner:
            group = ExceptionGroup(f"many {quote(secret, safe='')}", [inner])
            raise KeyError(f"Basic {coded}") from group
    except KeyError:
        raise make(secret)  # noqa: B904 - a context is what is wanted


def defects(world: World, patch: pytest.MonkeyPatch) -> None:
    """Exceptions that nobody expects, in adapters, in stages and where Dagster is told."""
    from marketsync_dagster.platforms.mirakl.adapter import MiraklAdapter
    from marketsync_dagster.platforms.pasons.adapter import PasonsAdapter
    from marketsync_dagster.platforms.tracker_ke.adapter import TrackerAdapter
    from marketsync_dagster.resources import frames
    from marketsync_dagster.stages import extract, listings, mapping

    key = world.canaries["tracker key, signed as documented"]
    special = world.canaries["pasons header key"]

    def bad(make: Callable[[str], BaseException] = Hostile, secret: str = key) -> Any:
        return lambda *_, **__: hostile(secret, make)

    async def bad_call(*_: Any, **__: Any) -> NoReturn:
        hostile(special)

    def failure(secret: str) -> BaseException:
        return dg.Failure(f"failed for {secret}")

    def expected(secret: str) -> BaseException:
        return MarketSyncError(f"refused {secret}", f"do not show {secret}")

    def refused(secret: str) -> BaseException:
        return ExtractError("odd", f"odd {secret}")

    cases: list[tuple[str, list[tuple[Any, str, Any]]]] = [
        ("push_tracker_ke", [(TrackerAdapter, "send", bad_call)]),
        ("push_pasons", [(PasonsAdapter, "_call", bad_call)]),
        ("push_mirakl", [(MiraklAdapter, "_call", bad_call)]),
        ("push_pasons", [(listings, "plan_outlets", bad(secret=special))]),
        ("push_tracker_ke", [(listings, "record_outlets", bad(failure))]),
        ("push_tracker_ke", [(frames, "record_only", bad())]),
        ("test_connections", [(TrackerAdapter, "test_connection", bad_call)]),
        (
            "refresh_mappings",
            [(TrackerAdapter, "read_catalog", bad()), (mapping, "map_outlets", bad(expected))],
        ),
        ("product_sync", [(extract, "extract_outlets", bad(refused))]),
    ]
    for job, patches in cases:
        with patch.context() as here:
            for target, name, value in patches:
                here.setattr(target, name, value)
            assert not world.run(job).success, job
    with patch.context() as here:
        here.setattr(extract, "extract_outlets", bad())
        here.setattr("marketsync_dagster.cli.run.launched", bad(secret=special))
        world.command("run", "full_sync", "--json")


def wrong_settings(world: World) -> None:
    """Configurations that are wrong about a secret: each is refused, and shown nowhere."""
    path = world.root / "wrong.yaml"
    for name, document in variants(world):
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        for words in ("config check --json", "--debug connections test --json"):
            world.command("--config", str(path), *words.split())
        last = list(world.said.values())[-1]
        assert b'"ok": false' in last or b"error:" in last, (name, last)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MARKETSYNC_CONFIG", str(path))
        line = [sys.executable, "-c", "import marketsync_dagster.definitions"]
        done = subprocess.run(line, capture_output=True, timeout=60, check=False)
        assert done.returncode == 1
        world.hear("loading wrong settings", done.stdout + done.stderr)


def database(world: World, patch: pytest.MonkeyPatch) -> str:
    """A ledger on PostgreSQL behind a secret password, used, down and misspelt; returns its URL."""
    password = world.canaries["password of the database"]
    base = postgres_uri()
    name = f"canaries_{os.getpid()}"
    with psycopg.connect(base, autocommit=True) as connection:
        said = password.replace("'", "''")
        connection.execute(f"CREATE ROLE {name} LOGIN SUPERUSER PASSWORD '{said}'".encode())
        connection.execute(f"CREATE DATABASE {name} OWNER {name} TEMPLATE template0".encode())
    written = quote(password, safe="")
    query = base.split("?", 1)[1]
    good = f"postgresql://{name}:{written}@/{name}?{query}"
    patch.setenv("MARKETSYNC_DATABASE_URL", good)
    stored(world, patch)
    world.sandbox.scenario("echo_secret", times=3)
    world.run("full_sync")
    world.sandbox.clear_scenarios()
    world.command("history", "--json")
    for url in (
        f"postgresql://{name}:{written}@127.0.0.1:1/{name}",
        f"postgresql://{name}:{password}@127.0.0.1:1/{name}",
        f"postgresql://{name}:{written}@/nowhere_at_all?{query}",
        f"postgresql://nobody_at_all:{written}@/{name}?{query}",
        f"mysql://{name}:{written}@127.0.0.1/{name}",
        f"postgresql://{name}:{written}@127.0.0.1:not_a_port/{name}",
    ):
        patch.setenv("MARKETSYNC_DATABASE_URL", url)
        world.command("--debug", "history", "--json")
    world.command("--debug", "run", "push_pasons")
    patch.delenv("MARKETSYNC_DATABASE_URL")
    return good


def postgres_rows(url: str) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """Every table of a PostgreSQL ledger with its rows."""
    with psycopg.connect(url) as connection:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        for (table,) in connection.execute(query).fetchall():
            yield table, connection.execute(f'SELECT * FROM "{table}"'.encode()).fetchall()
