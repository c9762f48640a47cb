"""Stages that do nothing but say what they are told to: what Dagster makes of it is tested.

The loop over outlets and the ledger are the real ones.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from marketsync_dagster.config.load import load_settings
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.stages.project import Project, StageResult, each_outlet
from marketsync_dagster.values.errors import ExtractError

OUTLETS = ("garden_city", "kisumu", "mombasa", "westlands")

CONFIG = """\
version: 1
defaults: {{currency: KES, timezone: {timezone}}}
outlets:
{outlets}
accounts:
{accounts}
channels:
{channels}
"""


def write_config(folder: Path, *, timezone: str = "Africa/Nairobi", tail: str = "") -> Path:
    """A configuration of four outlets on two platforms; westlands is not on Pasons."""
    outlets = "\n".join(
        f"  {o}: {{name: {o.title()}, extract: {{path: extracts/{o}, settle_s: 1}}}}"
        for o in OUTLETS
    )
    accounts = "\n".join(
        f"  tracker_{o}: {{platform: tracker_ke, base_url: 'http://127.0.0.1:1/t/{o}', "
        f"api_key: {{env: FAKE_TRACKER_{o.upper()}}}, catalog: tracker_ke}}"
        for o in OUTLETS
    )
    accounts += "\n" + "\n".join(
        f"  pasons_{o}: {{platform: pasons, base_url: 'http://127.0.0.1:1/p/{o}', "
        f"auth: {{scheme: none}}}}"
        for o in OUTLETS[:3]
    )
    channels = "\n".join(
        f"  - {{outlet: {o}, account: tracker_{o}, push_enabled: true, auto_push: true}}"
        for o in OUTLETS
    )
    channels += "\n" + "\n".join(
        f"  - {{outlet: {o}, account: pasons_{o}, store_id: '{n}', push_enabled: true}}"
        for n, o in enumerate(OUTLETS[:3])
    )
    text = CONFIG.format(outlets=outlets, accounts=accounts, channels=channels, timezone=timezone)
    file = folder / "marketsync.yaml"
    file.write_text(text + tail)
    for outlet in OUTLETS:
        (folder / "extracts" / outlet).mkdir(parents=True, exist_ok=True)
    return file


def settings_of(file: Path) -> Settings:
    """The settings, with everything that is written beside the file."""
    settings = load_settings(file)
    settings._home = file.parent / ".marketsync"
    return settings


@dataclass
class Passed:
    """What passes between the fake plan, push and record steps."""

    outlet: str

    @property
    def goes_out(self) -> bool:
        """Nothing is known of what it would take."""
        return False

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Passed:
        return cls(**data)


@dataclass(frozen=True)
class Force:
    """Who forces an older extract, and why."""

    by: str
    reason: str


@dataclass
class Stages:
    """The fake stages: `bad` fails (stage, outlet), `held` holds a channel, `calls` is a log."""

    bad: dict[tuple[str, str], str] = field(default_factory=dict)
    held: set[tuple[str, str]] = field(default_factory=set)
    calls: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    reached: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    options: list[Any] = field(default_factory=list)
    users: set[str] = field(default_factory=set)
    refused: int = 0
    forced: Any = None

    def worked(self, stage: str) -> list[tuple[str, ...]]:
        """The outlets that reached each call of a stage."""
        return [done for name, done in self.reached if name == stage]

    def _run(
        self,
        project: Project,
        stage: str,
        key: tuple[str, str],
        outlets: Sequence[str],
        numbers: dict[str, int | float],
    ) -> list[StageResult]:
        self.calls.append((stage, tuple(outlets)))
        self.users.add(project.user)
        channels = project.settings.channels_of(key[0])

        def work(outlet: str) -> StageResult:
            if key[0] != "pos" and outlet not in channels:
                return StageResult(outlet, True, "no channel")
            if (stage, outlet) in self.bad:
                raise ExtractError("damaged", self.bad[stage, outlet], "export it again")
            if (stage, outlet) in self.held:
                return StageResult(outlet, False, "held", "plan p1 is held", "marketsync approve")
            frame = pd.DataFrame({"sku": ["a", "b"], "reason": ["bad_price", "bad_price"]})
            frame = frame.assign(
                file="x.csv", line=2, column="Price", value="n/a", next_step="mend"
            )
            project.frames.write(key, outlet, frame, inputs="1", numbers=numbers)
            if key == ("pos", "extract"):
                project.frames.write(("pos", "rejects"), outlet, frame, inputs="1", numbers=numbers)
            return StageResult(outlet, True, "done", numbers=numbers)

        results = each_outlet(project, stage, outlets, work)
        self.reached.append((stage, tuple(result.outlet for result in results)))
        return results

    def extract_outlets(
        self, project: Project, outlets: Sequence[str], *, force: Any = None
    ) -> list[StageResult]:
        self.forced = force
        numbers: dict[str, int | float] = {
            "records": 3, "accepted": 2, "rejected": 1, "duplicates": 0
        }  # fmt: skip
        return self._run(project, "pos_extract", ("pos", "extract"), outlets, numbers)

    def build_catalogs(self, project: Project, outlets: Sequence[str]) -> list[StageResult]:
        return self._run(project, "pos_catalog", ("pos", "catalog"), outlets, {"rows": 2})

    def push_products(self, project: Project, platform: str, outlets: Sequence[str], options: Any):
        self.options.append(options)
        stage = f"{platform}_products"
        return self._run(project, stage, (platform, "products"), outlets, {"sent": 1})

    def refresh_platform_catalog(
        self, project: Project, platform: str, *, only_new: bool = False
    ) -> StageResult:
        assert not only_new, "this platform is read as a whole"
        self.calls.append((f"{platform}_platform_catalog", ()))
        reason = self.bad.get((f"{platform}_platform_catalog", ""), "")
        if reason:
            return StageResult("", False, "failed", reason, "marketsync connections test")
        return StageResult("", True, "done", numbers={"rows": 7})

    def map_outlets(self, project: Project, platform: str, outlets: Sequence[str]):
        stage = f"{platform}_sku_mapping"
        numbers: dict[str, int | float] = {"rows": 2, "unmapped": 1}
        return self._run(project, stage, (platform, "sku_mapping"), outlets, numbers)

    def build_feeds(self, project: Project, platform: str, outlets: Sequence[str]):
        stage = f"{platform}_price_feed"
        return self._run(project, stage, (platform, "price_feed"), outlets, {"rows": 1})

    def plan_outlets(self, project: Project, platform: str, outlets: Sequence[str], options: Any):
        from marketsync_dagster.ledger.states import failed_outlets

        self.options.append(options)
        failed = failed_outlets(project.ledger, project.run_id)
        return [Passed(outlet) for outlet in outlets if outlet not in failed]

    def push_plans(
        self,
        project: Project,
        platform: str,
        planned: Sequence[Passed],
        options: Any,
        *,
        progress: Any = None,
    ) -> list[Passed]:
        for plan in planned:
            progress(plan.outlet, 1, 1)
        return list(planned)

    def record_outlets(self, project: Project, platform: str, pushed: Sequence[Passed]):
        numbers: dict[str, int | float] = {
            "catalog_rows": 2, "unmapped": 1, "held": 0, "unchanged": 0, "deselected": 0,
            "sent": 1, "applied": 1 - self.refused, "refused": self.refused, "calls": 1,
            "seconds": 0.1,
        }  # fmt: skip
        stage = f"{platform}_listings"
        outlets = [one.outlet for one in pushed]
        return self._run(project, stage, (platform, "listings"), outlets, numbers)

    def reconcile_outlets(
        self, project: Project, platform: str, outlets: Sequence[str], **_: Any
    ) -> list[StageResult]:
        stage, key = f"{platform}_reconciliation", (platform, "reconciliation")
        return self._run(project, stage, key, outlets, {"verified": 2})

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put the fakes in the place of the real modules for this test."""
        modules: dict[str, dict[str, Any]] = {
            "extract": {"extract_outlets": self.extract_outlets, "Force": Force},
            "catalog": {"build_catalogs": self.build_catalogs},
            "products": {"push_products": self.push_products},
            "platform_catalog": {"refresh_platform_catalog": self.refresh_platform_catalog},
            "mapping": {"map_outlets": self.map_outlets},
            "feed": {"build_feeds": self.build_feeds},
            "reconciliation": {"reconcile_outlets": self.reconcile_outlets},
            "listings": {
                "plan_outlets": self.plan_outlets,
                "push_plans": self.push_plans,
                "record_outlets": self.record_outlets,
                "ChannelRun": Passed,
            },
        }
        for name, members in modules.items():
            module = ModuleType(f"marketsync_dagster.stages.{name}")
            vars(module).update(members)
            monkeypatch.setitem(sys.modules, module.__name__, module)
