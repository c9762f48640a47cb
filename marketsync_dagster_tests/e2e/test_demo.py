"""`marketsync demo` on a machine that has never seen it, and what it compares."""

from __future__ import annotations

import re
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from marketsync_dagster.cli.demo import _compare
from marketsync_dagster.stages.project import open_project
from marketsync_dagster_tests.e2e.deployment import (
    OUTLETS,
    clean_environment,
    copy_of_the_example,
    marketsync,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

PLATFORMS = ("tracker_ke", "pasons", "mirakl")
LINE = re.compile(r"^(\w+) on (\w+): platform shows = feed: ([\d,]+) of ([\d,]+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_the_example(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def demonstrated(config: Path) -> subprocess.CompletedProcess[str]:
    return marketsync("demo", cwd=config.parent, environment=clean_environment())


@pytest.mark.xdist_group("demo")
def test_every_channel_of_the_demo_shows_its_feed(
    demonstrated: subprocess.CompletedProcess[str],
) -> None:
    assert demonstrated.returncode == 0, (demonstrated.stdout, demonstrated.stderr)
    found = LINE.findall(demonstrated.stdout)
    channels = [(outlet, platform) for platform in PLATFORMS for outlet in OUTLETS]
    assert [(outlet, platform) for outlet, platform, _, _ in found] == channels
    for outlet, platform, equal, expected in found:
        assert equal == expected, (outlet, platform)
        assert int(expected.replace(",", "")) >= 1000, (outlet, platform)
    assert re.search(r"planted: retry_after on tracker_ke, met 1 time\b", demonstrated.stdout)
    assert re.search(r"planted: item_error on pasons, met 1 time\b", demonstrated.stdout)
    assert re.search(r"planted: import_errors on mirakl, met 1 time\b", demonstrated.stdout)


@pytest.mark.xdist_group("demo")
def test_after_the_demo_there_is_nothing_to_send_and_what_is_left_is_named(
    config: Path, demonstrated: subprocess.CompletedProcess[str]
) -> None:
    ended = marketsync("plan", cwd=config.parent, environment=clean_environment())
    assert ended.returncode == 0, (ended.stdout, ended.stderr)
    assert "nothing to send" in ended.stdout
    assert ended.stdout.count(" 0 to send") == len(PLATFORMS) * len(OUTLETS)
    # the example has products without an id, rows that a platform refused, and bad rows
    for left in ("have no platform id", "rejected: "):
        assert left in ended.stdout


@pytest.mark.xdist_group("demo")
@pytest.mark.usefixtures("demonstrated")
def test_one_price_or_stock_that_differs_is_found_and_named(config: Path) -> None:
    project = open_project(config, run_id="test", user="test")
    try:
        channel = project.settings.channel("kisumu", "pasons")
        assert channel is not None
        # what the demo's sandbox kept when it ended
        options = ("--state", str(project.settings.home / "sandbox.json"))
        with SandboxProcess(*options) as sandbox:
            state = sandbox.state()
        right = _compare(project, "pasons", channel, state)
        assert right.equal == right.expected > 0
        assert right.first_difference == ""
        items = state["pasons"]["018"]
        first, second = list(items)[:2]
        items[first]["price"] = str(Decimal(items[first]["price"]) + Decimal("0.01"))
        items[second]["stock_status"] = not items[second]["stock_status"]
        wrong = _compare(project, "pasons", channel, state)
        assert wrong.expected - wrong.equal == 2
        assert wrong.first_difference.startswith((f"{first}: feed", f"{second}: feed"))
        del items[first]
        assert _compare(project, "pasons", channel, state).equal == wrong.equal
    finally:
        project.ledger.close()
