"""Each trouble with a platform ends as docs/faults.md says, on each adapter, by the real sender."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from marketsync_dagster_tests.projects import PLATFORMS, TestBed
from marketsync_dagster_tests.proof import imports, matrix
from marketsync_dagster_tests.proof.troubles import READINGS, TROUBLES, Reading, Trouble
from marketsync_dagster_tests.sandbox_process import SandboxProcess

EVERY = [trouble for group in TROUBLES.values() for trouble in group]


class Beds:
    """A bed per platform, used again as long as each trouble leaves it as it found it."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._sound: dict[str, TestBed] = {}
        self._sandboxes: dict[str, SandboxProcess] = {}

    def take(self, platform: str) -> TestBed:
        """A sound bed; it counts as damaged until it is given back."""
        found = self._sound.pop(platform, None)
        if found is not None:
            return found
        sandbox = self._sandboxes.get(platform)
        if sandbox is None:
            sandbox = self._sandboxes[platform] = SandboxProcess()
            sandbox.start()
        return matrix.matrix_bed(self._folders.mktemp(platform), sandbox, platform)

    def give_back(self, platform: str, bed: TestBed) -> None:
        self._sound[platform] = bed

    def stop(self) -> None:
        for sandbox in self._sandboxes.values():
            sandbox.stop()


@pytest.fixture(scope="module")
def beds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beds]:
    made = Beds(tmp_path_factory)
    yield made
    made.stop()


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("trouble", EVERY, ids=lambda trouble: trouble.name.replace(" ", "-"))
def test_every_trouble_has_a_defined_end(trouble: Trouble, platform: str, beds: Beds) -> None:
    bed = beds.take(platform)

    assert matrix.suffered(bed, platform, trouble) == trouble.end(platform)

    beds.give_back(platform, bed)


@pytest.fixture(scope="module")
def importing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestBed]:
    with SandboxProcess() as sandbox:
        yield imports.import_bed(tmp_path_factory.mktemp("imports"), sandbox)


def test_every_trouble_with_an_import_has_a_defined_end(importing: TestBed) -> None:
    for trouble in imports.TROUBLES:  # the last of them leaves its import behind
        assert imports.fared(importing, trouble) == trouble.end, trouble.name


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestBed]:
    with SandboxProcess() as sandbox:
        yield matrix.catalogue_bed(tmp_path_factory.mktemp("catalogue"), sandbox)


@pytest.mark.parametrize("reading", READINGS, ids=lambda reading: reading.name.replace(" ", "-"))
def test_a_catalogue_is_read_whole_or_not_at_all(reading: Reading, known: TestBed) -> None:
    before = known.sandbox.catalog()
    try:
        assert matrix.read_with(known, reading) == (reading.rows, reading.calls, reading.state)
    finally:
        known.sandbox.reset(keep_seed=True)
    assert len(known.sandbox.catalog()) == len(before)


def test_the_page_says_what_the_table_says() -> None:
    words = "run: python -m marketsync_dagster_tests.proof.matrix"
    assert matrix.PAGE.read_text("utf-8") == matrix.page(), words


def test_no_trouble_is_told_twice_and_there_are_enough_of_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = [trouble.name for trouble in EVERY]
    assert len(names) == len(set(names)) >= 24
    with capsys.disabled():
        print(f"\n{len(names)} troubles on {len(PLATFORMS)} platforms, {len(READINGS)} of reading")
