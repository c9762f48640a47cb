"""Loading marketsync.yaml: every mistake at once, with its line and what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketsync_dagster.config.load import (
    dagster_home_of,
    find_config,
    home_of,
    is_example,
    load_settings,
    project_of,
)
from marketsync_dagster.config.problems import ConfigMistakes
from marketsync_dagster.values.errors import ConfigError
from marketsync_dagster_tests.config.texts import VALID, load, mistakes

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "marketsync.yaml"


def _changed(old: str, new: str) -> str:
    assert VALID.count(old) >= 1
    return VALID.replace(old, new, 1)


def test_a_valid_file_has_no_mistakes_and_knows_its_place(tmp_path: Path) -> None:
    settings = load(tmp_path, VALID)
    assert settings.file == tmp_path / "marketsync.yaml"
    assert settings.root == tmp_path
    assert settings.platforms() == ["tracker_ke", "pasons"]
    assert settings.channel("a", "pasons") is settings.channels[2]
    assert settings.channel("b", "pasons") is None


def test_the_example_is_valid_and_shows_three_outlets_on_two_platforms() -> None:
    settings = load_settings(EXAMPLE)
    assert list(settings.outlets) == ["westlands", "kisumu", "mombasa"]
    assert {len(settings.channels_of(platform)) for platform in settings.platforms()} == {3}
    signings = {getattr(account, "signing", None) for account in settings.accounts.values()}
    assert signings == {"tracker_doc", "canonical_v1", "none", None}


_BAD: list[tuple[str, str, str]] = [
    ("version: 1", "version: 2", "1: version: expected 1, got 2"),
    ("version: 1", "verson: 1", "did you mean 'version'?"),
    ("version: 1", "version: 1\ndefaults: {currency: KSH}", "ISO 4217 currency such as KES"),
    ("version: 1", "version: 1\ndefaults: {timezone: Nairobi}", "expected an IANA time zone"),
    ("version: 1", "version: 1\ndefaults: {timezone: ../../etc/passwd}", "IANA time zone"),
    ("version: 1", "version: 1\ndefaults: 5", "2: defaults: expected a section"),
    ("version: 1", "version: 1\nlease_wait_s: .inf", "lease_wait_s: expected a finite number"),
    ("version: 1", "version: 1\nlease_wait_s: true", "lease_wait_s: expected a number, got true"),
    (
        "version: 1",
        'version: 1\nschedules: {partial: "* * * *"}',
        'expected a cron expression of five fields such as "*/30 * * * *", got "* * * *"',
    ),
    ("version: 1", 'version: 1\nschedules: {full: "0 0 31 2 *"}', "a day that its months have"),
    ("version: 1", "version: 1\nschedules: {nightly: null}", "schedules.nightly: expected a known"),
    ("version: 1", "version: 1\nretention: {runs_days: 0}", "a whole number of 1 or more, got 0"),
    ("version: 1", "version: 1\nroutes: {}", "2: routes: expected a list, got a section"),
    ("  a: {name", "  A: {name", "3: outlets.A: expected lower-case letters"),
    ("name: A, ", "", "3: outlets.a.name: expected a value, got nothing (the key is missing)"),
    ("extracts/a}", 'extracts/a, patern: "*"}', "(did you mean 'pattern'?), got an unknown one"),
    ("extracts/a}", "extracts/a, pattern: ../*.csv}", "a file name pattern without folders"),
    ("extracts/a}", "extracts/a, duplicates: frist}", "(did you mean 'first'?), got \"frist\""),
    ("extracts/a}", "extracts/a, delimiter: ';;;;;;;;;'}", "expected at most 8 characters"),
    ("extracts/a}", "extracts/a, encoding: utf-9}", "expected an encoding such as utf-8"),
    ("extracts/a}", "extracts/a, time_pattern: '*.csv'}", "expected a pattern for file names"),
    ("extracts/a}", "extracts/a, columns: {skuu: X}}", "(did you mean 'sku'?), got an unknown"),
    ("extracts/a}", "extracts/a, columns: {sku: ''}}", "expected the column's header in the file"),
    ("extracts/a}", "extracts/a, gone_after: 0}", "expected a whole number of 1 or more, got 0"),
    ("extracts/a", "''", "outlets.a.extract.path: expected a path"),
    (
        "tracker_ke",
        "traker_ke",
        "platform: expected 'tracker_ke' or 'pasons' or 'mirakl' or 'qikink' (did you mean",
    ),
    (
        "    platform: tracker_ke\n",
        "",
        "expected 'tracker_ke' or 'pasons' or 'mirakl' or 'qikink', got nothing",
    ),
    ("https://api", "ftp://api", "8: accounts.track_a.base_url: expected https://host/path"),
    ("https://api", "http://api", "expected https (http is for this machine only)"),
    ("https://api.example", "http://127.evil.example", "expected https"),
    ("https://api.example", "http://127.0.0.1.example", "expected https"),
    ("https://api.example", "http://localhost.example", "expected https"),
    ("https://api.example", "http://0.0.0.0", "expected https"),
    ("https://api.example", "http://2130706433", "expected https"),
    ("https://api.example", "http://[2001:db8::1]", "expected https"),
    ("https://api.example", "http://127.0.0.1@api.example", "expected https"),
    ("https://api.example", "https://api.example:99999", "expected https://host/path"),
    ("https://api.example/v1", "https://api.example/v1?q=1", "(not shown)"),
    ("{env: TRACK_A_KEY}", "pk_live_hunter2hunter2", "expected a reference such as {env: NAME}"),
    ("{env: TRACK_A_KEY}", "{env: 'hunter2 hunter2'}", "the name of an environment variable"),
    ("{env: TRACK_A_KEY}", "{sekret: hunter2}", "expected a known key"),
    ("{env: TRACK_A_KEY}", "{secret: Hunter-2}", "the name of a stored secret"),
    ("{env: TRACK_A_KEY}", "{secret: pk_live_hunter2}", "the name of a stored secret"),
    ("{env: TRACK_A_KEY}", "{secret: 0123456789abcdefhunter2x}", "the name of a stored secret"),
    ("{env: TRACK_A_KEY}", "{env: K, secret: k}", "either {env: NAME} or {secret: NAME}, got both"),
    ("{env: TRACK_A_KEY}", "{}", "api_key: expected either {env: NAME} or {secret: NAME}, got not"),
    ("    api_key: {env: TRACK_A_KEY}\n", "", "a reference such as {env: NAME}, got nothing"),
    ("{env: TRACK_A_KEY}", "{env: K}\n    signing: tracker_doc", "because signing is tracker_doc"),
    ("{env: TRACK_A_KEY}", "{env: K}\n    send_secret: true", "because send_secret is true"),
    ("{env: TRACK_A_KEY}", "{env: K}\n    signing: doc", "expected 'none', 'tracker_doc'"),
    ("{env: TRACK_A_KEY}", "{env: K}\n    quota: {concurrency: 9}", "whole number between 1 and 8"),
    ("{env: TRACK_A_KEY}", "{env: K}\n    timeouts: {read_s: 0}", "expected a number above 0, got"),
    ("{env: TRACK_A_KEY}", "{env: K}\n    rotated_on: 2026-13-01", "expected a date such as"),
    ("{env: TRACK_A_KEY}", "{env: K}\n    schedules: {hourly: null}", "expected one of the keys"),
    ("{key: {env: PAS_A_KEY}}", "{scheme: basic}", "a secret because the scheme is basic"),
    ("{key: {env: PAS_A_KEY}}", "{scheme: none, header: 'a b'}", "the name of an HTTP header"),
    (
        "{key: {env: PAS_A_KEY}}",
        "{scheme: none}\n    request: {headers: {Authorization: hunter2}}",
        "expected no secret in clear: Authorization belongs into auth",
    ),
    (
        "{key: {env: PAS_A_KEY}}",
        "{scheme: none}\n    request: {types: {selling_price: bool}}",
        'types.selling_price: expected number, string or minor_units, got "bool"',
    ),
    (
        "{key: {env: PAS_A_KEY}}",
        "{scheme: none}\n    request: {types: {stock_status: enum}}",
        "expected a word for each of in_stock, limited_stock and out_of_stock",
    ),
    (
        "{key: {env: PAS_A_KEY}}",
        "{scheme: none}\n    request: {fields: {sku: x, selling_price: x}}",
        "expected three different names, got x, x, stock_status",
    ),
    ("{key: {env: PAS_A_KEY}}", "{scheme: none}\n    request: {path: v1}", "begins with /"),
    ("account: track_a}", "account: track_a, push_enabled: 3}", "expected true or false, got 3"),
    ("account: track_a}", "account: track_a, store_id: 17}", "in quotes where it looks like a num"),
    (
        "account: track_a}",
        "account: track_a, guard: {max_changed_share: 7}}",
        "channels[0].guard.max_changed_share: expected a number between 0 and 1, got 7",
    ),
    (
        "account: track_a}",
        "account: track_a, guard: {window_hours: 72}}",
        "channels[0].guard.window_hours: expected a number between 0 and 48, got 72",
    ),
    ("account: track_a}", "account: track_a, pricing: {round_to: 0}}", "a step above 0, got 0"),
    ("account: track_a}", "account: track_a, pricing: {markup_percent: -100}}", "more than -100"),
    ("account: track_a}", "account: track_a, pricing: {minimum: x}}", "expected a number"),
    ("account: track_a}", "account: track_a, stock: {buffer: 1.5}}", "expected a whole number"),
    ("account: track_a}", "account: track_a, mapping: {by: [name]}}", "expected 'sku' or 'gtin'"),
    ("account: track_a}", "account: track_a, mapping: {file: ''}}", "expected a path"),
]


@pytest.mark.parametrize(("old", "new", "words"), _BAD, ids=[f"{n} {o}" for o, n, _ in _BAD])
def test_a_mistake_says_where_it_is_and_what_was_expected(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    found = mistakes(tmp_path, _changed(old, new))
    assert any(words in line for line in found), found
    assert found
    for line in found:
        assert "\n" not in line
        assert "expected" in line
        assert ", got " in line
        assert "hunter2" not in line


def test_all_mistakes_come_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = _changed("version: 1", "version: 9").replace("name: B", "nam: B")
    found = mistakes(tmp_path, text.replace("outlet: b", "outlet: B"))
    assert [line.split(": ")[0] for line in found] == sorted(
        (line.split(": ")[0] for line in found), key=int
    )
    assert len(found) == 4


def test_a_mistake_is_one_line_with_file_line_and_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigMistakes) as caught:
        load(tmp_path, _changed("account: track_a}", "account: track_a, stock: {buffer: -1}}"))
    assert caught.value.message == (
        "marketsync.yaml:19: channels[0].stock.buffer: expected a whole number of 0 or more, got -1"
    )


def test_the_values_of_a_bad_file_are_in_no_exception_on_the_way(tmp_path: Path) -> None:
    text = _changed("{env: TRACK_A_KEY}", "hunter2hunter2")
    with pytest.raises(ConfigMistakes) as caught:
        load(tmp_path, text)
    error: BaseException | None = caught.value
    while error is not None:
        assert "hunter2" not in str(error)
        assert error.__cause__ is None
        error = error.__context__


@pytest.mark.parametrize("text", ["", "just words", "- 1\n- 2\n", "# only a comment\n"])
def test_a_file_that_is_no_configuration_says_what_one_is(tmp_path: Path, text: str) -> None:
    (line,) = mistakes(tmp_path, text)
    assert line.startswith("1: : expected sections such as `version: 1`")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        load_settings(tmp_path / "nothing.yaml")
    with pytest.raises(ConfigError, match="is a directory"):
        load_settings(tmp_path)


def test_the_environment_names_the_file_then_the_folder_then_the_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MARKETSYNC_CONFIG", raising=False)
    for folder in (EXAMPLE.parents[1], EXAMPLE.parents[1] / "docs"):
        monkeypatch.chdir(folder)
        assert find_config() == EXAMPLE
        assert is_example(EXAMPLE)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "marketsync.yaml").write_text(VALID)
    assert find_config() == tmp_path / "marketsync.yaml"
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("MARKETSYNC_CONFIG", str(other))
    assert find_config() == other / "marketsync.yaml"
    monkeypatch.setenv("MARKETSYNC_CONFIG", "x/my.yaml")
    assert find_config() == tmp_path / "x" / "my.yaml"


def test_outside_the_checkout_there_is_no_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MARKETSYNC_CONFIG", raising=False)
    with pytest.raises(ConfigError, match=r"--config FILE or MARKETSYNC_CONFIG.*marketsync init"):
        find_config()
    assert not is_example(EXAMPLE)


def test_the_project_is_the_nearest_folder_with_a_dagster_yaml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MARKETSYNC_HOME", raising=False)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    inner = tmp_path / "conf" / "shop"
    inner.mkdir(parents=True)
    settings = load(inner, VALID)
    assert settings.home == inner / ".marketsync"
    (tmp_path / "dagster.yaml").write_text("")
    assert project_of(settings.file) == tmp_path
    assert home_of(settings.file) == tmp_path / ".marketsync"
    assert dagster_home_of(settings) == tmp_path / ".dagster"
    monkeypatch.setenv("MARKETSYNC_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dag"))
    assert load(inner, VALID).home == tmp_path / "elsewhere"
    assert dagster_home_of(settings) == tmp_path / "dag"


def test_numbers_are_kept_exact(tmp_path: Path) -> None:
    text = _changed("account: track_a}", "account: track_a, pricing: {markup_percent: 7.1}}")
    assert str(load(tmp_path, text).channels[0].pricing.markup_percent) == "7.1"


def test_loading_reads_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRACK_A_KEY", "TRACK_B_KEY", "PAS_A_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert load(tmp_path, VALID).accounts


_CANARY = "Sup3rSecretCanary"
_ADDRESSES = [
    f"sftp://joe:{_CANARY}@host/folder",
    f"https://shop.example/feed/{_CANARY}",
    f"s3://bucket/x?token={_CANARY}",
    f" FTP://{_CANARY}",
    f"sftp:/joe:{_CANARY}@host/folder",
    f"a/sftp://joe:{_CANARY}@host",
    f"joe:{_CANARY}@host:/folder",
]
_FOLDER = "an address (not shown): say `url:` instead, in a source under `sources`"


@pytest.mark.parametrize("address", _ADDRESSES)
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("extracts/a", "'{}'", f"outlets.a.extract.path: expected a folder, got {_FOLDER}"),
        (
            "version: 1",
            "version: 1\nsources: {{s: {{kind: directory, path: '{}'}}}}",
            f"sources.s.path: expected a folder, got {_FOLDER}",
        ),
        (
            "account: track_a}",
            "account: track_a, mapping: {{file: '{}'}}}}",
            "mapping.file: expected a file of this machine, got an address (not shown)",
        ),
    ],
)
def test_an_address_where_a_path_is_expected_is_refused_and_never_shown(
    tmp_path: Path, old: str, new: str, words: str, address: str
) -> None:
    found = mistakes(tmp_path, _changed(old, new.format(address)))
    assert any(words in line for line in found), found
    assert _CANARY not in "".join(found)


@pytest.mark.parametrize("path", [r"C:\x", "C:/x", "c://x", r"\\server\share", "shop:1/x", "a:b"])
def test_a_path_of_windows_is_no_address(tmp_path: Path, path: str) -> None:
    assert mistakes(tmp_path, _changed("extracts/a", f"'{path}'")) == []
