"""What is told of a file before anything is configured: formats, archives, outlets, rejects."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.pos import check, quarantine
from marketsync_dagster.pos.check import how_read, read, report
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.values.errors import ExtractError

PRESETS = Path(__file__).parents[2] / "examples" / "presets"
GOOD = "sku,name,price,stock\n001,Tea,2.50,4\n002,Rice,3,0\n"
OUTLETS = "sku,name,Price [Main Street],Price [Airport]\n001,Tea,2.50,4\n002,Rice,,x\n"
BRANCHES = "sku,name,branch,price\n1,Tea,North,5\n1,Tea,South,6\n2,Rice,South,x\n"


def packed(tmp_path: Path, **members: str) -> Path:
    """A ZIP; `__` in a name is its point."""
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "."), text)
    return path


def seen(path: Path, **spec: Any) -> dict[str, Any]:
    """The report, as JSON would give it again."""
    return json.loads(json.dumps(report(read(path, ExtractSpec(**spec)))))


def workbook() -> bytes:
    import xlsxwriter

    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer) as book:
        sheet = book.add_worksheet("Items")
        for row, cells in enumerate([("sku", "name", "price"), ("001", "Tea", 2.5)]):
            sheet.write_row(row, 0, cells)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.csv", GOOD.encode("utf-16"), "read as utf-16, delimiter ,;"),
        ("a.xlsx", workbook(), "read as a spreadsheet (XLSX);"),
        ("a.csv", b"<r><i><sku>1</sku><price>2</price></i><i><sku>2</sku><price>3</price></i></r>",
         "read as XML in utf-8;"),
        ("a.gz", b'[{"sku": "001", "price": 2.5}, {"sku": "002", "price": 3}]',
         "read as JSON in utf-8;"),
        ("a.txt", b'{"sku": "001", "price": 2.5}\n{"sku": "002", "price": 3}\n',
         "read as JSON lines in utf-8;"),
    ],
    ids=["CSV", "XLSX", "XML", "JSON", "JSON lines"],
)  # fmt: skip
def test_a_file_is_read_as_what_its_bytes_are(
    name: str, data: bytes, said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    (part,) = read(tmp_path / name, ExtractSpec())
    assert part.extract is not None
    assert how_read(part.extract)[0].startswith(said)
    assert part.extract.accepted == part.extract.records


def test_each_member_of_an_archive_is_told_on_its_own(tmp_path: Path) -> None:
    path = packed(tmp_path, b__csv=GOOD, a__csv="sku;price\n1;x\n2;3\n", readme__txt="hello\n")
    found = seen(path)
    assert (found["rows"], found["accepted"], found["rejected"]) == (4, 3, 1)
    assert found["reasons"] == {"bad_price": 1}
    assert found["rejects"][0]["file"] == "all.zip/a.csv"
    assert [part["file"] for part in found["parts"]] == [
        "all.zip/a.csv", "all.zip/b.csv", "all.zip/readme.txt",
    ]  # fmt: skip
    assert [part.get("rows") for part in found["parts"]] == [2, 2, None]
    assert found["parts"][2]["refused"]["code"] == "no_sku_column"


@pytest.mark.parametrize("text", [OUTLETS, BRANCHES], ids=["columns", "rows"])
def test_outlets_of_a_file_are_listed_where_it_must_be_said_which_one(
    text: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    (part,) = read(path, ExtractSpec())
    assert part.refusal is not None
    assert part.refusal.code == "many_outlets"
    assert len(part.outlets) == 2
    for key in part.outlets:
        (one,) = read(path, ExtractSpec(keys=(key.upper(),)))
        assert one.outlet == key
        assert one.extract is not None
        assert one.extract.accepted > 0


STORE = (
    "<Root><ChainId>7299999999993</ChainId><StoreId>{}</StoreId><Items Count='1'><Item>"
    "<ItemCode>1</ItemCode><ItemName>Tea</ItemName><ItemPrice>2.50</ItemPrice></Item></Items></Root>"
)


def stores(tmp_path: Path) -> Path:
    """An archive with the full price lists of two stores, and what changed in one of them."""
    names = {"Full_001": "001", "Full_002": "002", "_001": "001"}
    members = {
        f"Price{name.replace('_', '7299999999993-')}-202611200300__xml": STORE.format(number)
        for name, number in names.items()
    }
    return packed(tmp_path, **members)


def test_documents_of_an_archive_are_told_apart_by_what_their_names_say(tmp_path: Path) -> None:
    path = stores(tmp_path)
    found = read(path, ExtractSpec(preset="il_prices", currency="ILS"))
    said = [(part.outlet, part.extract.coverage if part.extract else None) for part in found]
    assert sorted(said) == [("001", "delta"), ("001", "full"), ("002", "full")]
    one = read(path, ExtractSpec(preset="il_prices", currency="ILS", keys=("001",)))
    assert [part.extract.records for part in one if part.extract] == [1, 1]
    with pytest.raises(ExtractError, match="nothing is of the outlet '003'") as caught:
        read(path, ExtractSpec(preset="il_prices", currency="ILS", keys=("003",)))
    assert caught.value.code == "not_in_file"
    assert "'001', '002'" in caught.value.message


def test_promotions_of_another_outlet_are_not_taken_for_this_one(tmp_path: Path) -> None:
    promotions = (
        "<Root><ChainId>7299999999993</ChainId><StoreId>002</StoreId><Promotions><Promotion>"
        "<PromotionId>1</PromotionId><DiscountedPrice>1.00</DiscountedPrice><MinQty>1</MinQty>"
        "<PromotionItems><Item><ItemCode>1</ItemCode></Item></PromotionItems></Promotion>"
        "</Promotions></Root>"
    )
    members = {
        "PriceFull7299999999993-001-202611200300__xml": STORE.format("001"),
        "PromoFull7299999999993-002-202611200300__xml": promotions,
    }
    path = packed(tmp_path, **members)
    prices, other = read(path, ExtractSpec(preset="il_prices", currency="ILS"))
    assert prices.extract is not None
    assert len(prices.extract.documents) == 1
    assert prices.extract.frame["promo_price_minor"].isna().all()
    assert other.refusal is not None
    assert other.refusal.code == "no_products"


def test_documents_of_one_outlet_are_one_extract(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("products_export.csv", "inventory_export.csv"):
            archive.write(PRESETS / "shopify" / name, name)
    (unsaid,) = read(path, ExtractSpec(preset="shopify"))
    assert unsaid.refusal is not None
    assert unsaid.refusal.code == "many_outlets"
    assert unsaid.outlets == ("Lake Road", "Hill Street")
    (part,) = read(path, ExtractSpec(preset="shopify", keys=("lake_road",)))
    assert part.extract is not None
    assert part.outlet == "Lake Road"
    assert [one.member for one in part.extract.documents] == [
        "products_export.csv", "inventory_export.csv",
    ]  # fmt: skip
    assert "made of export.zip/products_export.csv, export.zip/inventory_export.csv" in how_read(
        part.extract, part.preset
    )


def test_an_outlet_that_is_not_in_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(BRANCHES)
    (part,) = read(path, ExtractSpec(keys=("West",)))
    assert part.refusal is not None
    assert part.refusal.code == "not_in_file"
    assert "'North', 'South'" in part.refusal.message


def test_a_file_of_one_document_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("nothing,here\n1,2\n")
    (part,) = read(path, ExtractSpec())
    assert part.refusal is not None
    assert part.refusal.code == "no_sku_column"
    path.write_bytes(b"%PDF-1.7\n")
    with pytest.raises(ExtractError, match="is a PDF document"):
        read(path, ExtractSpec())


def test_of_many_rejects_some_of_each_reason_are_listed_and_all_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "MOST", 6)
    monkeypatch.setattr(quarantine, "VALUES_KEPT", 5)
    path = tmp_path / "x.csv"
    rows = "".join(f"A{number},x{number}\n" for number in range(50))
    path.write_text(f"sku,price\n{rows},1\nB,-1\nC,2\n")
    found = seen(path)
    assert (found["rejected"], len(found["rejects"]), found["rejects_left_out"]) == (52, 4, 48)
    assert found["reasons"] == {"bad_price": 50, "missing_sku": 1, "negative_price": 1}
    assert [(one["line"], one["reason"]) for one in found["rejects"]] == [
        (2, "bad_price"), (3, "bad_price"), (52, "missing_sku"), (53, "negative_price"),
    ]  # fmt: skip


@pytest.mark.parametrize(("coverage", "code"), [("delta", None), ("full", "header_only")])
def test_an_empty_delta_is_no_error_and_an_empty_full_extract_is(
    coverage: str, code: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    path.write_text("sku,price\n")
    spec = ExtractSpec(coverage="delta" if coverage == "delta" else "full")
    (part,) = read(path, spec, coverage=coverage)
    assert (part.refusal.code if part.refusal else None) == code
    assert report([part])["rows"] == 0
    assert part.extract is None


WEIGHED = (
    "Branch,sku,name,selling_price,promo_price,promo_from,promo_to,currency,stock,by weight,x\n"
    "28,A1,Tea,10.50,8.50,2026-11-01,2026-11-30,KES,4,no,b\n28,A2,Rice,11.50,,,,USD,4,no,b\n"
    "28,A3,Figs,11.50,,,,,4,yes,b\n29,A4,Figs,11.50,,,,,4,yes,b\n"
)


def test_the_columns_that_are_offered_read_what_was_read_without_them(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(WEIGHED)
    (part,) = read(path, ExtractSpec(keys=("28",)))
    assert part.extract is not None
    offered = next(line for line in how_read(part.extract, part.preset) if "--columns" in line)
    words = offered.partition("--columns '")[2].rstrip("'").replace("HEADER", "x")
    columns = dict(one.split("=") for one in words.split(","))
    (again,) = read(path, ExtractSpec(keys=("28",), columns=columns))
    assert again.extract is not None
    assert again.extract.rejected == 2
    assert again.extract.rejects["reason"].tolist() == part.extract.rejects["reason"].tolist()
    prices = ["sku", "price_minor", "promo_price_minor", "promo_from", "promo_to", "currency"]
    assert again.extract.frame[prices].equals(part.extract.frame[prices])
    assert not [word for word in again.extract.warnings if "is not read" in word]


ODD_ROWS = "Branch,sku,price\n28,1,5\n,2,6\n29,3,7\n,4,8\n 28 ,5,8\n29,6\n,7\n"


@pytest.mark.parametrize(
    ("text", "keys", "others"),
    [
        (ODD_ROWS, ("28",), [(None, 3, 3), ("29", 2, 4)]),
        (ODD_ROWS, ("028", "29"), [("28", 2, 2), (None, 3, 3)]),
        (ODD_ROWS.replace("29", "28"), ("28",), [(None, 3, 3)]),
        (BRANCHES, ("north", "south"), []),
        (OUTLETS, ("Airport",), []),
        (GOOD, (), []),
    ],
)
def test_rows_of_no_outlet_and_of_others_are_told(
    text: str, keys: tuple[str, ...], others: list[tuple[str | None, int, int]], tmp_path: Path
) -> None:
    (tmp_path / "x.csv").write_text(text)
    found = seen(tmp_path / "x.csv", keys=keys)
    told = [(one["outlet"], one["rows"], one["line"]) for one in found["parts"][0]["passed_over"]]
    assert told == others
    assert found["passed_over"] == sum(rows for _, rows, _ in others)
    assert found["rows"] + found["passed_over"] == text.count("\n") - 1


def test_rows_without_an_outlet_beside_the_only_one_are_told(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(ODD_ROWS.replace("29", "28"))
    found = seen(path)
    assert (found["rows"], found["passed_over"]) == (7, 0)
    (words,) = (one for one in found["parts"][0]["warnings"] if "no outlet" in one)
    assert words.startswith("x.csv: 3 rows name no outlet, the first on line 3")


@pytest.mark.parametrize(
    ("data", "spec", "options"),
    [
        (GOOD.encode(), {"sheet": "A", "records": ("x",)}, ["sheet", "records"]),
        (GOOD.encode(), {"delimiter": ",", "encoding": "utf-8"}, []),
        (workbook(), {"sheet": "Items"}, []),
        (workbook(), {"delimiter": ";", "encoding": "utf-8"}, ["delimiter", "encoding"]),
        (b'[{"sku": "1", "price": 2}]', {"sheet": "A"}, ["sheet"]),
        (b'{"a": {"b": [{"sku": "1", "price": 2}]}}', {"records": ("a.b",)}, []),
    ],
    # a workbook carries the second at which it was made: no name that two processes share
    ids=["csv as sheet", "csv", "sheet", "sheet as csv", "json as sheet", "json"],
)  # fmt: skip
def test_an_option_that_a_file_cannot_have_is_told(
    data: bytes, spec: dict[str, Any], options: list[str], tmp_path: Path
) -> None:
    (tmp_path / "x").write_bytes(data)
    said = [one for one in seen(tmp_path / "x", **spec)["parts"][0]["warnings"] if "--" in one]
    assert [one.partition(" has no effect")[0] for one in said] == [f"--{one}" for one in options]


def test_a_table_of_stock_beside_products_is_told_with_them(tmp_path: Path) -> None:
    path = packed(tmp_path, products__csv="sku,name,price\n1,Tea,2\n", stock__csv="sku,qty\n1,5\n")
    (part,) = read(path, ExtractSpec())
    assert part.extract is not None
    assert part.extract.frame["quantity"].tolist() == [5]


def test_a_directory_is_no_extract_and_a_file_in_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(GOOD)
    with pytest.raises(ExtractError, match="is a directory") as caught:
        read(tmp_path, ExtractSpec())
    assert "x.csv" in caught.value.next_step
