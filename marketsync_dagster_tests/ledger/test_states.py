"""Failures of a run and present states of the outlets."""

from __future__ import annotations

import pytest

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.states import (
    OutletState,
    clear_failures,
    failed_outlets,
    failures_at,
    record_failure,
    record_state,
    record_states,
    states_at,
)
from marketsync_dagster.values.redact import register_secret


def test_an_outlet_that_failed_is_known_to_the_later_steps_of_its_run_only(
    ledger: Ledger,
) -> None:
    record_failure(ledger, "r1", "pos_extract", "west", "the file is empty", "export again")
    assert failed_outlets(ledger, "r1") == {"west": ("pos_extract", "the file is empty")}
    assert failed_outlets(ledger, "r2") == {}
    assert failures_at(ledger, "r1", "pos_extract") == {
        "west": ("the file is empty", "export again")
    }
    assert failures_at(ledger, "r1", "pos_catalog") == {}


def test_the_first_failure_of_an_outlet_is_named_and_stages_can_be_narrowed(
    ledger: Ledger,
) -> None:
    record_failure(ledger, "r1", "pasons_price_feed", "west", "first", "")
    record_failure(ledger, "r1", "tracker_ke_listings", "west", "second", "")
    assert failed_outlets(ledger, "r1")["west"] == ("pasons_price_feed", "first")
    narrowed = failed_outlets(ledger, "r1", ["pos_extract", "tracker_ke_listings"])
    assert narrowed == {"west": ("tracker_ke_listings", "second")}


def test_a_step_that_is_tried_again_and_does_well_takes_its_failure_back(
    ledger: Ledger,
) -> None:
    for outlet in ("west", "east"):
        record_failure(ledger, "r1", "pos_extract", outlet, "no", "")
    record_failure(ledger, "r1", "pos_catalog", "west", "no", "")
    record_state(ledger, "pos_extract", "west", ok=True, state="done", run_id="r1")
    record_state(ledger, "pos_extract", "east", ok=False, state="failed", run_id="r1")
    record_state(ledger, "pos_extract", "east", ok=True, state="done", run_id="r2")
    assert failures_at(ledger, "r1", "pos_extract") == {"east": ("no", "")}
    assert "west" in failures_at(ledger, "r1", "pos_catalog")


def test_a_run_id_that_is_used_again_can_start_without_old_failures(ledger: Ledger) -> None:
    record_failure(ledger, "command line", "pos_extract", "west", "no", "")
    record_failure(ledger, "r1", "pos_extract", "west", "no", "")
    clear_failures(ledger, "command line")
    assert failed_outlets(ledger, "command line") == {}
    assert "west" in failed_outlets(ledger, "r1")


def test_a_state_is_read_as_it_was_recorded(ledger: Ledger) -> None:
    record_state(
        ledger,
        "tracker_ke_listings",
        "west",
        ok=True,
        state="done",
        numbers={"applied": 12, "seconds": 0.25},
        run_id="r1",
    )
    state = states_at(ledger, "tracker_ke_listings")["west"]
    assert (state.ok, state.state, state.run_id) == (True, "done", "r1")
    assert state.numbers == {"applied": 12, "seconds": 0.25}
    assert state.last_ok_at == state.at


def test_the_last_time_an_outlet_was_well_is_kept_while_it_is_not(ledger: Ledger) -> None:
    good = OutletState("s", "west", True, "done", at="2026-11-21T10:00:00.000Z")
    bad = OutletState("s", "west", False, "failed", "why", "do", at="2026-11-21T11:00:00.000Z")
    never = OutletState("s", "east", False, "failed", at="2026-11-21T11:00:00.000Z")
    record_states(ledger, [good])
    record_states(ledger, [bad, never])
    states = states_at(ledger, "s")
    assert list(states) == ["east", "west"]
    assert states["west"].last_ok_at == good.at
    assert (states["west"].at, states["west"].reason) == (bad.at, "why")
    assert states["east"].last_ok_at is None


def test_many_states_are_recorded_together_or_not_at_all(ledger: Ledger) -> None:
    many = [OutletState("s", f"o{number}", True, "done") for number in range(450)]
    record_states(ledger, many)
    assert len(states_at(ledger, "s")) == 450
    broken = OutletState("t", "b", True, "done", numbers={"share": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        record_states(ledger, [OutletState("t", "a", True, "done"), broken])
    assert states_at(ledger, "t") == {}
    record_states(ledger, [])


def test_reasons_are_kept_without_secrets(ledger: Ledger) -> None:
    register_secret("canary-state-1")
    record_failure(ledger, "r1", "s", "west", "key canary-state-1", "not canary-state-1")
    record_state(ledger, "s", "west", ok=False, state="failed", reason="key canary-state-1")
    assert failures_at(ledger, "r1", "s") == {"west": ("key ***", "not ***")}
    assert states_at(ledger, "s")["west"].reason == "key ***"
