"""What must hold between sections, so that no outlet overwrites another."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketsync_dagster_tests.config.texts import VALID, load, mistakes

PASONS_B = """\
  pas_b:
    platform: pasons
    base_url: {url}
    auth: {{key: {{env: PAS_B_KEY}}}}
channels:
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("{outlet: a, account: track_a}", "{outlet: aa, account: track_a}", "got 'aa'"),
        (
            "{outlet: a, account: track_a}",
            "{outlet: a, account: trak_a}",
            "one of accounts (track_a, track_b, pas_a) (did you mean 'track_a'?), got 'trak_a'",
        ),
        (
            "{outlet: b, account: track_b}",
            "{outlet: b, account: track_a}",
            "(one price per key: the last branch would overwrite the others)",
        ),
        (
            "{outlet: b, account: track_b}",
            "{outlet: a, account: track_b}",
            "expected one channel for outlet a on tracker_ke, got a second one besides channels[0]",
        ),
        (
            "{env: TRACK_B_KEY}",
            "{env: TRACK_A_KEY}",
            "got the key and base_url of accounts.track_a",
        ),
        ("path: extracts/b", "path: ./extracts//a", "got the path and pattern of outlets.a"),
        (
            "path: extracts/b",
            'path: extracts/a, pattern: "b_*.csv"',
            "got 'b_*.csv' beside '*.csv' of outlets.a in one folder",
        ),
        (
            "auth: {key: {env: PAS_A_KEY}}",
            "auth: {key: {env: PAS_A_KEY}}\n    catalog: track_a",
            "expected a scope of pasons accounts only, got 'track_a'",
        ),
        (
            "account: track_a}",
            "account: track_a, pricing: {round_to: '0.001'}}",
            "channels[0].pricing.round_to: expected no more decimals than KES has, got 0.001",
        ),
        (
            "auth: {key: {env: PAS_A_KEY}}",
            "auth: {key: {env: PAS_A_KEY}}\n    request: {store: {in: header}}",
            "channels[2].store_id: expected the store's id, because requests of accounts.pas_a",
        ),
        (
            "{outlet: a, account: pas_a}",
            "{outlet: a, account: pas_a}\n  - {outlet: b, account: pas_a}",
            "the last outlet would overwrite the other",
        ),
        (
            "channels:\n",
            PASONS_B.format(url="https://PASONS.example/017/")
            + "  - {outlet: b, account: pas_b}\n",
            "expected an address and store_id of its own",
        ),
        (
            "channels:\n",
            PASONS_B.format(url="https://pasons.example:443/017")
            + "  - {outlet: b, account: pas_b}\n",
            "expected an address and store_id of its own",
        ),
    ],
)
def test_a_configuration_in_which_one_would_overwrite_another_is_refused(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    assert old in VALID
    found = mistakes(tmp_path, VALID.replace(old, new, 1))
    assert len(found) == 1, found
    assert words in found[0]


def test_a_mapping_file_belongs_to_one_platform(tmp_path: Path) -> None:
    text = VALID.replace("account: track_a}", "account: track_a, mapping: {file: m/x.csv}}")
    text = text.replace("account: pas_a}", "account: pas_a, mapping: {file: ./m/x.csv}}")
    (found,) = mistakes(tmp_path, text)
    assert "channels[2].mapping.file: expected a file of pasons ids only" in found


def test_pasons_outlets_may_share_an_account_where_requests_tell_the_store(tmp_path: Path) -> None:
    shared = VALID.replace(
        "auth: {key: {env: PAS_A_KEY}}",
        "auth: {key: {env: PAS_A_KEY}}\n    request: {store: {in: header}}",
    )
    shared = shared.replace("account: pas_a}", 'account: pas_a, store_id: "017"}')
    good = shared + '  - {outlet: b, account: pas_a, store_id: "018"}\n'
    assert len(load(tmp_path, good).channels_of("pasons")) == 2
    bad = shared + '  - {outlet: b, account: pas_a, store_id: "017"}\n'
    assert any("of its own" in line for line in mistakes(tmp_path, bad))


@pytest.mark.parametrize(
    "elsewhere",
    ["test_connection: {path: '/{store_id}/ping'}",
     "full_push: replace\n    request: {full: {path: '/{store_id}/full'}}"],
)  # fmt: skip
def test_stores_that_only_some_requests_tell_would_overwrite_each_other(
    tmp_path: Path, elsewhere: str
) -> None:
    key = "auth: {key: {env: PAS_A_KEY}}"
    text = VALID.replace(key, f"{key}\n    {elsewhere}")
    text = text.replace("account: pas_a}", 'account: pas_a, store_id: "017"}')
    assert mistakes(tmp_path, text) == []
    (found,) = mistakes(tmp_path, text + '  - {outlet: b, account: pas_a, store_id: "018"}\n')
    assert "expected an address and store_id of its own" in found


def test_a_store_that_is_written_out_is_the_one_that_is_filled_in(tmp_path: Path) -> None:
    text = VALID.replace("https://pasons.example/017", "https://pasons.example/{store_id}")
    text = text.replace("account: pas_a}", 'account: pas_a, store_id: "017"}')
    account = PASONS_B.format(url="https://pasons.example/017")
    text = text.replace("channels:\n", account) + "  - {outlet: b, account: pas_b}\n"
    (found,) = mistakes(tmp_path, text)
    assert "expected an address and store_id of its own" in found
    assert mistakes(tmp_path, text.replace('"017"', '"018"')) == []


def test_two_outlets_may_share_a_folder_with_different_patterns(tmp_path: Path) -> None:
    text = VALID.replace("extracts/a}", 'extracts, pattern: "a_*.csv"}')
    text = text.replace("extracts/b}", 'extracts, pattern: "b_*.csv"}')
    assert load(tmp_path, text).outlets["b"].extract.pattern == "b_*.csv"


def test_the_same_key_may_be_used_at_another_address(tmp_path: Path) -> None:
    text = VALID.replace("{env: TRACK_B_KEY}", "{env: TRACK_A_KEY}")
    text = text.replace("https://api.example/v1", "https://other.example/v1", 1)
    assert mistakes(tmp_path, text) == []


def test_every_secret_knows_its_path_in_the_file(tmp_path: Path) -> None:
    settings = load(tmp_path, VALID + "alerts: {targets: [{env: ALERT_URL}]}\n")
    assert settings.alerts.targets[0].where == "alerts.targets[0]"
    account = settings.accounts["track_b"]
    assert account.platform == "tracker_ke"
    assert account.api_key.where == "accounts.track_b.api_key"
