"""Commands about accounts and files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from marketsync_dagster_tests.e2e.deployment import Deployment

pytestmark = pytest.mark.xdist_group("deployment")


def test_connections_test_says_of_every_account_whether_its_key_is_taken(
    deployment: Deployment,
) -> None:
    answer = deployment.answer("connections", "test")
    by_outlet = [
        f"{platform}_{outlet}"
        for platform in ("tracker", "pasons")
        for outlet in ("westlands", "kisumu", "mombasa")
    ]
    assert [one["account"] for one in answer] == [*by_outlet, "bestbuy", "qikink"]
    assert all(one["ok"] for one in answer)
    secrets = [v for n, v in deployment.environment.items() if n.endswith(("_KEY", "_SECRET"))]
    assert len(secrets) == 10
    assert not any(secret in json.dumps(answer) for secret in secrets)
    assert all("*" in one["key"] or "…" in one["key"] for one in answer), answer


def test_connections_test_ends_with_1_where_a_key_is_revoked(synced: Deployment) -> None:
    # after the first run, which would meet the revoked key otherwise
    deployment = synced
    scenario = deployment.sandbox.scenario("revoke_key", channel="tracker_ke")
    try:
        answer = deployment.answer("connections", "test", "--account", "tracker_kisumu", code=1)
    finally:
        deployment.sandbox.control("DELETE", f"/scenarios/{scenario}")
    assert [(one["account"], bool(one["ok"])) for one in answer] == [("tracker_kisumu", False)]


def test_check_extract_tells_what_would_become_of_a_file(
    deployment: Deployment, tmp_path: Path
) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("ProductId,Price,Qty\nA1,10.50,3\nA2,free,4\nA3,7.00,1\nA3,7.00,1\n")
    columns = "sku=ProductId,price=Price,stock=Qty"
    answer = deployment.answer("check-extract", str(file), "--columns", columns, code=4)
    assert list(answer)[:5] == ["rows", "accepted", "rejected", "duplicates", "rejects"]
    assert [answer[name] for name in ("rows", "accepted", "rejected", "duplicates")] == [4, 2, 1, 1]
    (reject,) = answer["rejects"]
    assert list(reject) == ["file", "line", "column", "value", "reason", "next_step"]
    assert (reject["line"], reject["column"], reject["value"]) == (3, "Price", "free")
    assert reject["reason"]
    assert reject["next_step"]


def test_a_job_that_there_is_not_is_wrong_usage(deployment: Deployment) -> None:
    ended = deployment.marketsync("run", "partial_sink", "--all", "--json")
    assert (ended.returncode, ended.stdout) == (64, "")
    assert "did you mean partial_sync" in ended.stderr
    assert "Traceback" not in ended.stderr
