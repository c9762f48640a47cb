"""Every command of docs/runbook.md, typed in a real shell, in the order in which it stands.

One shop lives through all of it: the example with its three outlets, a sandbox, an empty ledger.
What goes wrong in a section (a revoked key, a platform that is down, a lost ledger) is made to
happen before its commands are typed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from marketsync_dagster.cli.demo import _compare
from marketsync_dagster.cli.demo_values import demo_secrets, sandbox_seed
from marketsync_dagster.config.load import load_settings
from marketsync_dagster.stages.project import open_project
from marketsync_dagster_tests.e2e.deployment import (
    CHECKOUT,
    clean_environment,
    copy_of_the_example,
    environment_of,
    free_port,
)
from marketsync_dagster_tests.e2e.graphql import Dagster, wait_for
from marketsync_dagster_tests.e2e.runbook import RUNBOOK, sections
from marketsync_dagster_tests.e2e.till import FILE_NAMES, Till
from marketsync_dagster_tests.e2e.warm import Warm
from marketsync_dagster_tests.ledgers import new_ledger_url
from marketsync_dagster_tests.receiver import Receiver
from marketsync_dagster_tests.sandbox_process import SandboxProcess

pytestmark = pytest.mark.xdist_group("runbook")

SECTIONS = sections(RUNBOOK.read_text("utf-8"))
KEY = "pasons_example_nakuru"
NEW_KEY = "pasons_example_nakuru_2"


class Shop:
    """A checkout with the example, as somebody who operates it has it before them."""

    def __init__(self, root: Path, sandbox: SandboxProcess, warm: Warm, receiver: Receiver) -> None:
        self.root = root
        self.receiver = receiver
        self.sandbox = sandbox
        self.config = copy_of_the_example(root)
        home = root / ".dagster"
        home.mkdir()
        (home / "dagster.yaml").symlink_to(CHECKOUT / "dagster.yaml")
        self.environment = clean_environment() | {
            "DAGSTER_HOME": str(home),
            "MARKETSYNC_CONFIG": str(self.config),
            "MARKETSYNC_SANDBOX_URL": sandbox.url,
            "ALERT_URL": receiver.url,
            "HOME": str(root / "person"),  # nothing of the real one is read or written
            "PATH": f"{warm.bin}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        (root / "person").mkdir()
        with environment_of(self.environment):
            settings = load_settings(self.config)
            seed = sandbox_seed(settings)
            seed["pasons"]["stores"].append({"store_id": "020", "api_key": KEY})
            sandbox.seed(seed)
            sandbox.settings(quota=False)
            self.environment |= demo_secrets(settings)
        self.output = ""
        self.backup = ""
        self.tills: dict[str, Till] = {}
        self.configure(self._take_over_the_tills)

    def type(self, line: str) -> int:
        """Type one line; what it prints is `output`, what it exports stays."""
        line = self._filled_in(line)
        kept = self.root / "exported"
        script = f"{line}\ncode=$?\nexport -p > {kept}\nexit $code"
        ended = self._started("bash", "-c", script)
        self.output = f"$ {line}\n{ended.stdout}{ended.stderr}"
        for name, value in re.findall(
            r'^declare -x (MARKETSYNC_\w+)="(.*)"$', kept.read_text("utf-8"), re.MULTILINE
        ):
            self.environment[name] = value
        if found := re.search(r"\S*ledger-\S+\.zip", self.output):
            self.backup = found[0]
        return ended.returncode

    def answer(self, *words: str) -> Any:
        """What a command prints with `--json`."""
        return json.loads(self._started("marketsync", *words, "--json").stdout)

    def _started(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            cwd=self.config.parent,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def _filled_in(self, line: str) -> str:
        if re.search(r"\bPLAN\b", line):
            # as a person takes it from the list that was just printed
            held = [p["plan_id"] for p in self.answer("plans", "list") if p["state"] == "held"]
            line = re.sub(r"\bPLAN\b", held[0], line)
        line = re.sub(r"\bFILE\b", self.backup, line)
        if "MARKETSYNC_DATABASE_URL=" in line:
            line = f'export MARKETSYNC_DATABASE_URL="{new_ledger_url("postgresql", self.root)}"'
        return line

    def configure(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Edit marketsync.yaml."""
        document = yaml.safe_load(self.config.read_text("utf-8"))
        change(document)
        self.config.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")

    def _take_over_the_tills(self, document: dict[str, Any]) -> None:
        for outlet, section in document["outlets"].items():
            extract = section["extract"]
            self.tills[outlet] = Till.of(outlet, self.config.parent / extract["path"], extract)
            extract["time_pattern"] = FILE_NAMES
        # reading back takes a call per product: two minutes of the example's quota
        document["accounts"]["tracker_westlands"]["quota"]["per_minute"] = None
        document["accounts"]["tracker_westlands"]["reconcile"] = {"most": 5}
        document["accounts"]["bestbuy"]["reconcile"] = {"grace_s": 0}

    def different(self, outlet: str, platform: str) -> int:
        """Rows of the feed that the platform does not show."""
        with environment_of(self.environment):
            project = open_project(self.config, run_id="test", user="test")
            try:
                channel = project.settings.channel(outlet, platform)
                assert channel is not None
                shown = _compare(project, platform, channel, self.sandbox.state())
            finally:
                project.ledger.close()
        assert shown.expected > 0
        return shown.expected - shown.equal


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with Warm() as warm, SandboxProcess() as sandbox, Receiver() as receiver:
        shop = Shop(tmp_path_factory.mktemp("shop"), sandbox, warm, receiver)
        assert shop.type("marketsync run full_sync --all") in (0, 4), shop.output
        yield shop


# --- what is the case before the commands of a section are typed, and what after them


Step = Callable[[Shop], None]


def nothing(_: Shop) -> None:
    """As it is."""


@dataclass(slots=True)
class Scene:
    """A section's setting. `codes` are the exit codes that are expected, where not 0, by the
    beginning of the command; `before_command` happens before the n-th command."""

    before: Step = nothing
    after: Step = nothing
    codes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    before_command: dict[int, Step] = field(default_factory=dict)


def reprice(shop: Shop, outlet: str) -> None:
    """The till exports some prices anew, as it does every day, and a partial run has seen it."""
    till = shop.tills[outlet]
    dearer = sorted(sku for sku, price in till.prices().items() if price > 5)[:100]
    till.reprice(lambda sku, price: price + (sku in dearer))
    till.put()
    shop.type(f"marketsync run partial_sync --outlet {outlet}")


def mark_up(shop: Shop, percent: int) -> None:
    """Another markup for westlands on Tracker KE, and a partial run has seen it."""

    def change(document: dict[str, Any]) -> None:
        document["channels"][0]["pricing"]["markup_percent"] = percent

    shop.configure(change)
    shop.type("marketsync run partial_sync --outlet westlands")


def hold_a_plan(shop: Shop) -> None:
    """All prices of a channel rise at once."""
    mark_up(shop, 50)
    assert {p["state"] for p in shop.answer("plans", "list")} >= {"held"}, shop.output


def hold_a_worse_plan(shop: Shop) -> None:
    """And once more, by mistake."""
    mark_up(shop, 130)
    assert {p["state"] for p in shop.answer("plans", "list")} >= {"held"}, shop.output


def put_the_prices_back(shop: Shop) -> None:
    """What was refused is mended; what was approved is shown."""
    states = [plan["state"] for plan in shop.answer("plans", "list", "--outlet", "westlands")]
    assert states.count("rejected") == 1, states
    mark_up(shop, 50)
    shows_the_feed(("westlands", "tracker_ke"))(shop)


def is_live(shop: Shop) -> None:
    """Both platforms show westlands, and a test message has arrived."""
    shows_the_feed(("westlands", "tracker_ke"), ("westlands", "pasons"))(shop)
    assert shop.receiver.messages


def shows_the_feed(*channels: tuple[str, str]) -> Step:
    """Nothing is left to say to these channels."""

    def check(shop: Shop) -> None:
        for outlet, platform in channels:
            assert shop.different(outlet, platform) == 0, (outlet, platform, shop.output)

    return check


def write_yaml(shop: Shop, title: str) -> None:
    """The section's own yaml is written into the configuration."""

    def add(document: dict[str, Any], said: Mapping[str, Any]) -> None:
        for section, more in said.items():
            if isinstance(more, list):
                document.setdefault(section, []).extend(more)
            elif isinstance(more, dict):
                add(document.setdefault(section, {}), more)
            else:
                document[section] = more

    shop.configure(lambda document: add(document, SECTIONS[title].yaml))


def a_new_outlet(shop: Shop) -> None:
    """It stands in the configuration; its till exports."""
    write_yaml(shop, "Add an outlet")
    folder = shop.config.parent / "extracts" / "nakuru"
    folder.mkdir()
    file = folder / "nakuru_2026-11-21.csv"
    file.write_bytes(shop.tills["westlands"].content())
    an_hour_ago = time.time() - 3600
    os.utime(file, (an_hour_ago, an_hour_ago))
    write_key(shop, KEY)


def an_older_extract(shop: Shop) -> None:
    """The till's newest file is of the day before the one that was taken, and a run has seen it."""
    folder = shop.config.parent / "extracts" / "nakuru"
    file = folder / "nakuru_2026-11-21.csv"
    older = folder / "nakuru_2026-11-20.csv"
    older.write_bytes(file.read_bytes().replace(b"1.99", b"1.98"))
    file.unlink()
    an_hour_ago = time.time() - 3600
    os.utime(older, (an_hour_ago, an_hour_ago))
    assert shop.type("marketsync run partial_sync --outlet nakuru") == 4, shop.output
    assert "is older" in shop.output


def write_key(shop: Shop, key: str) -> None:
    """The file with the key that Pasons has sent."""
    (shop.config.parent / "key-from-pasons.txt").write_text(key)


def revoke(shop: Shop) -> None:
    """Pasons takes only the new key; the prices move."""
    shop.sandbox.seed({"pasons": {"stores": [{"store_id": "020", "api_key": NEW_KEY}]}})
    write_key(shop, NEW_KEY)
    assert shop.type("marketsync connections test --account pasons_nakuru") == 1, shop.output


def take_down(shop: Shop) -> None:
    """Pasons answers 503 while prices move; then it is back."""
    shop.sandbox.scenario("status", channel="pasons", status=503, times=None)
    reprice(shop, "westlands")
    assert shop.different("westlands", "pasons") > 0
    shop.sandbox.clear_scenarios()


def an_import_is_stuck(shop: Shop) -> None:
    """A run has left an import with the platform, which never ends; its time is over."""
    imports = {"wait_s": 1, "deadline_s": 1}
    shop.configure(lambda document: document["accounts"]["bestbuy"].update(imports=imports))
    shop.sandbox.scenario("import_stuck", channel="mirakl", match={"method": "POST"})
    reprice(shop, "westlands")
    assert shop.different("westlands", "mirakl") > 0


def switch_imports_off(shop: Shop) -> None:
    """The operator has switched imports of prices and stock off, and the account says so."""
    with environment_of(shop.environment):
        (seeded,) = sandbox_seed(load_settings(shop.config))["mirakl"]["shops"]
    seeded |= {"price_import": False, "stock_import": False}
    shop.sandbox.seed({"mirakl": {"shops": [seeded]}})
    write_yaml(shop, "An operator takes no prices or stock alone")
    till = shop.tills["westlands"]
    till.reprice(lambda sku, price: price + (price > 9))
    till.put()


def overwrite(shop: Shop) -> None:
    """Somebody has changed an offer in the platform's back office."""
    offers = shop.sandbox.control("GET", "/mirakl/offers")["offers"]["2041"]
    name = next(name for name in offers if name.startswith("westlands-"))
    change = {"shop_id": 2041, "shop_sku": name, "price": 1.23}
    shop.sandbox.control("POST", "/mirakl/offers", {"changes": [change]})
    assert shop.different("westlands", "mirakl") == 1


def damage(shop: Shop) -> None:
    """After the backup prices move; then a disk writes nonsense into the ledger."""
    assert shop.type("marketsync ledger backup") == 0, shop.output
    reprice(shop, "kisumu")
    ledger = shop.root / ".marketsync" / "ledger.db"
    for beside in ("-wal", "-shm"):
        ledger.with_name(ledger.name + beside).unlink(missing_ok=True)
    content = bytearray(ledger.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8192] = os.urandom(8192)
    ledger.write_bytes(content)


def lose(shop: Shop) -> None:
    """The ledger is gone altogether, and one channel asks before its first push."""
    for file in (shop.root / ".marketsync").glob("ledger.db*"):
        file.unlink()


def everything_is_known_again(shop: Shop) -> None:
    """Nothing that the platforms show was lost, and what one of them shows is not sent again."""
    shows_the_feed(("westlands", "tracker_ke"), ("kisumu", "tracker_ke"))(shop)
    (push,) = shop.answer("history", "--outlet", "westlands", "--platform", "tracker_ke") or [None]
    assert push is None or push["item_count"] < 10, push
    for line in SECTIONS["The ledger is damaged or lost"].commands[4:9]:
        shop.type(line)


@contextlib.contextmanager
def in_background(shop: Shop, line: str) -> Iterator[None]:
    """A command that does not end by itself."""
    process = subprocess.Popen(
        ["bash", "-c", f"exec {line}"],
        cwd=shop.root,
        env=shop.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


SCENES = {
    "Every morning": Scene(codes={"marketsync doctor": (0, 1)}),
    "Go live": Scene(
        before=lambda shop: write_yaml(shop, "Go live"),
        codes={"marketsync plan": (0, 2), "marketsync doctor": (0, 1)},
        after=is_live,
    ),
    "Add an outlet": Scene(
        before=a_new_outlet,
        codes={"marketsync run full_sync": (3,), "marketsync check-extract": (0, 4)},
        after=shows_the_feed(("nakuru", "pasons")),
    ),
    "Pause an outlet": Scene(
        after=shows_the_feed(("westlands", "tracker_ke"), ("kisumu", "pasons"))
    ),
    "Push one SKU again": Scene(),
    "Push one outlet again": Scene(
        after=shows_the_feed(("kisumu", "tracker_ke"), ("kisumu", "pasons"))
    ),
    "An extract is missing or refused": Scene(
        before=an_older_extract,
        codes={"marketsync check-extract": (4,)},
        after=shows_the_feed(("nakuru", "pasons")),
    ),
    "A plan is held": Scene(
        before=hold_a_plan, before_command={4: hold_a_worse_plan}, after=put_the_prices_back
    ),
    "A key is revoked": Scene(before=revoke, after=shows_the_feed(("nakuru", "pasons"))),
    "A platform is down for a day": Scene(
        before=take_down, after=shows_the_feed(("westlands", "pasons"))
    ),
    "An import does not end": Scene(
        before=an_import_is_stuck,
        codes={"marketsync doctor": (0, 1), "marketsync run": (0, 4)},
        after=shows_the_feed(("westlands", "mirakl")),
    ),
    "An operator takes no prices or stock alone": Scene(
        before=switch_imports_off, after=shows_the_feed(("westlands", "mirakl"))
    ),
    "A platform shows something else": Scene(
        before=overwrite,
        codes={"marketsync plan": (2,)},
        after=shows_the_feed(("westlands", "mirakl")),
    ),
    "A platform asks to be left alone": Scene(),
    "The ledger is damaged or lost": Scene(
        before=damage,
        codes={
            "marketsync ledger check": (1,),
            "marketsync plans": (0,),
            "marketsync plan": (2,),
            "marketsync run full_sync": (3,),
        },
        before_command={4: lose, 9: lose},
        after=everything_is_known_again,
    ),
    "Upgrade": Scene(codes={"marketsync doctor": (0, 1)}),
    "Move to PostgreSQL": Scene(after=shows_the_feed(("westlands", "tracker_ke"))),
    "Keep it small": Scene(),
}
LOOKING = "Who may look and who may act"


def test_every_section_with_commands_has_a_scene() -> None:
    assert [*SCENES] == [title for title, s in SECTIONS.items() if s.commands and title != LOOKING]


@pytest.mark.parametrize("title", SCENES)
def test_the_commands_of_a_section_do_what_it_says(title: str, shop: Shop) -> None:
    scene = SCENES[title]
    scene.before(shop)
    for number, line in enumerate(SECTIONS[title].commands):
        scene.before_command.get(number, nothing)(shop)
        code = shop.type(line)
        words = [words for words in scene.codes if line.startswith(words)]
        expected = scene.codes[words[0]] if words else (0,)
        assert code in expected, (code, shop.output)
    scene.after(shop)


def test_whoever_may_only_look_can_start_nothing(shop: Shop) -> None:
    (line,) = SECTIONS[LOOKING].commands
    port = str(free_port())
    with in_background(shop, line.replace("3001", port)):
        dagster = Dagster(f"http://127.0.0.1:{port}")
        wait_for("the webserver", dagster.is_loaded, 90)
        with pytest.raises(AssertionError, match=r"[Uu]nauthorized|permission"):
            dagster.launch("test_connections", {}, {})
