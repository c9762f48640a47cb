"""Accounts, orders and openings for the tests of Qikink; everything personal is made up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, TypeVar

from marketsync_dagster.config.secrets import Secrets
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.platforms.fulfilling import Fulfiller, OutgoingLine, OutgoingOrder
from marketsync_dagster.platforms.ordering import Person
from marketsync_dagster.platforms.registry import open_fulfiller
from marketsync_dagster.platforms.tokens import Alone, Tokens
from marketsync_dagster_tests.sandbox.qikink import SECRET, seed_real, seed_spec
from marketsync_dagster_tests.sandbox_process import SandboxProcess

T = TypeVar("T")
REAL, SPEC = "qk_client_real", "qk_client_spec"
RETRY = {"attempts": 2, "base_s": 0, "cap_s": 0, "budget_s": 5, "retry_after_cap_s": 300}
ASHA = Person(
    "Asha", "Rao", "", "12 Lake View", "", "Chennai", "600001", "Tamil Nadu", "IN",
    "9840012345", "asha@mail.invalid",
)  # fmt: skip


def account(url: str, profile: str = "real", **more: Any) -> dict[str, Any]:
    """An account as marketsync.yaml has it."""
    return {
        "platform": "qikink",
        "profile": profile,
        "base_url": f"{url}/qikink" if profile == "real" else f"{url}/qikink_spec/api/v1",
        "client_id": {"env": "TEST_QIKINK_REAL" if profile == "real" else "TEST_QIKINK_SPEC"},
        "client_secret": {"env": "TEST_QIKINK_SECRET"},
        "quota": {"per_minute": None},
        "timeouts": {"connect_s": 2, "read_s": 1},
        "retry": RETRY,
        **more,
    }


SECRETS = {
    "TEST_QIKINK_REAL": REAL,
    "TEST_QIKINK_SPEC": SPEC,
    "TEST_QIKINK_SECRET": SECRET,
}


def seed(sandbox: SandboxProcess, profile: str = "real", **more: Any) -> None:
    """The account's client on the sandbox, without a limit; `more` changes it."""
    if profile == "real":
        seed_real(sandbox, **{"client_id": REAL, **more})
    else:
        seed_spec(sandbox, **{"client_id": SPEC, **more})


def settings(url: str, profile: str = "real", **more: Any) -> Settings:
    """One outlet, and the account `pod`."""
    return Settings.model_validate(
        {
            "version": 1,
            "defaults": {"currency": "INR"},
            "outlets": {"chennai": {"name": "Chennai", "extract": {"path": "extracts/chennai"}}},
            "accounts": {"pod": account(url, profile, **more)},
        }
    )


def order(number: str = "ms0001", **more: Any) -> OutgoingOrder:
    """An order of one line to Asha."""
    fields: dict[str, Any] = {
        "order_number": "BB-1",
        "outlet": "chennai",
        "currency": "INR",
        "total": Decimal("1299.00"),
        "lines": (OutgoingLine("l1", "TEE-M", 2, Decimal("649.50")),),
        "persons": {"shipping": ASHA},
    }
    return OutgoingOrder(number=number, **{**fields, **more})


def work(
    given: Settings, do: Callable[[Fulfiller], Awaitable[T]], tokens: Tokens | None = None
) -> T:
    """Open the account `pod`, do something, close it."""

    async def opened() -> T:
        fulfiller = open_fulfiller(given, "pod", secrets=Secrets(), tokens=tokens or Alone())
        async with fulfiller:
            return await do(fulfiller)

    return asyncio.run(opened())


def calls(sandbox: SandboxProcess, since: int = 0) -> list[str]:
    """`METHOD path` of what was asked of Qikink."""
    return [
        f"{one['method']} {one['path'].partition('?')[0]}"
        for one in sandbox.requests(since)
        if one["path"].startswith("/qikink")
    ]
