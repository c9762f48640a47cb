"""Lines of records: sorted in bounded memory."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from marketsync_dagster.pos.sources import lines
from marketsync_dagster.values.errors import ExtractError


@pytest.mark.parametrize("memory", [10_000, 100, 10**9])
def test_lines_are_sorted_however_many_there_are(
    monkeypatch: pytest.MonkeyPatch, memory: int
) -> None:
    monkeypatch.setattr(lines, "_IN_MEMORY", memory)
    monkeypatch.setattr(lines, "_RUNS", 5)
    monkeypatch.setattr(lines, "_CHUNK", 1000)
    given = [b"%d\n" % number for number in range(3000)]
    given += given[:7]
    random.Random(7).shuffle(given)
    assert b"".join(lines.sorted_lines(given, "till")) == b"".join(sorted(given))


def test_more_than_an_original_may_have_is_refused_before_anything_is_handed_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "MOST_BYTES", 100)

    def endless() -> Iterator[bytes]:
        while True:
            yield b"0123456789\n"

    with pytest.raises(ExtractError) as caught:
        next(lines.sorted_lines(endless(), "till"))
    assert caught.value.code == "too_large"
