"""Every command with bad input: exit code 1 or 64, one message on stderr, nothing on stdout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from marketsync_dagster_tests.cli.conftest import Run

LONG = "x" * 5000
ODD = ["", " ", "nowhere", "../..", "-", "[bold]", "\x1b[2J", "näh", "1,2", "'; drop table plan"]
NUMBERS = ["", "x", "0", "-1", "1.5", "1e9", "nan", "99999999999999999999", " ", "ten"]

COMMANDS: dict[str, list[list[str]]] = {
    "init": [
        *([word, "--bad"] for word in ("--bad", "x")),
        *[["marketsync.yaml"], ["."], ["a", "b"], ["--json"], ["marketsync.yaml/x"]],
        *[["extracts/main/main_2026-11-20.csv"], ["\0"], ["/proc/nothing"], [LONG]],
    ],
    "config check": [[word] for word in ODD if word != "-"] + [["--jsn"], ["--json", "x"]],
    "history": [
        *(["--outlet", word] for word in ODD),
        *(["--limit", word] for word in NUMBERS),
        ["--platform", "shopify"],
    ],
    "explain": [
        *(["--outlet", word, "--platform", "pasons", "--sku", "1001"] for word in ODD),
        *(["--outlet", "main", "--platform", word, "--sku", "1001"] for word in ODD),
        *(["--outlet", "main", "--platform", "pasons", "--sku", word] for word in ODD),
        ["--outlet", "side", "--platform", "pasons", "--sku", "1001"],
        [],
    ],
    "connections test": [["--account", word] for word in ODD] + [["--acount", "x"]],
    "plan": [
        *(["--outlet", word] for word in ODD),
        *(["--platform", word] for word in ODD),
        *(["--sku", word] for word in ODD),
        *(["--limit", word] for word in NUMBERS),
        *(["--mode", "half"], ["--field", "name"], ["--export", "marketsync.yaml"]),
        *(["--outlet", "main,,side"], ["--outlet", "main,sid"], ["--json", "x"]),
    ],
    "plans list": [
        *(["--outlet", word] for word in ODD),
        *(["--state", word] for word in ODD),
        *(["--limit", word] for word in NUMBERS),
    ],
    "plans show": [*([word] for word in ODD if word != "-"), [], ["a", "b"]],
    "approve": [
        *([word, "--reason", "r"] for word in ODD if word != "-"),
        *(["plan-1"], ["plan-1", "--reason", " "], ["plan-1", "--reason", "r", "--by", " "]),
    ],
    "reject": [
        *([word, "--reason", "r"] for word in ODD if word != "-"),
        *(["plan-1"], ["plan-1", "--reason", ""], ["plan-1", "--reason", "r", "--by", ""]),
    ],
    "mapping list": [
        *(["--account", word] for word in ODD),
        *(["--outlet", word] for word in ODD),
        *([], ["--account", "pasons_main"], ["--account", "tracker_main", "--outlet", "side"]),
    ],
    "mapping search": [
        *(["x", "--account", word] for word in ODD),
        *([""], [" "], [], ["x"], ["x", "--limit", "0", "--account", "tracker_main"]),
    ],
    "mapping set": [
        *([word, "prod_9", "--account", "tracker_main"] for word in ODD if word != "-"),
        *(["1001", "prod_9", "--account", word] for word in ODD),
        *(["1001", word, "--account", "tracker_main"] for word in ("", " ", "9.3E+12", "a\nb")),
        *(["1001"], ["1002", "prod_1", "--account", "tracker_main"]),
    ],
    "mapping unset": [
        *([word, "--account", "tracker_main"] for word in ODD if word != "-"),
        *(["1003", "--account", "tracker_main"], ["1001"], []),
    ],
    "mapping import": [
        *([word, "--account", "tracker_main"] for word in ODD if word != "-"),
        *(["extracts/main/main_2026-11-20.csv", "--account", "tracker_main"], ["x"], []),
    ],
    "check-extract": [
        *([word] for word in ODD if word != "-"),
        *(["marketsync.yaml", "--currency", word] for word in ODD),
        *(["extracts/main/main_2026-11-20.csv", "--columns", word] for word in ODD),
        *(["extracts/main/main_2026-11-20.csv", "--columns", "sku=Nix"], ["extracts"]),
        ["extracts/main/main_2026-11-20.csv", "--columns", "sku=SKU,sku=Name"],
        *(
            ["extracts/main/main_2026-11-20.csv", option, word]
            for word in ("", "nix", "\x1b[2J", "1,2")
            for option in (
                *("--preset", "--decimal", "--coverage", "--duplicates", "--weighed"),
                *("--numeric-identifiers", "--encoding"),
            )
        ),
        *(
            ["extracts/main/main_2026-11-20.csv", option, ""]
            for option in ("--outlet", "--records", "--delimiter", "--sheet")
        ),
        ["extracts/main/main_2026-11-20.csv", "--delimiter", "||"],
        ["extracts/main/main_2026-11-20.csv", "--outlet"],
        *(["extracts/main/main_2026-11-20.csv", "--against", word] for word in ODD),
        *(["extracts/main/main_2026-11-20.csv", "--out", word] for word in ODD),
    ],
    "run": [
        *([word] for word in ODD if word != "-"),
        *(["partial_sync", "--outlet", word] for word in ODD),
        *(["partial_sync", "--sku", word] for word in ODD),
        *(["partial_sync", "--limit", word] for word in NUMBERS),
        *(["full_sync", "--all", "--outlet", "main"], ["full_sync", "--mode", "half"], []),
        *(["full_sync", "--force-older"], ["full_sync", "--by", " "]),
    ],
    "sandbox": [*(["--port", word] for word in NUMBERS if word != "0"), ["--delay-ms", "-1"]],
    "dev": [*(["--port", word] for word in NUMBERS), ["--prot", "1"], ["x"]],
    "demo": [[word] for word in ODD] + [["--jsn"]],
    "ledger upgrade": [[word] for word in ODD] + [["--jsn"]],
}

CASES = [(*command.split(), *words) for command, lists in COMMANDS.items() for words in lists]


def test_every_command_is_tried_with_at_least_ten_bad_inputs() -> None:
    assert {command: len(lists) for command, lists in COMMANDS.items() if len(lists) < 10} == {}


@pytest.mark.parametrize(
    "words", CASES, ids=lambda words: " ".join(words)[:60].encode().hex(" ", 40)
)
def test_bad_input_ends_with_one_message(words: tuple[str, ...], project: Path, run: Run) -> None:
    before = {path: path.read_bytes() for path in project.rglob("*.csv")}
    result = run(*words)
    assert result.code in (1, 64), result
    assert result.out == ""
    assert "Traceback" not in result.err
    assert "\x1b" not in result.err
    messages = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert len(messages) == 1, result.err
    assert len(messages[0]) > len("error: ")
    after = {path: path.read_bytes() for path in project.rglob("*.csv")}
    assert after == before


@pytest.mark.parametrize(
    "words",
    [["nonsense"], ["--nonsense"], ["plans", "shwo"], ["plan", "--limt", "3"], ["--config"]],
)
def test_words_that_no_command_takes_are_wrong_usage(words: list[str], run: Run) -> None:
    result = run(*words)
    assert result.code == 64
    assert result.err.startswith("error: ")
    assert "--help" in result.err


@pytest.mark.parametrize("words", [[], ["plans"], ["mapping"], ["connections"], ["config"]])
def test_a_group_without_a_command_shows_its_help_as_wrong_usage(
    words: list[str], run: Run
) -> None:
    result = run(*words)
    assert result.code == 64
    assert result.out == ""
    assert "Commands:" in result.err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["history", "--outlet", "mian"], "did you mean main?"),
        (["run", "fullsync"], "did you mean full_sync"),
        (["run", "push_pason"], "push_pasons"),
        (["plan", "--platform", "trackerke"], "did you mean tracker_ke?"),
        (["connections", "test", "--account", "tracker"], "tracker_main"),
        (["plan", "--sku", "100"], "there are 3 in main, side, none of them like it"),
        (["check-extract", "marketsync.yaml", "--currency", "kes"], "KES"),
    ],
)
def test_a_misspelt_name_is_wrong_usage_with_the_closest(
    words: list[str], hint: str, project: Path, run: Run
) -> None:
    result = run(*words)
    assert result.code == 64
    assert hint in result.err


@pytest.mark.parametrize(
    "command",
    ["plan", "history", "plans list", "connections test", "mapping list", "run full_sync", "demo"],
)
def test_a_broken_configuration_is_told_by_every_command(
    command: str, project: Path, run: Run
) -> None:
    (project / "marketsync.yaml").write_text("version: 1\noutlets: 5\n")
    result = run(*command.split())
    assert result.code == 1
    assert "marketsync.yaml:2: outlets: expected a section" in result.err
    assert result.out == ""


def test_a_file_that_is_not_there_is_named(empty: Path, run: Run) -> None:
    result = run("--config", "nothing.yaml", "plan")
    assert result.code == 1
    assert "nothing.yaml: there is no such file" in result.err
    assert "MARKETSYNC_CONFIG" not in os.environ


def test_a_storage_of_dagster_that_fails_is_no_defect(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OperationalError("CREATE INDEX", {}, Exception("disk I/O error"))

    monkeypatch.setattr("marketsync_dagster.automation.launch.launch", full)
    result = run("run", "partial_sync")
    assert result.code == 1
    assert "error: Dagster's storage failed: disk I/O error" in result.err
    assert "next: see that it can be reached and its disk has room" in result.err
    assert "Traceback" not in result.err


def test_debug_shows_the_traceback(project: Path, run: Run) -> None:
    assert "Traceback" in run("--debug", "history", "--outlet", "x").err


def test_the_command_as_a_program_of_its_own(project: Path) -> None:
    command = [sys.executable, "-m", "marketsync_dagster.cli.main"]
    bad = subprocess.run([*command, "history", "--outlet", "mian"], capture_output=True, text=True)
    assert (bad.returncode, bad.stdout) == (64, "")
    good = subprocess.run([*command, "history", "--json"], capture_output=True, text=True)
    assert (good.returncode, good.stdout, good.stderr) == (0, "[]\n", "")


def test_a_reader_that_goes_away_is_no_failure(project: Path) -> None:
    command = f"'{sys.executable}' -m marketsync_dagster.cli.main plan --json --mode full"
    done = subprocess.run(
        ["bash", "-c", f"{command} | true; echo ${{PIPESTATUS[0]}}"], capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_help_is_quick_because_nothing_heavy_is_loaded() -> None:
    code = (
        "import sys; from marketsync_dagster.cli.main import main; main(['--help']); "
        "print([m for m in ('pandas', 'dagster', 'pydantic', 'sqlalchemy', 'httpx', 'rich') "
        "if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"
