"""What an extract differs in from the last one is kept beside it, and shown; sizes and brands reach
the catalog, also of an installation that had none."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from marketsync_dagster.assets.pos import differences
from marketsync_dagster.catalog.sizes import SIZE_COLUMNS
from marketsync_dagster.config.load import load_settings
from marketsync_dagster.ledger.extracts import find_extract, latest_accepted
from marketsync_dagster.stages.catalog import CATALOG_KEY, build_catalogs
from marketsync_dagster.stages.extract import extract_outlets
from marketsync_dagster.stages.project import Project, open_project
from marketsync_dagster.stages.troubles import failures_now
from marketsync_dagster_tests.ledgers import copy_tables

HEADER = "Code,Item,Price,Cost,Qty"


class Shop:
    """A project of one outlet and no channel; `day` writes its next extract and reads it."""

    def __init__(self, folder: Path, **extract: Any) -> None:
        self.folder = folder
        self.said = {"path": "extracts", "settle_s": 0, **extract}
        self.days = 0
        self.opened: list[Project] = []

    def configure(self, **extract: Any) -> Project:
        """The project, with these settings of its extracts too."""
        self.said |= extract
        outlet = {"name": "Main", "extract": self.said}
        document = {"version": 1, "outlets": {"main": outlet}}
        (self.folder / "marketsync.yaml").write_text(yaml.safe_dump(document))
        settings = load_settings(self.folder / "marketsync.yaml")
        self.opened.append(open_project(settings=settings, user="ada"))
        return self.opened[-1]

    def day(self, lines: list[str], header: str = HEADER) -> Project:
        """The project after the next extract."""
        self.days += 1
        path = self.folder / "extracts" / f"main_2026-01-{self.days:02}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join([header, *lines]) + "\n")
        os.utime(path, (1.76e9 + self.days, 1.76e9 + self.days))
        project = self.configure()
        for stage in (extract_outlets, build_catalogs):
            (result,) = stage(project, ["main"])
            assert result.ok, result.reason
        return project


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    copy_tables(monkeypatch)
    monkeypatch.setenv("MARKETSYNC_HOME", str(tmp_path / ".marketsync"))
    monkeypatch.delenv("MARKETSYNC_DATABASE_URL", raising=False)
    shop = Shop(tmp_path)
    yield shop
    for project in shop.opened:
        project.ledger.close()


def goods(count: int = 60, *, exchanged: bool = False) -> list[str]:
    """Lines of HEADER; the cost is seven tenths of the price."""
    lines: list[str] = []
    for number in range(count):
        price, cost = 100 + 7 * number, 70 + 4.9 * number
        first, second = (cost, price) if exchanged else (price, cost)
        lines.append(f"{number:05},Thing {number} 6x330ml,{first:.2f},{second:.2f},{number + 3}")
    return lines


def kept(project: Project) -> dict[str, Any]:
    """The details of the last accepted extract."""
    record = latest_accepted(project.ledger, "main")
    assert record is not None
    return json.loads(record.details)


def test_the_first_extract_has_a_profile_and_nothing_to_differ_from(shop: Shop) -> None:
    project = shop.day(goods())
    details = kept(project)
    assert details["profile"]["columns"]["price"]["median"] == "303"
    assert (details["drift"], details["drift_since"]) == ([], "")
    assert differences(project, "main") == {}


def test_what_differs_is_kept_and_shown_until_the_next_extract(shop: Shop) -> None:
    first = latest_accepted(shop.day(goods()).ledger, "main")
    assert first is not None
    project = shop.day(goods(exchanged=True))
    (change,) = kept(project)["drift"]
    assert (change["change"], change["column"]) == ("columns_exchanged", "Price / Cost")
    for _ in range(2):
        facts = differences(project, "main")
        assert (facts["drift_changes"], facts["drift_since"]) == (1, first.id)
        (row,) = facts["drift"].records
        assert row.data == change
        (again,) = extract_outlets(project, ["main"])
        assert again.state == "unchanged"
    project = shop.day([*goods(exchanged=True), "99999,One more,5.00,4.00,1"])
    assert differences(project, "main")["drift_changes"] == 0
    assert "drift" not in differences(project, "main")


def test_somebody_is_told_of_a_price_and_a_cost_that_are_exchanged_until_it_is_over(
    shop: Shop,
) -> None:
    kinds: list[list[str]] = []
    for count, exchanged in ((60, False), (60, True), (61, True), (62, True)):
        project = shop.day(goods(count, exchanged=exchanged))
        kinds.append([trouble.kind for trouble in failures_now(project, [])])
        # a run that finds nothing new says it still
        (again,) = extract_outlets(project, ["main"])
        assert again.state == "unchanged"
        assert ("exchanged" in again.reason) == bool(kinds[-1])
    assert kinds == [[], ["extract_changed"], [], []]


def test_each_of_several_change_files_is_compared_with_the_one_before_it(shop: Shop) -> None:
    shop.configure(coverage="delta")
    shop.day(goods())
    folder = shop.folder / "extracts"
    for name, header in (("02", HEADER + ",Shelf"), ("03", HEADER + ",Colour")):
        text = "\n".join([header, *(f"{line},x{name}" for line in goods(30))]) + "\n"
        (folder / f"main_2026-01-{name}.csv").write_text(text)
    project = shop.configure()
    (result,) = extract_outlets(project, ["main"])
    assert result.ok
    told = [change["words"] for change in kept(project)["drift"]]
    assert told == ["the column 'Shelf' has vanished", "the column 'Colour' is new"]


def test_an_extract_of_an_older_version_without_a_profile_is_nothing_to_compare_with(
    shop: Shop,
) -> None:
    project = shop.day(goods())
    with project.ledger.begin() as connection:
        connection.exec_driver_sql("UPDATE extract SET details = '{}'")
    project = shop.day(goods(exchanged=True))
    assert kept(project)["drift"] == []
    assert differences(project, "main") == {}


def test_a_refused_extract_keeps_what_it_looked_like_and_is_not_compared_with(shop: Shop) -> None:
    shop.day(goods())
    lines = [f"{number:05},Thing,n/a,n/a,few" for number in range(60)]
    with pytest.raises(AssertionError, match="none of 60 records"):
        shop.day(lines)
    project = shop.opened[-1]
    refused = max((shop.folder / "extracts").iterdir()).read_bytes()
    record = find_extract(project.ledger, "main", hashlib.sha256(refused).hexdigest())
    assert record is not None
    changes = {change["change"] for change in json.loads(record.details)["drift"]}
    assert "became_text" in changes
    project = shop.day(goods(61))
    assert kept(project)["drift"] == []


def test_a_catalog_that_was_stored_without_sizes_gets_them_with_the_next_change_file(
    shop: Shop,
) -> None:
    shop.configure(coverage="delta")
    project = shop.day(goods(3))
    stamp = project.frames.stamp(CATALOG_KEY, "main")
    assert stamp is not None
    older = project.frames.read(CATALOG_KEY, "main").drop(columns=list(SIZE_COLUMNS))
    project.frames.write(CATALOG_KEY, "main", older, inputs=stamp.inputs)
    project = shop.day(["00001,Thing 1 1 kg,5.00,4.00,1"])
    catalog = project.frames.read(CATALOG_KEY, "main").set_index("sku")
    assert catalog["pack_count"].to_dict() == {"00000": 6, "00001": 1, "00002": 6}
    assert catalog["pack_size"].to_dict() == {"00000": "330", "00001": "1000", "00002": "330"}
    assert catalog["pack_unit"].to_dict() == {"00000": "ml", "00001": "g", "00002": "ml"}


def test_rows_that_were_kept_without_sizes_get_them_too(shop: Shop) -> None:
    shop.configure(gone_after=1)
    project = shop.day(goods(3))
    stamp = project.frames.stamp(CATALOG_KEY, "main")
    assert stamp is not None
    older = project.frames.read(CATALOG_KEY, "main").drop(columns=list(SIZE_COLUMNS))
    project.frames.write(CATALOG_KEY, "main", older, inputs=stamp.inputs)
    project = shop.day(goods(2))
    catalog = project.frames.read(CATALOG_KEY, "main")
    assert catalog["pack_size"].tolist() == ["330"] * 3
    assert catalog["active"].tolist() == [True, True, False]


def test_brands_that_are_declared_later_are_found_without_a_new_extract(shop: Shop) -> None:
    project = shop.day(goods(2))
    assert project.frames.read(CATALOG_KEY, "main")["brand"].isna().all()
    project = shop.configure(brands=["thing"])
    (result,) = build_catalogs(project, ["main"])
    assert result.state == "done"
    assert project.frames.read(CATALOG_KEY, "main")["brand"].tolist() == ["thing", "thing"]
    (again,) = build_catalogs(project, ["main"])
    assert again.state == "unchanged"
