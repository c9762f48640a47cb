"""What the commands say and write when they are used as they should be."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from marketsync_dagster_tests.cli.conftest import EXTRACT, MAPPING, Run

ROOT = Path(__file__).resolve().parents[2]


def test_init_writes_a_project_that_is_valid_and_never_overwrites(empty: Path, run: Run) -> None:
    (empty / "workspace.yaml").write_text("mine\n")
    (empty / ".gitignore").write_text("*.log")
    result = run("init")
    assert result.code == 0
    assert "kept as it was: workspace.yaml" in result.out
    assert (empty / "workspace.yaml").read_text() == "mine\n"
    ignored = (empty / ".gitignore").read_text().splitlines()
    assert ignored == ["*.log", ".marketsync/", ".dagster/", "extracts/", "*.key"]
    checked = run("config", "check", "--json")
    assert checked.code == 0
    report = json.loads(checked.out)
    assert report["ok"] is True
    assert report["errors"] == []
    assert all(warning["line"] > 0 for warning in report["warnings"])
    before = {path: path.read_bytes() for path in empty.rglob("*") if path.is_file()}
    assert run("init").code == 1
    assert {path: path.read_bytes() for path in empty.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["dagster.yaml", "workspace.yaml"])
def test_what_init_writes_for_dagster_is_what_the_checkout_uses(name: str) -> None:
    template = ROOT / "marketsync_dagster" / "cli" / "templates" / name
    assert template.read_text() == (ROOT / name).read_text()


def test_config_check_looks_at_files_and_folders(project: Path, run: Run) -> None:
    assert run("config", "check").code == 0
    shutil.rmtree(project / "extracts" / "side")
    (project / "mappings" / "main.csv").write_text(MAPPING + "1001,prod_2,,\n")
    (project / "mappings" / "side.csv").unlink()
    result = run("config", "check", "--json")
    assert result.code == 1
    errors = {error["path"]: error for error in json.loads(result.out)["errors"]}
    assert errors["outlets.side.extract.path"]["line"] == 4
    assert "main.csv:3" in errors["channels[0].mapping.file"]["message"]
    assert "expected a mapping file" in errors["channels[1].mapping.file"]["message"]
    text = run("config", "check")
    assert text.code == 1
    assert text.err.count("error: ") == 1


def test_config_check_looks_at_files_of_categories(project: Path, run: Run) -> None:
    config = project / "marketsync.yaml"
    shop = """  shop:
    platform: mirakl
    base_url: https://shop.example/api
    api_key: {env: SHOP_KEY}
    categories: categories.csv
"""
    config.write_text(config.read_text().replace("channels:", f"{shop}channels:"))

    def errors() -> list[str]:
        found = json.loads(run("config", "check", "--json").out)["errors"]
        assert {error["path"] for error in found} <= {"accounts.shop.categories"}
        return [error["message"] for error in found]

    (missing,) = errors()
    assert missing.startswith("expected a file of categories, got nothing at ")
    (project / "categories.csv").write_text("category,code\nTea,\nOil,O\n oil,P\n")
    assert [words.partition("categories.csv")[2] for words in errors()] == [
        ":2: code is empty",
        ":4: category 'oil' is there already, in line 3",
    ]
    (project / "categories.csv").write_text("category,code\nTea,T\n")
    assert errors() == []


def test_config_check_names_files_that_the_pattern_leaves_out(project: Path, run: Run) -> None:
    (extract,) = (project / "extracts" / "side").iterdir()
    extract.rename(extract.with_suffix(".txt"))
    result = run("config", "check")
    assert result.code == 0
    words = f"got none yet in extracts/side, only {extract.stem}.txt (see `pattern`)"
    assert words in result.err


@pytest.mark.parametrize(
    ("said", "path", "words"),
    [
        ("columns: {sku: sku, price: Prise}", "columns", "the closest is 'Price'"),
        ("time_pattern: other_%Y-%m-%d.csv", "time_pattern", "side.csv does not fit the pattern"),
    ],
)
def test_config_check_holds_the_columns_against_the_newest_file(
    said: str, path: str, words: str, project: Path, run: Run
) -> None:
    file = project / "marketsync.yaml"
    before = "{path: extracts/side}"
    file.write_text(file.read_text().replace(before, f"{{path: extracts/side, {said}}}"))
    result = run("config", "check", "--json")
    assert result.code == 1
    (error,) = json.loads(result.out)["errors"]
    assert (error["path"], error["line"]) == (f"outlets.side.extract.{path}", 4)
    assert words in error["message"]
    (project / "extracts" / "side" / "side.csv").write_text("")
    assert run("config", "check").code == (1 if path == "time_pattern" else 0)


def test_config_check_names_columns_that_change_prices_and_are_not_read(
    project: Path, run: Run
) -> None:
    file = project / "marketsync.yaml"
    said = "{path: extracts/side, columns: {sku: SKU, price: Price}}"
    file.write_text(file.read_text().replace("{path: extracts/side}", said))
    (project / "extracts" / "side" / "side.csv").write_text(
        "SKU,Price,Offer Price,Shelf\n1,2,1,x\n"
    )
    result = run("config", "check", "--json")
    assert result.code == 0
    (warning,) = (
        one for one in json.loads(result.out)["warnings"] if "is not read" in one["message"]
    )
    assert (warning["path"], warning["line"]) == ("outlets.side.extract.columns", 4)
    assert "side.csv: 'Offer Price' looks like promo_price" in warning["message"]
    file.write_text(
        file.read_text().replace("price: Price}", "price: Price, promo_price: Offer Price}")
    )
    assert "is not read" not in run("config", "check").out


@pytest.mark.parametrize(("products", "code"), [("SKU,Price", 0), ("SKU,Shelf", 1), ("SKU,Qty", 1)])
def test_config_check_takes_a_table_of_stock_only_beside_products(
    products: str, code: int, project: Path, run: Run
) -> None:
    file = project / "marketsync.yaml"
    said = '{path: extracts/side, pattern: ["side*.csv", "stock*.csv"]}'
    file.write_text(file.read_text().replace("{path: extracts/side}", said))
    (project / "extracts" / "side" / "side.csv").write_text(f"{products}\n1,2\n")
    (project / "extracts" / "side" / "stock.csv").write_text("SKU,Stock\n1,2\n")
    result = run("config", "check", "--json")
    assert result.code == code
    words = [error["message"] for error in json.loads(result.out)["errors"]]
    assert len(words) == code
    assert all("side.csv, line 1: no column holds the price" in one for one in words)


def test_a_push_of_an_outlet_that_is_not_on_the_platform_is_wrong_usage(
    project: Path, run: Run
) -> None:
    result = run("run", "push_pasons", "--outlet", "side")
    assert result.code == 64
    assert "outlet side has no channel on pasons" in result.err


def test_every_command_says_in_a_whole_line_what_it_is_for(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    commands = run("--help").out.partition("Commands:")[2]
    assert [line for line in commands.splitlines() if line.endswith("...")] == []


def test_check_extract_says_how_it_has_read_a_file(empty: Path, run: Run) -> None:
    text = "SKU|Description|Retail Price|Shelf\n1|Caf\u00e9|10|x\n"
    (empty / "x.txt").write_bytes(text.encode("utf-16"))
    assert run("check-extract", "x.txt").out.splitlines() == [
        "read as utf-16, delimiter |; columns sku=SKU, name=Description, price=Retail Price",
        "not read: Shelf",
        (
            "no column for barcode, stock; if there is one, say so: "
            "--columns 'sku=SKU,name=Description,price=Retail Price,barcode=HEADER'"
        ),
        "1 row = 1 accepted + 0 rejected + 0 duplicates",
    ]
    columns = "sku=SKU,price=Retail Price,name=Shelf"
    assert "name=Shelf" in run("check-extract", "x.txt", "--columns", columns).out
    (empty / "x.txt").write_bytes(text.encode("cp1252"))
    assert "is guessed" in run("check-extract", "x.txt").out


def test_check_extract_needs_no_configuration(empty: Path, run: Run) -> None:
    (empty / "x.csv").write_text(EXTRACT + "1004,Bad,,-3,1\n1001,Tomato Ketchup 500g,,,\n")
    (empty / "marketsync.yaml").write_text("broken: [")
    result = run("check-extract", "x.csv", "--json")
    assert result.code == 4
    report = json.loads(result.out)
    assert list(report)[:5] == ["rows", "accepted", "rejected", "duplicates", "rejects"]
    assert report["rows"] == report["accepted"] + report["rejected"] + report["duplicates"] == 5
    keys = ["file", "line", "column", "value", "reason", "next_step"]
    assert all(list(reject) == keys for reject in report["rejects"])
    assert "negative_price" in run("check-extract", "x.csv").out


@pytest.mark.parametrize("name", ["report.xlsx", "report.csv"])
def test_check_extract_writes_the_rejected_rows_to_a_file(name: str, empty: Path, run: Run) -> None:
    (empty / "x.csv").write_text(EXTRACT + "1004,Bad,,-3,1\n")
    result = run("check-extract", "x.csv", "--out", name, "--json")
    assert result.code == 4
    assert json.loads(result.out)["rejected"] == 1
    assert f"1 rejected row in {name}" in result.err
    assert (empty / name).read_bytes()[:2] == (b"PK" if name.endswith("xlsx") else b"\xef\xbb")
    assert run("check-extract", "x.csv", "--out", "x.csv").code == 64
    assert run("check-extract", "x.csv", "--out", "report.pdf").code == 64
    assert (empty / "x.csv").read_text().endswith("1004,Bad,,-3,1\n")


def test_check_extract_takes_named_columns(empty: Path, run: Run) -> None:
    (empty / "x.csv").write_text('Kode,"Jina, fupi",Bei\n1,Sukari,"1,600.00"\n')
    columns = r"sku=Kode,name=Jina\, fupi,price=Bei"
    result = run("check-extract", "x.csv", "--columns", columns, "--json")
    assert (result.code, json.loads(result.out)["accepted"]) == (0, 1)


def test_plan_says_what_would_be_sent_and_sends_nothing(project: Path, run: Run) -> None:
    held = run("plan", "--outlet", "main", "--platform", "tracker_ke", "--json")
    assert held.code == 3
    (channel,) = json.loads(held.out)["channels"]
    terms = ("unmapped", "held", "unchanged", "deselected", "to_send")
    assert sum(channel[term] for term in terms) == channel["catalog_rows"] == 3
    assert (channel["unmapped"], channel["held"]) == (2, 1)
    changes = run("plan", "--outlet", "side")
    assert changes.code == 2
    assert "side on tracker_ke (initial, partial): 3 catalog rows" in changes.out
    assert run("history", "--json").out == "[]\n"
    assert run("plans", "list", "--json").out == "[]\n"


def test_names_with_markup_are_shown_as_they_are(project: Path, run: Run) -> None:
    (project / "mappings" / "side.csv").write_text(MAPPING + "1002,prod_2,,\n")
    assert "[bold]Beans[/bold]" in run("plan", "--outlet", "side").out


def test_plan_exports_the_feed_as_the_file_for_an_upload_by_hand(project: Path, run: Run) -> None:
    result = run("plan", "--outlet", "side", "--export", "out/feeds")
    assert result.code == 2
    with (project / "out" / "feeds" / "side_tracker_ke.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows == [{"sku": "1001", "selling_price": "120.00", "stock_status": "in_stock"}]


def test_a_held_plan_is_listed_shown_and_approved(planned: str, run: Run) -> None:
    (listed,) = json.loads(run("plans", "list", "--state", "held", "--json").out)
    assert listed["plan_id"] == planned
    shown = run("plans", "show", planned)
    assert shown.code == 0
    assert f"marketsync approve {planned} --reason TEXT" in shown.out
    assert len(json.loads(run("plans", "show", planned[:-1], "--json").out)["rows"]) == 1
    done = run("approve", planned, "--reason", "checked", "--by", "Jane Doe", "--json")
    assert done.code == 0
    plan = json.loads(done.out)
    assert (plan["state"], plan["decided_by"], plan["decided_reason"]) == (
        *("approved", "Jane Doe"),
        "checked",
    )
    ahead = run("plan", "--outlet", "main", "--platform", "tracker_ke")
    push = "marketsync run push_tracker_ke --outlet main"
    assert ahead.code == 2
    assert f"{planned} is approved and goes out with the next push: {push}" in ahead.out
    assert "plans list" not in ahead.err
    again = run("approve", planned, "--reason", "checked")
    assert again.code == 1
    assert "nothing to approve" in again.err


def test_a_held_plan_is_rejected_in_the_name_of_who_is_logged_in(planned: str, run: Run) -> None:
    import getpass

    done = run("reject", planned, "--reason", "wrong file", "--json")
    assert done.code == 0
    assert json.loads(done.out)["decided_by"] == getpass.getuser()
    assert run("reject", planned, "--reason", "again").code == 1


def test_explain_goes_back_to_the_line_of_the_file(planned: str, run: Run) -> None:
    words = ["explain", "--outlet", "main", "--platform", "tracker_ke", "--sku", "1001"]
    story = json.loads(run(*words, "--json").out)
    assert story["source"]["line"] == 2
    assert story["source"]["file"].endswith("main_2026-11-20.csv")
    text = run(*words)
    assert text.code == 0
    assert "  line: 2" in text.out


def test_a_named_sku_that_cannot_go_out_is_told_why(planned: str, run: Run) -> None:
    ahead = ["plan", "--outlet", "main", "--platform", "tracker_ke"]
    result = run(*ahead, "--sku", "1002")
    assert "1002 of main on tracker_ke is not sent: unmapped: " in result.out
    (one,) = json.loads(run(*ahead, "--sku", "1002", "--json").out)["channels"][0]["not_sent"]
    assert one["next_step"]
    assert "is not sent" not in run(*ahead, "--sku", "1001").out


def test_mapping_is_set_listed_and_unset(project: Path, run: Run) -> None:
    file = project / "mappings" / "main.csv"
    account = ("--account", "tracker_main")
    done = run("mapping", "set", "1002", "prod_2", *account, "--json")
    assert done.code == 0
    assert json.loads(done.out)["action"] == "added"
    rows = json.loads(run("mapping", "list", *account, "--json").out)
    assert [(row["sku"], row["platform_id"], row["line"]) for row in rows] == [
        ("1001", "prod_1", 2),
        ("1002", "prod_2", 3),
    ]
    assert run("mapping", "unset", "1002", *account).code == 0
    assert file.read_text() == MAPPING
    assert run("mapping", "unset", "1002", *account).code == 64


def test_mapping_import_takes_all_rows_or_none(project: Path, run: Run) -> None:
    file = project / "mappings" / "main.csv"
    (project / "good.csv").write_text("sku,platform_id\n1001,prod_1\n1003,prod_3\n")
    (project / "bad.csv").write_text("sku,platform_id\n1002,prod_2\n1001,prod_9\n")
    assert run("mapping", "import", "bad.csv", "--outlet", "main").code == 1
    assert file.read_text() == MAPPING
    done = run("mapping", "import", "good.csv", "--outlet", "main", "--json")
    assert json.loads(done.out)["added"] == 1


def test_mapping_search_finds_unmapped_rows_whatever_the_case(planned: str, run: Run) -> None:
    for text in ("RICE", "kg rice", "1003"):
        found = json.loads(run("mapping", "search", text, "--outlet", "main", "--json").out)
        assert [row["sku"] for row in found["unmapped"]] == ["1003"], text
    listed = json.loads(run("mapping", "list", "--unmapped", "--outlet", "main", "--json").out)
    assert {row["sku"] for row in listed} == {"1002", "1003"}
    assert {row["next_step"] for row in listed} == {"marketsync run refresh_mappings"}


def test_mapping_search_finds_what_the_platform_lists(
    planned: str, project: Path, run: Run
) -> None:
    import pandas as pd

    from marketsync_dagster.catalog.schemas import PLATFORM_CATALOG, conform
    from marketsync_dagster.stages.mapping import platform_catalog_key
    from marketsync_dagster.stages.project import open_project

    columns = list(PLATFORM_CATALOG.columns)
    row = ["prod_7", None, "RICE basmati 1KG", "5901234123457", None, None]
    frame = conform(PLATFORM_CATALOG, pd.DataFrame([row], columns=columns))
    opened = open_project(project / "marketsync.yaml")
    key = platform_catalog_key("tracker_ke")
    opened.frames.write(key, "tracker_main", frame, inputs="", numbers={})
    opened.ledger.close()
    for text in ("PROD_7", "basmati rice", "5901234123457", "90123412"):
        found = json.loads(run("mapping", "search", text, "--outlet", "main", "--json").out)
        assert [product["platform_id"] for product in found["platform"]] == ["prod_7"], text
    warned = run("mapping", "set", "1003", "prod_8", "--outlet", "main")
    assert "prod_8 is not among what tracker_ke listed last" in warned.err


def test_connections_are_tested_with_masked_keys(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_MAIN_KEY", "pk_demo_canary_abcdef")
    result = run("connections", "test", "--account", "tracker_main", "--json")
    assert result.code == 1
    (tested,) = json.loads(result.out)
    assert (tested["account"], tested["ok"]) == ("tracker_main", False)
    assert "canary" not in result.out + result.err


def test_ledger_upgrade_says_where_the_ledger_stands(project: Path, run: Run) -> None:
    first = json.loads(run("ledger", "upgrade", "--json").out)
    assert first["before"] is None
    assert "up to date" in run("ledger", "upgrade").out


def _pasons_mapped(project: Path) -> None:
    """Main on Pasons, whose ids are the till's barcodes: one row has none."""
    from marketsync_dagster.stages.catalog import build_catalogs
    from marketsync_dagster.stages.extract import extract_outlets
    from marketsync_dagster.stages.mapping import map_outlets
    from marketsync_dagster.stages.project import open_project

    opened = open_project(project / "marketsync.yaml")
    try:
        extract_outlets(opened, ["main"])
        build_catalogs(opened, ["main"])
        map_outlets(opened, "pasons", ["main"])
    finally:
        opened.ledger.close()


def test_rows_without_an_id_are_listed_for_an_account_without_a_mapping_file(
    project: Path, run: Run
) -> None:
    _pasons_mapped(project)
    result = run("mapping", "list", "--unmapped", "--account", "pasons_main", "--json")
    assert result.code == 0
    (row,) = json.loads(result.out)
    assert (row["outlet"], row["sku"], row["platform"]) == ("main", "1003", "pasons")
    assert row["reason"] == "the till has no barcode to use as pasons's id"
    assert row["next_step"] == "give the product a barcode of its own in the POS"
    text = run("mapping", "list", "--unmapped", "--account", "pasons_main")
    assert text.out.count("next: ") == 1
    assert "next: give the product a barcode of its own in the POS" in text.out
    none = run("mapping", "list", "--account", "pasons_main")
    assert (none.code, "has no mapping file" in none.err) == (1, True)
    assert "mapping list --unmapped --account pasons_main" in none.err


def test_rows_without_an_id_of_an_outlet_are_those_of_all_its_accounts(
    planned: str, project: Path, run: Run
) -> None:
    _pasons_mapped(project)
    result = run("mapping", "list", "--unmapped", "--outlet", "main", "--json")
    found = [(row["platform"], row["sku"]) for row in json.loads(result.out)]
    assert found == [("tracker_ke", "1002"), ("tracker_ke", "1003"), ("pasons", "1003")]
