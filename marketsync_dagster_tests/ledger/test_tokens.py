"""The access token that all processes share: minted by one of them, kept encrypted, and minted
again where it is refused, has ended, or cannot be read."""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from marketsync_dagster.config.master_key import VARIABLE
from marketsync_dagster.ledger import leases
from marketsync_dagster.ledger.credentials import rotate, set_secret
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.leases import holder_of, take_lease
from marketsync_dagster.ledger.order_tables import access_token
from marketsync_dagster.ledger.tokens import LedgerTokens
from marketsync_dagster.platforms.base import PlatformError
from marketsync_dagster.platforms.tokens import AccessToken
from marketsync_dagster.values.errors import Busy
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import from_iso, to_iso
from marketsync_dagster_tests.ledger import children
from marketsync_dagster_tests.platforms.qikink.desk import REAL, SECRETS, seed
from marketsync_dagster_tests.sandbox_process import SandboxProcess

OPEN = """
    import asyncio, os, signal, sys
    from marketsync_dagster.config.secrets import Secrets
    from marketsync_dagster.ledger.engine import open_ledger
    from marketsync_dagster.ledger.tokens import LedgerTokens
    from marketsync_dagster.platforms.registry import open_fulfiller
    from marketsync_dagster_tests.platforms.qikink.desk import order, settings
    where, url, number = sys.argv[1], sys.argv[2], sys.argv[-1]

    def killed(point):
        if point == number:
            os.kill(os.getpid(), signal.SIGKILL)

    async def main():
        ledger = open_ledger(url)
        tokens = LedgerTokens(ledger, observe=killed)
        async with open_fulfiller(settings(where), "pod", secrets=Secrets(), tokens=tokens) as one:
            handed = await one.create(order(f"ms{number[-1]}"))
        ledger.close()
        print(handed.outcome, handed.message)
"""
WORK = "asyncio.run(main())"


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "keys"))
    monkeypatch.delenv(VARIABLE, raising=False)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


class Mint:
    """Makes tokens that tell themselves apart."""

    def __init__(self, life_s: float = 3_600) -> None:
        self.count = 0
        self.life_s = life_s

    async def __call__(self) -> AccessToken:
        self.count += 1
        return AccessToken(f"token_{self.count}_not_real", self.life_s)


def current(ledger: Ledger, mint: Mint, *, not_this: str = "", early_s: float = 100) -> str:
    return asyncio.run(
        LedgerTokens(ledger, patience_s=0.2).current(
            "qikink/a", mint, early_s=early_s, not_this=not_this
        )
    )


def url_of(ledger: Ledger) -> str:
    return ledger.engine.url.render_as_string(hide_password=False)


def test_eight_processes_that_begin_together_mint_one_token(
    ledger: Ledger, fresh_sandbox: SandboxProcess
) -> None:
    seed(fresh_sandbox)
    said = children.values(children.race(8, OPEN, WORK, fresh_sandbox.url, url_of(ledger)))
    assert said == ["applied"] * 8
    counts = fresh_sandbox.qikink("accounts")[REAL]
    assert (counts["tokens_minted"], counts["tokens_refused"]) == (1, 0)
    assert len(fresh_sandbox.qikink("orders", client_id=REAL)) == 8


@pytest.mark.parametrize("point", ["token_minted", "token_kept"])
def test_a_kill_between_minting_and_keeping_costs_one_more_token_and_no_order(
    ledger: Ledger, fresh_sandbox: SandboxProcess, point: str
) -> None:
    seed(fresh_sandbox)
    url = url_of(ledger)
    old = children.race(1, OPEN, WORK, fresh_sandbox.url, url)
    assert children.values(old) == ["applied"]
    fresh_sandbox.control("POST", "/qikink/tokens", {"client_id": REAL})
    child = children.start(OPEN, WORK, fresh_sandbox.url, url, point)
    child.wait_ready()
    child.go()
    assert child.ended().code == -signal.SIGKILL
    again = children.race(1, OPEN, WORK, fresh_sandbox.url, url, "again")
    assert "applied" in children.values(again)[0] or "duplicate" in children.values(again)[0]
    minted = fresh_sandbox.qikink("accounts")[REAL]["tokens_minted"]
    assert minted == (3 if point == "token_minted" else 2)


def test_a_token_is_used_until_shortly_before_its_end(ledger: Ledger) -> None:
    mint = Mint()
    assert [current(ledger, mint) for _ in range(3)] == ["token_1_not_real"] * 3
    with ledger.begin() as conn:
        row = conn.execute(select(access_token)).mappings().one()
        began, ends = from_iso(row["minted_at"]), from_iso(row["expires_at"])
        assert ends - began == timedelta(hours=1)
        earlier = timedelta(seconds=3_600 - 99)
        conn.execute(
            update(access_token).values(
                minted_at=to_iso(began - earlier), expires_at=to_iso(ends - earlier)
            )
        )
    assert current(ledger, mint) == "token_2_not_real"


def test_a_refused_token_is_replaced_only_where_nobody_has_done_it(ledger: Ledger) -> None:
    mint = Mint()
    first = current(ledger, mint)
    second = current(ledger, mint, not_this=first)
    assert second != first
    assert current(ledger, mint, not_this=first) == second
    assert mint.count == 2


def test_short_tokens_are_not_minted_anew_at_each_call(ledger: Ledger) -> None:
    mint = Mint(life_s=60)
    assert len({current(ledger, mint) for _ in range(3)}) == 1


def test_a_token_is_kept_encrypted_and_as_that_of_its_client(ledger: Ledger) -> None:
    mint = Mint()
    text = current(ledger, mint)
    with ledger.begin() as conn:
        row = dict(conn.execute(select(access_token)).mappings().one())
        assert text.encode() not in bytes(row["token"])
        conn.execute(insert(access_token).values({**row, "name": "qikink/b"}))
    # a row copied over another client's is no token of it
    other = asyncio.run(LedgerTokens(ledger).current("qikink/b", mint, early_s=0))
    assert other == "token_2_not_real"


def test_a_token_whose_master_key_is_gone_is_minted_again(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mint = Mint()
    current(ledger, mint)
    assert len(list((tmp_path / "keys").rglob("*.key"))) == 1
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    assert current(ledger, mint) == "token_2_not_real"


def test_tokens_and_secrets_share_a_master_key_and_its_rotation_ends_the_tokens(
    ledger: Ledger, tmp_path: Path
) -> None:
    mint = Mint()
    current(ledger, mint)
    set_secret(ledger, "qikink_secret", "qk_secret_obviously_fake", by="tester")
    assert len(list((tmp_path / "keys").rglob("*.key"))) == 1
    rotate(ledger)
    with ledger.read() as conn:
        assert conn.execute(select(access_token)).all() == []
    assert current(ledger, mint) == "token_2_not_real"


def test_what_minting_raises_is_raised_and_leaves_the_turn_to_others(ledger: Ledger) -> None:
    async def fails() -> AccessToken:
        raise PlatformError("no", outcome=Outcome.AUTH_FAILED)

    with pytest.raises(PlatformError):
        asyncio.run(LedgerTokens(ledger).current("qikink/a", fails, early_s=0))
    assert holder_of(ledger, "token qikink/a") is None
    assert current(ledger, Mint()) == "token_1_not_real"


def test_nobody_mints_beside_another_and_nobody_waits_for_ever(ledger: Ledger) -> None:
    take_lease(ledger, "token qikink/a", "another process", 60)
    mint = Mint()
    with pytest.raises(Busy, match="another process"):
        current(ledger, mint)
    assert mint.count == 0


def test_a_token_that_comes_while_it_is_waited_for_is_used(ledger: Ledger) -> None:
    """Two tasks of one process, as two processes: the second finds what the first has kept."""
    minting = asyncio.Event()
    mint = Mint()

    async def slow() -> AccessToken:
        minting.set()
        await asyncio.sleep(0.05)
        return await mint()

    async def both() -> list[str]:
        one, other = LedgerTokens(ledger), LedgerTokens(ledger)
        first = asyncio.create_task(one.current("a", slow, early_s=0))
        await minting.wait()
        return [await other.current("a", slow, early_s=0), await first]

    assert asyncio.run(both()) == ["token_1_not_real"] * 2


def test_a_token_that_was_kept_just_before_the_turn_came_is_used(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    mint, take = Mint(), leases.take_lease

    def late(*said: Any) -> leases.Lease:
        monkeypatch.setattr(leases, "take_lease", take)
        current(ledger, mint)  # another process is quicker
        return take(*said)

    monkeypatch.setattr(leases, "take_lease", late)
    assert current(ledger, mint) == "token_1_not_real"
    assert mint.count == 1
