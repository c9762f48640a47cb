"""Full extracts and changes of one outlet: in the order of time, each with one effect, and nothing
from a file that cannot be trusted."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.catalog.frames import FrameStore
from marketsync_dagster.stages import arrivals
from marketsync_dagster.stages.extract import Force, extract_outlets
from marketsync_dagster.stages.preview import _catalog_now
from marketsync_dagster_tests.stages.chains import (
    Chain,
    counting,
    made,
    packed,
    prices_xml,
    table,
    zipped,
)

ONE = {"lipa": ["001"]}
CHAIN = "7299999999993-001"
FULL = {"A1": "1.00", "A2": "2.00", "A3": "3.00"}
Make = Callable[..., Chain]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    with made(tmp_path, monkeypatch) as make:
        yield make


@pytest.fixture
def lists(make: Make) -> Chain:
    """An outlet that publishes full lists and changes, whose names say which is which."""
    return make(
        keys=ONE, pattern="Price*", preset="il_prices", coverage="auto", outlet={"from": "name"}
    )


def full_at(hour: int, items: dict[str, str] = FULL, **more: Any) -> tuple[str, bytes]:
    return f"PriceFull{CHAIN}-20260105{hour:02}00.gz", packed(prices_xml(items, **more))


def delta_at(hour: int, items: dict[str, str], **more: Any) -> tuple[str, bytes]:
    return f"Price{CHAIN}-20260105{hour:02}00.xml", prices_xml(items, **more)


def test_changes_apply_in_the_order_of_their_times_on_the_newest_full_extract(
    lists: Chain,
) -> None:
    lists.put(*delta_at(11, {"A1": "1.30"}))
    lists.put(*full_at(9))
    lists.put(*delta_at(10, {"A1": "1.20", "A2": "2.20"}))
    result = lists.good()["lipa"]

    assert lists.prices() == {"A1": 130, "A2": 220, "A3": 300}
    assert result.numbers["records"] == 6
    assert lists.good()["lipa"].state == "unchanged"

    lists.put(*delta_at(12, {"A4": "4.00"}))
    assert lists.good()["lipa"].numbers["records"] == 1
    assert lists.prices() == {"A1": 130, "A2": 220, "A3": 300, "A4": 400}

    lists.put(*full_at(13, {"A1": "7.00"}))
    lists.good()
    assert lists.prices() == {"A1": 700}
    by_file = {row["file"].rpartition("/")[2]: row for row in lists.rows("extract", "id")}
    assert {row["coverage"] for name, row in by_file.items() if "Full" in name} == {"full"}
    assert {row["coverage"] for name, row in by_file.items() if "Full" not in name} == {"delta"}


def test_changes_that_come_between_others_get_their_place(lists: Chain) -> None:
    lists.put(*full_at(9))
    lists.put(*delta_at(11, {"A1": "1.30"}))
    lists.good()
    lists.put(*delta_at(10, {"A1": "1.20", "A2": "2.20"}))

    lists.good()

    assert lists.prices() == {"A1": 130, "A2": 220, "A3": 300}


def test_changes_that_no_catalog_has_taken_up_are_kept_beside_later_ones(lists: Chain) -> None:
    lists.put(*full_at(9))
    lists.good()
    lists.put(*delta_at(10, {"A1": "1.20"}))
    (read,) = extract_outlets(lists.project(), ["lipa"])  # the run ends before its catalog
    assert read.state == "done"
    lists.put(*delta_at(11, {"A2": "2.20"}))

    lists.good()

    assert lists.prices() == {"A1": 120, "A2": 220, "A3": 300}


def test_changes_whose_rows_could_not_be_stored_are_read_again(
    lists: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists.put(*full_at(9))
    lists.good()
    lists.put(*delta_at(10, {"A1": "1.20"}))

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(FrameStore, "write", full)
        assert "the disk is full" in lists.read_all()["lipa"].reason

    lists.good()

    assert lists.prices() == {"A1": 120, "A2": 200, "A3": 300}


def test_changes_from_before_the_full_extract_are_late_and_have_no_effect(lists: Chain) -> None:
    lists.put(*full_at(9))
    lists.good()
    before = lists.stamps("lipa")
    name, content = delta_at(8, {"A1": "9.99"})
    lists.put(name, content)

    assert lists.good()["lipa"].state == "unchanged"

    assert lists.stamps("lipa") == before
    assert lists.states()[name] == "late"
    assert lists.good()["lipa"].state == "unchanged"


def test_the_same_bytes_under_another_name_are_repeated_and_have_no_effect(lists: Chain) -> None:
    lists.put(*full_at(9))
    _, content = delta_at(10, {"A1": "1.20"})
    lists.put(f"Price{CHAIN}-202601051000.xml", content)
    lists.good()
    before = lists.stamps("lipa")
    lists.put(f"Price{CHAIN}-202601051100.xml", content)
    lists.put(f"PriceFull{CHAIN}-202601050930.gz", full_at(9)[1])

    assert lists.good()["lipa"].state == "unchanged"

    assert lists.stamps("lipa") == before
    states = {row["name"]: row["state"] for row in lists.rows("extract_file", "name")}
    assert states[f"Price{CHAIN}-202601051100.xml"] == "repeated"
    assert states[f"PriceFull{CHAIN}-202601050930.gz"] == "repeated"


def test_a_price_that_goes_back_is_a_change_though_its_bytes_are_known(lists: Chain) -> None:
    lists.put(*full_at(9))
    lists.put(*delta_at(10, {"A1": "1.20"}))
    lists.put(*delta_at(11, {"A1": "1.30"}))
    lists.good()
    lists.put(*delta_at(12, {"A1": "1.20"}))

    lists.good()

    assert lists.prices()["A1"] == 120
    assert lists.good()["lipa"].state == "unchanged"


def test_a_copy_of_old_changes_is_not_news(make: Make) -> None:
    chain = make(keys=ONE, coverage="delta")
    first = table("A1,Milk,1.00,5")
    chain.put("one.csv", first)
    chain.put("two.csv", table("A1,Milk,2.00,5"))
    chain.good()
    chain.put("copy of one.csv", first)

    assert chain.good()["lipa"].state == "unchanged"
    assert chain.prices() == {"A1": 200}


def test_changes_without_a_full_extract_are_refused(lists: Chain) -> None:
    lists.put(*delta_at(10, {"A1": "1.20"}))

    result = lists.read_all()["lipa"]

    assert not result.ok
    assert "no full extract that they change" in result.reason
    assert "coverage: delta" in result.next_step
    assert lists.stamps("lipa") == [None, None, None]
    assert set(lists.states().values()) == {"refused"}
    lists.put(*full_at(9))
    lists.good()
    assert lists.prices() == {"A1": 120, "A2": 200, "A3": 300}


def test_a_source_that_only_ever_sends_changes_may_say_so(lists: Chain) -> None:
    lists.document["sources"]["chain"]["coverage"] = "delta"
    lists.put(*delta_at(10, {"A1": "1.20"}))
    lists.good()
    assert lists.prices() == {"A1": 120}


def test_changes_that_are_none_are_no_error(lists: Chain) -> None:
    lists.put(*full_at(9))
    lists.put(*delta_at(10, {}))
    lists.good()
    lists.put(*delta_at(11, {}))
    assert lists.good()["lipa"].ok
    assert lists.prices() == {"A1": 100, "A2": 200, "A3": 300}
    assert set(lists.states().values()) == {"accepted"}


BAD: dict[str, tuple[tuple[str, bytes], str]] = {
    "full, no items": (full_at(12, {}), "no records"),
    "full, cut off": ((full_at(12)[0], full_at(12)[1][:-12]), "cut off"),
    "full, empty": ((full_at(12)[0], b""), "empty"),
    "full, half": ((f"PriceFull{CHAIN}-202601051200.xml", prices_xml(FULL)[:-60]), "ends before"),
    "full, too few": (full_at(12, FULL, count=9), "declares 9 records"),
    "changes, too few": (delta_at(12, {"A1": "5.00"}, count=2), "declares 2 records"),
    "changes, empty": ((delta_at(12, {})[0], b""), "empty"),
    "changes, half": ((delta_at(12, {})[0], prices_xml({"A1": "5.00"})[:-40]), "ends before"),
    "changes, all bad": (delta_at(12, {"A1": "free"}), "none of 1 records"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_trusted_is_refused_for_its_own_reason_and_changes_nothing(
    name: str, lists: Chain
) -> None:
    lists.put(*full_at(9))
    lists.put(*delta_at(10, {"A1": "1.20"}))
    lists.good()
    prices, extract = lists.prices(), lists.stamps("lipa")[0]
    (file, content), words = BAD[name]
    lists.put(file, content)

    result = lists.read_all()["lipa"]

    assert not result.ok
    assert words in result.reason, result.reason
    assert result.next_step
    assert (lists.prices(), lists.stamps("lipa")[0]) == (prices, extract)
    assert lists.states()[file] == "refused"
    lists.remove(file)
    lists.put(*full_at(13, {"A1": "6.00"}))
    lists.good()
    assert lists.prices() == {"A1": 600}


def test_an_older_full_extract_in_the_place_of_a_newer_one_is_refused(lists: Chain) -> None:
    lists.put(*full_at(9))
    lists.good()
    lists.remove(full_at(9)[0])
    lists.put(*full_at(8, {"A1": "8.00"}))

    result = lists.read_all()["lipa"]

    assert (result.ok, "is older" in result.reason) == (False, True)
    assert lists.prices()["A1"] == 100
    project = lists.project()
    (forced,) = extract_outlets(project, ["lipa"], force=Force("ada", "a stocktaking"))
    assert forced.ok, forced


def test_an_older_full_extract_beside_newer_changes_is_not_read(
    lists: Chain,
) -> None:
    lists.put(*full_at(9))
    lists.put(*delta_at(10, {"A1": "1.20"}))
    lists.good()
    lists.remove(full_at(9)[0])
    lists.put(*full_at(8, {"A1": "8.00", "A2": "8.00"}))

    assert lists.good()["lipa"].state == "unchanged"

    assert lists.prices() == {"A1": 120, "A2": 200, "A3": 300}


def test_a_full_extract_does_not_undo_changes_that_are_gone(lists: Chain) -> None:
    """The newer full one is of a time before changes that nobody has any more."""
    lists.put(*full_at(9))
    lists.put(*delta_at(11, {"A1": "1.30"}))
    lists.good()
    lists.remove(delta_at(11, {})[0])
    lists.put(*full_at(10, {"A1": "1.10"}))

    result = lists.read_all()["lipa"]

    assert (result.ok, "is older" in result.reason) == (False, True)
    assert lists.prices()["A1"] == 130


# --- several documents of one extract


def promos_xml(sku: str, price: str, until: str = "2099-12-31") -> bytes:
    return (
        "<Root><ChainId>7299999999993</ChainId><StoreId>001</StoreId><Promotions Count='1'>"
        "<Promotion><PromotionId>1</PromotionId><PromotionDescription>x</PromotionDescription>"
        "<PromotionStartDate>2026-01-01</PromotionStartDate>"
        "<PromotionStartHour>00:00:00</PromotionStartHour>"
        f"<PromotionEndDate>{until}</PromotionEndDate><PromotionEndHour>23:59:00</PromotionEndHour>"
        f"<RewardType>1</RewardType><MinQty>1</MinQty><DiscountedPrice>{price}</DiscountedPrice>"
        "<Clubs><ClubId>0</ClubId></Clubs>"
        f"<PromotionItems><Item><ItemCode>{sku}</ItemCode></Item></PromotionItems>"
        "</Promotion></Promotions></Root>"
    ).encode()


@pytest.mark.parametrize("pattern", [["Price*", "Promo*"], "*"], ids=["two patterns", "one"])
def test_a_change_of_a_price_keeps_its_promotion_and_the_other_way_round(
    make: Make, pattern: str | list[str]
) -> None:
    chain = make(
        keys=ONE,
        pattern=pattern,
        preset="il_prices",
        coverage="auto",
        outlet={"from": "name"},
    )
    chain.put(*full_at(9))
    chain.put(f"PromoFull{CHAIN}-202601050900.xml", promos_xml("A1", "0.80"))
    chain.good()
    assert chain.prices() == {"A1": 80, "A2": 200, "A3": 300}

    chain.put(*delta_at(10, {"A1": "1.50"}))
    chain.good()
    assert chain.prices()["A1"] == 80

    chain.put(f"Promo{CHAIN}-202601051100.xml", promos_xml("A2", "1.70"))
    chain.good()
    assert chain.prices() == {"A1": 80, "A2": 170, "A3": 300}
    assert chain.good()["lipa"].state == "unchanged"


def test_each_pattern_gives_a_part_and_a_part_that_is_missing_is_named(make: Make) -> None:
    chain = make(
        keys=ONE,
        pattern=["food_*.csv", "other_*.csv"],
        coverage="full",
    )
    chain.put("food_2026-01-05.csv", table("A1,Milk,1.00,5"))
    refused = chain.read_all()["lipa"]
    assert "no file matches other_*.csv" in refused.reason

    chain.put("other_2026-01-05.csv", table("B1,Soap,2.00,5"))
    chain.good()
    assert chain.prices() == {"A1": 100, "B1": 200}

    chain.put("other_2026-01-06.csv", table("B1,Soap,2.50,5"))
    chain.good()
    assert chain.prices() == {"A1": 100, "B1": 250}

    chain.remove("food_2026-01-05.csv")
    chain.put("food_2026-01-04.csv", table("A1,Milk,9.00,5"))
    older = chain.read_all()["lipa"]
    assert (older.ok, "food_2026-01-04.csv is older" in older.reason) == (False, True)
    assert chain.prices() == {"A1": 100, "B1": 250}


# --- looking ahead, and the same again


def test_a_look_ahead_shows_the_catalog_that_a_run_makes(
    lists: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists.put(*full_at(9))
    lists.good()
    lists.put(*delta_at(10, {"A1": "1.20", "A9": "9.00"}))
    kept = lists.archived()
    now = _catalog_now(lists.project(), "lipa")
    frame, record = now.catalog, now.record
    shown = dict(zip(frame["sku"], frame["price_minor"], strict=True))
    assert lists.archived() == kept

    lists.good()

    assert shown == lists.prices()
    assert record.coverage == "delta"
    reads = counting(monkeypatch, arrivals, "read_document")
    lists.good()
    assert reads == []


def test_members_of_an_archive_may_be_full_and_changes(make: Make) -> None:
    chain = make(
        keys=ONE, pattern="*.zip", preset="il_prices", coverage="auto", outlet={"from": "name"}
    )
    members = [
        (f"PriceFull{CHAIN}-202601050900.xml", prices_xml(FULL)),
        delta_at(10, {"A1": "1.2"}),
    ]
    chain.put("day_2026-01-05.zip", zipped(dict(members)))

    chain.good()

    assert chain.prices() == {"A1": 120, "A2": 200, "A3": 300}


# --- what vanishes, with changes in between


def test_what_a_change_brings_back_starts_anew(make: Make) -> None:
    chain = make(
        keys=ONE, pattern="Price*", preset="il_prices", coverage="auto", outlet={"from": "name"},
        gone_after=2,
    )  # fmt: skip
    rest = {"A1": "1.00", "A2": "2.00"}
    chain.put(*full_at(8))
    chain.good()
    chain.put(*full_at(9, rest))
    chain.good()
    assert chain.rows("absence", "sku")[0]["sku"] == "A3"
    chain.put(*delta_at(10, {"A3": "3.30"}))
    chain.good()
    assert chain.prices()["A3"] == 330
    assert chain.rows("absence", "sku") == []

    chain.put(*full_at(11, rest | {"A1": "1.10"}))
    chain.good()
    (absent,) = chain.rows("absence", "sku")
    assert (absent["sku"], absent["times"]) == ("A3", 1)
    assert "A3" not in chain.prices()
    chain.put(*full_at(12, rest))
    chain.good()
    frame = chain.opened[-1].frames.read(("pos", "catalog"), "lipa").set_index("sku")
    assert (len(frame), frame.loc["A3", "stock_status"]) == (3, "out_of_stock")
    assert chain.prices()["A3"] == 330
