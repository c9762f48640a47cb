"""Stored secrets: encrypted under a key that is elsewhere, in versions, through crashes and races.

Rows are read as raw bytes too: nothing of a value may be in them, however it is written.
"""

from __future__ import annotations

import base64
import json
import signal
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import select, update

from marketsync_dagster.config.accounts import SecretRef
from marketsync_dagster.config.master_key import (
    NEW_VARIABLE,
    VARIABLE,
    find_key,
    keep_key,
    key_folder,
    master_key,
    read_key_file,
)
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger import credentials
from marketsync_dagster.ledger.credentials import (
    POINTS,
    LedgerVault,
    open_secrets,
    remove_secret,
    rotate,
    set_secret,
    stored_secrets,
)
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.key_ages import credential_ages
from marketsync_dagster.ledger.tables import credential
from marketsync_dagster.values.errors import ConfigError
from marketsync_dagster.values.redact import scrub
from marketsync_dagster.values.times import from_iso, to_iso, utcnow
from marketsync_dagster_tests.e2e.canaries import Search
from marketsync_dagster_tests.ledger.children import race, start, values

FIRST, SECOND, THIRD = "not-a-real-key-1", "not-a-real-key-2", "not-a-real-key-3"
SETUP = """
    import sys
    from marketsync_dagster.ledger.engine import open_ledger
    from marketsync_dagster.ledger.credentials import rotate, set_secret
    import cryptography.fernet, os, signal
    ledger = open_ledger(sys.argv[1])
"""


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own for master keys."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv(NEW_VARIABLE, raising=False)
    return tmp_path / "config" / "marketsync"


def fresh_key() -> str:
    return Fernet.generate_key().decode()


def read(ledger: Ledger, name: str = "shop_key") -> list[str]:
    """Every usable value, newest first, as a new process reads them."""
    return LedgerVault(ledger).values(name)


def expire(ledger: Ledger, version: int) -> None:
    """Let the overlap of a version be over."""
    with ledger.begin() as conn:
        changes = {"usable_until": to_iso(utcnow() - timedelta(seconds=1))}
        conn.execute(update(credential).where(credential.c.version == version).values(**changes))


@pytest.mark.parametrize("value", ["sk_not_real_0123456789abcdef", 'sk_not_real+/=&%"\\ 0123'])
def test_a_value_is_read_back_and_none_of_its_forms_is_in_the_database(
    ledger: Ledger, keys: Path, value: str
) -> None:
    change = set_secret(ledger, "shop_key", value, by="anna")
    assert (change.changed, change.stored.version, change.stored.created_by) == (True, 1, "anna")
    assert read(ledger) == [value]
    assert open_secrets(settings_of({}), ledger).resolve(SecretRef(secret="shop_key")) == value
    master = read_key_file(Path(change.made_key)).value
    search = Search({"value": value, "master key": master})
    with ledger.read() as conn:
        rows = [tuple(row) for row in conn.execute(select(credential))]
    search.rows(rows, "credential")
    search.data(base64.urlsafe_b64decode(change.stored.token), "the token, unpacked")
    with pytest.raises(InvalidToken):
        Fernet(fresh_key()).decrypt(change.stored.token)
    if ledger.dialect == "sqlite":
        for path in keys.parents[1].glob("ledger*"):
            search.data(path.read_bytes(), path.name)
    assert len(rows) == 1
    assert search.hits == []
    assert "not_real" not in repr(change) + repr(stored_secrets(ledger))
    assert scrub(f"{value} {master}") == "*** ***"


def test_the_master_key_is_for_its_owner_alone_and_outside_the_data(
    ledger: Ledger, keys: Path
) -> None:
    change = set_secret(ledger, "shop_key", FIRST, by="anna")
    (path,) = keys.iterdir()
    assert change.made_key == str(path)
    assert path.name == f"master-{change.stored.key_id}.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert keys.stat().st_mode & 0o777 == 0o700
    assert set_secret(ledger, "other_key", SECOND, by="anna").made_key == ""
    assert len(list(keys.iterdir())) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_master_key_that_others_can_reach_is_refused(ledger: Ledger, mode: int) -> None:
    path = Path(set_secret(ledger, "shop_key", FIRST, by="anna").made_key)
    path.chmod(mode)
    with pytest.raises(ConfigError, match="is open to others") as caught:
        read(ledger)
    assert caught.value.next_step == f"chmod 600 {path}"


def test_a_missing_or_wrong_master_key_is_named_by_its_id_alone(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = set_secret(ledger, "shop_key", FIRST, by="anna")
    path, wanted = Path(change.made_key), change.stored.key_id
    right = read_key_file(path).value
    path.rename(path.with_name("elsewhere"))
    with pytest.raises(ConfigError) as missing:
        read(ledger)
    assert missing.value.message == f"stored secrets need master key {wanted}, which is not here"
    assert str(path) in missing.value.next_step
    wrong = fresh_key()
    monkeypatch.setenv(VARIABLE, wrong)
    with pytest.raises(ConfigError) as other:
        read(ledger)
    assert f"{VARIABLE} holds {master_key(wrong, 'x').id}" in other.value.message
    assert wrong not in str(other.value)
    with pytest.raises(ConfigError):  # nothing is stored under a second key by mistake
        set_secret(ledger, "other_key", SECOND, by="anna")
    keep_key(master_key(wrong, "x"), path)
    with pytest.raises(ConfigError, match="not the key of its name"):
        read(ledger)
    for spelled in (right, f"{wrong},{right}", f" {right} {wrong}\n"):
        monkeypatch.setenv(VARIABLE, spelled)
        assert read(ledger) == [FIRST]


@pytest.mark.parametrize("text", ["hunter2", "x" * 44, "ä" * 44, "Kz7_" * 10 + "aQ", "=" * 44])
def test_what_is_no_master_key_is_refused_without_being_shown(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ConfigError, match=VARIABLE) as caught:
        find_key("0123abcd")
    assert text not in str(caught.value)


def test_the_first_secret_comes_under_the_key_of_the_environment(
    ledger: Ledger, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, given := fresh_key())
    change = set_secret(ledger, "shop_key", FIRST, by="anna")
    assert (change.made_key, change.stored.key_id) == ("", master_key(given, "x").id)
    assert not keys.exists()
    assert read(ledger) == [FIRST]


def test_a_row_that_was_copied_over_another_or_damaged_is_refused(ledger: Ledger) -> None:
    set_secret(ledger, "shop_key", FIRST, by="anna")
    set_secret(ledger, "other_key", SECOND, by="anna")
    tokens = {row.name: row.token for row in stored_secrets(ledger)}
    damaged = tokens["shop_key"][:-9] + b"AAAAAAAA="
    for token in (tokens["other_key"], damaged, b""):
        with ledger.begin() as conn:
            of_shop = credential.c.name == "shop_key"
            conn.execute(update(credential).where(of_shop).values(token=token))
        with pytest.raises(ConfigError, match="shop_key version 1 is not what was stored"):
            read(ledger)
    assert read(ledger, "other_key") == [SECOND]


def test_an_older_value_stays_usable_for_as_long_as_it_overlaps(ledger: Ledger) -> None:
    set_secret(ledger, "shop_key", FIRST, by="anna")
    change = set_secret(ledger, "shop_key", SECOND, by="ben", overlap_days=7)
    assert change.overlaps_until is not None
    left = from_iso(change.overlaps_until) - utcnow()
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)
    assert read(ledger) == [SECOND, FIRST]
    set_secret(ledger, "shop_key", THIRD, by="ben", overlap_days=1)
    assert read(ledger) == [THIRD, SECOND, FIRST]
    expire(ledger, 2)
    assert read(ledger) == [THIRD, FIRST]
    set_secret(ledger, "shop_key", "not-a-real-key-4", by="ben")
    assert read(ledger) == ["not-a-real-key-4", FIRST]
    assert [row.version for row in stored_secrets(ledger)] == [4, 1]  # what is over is deleted


def test_the_value_that_is_stored_already_is_not_stored_again_and_keeps_its_time(
    ledger: Ledger,
) -> None:
    long_ago = datetime(2026, 1, 2, tzinfo=UTC)
    set_secret(ledger, "shop_key", FIRST, by="anna", created_at=long_ago)
    again = set_secret(ledger, "shop_key", FIRST, by="ben")
    assert (again.changed, again.stored.version, again.stored.created_by) == (False, 1, "anna")
    assert again.stored.created_at == to_iso(long_ago)
    set_secret(ledger, "shop_key", SECOND, by="ben", overlap_days=7)
    back = set_secret(ledger, "shop_key", FIRST, by="ben", overlap_days=7)
    assert (back.changed, back.stored.created_at) == (True, to_iso(long_ago))
    assert read(ledger) == [FIRST, SECOND]


def test_without_its_newest_version_the_one_before_is_in_use_again_for_good(
    ledger: Ledger,
) -> None:
    set_secret(ledger, "shop_key", FIRST, by="anna")
    set_secret(ledger, "shop_key", SECOND, by="anna", overlap_days=1)
    assert remove_secret(ledger, "shop_key", 2) == [2]
    (row,) = stored_secrets(ledger)
    assert (row.version, row.usable_until) == (1, None)
    for name, version in (("shop_key", 2), ("other_key", None)):
        with pytest.raises(ConfigError, match="there is no stored secret"):
            remove_secret(ledger, name, version)
    assert remove_secret(ledger, "shop_key") == [1]
    assert read(ledger) == []


@pytest.mark.parametrize("value", ["short", " padded-value ", "two\nlines-long", "keyäöü-long"])
def test_what_can_be_no_secret_is_not_stored(ledger: Ledger, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        set_secret(ledger, "shop_key", value, by="anna")
    assert value not in str(caught.value)
    assert stored_secrets(ledger) == []


# --- a new master key


def test_a_new_master_key_opens_everything_and_keeps_the_time_of_each(
    ledger: Ledger, keys: Path
) -> None:
    made_at = datetime(2026, 5, 6, tzinfo=UTC)
    first = set_secret(ledger, "shop_key", FIRST, by="anna", created_at=made_at)
    set_secret(ledger, "shop_key", SECOND, by="anna", overlap_days=3)
    set_secret(ledger, "other_key", THIRD, by="ben")
    before = stored_secrets(ledger)
    done = rotate(ledger)
    after = stored_secrets(ledger)
    assert (done.secrets, done.replaced) == (3, (first.stored.key_id,))
    assert done.source == str(keys / f"master-{done.key_id}.key")
    assert {row.key_id for row in after} == {done.key_id} != {first.stored.key_id}
    kept = ("name", "version", "created_at", "created_by", "usable_until")
    assert [[getattr(row, k) for k in kept] for row in after] == [
        [getattr(row, k) for k in kept] for row in before
    ]
    assert not {row.token for row in before} & {row.token for row in after}
    Path(first.made_key).unlink()
    assert (read(ledger), read(ledger, "other_key")) == ([SECOND, FIRST], [THIRD])


def test_a_key_of_the_environment_goes_over_to_one_that_is_given(
    ledger: Ledger, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = fresh_key(), fresh_key()
    monkeypatch.setenv(VARIABLE, old)
    set_secret(ledger, "shop_key", FIRST, by="anna")
    with pytest.raises(ConfigError, match="which cannot be set from here") as caught:
        rotate(ledger)
    assert NEW_VARIABLE in caught.value.next_step
    given = master_key(new, NEW_VARIABLE)
    assert rotate(ledger, given).source == NEW_VARIABLE
    assert rotate(ledger, given).secrets == 0  # once more, after a crash at the very end
    assert not keys.exists()
    with pytest.raises(ConfigError, match=given.id):
        read(ledger)
    monkeypatch.setenv(VARIABLE, f"{new} {old}")
    assert read(ledger) == [FIRST]


def test_nothing_is_changed_where_one_secret_cannot_be_decrypted(ledger: Ledger) -> None:
    set_secret(ledger, "shop_key", FIRST, by="anna")
    set_secret(ledger, "zoo_key", SECOND, by="anna")
    with ledger.begin() as conn:
        conn.execute(update(credential).where(credential.c.name == "zoo_key").values(token=b"x"))
    before = stored_secrets(ledger)
    with pytest.raises(ConfigError, match="zoo_key"):
        rotate(ledger)
    assert stored_secrets(ledger) == before


@pytest.mark.parametrize("point", POINTS)
def test_a_rotation_that_is_killed_leaves_everything_readable(
    ledger: Ledger, keys: Path, point: str
) -> None:
    old = set_secret(ledger, "shop_key", FIRST, by="anna").stored.key_id
    set_secret(ledger, "shop_key", SECOND, by="anna", overlap_days=3)
    set_secret(ledger, "other_key", THIRD, by="ben")
    work = """
        def observe(point):
            if point == sys.argv[2]:
                os.kill(os.getpid(), signal.SIGKILL)
        rotate(ledger, observe=observe)
    """
    child = start(SETUP, work, ledger.url, point)
    child.wait_ready()
    child.go()
    ended = child.ended()
    assert ended.code == -signal.SIGKILL, ended.err
    in_use = {row.key_id for row in stored_secrets(ledger)}
    assert len(in_use) == 1
    assert (in_use == {old}) == (point != "committed")
    assert len(list(keys.glob("master-*.key"))) == 2
    assert (read(ledger), read(ledger, "other_key")) == ([SECOND, FIRST], [THIRD])
    # and the next one ends it
    assert rotate(ledger).replaced == (in_use.pop(),)
    assert read(ledger) == [SECOND, FIRST]


def test_the_first_secrets_of_several_processes_come_under_one_key(
    ledger: Ledger, keys: Path
) -> None:
    work = """
        number = sys.argv[-1]
        for name in ("shop_key", f"key_{number}"):
            set_secret(ledger, name, f"not-a-real-key-{number}", by=number, overlap_days=1)
    """
    values(race(3, SETUP, work, ledger.url))
    rows = stored_secrets(ledger)
    assert len({row.key_id for row in rows}) == 1
    assert [row.version for row in rows if row.name == "shop_key"] == [3, 2, 1]
    assert sorted(read(ledger)) == [f"not-a-real-key-{number}" for number in range(3)]
    assert all(read(ledger, f"key_{n}") == [f"not-a-real-key-{n}"] for n in range(3))
    assert len(list(keys.iterdir())) == 1


def test_secrets_set_while_the_master_key_changes_are_all_readable(ledger: Ledger) -> None:
    set_secret(ledger, "shop_key", FIRST, by="anna")
    work = """
        number = int(sys.argv[-1])
        for turn in range(5):
            if number:
                set_secret(ledger, f"key_{number}_{turn}", "not-a-real-key", by="x")
            else:
                rotate(ledger)
    """
    values(race(3, SETUP, work, ledger.url))
    rows = stored_secrets(ledger)
    assert len(rows) == 11
    assert len({row.key_id for row in rows}) == 1
    assert all(read(ledger, row.name) for row in rows)


# --- ages


def settings_of(more: dict[str, object]) -> Settings:
    account = {"platform": "tracker_ke", "base_url": "https://api.example/v1"}
    return Settings.model_validate(
        {
            "version": 1,
            "outlets": {"a": {"name": "A", "extract": {"path": "extracts/a"}}},
            "accounts": {
                "env": account | {"api_key": {"env": "K"}},
                "said": account | {"api_key": {"env": "L"}, "rotated_on": "2026-01-01"},
                "stored": account
                | {"api_key": {"secret": "shop_key"}, "api_secret": {"secret": "pair"}},
                "none": account | {"api_key": {"secret": "nowhere"}, "rotated_on": "2026-01-01"},
            },
            **more,
        }
    )


def test_ages_come_from_the_store_or_from_what_the_configuration_says(ledger: Ledger) -> None:
    now = utcnow()
    old, new = now - timedelta(days=91, hours=1), now - timedelta(days=90, hours=1)
    set_secret(ledger, "shop_key", FIRST, by="anna", created_at=old)
    set_secret(ledger, "pair", SECOND, by="anna", created_at=new)
    rotate(ledger)
    found = {one.path: one for one in credential_ages(settings_of({}), ledger)}
    said = (now.date() - date(2026, 1, 1)).days
    assert {
        path: (one.account, one.days, one.stale, one.source) for path, one in found.items()
    } == {
        "accounts.env.api_key": ("env", None, False, "rotated_on is not set"),
        "accounts.said.api_key": ("said", said, True, "rotated_on"),
        "accounts.stored.api_key": ("stored", 91, True, "stored secret shop_key"),
        "accounts.stored.api_secret": ("stored", 90, False, "stored secret pair"),
        "accounts.none.api_key": ("none", None, False, "stored secret nowhere"),
    }
    assert found["accounts.stored.api_key"].next_step == "marketsync secrets set shop_key"
    assert "rotated_on" in found["accounts.said.api_key"].next_step


def test_what_is_encrypted_names_its_secret(ledger: Ledger) -> None:
    change = set_secret(ledger, "shop_key", FIRST, by="anna")
    said = json.loads(find_key(change.stored.key_id).fernet.decrypt(change.stored.token))
    assert said == {"name": "shop_key", "version": 1, "value": FIRST}


def test_one_look_at_the_ledger_serves_all_secrets_of_a_run(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_secret(ledger, "shop_key", FIRST, by="anna")
    looks: list[Ledger] = []
    real = credentials.stored_secrets
    monkeypatch.setattr(
        credentials, "stored_secrets", lambda opened: looks.append(opened) or real(opened)
    )
    secrets = open_secrets(settings_of({}), ledger)
    assert looks == []
    for _ in range(3):
        assert secrets.resolve(SecretRef(secret="shop_key")) == FIRST
    assert len(looks) == 1


def test_the_folder_of_the_keys_is_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert key_folder() == Path.home() / ".config" / "marketsync"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert key_folder() == Path.home() / ".config" / "marketsync"
