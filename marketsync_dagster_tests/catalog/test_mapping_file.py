"""The maintained mapping file: read with lines named, edited without touching other lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsync_dagster.catalog import mapping_edit
from marketsync_dagster.catalog.files import write_atomically
from marketsync_dagster.catalog.mapping_edit import import_mappings, set_mapping, unset_mapping
from marketsync_dagster.catalog.mapping_file import MappingRow, parse, read_mapping_file
from marketsync_dagster.values.errors import MappingError

HEADER = "sku,platform_id,platform_sku,name\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tracker.csv"


def fails(file: Path, content: str | bytes) -> str:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(MappingError) as caught:
        read_mapping_file(file)
    return caught.value.message


def test_rows_have_their_physical_line(file: Path) -> None:
    file.write_text(HEADER + '# milk\n\n007,prod_1,M-7,Milk\n8,prod_2,,"Two\nlines"\n"#9",prod_3\n')
    assert read_mapping_file(file) == [
        MappingRow("007", "prod_1", "M-7", "Milk", 4),
        MappingRow("8", "prod_2", "", "Two\nlines", 5),
        MappingRow("#9", "prod_3", "", "", 7),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_line_ends_a_byte_order_mark_and_another_order_of_columns_are_fine(
    file: Path, end: str, bom: str
) -> None:
    text = f"{bom}Platform_ID, sku ,shelf\nprod_1, 007 ,3\n".replace("\n", end)
    file.write_bytes(text.encode())
    assert read_mapping_file(file) == [MappingRow("007", "prod_1", "", "", 2)]


def test_a_sku_with_two_ids_names_both_lines(file: Path) -> None:
    said = fails(file, HEADER + "A,1,,\nB,2,,\nA,3,,\n")
    assert said == f"{file}:4: SKU 'A' is given platform_id '3', but '1' already, line 2"


def test_an_id_with_two_skus_names_both_lines(file: Path) -> None:
    said = fails(file, HEADER + "A,1,,\nB,1,,\n")
    assert said == f"{file}:3: platform_id '1' is given to SKU 'B', but to SKU 'A' already, line 2"


def test_a_row_that_contradicts_two_others_names_all_lines(file: Path) -> None:
    said = fails(file, HEADER + "A,1,,\nB,2,,\nA,2,,\n").splitlines()
    assert [line.rsplit("line ", 1)[1] for line in said] == ["2", "3"]


def test_exact_repeats_are_tolerated_and_names_do_not_count(file: Path) -> None:
    file.write_text(HEADER + "A,1,x,Milk\nA,1,x,milk 1 l\n")
    assert [row.line for row in read_mapping_file(file)] == [2]


BAD = {
    "empty": ("", "the file has no header"),
    "only comments": ("# nothing\n\n", "the file has no header"),
    "no id column": ("sku,name\nA,B\n", ":1: missing column platform_id; the header is 'sku,name'"),
    "semicolons": ("sku;platform_id\nA;1\n", ":1: missing column sku and platform_id"),
    "column twice": ("sku,platform_id,sku\n", ":1: column sku is there twice"),
    "damaged sku": (HEADER + "9.34096E+12,1,,\n", ":2: sku '9.34096E+12' was damaged by a spread"),
    "damaged sku, comma": (HEADER + '"9,3E+12",1,,\n', ":2: sku '9,3E+12' was damaged"),
    "damaged id": (HEADER + "A,1e+5,,\n", ":2: platform_id '1e+5' was damaged"),
    "decimal id": (HEADER + "A,123.0,,\n", ":2: platform_id '123.0' was damaged"),
    "apostrophe": (HEADER + "'007,1,,\n", ':2: sku "\'007" was damaged'),
    "damaged platform_sku": (HEADER + "A,1,4.0,\n", ":2: platform_sku '4.0' was damaged"),
    "no sku": (HEADER + ",1,,\n", ":2: sku is empty"),
    "no id": (HEADER + "A, ,,\n", ":2: platform_id is empty"),
    "short": (HEADER + "A\n", ":2: platform_id is empty"),
    "long": (HEADER + "A,1,,Milk, fresh\n", ":2: expected 4 fields, got 5"),
    "control": (HEADER + "A\x1b[2J,1,,\n", ":2: sku 'A\\x1b[2J' contains control characters"),
    "NUL": (HEADER + "A\x00,1,,\n", "contains control characters"),
    "quote open": (HEADER + 'A,1,,"Milk\nB,2,,\n', ":2: not CSV"),
    "platform_sku differs": (HEADER + "A,1,x,\nA,1,y,\n", ":3: SKU 'A' is given platform_sku 'y'"),
    "Latin-1": (HEADER.encode() + b"A,1,,M\xe4rz\n", ":2: byte 0xe4 is not UTF-8"),
    "UTF-16": (HEADER.encode("utf-16"), ":1: byte 0xff is not UTF-8"),
}


@pytest.mark.parametrize(("content", "said"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_named_with_its_line(file: Path, content: str | bytes, said: str) -> None:
    message = fails(file, content)
    assert message.startswith(str(file))
    assert said in message


def test_all_problems_are_named_at_once_and_many_are_counted(file: Path) -> None:
    said = fails(file, HEADER + ",1,,\n" * 30).splitlines()
    assert len(said) == 21
    assert said[-1] == "and 10 more"


def test_a_missing_file_says_how_to_begin(file: Path) -> None:
    with pytest.raises(MappingError) as caught:
        read_mapping_file(file)
    assert "does not exist" in caught.value.message
    assert "marketsync mapping set" in caught.value.next_step


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_rows_or_one_error(data: bytes) -> None:
    try:
        text = parse(Path("m.csv"), data)
    except MappingError:
        return
    assert "".join(text.lines).encode() == data


# ---- edits

KEPT = (
    "\ufeff# ours\r\nname,sku,platform_id,platform_sku,shelf\r\n"
    "\r\nMilk,A,1,a,3\r\n# b:\r\nB,B,2,,4"
)


def test_set_adds_a_row_and_leaves_every_other_byte(file: Path) -> None:
    file.write_bytes(KEPT.encode())
    change = set_mapping(file, "C", "3", name='Tea, "green"')
    assert change.action == "added"
    assert file.read_bytes().decode() == KEPT + '\r\n"Tea, ""green""",C,3,,\r\n'


@pytest.mark.parametrize("name", ["two\nlines", "a\rb", 'say "x"', "a,b", "# no", "=1"])
def test_any_name_is_read_as_it_was_set(file: Path, name: str) -> None:
    set_mapping(file, "A", "1", name=name)
    set_mapping(file, "#B", "2", name=name)
    assert [(row.sku, row.name) for row in read_mapping_file(file)] == [("A", name), ("#B", name)]


def test_set_changes_a_row_in_its_place(file: Path) -> None:
    file.write_bytes(KEPT.encode())
    change = set_mapping(file, "A", "9")
    assert change.action == "changed"
    assert change.before == MappingRow("A", "1", "a", "Milk", 4)
    assert file.read_bytes().decode() == KEPT.replace("Milk,A,1,a,3", "Milk,A,9,,3")


def test_set_to_what_is_there_changes_nothing(file: Path) -> None:
    file.write_bytes(KEPT.encode())
    assert set_mapping(file, "A", "1").action == "unchanged"
    assert file.read_bytes().decode() == KEPT


def test_set_to_an_id_of_another_sku_names_the_line(file: Path) -> None:
    file.write_bytes(KEPT.encode())
    with pytest.raises(MappingError, match=r":6: platform_id '2' belongs to SKU 'B'"):
        set_mapping(file, "A", "2")
    assert file.read_bytes().decode() == KEPT


def test_set_makes_the_file_and_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "mappings" / "new.csv"
    set_mapping(file, "007", "1", platform_sku="x", name="Milk")
    assert file.read_text() == HEADER + "007,1,x,Milk\n"


@pytest.mark.parametrize(
    ("sku", "platform_id"), [("", "1"), ("A", " "), ("9.3E+12", "1"), ("A", "1\n2"), ("A\x00", "1")]
)
def test_set_refuses_what_reading_would_refuse(file: Path, sku: str, platform_id: str) -> None:
    with pytest.raises(MappingError):
        set_mapping(file, sku, platform_id)
    assert not file.exists()


def test_set_mends_a_sku_that_has_two_ids(file: Path) -> None:
    file.write_text(HEADER + "A,1,,\nB,2,,\nA,3,,\n")
    set_mapping(file, "A", "3")
    assert file.read_text() == HEADER + "A,3,,\nB,2,,\n"


def test_unset_removes_a_sku_and_all_its_lines(file: Path) -> None:
    file.write_text(HEADER + 'A,1,,"Two\nlines"\nB,2,,\nA,3,,\n# end')
    assert unset_mapping(file, "A").action == "removed"
    assert file.read_text() == HEADER + "B,2,,\n# end"


def test_unset_of_an_unknown_sku_names_close_ones(file: Path) -> None:
    file.write_text(HEADER + "MILK-1,1,,\n")
    with pytest.raises(MappingError) as caught:
        unset_mapping(file, "MILK-2")
    assert "MILK-1" in caught.value.next_step


def test_import_adds_what_is_new(file: Path, tmp_path: Path) -> None:
    file.write_text(HEADER + "A,1,,\n")
    other = tmp_path / "other.csv"
    other.write_text("platform_id,sku\n1,A\n2,B\n3,C\n")
    report = import_mappings(file, other)
    assert (report.added, report.unchanged) == (2, 1)
    assert file.read_text() == HEADER + "A,1,,\nB,2,,\nC,3,,\n"


def test_import_with_a_conflict_changes_nothing_and_names_both_lines(
    file: Path, tmp_path: Path
) -> None:
    file.write_text(HEADER + "A,1,,\nB,2,,\n")
    other = tmp_path / "other.csv"
    other.write_text(HEADER + "N,9,,\nA,7,,\nC,2,,\n")
    with pytest.raises(MappingError) as caught:
        import_mappings(file, other)
    first, second = caught.value.message.splitlines()
    assert first.startswith(f"{other}:3: SKU 'A'")
    assert first.endswith(f"{file}:2")
    assert second.startswith(f"{other}:4: platform_id '2'")
    assert second.endswith(f"{file}:3")
    assert file.read_text() == HEADER + "A,1,,\nB,2,,\n"


def test_an_edit_does_not_undo_another_one_made_meanwhile(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(HEADER + "A,1,,\n")
    parse_then_other = mapping_edit.parse

    def parse_slowly(path: Path, data: bytes):
        parsed = parse_then_other(path, data)
        path.write_text(HEADER + "A,1,,\nZ,9,,\n")
        return parsed

    monkeypatch.setattr(mapping_edit, "parse", parse_slowly)
    with pytest.raises(MappingError, match="changed while it was edited"):
        set_mapping(file, "B", "2")
    assert "Z,9" in file.read_text()


def test_a_written_file_keeps_its_permissions_and_its_symbolic_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.csv", tmp_path / "link.csv"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert real.stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.csv", "real.csv"]


words = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=6)


@given(st.dictionaries(words, words, max_size=8))
def test_what_is_set_is_read(tmp_path_factory: pytest.TempPathFactory, pairs) -> None:
    file = tmp_path_factory.mktemp("m") / "m.csv"
    expected: dict[str, str] = {}
    for sku, platform_id in pairs.items():
        try:
            set_mapping(file, sku, platform_id)
        except MappingError:  # an id given twice, or something that looks damaged
            continue
        expected[sku] = platform_id
    got = read_mapping_file(file) if file.exists() else []
    assert {row.sku: row.platform_id for row in got} == expected
