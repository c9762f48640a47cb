"""What the commands say of runs that there were: the shapes that scripts rely on."""

from __future__ import annotations

import pytest

from marketsync_dagster_tests.e2e.deployment import OUTLETS, Deployment

pytestmark = pytest.mark.xdist_group("deployment")


def test_history_has_exactly_the_keys_of_its_contract(synced: Deployment) -> None:
    pushes = synced.answer("history")
    assert 0 < len(pushes) <= 10
    for push in pushes:
        assert (
            list(push)
            == (
                "push_id platform outlet push_type push_timestamp item_count status response_code "
                "response_message error_details created_by"
            ).split()
        )
        assert push["status"] in ("success", "failed", "partial")
    times = [push["push_timestamp"] for push in pushes]
    assert times == sorted(times, reverse=True)


def test_explain_leads_from_the_live_price_back_to_the_line_of_the_file(
    synced: Deployment,
) -> None:
    till = synced.tills["westlands"]
    sku = synced.mapped("westlands", "1.00", "30.00")[5]
    words = ("--outlet", "westlands", "--platform", "tracker_ke", "--sku", sku)
    story = synced.answer("explain", *words)
    live = synced.price("westlands", sku)
    assert story["live"]["price_minor"] == live * 100
    assert story["mapping"]["platform_id"] == f"prod_{sku}"
    assert story["pricing"]["rule"].startswith("markup 5 %")
    assert story["plan"]["row"]["pos_price_minor"] == till.prices()[sku] * 100
    pushes = synced.answer("history", "--outlet", "westlands", "--limit", "100")
    assert story["push"]["push_id"] in [push["push_id"] for push in pushes]
    source = story["source"]
    for file in (synced.config.parent / source["file"], synced.home / source["archived"]):
        line = file.read_bytes().splitlines()[source["line"] - 1].decode(till.encoding)
        assert sku in line.split(till.delimiter), line


def test_a_run_over_all_outlets_prints_json_alone_and_ends_with_0(synced: Deployment) -> None:
    answer = synced.answer("run", "partial_sync", "--all")
    keys = ["run_id", "job", "success", "results", "errors", "not_sent", "left_out", "exit_code"]
    assert list(answer) == keys
    assert (answer["success"], answer["errors"], answer["exit_code"]) == (True, [], 0)
    listings = [r["outlet"] for r in answer["results"] if r["stage"] == "tracker_ke_listings"]
    assert listings == list(OUTLETS)
    # the run is in the UI's history like any other
    run = synced.dagster.run(answer["run_id"])
    assert (run["jobName"], run["status"]) == ("partial_sync", "SUCCESS")


def test_refused_rows_end_a_run_with_4(synced: Deployment) -> None:
    synced.sandbox.scenario(
        "item_error",
        channel="pasons",
        account="018",
        match={"method": "POST"},
        position=2,
        error="Product not found",
    )
    words = ("run", "push_pasons", "--outlet", "kisumu", "--mode", "full", "--limit", "5")
    answer = synced.answer(*words, code=4)
    (result,) = (r for r in answer["results"] if r["stage"] == "pasons_listings")
    assert (result["numbers"]["refused"], result["numbers"]["applied"]) == (1, 4)
    assert "Product not found" in result["reason"]
