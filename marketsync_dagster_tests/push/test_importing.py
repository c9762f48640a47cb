"""The channels of an account go out together: as few imports as can be, each row in one of them,
and each channel's own journal says what became of its rows."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketsync_dagster.config.accounts import Quota, Retry
from marketsync_dagster.ledger import pushes, quota
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.engine import Ledger, open_ledger
from marketsync_dagster.ledger.imports import open_imports
from marketsync_dagster.ledger.laws import broken_laws
from marketsync_dagster.ledger.listings import Source
from marketsync_dagster.platforms.base import (
    Adapter,
    Answer,
    Call,
    Capabilities,
    ImportKind,
    PriceItem,
)
from marketsync_dagster.push.columns import Columns
from marketsync_dagster.push.import_parts import Clip, Member, cut
from marketsync_dagster.push.importing import POINTS, ImportSender
from marketsync_dagster.push.journal import Journal
from marketsync_dagster.push.kinds import fingerprint_of
from marketsync_dagster.push.pacing import Pacer, Stop, family_key
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.ledger.started import ACCOUNT, PLATFORM, TARGET, rows_in
from marketsync_dagster_tests.ledgers import ENGINES, ready_ledger_url

AT = "2026-11-21T06:00:00.000Z"
STATUS = {"split": 413, Outcome.AUTH_FAILED: 401, Outcome.RETRYABLE: 503, Outcome.REFUSED: 400}
STATUS |= {Outcome.UNSUPPORTED: 403}
DETAILS = '{"state_code":"11"}'
O, P, S = "offers", "prices", "stock"  # noqa: E741 - as short as the tables below need them


@dataclass
class Platform:
    """Takes imports, or answers by a script: an outcome for all of an import, or `split`."""

    script: list[Any] = field(default_factory=list)
    offers: int = 100
    lines: int = 100
    items: int | None = None
    """So many items are the bytes of an import."""
    said: dict[str, Any] = field(default_factory=dict)
    on_call: Callable[[int], None] = lambda _: None
    sent: list[tuple[str, list[str]]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    """What it answers with instead of new ids."""
    flying: Counter[str] = field(default_factory=Counter)

    @property
    def capabilities(self) -> Capabilities:
        limits = {"batch_items": self.offers, "file_lines": self.lines}
        return Capabilities(**{"async_import": True, **limits, **self.said})

    def import_batches(self, kind: ImportKind, items: Sequence[PriceItem]) -> list[tuple[int, int]]:
        most = self.items or len(items)
        if kind is ImportKind.OFFERS:
            most = min(most, self.offers)
        return [(at, min(at + most, len(items))) for at in range(0, len(items), most)]

    async def submit(self, kind: ImportKind, items: Sequence[PriceItem]) -> Answer:
        assert not self.flying[kind], "two imports of a kind at once"
        self.flying[kind] += 1
        self.sent.append((kind.value, [item.platform_sku for item in items]))
        self.on_call(len(self.sent))
        await asyncio.sleep(0)
        self.flying[kind] -= 1
        said = self.script.pop(0) if self.script else Outcome.ACCEPTED_ASYNC
        status = said if isinstance(said, int) else STATUS.get(said, 201)
        call = Call("POST", f"/{kind}", status, 1)
        if isinstance(said, tuple):
            return Answer(call, split=True, named=said, message="offers[..] is bad")
        if said == "split":
            return Answer(call, split=True, message="too large")
        if said == 404:
            return Answer(call, outcome=Outcome.REFUSED, message="no such shop")
        if said == 429:
            return Answer(call, outcome=Outcome.RETRYABLE, message="slow", retry_after_s=0.01)
        if said is Outcome.ACCEPTED_ASYNC:
            import_id = self.ids.pop(0) if self.ids else str(2000 + len(self.sent))
            return Answer(call, outcome=said, import_id=import_id)
        return Answer(call, outcome=Outcome(said), message=f"all {said}")


@pytest.fixture(scope="module", params=ENGINES)
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ledger]:
    """One database for all tests here: making it takes longer than most of them."""
    opened = open_ledger(ready_ledger_url(request.param, tmp_path_factory.mktemp("importing")))
    yield opened
    opened.close()


def emptied(ledger: Ledger) -> Ledger:
    with ledger.begin() as connection:
        for table in t.metadata.tables.values():
            connection.execute(table.delete())
    return ledger


@pytest.fixture
def ledger(shared: Ledger) -> Ledger:
    return emptied(shared)


@dataclass
class Group:
    """Some channels with rows to send, and what they came to."""

    ledger: Ledger
    members: dict[str, Member]
    stop: Stop = field(default_factory=Stop)
    observed: list[str] = field(default_factory=list)

    def outcomes(self) -> dict[str, dict[str, int]]:
        return {name: dict(member.result.outcomes) for name, member in self.members.items()}

    def batches(self, outlet: str) -> list[tuple[int, int, int, str]]:
        found = rows_in(self.ledger, t.push_batch, push_id=f"push-{outlet}")
        return [(b["number"], b["first"], b["last"], b["state"]) for b in found]


def group_of(
    ledger: Ledger, rows: Mapping[str, Sequence[tuple[str, int]]], *, price: int = 1000
) -> Group:
    """Outlet -> how many rows of which kind; each push is open."""
    members, stop = {}, Stop()
    for outlet, stretches in rows.items():
        kinds = [kind for kind, count in stretches for _ in range(count)]
        names = [f"{n:03}" for n in range(len(kinds))]
        columns = Columns(
            sku=names,
            platform_id=[f"p-{name}" for name in names],
            price_minor=[price] * len(names),
            currency=["KES"] * len(names),
            stock_status=["in_stock"] * len(names),
            quantity=[5] * len(names),
            line=list(range(2, len(names) + 2)),
            platform_sku=[f"{outlet}-{name}" for name in names],
            details=[DETAILS] * len(names),
            import_kind=kinds,
        )
        push_id = f"push-{outlet}"
        record = pushes.PushRecord(
            id=push_id,
            plan_id=f"plan-{outlet}",
            outlet=outlet,
            platform=PLATFORM,
            account=ACCOUNT,
            run_id="run-1",
            push_type="full",
            created_by="tester",
            started_at=AT,
            item_count=len(names),
        )
        with ledger.begin() as connection:
            pushes.open_push(connection, record)
        source = Source(outlet, PLATFORM, ACCOUNT, TARGET, "x", AT, push_id)
        members[outlet] = Member(source, columns, Stop())
    return Group(ledger, members, stop)


def send(group: Group, platform: Platform, **retry: Any) -> Group:
    async def main() -> None:
        # waits are bound to the loop in which they are waited for
        for stop in [group.stop, *(member.stop for member in group.members.values())]:
            stop.event = asyncio.Event()
        pacer = Pacer(
            *(group.ledger, ACCOUNT, Quota(per_minute=None), group.stop),
            platform.capabilities.intervals,
            patience_s=300,
        )
        with Journal(group.ledger) as journal:
            await ImportSender(
                members=list(group.members.values()),
                adapter=cast("Adapter", platform),
                journal=journal,
                pacer=pacer,
                retry=Retry.model_validate({"attempts": 2, "base_s": 0, "cap_s": 0, **retry}),
                observe=group.observed.append,
            ).run()

    asyncio.run(main())
    return group


def assert_accounted(group: Group) -> None:
    """Every row has one outcome, and journal, listings and events say the same."""
    for outlet, member in group.members.items():
        rows = len(member.columns.sku)
        listed = rows_in(group.ledger, t.listing, outlet=outlet)
        assert Counter(row["outcome"] for row in listed) == +member.result.outcomes
        assert sum(member.result.outcomes.values()) == rows == len(listed)
        push_id = member.source.push_id
        with group.ledger.read() as connection:
            assert Counter(pushes.outcomes_of(connection, push_id)) == +member.result.outcomes
        assert pushes.never_intended(group.ledger, push_id) == []
        assert pushes.open_batches(group.ledger, push_id) == []
    mine = {member.source.push_id for member in group.members.values()}
    parts = rows_in(group.ledger, t.push_import_part)
    keys = {part["import_key"] for part in parts if part["push_id"] in mine}
    imports = [one for one in rows_in(group.ledger, t.push_import) if one["id"] in keys]
    assert not [one for one in imports if one["state"] == "intended"]
    started = {one["id"]: one for one in imports if one["state"] == "started"}
    with_platform = sum(m.result.outcomes["accepted_async"] for m in group.members.values())
    assert sum(one["items"] for one in started.values()) == with_platform


def test_all_channels_share_as_few_imports_as_there_can_be(ledger: Ledger) -> None:
    platform = Platform(offers=10, lines=30)
    group = group_of(
        ledger, {"a": [(O, 7), (P, 3)], "b": [(O, 8), (S, 2)], "c": [(P, 20), (S, 20)]}
    )

    send(group, platform)

    assert Counter(kind for kind, _ in platform.sent) == {O: 2, P: 1, S: 1}
    assert [len(names) for kind, names in platform.sent if kind == O] == [10, 5]
    assert group.outcomes() == {
        name: {"accepted_async": rows} for name, rows in {"a": 10, "b": 10, "c": 40}.items()
    }
    numbers = {number for outlet in "abc" for number, *_ in group.batches(outlet)}
    assert len(numbers) == 4
    assert_accounted(group)
    found = {one.kind: one for one in open_imports(ledger, ACCOUNT) if one.kind != O}
    assert [(p.push_id, p.first_line) for p in found[P].parts] == [("push-a", 0), ("push-c", 3)]
    assert [(p.push_id, p.first_line) for p in found[S].parts] == [("push-b", 0), ("push-c", 2)]
    assert sum(member.result.calls for member in group.members.values()) == 4
    assert [call["status"] for call in rows_in(ledger, t.api_call)] == [201] * 4


def test_what_was_offered_is_remembered_and_only_of_whole_offers(ledger: Ledger) -> None:
    group = send(group_of(ledger, {"a": [(O, 2), (P, 1)]}), Platform())
    kept = {row["sku"]: row["fingerprint"] for row in rows_in(ledger, t.product, outlet="a")}
    assert kept == dict.fromkeys(("000", "001"), fingerprint_of(DETAILS))
    assert_accounted(group)


def test_an_offer_that_was_refused_is_remembered_as_it_was_said(ledger: Ledger) -> None:
    """Else it would differ from what was offered, and go again, in every push."""
    send(group_of(ledger, {"a": [(O, 1)]}), Platform([Outcome.REFUSED]))
    [kept] = rows_in(ledger, t.product, outlet="a")
    assert (kept["fingerprint"], kept["outcome"]) == (fingerprint_of(DETAILS), "refused")


def test_the_intent_is_durable_before_the_call_and_the_id_before_the_next(ledger: Ledger) -> None:
    states: list[list[str]] = []
    platform = Platform(
        offers=2,
        on_call=lambda _: states.append([o["state"] for o in rows_in(ledger, t.push_import)]),
    )
    group = send(group_of(ledger, {"a": [(O, 4)]}), platform)
    assert [sorted(some) for some in states] == [["intended"], ["intended", "started"]]
    told = [point for point in group.observed if point in POINTS]
    assert told == [*POINTS, *POINTS]


ENDS: dict[str, tuple[list[Any], dict[str, int], list[int], list[str]]] = {
    "taken": ([], {"accepted_async": 6}, [6], ["started"]),
    "busy once": ([Outcome.RETRYABLE], {"accepted_async": 6}, [6, 6], ["started"]),
    "no answer once": ([Outcome.UNKNOWN], {"accepted_async": 6}, [6, 6], ["started"]),
    "throttled often": ([429] * 5, {"accepted_async": 6}, [6] * 6, ["started"]),
    "down": ([Outcome.RETRYABLE] * 9, {"retryable": 6}, [6, 6], ["refused"]),
    "silent": ([Outcome.UNKNOWN] * 9, {"unknown": 6}, [6, 6], ["unknown"]),
    "refused": ([Outcome.REFUSED], {"refused": 6}, [6], ["refused"]),
    "no such shop": ([404], {"auth_failed": 6}, [6], ["refused"]),
    "dead key": ([Outcome.AUTH_FAILED], {"auth_failed": 6}, [6], ["refused"]),
    "too large": (["split"], {"accepted_async": 6}, [6, 3, 3], ["refused", "started", "started"]),
}


@pytest.mark.parametrize("name", ENDS)
def test_an_import_that_does_not_start_at_once_ends_in_one_of_these_ways(
    name: str, ledger: Ledger
) -> None:
    script, outcomes, sizes, states = ENDS[name]
    platform = Platform(list(script))
    group = send(group_of(ledger, {"a": [(O, 6)]}), platform)
    assert group.outcomes() == {"a": outcomes}
    assert [len(names) for _, names in platform.sent] == sizes
    found = rows_in(ledger, t.push_import)
    assert [one["state"] for one in sorted(found, key=lambda one: one["created_at"])] == states
    assert_accounted(group)


@pytest.mark.parametrize(("family", "sent"), [("", []), (O, [P]), (P, [O])])
def test_no_import_goes_into_a_silence_and_other_kinds_go_on(
    ledger: Ledger, family: str, sent: list[str]
) -> None:
    quota.close_account(ledger, family_key(ACCOUNT, family), 1_800_000, "HTTP 429")
    said = {"intervals": {O: 0.001, P: 0.001}}
    platform = Platform(offers=1, lines=2, said=said)
    group = send(group_of(ledger, {"a": [(O, 1), (P, 2)], "b": [(P, 1)]}), platform)
    assert sorted({kind for kind, _ in platform.sent}) == sent
    went = {O: {"a": 1}, P: {"a": 2, "b": 1}}[sent[0]] if sent else {}
    for outlet, member in group.members.items():
        gone = member.result.outcomes["accepted_async"]
        assert gone == went.get(outlet, 0)
        words = [one["message"] for one in member.result.problems] or [member.result.stopped]
        assert gone == len(member.columns.sku) or "asked us to stay away" in words[0]
    assert_accounted(group)


def test_a_retry_is_the_same_import_again(ledger: Ledger) -> None:
    platform = Platform([Outcome.UNKNOWN])
    send(group_of(ledger, {"a": [(O, 3)], "b": [(O, 3)]}), platform)
    assert platform.sent[0] == platform.sent[1]
    assert [one["import_id"] for one in rows_in(ledger, t.push_import)] == ["2002"]


def test_a_kind_that_the_operator_has_switched_off_goes_as_whole_offers(ledger: Ledger) -> None:
    platform = Platform([Outcome.UNSUPPORTED], offers=3, lines=4)
    group = send(group_of(ledger, {"a": [(P, 5)], "b": [(P, 2)]}), platform)
    assert [(kind, len(names)) for kind, names in platform.sent] == [(P, 4), (O, 3), (O, 1), (O, 3)]
    assert group.outcomes() == {"a": {"accepted_async": 5}, "b": {"accepted_async": 2}}
    assert_accounted(group)
    split = rows_in(ledger, t.push_batch, push_id="push-a", state="split")
    assert "sent as whole offers instead" in split[0]["message"]


def test_an_import_that_has_too_many_bytes_is_cut_before_its_turn(ledger: Ledger) -> None:
    platform = Platform(items=2)
    group = send(group_of(ledger, {"a": [(O, 3)], "b": [(P, 3)]}), platform)
    assert sorted((kind, len(names)) for kind, names in platform.sent) == [
        (O, 1), (O, 2), (P, 1), (P, 2),
    ]  # fmt: skip
    assert_accounted(group)


def test_a_dead_key_costs_one_call_whatever_there_is_to_send(ledger: Ledger) -> None:
    platform = Platform([Outcome.AUTH_FAILED] * 9, offers=2)
    group = send(group_of(ledger, {"a": [(O, 6), (P, 2), (S, 2)], "b": [(O, 3)]}), platform)
    assert len(platform.sent) == 1
    assert group.outcomes() == {"a": {"auth_failed": 10}, "b": {"auth_failed": 3}}
    assert_accounted(group)


def test_a_dead_platform_costs_one_import_and_its_tries(ledger: Ledger) -> None:
    platform = Platform([Outcome.RETRYABLE] * 50, offers=2)
    group = send(group_of(ledger, {"a": [(O, 20), (P, 2), (S, 2)]}), platform)
    assert len(platform.sent) == 2
    assert group.outcomes() == {"a": {"retryable": 24}}
    assert "does not answer" in group.members["a"].result.stopped
    assert_accounted(group)


# --- one channel stops, the others go on


@pytest.mark.parametrize("named", [(1,), (0, 3, 5)])
def test_the_items_for_which_an_import_is_refused_leave_it_and_the_others_go_on(
    named: tuple[int, ...], ledger: Ledger
) -> None:
    platform = Platform([named])
    group = send(group_of(ledger, {"a": [(O, 3)], "b": [(O, 3)]}), platform)
    every, *rest = (names for _, names in platform.sent)
    assert [len(part) for part in rest] == ([1, 4] if named == (1,) else [2, 1])
    assert [*chain(*rest)] == [name for place, name in enumerate(every) if place not in named]
    bad = [row for row in rows_in(ledger, t.listing) if row["outcome"] == "refused"]
    assert {f"{row['outlet']}-{row['sku']}" for row in bad} == {every[place] for place in named}
    assert {row["message"] for row in bad} == {"offers[..] is bad"}
    assert_accounted(group)


def test_a_channel_that_stops_leaves_the_next_import_and_the_others_go_on(ledger: Ledger) -> None:
    group = group_of(ledger, {"a": [(O, 3)], "b": [(O, 3)]})

    def pause(call: int) -> None:
        if call == 1:
            group.members["a"].stop.set("paused by amina")

    platform = Platform(offers=2, on_call=pause)
    send(group, platform)
    assert [names for _, names in platform.sent] == [
        ["a-000", "a-001"], ["b-000"], ["b-001", "b-002"],
    ]  # fmt: skip
    assert group.outcomes() == {
        "a": {"accepted_async": 2, "retryable": 1}, "b": {"accepted_async": 3},
    }  # fmt: skip
    assert group.members["a"].result.stopped == "paused by amina"
    assert group.members["b"].result.stopped == ""
    assert [group.members[name].result.told for name in "ab"] == [2, 3]
    assert_accounted(group)


@pytest.mark.parametrize(
    ("answer", "left"), [(Outcome.RETRYABLE, "retryable"), (Outcome.UNKNOWN, "unknown")]
)
def test_a_channel_that_stops_between_two_tries_leaves_with_what_is_known_of_it(
    answer: Outcome, left: str, ledger: Ledger
) -> None:
    group = group_of(ledger, {"a": [(O, 2)], "b": [(O, 2)]})
    stop = group.members["a"].stop
    platform = Platform([answer], on_call=lambda _: stop.set("paused by amina"))
    send(group, platform)
    assert [len(names) for _, names in platform.sent] == [4, 2]
    assert group.outcomes() == {"a": {left: 2}, "b": {"accepted_async": 2}}
    assert_accounted(group)


def test_a_lease_that_ran_out_keeps_a_channel_out_of_the_next_import(ledger: Ledger) -> None:
    group = group_of(ledger, {"a": [(O, 2)], "b": [(O, 2)]})
    group.members["a"].holds = lambda: False
    send(group, platform := Platform())
    assert platform.sent == [(O, ["b-000", "b-001"])]
    assert group.outcomes() == {"a": {"retryable": 2}, "b": {"accepted_async": 2}}
    assert "lease" in group.members["a"].result.stopped
    assert_accounted(group)


def test_a_push_that_a_successor_has_ended_is_left_alone(ledger: Ledger) -> None:
    group = group_of(ledger, {"a": [(O, 2)], "b": [(O, 2)]})
    with ledger.begin() as connection:
        pushes.end_interrupted(connection, "push-a", "taken over")
    send(group, platform := Platform())
    assert platform.sent == [(O, ["b-000", "b-001"])]
    assert group.members["a"].taken_over
    assert rows_in(ledger, t.listing, outlet="a") == []
    assert rows_in(ledger, t.push_batch, push_id="push-a") == []
    assert group.outcomes()["b"] == {"accepted_async": 2}


def test_what_is_answered_after_a_successor_has_come_is_in_doubt(ledger: Ledger) -> None:
    group = group_of(ledger, {"a": [(O, 2)], "b": [(O, 2)]})

    def taken_over(_: int) -> None:
        with ledger.begin() as connection:
            pushes.end_interrupted(connection, "push-a", "taken over")

    send(group, Platform(on_call=taken_over))
    assert {row["outcome"] for row in rows_in(ledger, t.listing, outlet="a")} == {"unknown"}
    assert {row["outcome"] for row in rows_in(ledger, t.listing, outlet="b")} == {"accepted_async"}


def test_when_every_channel_has_stopped_nobody_waits_for_a_turn(ledger: Ledger) -> None:
    group = group_of(ledger, {"a": [(O, 4)], "b": [(O, 4)]})

    def stop(_: int) -> None:
        for member in group.members.values():
            member.stop.set("interrupted by SIGTERM")

    platform = Platform(offers=4, said={"intervals": {O: 60.0}}, on_call=stop)
    send(group, platform)  # the second import would be a minute away
    assert len(platform.sent) == 1
    assert group.outcomes() == {"a": {"accepted_async": 4}, "b": {"retryable": 4}}
    assert_accounted(group)


def test_a_kind_that_is_throttled_holds_up_no_other(ledger: Ledger) -> None:
    platform = Platform([429], said={"intervals": {O: 0.01, P: 0.01}})
    group = send(group_of(ledger, {"a": [(O, 1), (P, 1)]}), platform)
    closed = rows_in(ledger, t.rate_closed)
    assert {row["account"] for row in closed} <= {family_key(ACCOUNT, O), family_key(ACCOUNT, P)}
    assert len(closed) == 1
    assert_accounted(group)


# --- an id that is known already


def test_the_id_of_an_equal_import_that_still_stands_is_success(ledger: Ledger) -> None:
    first = send(group_of(ledger, {"a": [(O, 3)]}), Platform(ids=["7"]))
    again = renamed(ledger, first)
    send(again, Platform(ids=["7"]))
    assert again.outcomes() == {"a": {"accepted_async": 3}}


@pytest.mark.parametrize("price", [1000, 2000], ids=["said again since", "other values"])
def test_the_id_of_an_import_that_said_something_else_is_no_success(
    price: int, ledger: Ledger
) -> None:
    """Nobody has taken what is said now: it goes again, in parts that are equal to nothing."""
    group = send(group_of(ledger, {"a": [(O, 4)]}), Platform(ids=["7"]))
    if price == 1000:  # the old price again, after another one
        group = send(renamed(ledger, group, price=1500), Platform(ids=["8"]))
    group = send(renamed(ledger, group, price=price), platform := Platform(ids=["7", "9", "10"]))
    assert [len(names) for _, names in platform.sent] == [4, 2, 2]
    assert group.outcomes() == {"a": {"accepted_async": 4}}
    assert_accounted(group)


@pytest.mark.parametrize(
    ("between", "ids", "sizes"),
    [
        ([1500], ["7", "9", "10"], [4, 2, 2]),
        ([1500], ["9"], [4]),
        ([1500], ["a-7", "a-9", "a-10"], [4, 2, 2]),
        ([], ["7"], [4]),
        ([1000], ["7"], [4]),
    ],
    ids=["older", "newer", "ids that do not count up", "at once", "nothing else said since"],
)
def test_the_id_of_an_import_whose_answer_was_never_learnt_is_no_success(
    between: list[int], ids: list[str], sizes: list[int], ledger: Ledger
) -> None:
    group = send(group_of(ledger, {"a": [(O, 4)]}), Platform([Outcome.UNKNOWN] * 2))
    for price in between:
        known = Platform([Outcome.UNKNOWN] * 2 if price == 1000 else [], ids=["8"])
        group = send(renamed(ledger, group, price=price), known)
    group = send(renamed(ledger, group), platform := Platform(ids=list(ids)))
    assert [len(names) for _, names in platform.sent] == sizes
    assert group.outcomes() == {"a": {"accepted_async": 4}}


def test_an_import_of_another_kind_may_have_the_same_id(ledger: Ledger) -> None:
    send(group_of(ledger, {"a": [(O, 2)]}), Platform(ids=["7"]))
    group = send(group_of(ledger, {"b": [(S, 2)]}), platform := Platform(ids=["7"]))
    assert len(platform.sent) == 1
    assert group.outcomes() == {"b": {"accepted_async": 2}}


def test_what_is_taken_for_an_older_import_again_and_again_is_left_for_the_next_push(
    ledger: Ledger,
) -> None:
    group = send(group_of(ledger, {"a": [(O, 20)]}), Platform(ids=["7"]))
    group = send(renamed(ledger, group, price=4000), platform := Platform(ids=["7"] * 99))
    assert group.outcomes() == {"a": {"retryable": 20}}
    assert "said something else" in group.members["a"].result.problems[0]["message"]
    assert len(platform.sent) < 40
    assert_accounted(group)


def renamed(ledger: Ledger, group: Group, price: int = 1000) -> Group:
    """The same channels once more, as a later run would push them."""
    older = f"-old-{len(rows_in(ledger, t.push))}"
    with ledger.begin() as connection:
        for member in group.members.values():
            push_id = member.source.push_id
            for table in (t.push_batch, t.push_import_part, t.listing, t.listing_event):
                of = table.c.push_id == push_id
                connection.execute(table.update().where(of).values(push_id=push_id + older))
            of = t.push.c.id == push_id
            connection.execute(t.push.update().where(of).values(id=push_id + older))
    rows = {outlet: [(O, len(m.columns.sku))] for outlet, m in group.members.items()}
    return group_of(ledger, rows, price=price)


# --- whatever happens


KINDS = st.sampled_from([O, P, S])
SCRIPTS = st.lists(
    st.sampled_from(
        ["split", 429, Outcome.RETRYABLE, Outcome.UNKNOWN, Outcome.REFUSED, Outcome.UNSUPPORTED,
         Outcome.AUTH_FAILED, Outcome.ACCEPTED_ASYNC, Outcome.ACCEPTED_ASYNC]
    ),
    max_size=12,
)  # fmt: skip
CHANNELS = st.dictionaries(
    st.sampled_from("abcd"),
    st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6)).filter(any),
    min_size=1,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    script=SCRIPTS,
    channels=CHANNELS,
    offers=st.integers(1, 9),
    lines=st.integers(1, 9),
    stops=st.dictionaries(st.integers(1, 6), st.sampled_from("abcd"), max_size=2),
)
def test_every_row_of_every_channel_ends_in_one_outcome_that_is_durable(
    shared: Ledger,
    script: list[Any],
    channels: dict[str, tuple[int, int, int]],
    offers: int,
    lines: int,
    stops: dict[int, str],
) -> None:
    emptied(shared)
    rows = {name: list(zip((O, P, S), counts, strict=True)) for name, counts in channels.items()}
    group = group_of(shared, rows)

    def on_call(call: int) -> None:
        if stops.get(call) in group.members:
            group.members[stops[call]].stop.set("paused by amina")

    platform = Platform(list(script), offers, lines, on_call=on_call)
    send(group, platform)
    assert_accounted(group)
    assert sum(member.result.calls for member in group.members.values()) == len(platform.sent)
    with shared.read() as connection:  # the plans are not there: nothing but the pushes is
        found = [one for one in broken_laws(connection) if one.broken]
    broken = [o for o in found if o.subject.startswith("push") and "of a plan" not in o.message]
    assert broken == []


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data())
def test_a_load_is_cut_without_loss(sizes: list[int], data: st.DataObject) -> None:
    members = [cast("Member", object()) for _ in sizes]
    load = tuple(Clip(m, 10, 10 + size) for m, size in zip(members, sizes, strict=True))
    middle = data.draw(st.integers(0, sum(sizes)))
    parts = [*cut(load, 0, middle), *cut(load, middle, sum(sizes))]
    rows = [(clip.member, row) for clip in parts for row in range(clip.first, clip.last)]
    assert rows == [(clip.member, row) for clip in load for row in range(clip.first, clip.last)]
