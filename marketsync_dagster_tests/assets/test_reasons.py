"""The asset's page counts rejected rows by reason, each with an example and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketsync_dagster.assets.pos import top_reasons
from marketsync_dagster.stages.extract import extract_outlets
from marketsync_dagster.stages.project import open_project
from marketsync_dagster_tests.cli.conftest import CONFIG, EXTRACT
from marketsync_dagster_tests.ledgers import copy_tables


def test_rejected_rows_are_counted_by_reason_with_an_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_tables(monkeypatch)
    (tmp_path / "marketsync.yaml").write_text(CONFIG)
    for outlet, bad in (("main", "1004,Bad,,-3,1\n1005,Bad,,-4,1\n,Salt,,5,1\n7\n"), ("side", "")):
        folder = tmp_path / "extracts" / outlet
        folder.mkdir(parents=True)
        (folder / f"{outlet}_2026-11-20.csv").write_text(EXTRACT + bad)
        (tmp_path / "mappings").mkdir(exist_ok=True)
        (tmp_path / "mappings" / f"{outlet}.csv").write_text("sku,platform_id,platform_sku,name\n")
    project = open_project(tmp_path / "marketsync.yaml")
    try:
        extract_outlets(project, ["main", "side"])
        assert top_reasons(project, "side") == {}
        rows = [record.data for record in top_reasons(project, "main")["top_reasons"].records]
    finally:
        project.ledger.close()
    assert [(row["reason"], row["rows"]) for row in rows] == [
        ("negative_price", 2), ("missing_sku", 1), ("too_few_columns", 1),
    ]  # fmt: skip
    place = "main_2026-11-20.csv"
    assert [str(row["example"]).rpartition("/")[2] for row in rows] == [
        f"{place}:5: Price: -3", f"{place}:7: SKU: ", f"{place}:8: 7",
    ]  # fmt: skip
    assert rows[0]["next_step"] == "A price is above zero: correct it in the POS."
