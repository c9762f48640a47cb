"""Archives, honest and hostile: unpacked exactly, or refused by name with nothing of them used."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from marketsync_dagster.pos.archives import Member, unpack
from marketsync_dagster.pos.detect import Format, format_of
from marketsync_dagster.pos.reasons import FILE_REASONS
from marketsync_dagster.pos.tables import Limits
from marketsync_dagster.values.errors import ExtractError

CSV = b"sku,name,price\n0001,Tea,5.00\n0002,Rice,7.50\n"
LIMITS = Limits()


def opened(
    tmp_path: Path, data: bytes, limits: Limits = LIMITS, name: str = "prices.csv.gz"
) -> list[Member]:
    source, spool = tmp_path / "incoming", tmp_path / "spool"
    source.write_bytes(data)
    spool.mkdir(exist_ok=True)
    for left in spool.iterdir():
        left.unlink()
    return unpack(source, format_of(source, name), spool, limits, name)


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes], stored: bool = False) -> bytes:
    buffer = io.BytesIO()
    method = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data, method)
    return buffer.getvalue()


def renamed(data: bytes, old: bytes, new: bytes) -> bytes:
    """A ZIP with another name of the same length, which the library would not write."""
    assert len(old) == len(new)
    return data.replace(old, new)


def special(name: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = mode << 16
    return entry


def patched(data: bytes, offset: int, value: bytes) -> bytes:
    """A ZIP of one member with other bytes in its entry of the directory."""
    start = data.index(b"PK\x01\x02") + offset
    return data[:start] + value + data[start + len(value) :]


def overlapping(count: int) -> bytes:
    """Many members of a directory that share the bytes of one."""
    kernel = zlib.compressobj(9, zlib.DEFLATED, -15)
    plain = b"0" * 200_000
    packed = kernel.compress(plain) + kernel.flush()
    crc = zlib.crc32(plain)
    sizes = struct.pack("<LLL", crc, len(packed), len(plain))
    name = b"a"
    local = b"PK\x03\x04" + struct.pack("<HHHHH", 20, 0, 8, 0, 0) + sizes
    body = local + struct.pack("<HH", len(name), 0) + name + packed
    directory = b""
    for number in range(count):
        other = f"{number:06d}".encode()
        directory += b"PK\x01\x02" + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 0) + sizes
        directory += struct.pack("<HHHHHLL", len(other), 0, 0, 0, 0, 0, 0) + other
    end = struct.pack("<HHHHLLH", 0, 0, count, count, len(directory), len(body), 0)
    return body + directory + b"PK\x05\x06" + end


def nested(depth: int) -> bytes:
    data = b"0" * 2_000_000
    for level in range(depth):
        data = zipped(*[(f"lib{level}-{number}.zip", data) for number in range(4)])
    return data


def test_gzip_is_unpacked_under_its_own_name(tmp_path: Path) -> None:
    (member,) = opened(tmp_path, gzip.compress(CSV))
    assert member.path.read_bytes() == CSV
    assert member.path.parent == tmp_path / "spool"
    assert (member.name, member.size) == ("prices.csv", len(CSV))
    assert member.sha256 == hashlib.sha256(CSV).hexdigest()


def test_gzip_in_parts_with_padding_is_one_document(tmp_path: Path) -> None:
    data = gzip.compress(CSV[:20]) + gzip.compress(b"") + gzip.compress(CSV[20:]) + b"\0" * 512
    (member,) = opened(tmp_path, data)
    assert member.path.read_bytes() == CSV


def test_a_large_gzip_is_unpacked_in_chunks(tmp_path: Path) -> None:
    plain = random.Random(1).randbytes(700_000).hex().encode()
    (member,) = opened(tmp_path, gzip.compress(plain))
    assert member.sha256 == hashlib.sha256(plain).hexdigest()


def test_members_keep_their_names_and_go_to_the_spool_by_number(tmp_path: Path) -> None:
    data = zipped(
        ("Konzum d.d. (HR)_1.csv", CSV), ("dir/", b""), ("dir/cijene š.xml", b"<a><b/></a>"),
        ("__MACOSX/._Konzum", b"\0\5\x16\7" * 40), (".DS_Store", b"\0\0\0\1Bud1"),
    )  # fmt: skip
    first, second = opened(tmp_path, data, name="prices.zip")
    assert (first.name, first.path.read_bytes()) == ("Konzum d.d. (HR)_1.csv", CSV)
    assert (second.name, format_of(second.path, "x")) == ("dir/cijene š.xml", Format.XML)
    assert sorted(path.name for path in (tmp_path / "spool").iterdir()) == ["00000", "00001"]
    assert second.sha256 == hashlib.sha256(b"<a><b/></a>").hexdigest()


def test_a_spreadsheet_in_an_archive_is_no_archive_in_an_archive(tmp_path: Path) -> None:
    sheet = zipped(("[Content_Types].xml", b"<Types/>"), ("xl/workbook.xml", b"<workbook/>"))
    (member,) = opened(tmp_path, zipped(("prices.xlsx", sheet), stored=True), name="prices.zip")
    assert format_of(member.path, "x") is Format.XLSX


@dataclass(frozen=True)
class Bad:
    name: str
    make: Callable[[], bytes]
    code: str
    says: str = ""
    limits: Limits = LIMITS


SMALL = replace(LIMITS, unpacked_bytes=3 * 2**20, members=5)
NOISE = random.Random(2).randbytes(3000)
BAD = [
    Bad("gzip cut in its head", lambda: gzip.compress(CSV)[:7], "truncated", "cut off"),
    Bad("gzip cut before its checksum", lambda: gzip.compress(CSV)[:-8], "truncated"),
    Bad("gzip cut in its second part", lambda: gzip.compress(CSV) + gzip.compress(CSV)[:20],
        "truncated"),
    Bad("gzip with another checksum", lambda: gzip.compress(CSV)[:-8] + b"\1" * 8,
        "damaged_archive", "incorrect data check"),
    Bad("gzip with a damaged middle", lambda: gzip.compress(NOISE)[:500] + b"\xff" * 40 +
        gzip.compress(NOISE)[540:], "damaged_archive"),
    Bad("something behind a gzip archive", lambda: gzip.compress(CSV) + b"junk", "damaged_archive"),
    Bad("gzip in gzip", lambda: gzip.compress(gzip.compress(CSV)), "nested_archive", "prices.csv"),
    Bad("ZIP in gzip", lambda: gzip.compress(zipped(("a.csv", CSV))), "nested_archive"),
    Bad("a gzip bomb", lambda: gzip.compress(bytes(20 * 2**20)), "archive_bomb", "200 times"),
    Bad("more than may come out of gzip", lambda: gzip.compress(NOISE * 1200), "too_large", "3 MB",
        replace(SMALL, ratio=10**6)),
    Bad("thousands of tiny gzip parts", lambda: gzip.compress(b"") * 40, "too_many_members",
        "more than 5", SMALL),
    Bad("ZIP cut in its middle", lambda: zipped(("a.csv", NOISE))[:1500], "truncated"),
    Bad("ZIP without its directory's end", lambda: zipped(("a.csv", NOISE))[:-22], "truncated"),
    Bad("a cut ZIP that ends with another ZIP",
        lambda: zipped(("a.zip", zipped(("b.csv", CSV))), ("c.csv", CSV), stored=True).partition(
            b"PK\x03\x04\x14\0\0\0\0\0" + b"@")[0][:30 + 5 + len(zipped(("b.csv", CSV)))],
        "truncated", "directory is missing"),
    Bad("a damaged member", lambda: zipped(("a.csv", NOISE)).replace(NOISE[700:710], b"x" * 10)
        if NOISE[700:710] in zipped(("a.csv", NOISE)) else b"", "damaged_archive"),
    Bad("the second member is damaged", lambda: renamed(zipped(("a.csv", CSV), ("b.csv", CSV * 3),
        stored=True), CSV * 3, CSV * 2 + b"x" * len(CSV)), "damaged_archive", "b.csv"),
    Bad("a member that declares too little", lambda: patched(zipped(("a.csv", CSV)), 24,
        struct.pack("<L", 10)), "damaged_archive", "a.csv"),
    Bad("a member that declares too much", lambda: patched(zipped(("a.csv", CSV)), 24,
        struct.pack("<L", 10**6)), "damaged_archive"),
    Bad("no members", lambda: zipped(), "empty"),
    Bad("only a directory", lambda: zipped(("a/", b"")), "empty"),
    Bad("a name that climbs", lambda: zipped(("../a.csv", CSV)), "unsafe_member", "'../a.csv'"),
    Bad("a name that climbs inside", lambda: zipped(("a/../../b", CSV)), "unsafe_member"),
    Bad("a directory that climbs", lambda: zipped(("../", b""), ("a.csv", CSV)), "unsafe_member"),
    Bad("an absolute name", lambda: zipped(("/etc/passwd", CSV)), "unsafe_member", "/etc/passwd"),
    Bad("a drive letter", lambda: zipped(("C:a.csv", CSV)), "unsafe_member"),
    Bad("backslashes", lambda: zipped(("..\\a.csv", CSV)), "unsafe_member"),
    Bad("a NUL in a name", lambda: renamed(zipped(("a.csv_.exe", CSV)), b"a.csv_.exe",
        b"a.csv\0.exe"), "unsafe_member", "\\x00"),
    Bad("a line end in a name", lambda: zipped(("a\nb.csv", CSV)), "unsafe_member"),
    Bad("a link", lambda: zipped((special("a.csv", stat.S_IFLNK | 0o777), b"/etc/passwd")),
        "unsafe_member", "a link"),
    Bad("a device", lambda: zipped((special("a.csv", stat.S_IFCHR), b"")), "unsafe_member",
        "no regular file"),
    Bad("one name twice", lambda: renamed(zipped(("a.csv", CSV), ("b.csv", b"x")), b"b.csv",
        b"a.csv"), "duplicate_member", "'a.csv'"),
    Bad("one name twice in two ways of writing", lambda: zipped(("\u0161.csv", CSV),
        ("s\u030c.csv", CSV)), "duplicate_member"),
    Bad("a password", lambda: patched(zipped(("a.csv", CSV)), 8, b"\1\0"), "encrypted",
        "the member 'a.csv' is encrypted"),
    Bad("another compression", lambda: patched(zipped(("a.csv", CSV)), 10, b"\x09\0"),
        "unknown_compression", "method 9"),
    Bad("ZIP in ZIP", lambda: zipped(("a.csv", CSV), ("b.zip", zipped(("c.csv", CSV)))),
        "nested_archive", "b.zip"),
    Bad("ZIPs in ZIPs in ZIPs", lambda: nested(3), "nested_archive"),
    Bad("gzip in ZIP", lambda: zipped(("a.csv", gzip.compress(CSV))), "nested_archive"),
    Bad("a ZIP bomb", lambda: zipped(("a.csv", bytes(20 * 2**20))), "archive_bomb", "a.csv"),
    Bad("a bomb of many small members", lambda: zipped(*[(f"{n}.csv", bytes(900_000))
        for n in range(20)]), "archive_bomb", "prices.csv.gz unpacks to more than 200 times"),
    Bad("members that share their bytes", lambda: overlapping(300), "archive_bomb", "overlaps"),
    Bad("more than may come out of ZIP", lambda: zipped(*[(f"{n}.csv", NOISE * 400)
        for n in range(4)]), "too_large", "3 MB", SMALL),
    Bad("too many members", lambda: zipped(*[(f"{n}.csv", CSV) for n in range(6)]),
        "too_many_members", "6 members", SMALL),
    Bad("a directory that is too large", lambda: zipped(*[("n" * 900 + str(n), b"")
        for n in range(200)]), "too_many_members", "directory", SMALL),
    Bad("the file is too large", lambda: gzip.compress(CSV), "too_large", "20 bytes",
        replace(LIMITS, file_bytes=20)),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_an_archive_that_cannot_be_trusted_is_refused_by_name(bad: Bad, tmp_path: Path) -> None:
    before = sorted(path.name for path in tmp_path.parent.iterdir())
    with pytest.raises(ExtractError) as refusal:
        opened(tmp_path, bad.make(), bad.limits)
    assert refusal.value.code == bad.code, refusal.value.message
    assert bad.says in refusal.value.message
    assert refusal.value.message.startswith("prices.csv")
    assert refusal.value.next_step == FILE_REASONS[bad.code]
    # nothing was written anywhere but to the spool
    assert sorted(path.name for path in tmp_path.iterdir()) == ["incoming", "spool"]
    assert sorted(path.name for path in tmp_path.parent.iterdir()) == before
    assert all(path.name.isdigit() for path in (tmp_path / "spool").iterdir())


def test_a_bomb_is_stopped_while_it_goes_off(tmp_path: Path) -> None:
    with pytest.raises(ExtractError, match="200 times"):
        opened(tmp_path, gzip.compress(bytes(64 * 2**20)))
    assert sum(path.stat().st_size for path in (tmp_path / "spool").iterdir()) < 3 * 2**20


@pytest.mark.parametrize("form", ["gzip", "zip"])
def test_an_archive_that_is_cut_anywhere_gives_nothing(form: str, tmp_path: Path) -> None:
    plain = CSV + random.Random(3).randbytes(2500).hex().encode()
    whole = gzip.compress(plain) if form == "gzip" else zipped(("a.csv", plain), ("b.csv", CSV))
    for end in [*range(4, len(whole), 100), *range(len(whole) - 24, len(whole))]:
        with pytest.raises(ExtractError) as refusal:
            opened(tmp_path, whole[:end], name="prices.zip")
        assert refusal.value.code == "truncated"


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("marketsync_dagster.pos.archives._spooled", full)
    with pytest.raises(ExtractError) as refusal:
        opened(tmp_path, gzip.compress(CSV))
    assert refusal.value.code == "no_space"
