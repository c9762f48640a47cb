"""SKUs find the platform's ids in a fixed order, unique both ways, or say why not."""

from __future__ import annotations

import shlex
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsync_dagster.catalog import schemas
from marketsync_dagster.catalog.arrow import text
from marketsync_dagster.catalog.mapping import coverage, map_skus, unused_rows
from marketsync_dagster.catalog.mapping_file import MappingRow
from marketsync_dagster.config.channels import MappingSettings
from marketsync_dagster.values.errors import MarketSyncError
from marketsync_dagster.values.gtin import normalise
from marketsync_dagster_tests.catalog.builders import catalog, listed

EAN = "4006381333931"


def row(sku: str, platform_id: str, line: int = 2, platform_sku: str = "") -> MappingRow:
    return MappingRow(sku, platform_id, platform_sku, "", line)


def mapped(frame: pd.DataFrame, **given: Any) -> pd.DataFrame:
    options = {
        "file_rows": [], "synced": {}, "platform_catalog": listed(), "settings": MappingSettings(),
        "platform": "tracker_ke", "outlet": "westlands", "account": "demo",
    }  # fmt: skip
    result = map_skus(frame, **options | given)
    return schemas.validate(schemas.SKU_MAPPING, result, what="mapping")


def one(frame: pd.DataFrame, sku: str) -> dict[str, Any]:
    found = frame[frame["sku"] == sku].iloc[0]
    return {str(name): None if pd.isna(value) else value for name, value in found.items()}


def test_each_way_is_tried_in_its_turn() -> None:
    frame = catalog(
        [
            {"sku": "F", "barcode": EAN},
            {"sku": "Y", "barcode": "96385074"},
            {"sku": "S", "barcode": "5901234123457"},
            {"sku": "G", "barcode": "0036000291452"},
            {"sku": "N"},
        ]
    )
    result = mapped(
        frame,
        file_rows=[row("F", "1", platform_sku="own")],
        synced={"F": ("9", EAN, ""), "Y": ("2", "96385074", "")},
        platform_catalog=listed(
            ("1", "their", EAN), ("3", "S", None), ("4", "g", "036000291452"),
            ("2", "y", None), ("5", None, "5901234123457"),
        ),
    )  # fmt: skip
    found = [one(result, sku) for sku in "FYSGN"]
    assert [[r["platform_id"], r["matched_by"], r["platform_sku"]] for r in found] == [
        ["1", "file", "own"],
        ["2", "sync", "y"],
        ["3", "sku", "S"],
        ["4", "gtin", "g"],
        [None, None, None],
    ]  # fmt: skip
    assert result["reason"].notna().tolist() == [False] * 4 + [True]


def test_the_channel_decides_by_what_is_looked_up() -> None:
    frame = catalog([{"sku": "A", "barcode": EAN}])
    theirs = listed(("by sku", "A", None), ("by gtin", None, EAN))
    for by, expected in [(["sku", "gtin"], "by sku"), (["gtin", "sku"], "by gtin"), ([], None)]:
        result = mapped(frame, platform_catalog=theirs, settings=MappingSettings(by=by))
        assert one(result, "A")["platform_id"] == expected


def test_a_synced_id_counts_only_while_the_barcode_is_the_same() -> None:
    frame = catalog([{"sku": "A", "barcode": EAN}, {"sku": "B"}])
    result = mapped(frame, synced={"A": ("1", "96385074", ""), "B": ("2", "96385074", "")})
    assert result["platform_id"].isna().all()
    assert one(mapped(frame, synced={"A": ("1", "0" + EAN, "")}), "A")["platform_id"] == "1"


def test_two_skus_with_one_gtin_are_both_left_and_each_names_the_other() -> None:
    frame = catalog([{"sku": "A", "barcode": EAN}, {"sku": "B", "barcode": EAN}])
    result = mapped(frame, platform_catalog=listed(("p1", None, EAN)))
    assert one(result, "A")["reason"] == (
        "tracker_ke id p1, found by its barcode: SKU B claims it too, by its barcode"
    )
    assert "SKU A claims it too" in one(result, "B")["reason"]
    assert one(result, "B")["next_step"].endswith("marketsync mapping set B p1 --account demo")


def test_a_file_row_settles_the_conflict() -> None:
    frame = catalog([{"sku": "A", "barcode": EAN}, {"sku": "B", "barcode": EAN}])
    result = mapped(
        frame, platform_catalog=listed(("p1", None, EAN)), file_rows=[row("B", "p1", 7)]
    )
    assert one(result, "B")["matched_by"] == "file"
    assert one(result, "A")["reason"] == (
        "tracker_ke id p1, found by its barcode: the mapping file gives it to SKU B, line 7"
    )


def test_what_the_file_gives_to_a_sku_that_is_not_sold_here_is_not_given_to_another() -> None:
    frame = catalog([{"sku": "A", "barcode": EAN}])
    rows = [row("ELSEWHERE", "p1", 7)]
    result = mapped(frame, platform_catalog=listed(("p1", None, EAN)), file_rows=rows)
    assert "gives it to SKU ELSEWHERE, line 7" in one(result, "A")["reason"]
    assert unused_rows(frame, rows) == 1


def test_the_stronger_way_has_the_id() -> None:
    frame = catalog([{"sku": "A"}, {"sku": "B", "barcode": EAN}])
    result = mapped(frame, platform_catalog=listed(("p1", "A", EAN)))
    assert one(result, "A")["platform_id"] == "p1"
    assert "SKU A has it too, by its SKU" in one(result, "B")["reason"]


def test_two_products_with_one_gtin_are_both_named() -> None:
    frame = catalog([{"sku": "A", "barcode": EAN}])
    result = mapped(frame, platform_catalog=listed(("p2", None, EAN), ("p1", None, EAN)))
    found = one(result, "A")
    assert found["reason"] == "tracker_ke lists 2 products with this barcode: p1, p2"
    assert found["next_step"].endswith("marketsync mapping set A p1 --account demo  # or p2")


def test_a_doubtful_sku_is_not_settled_by_a_weaker_way() -> None:
    frame = catalog([{"sku": "A", "barcode": EAN}])
    theirs = listed(("p1", "A", None), ("p2", "A", None), ("p3", None, EAN))
    assert "2 products with this SKU" in one(mapped(frame, platform_catalog=theirs), "A")["reason"]


def test_a_product_that_two_pages_list_is_one_product() -> None:
    frame = catalog([{"sku": "A", "barcode": EAN}])
    theirs = listed(("p1", None, EAN), ("p1", None, EAN))
    assert one(mapped(frame, platform_catalog=theirs), "A")["platform_id"] == "p1"


def test_identity_needs_no_catalogue() -> None:
    frame = catalog([{"sku": "A", "barcode": EAN}, {"sku": "B"}])
    by_sku = mapped(frame, platform_catalog=None, settings=MappingSettings(identity="sku"))
    assert by_sku["platform_id"].tolist() == ["A", "B"]
    by_code = mapped(frame, platform_catalog=None, settings=MappingSettings(identity="barcode"))
    assert one(by_code, "A") | {"line": 0, "name": None} == {
        "sku": "A", "platform_id": EAN, "platform_sku": EAN, "name": None,
        "matched_by": "identity", "reason": None, "next_step": None, "line": 0,
    }  # fmt: skip
    assert one(by_code, "B")["reason"] == "the till has no barcode to use as tracker_ke's id"


def test_two_skus_with_one_barcode_have_no_identity() -> None:
    frame = catalog([{"sku": "A", "barcode": EAN}, {"sku": "B", "barcode": EAN}])
    result = mapped(frame, platform_catalog=None, settings=MappingSettings(identity="barcode"))
    assert result["platform_id"].isna().all()


@pytest.mark.parametrize(
    ("barcode", "by", "said"),
    [
        (
            None,
            ["sku", "gtin"],
            "it has no valid barcode, and no product of tracker_ke has its SKU",
        ),
        (None, ["gtin"], "it has no valid barcode"),
        (EAN, ["sku", "gtin"], "no product of tracker_ke has its SKU or barcode"),
        (None, ["sku"], "no product of tracker_ke has its SKU"),
        (EAN, [], "no file row maps it"),
    ],
)
def test_the_reason_says_what_was_tried(barcode: str | None, by: list[str], said: str) -> None:
    settings = MappingSettings.model_validate({"by": by})
    result = mapped(catalog([{"sku": "A", "barcode": barcode}]), settings=settings)
    assert one(result, "A")["reason"] == said


def test_of_rows_that_nobody_asked_for_it_is_not_said_that_they_are_not_there() -> None:
    rows = [{"sku": "A", "barcode": EAN}, {"sku": "B", "barcode": "96385074"}, {"sku": "C"}]
    theirs = listed(("9", "C", None))
    result = mapped(catalog(rows), unasked=np.array([True, False, True]), platform_catalog=theirs)
    said = {str(row["sku"]): (row["reason"], row["next_step"]) for _, row in result.iterrows()}
    assert said["A"] == (
        "tracker_ke was not asked yet whether it has this product",
        "marketsync run refresh_mappings",
    )
    assert said["B"][0] == "no product of tracker_ke has its SKU or barcode"
    assert one(result, "C")["platform_id"] == "9"
    by_file = MappingSettings.model_validate({"by": []})
    result = mapped(catalog(rows), unasked=np.array([True] * 3), settings=by_file)
    assert one(result, "A")["reason"] == "no file row maps it"


def test_without_a_catalogue_the_reason_says_so() -> None:
    result = mapped(catalog([{"sku": "A"}]), platform_catalog=None)
    assert "catalogue of tracker_ke has not been read" in one(result, "A")["reason"]


def test_inactive_rows_are_mapped_as_usual() -> None:
    frame = catalog([{"sku": "A", "active": False}])
    assert one(mapped(frame, file_rows=[row("A", "1")]), "A")["platform_id"] == "1"


def test_an_empty_catalog_has_an_empty_mapping() -> None:
    assert len(mapped(catalog([]), file_rows=[row("A", "1")])) == 0


@pytest.mark.parametrize(
    "name", [None, "Milk", 'O\'Brien "x" $(rm) `x`', "-rf", "a\n; reboot", "ü"]
)
@pytest.mark.parametrize("sku", ["A-1", "-1", "a b", "it's", "#1", "~x"])
def test_the_next_step_is_two_commands_and_nothing_else(sku: str, name: str | None) -> None:
    step = one(mapped(catalog([{"sku": sku, "name": name}])), sku)["next_step"]
    assert "\n" not in step
    lexer = shlex.shlex(step, posix=True, punctuation_chars=";")
    lexer.whitespace_split, lexer.commenters = True, ""
    words = list(lexer)
    at = words.index(";")
    shown = (name or sku).replace("\n", " ")
    search, change = words[:at], words[at + 1 :]
    assert search[:3] == ["marketsync", "mapping", "search"]
    assert change[:3] == ["marketsync", "mapping", "set"]
    assert [w for w in search[3:] if w not in ("--account", "demo", "--")] == [shown]
    assert [w for w in change[3:] if w not in ("--account", "demo", "--")] == [sku, "PLATFORM_ID"]
    assert ("--" in change) == sku.startswith("-")


def test_a_plain_row_has_the_commands_as_they_are_typed() -> None:
    result = mapped(catalog([{"sku": "A1", "name": "Milk 1 l"}]))
    assert one(result, "A1")["next_step"] == (
        "marketsync mapping search 'Milk 1 l' --account demo; "
        "marketsync mapping set A1 PLATFORM_ID --account demo"
    )


def test_an_id_of_the_platform_cannot_smuggle_a_command() -> None:
    frame = catalog([{"sku": "A", "barcode": EAN}])
    theirs = listed(("x; reboot\nreboot", None, EAN), ("y\nreboot", None, EAN))
    step = one(mapped(frame, platform_catalog=theirs), "A")["next_step"]
    assert "\n" not in step
    assert "set A 'x; reboot reboot' --account demo  # or" in step


def test_coverage_counts_by_way() -> None:
    frame = catalog([{"sku": "A"}, {"sku": "B"}, {"sku": "C"}, {"sku": "D"}])
    result = mapped(frame, file_rows=[row("A", "1")], platform_catalog=listed(("2", "B", None)))
    assert coverage(result, unused=3) == {
        "rows": 4, "mapped": 2, "by_file": 1, "by_sync": 0, "by_sku": 1, "by_gtin": 0,
        "by_identity": 0, "unmapped": 2, "unused": 3, "share": 0.5,
    }  # fmt: skip
    assert coverage(mapped(catalog([])))["share"] == 1.0


few = st.sampled_from(["A", "B", "C", "D", "E"])
codes = st.sampled_from([None, EAN, "96385074", "0036000291452"])
ids = st.sampled_from(["1", "2", "3", "4"])


@settings(deadline=None)
@given(
    st.dictionaries(few, codes, max_size=5),
    st.dictionaries(few, ids, max_size=4),
    st.dictionaries(few, st.tuples(ids, codes.map(lambda c: c or "")), max_size=4),
    st.lists(st.tuples(ids, st.none() | few, codes), max_size=6),
    st.sampled_from([None, "sku", "barcode"]),
)
def test_a_mapping_is_unique_both_ways_whole_and_explained(own, file, sync, theirs, identity):
    file = {sku: i for i, sku in {i: sku for sku, i in file.items()}.items()}
    frame = catalog([{"sku": sku, "barcode": code} for sku, code in own.items()])
    result = mapped(  # validates: unique ids, and mapped or explained
        frame,
        file_rows=[row(sku, i) for sku, i in file.items()],
        synced={sku: (i, code, "") for sku, (i, code) in sync.items()},
        platform_catalog=listed(*theirs),
        settings=MappingSettings(identity=identity),
    )
    assert result["sku"].tolist() == list(own)
    assert result["next_step"].notna().equals(result["platform_id"].isna())
    got = dict(zip(result["sku"], result["platform_id"], strict=True))
    assert all(got[sku] == i for sku, i in file.items() if sku in got)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("036000291452", "0036000291452"), ("0036000291452", "0036000291452"),
        ("00036000291452", "0036000291452"), ("96385074", "96385074"),
        ("14006381333938", "14006381333938"), (" 4006381333931 ", EAN), ("123", None),
        ("", None), (None, None), ("4.00638E+12", None), ("40063813339311234", None),
    ],
)  # fmt: skip
def test_gtins_have_one_form(written: str | None, expected: str | None) -> None:
    assert normalise(text([written])).to_pylist() == [expected]


def test_fifty_thousand_rows_are_mapped_in_a_moment() -> None:
    numbers = range(50_000)
    frame = catalog([{"sku": "x"}]).loc[[0] * len(numbers)].reset_index(drop=True)
    frame["sku"] = pd.Series([f"S{n}" for n in numbers], dtype="str")
    frame["barcode"] = pd.Series([f"590{n:010d}" for n in numbers], dtype="str")
    theirs = pd.DataFrame({"platform_id": frame["sku"] + "p", "barcode": frame["barcode"]})
    theirs = schemas.conform(schemas.PLATFORM_CATALOG, theirs)
    rows = [row(f"S{n}", f"S{n}p") for n in numbers[::10]]
    times = []
    result = frame
    for _ in range(3):
        start = time.perf_counter()
        result = mapped(frame, file_rows=rows, platform_catalog=theirs)
        times.append(time.perf_counter() - start)
    assert result["platform_id"].notna().all()
    assert min(times) < 1.0, "some 0.15 s with its validation are usual"


# --- platforms where our listings have names of their own


def offers_of(frame: pd.DataFrame, **reasons: str) -> pd.DataFrame:
    """OFFERS of a catalog, with reasons by SKU."""
    why = [reasons.get(sku) for sku in frame["sku"]]
    return frame[["sku", "line"]].assign(
        reason=pd.Series(why, dtype="str"),
        next_step=pd.Series([reason and "mend it" for reason in why], dtype="str"),
    )


def test_our_own_listings_are_found_by_the_names_that_they_have() -> None:
    frame = catalog([{"sku": "A"}, {"sku": "B"}, {"sku": "west-A"}])
    theirs = listed(("P1", "west-A", None), ("P2", "east-A", None), ("P9", "B", None))
    found = mapped(frame, platform_catalog=theirs, offer_name=("west-", ""))
    assert one(found, "A") | {"platform_id": "P1", "platform_sku": "west-A"} == one(found, "A")
    # the name of another outlet's listing, or of nobody's, is not ours
    assert one(found, "B")["platform_id"] is None
    assert one(found, "west-A")["platform_id"] is None


def test_a_product_with_several_listings_is_one_product() -> None:
    """Every outlet has its own listing of it, and its barcode is that of all of them."""
    frame = catalog([{"sku": "A", "barcode": EAN}])
    theirs = listed(("P1", None, EAN), ("P1", "west-A", EAN), ("P1", "east-A", EAN))
    for outlet in ("west-", "east-", "north-"):
        found = one(mapped(frame, platform_catalog=theirs, offer_name=(outlet, "")), "A")
        assert (found["platform_id"], found["platform_sku"]) == ("P1", f"{outlet}A")
        assert found["matched_by"] == ("gtin" if outlet == "north-" else "sku")


def test_what_is_not_offered_has_no_id_for_its_own_reason_and_takes_none_from_others() -> None:
    frame = catalog([{"sku": "A", "barcode": EAN}, {"sku": "B", "barcode": EAN}, {"sku": "C"}])
    theirs = listed(("P1", None, EAN))
    found = mapped(
        frame, platform_catalog=theirs, offer_name=("", ""), offers=offers_of(frame, A="inactive")
    )
    first, second, third = (one(found, sku) for sku in "ABC")
    assert (first["platform_id"], first["reason"], first["next_step"]) == (
        None, "inactive", "mend it",
    )  # fmt: skip
    assert second["platform_id"] == "P1"
    assert third["reason"] == "it has no valid barcode, and no product of tracker_ke has its SKU"


def test_offers_of_another_catalog_are_refused() -> None:
    frame = catalog([{"sku": "A"}, {"sku": "B"}])
    with pytest.raises(MarketSyncError, match="offers were made from another catalog"):
        mapped(frame, offers=offers_of(frame.iloc[::-1].reset_index(drop=True)))
