"""The commands for stored secrets: values go in and never come out."""

from __future__ import annotations

import io
import json
import os
import pty
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from marketsync_dagster.cli.demo_values import demo_secrets, demo_stored, sandbox_seed
from marketsync_dagster.config.load import load_settings
from marketsync_dagster.config.master_key import NEW_VARIABLE, VARIABLE
from marketsync_dagster.config.secrets import Secrets
from marketsync_dagster.ledger.credentials import open_secrets
from marketsync_dagster.ledger.engine import open_ledger
from marketsync_dagster.ledger.urls import ledger_url
from marketsync_dagster_tests.cli.conftest import Result, Run

FIRST, SECOND = "pk_demo_not_a_real_key_1", "pk_demo_not_a_real_key_2"


@pytest.fixture
def shop(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project two of whose keys are stored ones, with a folder of its own for master keys."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(project.parent / "config"))
    file = project / "marketsync.yaml"
    text = file.read_text().replace("{env: TRACKER_MAIN_KEY}", "{secret: tracker_main}")
    file.write_text(text.replace("{env: PASONS_MAIN_KEY}", "{secret: pasons_main}"))
    return project


@pytest.fixture
def give(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call a command with a text on its standard input: the first word."""

    def call(text: str, *words: str) -> Result:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        return run(*words)

    return call


def stored(shop: Path) -> Secrets:
    settings = load_settings(shop / "marketsync.yaml")
    return open_secrets(settings, open_ledger(ledger_url(settings)))


def values(shop: Path, account: str = "tracker_main") -> list[str]:
    settings = load_settings(shop / "marketsync.yaml")
    found = settings.accounts[account]
    assert found.platform == "tracker_ke"
    return stored(shop).versions(found.api_key)


def listed(run: Run) -> dict[tuple[str, int | None], dict[str, object]]:
    result = run("secrets", "list", "--json")
    assert result.code == 0, result.err
    return {(row["name"], row["version"]): row for row in json.loads(result.out)}


def test_a_value_is_stored_from_standard_input_and_never_printed(
    shop: Path, give: Run, run: Run
) -> None:
    told = give(f"{FIRST}\n", "secrets", "set", "tracker_main", "--json")
    assert told.code == 0
    assert json.loads(told.out)["version"] == 1
    (key,) = (shop.parent / "config" / "marketsync").iterdir()
    assert f"made the master key {key}; keep a copy" in told.err
    again = give(f"{SECOND}\r\n", "secrets", "set", "tracker_main", "--overlap-days", "3")
    assert "version 2 is stored; the one before it can be used until 2" in again.out
    assert "next: marketsync connections test" in again.err
    assert values(shop) == [SECOND, FIRST]
    same = give(SECOND, "secrets", "set", "tracker_main")
    assert "version 2 has that value already" in same.out
    rows = listed(run)
    assert [rows["tracker_main", n]["masked"] for n in (2, 1)] == ["pk_demo_***_2", "pk_demo_***_1"]
    said = (told, again, same, run("secrets", "list"))
    for secret in (FIRST, SECOND, key.read_text().strip()):
        assert not any(secret in result.out + result.err for result in said)
        assert secret not in json.dumps(list(rows.values()))


def test_the_list_tells_age_use_overlap_and_what_is_missing(
    shop: Path, give: Run, run: Run
) -> None:
    made = (datetime.now(UTC) - timedelta(days=100)).strftime("%Y-%m-%d")
    give(FIRST, "secrets", "set", "tracker_main", "--created-on", made)
    give("not-used-anywhere", "secrets", "set", "spare")
    rows = listed(run)
    main = rows["tracker_main", 1]
    assert (main["age_days"], main["stale"], main["used_by"]) == (
        100, True, ["accounts.tracker_main.api_key"],
    )  # fmt: skip
    assert rows["spare", 1]["used_by"] == []
    assert rows["pasons_main", None]["missing"] is True
    assert rows["pasons_main", None]["used_by"] == ["accounts.pasons_main.auth.key"]
    text = run("secrets", "list").out
    assert "tracker_main is 100 days old; next: marketsync secrets set tracker_main" in text
    assert "pasons_main is missing; next: marketsync secrets set pasons_main" in text
    assert "older than 90 days" in text
    give(SECOND, "secrets", "set", "tracker_main", "--overlap-days", "2")
    rows = listed(run)
    assert (rows["tracker_main", 2]["stale"], rows["tracker_main", 1]["stale"]) == (False, False)
    assert str(rows["tracker_main", 1]["state"]).startswith("until 2")


def test_the_list_works_without_the_master_key_and_says_what_is_needed(
    shop: Path, give: Run, run: Run
) -> None:
    give(FIRST, "secrets", "set", "tracker_main")
    (key,) = (shop.parent / "config" / "marketsync").iterdir()
    key.unlink()
    row = listed(run)["tracker_main", 1]
    assert (row["readable"], row["masked"], row["state"]) == (False, "", "cannot be read")
    assert f"master key {row['master_key']}, which is not here" in run("secrets", "list").out


def test_a_value_is_taken_from_a_variable(
    shop: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", FIRST)
    assert run("secrets", "set", "tracker_main", "--from-env", "SOME_KEY").code == 0
    assert values(shop) == [FIRST]
    mistaken = run("secrets", "set", "tracker_main", "--from-env", SECOND)
    assert mistaken.code == 64
    assert SECOND not in mistaken.err


def test_a_value_is_asked_for_on_a_terminal_and_not_echoed(
    shop: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        words = ["-m", "marketsync_dagster.cli.main", "secrets", "set", "tracker_main"]
        os.execv(sys.executable, [sys.executable, *words])
    said = b""
    while b"not shown" not in said:
        said += os.read(terminal, 1000)
    os.write(terminal, f"{FIRST}\n".encode())
    try:
        while block := os.read(terminal, 1000):
            said += block
    except OSError:
        pass  # the other end is closed
    assert os.waitpid(pid, 0)[1] == 0, said
    assert FIRST.encode() not in said
    assert b"version 1 is stored" in said
    assert values(shop) == [FIRST]


@pytest.mark.parametrize(
    ("words", "given", "message"),
    [
        (("tracker_main", "hunter2-hunter2"), "", "the value is no argument"),
        (("sk_hunter2_hunter2",), "", "not the secret itself"),
        (("Hunter2",), "", "NAME is lower-case letters"),
        (("tracker_main",), "", "there is no value on standard input"),
        (("tracker_main",), "hunter2", "the value holds fewer than 8 characters"),
        (("tracker_main",), "hunter2 \nhunter2", "the value holds white space"),
        (("tracker_main",), "hunter2" * 5_000, "more than 20,000 characters"),
        (("tracker_main", "--created-on", "soon"), "", "is not a date"),
        (("tracker_main", "--created-on", "2999-01-01"), "", "is in the future"),
        (("tracker_main", "--overlap-days", "-1"), "", "--overlap-days"),
    ],
)
def test_what_cannot_be_stored_is_refused_without_showing_it(
    shop: Path, give: Run, run: Run, words: tuple[str, ...], given: str, message: str
) -> None:
    result = give(given, "secrets", "set", *words)
    assert result.code in (1, 64)
    assert message in result.err
    assert "unter2" not in result.out + result.err
    assert [row["version"] for row in listed(run).values()] == [None, None]


def test_a_secret_and_a_version_are_removed(shop: Path, give: Run, run: Run) -> None:
    give(FIRST, "secrets", "set", "tracker_main")
    give(SECOND, "secrets", "set", "tracker_main", "--overlap-days", "2")
    back = run("secrets", "remove", "tracker_main", "--version", "2")
    assert "version 1 is in use now" in back.out
    assert values(shop) == [FIRST]
    gone = run("secrets", "remove", "tracker_main")
    assert gone.code == 0
    assert "accounts.tracker_main.api_key cannot be used until it is stored again" in gone.err
    nothing = run("secrets", "remove", "tracker_main")
    assert (nothing.code, "there is no stored secret tracker_main" in nothing.err) == (1, True)


def test_the_master_key_is_changed_and_the_old_file_kept(shop: Path, give: Run, run: Run) -> None:
    give(FIRST, "secrets", "set", "tracker_main")
    (old,) = (shop.parent / "config" / "marketsync").iterdir()
    result = run("secrets", "rotate", "--json")
    assert result.code == 0
    done = json.loads(result.out)
    assert (done["secrets"], done["replaced"]) == (1, [old.stem.removeprefix("master-")])
    assert f"older backups of the ledger need {old}" in result.err
    old.unlink()
    assert values(shop) == [FIRST]
    assert "1 value encrypted anew" in run("secrets", "rotate").out


def test_a_master_key_in_the_environment_is_changed_in_three_steps(
    shop: Path, give: Run, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Fernet.generate_key().decode()
    monkeypatch.setenv(VARIABLE, old)
    give(FIRST, "secrets", "set", "tracker_main")
    refused = run("secrets", "rotate")
    assert (refused.code, "--new-key-file FILE" in refused.err) == (1, True)
    file = shop.parent / "new.key"
    made = run("secrets", "rotate", "--new-key-file", str(file))
    assert made.code == 0, made.err
    assert file.stat().st_mode & 0o777 == 0o600
    new = file.read_text().strip()
    assert new not in made.out + made.err
    assert f"set {VARIABLE} to key" in made.err
    monkeypatch.setenv(NEW_VARIABLE, new)
    assert run("secrets", "rotate", "--new-key-file", str(file)).code == 64  # given twice
    assert "everything is under master key" in run("secrets", "rotate").out
    monkeypatch.delenv(NEW_VARIABLE)
    monkeypatch.setenv(VARIABLE, new)
    assert values(shop) == [FIRST]
    assert not (shop.parent / "config").exists()


def test_there_is_nothing_to_rotate_without_a_secret(shop: Path, run: Run) -> None:
    result = run("secrets", "rotate")
    assert (result.code, "there are no stored secrets yet" in result.err) == (1, True)


def test_a_project_without_stored_secrets_says_so(project: Path, run: Run) -> None:
    result = run("secrets", "list")
    assert (result.code, result.out) == (0, "no stored secrets\n")


def test_a_stored_key_that_is_missing_is_named_where_it_is_needed(shop: Path, run: Run) -> None:
    result = run("connections", "test", "--account", "tracker_main")
    assert result.code == 1
    assert "stored secret tracker_main does not exist (accounts.tracker_main.api_key)" in result.out
    assert "next: marketsync secrets set tracker_main" in result.out


def test_the_sandbox_takes_a_made_up_key_for_a_stored_one_and_says_which(shop: Path) -> None:
    settings = load_settings(shop / "marketsync.yaml")
    assert demo_stored(settings) == {
        "tracker_main": "pk_demo_example_main",
        "pasons_main": "pasons_example_main",
    }
    assert list(demo_secrets(settings)) == ["TRACKER_SIDE_KEY"]
    keys = [one["api_key"] for one in sandbox_seed(settings)["tracker_ke"]["accounts"]]
    assert keys == ["pk_demo_example_main", "pk_demo_example_side"]
