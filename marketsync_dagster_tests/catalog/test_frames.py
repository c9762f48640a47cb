"""Frames come back exactly as they were written, or not at all."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from marketsync_dagster.catalog.frames import IN_MEMORY, ROW_GROUP, FrameStore
from marketsync_dagster.values.errors import MarketSyncError

KEY = ("pos", "catalog")


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sku": pd.Series(["007", "008", "009"], dtype="str"),
            "name": pd.Series(["Ö", None, ""], dtype="str"),
            "blank": pd.Series([None, None, None], dtype="str"),
            "quantity": pd.array([2**60 + 1, None, -3], dtype="Int64"),
            "price_minor": np.array([1, 2, 2**62 + 1], dtype="int64"),
            "active": np.array([True, False, True]),
        }
    )


@pytest.fixture
def store(tmp_path: Path) -> FrameStore:
    return FrameStore(tmp_path)


@pytest.fixture
def later(tmp_path: Path) -> FrameStore:
    """The same folder as a later process opens it."""
    return FrameStore(tmp_path)


def test_a_frame_comes_back_with_the_same_values_and_dtypes(
    store: FrameStore, later: FrameStore
) -> None:
    store.write(KEY, "westlands", frame(), inputs="abc")
    pd.testing.assert_frame_equal(later.read(KEY, "westlands"), frame(), check_exact=True)


def test_a_frame_without_rows_keeps_its_dtypes(store: FrameStore, later: FrameStore) -> None:
    store.write(KEY, "westlands", frame().head(0), inputs="abc")
    pd.testing.assert_frame_equal(later.read(KEY, "westlands"), frame().head(0))


@pytest.mark.parametrize("sorted_", [True, False])
def test_the_rows_of_one_sku_are_found_without_reading_the_others(
    store: FrameStore, sorted_: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    skus = [f"{number:05d}" for number in range(3 * ROW_GROUP)]
    places = np.arange(len(skus)) if sorted_ else np.random.default_rng(7).permutation(len(skus))
    many = pd.DataFrame({"sku": pd.Series(skus, dtype="str").iloc[places], "line": places})
    many["note"] = pd.Series([None] * len(skus), dtype="str")
    store.write(KEY, "westlands", many, inputs="abc")
    read: list[tuple[int, bool]] = []
    real = pq.ParquetFile.read_row_group

    def counted(
        file: pq.ParquetFile, group: int, columns: list[str] | None = None, **options: bool
    ) -> pa.Table:
        read.append((group, columns is None))
        return real(file, group, columns, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    for sku in (0, ROW_GROUP, len(skus) - 1):
        read.clear()
        expected = [{"sku": f"{sku:05d}", "line": sku, "note": None}]
        assert store.rows_of(KEY, "westlands", f"{sku:05d}") == expected
        assert [whole for _, whole in read].count(True) == 1
        assert not sorted_ or {group for group, _ in read} == {sku // ROW_GROUP}
    assert store.rows_of(KEY, "westlands", "none") == []
    with pytest.raises(MarketSyncError, match="there is no pos/catalog of kisumu"):
        store.rows_of(KEY, "kisumu", "00000")


def test_the_index_is_not_kept(store: FrameStore, later: FrameStore) -> None:
    store.write(KEY, "westlands", frame().iloc[[2, 0]], inputs="abc")
    assert later.read(KEY, "westlands").index.tolist() == [0, 1]


def test_a_frame_is_read_from_the_disk_once(
    store: FrameStore, later: FrameStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(KEY, "westlands", frame(), inputs="abc")
    later.read(KEY, "westlands")
    monkeypatch.setattr(FrameStore, "_read", None)
    for known in (store, later):
        pd.testing.assert_frame_equal(known.read(KEY, "westlands"), frame(), check_exact=True)


def test_what_another_process_writes_is_read(store: FrameStore, later: FrameStore) -> None:
    store.write(KEY, "westlands", frame(), inputs="abc")
    later.write(KEY, "westlands", frame().head(1), inputs="abc")
    pd.testing.assert_frame_equal(store.read(KEY, "westlands"), frame().head(1))


def test_what_is_done_to_a_frame_that_was_read_stays_with_who_does_it(store: FrameStore) -> None:
    mine = frame()
    store.write(KEY, "westlands", mine, inputs="abc")
    mine.loc[0, "sku"] = "changed"
    read = store.read(KEY, "westlands")
    read.loc[0, "sku"] = "changed"
    read["price_minor"] = 0
    pd.testing.assert_frame_equal(store.read(KEY, "westlands"), frame(), check_exact=True)


def test_only_the_last_frames_stay_in_memory(store: FrameStore) -> None:
    for outlet in "abcdefghij":
        store.write(KEY, outlet, frame(), inputs="abc")
        store.read(KEY, outlet)
    assert len(store._in_memory) == IN_MEMORY


def test_the_stamp_says_what_was_written(store: FrameStore) -> None:
    written = store.write(KEY, "westlands", frame(), inputs="abc", numbers={"rejects": 3, "s": 0.5})
    stamp = store.stamp(KEY, "westlands")
    assert stamp == written
    assert stamp is not None
    assert (stamp.inputs, stamp.rows, stamp.numbers) == ("abc", 3, {"rejects": 3, "s": 0.5})


def test_the_fingerprint_is_of_the_content_alone(store: FrameStore) -> None:
    first = store.write(KEY, "westlands", frame(), inputs="abc", numbers={"n": 1})
    other = store.write(("pos", "extract"), "kisumu", frame(), inputs="xyz", numbers={"n": 2})
    assert first.fingerprint == other.fingerprint


def test_the_fingerprint_does_not_see_what_lies_under_a_null(store: FrameStore) -> None:
    hidden = frame()
    hidden["quantity"] = pd.array([2**60 + 1, 77, -3], dtype="Int64")
    hidden.loc[1, "quantity"] = pd.NA
    # a slice of a larger frame has other buffers underneath
    sliced = pd.concat([hidden, hidden]).iloc[3:]
    fingerprints = {
        store.write(KEY, "westlands", one, inputs="").fingerprint
        for one in (frame(), hidden, sliced)
    }
    assert len(fingerprints) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.assign(sku=pd.Series(["7", "008", "009"], dtype="str")),
        lambda f: f.assign(quantity=pd.array([None, None, -3], dtype="Int64")),
        lambda f: f.assign(name=pd.Series(["Ö", "", None], dtype="str")),
        lambda f: f.rename(columns={"name": "title"}),
        lambda f: f.iloc[::-1],
        lambda f: f.head(2),
        lambda f: f.assign(price_minor=f["price_minor"].astype("Int64").astype("uint64")),
    ],
    ids=["value", "null", "null for blank", "column", "order", "rows", "type"],
)
def test_the_fingerprint_changes_with_the_content(store: FrameStore, change) -> None:
    before = store.write(KEY, "westlands", frame(), inputs="").fingerprint
    assert store.write(KEY, "westlands", change(frame()), inputs="").fingerprint != before


def test_a_frame_that_is_not_there_is_named_with_the_command(store: FrameStore) -> None:
    assert store.stamp(KEY, "westlands") is None
    with pytest.raises(MarketSyncError) as caught:
        store.read(KEY, "westlands")
    assert "pos/catalog of westlands" in caught.value.message
    assert caught.value.next_step == "run: marketsync run full_sync --outlet westlands"


def test_an_unpartitioned_frame_names_its_own_command(store: FrameStore) -> None:
    with pytest.raises(MarketSyncError, match="refresh_mappings"):
        store.read(("tracker_ke", "platform_catalog"), None)
    with pytest.raises(MarketSyncError, match="run refresh_mappings"):
        store.read(("tracker_ke", "platform_catalog"), "some_scope")


def test_an_unpartitioned_frame_lies_beside_the_outlets(store: FrameStore) -> None:
    store.write(("a", "b"), None, frame(), inputs="")
    store.write(("a", "b"), "c", frame().head(1), inputs="")
    assert len(store.read(("a", "b"), None)) == 3
    assert len(store.read(("a", "b"), "c")) == 1


def test_a_damaged_file_is_named_or_reads_as_it_was(store: FrameStore, later: FrameStore) -> None:
    """Every seventh byte of the file is flipped once, and the file cut off at every 100th."""
    store.write(KEY, "westlands", frame(), inputs="abc")
    path = store.path(KEY, "westlands")
    good = path.read_bytes()
    damaged = [good[:at] for at in range(0, len(good), 100)]
    damaged += [
        good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :] for at in range(0, len(good), 7)
    ]
    refused = []
    for data in damaged:
        path.write_bytes(data)
        later.stamp(KEY, "westlands")
        try:
            later.read(KEY, "westlands")
        except MarketSyncError as error:
            refused.append(error)
    assert len(refused) > len(good) // 100
    assert all(str(path) in error.message for error in refused)
    assert all("marketsync run full_sync --outlet westlands" in e.next_step for e in refused)


def test_a_changed_value_in_a_page_is_noticed(store: FrameStore, later: FrameStore) -> None:
    store.write(KEY, "westlands", frame(), inputs="abc")
    path = store.path(KEY, "westlands")
    data = bytearray(path.read_bytes())
    at = data.index(b"008")
    data[at] ^= 0x01
    path.write_bytes(bytes(data))
    with pytest.raises(MarketSyncError, match=str(path)):
        later.read(KEY, "westlands")


def test_a_file_with_a_damaged_footer_counts_as_missing_so_that_it_is_made_again(
    store: FrameStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.write(KEY, "westlands", frame(), inputs="abc")
    path = store.path(KEY, "westlands")
    path.write_bytes(path.read_bytes()[:-20])
    assert store.stamp(KEY, "westlands") is None
    assert str(path) in caplog.text


def test_a_frame_from_elsewhere_has_no_stamp(store: FrameStore) -> None:
    path = store.path(KEY, "westlands")
    path.parent.mkdir(parents=True)
    frame().to_parquet(path)
    assert store.stamp(KEY, "westlands") is None


def test_a_write_that_fails_leaves_the_old_frame_and_no_litter(
    store: FrameStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(KEY, "westlands", frame(), inputs="old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(MarketSyncError, match="No space left"):
        store.write(KEY, "westlands", frame().head(1), inputs="new")
    stamp = store.stamp(KEY, "westlands")
    assert stamp is not None
    assert stamp.inputs == "old"
    assert os.listdir(store.path(KEY, "westlands").parent) == ["westlands.parquet"]  # noqa: PTH208


@pytest.mark.parametrize("bad", ["", "..", "a/b", "Westlands", "a b", "ü"])
def test_names_that_could_leave_the_folder_are_refused(store: FrameStore, bad: str) -> None:
    with pytest.raises(ValueError, match="not the name of a frame"):
        store.path(KEY, bad)
    with pytest.raises(ValueError, match="not the name of a frame"):
        store.path((bad,), None)


def test_two_thousand_rows_are_written_in_milliseconds(store: FrameStore) -> None:
    many = pd.concat([frame()] * 700, ignore_index=True)
    store.write(KEY, "westlands", many, inputs="")
    times = []
    for _ in range(5):
        start = time.perf_counter()
        store.write(KEY, "westlands", many, inputs="")
        times.append(time.perf_counter() - start)
    assert min(times) < 0.03, "some 3 ms are usual; ten times that is a regression"
