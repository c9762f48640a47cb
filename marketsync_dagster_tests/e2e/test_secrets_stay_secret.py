"""No secret is found in anything that is stored, printed, logged, raised or served.

Real jobs run on a real Dagster instance against the sandbox, under every fault that it has; then
all that is left of them is searched, raw byte by raw byte and unpacked. The search itself is
proved first, on secrets that are put there on purpose.
"""

from __future__ import annotations

import ast
import io
import logging
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pytest

import marketsync_dagster
from marketsync_dagster.automation.partitions import range_tags
from marketsync_dagster.resources.boundary import guarded
from marketsync_dagster.sandbox import faults as _all_faults  # noqa: F401 - fills ACTIONS
from marketsync_dagster.sandbox.actions import ACTIONS
from marketsync_dagster.values.disarm import Defect
from marketsync_dagster.values.errors import MarketSyncError
from marketsync_dagster.values.redact import register_secret
from marketsync_dagster_tests.e2e import secret_faults, secret_steps, secret_world
from marketsync_dagster_tests.e2e.canaries import Search, new_canaries
from marketsync_dagster_tests.e2e.secret_ui import Webserver
from marketsync_dagster_tests.e2e.secret_world import World
from marketsync_dagster_tests.sandbox_process import SandboxProcess

pytestmark = pytest.mark.xdist_group("secrets")

ROOT = Path(__file__).parents[2]
PACKAGE = Path(marketsync_dagster.__file__).parent


@dataclass
class Remains:
    """What is left when everything has happened."""

    world: World
    database: str
    logged: str
    served: dict[str, bytes] = field(default_factory=dict)
    statuses: list[str] = field(default_factory=list)
    ui: Webserver | None = None

    def search(self) -> Search:
        return Search(self.world.canaries)


@pytest.fixture(scope="module")
def remains(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remains]:
    """All that can happen to secrets has happened once."""
    root = tmp_path_factory.mktemp("canaries")
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    logging.getLogger().addHandler(handler)
    with pytest.MonkeyPatch.context() as patch, SandboxProcess() as sandbox:
        world = World(root, sandbox, new_canaries())
        patch.delenv("MARKETSYNC_DATABASE_URL", raising=False)
        patch.chdir(root)
        for name, value in world.environment().items():
            patch.setenv(name, value)
        world.build(ROOT / "dagster.yaml")
        with Webserver(world.environment(), ROOT / "workspace.yaml", root / "served") as ui:
            secret_steps.stored(world, patch)
            secret_steps.faults(world)
            secret_steps.connections(world)
            secret_steps.wrong_settings(world)
            secret_steps.defects(world, patch)
            ui.wait()
            with secret_steps.processes(world):
                run = ui.launch(
                    "push_pasons",
                    {"resources": {"options": {"config": {"mode": "full"}}}},
                    range_tags(secret_faults.OUTLETS[0], secret_faults.OUTLETS[-1]),
                )
                left = Remains(world, "", "", statuses=[ui.wait_for(run)])
            left.database = secret_steps.database(world, patch)
            left.served = dict(ui.everything())
            left.logged = lines.getvalue()
            left.ui = ui
            yield left
    logging.getLogger().removeHandler(handler)


CANARIES = new_canaries()


# --- what is left of everything


def test_every_fault_of_the_sandbox_came_up() -> None:
    secrets = ["pk_demo_x", "sk_secret_x"]
    lists = (secret_faults.push_faults, secret_faults.product_faults, secret_faults.page_faults)
    imports = (
        secret_faults.import_faults,
        secret_faults.report_faults,
        secret_faults.shown_page_faults,
    )
    given = [(faults, secrets) for faults in lists] + [(faults, secrets[:1]) for faults in imports]
    kinds = {
        fault["kind"]
        for faults, known in given
        for outlet in secret_faults.OUTLETS
        for fault in faults(known, outlet)
    }
    assert kinds == set(ACTIONS)
    assert len(CANARIES) == len(set(CANARIES.values())) >= 12


def test_dagsters_storage_holds_no_secret(remains: Remains) -> None:
    search = remains.search()
    search.folder(remains.world.root / "dagster")
    assert search.hits == []
    assert search.bytes > 1_000_000
    kinds = {path.suffix for path in (remains.world.root / "dagster").rglob("*")}
    assert {".db", ".err", ".out"} <= kinds  # events, and what runs printed


def test_what_was_refused_and_what_broke_did_reach_the_storage(remains: Remains) -> None:
    with dg.DagsterInstance.from_config(str(remains.world.root / "dagster")) as instance:
        events = [
            str(entry)
            for run in instance.get_runs()
            for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        ]
    for words in ("Hostile", "call failed for ***", "refused ***", "odd ***", "failed for ***"):
        assert any(words in event for event in events), words


def test_marketsyncs_own_files_hold_no_secret(remains: Remains) -> None:
    home = remains.world.root / "home"
    search = remains.search()
    search.folder(home)
    assert search.hits == []
    assert {"ledger.db", "frames", "archive"} <= {path.name for path in home.iterdir()}
    with closing(sqlite3.connect(home / "ledger.db")) as connection:
        (masked,) = connection.execute(
            "SELECT count(*) FROM api_call WHERE error LIKE '%***%'"
        ).fetchone()
        query = "SELECT message FROM listing_event UNION ALL SELECT message FROM push_import"
        told = [message for (message,) in connection.execute(query)]
    assert masked > 50  # the echoes did arrive
    for words in ("not allowed for ***", "failed: no import of *** at line 2"):  # of imports, too
        assert any(words in message for message in told), words


def test_a_ledger_on_postgresql_holds_no_secret(remains: Remains) -> None:
    search, rows = remains.search(), 0
    for table, found_rows in secret_steps.postgres_rows(remains.database):
        search.rows(found_rows, table)
        rows += len(found_rows)
    assert search.hits == []
    assert rows > 100


def test_no_command_prints_a_secret(remains: Remains) -> None:
    search = remains.search()
    for what, said in remains.world.said.items():
        search.data(said, what)
    assert search.hits == []
    assert b"***" in b"".join(remains.world.said.values())


def test_nothing_that_is_logged_holds_a_secret(remains: Remains) -> None:
    search = remains.search()
    search.data(remains.logged, "the log")
    assert search.hits == []
    assert "Hostile: call failed for ***" in remains.logged


def test_the_webserver_serves_no_secret(remains: Remains) -> None:
    assert remains.statuses == ["FAILURE"]
    search = remains.search()
    for what, answer in remains.served.items():
        search.data(answer, what)
    search.folder(remains.world.root / "served")  # what it printed
    assert search.hits == []
    together = b"".join(remains.served.values())
    for words in (b"Hostile", b"runConfigYaml", b"last_pushes", b"***"):
        assert words in together


def test_a_canary_in_real_storage_is_found_in_files_and_in_answers(remains: Remains) -> None:
    """Last of all: had there been a secret, it would have been found."""
    name = "pasons basic password"
    secret = remains.world.canaries[name]
    with dg.DagsterInstance.from_config(str(remains.world.root / "dagster")) as instance:
        event = dg.AssetMaterialization("planted", metadata={"reason": f"no {secret}"})
        instance.report_runless_asset_event(event)
        instance.add_run_tags(remains.world.runs[0], {"planted": secret})
    ledger = remains.world.root / "home" / "ledger.db"
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("UPDATE api_call SET error = ?", (f"said {secret}",))
        connection.commit()
    for folder in ("dagster", "home"):
        search = remains.search()
        search.folder(remains.world.root / folder)
        assert search.hits
        assert {hit.split(" in ")[0] for hit in search.hits} == {name}
    assert remains.ui is not None
    search = remains.search()
    for what, answer in remains.ui.everything():
        search.data(answer, what)
    told = " ".join(search.hits)
    assert f"{name} in runs" in told
    assert f"{name} in the debug file of {remains.world.runs[0]}" in told


# --- exceptions, and what is not to be written in the first place


@pytest.mark.parametrize("secret", ["pasons header key", "tracker key, signed as documented"])
def test_what_leaves_a_step_has_no_foreign_words(secret: str) -> None:
    register_secret(CANARIES[secret])
    kinds: list[tuple[type[BaseException], type[BaseException]]] = [
        (secret_steps.Hostile, Defect),
        (MarketSyncError, MarketSyncError),
        (dg.Failure, dg.Failure),
        (KeyboardInterrupt, KeyboardInterrupt),
        (SystemExit, SystemExit),
    ]

    @guarded
    def call(kind: Callable[[str], BaseException]) -> None:
        secret_steps.hostile(CANARIES[secret], kind)

    @guarded
    def step(kind: Callable[[str], BaseException]) -> Iterator[int]:
        yield 1
        secret_steps.hostile(CANARIES[secret], kind)

    for raised, left in kinds:
        for work in (lambda kind=raised: call(kind), lambda kind=raised: list(step(kind))):
            with pytest.raises(BaseException) as caught:
                work()
            assert type(caught.value) is left
            assert (caught.value.__context__, caught.value.__cause__) == (None, None)
            search = Search({secret: CANARIES[secret]})
            search.exception(caught.value, "the exception")
            assert search.hits == []


def test_settings_and_secrets_that_are_wrong_raise_nothing_secret(
    remains: Remains, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import yaml

    from marketsync_dagster.config.load import load_settings
    from marketsync_dagster.config.secrets import Secrets
    from marketsync_dagster.ledger.engine import open_ledger
    from marketsync_dagster.platforms.registry import open_adapter

    for name, value in remains.world.environment().items():
        monkeypatch.setenv(name, value)
    search = remains.search()
    for name, document in secret_world.variants(remains.world):
        path = tmp_path / "marketsync.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        with pytest.raises(MarketSyncError) as caught:  # noqa: PT012 - either may refuse
            settings = load_settings(path)
            open_adapter(settings, "tracker_ke_north", channel=None, secrets=Secrets())
        search.exception(caught.value, name)
    password = remains.world.canaries["password of the database"]
    for url in (f"postgresql://u:{password}@127.0.0.1:1/x", f"mysql://u:{password}@h/x"):
        with pytest.raises(MarketSyncError) as caught:
            open_ledger(url)
        search.exception(caught.value, "a ledger")
    assert search.hits == []


def test_lines_that_libraries_log_are_scrubbed(caplog: pytest.LogCaptureFixture) -> None:
    name = "pasons header key"
    secret = CANARIES[name]
    register_secret(secret)
    other = logging.getLogger("somebody.elses")
    other.error("sent %s to %s", secret, "them")
    other.error("%d headers", f"Bearer {secret}")
    try:
        secret_steps.hostile(secret)
    except secret_steps.Hostile:
        other.exception("it failed")
    search = Search({name: secret})
    search.data(caplog.text, "the log")
    for record in caplog.records:
        search.data(f"{record.msg!r} {record.args!r} {record.exc_text}", "a record")
    assert search.hits == []
    assert "sent *** to them" in caplog.text


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def test_no_code_logs_headers_or_exceptions_as_they_are() -> None:
    """Nothing hands `exc_info` to a logger, prints a traceback, or names headers in a log line."""
    levels = {"debug", "info", "warning", "error", "exception", "critical", "log"}
    wrong: list[str] = []
    for path in PACKAGE.rglob("*.py"):
        if "sandbox" in path.parts:
            continue
        for call in _calls(ast.parse(path.read_text())):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            words = ast.unparse(call)
            secret = re.search(
                r"exc_info|headers|\.api_key|\.key\b|secret|authorization", words, re.IGNORECASE
            )
            whole = name in ("print_exc", "print_exception") or (name == "exception" and call.args)
            if whole or (name in levels and secret):
                wrong.append(f"{path.relative_to(PACKAGE)}:{call.lineno}: {words[:80]}")
    assert wrong == []


def test_the_http_libraries_are_silent() -> None:
    import marketsync_dagster.platforms.http  # noqa: F401 - silences them

    for name in ("httpx", "httpcore", "httpcore.http11", "httpcore.connection"):
        assert logging.getLogger(name).getEffectiveLevel() >= logging.WARNING


def test_every_step_is_guarded() -> None:
    """Each function that Dagster calls is decorated, right below Dagster's own decorator."""
    kinds = {"op", "asset", "multi_asset", "multi_asset_check", "asset_check", "sensor", "schedule"}
    bare, steps = [], 0
    for folder in ("assets", "automation"):
        for path in (PACKAGE / folder).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.FunctionDef):
                    continue
                names = [
                    ast.unparse(one).split("(")[0].split(".")[-1] for one in node.decorator_list
                ]
                if kinds & set(names):
                    steps += 1
                    if names[-1] != "guarded":
                        bare.append(f"{path.name}:{node.lineno} {node.name}")
    assert bare == []
    assert steps >= 14
