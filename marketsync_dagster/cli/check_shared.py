"""What `config check` finds in the folders of shared sources: whether their newest files can be
read as it is configured, and whose they are.

A look, no proof: what may be wrong with the rows of a file is the file's matter, and the run's.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from marketsync_dagster.config.load import display
from marketsync_dagster.config.problems import At
from marketsync_dagster.config.source_rules import users_of
from marketsync_dagster.values.errors import ExtractError

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.pos.content import Content
    from marketsync_dagster.pos.sources.base import Arrival
    from marketsync_dagster.stages.reading import Reading

Found = Iterator[tuple[str, At, str]]
CHEAP = 5_000_000
"""Larger files are not read, but for the first lines of tables of text."""
_HEAD = 500_000
_UNPACKED = 64 * 2**20
_MEMBERS = 3
_GROUPS = 5
"""So many ways of reading one source are tried."""
_NAMED = 3
_PLACES: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("column_missing", "unknown_column", "no_sku_column", "no_price_column"),
            *("duplicate_header", "ambiguous_columns", "nested_column"),
        ),
        "columns",
    ),
    **dict.fromkeys(("unknown_layout", "unknown_preset"), "preset"),
    **dict.fromkeys(("unknown_sheet", "ambiguous_sheet"), "sheet"),
    **dict.fromkeys(("no_records", "ambiguous_records"), "records"),
    "no_outlet_column": "outlet",
    "no_time": "time_pattern",
}
"""Code of an ExtractError that the configuration is to blame for -> the key that is."""


@dataclass
class _Seen:
    """What the files of a source, or of some of its outlets, call outlets."""

    outlets: dict[str, str] = field(default_factory=dict)
    """How it is compared -> as it stands there."""
    files: list[str] = field(default_factory=list)
    """Files that do not say whose they are."""
    partly: bool = False
    """Whether an outlet may be in a file although no name that was seen says so."""
    in_archives: bool = False
    """Whether there are archives that may hold files of any outlet."""


def check_shared(settings: Settings) -> Found:
    """The folders of this machine that several outlets may share."""
    for name, source in settings.sources.items():
        users = users_of(settings, name)
        if source.path is None or not users or not (settings.root / source.path).is_dir():
            continue
        folder, everywhere = settings.root / source.path, _Seen()
        groups = _groups(settings, users)[:_GROUPS]
        for readings in groups:
            at: At = ("sources", name)
            if len(groups) > 1:
                at = ("outlets", readings[0].outlet, "extract")
            seen = _Seen()
            yield from _of_group(folder, at, readings, seen)
            yield from _absent(readings, seen, display(folder))
            everywhere.outlets = {**seen.outlets, **everywhere.outlets}
            everywhere.files = list(dict.fromkeys([*everywhere.files, *seen.files]))
        known = {_key(key) for user in users for key in settings.outlets[user].extract.keys}
        yield from _strangers(("sources", name), everywhere, known)


def _groups(settings: Settings, users: Sequence[str]) -> list[list[Reading]]:
    """The outlets of a source by how their files are read; most often all in one way."""
    from marketsync_dagster.stages.reading import reading_of

    found: dict[str, list[Reading]] = {}
    for user in users:
        reading = reading_of(settings, user)
        spec = dataclasses.replace(reading.spec, keys=(), currency="", timezone="")
        said = (reading.said.patterns, reading.said.coverage, reading.said.time_pattern)
        found.setdefault(repr((spec, said)), []).append(reading)
    return list(found.values())


def _of_group(folder: Path, at: At, readings: Sequence[Reading], seen: _Seen) -> Found:
    from marketsync_dagster.pos.sources.directory import DirectorySource

    reading = readings[0]
    by_name = reading.rule in ("name", "directory")
    for pattern in reading.said.patterns:
        try:
            found = DirectorySource(folder, [pattern]).look()
        except ExtractError:
            continue  # the findings of folders say so
        if by_name:
            found = _ours(found, readings, seen)
        for arrival in _newest(reading, found):
            if isinstance(arrival, ExtractError):
                yield from _blamed(at, arrival)
                continue
            for problem in _inside(folder, arrival, readings, seen):
                yield from _placed(at, problem)


def _ours(found: Sequence[Arrival], readings: Sequence[Reading], seen: _Seen) -> list[Arrival]:
    """The files that are of one of the outlets by their names; archives may hold any."""
    own = {_key(key) for reading in readings for key in reading.spec.keys}
    kept: list[Arrival] = []
    for arrival in found:
        key = readings[0].outlet_by_name(arrival.name)
        if key is not None:
            seen.outlets.setdefault(_key(key), key)
        elif arrival.name.lower().endswith(".zip"):
            seen.in_archives = True
        else:
            seen.files.append(arrival.name)
        if key is not None and _key(key) in own:
            kept.append(arrival)
    return kept


def _newest(reading: Reading, found: Sequence[Arrival]) -> Iterator[Arrival | ExtractError]:
    """The newest file of products, and of each kind that adds to them."""
    from marketsync_dagster.stages.choosing import in_order

    roles: dict[str, list[Arrival]] = {}
    for arrival in found:
        roles.setdefault(reading.role_of(arrival.last_name), []).append(arrival)
    for arrivals in roles.values():
        try:
            yield in_order(reading, arrivals)[-1][0]
        except ExtractError as error:
            yield error


Problem = ExtractError | tuple[str, str, str]


def _placed(at: At, problem: Problem) -> Found:
    if isinstance(problem, ExtractError):
        yield from _blamed(at, problem)
        return
    kind, key, message = problem
    yield kind, (*at, key), message


def _blamed(at: At, error: ExtractError) -> Found:
    """An error of the configuration; of the file itself a run will say what is wrong."""
    key = _PLACES.get(error.code)
    if key is not None:
        yield "error", (*at, key), error.message


def _inside(
    folder: Path, arrival: Arrival, readings: Sequence[Reading], seen: _Seen
) -> Iterator[Problem]:
    """What is wrong with how a file is to be read; `seen` learns what its outlets are called."""
    from marketsync_dagster.pos.documents import documents_of
    from marketsync_dagster.pos.read import read_document
    from marketsync_dagster.pos.tables import Limits

    reading, shown = readings[0], display(folder / arrival.name)
    limits = Limits(file_bytes=CHEAP, unpacked_bytes=_UNPACKED)
    with tempfile.TemporaryDirectory(prefix="marketsync-check-") as spool:
        try:
            source = _beginning(folder / arrival.name, shown)
            if source is None:
                seen.partly = True
                return
            documents = documents_of(source, file=shown, spool=Path(spool), limits=limits)
            complete = isinstance(source, Path) and len(documents) <= _MEMBERS
            if not complete or reading.coverage_of(arrival.last_name) == "delta":
                seen.partly = True
            for document in documents[:_MEMBERS]:
                content = read_document(document, reading.spec, limits)
                yield from _of_document(content, readings, seen)
        except ExtractError as error:
            seen.partly = True
            yield error
        except OSError:
            seen.partly = True  # gone, or not to be read: a run will say so


def _beginning(file: Path, shown: str) -> Path | bytes | None:
    """The file, the first lines of a large table of text, or None: it is too large for a look."""
    from marketsync_dagster.pos.detect import Format, format_of

    if file.stat().st_size <= CHEAP:
        return file
    if format_of(file, shown) is not Format.CSV:
        return None
    with file.open("rb") as stream:
        head = stream.read(_HEAD)
    return head[: head.rfind(b"\n") + 1]


def _of_document(content: Content, readings: Sequence[Reading], seen: _Seen) -> Iterator[Problem]:
    from marketsync_dagster.pos import presets
    from marketsync_dagster.pos.parts import part_of
    from marketsync_dagster.pos.read import outlets_in

    reading, file = readings[0], content.document.name
    spec = dataclasses.replace(reading.spec, keys=())
    if spec.preset == presets.GENERIC.name and not spec.columns.keys() - {"outlet"}:
        known = presets.recognise(content.document.last_name, content.headers)
        if known is not presets.GENERIC:
            words = f"{file} looks like an export of {known.title}: say `preset: {known.name}`"
            yield "warning", "preset", words
    own = [key for one in readings for key in one.spec.keys]
    if reading.rule in ("column", "content"):
        there = outlets_in(content, spec)
        if not there:
            if content.records:
                yield _says_no_outlet(content, reading)
            return
        for name in there:
            seen.outlets.setdefault(_key(name), name)
        keys = {_key(key) for key in own}
        own = [name for name in there if _key(name) in keys][:1]
        if not own:
            return
    try:
        part_of(content, dataclasses.replace(reading.spec, keys=tuple(own)))
    except ExtractError as error:
        if not reading.rule and error.code in ("many_outlets", "not_in_file"):
            yield "warning", "outlet", f"{error.message} ({error.next_step})"
        yield error


def _says_no_outlet(content: Content, reading: Reading) -> Problem:
    file, header = content.document.name, reading.spec.columns.get("outlet")
    if reading.rule == "content":
        return "warning", "outlet", f"{file} does not say which outlet it is of"
    listed = ", ".join(repr(name.strip()) for name in content.headers[:40] if name.strip())
    called = f" called {header!r}" if header else ""
    message = f"{file}: no column{called} says which outlet a row is of; there are {listed}"
    return "error", "outlet", message


def _strangers(at: At, seen: _Seen, known: set[str]) -> Found:
    """Files and names that are of no outlet of the configuration."""
    if seen.files:
        one = len(seen.files) == 1
        words = "1 file does" if one else f"{len(seen.files)} files do"
        words += f" not say by name which outlet {'it is' if one else 'they are'} of, and nobody "
        words += f"reads {'it' if one else 'them'}: "
        yield "warning", (*at, "outlet"), words + _some(seen.files)
    others = [name for key, name in seen.outlets.items() if key not in known]
    if others and known:
        what = "an outlet" if len(others) == 1 else f"{len(others)} outlets"
        words = f"there are files or rows of {what} that no `keys` name: "
        yield "warning", (*at, "outlet"), words + _some([repr(name) for name in others])


def _absent(readings: Sequence[Reading], seen: _Seen, shown: str) -> Found:
    """Outlets whose keys are nowhere."""
    rule = readings[0].rule
    unsure = {"column": seen.partly, "name": seen.in_archives, "directory": seen.in_archives}
    if not seen.outlets or unsure.get(rule, True):
        return
    there = _some([repr(name) for name in seen.outlets.values()])
    for reading in readings:
        if not any(_key(key) in seen.outlets for key in reading.spec.keys):
            called = " or ".join(map(repr, reading.spec.keys))
            at: At = ("outlets", reading.outlet, "extract", "keys")
            where = f"the newest file of {shown}" if rule == "column" else shown
            yield "warning", at, f"nothing in {where} is of {called}, only of {there}"


def _key(text: str) -> str:
    from marketsync_dagster.pos.layouts import outlet_key

    return outlet_key(text)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
