"""What somebody meets who uses the command line for the first time: words, hints, tables."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster import __version__
from marketsync_dagster.automation.dagster_home import prepare_dagster_home
from marketsync_dagster.cli import children
from marketsync_dagster.cli.demo_values import sandbox_seed
from marketsync_dagster.cli.dev import _with_sandbox
from marketsync_dagster.cli.local import VARIABLE
from marketsync_dagster.cli.output import clean, counted, figures, print_json, table
from marketsync_dagster.cli.plans import age, print_rows
from marketsync_dagster.config.load import load_settings
from marketsync_dagster_tests.cli.conftest import CONFIG, EXTRACT, Run

ROOT = Path(__file__).resolve().parents[2]
KEYS = ("TRACKER_MAIN_KEY", "TRACKER_SIDE_KEY", "PASONS_MAIN_KEY")


def test_outside_of_any_project_no_command_uses_the_example(empty: Path, run: Run) -> None:
    for command in ("plan", "run full_sync", "plans list", "config check", "dev", "demo"):
        result = run(*command.split())
        assert result.code == 1, command
        assert "--config FILE or MARKETSYNC_CONFIG" in result.err
        assert "marketsync init" in result.err


def test_inside_the_checkout_the_example_is_used_and_said_once(
    empty: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKETSYNC_HOME", str(empty / "home"))
    monkeypatch.chdir(ROOT)
    said = "no marketsync.yaml here: using the example examples/marketsync.yaml"
    for command in ("plans list --json", "config check"):
        assert run(*command.split()).err.count(said) == 1
    monkeypatch.setenv("MARKETSYNC_CONFIG", str(ROOT / "examples" / "marketsync.yaml"))
    assert said not in run("plans", "list", "--json").err


def test_version_and_short_help(run: Run) -> None:
    assert run("--version").out == f"marketsync {__version__}\n"
    for words in (["-h"], ["plans", "list", "-h"], ["run", "-h"]):
        result = run(*words)
        assert (result.code, "Usage: marketsync" in result.out) == (0, True)


def test_a_key_of_the_sandbox_that_is_not_set_asks_for_the_sandbox(project: Path, run: Run) -> None:
    (tested, *_) = json.loads(run("connections", "test", "--json").out)
    assert tested["next_step"] == "start the sandbox: marketsync sandbox (or marketsync dev)"
    text = CONFIG.replace("${MARKETSYNC_SANDBOX_URL:-http://127.0.0.1:1}", "https://api.example", 1)
    (project / "marketsync.yaml").write_text(text)
    (tested, *_) = json.loads(run("connections", "test", "--json").out)
    assert "export TRACKER_MAIN_KEY=" in tested["next_step"]


def test_dev_leaves_the_sandbox_of_another_project_alone(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in (*KEYS, VARIABLE, "DAGSTER_HOME"):
        monkeypatch.setenv(name, "")  # undone at the end, with what is set below
    seed = sandbox_seed(load_settings())
    with children.sandbox(tmp_path / "other", seed, port=0) as foreign:
        text = CONFIG.replace("http://127.0.0.1:1}", f"{foreign}}}")
        (project / "marketsync.yaml").write_text(text)
        with contextlib.ExitStack() as stack:
            settings = _with_sandbox(stack)
            own = os.environ[VARIABLE]
            assert own != foreign
            assert children.answers(own)
            assert settings.accounts["tracker_main"].base_url.startswith(own)
            assert os.environ["TRACKER_MAIN_KEY"] == "pk_demo_example_main"
            assert f"sandbox: {own}, started for this project" in capsys.readouterr().err
            # a second command finds the one that runs
            monkeypatch.setenv(VARIABLE, "")
            with contextlib.ExitStack() as inner:
                _with_sandbox(inner)
            assert os.environ[VARIABLE] == own
            assert f"sandbox: {own}, which runs already" in capsys.readouterr().err
            assert children.answers(own)


def test_a_project_without_settings_for_dagster_gets_the_packaged_ones(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")  # undone at the end
    prepare_dagster_home(load_settings())
    made = project / ".dagster" / "dagster.yaml"
    template = resources.files("marketsync_dagster.cli") / "templates" / "dagster.yaml"
    assert made.read_text() == template.read_text("utf-8")
    assert "telemetry: {enabled: false}" in made.read_text()


def test_a_sku_of_another_outlet_is_told_with_its_outlet(planned: str, run: Run) -> None:
    side = Path("extracts/side/side.csv")
    side.write_text(EXTRACT.replace("1001", "77001"))
    result = run("plan", "--outlet", "side", "--sku", "1001")
    assert result.code == 64
    assert "1001 is in main, not in side" in result.err
    near = run("plan", "--outlet", "side", "--sku", "77002")
    assert "did you mean" not in near.err
    side.write_text(EXTRACT.replace("1001", "7700123"))
    assert "did you mean 7700123" in run("plan", "--outlet", "side", "--sku", "7700129").err


def test_mapping_set_says_how_the_sku_was_mapped_before(
    planned: str, project: Path, run: Run
) -> None:
    from marketsync_dagster.stages.mapping import mapping_key
    from marketsync_dagster.stages.project import open_project

    opened = open_project(project / "marketsync.yaml")
    key = mapping_key("tracker_ke")
    frame = opened.frames.read(key, "main")
    frame.loc[frame["sku"] == "1002", ["platform_id", "matched_by"]] = ["prod_5", "sync"]
    opened.frames.write(key, "main", frame, inputs="", numbers={})
    opened.ledger.close()
    words = ("mapping", "set", "1002", "prod_6", "--outlet", "main")
    assert "1002 is prod_6 (was prod_5 by sync)" in run(*words).out
    assert (
        "1001 is prod_9 (was prod_1 by file)"
        in run("mapping", "set", "1001", "prod_9", "--outlet", "main").out
    )


def test_plans_are_listed_with_those_that_wait_first(planned: str, run: Run) -> None:
    listed = run("plans", "list").out
    lines = [line.strip() for line in listed.splitlines()]
    assert lines[0].split() == "plan id outlet platform state to send / held age".split()
    assert lines[2].startswith(planned)
    assert f"next: marketsync plans show {planned}" in lines
    assert lines[-1] == "1 waits for a decision"
    assert run("reject", planned, "--reason", "r").code == 0
    assert run("plans", "list").out.splitlines()[-1] == "0 wait for a decision"


def test_a_plan_is_named_by_six_characters_as_they_are_written(planned: str, run: Run) -> None:
    assert run("plans", "show", planned[:6]).code == 0
    for word in (planned[:5], planned[:6].upper(), planned.upper()):
        result = run("plans", "show", word)
        assert (result.code, result.out) == (64, "")


def test_an_approval_counts_one_row_and_one_call(planned: str, run: Run) -> None:
    done = run("approve", planned, "--reason", "checked")
    assert "is approved: 1 row goes out in 1 call, less than a minute\n" in done.out


def test_rows_that_wait_come_first_in_groups_by_reason(capsys: pytest.CaptureFixture[str]) -> None:
    def row(sku: str, disposition: str, reason: str) -> dict[str, object]:
        return {
            "sku": sku,
            "name": sku,
            "old_price_minor": None,
            "price_minor": 100,
            "currency": "KES",
            "stock_status": "in_stock",
            "disposition": disposition,
            "reason": reason,
            "change": "price",
        }

    rows = [
        row("a", "sent", ""),
        row("b", "held", "zero or negative price"),
        row("c", "held", "price falls by more than 50% (9.00 -> 1.00)"),
        row("d", "held", "price falls by more than 50% (8.00 -> 1.00)"),
    ]
    print_rows(rows, 30, "KES")
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "held: 2 rows: price falls by more than 50%"
    assert lines[1] == "held: 1 row: zero or negative price"
    assert [line.split()[0] for line in lines[4:]] == ["c", "d", "b", "a"]
    assert "to send" in lines[-1]


def test_quantities_and_names_of_offers_are_shown_where_the_platform_is_told_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def row(sku: str, was: tuple[str | None, int | None], now: tuple[str, int | None]) -> Any:
        return {
            "sku": sku,
            "platform_sku": f"west-{sku}",
            "name": "flour",
            "old_price_minor": 1210,
            "price_minor": 1210,
            "currency": "KES",
            "old_stock_status": was[0],
            "old_quantity": was[1],
            "stock_status": now[0],
            "quantity": now[1],
            "disposition": "sent",
            "reason": "",
            "change": "stock",
        }

    rows = [
        row("a", ("in_stock", 12), ("in_stock", 9)),
        row("b", ("in_stock", 12), ("out_of_stock", 12)),
        row("c", (None, None), ("in_stock", 9)),
        row("d", ("in_stock", 7), ("in_stock", 7)),
        row("e", (None, None), ("in_stock", None)),
    ]
    print_rows(rows, 30, "KES", quantities=True)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "sku offer name was price KES stock decision why"
    assert [
        line.removesuffix(" to send stock").partition("12.10 12.10 ")[2] for line in lines[2:]
    ] == [
        "in_stock 12 -> 9",
        "out_of_stock 12 -> 0",
        "in_stock 9",
        "in_stock 7",
        "in_stock",
    ]
    assert lines[2].startswith("a west-a flour")
    print_rows(rows, 30, "KES")
    assert "->" not in capsys.readouterr().out


def test_on_a_narrow_terminal_only_free_text_is_folded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "50")
    ids = "plan-20261121-063000-3f9a1c", "2026-11-21T06:30:00.123456Z"
    cells = (*ids, "many words " * 20, "12 min")
    table(("id", "at", "words", "to send / held"), [cells], free=("words",))
    out = capsys.readouterr().out
    assert all(one in out for one in (*ids, "12 min", "to send / held"))
    assert len(out.splitlines()) > 6


def test_a_held_run_is_no_success_and_says_why_once(project: Path, run: Run) -> None:
    settings = load_settings()
    with children.sandbox(settings.home, sandbox_seed(settings), port=0):
        result = run("run", "full_sync", "--outlet", "main")
        assert result.code == 3, result
        reasons = [line for line in result.out.splitlines() if "first push" in line]
        assert len(reasons) == len(set(reasons)) > 0
        assert "  next: marketsync plans show" in result.out or "approve" in result.out
        document = json.loads(run("run", "full_sync", "--outlet", "main", "--json").out)
    assert (document["exit_code"], document["success"]) == (3, False)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 s"), (59, "59 s"), (60, "1 min"), (7200, "2 h"), (172_800, "2 d")],
)
def test_age_is_told_in_one_unit(seconds: int, words: str) -> None:
    assert age(timedelta(seconds=seconds)) == words


def test_one_is_singular() -> None:
    assert (counted(1, "row"), counted(1200, "row")) == ("1 row", "1,200 rows")
    assert figures({"duplicates": 1, "refused": 1, "calls": 2}, ["duplicates", "refused", "calls"])
    assert figures({"duplicates": 1, "refused": 1}, ["duplicates", "refused"]) == (
        "1 duplicate, 1 refused"
    )


def test_text_that_turns_the_order_of_others_is_spelled_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hostile = "a\u202eb\x9b31m\x1b[2Jc"
    assert clean(hostile) == r"a\u202eb\x9b31m\x1b[2Jc"
    print_json({"title": hostile})
    shown = capsys.readouterr().out
    assert json.loads(shown) == {"title": hostile}
    assert not set(shown) & set("\u202e\x9b\x1b")
