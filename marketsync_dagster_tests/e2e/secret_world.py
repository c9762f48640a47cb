"""A project whose every credential is a canary, and all that can go wrong with it.

Four outlets, each account with another way to prove itself; two are on Mirakl too. Faults are
scenarios of the sandbox; runs are made until each of them has fired.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from marketsync_dagster.config.mirakl import MiraklCalls
from marketsync_dagster.sandbox.mirakl_shops import INTERVALS
from marketsync_dagster_tests.e2e.secret_faults import OUTLETS
from marketsync_dagster_tests.sandbox_process import SandboxProcess

TRACKER_KEYS = {
    "north": "tracker key, signed as documented",
    "south": "tracker key, canonical",
    "east": "tracker key, beside a secret in clear",
    "west": "tracker key, long",
}
TRACKER_SECRETS = {
    "north": "tracker secret, signing as documented",
    "south": "tracker secret, canonical",
    "east": "tracker secret, sent in clear",
}
SIGNING = {"north": "tracker_doc", "south": "canonical_v1"}
PASONS_KEYS = {
    "north": "pasons bearer key",
    "south": "pasons header key",
    "east": "pasons basic password",
    "west": "pasons short key",
}
MIRAKL_KEYS = {"north": "mirakl key", "south": "mirakl key, stored"}
SHOPS = {"north": 2041, "south": 2042}
"""Shops on Mirakl."""
SCHEMES = {"south": "header", "east": "basic"}
KEYS = {"tracker_ke": TRACKER_KEYS, "pasons": PASONS_KEYS, "mirakl": MIRAKL_KEYS}
"""Platform -> outlet -> the canary that is its account's key."""
Faults = Callable[[Sequence[str], str], list[dict[str, Any]]]
"""Lists for one account: its secrets and its outlet."""
STORED, STORED_TOO = "tracker_west", "mirakl_south"
"""The names under which the keys of two accounts are stored; the others are in the environment."""
SKUS = [f"{number:05}" for number in range(1, 17)]


def account(platform: str, outlet: str) -> str:
    """The account of an outlet."""
    return f"{platform}_{outlet}"


def variable(name: str) -> str:
    """The environment variable that holds a canary."""
    return "CANARY_" + "".join(c if c.isalnum() else "_" for c in name).upper()


@dataclass
class World:
    """A project in `root` with its sandbox, and what its commands said."""

    root: Path
    sandbox: SandboxProcess
    canaries: dict[str, str]
    said: dict[str, bytes] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.root / "marketsync.yaml"

    def environment(self) -> dict[str, str]:
        """What a process of the project finds in its environment: every secret among it."""
        values = {variable(name): secret for name, secret in self.canaries.items()}
        values[variable("key with a line end")] += "\n"
        masters = f"{self.canaries['master key']} {self.canaries['new master key']}"
        return values | {
            "MARKETSYNC_MASTER_KEY": masters,
            "MARKETSYNC_CONFIG": str(self.config),
            "MARKETSYNC_HOME": str(self.root / "home"),
            "DAGSTER_HOME": str(self.root / "dagster"),
            "DAGSTER_DISABLE_TELEMETRY": "1",
        }

    def build(self, dagster_yaml: Path) -> None:
        """The files of the project, and what the sandbox has to know."""
        for outlet in OUTLETS:
            folder = self.root / "extracts" / outlet
            folder.mkdir(parents=True)
            lines = [
                f"{sku},Product {sku},{_barcode(sku)},{100 + at}.50,{9 + at}"
                for at, sku in enumerate(SKUS)
            ]
            text = "\n".join(["SKU,Name,Barcode,Price,Stock", *lines]) + "\n"
            (folder / f"{outlet}_2026-11-20.csv").write_text(text)
        mapped = [f"{sku},prod_{sku},," for sku in SKUS]
        (self.root / "mapping.csv").write_text(
            "\n".join(["sku,platform_id,platform_sku,name", *mapped]) + "\n"
        )
        self.config.write_text(yaml.safe_dump(self.document(), sort_keys=False))
        settings = yaml.safe_load(dagster_yaml.read_text())
        for name in ("run_queue", "concurrency"):  # no daemon here: runs start at once
            settings.pop(name, None)
        settings["run_coordinator"] = {
            "module": "dagster.core.run_coordinator",
            "class": "DefaultRunCoordinator",
        }
        # said here, so that it stays in this folder when the ledger goes to PostgreSQL
        settings["run_storage"] = {
            "module": "dagster._core.storage.runs",
            "class": "SqliteRunStorage",
            "config": {"base_dir": str(self.root / "dagster" / "history")},
        }
        (self.root / "dagster").mkdir()
        (self.root / "dagster" / "dagster.yaml").write_text(yaml.safe_dump(settings))
        # made before webserver and runs open it at once: Dagster's first migration cannot be shared
        with dg.DagsterInstance.from_config(str(self.root / "dagster")) as instance:
            instance.get_runs(limit=1)
            instance.all_asset_keys()
        self.sandbox.reset()
        self.sandbox.seed(self._seed())

    def document(self) -> dict[str, Any]:
        """marketsync.yaml."""
        accounts: dict[str, Any] = {}
        channels: list[dict[str, Any]] = []
        common = {
            "quota": {"per_minute": None, "concurrency": 1},
            "timeouts": {"connect_s": 1, "read_s": 0.15},
            "retry": {"attempts": 10, "base_s": 0.002, "cap_s": 0.01, "budget_s": 30},
        }
        for outlet in OUTLETS:
            tracker: dict[str, Any] = {
                "platform": "tracker_ke",
                "base_url": self.sandbox.tracker_url,
                "api_key": {"env": variable(TRACKER_KEYS[outlet])},
                "signing": SIGNING.get(outlet, "none"),
                "environment": "demo",
                "batch": 1,
            }
            if outlet == "west":
                tracker["api_key"] = {"secret": STORED}
            if outlet in TRACKER_SECRETS:
                tracker["api_secret"] = {"env": variable(TRACKER_SECRETS[outlet])}
            tracker["send_secret"] = outlet == "east"
            pasons = {
                "platform": "pasons",
                "base_url": self.sandbox.pasons_url(outlet),
                "auth": {
                    "scheme": (scheme := SCHEMES.get(outlet, "bearer")),
                    "user": "marketsync" if scheme == "basic" else "",
                    "key": {"env": variable(PASONS_KEYS[outlet])},
                },
                "request": {"batch": 1},
            }
            accounts[account("tracker_ke", outlet)] = tracker | common
            accounts[account("pasons", outlet)] = pasons | common
            for platform in ("tracker_ke", "pasons"):
                by = {"file": "mapping.csv"} if platform == "tracker_ke" else {"identity": "sku"}
                channels.append(
                    {
                        "outlet": outlet,
                        "account": account(platform, outlet),
                        "push_enabled": True,
                        "auto_push": True,
                        "mapping": by,
                        "guard": {"initial": "auto"},
                    }
                )
        for outlet in MIRAKL_KEYS:
            accounts[account("mirakl", outlet)] = self._mirakl(outlet) | common
            channels.append({**channels[0], "outlet": outlet, "account": account("mirakl", outlet)})
            channels[-1].pop("mapping")
        return {
            "version": 1,
            "defaults": {"currency": "KES", "timezone": "UTC"},
            "lease_wait_s": 0,
            "outlets": {
                outlet: {
                    "name": outlet.title(),
                    "extract": {"path": f"extracts/{outlet}", "settle_s": 0},
                }
                for outlet in OUTLETS
            },
            "accounts": accounts,
            "channels": channels,
            "alerts": {"targets": [{"env": variable("alert target")}]},
        }

    def _mirakl(self, outlet: str) -> dict[str, Any]:
        by_name = {"env": variable(MIRAKL_KEYS[outlet])}
        return {
            "platform": "mirakl",
            "base_url": self.sandbox.mirakl_url,
            "api_key": {"secret": STORED_TOO} if outlet == "south" else by_name,
            "shop_id": SHOPS[outlet],
            "batch": 1,
            "calls": {f"{family}_s": 0 for family in MiraklCalls().intervals()},
            "imports": {"wait_s": 3},
        }

    def _seed(self) -> dict[str, Any]:
        tracker = [
            {
                "api_key": self.canaries[TRACKER_KEYS[outlet]],
                "supermarket_id": account("tracker_ke", outlet),
                "api_secret": self.canaries.get(TRACKER_SECRETS.get(outlet, "")),
                "signing": SIGNING.get(outlet, "none"),
                "plan": "unlimited",
                "demo": True,
            }
            for outlet in OUTLETS
        ]
        pasons = [
            {
                "store_id": outlet,
                "api_key": self.canaries[PASONS_KEYS[outlet]],
                "scheme": SCHEMES.get(outlet, "bearer"),
            }
            for outlet in OUTLETS
        ]
        products = [{"id": f"prod_{sku}", "name": f"Product {sku}", "demo": True} for sku in SKUS]
        shops = [
            {
                "api_key": self.canaries[key],
                "shop_id": SHOPS[outlet],
                "name": outlet.title(),
                "processing_s": 0.02,
                "intervals": dict.fromkeys(INTERVALS),
                "duplicates": [],  # each import is to meet what is planted for it
            }
            for outlet, key in MIRAKL_KEYS.items()
        ]
        known = [
            {
                "sku": f"prod_{sku}",
                "title": f"Product {sku}",
                "references": [{"type": "EAN", "value": _barcode(sku)}],
            }
            for sku in SKUS
        ]
        return {
            "tracker_ke": {"accounts": tracker, "products": products},
            "pasons": {"stores": pasons},
            "mirakl": {"shops": shops, "products": known},
        }

    # --- faults

    def plant(self, platform: str, match: dict[str, Any], faults: Faults) -> None:
        """Every fault once for every account of a platform, with each account's own secrets."""
        for outlet, key in KEYS[platform].items():
            secrets = [self.canaries[key]]
            if platform == "tracker_ke" and outlet in TRACKER_SECRETS:
                secrets.append(self.canaries[TRACKER_SECRETS[outlet]])
            for fault in faults(secrets, outlet):
                given = {name: value for name, value in fault.items() if name != "kind"}
                self.sandbox.scenario(
                    fault["kind"],
                    channel=platform,
                    account=self.known_as(platform, outlet),
                    match=match,
                    **given,
                )

    def known_as(self, platform: str, outlet: str) -> str:
        """What the sandbox calls the account of an outlet."""
        return {
            "tracker_ke": account("tracker_ke", outlet),
            "pasons": outlet,
            "mirakl": str(SHOPS.get(outlet)),
        }[platform]

    def waiting(self, platform: str = "") -> list[str]:
        """Faults that have not come up yet."""
        return [
            f"{one['account']} {one['action']}"
            for one in self.sandbox.scenarios()
            if not one["fired"] and platform in ("", one["channel"])
        ]

    # --- commands, in this process

    def command(self, *words: str, given: str = "") -> int:
        """Run one command with `given` on its standard input; what it prints is kept."""
        from marketsync_dagster.cli.main import main

        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr("sys.stdin", io.StringIO(given))
            code = main(list(words))
        self.hear(" ".join(words), out.getvalue() + err.getvalue())
        return code

    def hear(self, what: str, text: str | bytes) -> None:
        """Keep what was said somewhere."""
        raw = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        self.said[f"{len(self.said)}: {what}"] = raw

    def run(self, job: str, mode: str = "full") -> Any:
        """Run a job as the command line does; returns its report."""
        from marketsync_dagster.automation.launch import launch
        from marketsync_dagster.stages.project import open_project

        out, err = io.StringIO(), io.StringIO()
        project = open_project(self.config, user="tester")
        try:
            options = {} if job == "test_connections" else {"mode": mode}
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                report = launch(project, job, None, options)
        finally:
            project.ledger.close()
        self.hear(f"launch {job}", out.getvalue() + err.getvalue() + repr(report))
        self.runs += report.run_ids
        return report

    def run_until_all_fired(self, job: str, most: int, platform: str = "") -> None:
        """Run a job until every fault (of a platform) has come up; keys that were revoked work
        again each time."""
        while self.waiting(platform) and most:
            self.sandbox.restore()
            self.run(job)
            most -= 1
        left = self.waiting(platform)
        assert not left, f"{job}: {len(left)} faults never came up: {left[:5]}"


def _barcode(sku: str) -> str:
    digits = f"4006381{sku}"
    odd, even = sum(map(int, digits[::2])), sum(map(int, digits[1::2]))
    return f"{digits}{-(odd + 3 * even) % 10}"


def variants(world: World) -> Iterator[tuple[str, dict[str, Any]]]:
    """Configurations with a mistake that has to do with secrets: name and document."""
    base = f"{world.sandbox.url}/tracker_ke/api/v1"

    def one(**changes: Any) -> dict[str, Any]:
        document = world.document()
        document["accounts"][account("tracker_ke", "north")] |= changes
        return document

    for name in ("key of the wrong kind", "key that is too short", "key with a line end"):
        yield name, one(api_key={"env": variable(name)})
    yield "a secret that is not set", one(api_key={"env": "CANARY_THAT_IS_NOT_SET"})
    twice = {"env": variable("key that two accounts hold")}
    document = one(api_key=twice)
    document["accounts"][account("tracker_ke", "south")]["api_key"] = twice
    yield "one key for two accounts", document
    clear = world.canaries["key in clear in the file"]
    yield "a key in clear", one(api_key=clear)
    yield "a key as the name of its variable", one(api_key={"env": f"{clear}-"})
    yield "a key in an unknown place", one(apikey=clear, signing=clear)
    password = world.canaries["password in clear in a URL"]
    yield "a password in the URL", one(base_url=base.replace("://", f"://user:{password}@"))
    yield "a key in the URL's query", one(base_url=f"{base}?key={password}")
    document = world.document()
    pasons = document["accounts"][account("pasons", "north")]
    pasons["request"] |= {
        "headers": {"X-Auth-Token": world.canaries["header in clear in the file"]}
    }
    yield "a header in clear", document
    document = world.document()
    document["accounts"][account("mirakl", "north")] |= {"api_key": clear, "shop_id": clear}
    yield "a key in clear, and as the number of a shop", document
